//! `lode import`: rows of a file become records, batch by batch.

use super::args_records::Import;
use super::beside::Beside;
use super::console::Console;
use super::console::Unit;
use super::console::count;
use super::failure::Failure;
use super::failure::Outcome;
use super::mapping::Mapping;
use super::mapping::Row;
use super::rows;
use super::rows::Format;
use super::rows::Rows;
use super::rows::at;
use super::sparse;
use super::target::Target;
use super::target::declares;
use super::target::schema_of;
use crate::Collection;
use crate::Record;
use crate::Schema;
use crate::Value;
use crate::Vector;
use crate::VectorSchema;
use serde_json::json;
use std::ops::ControlFlow;
use std::time::Instant;

/// A batch is full at so many bytes, more or less.
const BATCH_BYTES: usize = 16 << 20;

/// Runs the command.
pub(super) fn import(asked: &Import, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let format = Format::of(asked.format, &asked.file)?;
    let mut target = Target::open(asked)?;
    let existing = target.collection.as_ref().map(Collection::schema).transpose()?;
    let mut mapping = Mapping::of(asked, format.has_columns(), existing.as_ref())?;
    mapping.set_id_kind(target.collection.as_ref().map(Collection::id_kind).transpose()?.flatten());
    let bar = console.progress("Reading", 0, if tabular(format) { Unit::Records } else { Unit::Bytes });
    let beside = Beside::open(asked, format, &mapping)?;
    let rows = rows::open(&asked.file, format, &bar, console)?;
    let mut work =
        Work { asked, mapping, existing, rows, beside, batch: Vec::new(), batch_bytes: 0, done: 0 };
    let ended = work.run(&mut target);
    let done = work.done;
    if done == 0 && ended.is_err() {
        target.undo(&asked.db);
    }
    ended?;
    drop(work);
    bar.finish_and_clear();
    let Some(collection) = target.collection.take() else {
        return Err(Failure::of_file(&asked.file, "holds no records"));
    };
    if !asked.no_optimize {
        optimize(&collection, console)?;
    }
    let records = collection.len()?;
    if let Some(db) = target.db.take() {
        db.close()?;
    }
    report(asked, &collection, (done, records), started.elapsed().as_secs_f64(), console)
}

/// True for files whose rows are counted, because their bytes are not read in order.
fn tabular(format: Format) -> bool {
    matches!(format, Format::Parquet | Format::Arrow)
}

