//! [`Cells`]: the records of a segment by the nearest of a few hundred centroids, so that a search under a filter looks at
//! those near the query alone.
//!
//! A graph leads from record to record; where few pass a filter it leads over many that don't. A scan of all that pass
//! looks at many that are far away. Between the two, most of the way, this is faster than either: the cells are gone through
//! in the order of their centroids' distance to the query (an inverted file, as in Jegou, Douze and Schmid, "Product
//! quantization for nearest neighbor search", PAMI 2011, section IV), and of each only the codes of records that pass are scored. How
//! far the centroids are of the cells in which results lie that are so far was measured when the index was sealed (see
//! [`CellCurve`](super::calibration::CellCurve)): that holds whatever the filter has to do with the query.
//!
//! The part, all numbers `u32`: number of cells; where each cell's slots begin, and where the last one's end; the slots of
//! each cell, ascending; then, from a multiple of 64 bytes on, a code for each centroid, of the index's quantizer.
//!
//! Building takes `2 sqrt(n)` distances for each of the `n` records, and 4 bytes a record in memory.

use super::calibration::CellLimit;
use super::part::Part;
use super::part::Target;
use crate::codec::ByteReader;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::Best;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::kernels::CodeDistance;
use rayon::prelude::*;
use std::collections::BinaryHeap;

/// Fewer records are scanned faster.
const LEAST_RECORDS: usize = 8192;
/// There are so many times as many cells as the square root of the number of records.
const CELLS_FACTOR: f64 = 2.0;
/// Records of each cell that centroids are made of, on average.
const SAMPLE: usize = 32;
/// Times that centroids are moved to the middle of their records.
const ROUNDS: usize = 3;
/// Records that are compared with all centroids together.
const BLOCK: usize = 128;
/// Slots that are looked at together; twice as many wait to be scored at most.
const BATCH: usize = 32;
const ALIGNMENT: usize = 64;
const PART: &str = "cells";

/// Gives the stored row of a record and its inverse norm.
pub(super) type Rows<'a, 'r> = &'a (dyn Fn(Slot) -> Result<(&'r [u8], f32)> + Sync);

/// Centroids, and the cell of each record.
pub(super) struct BuiltCells {
    /// A code for each.
    centroids: Vec<u8>,
    /// The cell of each slot.
    of: Vec<u32>,
}

impl BuiltCells {
    /// Cells of these records; `None` where they would be of no use: there are too few, or they are compared by products, of which
    /// the largest are not those with the nearest.
    pub(super) fn new(ty: &VectorType, codes: &Codes<'_>, rows: Rows<'_, '_>) -> Result<Option<Self>> {
        if codes.len() < LEAST_RECORDS || ty.metric == Metric::Dot {
            return Ok(None);
        }
        let count = ((codes.len() as f64).sqrt() * CELLS_FACTOR) as usize;
        let mut means = Means { ty, values: vec![0.0; count * ty.dim] };
        for (at, mean) in means.values.chunks_exact_mut(ty.dim).enumerate() {
            let (row, norm) = rows((at * codes.len() / count) as Slot)?;
            decode(ty, row, norm, mean);
        }
        let step = (codes.len() / (count * SAMPLE)).max(1);
        let sample: Vec<Slot> = (0..codes.len() as Slot).step_by(step).collect();
        for _ in 0..ROUNDS {
            let cells = means.nearest(codes, &sample);
            means.move_to(&sample, &cells, rows)?;
        }
        let all: Vec<Slot> = (0..codes.len() as Slot).collect();
        let of = means.nearest(codes, &all);
        Ok(Some(Self { centroids: means.codes(codes.quantizer())?, of }))
    }

    /// For each cell, the score of its centroid for a query, and the number of records in the cells up to it, the nearest first.
    pub(super) fn order(&self, quantizer: &Quantizer, query: &QueryCode) -> Result<Vec<(f32, u32)>> {
        let count = self.centroids.len() / quantizer.code_bytes();
        let mut keys = Vec::with_capacity(count);
        Codes::new(quantizer, &self.centroids, count)?.keyed_distances(query, &mut keys);
        keys.sort_unstable();
        let mut sizes = vec![0u32; count];
        self.of.iter().for_each(|cell| sizes[*cell as usize] += 1);
        let (mut places, mut sum) = (vec![(0.0, 0); count], 0);
        for key in keys {
            let cell = key as u32 as usize;
            sum += sizes[cell];
            places[cell] = (query.score((key >> 32) as u32), sum);
        }
        Ok(places)
    }

    /// Orders slots by their cells, these as they come first, and leaves those of a cell in their order.
    pub(super) fn bring_together(&self, slots: &mut [Slot]) {
        let mut ranks = vec![u32::MAX; self.of.iter().max().map_or(0, |last| *last as usize + 1)];
        let mut next = 0;
        for slot in &*slots {
            let rank = &mut ranks[self.of(*slot)];
            if *rank == u32::MAX {
                (*rank, next) = (next, next + 1);
            }
        }
        slots.sort_by_key(|slot| ranks[self.of(*slot)]);
    }

