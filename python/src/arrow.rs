//! Tables through the Arrow C data interface: from pyarrow, polars, duckdb and whatever else has its capsules. The one
//! module with unsafe code: the pointers in the capsules.

#![allow(unsafe_code, reason = "a capsule holds a pointer to a C structure")]

use crate::batch::Columns;
use crate::errors::argument;
use crate::errors::wrong_type;
use crate::vectors::Matrix;
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::StructArray;
use arrow_array::cast::AsArray;
use arrow_array::ffi;
use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::types::Date32Type;
use arrow_array::types::Date64Type;
use arrow_array::types::Float16Type;
use arrow_array::types::Float32Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int8Type;
use arrow_array::types::Int16Type;
use arrow_array::types::Int32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::types::TimestampSecondType;
use arrow_array::types::UInt8Type;
use arrow_array::types::UInt16Type;
use arrow_array::types::UInt32Type;
use arrow_array::types::UInt64Type;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use arrow_schema::ffi::FFI_ArrowSchema;
use lodedb::DateTime;
use lodedb::Fields;
use lodedb::RecordId;
use lodedb::Schema;
use lodedb::SparseVector;
use lodedb::Value;
use lodedb::VectorSchema;
use pyo3::ffi::c_str;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3::types::PyCapsuleMethods;
use std::collections::BTreeMap;
use std::ffi::CStr;

/// What a conversion gives, or why there is none.
type Converted<T> = Result<T, String>;

/// True for objects with the capsules of a table or record batch.
pub(crate) fn is_table(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    Ok(object.hasattr(intern!(py, "__arrow_c_stream__"))?
        || object.hasattr(intern!(py, "__arrow_c_array__"))?)
}

/// The record batches of `table`.
pub(crate) fn record_batches(table: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    let py = table.py();
    if table.hasattr(intern!(py, "__arrow_c_stream__"))? {
        let capsule = table.call_method0(intern!(py, "__arrow_c_stream__"))?;
        let stream = pointer::<FFI_ArrowArrayStream>(&capsule, c_str!("arrow_array_stream"))?;
        // SAFETY: a capsule of this name holds an initialised stream until it is consumed, which this does once; the
        // capsule lives until the end of this function.
        let reader = unsafe { RecordBatchStreamReader::from_raw(stream) };
        return reader.map_err(of_arrow)?.map(|batch| batch.map_err(of_arrow)).collect();
    }
    let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
        table.call_method0(intern!(py, "__arrow_c_array__"))?.extract()?;
    let schema = pointer::<FFI_ArrowSchema>(&schema, c_str!("arrow_schema"))?;
    let array = pointer::<FFI_ArrowArray>(&array, c_str!("arrow_array"))?;
    // SAFETY: a capsule of this name holds an initialised array; this moves it out and leaves a released one.
    let array = unsafe { FFI_ArrowArray::from_raw(array) };
    // SAFETY: a capsule of this name holds an initialised schema, and it lives until the end of this function.
    let schema = unsafe { &*schema };
    // SAFETY: the array came with the schema, from one call of its producer.
    let data = unsafe { ffi::from_ffi(array, schema) }.map_err(of_arrow)?;
    match data.data_type() {
        DataType::Struct(_) => Ok(vec![RecordBatch::from(StructArray::from(data))]),
        other => Err(wrong_type(format!("a record batch is needed, not an Arrow array of {other}"))),
    }
}

fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<*mut T> {
    let capsule = capsule.cast::<PyCapsule>()?;
    Ok(capsule.pointer_checked(Some(name))?.as_ptr().cast())
}

fn of_arrow(error: ArrowError) -> PyErr {
    argument(format!("the Arrow table can't be read: {error}"))
}

