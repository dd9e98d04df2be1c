//! Filters: what evaluating one costs, and what a search under one costs beside the same search without.
//!
//! `cargo bench --bench filters` runs both parts; `-- evaluation` the first alone, `-- sift` and the like one of the sets of
//! the second (which needs the data, see `data/mod.rs`). One thread searches; times are wall times.

#[path = "data/filters.rs"]
mod answers;
mod data;

use answers::FilterAnswers;
use criterion::Criterion;
use data::Dataset;
use lodedb::{Collection, Database, Dtype, Filter, Hit, Maintenance, Metric, Options, Record, Schema, field};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Records of the first part; they hardly have a vector.
const RECORDS: u64 = 1_000_000;
/// Constants that the filters of the first part take in turn: more than there are filters whose answers are kept.
const CONSTANTS: u64 = 80;
const SETS: [(&str, Metric); 3] =
    [("sift-200k", Metric::L2), ("arxiv-30k", Metric::Cosine), ("mnist", Metric::L2)];
/// Passes over the queries, of which the fastest counts; those of all filters take turns.
const PASSES: usize = 5;

fn main() {
    // Criterion's flags (`--bench`) are not for this bench; a name chooses a part.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_chosen = |name: &str| only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    if is_chosen("evaluation") {
        let mut criterion = Criterion::default().measurement_time(Duration::from_secs(3));
        evaluation(&mut criterion).unwrap_or_else(|error| panic!("evaluation: {error}"));
        criterion.final_summary();
    }
    for (name, metric) in SETS.into_iter().filter(|(name, _)| is_chosen(name)) {
        let Some(set) = data::load(name, metric) else { continue };
        searches(&set).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn open(path: &Path) -> Result<Database, lodedb::Error> {
    Options::new().maintenance(Maintenance::Manual).open(path)
}

/// A number that looks random.
fn mixed(id: u64) -> u64 {
    let mut x = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

/// Fields of many kinds: one of 100 texts, one of 1,000 numbers, a number that no other has, and a truth value.
fn with_fields(id: u64) -> Record {
    let random = mixed(id);
    let record = Record::new(id).vector([(id % 100) as f32, (id / 100 % 100) as f32]);
    let record =
        record.field("kind", format!("kind {}", random % 100)).field("n", (random >> 8) as i64 % 1000);
    record.field("serial", (random >> 1) as i64).field("flag", (random >> 32) & 1 == 1)
}

fn evaluation(criterion: &mut Criterion) -> Result<(), lodedb::Error> {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("fields.lode");
    let db = open(&path)?;
    let schema = Schema::new(2).dtype(Dtype::I8).metric(Metric::L2);
    let records = db.collection("records", schema)?;
    let start = Instant::now();
    records.upsert((0..RECORDS).map(with_fields))?;
    db.checkpoint()?;
    drop(records);
    db.close()?;
    let db = open(&path)?;
    let records = db.existing("records")?;
    let stats = records.stats()?;
    println!(
        "{RECORDS} records with fields in {} segments, {} of them in memory; {:.1} s, {:.1} MB",
        stats.segments,
        stats.active_records,
        start.elapsed().as_secs_f64(),
        std::fs::metadata(&path).expect("the file is there").len() as f64 / 1e6
    );
    let half = i64::MAX / 2;
    let step = half / CONSTANTS as i64;
    let filters: [(&str, &dyn Fn(i64) -> Filter); 5] = [
        ("equality, 1 %", &|at| field("kind").eq(format!("kind {at}"))),
        ("range over half, of 1,000 numbers", &|at| field("n").between(at, at + 499)),
        ("range over half, all different", &|at| field("serial").between(at * step, at * step + half)),
        ("and, or, not", &|at| {
            field("n").lt(460 + at).and(field("kind").eq(format!("kind {at}")).or(!field("flag").eq(true)))
        }),
        ("three ranges", &|at| {
            field("n").ge(at).and(field("serial").lt(half + at * step)).and(!field("kind").lt("kind 3"))
        }),
    ];
    for (name, filter) in filters {
        let matches = records.count(filter(0))?;
        let turn = Cell::new(0);
        let varied = || {
            turn.set((turn.get() + 1) % CONSTANTS);
            records.count(filter(turn.get() as i64)).expect("a filter that can be")
        };
        criterion.bench_function(&format!("{name} ({matches} pass), evaluated"), |b| b.iter(varied));
        let kept = || records.count(filter(0)).expect("a filter that can be");
        criterion.bench_function(&format!("{name} ({matches} pass), answer kept"), |b| b.iter(kept));
    }
    Ok(())
}

/// What searching with one filter gave.
struct Line {
    name: &'static str,
    seconds: f64,
    recall: f64,
    short: usize,
}

fn searches(set: &Dataset) -> Result<(), lodedb::Error> {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let db = open(&folder.path().join("bench.lode"))?;
    let records = db.collection("records", Schema::new(set.base.dim).metric(set.metric))?;
    let (share, category) = (set.column("u1000"), set.column("category"));
    let ids: Vec<usize> = (0..set.base.len()).collect();
    for batch in ids.chunks(10_000) {
        records.upsert(batch.iter().map(|id| {
            let record = Record::new(*id as u64).vector(set.base.row(*id));
            record.field("u1000", share[*id] as i64).field("category", category[*id] as i64)
        }))?;
    }
    db.optimize(|_| ControlFlow::Continue(()))?;
    let filters = set.filters();
    let queries = filters[0].queries.len();
    println!("\n{}: {} x {}, {queries} queries, k 10", set.name, set.base.len(), set.base.dim);
    for (what, recall) in [("default", None), ("recall 0.95", Some(0.95)), ("recall 0.99", Some(0.99))] {
        println!("{what:<12}  {:>9}  {:>8}  {:>7}  {:>5}", "queries/s", "ratio", "recall", "short");
        let lines = measure(set, &records, &filters, recall)?;
        let unfiltered = lines[0].seconds;
        for Line { name, seconds, recall, short } in lines {
            let (rate, ratio) = (queries as f64 / seconds, unfiltered / seconds);
            println!("{name:<12}  {rate:>9.0}  {ratio:>8.2}  {recall:>7.4}  {short:>5}");
        }
    }
    Ok(())
}

/// Searches without a filter and under each of `filters`.
fn measure(
    set: &Dataset,
    records: &Collection,
    filters: &[FilterAnswers],
    recall: Option<f32>,
) -> Result<Vec<Line>, lodedb::Error> {
    let unfiltered = set.unfiltered(&filters[0].queries);
    let all: Vec<&FilterAnswers> = std::iter::once(&unfiltered).chain(filters).collect();
    let line =
        |answers: &&FilterAnswers| Line { name: answers.name, seconds: f64::INFINITY, recall: 0.0, short: 0 };
    let mut lines: Vec<Line> = all.iter().map(line).collect();
    for _ in 0..PASSES {
        for (answers, line) in all.iter().zip(&mut lines) {
            let start = Instant::now();
            let found = search(set, records, answers, recall)?;
            line.seconds = line.seconds.min(start.elapsed().as_secs_f64());
            line.recall = answers.recall(&found, set.metric);
            line.short = answers.short(&found);
        }
    }
    Ok(lines)
}

fn search(
    set: &Dataset,
    records: &Collection,
    answers: &FilterAnswers,
    recall: Option<f32>,
) -> Result<Vec<Vec<Hit>>, lodedb::Error> {
    let search = |(at, query): (usize, &usize)| {
        let mut search = records.search().vector(set.queries.row(*query)).k(10);
        if let Some(filter) = answers.filter(at) {
            search = search.filter(filter);
        }
        if let Some(recall) = recall {
            search = search.recall(recall);
        }
        search.run()
    };
    answers.queries.iter().enumerate().map(search).collect()
}
