//! Any operations on one collection, with any call of the disk failing, against a map and brute force.
//!
//! What an operation that failed leaves behind is either nothing or all of it: handles go on showing nothing of it,
//! and a file that is opened again may show all of it.

use super::samples::bytes_of;
use super::source::Source;
use lodedb::Backend;
use lodedb::Collection;
use lodedb::Database;
use lodedb::Dtype;
use lodedb::Error;
use lodedb::Fields;
use lodedb::Maintenance;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Snapshot;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;

/// Operations of one input.
const MOST_OPS: usize = 200;
/// Different ids: few, so that they meet.
const IDS: u8 = 24;
/// The vector's name.
const VECTOR: &str = "vector";

/// Numbers and fields by id.
type Model = BTreeMap<RecordId, (Vec<f32>, Fields)>;

/// Does what the input says.
///
/// # Panics
/// Where the database and the model differ.
pub fn run(data: &[u8]) {
    let mut source = Source::new(data);
    let Some(mut run) = Run::new(&mut source) else { return };
    for _ in 0..MOST_OPS {
        if source.is_empty() {
            break;
        }
        run.step(&mut source);
    }
    run.reopen(false);
    run.check_snapshots();
}

/// A disk in memory with calls that fail.
#[derive(Default)]
struct Disk {
    memory: MemoryBackend,
    fault: Mutex<Fault>,
}

#[derive(Default, Clone, Copy)]
struct Fault {
    /// Changing calls until one fails; `None` where none does.
    countdown: Option<u32>,
    /// Whether every later one fails too.
    forever: bool,
    /// Whether what fails is done nevertheless: a sync that reports an error, a write that was cut short.
    half_done: bool,
    /// Whether one has failed.
    fired: bool,
}

impl Disk {
    fn with(&self, f: impl FnOnce(&mut Fault)) {
        f(&mut self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn fired(&self) -> bool {
        let mut fired = false;
        self.with(|fault| fired = fault.fired);
        fired
    }

    /// Counts a changing call; an error where it is the one to fail, and whether half of it is to be done.
    fn call(&self) -> Result<(), (io::Error, bool)> {
        let mut failed = None;
        self.with(|fault| match fault.countdown {
            Some(0) => {
                fault.fired = true;
                fault.countdown = fault.forever.then_some(0);
                failed = Some(fault.half_done);
            }
            Some(left) => fault.countdown = Some(left - 1),
            None => {}
        });
        match failed {
            Some(half_done) => Err((io::Error::from(io::ErrorKind::StorageFull), half_done)),
            None => Ok(()),
        }
    }
}

impl Backend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, buf)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.call() {
            Ok(()) => self.memory.write(offset, bytes),
            Err((error, half_done)) => {
                let done = if half_done { bytes.len() / 2 } else { 0 };
                self.memory.write(offset, &bytes[..done])?;
                Err(error)
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call().map_err(|(error, _)| error)?;
        self.memory.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call().map_err(|(error, _)| error)?;
        self.memory.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.call().map_err(|(error, _)| error)
    }

    fn lock_writer(&self) -> io::Result<bool> {
        self.memory.lock_writer()
    }

    fn unlock_writer(&self) -> io::Result<()> {
        self.memory.unlock_writer()
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        self.memory.pin(generation)
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        self.memory.unpin(generation)
    }

    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        self.memory.pinned_before(generation)
    }
}

/// What an input chooses once.
struct Setup {
    dim: usize,
    dtype: Dtype,
    metric: Metric,
    text_ids: bool,
    active_bytes: usize,
}

impl Setup {
    fn read(source: &mut Source<'_>) -> Self {
        let (dtype, metric) = match source.below(9) {
            0 => (Dtype::F32, Metric::Cosine),
            1 => (Dtype::F32, Metric::L2),
            2 => (Dtype::F32, Metric::Dot),
            3 => (Dtype::F16, Metric::L2),
            4 => (Dtype::Bf16, Metric::Cosine),
            5 => (Dtype::I8, Metric::Dot),
            6 => (Dtype::I8, Metric::Cosine),
            7 => (Dtype::F16, Metric::Dot),
            _ => (Dtype::Binary, Metric::Hamming),
        };
        let dim = if dtype == Dtype::Binary { 16 } else { 1 + usize::from(source.below(20)) };
        let text_ids = source.below(2) == 1;
        let active_bytes = [1 << 20, 100, 1000][usize::from(source.below(3))];
        Self { dim, dtype, metric, text_ids, active_bytes }
    }

