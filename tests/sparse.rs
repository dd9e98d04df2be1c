//! Sparse vectors through the public API. What a history of writes leaves is compared with a model in `model.rs`.

use lodedb::Collection;
use lodedb::Database;
use lodedb::Error;
use lodedb::Fields;
use lodedb::Fusion;
use lodedb::Hit;
use lodedb::Limits;
use lodedb::Maintenance;
use lodedb::Options;
use lodedb::Record;
use lodedb::Schema;
use lodedb::SparseVector;
use lodedb::Vector;
use lodedb::field;
use std::ops::ControlFlow;

fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().filter_map(|hit| hit.id().as_u64()).collect()
}

fn optimize(db: &Database) {
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
}

/// Records by number: 1 and 2 have terms in common, 3 has none of these, 4 has no sparse vector, 5 an empty one.
fn some_docs(db: &Database) -> Collection {
    let docs = db.collection("docs", Schema::new(2).text("body").sparse("splade")).unwrap();
    let record = |id: u64| Record::new(id).vector([id as f32, 1.0]).field("odd", id % 2 == 1);
    docs.upsert([
        record(1).sparse("splade", [(4711, 1.25), (17, 0.5)]).field("body", "sluice box"),
        record(2).sparse("splade", [(17, 1.0), (1849, 0.75)]).field("body", "gold"),
        record(3).sparse("splade", [(u32::MAX, 3.0)]).field("body", "gold and silver"),
        record(4).field("body", "gold"),
        record(5).sparse("splade", SparseVector::default()),
    ])
    .unwrap();
    docs
}

#[test]
fn records_are_found_by_their_terms_before_and_after_they_are_sealed() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    for _ in 0..2 {
        let hits = docs.search().sparse("splade", [(17, 1.0), (4711, 2.0), (9, 9.0)]).run().unwrap();
        assert_eq!(hits.iter().map(Hit::score).collect::<Vec<_>>(), [3.0, 1.0]);
        assert_eq!(ids(&hits), [1, 2]);
        assert_eq!(hits[0].scores(), [("splade", 3.0)]);
        let found = |search: lodedb::Search| ids(&search.run().unwrap());
        let search = || docs.search().sparse("splade", [(17, 1.0), (u32::MAX, 0.5)]);
        assert_eq!(found(search()), [3, 2, 1]);
        assert_eq!(found(search().k(1)), [3]);
        assert_eq!(found(search().filter(field("odd").eq(false))), [2]);
        assert_eq!(found(search().all().min_score(1.0)), [3, 2]);
        assert_eq!(found(search().group_by("odd", 1)), [3, 2]);
        assert_eq!(found(docs.search().sparse("splade", SparseVector::default())), Vec::<u64>::new());
        assert_eq!(docs.get(5).unwrap().unwrap().get_sparse("splade"), Some(&SparseVector::default()));
        assert_eq!(docs.get(4).unwrap().unwrap().get_sparse("splade"), None);
        optimize(&db);
        db.verify().unwrap();
    }
}

#[test]
fn what_changes_and_what_stays() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Options::new().maintenance(Maintenance::Manual).open(folder.path().join("s.lode")).unwrap();
    let db = open();
    let docs = some_docs(&db);
    docs.update(1, Fields::from_iter([("odd", false)])).unwrap();
    docs.upsert([Record::new(2).vector([0.0, 1.0])]).unwrap();
    docs.delete([3]).unwrap();
    drop(docs);
    db.close().unwrap();
    let db = open();
    let docs = db.existing("docs").unwrap();
    let all = SparseVector::from([(17, 1.0), (1849, 1.0), (4711, 1.0), (u32::MAX, 1.0)]);
    assert_eq!(ids(&docs.search().sparse("splade", &all).run().unwrap()), [1]);
    let record = docs.get(1).unwrap().unwrap();
    assert_eq!(record.get_sparse("splade").unwrap().entries(), [(17, 0.5), (4711, 1.25)]);
    let scanned: Vec<Record> = docs.scan().collect::<Result<_, _>>().unwrap();
    assert_eq!(scanned[0], record);
}

#[test]
fn sparse_vectors_are_fused_with_vectors_and_words() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    let search =
        || docs.search().vector([1.0, 1.0]).text("gold").sparse("splade", [(17, 1.0), (4711, 1.0)]).k(5);
    let hits = search().run().unwrap();
    assert_eq!(hits.len(), 5);
    for hit in &hits {
        let names: Vec<&str> = hit.scores().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["vector", "splade", "text"]);
        let splade = hit.scores()[1].1;
        let expected = [1.75, 1.0, 0.0, 0.0, 0.0][hit.id().as_u64().unwrap() as usize - 1];
        assert_eq!(splade, expected);
    }
    let only = Fusion::Weighted(vec![("vector".into(), 0.0), ("text".into(), 0.0)]);
    assert_eq!(ids(&search().fusion(only).k(1).run().unwrap()), [1]);
    let explained = search().explain().unwrap();
    assert_eq!((explained.sparse[0].name.as_str(), explained.sparse[0].found), ("splade", 2));
    assert!(explained.to_string().contains("splade: 2 candidates"));
}

