//! What single calls cost, on a collection that needs no data from elsewhere: 20,000 vectors of 128 dimensions.
//!
//! `cargo bench --bench everyday`. Durable writes wait for the disk of the machine.

use criterion::{Criterion, criterion_group, criterion_main};
use lodedb::{Collection, Database, Durability, Maintenance, Metric, Options, Record, Schema};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

const RECORDS: u64 = 20_000;
const DIM: usize = 128;

/// A vector near one of 200 centres, the same for an id every time.
fn vector(id: u64) -> Vec<f32> {
    let spread = |seed: u64, i: u64| {
        let mixed = (seed ^ i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        (mixed >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..DIM as u64).map(|i| spread(id % 200, i) * 10.0 + spread(id + 1000, i)).collect()
}

fn open(path: &Path, durability: Durability) -> Database {
    let options = Options::new().durability(durability).maintenance(Maintenance::Manual);
    options.open(path).expect("the folder can be written")
}

fn fill(db: &Database) -> Collection {
    let schema = Schema::new(DIM).metric(Metric::L2);
    let records = db.collection("records", schema).expect("the schema is sound");
    let all = (0..RECORDS).map(|id| Record::new(id).vector(vector(id)).field("n", id as i64));
    records.upsert(all).expect("there is room");
    db.optimize(|_| ControlFlow::Continue(())).expect("nothing cancels it");
    records
}

fn reading(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("reading.lode");
    let db = open(&path, Durability::Full);
    let records = fill(&db);
    let mut id = 0;
    let mut next = || {
        id = (id + 7919) % RECORDS;
        id
    };
    let queries: Vec<Vec<f32>> = (0..RECORDS).map(|id| vector(id + RECORDS)).collect();
    c.bench_function("search, k 10", |b| {
        b.iter(|| records.search().vector(black_box(&queries[next() as usize])).run().expect("open"));
    });
    c.bench_function("search, k 10, with fields", |b| {
        b.iter(|| {
            let hits = records.search().vector(&queries[next() as usize]).run().expect("open");
            hits.iter().map(|hit| hit.fields().expect("sound")).collect::<Vec<_>>()
        });
    });
    c.bench_function("search, exact", |b| {
        b.iter(|| records.search().vector(&queries[next() as usize]).exact(true).run().expect("open"));
    });
    c.bench_function("get", |b| b.iter(|| records.get(next()).expect("open")));
    drop(records);
    db.close().expect("nothing was written");
    c.bench_function("open and search", |b| {
        b.iter(|| {
            let db = Options::new().read_only(true).open(&path).expect("it was closed");
            db.existing("records").expect("filled").search().vector(&queries[0]).run().expect("open")
        });
    });
}

fn writing(c: &mut Criterion) {
    for (name, durability) in
        [("upsert one, durable", Durability::Full), ("upsert one, not synced", Durability::None)]
    {
        let folder = tempfile::tempdir().expect("a folder for the database");
        let db = open(&folder.path().join("writing.lode"), durability);
        let records = fill(&db);
        let mut id = 0;
        c.bench_function(name, |b| {
            b.iter(|| {
                id += 1;
                records.upsert([Record::new(id % RECORDS).vector(vector(id))]).expect("there is room")
            });
        });
    }
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
