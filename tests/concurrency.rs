//! Threads that write, read and close at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod random;

use lodedb::Backend;
use lodedb::Collection;
use lodedb::Database;
use lodedb::Error;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Snapshot;
use random::Random;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

const WRITERS: u64 = 4;
const READERS: u64 = 3;
const DIM: usize = 16;

fn fresh_path() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.lode");
    (folder, path)
}

/// Options under which every few commits are folded into the file in the background.
fn busy() -> Options {
    Options::new().active_bytes(8 << 10)
}

fn docs(db: &Database) -> Collection {
    db.collection("docs", Schema::new(DIM).metric(Metric::L2)).unwrap()
}

/// A vector that no other id has.
fn vector(id: u64) -> Vec<f32> {
    let mut random = Random::new(id);
    (0..DIM).map(|_| random.below(1000) as f32).collect()
}

fn record(id: u64, step: u64) -> Record {
    Record::new(id).vector(vector(id)).field("step", step as i64)
}

fn step_of(record: &Record) -> u64 {
    record.fields()["step"].as_i64().unwrap() as u64
}

fn contents(snapshot: &Snapshot) -> Vec<Record> {
    snapshot.scan().collect::<Result<_>>().unwrap()
}

/// Runs `work` with the numbers of so many threads, and `beside` in others with theirs until all of it is done.
fn beside(threads: u64, work: impl Fn(u64) + Sync, others: u64, beside: impl Fn(u64) + Sync) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..others {
            let (done, beside) = (&done, &beside);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    beside(number);
                }
            });
        }
        let work = &work;
        let workers: Vec<_> = (0..threads).map(|number| scope.spawn(move || work(number))).collect();
        // A worker that failed must not leave the others running for ever.
        let ends: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ends.iter().all(Result::is_ok));
    });
}

#[test]
fn every_record_of_every_writer_is_acknowledged_and_there() {
    const EACH: u64 = 200;
    let (_folder, path) = fresh_path();
    let db = busy().open(&path).unwrap();
    let docs = docs(&db);
    let write = |writer: u64| {
        for step in 0..EACH {
            let id = writer * EACH + step;
            assert_eq!(docs.insert([record(id, step)]).unwrap(), 1);
            assert_eq!(step_of(&docs.get(id).unwrap().unwrap()), step);
        }
    };
    beside(WRITERS, write, READERS, |_| {
        let snapshot = docs.snapshot().unwrap();
        assert_eq!(contents(&snapshot).len(), snapshot.len());
    });
    let all: Vec<Record> = (0..WRITERS * EACH).map(|id| record(id, id % EACH)).collect();
    assert_eq!(contents(&docs.snapshot().unwrap()), all);
    db.verify().unwrap();
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    assert_eq!(contents(&self::docs(&db).snapshot().unwrap()), all);
}

#[test]
fn records_acknowledged_to_several_writers_survive_without_closing() {
    let (folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let docs = docs(&db);
    let write = |writer: u64| {
        for step in 0..50 {
            docs.upsert([record(writer * 50 + step, step)]).unwrap();
        }
    };
    beside(WRITERS, write, 0, |_| {});
    let copy = folder.path().join("copy.lode");
    std::fs::copy(&path, &copy).unwrap();
    let copied = self::docs(&Database::open(&copy).unwrap()).snapshot().unwrap();
    assert_eq!(contents(&copied), contents(&docs.snapshot().unwrap()));
}

/// Memory whose next sync, once it is armed, waits until all commits are written.
#[derive(Default)]
struct SlowSync {
    memory: MemoryBackend,
    state: Mutex<Armed>,
    written: Condvar,
}

#[derive(Default)]
struct Armed {
    /// Writes that the sync waits for.
    awaited: u64,
    syncs: u64,
}

impl Backend for SlowSync {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, buf)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory.write(offset, bytes)?;
        let mut state = self.state.lock().unwrap();
        state.awaited = state.awaited.saturating_sub(1);
        self.written.notify_all();
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.memory.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.syncs += 1;
        while state.awaited > 0 {
            state = self.written.wait(state).unwrap();
        }
        Ok(())
    }
}

