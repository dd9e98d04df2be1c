//! What the calls that `benches/overhead.py` times in Python cost in Rust, on the same files. Not run by hand.
//!
//! `overhead FOLDER DIM single|batch|ingest` prints wall and CPU seconds.

use lodedb::{Collection, Database, Metric, Options, Record, Schema};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, dim, what] = arguments.as_slice() else { return Err("FOLDER DIM WHAT".into()) };
    let (folder, dim) = (Path::new(folder), dim.parse()?);
    match what.as_str() {
        "ingest" => ingest(folder, dim),
        what => search(folder, dim, what == "batch"),
    }
}

fn search(folder: &Path, dim: usize, batch: bool) -> Result<()> {
    let db = Options::new().read_only(true).open(folder.join("bench.lode"))?;
    let records = db.existing("records")?;
    let queries = floats(&folder.join("queries.f32"))?;
    let pass = || if batch { in_batch(&records, &queries, dim) } else { one_by_one(&records, &queries, dim) };
    pass()?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    pass()?;
    println!("{} {}", start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    Ok(())
}

fn one_by_one(records: &Collection, queries: &[f32], dim: usize) -> Result<()> {
    for query in queries.chunks(dim) {
        std::hint::black_box(records.search().vector(query).k(10).run()?);
    }
    Ok(())
}

fn in_batch(records: &Collection, queries: &[f32], dim: usize) -> Result<()> {
    let snapshot = records.snapshot()?;
    let (mut ids, mut scores) = (Vec::new(), Vec::new());
    for query in queries.chunks(dim) {
        for hit in snapshot.search().vector(query).k(10).run()? {
            ids.push(hit.id().as_u64());
            scores.push(hit.score());
        }
    }
    std::hint::black_box((ids, scores));
    Ok(())
}

fn ingest(folder: &Path, dim: usize) -> Result<()> {
    let base = floats(&folder.join("base.f32"))?;
    let path = folder.join("ingest.lode");
    let _ = std::fs::remove_file(&path);
    let db = Database::open(&path)?;
    let records = db.collection("records", Schema::new(dim).metric(Metric::L2))?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    records.upsert((0..).zip(base.chunks(dim)).map(|(id, row)| Record::new(id).vector(row)))?;
    println!("{} {}", start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    std::process::exit(0); // Without the work of closing, which may build a graph first.
}

fn floats(path: &Path) -> Result<Vec<f32>> {
    Ok(std::fs::read(path)?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// CPU time of this thread, which does all the work.
fn cpu_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("no times in schedstat")?.parse::<f64>()? / 1e9)
}
