//! Records in: rows (dicts) or columns (ids, arrays, lists), as one batch that owns everything it needs.

use crate::arrow;
use crate::embed::Embed;
use crate::errors::argument;
use crate::errors::wrong_type;
use crate::sparse;
use crate::sparse::sparse_in;
use crate::sparse::sparse_out;
use crate::values::fields_in;
use crate::values::id_in;
use crate::values::ids_in;
use crate::values::listed;
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
use lodedb::Value;
use lodedb::VectorSchema;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PyString;

/// The name in a row that is the record's id.
const ID: &str = "id";

/// What `upsert` and `insert` were called with.
pub(crate) struct Source<'a, 'py> {
    pub(crate) records: Option<&'a Bound<'py, PyAny>>,
    pub(crate) ids: Option<&'a Bound<'py, PyAny>>,
    pub(crate) vectors: Option<&'a Bound<'py, PyAny>>,
    pub(crate) sparse: Option<&'a Bound<'py, PyAny>>,
    pub(crate) fields: Option<&'a Bound<'py, PyDict>>,
}

/// Records, out of Python's hands: turned into [`Record`]s one by one while they are written.
pub(crate) enum Batch {
    /// Rows, as they came.
    Rows(Vec<Record>),
    /// Columns, in one piece or, from a table, several.
    Columns(Vec<Columns>),
}

/// Ids, and for each of them a row of each matrix, sparse vectors, and fields.
pub(crate) struct Columns {
    pub(crate) ids: Vec<RecordId>,
    pub(crate) vectors: Vec<(String, Matrix)>,
    pub(crate) sparse: Vec<(String, sparse::Column)>,
    pub(crate) fields: Vec<Fields>,
}

impl Batch {
    /// The records, made one after the other.
    pub(crate) fn into_records(self) -> Box<dyn Iterator<Item = Record>> {
        match self {
            Self::Rows(records) => Box::new(records.into_iter()),
            Self::Columns(pieces) => Box::new(pieces.into_iter().flat_map(Columns::into_records)),
        }
    }
}

impl Columns {
    fn into_records(self) -> impl Iterator<Item = Record> {
        let Self { ids, vectors, mut sparse, fields } = self;
        let mut fields = fields.into_iter();
        ids.into_iter().enumerate().map(move |(row, id)| {
            let mut record = Record::new(id).with_fields(fields.next().unwrap_or_default());
            for (name, column) in &mut sparse {
                if let Some(vector) = column.get_mut(row).and_then(Option::take) {
                    record = record.sparse(name.as_str(), vector);
                }
            }
            vectors
                .iter()
                .fold(record, |record, (name, matrix)| record.named_vector(name.as_str(), matrix.row(row)))
        })
    }

    /// Gives the vector to records that have none, where `embed` makes it of their text.
    fn embed(&mut self, py: Python<'_>, schema: &Schema, embed: &Embed) -> PyResult<()> {
        let (Some(field), [vector]) = (embed.field(), schema.vectors()) else { return Ok(()) };
        if !self.vectors.is_empty() {
            return Ok(());
        }
        let texts = self.fields.iter().zip(&self.ids);
        let texts =
            texts.map(|(fields, id)| text_of(id, &fields[field], field)).collect::<PyResult<Vec<_>>>()?;
        if texts.len() < self.ids.len() {
            return Err(argument(format!("no vectors=, and no fields['{field}'] to make them of")));
        }
        let matrix = embed.texts(&PyList::new(py, texts)?, vector)?;
        self.vectors.push((vector.name().to_owned(), matrix));
        Ok(())
    }
}

fn text_of<'a>(id: &RecordId, value: &'a Value, field: &str) -> PyResult<&'a str> {
    value.as_str().ok_or_else(|| {
        argument(format!("record {id} has neither a vector nor text in '{field}' to make one of"))
    })
}