#[test]
fn commits_that_wait_together_share_one_sync() {
    const COMMITS: u64 = 8;
    let backend = Arc::new(SlowSync::default());
    let db = Options::new().open_backend(backend.clone(), "slow").unwrap();
    let docs = docs(&db);
    docs.upsert([record(1000, 0)]).unwrap();
    *backend.state.lock().unwrap() = Armed { awaited: COMMITS, syncs: 0 };
    beside(COMMITS, |id| assert_eq!(docs.upsert([record(id, id)]).unwrap(), 1), 0, |_| {});
    // The first waits for the frames of all the others, which the second makes durable together, but for one that was written and
    // not yet waited for when the second began.
    let syncs = backend.state.lock().unwrap().syncs;
    assert!(syncs <= 3, "{syncs} syncs for {COMMITS} commits");
    assert_eq!(docs.len().unwrap(), COMMITS as usize + 1);
}

/// Overwrites records in turn, and tells in `acknowledged` how far it is, while readers ask for what was told before
/// they began.
fn reads_see_what_was_acknowledged(reader_of: impl Fn(&Path, &Collection) -> Collection) {
    const STEPS: u64 = 250;
    const IDS: u64 = 50;
    let (_folder, path) = fresh_path();
    let db = busy().open(&path).unwrap();
    let docs = docs(&db);
    let reader = reader_of(&path, &docs);
    let acknowledged: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let id_of = |writer: u64, step: u64| writer * IDS + step % IDS;
    let write = |writer: u64| {
        for step in 1..=STEPS {
            docs.upsert([record(id_of(writer, step), step)]).unwrap();
            acknowledged[writer as usize].store(step, Ordering::SeqCst);
        }
    };
    let seed = AtomicU64::new(0);
    beside(WRITERS, write, READERS, |number| {
        let writer = seed.fetch_add(1, Ordering::SeqCst) % WRITERS;
        let told = acknowledged[writer as usize].load(Ordering::SeqCst);
        if told == 0 {
            return;
        }
        let id = id_of(writer, told);
        let found = match number {
            0 => reader.get(id).unwrap().unwrap(),
            1 => {
                let hits = reader.search().vector(vector(id)).k(3).run().unwrap();
                assert_eq!((hits[0].id().as_u64(), hits[0].distance()), (Some(id), 0.0));
                hits[0].record().unwrap()
            }
            _ => {
                let scan = reader.scan();
                let records: Vec<Record> = scan.collect::<Result<_>>().unwrap();
                // Each writer's newest step may be ahead of what was told, no older one may be missing.
                let least = told.saturating_sub(IDS - 1).max(1);
                let of_writer = records.iter().filter(|r| r.id().as_u64().unwrap() / IDS == writer);
                assert!(of_writer.clone().all(|record| step_of(record) >= least));
                assert!(of_writer.count() as u64 >= told.min(IDS));
                records.into_iter().find(|record| record.id().as_u64() == Some(id)).unwrap()
            }
        };
        assert!(step_of(&found) >= told, "{} where {told} was acknowledged", step_of(&found));
    });
    assert_eq!(reader.len().unwrap() as u64, WRITERS * IDS);
    db.verify().unwrap();
}

#[test]
fn a_read_sees_everything_acknowledged_before_it_began() {
    reads_see_what_was_acknowledged(|_, docs| docs.clone());
}

#[test]
fn a_read_through_a_handle_that_only_reads_sees_the_same() {
    reads_see_what_was_acknowledged(|path, _| {
        Options::new().read_only(true).open(path).unwrap().existing("docs").unwrap()
    });
}

#[test]
fn a_transaction_is_seen_whole_or_not_at_all() {
    const IDS: u64 = 40;
    let (_folder, path) = fresh_path();
    let db = busy().open(&path).unwrap();
    let docs = docs(&db);
    docs.upsert((0..IDS).map(|id| record(id, 0))).unwrap();
    let write = |writer: u64| {
        for step in 0..60 {
            let step = step * WRITERS + writer;
            match step % 3 {
                0 => drop(docs.upsert((0..IDS).map(|id| record(id, step))).unwrap()),
                1 => {
                    let mut transaction = db.transaction().unwrap();
                    let mut docs = transaction.collection("docs").unwrap();
                    docs.delete(0..IDS).unwrap();
                    docs.insert((0..IDS).map(|id| record(id, step))).unwrap();
                    transaction.commit().unwrap();
                }
                _ => {
                    let mut transaction = db.transaction().unwrap();
                    transaction.collection("docs").unwrap().delete(0..IDS / 2).unwrap();
                    drop(transaction);
                }
            }
        }
    };
    beside(WRITERS, write, READERS, |_| {
        let records = contents(&docs.snapshot().unwrap());
        assert_eq!(records.len() as u64, IDS);
        let step = step_of(&records[0]);
        assert!(records.iter().all(|record| step_of(record) == step), "two transactions are mixed");
        let hits = docs.search().vector(vector(3)).k(IDS as usize).run().unwrap();
        assert_eq!(hits.len() as u64, IDS);
    });
}

