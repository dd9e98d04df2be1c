//! Records as tables of Parquet and Arrow files. The types of columns are found in a first pass.

use super::export::Source;
use super::failure::Failure;
use super::rows::Format;
use crate::IdKind;
use crate::Record;
use crate::RecordId;
use crate::Value;
use crate::Vector;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::FixedSizeListArray;
use arrow_array::Float32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt64Array;
use arrow_buffer::NullBuffer;
use arrow_buffer::OffsetBuffer;
use arrow_ipc::writer::FileWriter;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Fields;
use arrow_schema::Schema as ArrowSchema;
use arrow_schema::TimeUnit;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

/// Rows of a batch.
const BATCH: usize = 4096;

/// The type of a column, as its values tell.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// No value but null so far.
    Nothing,
    Bool,
    Int,
    Float,
    Text,
    Instant,
    Place,
    List(Box<Shape>),
    /// Maps, and kinds that have no type in common, as JSON text.
    Json,
}

impl Shape {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(_) => Self::Bool,
            Value::I64(_) => Self::Int,
            Value::F64(_) => Self::Float,
            Value::Str(_) => Self::Text,
            Value::DateTime(_) => Self::Instant,
            Value::Geo(_) => Self::Place,
            Value::Array(values) => {
                let inner = values.iter().map(Self::of).fold(Self::Nothing, Self::join);
                if inner == Self::Json { Self::Json } else { Self::List(Box::new(inner)) }
            }
            Value::Map(_) => Self::Json,
        }
    }

    /// The type that holds values of both.
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, shape) | (shape, Self::Nothing) => shape,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (Self::List(a), Self::List(b)) => match a.join(*b) {
                Self::Json => Self::Json,
                inner => Self::List(Box::new(inner)),
            },
            (a, b) if a == b => a,
            _ => Self::Json,
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Nothing | Self::Text | Self::Json => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Place => DataType::Struct(place_fields()),
            Self::List(inner) => DataType::List(Arc::new(Field::new("item", inner.data_type(), true))),
        }
    }

    /// A column of these values; null where there is none.
    fn column(&self, values: &[Option<&Value>]) -> ArrayRef {
        let known = values.iter().map(|value| value.filter(|value| **value != Value::Null));
        match self {
            Self::Nothing | Self::Text => {
                Arc::new(known.map(|value| value.and_then(Value::as_str)).collect::<StringArray>())
            }
            Self::Json => {
                Arc::new(known.map(|value| value.map(ToString::to_string)).collect::<StringArray>())
            }
            Self::Bool => {
                Arc::new(known.map(|value| value.and_then(Value::as_bool)).collect::<BooleanArray>())
            }
            Self::Int => Arc::new(known.map(|value| value.and_then(Value::as_i64)).collect::<Int64Array>()),
            Self::Float => {
                Arc::new(known.map(|value| value.and_then(Value::as_f64)).collect::<Float64Array>())
            }
            Self::Instant => {
                let micros = known.map(|value| match value {
                    Some(Value::DateTime(instant)) => Some(instant.unix_micros()),
                    _ => None,
                });
                Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            Self::Place => places(&known.collect::<Vec<_>>()),
            Self::List(inner) => lists(inner, &known.collect::<Vec<_>>()),
        }
    }
}

fn place_fields() -> Fields {
    Fields::from(vec![
        Field::new("lat", DataType::Float64, false),
        Field::new("lon", DataType::Float64, false),
    ])
}

fn places(values: &[Option<&Value>]) -> ArrayRef {
    let place = |value: &Option<&Value>| match value {
        Some(Value::Geo(place)) => Some((place.lat(), place.lon())),
        _ => None,
    };
    let places: Vec<Option<(f64, f64)>> = values.iter().map(place).collect();
    let lat = Float64Array::from_iter_values(places.iter().map(|place| place.unwrap_or_default().0));
    let lon = Float64Array::from_iter_values(places.iter().map(|place| place.unwrap_or_default().1));
    let nulls: NullBuffer = places.iter().map(Option::is_some).collect::<Vec<_>>().into();
    Arc::new(StructArray::new(place_fields(), vec![Arc::new(lat), Arc::new(lon)], Some(nulls)))
}

fn lists(inner: &Shape, values: &[Option<&Value>]) -> ArrayRef {
    let elements = |value: &Option<&Value>| value.and_then(Value::as_array).unwrap_or_default().len();
    let offsets = OffsetBuffer::<i32>::from_lengths(values.iter().map(elements));
    let flat: Vec<Option<&Value>> = values
        .iter()
        .flat_map(|value| value.and_then(Value::as_array).unwrap_or_default())
        .map(Some)
        .collect();
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect::<Vec<_>>().into();
    let field = Arc::new(Field::new("item", inner.data_type(), true));
    Arc::new(ListArray::new(field, offsets, inner.column(&flat), Some(nulls)))
}