    fn open(&self, disk: &Arc<Disk>) -> Result<(Database, Collection)> {
        let options = Options::new().maintenance(Maintenance::Manual).active_bytes(self.active_bytes);
        let db = options.open_backend(disk.clone(), "model")?;
        let schema = Schema::new(self.dim).dtype(self.dtype).metric(self.metric);
        let collection = db.collection("model", schema)?;
        Ok((db, collection))
    }

    fn id(&self, source: &mut Source<'_>) -> RecordId {
        let number = u64::from(source.below(IDS));
        if self.text_ids { RecordId::Str(format!("id {number}")) } else { RecordId::U64(number * 1_000_003) }
    }

    /// Numbers that every type holds exactly and whose scores are exact.
    fn vector(&self, source: &mut Source<'_>) -> Vec<f32> {
        let bits = self.dtype == Dtype::Binary;
        let seed = source.byte();
        let number = |at: usize| {
            let mixed = usize::from(seed).wrapping_mul(31).wrapping_add(at * (usize::from(seed) % 7 + 1));
            if bits { (mixed >> 2 & 1) as f32 } else { (mixed % 9) as f32 - 4.0 }
        };
        (0..self.dim).map(number).collect()
    }

    fn fields(source: &mut Source<'_>) -> Fields {
        match source.below(4) {
            0 => Fields::new(),
            1 => Fields::from_iter([("n", i64::from(source.byte()))]),
            2 => Fields::from_iter([("text", "x".repeat(usize::from(source.byte())))]),
            _ => Fields::from_iter([("tags", vec![i64::from(source.byte()); 3])]),
        }
    }

    /// The score of `vector` as the library's documentation defines it.
    fn score(&self, query: &[f32], vector: &[f32]) -> f32 {
        let sum = |f: fn(f32, f32) -> f32| query.iter().zip(vector).map(|(q, v)| f(*q, *v)).sum::<f32>();
        let product = sum(|q, v| q * v);
        match self.metric {
            Metric::Dot => product,
            Metric::L2 => -sum(|q, v| (q - v) * (q - v)).sqrt(),
            Metric::Hamming => -sum(|q, v| f32::from(q != v)),
            Metric::Cosine => {
                let norms = sum(|q, _| q * q).sqrt() * sum(|_, v| v * v).sqrt();
                if norms > 0.0 { product / norms } else { 0.0 }
            }
        }
    }
}

/// A database and what it should hold.
struct Run {
    setup: Setup,
    disk: Arc<Disk>,
    handles: Option<(Database, Collection)>,
    model: Model,
    /// What an operation that failed would have made, and what later ones would have made of that.
    perhaps: Vec<Model>,
    snapshots: Vec<(Snapshot, Model)>,
}

impl Run {
    fn new(source: &mut Source<'_>) -> Option<Self> {
        let setup = Setup::read(source);
        let disk = Arc::new(Disk::default());
        let handles = Some(setup.open(&disk).ok()?);
        let (model, perhaps, snapshots) = (Model::new(), Vec::new(), Vec::new());
        Some(Self { setup, disk, handles, model, perhaps, snapshots })
    }

    fn handles(&self) -> &(Database, Collection) {
        self.handles.as_ref().expect("open between steps")
    }

    fn collection(&self) -> &Collection {
        &self.handles().1
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.below(20) {
            0..=3 => self.upsert(source),
            4 => self.insert(source),
            5 | 6 => self.update(source),
            7 | 8 => self.delete(source),
            9 | 10 => self.search(source),
            11 => self.check_page(source),
            12 => self.maintain(Database::checkpoint),
            13 => self.maintain(|db| db.optimize(|_| ControlFlow::Continue(()))),
            14 => self.maintain(Database::compact),
            15 => self.take_snapshot(),
            16 => self.reopen(false),
            17 => self.reopen(true),
            18 => self.transaction(source),
            _ => self.arm(source),
        }
    }

    fn records(&self, source: &mut Source<'_>) -> Vec<Record> {
        let count = 1 + source.below(5);
        let record = |_| {
            let (id, vector) = (self.setup.id(source), self.setup.vector(source));
            Record::new(id).vector(vector).with_fields(Setup::fields(source))
        };
        (0..count).map(record).collect()
    }