#[test]
fn a_snapshot_stays_what_it_is_under_background_merging() {
    /// With 1,000 or more, `optimize` builds graphs; with 12,000 the background does so too.
    const IDS: u64 = 300;
    let (_folder, path) = fresh_path();
    let db = busy().open(&path).unwrap();
    let docs = docs(&db);
    docs.upsert((0..IDS).map(|id| record(id, 0))).unwrap();
    let snapshot = docs.snapshot().unwrap();
    let (held, first) = (contents(&snapshot), docs.search().vector(vector(7)).k(20));
    let answer = format!("{:?}", first.clone().run().unwrap());
    let write = |writer: u64| {
        let mut random = Random::new(writer);
        for step in 1..60 {
            docs.upsert((0..10).map(|_| record(random.below(IDS), step))).unwrap();
            docs.delete([random.below(IDS)]).unwrap();
            match step % 20 {
                5 => db.checkpoint().unwrap(),
                10 => db.optimize(|_| ControlFlow::Continue(())).unwrap(),
                15 => db.compact().unwrap(),
                _ => {}
            }
        }
    };
    beside(WRITERS, write, READERS, |_| {
        assert_eq!(contents(&snapshot), held);
        assert_eq!(format!("{:?}", first.clone().run().unwrap()), answer);
        let later = docs.snapshot().unwrap();
        assert_eq!(contents(&later), contents(&later.clone()));
    });
    assert!(contents(&docs.snapshot().unwrap()) != held);
    drop((snapshot, first));
    db.compact().unwrap();
    db.verify().unwrap();
}

#[test]
fn handles_dropped_by_several_threads_close_the_file_once_and_for_all() {
    let (_folder, path) = fresh_path();
    for round in 0..40 {
        let db = busy().open(&path).unwrap();
        let docs = docs(&db);
        assert_eq!(docs.len().unwrap() as u64, round * WRITERS);
        let handles: Vec<_> = (0..WRITERS).map(|writer| (writer, db.clone(), docs.clone())).collect();
        drop((db, docs));
        std::thread::scope(|scope| {
            for (writer, db, docs) in handles {
                scope.spawn(move || {
                    docs.upsert([record(round * WRITERS + writer, round)]).unwrap();
                    match writer % 2 {
                        0 => drop((db, docs)),
                        _ => drop((docs, db)),
                    }
                });
            }
        });
        // The last of them has given the lock back.
    }
    Database::open(&path).unwrap().verify().unwrap();
}

#[test]
fn what_is_found_outlives_the_handles() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let docs = docs(&db);
    docs.upsert((0..100).map(|id| record(id, id))).unwrap();
    db.checkpoint().unwrap();
    let (snapshot, scan) = (docs.snapshot().unwrap(), docs.scan());
    let hits = docs.search().vector(vector(5)).k(100).run().unwrap();
    drop((db, docs));
    let again = Database::open(&path).unwrap();
    self::docs(&again).delete(0..100u64).unwrap();
    again.compact().unwrap();
    for hit in hits {
        assert_eq!(hit.record().unwrap(), record(hit.id().as_u64().unwrap(), hit.id().as_u64().unwrap()));
    }
    assert_eq!(scan.collect::<Result<Vec<_>>>().unwrap(), contents(&snapshot));
    assert_eq!(snapshot.len(), 100);
}

