//! Vectors as bytes: their element types, their metrics, and the arithmetic on them.
//!
//! A stored row is the user's vector, unchanged: `dim` elements of the collection's [`Dtype`], little-endian, without
//! padding. Nothing is normalised; for cosine the row's inverse norm is kept beside it ([`VectorType::inverse_norm`]).
//!
//! ```text
//! exact     scores stored rows against an f32 query        (what the user sees)
//! kernels   loops over rows and codes, written once
//! dispatch  which instruction set, chosen once per search
//! scalar | avx2 | avx512   sixteen floats or 64 code bytes at a time
//! ```
//!
//! Invariants:
//! - The *internal score* is larger for a better match in every metric: cosine, dot product, minus the squared
//!   Euclidean distance, minus the number of differing bits. [`Metric::score_and_distance`] turns it into what users see.
//! - A row that passed [`VectorType::check`] has finite elements and a squared length of at most `f32::MAX / 4`, so
//!   that no score of two such vectors overflows.
//! - Rows come from a file and may hold anything: every function here takes any bytes and gives some number.
//! - Bits of a [`Dtype::Binary`] vector are packed most significant first, as `numpy.packbits` does.
//!
//! Not here: codes made from rows (`quant`), who searches them (`graph`).

mod avx2;
mod avx512;
pub(crate) mod dispatch;
mod exact;
pub(crate) mod kernels;

pub(crate) use exact::ExactScorer;
mod scalar;

use crate::error::Error;
use half::bf16;
use half::f16;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// How likeness is measured. A collection has one metric.
///
/// ```
/// use lodedb::Metric;
///
/// let metric: Metric = "cosine".parse()?;
/// assert_eq!(metric, Metric::Cosine);
/// assert_eq!(Metric::L2.to_string(), "l2");
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The angle: `score` is the cosine, `distance` is one minus it. A zero vector has the cosine 0 with everything.
    #[default]
    Cosine,
    /// The inner product: `score` is the product, `distance` is minus it.
    Dot,
    /// The Euclidean distance; `score` is minus it.
    L2,
    /// The number of differing bits, for [`Dtype::Binary`] vectors; `score` is minus it.
    Hamming,
}

/// How an element of a vector is stored.
///
/// ```
/// use lodedb::Dtype;
///
/// assert_eq!("f16".parse::<Dtype>()?, Dtype::F16);
/// assert_eq!(Dtype::Binary.to_string(), "binary");
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats of IEEE 754: eleven significant bits, up to 65504.
    F16,
    /// 16-bit brain floats: eight significant bits, the range of `F32`.
    Bf16,
    /// Whole numbers from -128 to 127.
    I8,
    /// One bit a dimension, eight to a byte.
    Binary,
}

impl Metric {
    /// Every metric, in the order of declaration.
    pub(crate) const ALL: [Self; 4] = [Self::Cosine, Self::Dot, Self::L2, Self::Hamming];

    /// The name, as it is parsed.
    fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::L2 => "l2",
            Self::Hamming => "hamming",
        }
    }

    /// The user's distance for the user's score.
    pub(crate) fn distance(self, score: f32) -> f32 {
        match self {
            Self::Cosine => 1.0 - score,
            Self::Dot | Self::L2 | Self::Hamming => -score,
        }
    }

    /// The user's score and distance for an internal score.
    pub(crate) fn score_and_distance(self, internal: f32) -> (f32, f32) {
        match self {
            Self::Cosine => (internal, 1.0 - internal),
            Self::Dot => (internal, -internal),
            Self::L2 => {
                let distance = (-internal).max(0.0).sqrt();
                (-distance, distance)
            }
            Self::Hamming => (internal, -internal),
        }
    }
}

impl Dtype {
    /// Every element type, in the order of declaration.
    pub(crate) const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Bf16, Self::I8, Self::Binary];

    /// The name, as it is parsed.
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I8 => "i8",
            Self::Binary => "binary",
        }
    }

    /// Bits that an element takes.
    fn bits(self) -> usize {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::Bf16 => 16,
            Self::I8 => 8,
            Self::Binary => 1,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| Error::InvalidOption {
            name: "metric",
            problem: format!("'{name}' is not one of cosine, dot, l2, hamming"),
        })
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| Error::InvalidOption {
            name: "dtype",
            problem: format!("'{name}' is not one of f32, f16, bf16, i8, binary"),
        })
    }
}

/// What all vectors of one name have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VectorType {
    /// Number of dimensions; a multiple of 8 for [`Dtype::Binary`].
    pub(crate) dim: usize,
    /// How an element is stored.
    pub(crate) dtype: Dtype,
    /// How likeness is measured.
    pub(crate) metric: Metric,
}

