//! What can be seen of a database at work: latencies and slow searches.

use lodedb::{Database, Durability, MemoryBackend, Options, Record, Schema, TextQuery, field};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn options() -> Options {
    Options::new().maintenance(lodedb::Maintenance::Manual).durability(Durability::Full)
}

fn open(options: Options) -> Database {
    options.open_backend(Arc::new(MemoryBackend::new()), "memory").unwrap()
}

fn records() -> impl Iterator<Item = Record> {
    (0..100u64)
        .map(|id| Record::new(id).vector([id as f32, 1.0]).field("n", id as i64).field("word", "sluice"))
}

#[test]
fn every_search_and_commit_is_counted_once() {
    let db = open(options());
    let docs = db.collection("docs", Schema::new(2)).unwrap();
    docs.upsert(records()).unwrap();
    assert_eq!(db.stats().unwrap().search_latency.count(), 0);
    for _ in 0..5 {
        docs.search().vector([1.0, 1.0]).filter(field("n").lt(50)).run().unwrap();
    }
    docs.search().run_many([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]).unwrap();
    docs.snapshot().unwrap().search().vector([1.0, 1.0]).run().unwrap();
    let stats = db.stats().unwrap();
    assert_eq!((stats.search_latency.count(), stats.commit_latency.count()), (9, 2));
    assert!(stats.search_latency.percentile(1.0) >= stats.search_latency.mean());
    let stats = docs.stats().unwrap();
    assert!(stats.kept_filters > 0 && stats.kept_filter_bytes > 0, "{stats:?}");
}

#[test]
fn slow_searches_are_told_of_and_others_are_not() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    let db = open(options().slow_search(Duration::ZERO, move |search| {
        heard.lock().unwrap().push(search.clone());
    }));
    let docs = db.collection("docs", Schema::new(2).text("word")).unwrap();
    docs.upsert(records()).unwrap();
    docs.search().vector([1.0, 1.0]).k(3).filter(field("n").lt(50)).run().unwrap();
    docs.search().text("sluice box").run().unwrap();
    docs.search().text_query(TextQuery::any("sluice")).run().unwrap();
    docs.search().vector([1.0]).run().unwrap_err();
    let told = told.lock().unwrap();
    let seen: Vec<_> =
        told.iter().map(|s| (s.hits, s.k, s.vectors, s.text.is_some(), s.filter.clone())).collect();
    assert_eq!(seen[0], (3, Some(3), 1, false, Some("n < 50".to_owned())));
    assert_eq!(seen[1], (10, Some(10), 0, true, None));
    assert!(told[2].text.as_deref().unwrap().contains("sluice"));
    assert_eq!((seen[3].0, seen.len()), (0, 4));
    assert!(told[0].to_string().starts_with("search of 'docs' took "), "{}", told[0]);
    assert!(told[0].to_string().ends_with("for 3 hits, vectors: 1, filter: n < 50"), "{}", told[0]);

    let db = open(options().slow_search(Duration::from_secs(3600), |_| panic!("nothing is that slow")));
    let docs = db.collection("docs", Schema::new(2)).unwrap();
    docs.upsert(records()).unwrap();
    docs.search().vector([1.0, 1.0]).run().unwrap();
}
