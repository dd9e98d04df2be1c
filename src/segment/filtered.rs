//! [`Filtered`]: searching one segment for the nearest vectors among the records that pass a filter.
//!
//! There are three ways: a scan of the matches' codes, the graph as it is with only matches for results, and the graph
//! walked over what does not pass. Their costs are estimated from the number of matches, which is known exactly. How
//! many of the records *near the query* pass is not: a filter may be correlated with the query, for or against it. So a walk
//! that meets too few matches, or that takes longer than a scan of the matches would, is given up for the next way,
//! and no search takes much more than twice what the best way for it takes.

use super::LiveSegment;
use super::VectorIndex;
use super::VectorPart;
use super::calibration::Plan;
use super::cells::CellLimit;
use super::cells::Ends;
use super::costs;
use super::index::Lookup;
use super::search::Known;
use super::search::Route;
use super::search::VectorQuery;
use super::search::Work;
use super::search::rescored;
use super::search::to_rescore;
use crate::error::Result;
use crate::graph::Ending;
use crate::graph::Hops;
use crate::graph::Restriction;
use crate::graph::Uneven;
use crate::ids::Slot;
use crate::quant::Candidate;
use crate::slots::SlotSet;
use crate::vector::Metric;

/// From this share of matches on, the graph is walked as it is.
const MOST_PASS: f32 = 0.6;
/// Passing slots that a walk over others begins from beside the entry point.
const SEEDS: usize = 4;
/// The part of the slack that a walk over others needs where most pass: it sees farther from each node ...
const OVER_SLACK: f32 = 0.6;
/// ... and what it needs more where few do, in inverse proportion to their share: it misses some of the ways.
const OVER_SLACK_RISE: f32 = 0.03;
/// The part where more pass near the query than elsewhere ...
const OVER_SLACK_OF_MORE: f32 = 1.0;
/// ... and where fewer do: the results lie beside the query, and the slack was measured where they lie around it.
const OVER_SLACK_OF_FEWER: f32 = 2.0;
/// The largest slack, in 1024ths.
const MOST_SLACK: f32 = 1024.0;

/// One search.
pub(super) struct Filtered<'a> {
    pub(super) live: &'a LiveSegment,
    pub(super) part: &'a VectorPart,
    pub(super) index: &'a VectorIndex,
    pub(super) query: &'a VectorQuery<'a>,
    pub(super) known: Known<'a>,
    /// The slots that pass and live.
    pub(super) set: &'a SlotSet,
}