    /// The cell of a slot.
    pub(super) fn of(&self, slot: Slot) -> usize {
        self.of[slot as usize] as usize
    }

    /// Writes the part, with the slots renumbered: `order[new] == old`.
    pub(super) fn write(self, quantizer: &Quantizer, order: &[Slot], target: &Target<'_>) -> Result<Part> {
        let count = self.centroids.len() / quantizer.code_bytes();
        let mut starts = vec![0u32; count + 1];
        self.of.iter().for_each(|cell| starts[*cell as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let (mut next, mut slots) = (starts.clone(), vec![0u32; order.len()]);
        for (new, old) in (0..).zip(order) {
            let place = &mut next[self.of[*old as usize] as usize];
            slots[*place as usize] = new;
            *place += 1;
        }
        let words = std::iter::once(count as u32).chain(starts).chain(slots);
        let mut bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(self.centroids);
        target.whole_part(PART, bytes)
    }
}

/// The centroids while they are made.
struct Means<'a> {
    ty: &'a VectorType,
    values: Vec<f32>,
}

impl Means<'_> {
    /// The centroids as the metric takes vectors.
    fn vectors(&self) -> impl Iterator<Item = Vec<f32>> + '_ {
        // A bit is set where it is in most; bits are what is above zero.
        let middle = if self.ty.dtype == Dtype::Binary { 0.5 } else { 0.0 };
        let dim = self.ty.dim;
        self.values.chunks_exact(dim).map(move |mean| mean.iter().map(|value| value - middle).collect())
    }

    /// A code for each centroid.
    fn codes(&self, quantizer: &Quantizer) -> Result<Vec<u8>> {
        let bytes = quantizer.code_bytes();
        let mut codes = vec![0; self.values.len() / self.ty.dim * bytes];
        for (code, vector) in codes.chunks_exact_mut(bytes).zip(self.vectors()) {
            let mut row = Vec::with_capacity(self.ty.row_bytes());
            self.ty.encode(&vector, &mut row).map_err(|problem| Error::corrupt("vectors", 0, problem))?;
            quantizer.encode(&row, self.ty.inverse_norm(&row), code);
        }
        Ok(codes)
    }

    /// The cell nearest to each of these records.
    fn nearest(&self, codes: &Codes<'_>, slots: &[Slot]) -> Vec<u32> {
        let queries: Vec<QueryCode> =
            self.vectors().map(|vector| QueryCode::new(self.ty, codes.quantizer(), &vector)).collect();
        let Some(first) = queries.first() else { return vec![0; slots.len()] };
        let blocks = slots.par_chunks(BLOCK);
        blocks
            .flat_map_iter(|slots| first.form().dispatch(NearestCells { codes, queries: &queries, slots }))
            .collect()
    }

    /// Moves each centroid to the middle of its records; one without any stays.
    fn move_to(&mut self, slots: &[Slot], cells: &[u32], rows: Rows<'_, '_>) -> Result<()> {
        let dim = self.ty.dim;
        let mut counts = vec![0u32; self.values.len() / dim];
        let (mut sums, mut values) = (vec![0.0f32; self.values.len()], vec![0.0f32; dim]);
        for (slot, cell) in slots.iter().zip(cells) {
            let (row, norm) = rows(*slot)?;
            decode(self.ty, row, norm, &mut values);
            counts[*cell as usize] += 1;
            let sum = &mut sums[*cell as usize * dim..][..dim];
            sum.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
        }
        let means = self.values.chunks_exact_mut(dim).zip(sums.chunks_exact(dim)).zip(counts);
        for ((mean, sum), count) in means.filter(|(_, count)| *count > 0) {
            mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean = sum / count as f32);
        }
        Ok(())
    }
}

/// The numbers of a stored row, of length 1 where that is how it is compared.
fn decode(ty: &VectorType, row: &[u8], inverse_norm: f32, out: &mut [f32]) {
    ty.decode(row, out);
    if ty.metric == Metric::Cosine {
        out.iter_mut().for_each(|value| *value *= inverse_norm);
    }
}

/// The nearest of the centroids, given as queries, to each of some records.
struct NearestCells<'a> {
    codes: &'a Codes<'a>,
    queries: &'a [QueryCode],
    slots: &'a [Slot],
}

impl CodeWork for NearestCells<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Vec<u32> {
        let mut nearest = vec![(u32::MAX, 0); self.slots.len()];
        for (cell, query) in (0..).zip(self.queries) {
            let mut places = nearest.iter_mut();
            self.codes.distances(distance, query.bytes(), self.slots, |_, distance| {
                if let Some(place) = places.next()
                    && distance < place.0
                {
                    *place = (distance, cell);
                }
            });
        }
        nearest.into_iter().map(|(_, cell)| cell).collect()
    }
}

