//! The range that scalar codes divide into steps, and the sample that it is fitted to.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Result;
use crate::quant::is_normalised;
use crate::quant::transform::Transform;
use crate::vector::Metric;
use crate::vector::VectorType;

/// Highest seven-bit code.
pub(super) const MAX_CODE: f32 = 127.0;
/// Queries are filled up to a multiple of so many bytes.
const ROOM: usize = 128;
/// Elements of a sample that are looked at.
const MAX_SAMPLE: usize = 4 << 20;
/// Elements that ways of coding are compared on.
const MAX_TRIAL: usize = 1 << 17;
/// Rotating costs time and memory, so it has to leave less than this part of the error.
const WORTHWHILE: f64 = 0.5;
/// A narrower range has to bring codes nearer than by this part, because queries are cut to it as well.
const CLOSER: f64 = 0.7;
/// See [`Sample::is_uneven`].
const UNEVEN: f32 = 1.05;
/// Seed of the rotation: any will do, and the same data are to give the same codes.
const SEED: u64 = 0x4c6f_6465;

/// Vectors of a sample: decoded, of length 1 where they are compared by cosine.
pub(super) struct Sample {
    pub(super) ty: VectorType,
    pub(super) values: Vec<f32>,
}

impl Sample {
    /// Decodes some of the rows, spread over all, that have about [`MAX_SAMPLE`] elements.
    pub(super) fn new(ty: &VectorType, rows: &[&[u8]]) -> Self {
        let most = (MAX_SAMPLE / ty.dim.max(1)).max(1);
        let step = rows.len().div_ceil(most).max(1);
        let mut values = Vec::with_capacity(rows.len().div_ceil(step) * ty.dim);
        for row in rows.iter().step_by(step) {
            let scale = if is_normalised(ty.metric) { ty.inverse_norm(row) } else { 1.0 };
            ty.decode_blocks(row, |_, elements| values.extend(elements.iter().map(|value| value * scale)));
        }
        Self { ty: *ty, values }
    }

    /// Some of the vectors, spread over all.
    fn trial(&self) -> Vec<f32> {
        self.trial_rows().flatten().copied().collect()
    }

    /// The same, one by one.
    fn trial_rows(&self) -> impl Iterator<Item = &[f32]> {
        let rows = self.values.len() / self.ty.dim;
        let step = rows.div_ceil((MAX_TRIAL / self.ty.dim).max(1)).max(1);
        self.values.chunks_exact(self.ty.dim).step_by(step)
    }

    /// The transform and the range that code the sample with the least error in `levels` steps, when one in any of the
    /// given numbers of elements is beyond each end of the range (0 for none).
    pub(super) fn fit(&self, levels: usize, beyond: &[usize]) -> (Transform, Range) {
        let plain = Transform::none(&self.ty);
        let beyond = if self.ty.metric == Metric::Dot { &[0] } else { beyond };
        let trial = self.trial();
        let (plain_error, plain_beyond) = least_error(&mut trial.clone(), levels, beyond);
        let rotated = Transform::centred_and_rotated(&self.ty, &self.values, SEED);
        let (rotated_error, rotated_beyond) = least_error(&mut moved(&rotated, &trial), levels, beyond);
        // The error is that of an element, and rotated vectors may have more of them.
        let rotated_error = rotated_error * rotated.dim() as f64 / self.ty.dim as f64;
        match rotated_error < plain_error * WORTHWHILE {
            true => {
                let range = Range::fit(&mut moved(&rotated, &self.values), levels, rotated_beyond);
                (rotated, range)
            }
            false => (plain, Range::fit(&mut self.values.clone(), levels, plain_beyond)),
        }
    }
}

impl Sample {
    /// Whether the rows are compared by inner product and their lengths differ so much that the longest one's square is
    /// more than [`UNEVEN`] times the mean.
    pub(super) fn is_uneven(&self) -> bool {
        let rows = self.values.chunks_exact(self.ty.dim);
        let count = rows.len().max(1) as f32;
        let squares = rows.map(|row| row.iter().map(|value| value * value).sum::<f32>());
        let (most, sum) = squares.fold((0.0f32, 0.0), |(most, sum), square| (most.max(square), sum + square));
        self.ty.metric == Metric::Dot && most > UNEVEN * sum / count
    }

    /// As [`Sample::fit`], for codes whose Euclidean distance has the order of inner products: by
    /// [`Transform::equally_long`].
    pub(super) fn fit_equally_long(&self, levels: usize, beyond: usize) -> (Transform, Range) {
        let transform = Transform::equally_long(&self.ty, &self.values, SEED);
        let range = Range::fit(&mut moved(&transform, &self.values), levels, beyond);
        (transform, range)
    }
}