#[test]
fn closing_while_others_read_and_write_gives_answers_or_closed() {
    let (_folder, path) = fresh_path();
    let mut written = 0;
    for round in 0..25 {
        let db = busy().open(&path).unwrap();
        let docs = docs(&db);
        assert_eq!(docs.len().unwrap() as u64, written, "round {round}");
        let next = AtomicU64::new(written);
        let closing = db.clone();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                loop {
                    let id = next.load(Ordering::SeqCst);
                    match docs.insert([record(id, round)]) {
                        Ok(_) => next.store(id + 1, Ordering::SeqCst),
                        Err(error) => return error,
                    }
                }
            });
            let readers: Vec<_> = (0..READERS)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let read = docs.search().vector(vector(1)).run().and_then(|hits| {
                                docs.scan().collect::<Result<Vec<_>>>()?;
                                hits.iter().try_for_each(|hit| hit.record().map(drop))
                            });
                            if let Err(error) = read {
                                return error;
                            }
                        }
                    })
                })
                .collect();
            while next.load(Ordering::SeqCst) < written + 3 + round % 5 {
                std::thread::yield_now();
            }
            closing.close().unwrap();
            for thread in readers.into_iter().chain([writer]) {
                let error = thread.join().unwrap();
                assert!(matches!(error, Error::Closed), "{error}");
            }
        });
        written = next.load(Ordering::SeqCst);
        assert!(matches!(db.close(), Err(Error::Closed)));
    }
}

#[test]
fn calls_after_closing_say_closed() {
    let db = Database::open(":memory:").unwrap();
    let docs = docs(&db);
    docs.upsert([record(1, 1)]).unwrap();
    let again = db.clone();
    db.close().unwrap();
    let no_progress = |_| ControlFlow::Continue(());
    for result in [
        docs.get(1).map(drop),
        docs.len().map(drop),
        docs.schema().map(drop),
        docs.stats().map(drop),
        docs.snapshot().map(drop),
        docs.search().vector(vector(1)).run().map(drop),
        docs.scan().collect::<Result<Vec<_>>>().map(drop),
        docs.upsert([record(2, 2)]).map(drop),
        docs.delete([1]).map(drop),
        docs.optimize(no_progress),
        again.collections().map(drop),
        again.collection("docs", Schema::new(DIM).metric(Metric::L2)).map(drop),
        again.existing("docs").map(drop),
        again.transaction().map(drop),
        again.checkpoint(),
        again.flush(),
        again.compact(),
        again.optimize(no_progress),
        again.verify(),
        again.stats().map(drop),
        again.close(),
    ] {
        assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    }
}

/// What this process holds of the file at `path`: file descriptors and memory maps.
#[cfg(target_os = "linux")]
fn held(path: &Path) -> (usize, usize) {
    let path = path.canonicalize().unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let descriptors = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let name = path.to_str().unwrap();
    (
        descriptors.filter(|target| *target == path).count(),
        maps.lines().filter(|line| line.ends_with(name)).count(),
    )
}

#[cfg(target_os = "linux")]
#[test]
fn opening_and_closing_leaves_no_descriptor_and_no_map() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let wide = db.collection("wide", Schema::new(1024)).unwrap();
    wide.upsert((0..200).map(|id| Record::new(id).vector(vec![id as f32 + 1.0; 1024]))).unwrap();
    db.close().unwrap();
    drop(wide);
    assert_eq!(held(&path), (0, 0));
    for cycle in 0..200u64 {
        let db = busy().read_only(cycle % 3 == 0).open(&path).unwrap();
        let wide = db.existing("wide").unwrap();
        assert_eq!(wide.search().vector(vec![1.0; 1024]).k(300).run().unwrap().len(), 200);
        if cycle % 3 == 1 {
            wide.upsert([Record::new(cycle).vector(vec![2.0; 1024])]).unwrap();
        }
        let (descriptors, maps) = held(&path);
        assert!(descriptors == 1 && (1..20).contains(&maps), "{descriptors} descriptors, {maps} maps");
        match cycle % 2 {
            0 => drop(db),
            _ => db.close().unwrap(),
        }
        drop(wide);
        assert_eq!(held(&path), (0, 0), "cycle {cycle}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn writing_for_long_holds_no_more_maps_than_there_are_parts() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let reader = Options::new().read_only(true).open(&path).unwrap();
    let wide = db.collection("wide", Schema::new(1024)).unwrap();
    for round in 0..60 {
        wide.upsert((0..100).map(|id| Record::new(id).vector(vec![(id + round) as f32 + 1.0; 1024])))
            .unwrap();
        db.checkpoint().unwrap();
        assert_eq!(reader.existing("wide").unwrap().len().unwrap(), 100);
        let (descriptors, maps) = held(&path);
        assert!(descriptors == 2 && maps < 20, "round {round}: {descriptors} descriptors, {maps} maps");
    }
}
