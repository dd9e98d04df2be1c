//! BM25 as Lucene has it, in the form that adds up the same in any order.
//!
//! A term of weight `w = boost * ln(1 + (N - df + 0.5) / (df + 0.5))` that stands `tf` times in a record of `len` terms adds
//! `w * tf / (tf + k1 * (1 - b + b * len / mean))` to its score (Robertson and Zaragoza 2009; without the factor `k1 + 1`, which
//! changes no order). `N` counts the records that have the field, `mean` is their mean length.
//!
//! Scores are added up as integers, in units of the largest weight over 2^23. A sum is then the same whatever the order and
//! whichever terms were skipped, so that equal records have equal scores, and what is exact can be told from what is close.

use crate::error::Error;
use crate::error::Result;

/// The parameters of BM25.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bm25 {
    k1: f32,
    b: f32,
}

impl Default for Bm25 {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75 }
    }
}

impl Bm25 {
    /// How fast repetition saturates (`k1`, 0 or more), and how much length counts (`b`, 0 to 1).
    ///
    /// # Errors
    /// `InvalidOption` for other values.
    pub(crate) fn new(k1: f32, b: f32) -> Result<Self> {
        if !(k1.is_finite() && k1 >= 0.0) {
            return Err(Error::InvalidOption {
                name: "k1",
                problem: format!("{k1} where 0 or more is possible"),
            });
        }
        if !(0.0..=1.0).contains(&b) {
            return Err(Error::InvalidOption { name: "b", problem: format!("{b} where 0 to 1 is possible") });
        }
        Ok(Self { k1, b })
    }

    /// The curve for records with this mean length.
    pub(super) fn curve(self, mean: f32) -> Curve {
        Curve { base: self.k1 * (1.0 - self.b), slope: self.k1 * self.b / mean.max(f32::MIN_POSITIVE) }
    }
}

/// `idf` of a term in `df` of `docs` records.
pub(super) fn idf(docs: u64, df: u64) -> f64 {
    let (docs, df) = (docs.max(df) as f64, df as f64);
    ((docs - df + 0.5) / (df + 0.5)).ln_1p()
}

/// How a record's length counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Curve {
    pub(super) base: f32,
    pub(super) slope: f32,
}

impl Curve {
    /// What is added to the occurrences in the denominator.
    #[inline]
    pub(super) fn norm(self, len: f32) -> f32 {
        self.base + self.slope * len
    }

    /// The share of a weight that so many occurrences add in a record with this norm.
    #[inline(always)]
    pub(super) fn share(self, tf: f32, norm: f32) -> f32 {
        (tf / (tf + norm)).min(1.0)
    }

    /// The smallest factor by which this curve is above `other`, for lengths of 1 to `max_len`.
    pub(super) fn factor_over(self, other: Self, max_len: u32) -> f32 {
        let factor = |len: f32| {
            let (mine, others) = (self.norm(len), other.norm(len));
            if others > 0.0 { mine / others } else { 1.0 }
        };
        factor(1.0).min(factor(max_len.max(1) as f32))
    }
}

/// Turns a float of 0 to 2^23 into the nearest integer, in a way that compiles to one addition.
#[inline(always)]
pub(super) fn to_units(value: f32) -> u32 {
    const SHIFT: f32 = 8_388_608.0;
    (value + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits())
}

/// A term's weight in units, with the curve of its field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) units: f32,
    pub(super) curve: Curve,
}

impl Weight {
    /// What a share of the weight is: at least 1.
    #[inline(always)]
    pub(super) fn score(self, share: f32) -> u32 {
        to_units((self.units * share).max(1.0))
    }

    /// What a share of the weight is, rounded up.
    #[inline]
    pub(super) fn bound(self, share: f32) -> u32 {
        (self.units * share.min(1.0)) as u32 + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_round() {
        for value in [0.0, 0.4, 1.0, 1.6, 4_000_000.5, 8_388_606.0, 8_388_608.0f32] {
            assert!((f64::from(to_units(value)) - f64::from(value)).abs() <= 0.5);
        }
    }

    #[test]
    fn another_curve_never_falls_below_its_factor() {
        let sealed = Bm25::default().curve(57.0);
        for (k1, b, mean) in [(1.2, 0.75, 60.0), (0.9, 0.4, 20.0), (2.0, 0.0, 57.0), (1.2, 1.0, 500.0)] {
            let curve = Bm25::new(k1, b).unwrap().curve(mean);
            let factor = curve.factor_over(sealed, 1000);
            for len in 1..=1000 {
                assert!(curve.norm(len as f32) >= factor * sealed.norm(len as f32) * 0.999_99);
            }
        }
    }

    #[test]
    fn parameters_are_checked() {
        assert!(Bm25::new(-1.0, 0.5).is_err());
        assert!(Bm25::new(1.2, 1.1).is_err());
        assert!(Bm25::new(f32::NAN, 0.5).is_err());
    }
}
