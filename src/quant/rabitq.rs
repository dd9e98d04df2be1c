//! One bit a dimension with an unbiased estimate of the distance: RaBitQ (Gao and Long, "RaBitQ: Quantizing
//! High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest Neighbor Search", SIGMOD 2024).
//!
//! A row's difference `v` from the mean is turned at random and reduced to its signs `s`. Behind a random rotation the
//! product of signs and query is, but for a factor that the row alone decides, an unbiased estimate of the product of row
//! and query (theorem 3.2):
//!
//! ```text
//! v q  =  |v|^2 / sum |v_i|  *  sum s_i q_i         |x - q|^2  =  |v|^2 - 2 v q + |q|^2
//! ```
//!
//! The query is rounded to four bits with a sign and laid out bit by bit, so that the sum is counting bits (section
//! 3.3). The error falls with the square root of the dimension: the candidates
//! that are rescored were enough at 784 dimensions, not quite at 384, and not at all at 128.
//!
//! # Layout
//! The bits, dimension 0 in the lowest bit of the first byte, set for positive elements; zeros; in the last eight bytes
//! `|v|^2` and `|v|^2 / sum |v_i|` as `f32`. A code takes a multiple of 32 bytes.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Result;
use crate::quant::CodeForm;
use crate::quant::QueryCode;
use crate::quant::is_normalised;
use crate::quant::range::Sample;
use crate::quant::range::nearest;
use crate::quant::transform::Transform;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::kernels::FACTOR_BYTES;
use crate::vector::kernels::QUERY_FACTOR_BYTES;

/// A code takes a multiple of so many bytes.
const ALIGNMENT: usize = 32;
/// Bytes of a code for which a query has four planes in a row.
const BLOCK: usize = 64;
/// Planes of a query.
const PLANES: usize = 4;
/// The largest number that a query has.
const MAX_LEVEL: f32 = 7.0;
/// Seed of the rotation: any will do, and the same data are to give the same codes.
const SEED: u64 = 0x5261_4269;

/// The mean and the rotation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RaBitQ {
    transform: Transform,
}

impl RaBitQ {
    /// Takes the mean of a sample.
    pub(super) fn train(sample: &Sample) -> Self {
        Self { transform: Transform::centred_and_rotated(&sample.ty, &sample.values, SEED) }
    }

    /// Appends the parameters.
    pub(super) fn write(&self, writer: &mut ByteWriter) {
        self.transform.write(writer);
    }

    /// Reads the parameters.
    pub(super) fn read(ty: &VectorType, reader: &mut ByteReader<'_>) -> Result<Self> {
        Ok(Self { transform: Transform::read(ty, reader)? })
    }

    /// Bytes of a code.
    pub(super) fn code_bytes(&self) -> usize {
        (self.transform.dim().div_ceil(8) + FACTOR_BYTES).next_multiple_of(ALIGNMENT)
    }

    /// Writes the code of a row.
    pub(super) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        out.fill(0);
        let (mut square, mut sum) = (0.0f32, 0.0f32);
        self.transform.row(row, inverse_norm, |start, values| {
            for (at, value) in (start..).zip(values) {
                square += value * value;
                sum += value.abs();
                if let Some(byte) = out.get_mut(at / 8) {
                    *byte |= u8::from(*value > 0.0) << (at % 8);
                }
            }
        });
        let scale = if sum > 0.0 { square / sum } else { 0.0 };
        if let Some(factors) = out.last_chunk_mut::<FACTOR_BYTES>() {
            let (first, second) = factors.split_at_mut(4);
            first.copy_from_slice(&square.to_le_bytes());
            second.copy_from_slice(&scale.to_le_bytes());
        }
    }

    /// Prepares a query.
    pub(super) fn query(&self, query: &[f32]) -> QueryCode {
        let metric = self.transform.ty().metric;
        let (values, of_mean) = match metric {
            Metric::Dot => self.transform.product_query(query),
            _ => (self.transform.query(query), 0.0),
        };
        let most = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let step = if most > 0.0 { most / MAX_LEVEL } else { 1.0 };
        let planes_bytes = self.code_bytes().div_ceil(BLOCK) * BLOCK * PLANES;
        let mut bytes = vec![0u8; planes_bytes];
        let mut sum = 0.0;
        for (at, value) in values.iter().enumerate() {
            let level = nearest(value / step, -MAX_LEVEL, MAX_LEVEL);
            sum += f32::from(level);
            let start = at / 8 / BLOCK * BLOCK * PLANES + at / 8 % BLOCK;
            for plane in 0..PLANES {
                bytes[start + plane * BLOCK] |= (level >> plane & 1).cast_unsigned() << (at % 8);
            }
        }
        // The signs are twice the bits less one; a distance has minus twice the product, or minus it.
        let (unit, factor) = if metric == Metric::Dot { (0.0, -step) } else { (1.0, -2.0 * step) };
        bytes.reserve_exact(QUERY_FACTOR_BYTES);
        bytes.extend([unit, 2.0 * factor, factor * sum].into_iter().flat_map(f32::to_le_bytes));
        let square: f32 = values.iter().map(|value| value * value).sum();
        let (start, unit) = match metric {
            Metric::Dot => (of_mean, -1.0),
            metric if is_normalised(metric) => (1.0 - square / 2.0, -0.5),
            _ => (-square, -1.0),
        };
        QueryCode { form: CodeForm::BinaryEstimate, bytes, start, unit }
    }
}
