//! Recall under filters, from those that one record in a thousand passes to those that most do, spread evenly or along with
//! the vectors; and by which way a segment is searched.

use super::random::Random;
use lodedb::Collection;
use lodedb::Filter;
use lodedb::Hit;
use lodedb::Maintenance;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Schema;
use lodedb::Search;
use lodedb::field;
use std::ops::ControlFlow;

const RECORDS: u64 = 20_000;
/// Records that are added later.
const NEW: u64 = 1_500;
const DIM: usize = 32;
const CLUSTERS: u64 = 20;
/// Queries by which a recall is measured.
const QUERIES: u64 = 200;

/// Recall of a search that asks for 0.99. It is kept on average, by what the graph measured of its own records; so many queries,
/// which it does not know, are off by a little, with a filter or without.
const ASKED: f64 = 0.985;

/// A number around 0, most likely a small one.
fn noise(random: &mut Random) -> f32 {
    (0..4).map(|_| random.below(1 << 20) as f32).sum::<f32>() / (1 << 21) as f32 - 1.0
}

/// A vector of a cluster; some clusters are tighter than others.
fn vector(cluster: u64, seed: u64) -> Vec<f32> {
    let (mut center, mut random) = (Random::new(cluster), Random::new(1 << 32 | seed));
    let spread = 0.4 + cluster as f32 / CLUSTERS as f32;
    (0..DIM).map(|_| noise(&mut center) + spread * noise(&mut random)).collect()
}

fn cluster_of(id: u64) -> u64 {
    Random::new(2 << 32 | id).below(CLUSTERS)
}

fn record(id: u64) -> Record {
    record_with(id, |vector| vector)
}

/// A record with what is made of its vector.
fn record_with(id: u64, made: fn(Vec<f32>) -> Vec<f32>) -> Record {
    let cluster = cluster_of(id);
    let share = Random::new(3 << 32 | id).below(1000);
    let record = Record::new(id).vector(made(vector(cluster, id))).field("share", share as i64);
    record.field("cluster", cluster as i64).field("half", (cluster % 2) as i64)
}

/// A query, and the cluster that it lies in.
fn queries() -> impl Iterator<Item = (u64, Vec<f32>)> {
    (0..QUERIES).map(|query| (query % CLUSTERS, vector(query % CLUSTERS, 4 << 32 | query)))
}

