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
use crate::slots::SlotSet;

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
        let mut route = match self.share() {
            _ if plan.scan || scan_cost < costs::graph_passing(plan.graph_cost) => Route::Codes,
            share if share >= MOST_PASS => Route::Graph,
            _ => Route::GraphOver,
        };
        let mut work = Work { route, given_up: None, scored: 0 };
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
            _ if walk.ending == Ending::FewPass => Some(Route::GraphOver),
            _ => Some(Route::Codes),
        })
    }
}
