//! Scalar codes of seven bits: each element as one of 128 steps of one range for the whole segment.
//!
//! Seven bits and not eight, because the difference of two codes then fits a signed byte and the sum of two products
//! sixteen bits: AVX-512, AVX2 and NEON multiply such bytes without saturating. One range for all dimensions keeps the
//! distance a plain sum of squares; embeddings have dimensions of like spread, and elements beyond the range are cut to
//! it. Where a few dimensions spread far wider than the others, the others get few steps, and more candidates have to be
//! rescored. A query with elements beyond the range looks nearer to every row than it is: estimates of a score rank the
//! rows of one segment, and only exact scores are to be compared between segments.
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
use crate::vector::Metric;
use crate::vector::VectorType;

/// Highest code.
const MAX_CODE: f32 = 127.0;
/// A code takes whole cache lines, so that a row never straddles one more than it must.
const ALIGNMENT: usize = 64;
/// Elements of the sample that are looked at.
const MAX_SAMPLE: usize = 4 << 20;
/// One in so many elements is beyond each end of the range.
const BEYOND: usize = 1000;

/// The range of the codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sq7 {
    ty: VectorType,
    /// The element that has the code 0.
    low: f32,
    /// Difference of elements one code apart; above 0.
    step: f32,
}

impl Sq7 {
    /// Fits the range to a sample.
    pub(super) fn train<'a>(ty: &VectorType, sample: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut elements: Vec<f32> = Vec::new();
        for row in sample {
            let scale = if is_normalised(ty.metric) { ty.inverse_norm(row) } else { 1.0 };
            ty.decode_blocks(row, |_, values| elements.extend(values.iter().map(|value| value * scale)));
            if elements.len() >= MAX_SAMPLE {
                break;
            }
        }
        let beyond = if ty.metric == Metric::Dot { 0 } else { elements.len() / BEYOND };
        let (low, high) = range_without(&mut elements, beyond);
        let step = (high - low) / MAX_CODE;
        let usable = low.is_finite() && step.is_normal() && step > 0.0;
        let (low, step) = if usable { (low, step) } else { (if low.is_finite() { low } else { 0.0 }, 1.0) };
        Self { ty: *ty, low, step }
    }

    /// Appends the parameters.
    pub(super) fn write(&self, writer: &mut ByteWriter) {
        writer.f32(self.low);
        writer.f32(self.step);
    }

    /// Reads the parameters.
    pub(super) fn read(ty: &VectorType, reader: &mut ByteReader<'_>) -> Result<Self> {
        let (low, step) = (reader.f32()?, reader.f32()?);
        match low.is_finite() && step.is_normal() && step > 0.0 {
            true => Ok(Self { ty: *ty, low, step }),
            false => Err(reader.error(format!("a range from {low} in steps of {step}"))),
        }
    }

    /// Bytes of a code.
    pub(super) fn code_bytes(&self) -> usize {
        self.ty.dim.next_multiple_of(ALIGNMENT)
    }

    /// Writes the code of a row; the padding is 0.
    pub(super) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        let scale = if is_normalised(self.ty.metric) { inverse_norm } else { 1.0 };
        out.fill(0);
        self.ty.decode_blocks(row, |start, values| {
            self.encode_values(values, scale, out.get_mut(start..).unwrap_or_default());
        });
    }

    /// Writes a code for each value times `scale`.
    fn encode_values(&self, values: &[f32], scale: f32, out: &mut [u8]) {
        for (place, value) in out.iter_mut().zip(values) {
            let steps = (value * scale - self.low) / self.step;
            *place = (steps.clamp(0.0, MAX_CODE) + 0.5) as u8;
        }
    }

    /// Prepares a query.
    pub(super) fn query(&self, query: &[f32]) -> QueryCode {
        match self.ty.metric {
            Metric::Dot => self.product_query(query),
            metric => {
                let normalised = is_normalised(metric);
                let scale = if normalised { crate::vector::inverse_norm_of(query) } else { 1.0 };
                let mut bytes = vec![0; self.code_bytes()];
                self.encode_values(query, scale, &mut bytes);
                let square = self.step * self.step;
                let (start, unit) = if normalised { (1.0, -square / 2.0) } else { (0.0, -square) };
                QueryCode { form: CodeForm::SquaredL2, bytes, start, unit }
            }
        }
    }

    /// A query as signed bytes `w` of one scale: `q x = scale * sum w (low + step * code)`.
    fn product_query(&self, query: &[f32]) -> QueryCode {
        let most = query.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scale = if most > 0.0 { most / MAX_CODE } else { 1.0 };
        let mut bytes = vec![0; self.code_bytes()];
        let mut sum = 0.0f32;
        for (place, value) in bytes.iter_mut().zip(query) {
            let weight = (value / scale).round().clamp(-MAX_CODE, MAX_CODE);
            sum += weight;
            *place = (weight as i8).cast_unsigned();
        }
        QueryCode { form: CodeForm::Product, bytes, start: scale * self.low * sum, unit: scale * self.step }
    }
}

/// The smallest and largest element when `beyond` are left out at each end; (0, 0) for none.
fn range_without(elements: &mut [f32], beyond: usize) -> (f32, f32) {
    if elements.is_empty() {
        return (0.0, 0.0);
    }
    let last = elements.len() - 1 - beyond;
    let low = *elements.select_nth_unstable_by(beyond, f32::total_cmp).1;
    let high = *elements.select_nth_unstable_by(last, f32::total_cmp).1;
    (low, high)
}
