//! Moving vectors before they are coded, so that the codes' few steps lie where the elements are: the mean is taken off,
//! and the rest is turned, which spreads what a few dimensions hold over all of them. Distances stay as they are, and an
//! inner product changes by a number that the query alone decides.
//!
//! The rotation is a randomised Hadamard transform: signs are flipped at random, then every element becomes a sum or
//! difference of all. It takes `log2(dim)` additions an element and no matrix. Dimensions that are no power of two are
//! turned in two overlapping parts, one after the other, twice.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::checksum64;
use crate::error::Result;
use crate::quant::is_normalised;
use crate::vector::VectorType;
use crate::vector::inverse_norm_of;
use std::sync::Arc;

/// Rotated vectors have a multiple of so many elements.
const GRANULE: usize = 64;
/// Stored flag: a mean follows.
const HAS_MEAN: u8 = 1;
/// Stored flag: a seed follows.
const HAS_ROTATION: u8 = 2;

/// What is done to rows and queries before they are coded. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transform {
    ty: VectorType,
    /// Taken off the rows; empty for none.
    mean: Arc<[f32]>,
    rotation: Option<Rotation>,
    /// Rows get a further element that makes all of them as long as this; 0 for none.
    length: f32,
}

impl Transform {
    /// Leaves vectors as they are, but for the length of those compared by cosine.
    pub(super) fn none(ty: &VectorType) -> Self {
        Self { ty: *ty, mean: Arc::new([]), rotation: None, length: 0.0 }
    }

    /// Takes off the mean of `rows`, vectors of decoded and normalised elements, and turns by a rotation of the seed.
    pub(super) fn centred_and_rotated(ty: &VectorType, rows: &[f32], seed: u64) -> Self {
        let rotation = Some(Rotation::new(ty.dim, seed));
        Self { ty: *ty, mean: mean_of(rows.chunks_exact(ty.dim), ty.dim).into(), rotation, length: 0.0 }
    }

    /// As [`Transform::centred_and_rotated`], after a further element has made all rows equally long: then the rows of the
    /// largest inner product with a query are also the nearest ones (Bachrach and others, "Speeding up the Xbox recommender
    /// system using a Euclidean transformation for inner-product spaces", RecSys 2014). The rotation spreads the element,
    /// which may be larger than all others, over all. Only for rows; it has no stored form.
    pub(super) fn equally_long(ty: &VectorType, rows: &[f32], seed: u64) -> Self {
        let squares = rows.chunks_exact(ty.dim).map(|row| row.iter().map(|value| value * value).sum::<f32>());
        let length = squares.fold(0.0, f32::max).sqrt();
        let rotation = Some(Rotation::new(ty.dim + 1, seed));
        let bare = Self { ty: *ty, mean: Arc::new([]), rotation: None, length };
        let mut longer = Vec::with_capacity(rows.len() / ty.dim * (ty.dim + 1));
        for row in rows.chunks_exact(ty.dim) {
            longer.extend_from_slice(row);
            longer.push(bare.missing_length(row));
        }
        let mean = mean_of(longer.chunks_exact(ty.dim + 1), ty.dim + 1).into();
        Self { ty: *ty, mean, rotation, length }
    }

    /// The element that makes a row as long as the others.
    fn missing_length(&self, row: &[f32]) -> f32 {
        let square: f32 = row.iter().map(|value| value * value).sum();
        (self.length * self.length - square).max(0.0).sqrt()
    }

    /// The type of the rows.
    pub(super) fn ty(&self) -> &VectorType {
        &self.ty
    }

    /// Number of elements that come out.
    pub(super) fn dim(&self) -> usize {
        self.rotation.as_ref().map_or(self.ty.dim, Rotation::dim)
    }

