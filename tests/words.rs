//! Keyword and hybrid search through the public API: what is found does not depend on how records fell into segments.

use lodedb::Collection;
use lodedb::Database;
use lodedb::Error;
use lodedb::Filter;
use lodedb::Fusion;
use lodedb::Hit;
use lodedb::Maintenance;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Schema;
use lodedb::TextField;
use lodedb::field;
use proptest::prelude::*;
use std::ops::ControlFlow;

/// Words that the random texts are made of.
const WORDS: [&str; 12] =
    ["gold", "silver", "mine", "mines", "sluice", "box", "river", "gravel", "the", "of", "E1234", "Washing"];

fn schema() -> Schema {
    Schema::new(2).metric(Metric::L2).text("title").text("body")
}

fn record(id: u64, title: &str, body: &str) -> Record {
    let angle = id as f32;
    Record::new(id).vector([angle, 1.0]).field("title", title).field("body", body).field("odd", id % 2 == 1)
}

fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().filter_map(|hit| hit.id().as_u64()).collect()
}

fn optimize(db: &Database) {
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
}

fn some_docs(db: &Database) -> Collection {
    let docs = db.collection("docs", schema()).unwrap();
    docs.upsert([
        record(0, "Placer mining", "A sluice box washes gold out of gravel."),
        record(1, "Rivers", "Rivers carry gravel and sand."),
        record(2, "Hard rock", "Gold and silver are mined from veins."),
        record(3, "Codes", "Part E1234 fits foo_bar and C++ programs."),
    ])
    .unwrap();
    docs
}

#[test]
fn words_are_found_as_they_are_meant() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    let found = |typed: &str| {
        let mut found = ids(&docs.search().text(typed).run().unwrap());
        found.sort_unstable();
        found
    };
    for round in 0..2 {
        assert_eq!(found("mines"), [0, 2], "stemmed, round {round}");
        assert_eq!(found("+gold -silver"), [0]);
        assert_eq!(found("\"sluice box\""), [0]);
        assert_eq!(found("\"box sluice\""), Vec::<u64>::new());
        assert_eq!(found("title:rivers"), [1]);
        assert_eq!(found("grav*"), [0, 1]);
        assert_eq!(found("slvier~2"), [2]);
        assert_eq!(found("E1234"), [3]);
        assert_eq!(found("C++"), [3]);
        assert_eq!(found("the"), Vec::<u64>::new());
        assert_eq!(docs.count(field("body").has_words("gold gravel")).unwrap(), 1);
        let hits = docs.search().text("gold").filter(field("odd").eq(false)).k(1).run().unwrap();
        assert_eq!(hits.len(), 1);
        optimize(&db);
    }
}

#[test]
fn what_was_written_is_found_and_what_was_deleted_is_not() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    docs.upsert([record(4, "New", "An adit leads to the gold.")]).unwrap();
    assert_eq!(ids(&docs.search().text("adit").run().unwrap()), [4]);
    docs.delete([4]).unwrap();
    assert!(docs.search().text("adit").run().unwrap().is_empty());
    docs.upsert([record(0, "Changed", "Nothing of value.")]).unwrap();
    assert_eq!(ids(&docs.search().text("gold").run().unwrap()), [2]);
}

#[test]
fn parts_are_fused_and_each_hit_has_all_their_scores() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    for fusion in [Fusion::default(), Fusion::weighted(0.5, 0.5), Fusion::Distribution(vec![])] {
        let hits = docs.search().vector([1.0, 1.0]).text("gold silver").fusion(fusion).k(3).run().unwrap();
        assert_eq!(hits.len(), 3);
        assert!(hits.is_sorted_by(|one, other| one.score() >= other.score()));
        for hit in &hits {
            let scores = hit.scores();
            assert_eq!((scores[0].0, scores[1].0), ("vector", "text"));
            let id = hit.id().as_u64().unwrap() as f32;
            assert_eq!(scores[0].1, -(id - 1.0).abs());
            assert_eq!(hit.distance(), (id - 1.0).abs());
            let alone = docs.search().text("gold silver").run().unwrap();
            let alone = alone.iter().find(|other| other.id() == hit.id()).map_or(0.0, Hit::score);
            assert_eq!(scores[1].1, alone);
        }
    }
    let all = docs.search().text("gold").all().min_score(0.0).run().unwrap();
    assert_eq!(ids(&all).len(), 2);
}

