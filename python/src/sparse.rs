//! Sparse vectors from and to Python: dicts of weights by term, pairs of arrays, objects that have these, scipy's rows.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::values::type_name;
use crate::vectors::array_of;
use crate::vectors::copied;
use lodedb::Schema;
use lodedb::SparseVector;
use numpy::PyArrayDescrMethods;
use numpy::PyUntypedArray;
use numpy::PyUntypedArrayMethods;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PyString;
use pyo3::types::PyTuple;

/// Sparse vectors of one name, one for each record; `None` for records without one.
pub(crate) type Column = Vec<Option<SparseVector>>;

/// Names of attributes that hold weights, beside one that is called `indices`: `values` in the clients of other databases,
/// `data` in scipy.
const WEIGHTS: [&str; 2] = ["values", "data"];

/// The sparse vector called `name` in `object`.
pub(crate) fn sparse_in(object: &Bound<'_, PyAny>, name: &str) -> PyResult<SparseVector> {
    if let Ok(weights) = object.cast::<PyDict>() {
        return weights_in(weights, name);
    }
    if object.hasattr(intern!(object.py(), "indptr"))? {
        let mut rows = rows_in(object, name)?;
        return match (rows.pop().flatten(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            _ => {
                Err(argument(format!("sparse vector '{name}': a matrix of several rows, and one is needed")))
            }
        };
    }
    if let Some((terms, weights)) = pair_in(object)? {
        return arrays_in(&terms, &weights, name);
    }
    Err(wrong_type(format!(
        "sparse vector '{name}' is a dict of weights by term, a pair of terms and weights, or an object with indices and \
         values, not {}",
        type_name(object)
    )))
}

fn weights_in(weights: &Bound<'_, PyDict>, name: &str) -> PyResult<SparseVector> {
    let entry = |(term, weight): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let term = term.extract::<u32>().map_err(|_| {
            argument(format!(
                "sparse vector '{name}': a term is a whole number from 0 to {}, not {term}",
                u32::MAX
            ))
        })?;
        let weight = weight.extract::<f64>().map_err(|_| {
            wrong_type(format!("sparse vector '{name}': a weight is a number, not {}", type_name(&weight)))
        })?;
        Ok((term, weight as f32))
    };
    // A copy: code that runs while a number is converted could change the dict.
    weights.copy()?.iter().map(entry).collect()
}

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Terms and weights, where the object is such a pair or has both.
fn pair_in<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Pair<'py>>> {
    let py = object.py();
    if (object.is_instance_of::<PyTuple>() || object.is_instance_of::<PyList>()) && object.len()? == 2 {
        return Ok(Some((object.get_item(0)?, object.get_item(1)?)));
    }
    let Some(terms) = object.getattr_opt(intern!(py, "indices"))? else { return Ok(None) };
    for name in WEIGHTS {
        if let Some(weights) = object.getattr_opt(name)?
            && !weights.is_callable()
            && !terms.is_callable()
        {
            return Ok(Some((terms, weights)));
        }
    }
    Ok(None)
}

fn arrays_in(terms: &Bound<'_, PyAny>, weights: &Bound<'_, PyAny>, name: &str) -> PyResult<SparseVector> {
    let (terms, weights) = (terms_in(terms, name)?, floats_in(weights, name)?);
    if terms.len() != weights.len() {
        let (terms, weights) = (terms.len(), weights.len());
        return Err(argument(format!("sparse vector '{name}' has {terms} terms and {weights} weights")));
    }
    Ok(terms.into_iter().zip(weights).collect())
}

/// The array in `object`, which has one dimension.
fn flat_in<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = array_of(object, name)?;
    match array.ndim() {
        1 => Ok(array),
        found => Err(wrong_type(format!(
            "sparse vector '{name}': terms and weights are arrays of one dimension, not of {found}"
        ))),
    }
}

