//! [`Record`] and [`Vector`]: what a user puts in and gets back, and how a vector becomes a stored row.

use super::schema::DEFAULT_VECTOR;
use crate::error::Error;
use crate::error::Result;
use crate::ids::RecordId;
use crate::metadata::Fields;
use crate::metadata::Value;
use crate::sparse::SparseVector;
use crate::vector::Dtype;
use crate::vector::VectorType;
use std::borrow::Cow;

/// A record: an id, one vector for each that the schema declares, sparse vectors, and fields.
///
/// ```
/// use lodedb::Record;
///
/// let record = Record::new("cinnabar").vector([0.1, 0.9]).field("density", 8.18).field("formula", "HgS");
/// assert_eq!(record.id().as_str(), Some("cinnabar"));
/// assert_eq!(record.fields()["density"].as_f64(), Some(8.18));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    id: RecordId,
    vectors: Vec<(String, Vector)>,
    sparse: Vec<(String, SparseVector)>,
    fields: Fields,
}

/// The numbers of one vector. What a collection stores is set by its [`Dtype`](crate::Dtype): `f32` numbers go into
/// `f32`, `f16` and `bf16` (rounded to nearest), whole ones into `i8`, zeros and ones into binary.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Vector {
    /// Numbers.
    F32(Vec<f32>),
    /// Small whole numbers.
    I8(Vec<i8>),
    /// Bits, eight in a byte, the first in the highest place, as `numpy.packbits` has them.
    Bits(Vec<u8>),
}

impl Record {
    /// A record without vectors and fields.
    pub fn new(id: impl Into<RecordId>) -> Self {
        Self { id: id.into(), vectors: Vec::new(), sparse: Vec::new(), fields: Fields::new() }
    }

    /// Sets the vector called `vector`.
    #[must_use]
    pub fn vector(self, vector: impl Into<Vector>) -> Self {
        self.named_vector(DEFAULT_VECTOR, vector)
    }

    /// Sets the vector called `name`.
    #[must_use]
    pub fn named_vector(mut self, name: impl Into<String>, vector: impl Into<Vector>) -> Self {
        let name = name.into();
        self.vectors.retain(|(other, _)| *other != name);
        self.vectors.push((name, vector.into()));
        self
    }

    /// Sets the sparse vector called `name`, which the schema declares with [`Schema::sparse`](crate::Schema::sparse). A
    /// record may be without one.
    ///
    /// ```
    /// use lodedb::Record;
    ///
    /// let record = Record::new("cinnabar").vector([0.1, 0.9]).sparse("splade", [(4711, 1.25), (17, 0.5)]);
    /// assert_eq!(record.get_sparse("splade").map(|vector| vector.len()), Some(2));
    /// ```
    #[must_use]
    pub fn sparse(mut self, name: impl Into<String>, vector: impl Into<SparseVector>) -> Self {
        let name = name.into();
        self.sparse.retain(|(other, _)| *other != name);
        self.sparse.push((name, vector.into()));
        self
    }

    /// Sets a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name, value);
        self
    }

    /// Sets all fields, in place of those set before.
    #[must_use]
    pub fn with_fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The vector called `name`.
    #[must_use]
    pub fn get_vector(&self, name: &str) -> Option<&Vector> {
        self.vectors.iter().find(|(other, _)| other == name).map(|(_, vector)| vector)
    }

    /// The vectors with their names.
    pub fn vectors(&self) -> impl ExactSizeIterator<Item = (&str, &Vector)> {
        self.vectors.iter().map(|(name, vector)| (name.as_str(), vector))
    }

    /// The sparse vector called `name`.
    #[must_use]
    pub fn get_sparse(&self, name: &str) -> Option<&SparseVector> {
        self.sparse.iter().find(|(other, _)| other == name).map(|(_, vector)| vector)
    }

    /// The sparse vectors with their names.
    pub fn sparse_vectors(&self) -> impl ExactSizeIterator<Item = (&str, &SparseVector)> {
        self.sparse.iter().map(|(name, vector)| (name.as_str(), vector))
    }

    /// Takes the record apart: id, vectors and sparse vectors by name, fields.
    #[must_use]
    #[expect(clippy::type_complexity, reason = "each part as the methods take it")]
    pub fn into_parts(self) -> (RecordId, Vec<(String, Vector)>, Vec<(String, SparseVector)>, Fields) {
        (self.id, self.vectors, self.sparse, self.fields)
    }
}

