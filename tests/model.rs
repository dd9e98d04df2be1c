//! Random histories of a database, on a file and in memory, against ordered maps and brute force.
//!
//! The collections of a history differ in ids, metrics and element types. After each step everything that can be
//! read is compared with the model: through the collection, through a reader beside it, through snapshots taken before.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

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
use lodedb::Maintenance;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Snapshot;
use lodedb::TransactionCollection;
use lodedb::Value;
use lodedb::Vector;
use lodedb::VectorSchema;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[path = "model/sparse.rs"]
#[allow(unreachable_pub, reason = "a part of this test")]
mod sparse;

/// Ids that single writes choose from: few, so that they meet again and again.
const IDS: u64 = 24;
/// Different vectors: few, so that there are ties.
const VECTORS: u64 = 40;
/// Records that a large write adds: enough for a graph.
const BULK: u64 = 1100;

type Map = BTreeMap<RecordId, Record>;

/// One vector of a collection.
struct VectorKind {
    name: &'static str,
    dim: usize,
    metric: Metric,
    dtype: Dtype,
}

/// One of the collections of a history.
struct Kind {
    name: &'static str,
    id_kind: IdKind,
    declared: bool,
    vectors: &'static [VectorKind],
    sparse: &'static [&'static str],
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "minerals",
        id_kind: IdKind::U64,
        declared: false,
        vectors: &[VectorKind { name: "vector", dim: 5, metric: Metric::L2, dtype: Dtype::F32 }],
        sparse: &["words"],
    },
    Kind {
        name: "photographs",
        id_kind: IdKind::Str,
        declared: false,
        vectors: &[
            VectorKind { name: "caption", dim: 3, metric: Metric::Cosine, dtype: Dtype::F16 },
            VectorKind { name: "image", dim: 9, metric: Metric::Dot, dtype: Dtype::I8 },
            VectorKind { name: "hash", dim: 16, metric: Metric::Hamming, dtype: Dtype::Binary },
        ],
        sparse: &[],
    },
    Kind {
        name: "samples",
        id_kind: IdKind::Str,
        declared: true,
        vectors: &[
            VectorKind { name: "spectrum", dim: 17, metric: Metric::Cosine, dtype: Dtype::F32 },
            VectorKind { name: "weight", dim: 1, metric: Metric::Dot, dtype: Dtype::Bf16 },
        ],
        sparse: &[],
    },
    Kind { name: "texts", id_kind: IdKind::U64, declared: true, vectors: &[], sparse: &["splade", "pairs"] },
];

