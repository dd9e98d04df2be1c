//! `lode verify`, `lode compact`, `lode backup`: looking after a file.

use super::args::Backup;
use super::console::Console;
use super::console::count;
use super::console::size;
use super::failure::Failure;
use super::failure::Outcome;
use super::place;
use crate::Error;
use crate::Maintenance;
use crate::Options;
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// Runs `verify`.
pub(super) fn verify(path: &Path, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let found = check(path);
    let seconds = started.elapsed().as_secs_f64();
    match found? {
        Ok((records, bytes)) if console.json => {
            console.json_line(
                &json!({ "sound": true, "records": records, "bytes": bytes, "seconds": seconds }),
            )?;
        }
        Ok((records, bytes)) => {
            let (path, size) = (path.display(), size(bytes));
            console.line(&format!(
                "{path} is sound: {} and {size} read in {seconds:.2} s",
                count(records, "record")
            ))?;
        }
        Err(damage) if console.json => {
            console.json_line(&json!({ "sound": false, "damage": damage, "seconds": seconds }))?;
            return Ok(Outcome::Nothing);
        }
        Err(damage) => return Err(Failure::Damage(format!("{}: {damage}", path.display()))),
    }
    Ok(Outcome::Done)
}

/// The number of records and of bytes where nothing is wrong, or else the damage.
fn check(path: &Path) -> Result<Result<(usize, u64), String>, Failure> {
    if !path.exists() {
        return Err(Failure::of_file(path, "there is no such database"));
    }
    let verified = Options::new().read_only(true).open(path).and_then(|db| {
        db.verify()?;
        let stats = db.stats()?;
        Ok((stats.collections.iter().map(|collection| collection.records).sum(), stats.file_bytes))
    });
    match verified {
        Ok(counts) => Ok(Ok(counts)),
        Err(error @ Error::Corrupt(_)) => Ok(Err(error.to_string())),
        Err(error) => Err(place::of_database(path, &error)),
    }
}

/// Runs `compact`.
pub(super) fn compact(path: &Path, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let db = place::open_to_write(path, Options::new().maintenance(Maintenance::Manual))?;
    let before = db.stats()?.file_bytes;
    db.compact()?;
    db.close()?;
    let after = std::fs::metadata(path).map_err(|error| Failure::of_file(path, error))?.len();
    let seconds = started.elapsed().as_secs_f64();
    if console.json {
        console.json_line(&json!({ "bytes_before": before, "bytes": after, "seconds": seconds }))?;
    } else {
        let (path, before, after) = (path.display(), size(before), size(after));
        console.line(&format!("{path} has {after} now, and had {before}, after {seconds:.2} s"))?;
    }
    Ok(Outcome::Done)
}

/// Runs `backup`.
pub(super) fn backup(asked: &Backup, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let db = place::open_to_read(&asked.db)?;
    db.backup(&asked.copy).map_err(|error| place::of_database(&asked.copy, &error))?;
    let bytes = std::fs::metadata(&asked.copy).map_err(|error| Failure::of_file(&asked.copy, error))?.len();
    let seconds = started.elapsed().as_secs_f64();
    if console.json {
        console.json_line(&json!({ "copy": asked.copy, "bytes": bytes, "seconds": seconds }))?;
    } else {
        let (db, copy) = (asked.db.display(), asked.copy.display());
        console.line(&format!("Copied {db} to {copy}: {} in {seconds:.2} s", size(bytes)))?;
    }
    Ok(Outcome::Done)
}
