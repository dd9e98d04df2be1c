//! The search of layer 0 for those records alone that pass a filter.
//!
//! Where most pass, the walk is the usual one and only its end differs: results that pass set the reach
//! ([`Hops::One`]). Where few do, most distances of such a walk would be of no use. Then only passing nodes are scored and
//! expanded, and the walk steps over a neighbor that does not pass to that one's own neighbors ([`Hops::Two`]): ACORN-1
//! ("ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and Structured Data", Patel and others, 2024,
//! section 5.3), here with a limit to what one node may add. Where very few pass, a scan of them is faster than any walk,
//! which the caller decides; what he guessed wrong ends at a budget.

use crate::graph::layer::Layer;
use crate::graph::layer::ids;
use crate::graph::search::Batch;
use crate::graph::search::Beam;
use crate::graph::search::Scratch;
use crate::graph::search::VisitedSet;
use crate::graph::search::WIDTH;
use crate::graph::view::GraphView;
use crate::graph::view::has_bit;
use crate::ids::Slot;
use crate::quant::Codes;
use crate::vector::dispatch::prefetch;
use crate::vector::kernels::CodeDistance;

/// Nodes that one expanded node adds before no further neighbor is stepped over. More cost more where a tenth or more pass, and
/// find little more.
const MOST_ADDED: usize = 32;
/// Longest list of neighbors.
const MAX_DEGREE: usize = 128;
/// Nanoseconds that scoring a node takes, with all that comes with it ...
const SCORED_COST: usize = 20;
/// ... and looking at the neighbors of one that is stepped over.
const STEP_COST: usize = 30;
/// Scored nodes after which a walk of one hop asks whether it is of use ...
const TRIAL: usize = 256;
/// ... which it is where at least this share of what it came near passes: otherwise two hops are faster.
const TRIAL_PERCENT: usize = 15;

/// Lists of neighbors that tell what share passes near the query.
const LISTS_NEAR: usize = 12;
/// More pass near the query than elsewhere where at least this part of those passes that elsewhere do not ...
const MORE_PART: f32 = 0.5;
/// ... and fewer where at most this part of those does that elsewhere do.
const FEWER_PART: f32 = 0.4;

/// How far the walk steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hops {
    /// From neighbor to neighbor.
    One,
    /// Over neighbors that do not pass.
    Two,
}

/// What a walk may find, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restriction<'a> {
    /// A bit for each slot that may be found, the first in the lowest place of the first word.
    pub(crate) passing: &'a [u64],
    /// How far the walk steps.
    pub(crate) hops: Hops,
    /// Passing slots that the walk begins from as well.
    pub(crate) seeds: &'a [Slot],
    /// Nanoseconds that it may take, by a rough estimate.
    pub(crate) budget: usize,
    /// How far a walk over others looks where the filter goes along with the vectors.
    pub(crate) uneven: Uneven,
}

/// The slack of a walk, in 1024ths, where the share of nodes that pass near the query is another one than elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uneven {
    /// The share of all nodes that pass.
    pub(crate) share: f32,
    /// The slack where clearly more pass near the query.
    pub(crate) slack_of_more: u32,
    /// The slack where clearly fewer do.
    pub(crate) slack_of_fewer: u32,
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It saw what it wanted to see.
    Finished,
    /// Too few of the nodes near the query pass for this kind of walk.
    FewPass,
    /// The budget was spent.
    OverBudget,
}

/// The walk of one query.
pub(super) struct PassingSearch<'a, D> {
    pub(super) view: &'a GraphView<'a>,
    pub(super) distance: D,
    pub(super) codes: &'a Codes<'a>,
    pub(super) query: &'a [u8],
    pub(super) restriction: Restriction<'a>,
}

