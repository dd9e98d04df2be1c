//! Searching a file that is several times larger than the memory there is.
//!
//! `cargo bench --bench larger_than_memory` makes a file of 2.3 GB in `target/` (once), lets go of what the operating system
//! has cached of it, and searches it in a process that may have 640 MB. It needs Linux and the right to make a control group
//! for memory; without it the figures are those of a machine with enough memory, and the bench says so.

#[path = "data/generated.rs"]
mod generated;

use lodedb::{Collection, Durability, Options};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const DIM: usize = 1024;
const RECORDS: u64 = 550_000;
const BATCH: u64 = 10_000;
const QUERIES: u64 = 400;
const LIMIT_BYTES: u64 = 640 << 20;
/// The group that the searching process is to put itself into.
const GROUP: &str = "LODE_BENCH_GROUP";

fn main() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("larger_than_memory.lode");
    if let Ok(group) = std::env::var(GROUP) {
        return search(&path, &group);
    }
    if !path.exists() {
        build(&path);
    }
    let bytes = std::fs::metadata(&path).expect("the file was made").len();
    println!("file: {:.2} GB, {RECORDS} x {DIM}", bytes as f64 / 1e9);
    for limited in [false, true] {
        let group = limited.then(make_group).flatten();
        match (&group, limited) {
            (None, true) => println!("no control group can be made here: nothing to compare"),
            _ => run(&path, group.as_deref()),
        }
        if let Some(group) = group {
            let _ = std::fs::remove_dir(group);
        }
    }
}

fn build(path: &Path) {
    let start = Instant::now();
    let unfinished = path.with_extension("unfinished");
    let _ = std::fs::remove_file(&unfinished);
    let db = generated::open(&unfinished, Durability::None);
    let records = generated::collection(&db, DIM);
    for first in (0..RECORDS).step_by(BATCH as usize) {
        let last = RECORDS.min(first + BATCH);
        records.upsert(generated::records(first..last, DIM)).expect("the records are sound");
    }
    println!("brought in: {:.0} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    generated::optimize(&db);
    println!("built: {:.0} s", start.elapsed().as_secs_f64());
    drop(records);
    db.close().expect("the file is whole");
    std::fs::rename(unfinished, path).expect("the folder can be written");
}

/// A control group with the limit, of either version.
fn make_group() -> Option<PathBuf> {
    let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
    places.into_iter().find_map(|(root, file)| {
        let group = Path::new(root).join("lode-bench");
        let _ = std::fs::create_dir(&group);
        std::fs::write(group.join(file), LIMIT_BYTES.to_string()).ok().map(|()| group)
    })
}

fn run(path: &Path, group: Option<&Path>) {
    // Reading no bytes past the cache makes the operating system drop what it holds of the file.
    let input = format!("if={}", path.display());
    let dropped = Command::new("dd").args([&input, "iflag=nocache", "count=0"]).output();
    if !dropped.is_ok_and(|output| output.status.success()) {
        println!("what is cached of the file could not be dropped");
    }
    let program = std::env::current_exe().expect("the bench knows its own path");
    let group = group.map_or_else(String::new, |group| group.display().to_string());
    let status = Command::new(program).env(GROUP, group).status();
    assert!(status.is_ok_and(|status| status.success()), "the search failed");
}

/// Runs in a process of its own.
fn search(path: &Path, group: &str) {
    if group.is_empty() {
        println!("with all memory of the machine:");
    } else {
        let procs = Path::new(group).join("cgroup.procs");
        std::fs::write(procs, std::process::id().to_string()).expect("the group takes processes");
        println!("with {} MB:", LIMIT_BYTES >> 20);
    }
    let start = Instant::now();
    let db = Options::new().read_only(true).open(path).expect("the file is whole");
    let records = db.existing("records").expect("it was made");
    pass(&records, 0, 1);
    println!("  open and first answer: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    for name in ["first", "second", "third"] {
        let start = Instant::now();
        let found = pass(&records, 0, QUERIES);
        println!(
            "  {name} pass of {QUERIES} queries: {:.0} queries/s, {:.1} % find themselves; {} MB resident",
            QUERIES as f64 / start.elapsed().as_secs_f64(),
            found as f64 / QUERIES as f64 * 100.0,
            status_mb("VmRSS:"),
        );
    }
    let start = Instant::now();
    let found = pass(&records, QUERIES, 2 * QUERIES);
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  other queries: {:.0} queries/s, {found} of {QUERIES} find themselves",
        QUERIES as f64 / seconds
    );
}

/// Looks for records by their vectors with a little noise; how many come first among the hits.
fn pass(records: &Collection, first: u64, last: u64) -> usize {
    let wanted = |query: u64| query * 7919 % RECORDS;
    let found = (first..last).filter(|query| {
        let mut vector = generated::vector(wanted(*query), DIM);
        vector.iter_mut().step_by(3).for_each(|value| *value += 0.01);
        let hits = records.search().vector(vector).k(10).run().expect("the file is whole");
        hits.first().is_some_and(|hit| hit.id().as_u64() == Some(wanted(*query)))
    });
    found.count()
}

/// A figure of this process in MB.
fn status_mb(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) / 1024
}
