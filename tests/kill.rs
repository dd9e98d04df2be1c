//! A process that writes is killed at any moment, again and again; others read the same file all the while.
//!
//! What commit `n` does follows from `n` alone, so whoever finds the number of the last commit in the file knows
//! every byte that must be there: nothing acknowledged is lost, and no part of a commit is there without the rest.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod process;
mod random;

use lodedb::Collection;
use lodedb::Database;
use lodedb::Durability;
use lodedb::Fields;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Snapshot;
use process::Parent;
use process::Process;
use random::Random;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Kills, unless the variable `LODE_KILLS` asks for more.
const KILLS: usize = 200;
const SEED: u64 = 2;
/// Two collections that every commit writes, and one that gets batches of more than 4 MiB now and then.
const NAMES: [&str; 3] = ["left", "right", "wide"];
const DIMS: [usize; 3] = [8, 8, 8192];
const WIDE: usize = 2;
/// Ids are below this. With 2,500 of them and batches of 900, `optimize` builds graphs.
const KEYS: u64 = 400;
/// Records of a batch, at most.
const BATCH: u64 = 40;
/// Records of a wide batch, of 32 KiB each.
const WIDE_KEYS: u64 = 140;
/// Each commit to a collection puts a record with this id there, which holds the commit's number.
const MARKER: u64 = 0;

/// What a commit does in one collection, in this order.
#[derive(Default)]
struct Steps {
    upsert: Vec<u64>,
    delete: Vec<u64>,
    update: Option<u64>,
}

/// What commit `n` does in the collection number `which`.
fn steps(n: u64, which: usize) -> Steps {
    let mut random = Random::new(n * NAMES.len() as u64 + which as u64);
    let some = |random: &mut Random, most: u64| -> Vec<u64> {
        (0..=random.below(most)).map(|_| 1 + random.below(KEYS - 1)).collect()
    };
    let mut steps = Steps::default();
    if which == WIDE {
        steps.upsert = (0..WIDE_KEYS).filter(|_| n % 37 == 36).collect();
        return steps;
    }
    steps.upsert.push(MARKER);
    match random.below(10) {
        0..=3 => steps.upsert.extend(some(&mut random, 1)),
        4..=6 => steps.upsert.extend(some(&mut random, BATCH)),
        7..=8 => steps.delete = some(&mut random, 20),
        _ => steps.update = some(&mut random, 1).first().copied(),
    }
    steps
}

/// The commits that last put a record in and last updated it.
#[derive(Clone, Copy, PartialEq)]
struct Origin {
    put: u64,
    updated: Option<u64>,
}

/// One collection as it must be.
struct Model {
    which: usize,
    commit: u64,
    records: BTreeMap<u64, Origin>,
}

impl Model {
    fn new(which: usize) -> Self {
        Self { which, commit: 0, records: BTreeMap::new() }
    }

    /// Goes on to commit `n`, and never back.
    fn advance(&mut self, n: u64) {
        assert!(n >= self.commit, "commit {n} was found after commit {}", self.commit);
        for n in self.commit + 1..=n {
            let steps = steps(n, self.which);
            for id in steps.upsert {
                self.records.insert(id, Origin { put: n, updated: None });
            }
            for id in steps.delete {
                self.records.remove(&id);
            }
            if let Some(origin) = steps.update.and_then(|id| self.records.get_mut(&id)) {
                origin.updated = Some(n);
            }
        }
        self.commit = n;
    }

    /// Goes on to the commit that `snapshot` holds, and compares every record, and what a search finds.
    fn check(&mut self, snapshot: &Snapshot) {
        self.advance(commit_of(snapshot, self.which));
        let found: Vec<Record> = snapshot.scan().collect::<Result<_>>().unwrap();
        let ids: Vec<u64> = found.iter().map(|record| record.id().as_u64().unwrap()).collect();
        let expected: Vec<u64> = self.records.keys().copied().collect();
        assert_eq!(ids, expected, "{} at commit {}", NAMES[self.which], self.commit);
        for (record, (id, origin)) in found.iter().zip(&self.records) {
            assert!(
                *record == expected_record(self.which, *id, *origin),
                "record {id} of {} at commit {} is {:?}",
                NAMES[self.which],
                self.commit,
                record.fields(),
            );
        }
        if let Some((id, origin)) = self.records.iter().nth(self.commit as usize % found.len().max(1)) {
            let hits = snapshot
                .search()
                .vector(vector(self.which, *id, origin.put))
                .k(10)
                .exact(true)
                .run()
                .unwrap();
            assert_eq!(hits.len(), found.len().min(10));
            assert_eq!((hits[0].id().as_u64(), hits[0].distance()), (Some(*id), 0.0));
        }
    }
}

