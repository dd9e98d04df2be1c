//! Vectors that need no data from elsewhere: the same for an id every time, clustered, and of far fewer degrees of
//! freedom than they have dimensions, as embeddings are.

use lodedb::{Collection, Database, Durability, Maintenance, Metric, Options, Record, Schema};
use std::ops::ControlFlow;
use std::path::Path;

/// Directions in which the vectors of a cluster differ.
const FREEDOM: u64 = 24;
const CLUSTERS: u64 = 200;

/// A vector of `dim` dimensions for an id.
pub(crate) fn vector(id: u64, dim: usize) -> Vec<f32> {
    let centre = mix(id, 0) % CLUSTERS;
    let along: Vec<f32> = (0..FREEDOM).map(|axis| spread(mix(id, axis + 1))).collect();
    (0..dim as u64)
        .map(|at| {
            let mean = 2.0 * spread(mix(centre, at + 1_000_000));
            let moved =
                along.iter().zip(0..).map(|(by, axis)| by * spread(mix(axis, at + 2_000_000))).sum::<f32>();
            mean + moved + 0.1 * spread(mix(id, at + 3_000_000))
        })
        .collect()
}

/// Two numbers as one, thoroughly mixed.
fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    for _ in 0..2 {
        x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    x ^ (x >> 32)
}

/// From -1 to 1.
fn spread(mixed: u64) -> f32 {
    (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Records with the ids of `ids`, each with a vector and a number.
pub(crate) fn records(ids: std::ops::Range<u64>, dim: usize) -> Vec<Record> {
    ids.map(|id| Record::new(id).vector(vector(id, dim)).field("n", id as i64)).collect()
}

/// A database that does only what the bench asks of it.
pub(crate) fn open(path: &Path, durability: Durability) -> Database {
    let options = Options::new().durability(durability).maintenance(Maintenance::Manual);
    options.open(path).expect("the folder can be written")
}

/// An empty collection for the vectors.
pub(crate) fn collection(db: &Database, dim: usize) -> Collection {
    db.collection("records", Schema::new(dim).metric(Metric::L2)).expect("the schema is sound")
}

/// Builds what is still unbuilt.
pub(crate) fn optimize(db: &Database) {
    db.optimize(|_| ControlFlow::Continue(())).expect("nothing cancels it");
}