#[test]
fn diverse_hits_are_unlike_each_other() {
    let db = Database::open(":memory:").unwrap();
    let docs = db.collection("docs", Schema::new(2)).unwrap();
    docs.upsert([
        Record::new(0).vector([1.0, 0.0]),
        Record::new(1).vector([0.999, 0.001]),
        Record::new(2).vector([0.5, 0.5]),
    ])
    .unwrap();
    let search = || docs.search().vector([1.0, 0.0]).k(2);
    assert_eq!(ids(&search().run().unwrap()), [0, 1]);
    assert_eq!(ids(&search().diversity(0.0).run().unwrap()), [0, 1]);
    assert_eq!(ids(&search().diversity(0.9).run().unwrap()), [0, 2]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    let plain = db.collection("plain", Schema::new(1)).unwrap();
    let refused = |result: Result<Vec<Hit>, Error>, text: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(text), "{message}");
    };
    refused(docs.search().run(), "no text");
    refused(plain.search().text("gold").run(), "no text fields");
    refused(docs.search().text("gold").text_fields([("tittle", 1.0)]).run(), "title, body");
    refused(docs.search().text("gold").diversity(1.5).run(), "0 to 1");
    refused(docs.search().text("gold").diversity(0.5).all().min_score(0.0).run(), "no choice");
    refused(docs.search().vector([0.0, 1.0]).text_fields([("body", 1.0)]).run(), "no words");
    refused(
        docs.search().vector([0.0, 1.0]).text("gold").fusion(Fusion::Weighted(vec![("x".into(), 1.0)])).run(),
        "no part 'x'",
    );
    refused(docs.search().text("gold").filter(field("odd").has_words("x")).run(), "title, body");
    assert!(TextField::new("a").analyzer("klingon").is_err());
    assert!(db.collection("twice", Schema::new(1).text("a").text("a")).is_err());
    let other = Schema::new(2).metric(Metric::L2).text("title");
    assert!(matches!(db.collection("docs", other), Err(Error::Schema { .. })));
    assert_eq!(docs.count(Filter::all()).unwrap(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Batches, deletions, merges and reopening change no score: they are those of the same records in a fresh database.
    #[test]
    fn scores_do_not_depend_on_segments(
        texts in prop::collection::vec(prop::collection::vec(0..WORDS.len(), 0..12), 1..60),
        dead in prop::collection::vec(0u64..60, 0..20),
        batch in 1usize..20,
        sealed in any::<bool>(),
        query in prop::collection::vec(0..WORDS.len(), 1..4),
    ) {
        let text = |words: &[usize]| words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ");
        let records: Vec<Record> =
            (0..).zip(&texts).map(|(id, words)| record(id, &text(&words[..words.len() / 3]), &text(words))).collect();
        let folder = tempfile::tempdir().unwrap();
        let open = || Options::new().maintenance(Maintenance::Manual).open(folder.path().join("words.lode")).unwrap();
        let db = open();
        let docs = db.collection("docs", schema()).unwrap();
        for records in records.chunks(batch) {
            docs.upsert(records.iter().cloned()).unwrap();
            if sealed {
                db.checkpoint().unwrap();
            }
        }
        docs.delete(dead.iter().copied()).unwrap();
        drop(docs);
        db.close().unwrap();
        let db = open();
        let docs = db.collection("docs", schema()).unwrap();
        let fresh = Database::open(":memory:").unwrap();
        let other = fresh.collection("docs", schema()).unwrap();
        let lives = |record: &&Record| record.id().as_u64().is_some_and(|id| !dead.contains(&id));
        other.upsert(records.iter().filter(lives).cloned()).unwrap();
        let typed = text(&query);
        for filter in [Filter::all(), field("odd").eq(true)] {
            let find = |docs: &Collection| {
                let hits = docs.search().text(typed.as_str()).filter(filter.clone()).allow_unknown_fields(true).k(100);
                let mut hits: Vec<(u64, f32)> = hits.run().unwrap().iter()
                    .map(|hit| (hit.id().as_u64().unwrap(), hit.score())).collect();
                hits.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
                hits
            };
            prop_assert_eq!(find(&docs), find(&other));
        }
        optimize(&db);
        let hits = ids(&docs.search().text(typed.as_str()).k(100).run().unwrap());
        prop_assert_eq!(hits.len(), other.search().text(typed.as_str()).k(100).run().unwrap().len());
    }
}
