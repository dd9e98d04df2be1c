//! The spans that a subscriber sees. A file of its own: while one subscriber is there, searches on other threads would switch the
//! spans off that nobody listens to there.

use lodedb::{Database, Maintenance, MemoryBackend, Options, Record, Schema};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
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

#[test]
fn every_long_or_frequent_call_has_its_span() {
    let spans = Spans::default();
    let folder = tempfile::tempdir().unwrap();
    tracing::subscriber::with_default(spans.clone(), || {
        let options = Options::new().maintenance(Maintenance::Manual);
        let db: Database = options.open_backend(Arc::new(MemoryBackend::new()), "memory").unwrap();
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
