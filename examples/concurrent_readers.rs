//! Threads that search while one writes: nobody waits, and a snapshot stays as it is.

use lodedb::{Database, Metric, Record, Schema};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn main() -> Result<(), lodedb::Error> {
    let db = Database::open(":memory:")?;
    let points = db.collection("points", Schema::new(2).metric(Metric::L2))?;
    points.upsert([Record::new(0).vector([0.0, 0.0])])?;
    let before = points.snapshot()?;

    let (done, searches) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Every search sees all that was acknowledged before it began, in whole batches of ten.
                    let hits =
                        points.search().vector([0.0, 0.0]).k(10_000).run().expect("the database is open");
                    assert_eq!(hits.len() % 10, 1);
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for batch in 0..100 {
            let ids = batch * 10 + 1..=batch * 10 + 10;
            let records = ids.map(|id| Record::new(id).vector([id as f32, 1.0]));
            points.upsert(records).expect("there is room");
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{} searches ran while 1,000 records were written", searches.into_inner());
    println!("the snapshot still has {} record, the collection {}", before.len(), points.len()?);
    Ok(())
}