    /// Takes the outcome of a write that should turn the model into `after`.
    fn wrote<T: PartialEq + std::fmt::Debug>(&mut self, after: Model, expected: &T, outcome: &Result<T>) {
        match outcome {
            Ok(found) => {
                assert_eq!(found, expected);
                self.model = after;
                self.perhaps.clear();
            }
            Err(error) => {
                self.must_be_injected(error);
                self.perhaps.push(after);
                self.check();
            }
        }
    }

    fn must_be_injected(&self, error: &Error) {
        let kind = matches!(error, Error::Io { .. } | Error::Poisoned { .. });
        assert!(kind && self.disk.fired(), "failed without a fault: {error}");
    }

    fn upsert(&mut self, source: &mut Source<'_>) {
        let records = self.records(source);
        let mut after = self.model.clone();
        records.iter().for_each(|record| put(&mut after, record));
        let outcome = self.collection().upsert(records.clone());
        self.wrote(after, &distinct(&records), &outcome);
    }

    fn insert(&mut self, source: &mut Source<'_>) {
        let records = self.records(source);
        let mut after = self.model.clone();
        let outcome = self.collection().insert(records.clone());
        for record in &records {
            if after.contains_key(record.id()) {
                let refused = matches!(outcome, Err(Error::RecordExists { .. } | Error::Poisoned { .. }));
                assert!(refused, "an id that exists was inserted");
                return;
            }
            put(&mut after, record);
        }
        self.wrote(after, &records.len(), &outcome);
    }

    fn update(&mut self, source: &mut Source<'_>) {
        let (id, change) = (self.setup.id(source), Setup::fields(source));
        let outcome = self.collection().update(id.clone(), change.clone());
        let mut after = self.model.clone();
        let Some((_, fields)) = after.get_mut(&id) else {
            let refused = matches!(
                outcome,
                Err(Error::RecordNotFound { .. } | Error::Schema { .. } | Error::Poisoned { .. })
            );
            assert!(refused, "an id that does not exist was updated");
            return;
        };
        change.into_iter().for_each(|(name, value)| drop(fields.insert(name, value)));
        self.wrote(after, &(), &outcome);
    }

    fn delete(&mut self, source: &mut Source<'_>) {
        let ids: Vec<RecordId> = (0..1 + source.below(4)).map(|_| self.setup.id(source)).collect();
        let mut after = self.model.clone();
        let deleted = ids.iter().filter(|id| after.remove(*id).is_some()).count();
        let outcome = self.collection().delete(ids);
        if deleted == 0 {
            assert!(matches!(outcome, Ok(0) | Err(Error::Poisoned { .. } | Error::Schema { .. })));
            return;
        }
        self.wrote(after, &deleted, &outcome);
    }

    fn transaction(&mut self, source: &mut Source<'_>) {
        let (first, second) = (self.records(source), self.records(source));
        let (gone, commit) = (self.setup.id(source), source.below(3) > 0);
        let mut after = self.model.clone();
        let outcome = (|| {
            let mut transaction = self.handles().0.transaction()?;
            let mut collection = transaction.collection("model")?;
            collection.upsert(first.clone())?;
            collection.delete([gone.clone()])?;
            collection.upsert(second.clone())?;
            if commit { transaction.commit() } else { Ok(()) }
        })();
        if outcome.is_ok() && !commit {
            self.check();
            return;
        }
        if commit {
            first.iter().for_each(|record| put(&mut after, record));
            after.remove(&gone);
            second.iter().for_each(|record| put(&mut after, record));
        }
        self.wrote(after, &(), &outcome);
    }

    fn maintain(&mut self, f: impl FnOnce(&Database) -> Result<()>) {
        let outcome = f(&self.handles().0);
        match outcome {
            Ok(()) => self.check(),
            Err(error) => {
                self.must_be_injected(&error);
                self.check();
            }
        }
        self.check_snapshots();
    }

    fn take_snapshot(&mut self) {
        if self.snapshots.len() > 2 {
            self.check_snapshots();
            self.snapshots.remove(0);
        }
        let snapshot = self.collection().snapshot().expect("open");
        self.snapshots.push((snapshot, self.model.clone()));
    }

