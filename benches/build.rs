//! What it costs to build: a graph over 20,000 generated vectors of 128 dimensions with one thread and with two,
//! merging newer records into it, replacing a tenth; and the memory that building takes.
//!
//! `cargo bench --bench build`.

#[path = "data/generated.rs"]
mod generated;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use generated::{collection, open, optimize, records};
use lodedb::{Database, Durability};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::path::Path;
use std::time::Duration;

const RECORDS: u64 = 20_000;
const DIM: usize = 128;

/// A file with the records, built if `built`.
fn prepare(path: &Path, built: bool) {
    let db = open(path, Durability::None);
    collection(&db, DIM).upsert(records(0..RECORDS, DIM)).expect("there is room");
    db.checkpoint().expect("there is room");
    if built {
        optimize(&db);
    }
    db.close().expect("there is room");
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

/// A copy of a file, opened.
fn copy(path: &Path) -> Database {
    let copy = path.with_extension("copy.lode");
    std::fs::copy(path, &copy).expect("room for a copy");
    open(&copy, Durability::None)
}

/// Builds, and gives the database back, so that closing it is not measured.
fn optimize_in(pool: &ThreadPool, db: Database) -> Database {
    pool.install(|| optimize(&db));
    db
}

fn building(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("unbuilt.lode");
    prepare(&path, false);
    report_memory(&path);
    let mut group = c.benchmark_group("optimize 20,000");
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(8));
    for threads in [1, 2] {
        let pool = pool(threads);
        group.bench_function(BenchmarkId::from_parameter(format!("{threads} threads")), |b| {
            b.iter_batched(|| copy(&path), |db| optimize_in(&pool, db), BatchSize::PerIteration);
        });
    }
}

fn merging(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("built.lode");
    prepare(&path, true);
    let mut group = c.benchmark_group("optimize after");
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(6));
    let pool = pool(1);
    let tenth = RECORDS / 10;
    for (name, ids) in [("2,000 more", RECORDS..RECORDS + tenth), ("2,000 replaced", 0..tenth)] {
        // Replaced vectors are others than before: those of ids further on.
        let newer: Vec<_> = (ids.clone().zip(generated_from(RECORDS * 2, tenth))).collect();
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            let setup = || {
                let db = copy(&path);
                let changed =
                    newer.iter().map(|(id, vector)| lodedb::Record::new(*id).vector(vector.clone()));
                collection(&db, DIM).upsert(changed).expect("there is room");
                db
            };
            b.iter_batched(setup, |db| optimize_in(&pool, db), BatchSize::PerIteration);
        });
    }
}

/// Vectors of `count` ids from `first` on.
fn generated_from(first: u64, count: u64) -> impl Iterator<Item = Vec<f32>> {
    (first..first + count).map(|id| generated::vector(id, DIM))
}

/// Prints how far the memory of the process rises while it builds, over what the vectors themselves take.
fn report_memory(path: &Path) {
    let db = copy(path);
    // Linux begins the count of the peak anew when told so.
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        println!("memory of building: not told by this system");
        return;
    }
    let before = status_kb("VmRSS");
    pool(1).install(|| optimize(&db));
    let rise = status_kb("VmHWM").saturating_sub(before) as f64 / 1e3;
    let vectors = (RECORDS as usize * DIM * 4) as f64 / 1e6;
    println!(
        "memory of building, with touched pages of the file: {rise:.1} MB; the vectors: {vectors:.1} MB"
    );
}

/// A value of `/proc/self/status`, in kB.
fn status_kb(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

criterion_group!(benches, building, merging);
criterion_main!(benches);
