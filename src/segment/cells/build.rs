//! [`BuiltCells`]: centroids are found, and each record's cell.

use super::ALIGNMENT;
use super::PART;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::segment::part::Part;
use crate::segment::part::Target;
use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::kernels::CodeDistance;
use rayon::prelude::*;

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

/// Gives the stored row of a record and its inverse norm.
pub(in crate::segment) type Rows<'a, 'r> = &'a (dyn Fn(Slot) -> Result<(&'r [u8], f32)> + Sync);

/// Centroids, and the cell of each record.
pub(in crate::segment) struct BuiltCells {
    /// A code for each.
    centroids: Vec<u8>,
    /// The cell of each slot.
    of: Vec<u32>,
}

impl BuiltCells {
    /// Cells of these records; `None` where they would be of no use: there are too few, or they are compared by products, of which
    /// the largest are not those with the nearest.
    pub(in crate::segment) fn new(
        ty: &VectorType,
        codes: &Codes<'_>,
        rows: Rows<'_, '_>,
    ) -> Result<Option<Self>> {
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
    pub(in crate::segment) fn order(
        &self,
        quantizer: &Quantizer,
        query: &QueryCode,
    ) -> Result<Vec<(f32, u32)>> {
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
    pub(in crate::segment) fn bring_together(&self, slots: &mut [Slot]) {
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
    pub(in crate::segment) fn of(&self, slot: Slot) -> usize {
        self.of[slot as usize] as usize
    }

    /// Writes the part, with the slots renumbered: `order[new] == old`.
    pub(in crate::segment) fn write(
        self,
        quantizer: &Quantizer,
        order: &[Slot],
        target: &Target<'_>,
    ) -> Result<Part> {
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