fn terms_in(terms: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<u32>> {
    let array = flat_in(terms, name)?;
    if array.len() > 0 && !matches!(array.dtype().kind(), b'i' | b'u') {
        let dtype = array.dtype().to_string();
        return Err(wrong_type(format!("sparse vector '{name}': terms are whole numbers, not {dtype}")));
    }
    let term = |term: i64| {
        u32::try_from(term).map_err(|_| {
            argument(format!(
                "sparse vector '{name}': a term is a whole number from 0 to {}, not {term}",
                u32::MAX
            ))
        })
    };
    copied::<i64>(&array, "int64")?.into_iter().map(term).collect()
}

fn floats_in(weights: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<f32>> {
    let array = flat_in(weights, name)?;
    match array.dtype().kind() {
        b'f' | b'i' | b'u' => copied(&array, "float32"),
        _ => {
            let dtype = array.dtype().to_string();
            Err(wrong_type(format!("sparse vector '{name}': weights are numbers, not {dtype}")))
        }
    }
}

/// The rows of a matrix in compressed sparse rows, as scipy has it.
fn rows_in(matrix: &Bound<'_, PyAny>, name: &str) -> PyResult<Column> {
    let py = matrix.py();
    let by_rows = matrix.getattr_opt(intern!(py, "format"))?.is_none_or(|format| format.to_string() == "csr");
    let matrix = if by_rows { matrix.clone() } else { matrix.call_method0(intern!(py, "tocsr"))? };
    let ends = flat_in(&matrix.getattr(intern!(py, "indptr"))?, name)?;
    let ends = copied::<i64>(&ends, "int64")?;
    let terms = terms_in(&matrix.getattr(intern!(py, "indices"))?, name)?;
    let weights = floats_in(&matrix.getattr(intern!(py, "data"))?, name)?;
    let row = |ends: &[i64]| {
        let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
        let terms = terms.get(range.clone())?.iter().copied();
        Some(terms.zip(weights.get(range)?.iter().copied()).collect())
    };
    let wrong = || argument(format!("sparse vector '{name}': the matrix contradicts itself"));
    ends.windows(2).map(|ends| row(ends).map(Some).ok_or_else(wrong)).collect()
}

/// The sparse vectors called `name` of `len` records: a list, or a matrix.
fn column_in(column: &Bound<'_, PyAny>, name: &str) -> PyResult<Column> {
    if column.hasattr(intern!(column.py(), "indptr"))? || column.hasattr(intern!(column.py(), "tocsr"))? {
        return rows_in(column, name);
    }
    if column.is_instance_of::<PyDict>() || column.is_instance_of::<PyString>() {
        let found = type_name(column);
        return Err(wrong_type(format!("sparse['{name}'] is a list of sparse vectors, not {found}")));
    }
    let vector = |vector: PyResult<Bound<'_, PyAny>>| match vector? {
        none if none.is_none() => Ok(None),
        vector => sparse_in(&vector, name).map(Some),
    };
    column.try_iter()?.map(vector).collect()
}

/// The columns in `sparse=`: a dict of lists or matrices by name, or one for the only name there is.
pub(crate) fn columns_in(given: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Vec<(String, Column)>> {
    let Ok(named) = given.cast::<PyDict>() else {
        let name = only_name(schema)?;
        return Ok(vec![(name.to_owned(), column_in(given, name)?)]);
    };
    let column = |(name, column): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name = name_in(&name, schema)?;
        Ok((name.to_owned(), column_in(&column, name)?))
    };
    named.copy()?.iter().map(column).collect()
}

/// The sparse vectors of one search: a dict of them by name, or one for the only name there is.
pub(crate) fn query_in(given: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Vec<(String, SparseVector)>> {
    let named = given.cast::<PyDict>().ok();
    let is_named = |dict: &&Bound<'_, PyDict>| dict.keys().iter().any(|key| key.is_instance_of::<PyString>());
    let Some(named) = named.filter(is_named) else {
        let name = only_name(schema)?;
        return Ok(vec![(name.to_owned(), sparse_in(given, name)?)]);
    };
    let vector = |(name, vector): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name = name_in(&name, schema)?;
        Ok((name.to_owned(), sparse_in(&vector, name)?))
    };
    named.copy()?.iter().map(vector).collect()
}

/// The name in a dict's key, where the collection has sparse vectors of it.
fn name_in<'a>(name: &Bound<'_, PyAny>, schema: &'a Schema) -> PyResult<&'a str> {
    let name = name.cast::<PyString>().map_err(|_| {
        wrong_type(format!("sparse= has names or terms as keys, not both: {name} is no name"))
    })?;
    let name = name.to_str()?;
    let found = schema.sparse_vectors().iter().find(|other| *other == name);
    found
        .map(String::as_str)
        .ok_or_else(|| argument(format!("no sparse vector '{name}'; {}", there_are(schema))))
}

fn only_name(schema: &Schema) -> PyResult<&str> {
    match schema.sparse_vectors() {
        [only] => Ok(only),
        _ => Err(argument(format!("sparse= is a dict by name: {}", there_are(schema)))),
    }
}

fn there_are(schema: &Schema) -> String {
    match schema.sparse_vectors() {
        [] => "the collection has none; they are declared with sparse= when it is created".to_owned(),
        names => format!("the sparse vectors are {}", names.join(", ")),
    }
}

/// The sparse vector for Python: a dict of weights by term.
pub(crate) fn sparse_out<'py>(py: Python<'py>, vector: &SparseVector) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (term, weight) in vector.entries() {
        dict.set_item(term, f64::from(*weight))?;
    }
    Ok(dict)
}
