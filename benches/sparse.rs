//! Searches by sparse vectors like those of SPLADE: 100,000 records of 120 terms out of 30,000, queries of 30 terms, and the same
//! answers by scanning all rows.
//!
//! `cargo bench --bench sparse`. Needs no data. Terms are drawn by Zipf's law; weights are log-normal, and smaller for frequent
//! terms.

use criterion::{Criterion, criterion_group, criterion_main};
use lodedb::{Collection, Database, Maintenance, Options, Record, Schema, field};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;

const RECORDS: u64 = 100_000;
const VOCABULARY: usize = 30_000;
const QUERIES: u64 = 1_000;
const NAIVE_QUERIES: u64 = 20;

type Terms = Vec<(u32, f32)>;

/// Random numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    /// From 0 to below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// Sums of the shares of terms by rank.
fn zipf() -> Vec<f64> {
    let mut sum = 0.0;
    (1..=VOCABULARY)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect()
}

/// Vector `seed` of so many terms.
fn vector(shares: &[f64], seed: u64, terms: usize) -> Terms {
    let mut numbers = Numbers(seed.wrapping_mul(0xd6e8_feb8_6659_fd93));
    let mut chosen = BTreeMap::new();
    let total = shares[VOCABULARY - 1];
    while chosen.len() < terms {
        let drawn = numbers.next() * total;
        let rank = shares.partition_point(|share| *share < drawn).min(VOCABULARY - 1);
        let rarity = 0.25 + 0.75 * ((rank + 1) as f64).ln() / (VOCABULARY as f64).ln();
        let weight = (numbers.normal() * 0.7 - 0.5).exp().min(3.5) * rarity;
        chosen.entry(rank as u32).or_insert(weight as f32);
    }
    chosen.into_iter().collect()
}

fn fill(db: &Database, shares: &[f64]) -> Collection {
    let docs = db.collection("docs", Schema::named([]).sparse("terms")).expect("the schema is sound");
    for batch in 0..RECORDS / 10_000 {
        let ids = batch * 10_000..(batch + 1) * 10_000;
        let record =
            |id: u64| Record::new(id).sparse("terms", vector(shares, id, 120)).field("n", (id % 1000) as i64);
        docs.upsert(ids.map(record)).expect("there is room");
    }
    db.optimize(|_| ControlFlow::Continue(())).expect("nothing cancels it");
    docs
}

/// The best score by a scan of all records.
fn naive(all: &[Terms], query: &[(u32, f32)]) -> f32 {
    let weights: BTreeMap<u32, f32> = query.iter().copied().collect();
    let mut table = vec![0.0; VOCABULARY];
    weights.iter().for_each(|(term, weight)| table[*term as usize] = *weight);
    let score =
        |terms: &Terms| terms.iter().map(|(term, weight)| table[*term as usize] * weight).sum::<f32>();
    all.iter().map(score).fold(0.0, f32::max)
}

fn searches(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let options = Options::new().maintenance(Maintenance::Manual);
    let db = options.open(folder.path().join("sparse.lode")).expect("the folder can be written");
    let shares = zipf();
    let docs = fill(&db, &shares);
    let queries: Vec<Terms> = (0..QUERIES).map(|at| vector(&shares, RECORDS + at, 30)).collect();
    let all: Vec<Terms> = (0..RECORDS).map(|id| vector(&shares, id, 120)).collect();
    for query in &queries[..NAIVE_QUERIES as usize] {
        let best = docs.search().sparse("terms", query.as_slice()).k(1).run().expect("open")[0].score();
        assert!((best - naive(&all, query)).abs() < 1e-4 * best, "the best is found");
    }
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % queries.len();
        queries[at].as_slice()
    };
    c.bench_function("sparse, k 10", |b| {
        b.iter(|| docs.search().sparse("terms", black_box(next())).run().expect("open"));
    });
    c.bench_function("sparse, k 100", |b| {
        b.iter(|| docs.search().sparse("terms", next()).k(100).run().expect("open"));
    });
    for (name, below) in [("sparse, 10 % pass", 100), ("sparse, 1 % passes", 10), ("sparse, 0.1 % passes", 1)]
    {
        let passes = || field("n").lt(below);
        c.bench_function(name, |b| {
            b.iter(|| docs.search().sparse("terms", next()).filter(passes()).run().expect("open"));
        });
    }
    c.bench_function("naive scan in memory", |b| b.iter(|| naive(&all, next())));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = searches
}
criterion_main!(benches);