impl<D: CodeDistance> PassingSearch<'_, D> {
    /// Leaves in `scratch.pool` the nearest slots that the walk finds; with one hop, such as do not pass are among them.
    #[inline(always)]
    pub(super) fn run(&self, entry: Slot, beam: Beam, scratch: &mut Scratch) -> Ending {
        scratch.scored = 0;
        self.begin(entry, self.fitted(entry, beam), scratch);
        let (mut passed, mut spent) = (0, 0);
        loop {
            if scratch.batch.len == 0 && !self.expand(scratch) {
                return Ending::Finished;
            }
            scratch.batch.measure(self.distance, self.codes, self.view.base, self.query);
            scratch.scored += scratch.batch.len;
            spent += scratch.batch.len * SCORED_COST + scratch.over.len * STEP_COST;
            passed += self.offer(scratch);
            if spent > self.restriction.budget {
                return Ending::OverBudget;
            }
            if self.restriction.hops == Hops::One
                && (TRIAL..2 * TRIAL).contains(&scratch.scored)
                && passed * 100 < scratch.offered * TRIAL_PERCENT
            {
                return Ending::FewPass;
            }
        }
    }

    /// The beam for what passes near the entry point, which is near the query whether it passes or not. Where more pass there than
    /// elsewhere, stepping over shows no more than a walk over all nodes would. Where fewer do, the results lie around the query on
    /// all sides, as far away as many others, and lead less to each other.
    fn fitted(&self, entry: Slot, mut beam: Beam) -> Beam {
        if self.restriction.hops == Hops::Two
            && let Some(reach) = &mut beam.reach
        {
            let Uneven { share, slack_of_more, slack_of_fewer } = self.restriction.uneven;
            let near = self.share_near(entry);
            if near <= share * FEWER_PART {
                reach.slack = slack_of_fewer;
            } else if 1.0 - near <= (1.0 - share) * MORE_PART {
                reach.slack = slack_of_more;
            }
        }
        beam
    }

    /// The share of the neighbors' neighbors that pass.
    fn share_near(&self, entry: Slot) -> f32 {
        let base = self.view.base;
        let (mut passing, mut all) = (0, 0);
        for neighbor in ids(base.row(entry), base.len()).take(LISTS_NEAR) {
            for slot in ids(base.row(neighbor), base.len()) {
                all += 1;
                passing += usize::from(self.passes(slot));
            }
        }
        if all == 0 { self.restriction.uneven.share } else { passing as f32 / all as f32 }
    }

    /// Gathers entry point and seeds, and what two hops lead to from an entry point that does not pass.
    #[inline(always)]
    fn begin(&self, entry: Slot, beam: Beam, scratch: &mut Scratch) {
        let Scratch { visited, pool, batch, offered, .. } = scratch;
        let base = self.view.base;
        visited.reset(base.len());
        pool.reset(beam.width, beam.reach);
        (batch.len, *offered) = (0, 0);
        let mut begin_over = None;
        if let Some(hidden) = beam.hidden {
            visited.insert(hidden);
            visited.touched.push(hidden);
        }
        let two_hops = self.restriction.hops == Hops::Two;
        for slot in self.restriction.seeds.iter().copied().chain([entry]) {
            if (slot as usize) < base.len() && visited.insert(slot) {
                visited.touched.push(slot);
                match two_hops && !self.passes(slot) {
                    true => begin_over = Some(slot),
                    false => _ = batch.push(self.codes, base, slot),
                }
            }
        }
        if let Some(slot) = begin_over {
            self.gather_over(&[slot], scratch);
        }
    }

    /// Gathers what the nearest candidates lead to; false where there is no candidate left.
    #[inline(always)]
    fn expand(&self, scratch: &mut Scratch) -> bool {
        let mut slots = [0; WIDTH];
        let mut len = 0;
        for (place, slot) in slots.iter_mut().zip(std::iter::from_fn(|| scratch.pool.next_unexpanded())) {
            *place = slot;
            len += 1;
        }
        for slot in scratch.pool.unexpanded().take(WIDTH) {
            prefetch(self.view.base.row(slot).as_flattened());
        }
        match self.restriction.hops {
            Hops::One => self.gather(&slots[..len], scratch),
            Hops::Two => self.gather_over(&slots[..len], scratch),
        }
        len > 0
    }

    /// Gathers the unseen neighbors.
    #[inline(always)]
    fn gather(&self, slots: &[Slot], scratch: &mut Scratch) {
        let Scratch { visited, batch, .. } = scratch;
        for slot in slots {
            batch.gather(self.codes, self.view.base, *slot, visited);
        }
        visited.touched.extend_from_slice(&batch.ids[..batch.len]);
    }

    /// Gathers the unseen neighbors that pass, and of those that do not their neighbors that do. Which of them pass and which
    /// were seen are guesses that fail often, so they are no branches.
    #[inline(always)]
    fn gather_over(&self, slots: &[Slot], scratch: &mut Scratch) {
        let Scratch { visited, batch, over, .. } = scratch;
        let first = batch.len;
        let mut ends = [0; WIDTH];
        over.len = 0;
        for (slot, end) in slots.iter().zip(&mut ends) {
            self.divide(*slot, batch, over, visited);
            *end = over.len;
        }
        let mut start = 0;
        for end in &ends[..slots.len()] {
            let most = batch.len + MOST_ADDED;
            for neighbor in &over.ids[start..*end] {
                // What is not stepped over now may be later, from another node.
                match batch.len < most {
                    true => self.gather_passing(*neighbor, batch, visited),
                    false => visited.remove(*neighbor),
                }
            }
            start = *end;
        }
        let found = &batch.ids[first..batch.len];
        found.iter().for_each(|slot| prefetch(self.codes.code(*slot)));
        visited.touched.extend_from_slice(found);
    }

    /// Adds the unseen neighbors of `slot` to those that pass or to those to be stepped over, whose lists are asked for.
    #[inline(always)]
    fn divide(&self, slot: Slot, batch: &mut Batch, over: &mut Batch, visited: &mut VisitedSet) {
        let base = self.view.base;
        let first = over.len;
        let room = batch.ids.get_mut(batch.len..).unwrap_or_default();
        let over_room = over.ids.get_mut(first..).unwrap_or_default();
        let (mut passing, mut others) = (0, 0);
        for neighbor in ids(base.row(slot), base.len()) {
            let (Some(place), Some(other)) = (room.get_mut(passing), over_room.get_mut(others)) else {
                break;
            };
            let passes = self.passes(neighbor);
            let unseen = visited.insert(neighbor);
            (*place, *other) = (neighbor, neighbor);
            passing += usize::from(unseen & passes);
            others += usize::from(unseen & !passes);
        }
        batch.len += passing;
        over.len += others;
        for neighbor in &over.ids[first..over.len] {
            prefetch(base.row(*neighbor).as_flattened());
        }
        visited.touched.extend_from_slice(&over.ids[first..over.len]);
    }

    /// Gathers the unseen neighbors of `slot` that pass.
    #[inline(always)]
    fn gather_passing(&self, slot: Slot, batch: &mut Batch, visited: &mut VisitedSet) {
        let base = self.view.base;
        let mut passing = [0; MAX_DEGREE];
        let mut len = 0;
        for neighbor in ids(base.row(slot), base.len()).take(MAX_DEGREE) {
            if let Some(place) = passing.get_mut(len) {
                *place = neighbor;
            }
            len += usize::from(self.passes(neighbor));
        }
        let room = batch.ids.get_mut(batch.len..).unwrap_or_default();
        let mut new = 0;
        for neighbor in &passing[..len.min(MAX_DEGREE)] {
            let Some(place) = room.get_mut(new) else { break };
            *place = *neighbor;
            new += usize::from(visited.insert(*neighbor));
        }
        batch.len += new;
    }

    /// Puts into the pool what is near enough, and gives the number of those that pass.
    #[inline(always)]
    fn offer(&self, scratch: &mut Scratch) -> usize {
        let Scratch { pool, batch, offered, .. } = scratch;
        let mut passed = 0;
        for (slot, distance) in batch.ids[..batch.len].iter().zip(&batch.distances[..batch.len]) {
            if *distance < pool.bound() {
                let passes = self.restriction.hops == Hops::Two || self.passes(*slot);
                *offered += 1;
                passed += usize::from(passes);
                if pool.insert_among(*distance, *slot, passes) {
                    prefetch(self.view.base.row(*slot).as_flattened());
                }
            }
        }
        batch.len = 0;
        passed
    }

    /// True where `slot` passes.
    #[inline(always)]
    fn passes(&self, slot: Slot) -> bool {
        has_bit(self.restriction.passing, slot)
    }
}
