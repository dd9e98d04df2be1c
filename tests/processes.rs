//! One process writes, any number read, each what it is told here and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod process;

use lodedb::Backend;
use lodedb::Collection;
use lodedb::Database;
use lodedb::Error;
use lodedb::FileBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Snapshot;
use process::Parent;
use process::Process;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

const DIM: usize = 256;
/// With 1,000 or more, `optimize` builds graphs and the snapshots are held across them.
const RECORDS: u64 = 900;

fn fresh_path() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.lode");
    (folder, path)
}

fn read_only(path: &Path) -> Result<Database> {
    Options::new().read_only(true).open(path)
}

fn docs(db: &Database) -> Collection {
    db.collection("docs", Schema::new(DIM).metric(Metric::L2)).unwrap()
}

/// A record whose every byte tells the round in which it was written.
fn record(id: u64, round: u64) -> Record {
    let vector: Vec<f32> = (0..DIM as u64).map(|i| ((id * 7 + i * 3 + round * 11) % 101) as f32).collect();
    Record::new(id).vector(vector).field("round", round as i64)
}

fn fill(docs: &Collection, round: u64) {
    docs.upsert((0..RECORDS).map(|id| record(id, round))).unwrap();
}

fn contents(snapshot: &Snapshot) -> Vec<Record> {
    snapshot.scan().collect::<Result<_>>().unwrap()
}

/// Everything that a snapshot answers, as one line.
fn answers(snapshot: &Snapshot) -> String {
    let mut text = format!("{:?}", contents(snapshot));
    for id in (0..RECORDS).step_by(100) {
        let query = record(id, 0).get_vector("vector").cloned().unwrap();
        text += &format!("{:?}", snapshot.search().vector(query).k(20).run().unwrap());
        text += &format!("{:?}", snapshot.get(id).unwrap());
    }
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{} records, {hash:016x}", snapshot.len())
}

fn no_progress(_: lodedb::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Opens for writing, and says whether it could; then does what it is told.
#[test]
fn writer() {
    let Some(mut parent) = Parent::find() else { return };
    let db = match Database::open(&parent.path) {
        Ok(db) => db,
        Err(error) => return parent.say(&format!("refused: {error}")),
    };
    let docs = docs(&db);
    parent.say("opened");
    while let Some(asked) = parent.asked() {
        match asked.as_str() {
            "checkpoint" => db.checkpoint().unwrap(),
            round => drop(docs.upsert([record(0, round.parse().unwrap())]).unwrap()),
        }
        parent.say("done");
    }
}

/// Opens for reading, holds a snapshot, and says what it answers as often as it is asked.
#[test]
fn holder() {
    let Some(mut parent) = Parent::find() else { return };
    let db = read_only(&parent.path).unwrap();
    let docs = db.existing("docs").unwrap();
    let snapshot = docs.snapshot().unwrap();
    while let Some(asked) = parent.asked() {
        parent.say(&match asked.as_str() {
            "held" => answers(&snapshot),
            _ => answers(&docs.snapshot().unwrap()),
        });
    }
}

#[test]
fn a_second_process_that_would_write_is_told_that_the_file_is_locked() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let refused = Process::start("writer", &path).answer().unwrap();
    assert!(refused.starts_with("refused: the database is locked"), "{refused}");
    for word in ["another", "read"] {
        assert!(refused.contains(word), "'{word}' is not in: {refused}");
    }
    db.close().unwrap();
    assert_eq!(Process::start("writer", &path).answer().unwrap(), "opened");
}

#[test]
fn a_second_handle_of_the_same_process_that_would_write_is_refused_too() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    assert!(matches!(Database::open(&path), Err(Error::Locked { .. })));
    // Opening and closing another handle has not given the first one's lock away.
    drop(read_only(&path).unwrap());
    assert!(matches!(Database::open(&path), Err(Error::Locked { .. })));
    drop(db);
    Database::open(&path).unwrap();
}

#[test]
fn a_killed_writer_leaves_no_lock_behind() {
    let (_folder, path) = fresh_path();
    let mut process = Process::start("writer", &path);
    assert_eq!(process.answer().unwrap(), "opened");
    assert!(matches!(Database::open(&path), Err(Error::Locked { .. })));
    process.kill();
    Database::open(&path).unwrap().verify().unwrap();
}

