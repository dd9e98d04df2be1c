//! What it costs to bring records in: 10,000 generated vectors of 384 dimensions with a field, by size of batch and by
//! durability. Durable writes wait for the disk of the machine.
//!
//! `cargo bench --bench ingest`.

#[path = "data/generated.rs"]
mod generated;

use criterion::{
    BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use generated::{collection, open, records};
use lodedb::{Durability, Record};
use std::time::Duration;

const RECORDS: u64 = 10_000;
const DIM: usize = 384;

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
                let setup = || {
                    drop(std::fs::remove_file(&path));
                    let db = open(&path, durability);
                    let batches: Vec<Vec<Record>> = all.chunks(batch).map(<[Record]>::to_vec).collect();
                    (db, batches)
                };
                b.iter_batched(
                    setup,
                    |(db, batches)| {
                        let records = collection(&db, DIM);
                        for batch in batches {
                            records.upsert(batch).expect("there is room");
                        }
                        db
                    },
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

criterion_group!(benches, ingest);
criterion_main!(benches);
