//! Searching one segment for the vectors nearest to a query.

use super::LiveSegment;
use super::VectorIndex;
use super::VectorPart;
use super::calibration::Effort;
use super::calibration::Plan;
use super::filtered::Filtered;
use super::index::Lookup;
use super::pick::Wanted;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::Candidate;
use crate::slots::Passing;
use crate::slots::SlotSet;
use crate::vector::ExactScorer;
use std::borrow::Cow;

/// Candidates with equal scores are rescored up to so many times the number that is rescored otherwise.
const TIES: usize = 16;

/// A stored row that lies apart from the others costs as much as so many in order.
const SCATTERED_COST: usize = 4;

/// What to look for in a segment, prepared once for all segments.
pub(crate) struct VectorQuery<'a> {
    /// Which of the schema's vectors.
    pub(crate) vector: usize,
    /// The query's numbers.
    pub(crate) values: Cow<'a, [f32]>,
    /// Scores stored rows.
    pub(crate) scorer: ExactScorer,
    /// Hits wanted.
    pub(crate) k: usize,
    /// How much work a graph may take.
    pub(crate) effort: Effort,
    /// True to score every record.
    pub(crate) exact: bool,
}

/// What is known before a segment is searched.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// The score of the worst of `k` records found in other segments.
    pub(crate) worst: Option<f32>,
    /// The slots that pass the filter, dead ones among them; `None` without a filter.
    pub(crate) filter: Option<&'a SlotSet>,
    /// A slot that is to be passed over.
    pub(crate) hidden: Option<Slot>,
}

/// How a segment was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// All stored rows that may be found were scored.
    Rows,
    /// All codes that may be found were scored, and the best rescored.
    Codes,
    /// The codes that may be found were scored in the cells nearest to the query, and the best rescored.
    Cells,
    /// The graph was followed.
    Graph,
    /// The graph was followed over records that do not pass.
    GraphOver,
}

/// What a search of a segment did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// How it was done, at last.
    pub(crate) route: Route,
    /// The route that was tried first and given up, if any.
    pub(crate) given_up: Option<Route>,
    /// Number of codes scored, where that was counted, or of rows.
    pub(crate) scored: usize,
}

impl LiveSegment {
    /// Gives score and slot of the best records to `found`: at least `min(k, matches)` of them unless better ones are known, each
    /// scored exactly; the best for certain where the search is exact or there is no graph.
    pub(crate) fn search(
        &self,
        query: &VectorQuery<'_>,
        known: Known<'_>,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<Work> {
        let part = self.vector(query.vector)?;
        let matches = known.filter.map_or(self.live(), SlotSet::len);
        let all = query.exact || matches!(query.effort, Effort::Width(width) if width >= matches);
        match part.index.as_ref().filter(|_| !all && query.k < matches) {
            None => self.search_rows(part, query, known, found),
            Some(index) => match known.filter {
                Some(set) => Filtered { live: self, part, index, query, known, set }.run(found),
                None => self.search_graph(part, index, query, known, found),
            },
        }
    }

    /// What may be found.
    pub(super) fn passing<'a>(&'a self, known: Known<'a>) -> Passing<'a> {
        let dead = (!self.dead.is_empty()).then_some(&*self.dead);
        Passing { set: known.filter, dead, hidden: known.hidden }
    }

    /// Scores every stored row that may be found.
    pub(super) fn search_rows(
        &self,
        part: &VectorPart,
        query: &VectorQuery<'_>,
        known: Known<'_>,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<Work> {
        let passing = self.passing(known);
        let len = self.segment.len() as usize;
        let scored = match known.filter {
            Some(set) if set.len() * SCATTERED_COST < len => {
                let slots = set.iter().filter(|slot| passing.contains(*slot));
                part.rows.score(&query.scorer, slots, found)?;
                set.len()
            }
            _ => {
                let wanted =
                    Wanted { values: &query.values, scorer: &query.scorer, k: query.k, known: known.worst };
                part.rows.pick(&wanted, &|slot| passing.contains(slot), found)?;
                len
            }
        };
        Ok(Work { route: Route::Rows, given_up: None, scored })
    }

