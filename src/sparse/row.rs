//! A sparse vector as it is stored.
//!
//! No bytes where the record has none. Otherwise: terms: varint, bits of a gap: u8, gaps (the numbers between a term and the
//! one before, packed one behind another from the lowest bit on), weights: f32 each.

use super::vector::MOST_SQUARES;
use super::vector::SparseVector;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use crate::text::few_bytes;
use crate::text::number_at;
use crate::text::pack_few;
use crate::text::width_of;

const PART: &str = "sparse vectors";

/// Appends the row of a vector, whose terms ascend.
pub(crate) fn encode(entries: &[(u32, f32)], out: &mut ByteWriter) {
    let mut next = 0u32;
    let mut gaps = Vec::with_capacity(entries.len());
    for (term, _) in entries {
        gaps.push(term - next);
        next = term.saturating_add(1);
    }
    let width = width_of(&gaps);
    let mut packed = Vec::with_capacity(few_bytes(gaps.len(), width));
    pack_few(&gaps, width, &mut packed);
    out.varint(entries.len() as u64);
    out.u8(width);
    out.bytes(&packed);
    entries.iter().for_each(|(_, weight)| out.f32(*weight));
}

/// The vector in a row; `None` where the record has none.
pub(crate) fn decode(row: &[u8]) -> Result<Option<SparseVector>> {
    let Some(row) = Row::open(row)? else { return Ok(None) };
    row.check()?;
    Ok(Some(row.entries().collect()))
}

/// A stored vector, read in place.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    width: u8,
    gaps: &'a [u8],
    weights: &'a [[u8; 4]],
}

impl<'a> Row<'a> {
    /// The vector in these bytes; `None` where there is none.
    #[inline]
    pub(super) fn open(bytes: &'a [u8]) -> Result<Option<Self>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut reader = ByteReader::new(PART, bytes);
        let (count, width) = (reader.count(4)?, reader.u8()?);
        if width > 32 {
            return Err(reader.error(format!("gaps of {width} bits")));
        }
        let gaps = reader.bytes(few_bytes(count, width))?;
        let weights = reader.bytes(reader.remaining())?.as_chunks();
        match weights.1.is_empty() && weights.0.len() == count {
            true => Ok(Some(Self { width, gaps, weights: weights.0 })),
            false => Err(reader.error("terms and weights differ in number")),
        }
    }

    /// Terms, which ascend unless the bytes are damaged, and weights.
    #[inline]
    pub(super) fn entries(self) -> impl Iterator<Item = (u32, f32)> + use<'a> {
        let mut next = 0u32;
        self.weights.iter().enumerate().map(move |(place, weight)| {
            let term = next.wrapping_add(number_at(self.gaps, self.width, place));
            next = term.wrapping_add(1);
            (term, f32::from_le_bytes(*weight))
        })
    }

    /// `Ok` where the vector is one that could have been stored.
    pub(super) fn check(self) -> Result<()> {
        let (mut before, mut squares) = (None, 0.0);
        for (term, weight) in self.entries() {
            if before.is_some_and(|before| before >= term) {
                return Err(Error::corrupt(PART, 0, format!("the term {term} is not in its place")));
            }
            if !weight.is_finite() || weight <= 0.0 {
                return Err(Error::corrupt(PART, 0, format!("the weight of term {term} is {weight}")));
            }
            before = Some(term);
            squares += f64::from(weight) * f64::from(weight);
        }
        match squares <= MOST_SQUARES {
            true => Ok(()),
            false => Err(Error::corrupt(PART, 0, "a vector is too long")),
        }
    }

    /// The sum, in the order of terms, of the products of weights with those that `weight_of` gives; `None` where it gives none.
    #[inline]
    pub(super) fn dot(self, weight_of: impl Fn(u32) -> Option<f32>) -> Result<Option<f32>> {
        let (mut sum, mut matches) = (0.0, false);
        for (term, weight) in self.entries() {
            if let Some(other) = weight_of(term) {
                sum += f64::from(other) * f64::from(weight);
                matches = true;
            }
        }
        match sum.is_finite() && sum >= 0.0 {
            true => Ok(matches.then_some(sum as f32)),
            false => Err(Error::corrupt(PART, 0, format!("weights whose products add up to {sum}"))),
        }
    }
}