/// The columns of a batch: `id`, the vectors by their names, and fields. `embedded` allows the vectors to be missing.
pub(crate) fn columns_of(batch: &RecordBatch, schema: &Schema, embedded: bool) -> Converted<Columns> {
    let mut ids = None;
    let (mut vectors, mut sparse) = (Vec::new(), Vec::new());
    let mut fields = vec![Fields::new(); batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let name = field.name();
        let of_column = |problem| format!("column '{name}' {problem}");
        if name == "id" {
            ids = Some(ids_of(column).map_err(of_column)?);
        } else if let Some(vector) = schema.vectors().iter().find(|vector| vector.name() == name) {
            vectors.push((name.clone(), matrix_of(column, vector).map_err(of_column)?));
        } else if schema.sparse_vectors().contains(name) {
            sparse.push((name.clone(), sparse_of(column).map_err(of_column)?));
        } else {
            let values = values_of(column).map_err(of_column)?;
            for (fields, value) in fields.iter_mut().zip(values) {
                fields.insert(name.as_str(), value);
            }
        }
    }
    let ids = ids.ok_or("the table has no column 'id'")?;
    if !embedded
        && let Some(missing) =
            schema.vectors().iter().find(|vector| batch.column_by_name(vector.name()).is_none())
    {
        return Err(format!(
            "the table has no column '{}', which is a vector of the collection",
            missing.name()
        ));
    }
    Ok(Columns { ids, vectors, sparse, fields })
}

fn ids_of(column: &dyn Array) -> Converted<Vec<RecordId>> {
    if column.null_count() > 0 {
        return Err("has nulls; every record needs an id".into());
    }
    if let DataType::UInt64 = column.data_type() {
        return Ok(column
            .as_primitive::<UInt64Type>()
            .values()
            .iter()
            .map(|id| RecordId::from(*id))
            .collect());
    }
    let id_of = |value| match value {
        Value::Str(text) => Ok(RecordId::from(text)),
        Value::I64(number) => {
            let id = u64::try_from(number).map_err(|_| format!("has the id {number}, which is below 0"))?;
            Ok(RecordId::from(id))
        }
        other => Err(format!("has a {} as id; strings or whole numbers are needed", other.kind())),
    };
    values_of(column)?.into_iter().map(id_of).collect()
}

/// Lists of numbers, all as long as the vector is, as one matrix.
fn matrix_of(column: &dyn Array, vector: &VectorSchema) -> Converted<Matrix> {
    if column.null_count() > 0 {
        return Err("has nulls; every record needs a vector".into());
    }
    let width_is = |width: usize| match width == vector.dim() {
        true => Ok(()),
        false => Err(format!("has vectors of {width} dimensions where the schema has {}", vector.dim())),
    };
    let numbers = match column.data_type() {
        DataType::FixedSizeList(_, width) => {
            width_is(usize::try_from(*width).unwrap_or(0))?;
            let list = column.as_fixed_size_list();
            // `values` has the rows of the slice alone.
            floats_of(list.values())?
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            (0..list.len())
                .try_for_each(|row| width_is(usize::try_from(list.value_length(row)).unwrap_or(0)))?;
            let offsets = list.offsets();
            let (start, end) = (offsets[0] as usize, offsets[list.len()] as usize);
            floats_of(&list.values().slice(start, end - start))?
        }
        DataType::LargeList(_) => {
            let list = column.as_list::<i64>();
            (0..list.len())
                .try_for_each(|row| width_is(usize::try_from(list.value_length(row)).unwrap_or(0)))?;
            let offsets = list.offsets();
            let (start, end) = (offsets[0] as usize, offsets[list.len()] as usize);
            floats_of(&list.values().slice(start, end - start))?
        }
        other => return Err(format!("is of the type {other}; a vector is a list of numbers")),
    };
    Ok(Matrix::of_floats(column.len(), vector.dim(), numbers))
}

