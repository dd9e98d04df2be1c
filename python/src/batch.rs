//! Records in: rows (dicts) or columns (ids, arrays, lists), as one batch that owns everything it needs.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::values::fields_in;
use crate::values::id_in;
use crate::values::ids_in;
use crate::values::plain_column;
use crate::values::type_name;
use crate::values::value_in;
use crate::vectors::Matrix;
use crate::vectors::vector_in;
use crate::vectors::vector_out;
use lodedb::Fields;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Schema;
use lodedb::VectorSchema;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyString;

/// The name in a row that is the record's id.
const ID: &str = "id";

/// Records, out of Python's hands: turned into [`Record`]s one by one while they are written.
pub(crate) enum Batch {
    /// Rows, as they came.
    Rows(Vec<Record>),
    /// Columns.
    Columns(Columns),
}

/// Ids, and for each of them a row of each matrix, and fields.
pub(crate) struct Columns {
    ids: Vec<RecordId>,
    vectors: Vec<(String, Matrix)>,
    fields: Vec<Fields>,
}

impl Batch {
    /// The records, made one after the other.
    pub(crate) fn into_records(self) -> Box<dyn Iterator<Item = Record>> {
        match self {
            Self::Rows(records) => Box::new(records.into_iter()),
            Self::Columns(columns) => Box::new(columns.into_records()),
        }
    }
}

impl Columns {
    fn into_records(self) -> impl Iterator<Item = Record> {
        let Self { ids, vectors, fields } = self;
        let mut fields = fields.into_iter();
        ids.into_iter().enumerate().map(move |(row, id)| {
            let record = Record::new(id).with_fields(fields.next().unwrap_or_default());
            vectors
                .iter()
                .fold(record, |record, (name, matrix)| record.named_vector(name.as_str(), matrix.row(row)))
        })
    }
}

/// The batch in what `upsert` and `insert` were called with.
pub(crate) fn batch_in(
    records: Option<&Bound<'_, PyAny>>,
    ids: Option<&Bound<'_, PyAny>>,
    vectors: Option<&Bound<'_, PyAny>>,
    fields: Option<&Bound<'_, PyDict>>,
    schema: &Schema,
) -> PyResult<Batch> {
    match (records, ids, vectors) {
        (Some(records), None, None) if fields.is_none() => rows_in(records, schema).map(Batch::Rows),
        (None, Some(ids), Some(vectors)) => columns_in(ids, vectors, fields, schema).map(Batch::Columns),
        (Some(_), ..) => Err(argument("give either records, or ids=, vectors= and fields=")),
        _ => Err(argument("nothing to write: give records, or ids= and vectors=")),
    }
}

fn rows_in(records: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Vec<Record>> {
    if let Ok(row) = records.cast::<PyDict>() {
        return Ok(vec![row_in(row, schema)?]);
    }
    let rows = records.try_iter().map_err(|_| {
        wrong_type(format!("records are dicts (a list of them, or any iterable), not {}", type_name(records)))
    })?;
    rows.map(|row| {
        let row = row?;
        let dict = row.cast::<PyDict>();
        let dict = dict.map_err(|_| wrong_type(format!("a record is a dict, not {}", type_name(&row))))?;
        row_in(dict, schema)
    })
    .collect()
}

fn row_in(row: &Bound<'_, PyDict>, schema: &Schema) -> PyResult<Record> {
    let Some(id) = row.get_item(intern!(row.py(), "id"))? else {
        return Err(argument("a record without 'id'"));
    };
    let mut record = Record::new(id_in(&id)?);
    for vector in schema.vectors() {
        if let Some(given) = row.get_item(vector.name())? {
            record = record.named_vector(vector.name(), vector_in(&given, vector)?);
        }
    }
    let reserved = |name: &str| name == ID || schema.vectors().iter().any(|vector| vector.name() == name);
    Ok(record.with_fields(fields_in(row, reserved)?))
}

fn columns_in(
    ids: &Bound<'_, PyAny>,
    vectors: &Bound<'_, PyAny>,
    fields: Option<&Bound<'_, PyDict>>,
    schema: &Schema,
) -> PyResult<Columns> {
    let ids = ids_in(ids)?;
    let vectors = matrices_in(vectors, schema)?;
    for (name, matrix) in &vectors {
        same_length(&format!("vectors '{name}'"), matrix.rows(), ids.len())?;
    }
    let fields = fields.map_or(Ok(Vec::new()), |fields| field_columns_in(fields, ids.len()))?;
    Ok(Columns { ids, vectors, fields })
}

fn matrices_in(vectors: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Vec<(String, Matrix)>> {
    let Ok(named) = vectors.cast::<PyDict>() else {
        let [only] = schema.vectors() else {
            let names: Vec<&str> = schema.vectors().iter().map(VectorSchema::name).collect();
            let names = names.join(", ");
            return Err(argument(format!(
                "several vectors, so vectors= is a dict with an array for each of {names}"
            )));
        };
        return Ok(vec![(only.name().to_owned(), Matrix::of(vectors, only)?)]);
    };
    let mut matrices = Vec::with_capacity(named.len());
    for (name, array) in named {
        let name = name.cast::<PyString>()?.to_str()?.to_owned();
        let Some(vector) = schema.vectors().iter().find(|vector| vector.name() == name) else {
            return Err(argument(format!("the collection has no vector '{name}'")));
        };
        matrices.push((name, Matrix::of(&array, vector)?));
    }
    Ok(matrices)
}

fn field_columns_in(columns: &Bound<'_, PyDict>, len: usize) -> PyResult<Vec<Fields>> {
    let mut fields = vec![Fields::new(); len];
    for (name, column) in columns {
        let Ok(name) = name.cast::<PyString>() else {
            return Err(wrong_type(format!("a field's name is a string, not {}", type_name(&name))));
        };
        let name = name.to_str()?;
        if column.is_instance_of::<PyString>() || column.is_instance_of::<PyDict>() {
            let found = type_name(&column);
            return Err(wrong_type(format!("fields['{name}'] is a column of values, not {found}")));
        }
        let column =
            if column.hasattr(intern!(columns.py(), "dtype"))? { plain_column(&column)? } else { column };
        let mut count = 0;
        for value in column.try_iter()? {
            let value = value_in(name, &value?)?;
            if let Some(fields) = fields.get_mut(count) {
                fields.insert(name, value);
            }
            count += 1;
        }
        same_length(&format!("fields['{name}']"), count, len)?;
    }
    Ok(fields)
}

fn same_length(what: &str, found: usize, ids: usize) -> PyResult<()> {
    match found == ids {
        true => Ok(()),
        false => Err(argument(format!("{what} and ids differ in length: {found} and {ids}"))),
    }
}

/// The record as a row: a dict with its id, vectors and fields.
pub(crate) fn row_out<'py>(py: Python<'py>, record: &Record) -> PyResult<Bound<'py, PyDict>> {
    let row = PyDict::new(py);
    row.set_item(intern!(py, "id"), crate::values::id_out(py, record.id())?)?;
    for (name, vector) in record.vectors() {
        row.set_item(name, vector_out(py, vector))?;
    }
    for (name, value) in record.fields().iter() {
        row.set_item(name, crate::values::value_out(py, value)?)?;
    }
    Ok(row)
}
