//! `lode export`: the records of a collection become a file.

use super::args_records::Export;
use super::console::Console;
use super::console::Unit;
use super::console::count;
use super::failure::Failure;
use super::failure::Outcome;
use super::hits::id_json;
use super::place;
use super::read_npy::header_bytes;
use super::rows::Format;
use super::sparse;
#[cfg(feature = "cli-parquet")]
use super::write_arrow;
use super::write_csv;
use crate::Filter;
use crate::Record;
use crate::Scan;
use crate::Schema;
use crate::Snapshot;
use crate::Vector;
use crate::VectorSchema;
use indicatif::ProgressBar;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde::ser::Serializer;
use serde_json::json;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Runs the command.
pub(super) fn export(asked: &Export, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let to_output = asked.file == Path::new("-");
    let format = match (asked.format, to_output) {
        (None, true) => Format::Jsonl,
        (format, _) => Format::of(format, &asked.file)?,
    };
    let db = place::open_to_read(&asked.db)?;
    let collection = place::collection(&db, asked.collection.as_deref())?;
    let snapshot = collection.snapshot()?;
    let filter = place::filter(asked.filter.as_deref())?;
    let total = match &filter {
        Some(filter) => snapshot.count(filter.clone())?,
        None => snapshot.len(),
    };
    let bar = console.progress("Writing", total as u64, Unit::Records);
    let export = Source { asked, snapshot, schema: collection.schema()?, filter, total, bar };
    export.check_fields()?;
    if to_output {
        export.check_sparse(format)?;
        export.write(format, console.out())?;
        return Ok(Outcome::Done);
    }
    export.write_file(format)?;
    export.bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let (name, file) = (collection.name(), asked.file.display());
    if console.json {
        console.json_line(
            &json!({ "collection": name, "exported": total, "file": asked.file, "seconds": seconds }),
        )?;
    } else {
        console
            .line(&format!("Exported {} of '{name}' to {file} in {seconds:.2} s", count(total, "record")))?;
    }
    Ok(Outcome::Done)
}

/// What is exported.
pub(super) struct Source<'a> {
    asked: &'a Export,
    snapshot: Snapshot,
    pub(super) schema: Schema,
    filter: Option<Filter>,
    total: usize,
    bar: ProgressBar,
}