/// Maps from terms to weights, or structs of two lists, `indices` and `values`; nulls for records without one.
fn sparse_of(column: &dyn Array) -> Converted<Vec<Option<SparseVector>>> {
    let terms_and_weights: Box<dyn Fn(usize) -> (ArrayRef, ArrayRef)> = match column.data_type() {
        DataType::Map(..) => {
            let maps = column.as_map();
            Box::new(|row| {
                let entries = maps.value(row);
                (entries.column(0).clone(), entries.column(1).clone())
            })
        }
        DataType::Struct(_) => {
            let pairs = column.as_struct();
            let list = |name: &str| pairs.column_by_name(name).ok_or_else(|| format!("has no '{name}'"));
            let (terms, weights) = (list("indices")?.clone(), list("values")?.clone());
            if !is_list(&terms) || !is_list(&weights) {
                return Err("has 'indices' and 'values' that are not lists".into());
            }
            Box::new(move |row| (list_at(&terms, row), list_at(&weights, row)))
        }
        other => {
            return Err(format!(
                "is of the type {other}; a sparse vector is a map of weights by term, or a struct of indices and values"
            ));
        }
    };
    let vector = |row: usize| {
        if column.is_null(row) {
            return Ok(None);
        }
        let (terms, weights) = terms_and_weights(row);
        let terms = values_of(&terms)?.into_iter().map(term_of).collect::<Converted<Vec<u32>>>()?;
        let weights = floats_of(&weights)?;
        match terms.len() == weights.len() {
            true => Ok(Some(terms.into_iter().zip(weights).collect())),
            false => Err(format!("has {} terms and {} weights in row {row}", terms.len(), weights.len())),
        }
    };
    (0..column.len()).map(vector).collect()
}

fn term_of(value: Value) -> Converted<u32> {
    let term = if let Value::I64(term) = &value { u32::try_from(*term).ok() } else { None };
    term.ok_or_else(|| format!("has the term {value}; a whole number from 0 to {} is needed", u32::MAX))
}

fn is_list(column: &dyn Array) -> bool {
    matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_))
}

/// The list in a row of a column of lists.
fn list_at(column: &dyn Array, row: usize) -> ArrayRef {
    match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value(row),
        _ => column.as_list::<i64>().value(row),
    }
}

fn floats_of(column: &dyn Array) -> Converted<Vec<f32>> {
    if column.null_count() > 0 {
        return Err("has nulls among the numbers of a vector".into());
    }
    match column.data_type() {
        DataType::Float32 => Ok(column.as_primitive::<Float32Type>().values().to_vec()),
        DataType::Float64 => {
            Ok(column.as_primitive::<Float64Type>().values().iter().map(|v| *v as f32).collect())
        }
        DataType::Float16 => {
            Ok(column.as_primitive::<Float16Type>().values().iter().map(|v| v.to_f32()).collect())
        }
        DataType::Int8 => {
            Ok(column.as_primitive::<Int8Type>().values().iter().map(|v| f32::from(*v)).collect())
        }
        DataType::UInt8 => {
            Ok(column.as_primitive::<UInt8Type>().values().iter().map(|v| f32::from(*v)).collect())
        }
        other => Err(format!(
            "has numbers of the type {other}; float32, float64, float16, int8 or uint8 is needed"
        )),
    }
}

