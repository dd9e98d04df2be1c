//! Sparse vectors of the model, and their dot products by the book.

use super::Map;
use super::random;
use lodedb::Hit;
use lodedb::Record;
use lodedb::Snapshot;
use lodedb::SparseVector;
use lodedb::Value;
use lodedb::field;
use std::collections::BTreeMap;

/// Terms by number: few, so that records share them, and at the ends of what there is.
const TERMS: [u32; 12] = [0, 1, 2, 3, 5, 8, 13, 400, 70_000, 1 << 30, u32::MAX - 1, u32::MAX];

/// Sparse vector `seed` by ascending term; `None` for a record without one.
fn entries(seed: u64) -> Option<Vec<(u32, f32)>> {
    let chosen = (0..).zip(TERMS).filter(|(at, _)| random(seed, *at).is_multiple_of(3));
    let weighed = chosen.map(|(at, term)| (term, (1 + random(seed, 50 + at) % 16) as f32 * 0.25));
    (!seed.is_multiple_of(5)).then(|| weighed.filter(|_| seed % 5 != 1).collect())
}

/// The record with its sparse vectors, by ascending term or, as a user may give them, the other way round.
pub fn with_sparse(record: Record, names: &[&str], seed: u64, reversed: bool) -> Record {
    (0..).zip(names).fold(record, |record, (at, name)| match entries(random(seed, at) % 60) {
        None => record,
        Some(mut entries) => {
            if reversed {
                entries.reverse();
            }
            record.sparse(*name, entries)
        }
    })
}

/// A record that can't be stored because of its sparse vector `name`.
pub fn refused(record: Record, name: &str, how: u8) -> Record {
    let entries = match how % 5 {
        0 => vec![(1, 0.0)],
        1 => vec![(1, 1.0), (2, f32::INFINITY)],
        2 => vec![(7, 1.0), (1, 1.0), (7, 2.0)],
        3 => vec![(1, -0.5)],
        _ => return record.sparse("no such vector", [(1, 1.0)]),
    };
    record.sparse(name, entries)
}

fn dot(query: &BTreeMap<u32, f32>, vector: &SparseVector) -> Option<f32> {
    let shared = vector.entries().iter().filter_map(|(term, weight)| Some((query.get(term)?, weight)));
    let products: Vec<f64> = shared.map(|(one, other)| f64::from(*one) * f64::from(*other)).collect();
    (!products.is_empty()).then(|| products.iter().sum::<f64>() as f32)
}

/// Searches by the sparse vector `name`, with and without a filter, give the best of the model's records.
pub fn check_searches(name: &str, snapshot: &Snapshot, map: &Map, seed: u64) {
    let random = random(seed, 77);
    let query: BTreeMap<u32, f32> = entries(1 + random % 60).unwrap_or_default().into_iter().collect();
    let k = [1, 3, 10, map.len() + 1][(random >> 32) as usize % 4];
    let vector: SparseVector = query.iter().map(|(term, weight)| (*term, *weight)).collect();
    let search = || snapshot.search().sparse(name, &vector).k(k);
    let scored = |record: &Record| record.get_sparse(name).and_then(|vector| dot(&query, vector));
    check(&search().run().unwrap(), map.values(), k, scored);
    let sold = |record: &&Record| record.fields()["sold"] == Value::from(true);
    let filtered = search().filter(field("sold").eq(true)).allow_unknown_fields(true).run().unwrap();
    check(&filtered, map.values().filter(sold), k, scored);
}

/// The scores are those of the best records, and each hit has its own.
fn check<'a>(
    hits: &[Hit],
    records: impl Iterator<Item = &'a Record>,
    k: usize,
    score: impl Fn(&Record) -> Option<f32>,
) {
    let mut best: Vec<f32> = records.filter_map(&score).collect();
    best.sort_by(|one, other| other.total_cmp(one));
    best.truncate(k);
    assert_eq!(hits.iter().map(Hit::score).collect::<Vec<_>>(), best);
    let mut ids: Vec<_> = hits.iter().map(Hit::id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), hits.len(), "an id appears twice");
    for hit in hits {
        assert_eq!(score(&hit.record().unwrap()), Some(hit.score()));
        assert!(hit.distance().is_nan());
    }
}
