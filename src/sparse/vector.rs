//! [`SparseVector`]: what a user puts in and gets back.

use crate::error::Error;
use crate::error::Result;

/// The largest squared length: no product of two vectors overflows.
pub(super) const MOST_SQUARES: f64 = f32::MAX as f64;

/// A vector of which few numbers are not zero: terms, by number, with their weights. Models such as SPLADE make them of
/// texts, with the numbers of words or parts of words as terms.
///
/// Terms are any `u32` and differ; weights are finite and above zero. Both are checked when the vector is stored or searched
/// for.
///
/// ```
/// use lodedb::SparseVector;
///
/// let vector = SparseVector::from([(4711, 1.25), (17, 0.5)]);
/// assert_eq!(vector.entries(), [(4711, 1.25), (17, 0.5)]);
/// assert_eq!(vector.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseVector {
    entries: Vec<(u32, f32)>,
}

impl SparseVector {
    /// Terms and weights: in the order given, or, of a stored vector, by ascending term.
    #[must_use]
    pub fn entries(&self) -> &[(u32, f32)] {
        &self.entries
    }

    /// Number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True where there is no term: such a vector is found by nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Terms and weights by ascending term, where the vector, which is one called `name`, can be stored and compared: its
    /// length is bounded, so that no dot product overflows.
    pub(crate) fn sorted(&self, name: &str) -> Result<Vec<(u32, f32)>> {
        let invalid = |problem| Error::InvalidVector { vector: name.to_owned(), problem };
        let mut sorted = self.entries.clone();
        sorted.sort_unstable_by_key(|(term, _)| *term);
        let mut squares = 0.0;
        for (place, (term, weight)) in sorted.iter().enumerate() {
            if !weight.is_finite() || *weight <= 0.0 {
                return Err(invalid(format!(
                    "the weight of term {term} is {weight}, and a finite number above 0 is right"
                )));
            }
            if place > 0 && sorted[place - 1].0 == *term {
                return Err(invalid(format!("the term {term} is there twice")));
            }
            squares += f64::from(*weight) * f64::from(*weight);
        }
        match squares <= MOST_SQUARES {
            true => Ok(sorted),
            false => Err(invalid(format!(
                "its length is {:e}, and {:e} is the most that can be compared",
                squares.sqrt(),
                f32::MAX.sqrt()
            ))),
        }
    }
}

impl FromIterator<(u32, f32)> for SparseVector {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

impl From<Vec<(u32, f32)>> for SparseVector {
    fn from(entries: Vec<(u32, f32)>) -> Self {
        Self { entries }
    }
}

impl From<&[(u32, f32)]> for SparseVector {
    fn from(entries: &[(u32, f32)]) -> Self {
        Self { entries: entries.to_vec() }
    }
}

impl<const N: usize> From<[(u32, f32); N]> for SparseVector {
    fn from(entries: [(u32, f32); N]) -> Self {
        Self { entries: entries.to_vec() }
    }
}

impl<const N: usize> From<&[(u32, f32); N]> for SparseVector {
    fn from(entries: &[(u32, f32); N]) -> Self {
        Self { entries: entries.to_vec() }
    }
}

impl From<&SparseVector> for SparseVector {
    fn from(vector: &SparseVector) -> Self {
        vector.clone()
    }
}
