//! [`Cells`]: the records of a segment by the nearest of a few hundred centroids, so that a search under a filter looks at
//! those near the query alone.
//!
//! A graph leads from record to record; where few pass a filter it leads over many that don't. A scan of all that pass
//! looks at many that are far away. Between the two, most of the way, this is faster than either: the cells are gone through
//! in the order of their centroids' distance to the query (an inverted file, as in Jegou, Douze and Schmid, "Product
//! quantization for nearest neighbor search", PAMI 2011, section IV), and of each only the codes of records that pass are scored. How
//! far the centroids are of the cells in which results lie that are so far was measured when the index was sealed (see
//! [`CellCurve`]): that holds whatever the filter has to do with the query.
//!
//! The part, all numbers `u32`: number of cells; where each cell's slots begin, and where the last one's end; the slots of
//! each cell, ascending; then, from a multiple of 64 bytes on, a code for each centroid, of the index's quantizer.
//!
//! Building takes `2 sqrt(n)` distances for each of the `n` records, and 4 bytes a record in memory.

mod build;
mod curve;
mod scan;
#[cfg(test)]
mod tests;

pub(super) use build::BuiltCells;
pub(super) use curve::CELL_RECALLS;
pub(super) use curve::CellBound;
pub(super) use curve::CellCurve;
pub(super) use curve::CellLimit;
pub(super) use curve::CellRank;
pub(super) use curve::MAX_POINTS;
pub(super) use scan::CellScratch;
pub(super) use scan::Ends;

use crate::codec::ByteReader;
use crate::error::Error;
use crate::error::Result;
use crate::quant::Quantizer;
use crate::vector::Metric;

const ALIGNMENT: usize = 64;
const PART: &str = "cells";

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
        let words = count.checked_add(len).and_then(|sum| sum.checked_add(2)?.checked_mul(4));
        let codes = words.and_then(|words| words.checked_next_multiple_of(ALIGNMENT));
        let code_bytes = count.checked_mul(quantizer.code_bytes());
        match (words, codes, code_bytes) {
            (Some(words), Some(codes), Some(code_bytes))
                if count > 0 && codes.checked_add(code_bytes) == Some(bytes.len()) =>
            {
                let (words, _) = bytes[4..words].as_chunks::<4>();
                let (starts, slots) = words.split_at(count + 1);
                Ok(Self { starts, slots, centroids: &bytes[codes..] })
            }
            _ => {
                let problem = format!("{} bytes for {count} cells of {len} slots", bytes.len());
                Err(Error::corrupt(PART, 0, problem))
            }
        }
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
        let damaged = |problem: String| Error::corrupt(PART, 0, problem);
        let mut seen = vec![false; self.slots.len()];
        for cell in 0..self.count() {
            for slot in self.slots(cell).iter().map(|bytes| u32::from_le_bytes(*bytes)) {
                match seen.get_mut(slot as usize) {
                    Some(seen @ false) => *seen = true,
                    _ => {
                        return Err(damaged(format!("slot {slot} of cell {cell} is in another, or is none")));
                    }
                }
            }
        }
        match seen.iter().position(|seen| !seen) {
            None => Ok(()),
            Some(slot) => Err(damaged(format!("slot {slot} is in no cell"))),
        }
    }
}

/// How far a record is, or a centroid, whose score is given: the square of the distance, or what has its order; 0 for the query itself.
pub(super) fn gap(metric: Metric, score: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - score,
        Metric::L2 | Metric::Hamming | Metric::Dot => -score,
    }
}
