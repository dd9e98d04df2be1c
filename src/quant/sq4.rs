//! Scalar codes of four bits: sixteen levels an element, compared with a query of seven bits.
//!
//! Half of the memory of seven bits, hence half of the cache misses, for an error sixteen times as large: more candidates
//! have to be rescored. The query keeps its precision, and may lie a step beyond the rows' range at each end.
//!
//! # Layout
//! Blocks of 64 bytes for 128 dimensions: byte `i` has dimension `i` in its lower half and dimension `64 + i` in its upper.
//! The last block is cut to a multiple of 32 bytes: `b` bytes hold `2 b` dimensions in the same way, in halves of `b`.
//! So a code takes no more cache lines than if it began with one.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Result;
use crate::quant::CodeForm;
use crate::quant::QueryCode;
use crate::quant::is_normalised;
use crate::quant::range::MAX_CODE;
use crate::quant::range::Range;
use crate::quant::range::Sample;
use crate::quant::range::nearest;
use crate::quant::range::weights;
use crate::quant::transform::Transform;
use crate::vector::Metric;
use crate::vector::VectorType;

/// A code takes a multiple of so many bytes.
const ALIGNMENT: usize = 32;
/// Bytes of a block.
const BLOCK: usize = 64;
/// Number of codes of an element.
const LEVELS: usize = 16;
/// Steps of the query for each level.
const STEPS: f32 = 8.0;
/// Steps that a query may lie below the lowest level.
const BELOW: f32 = 7.0;
/// Ranges that are tried, as in [`Sample::fit`]: few levels are worth cutting more elements.
const BEYOND: [usize; 4] = [1000, 300, 100, 50];

/// The range of the codes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sq4 {
    transform: Transform,
    range: Range,
}

impl Sq4 {
    /// Fits the range to a sample.
    pub(super) fn train(sample: &Sample) -> Self {
        let (transform, range) = sample.fit(LEVELS, &BEYOND);
        Self { transform, range }
    }

    /// Appends the parameters.
    pub(super) fn write(&self, writer: &mut ByteWriter) {
        self.range.write(writer);
        self.transform.write(writer);
    }

    /// Reads the parameters.
    pub(super) fn read(ty: &VectorType, reader: &mut ByteReader<'_>) -> Result<Self> {
        let range = Range::read(reader)?;
        Ok(Self { range, transform: Transform::read(ty, reader)? })
    }

    /// Bytes of a code.
    pub(super) fn code_bytes(&self) -> usize {
        self.transform.dim().div_ceil(2).next_multiple_of(ALIGNMENT)
    }

    /// Writes the code of a row; the padding is 0.
    pub(super) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        let mut levels = vec![0u8; 2 * self.code_bytes()];
        let Range { low, step } = self.range;
        self.transform.row(row, inverse_norm, |start, values| {
            for (level, value) in levels.iter_mut().skip(start).zip(values) {
                *level = (((value - low) / step).clamp(0.0, (LEVELS - 1) as f32) + 0.5) as u8;
            }
        });
        for (block, levels) in out.chunks_mut(BLOCK).zip(levels.chunks(2 * BLOCK)) {
            let (lower, upper) = levels.split_at(levels.len() / 2);
            for (byte, (lower, upper)) in block.iter_mut().zip(lower.iter().zip(upper)) {
                *byte = lower | upper << 4;
            }
        }
    }

    /// The bytes for all dimensions as the kernels take them: 64 for the lower halves of a block, 64 for the upper.
    fn laid_out(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.resize(2 * self.code_bytes(), 0);
        let mut out = vec![0; bytes.len().next_multiple_of(2 * BLOCK)];
        for (out, bytes) in out.chunks_exact_mut(2 * BLOCK).zip(bytes.chunks(2 * BLOCK)) {
            let (lower, upper) = bytes.split_at(bytes.len() / 2);
            out[..lower.len()].copy_from_slice(lower);
            out[BLOCK..][..upper.len()].copy_from_slice(upper);
        }
        out
    }

    /// Prepares a query.
    pub(super) fn query(&self, query: &[f32]) -> QueryCode {
        let metric = self.transform.ty().metric;
        let Range { low, step } = self.range;
        if metric == Metric::Dot {
            let (values, of_mean) = self.transform.product_query(query);
            let (bytes, scale, sum) = weights(&values);
            let (start, unit) = (of_mean + scale * low * sum, scale * step);
            return QueryCode { form: CodeForm::NibbleProduct, bytes: self.laid_out(bytes), start, unit };
        }
        let step = step / STEPS;
        let steps = |value: &f32| nearest((value - low) / step, -BELOW, MAX_CODE).cast_unsigned();
        let values = self.transform.query(query);
        let bytes = self.laid_out(values.iter().map(steps).collect());
        let square = step * step;
        let (start, unit) = if is_normalised(metric) { (1.0, -square / 2.0) } else { (0.0, -square) };
        QueryCode { form: CodeForm::NibbleSquaredL2, bytes, start, unit }
    }
}
