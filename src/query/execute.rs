//! [`Execution`]: a vector search, carried out over the segments of a view.

use super::Hit;
use super::Search;
use super::View;
use super::explain::Step;
use super::hit::Extra;
use super::hit::Origin;
use super::matching::Condition;
use super::matching::Passing;
use super::matching::count;
use super::top::Found;
use super::top::Top;
use crate::error::Result;
use crate::ids::Slot;
use crate::segment::Known;
use crate::segment::LiveSegment;
use crate::segment::VectorQuery;
use crate::slots::SlotSet;
use std::cmp::Reverse;
use std::time::Instant;

/// The segments to be searched, and what passes of each.
pub(super) struct Execution<'v> {
    pub(super) segments: Vec<&'v LiveSegment>,
    /// Empty without a filter.
    pub(super) passing: Vec<Passing>,
}

impl<'v> Execution<'v> {
    /// The segments with records, in the order in which they are searched: the largest graph first, because what it finds
    /// shortens the search of the others. The condition was checked.
    pub(super) fn new(view: &'v View, vector: usize, condition: &Condition) -> Result<Self> {
        let mut segments: Vec<&LiveSegment> = view.set.segments().filter(|live| live.live() > 0).collect();
        let has_graph = |live: &LiveSegment| live.vector(vector).is_ok_and(|part| part.index.is_some());
        segments.sort_by_key(|live| Reverse((has_graph(live), live.live())));
        let passing = match condition.filter {
            None => Vec::new(),
            Some(_) => segments.iter().map(|live| condition.passing(live)).collect::<Result<_>>()?,
        };
        Ok(Self { segments, passing })
    }

    /// Number of records that may be found.
    pub(super) fn matches(&self) -> usize {
        match self.passing.is_empty() {
            true => self.segments.iter().map(|live| live.live()).sum(),
            false => {
                self.segments.iter().zip(&self.passing).map(|(live, passing)| count(live, passing)).sum()
            }
        }
    }

    /// The hits of `search`, which asks `query`.
    pub(super) fn hits(
        &self,
        view: &View,
        query: &mut VectorQuery<'_>,
        search: &Search,
        steps: Option<&mut Vec<Step>>,
    ) -> Result<Vec<Hit>> {
        let found = match search.grouping() {
            None => self.best(query, None, steps)?,
            Some(grouping) => grouping.best(self, query, steps)?,
        };
        let metric = view.set.schema.vectors()[query.vector].ty().metric;
        for found in &found {
            self.segments[found.segment as usize].segment.prefetch_id(found.slot);
        }
        let mut hits = Vec::with_capacity(found.len());
        for found in found {
            let (score, distance) = metric.score_and_distance(found.score);
            if search.least_score().is_some_and(|least| score < least) {
                break;
            }
            hits.push(self.hit(view, Found { score, ..found }, distance, None)?);
        }
        Ok(hits)
    }

    /// The hit that a record with the user's score is.
    pub(super) fn hit(&self, view: &View, found: Found, distance: f32, extra: Option<Extra>) -> Result<Hit> {
        let Found { score, segment, slot } = found;
        let segment = &self.segments[segment as usize].segment;
        let origin = Origin { segment: segment.clone(), slot, _pin: view.set.pin.clone() };
        Ok(Hit { id: segment.id(slot)?, score, distance, origin, extra: extra.map(Box::new) })
    }

    /// The best records of all segments, without the hidden one, which is given as segment and slot. Each segment is told how
    /// good those are that were found in the ones before. What was done in each goes into `steps`.
    pub(super) fn best(
        &self,
        query: &VectorQuery<'_>,
        hidden: Option<(usize, Slot)>,
        mut steps: Option<&mut Vec<Step>>,
    ) -> Result<Vec<Found>> {
        let mut top = Top::new(query.k);
        for (place, live) in self.segments.iter().enumerate() {
            let filter = self.passing.get(place).and_then(Option::as_deref);
            if filter.is_some_and(SlotSet::is_empty) {
                continue;
            }
            let hidden = hidden.filter(|(segment, _)| *segment == place).map(|(_, slot)| slot);
            let known = Known { worst: top.worst(), filter, hidden };
            let started = steps.is_some().then(Instant::now);
            let work = live.search(query, known, &mut |score, slot| {
                if hidden != Some(slot) {
                    top.offer(Found { score, segment: place as u32, slot });
                }
            })?;
            if let (Some(steps), Some(started)) = (&mut steps, started) {
                steps.push(Step { segment: place, work, time: started.elapsed() });
            }
        }
        Ok(top.into_best())
    }

    /// The share of the true nearest records that `query` finds: it asks for a record, given as segment and slot, among the
    /// others. `None` where there are no others.
    pub(super) fn recall(&self, query: &mut VectorQuery<'_>, probe: (usize, Slot)) -> Result<Option<f32>> {
        let found = self.best(query, Some(probe), None)?;
        query.exact = true;
        Ok(share_found(&found, &self.best(query, Some(probe), None)?))
    }

    /// Segments and slots of up to `count` records, spread over all.
    pub(super) fn spread(&self, count: usize) -> Vec<(usize, Slot)> {
        let total: usize = self.segments.iter().map(|live| live.live()).sum();
        let segments = self.segments.iter().enumerate();
        let all = segments.flat_map(|(place, live)| live.slots().map(move |slot| (place, slot)));
        all.step_by(total.div_ceil(count).max(1)).collect()
    }
}

/// The share of the exact results that are among the found ones, or others with as good a score; `None` where there are no
/// exact ones.
fn share_found(found: &[Found], exact: &[Found]) -> Option<f32> {
    let worst = exact.last()?.score;
    let good = found.iter().filter(|found| found.score >= worst).count();
    Some(good.min(exact.len()) as f32 / exact.len() as f32)
}
