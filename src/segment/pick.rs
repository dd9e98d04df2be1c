//! The best records of rows that no graph leads to, for certain: by codes where there are such, and else by scoring all.
//!
//! The codes of a block are gone through in order. As soon as as many records are found as are wanted, a row is scored only if
//! its code is so near that its score may be among theirs (see [`Bounds`]), so the answer is that of scoring every row.
//! Where so many rows have to be scored that the codes save nothing, the rest of the block is scored in whole.

use super::RowStore;
use super::row_codes::RowCodes;
use super::rows::NO_SLOT;
use super::rows::SCATTERED_ROWS;
use super::rows::Slots;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::Bounds;
use crate::quant::Distances;
use crate::vector::ExactScorer;
use crate::vector::kernels::from_ordered;
use crate::vector::kernels::ordered;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A block is scored in whole when one in so many of its rows had to be scored ...
const SCORED_PART: usize = 4;
/// ... beyond this number.
const SCORED_ROWS: usize = 2048;

/// What is picked.
pub(super) struct Wanted<'a> {
    /// The query's numbers.
    pub(super) values: &'a [f32],
    /// Scores stored rows.
    pub(super) scorer: &'a ExactScorer,
    /// Records wanted.
    pub(super) k: usize,
    /// A score below which no record is wanted.
    pub(super) known: Option<f32>,
}

/// The score that a record has to reach.
struct Bar {
    known: Option<f32>,
    k: usize,
    /// The best `k` scores in the order of [`ordered`].
    best: BinaryHeap<Reverse<u32>>,
}

impl Bar {
    fn offer(&mut self, score: f32) {
        let score = ordered(score);
        if self.best.len() < self.k {
            self.best.push(Reverse(score));
        } else if let Some(mut worst) = self.best.peek_mut()
            && worst.0 < score
        {
            worst.0 = score;
        }
    }

    /// `None` as long as every record is wanted.
    fn score(&self) -> Option<f32> {
        let worst = self.best.peek().filter(|_| self.best.len() >= self.k);
        let found = worst.map(|worst| from_ordered(worst.0));
        match (found, self.known) {
            (Some(found), Some(known)) => Some(found.max(known)),
            (found, known) => found.or(known),
        }
    }
}

/// A search under way.
struct Pick<'a> {
    rows: &'a RowStore,
    slots: Slots<'a>,
    wanted: &'a Wanted<'a>,
    is_alive: &'a dyn Fn(Slot) -> bool,
    bar: Bar,
    /// Rows of a block that are to be scored.
    chosen: Vec<u32>,
    found: &'a mut dyn FnMut(f32, Slot),
}

impl RowStore {
    /// Gives score and slot of at least the best records to `found`, in any order; of those that `is_alive` names.
    pub(super) fn pick(
        &self,
        wanted: &Wanted<'_>,
        is_alive: &dyn Fn(Slot) -> bool,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<()> {
        let bar = Bar { known: wanted.known, k: wanted.k, best: BinaryHeap::new() };
        let (rows, slots) = (self, self.slots()?);
        let mut pick = Pick { rows, slots, wanted, is_alive, bar, chosen: Vec::new(), found };
        for (at, block) in self.blocks().iter().enumerate() {
            match &block.codes {
                Some(codes) => pick.by_codes(at, codes)?,
                None => pick.all((at, 0))?,
            }
        }
        Ok(())
    }
}

impl Pick<'_> {
    /// The slot of a row, where it is alive.
    fn alive(&self, row: u32) -> Option<Slot> {
        let slot = self.slots.of(row);
        (slot != NO_SLOT && (self.is_alive)(slot)).then_some(slot)
    }

    fn found(&mut self, score: f32, row: u32) {
        if let Some(slot) = self.alive(row) {
            self.bar.offer(score);
            (self.found)(score, slot);
        }
    }

    /// Scores the rows of a block from the given one on.
    fn all(&mut self, from: (usize, usize)) -> Result<()> {
        let (rows, scorer) = (self.rows, self.wanted.scorer);
        rows.scan_block(from, scorer, &mut |score, row| self.found(score, row))
    }