/// Cells, read in place.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    starts: &'a [[u8; 4]],
    slots: &'a [[u8; 4]],
    centroids: &'a [u8],
}

impl<'a> Cells<'a> {
    /// The cells of `len` slots in the bytes of a part. What the slots are is checked where they are used.
    pub(super) fn new(bytes: &'a [u8], len: usize, quantizer: &Quantizer) -> Result<Self> {
        let mut reader = ByteReader::new(PART, bytes);
        let count = reader.u32()? as usize;
        let words = count.saturating_add(len).saturating_add(2).saturating_mul(4);
        let codes = words.next_multiple_of(ALIGNMENT);
        if count == 0 || codes.checked_add(count.saturating_mul(quantizer.code_bytes())) != Some(bytes.len())
        {
            return Err(Error::corrupt(
                PART,
                0,
                format!("{} bytes for {count} cells of {len} slots", bytes.len()),
            ));
        }
        let (words, _) = bytes[4..words].as_chunks::<4>();
        let (starts, slots) = words.split_at(count + 1);
        Ok(Self { starts, slots, centroids: &bytes[codes..] })
    }

    /// Number of cells.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The slots of a cell; none where the bytes make no sense.
    fn slots(&self, cell: usize) -> &'a [[u8; 4]] {
        let start = |at: usize| self.starts.get(at).map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
        self.slots.get(start(cell)..start(cell + 1)).unwrap_or_default()
    }

    /// Checks that every slot is in one cell.
    pub(super) fn verify(&self) -> Result<()> {
        let mut seen = vec![false; self.slots.len()];
        for cell in 0..self.count() {
            for slot in self.slots(cell) {
                match seen.get_mut(u32::from_le_bytes(*slot) as usize) {
                    Some(seen @ false) => *seen = true,
                    _ => {
                        return Err(Error::corrupt(
                            PART,
                            0,
                            format!("a slot of cell {cell} that is not its own"),
                        ));
                    }
                }
            }
        }
        match seen.iter().all(|seen| *seen) {
            true => Ok(()),
            false => Err(Error::corrupt(PART, 0, "a slot is in no cell")),
        }
    }

    /// Scores the codes of the slots with a bit, from the cells nearest to the query on, until enough are looked at. Leaves the best
    /// in `scratch`.
    pub(super) fn scan(
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
pub(super) struct CellScratch {
    /// Distance above number of each cell, of which the first are in order.
    keys: Vec<u64>,
    /// The candidates.
    pub(super) best: Best,
    /// The distances of the best results, the farthest on top.
    nearest: BinaryHeap<u32>,
}

/// When a scan through cells ends.
pub(super) struct Ends<'a> {
    /// Results wanted, and candidates.
    pub(super) k: usize,
    pub(super) rescored: usize,
    /// Up to which centroid cells are looked at.
    pub(super) limit: &'a CellLimit,
    /// How the vectors are compared.
    pub(super) metric: Metric,
    /// Cells that are likely to be needed.
    pub(super) likely: usize,
    /// Cost of a slot that is looked at, and of one that passes.
    pub(super) costs: (f32, f32),
    /// The cost from which on another way is better.
    pub(super) most: f32,
}

/// What a scan did.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome {
    /// Number of slots looked at.
    looked: usize,
    /// Number of them that passed, and whose codes were scored.
    pub(super) scored: usize,
    /// Whether the scan was given up because another way is better.
    pub(super) gave_up: bool,
}

/// How far a record is, or a centroid, whose score is given: the square of the distance, or what has its order; 0 for the query itself.
pub(super) fn gap(metric: Metric, score: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - score,
        Metric::L2 | Metric::Hamming | Metric::Dot => -score,
    }
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
        if let Some(farthest) = farthest {
            let gap_of = |distance| gap(self.ends.metric, self.query.score(distance));
            if gap_of(centroid) > self.ends.limit.farthest(gap_of(farthest)) {
                return false;
            }
        }
        let (slot, scored) = self.ends.costs;
        if self.outcome.looked as f32 * slot + self.outcome.scored as f32 * scored > self.ends.most {
            self.outcome.gave_up = true;
            return false;
        }
        self.at += 1;
        self.rest = self.cells.slots(cell as usize);
        true
    }

    /// Puts as many cells as are likely to be needed in order, later twice as many; false where all are.
    fn sort_more(&mut self) -> bool {
        let left = &mut self.keys[self.sorted..];
        if left.is_empty() {
            return false;
        }
        let count = self.ends.likely.max(self.sorted).max(8).min(left.len());
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