#[test]
fn a_collection_needs_no_other_vector() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().maintenance(Maintenance::Manual).active_bytes(1);
    let db = options.open(folder.path().join("terms.lode")).unwrap();
    let docs = db.collection("docs", Schema::named([]).sparse("terms").text("body")).unwrap();
    for batch in 0..30u64 {
        let records = (0..100).map(|at| batch * 100 + at);
        let record = |id: u64| Record::new(id).sparse("terms", [(id as u32 % 7, 1.0 + id as f32)]);
        docs.upsert(records.map(|id| record(id).field("body", format!("word{}", id % 10)))).unwrap();
        db.checkpoint().unwrap();
    }
    assert!(docs.stats().unwrap().segments < 12, "segments are merged as they come");
    assert_eq!(ids(&docs.search().sparse("terms", [(3, 1.0)]).k(2).run().unwrap()), [2999, 2992]);
    optimize(&db);
    assert_eq!(docs.stats().unwrap().segments, 1);
    optimize(&db);
    assert_eq!(docs.search().text("word3").k(1000).run().unwrap().len(), 300);
    assert!(matches!(docs.search().vector([1.0]).run(), Err(Error::Schema { .. })));
    assert!(matches!(docs.measure_recall(1, 1), Err(Error::Schema { .. })));
    let diverse = docs.search().sparse("terms", [(3, 1.0)]).diversity(0.5).run();
    assert!(matches!(diverse, Err(Error::InvalidOption { name: "diversity", .. })));
    db.verify().unwrap();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let db = Options::new().limits(Limits { sparse_terms: 3, ..Limits::default() }).open(":memory:").unwrap();
    let docs = some_docs(&db);
    let refused = |entries: &[(u32, f32)], text: &str| {
        let stored = docs.upsert([Record::new(9).vector([1.0, 1.0]).sparse("splade", entries)]);
        let asked = docs.search().sparse("splade", entries).run();
        for message in [stored.unwrap_err().to_string(), asked.unwrap_err().to_string()] {
            assert!(message.contains(text), "{message}");
        }
    };
    refused(&[(7, 0.0)], "weight of term 7 is 0, and a finite number above 0");
    refused(&[(7, -1.5)], "weight of term 7 is -1.5");
    refused(&[(7, f32::NAN)], "weight of term 7 is NaN");
    refused(&[(7, 1.0), (8, 1.0), (7, 1.0)], "term 7 is there twice");
    refused(&[(7, 1e30)], "length");
    refused(&[(1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)], "number of terms of sparse vector 'splade'");
    assert_eq!(docs.len().unwrap(), 5);

    let unknown = docs.search().sparse("bm42", [(1, 1.0)]).run().unwrap_err().to_string();
    assert!(unknown.contains("no sparse vector 'bm42': there are 'splade'"), "{unknown}");
    let field = docs.upsert([Record::new(9).vector([1.0, 1.0]).field("splade", 1)]).unwrap_err().to_string();
    assert!(field.contains("name of a sparse vector"), "{field}");
    let many = docs.search().sparse("splade", [(1, 1.0)]).run_many([[1.0, 1.0]]).unwrap_err().to_string();
    assert!(many.contains("single searches"), "{many}");
    assert!(docs.search().sparse("splade", [(1, 1.0)]).fusion(Fusion::weighted(1.0, 1.0)).run().is_err());
    for schema in [
        Schema::named([]),
        Schema::new(1).sparse("a").sparse("a"),
        Schema::new(1).text("a").sparse("a"),
        Schema::new(1).sparse("text"),
        Schema::named([]).sparse("vector"),
        Schema::new(1).sparse("a.b"),
        (0..17).fold(Schema::new(1), |schema, n| schema.sparse(format!("s{n}"))),
    ] {
        assert!(db.collection("other", schema).is_err());
    }
    let other = db.collection("docs", Schema::new(2).text("body").sparse("sparse"));
    assert!(other.unwrap_err().to_string().contains("its sparse vectors are"));
    assert!(db.collection("docs", Schema::new(2)).is_ok(), "what is not named is not compared");
}

#[test]
fn a_batch_of_records_is_put_in_whole_or_not() {
    let db = Database::open(":memory:").unwrap();
    let docs = some_docs(&db);
    let good = Record::new(8).vector(Vector::F32(vec![1.0, 1.0])).sparse("splade", [(1, 1.0)]);
    let bad = good.clone().sparse("splade", [(1, f32::INFINITY)]);
    assert!(docs.upsert([good, bad]).is_err());
    assert!(docs.search().sparse("splade", [(1, 1.0)]).run().unwrap().is_empty());
}
