//! Small databases, as the bytes of their files: where mutations begin.

use lodedb::Backend;
use lodedb::Database;
use lodedb::DateTime;
use lodedb::Dtype;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::IdKind;
use lodedb::Maintenance;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::SparseVector;
use lodedb::Value;
use lodedb::VectorSchema;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Records of the largest sample: from 1,000 on `optimize` builds a graph over them.
pub const MOST_RECORDS: u64 = 1_100;

/// A file, and what it shows.
pub struct Sample {
    /// What it shows.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What puts records into a new database.
type Fill = fn(&Database) -> Result<()>;

/// Every sample.
///
/// # Errors
/// Where the library fails.
pub fn all() -> Result<Vec<Sample>> {
    let parts: [(&'static str, bool, Fill); 8] = [
        ("empty", true, |_| Ok(())),
        ("at_rest", true, ores),
        ("segments", true, segments),
        ("log_tail", false, segments_and_log),
        ("only_a_log", false, ores),
        ("types", false, types),
        ("row_codes", true, row_codes),
        ("sparse", false, sparse),
    ];
    parts.into_iter().map(|(name, close, fill)| Ok(Sample { name, bytes: file(close, fill)? })).collect()
}

/// The bytes of a file after `fill`: closed, or as a process that was killed leaves it.
///
/// # Errors
/// Where the library fails.
pub fn file(close: bool, fill: impl FnOnce(&Database) -> Result<()>) -> Result<Vec<u8>> {
    let memory = Arc::new(MemoryBackend::new());
    let db = Options::new().maintenance(Maintenance::Manual).open_backend(memory.clone(), "sample")?;
    fill(&db)?;
    if !close {
        return bytes_of(&*memory);
    }
    db.close()?;
    bytes_of(&*memory)
}

/// The bytes of a backend.
///
/// # Errors
/// Where the backend fails.
pub fn bytes_of(backend: &dyn Backend) -> Result<Vec<u8>> {
    let failed = |source| lodedb::Error::Io { doing: "copy the file".into(), source };
    let mut bytes = vec![0; backend.len().map_err(failed)? as usize];
    backend.read(0, &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A few numbers that differ from record to record.
pub fn vector(seed: u64, dim: usize) -> Vec<f32> {
    (0..dim as u64).map(|at| ((seed * 7 + at * 5 + seed * at) % (31 + at * 6)) as f32 - 9.0).collect()
}

/// Numbered records with a field or two.
pub fn numbered(ids: std::ops::Range<u64>) -> impl Iterator<Item = Record> {
    ids.map(|id| Record::new(id).vector(vector(id, 3)).field("n", id as i64))
}

/// Records of a few minerals, with fields of every kind.
pub fn ores(db: &Database) -> Result<()> {
    let ores = db.collection("ores", Schema::new(4))?;
    ores.upsert([
        Record::new("galena").vector([7.5, 2.5, 0.0, 1.0]).field("metal", "lead").field("density", 7.58),
        Record::new("cinnabar").vector([8.2, 2.0, 1.0, -1.0]).with_fields(every_kind()),
        Record::new("hematite").vector([5.3, 6.5, -2.0, 0.5]).field("tags", vec!["iron", "red"]),
    ])?;
    ores.delete(["hematite"])?;
    ores.update("galena", Fields::from_iter([("year", 1849)]))
}

/// A field of each kind.
pub fn every_kind() -> Fields {
    let inner = BTreeMap::from([("deep".to_owned(), Value::from(vec![1, 2])), ("none".into(), Value::Null)]);
    let place = GeoPoint::new(38.775, -4.848).map_or(Value::Null, Value::from);
    Fields::from_iter([
        ("null", Value::Null),
        ("no", Value::from(false)),
        ("yes", Value::from(true)),
        ("small", Value::from(-1)),
        ("large", Value::from(i64::MAX)),
        ("float", Value::from(-0.5)),
        ("text", Value::from("Zinnober \u{2014} HgS")),
        ("struck", Value::from(DateTime::from_unix_micros(-3_815_769_600_000_000))),
        ("place", place),
        ("list", Value::from(vec![Some("a"), None])),
        ("map", Value::Map(inner)),
    ])
}

/// Three sealed segments, two of them with tombstones.
pub fn segments(db: &Database) -> Result<()> {
    let numbers = db.collection("numbers", Schema::new(3).metric(Metric::L2))?;
    for ids in [0..10, 10..13, 13..14] {
        numbers.upsert(numbered(ids))?;
        db.checkpoint()?;
    }
    numbers.delete([1u64, 2, 11])?;
    db.checkpoint()
}

/// The same, and a log behind it.
pub fn segments_and_log(db: &Database) -> Result<()> {
    segments(db)?;
    log_behind_segments(db)
}

/// Records put in place of others and deleted since.
pub fn log_behind_segments(db: &Database) -> Result<()> {
    let numbers = db.existing("numbers")?;
    numbers.upsert(numbered(9..11))?;
    numbers.upsert(numbered(20..22))?;
    numbers.delete([0u64, 20]).map(drop)
}

/// A few terms that differ from record to record, by ascending term.
pub fn terms(seed: u64) -> SparseVector {
    let terms =
        (0..seed % 4 + 1).map(|at| (at as u32 * 5 + (seed % 3) as u32, 0.5 + (seed + at) as f32 * 0.25));
    terms.chain([(u32::MAX, 1.5)]).collect()
}

/// Records with sparse vectors, with and without others, sealed and in the log; lists of one block and of several.
pub fn sparse(db: &Database) -> Result<()> {
    let both = db.collection("both", Schema::new(2).sparse("terms").sparse("none"))?;
    let record = |id: u64| Record::new(id).vector(vector(id, 2));
    both.upsert((0..300).map(|id| record(id).sparse("terms", terms(id))))?;
    let alone = db.collection("alone", Schema::named([]).sparse("terms"))?;
    alone.upsert((0..4).map(|id| Record::new(id).sparse("terms", terms(id + 9))))?;
    db.checkpoint()?;
    both.upsert([record(3), record(5).sparse("none", SparseVector::default())])?;
    alone.upsert([Record::new(2).sparse("terms", terms(1))])?;
    both.delete([7u64]).map(drop)
}

/// A segment without graph that is just large enough for codes of its rows, of which most elements are zero.
pub fn row_codes(db: &Database) -> Result<()> {
    let flat = db.collection("flat", Schema::new(32).metric(Metric::L2))?;
    let record = |id: u64| {
        let mut values = vector(id, 3);
        values.resize(32, 0.0);
        Record::new(id).vector(values)
    };
    flat.upsert((0..256).map(record))?;
    db.checkpoint()?;
    flat.delete([2u64, 5]).map(drop)
}

/// A collection of three dimensions under a graph, where [`MOST_RECORDS`] are enough for one, with records put in place
/// of others since.
pub fn graph(db: &Database, schema: Schema) -> Result<()> {
    let many = db.collection("many", schema.metric(Metric::L2))?;
    many.upsert(numbered(0..MOST_RECORDS))?;
    many.optimize(|_| std::ops::ControlFlow::Continue(()))?;
    let mut both = db.transaction()?;
    both.collection("many")?.upsert(numbered(7..9))?;
    both.collection("many")?.delete([3u64, 5])?;
    both.commit()
}

/// Collections of every element type, sealed and in the log, and one that was dropped.
pub fn types(db: &Database) -> Result<()> {
    let named = Schema::named([
        VectorSchema::new("half", 5).dtype(Dtype::F16).metric(Metric::L2),
        VectorSchema::new("brain", 2).dtype(Dtype::Bf16),
        VectorSchema::new("bytes", 3).dtype(Dtype::I8).metric(Metric::Dot),
        VectorSchema::new("bits", 16).dtype(Dtype::Binary).metric(Metric::Hamming),
    ]);
    let named = db.collection("named", named.id_kind(IdKind::U64))?;
    let record = |id: u64| {
        let bits: Vec<f32> = (0..16).map(|bit| (id >> (bit % 4) & 1) as f32).collect();
        Record::new(id)
            .named_vector("half", vector(id, 5))
            .named_vector("brain", vector(id + 1, 2))
            .named_vector("bytes", vector(id + 2, 3))
            .named_vector("bits", bits)
    };
    named.upsert((0..3).map(record))?;
    let gone = db.collection("gone", Schema::new(1))?;
    gone.upsert([Record::new("x").vector([1.0])])?;
    db.checkpoint()?;
    db.drop_collection("gone")?;
    named.upsert((2..4).map(record))?;
    let mut both = db.transaction()?;
    both.collection("named")?.delete([0u64])?;
    both.collection("named")?.insert([record(9)])?;
    both.commit()
}
