//! Scalar codes of seven bits: each element as one of 128 steps of one range for the whole segment.
//!
//! Seven bits and not eight, because the difference of two codes then fits a signed byte and the sum of two products
//! sixteen bits: AVX-512, AVX2 and NEON multiply such bytes without saturating. One range for all dimensions keeps the
//! distance a plain sum of squares. Embeddings have dimensions of like spread; where a few spread far wider than the
//! others, vectors are turned first, which gives all the same ([`Transform`]). Elements beyond the range are cut to it. A
//! query with elements beyond the range looks nearer to every row than it is: estimates of a score rank the rows of one
//! segment, and only exact scores are to be compared between segments.
//!
//! In a few dimensions 128 steps are so few that many rows would have one code, and a graph could not tell them apart. There the
//! padding is used: an element has several bytes, rounded at different fractions of a step. The sum of their squared
//! differences is the squared difference at whole steps, and lies on a straight line in between.
//!
//! For cosine, rows and queries are scaled to length 1 first, and `|a - b|^2 = 2 - 2 cos`. For the metric dot the range
//! is the sample's whole one, because the longest vectors are the likeliest answers and cutting them would hide them;
//! the price is that short vectors get few steps when lengths differ much.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Result;
use crate::quant::CodeForm;
use crate::quant::QueryCode;
use crate::quant::is_normalised;
use crate::quant::range::MAX_CODE;
use crate::quant::range::Range;
use crate::quant::range::Sample;
use crate::quant::range::weights;
use crate::quant::transform::Transform;
use crate::vector::Metric;
use crate::vector::VectorType;

/// A code takes whole cache lines, so that a row never straddles one more than it must.
const ALIGNMENT: usize = 64;
/// Vectors of at most so many dimensions have several bytes a dimension, as many as fit into [`ALIGNMENT`].
const FEW_DIMENSIONS: usize = 16;
/// Number of codes of an element.
const LEVELS: usize = 128;
/// One in so many elements is beyond each end of the range.
const BEYOND: usize = 1000;
/// The same for codes that rows are picked by: the first of these that none after it is much better than.
const BEYOND_TO_PICK: [usize; 3] = [0, 10_000, 1000];

/// The range of the codes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sq7 {
    transform: Transform,
    range: Range,
}

impl Sq7 {
    /// Fits the range to a sample.
    pub(super) fn train(sample: &Sample) -> Self {
        let (transform, range) = sample.fit(LEVELS, &[BEYOND]);
        Self { transform, range }
    }

    /// Fits the range to a sample, for codes that a graph is built on: where rows of unequal length are searched by inner
    /// product, rows that are near by code are those of a large product with the same queries.
    pub(super) fn for_building(sample: &Sample) -> Self {
        if !sample.is_uneven() {
            return Self::train(sample);
        }
        let (transform, range) = sample.fit_equally_long(LEVELS, BEYOND);
        Self { transform, range }
    }

    /// Fits the range to a sample, for codes that rows are picked by for certain: as near as they can be to the vectors as
    /// they are, on average over the rows, however far off a few may be.
    pub(super) fn for_picking(sample: &Sample) -> Self {
        let transform = Transform::none(&sample.ty);
        Self { transform, range: sample.closest_range(LEVELS, &BEYOND_TO_PICK) }
    }

    /// Whether codes stand for the vectors as they are, not moved, and have a byte a dimension.
    pub(super) fn is_plain(&self) -> bool {
        self.copies() == 1 && self.transform == Transform::none(self.transform.ty())
    }

    /// The element of the lowest level, and the difference of elements one level apart.
    pub(super) fn levels(&self) -> (f64, f64) {
        (f64::from(self.range.low), f64::from(self.range.step))
    }

    /// The distance from a row to what its code stands for, and the length of that.
    pub(super) fn fit(&self, row: &[u8], inverse_norm: f32, code: &[u8]) -> (f64, f64) {
        let (low, step) = self.levels();
        let (mut residual, mut length) = (0.0, 0.0);
        self.transform.row(row, inverse_norm, |start, values| {
            for (value, byte) in values.iter().zip(code.get(start..).unwrap_or_default()) {
                let coded = low + step * f64::from(*byte);
                residual += (f64::from(*value) - coded) * (f64::from(*value) - coded);
                length += coded * coded;
            }
        });
        (residual.sqrt(), length.sqrt())
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
        self.transform.dim().next_multiple_of(ALIGNMENT)
    }

    /// Bytes of a code for each element.
    fn copies(&self) -> usize {
        match self.transform.dim() {
            dim if dim <= FEW_DIMENSIONS => ALIGNMENT / dim.max(1),
            _ => 1,
        }
    }

    /// Writes the code of a row; the padding is 0.
    pub(super) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        out.fill(0);
        self.transform.row(row, inverse_norm, |start, values| {
            self.encode_values(values, out.get_mut(start..).unwrap_or_default());
        });
    }

    /// Writes a code for each value, or several, each of which is rounded up from another fraction of a step on: together they
    /// have as many levels more as there are of them.
    fn encode_values(&self, values: &[f32], out: &mut [u8]) {
        let Range { low, step } = self.range;
        let copies = self.copies();
        if copies == 1 {
            for (place, value) in out.iter_mut().zip(values) {
                *place = (((value - low) / step).clamp(0.0, MAX_CODE) + 0.5) as u8;
            }
            return;
        }
        for (copy, places) in out.chunks_exact_mut(values.len().max(1)).take(copies).enumerate() {
            let up = (copy as f32 + 0.5) / copies as f32;
            for (place, value) in places.iter_mut().zip(values) {
                *place = (((value - low) / step).clamp(0.0, MAX_CODE) + up) as u8;
            }
        }
    }

    /// Prepares a query.
    pub(super) fn query(&self, query: &[f32]) -> QueryCode {
        let metric = self.transform.ty().metric;
        let Range { low, step } = self.range;
        let copies = self.copies();
        if metric == Metric::Dot {
            let (values, of_mean) = self.transform.product_query(query);
            let (weights, scale, sum) = weights(&values);
            let mut bytes = weights.repeat(copies);
            bytes.resize(self.code_bytes(), 0);
            let (start, unit) = (of_mean + scale * low * sum, scale * step / copies as f32);
            return QueryCode { form: CodeForm::Product, bytes, start, unit };
        }
        let mut bytes = vec![0; self.code_bytes()];
        self.encode_values(&self.transform.query(query), &mut bytes);
        let square = step * step / copies as f32;
        let (start, unit) = if is_normalised(metric) { (1.0, -square / 2.0) } else { (0.0, -square) };
        QueryCode { form: CodeForm::SquaredL2, bytes, start, unit }
    }
}
