//! Which database and which collection is meant.

use super::args::Place;
use super::failure::Failure;
use crate::Collection;
use crate::Database;
use crate::Error;
use crate::Filter;
use crate::Fusion;
use crate::IdKind;
use crate::Options;
use crate::RecordId;
use std::path::Path;

/// The database at `path`, to be read.
pub(super) fn open_to_read(path: &Path) -> Result<Database, Failure> {
    check_exists(path)?;
    Options::new().read_only(true).open(path).map_err(|error| of_database(path, &error))
}

/// The database at `path`, which exists, to be written.
pub(super) fn open_to_write(path: &Path, options: Options) -> Result<Database, Failure> {
    check_exists(path)?;
    options.create(false).open(path).map_err(|error| of_database(path, &error))
}

fn check_exists(path: &Path) -> Result<(), Failure> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(Failure::of_file(path, "there is no such database; `lode import FILE DB` makes one"))
        }
        Err(error) => Err(Failure::of_file(path, error)),
    }
}

/// An error of a database, with its path where the error does not name it.
pub(super) fn of_database(path: &Path, error: &Error) -> Failure {
    let text = error.to_string();
    if text.contains(&*path.to_string_lossy()) { Failure::Error(text) } else { Failure::of_file(path, text) }
}

/// The collection that is named, or the only one.
pub(super) fn collection(db: &Database, name: Option<&str>) -> Result<Collection, Failure> {
    if let Some(name) = name {
        return Ok(db.existing(name)?);
    }
    let names = db.collections()?;
    match names.as_slice() {
        [only] => Ok(db.existing(only)?),
        [] => Err("the database has no collection".into()),
        several => Err(Failure::Error(format!("name one of the collections by -c: {}", several.join(", ")))),
    }
}

/// The database to be read, and the collection that is meant.
pub(super) fn to_read(place: &Place) -> Result<(Database, Collection), Failure> {
    let db = open_to_read(&place.db)?;
    let found = collection(&db, place.collection.as_deref())?;
    Ok((db, found))
}

/// The filter that was typed, if one was.
pub(super) fn filter(typed: Option<&str>) -> Result<Option<Filter>, Failure> {
    Ok(typed.map(str::parse).transpose()?)
}

/// The id that was typed, of the kind that the collection has.
pub(super) fn record_id(collection: &Collection, typed: &str) -> Result<RecordId, Failure> {
    match collection.id_kind()? {
        Some(IdKind::U64) => match typed.parse() {
            Ok(number) => Ok(RecordId::U64(number)),
            Err(_) => Err(Failure::Error(format!("'{typed}' is not a whole number, and ids are"))),
        },
        _ => Ok(RecordId::Str(typed.to_owned())),
    }
}

/// `rrf`, `weighted:VECTOR,TEXT` or `distribution:VECTOR,TEXT`.
pub(super) fn fusion(typed: &str) -> Result<Fusion, Failure> {
    let wrong = || {
        Failure::Error(format!("--fusion '{typed}': rrf, weighted:0.7,0.3 or distribution:0.7,0.3 is right"))
    };
    let (name, weights) = typed.split_once(':').unwrap_or((typed, "1,1"));
    let (vector, text) = weights.split_once(',').ok_or_else(wrong)?;
    let (vector, text) = (vector.parse().map_err(|_| wrong())?, text.parse().map_err(|_| wrong())?);
    match name {
        "rrf" if !typed.contains(':') => Ok(Fusion::default()),
        "weighted" => Ok(Fusion::weighted(vector, text)),
        "distribution" => {
            Ok(Fusion::Distribution(vec![("vector".to_owned(), vector), ("text".to_owned(), text)]))
        }
        _ => Err(wrong()),
    }
}
