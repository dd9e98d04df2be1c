//! [`Scan`]: records in the order of their ids.

use super::View;
use crate::error::Error;
use crate::error::Result;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::segment::IdRef;
use crate::segment::LiveSegment;
use crate::segment::Record;
use std::sync::Arc;

/// Walks records in the order of their ids (numbers by value, strings by bytes), page by page or to the end.
///
/// A page begins after an id, so pages fit together even when records are written in between. The first scan of a
/// segment sorts its ids and keeps the order: 4 bytes a record in memory.
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(1))?;
/// docs.upsert((0..5).map(|id| Record::new(id).vector([id as f32])))?;
/// let page: Vec<Record> = docs.scan().after(1).limit(2).collect::<Result<_, _>>()?;
/// assert_eq!(page.iter().map(|record| record.id().as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[must_use = "a scan does nothing until it is iterated"]
pub struct Scan {
    view: Result<View, Option<Error>>,
    after: Option<RecordId>,
    limit: usize,
    cursors: Option<Vec<Cursor>>,
}

/// How far a scan is in one segment.
struct Cursor {
    live: LiveSegment,
    slots: Arc<Vec<Slot>>,
    next: usize,
}

impl Cursor {
    fn new(live: &LiveSegment, after: Option<&RecordId>) -> Result<Self> {
        let slots = live.segment.slots_by_id()?;
        let next = match after {
            None => 0,
            Some(after) => first_after(live, &slots, IdRef::from(after))?,
        };
        let mut cursor = Self { live: live.clone(), slots, next };
        cursor.skip_dead();
        Ok(cursor)
    }

    fn slot(&self) -> Option<Slot> {
        self.slots.get(self.next).copied()
    }

    fn skip_dead(&mut self) {
        while self.slot().is_some_and(|slot| self.live.dead.contains(slot)) {
            self.next += 1;
        }
    }

    fn advance(&mut self) {
        self.next += 1;
        self.skip_dead();
    }
}

/// The first place in `slots`, which are in the order of their ids, with an id greater than `after`.
fn first_after(live: &LiveSegment, slots: &[Slot], after: IdRef<'_>) -> Result<usize> {
    let (mut low, mut high) = (0, slots.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match live.segment.id_ref(slots[middle])? <= after {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

impl Scan {
    pub(crate) fn new(view: Result<View>) -> Self {
        Self { view: view.map_err(Some), after: None, limit: usize::MAX, cursors: None }
    }

    /// Begins behind this id, which need not exist.
    pub fn after(mut self, id: impl Into<RecordId>) -> Self {
        self.after = Some(id.into());
        self
    }

    /// Ends after this many records. Default: none left out.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    fn next_record(&mut self) -> Result<Option<Record>> {
        let view = match &mut self.view {
            Ok(view) => view,
            Err(error) => return error.take().map_or(Ok(None), Err),
        };
        if self.cursors.is_none() {
            let cursors = view.set.segments().map(|live| Cursor::new(live, self.after.as_ref()));
            self.cursors = Some(cursors.collect::<Result<_>>()?);
        }
        let cursors = self.cursors.as_deref_mut().unwrap_or_default();
        let mut least: Option<(usize, Slot, IdRef<'_>)> = None;
        for (i, cursor) in cursors.iter().enumerate() {
            let Some(slot) = cursor.slot() else { continue };
            let id = cursor.live.segment.id_ref(slot)?;
            if least.is_none_or(|(.., other)| id < other) {
                least = Some((i, slot, id));
            }
        }
        let Some((i, slot)) = least.map(|(i, slot, _)| (i, slot)) else { return Ok(None) };
        let record = cursors[i].live.segment.record(slot)?;
        cursors[i].advance();
        Ok(Some(record))
    }
}

/// Ends after the first error.
impl Iterator for Scan {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.limit == 0 {
            return None;
        }
        self.limit -= 1;
        let next = self.next_record().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.limit = 0;
        }
        next
    }
}