fn optimize(collection: &Collection, console: &Console<'_>) -> Result<(), Failure> {
    let bar = console.progress("Building", 0, Unit::Records);
    collection.optimize(|progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

fn report(
    asked: &Import,
    collection: &Collection,
    (done, records): (usize, usize),
    seconds: f64,
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    let name = collection.name();
    if console.json {
        console.json_line(&json!({
            "collection": name, "imported": done, "records": records, "seconds": seconds,
        }))?;
    } else {
        let db = asked.db.display();
        let imported = count(done, "record");
        console.line(&format!(
            "Imported {imported} into '{name}' of {db}, which has {records} now, in {seconds:.2} s"
        ))?;
    }
    Ok(Outcome::Done)
}

/// An import at work.
struct Work<'a> {
    asked: &'a Import,
    mapping: Mapping,
    existing: Option<Schema>,
    rows: Box<dyn Rows + 'a>,
    beside: Beside,
    batch: Vec<Record>,
    batch_bytes: usize,
    /// Records written.
    done: usize,
}

impl Work<'_> {
    fn run(&mut self, target: &mut Target) -> Result<(), Failure> {
        let mut place = 0;
        let read = self.read_all(target, &mut place);
        let ended = read.and_then(|()| std::mem::replace(&mut self.beside, Beside::Nothing).finish());
        ended.map_err(|failure| match failure {
            Failure::Error(problem) if self.done > 0 => {
                let done = count(self.done, "record");
                Failure::Error(format!("{problem}; the {done} of the batches before it stay imported"))
            }
            other => other,
        })
    }

    fn read_all(&mut self, target: &mut Target, place: &mut u64) -> Result<(), Failure> {
        while let Some(row) = self.rows.next_row(&self.mapping)? {
            *place = row.place;
            let record = self.record(row)?;
            self.batch_bytes += weight(&record);
            self.batch.push(record);
            if self.batch.len() >= self.asked.batch as usize || self.batch_bytes >= BATCH_BYTES {
                self.flush(target, *place)?;
            }
        }
        if !self.batch.is_empty() {
            self.flush(target, *place)?;
        }
        Ok(())
    }

    /// Writes the batch, which ends with the row at `place`.
    fn flush(&mut self, target: &mut Target, place: u64) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        let len = batch.len();
        if target.collection.is_none() || (self.done == 0 && declares(self.asked)) {
            let schema = schema_of(self.asked, &self.mapping, self.existing.as_ref(), &batch[0])?;
            target.prepare(schema, &self.asked.db).map_err(|failure| self.in_file(failure))?;
        }
        target.write(batch).map_err(|failure| match failure {
            Failure::Error(problem) => {
                let place = format!("the {len} records up to {} {place}", self.rows.unit());
                at(&self.asked.file.to_string_lossy(), place, problem)
            }
            other => other,
        })?;
        (self.done, self.batch_bytes) = (self.done + len, 0);
        Ok(())
    }

    /// The failure with the name of the file.
    fn in_file(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Error(problem) => Failure::of_file(&self.asked.file, problem),
            other => other,
        }
    }

    /// The record that a row stands for, checked as far as a row can be checked alone.
    fn record(&mut self, row: Row) -> Result<Record, Failure> {
        let place = row.place;
        let beside = self.beside.next_vector()?;
        self.assemble(row, beside).map_err(|problem| {
            at(&self.asked.file.to_string_lossy(), format!("{} {place}", self.rows.unit()), problem)
        })
    }

    fn assemble(&self, row: Row, mut beside: Option<Vec<f32>>) -> Result<Record, String> {
        let id = row
            .id
            .ok_or("it has no id: name the column of ids by --id, or number the records by --number")?;
        let mut fields = row.fields;
        let sparse = sparse::names(self.asked, self.existing.as_ref()).into_iter();
        let sparse = sparse.map(|name| Ok((sparse::take(&mut fields, &name)?, name)));
        let sparse = sparse.collect::<Result<Vec<_>, String>>()?;
        let mut record = Record::new(id).with_fields(fields);
        for (vector, name) in sparse {
            record = record.sparse(name, vector);
        }
        for (place, (source, vector)) in self.mapping.vectors().iter().zip(row.vectors).enumerate() {
            let vector = if source.column.is_none() { beside.take() } else { vector };
            let name = &source.name;
            let missing = || {
                format!("it has no vector '{name}': name its column by --vector, or have it made by --embed")
            };
            let vector = vector.ok_or_else(missing)?;
            let expected = match (&self.existing, self.batch.first()) {
                (Some(schema), _) => schema.vectors().get(place).map(VectorSchema::dim),
                (None, Some(first)) => first.get_vector(name).map(Vector::dim),
                (None, None) => None,
            };
            check_vector(name, &vector, expected)?;
            record = record.named_vector(name, vector);
        }
        Ok(record)
    }
}

fn check_vector(name: &str, vector: &[f32], expected: Option<usize>) -> Result<(), String> {
    let found = vector.len();
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(format!("vector '{name}' has {found} dimensions where {expected} are right"));
    }
    if found == 0 {
        return Err(format!("vector '{name}' has no numbers"));
    }
    match vector.iter().position(|number| !number.is_finite()) {
        Some(at) => {
            Err(format!("vector '{name}': the number at {at} is {}, which is not finite", vector[at]))
        }
        None => Ok(()),
    }
}

/// Bytes of a record, more or less.
fn weight(record: &Record) -> usize {
    let vectors: usize = record.vectors().map(|(_, vector)| vector.dim() * 4).sum();
    let fields: usize = record.fields().iter().map(|(name, value)| name.len() + value_bytes(value)).sum();
    let sparse: usize = record.sparse_vectors().map(|(_, vector)| vector.len() * 8).sum();
    vectors + sparse + fields
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Str(text) => text.len() + 16,
        Value::Array(values) => values.iter().map(value_bytes).sum(),
        Value::Map(map) => map.iter().map(|(name, value)| name.len() + value_bytes(value)).sum(),
        _ => 16,
    }
}