/// The number `at` of the random numbers that begin with `seed` (SplitMix64).
fn random(seed: u64, at: u64) -> u64 {
    let mut z =
        seed.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add((at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl VectorKind {
    /// The numbers of vector `seed`, which the element type holds exactly; those of vector 0 are zeros.
    fn values(&self, seed: u64) -> Vec<f32> {
        let value = |at| {
            let random = random(seed, at as u64);
            match self.dtype {
                _ if seed == 0 => 0.0,
                Dtype::Binary => (random % 2) as f32,
                Dtype::I8 => (random % 256) as f32 - 128.0,
                Dtype::F16 | Dtype::Bf16 => (random % 17) as f32 * 0.25 - 2.0,
                _ => (random % 200_000) as f32 * 0.001 - 100.0,
            }
        };
        (0..self.dim).map(value).collect()
    }

    /// Vector `seed` as it comes back.
    fn stored(&self, seed: u64) -> Vector {
        let values = self.values(seed);
        match self.dtype {
            Dtype::I8 => Vector::I8(values.iter().map(|value| *value as i8).collect()),
            Dtype::Binary => {
                let pack = |bits: &[f32]| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8);
                Vector::Bits(values.chunks(8).map(pack).collect())
            }
            _ => Vector::F32(values),
        }
    }

    /// Vector `seed` as a user gives it: as it is stored, or as plain numbers.
    fn given(&self, seed: u64) -> Vector {
        if seed.is_multiple_of(2) { self.stored(seed) } else { Vector::F32(self.values(seed)) }
    }

    /// Score and distance by the book, and how large the terms of the sum were.
    fn compare(&self, a: &[f32], b: &[f32]) -> (f64, f64, f64) {
        let sum = |f: fn(f64, f64) -> f64| -> f64 {
            a.iter().zip(b).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum()
        };
        let lengths = (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt();
        match self.metric {
            Metric::Dot => (sum(|a, b| a * b), -sum(|a, b| a * b), lengths),
            Metric::Cosine => {
                let cosine = if lengths == 0.0 { 0.0 } else { sum(|a, b| a * b) / lengths };
                (cosine, 1.0 - cosine, 1.0)
            }
            Metric::L2 => {
                let distance = sum(|a, b| (a - b) * (a - b)).sqrt();
                (-distance, distance, distance)
            }
            Metric::Hamming => {
                let bits = sum(|a, b| (a - b).abs());
                (-bits, bits, 0.0)
            }
        }
    }
}

impl Kind {
    fn schema(&self) -> Schema {
        let vectors = self.vectors.iter().map(|vector| {
            VectorSchema::new(vector.name, vector.dim).metric(vector.metric).dtype(vector.dtype)
        });
        let schema = self.sparse.iter().fold(Schema::named(vectors), |schema, name| schema.sparse(*name));
        if self.declared { schema.id_kind(self.id_kind) } else { schema }
    }

    /// Id number `n`: neither in the order of `n` nor of one length.
    fn id(&self, n: u64) -> RecordId {
        match self.id_kind {
            IdKind::U64 => RecordId::U64(if n % 5 == 4 { random(n, 7) } else { n }),
            IdKind::Str => RecordId::Str(format!("{}{}", "\u{e9}a".repeat((n % 4) as usize), n)),
        }
    }

    fn other_id(&self) -> RecordId {
        match self.id_kind {
            IdKind::U64 => RecordId::from("a string"),
            IdKind::Str => RecordId::U64(1),
        }
    }

    /// The record `n` made from `seed`, with its vectors as `vector` gives them, and without sparse ones.
    fn record(&self, n: u64, seed: u64, vector: fn(&VectorKind, u64) -> Vector) -> Record {
        let record = Record::new(self.id(n)).with_fields(fields(seed));
        (0..).zip(self.vectors).fold(record, |record, (i, kind)| {
            record.named_vector(kind.name, vector(kind, random(seed, i) % VECTORS))
        })
    }

    fn given(&self, n: u64, seed: u64) -> Record {
        sparse::with_sparse(self.record(n, seed, VectorKind::given), self.sparse, seed, seed % 2 == 1)
    }

    fn stored(&self, n: u64, seed: u64) -> Record {
        sparse::with_sparse(self.record(n, seed, VectorKind::stored), self.sparse, seed, false)
    }

    /// A record that can't be stored, one way or another.
    fn refused(&self, n: u64, how: u8) -> Record {
        let record = self.given(n, 1);
        let (None, Some(vector)) = (self.sparse.first(), self.vectors.last()) else {
            return sparse::refused(record, self.sparse[0], how);
        };
        match how % 6 {
            0 => record.named_vector(vector.name, vec![f32::NAN; vector.dim]),
            1 => record.named_vector(vector.name, vec![0.0; vector.dim + 8]),
            2 => record.named_vector("no such vector", vec![0.0]),
            3 => Record::new(self.id(n)),
            4 => record.field(vector.name, 1),
            _ => {
                let (_, vectors, _, _) = record.into_parts();
                let empty = Record::new(self.other_id());
                vectors.into_iter().fold(empty, |record, (name, vector)| record.named_vector(name, vector))
            }
        }
    }
}

/// Some fields of every kind.
fn fields(seed: u64) -> Fields {
    let nested = Value::from(Fields::from_iter([("deep", Value::from(vec![seed as i64, -1]))]));
    let all = [
        ("name", Value::from(format!("record {seed} \"\u{1f48e}\""))),
        ("year", Value::from(1800 + (seed % 300) as i64)),
        ("share", Value::from(seed as f64 / 7.0)),
        ("sold", Value::from(seed.is_multiple_of(2))),
        ("found", Value::from(DateTime::from_unix_micros(-(seed as i64)))),
        ("place", Value::from(GeoPoint::new((seed % 90) as f64, -12.5).unwrap())),
        ("nothing", Value::Null),
        ("nested", nested),
    ];
    (0..)
        .zip(all)
        .filter(|(at, _)| random(seed, 100 + at).is_multiple_of(3))
        .map(|(_, field)| field)
        .collect()
}

/// One write to one collection. Numbers of ids and seeds, not records, so that histories shrink and print well.
#[derive(Debug, Clone)]
enum Write {
    Upsert(Vec<(u64, u64)>),
    Insert(Vec<(u64, u64)>),
    Update(Vec<(u64, u64)>),
    Delete(Vec<u64>),
    /// Records that can be stored, and at the end one that can't.
    Refused(Vec<(u64, u64)>, u8),
    /// Many records at once.
    Bulk(u64),
}

/// One step of a transaction.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, Write),
    Drop(usize),
}

/// One step of a history.
#[derive(Debug, Clone)]
enum Op {
    Write(usize, Write),
    Transaction(Vec<Step>, bool),
    DropCollection(usize),
    Checkpoint,
    Flush,
    Optimize(Option<usize>),
    Compact,
    /// Ends all handles, by `close` or by dropping them, and opens again.
    Reopen(bool),
    /// Opens a copy of the bytes as they are, without closing anything.
    Crash,
    Backup,
    Snapshot(usize),
    ForgetSnapshots,
    /// Opens a reader beside the writer, or closes it.
    Reader,
}

fn any_write() -> impl Strategy<Value = Write> {
    let pairs = || prop::collection::vec((0..IDS, 0..1000u64), 1..6);
    prop_oneof![
        6 => pairs().prop_map(Write::Upsert),
        3 => pairs().prop_map(Write::Insert),
        2 => prop::collection::vec((0..IDS, 0..1000u64), 1..3).prop_map(Write::Update),
        3 => prop::collection::vec(0..IDS + BULK, 1..60).prop_map(Write::Delete),
        2 => prop::collection::vec(0..IDS, 1..6).prop_map(Write::Delete),
        1 => (pairs(), any::<u8>()).prop_map(|(good, how)| Write::Refused(good, how)),
        1 => (0..1000u64).prop_map(Write::Bulk),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let which = || 0..KINDS.len();
    let step = prop_oneof![
        8 => (which(), any_write()).prop_map(|(which, write)| Step::Write(which, write)),
        1 => which().prop_map(Step::Drop),
    ];
    prop_oneof![
        24 => (which(), any_write()).prop_map(|(which, write)| Op::Write(which, write)),
        6 => (prop::collection::vec(step, 1..6), any::<bool>())
            .prop_map(|(steps, commit)| Op::Transaction(steps, commit)),
        1 => which().prop_map(Op::DropCollection),
        3 => Just(Op::Checkpoint),
        1 => Just(Op::Flush),
        3 => prop::option::of(which()).prop_map(Op::Optimize),
        2 => Just(Op::Compact),
        2 => any::<bool>().prop_map(Op::Reopen),
        2 => Just(Op::Crash),
        1 => Just(Op::Backup),
        3 => which().prop_map(Op::Snapshot),
        1 => Just(Op::ForgetSnapshots),
        1 => Just(Op::Reader),
    ]
}

/// How the database of a history is opened.
#[derive(Debug, Clone)]
struct Settings {
    durability: Durability,
    maintenance: Maintenance,
    /// Mostly so few that folding happens all the time.
    active_bytes: usize,
}

impl Settings {
    fn options(&self) -> Options {
        let options = Options::new().durability(self.durability).maintenance(self.maintenance);
        options.active_bytes(self.active_bytes)
    }
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let durability = prop_oneof![
        2 => Just(Durability::Full),
        1 => Just(Durability::Batched(Duration::from_millis(1))),
        1 => Just(Durability::None),
    ];
    let maintenance = prop_oneof![2 => Just(Maintenance::Manual), 1 => Just(Maintenance::Background)];
    let active_bytes = prop_oneof![Just(1), Just(700), Just(4000), Just(40_000)];
    (durability, maintenance, active_bytes).prop_map(|(durability, maintenance, active_bytes)| Settings {
        durability,
        maintenance,
        active_bytes,
    })
}

/// Writes to a collection, alone or in a transaction.
trait Target {
    fn upsert(&mut self, records: Vec<Record>) -> Result<usize>;
    fn insert(&mut self, records: Vec<Record>) -> Result<usize>;
    fn update(&mut self, updates: Vec<(RecordId, Fields)>) -> Result<usize>;
    fn delete(&mut self, ids: Vec<RecordId>) -> Result<usize>;
}

macro_rules! target {
    ($type:ty) => {
        impl Target for $type {
            fn upsert(&mut self, records: Vec<Record>) -> Result<usize> {
                <$type>::upsert(self, records)
            }
            fn insert(&mut self, records: Vec<Record>) -> Result<usize> {
                <$type>::insert(self, records)
            }
            fn update(&mut self, updates: Vec<(RecordId, Fields)>) -> Result<usize> {
                self.update_many(updates)
            }
            fn delete(&mut self, ids: Vec<RecordId>) -> Result<usize> {
                <$type>::delete(self, ids)
            }
        }
    };
}
target!(Collection);
target!(TransactionCollection<'_, '_>);

/// Does `write` to `target` and to `map`, and compares what they say of it.
fn write_both(kind: &Kind, write: &Write, target: &mut dyn Target, map: &mut Map) {
    let given =
        |pairs: &[(u64, u64)]| pairs.iter().map(|(n, seed)| kind.given(*n, *seed)).collect::<Vec<_>>();
    let ids = |pairs: &[(u64, u64)]| pairs.iter().map(|(n, _)| kind.id(*n)).collect::<Vec<_>>();
    let put = |map: &mut Map, pairs: &[(u64, u64)]| {
        let before = map.len();
        pairs.iter().for_each(|(n, seed)| drop(map.insert(kind.id(*n), kind.stored(*n, *seed))));
        map.len() - before
    };
    let distinct = |mut ids: Vec<RecordId>| {
        ids.sort();
        ids.dedup();
        ids
    };
    match write {
        Write::Upsert(pairs) => {
            assert_eq!(target.upsert(given(pairs)).unwrap(), distinct(ids(pairs)).len());
            put(map, pairs);
        }
        Write::Insert(pairs) => {
            let result = target.insert(given(pairs));
            let distinct = distinct(ids(pairs));
            if distinct.len() < pairs.len() || distinct.iter().any(|id| map.contains_key(id)) {
                assert!(matches!(result, Err(Error::RecordExists { .. })));
            } else {
                assert_eq!(result.unwrap(), put(map, pairs));
            }
        }
        Write::Update(pairs) => {
            let updates = pairs.iter().map(|(n, seed)| (kind.id(*n), fields(*seed))).collect();
            let result = target.update(updates);
            if ids(pairs).iter().any(|id| !map.contains_key(id)) {
                assert!(matches!(result, Err(Error::RecordNotFound { .. })));
                return;
            }
            assert_eq!(result.unwrap(), distinct(ids(pairs)).len());
            for (n, seed) in pairs {
                let record = map.remove(&kind.id(*n)).unwrap();
                let new = fields(*seed)
                    .iter()
                    .fold(record, |record, (name, value)| record.field(name, value.clone()));
                map.insert(kind.id(*n), new);
            }
        }
        Write::Delete(numbers) => {
            let ids: Vec<RecordId> = numbers.iter().map(|n| kind.id(*n)).collect();
            let expected = ids.iter().filter(|id| map.remove(id).is_some()).count();
            assert_eq!(target.delete(ids).unwrap(), expected);
        }
        Write::Refused(pairs, how) => {
            let mut records = given(pairs);
            records.push(kind.refused(0, *how));
            assert!(target.upsert(records).is_err());
        }
        Write::Bulk(seed) => {
            let pairs: Vec<_> = (0..BULK).map(|n| (IDS + n, random(*seed, n) % 1000)).collect();
            assert_eq!(target.upsert(given(&pairs)).unwrap(), pairs.len());
            put(map, &pairs);
        }
    }
}

fn close_enough(found: f32, expected: f64, scale: f64) -> bool {
    (f64::from(found) - expected).abs() <= 1e-5 * scale.max(expected.abs()).max(1e-3)
}

/// The hits are records of the model with their scores, the best first, each once, as many as there have to be.
fn check_hits(kind: &VectorKind, query: &[f32], hits: &[Hit], map: &Map, k: usize) {
    assert_eq!(hits.len(), k.min(map.len()));
    assert!(hits.windows(2).all(|pair| pair[0].score() >= pair[1].score()));
    let mut seen: Vec<_> = hits.iter().map(Hit::id).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), hits.len(), "an id appears twice");
    for hit in hits {
        let record = map.get(hit.id()).expect("a hit is a record");
        let values = record.get_vector(kind.name).unwrap().to_f32();
        let (score, distance, scale) = kind.compare(query, &values);
        assert!(close_enough(hit.score(), score, scale), "{} where the score is {score}", hit.score());
        assert!(close_enough(hit.distance(), distance, scale), "{}, not {distance}", hit.distance());
        assert_eq!(&hit.record().unwrap(), record);
        assert_eq!(&hit.fields().unwrap(), record.fields());
    }
}

/// Besides, the scores are the best ones: the ids are right up to ties.
fn check_exact(kind: &VectorKind, query: &[f32], hits: &[Hit], map: &Map) {
    let score = |record: &Record| kind.compare(query, &record.get_vector(kind.name).unwrap().to_f32());
    let mut best: Vec<_> = map.values().map(score).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (hit, (score, _, scale)) in hits.iter().zip(best) {
        assert!(close_enough(hit.score(), score, scale), "{} where {score} is due", hit.score());
    }
}

fn check_searches(kind: &Kind, snapshot: &Snapshot, map: &Map, seed: u64) {
    kind.sparse.iter().for_each(|name| sparse::check_searches(name, snapshot, map, seed));
    for (i, vector) in (0..).zip(kind.vectors) {
        let random = random(seed, i);
        let query = vector.values(random % VECTORS);
        let k = [1, 3, 10, map.len() + 1][(random >> 32) as usize % 4];
        let search = || snapshot.search().named_vector(vector.name, vector.given(random % VECTORS)).k(k);
        let exact = search().exact(true).run().unwrap();
        check_hits(vector, &query, &exact, map, k);
        check_exact(vector, &query, &exact, map);
        check_hits(vector, &query, &search().ef(1).run().unwrap(), map, k);
        check_hits(vector, &query, &search().run().unwrap(), map, k);
    }
}

/// Compares everything that can be read in `snapshot` with `map`.
fn check(kind: &Kind, snapshot: &Snapshot, map: &Map, seed: u64) {
    assert_eq!((snapshot.len(), snapshot.is_empty()), (map.len(), map.is_empty()));
    for id in (0..IDS + BULK).step_by(if seed.is_multiple_of(4) { 1 } else { 7 }).map(|n| kind.id(n)) {
        assert_eq!(snapshot.get(&id).unwrap().as_ref(), map.get(&id));
        assert_eq!(snapshot.contains(&id).unwrap(), map.contains_key(&id));
    }
    let whole: Vec<Record> = snapshot.scan().collect::<Result<_>>().unwrap();
    assert!(whole.iter().eq(map.values()), "a scan gives other records");
    check_pages(snapshot, &whole, 1 + seed as usize % 50);
    check_searches(kind, snapshot, map, seed);
}

fn check_pages(snapshot: &Snapshot, whole: &[Record], page: usize) {
    let mut read: Vec<Record> = Vec::new();
    loop {
        let scan = match read.last() {
            Some(last) => snapshot.scan().after(last.id()),
            None => snapshot.scan(),
        };
        let records: Vec<Record> = scan.limit(page).collect::<Result<_>>().unwrap();
        let done = records.len() < page;
        read.extend(records);
        assert!(read.len() <= whole.len(), "the pages are more than the whole");
        if done {
            assert!(read == whole, "the pages are not the whole");
            return;
        }
    }
}

/// Where the bytes are.
enum Place {
    Memory(Arc<MemoryBackend>),
    File(PathBuf),
}

impl Place {
    fn open(&self, options: Options) -> Database {
        match self {
            Self::Memory(backend) => options.open_backend(backend.clone(), "memory").unwrap(),
            Self::File(path) => options.open(path).unwrap(),
        }
    }

    /// Another place with the same bytes; `free` is a path that is not taken.
    fn copied(&self, free: PathBuf) -> Self {
        use lodedb::Backend;
        match self {
            Self::Memory(backend) => {
                let mut bytes = vec![0; backend.len().unwrap() as usize];
                backend.read(0, &mut bytes).unwrap();
                let copy = MemoryBackend::new();
                copy.write(0, &bytes).unwrap();
                Self::Memory(Arc::new(copy))
            }
            Self::File(path) => {
                std::fs::copy(path, &free).unwrap();
                Self::File(free)
            }
        }
    }
}

/// A database and what should be in it.
struct World {
    folder: tempfile::TempDir,
    paths: usize,
    place: Place,
    options: Options,
    /// Whether only calls write, so that between them the bytes of the open database can be copied.
    quiet: bool,
    db: Option<Database>,
    reader: Option<Database>,
    handles: [Option<Collection>; KINDS.len()],
    maps: [Option<Map>; KINDS.len()],
    snapshots: Vec<(usize, Snapshot, Map)>,
}

impl World {
    fn new(on_file: bool, settings: &Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = match on_file {
            true => Place::File(folder.path().join("0.lode")),
            false => Place::Memory(Arc::new(MemoryBackend::new())),
        };
        let options = settings.options();
        let db = Some(place.open(options.clone()));
        Self {
            folder,
            paths: 0,
            place,
            options,
            quiet: settings.maintenance == Maintenance::Manual,
            db,
            reader: None,
            handles: Default::default(),
            maps: Default::default(),
            snapshots: Vec::new(),
        }
    }

    fn db(&self) -> &Database {
        self.db.as_ref().unwrap()
    }

    fn free_path(&mut self) -> PathBuf {
        self.paths += 1;
        self.folder.path().join(format!("{}.lode", self.paths))
    }

    /// A handle to the collection, which is created where it is missing.
    fn handle(&mut self, which: usize) -> Collection {
        if let Some(handle) = &self.handles[which] {
            return handle.clone();
        }
        let handle = self.db().collection(KINDS[which].name, KINDS[which].schema()).unwrap();
        self.maps[which].get_or_insert_default();
        self.handles[which].insert(handle).clone()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Write(which, write) => {
                let mut handle = self.handle(*which);
                write_both(&KINDS[*which], write, &mut handle, self.maps[*which].as_mut().unwrap());
            }
            Op::Transaction(steps, commit) => self.transaction(steps, *commit),
            Op::DropCollection(which) => self.drop_collection(*which),
            Op::Checkpoint => self.db().checkpoint().unwrap(),
            Op::Flush => self.db().flush().unwrap(),
            Op::Optimize(None) => self.db().optimize(|_| ControlFlow::Continue(())).unwrap(),
            Op::Optimize(Some(which)) => {
                self.handle(*which).optimize(|_| ControlFlow::Continue(())).unwrap();
                let stats = self.handle(*which).stats().unwrap();
                assert!(stats.segments <= 1 && stats.dead_records == 0 && stats.active_records == 0);
            }
            Op::Compact => self.db().compact().unwrap(),
            Op::Reopen(close) => self.reopen(*close),
            Op::Crash if self.quiet => self.crash(),
            Op::Crash => self.reopen(true),
            Op::Backup => self.backup(),
            Op::Snapshot(which) => {
                let snapshot = self.handle(*which).snapshot().unwrap();
                self.snapshots.push((*which, snapshot, self.maps[*which].clone().unwrap()));
            }
            Op::ForgetSnapshots => self.snapshots.clear(),
            Op::Reader => {
                self.reader = match self.reader.take() {
                    Some(_) => None,
                    None => Some(self.place.open(self.options.clone().read_only(true))),
                }
            }
        }
    }

    fn transaction(&mut self, steps: &[Step], commit: bool) {
        let db = self.db().clone();
        let mut transaction = db.transaction().unwrap();
        let mut maps = self.maps.clone();
        for step in steps {
            let (Step::Write(which, _) | Step::Drop(which)) = step;
            let (kind, map) = (&KINDS[*which], &mut maps[*which]);
            let Some(inside) = map else {
                assert!(matches!(transaction.collection(kind.name), Err(Error::CollectionNotFound { .. })));
                continue;
            };
            match step {
                Step::Write(_, write) => {
                    let mut target = transaction.collection(kind.name).unwrap();
                    write_both(kind, write, &mut target, inside);
                    assert_eq!(target.len().unwrap(), inside.len());
                    for id in (0..IDS).map(|n| kind.id(n)) {
                        assert_eq!(target.get(&id).unwrap().as_ref(), inside.get(&id));
                    }
                }
                Step::Drop(_) => {
                    transaction.drop_collection(kind.name).unwrap();
                    *map = None;
                }
            }
        }
        if !commit {
            return drop(transaction);
        }
        transaction.commit().unwrap();
        for (which, map) in maps.iter().enumerate() {
            if map.is_none() && self.maps[which].is_some() {
                self.check_gone(which);
            }
        }
        self.maps = maps;
    }

    fn drop_collection(&mut self, which: usize) {
        let result = self.db().drop_collection(KINDS[which].name);
        if self.maps[which].take().is_some() {
            result.unwrap();
            self.check_gone(which);
        } else {
            assert!(matches!(result, Err(Error::CollectionNotFound { .. })));
        }
    }

    /// Handles to a collection that was dropped know it.
    fn check_gone(&mut self, which: usize) {
        let Some(handle) = self.handles[which].take() else { return };
        assert!(matches!(handle.len(), Err(Error::CollectionNotFound { .. })));
        assert!(matches!(handle.delete([1]), Err(Error::CollectionNotFound { .. })));
    }

    fn reopen(&mut self, close: bool) {
        self.handles = Default::default();
        self.reader = None;
        let db = self.db.take().unwrap();
        if close {
            db.close().unwrap();
        } else {
            drop(db);
        }
        self.db = Some(self.place.open(self.options.clone()));
    }

    fn crash(&mut self) {
        let free = self.free_path();
        self.place = self.place.copied(free);
        self.handles = Default::default();
        self.reader = None;
        self.db = Some(self.place.open(self.options.clone()));
    }

    fn backup(&mut self) {
        let path = self.free_path();
        self.db().backup(&path).unwrap();
        let copy = Options::new().create(false).open(&path).unwrap();
        self.check_database(&copy, 0);
        copy.verify().unwrap();
    }

    fn check_database(&self, db: &Database, seed: u64) {
        let mut names = Vec::new();
        for (kind, map) in KINDS.iter().zip(&self.maps) {
            if let Some(map) = map {
                names.push(kind.name.to_owned());
                check(kind, &db.existing(kind.name).unwrap().snapshot().unwrap(), map, seed);
            }
        }
        assert_eq!(db.collections().unwrap(), names);
    }

    fn check_all(&mut self, seed: u64) {
        self.check_database(self.db(), seed);
        self.reader.iter().for_each(|reader| self.check_database(reader, seed));
        for (which, snapshot, map) in &self.snapshots {
            check(&KINDS[*which], snapshot, map, seed);
        }
    }

    fn end(mut self) {
        self.db().verify().unwrap();
        self.reopen(true);
        self.check_all(0);
        self.db().verify().unwrap();
    }
}

fn run(on_file: bool, settings: &Settings, ops: &[Op]) {
    let mut world = World::new(on_file, settings);
    for (seed, op) in (1..).zip(ops) {
        world.apply(op);
        world.check_all(seed);
    }
    world.end();
}

/// `cases` histories from a fixed seed; the environment may ask for others.
fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1849);
    }
    config
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn in_memory_a_database_behaves_as_its_model(
        settings in any_settings(),
        ops in prop::collection::vec(any_op(), 1..50),
    ) {
        run(false, &settings, &ops);
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn on_a_file_a_database_behaves_as_its_model(
        settings in any_settings(),
        ops in prop::collection::vec(any_op(), 1..50),
    ) {
        run(true, &settings, &ops);
    }
}
