//! What opening a file costs, counted in bytes rather than in time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use lodedb::Backend;
use lodedb::Database;
use lodedb::Fields;
use lodedb::FileBackend;
use lodedb::Options;
use lodedb::Record;
use lodedb::Schema;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Bytes of a vector.
const ROW_BYTES: usize = 16 << 10;
/// What opening may read of a file with one segment: superblocks, manifests, short logs, and parts that are too small
/// to be mapped, each of less than 64 KiB.
const MOST_READ: u64 = 256 << 10;

/// A file, and what was asked of it.
struct Counted {
    file: FileBackend,
    read: AtomicU64,
    changes: AtomicU64,
}

impl Counted {
    fn new(file: io::Result<FileBackend>) -> Arc<Self> {
        Arc::new(Self { file: file.unwrap(), read: AtomicU64::new(0), changes: AtomicU64::new(0) })
    }

    fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }
}

impl Backend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(buf.len() as u64, Ordering::SeqCst);
        self.file.read(offset, buf)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change();
        self.file.write(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change();
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.change();
        self.file.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.change();
        self.file.sync()
    }

    fn map(&self, offset: u64, len: usize) -> io::Result<Option<Arc<dyn AsRef<[u8]> + Send + Sync>>> {
        self.file.map(offset, len)
    }

    fn lock_writer(&self) -> io::Result<bool> {
        self.file.lock_writer()
    }

    fn unlock_writer(&self) -> io::Result<()> {
        self.file.unlock_writer()
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        self.file.pin(generation)
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        self.file.unpin(generation)
    }

    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        self.file.pinned_before(generation)
    }

    fn still_there(&self) -> io::Result<bool> {
        self.file.still_there()
    }
}

/// A closed file with so many records of [`ROW_BYTES`].
fn create(path: &Path, records: u64) {
    let db = Database::open(path).unwrap();
    let docs = db.collection("docs", Schema::new(ROW_BYTES / 4)).unwrap();
    let row = |id: u64| vec![id as f32 + 1.0; ROW_BYTES / 4];
    docs.upsert((0..records).map(|id| Record::new(id).vector(row(id)).field("number", id as i64))).unwrap();
    // Opening for writing also follows the logs of the generations before, which the superblocks still name: a few
    // checkpoints later they are short ones.
    for _ in 0..4 {
        docs.update(0, Fields::from_iter([("number", 1)])).unwrap();
        db.checkpoint().unwrap();
    }
    db.close().unwrap();
}

#[test]
fn opening_reads_few_bytes_whatever_the_size_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for records in [1, 30, 300, 900] {
        let path = folder.path().join(format!("{records}.lode"));
        create(&path, records);
        for read_only in [false, true] {
            let file = Counted::new(FileBackend::open(&path));
            let db = Options::new().read_only(read_only).open_backend(file.clone(), "counted").unwrap();
            assert_eq!(db.existing("docs").unwrap().len().unwrap() as u64, records);
            let read = file.read_bytes();
            assert!(read <= MOST_READ, "{read} bytes to open a file with {records} records");
        }
    }
}

#[test]
fn opening_and_closing_a_clean_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clean.lode");
    create(&path, 100);
    let before = std::fs::read(&path).unwrap();
    let file = Counted::new(FileBackend::open(&path));
    let db = Options::new().open_backend(file.clone(), "counted").unwrap();
    let docs = db.existing("docs").unwrap();
    assert_eq!(docs.search().vector(vec![1.0; ROW_BYTES / 4]).run().unwrap().len(), 10);
    db.close().unwrap();
    assert_eq!(file.changes(), 0);
    assert!(std::fs::read(&path).unwrap() == before);
}

/// Bytes of the file at `path` that this process has mapped, and of them those that it has touched, with some around.
#[cfg(target_os = "linux")]
fn mapped(path: &Path) -> (u64, u64) {
    let name = path.canonicalize().unwrap();
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut size, mut resident, mut ours) = (0, 0, false);
    for line in maps.lines() {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if !word.ends_with(':') {
            ours = line.ends_with(name.to_str().unwrap());
        } else if ours && (word == "Size:" || word == "Rss:") {
            let bytes = rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
            *(if word == "Size:" { &mut size } else { &mut resident }) += bytes;
        }
    }
    (size, resident)
}

#[cfg(target_os = "linux")]
#[test]
fn opening_touches_little_of_what_it_maps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.lode");
    create(&path, 900);
    let db = Database::open(&path).unwrap();
    let (size, touched) = mapped(&path);
    assert!(size > 14 << 20, "{size} bytes are mapped");
    assert!(touched <= size / 4, "{touched} bytes of {size} were touched by opening");
    drop(db);
}