impl Source<'_> {
    /// The records, in the order of their ids.
    pub(super) fn scan(&self) -> Scan {
        match &self.filter {
            Some(filter) => self.snapshot.scan().filter(filter.clone()),
            None => self.snapshot.scan(),
        }
    }

    /// The records as they are written, counted on the progress bar.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record, Failure>> + '_ {
        self.scan().map(|record| {
            self.bar.inc(1);
            Ok(record?)
        })
    }

    /// True where a field is written.
    pub(super) fn takes(&self, field: &str) -> bool {
        self.asked.only.is_empty() || self.asked.only.iter().any(|name| name == field)
    }

    /// The vectors that are written.
    pub(super) fn vectors(&self) -> &[VectorSchema] {
        if self.asked.no_vectors { &[] } else { self.schema.vectors() }
    }

    /// An error where a field is asked for that no record has.
    fn check_fields(&self) -> Result<(), Failure> {
        if self.asked.only.is_empty() {
            return Ok(());
        }
        let mut missing: Vec<&String> = self.asked.only.iter().collect();
        for record in self.scan() {
            let record = record?;
            missing.retain(|name| record.fields().get(name).is_none());
            if missing.is_empty() {
                return Ok(());
            }
        }
        Err(Failure::Error(format!("--only {}: no record has such a field", missing[0])))
    }

    fn write(&self, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
        match format {
            Format::Jsonl => self.write_jsonl(out),
            Format::Csv => write_csv::write(self, b',', out),
            Format::Tsv => write_csv::write(self, b'\t', out),
            Format::Npy => self.write_npy(out),
            Format::Parquet | Format::Arrow => {
                Err("tables can't be written to the standard output: give a file".into())
            }
            Format::Fvecs | Format::Bvecs | Format::Ivecs => {
                Err("this format is only read: jsonl, csv, tsv, parquet, arrow and npy are written".into())
            }
        }
    }

    /// Writes the file, which is removed where that fails.
    fn write_file(&self, format: Format) -> Result<(), Failure> {
        let path = &self.asked.file;
        let mut options = OpenOptions::new();
        options.write(true);
        if self.asked.force {
            options.create(true).truncate(true);
        } else {
            options.create_new(true);
        }
        let file = options.open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::of_file(path, "exists; --force writes over it"),
            _ => Failure::of_file(path, error),
        })?;
        let written = self.write_into(format, file);
        if written.is_err() {
            // What is left of it would be taken for an export; the error that led here is told.
            let _ = std::fs::remove_file(path);
        }
        written
    }

    fn write_into(&self, format: Format, file: File) -> Result<(), Failure> {
        self.check_sparse(format)?;
        if matches!(format, Format::Parquet | Format::Arrow) {
            return self.write_table(format, file);
        }
        let mut out = BufWriter::with_capacity(1 << 18, file);
        self.write(format, &mut out)?;
        out.flush().map_err(|error| Failure::of_file(&self.asked.file, error))
    }

    /// An error where sparse vectors would be lost.
    fn check_sparse(&self, format: Format) -> Result<(), Failure> {
        match self.schema.sparse_vectors() {
            [name, ..] if !self.asked.no_vectors && !matches!(format, Format::Jsonl | Format::Npy) => {
                let problem = "which only jsonl can hold; --no-vectors leaves all vectors out";
                Err(Failure::Error(format!("the records have a sparse vector '{name}', {problem}")))
            }
            _ => Ok(()),
        }
    }

    #[cfg(feature = "cli-parquet")]
    fn write_table(&self, format: Format, file: File) -> Result<(), Failure> {
        write_arrow::write(self, format, file).map_err(|failure| match failure {
            Failure::Error(problem) => Failure::of_file(&self.asked.file, problem),
            other => other,
        })
    }

    #[cfg(not(feature = "cli-parquet"))]
    fn write_table(&self, _: Format, _: File) -> Result<(), Failure> {
        Err(Failure::of_file(&self.asked.file, super::rows::NO_TABLES))
    }

    fn write_jsonl(&self, out: &mut dyn Write) -> Result<(), Failure> {
        for record in self.records() {
            let line = Line { record: &record?, source: self };
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// The vectors alone.
    fn write_npy(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let vectors = self.schema.vectors();
        let names = || vectors.iter().map(VectorSchema::name).collect::<Vec<_>>().join(", ");
        let vector = match (&self.asked.vector_name, vectors) {
            (Some(name), _) => vectors.iter().find(|vector| vector.name() == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let vector =
            vector.ok_or_else(|| format!("name one of the vectors by --vector-name: {}", names()))?;
        out.write_all(&header_bytes(self.total, vector.dim()))?;
        for record in self.records() {
            let record = record?;
            let numbers = record.get_vector(vector.name()).map(Vector::to_f32).unwrap_or_default();
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        Ok(())
    }
}

/// A record as a line of JSON: its id, its fields, its vectors.
struct Line<'a> {
    record: &'a Record,
    source: &'a Source<'a>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &id_json(self.record.id()))?;
        for (name, value) in self.record.fields().iter().filter(|(name, _)| self.source.takes(name)) {
            map.serialize_entry(name, value)?;
        }
        for vector in self.source.vectors() {
            match self.record.get_vector(vector.name()) {
                Some(Vector::F32(numbers)) => map.serialize_entry(vector.name(), numbers)?,
                Some(Vector::I8(numbers)) => map.serialize_entry(vector.name(), numbers)?,
                Some(other) => {
                    let bits: Vec<u8> = other.to_f32().iter().map(|bit| *bit as u8).collect();
                    map.serialize_entry(vector.name(), &bits)?;
                }
                None => {}
            }
        }
        if !self.source.asked.no_vectors {
            for (name, vector) in self.record.sparse_vectors() {
                map.serialize_entry(name, &sparse::as_map(vector))?;
            }
        }
        map.end()
    }
}
