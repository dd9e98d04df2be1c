//! What it costs to bring records in: 10,000 generated vectors of 384 dimensions with a field, by size of batch and by
//! durability. Durable writes wait for the disk of the machine.
//!
//! `cargo bench --bench ingest`.

#[path = "data/generated.rs"]
mod generated;

use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use generated::{collection, open, optimize, records};
use lodedb::{Database, Durability, Record};
use std::path::Path;
use std::time::Duration;

const RECORDS: u64 = 10_000;
const DIM: usize = 384;

/// An empty database, and the records in batches.
fn prepare(
    path: &Path,
    all: &[Record],
    batch: usize,
    durability: Durability,
) -> (Database, Vec<Vec<Record>>) {
    drop(std::fs::remove_file(path));
    (open(path, durability), all.chunks(batch).map(<[Record]>::to_vec).collect())
}

/// Gives the database back, so that closing it is not measured.
fn upsert(db: Database, batches: Vec<Vec<Record>>) -> Database {
    let records = collection(&db, DIM);
    for batch in batches {
        records.upsert(batch).expect("there is room");
    }
    db
}

fn ingest(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("ingest.lode");
    let all = records(0..RECORDS, DIM);
    let mut group = c.benchmark_group("upsert 10,000");
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements(RECORDS));
    for (name, durability) in [("durable", Durability::Full), ("not synced", Durability::None)] {
        for batch in [100, 1000, 10_000] {
            group.bench_function(BenchmarkId::new(name, format!("batches of {batch}")), |b| {
                let setup = || prepare(&path, &all, batch, durability);
                b.iter_batched(setup, |(db, batches)| upsert(db, batches), BatchSize::PerIteration);
            });
        }
    }
    group.bench_function("durable and built, batches of 1000", |b| {
        let build = |(db, batches)| {
            let db = upsert(db, batches);
            optimize(&db);
            db
        };
        b.iter_batched(|| prepare(&path, &all, 1000, Durability::Full), build, BatchSize::PerIteration);
    });
}

criterion_group!(benches, ingest);
criterion_main!(benches);