#[test]
fn a_reader_opens_beside_a_writer_and_without_one() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    fill(&docs(&db), 1);
    let beside = read_only(&path).unwrap();
    assert_eq!(contents(&docs(&beside).snapshot().unwrap()), contents(&docs(&db).snapshot().unwrap()));
    db.close().unwrap();
    let alone = read_only(&path).unwrap();
    alone.verify().unwrap();
    assert_eq!(docs(&alone).len().unwrap(), RECORDS as usize);
    assert_eq!(docs(&beside).len().unwrap(), RECORDS as usize);
}

#[test]
fn a_reader_sees_what_another_process_has_acknowledged() {
    let (_folder, path) = fresh_path();
    let mut process = Process::start("writer", &path);
    assert_eq!(process.answer().unwrap(), "opened");
    let reader = read_only(&path).unwrap();
    let docs = reader.existing("docs").unwrap();
    for round in 1..200 {
        process.ask(&round.to_string());
        assert_eq!(docs.get(0).unwrap().unwrap(), record(0, round));
        if round % 20 == 0 {
            process.ask("checkpoint");
        }
    }
    process.end();
    assert_eq!(docs.get(0).unwrap().unwrap(), record(0, 199));
}

/// A file whose reads and maps fail while it is told so.
struct Failing {
    file: FileBackend,
    fails: AtomicBool,
}

impl Failing {
    fn check(&self) -> io::Result<()> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("no memory for a map")),
            false => Ok(()),
        }
    }
}

impl Backend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, buf)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn map(&self, offset: u64, len: usize) -> io::Result<Option<Arc<dyn AsRef<[u8]> + Send + Sync>>> {
        self.check()?;
        self.file.map(offset, len)
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        self.file.pin(generation)
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        self.file.unpin(generation)
    }
}

#[test]
fn a_reader_that_could_not_follow_for_once_misses_nothing_later() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let docs = docs(&db);
    fill(&docs, 1);
    db.checkpoint().unwrap();
    let file = FileBackend::open_read_only(&path).unwrap();
    let file = Arc::new(Failing { file, fails: AtomicBool::new(false) });
    let reader = Options::new().read_only(true).open_backend(file.clone(), "failing").unwrap();
    let read = reader.existing("docs").unwrap();
    for round in 2..8 {
        fill(&docs, round);
        db.checkpoint().unwrap();
        file.fails.store(true, Ordering::SeqCst);
        assert!(matches!(read.len(), Err(Error::Io { .. })));
        // What comes through the log alone now must not be taken for all there is to know.
        docs.upsert([record(RECORDS + round, round)]).unwrap();
        if round % 2 == 0 {
            assert!(matches!(read.len(), Err(Error::Io { .. })));
        }
        file.fails.store(false, Ordering::SeqCst);
        assert_eq!(contents(&read.snapshot().unwrap()), contents(&docs.snapshot().unwrap()));
    }
}