    /// Closes the database, or kills it, and opens it again.
    fn reopen(&mut self, kill: bool) {
        let (db, collection) = self.handles.take().expect("open between steps");
        if kill {
            let bytes = bytes_of(&self.disk.memory).expect("memory");
            drop((db, collection));
            self.snapshots.clear();
            let disk = Disk::default();
            disk.memory.write(0, &bytes).expect("memory");
            self.disk = Arc::new(disk);
        } else if let Err(error) = db.close() {
            self.must_be_injected(&error);
            drop(collection);
        }
        let again = self.setup.open(&self.disk).or_else(|error| {
            self.must_be_injected(&error);
            self.disk.with(|fault| *fault = Fault::default());
            self.setup.open(&self.disk)
        });
        self.disk.with(|fault| *fault = Fault::default());
        self.handles = Some(again.expect("no fault is left"));
        let found = self.contents();
        assert!(
            found == self.model || self.perhaps.contains(&found),
            "the file holds neither what was acknowledged nor what may be there"
        );
        self.model = found;
        self.perhaps.clear();
        self.handles().0.verify().expect("a good file");
        self.check();
        self.check_snapshots();
    }

    fn arm(&mut self, source: &mut Source<'_>) {
        let (countdown, how) = (u32::from(source.below(24)), source.byte());
        let (forever, half_done) = (how & 1 == 1, how & 2 == 2);
        self.disk.with(|fault| {
            *fault = Fault { countdown: Some(countdown), forever, half_done, fired: fault.fired };
        });
    }

    fn contents(&self) -> Model {
        let mut found = Model::new();
        for record in self.collection().scan() {
            put(&mut found, &record.expect("readable"));
        }
        found
    }

    /// The handle shows what was acknowledged.
    fn check(&self) {
        assert!(self.contents() == self.model, "the scan differs from the model");
        assert_eq!(self.collection().len().expect("open"), self.model.len());
        for (id, (vector, fields)) in self.model.iter().take(3) {
            let record = self.collection().get(id).expect("readable").expect("it is in the model");
            assert_eq!((numbers(&record), record.fields()), (vector.clone(), fields));
        }
    }

    fn check_page(&self, source: &mut Source<'_>) {
        let (after, limit) = (self.setup.id(source), usize::from(source.below(5)));
        let page = self.collection().scan().after(after.clone()).limit(limit);
        let found: Vec<RecordId> = page.map(|record| record.expect("readable").id().clone()).collect();
        let expected: Vec<RecordId> =
            self.model.keys().filter(|id| **id > after).take(limit).cloned().collect();
        assert_eq!(found, expected);
    }

    fn search(&self, source: &mut Source<'_>) {
        let snapshot = self.collection().snapshot().expect("open");
        self.check_search(&snapshot, &self.model, source);
    }

    fn check_search(&self, snapshot: &Snapshot, model: &Model, source: &mut Source<'_>) {
        let (query, k) = (self.setup.vector(source), 1 + usize::from(source.below(12)));
        let exact = source.below(2) == 1;
        let hits = snapshot.search().vector(query.clone()).k(k).exact(exact).run().expect("readable");
        let mut expected: Vec<f32> =
            model.values().map(|(vector, _)| self.setup.score(&query, vector)).collect();
        expected.sort_by(|one, other| other.total_cmp(one));
        assert_eq!(hits.len(), model.len().min(k));
        for (hit, best) in hits.iter().zip(expected) {
            let (vector, fields) = &model[hit.id()];
            let own = self.setup.score(&query, vector);
            let close = |score: f32| (hit.score() - score).abs() <= 1e-4 * score.abs().max(1.0);
            assert!(close(best) && close(own), "{} scores {}, not {own} or {best}", hit.id(), hit.score());
            assert_eq!(&hit.fields().expect("readable"), fields);
        }
    }

    /// Snapshots show what they showed when they were taken.
    fn check_snapshots(&self) {
        for (snapshot, model) in &self.snapshots {
            assert_eq!(snapshot.len(), model.len());
            let mut found = Model::new();
            for record in snapshot.scan() {
                put(&mut found, &record.expect("pinned"));
            }
            assert!(found == *model, "a snapshot changed");
            self.check_search(snapshot, model, &mut Source::new(&[9, 5, 1]));
        }
    }
}

fn put(model: &mut Model, record: &Record) {
    model.insert(record.id().clone(), (numbers(record), record.fields().clone()));
}

fn numbers(record: &Record) -> Vec<f32> {
    record.get_vector(VECTOR).expect("every record has it").to_f32()
}

/// How many records a batch puts in: of two with one id, the later counts.
fn distinct(records: &[Record]) -> usize {
    records.iter().map(Record::id).collect::<BTreeSet<_>>().len()
}