/// The batch in what `upsert` and `insert` were called with.
pub(crate) fn batch_in(
    py: Python<'_>,
    source: &Source<'_, '_>,
    schema: &Schema,
    embed: &Embed,
) -> PyResult<Batch> {
    let embedded = embed.field().is_some();
    match (source.records, source.ids) {
        (Some(records), None)
            if source.vectors.is_none() && source.sparse.is_none() && source.fields.is_none() =>
        {
            let pieces = match records {
                frame if is_pandas_frame(frame)? => vec![frame_in(frame, schema)?],
                table if arrow::is_table(table)? => table_in(table, schema, embedded)?,
                rows => return rows_in(rows, schema, embed).map(Batch::Rows),
            };
            embedded_columns(py, pieces, schema, embed)
        }
        (None, Some(ids)) if source.vectors.is_some() || embedded || schema.vectors().is_empty() => {
            let columns = columns_in(ids, source, schema)?;
            embedded_columns(py, vec![columns], schema, embed)
        }
        (None, Some(_)) => Err(argument("ids= without vectors=")),
        (None, None) => Err(argument("nothing to write: give records, or ids= and vectors=")),
        (Some(_), _) => Err(argument("give either records, or ids=, vectors=, sparse= and fields=")),
    }
}

fn embedded_columns(
    py: Python<'_>,
    mut pieces: Vec<Columns>,
    schema: &Schema,
    embed: &Embed,
) -> PyResult<Batch> {
    pieces.iter_mut().try_for_each(|columns| columns.embed(py, schema, embed))?;
    Ok(Batch::Columns(pieces))
}

/// The updates in `{"a": {..}, "b": {..}}`, or in one id and its fields.
pub(crate) fn updates_in(
    id: &Bound<'_, PyAny>,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<(RecordId, Fields)>> {
    let fields_of = |fields: &Bound<'_, PyDict>| fields_in(fields, |_| false);
    match (id.cast::<PyDict>(), fields) {
        (Err(_), Some(fields)) => Ok(vec![(id_in(id)?, fields_of(fields)?)]),
        (Ok(updates), None) => updates
            .copy()?
            .iter()
            .map(|(id, fields)| Ok((id_in(&id)?, fields_of(fields.cast::<PyDict>()?)?)))
            .collect(),
        _ => Err(wrong_type("update takes an id and a dict of fields, or a dict of such dicts by id")),
    }
}

fn rows_in(records: &Bound<'_, PyAny>, schema: &Schema, embed: &Embed) -> PyResult<Vec<Record>> {
    let py = records.py();
    let mut rows = Vec::new();
    if let Ok(row) = records.cast::<PyDict>() {
        rows.push(row_in(row, schema)?);
    } else {
        let iterated = records.try_iter().map_err(|_| {
            wrong_type(format!(
                "records are dicts, in a list or any iterable, or a table; not {}",
                type_name(records)
            ))
        })?;
        for row in iterated {
            let row = row?;
            let dict = row.cast::<PyDict>();
            let dict =
                dict.map_err(|_| wrong_type(format!("a record is a dict, not {}", type_name(&row))))?;
            rows.push(row_in(dict, schema)?);
        }
    }
    embed_rows(py, rows, schema, embed)
}

/// Gives the vector to rows that have none, where `embed` makes it of their text: all texts in one call.
fn embed_rows(py: Python<'_>, rows: Vec<Record>, schema: &Schema, embed: &Embed) -> PyResult<Vec<Record>> {
    let (Some(field), [vector]) = (embed.field(), schema.vectors()) else { return Ok(rows) };
    let bare = |record: &Record| record.vectors().len() == 0;
    let texts = rows.iter().filter(|record| bare(record));
    let texts = texts.map(|record| text_of(record.id(), &record.fields()[field], field));
    let texts = texts.collect::<PyResult<Vec<_>>>()?;
    if texts.is_empty() {
        return Ok(rows);
    }
    let matrix = embed.texts(&PyList::new(py, texts)?, vector)?;
    let mut next = 0..matrix.rows();
    let with_vector = |record: Record| match bare(&record).then(|| next.next()).flatten() {
        Some(row) => record.named_vector(vector.name(), matrix.row(row)),
        None => record,
    };
    Ok(rows.into_iter().map(with_vector).collect())
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
    for name in schema.sparse_vectors() {
        if let Some(given) = row.get_item(name)?.filter(|given| !given.is_none()) {
            record = record.sparse(name, sparse_in(&given, name)?);
        }
    }
    let reserved = |name: &str| {
        name == ID
            || schema.vectors().iter().any(|vector| vector.name() == name)
            || schema.sparse_vectors().iter().any(|vector| vector == name)
    };
    Ok(record.with_fields(fields_in(row, reserved)?))
}

