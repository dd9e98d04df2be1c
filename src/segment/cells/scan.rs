//! The way through the cells nearest to a query.

use super::CellLimit;
use super::Cells;
use super::gap;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::Best;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::QueryCode;
use crate::vector::Metric;
use crate::vector::kernels::CodeDistance;
use std::collections::BinaryHeap;

/// Slots that are looked at together; twice as many wait to be scored at most.
const BATCH: usize = 32;
/// A scan that looks at so many times as many slots as was expected is given up.
const MOST_TIMES: usize = 4;
/// Fewer pass near the query than elsewhere where less than this part of what was expected does.
const FEWER_PART: f32 = 0.4;

impl Cells<'_> {
    /// Scores the codes of the slots with a bit, from the cells nearest to the query on, until enough are looked at. Leaves the best
    /// in `scratch`.
    pub(in crate::segment) fn scan(
        self,
        codes: &Codes<'_>,
        query: &QueryCode,
        bits: &[u64],
        ends: &Ends<'_>,
        scratch: &mut CellScratch,
    ) -> Result<Outcome> {
        let CellScratch { keys, best, nearest } = scratch;
        keys.clear();
        nearest.clear();
        best.reset(ends.rescored);
        Codes::new(codes.quantizer(), self.centroids, self.count())?.keyed_distances(query, keys);
        let walk = Walk {
            cells: self,
            bits,
            query,
            ends,
            keys,
            sorted: 0,
            at: 0,
            rest: &[],
            outcome: Outcome::default(),
        };
        Ok(query.form().dispatch(ScanCells { codes, walk, best, nearest }))
    }
}

/// Working memory of a scan; grows to what a scan needs, then allocates nothing.
#[derive(Debug, Default)]
pub(in crate::segment) struct CellScratch {
    /// Distance above number of each cell, of which the first are in order.
    keys: Vec<u64>,
    /// The candidates.
    pub(in crate::segment) best: Best,
    /// The distances of the best results, the farthest on top.
    nearest: BinaryHeap<u32>,
}

/// When a scan through cells ends.
pub(in crate::segment) struct Ends<'a> {
    /// Results wanted, and candidates.
    pub(in crate::segment) k: usize,
    pub(in crate::segment) rescored: usize,
    /// Up to which centroid cells are looked at.
    pub(in crate::segment) limit: &'a CellLimit,
    /// The share of all slots that pass.
    pub(in crate::segment) share: f32,
    /// How the vectors are compared.
    pub(in crate::segment) metric: Metric,
    /// Slots that have to be looked at, and their cells, where the filter has nothing to do with the query.
    pub(in crate::segment) likely: (usize, usize),
}

/// What a scan did.
#[derive(Clone, Copy, Default)]
pub(in crate::segment) struct Outcome {
    /// Number of slots looked at.
    looked: usize,
    /// Number of them that passed, and whose codes were scored.
    pub(in crate::segment) scored: usize,
    /// Whether the scan was given up because another way is better.
    pub(in crate::segment) gave_up: bool,
}

/// The way through the cells.
struct Walk<'a> {
    cells: Cells<'a>,
    bits: &'a [u64],
    query: &'a QueryCode,
    ends: &'a Ends<'a>,
    keys: &'a mut Vec<u64>,
    sorted: usize,
    /// The next cell.
    at: usize,
    /// What is left of the present one.
    rest: &'a [[u8; 4]],
    outcome: Outcome,
}

/// Slots that pass, on their way to be scored.
type Batch = [Slot; 2 * BATCH];