    /// The vector at this place of the schema.
    pub(crate) fn vector(&self, vector: usize) -> Result<&VectorPart> {
        let missing = || Error::corrupt("segment", 0, format!("no vector {vector}"));
        self.segment.vectors().get(vector).ok_or_else(missing)
    }

    /// The graph leads through dead records and they are dropped from what it found, so more are looked for, by their
    /// share; where they crowd around the query, more again, until all codes are looked at instead.
    fn search_graph(
        &self,
        part: &VectorPart,
        index: &VectorIndex,
        query: &VectorQuery<'_>,
        known: Known<'_>,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<Work> {
        let (len, live) = (self.segment.len() as usize, self.live());
        let code_bytes = index.quantizer().code_bytes();
        let plan = index.calibration().plan(query.effort, query.k, (len, code_bytes));
        let rescored = rescored(index, query.k, &plan);
        let is_alive =
            |slot: Slot| (self.dead.is_empty() || !self.dead.contains(slot)) && known.hidden != Some(slot);
        let mut rank = rank_with_dead(query.k, len, live);
        while rank < len / 2 && !plan.scan {
            let lookup = Lookup {
                rank,
                slack: plan.slack,
                width: plan.width * rank / query.k,
                known: known.worst,
                hidden: known.hidden,
            };
            let last = index.search(&query.values, &lookup, |candidates| -> Result<Option<usize>> {
                let alive = || candidates.iter().enumerate().filter(|(_, found)| is_alive(found.slot));
                let last = alive().nth(query.k - 1).map(|(at, _)| at + 1);
                if last.is_some_and(|last| last <= rank) {
                    let alive = alive().map(|(_, candidate)| candidate);
                    part.rows.score(&query.scorer, to_rescore(alive, rescored), found)?;
                }
                Ok(last)
            })??;
            // Where the last living result lies behind the rank, the search reached less far than it should.
            rank = match last {
                Some(last) if last <= rank => {
                    return Ok(Work { route: Route::Graph, given_up: None, scored: 0 });
                }
                Some(last) => last.max(rank + rank / 4 + 1),
                None => rank * 4,
            };
        }
        index.scan(
            &query.values,
            rescored,
            |slot| !is_alive(slot),
            |candidates| {
                part.rows.score(&query.scorer, candidates.iter().map(|candidate| candidate.slot), found)
            },
        )??;
        Ok(Work { route: Route::Codes, given_up: None, scored: len })
    }
}

/// Number of candidates to be rescored.
pub(super) fn rescored(index: &VectorIndex, k: usize, plan: &Plan) -> usize {
    match (plan.rescored, plan.slack) {
        (Some(measured), Some(_)) => measured,
        (measured, _) => index.quantizer().rescored(k, plan.width).max(measured.unwrap_or(0)),
    }
}

/// The place of the `k`th living result where the dead are spread evenly, and a little more for chance.
fn rank_with_dead(k: usize, len: usize, live: usize) -> usize {
    let dead_share = (len - live) as f32 / len as f32;
    let spread = (2.0 * (k as f32 * dead_share).sqrt()).round() as usize;
    ((k + spread) * len).div_ceil(live)
}

/// The slots of the first `count` candidates, and of those that share the last one's score, up to a few times as many: where
/// records lie closer than codes can tell apart, any of those with one code may be the best.
pub(super) fn to_rescore<'a>(
    candidates: impl Iterator<Item = &'a Candidate>,
    count: usize,
) -> impl Iterator<Item = Slot> {
    let mut taken = 0;
    let mut last = None;
    let more = move |candidate: &&Candidate| {
        taken += 1;
        let is_tied = last == Some(candidate.score) && taken <= TIES * count;
        last = Some(candidate.score);
        taken <= count || is_tied
    };
    candidates.take_while(more).map(|candidate| candidate.slot)
}
