//! The database as a user meets it, on real data: import, optimize, recall and throughput by `ef`, exact search,
//! opening, memory, deleting half and four fifths.
//!
//! `cargo bench --bench real_data` (needs the data, see `data/mod.rs`). One thread searches; times are wall times.

mod data;

use data::Dataset;
use lodedb::{Collection, Maintenance, Metric, Options, Record, Schema};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

const SETS: [(&str, Metric); 3] =
    [("sift-200k", Metric::L2), ("arxiv-30k", Metric::Cosine), ("mnist", Metric::L2)];

fn main() {
    // Criterion's flags (`--bench`) are not for this bench; a name chooses one set.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, metric) in
        SETS.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only)))
    {
        if let Some(set) = data::load(name, metric) {
            run(&set).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

fn run(set: &Dataset) -> Result<(), lodedb::Error> {
    println!(
        "\n{}: {} x {}, {}, {} queries",
        set.name,
        set.base.len(),
        set.base.dim,
        set.metric,
        set.queries.len()
    );
    let folder = tempfile::tempdir().expect("a folder for the database");
    let path = folder.path().join("bench.lode");
    let db = Options::new().maintenance(Maintenance::Manual).open(&path)?;
    let records = db.collection("records", Schema::new(set.base.dim).metric(set.metric))?;

    let start = Instant::now();
    let ids: Vec<u64> = (0..set.base.len() as u64).collect();
    for batch in ids.chunks(10_000) {
        records.upsert(batch.iter().map(|id| Record::new(*id).vector(set.base.row(*id as usize))))?;
    }
    println!("  import, durable: {:.2} s", start.elapsed().as_secs_f64());
    report("  before optimize, scanned", set, &records, 64, 100)?;

    let (start, cpu) = (Instant::now(), cpu_seconds());
    db.optimize(|_| ControlFlow::Continue(()))?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  optimize: {seconds:.2} s, {:.2} CPU s; peak memory {} MB",
        cpu_seconds() - cpu,
        peak_memory_mb()
    );
    for ef in [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384] {
        report("  graph", set, &records, ef, set.queries.len())?;
    }
    report_exact(set, &records)?;
    drop(records);
    db.close()?;
    let stored = set.base.len() * set.base.dim * 4;
    let file = std::fs::metadata(&path).expect("the file is there").len();
    println!("  file: {:.1} MB; vectors alone: {:.1} MB", file as f64 / 1e6, stored as f64 / 1e6);

    report_opening(set, &path)?;
    for percent in [50, 80] {
        report_deletion(set, &path, percent)?;
    }
    Ok(())
}

fn search_all(
    set: &Dataset,
    records: &Collection,
    ef: usize,
    queries: usize,
    exact: bool,
) -> Result<Vec<Vec<u32>>, lodedb::Error> {
    let mut found = Vec::with_capacity(queries);
    for query in 0..queries {
        let hits = records.search().vector(set.queries.row(query)).k(10).ef(ef).exact(exact).run()?;
        found.push(hits.iter().map(|hit| hit.id().as_u64().expect("ids are numbers") as u32).collect());
    }
    Ok(found)
}

fn report(
    what: &str,
    set: &Dataset,
    records: &Collection,
    ef: usize,
    queries: usize,
) -> Result<(), lodedb::Error> {
    let mut best = f64::INFINITY;
    let mut found = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        found = search_all(set, records, ef, queries, false)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{what}, ef {ef}: recall@10 {:.4}, {:.0} queries/s",
        set.recall_at_10(&found),
        queries as f64 / best
    );
    Ok(())
}

fn report_exact(set: &Dataset, records: &Collection) -> Result<(), lodedb::Error> {
    let start = Instant::now();
    let found = search_all(set, records, 10, 200, true)?;
    let each = start.elapsed().as_secs_f64() / 200.0;
    println!("  exact: recall@10 {:.4}, {:.2} ms a query", set.recall_at_10(&found), each * 1e3);
    Ok(())
}

fn report_opening(set: &Dataset, path: &Path) -> Result<(), lodedb::Error> {
    let before = resident_mb();
    let mut times = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        let db = Options::new().read_only(true).open(path)?;
        let hits = db.existing("records")?.search().vector(set.queries.row(0)).run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        assert_eq!(hits.len(), 10);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "  opening to the first answer: {:.2} ms (median of 9), resident memory {:+} MB",
        times[4],
        resident_mb() - before
    );
    Ok(())
}

/// Deletes a share of the records at random and searches what is left, before and after `optimize`, and a fresh build
/// of the same records.
fn report_deletion(set: &Dataset, path: &Path, percent: u64) -> Result<(), lodedb::Error> {
    let copy = path.with_file_name("deletion.lode");
    std::fs::copy(path, &copy).expect("room for a copy");
    let db = Options::new().maintenance(Maintenance::Manual).open(&copy)?;
    let records = db.existing("records")?;
    let is_dead = |id: u64| id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 < (percent << 32) / 100;
    records.delete((0..set.base.len() as u64).filter(|id| is_dead(*id)))?;

    let fresh_path = path.with_file_name("fresh.lode");
    let fresh_db = Options::new().maintenance(Maintenance::Manual).open(&fresh_path)?;
    let fresh = fresh_db.collection("records", Schema::new(set.base.dim).metric(set.metric))?;
    let alive: Vec<u64> = (0..set.base.len() as u64).filter(|id| !is_dead(*id)).collect();
    for batch in alive.chunks(10_000) {
        fresh.upsert(batch.iter().map(|id| Record::new(*id).vector(set.base.row(*id as usize))))?;
    }
    let truth = search_all(set, &fresh, 10, 500, true)?;
    fresh_db.optimize(|_| ControlFlow::Continue(()))?;
    let compare = |what: &str, records: &Collection| -> Result<(), lodedb::Error> {
        for ef in [32, 64, 128] {
            let start = Instant::now();
            let found = search_all(set, records, ef, 500, false)?;
            let rate = 500.0 / start.elapsed().as_secs_f64();
            let short = found.iter().filter(|found| found.len() < 10).count();
            let hits: usize =
                found.iter().zip(&truth).map(|(f, t)| f.iter().filter(|id| t.contains(id)).count()).sum();
            println!(
                "  {percent} % deleted, {what}, ef {ef}: recall@10 {:.4}, {rate:.0} queries/s, {short} short",
                hits as f64 / 5000.0
            );
        }
        Ok(())
    };
    compare("before optimize", &records)?;
    let start = Instant::now();
    db.optimize(|_| ControlFlow::Continue(()))?;
    println!("  optimize after deleting {percent} %: {:.2} s", start.elapsed().as_secs_f64());
    compare("after optimize", &records)?;
    compare("fresh build", &fresh)?;
    for path in [copy, fresh_path] {
        std::fs::remove_file(path).expect("it was made above");
    }
    Ok(())
}

/// A value of `/proc/self/status` in MB, or 0 where there is none.
fn status_mb(key: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse::<i64>().ok())
        .unwrap_or(0)
        / 1000
}

fn peak_memory_mb() -> i64 {
    status_mb("VmHWM")
}

/// Memory of the process without the pages of mapped files.
fn resident_mb() -> i64 {
    status_mb("RssAnon")
}

/// User and system time of the process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