/// Most dimensions of a vector. The integer kernels count on it: no sum over so many bytes exceeds 31 bits.
pub(crate) const MAX_DIM: usize = 16_384;

/// Largest squared length that is stored: four times it is still finite, and `|a - b|^2 <= 4 max(|a|^2, |b|^2)`.
const MAX_SQUARED_LENGTH: f64 = (f32::MAX / 4.0) as f64;

/// Elements that are decoded at a time.
pub(crate) const BLOCK: usize = 64;

impl VectorType {
    /// Whether dimension, element type and metric fit together.
    ///
    /// # Errors
    /// `InvalidOption` that says what would fit.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let invalid = |name, problem: &str| Err(Error::InvalidOption { name, problem: problem.to_owned() });
        if self.dim == 0 {
            return invalid("dim", "0 dimensions: at least 1 is needed");
        }
        if self.dim > MAX_DIM {
            return Err(Error::TooLarge {
                what: "dim".into(),
                found: self.dim as u64,
                limit: MAX_DIM as u64,
            });
        }
        match (self.dtype, self.metric) {
            (Dtype::Binary, Metric::Hamming) if self.dim.is_multiple_of(8) => Ok(()),
            (Dtype::Binary, Metric::Hamming) => {
                invalid("dim", "binary vectors need a multiple of 8 dimensions")
            }
            (Dtype::Binary, _) => invalid("metric", "binary vectors need the metric hamming"),
            (_, Metric::Hamming) => invalid("metric", "hamming needs the dtype binary"),
            _ => Ok(()),
        }
    }

    /// Bytes of a stored row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.dim * self.dtype.bits() / 8
    }

    /// Appends the stored form of `values` to `out`: rounded to the nearest value that the element type has; for
    /// [`Dtype::Binary`] a bit is set where the value is above zero. Nothing is appended on an error.
    ///
    /// # Errors
    /// The number of values, or the first value that the element type has no place for, as text.
    pub(crate) fn encode(&self, values: &[f32], out: &mut Vec<u8>) -> Result<(), String> {
        if values.len() != self.dim {
            return Err(format!("{} values where {} are expected", values.len(), self.dim));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(unfit(at, values[at]));
        }
        match self.dtype {
            Dtype::F32 => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Dtype::F16 => {
                in_range(values, "f16", |value| f16::from_f32(value).is_finite())?;
                out.extend(values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()));
            }
            Dtype::Bf16 => {
                in_range(values, "bf16", |value| bf16::from_f32(value).is_finite())?;
                out.extend(values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()));
            }
            Dtype::I8 => {
                in_range(values, "i8", |value| (-128.0..=127.0).contains(&value.round()))?;
                out.extend(values.iter().map(|value| (value.round() as i8).cast_unsigned()));
            }
            Dtype::Binary => out.extend(values.chunks(8).map(pack_bits)),
        }
        Ok(())
    }

    /// Writes the elements of `row` to `out`; a bit becomes 0 or 1. The shorter of the two decides how many.
    pub(crate) fn decode(&self, row: &[u8], out: &mut [f32]) {
        match self.dtype {
            Dtype::F32 => copy_elements(row, out, f32::from_le_bytes),
            Dtype::F16 => copy_elements(row, out, |bytes| f16_to_f32(u16::from_le_bytes(bytes))),
            Dtype::Bf16 => copy_elements(row, out, |bytes| bf16_to_f32(u16::from_le_bytes(bytes))),
            Dtype::I8 => copy_elements(row, out, |[byte]: [u8; 1]| f32::from(byte.cast_signed())),
            Dtype::Binary => {
                for (at, value) in out.iter_mut().enumerate() {
                    let byte = row.get(at / 8).copied().unwrap_or_default();
                    *value = f32::from(byte >> (7 - at % 8) & 1);
                }
            }
        }
    }

    /// Gives the elements of `row` to `each`, up to [`BLOCK`] at a time, with the place of the first one.
    pub(crate) fn decode_blocks(&self, row: &[u8], mut each: impl FnMut(usize, &[f32])) {
        let mut values = [0.0; BLOCK];
        let block_bytes = BLOCK * self.dtype.bits() / 8;
        for (block, bytes) in row.chunks(block_bytes).enumerate() {
            let start = block * BLOCK;
            let values = &mut values[..BLOCK.min(self.dim.saturating_sub(start))];
            self.decode(bytes, values);
            each(start, values);
        }
    }

    /// Whether `row` is a stored row: its length, finite elements, a squared length that no score overflows with.
    ///
    /// # Errors
    /// What is wrong, and where, as text.
    pub(crate) fn check(&self, row: &[u8]) -> Result<(), String> {
        if row.len() != self.row_bytes() {
            return Err(format!("{} bytes where {} are expected", row.len(), self.row_bytes()));
        }
        if matches!(self.dtype, Dtype::I8 | Dtype::Binary) {
            return Ok(());
        }
        let mut squared = 0.0f64;
        self.decode_blocks(row, |_, values| squared += sum_of_squares(values));
        // Squares of `f32` do not overflow, so the sum is finite where all elements are.
        match squared <= MAX_SQUARED_LENGTH {
            true => Ok(()),
            false => Err(self.misfit(row, squared)),
        }
    }

    /// What is wrong with a row of this squared length.
    fn misfit(&self, row: &[u8], squared: f64) -> String {
        let mut unfit_at = None;
        self.decode_blocks(row, |start, values| {
            let found = values.iter().position(|value| !value.is_finite());
            unfit_at = unfit_at.or(found.map(|at| (start + at, values[at])));
        });
        match unfit_at {
            Some((at, value)) => unfit(at, value),
            None => format!("its squared length is {squared:e} where {MAX_SQUARED_LENGTH:e} is the limit"),
        }
    }

    /// One over the Euclidean length of `row`, or 0 for a zero vector. Summed in `f64`, so that a row of tiny or huge
    /// elements keeps its direction.
    pub(crate) fn inverse_norm(&self, row: &[u8]) -> f32 {
        let mut squared = 0.0;
        self.decode_blocks(row, |_, values| squared += sum_of_squares(values));
        inverse_root(squared)
    }
}

