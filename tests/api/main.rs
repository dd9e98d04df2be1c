//! What a user relies on, one behaviour a test: what is refused and how it is said, handles, transactions, copies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

mod maintenance;
mod opening;
#[path = "../random/mod.rs"]
mod random;
mod reads;
mod recall;
mod refusals;
mod schemas;
mod searches;
mod transactions;
mod writes;

use lodedb::Collection;
use lodedb::Database;
use lodedb::DateTime;
use lodedb::Dtype;
use lodedb::Durability;
use lodedb::Error;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::Hit;
use lodedb::IdKind;
use lodedb::Limits;
use lodedb::Maintenance;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Progress;
use lodedb::Quantization;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Value;
use lodedb::Vector;
use lodedb::VectorSchema;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// Records of the tests that want many; with 1,000 or more of them graphs are built.
const MANY: u64 = 1500;

fn memory() -> Database {
    Database::open(":memory:").unwrap()
}

fn plane() -> Schema {
    Schema::new(2).metric(Metric::L2)
}

/// A record with a vector for [`plane`].
fn record(id: impl Into<RecordId>) -> Record {
    let id = id.into();
    let at = id.as_u64().unwrap_or(0).min(1 << 20) as f32;
    Record::new(id).vector([at, 1.0])
}

/// A collection that holds the record "first".
fn with_first(db: &Database) -> Collection {
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert([record("first").field("n", 1)]).unwrap();
    docs
}

/// The error for `record` at the end of a batch, of which nothing is stored.
fn refused(docs: &Collection, record: Record, good: Record) -> Error {
    let before: Vec<Record> = contents(docs);
    let error = docs.upsert([good.clone(), record.clone()]).unwrap_err();
    assert_eq!(contents(docs), before);
    assert!(docs.insert([good, record]).is_err());
    assert_eq!(contents(docs), before);
    error
}

fn contents(docs: &Collection) -> Vec<Record> {
    docs.scan().collect::<Result<_>>().unwrap()
}

fn ids(docs: &Collection) -> Vec<RecordId> {
    contents(docs).iter().map(|record| record.id().clone()).collect()
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.lode");
    (folder, path)
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn read_only(path: &Path) -> Database {
    Options::new().read_only(true).open(path).unwrap()
}
