//! What is done with a file whose bytes may be anything: everything a user can do, on a small scale.
//!
//! Whatever the bytes are, each call ends in an error or an answer. What `verify` finds good has to behave: the writer
//! sees what the reader saw, and what is written is there when the file is opened again.

use super::image::Image;
use super::samples;
use lodedb::Collection;
use lodedb::Database;
use lodedb::Error;
use lodedb::Maintenance;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records that are looked at in one collection.
const MOST_RECORDS: usize = 300;
/// Collections that are looked at.
const MOST_COLLECTIONS: usize = 4;

/// Records by collection.
type Contents = BTreeMap<String, Vec<Record>>;

/// Opens a file of these bytes, for reading or for writing.
///
/// # Errors
/// Where the library refuses them.
pub fn open(image: &Arc<Image>, read_only: bool) -> Result<Database> {
    let options = Options::new().read_only(read_only).maintenance(Maintenance::Manual);
    options.open_backend(image.clone(), "image")
}

/// Reads and writes a file of these bytes.
///
/// # Panics
/// Where a file that `verify` finds good does not behave.
pub fn exercise(bytes: &Arc<[u8]>) {
    let good = open(&Arc::new(Image::new(bytes.clone())), true).and_then(|db| look_at(&db));
    let image = Arc::new(Image::new(bytes.clone()));
    let db = match (open(&image, false), &good) {
        (Ok(db), _) => db,
        (Err(error), Ok(_)) => panic!("verified for reading, but not opened for writing: {error}"),
        (Err(_), Err(_)) => return,
    };
    if let Ok(good) = &good {
        assert_eq!(&contents(&db).expect("verified"), good, "a writer sees what a reader saw");
    }
    let written = write_to(&db);
    let closed = db.close();
    let Ok(mut expected) = good else { return };
    match written.and_then(|added| closed.map(|()| added)) {
        Ok(added) => added.into_iter().for_each(|(name, record)| put(&mut expected, &name, record)),
        Err(Error::Io { .. } | Error::TooLarge { .. }) => return,
        Err(error) => panic!("verified, but not writable: {error}"),
    }
    let db = open(&Arc::new(Image::new(image.bytes())), true).expect("it was closed");
    db.verify().expect("it was good and was closed");
    assert_eq!(contents(&db).expect("verified"), expected, "what was written is there");
}

/// Replaces the record of the same id, or puts it in its place.
fn put(contents: &mut Contents, collection: &str, record: Record) {
    let records = contents.entry(collection.to_owned()).or_default();
    match records.binary_search_by(|other| other.id().cmp(record.id())) {
        Ok(at) => records[at] = record,
        Err(at) => records.insert(at, record),
    }
}

/// Every kind of reading call; the contents, where everything is good.
fn look_at(db: &Database) -> Result<Contents> {
    let (found, verified) = (contents(db), db.verify());
    let stats = db.stats()?;
    for name in db.collections()?.iter().take(MOST_COLLECTIONS) {
        let collection = db.existing(name)?;
        let searched = search(&collection, verified.is_ok());
        if verified.is_ok() {
            searched.expect("verified");
        }
    }
    verified?;
    assert_eq!(stats.collections.len(), db.collections()?.len());
    found
}

/// Every record of the first collections, found by scanning and found again by its id.
///
/// # Errors
/// Where the library finds damage.
fn contents(db: &Database) -> Result<Contents> {
    let mut found = Contents::new();
    for name in db.collections()?.into_iter().take(MOST_COLLECTIONS) {
        let snapshot = db.existing(&name)?.snapshot()?;
        let records = snapshot.scan().limit(MOST_RECORDS).collect::<Result<Vec<_>>>()?;
        for record in &records {
            drop(snapshot.get(record.id())?);
        }
        found.insert(name, records);
    }
    Ok(found)
}

/// A vector that every element type can hold.
fn ones(dim: usize, step: usize) -> Vec<f32> {
    (0..dim).map(|at| f32::from(at % step == 0)).collect()
}

/// Searches each vector; `verified` tells that the answers have to be whole.
fn search(collection: &Collection, verified: bool) -> Result<()> {
    let snapshot = collection.snapshot()?;
    for vector in collection.schema()?.vectors() {
        for exact in [true, false] {
            let query = ones(vector.dim(), 3);
            let hits = snapshot.search().named_vector(vector.name(), query).k(5).exact(exact).run()?;
            let sorted = hits.is_sorted_by(|one, next| one.score() >= next.score());
            assert!(
                !verified || (sorted && hits.len() == snapshot.len().min(5)),
                "a short or unsorted answer"
            );
            for hit in &hits {
                drop(hit.record()?);
                drop(hit.fields()?);
            }
        }
    }
    for name in collection.schema()?.sparse_vectors() {
        let hits = snapshot.search().sparse(name, samples::terms(0)).k(5).run()?;
        assert!(
            !verified || hits.is_sorted_by(|one, next| one.score() >= next.score()),
            "an unsorted answer"
        );
        hits.iter().try_for_each(|hit| hit.record().map(drop))?;
    }
    Ok(())
}

/// Every kind of writing call; the records that were added last, with their collections.
fn write_to(db: &Database) -> Result<Vec<(String, Record)>> {
    let mut added = Vec::new();
    for name in db.collections()?.into_iter().take(MOST_COLLECTIONS) {
        let collection = db.existing(&name)?;
        let mut record = Record::new(7).field("added", true);
        for vector in collection.schema()?.vectors() {
            record = record.named_vector(vector.name(), ones(vector.dim(), 2));
        }
        for name in collection.schema()?.sparse_vectors() {
            record = record.sparse(name, samples::terms(7));
        }
        if let Err(Error::Schema { .. }) = collection.upsert([record.clone()]) {
            record = with_text_id(&record);
            collection.upsert([record.clone()])?;
        }
        let stored = collection.get(record.id())?.expect("it was found");
        added.push((name, stored));
    }
    db.checkpoint()?;
    let small = db.stats()?.collections.iter().all(|stats| stats.records < samples::MOST_RECORDS as usize);
    if small {
        db.optimize(|_| std::ops::ControlFlow::Continue(()))?;
        db.compact()?;
    }
    Ok(added)
}

/// The same record under a name.
fn with_text_id(record: &Record) -> Record {
    let named = Record::new("seven").with_fields(record.fields().clone());
    let named = record.vectors().fold(named, |named, (name, vector)| named.named_vector(name, vector));
    record.sparse_vectors().fold(named, |named, (name, vector)| named.sparse(name, vector))
}