/// One over the square root, or 0 where that is no finite `f32`.
fn inverse_root(squared: f64) -> f32 {
    let inverse = squared.sqrt().recip() as f32;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// One over the Euclidean length of a query, or 0 for a zero vector.
pub(crate) fn inverse_norm_of(query: &[f32]) -> f32 {
    inverse_root(sum_of_squares(query))
}

/// The sum of the squares in `f64`, in four lanes so that it vectorises.
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0f64; 4];
    let (blocks, rest) = values.as_chunks::<4>();
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    sums.iter().sum::<f64>() + rest
}

/// The message for an element that is not finite.
fn unfit(at: usize, value: f32) -> String {
    match value.is_nan() {
        true => format!("value {at} is NaN"),
        false => format!("value {at} is infinite"),
    }
}

/// Refuses the first value that `fits` does not take.
fn in_range(values: &[f32], dtype: &str, fits: impl Fn(f32) -> bool) -> Result<(), String> {
    match values.iter().position(|value| !fits(*value)) {
        Some(at) => Err(format!("value {at} is {}, which {dtype} can't hold", values[at])),
        None => Ok(()),
    }
}

/// A byte with a bit for each of up to eight values, set where it is above zero, most significant first.
pub(crate) fn pack_bits(values: &[f32]) -> u8 {
    values.iter().enumerate().fold(0, |byte, (at, value)| byte | u8::from(*value > 0.0) << (7 - at))
}

/// Converts elements of `N` bytes.
fn copy_elements<const N: usize>(row: &[u8], out: &mut [f32], convert: impl Fn([u8; N]) -> f32) {
    for (value, bytes) in out.iter_mut().zip(row.as_chunks::<N>().0) {
        *value = convert(*bytes);
    }
}