impl Vector {
    /// Number of dimensions.
    #[must_use]
    pub fn dim(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::Bits(bytes) => bytes.len() * 8,
        }
    }

    /// The numbers as `f32`; bits as zeros and ones.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::I8(values) => values.iter().map(|value| f32::from(*value)).collect(),
            Self::Bits(bytes) => bytes
                .iter()
                .flat_map(|byte| (0..8).rev().map(move |bit| f32::from(byte >> bit & 1)))
                .collect(),
        }
    }

    /// The stored row in the form that a user gets back.
    pub(crate) fn from_row(ty: &VectorType, row: &[u8]) -> Self {
        match ty.dtype {
            Dtype::I8 => Self::I8(row.iter().map(|byte| *byte as i8).collect()),
            Dtype::Binary => Self::Bits(row.to_vec()),
            Dtype::F32 | Dtype::F16 | Dtype::Bf16 => {
                let mut values = vec![0.0; ty.dim];
                ty.decode(row, &mut values);
                Self::F32(values)
            }
        }
    }

    /// Checks that this vector, called `name`, fits `ty`, and gives its numbers as `f32`.
    pub(crate) fn checked(&self, name: &str, ty: &VectorType) -> Result<Cow<'_, [f32]>> {
        if self.dim() != ty.dim {
            let vector = name.to_owned();
            return Err(Error::DimensionMismatch { vector, expected: ty.dim, found: self.dim() });
        }
        let invalid = |problem: String| Error::InvalidVector { vector: name.to_owned(), problem };
        let values = match (self, ty.dtype) {
            (Self::F32(values), _) => Cow::Borrowed(values.as_slice()),
            (Self::Bits(_), Dtype::Binary) | (Self::I8(_), _) => Cow::Owned(self.to_f32()),
            (Self::Bits(_), dtype) => return Err(invalid(format!("bits where the schema has {dtype}"))),
        };
        // All at once first: looking for the one takes them one by one.
        let all_finite = values.iter().fold(true, |all, value| all & value.is_finite());
        if !all_finite && let Some(i) = values.iter().position(|value| !value.is_finite()) {
            return Err(invalid(format!("the value at {i} is {}, not a finite number", values[i])));
        }
        let misfit = match ty.dtype {
            Dtype::I8 => values.iter().position(|v| v.fract() != 0.0 || !(-128.0..=127.0).contains(v)),
            Dtype::Binary => values.iter().position(|v| *v != 0.0 && *v != 1.0),
            Dtype::F32 | Dtype::F16 | Dtype::Bf16 => None,
        };
        match misfit {
            Some(i) => {
                Err(invalid(format!("the value at {i} is {}, which {} can't hold", values[i], ty.dtype)))
            }
            None => Ok(values),
        }
    }

    /// As [`checked`](Self::checked), and not so long that a score with a stored vector would overflow.
    pub(crate) fn checked_query(&self, name: &str, ty: &VectorType) -> Result<Cow<'_, [f32]>> {
        let values = self.checked(name, ty)?;
        let plain = VectorType { dtype: Dtype::F32, ..*ty };
        let invalid = |problem| Error::InvalidVector { vector: name.to_owned(), problem };
        plain.check(bytemuck::cast_slice(&values)).map_err(invalid)?;
        Ok(values)
    }

    /// Appends the stored row of this vector, called `name`, to `out`, and gives its inverse norm.
    pub(crate) fn encode(&self, name: &str, ty: &VectorType, out: &mut Vec<u8>) -> Result<f32> {
        let values = self.checked(name, ty)?;
        let start = out.len();
        let invalid = |problem| Error::InvalidVector { vector: name.to_owned(), problem };
        ty.encode(&values, out).map_err(invalid)?;
        let row = &out[start..];
        ty.check(row).map_err(invalid)?;
        Ok(ty.inverse_norm(row))
    }
}

impl From<Vec<f32>> for Vector {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
    }
}

impl From<&Vec<f32>> for Vector {
    fn from(values: &Vec<f32>) -> Self {
        Self::F32(values.clone())
    }
}

impl From<&[f32]> for Vector {
    fn from(values: &[f32]) -> Self {
        Self::F32(values.to_vec())
    }
}

impl<const N: usize> From<[f32; N]> for Vector {
    fn from(values: [f32; N]) -> Self {
        Self::F32(values.to_vec())
    }
}

impl<const N: usize> From<&[f32; N]> for Vector {
    fn from(values: &[f32; N]) -> Self {
        Self::F32(values.to_vec())
    }
}

impl From<Vec<i8>> for Vector {
    fn from(values: Vec<i8>) -> Self {
        Self::I8(values)
    }
}

impl From<&[i8]> for Vector {
    fn from(values: &[i8]) -> Self {
        Self::I8(values.to_vec())
    }
}

impl From<&Vector> for Vector {
    fn from(vector: &Vector) -> Self {
        vector.clone()
    }
}
