//! [`Target`]: the collection that an import writes to, and its schema.

use super::args_records::Import;
use super::failure::Failure;
use super::mapping::Mapping;
use super::place;
use crate::Collection;
use crate::Database;
use crate::Maintenance;
use crate::Options;
use crate::Record;
use crate::Schema;
use crate::TextField;
use crate::Vector;
use crate::VectorSchema;
use std::path::Path;

/// Where records go: a collection that exists, or one that is made for the first batch.
pub(super) struct Target {
    pub(super) db: Option<Database>,
    name: String,
    pub(super) collection: Option<Collection>,
    /// True where the file was made by this import.
    created: bool,
}

impl Target {
    pub(super) fn open(asked: &Import) -> Result<Self, Failure> {
        let exists = asked.db.try_exists().map_err(|error| Failure::of_file(&asked.db, error))?;
        if !exists {
            return Ok(Self { db: None, name: name_for(asked)?, collection: None, created: false });
        }
        let db = place::open_to_write(&asked.db, options())?;
        let names = db.collections()?;
        let name = match (&asked.collection, names.as_slice()) {
            (Some(name), _) => name.clone(),
            (None, []) => name_for(asked)?,
            (None, [only]) => only.clone(),
            (None, several) => {
                let several = several.join(", ");
                return Err(Failure::Error(format!(
                    "name one of the collections, or a new one, by -c: {several}"
                )));
            }
        };
        let collection = names.contains(&name).then(|| db.existing(&name)).transpose()?;
        Ok(Self { db: Some(db), name, collection, created: false })
    }

    /// Makes what is missing: the database, and a collection with this schema, which has to be that of one that exists.
    pub(super) fn prepare(&mut self, schema: Schema, path: &Path) -> Result<(), Failure> {
        let db = match self.db.take() {
            Some(db) => db,
            None => {
                self.created = true;
                options().open(path).map_err(|error| place::of_database(path, &error))?
            }
        };
        self.collection = Some(self.db.insert(db).collection(&self.name, schema)?);
        Ok(())
    }

    /// Writes a batch.
    pub(super) fn write(&self, batch: Vec<Record>) -> Result<(), Failure> {
        let Some(collection) = &self.collection else {
            return Err("there is no collection to write to".into());
        };
        collection.upsert(batch)?;
        Ok(())
    }

    /// Takes back the file that was made for an import of which nothing was written.
    pub(super) fn undo(&mut self, path: &Path) {
        self.collection = None;
        self.db = None;
        if self.created {
            // It stays, empty, where it can't be removed; the error that led here is told.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The graph is built once, at the end.
fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual)
}

/// The name of a collection in a new database.
fn name_for(asked: &Import) -> Result<String, Failure> {
    if let Some(name) = &asked.collection {
        return Ok(name.clone());
    }
    let stem = asked.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match stem.as_str() {
        "" | "-" => Err("name the new collection by -c NAME".into()),
        _ => Ok(stem.replace('.', "-")),
    }
}

/// True where options describe the collection.
pub(super) fn declares(asked: &Import) -> bool {
    asked.metric.is_some()
        || asked.dtype.is_some()
        || asked.quantization.is_some()
        || !asked.text.is_empty()
        || !asked.sparse.is_empty()
        || !asked.unindexed.is_empty()
}

/// The schema that the options and the first record describe; what they don't say is as in a collection that exists.
pub(super) fn schema_of(
    asked: &Import,
    mapping: &Mapping,
    existing: Option<&Schema>,
    first: &Record,
) -> Result<Schema, Failure> {
    let vectors = mapping.vectors().iter().enumerate().map(|(place, source)| {
        let mut vector = match existing.and_then(|schema| schema.vectors().get(place)) {
            Some(vector) => vector.clone(),
            None => VectorSchema::new(&source.name, first.get_vector(&source.name).map_or(0, Vector::dim)),
        };
        if let Some(metric) = asked.metric {
            vector = vector.metric(metric);
        }
        if let Some(dtype) = asked.dtype {
            vector = vector.dtype(dtype);
        }
        match asked.quantization {
            Some(form) => vector.quantization(form),
            None => vector,
        }
    });
    let mut schema = Schema::named(vectors).unindexed(asked.unindexed.iter());
    for name in &asked.sparse {
        schema = schema.sparse(name);
    }
    for typed in &asked.text {
        schema = schema.text(match typed.split_once(':') {
            Some((field, analyzer)) => TextField::new(field).analyzer(analyzer)?,
            None => TextField::new(typed),
        });
    }
    Ok(schema)
}