/// The number of the last commit that `snapshot` holds; 0 before the first.
fn commit_of(snapshot: &Snapshot, which: usize) -> u64 {
    let Some(marker) = snapshot.get(MARKER).unwrap() else {
        assert!(snapshot.is_empty(), "{} has records and no marker", NAMES[which]);
        return 0;
    };
    marker.fields()["commit"].as_i64().unwrap() as u64
}

fn vector(which: usize, id: u64, put: u64) -> Vec<f32> {
    let mut random = Random::new(id << 32 ^ put << 2 ^ which as u64);
    (0..DIMS[which]).map(|_| random.below(2001) as f32 - 1000.0).collect()
}

/// A record as commit `put` writes it, one of so many.
fn new_record(which: usize, id: u64, put: u64) -> Record {
    let batch = steps(put, which).upsert.len() as i64;
    let text = "quartz ".repeat((id + put) as usize % 40);
    let record = Record::new(id).vector(vector(which, id, put));
    record.field("commit", put as i64).field("batch", batch).field("text", text)
}

fn expected_record(which: usize, id: u64, origin: Origin) -> Record {
    let record = new_record(which, id, origin.put);
    match origin.updated {
        Some(n) => record.field("updated", n as i64),
        None => record,
    }
}

fn collections(db: &Database) -> Result<Vec<Collection>> {
    NAMES.iter().map(|name| db.existing(name)).collect()
}

/// Does commit `n`.
fn commit(db: &Database, n: u64) -> Result<()> {
    let mut transaction = db.transaction()?;
    for (which, name) in NAMES.iter().enumerate() {
        let steps = steps(n, which);
        let mut collection = transaction.collection(name)?;
        collection.upsert(steps.upsert.iter().map(|id| new_record(which, *id, n)))?;
        collection.delete(steps.delete)?;
        if let Some(id) = steps.update
            && collection.get(id)?.is_some()
        {
            collection.update(id, Fields::from_iter([("updated", n as i64)]))?;
        }
    }
    transaction.commit()
}

/// Commits, and says which commits are acknowledged, until it is killed.
#[test]
fn writer() {
    let Some(mut parent) = Parent::find() else { return };
    let commit_in = |db: &Database| commit_of(&db.existing(NAMES[0]).unwrap().snapshot().unwrap(), 0);
    // All three promise the same where a process is killed and the power stays on.
    let last = commit_in(&Options::new().read_only(true).open(&parent.path).unwrap());
    let durability = match last % 4 {
        0 => Durability::None,
        1 => Durability::Batched(Duration::from_millis(2)),
        _ => Durability::Full,
    };
    let options = Options::new().create(false).active_bytes(32 << 10).durability(durability);
    let db = options.open(&parent.path).unwrap();
    assert_eq!(commit_in(&db), last);
    for n in last + 1.. {
        commit(&db, n).unwrap();
        parent.say(&n.to_string());
        if n % 11 == 0 {
            db.checkpoint().unwrap();
        }
        if n % 53 == 0 {
            db.optimize(|_| std::ops::ControlFlow::Continue(())).unwrap();
        }
        if n % 97 == 0 {
            db.compact().unwrap();
        }
    }
}

