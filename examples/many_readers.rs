//! One writes and many read, in threads and in other processes: nobody waits, each call sees everything that was acknowledged
//! before it, and a snapshot stays as it is.

use lodedb::{Database, Metric, Options, Record, Schema};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const RECORDS: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The readers in other processes are this program, told which file to read.
    if let Some(path) = std::env::args().nth(1) {
        return Ok(read(Path::new(&path))?);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("points.lode");
    let db = Database::open(&path)?;
    let points = db.collection("points", Schema::new(2).metric(Metric::L2))?;
    points.upsert([Record::new(0).vector([0.0, 0.0])])?;
    let before = points.snapshot()?;

    let others: Vec<Child> = (0..2)
        .map(|_| Command::new(std::env::current_exe()?).arg(&path).stdout(Stdio::piped()).spawn())
        .collect::<Result<_, std::io::Error>>()?;
    let (done, searches) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Batches of ten are seen whole or not at all.
                    let hits =
                        points.search().vector([0.0, 0.0]).k(10_000).run().expect("the database is open");
                    assert_eq!(hits.len() % 10, 1);
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for first in (1..=RECORDS as u64).step_by(10) {
            let records = (first..first + 10).map(|id| Record::new(id).vector([id as f32, 1.0]));
            points.upsert(records).expect("there is room");
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{} searches ran in threads while {RECORDS} records were written", searches.into_inner());
    for other in others {
        let output = other.wait_with_output()?;
        assert!(output.status.success());
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
    println!("the snapshot still has {} record, the collection {}", before.len(), points.len()?);
    Ok(())
}

/// Reads until everything is there.
fn read(path: &Path) -> Result<(), lodedb::Error> {
    let db = Options::new().read_only(true).open(path)?;
    let points = db.existing("points")?;
    let mut seen = 0;
    while seen <= RECORDS {
        let found = points.search().vector([0.0, 0.0]).k(10_000).run()?.len();
        assert!(found >= seen && found % 10 == 1);
        seen = found;
    }
    println!("another process has seen all {seen} records, whole batch by whole batch");
    Ok(())
}