#[test]
fn of_many_that_create_one_file_at_once_one_does_and_the_others_are_told_that_it_is_locked() {
    for _ in 0..50 {
        let (_folder, path) = fresh_path();
        let ready = Barrier::new(4);
        let opened: Vec<Result<Database>> = std::thread::scope(|scope| {
            let open = || {
                ready.wait();
                Database::open(&path)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
        for error in opened.into_iter().filter_map(Result::err) {
            assert!(matches!(error, Error::Locked { .. }), "{error}");
        }
    }
}

#[test]
fn a_reader_can_do_nothing_that_writes() {
    let (_folder, path) = fresh_path();
    fill(&docs(&Database::open(&path).unwrap()), 1);
    let before = std::fs::read(&path).unwrap();
    let db = read_only(&path).unwrap();
    let docs = docs(&db);
    for result in [
        docs.upsert([record(1, 2)]).map(drop),
        docs.delete([1]).map(drop),
        db.collection("new", Schema::new(1)).map(drop),
        db.drop_collection("docs"),
        db.transaction().map(drop),
        db.checkpoint(),
        db.flush(),
        db.compact(),
        db.optimize(no_progress),
    ] {
        assert!(matches!(result, Err(Error::ReadOnly)), "{result:?}");
    }
    db.close().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_snapshot_in_another_process_answers_the_same_whatever_the_writer_does() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let docs = docs(&db);
    fill(&docs, 1);
    db.checkpoint().unwrap();
    let mut process = Process::start("holder", &path);
    let held = process.ask("held");
    assert_eq!(held, answers(&docs.snapshot().unwrap()));
    for round in 2..8 {
        fill(&docs, round);
        db.checkpoint().unwrap();
        assert_eq!(process.ask("held"), held);
        db.optimize(no_progress).unwrap();
        docs.delete((0..RECORDS).filter(|id| id % 3 == 0)).unwrap();
        db.compact().unwrap();
        assert_eq!(process.ask("held"), held);
        assert_eq!(process.ask("now"), answers(&docs.snapshot().unwrap()));
    }
    db.drop_collection("docs").unwrap();
    db.close().unwrap();
    // Another writer knows of the snapshot by its lock alone.
    let db = Database::open(&path).unwrap();
    fill(&self::docs(&db), 9);
    db.compact().unwrap();
    assert_eq!(process.ask("held"), held);
    process.end();
}

#[test]
fn room_that_a_snapshot_needs_is_used_again_once_the_reader_has_gone() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    let docs = docs(&db);
    let overwrite = |rounds: std::ops::Range<u64>| {
        for round in rounds {
            fill(&docs, round);
            db.checkpoint().unwrap();
        }
        db.stats().unwrap().file_bytes
    };
    let without = overwrite(1..10);
    let mut process = Process::start("holder", &path);
    let held = process.ask("held");
    let with = overwrite(10..20);
    assert_eq!(process.ask("held"), held);
    assert!(with > without, "{with} bytes with a reader, {without} without");
    process.kill();
    assert!(overwrite(20..40) <= with, "the room of a reader that has gone is not used again");
    db.compact().unwrap();
    let after = db.stats().unwrap();
    assert!(after.file_bytes <= without, "{} bytes after, {without} before", after.file_bytes);
    assert_eq!(after.file_bytes, std::fs::metadata(&path).unwrap().len());
}

#[test]
fn a_snapshot_that_outlives_its_database_keeps_its_room_from_the_next_writer() {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    fill(&docs(&db), 1);
    db.checkpoint().unwrap();
    let snapshot = docs(&db).snapshot().unwrap();
    let held = answers(&snapshot);
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    for round in 2..6 {
        fill(&docs(&db), round);
        db.compact().unwrap();
        assert_eq!(answers(&snapshot), held);
    }
}

/// A file with records, closed, as bytes.
fn closed_file() -> Vec<u8> {
    let (_folder, path) = fresh_path();
    let db = Database::open(&path).unwrap();
    docs(&db).upsert((0..100).map(|id| record(id, 1))).unwrap();
    db.close().unwrap();
    std::fs::read(&path).unwrap()
}

/// Both ways to open what is at `path`, which must give the same error, and that error.
fn refusal(path: &Path) -> Error {
    let error = read_only(path).unwrap_err();
    let other = Options::new().create(false).open(path).unwrap_err();
    assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&other), "{error} / {other}");
    error
}

#[test]
fn a_truncated_file_is_told_to_be_damaged_and_never_read_short() {
    let (_folder, path) = fresh_path();
    let whole = closed_file();
    let (mut least_opened, mut most_refused, mut refused) = (whole.len(), 0, 0);
    for len in (1..whole.len()).step_by(1021) {
        std::fs::write(&path, &whole[..len]).unwrap();
        let error = match read_only(&path) {
            Ok(db) => {
                // Nothing but free space behind the last extent is missing.
                db.verify().unwrap();
                assert_eq!(docs(&db).len().unwrap(), 100);
                least_opened = least_opened.min(len);
                continue;
            }
            Err(error) => error,
        };
        match error {
            Error::Corrupt(corruption) => {
                assert!(corruption.problem.contains("the file was cut"), "{corruption}");
            }
            Error::NotADatabase { .. } if len < 16 << 10 => {}
            error => panic!("{len} bytes: {error}"),
        }
        (most_refused, refused) = (most_refused.max(len), refused + 1);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), len as u64);
    }
    assert!(refused > 100 && most_refused < least_opened, "{most_refused} refused, {least_opened} opened");
}

