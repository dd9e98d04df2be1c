//! [`Rows`]: the rows of a file, whatever its format.

use super::console::Console;
use super::failure::Failure;
use super::mapping::Mapping;
use super::mapping::Row;
#[cfg(feature = "cli-parquet")]
use super::read_arrow;
use super::read_csv::CsvRows;
use super::read_jsonl::JsonRows;
use super::read_npy::NpyRows;
use super::read_vecs::Element;
use super::read_vecs::VecsRows;
use clap::ValueEnum;
use indicatif::ProgressBar;
use std::fmt::Display;
use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object a line
    Jsonl,
    /// A header and rows, between commas
    Csv,
    /// A header and rows, between tabs
    Tsv,
    /// A Parquet file
    Parquet,
    /// An Arrow file or stream
    Arrow,
    /// A matrix of numpy
    Npy,
    /// Vectors of f32, each behind its number of dimensions
    Fvecs,
    /// The same of bytes
    Bvecs,
    /// The same of i32
    Ivecs,
}

impl Format {
    /// The format that was asked for, or that a file's name ends with.
    pub(super) fn of(asked: Option<Self>, path: &Path) -> Result<Self, Failure> {
        if let Some(format) = asked {
            return Ok(format);
        }
        let end = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        Ok(match end.as_str() {
            "jsonl" | "ndjson" | "json" => Self::Jsonl,
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "parquet" => Self::Parquet,
            "arrow" | "feather" | "ipc" | "arrows" => Self::Arrow,
            "npy" => Self::Npy,
            "fvecs" => Self::Fvecs,
            "bvecs" => Self::Bvecs,
            "ivecs" => Self::Ivecs,
            _ => {
                let names = "jsonl, csv, tsv, parquet, arrow, npy, fvecs, bvecs, ivecs";
                let problem = format!("the name does not tell the format: give --format, one of {names}");
                return Err(Failure::of_file(path, problem));
            }
        })
    }

    /// False for files of vectors alone.
    pub(super) fn has_columns(self) -> bool {
        !matches!(self, Self::Npy | Self::Fvecs | Self::Bvecs | Self::Ivecs)
    }
}

/// Rows, one after the other.
pub(super) trait Rows {
    /// The next row, read as `mapping` says; `None` at the end. Errors name the file and the place.
    fn next_row(&mut self, mapping: &Mapping) -> Result<Option<Row>, Failure>;

    /// What a place counts.
    fn unit(&self) -> &'static str {
        "row"
    }
}

/// The rows of a file, or of the standard input for `-`. What is read shows on the progress bar.
pub(super) fn open<'c>(
    path: &Path,
    format: Format,
    bar: &ProgressBar,
    console: &'c mut Console<'_>,
) -> Result<Box<dyn Rows + 'c>, Failure> {
    if path == Path::new("-") {
        return of_reader(path, format, Box::new(console.input()));
    }
    open_file(path, format, bar)
}

/// The rows of a file.
pub(super) fn open_file(path: &Path, format: Format, bar: &ProgressBar) -> Result<Box<dyn Rows>, Failure> {
    let file = File::open(path).map_err(|error| Failure::of_file(path, error))?;
    let length = file.metadata().map_err(|error| Failure::of_file(path, error))?;
    if length.is_dir() {
        return Err(Failure::of_file(path, "is a folder, not a file"));
    }
    bar.set_length(length.len());
    match format {
        Format::Parquet | Format::Arrow => open_table(path, format, file, bar),
        other => of_reader(path, other, Box::new(bar.wrap_read(file))),
    }
}

#[cfg(feature = "cli-parquet")]
fn open_table(path: &Path, format: Format, file: File, bar: &ProgressBar) -> Result<Box<dyn Rows>, Failure> {
    read_arrow::open(path, format, file, bar)
}

#[cfg(not(feature = "cli-parquet"))]
fn open_table(path: &Path, _: Format, _: File, _: &ProgressBar) -> Result<Box<dyn Rows>, Failure> {
    Err(Failure::of_file(path, NO_TABLES))
}

/// What to do where the command was built without tables.
#[cfg(not(feature = "cli-parquet"))]
pub(super) const NO_TABLES: &str = "this command was built without Parquet and Arrow: in Python, read the file with pyarrow \
     or polars and give the table to `upsert`, or build it by `cargo install --path . --features cli-parquet`";

fn of_reader<'r>(
    path: &Path,
    format: Format,
    reader: Box<dyn Read + 'r>,
) -> Result<Box<dyn Rows + 'r>, Failure> {
    let name = path.display().to_string();
    let reader = BufReader::with_capacity(1 << 18, reader);
    Ok(match format {
        Format::Jsonl => Box::new(JsonRows::new(name, reader)),
        Format::Csv => Box::new(CsvRows::new(name, reader, b',')),
        Format::Tsv => Box::new(CsvRows::new(name, reader, b'\t')),
        Format::Npy => Box::new(NpyRows::new(name, reader)?),
        Format::Fvecs => Box::new(VecsRows::new(name, reader, Element::F32)),
        Format::Bvecs => Box::new(VecsRows::new(name, reader, Element::U8)),
        Format::Ivecs => Box::new(VecsRows::new(name, reader, Element::I32)),
        Format::Parquet | Format::Arrow => {
            return Err("tables can't be read from the standard input: give a file".into());
        }
    })
}

/// A problem at a place of a file.
pub(super) fn at(file: &str, place: impl Display, problem: impl Display) -> Failure {
    let file = if file == "-" { "standard input" } else { file };
    Failure::Error(format!("{file}: {place}: {problem}"))
}
