//! Tables of Parquet and Arrow files, batch by batch.

use super::failure::Failure;
use super::failure::panic_text;
use super::mapping::Mapping;
use super::mapping::Role;
use super::mapping::Row;
use super::rows::Format;
use super::rows::Rows;
use super::rows::at;
use crate::DateTime;
use crate::GeoPoint;
use crate::RecordId;
use crate::Value;
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
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
use arrow_ipc::reader::FileReader;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use indicatif::ProgressBar;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;

/// Rows read at once from a Parquet file.
const BATCH: usize = 1024;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;

/// Rows of a table.
struct TableRows {
    file: String,
    batches: Batches,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    next: usize,
    done: u64,
    bar: ProgressBar,
}

/// The rows of a table in a file.
pub(super) fn open(
    path: &Path,
    format: Format,
    file: File,
    bar: &ProgressBar,
) -> Result<Box<dyn Rows>, Failure> {
    let damaged = |problem: String| Failure::of_file(path, problem);
    let opened = guarded(|| match format {
        Format::Parquet => parquet_batches(file, bar),
        _ => arrow_batches(file),
    });
    let batches = opened.map_err(damaged)?;
    let file = path.display().to_string();
    Ok(Box::new(TableRows { file, batches, batch: None, next: 0, done: 0, bar: bar.clone() }))
}

fn parquet_batches(file: File, bar: &ProgressBar) -> Result<Batches, ArrowError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    bar.set_length(builder.metadata().file_metadata().num_rows().unsigned_abs());
    Ok(Box::new(builder.with_batch_size(BATCH).build()?))
}

fn arrow_batches(mut file: File) -> Result<Batches, ArrowError> {
    let mut magic = Vec::new();
    (&mut file).take(6).read_to_end(&mut magic)?;
    file.rewind()?;
    let reader = BufReader::new(file);
    Ok(match magic.as_slice() {
        b"ARROW1" => Box::new(FileReader::try_new(reader, None)?),
        _ => Box::new(StreamReader::try_new(reader, None)?),
    })
}

/// The readers of these formats may panic where a file is damaged: that is an error like others.
fn guarded<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(cause) => Err(format!("the file is damaged: {}", panic_text(&*cause))),
    }
}

impl TableRows {
    /// The batch with the next row.
    fn next_batch(&mut self, mapping: &Mapping) -> Result<bool, Failure> {
        while self.batch.as_ref().is_none_or(|batch| self.next == batch.num_rows()) {
            let batches = &mut self.batches;
            let read = guarded(|| batches.next().transpose());
            let read = read.map_err(|problem| at(&self.file, format!("row {}", self.done + 1), problem))?;
            let Some(batch) = read else { return Ok(false) };
            if self.batch.is_none() {
                let schema = batch.schema();
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                mapping.check_columns(&names).map_err(|problem| at(&self.file, "schema", problem))?;
            }
            (self.batch, self.next) = (Some(batch), 0);
        }
        Ok(true)
    }
}

impl Rows for TableRows {
    fn next_row(&mut self, mapping: &Mapping) -> Result<Option<Row>, Failure> {
        if !self.next_batch(mapping)? {
            return Ok(None);
        }
        let Some(batch) = &self.batch else { return Ok(None) };
        self.done += 1;
        let mut row = mapping.row(self.done);
        let schema = batch.schema();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if column.is_null(self.next) {
                continue;
            }
            cell(&mut row, mapping, field.name(), column, self.next).map_err(|problem| {
                at(&self.file, format!("row {}, column '{}'", self.done, field.name()), problem)
            })?;
        }
        self.next += 1;
        if self.done.is_multiple_of(BATCH as u64) {
            self.bar.set_position(self.done);
        }
        Ok(Some(row))
    }
}

/// Puts one cell into its row.
fn cell(row: &mut Row, mapping: &Mapping, name: &str, column: &ArrayRef, at: usize) -> Result<(), String> {
    match mapping.role(name) {
        Role::Skip => Ok(()),
        Role::Id => {
            row.id = Some(id_at(column, at, mapping)?);
            Ok(())
        }
        Role::Vector(place) => {
            row.vectors[place] = Some(numbers_at(column, at)?);
            Ok(())
        }
        Role::Field(name, kind) => Mapping::set(row, name, kind, value_at(column, at)?),
    }
}

fn id_at(column: &ArrayRef, at: usize, mapping: &Mapping) -> Result<RecordId, String> {
    if let DataType::UInt64 = column.data_type() {
        return Ok(mapping.id_of_number(column.as_primitive::<UInt64Type>().value(at)));
    }
    match value_at(column, at)? {
        Value::Str(text) => mapping.id_of_text(&text, None),
        Value::I64(number) => match u64::try_from(number) {
            Ok(number) => Ok(mapping.id_of_number(number)),
            Err(_) => Err(format!("{number} is no id: a text or a whole number from 0 on is")),
        },
        other => Err(format!("{other} is no id: a text or a whole number from 0 on is")),
    }
}

/// The elements of a list.
fn list_at(column: &ArrayRef, at: usize) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::List(_) => Some(column.as_list::<i32>().value(at)),
        DataType::LargeList(_) => Some(column.as_list::<i64>().value(at)),
        DataType::FixedSizeList(..) => Some(column.as_fixed_size_list().value(at)),
        _ => None,
    }
}