#[test]
fn an_empty_file_is_no_database_until_one_is_created_in_it() {
    let (_folder, path) = fresh_path();
    std::fs::write(&path, []).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, Error::NotADatabase { .. }) && error.to_string().contains("empty"), "{error}");
    docs(&Database::open(&path).unwrap()).upsert([record(1, 1)]).unwrap();
    assert_eq!(docs(&read_only(&path).unwrap()).len().unwrap(), 1);
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_was() {
    let (_folder, path) = fresh_path();
    for bytes in [b"SQLite format 3\0".repeat(10_000), b"{}".to_vec(), vec![0; 200_000]] {
        std::fs::write(&path, &bytes).unwrap();
        let error = refusal(&path);
        assert!(matches!(error, Error::NotADatabase { .. }), "{error}");
        assert!(matches!(Database::open(&path), Err(Error::NotADatabase { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_path_that_is_no_regular_file_is_refused_by_name() {
    let (folder, path) = fresh_path();
    let missing_folder = folder.path().join("nowhere").join("shared.lode");
    for path in [folder.path(), &path, &missing_folder, Path::new("/dev/null")] {
        let error = refusal(path);
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
    assert!(matches!(Database::open(folder.path()), Err(Error::Io { .. })));
    assert!(matches!(Database::open(&missing_folder), Err(Error::Io { .. })));
    assert!(!path.exists());
}

/// What is done to a file while it is open.
type Removal = fn(&Path);

const REMOVALS: [Removal; 3] = [
    |path| std::fs::remove_file(path).unwrap(),
    |path| std::fs::rename(path, path.with_extension("moved")).unwrap(),
    |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, b"something else").unwrap();
    },
];

#[test]
fn a_file_that_is_gone_is_noticed_at_the_next_checkpoint() {
    for remove in REMOVALS {
        let (_folder, path) = fresh_path();
        let db = Database::open(&path).unwrap();
        let docs = docs(&db);
        docs.upsert([record(1, 1)]).unwrap();
        remove(&path);
        let error = db.checkpoint().unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().contains("deleted, renamed or replaced"), "{error}");
        // Reading goes on, and closing tells once more.
        assert_eq!(docs.get(1).unwrap().unwrap(), record(1, 1));
        assert!(db.close().is_err());
    }
}

#[test]
fn a_file_that_was_moved_and_moved_back_is_written_on() {
    let (_folder, path) = fresh_path();
    let moved = path.with_extension("moved");
    let db = Database::open(&path).unwrap();
    docs(&db).upsert([record(1, 1)]).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    assert!(db.checkpoint().is_err());
    std::fs::rename(&moved, &path).unwrap();
    docs(&db).upsert([record(2, 1)]).unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
    assert_eq!(docs(&Database::open(&path).unwrap()).len().unwrap(), 2);
}

#[test]
fn closing_gives_the_lock_back_even_where_the_last_checkpoint_fails() {
    let (_folder, path) = fresh_path();
    let moved = path.with_extension("moved");
    let db = Database::open(&path).unwrap();
    let docs = docs(&db);
    docs.upsert([record(1, 1)]).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    assert!(db.close().is_err());
    // What was acknowledged is in the log, and another handle may write although this one still lives.
    let again = Database::open(&moved).unwrap();
    assert_eq!(self::docs(&again).get(1).unwrap().unwrap(), record(1, 1));
    assert!(matches!(docs.get(1), Err(Error::Closed)));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_file_is_the_same_database() {
    let (folder, path) = fresh_path();
    let link = folder.path().join("link.lode");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let db = Database::open(&path).unwrap();
    assert!(matches!(Database::open(&link), Err(Error::Locked { .. })));
    docs(&db).upsert([record(1, 1)]).unwrap();
    db.close().unwrap();
    let db = Database::open(&link).unwrap();
    docs(&db).upsert([record(2, 1)]).unwrap();
    db.checkpoint().unwrap();
    assert_eq!(docs(&read_only(&path).unwrap()).len().unwrap(), 2);
}
