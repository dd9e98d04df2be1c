//! What can be seen of a database at work: spans, latencies, slow searches.

use lodedb::{Database, Durability, MemoryBackend, Options, Record, Schema, TextQuery, field};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::span::{Attributes, Id};

/// The names of the spans that were entered, with how often.
#[derive(Clone, Default)]
struct Spans {
    names: Arc<Mutex<Vec<&'static str>>>,
    entered: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("lodedb")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut names = self.names.lock().unwrap();
        names.push(span.metadata().name());
        Id::from_u64(names.len() as u64)
    }

    fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, span: &Id) {
        let name = self.names.lock().unwrap()[span.into_u64() as usize - 1];
        *self.entered.lock().unwrap().entry(name).or_default() += 1;
    }

    fn exit(&self, _: &Id) {}
}

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
fn every_long_or_frequent_call_has_its_span() {
    let spans = Spans::default();
    let folder = tempfile::tempdir().unwrap();
    tracing::subscriber::with_default(spans.clone(), || {
        let db = open(options());
        let docs = db.collection("docs", Schema::new(2)).unwrap();
        // Enough for a graph.
        docs.upsert((0..1_500u64).map(|id| Record::new(id).vector([id as f32, 1.0]))).unwrap();
        docs.delete([3]).unwrap();
        db.optimize(|_| ControlFlow::Continue(())).unwrap();
        for _ in 0..3 {
            docs.search().vector([1.0, 1.0]).run().unwrap();
        }
        db.verify().unwrap();
        db.compact().unwrap();
        db.backup(folder.path().join("copy.lode")).unwrap();
    });
    let entered = spans.entered.lock().unwrap();
    assert_eq!((entered["open"], entered["search"], entered["optimize"]), (1, 3, 1), "{entered:?}");
    // Creating the collection is a commit as well.
    assert_eq!((entered["commit"], entered["verify"], entered["backup"]), (3, 1, 1), "{entered:?}");
    assert!(entered["checkpoint"] >= 1 && entered["merge"] >= 1 && entered["compact"] == 1, "{entered:?}");
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
