//! Records as rows between commas or tabs.

use super::export::Source;
use super::failure::Failure;
use super::hits::plain_id;
use crate::Record;
use crate::Value;
use crate::Vector;
use crate::VectorSchema;
use std::collections::BTreeSet;
use std::io::Write;

/// Writes a header and a row for each record: id, fields in alphabetical order, vectors.
pub(super) fn write(source: &Source<'_>, delimiter: u8, out: &mut dyn Write) -> Result<(), Failure> {
    let mut fields = BTreeSet::new();
    for record in source.scan() {
        let record = record?;
        for (name, _) in record.fields().iter().filter(|(name, _)| source.takes(name)) {
            if !fields.contains(name) {
                fields.insert(name.to_owned());
            }
        }
    }
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    let vectors = source.vectors().iter().map(VectorSchema::name);
    let head = ["id"].into_iter().chain(fields.iter().map(String::as_str)).chain(vectors);
    writer.write_record(head).map_err(of_csv)?;
    for record in source.records() {
        let record = record?;
        let mut row = vec![plain_id(record.id())];
        row.extend(fields.iter().map(|name| record.fields().get(name).map(cell).unwrap_or_default()));
        row.extend(source.vectors().iter().map(|vector| vector_cell(&record, vector.name())));
        writer.write_record(&row).map_err(of_csv)?;
    }
    Ok(writer.flush()?)
}

/// Texts as they are; everything else as JSON, which for numbers is what they are.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Str(text) => text.clone(),
        Value::DateTime(instant) => instant.to_string(),
        other => other.to_string(),
    }
}

fn vector_cell(record: &Record, name: &str) -> String {
    let numbers = record.get_vector(name).map(Vector::to_f32).unwrap_or_default();
    let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

fn of_csv(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Failure::Error(format!("can't write the output: {other:?}")),
    }
}