impl Filtered<'_> {
    /// Gives score and slot of at least `min(k, matches)` of the best matches to `found`, unless better ones are known.
    pub(super) fn run(&self, found: &mut dyn FnMut(f32, Slot)) -> Result<Work> {
        let code_bytes = self.index.quantizer().code_bytes();
        let size = (self.live.segment.len() as usize, code_bytes);
        let plan = self.index.calibration().plan(self.query.effort, self.query.k, size);
        let scan_cost = costs::scan_matches(self.set.len(), code_bytes);
        // A hidden record is its own nearest, and takes a place among the codes.
        let hidden = usize::from(self.known.hidden.is_some());
        let rescored = rescored(self.index, self.query.k, &plan) + hidden;
        let through = Through::new(self, &plan)?;
        let graph_cost = match self.share() {
            share if share >= MOST_PASS => plan.graph_cost,
            _ => costs::graph_passing(plan.graph_cost),
        };
        let cells_cost = through.as_ref().map_or(f32::INFINITY, |through| through.cost);
        let without_cells = match self.share() {
            _ if plan.scan || scan_cost < graph_cost => Route::Codes,
            share if share >= MOST_PASS => Route::Graph,
            _ => Route::GraphOver,
        };
        let is_nearest = !plan.scan && cells_cost < scan_cost.min(graph_cost);
        let mut route = if is_nearest { Route::Cells } else { without_cells };
        let mut work = Work { route, given_up: None, scored: 0 };
        if let (Route::Cells, Some(through)) = (route, &through) {
            if through.run(self, rescored, &mut work, found)? {
                return Ok(work);
            }
            work.given_up = Some(Route::Cells);
            route = without_cells;
        }
        while route != Route::Codes {
            let next = self.walk(route, &plan, rescored, scan_cost, &mut work, found)?;
            let Some(next) = next else { return Ok(Work { route, ..work }) };
            work.given_up = work.given_up.or(Some(route));
            route = next;
        }
        self.index.scan_slots(&self.query.values, rescored, self.set.iter(), |candidates| {
            self.part.rows.score(&self.query.scorer, to_rescore(candidates.iter(), rescored), found)
        })??;
        Ok(Work { route, scored: work.scored + self.set.len(), ..work })
    }

    /// Cost of the code of a match in a cell.
    fn match_cost(&self) -> f32 {
        costs::cell_match(self.index.quantizer().code_bytes())
    }

    fn share(&self) -> f32 {
        self.set.len() as f32 / self.live.segment.len() as f32
    }

    /// Follows the graph; gives the way to be tried next where this one did not find enough.
    fn walk(
        &self,
        route: Route,
        plan: &Plan,
        rescored: usize,
        budget: f32,
        work: &mut Work,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<Option<Route>> {
        let (k, share) = (self.query.k, self.share());
        let seeds: Vec<Slot> = self.set.spread(SEEDS).collect();
        let bits = self.set.bits();
        let (hops, seeds, slack, spread) = match route {
            Route::GraphOver => (Hops::Two, &seeds[..], OVER_SLACK + OVER_SLACK_RISE / share, 1.0),
            _ => (Hops::One, &[][..], 1.0, 1.0 / share),
        };
        let lookup = Lookup {
            rank: k,
            slack: plan.slack.map(|measured| (measured as f32 * slack).min(MOST_SLACK) as u32),
            width: (plan.width as f32 * spread) as usize,
            known: self.known.worst,
            hidden: self.known.hidden,
        };
        let slack_of = |factor: f32| (plan.slack.unwrap_or(0) as f32 * factor).min(MOST_SLACK) as u32;
        let uneven = Uneven {
            share,
            slack_of_more: slack_of(OVER_SLACK_OF_MORE),
            slack_of_fewer: slack_of(OVER_SLACK_OF_FEWER),
        };
        let restriction = Restriction { passing: &bits, hops, seeds, budget: budget as usize, uneven };
        let walk = self.index.search_passing(
            &self.query.values,
            &lookup,
            restriction,
            |candidates| -> Result<bool> {
                if candidates.len() >= k {
                    self.part.rows.score(
                        &self.query.scorer,
                        to_rescore(candidates.iter(), rescored),
                        found,
                    )?;
                }
                Ok(candidates.len() >= k)
            },
        )?;
        work.scored += walk.scored;
        Ok(match walk.used.transpose()? {
            Some(true) => None,
            // Over what does not pass, large products are not found by way of smaller ones.
            _ if walk.ending == Ending::FewPass && self.part.rows.metric() != Metric::Dot => {
                Some(Route::GraphOver)
            }
            _ => Some(Route::Codes),
        })
    }
}

/// The way through the cells nearest to the query.
struct Through {
    limit: CellLimit,
    /// Slots that have to be looked at, and their cells, where the filter has nothing to do with the query.
    likely: (usize, usize),
    /// What it is likely to cost then, in nanoseconds.
    cost: f32,
}

impl Through {
    /// The way, where there are cells.
    fn new(search: &Filtered<'_>, plan: &Plan) -> Result<Option<Self>> {
        let curve = search.index.calibration().cells();
        let (Some(limit), Some(cells)) = (curve.at(plan.recall), search.index.cells()?) else {
            return Ok(None);
        };
        let (share, len) = (search.share(), search.live.segment.len() as f32);
        let looked = curve.looked(search.query.k as f32 / share).min(len);
        let order = costs::cell_order(cells.count(), search.index.quantizer().code_bytes());
        let cost = order + looked * (costs::cell_slot() + share * search.match_cost());
        Ok(Some(Self {
            limit,
            likely: (looked as usize, (looked / len * cells.count() as f32) as usize),
            cost,
        }))
    }

    /// Scores the matches of the cells nearest to the query; false where that was given up.
    fn run(
        &self,
        search: &Filtered<'_>,
        rescored: usize,
        work: &mut Work,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<bool> {
        let ends = Ends {
            // A hidden record is its own nearest.
            k: search.query.k + usize::from(search.known.hidden.is_some()),
            rescored,
            limit: &self.limit,
            share: search.share(),
            metric: search.part.rows.metric(),
            likely: self.likely,
        };
        let rescore = |candidates: &[Candidate]| {
            search.part.rows.score(&search.query.scorer, to_rescore(candidates.iter(), rescored), found)
        };
        let (done, scored) =
            search.index.scan_cells(&search.query.values, &search.set.bits(), &ends, rescore)?;
        work.scored += scored;
        done.transpose().map(|done| done.is_some())
    }
}