/// A vector.
fn numbers_at(column: &ArrayRef, at: usize) -> Result<Vec<f32>, String> {
    let Some(list) = list_at(column, at) else {
        return Err(format!("a vector is a list of numbers, and this is {}", column.data_type()));
    };
    if list.null_count() > 0 {
        return Err("a number of the vector is missing".into());
    }
    let numbers = match list.data_type() {
        DataType::Float32 => list.as_primitive::<Float32Type>().values().to_vec(),
        DataType::Float64 => list.as_primitive::<Float64Type>().values().iter().map(|x| *x as f32).collect(),
        DataType::Float16 => list.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32()).collect(),
        DataType::Int8 => list.as_primitive::<Int8Type>().values().iter().map(|x| f32::from(*x)).collect(),
        DataType::UInt8 => list.as_primitive::<UInt8Type>().values().iter().map(|x| f32::from(*x)).collect(),
        DataType::Int32 => list.as_primitive::<Int32Type>().values().iter().map(|x| *x as f32).collect(),
        DataType::Int64 => list.as_primitive::<Int64Type>().values().iter().map(|x| *x as f32).collect(),
        other => return Err(format!("a vector is a list of numbers, and this is one of {other}")),
    };
    Ok(numbers)
}

/// A value, which is not null.
fn value_at(column: &ArrayRef, at: usize) -> Result<Value, String> {
    if let Some(list) = list_at(column, at) {
        return (0..list.len()).map(|at| nested(&list, at)).collect::<Result<_, _>>().map(Value::Array);
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(column.as_boolean().value(at)),
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => Value::from(column.as_string::<i64>().value(at)),
        DataType::Utf8View => Value::from(column.as_string_view().value(at)),
        DataType::Struct(_) => struct_at(column, at)?,
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            return nested(dictionary.values(), dictionary.normalized_keys()[at]);
        }
        DataType::Timestamp(unit, _) => instant(timestamp_at(column, *unit, at), *unit)?,
        DataType::Date32 => days(i64::from(column.as_primitive::<Date32Type>().value(at)))?,
        DataType::Date64 => instant(column.as_primitive::<Date64Type>().value(at), TimeUnit::Millisecond)?,
        _ => number_at(column, at)?,
    })
}

fn number_at(column: &ArrayRef, at: usize) -> Result<Value, String> {
    let whole = |number: i64| Ok(Value::I64(number));
    match column.data_type() {
        DataType::Int8 => whole(column.as_primitive::<Int8Type>().value(at).into()),
        DataType::Int16 => whole(column.as_primitive::<Int16Type>().value(at).into()),
        DataType::Int32 => whole(column.as_primitive::<Int32Type>().value(at).into()),
        DataType::Int64 => whole(column.as_primitive::<Int64Type>().value(at)),
        DataType::UInt8 => whole(column.as_primitive::<UInt8Type>().value(at).into()),
        DataType::UInt16 => whole(column.as_primitive::<UInt16Type>().value(at).into()),
        DataType::UInt32 => whole(column.as_primitive::<UInt32Type>().value(at).into()),
        DataType::UInt64 => {
            let number = column.as_primitive::<UInt64Type>().value(at);
            i64::try_from(number)
                .map(Value::I64)
                .map_err(|_| format!("{number} is over the largest integer, {}", i64::MAX))
        }
        DataType::Float16 => Ok(Value::F64(column.as_primitive::<Float16Type>().value(at).to_f64())),
        DataType::Float32 => Ok(Value::F64(column.as_primitive::<Float32Type>().value(at).into())),
        DataType::Float64 => Ok(Value::F64(column.as_primitive::<Float64Type>().value(at))),
        other => Err(format!("columns of type {other} are not known: leave it out by --skip")),
    }
}

fn nested(column: &ArrayRef, at: usize) -> Result<Value, String> {
    if column.is_null(at) { Ok(Value::Null) } else { value_at(column, at) }
}

/// A map, or a place where it has exactly `lat` and `lon`.
fn struct_at(column: &ArrayRef, at: usize) -> Result<Value, String> {
    let columns = column.as_struct();
    let mut map = BTreeMap::new();
    for (field, column) in columns.fields().iter().zip(columns.columns()) {
        if !column.is_null(at) {
            map.insert(field.name().clone(), value_at(column, at)?);
        }
    }
    let number = |name: &str| map.get(name).and_then(Value::as_f64);
    let place = match (map.len(), number("lat"), number("lon")) {
        (2, Some(lat), Some(lon)) => GeoPoint::new(lat, lon),
        _ => None,
    };
    Ok(place.map_or(Value::Map(map), Value::Geo))
}

fn timestamp_at(column: &ArrayRef, unit: TimeUnit, at: usize) -> i64 {
    match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(at),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().value(at),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(at),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(at),
    }
}

fn instant(count: i64, unit: TimeUnit) -> Result<Value, String> {
    let micros = match unit {
        TimeUnit::Second => count.checked_mul(1_000_000),
        TimeUnit::Millisecond => count.checked_mul(1_000),
        TimeUnit::Microsecond => Some(count),
        TimeUnit::Nanosecond => Some(count.div_euclid(1_000)),
    };
    let micros = micros.ok_or("the instant is more than 290,000 years away")?;
    Ok(Value::DateTime(DateTime::from_unix_micros(micros)))
}

fn days(days: i64) -> Result<Value, String> {
    instant(days.saturating_mul(86_400), TimeUnit::Second)
}