/// A filter for a query in a cluster, with its name.
type Filters = [(&'static str, fn(i64) -> Filter); 13];

const FILTERS: Filters = [
    ("everything", |_| Filter::all()),
    ("0.1 %", |_| field("share").lt(1)),
    ("1 %", |_| field("share").lt(10)),
    ("5 %", |_| field("share").lt(50)),
    ("10 %", |_| field("share").lt(100)),
    ("50 %", |_| field("share").lt(500)),
    ("90 %", |_| field("share").lt(900)),
    ("own cluster", |own| field("cluster").eq(own)),
    ("another cluster", |own| field("cluster").eq((own + 7) % CLUSTERS as i64)),
    ("own half", |own| field("half").eq(own % 2)),
    ("other half", |own| field("half").ne(own % 2)),
    ("all but the own cluster", |own| field("cluster").ne(own)),
    ("own cluster, and few of the others", |own| field("cluster").eq(own).or(field("share").lt(20))),
];

/// The share of the exact hits that is found, or others as good.
fn share(found: &[Hit], exact: &[Hit]) -> f64 {
    let worst = exact.last().unwrap().score();
    found.iter().filter(|hit| hit.score() >= worst).count().min(exact.len()) as f64 / exact.len() as f64
}

/// Ends the test where a search under any of the filters is short or misses its recall.
fn check(docs: &Collection, stage: &str) {
    let (mut found, mut is_enough) = (Vec::new(), true);
    for (name, filter) in FILTERS {
        let (mut by_default, mut asked) = (0.0, 0.0);
        for (own, query) in queries() {
            let search = || match name {
                "everything" => docs.search().vector(&query),
                _ => docs.search().vector(&query).filter(filter(own as i64)),
            };
            let matches = docs.count(filter(own as i64)).unwrap();
            let run = |search: Search, k: usize| {
                let hits = search.k(k).run().unwrap();
                assert_eq!(hits.len(), k.min(matches), "{stage}, {name}, {k} of {matches}");
                hits
            };
            let exact = run(search().exact(true), 10);
            by_default += share(&run(search(), 10), &exact);
            asked += share(&run(search().recall(0.99), 10), &exact);
            for (k, ef) in [(1, 1), (10, 1), (100, 1), (1000, 100)] {
                run(search().ef(ef), k);
            }
        }
        let (by_default, asked) = (by_default / QUERIES as f64, asked / QUERIES as f64);
        found.push(format!("{stage}, {name}: {by_default:.4}, {asked:.4} of 0.99"));
        is_enough &= by_default >= 0.95 && asked >= ASKED;
    }
    assert!(is_enough, "{}", found.join("\n"));
}

/// The ways tried through the only segment: the last one, and the first where it was given up; for the first queries.
fn ways(docs: &Collection, filter: fn(i64) -> Filter) -> Vec<(Option<&'static str>, &'static str)> {
    let explained = queries().take(40).map(|(own, query)| {
        let search = docs.search().vector(&query).filter(filter(own as i64));
        let explained = search.ef(24).explain().unwrap();
        let [segment] = explained.segments.as_slice() else { panic!("{explained}") };
        assert!(segment.estimate.contains(&segment.matches) || segment.estimate.end == segment.matches);
        (segment.given_up, segment.plan)
    });
    explained.collect()
}

/// Few matches are scanned. Where many pass, those in the cells nearest to the query are; without cells the graph is followed, and
/// over what does not pass where that is much. Such a walk is given up where nothing passes near the query.
fn check_ways(docs: &Collection, has_cells: bool) {
    for (name, filter) in FILTERS {
        let ways = ways(docs, filter);
        let all = |wanted: fn(&(Option<&str>, &str)) -> bool| ways.iter().all(wanted);
        let is_expected = match (name, has_cells) {
            ("0.1 %" | "1 %", _) => all(|way| *way == (None, "codes")),
            ("5 %" | "10 %" | "own cluster" | "another cluster", false) => all(|way| *way == (None, "codes")),
            ("own cluster, and few of the others", false) => all(|way| *way == (None, "codes")),
            ("50 %" | "own half", false) => all(|way| *way == (None, "graph over")),
            ("90 %", false) => all(|way| *way == (None, "graph")),
            // Nothing near the query passes.
            ("other half", false) => {
                all(|way| way.1 == "graph over" || *way == (Some("graph over"), "codes"))
            }
            (_, false) => all(|way| way.0 == Some("graph") || *way == (None, "graph")),
            ("10 %" | "50 %" | "own half", true) => all(|way| *way == (None, "cells")),
            ("90 %" | "everything", true) => all(|way| way.0.is_none() && way.1 != "codes"),
            // Where nothing near the query passes, the cells are given up.
            (_, true) => all(|way| way.0.is_none() || way.0 == Some("cells")),
        };
        assert!(is_expected, "{name}: {ways:?}");
    }
    let (_, query) = queries().next().unwrap();
    let search = || docs.search().vector(&query).filter(field("share").lt(900));
    let explained = search().k(10_000).exact(true).explain().unwrap();
    assert_eq!((explained.segments[0].plan, explained.filter.as_deref()), ("rows", Some("share < 900")));
}

#[test]
fn filtered_searches_find_what_they_promise_by_the_way_expected() {
    let db = Options::new().maintenance(Maintenance::Manual).open(":memory:").unwrap();
    let docs = db.collection("docs", Schema::new(DIM).metric(Metric::L2)).unwrap();
    docs.upsert((0..RECORDS).map(record)).unwrap();
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
    check_ways(&docs, true);
    check(&docs, "sealed");
    docs.upsert((RECORDS..RECORDS + NEW).map(record)).unwrap();
    assert!(docs.stats().unwrap().active_records > 0);
    check(&docs, "beside new records");
    docs.delete((0..RECORDS + NEW).filter(|id| Random::new(5 << 32 | id).below(10) < 3)).unwrap();
    check(&docs, "where three of ten are gone");
}

/// A vector of length 1.
fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / length).collect()
}

/// There are no cells of records compared by products.
#[test]
fn without_cells_the_graph_is_followed_over_what_does_not_pass() {
    let db = Options::new().maintenance(Maintenance::Manual).open(":memory:").unwrap();
    let docs = db.collection("docs", Schema::new(DIM).metric(Metric::Dot)).unwrap();
    docs.upsert((0..RECORDS).map(|id| record_with(id, unit))).unwrap();
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
    check_ways(&docs, false);
    check(&docs, "products");
}
