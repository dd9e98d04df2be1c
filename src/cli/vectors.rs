//! Query vectors: one from a file or the standard input, or many from a file of them.

use super::console::Console;
use super::failure::Failure;
use super::mapping::Mapping;
use super::read_npy::MAGIC;
use super::read_npy::NpyRows;
use super::rows::Format;
use super::rows::Rows;
use super::rows::open_file;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a file with one vector at most: many times the longest.
const ONE_VECTOR_BYTES: u64 = 16 << 20;

/// The vector in a file, or on the standard input for `-`: a JSON array, or one row as numpy stores it.
pub(super) fn one(path: &Path, console: &mut Console<'_>) -> Result<Vec<f32>, Failure> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => console.input().take(ONE_VECTOR_BYTES).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(ONE_VECTOR_BYTES).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::of_file(path, error))?;
    if !bytes.starts_with(MAGIC) {
        return serde_json::from_slice(&bytes).map_err(|_| {
            Failure::of_file(path, "is neither a JSON array of numbers nor an npy file with one row")
        });
    }
    let mut rows = NpyRows::new(path.display().to_string(), bytes.as_slice())?;
    match all_of(&mut rows)?.as_mut_slice() {
        [only] => Ok(std::mem::take(only)),
        several => {
            Err(Failure::of_file(path, format!("has {} rows, and one vector is searched for", several.len())))
        }
    }
}

/// The vectors of a file.
pub(super) fn many(path: &Path) -> Result<Vec<Vec<f32>>, Failure> {
    let format = Format::of(None, path)?;
    if format.has_columns() {
        return Err(Failure::of_file(path, "vectors are in files that end with npy, fvecs, bvecs or ivecs"));
    }
    all_of(&mut *open_file(path, format, &ProgressBar::hidden())?)
}

fn all_of(rows: &mut dyn Rows) -> Result<Vec<Vec<f32>>, Failure> {
    let mapping = Mapping::vectors_only();
    let mut found = Vec::new();
    while let Some(row) = rows.next_row(&mapping)? {
        found.extend(row.vectors.into_iter().flatten());
    }
    Ok(found)
}