/// The values of a column, nulls among them.
fn values_of(column: &dyn Array) -> Converted<Vec<Value>> {
    let integer = Value::I64;
    match column.data_type() {
        DataType::Null => Ok(vec![Value::Null; column.len()]),
        DataType::Boolean => {
            let values = column.as_boolean().iter();
            Ok(values.map(|value| value.map_or(Value::Null, Value::Bool)).collect())
        }
        DataType::Int8 => numbers_of::<Int8Type>(column, |n| integer(n.into())),
        DataType::Int16 => numbers_of::<Int16Type>(column, |n| integer(n.into())),
        DataType::Int32 => numbers_of::<Int32Type>(column, |n| integer(n.into())),
        DataType::Int64 => numbers_of::<Int64Type>(column, integer),
        DataType::UInt8 => numbers_of::<UInt8Type>(column, |n| integer(n.into())),
        DataType::UInt16 => numbers_of::<UInt16Type>(column, |n| integer(n.into())),
        DataType::UInt32 => numbers_of::<UInt32Type>(column, |n| integer(n.into())),
        DataType::UInt64 => unsigned_of(column),
        DataType::Float16 => numbers_of::<Float16Type>(column, |n| Value::F64(n.to_f64())),
        DataType::Float32 => numbers_of::<Float32Type>(column, |n| Value::F64(n.into())),
        DataType::Float64 => numbers_of::<Float64Type>(column, Value::F64),
        DataType::Utf8 => Ok(texts(column.as_string::<i32>().iter())),
        DataType::LargeUtf8 => Ok(texts(column.as_string::<i64>().iter())),
        DataType::Utf8View => Ok(texts(column.as_string_view().iter())),
        DataType::Date32 => {
            numbers_of::<Date32Type>(column, |days| instant(i64::from(days) * 86_400_000_000))
        }
        DataType::Date64 => numbers_of::<Date64Type>(column, |millis| instant(millis.saturating_mul(1000))),
        DataType::Timestamp(unit, _) => instants_of(column, *unit),
        DataType::List(_) => arrays(column, |row| column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => arrays(column, |row| column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => arrays(column, |row| column.as_fixed_size_list().value(row)),
        DataType::Struct(_) => maps_of(column.as_struct()),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = values_of(dictionary.values())?;
            let keys = dictionary.normalized_keys();
            let value =
                |row: usize| if column.is_null(row) { Value::Null } else { values[keys[row]].clone() };
            Ok((0..column.len()).map(value).collect())
        }
        other => Err(format!("is of the type {other}, which can't be stored in a field")),
    }
}

fn numbers_of<T: ArrowPrimitiveType>(
    column: &dyn Array,
    value: impl Fn(T::Native) -> Value,
) -> Converted<Vec<Value>> {
    Ok(column.as_primitive::<T>().iter().map(|number| number.map_or(Value::Null, &value)).collect())
}

fn unsigned_of(column: &dyn Array) -> Converted<Vec<Value>> {
    let value = |number: Option<u64>| match number.map(i64::try_from) {
        None => Ok(Value::Null),
        Some(Ok(number)) => Ok(Value::I64(number)),
        Some(Err(_)) => Err(format!("has {}, which is over {}", number.unwrap_or_default(), i64::MAX)),
    };
    column.as_primitive::<UInt64Type>().iter().map(value).collect()
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Vec<Value> {
    values.map(|text| text.map_or(Value::Null, Value::from)).collect()
}

fn instant(micros: i64) -> Value {
    Value::DateTime(DateTime::from_unix_micros(micros))
}

fn instants_of(column: &dyn Array, unit: TimeUnit) -> Converted<Vec<Value>> {
    match unit {
        TimeUnit::Second => {
            numbers_of::<TimestampSecondType>(column, |s| instant(s.saturating_mul(1_000_000)))
        }
        TimeUnit::Millisecond => {
            numbers_of::<TimestampMillisecondType>(column, |ms| instant(ms.saturating_mul(1000)))
        }
        TimeUnit::Microsecond => numbers_of::<TimestampMicrosecondType>(column, instant),
        TimeUnit::Nanosecond => {
            numbers_of::<TimestampNanosecondType>(column, |ns| instant(ns.div_euclid(1000)))
        }
    }
}

fn arrays(column: &dyn Array, row: impl Fn(usize) -> ArrayRef) -> Converted<Vec<Value>> {
    let value = |at: usize| match column.is_null(at) {
        true => Ok(Value::Null),
        false => values_of(&row(at)).map(Value::Array),
    };
    (0..column.len()).map(value).collect()
}

fn maps_of(column: &StructArray) -> Converted<Vec<Value>> {
    let mut maps = vec![BTreeMap::new(); column.len()];
    for (field, child) in column.fields().iter().zip(column.columns()) {
        for (map, value) in maps.iter_mut().zip(values_of(child)?) {
            map.insert(field.name().clone(), value);
        }
    }
    let value = |(row, map)| if column.is_null(row) { Value::Null } else { crate::values::map_or_place(map) };
    Ok(maps.into_iter().enumerate().map(value).collect())
}