impl Sample {
    /// Of the ranges with the given numbers of elements beyond them, the first that no later one is much closer to the
    /// vectors than, by the mean distance of a vector to its code.
    pub(super) fn closest_range(&self, levels: usize, beyond: &[usize]) -> Range {
        let mut elements = self.trial();
        let mut closest = (f64::INFINITY, Range { low: 0.0, step: 1.0 });
        for beyond in beyond {
            let range = Range::fit(&mut elements, levels, *beyond);
            let top = (levels - 1) as f32;
            let error = |value: &f32| {
                let level = ((value - range.low) / range.step).round().clamp(0.0, top);
                f64::from(value - (range.low + level * range.step)).powi(2)
            };
            let rows = self.trial_rows();
            let distances = rows.map(|row| row.iter().map(error).sum::<f64>().sqrt());
            let sum = distances.sum::<f64>();
            if sum < closest.0 * CLOSER {
                closest = (sum, range);
            }
        }
        closest.1
    }
}

/// Vectors after the transform.
fn moved(transform: &Transform, rows: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    for row in rows.chunks_exact(transform.ty().dim) {
        transform.decoded_row(row, &mut out);
    }
    out
}

/// The least mean squared error among ranges with the given numbers of elements beyond them, and that number.
fn least_error(elements: &mut [f32], levels: usize, beyond: &[usize]) -> (f64, usize) {
    let errors = beyond.iter().map(|beyond| {
        let range = Range::fit(elements, levels, *beyond);
        let top = (levels - 1) as f32;
        let error = |value: &f32| {
            let level = ((value - range.low) / range.step).round().clamp(0.0, top);
            f64::from(value - (range.low + level * range.step)).powi(2)
        };
        (elements.iter().map(error).sum::<f64>() / elements.len().max(1) as f64, *beyond)
    });
    errors.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0))
}

/// Levels at equal distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    /// The element of the lowest level.
    pub(super) low: f32,
    /// Difference of elements one level apart; above 0.
    pub(super) step: f32,
}

impl Range {
    /// The range of the elements, but for one in `beyond` at each end; 0 for all. Changes their order.
    fn fit(elements: &mut [f32], levels: usize, beyond: usize) -> Self {
        if elements.is_empty() {
            return Self { low: 0.0, step: 1.0 };
        }
        let cut = elements.len().checked_div(beyond).unwrap_or(0);
        let last = elements.len() - 1 - cut;
        let low = *elements.select_nth_unstable_by(cut, f32::total_cmp).1;
        let high = *elements.select_nth_unstable_by(last, f32::total_cmp).1;
        let step = (high - low) / (levels - 1) as f32;
        let low = if low.is_finite() { low } else { 0.0 };
        match step.is_normal() && step > 0.0 {
            true => Self { low, step },
            false => Self { low, step: 1.0 },
        }
    }

    /// Appends the stored form.
    pub(super) fn write(&self, writer: &mut ByteWriter) {
        writer.f32(self.low);
        writer.f32(self.step);
    }

    /// Reads the stored form.
    pub(super) fn read(reader: &mut ByteReader<'_>) -> Result<Self> {
        let (low, step) = (reader.f32()?, reader.f32()?);
        match low.is_finite() && step.is_normal() && step > 0.0 {
            true => Ok(Self { low, step }),
            false => Err(reader.error(format!("a range from {low} in steps of {step}"))),
        }
    }
}

/// A query as signed bytes `w` of one scale, `q = scale * w`: the bytes, the scale, and the sum of all `w`.
pub(super) fn weights(query: &[f32]) -> (Vec<u8>, f32, f32) {
    let most = query.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = if most > 0.0 { most / MAX_CODE } else { 1.0 };
    let mut sum = 0i32;
    let mut bytes = Vec::with_capacity(query.len().next_multiple_of(ROOM));
    bytes.extend(query.iter().map(|value| {
        let weight = nearest(value / scale, -MAX_CODE, MAX_CODE);
        sum += i32::from(weight);
        weight.cast_unsigned()
    }));
    (bytes, scale, sum as f32)
}

/// The integer nearest to `value` between `least` and `most`, which are -128 and 127 at the furthest. It is counted from
/// `least` on, so that nothing but adding, comparing and cutting off is needed: rounding is a call for each value on plain
/// x86-64, and this is a vector's worth at once.
#[inline(always)]
pub(super) fn nearest(value: f32, least: f32, most: f32) -> i8 {
    let above = (value - least).clamp(0.0, most - least) + 0.5;
    (above as i32 + least as i32) as i8
}
