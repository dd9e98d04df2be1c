//! What a search costs, on 50,000 generated vectors of 128 dimensions: by `ef`, with newer records beside the graph,
//! before anything was built, and from several threads.
//!
//! `cargo bench --bench search`.

#[path = "data/generated.rs"]
mod generated;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use generated::{collection, open, optimize, records, vector};
use lodedb::{Collection, Durability};
use std::hint::black_box;
use std::time::Duration;

const RECORDS: u64 = 50_000;
const DIM: usize = 128;
const QUERIES: u64 = 1000;

fn queries() -> Vec<Vec<f32>> {
    (0..QUERIES).map(|query| vector(RECORDS * 10 + query, DIM)).collect()
}

fn search(records: &Collection, query: &[f32], ef: usize) -> usize {
    records.search().vector(query).k(10).ef(ef).run().expect("open").len()
}

/// Searches for one query after the other.
fn one_by_one(c: &mut Criterion, group: &str, name: &str, records: &Collection, ef: usize) {
    let queries = queries();
    let mut at = 0;
    let mut group = c.benchmark_group(group);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function(BenchmarkId::from_parameter(name), |b| {
        b.iter(|| {
            at = (at + 1) % queries.len();
            search(records, black_box(&queries[at]), ef)
        });
    });
}

fn on_a_graph(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let db = open(&folder.path().join("search.lode"), Durability::None);
    let all = collection(&db, DIM);
    all.upsert(records(0..RECORDS, DIM)).expect("there is room");
    db.checkpoint().expect("there is room");
    one_by_one(c, "before optimize", "ef 64", &all, 64);
    optimize(&db);
    for ef in [10, 32, 64, 128, 256] {
        one_by_one(c, "one graph", &format!("ef {ef}"), &all, ef);
    }
    from_threads(c, &all);
    for newer in 1..=4 {
        let first = RECORDS + (newer - 1) * 1000;
        all.upsert(records(first..first + 1000, DIM)).expect("there is room");
        if newer == 1 {
            one_by_one(c, "graph and newer records", "1,000 in memory", &all, 64);
        }
        db.checkpoint().expect("there is room");
    }
    one_by_one(c, "graph and newer records", "4,000 in four segments", &all, 64);
    optimize(&db);
    one_by_one(c, "graph and newer records", "merged", &all, 64);
}

/// A thousand queries at once, shared out to threads.
fn from_threads(c: &mut Criterion, records: &Collection) {
    let queries = queries();
    let mut group = c.benchmark_group("1,000 queries, ef 64");
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(10).measurement_time(Duration::from_secs(3)).throughput(Throughput::Elements(QUERIES));
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::from_parameter(format!("{threads} threads")), |b| {
            b.iter(|| {
                std::thread::scope(|scope| {
                    for part in queries.chunks(queries.len().div_ceil(threads)) {
                        scope.spawn(move || {
                            part.iter().map(|query| search(records, query, 64)).sum::<usize>()
                        });
                    }
                });
            });
        });
    }
}

criterion_group!(benches, on_a_graph);
criterion_main!(benches);