/// Reads until there is nothing more to be told, and says how often it looked and the last commit that it saw.
#[test]
fn reader() {
    let Some(mut parent) = Parent::find() else { return };
    let path = parent.path.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let ear = std::thread::spawn(move || {
        while parent.asked().is_some() {}
        told.store(true, Ordering::SeqCst);
        parent
    });
    let mut reader = Reader::new(&path);
    let mut looks = 0;
    loop {
        let last = stop.load(Ordering::SeqCst);
        reader.look();
        looks += 1;
        if looks % 50 == 0 {
            reader.open_again(&path);
        }
        if last {
            break;
        }
        // Leaves the processors to the one that writes.
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut parent = ear.join().unwrap();
    parent.say(&looks.to_string());
    parent.say(&reader.models[0].commit.to_string());
}

/// A handle that only reads, and what it knows.
struct Reader {
    collections: Vec<Collection>,
    models: Vec<Model>,
    /// An older snapshot, which must stay what it is, and what it held.
    kept: Option<(Snapshot, Vec<Record>)>,
}

impl Reader {
    fn new(path: &Path) -> Self {
        let models = (0..NAMES.len()).map(Model::new).collect();
        let mut reader = Self { collections: Vec::new(), models, kept: None };
        reader.open_again(path);
        reader
    }

    fn open_again(&mut self, path: &Path) {
        let db = Options::new().read_only(true).open(path).unwrap();
        self.collections = collections(&db).unwrap();
    }

    fn snapshot(&self, which: usize) -> Snapshot {
        self.collections[which].snapshot().unwrap()
    }

    /// One look at everything. A commit that is seen in one collection is there in the other from then on.
    fn look(&mut self) {
        let (left, right, again) = (self.snapshot(0), self.snapshot(1), self.snapshot(0));
        let numbers = [commit_of(&left, 0), commit_of(&right, 1), commit_of(&again, 0)];
        assert!(numbers.is_sorted(), "half of a commit was seen: {numbers:?}");
        self.models[0].check(&left);
        self.models[1].check(&right);
        let wide = self.snapshot(WIDE);
        if commit_of(&wide, WIDE) != self.models[WIDE].commit && !wide.is_empty() {
            self.models[WIDE].check(&wide);
        }
        let scan = |snapshot: &Snapshot| snapshot.scan().collect::<Result<Vec<Record>>>().unwrap();
        if let Some((snapshot, records)) = &self.kept {
            assert!(scan(snapshot) == *records, "a snapshot has changed");
        }
        if numbers[0].is_multiple_of(5) {
            let records = scan(&left);
            self.kept = Some((left, records));
        }
    }
}

/// The names of the files beside `path`, itself included.
fn files_beside(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Opens the file as it was left, and compares everything; gives the last commit that is there.
fn check_file(path: &Path, read_only: bool, models: &mut [Model]) -> u64 {
    let db = Options::new().read_only(read_only).create(false).open(path).unwrap();
    for (model, collection) in models.iter_mut().zip(collections(&db).unwrap()) {
        model.check(&collection.snapshot().unwrap());
    }
    assert_eq!(models[0].commit, models[1].commit, "half of a commit is there");
    assert_eq!(files_beside(path), ["killed.lode"]);
    db.verify().unwrap();
    db.close().unwrap();
    models[0].commit
}

#[test]
fn kills_lose_nothing_acknowledged_and_leave_no_half_of_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.lode");
    let db = Database::open(&path).unwrap();
    for (name, dim) in NAMES.iter().zip(DIMS) {
        db.collection(name, Schema::new(dim).metric(Metric::L2)).unwrap();
    }
    db.close().unwrap();
    let readers = [Process::start("reader", &path), Process::start("reader", &path)];
    let mut models: Vec<Model> = (0..NAMES.len()).map(Model::new).collect();
    let mut random = Random::new(SEED);
    let mut acknowledged = 0;
    let kills = std::env::var("LODE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    for kill in 0..kills {
        let mut writer = Process::start("writer", &path);
        for _ in 0..random.below(40) {
            acknowledged = writer.answer().expect("the writer goes on").parse().unwrap();
        }
        std::thread::sleep(Duration::from_micros(random.below(6000)));
        assert_eq!(files_beside(&path), ["killed.lode"]);
        writer.kill();
        while let Some(line) = writer.answer() {
            acknowledged = line.parse().unwrap();
        }
        if kill % 10 == 0 {
            copy_is_complete(&path, acknowledged);
        }
        // Every third time the next writer is the first to see what the kill has left.
        if random.below(3) > 0 {
            let found = check_file(&path, random.below(2) == 0, &mut models);
            let expected = acknowledged..=acknowledged + 1;
            assert!(expected.contains(&found), "kill {kill}: commit {found} of {expected:?}");
        }
    }
    let found = check_file(&path, false, &mut models);
    assert!((acknowledged..=acknowledged + 1).contains(&found));
    for reader in readers {
        let said = reader.end();
        let (looks, last): (u64, u64) = (said[0].parse().unwrap(), said[1].parse().unwrap());
        assert!(looks > 10, "only {looks} looks");
        assert_eq!(last, found);
    }
}

/// A copy of the file as a kill has left it, in a folder of its own, is a whole database.
fn copy_is_complete(path: &Path, acknowledged: u64) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("killed.lode");
    std::fs::copy(path, &copy).unwrap();
    let mut models: Vec<Model> = (0..NAMES.len()).map(Model::new).collect();
    let found = check_file(&copy, false, &mut models);
    assert!(found >= acknowledged);
    assert_eq!(check_file(&copy, true, &mut models), found);
}