impl Walk<'_> {
    /// Writes the next slots that pass to `batch`; gives how many, at least some unless this is the end. `farthest` is the distance
    /// of the last result, once there are as many as are wanted.
    #[inline(always)]
    fn gather(&mut self, batch: &mut Batch, farthest: Option<u32>) -> usize {
        let mut len = 0;
        while len < BATCH {
            if self.rest.is_empty() && !self.next_cell(farthest) {
                break;
            }
            let (now, rest) = self.rest.split_at(self.rest.len().min(BATCH));
            self.rest = rest;
            let before = len;
            for bytes in now {
                let slot = u32::from_le_bytes(*bytes);
                let word = self.bits.get(slot as usize / 64).copied().unwrap_or(0);
                // No branch: whether a slot passes is what nobody can guess.
                batch[len % (2 * BATCH)] = slot;
                len += (word >> (slot % 64) & 1) as usize;
            }
            self.outcome.looked += now.len();
            self.outcome.scored += len - before;
        }
        len
    }

    /// Goes on to the next cell, unless there is none, or none with a result, or it takes too long.
    fn next_cell(&mut self, farthest: Option<u32>) -> bool {
        if self.at == self.sorted && !self.sort_more() {
            return false;
        }
        let (centroid, cell) = ((self.keys[self.at] >> 32) as u32, self.keys[self.at] as u32);
        let gap_of = |distance| gap(self.ends.metric, self.query.score(distance));
        let farthest = farthest.map(gap_of);
        if farthest.is_some_and(|farthest| gap_of(centroid) > self.ends.limit.farthest(farthest)) {
            return self.end(farthest);
        }
        // What is so much more than expected is not near the query, or too much.
        let Outcome { looked, .. } = self.outcome;
        if looked > self.ends.likely.0.saturating_mul(MOST_TIMES)
            || (looked > self.ends.likely.0 && self.few_pass())
        {
            self.outcome.gave_up = true;
            return false;
        }
        self.at += 1;
        self.rest = self.cells.slots(cell as usize);
        true
    }

    /// No more cells; and nothing is gained where few pass near the query, or the results are farther than any that were measured:
    /// then they lie on one side of it, in cells whose centroids are behind them.
    fn end(&mut self, farthest: Option<f32>) -> bool {
        let is_far = farthest.is_some_and(|farthest| farthest > self.ends.limit.most());
        self.outcome.gave_up = is_far || self.few_pass();
        false
    }

    /// Whether fewer pass near the query than elsewhere, so that the results are not around it.
    fn few_pass(&self) -> bool {
        (self.outcome.scored as f32) < FEWER_PART * self.ends.share * self.outcome.looked as f32
    }

    /// Puts as many cells as are likely to be needed in order, later twice as many; false where all are.
    fn sort_more(&mut self) -> bool {
        let left = &mut self.keys[self.sorted..];
        if left.is_empty() {
            return false;
        }
        let count = self.ends.likely.1.max(self.sorted).max(8).min(left.len());
        if count < left.len() {
            left.select_nth_unstable(count);
        }
        left[..count].sort_unstable();
        self.sorted += count;
        true
    }
}

/// [`Cells::scan`], to be compiled for each form and instruction set.
struct ScanCells<'a> {
    codes: &'a Codes<'a>,
    walk: Walk<'a>,
    best: &'a mut Best,
    nearest: &'a mut BinaryHeap<u32>,
}

impl CodeWork for ScanCells<'_> {
    type Output = Outcome;

    /// A batch is asked for before the one before it is scored.
    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Outcome {
        let Self { codes, mut walk, best, nearest } = self;
        let (k, query) = (walk.ends.k, walk.query.bytes());
        let (mut now, mut next): (Batch, Batch) = ([0; 2 * BATCH], [0; 2 * BATCH]);
        let mut len = walk.gather(&mut now, None);
        codes.prefetch(&now[..len]);
        while len > 0 {
            let farthest = if nearest.len() < k { None } else { nearest.peek().copied() };
            let next_len = walk.gather(&mut next, farthest);
            codes.prefetch(&next[..next_len]);
            codes.distances(distance, query, &now[..len], |slot, distance| {
                if best.offer(distance, slot) {
                    keep_nearest(nearest, k, distance);
                }
            });
            (now, len) = (next, next_len);
        }
        walk.outcome
    }
}

/// Keeps the `k` smallest distances.
#[inline(always)]
fn keep_nearest(nearest: &mut BinaryHeap<u32>, k: usize, distance: u32) {
    if nearest.len() < k {
        nearest.push(distance);
    } else if let Some(mut farthest) = nearest.peek_mut()
        && distance < *farthest
    {
        *farthest = distance;
    }
}
