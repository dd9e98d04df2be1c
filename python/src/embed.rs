//! `embed=`: a function of the caller's that makes vectors of texts, so that writing and searching may take text alone.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::vectors::Matrix;
use lodedb::Schema;
use lodedb::Vector;
use lodedb::VectorSchema;
use pyo3::prelude::*;
use pyo3::types::PyList;

/// How vectors are made of texts.
pub(crate) enum Embed {
    /// Not at all.
    None,
    /// By a function from a list of strings to an array of one row a string; `field` holds a record's text.
    Function { function: Py<PyAny>, field: String },
}

impl Embed {
    /// The function, which has to be one, for a collection of one vector.
    pub(crate) fn of(function: Option<&Bound<'_, PyAny>>, field: &str, schema: &Schema) -> PyResult<Self> {
        let Some(function) = function else { return Ok(Self::None) };
        if !function.is_callable() {
            return Err(wrong_type("embed is a function from a list of strings to an array of vectors"));
        }
        match schema.vectors() {
            [_] => Ok(Self::Function { function: function.clone().unbind(), field: field.to_owned() }),
            _ => Err(argument("embed= makes one vector, and the collection has several")),
        }
    }

    /// The field that texts are taken from, where there is a function.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Function { field, .. } => Some(field),
        }
    }

    /// A vector for each text.
    pub(crate) fn texts(&self, texts: &Bound<'_, PyList>, schema: &VectorSchema) -> PyResult<Matrix> {
        let Self::Function { function, .. } = self else {
            return Err(wrong_type(
                "text where a vector is needed: open the collection with embed= to have vectors made of text, or search for \
                 words by text=",
            ));
        };
        let py = texts.py();
        let matrix = Matrix::of(function.call1(py, (texts,))?.bind(py), schema)?;
        match matrix.rows() == texts.len() {
            true => Ok(matrix),
            false => {
                let (found, wanted) = (matrix.rows(), texts.len());
                Err(argument(format!("embed gave {found} vectors for {wanted} texts")))
            }
        }
    }

    /// The vector of one text.
    pub(crate) fn text(&self, text: &Bound<'_, PyAny>, schema: &VectorSchema) -> PyResult<Vector> {
        Ok(self.texts(&PyList::new(text.py(), [text])?, schema)?.row(0))
    }
}
