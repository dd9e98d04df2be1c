//! [`RowCodes`]: codes of a block of stored rows that no graph leads to, by which the rows are picked that are worth scoring.
//!
//! ```text
//! codes := rows x code, rows x f32: distance from the row to what its code stands for, f32: the longest of these
//! ```
//!
//! They are what makes a large import fast to search before its graph is built. They lie in the order of the rows and belong
//! to their block: a merge that keeps the block keeps them, and one that builds a graph leaves them out.

use super::part::Part;
use super::part::Target;
use crate::error::Error;
use crate::error::Result;
use crate::memory;
use crate::quant::Bounds;
use crate::quant::Codes;
use crate::quant::Fit;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::vector::VectorType;
use rayon::prelude::*;

const PART: &str = "row codes";

/// Blocks of fewer rows are scored in whole: few enough that it takes no time.
const LEAST_ROWS: usize = 256;
/// Elements that a quantizer is trained on.
const TRAINING_ELEMENTS: usize = 1 << 17;

/// Codes of the rows of a block, read in place.
#[derive(Clone, Debug)]
pub(crate) struct RowCodes {
    ty: VectorType,
    quantizer: Quantizer,
    part: Part,
    len: usize,
}

impl RowCodes {
    /// The codes of `len` rows.
    pub(crate) fn open(ty: VectorType, quantizer: Quantizer, part: Part, len: usize) -> Result<Self> {
        let expected = len.checked_mul(quantizer.code_bytes() + 4).and_then(|bytes| bytes.checked_add(4));
        if expected != Some(part.len()) || !quantizer.can_pick() {
            return Err(Error::corrupt(PART, 0, format!("{} bytes for {len} rows", part.len())));
        }
        Ok(Self { ty, quantizer, part, len })
    }

    /// Makes codes of rows, given with their inverse norms, where that is worth it.
    pub(super) fn write(ty: &VectorType, rows: &[(&[u8], f32)], target: &Target<'_>) -> Result<Option<Self>> {
        if rows.len() < LEAST_ROWS || !target.keeps_extents() {
            return Ok(None);
        }
        let step = (rows.len() * ty.dim).div_ceil(TRAINING_ELEMENTS).max(1);
        let sample: Vec<&[u8]> = rows.iter().step_by(step).map(|(row, _)| *row).collect();
        let Some(quantizer) = Quantizer::for_picking(ty, &sample) else { return Ok(None) };
        let bytes = quantizer.code_bytes();
        let mut codes = memory::filled(bytes * rows.len(), 0);
        let encoded = codes.par_chunks_exact_mut(bytes).zip(rows).map(|(code, (row, norm))| {
            quantizer.encode(row, *norm, code);
            quantizer.fit(row, *norm, code)
        });
        let fits: Vec<Fit> = encoded.collect();
        let longest = fits.iter().map(|fit| fit.length).fold(0.0, f32::max);
        let residuals: Vec<u8> = fits.iter().flat_map(|fit| fit.residual.to_le_bytes()).collect();
        let mut writer = target.part(PART, rows.len() * (bytes + 4) + 4)?;
        writer.write(&codes)?;
        writer.write(&residuals)?;
        writer.write(&longest.to_le_bytes())?;
        Self::open(*ty, quantizer, writer.finish()?, rows.len()).map(Some)
    }

    /// The same codes in what `f` makes of their part.
    pub(super) fn map_part(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Self> {
        Self::open(self.ty, self.quantizer.clone(), f(PART, &self.part)?, self.len)
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How the codes are made.
    pub(super) fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// The bytes.
    pub(super) fn part(&self) -> &Part {
        &self.part
    }

    /// The query's code, and what distances to it say.
    pub(super) fn prepare(&self, query: &[f32]) -> Result<Option<(QueryCode, Bounds)>> {
        let code = QueryCode::new(&self.ty, &self.quantizer, query);
        let longest = f32::from_bits(self.part.u32_at(self.residuals_start(), self.len)?);
        let bounds = Bounds::new(&self.ty, &self.quantizer, (query, &code), longest);
        Ok(bounds.map(|bounds| (code, bounds)))
    }

    /// The codes of the rows `first..last`, verified, as those of the slots from 0 on.
    pub(super) fn codes(&self, first: usize, last: usize) -> Result<Codes<'_>> {
        let bytes = self.quantizer.code_bytes();
        Codes::new(&self.quantizer, self.part.bytes(first * bytes..last * bytes)?, last - first)
    }

    /// The distances of the rows `first..last` to what their codes stand for.
    pub(super) fn residuals(&self, first: usize, last: usize) -> Result<&[[u8; 4]]> {
        let start = self.residuals_start();
        Ok(self.part.bytes(start + first * 4..start + last * 4)?.as_chunks().0)
    }

    fn residuals_start(&self) -> usize {
        self.len * self.quantizer.code_bytes()
    }

    /// Checks that each code is at most as far from its row as it is said to be.
    pub(super) fn verify<'r>(&self, row: impl Fn(usize) -> Result<(&'r [u8], f32)>) -> Result<()> {
        self.part.verify()?;
        let codes = self.codes(0, self.len)?;
        let longest = f32::from_bits(self.part.u32_at(self.residuals_start(), self.len)?);
        for (at, residual) in self.residuals(0, self.len)?.iter().enumerate() {
            let (row, norm) = row(at)?;
            let fit = self.quantizer.fit(row, norm, codes.code(at as u32));
            if fit.residual > f32::from_le_bytes(*residual) || fit.length > longest {
                let problem = format!("row {at} is farther from its code than it should be");
                return Err(Error::corrupt(PART, 0, problem));
            }
        }
        Ok(())
    }
}