    /// Gives the elements of a stored row to `each`, some at a time, with the place of the first one.
    pub(super) fn row(&self, row: &[u8], inverse_norm: f32, mut each: impl FnMut(usize, &[f32])) {
        let scale = if is_normalised(self.ty.metric) { inverse_norm } else { 1.0 };
        let plain = self.mean.is_empty() && self.rotation.is_none();
        if plain && scale == 1.0 {
            return self.ty.decode_blocks(row, each);
        }
        if plain {
            return self.ty.decode_blocks(row, |start, values| {
                let mut scaled = [0.0; crate::vector::BLOCK];
                for (place, value) in scaled.iter_mut().zip(values) {
                    *place = value * scale;
                }
                each(start, scaled.get(..values.len()).unwrap_or_default());
            });
        }
        let mut values = vec![0.0; self.dim()];
        self.ty.decode(row, values.get_mut(..self.ty.dim).unwrap_or_default());
        values.iter_mut().for_each(|value| *value *= scale);
        self.lengthen(&mut values);
        self.move_values(&mut values);
        each(0, &values);
    }

    /// Moves the elements of a decoded row, already normalised where that is due, and appends them to `out`.
    pub(super) fn decoded_row(&self, row: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        out.extend_from_slice(row);
        out.resize(start + self.dim(), 0.0);
        self.lengthen(&mut out[start..]);
        self.move_values(&mut out[start..]);
    }

    /// Writes the further element of a row, where there is to be one.
    fn lengthen(&self, values: &mut [f32]) {
        if self.length > 0.0
            && let Some((row, [missing, ..])) = values.split_at_mut_checked(self.ty.dim)
        {
            *missing = self.missing_length(row);
        }
    }

    /// Takes the mean off and turns.
    fn move_values(&self, values: &mut [f32]) {
        for (value, mean) in values.iter_mut().zip(&*self.mean) {
            *value -= mean;
        }
        if let Some(rotation) = &self.rotation {
            rotation.turn(values);
        }
    }

    /// A query to be compared with rows by Euclidean distance, of length 1 first where rows are.
    pub(super) fn query(&self, query: &[f32]) -> Vec<f32> {
        let scale = if is_normalised(self.ty.metric) { inverse_norm_of(query) } else { 1.0 };
        let mut values: Vec<f32> = query.iter().take(self.ty.dim).map(|value| value * scale).collect();
        values.resize(self.dim(), 0.0);
        self.move_values(&mut values);
        values
    }

    /// A query to be multiplied with rows, and what is to be added to the product.
    pub(super) fn product_query(&self, query: &[f32]) -> (Vec<f32>, f32) {
        let mut values: Vec<f32> = query.iter().take(self.ty.dim).copied().collect();
        values.resize(self.dim(), 0.0);
        let of_mean = values.iter().zip(&*self.mean).map(|(value, mean)| value * mean).sum();
        if let Some(rotation) = &self.rotation {
            rotation.turn(&mut values);
        }
        (values, of_mean)
    }

    /// Appends the stored form: flags, the mean's elements, the rotation's seed.
    pub(super) fn write(&self, writer: &mut ByteWriter) {
        let mean = if self.mean.is_empty() { 0 } else { HAS_MEAN };
        let rotation = if self.rotation.is_none() { 0 } else { HAS_ROTATION };
        writer.u8(mean | rotation);
        self.mean.iter().for_each(|value| writer.f32(*value));
        if let Some(rotation) = &self.rotation {
            writer.u64(rotation.seed);
        }
    }

    /// Reads the stored form.
    pub(super) fn read(ty: &VectorType, reader: &mut ByteReader<'_>) -> Result<Self> {
        let flags = reader.u8()?;
        if flags & !(HAS_MEAN | HAS_ROTATION) != 0 {
            return Err(reader.error(format!("flags {flags}")));
        }
        let mut mean = Vec::new();
        if flags & HAS_MEAN != 0 {
            for at in 0..ty.dim {
                let value = reader.f32()?;
                if !value.is_finite() {
                    return Err(reader.error(format!("a mean of {value} at {at}")));
                }
                mean.push(value);
            }
        }
        let rotation = match flags & HAS_ROTATION {
            0 => None,
            _ => Some(Rotation::new(ty.dim, reader.u64()?)),
        };
        Ok(Self { ty: *ty, mean: mean.into(), rotation, length: 0.0 })
    }
}

