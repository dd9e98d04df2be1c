//! [`SparsePart`]: a sparse vector that a search asks for. Its answers are exact.

use super::execute::Execution;
use super::top::Found;
use super::top::Top;
use crate::error::Result;
use crate::ids::Slot;
use crate::segment::LiveSegment;
use crate::segment::Schema;
use crate::sparse::Allowed;
use crate::sparse::Scratch;
use crate::sparse::Searched;
use crate::sparse::SparseQuery;
use crate::sparse::SparseVector;
use crate::sparse::SparseView;
use std::cell::RefCell;

/// Segments of so few slots, dead ones among them, are searched by their rows: that takes less than making an index of what was
/// written last.
const SCANNED_ROWS: u32 = 256;

thread_local! {
    /// The working memory of searches on this thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// One part of a search.
pub(super) struct SparsePart<'s> {
    /// Its name, and that of the vectors it is compared with.
    pub(super) name: &'s str,
    place: usize,
    query: SparseQuery,
}

/// What a search by a sparse vector found, and how many rows it scored for that.
pub(super) struct SparseFound {
    pub(super) ranking: Vec<Found>,
    pub(super) scored: usize,
}

impl<'s> SparsePart<'s> {
    /// The part that compares `vector` with those called `name`.
    pub(super) fn of(schema: &Schema, (name, vector): &'s (String, SparseVector)) -> Result<Self> {
        Ok(Self { name, place: schema.sparse_index(name)?, query: SparseQuery::new(name, vector)? })
    }

    /// The best `k` records among those that pass.
    pub(super) fn best(&self, execution: &Execution<'_>, k: usize) -> Result<SparseFound> {
        let mut top = Top::new(k);
        let scored = self.each(execution, 0.0, &mut |found| {
            top.offer(found);
            top.worst().unwrap_or(0.0)
        })?;
        Ok(SparseFound { ranking: top.into_best(), scored })
    }

    /// Every record among those that pass that has a term of the vector and scores at least so much, the best first.
    pub(super) fn all(&self, execution: &Execution<'_>, least: f32) -> Result<SparseFound> {
        let mut ranking = Vec::new();
        let scored = self.each(execution, least, &mut |found| {
            ranking.push(found);
            least
        })?;
        ranking.sort_unstable_by(|one, other| other.cmp(one));
        Ok(SparseFound { ranking, scored })
    }

    /// Calls `offer` with what may be among the best, as [`SparseQuery::search`] does.
    fn each(
        &self,
        execution: &Execution<'_>,
        least: f32,
        offer: &mut dyn FnMut(Found) -> f32,
    ) -> Result<usize> {
        let (mut threshold, mut scored) = (least, 0);
        for (segment, live) in execution.segments.iter().enumerate() {
            let (len, table) = (live.segment.len(), live.segment.sparse_table(self.place)?);
            let part = (len > SCANNED_ROWS).then(|| live.segment.sparse_part(self.place)).transpose()?;
            let view = part.as_ref().map(|part| SparseView::open(part, len)).transpose()?;
            let dead = live.dead_slots();
            let filter = execution.passing.get(segment).and_then(Option::as_deref);
            let allowed = Allowed { filter, dead: dead.as_deref() };
            let searched = Searched { view: view.as_ref(), len, rows: |slot| table.row(slot), allowed };
            let known = threshold;
            let mut tell = |score, slot| {
                threshold = offer(Found { score, segment: segment as u32, slot });
                threshold
            };
            scored +=
                SCRATCH.with_borrow_mut(|scratch| self.query.search(&searched, known, scratch, &mut tell))?;
        }
        Ok(scored)
    }

    /// What one record scores; 0 where it has no term of the vector.
    pub(super) fn score(&self, live: &LiveSegment, slot: Slot) -> Result<f32> {
        Ok(self.query.score(live.segment.sparse_table(self.place)?.row(slot)?)?.unwrap_or(0.0))
    }
}
