//! [`Quantization`]: which codes are stored, and how it is chosen by itself.

use crate::error::Error;
use crate::vector::Dtype;
use crate::vector::VectorType;
use serde::Deserialize;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// From so many dimensions on, four bits a dimension are faster than seven.
const SQ4_DIM: usize = 256;

/// In which form a search looks at vectors before it scores the best of them exactly.
///
/// The stored vectors are not changed by it, and answers are always scored with them. Smaller codes are searched faster
/// and take less memory; they are less exact, so more candidates have to be scored, and a higher `ef` may be needed. Binary
/// vectors are searched as they are: for them it must be `Auto`.
///
/// ```
/// use lodedb::{MemoryBackend, Options, Quantization, Record, Schema};
/// use std::sync::Arc;
///
/// let db = Options::new().open_backend(Arc::new(MemoryBackend::new()), "memory")?;
/// let docs = db.collection("docs", Schema::new(2).quantization(Quantization::Sq4))?;
/// docs.upsert([Record::new("a").vector([0.6, 0.8])])?;
/// assert_eq!(docs.search().vector(&[3.0, 4.0]).run()?[0].score(), 1.0);
/// assert_eq!("rabitq".parse::<Quantization>()?, Quantization::RaBitQ);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Quantization {
    /// Seven bits, or four from 256 dimensions on.
    #[default]
    Auto,
    /// 32-bit floats: four bytes a dimension.
    None,
    /// Scalar codes of seven bits: a byte a dimension.
    Sq7,
    /// Scalar codes of four bits: half a byte a dimension.
    Sq4,
    /// A bit a dimension, behind a random rotation (RaBitQ). For 768 dimensions and more, where memory is short.
    RaBitQ,
}

impl Quantization {
    /// Every form, in the order of declaration.
    pub(super) const ALL: [Self; 5] = [Self::Auto, Self::None, Self::Sq7, Self::Sq4, Self::RaBitQ];

    /// The name, as it is parsed.
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Sq7 => "sq7",
            Self::Sq4 => "sq4",
            Self::RaBitQ => "rabitq",
        }
    }

    /// What it means for rows of a type: itself, or for `Auto` another one. The rule is what `doc/design.md` gives the
    /// measurements for.
    pub(crate) fn chosen(self, ty: &VectorType) -> Self {
        match self {
            Self::Auto if ty.dim >= SQ4_DIM => Self::Sq4,
            Self::Auto => Self::Sq7,
            other => other,
        }
    }

    /// Whether vectors of a type can have this form.
    ///
    /// # Errors
    /// `InvalidOption` that says what would fit.
    pub(crate) fn validate(self, ty: &VectorType) -> Result<(), Error> {
        match (ty.dtype, self) {
            (Dtype::Binary, Self::Sq7 | Self::Sq4 | Self::RaBitQ | Self::None) => Err(Error::InvalidOption {
                name: "quantization",
                problem: format!("binary vectors are searched as they are: it must be auto, not {self}"),
            }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantization {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| Error::InvalidOption {
            name: "quantization",
            problem: format!("'{name}' is not one of auto, none, sq7, sq4, rabitq"),
        })
    }
}