/// The mean of vectors.
fn mean_of<'a>(rows: impl Iterator<Item = &'a [f32]>, dim: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0f64; dim], 0);
    for row in rows {
        count += 1;
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    sums.iter().map(|sum| (sum / f64::from(count.max(1))) as f32).collect()
}

/// A rotation of vectors, filled up with zeros to a multiple of [`GRANULE`] elements.
#[derive(Debug, Clone, PartialEq)]
struct Rotation {
    seed: u64,
    /// Largest power of two that is at most the number of elements.
    part: usize,
    /// 1 or -1, scaled so that lengths stay, for each element in each round.
    signs: Arc<[f32]>,
    dim: usize,
}

impl Rotation {
    /// The rotation of a seed; the same on every machine.
    fn new(dim: usize, seed: u64) -> Self {
        let dim = dim.next_multiple_of(GRANULE);
        let part = 1 << dim.ilog2();
        let rounds = if part == dim { 2 } else { 4 };
        let scale = (part as f32).sqrt().recip();
        let mut signs = Vec::with_capacity(rounds * dim);
        for word in 0..(rounds * dim / 64) as u64 {
            let bits = checksum64(seed, &word.to_le_bytes());
            signs.extend((0..64).map(|bit| if bits >> bit & 1 == 0 { scale } else { -scale }));
        }
        Self { seed, part, signs: signs.into(), dim }
    }

    /// Number of elements.
    fn dim(&self) -> usize {
        self.dim
    }

    /// Turns a vector.
    fn turn(&self, values: &mut [f32]) {
        for (round, signs) in self.signs.chunks_exact(self.dim).enumerate() {
            let start = if round % 2 == 0 { 0 } else { self.dim - self.part };
            let part = start..start + self.part;
            let (Some(values), Some(signs)) = (values.get_mut(part.clone()), signs.get(part)) else { return };
            for (value, sign) in values.iter_mut().zip(signs) {
                *value *= sign;
            }
            hadamard(values);
        }
    }
}

/// Replaces each of a power of two of elements by sums and differences of all.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::tests::random_values;
    use crate::vector::Dtype;
    use crate::vector::Metric;
    use crate::vector::tests::vector_type;

    fn squared(values: &[f32]) -> f64 {
        values.iter().map(|value| f64::from(*value).powi(2)).sum()
    }

    #[test]
    fn a_rotation_keeps_lengths_and_spreads_every_dimension() {
        for dim in [1, 64, 100, 128, 384, 784, 1000, 1536] {
            let rotation = Rotation::new(dim, 7);
            for at in [0, dim / 2, dim - 1] {
                let mut values = vec![0.0; rotation.dim()];
                values[at] = 100.0;
                rotation.turn(&mut values);
                assert!((squared(&values) - 1e4).abs() < 1.0, "{dim}");
                let most = values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                assert!(most < 100.0 * 6.0 / (rotation.dim() as f32).sqrt(), "{dim}: {most} of element {at}");
            }
        }
    }

    #[test]
    fn distances_and_products_stay() {
        for dim in [3, 64, 200, 384] {
            let ty = vector_type(dim, Dtype::F32, Metric::L2);
            let rows: Vec<f32> = random_values(1, 20 * dim).iter().map(|value| value * 3.0 + 1.0).collect();
            let transform = Transform::centred_and_rotated(&ty, &rows, 42);
            let query = random_values(2, dim);
            let (moved, (weights, of_mean)) = (transform.query(&query), transform.product_query(&query));
            for row in rows.chunks(dim) {
                let mut out = Vec::new();
                transform.decoded_row(row, &mut out);
                let difference =
                    |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
                let (before, after) = (squared(&difference(row, &query)), squared(&difference(&out, &moved)));
                assert!((before - after).abs() < 1e-4 * before, "{dim}: {before}, {after}");
                let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let (before, after) = (product(row, &query), product(&out, &weights) + of_mean);
                assert!((before - after).abs() < 1e-4 * before.abs().max(10.0), "{dim}: {before}, {after}");
            }
        }
    }
}