/// The value of a finite half float, in arithmetic that vectorises: shifted into place, its exponent is too small by
/// 112. Infinity and NaN, which are never stored, become numbers from 65536 on.
#[inline(always)]
fn f16_to_f32(bits: u16) -> f32 {
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * SCALE;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

/// The value of a brain float: the upper half of an `f32`.
#[inline(always)]
fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn vector_type(dim: usize, dtype: Dtype, metric: Metric) -> VectorType {
        VectorType { dim, dtype, metric }
    }

    #[test]
    fn every_finite_half_float_is_converted_as_by_the_book() {
        for bits in 0..=u16::MAX {
            let expected = f16::from_bits(bits);
            if expected.is_finite() {
                assert_eq!(f16_to_f32(bits).to_bits(), expected.to_f32().to_bits());
            }
            let expected = bf16::from_bits(bits);
            if !expected.is_nan() {
                assert_eq!(bf16_to_f32(bits).to_bits(), expected.to_f32().to_bits());
            }
        }
    }

    #[test]
    fn values_that_the_type_holds_come_back() {
        for dtype in Dtype::ALL {
            let metric = if dtype == Dtype::Binary { Metric::Hamming } else { Metric::L2 };
            for dim in [8, 64, 72, 200] {
                let ty = vector_type(dim, dtype, metric);
                let values: Vec<f32> = match dtype {
                    Dtype::Binary => (0..dim).map(|at| (at % 3 % 2) as f32).collect(),
                    _ => (0..dim).map(|at| at as f32 - 100.0).collect(),
                };
                let mut row = Vec::new();
                ty.encode(&values, &mut row).unwrap();
                assert_eq!(row.len(), ty.row_bytes());
                ty.check(&row).unwrap();
                let mut found = vec![f32::NAN; dim];
                ty.decode(&row, &mut found);
                assert_eq!(found, values);
                let mut blocks = Vec::new();
                ty.decode_blocks(&row, |start, values| {
                    assert_eq!(start, blocks.len());
                    blocks.extend_from_slice(values);
                });
                assert_eq!(blocks, values);
            }
        }
    }

    #[test]
    fn bits_are_packed_most_significant_first() {
        let ty = vector_type(8, Dtype::Binary, Metric::Hamming);
        let mut row = Vec::new();
        ty.encode(&[1.0, -1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 2.0], &mut row).unwrap();
        assert_eq!(row, [0b1001_0001]);
    }

    #[test]
    fn what_can_not_be_stored_is_refused_and_named() {
        let ty = vector_type(3, Dtype::F16, Metric::L2);
        let mut row = Vec::new();
        assert_eq!(
            ty.encode(&[1.0, 2.0, 7e4], &mut row).unwrap_err(),
            "value 2 is 70000, which f16 can't hold"
        );
        assert_eq!(ty.encode(&[1.0, f32::NAN, 0.0], &mut row).unwrap_err(), "value 1 is NaN");
        assert_eq!(ty.encode(&[1.0], &mut row).unwrap_err(), "1 values where 3 are expected");
        let ty = vector_type(3, Dtype::I8, Metric::L2);
        assert!(ty.encode(&[1.0, 127.6, 0.0], &mut row).is_err());
        assert!(row.is_empty());
        ty.encode(&[1.4, -128.4, 126.5], &mut row).unwrap();
        assert_eq!(row, [1, 128, 127]);
        let ty = vector_type(2, Dtype::F32, Metric::L2);
        let stored =
            |values: [f32; 2]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(ty.check(&stored([0.0, f32::INFINITY])).unwrap_err(), "value 1 is infinite");
        assert!(ty.check(&stored([1e19, 1e19])).unwrap_err().contains("squared length"));
        ty.check(&stored([9e18, 1e18])).unwrap();
        assert!(ty.check(&[0; 7]).is_err());
    }

    #[test]
    fn the_inverse_norm_survives_tiny_and_huge_values() {
        let ty = vector_type(2, Dtype::F32, Metric::Cosine);
        for scale in [1e-30f32, 1.0, 1e18] {
            let mut row = Vec::new();
            ty.encode(&[3.0 * scale, 4.0 * scale], &mut row).unwrap();
            assert!((ty.inverse_norm(&row) * 5.0 * scale - 1.0).abs() < 1e-6);
        }
        assert_eq!(ty.inverse_norm(&[0; 8]), 0.0);
    }

    #[test]
    fn names_parse_back_and_combinations_are_checked() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
        }
        for dtype in Dtype::ALL {
            assert_eq!(dtype.to_string().parse::<Dtype>().unwrap(), dtype);
        }
        assert!("euclid".parse::<Metric>().unwrap_err().to_string().contains("cosine, dot, l2"));
        assert!(vector_type(12, Dtype::Binary, Metric::Hamming).validate().is_err());
        assert!(vector_type(16, Dtype::Binary, Metric::L2).validate().is_err());
        assert!(vector_type(16, Dtype::F32, Metric::Hamming).validate().is_err());
        assert!(vector_type(0, Dtype::F32, Metric::L2).validate().is_err());
        vector_type(16, Dtype::Binary, Metric::Hamming).validate().unwrap();
    }

    #[test]
    fn score_rises_and_distance_falls() {
        assert_eq!(Metric::L2.score_and_distance(-9.0), (-3.0, 3.0));
        assert_eq!(Metric::Cosine.score_and_distance(0.75), (0.75, 0.25));
        assert_eq!(Metric::Dot.score_and_distance(2.0), (2.0, -2.0));
        assert_eq!(Metric::Hamming.score_and_distance(-2.0), (-2.0, 2.0));
    }
}