fn table_in(table: &Bound<'_, PyAny>, schema: &Schema, embedded: bool) -> PyResult<Vec<Columns>> {
    let batches = arrow::record_batches(table)?;
    let columns = batches.iter().map(|batch| arrow::columns_of(batch, schema, embedded).map_err(argument));
    columns.collect()
}

/// True for pandas' `DataFrame`, whose own Arrow capsules need pyarrow.
fn is_pandas_frame(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    Ok(object.hasattr(intern!(py, "iloc"))? && object.hasattr(intern!(py, "columns"))?)
}

fn frame_in(frame: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Columns> {
    let py = frame.py();
    let (vectors, sparse, fields) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
    let mut ids = None;
    for name in frame.getattr(intern!(py, "columns"))?.try_iter()? {
        let name = name?;
        let column = frame.get_item(&name)?;
        let Ok(text) = name.cast::<PyString>() else {
            return Err(wrong_type(format!(
                "the columns of a frame are named by strings, not {}",
                type_name(&name)
            )));
        };
        match text.to_str()? {
            ID => ids = Some(column),
            text if schema.vectors().iter().any(|vector| vector.name() == text) => {
                vectors.set_item(name, listed(&column)?)?;
            }
            text if schema.sparse_vectors().iter().any(|vector| vector == text) => {
                sparse.set_item(name, listed(&column)?)?;
            }
            _ => fields.set_item(name, column)?,
        }
    }
    let ids = ids.ok_or_else(|| argument("the frame has no column 'id'"))?;
    let vectors = (!vectors.is_empty()).then_some(vectors);
    let source = Source {
        records: None,
        ids: Some(&ids),
        vectors: vectors.as_ref().map(Bound::as_any),
        sparse: Some(sparse.as_any()),
        fields: Some(&fields),
    };
    columns_in(&ids, &source, schema)
}

fn columns_in(ids: &Bound<'_, PyAny>, source: &Source<'_, '_>, schema: &Schema) -> PyResult<Columns> {
    let ids = ids_in(ids)?;
    let vectors = source.vectors.map_or(Ok(Vec::new()), |vectors| matrices_in(vectors, schema))?;
    for (name, matrix) in &vectors {
        same_length(&format!("vectors '{name}'"), matrix.rows(), ids.len())?;
    }
    let sparse = source.sparse.map_or(Ok(Vec::new()), |given| sparse::columns_in(given, schema))?;
    for (name, column) in &sparse {
        same_length(&format!("sparse['{name}']"), column.len(), ids.len())?;
    }
    let fields = source.fields.map_or(Ok(Vec::new()), |fields| field_columns_in(fields, ids.len()))?;
    Ok(Columns { ids, vectors, sparse, fields })
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
    for (name, array) in named.copy()? {
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
    for (name, column) in columns.copy()? {
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
    for (name, vector) in record.sparse_vectors() {
        row.set_item(name, sparse_out(py, vector)?)?;
    }
    for (name, value) in record.fields().iter() {
        row.set_item(name, crate::values::value_out(py, value)?)?;
    }
    Ok(row)
}

/// A list of rows, with None where there is no record.
pub(crate) fn rows_out<'py>(py: Python<'py>, records: &[Option<Record>]) -> PyResult<Bound<'py, PyList>> {
    let rows = records.iter().map(|record| record.as_ref().map(|record| row_out(py, record)).transpose());
    PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
}
