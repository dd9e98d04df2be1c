//! What can't be seen from outside: merges with writes in between, how many graphs there are, what is rewritten.

use super::Database;
use super::Maintenance;
use super::Options;
use super::maintenance;
use crate::ids::RecordId;
use crate::segment::Record;
use crate::segment::Schema;
use crate::storage::Backend;
use crate::storage::MappedBytes;
use crate::storage::MemoryBackend;
use crate::vector::Metric;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

const DIM: usize = 8;

/// The vector of a record: far from that of every other id, and the same every time.
fn vector(id: u64) -> [f32; DIM] {
    let mut state = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 1e6
    })
}

fn records(ids: std::ops::Range<u64>) -> impl Iterator<Item = Record> {
    ids.map(|id| Record::new(id).vector(vector(id)).field("n", id as i64))
}

fn manual(backend: Arc<dyn Backend>) -> Database {
    Options::new().maintenance(Maintenance::Manual).open_backend(backend, "test").unwrap()
}

fn schema() -> Schema {
    Schema::new(DIM).metric(Metric::L2)
}

/// Counts the bytes written to memory.
struct Counting {
    memory: MemoryBackend,
    written: Arc<AtomicU64>,
}

impl Backend for Counting {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, buf)
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.memory.write(offset, bytes)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.memory.allocate(offset, len)
    }
    fn sync(&self) -> io::Result<()> {
        self.memory.sync()
    }
    fn map(&self, offset: u64, len: usize) -> io::Result<Option<MappedBytes>> {
        self.memory.map(offset, len)
    }
}

#[test]
fn handles_go_from_thread_to_thread() {
    fn shared<T: Clone + Send + Sync>() {}
    shared::<Database>();
    shared::<super::Collection>();
    shared::<super::Snapshot>();
    shared::<crate::query::Search>();
    shared::<crate::query::Hit>();
}

#[test]
fn what_is_written_during_a_merge_outlives_it() {
    let db = manual(Arc::new(MemoryBackend::new()));
    let points = db.collection("points", schema()).unwrap();
    points.upsert(records(0..3000)).unwrap();
    let before = points.snapshot().unwrap();
    let interrupted = AtomicBool::new(false);
    db.optimize(|progress| {
        assert!(progress.done <= progress.total);
        if !interrupted.swap(true, Ordering::SeqCst) {
            points.delete(0..100u64).unwrap();
            points.upsert(records(50..60).chain(records(5000..5010))).unwrap();
            points.upsert([Record::new(200).vector(vector(200)).field("n", -1)]).unwrap();
            db.checkpoint().unwrap();
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(interrupted.load(Ordering::SeqCst), "the graph was built without telling how far it is");
    assert_eq!(points.len().unwrap(), 3000 - 100 + 10 + 10);
    assert!(points.get(99).unwrap().is_none());
    assert_eq!(points.get(200).unwrap().unwrap().fields()["n"].as_i64(), Some(-1));
    for id in [55, 150, 2999, 5005] {
        assert_eq!(points.search().vector(vector(id)).k(1).run().unwrap()[0].id(), &RecordId::from(id));
    }
    assert_eq!(before.len(), 3000);
    assert_eq!(before.search().vector(vector(10)).k(1).run().unwrap()[0].id(), &RecordId::from(10));
    db.verify().unwrap();
}

#[test]
fn optimize_leaves_one_segment_without_dead_records() {
    let db = manual(Arc::new(MemoryBackend::new()));
    let points = db.collection("points", schema()).unwrap();
    for first in (0..4000).step_by(1000) {
        points.upsert(records(first..first + 1000)).unwrap();
        db.optimize(|_| ControlFlow::Continue(())).unwrap();
    }
    points.delete((0..4000u64).filter(|id| id % 2 == 0)).unwrap();
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
    let stats = points.stats().unwrap();
    assert_eq!((stats.segments, stats.graphs, stats.dead_records, stats.records), (1, 1, 0, 2000));
    for part in ["vectors", "codes", "graph", "ids", "fields", "field index"] {
        assert!(stats.part_bytes[part] > 0, "{part} in {:?}", stats.part_bytes);
    }
    assert!(stats.part_bytes.values().sum::<u64>() <= db.stats().unwrap().live_bytes);
    let found = (0..200u64).filter(|i| {
        let id = i * 20 + 1;
        points.search().vector(vector(id)).k(1).run().unwrap()[0].id() == &RecordId::from(id)
    });
    assert!(found.count() >= 198);
    db.verify().unwrap();
}

#[test]
fn steady_writes_leave_few_graphs_and_few_scanned_records() {
    let options = Options::new().maintenance(Maintenance::Manual).active_bytes(64 << 10);
    let db = options.open_backend(Arc::new(MemoryBackend::new()), "test").unwrap();
    let points = db.collection("points", schema()).unwrap();
    for first in (0..60_000).step_by(1000) {
        points.upsert(records(first..first + 1000)).unwrap();
        maintenance::work(db.shared.inner()).unwrap();
        let stats = points.stats().unwrap();
        assert!(stats.graphs <= 3, "{} graphs", stats.graphs);
        assert!(stats.records - stats.graph_records < 12_000, "{stats:?}");
    }
    let found = (0..60_000u64)
        .step_by(600)
        .filter(|id| points.search().vector(vector(*id)).k(1).run().unwrap()[0].id() == &RecordId::from(*id));
    assert!(found.count() >= 98);
}

#[test]
fn merging_does_not_write_the_stored_vectors_again() {
    const WIDE: usize = 512;
    let wide = |id: u64| {
        Record::new(id).vector((0..WIDE as u64).map(|i| ((id * 31 + i * i) % 97) as f32).collect::<Vec<_>>())
    };
    let written = Arc::new(AtomicU64::new(0));
    let db = manual(Arc::new(Counting { memory: MemoryBackend::new(), written: written.clone() }));
    let points = db.collection("points", Schema::new(WIDE).metric(Metric::L2)).unwrap();
    points.upsert((0..3000).map(wide)).unwrap();
    let imported = written.swap(0, Ordering::Relaxed);
    let vectors = 3000 * WIDE as u64 * 4;
    // Once, and codes of a quarter of that.
    assert!(imported < vectors + vectors * 2 / 5, "{imported} bytes for {vectors} bytes of vectors");
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
    let merged = written.swap(0, Ordering::Relaxed);
    assert!(merged < vectors / 2, "{merged} bytes for codes and graph over {vectors} bytes of vectors");
    assert_eq!(points.get(2999).unwrap(), Some(wide(2999)));

    points.delete((0..3000u64).filter(|id| id % 2 == 0)).unwrap();
    let before = db.stats().unwrap().file_bytes;
    db.compact().unwrap();
    let after = db.stats().unwrap().file_bytes;
    assert!(after < before * 2 / 3, "{before} bytes became {after}");
    assert_eq!(points.get(2999).unwrap(), Some(wide(2999)));
    db.verify().unwrap();
}