/// The columns of a table.
struct Columns {
    id_kind: IdKind,
    fields: BTreeMap<String, Shape>,
    /// Names and dimensions.
    vectors: Vec<(String, i32)>,
}

impl Columns {
    /// Looks at every record.
    fn of(source: &Source<'_>) -> Result<Self, Failure> {
        let mut fields: BTreeMap<String, Shape> = BTreeMap::new();
        let mut id_kind = IdKind::Str;
        for record in source.scan() {
            let record = record?;
            id_kind = record.id().kind();
            for (name, value) in record.fields().iter().filter(|(name, _)| source.takes(name)) {
                let shape = match fields.remove(name) {
                    Some(shape) => shape.join(Shape::of(value)),
                    None => Shape::of(value),
                };
                fields.insert(name.to_owned(), shape);
            }
        }
        let vectors = source.vectors().iter().map(|vector| (vector.name().to_owned(), vector.dim() as i32));
        Ok(Self { id_kind, fields, vectors: vectors.collect() })
    }

    fn schema(&self) -> Arc<ArrowSchema> {
        let id = if self.id_kind == IdKind::U64 { DataType::UInt64 } else { DataType::Utf8 };
        let mut columns = vec![Field::new("id", id, false)];
        columns.extend(self.fields.iter().map(|(name, shape)| Field::new(name, shape.data_type(), true)));
        columns.extend(
            self.vectors
                .iter()
                .map(|(name, dim)| Field::new(name, DataType::FixedSizeList(vector_item(), *dim), false)),
        );
        Arc::new(ArrowSchema::new(columns))
    }

    fn batch(&self, schema: &Arc<ArrowSchema>, records: &[Record]) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = vec![match self.id_kind {
            IdKind::U64 => {
                Arc::new(records.iter().map(|record| record.id().as_u64()).collect::<UInt64Array>())
            }
            IdKind::Str => {
                Arc::new(records.iter().map(|record| RecordId::as_str(record.id())).collect::<StringArray>())
            }
        }];
        for (name, shape) in &self.fields {
            let values: Vec<Option<&Value>> =
                records.iter().map(|record| record.fields().get(name)).collect();
            columns.push(shape.column(&values));
        }
        for (name, dim) in &self.vectors {
            let numbers =
                records.iter().filter_map(|record| record.get_vector(name)).flat_map(Vector::to_f32);
            let numbers = Arc::new(numbers.collect::<Float32Array>());
            columns.push(Arc::new(FixedSizeListArray::try_new(vector_item(), *dim, numbers, None)?));
        }
        RecordBatch::try_new(schema.clone(), columns)
    }
}

fn vector_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

/// Writes the table.
pub(super) fn write(source: &Source<'_>, format: Format, file: File) -> Result<(), Failure> {
    let columns = Columns::of(source)?;
    let schema = columns.schema();
    let mut sink = Sink::new(format, file, &schema).map_err(of_arrow)?;
    let mut records = Vec::new();
    for record in source.records() {
        records.push(record?);
        if records.len() == BATCH {
            sink.write(&columns.batch(&schema, &records).map_err(of_arrow)?).map_err(of_arrow)?;
            records.clear();
        }
    }
    if !records.is_empty() {
        sink.write(&columns.batch(&schema, &records).map_err(of_arrow)?).map_err(of_arrow)?;
    }
    sink.finish().map_err(of_arrow)
}

/// Where batches go.
enum Sink {
    Parquet(Box<ArrowWriter<File>>),
    Arrow(Box<FileWriter<std::io::BufWriter<File>>>),
}

impl Sink {
    fn new(format: Format, file: File, schema: &Arc<ArrowSchema>) -> Result<Self, ArrowError> {
        if format == Format::Arrow {
            return FileWriter::try_new_buffered(file, schema).map(|writer| Self::Arrow(Box::new(writer)));
        }
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Self::Parquet(Box::new(ArrowWriter::try_new(file, schema.clone(), Some(properties))?)))
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match self {
            Self::Parquet(writer) => Ok(writer.write(batch)?),
            Self::Arrow(writer) => writer.write(batch),
        }
    }

    fn finish(self) -> Result<(), ArrowError> {
        match self {
            Self::Parquet(writer) => writer.close().map(|_| ()).map_err(ArrowError::from),
            Self::Arrow(mut writer) => writer.finish(),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn of_arrow(error: ArrowError) -> Failure {
    Failure::Error(error.to_string())
}