    fn by_codes(&mut self, block: usize, codes: &RowCodes) -> Result<()> {
        let Some((query, bounds)) = codes.prepare(self.wanted.values)? else { return self.all((block, 0)) };
        let mut distances = Distances::default();
        let mut scored = 0;
        for first in (0..codes.len()).step_by(Distances::CHUNK) {
            if scored > SCORED_ROWS + first / SCORED_PART {
                return self.all((block, first));
            }
            let last = codes.len().min(first + Distances::CHUNK);
            codes.codes(first, last)?.chunk_distances(&query, 0, &mut distances);
            let start = self.rows.start(block) + first as u32;
            let mut nearest = None;
            if self.bar.score().is_none() {
                nearest = self.choose_nearest(start, &distances.all()[..last - first]);
                scored += self.chosen.len();
                self.score_chosen(block)?;
            }
            if let Some(score) = self.bar.score() {
                self.choose((start, nearest), &distances, codes.residuals(first, last)?, (&bounds, score));
                scored += self.chosen.len();
                self.score_chosen(block)?;
            }
        }
        Ok(())
    }

    /// Chooses as many rows as records are wanted, those with the nearest codes, and gives the last one's place in their
    /// order.
    fn choose_nearest(&mut self, start: u32, distances: &[u32]) -> Option<u64> {
        let rows = (start..).zip(distances).filter(|(row, _)| self.alive(*row).is_some());
        let mut places: Vec<u64> = rows.map(|(row, distance)| place(*distance, row)).collect();
        if places.len() > self.wanted.k {
            places.select_nth_unstable(self.wanted.k - 1);
            places.truncate(self.wanted.k);
        }
        self.chosen.clear();
        self.chosen.extend(places.iter().map(|place| *place as u32));
        places.into_iter().max()
    }

    /// Chooses the rows whose score may reach a bar, from the one at `start` on, but for those up to a place in their order.
    fn choose(
        &mut self,
        (start, behind): (u32, Option<u64>),
        distances: &Distances,
        residuals: &[[u8; 4]],
        (bounds, bar): (&Bounds, f32),
    ) {
        self.chosen.clear();
        let mut first = start;
        for ((least, batch), residuals) in distances.batches().zip(residuals.chunks(Distances::BATCH)) {
            // Most batches have nothing near enough, which one comparison tells.
            let largest = residuals.iter().map(|bytes| f32::from_le_bytes(*bytes)).fold(0.0, f32::max);
            let farthest = bounds.farthest(bar, largest);
            if least <= farthest {
                for ((row, distance), residual) in (first..).zip(batch).zip(residuals) {
                    let is_near = *distance <= farthest
                        && *distance <= bounds.farthest(bar, f32::from_le_bytes(*residual))
                        && behind.is_none_or(|behind| place(*distance, row) > behind);
                    if is_near && self.alive(row).is_some() {
                        self.chosen.push(row);
                    }
                }
            }
            first += Distances::BATCH as u32;
        }
    }

    /// Scores the chosen rows, which are of this block: all of a few are asked for before the first is scored.
    fn score_chosen(&mut self, block: usize) -> Result<()> {
        let (rows, start) = (self.rows, self.rows.start(block));
        let chosen = std::mem::take(&mut self.chosen);
        for some in chosen.chunks(SCATTERED_ROWS) {
            some.iter().for_each(|row| rows.prefetch(block, (row - start) as usize));
            let mut scored: [(&[u8], f32); SCATTERED_ROWS] = [(&[], 0.0); SCATTERED_ROWS];
            for (place, row) in scored.iter_mut().zip(some) {
                *place = rows.row_in(block, (row - start) as usize)?;
            }
            let mut scores = [0.0; SCATTERED_ROWS];
            self.wanted.scorer.score_scattered(&scored[..some.len()], &mut scores);
            some.iter().zip(scores).for_each(|(row, score)| self.found(score, *row));
        }
        self.chosen = chosen;
        Ok(())
    }
}

/// The place of a row in the order of distances, and of rows among equal ones.
fn place(distance: u32, row: u32) -> u64 {
    u64::from(distance) << 32 | u64::from(row)
}
