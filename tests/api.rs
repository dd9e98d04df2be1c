//! What a user relies on, one behaviour a test: what is refused and how it is said, handles, transactions, copies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use lodedb::Collection;
use lodedb::Database;
use lodedb::DateTime;
use lodedb::Dtype;
use lodedb::Durability;
use lodedb::Error;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::Hit;
use lodedb::IdKind;
use lodedb::Limits;
use lodedb::Maintenance;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Progress;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Value;
use lodedb::Vector;
use lodedb::VectorSchema;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// Records of the tests that want many; with 1,000 or more of them graphs are built.
const MANY: u64 = 900;

fn memory() -> Database {
    Database::open(":memory:").unwrap()
}

fn plane() -> Schema {
    Schema::new(2).metric(Metric::L2)
}

/// A record with a vector for [`plane`].
fn record(id: impl Into<RecordId>) -> Record {
    let id = id.into();
    let at = id.as_u64().unwrap_or(0).min(1 << 20) as f32;
    Record::new(id).vector([at, 1.0])
}

/// A collection that holds the record "first".
fn with_first(db: &Database) -> Collection {
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert([record("first").field("n", 1)]).unwrap();
    docs
}

/// The error for `record` at the end of a batch, of which nothing is stored.
fn refused(docs: &Collection, record: Record, good: Record) -> Error {
    let before: Vec<Record> = contents(docs);
    let error = docs.upsert([good.clone(), record.clone()]).unwrap_err();
    assert_eq!(contents(docs), before);
    assert!(docs.insert([good, record]).is_err());
    assert_eq!(contents(docs), before);
    error
}

fn contents(docs: &Collection) -> Vec<Record> {
    docs.scan().collect::<Result<_>>().unwrap()
}

fn ids(docs: &Collection) -> Vec<RecordId> {
    contents(docs).iter().map(|record| record.id().clone()).collect()
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.lode");
    (folder, path)
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn read_only(path: &Path) -> Database {
    Options::new().read_only(true).open(path).unwrap()
}

// Records that are refused.

#[test]
fn a_vector_of_another_dimension_is_refused_with_both_numbers() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, Record::new("bad").vector([1.0, 2.0, 3.0]), record("good"));
    assert!(matches!(error, Error::DimensionMismatch { expected: 2, found: 3, .. }));
    assert_eq!(error.to_string(), "vector 'vector' has 3 dimensions where the schema has 2");
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let db = memory();
    let docs = with_first(&db);
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let error = refused(&docs, Record::new("bad").vector([1.0, value]), record("good"));
        assert!(matches!(&error, Error::InvalidVector { vector, .. } if vector == "vector"));
        assert_eq!(
            error.to_string(),
            format!("vector 'vector': the value at 1 is {name}, not a finite number")
        );
    }
}

#[test]
fn numbers_that_the_element_type_can_not_hold_are_refused() {
    let db = memory();
    let cases = [
        (Dtype::I8, Metric::L2, 128.0, "128"),
        (Dtype::I8, Metric::L2, 0.5, "0.5"),
        (Dtype::F16, Metric::L2, 70_000.0, "70000"),
        (Dtype::Bf16, Metric::L2, f32::MAX, "bf16"),
        (Dtype::Binary, Metric::Hamming, 2.0, "2"),
    ];
    for (i, (dtype, metric, value, named)) in cases.into_iter().enumerate() {
        let schema = Schema::new(8).metric(metric).dtype(dtype);
        let docs = db.collection(&format!("c{i}"), schema).unwrap();
        let mut values = vec![0.0; 8];
        values[3] = value;
        let error = refused(&docs, Record::new("bad").vector(values), Record::new("good").vector([0.0; 8]));
        let text = error.to_string();
        assert!(matches!(error, Error::InvalidVector { .. }), "{text}");
        assert!(text.contains('3') && text.contains(named) && text.contains(&dtype.to_string()), "{text}");
    }
}

#[test]
fn a_vector_so_long_that_scores_would_overflow_is_refused() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let db = memory();
        let docs = db.collection("docs", Schema::new(2).metric(metric)).unwrap();
        let error = refused(&docs, Record::new("bad").vector([1e30, 1e30]), record("good"));
        assert!(matches!(&error, Error::InvalidVector { problem, .. } if problem.contains("squared length")));
    }
}

#[test]
fn bits_are_refused_where_numbers_are_due() {
    let db = memory();
    let docs = db.collection("docs", Schema::new(8)).unwrap();
    let good = Record::new("good").vector([1.0; 8]);
    let error = refused(&docs, Record::new("bad").vector(Vector::Bits(vec![7])), good);
    assert_eq!(error.to_string(), "vector 'vector': bits where the schema has f32");
}

#[test]
fn a_record_without_one_of_its_vectors_is_refused() {
    let db = memory();
    let schema = Schema::named([VectorSchema::new("text", 1), VectorSchema::new("image", 1)]);
    let docs = db.collection("docs", schema).unwrap();
    let good = Record::new("good").named_vector("text", [1.0]).named_vector("image", [1.0]);
    let error = refused(&docs, Record::new("bad").named_vector("text", [1.0]), good);
    assert!(matches!(error, Error::InvalidRecord { .. }));
    assert_eq!(error.to_string(), "record 'bad': the vector 'image' is missing");
}

#[test]
fn a_vector_that_the_schema_does_not_have_is_refused_with_those_that_it_has() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, record("bad").named_vector("vektor", [1.0, 2.0]), record("good"));
    assert_eq!(error.to_string(), "schema: no vector 'vektor': there are 'vector' (2 x f32, l2)");
}

#[test]
fn names_that_a_filter_could_not_say_are_refused_for_fields() {
    let db = memory();
    let docs = with_first(&db);
    let cases = [
        ("", "is empty"),
        ("a.b", "contains a dot"),
        ("$lt", "starts with '$'"),
        ("id", "is 'id'"),
        ("vector", "has the name of a vector"),
    ];
    for (name, problem) in cases {
        let error = refused(&docs, record("bad").field(name, 1), record("good"));
        let text = error.to_string();
        assert!(matches!(error, Error::Schema { .. }), "{text}");
        assert!(text.contains(&format!("'{name}'")) && text.contains(problem), "{text}");
        let update = docs.update("first", Fields::from_iter([(name, Value::Null)]));
        assert_eq!(update.unwrap_err().to_string(), text);
    }
    assert_eq!(docs.get("first").unwrap().unwrap().fields().to_string(), r#"{"n":1}"#);
}

#[test]
fn names_inside_nested_maps_are_checked_as_well() {
    let db = memory();
    let docs = with_first(&db);
    let nested = |name: &str| {
        let map = Value::from(Fields::from_iter([(name, Value::from(1))]));
        record("nested").field("outer", vec![map])
    };
    for name in ["", "a.b", "$in"] {
        let error = refused(&docs, nested(name), record("good"));
        assert!(matches!(error, Error::Schema { .. }), "{error}");
    }
    // Only the record's own id and vectors are out of reach for fields.
    docs.upsert([nested("id")]).unwrap();
    docs.upsert([nested("vector")]).unwrap();
    assert_eq!(docs.len().unwrap(), 2);
}

#[test]
fn fields_that_are_not_finite_are_refused_with_record_and_field() {
    let db = memory();
    let docs = with_first(&db);
    let bad = record("bad").field("densities", vec![1.0, f64::NAN]);
    let error = refused(&docs, bad, record("good"));
    assert!(matches!(error, Error::InvalidRecord { .. }));
    assert_eq!(error.to_string(), "record 'bad': field 'densities' is NaN, not a finite number");
}

#[test]
fn an_empty_id_is_refused() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, record(""), record("good"));
    assert_eq!(error.to_string(), "record '': the id is empty");
    assert!(matches!(docs.delete([""]), Err(Error::InvalidRecord { .. })));
    assert!(matches!(docs.update("", Fields::new()), Err(Error::InvalidRecord { .. })));
}

#[test]
fn ids_of_the_other_kind_are_refused_once_there_is_a_record() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, record(7), record("good"));
    assert!(matches!(error, Error::Schema { .. }));
    assert_eq!(error.to_string(), "schema: the id 7 is a u64; the collection's ids are of kind string");
    assert!(matches!(docs.delete([7]), Err(Error::Schema { .. })));
    assert!(matches!(docs.update(7, Fields::new()), Err(Error::Schema { .. })));
    assert_eq!(docs.get(7).unwrap(), None);
    assert!(!docs.contains(7).unwrap());
}

#[test]
fn the_kind_of_ids_is_kept_when_every_record_is_deleted_and_the_file_opened_again() {
    let (_folder, path) = file();
    let docs = with_first(&Database::open(&path).unwrap());
    docs.delete(["first"]).unwrap();
    drop(docs);
    let docs = Database::open(&path).unwrap().existing("docs").unwrap();
    assert!(matches!(docs.upsert([record(7)]), Err(Error::Schema { .. })));
    docs.upsert([record("second")]).unwrap();
}

#[test]
fn a_declared_kind_of_ids_holds_from_the_first_record_on() {
    let db = memory();
    let docs = db.collection("docs", plane().id_kind(IdKind::Str)).unwrap();
    assert!(matches!(docs.upsert([record(7)]), Err(Error::Schema { .. })));
    docs.upsert([record("seven")]).unwrap();
}

#[test]
fn both_kinds_of_ids_in_one_batch_are_refused_whole() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    assert!(matches!(docs.upsert([record(1), record("one")]), Err(Error::Schema { .. })));
    assert!(docs.is_empty().unwrap());
    docs.upsert([record("one")]).unwrap();
}

// Upsert, insert, update, delete.

#[test]
fn of_two_records_with_one_id_in_a_batch_the_later_stays() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    let batch = [record("a").field("n", 1), record("b"), record("a").field("n", 2)];
    assert_eq!(docs.upsert(batch).unwrap(), 2);
    assert_eq!(docs.get("a").unwrap().unwrap().fields()["n"].as_i64(), Some(2));
    assert_eq!(docs.len().unwrap(), 2);
}

#[test]
fn a_batch_without_records_changes_nothing() {
    let db = memory();
    let docs = with_first(&db);
    let commits = db.stats().unwrap().commits;
    assert_eq!(docs.upsert([]).unwrap(), 0);
    assert_eq!(docs.insert([]).unwrap(), 0);
    assert_eq!(docs.update_many([]).unwrap(), 0);
    assert_eq!(docs.delete([0u64; 0]).unwrap(), 0);
    assert_eq!(docs.delete(["nobody"]).unwrap(), 0);
    assert_eq!(db.stats().unwrap().commits, commits);
}

#[test]
fn an_insert_of_an_id_that_exists_is_refused_whole() {
    let db = memory();
    let docs = with_first(&db);
    let error = docs.insert([record("second"), record("first")]).unwrap_err();
    assert!(matches!(&error, Error::RecordExists { id } if id == "'first'"));
    assert_eq!(error.to_string(), "a record with the id 'first' exists");
    assert!(matches!(docs.insert([record("x"), record("x")]), Err(Error::RecordExists { .. })));
    assert_eq!(docs.len().unwrap(), 1);
    docs.delete(["first"]).unwrap();
    assert_eq!(docs.insert([record("first")]).unwrap(), 1);
}

#[test]
fn an_upsert_replaces_the_whole_record() {
    let db = memory();
    let docs = with_first(&db);
    docs.upsert([Record::new("first").vector([9.0, 9.0]).field("m", 2)]).unwrap();
    let found = docs.get("first").unwrap().unwrap();
    assert_eq!(found.fields().to_string(), r#"{"m":2}"#);
    assert_eq!(found.get_vector("vector"), Some(&Vector::F32(vec![9.0, 9.0])));
}

#[test]
fn an_update_sets_some_fields_and_keeps_the_rest() {
    let db = memory();
    let docs = with_first(&db);
    docs.update("first", Fields::from_iter([("m", Value::from(2)), ("n", Value::Null)])).unwrap();
    let found = docs.get("first").unwrap().unwrap();
    assert_eq!(found.fields().to_string(), r#"{"m":2,"n":null}"#);
    assert_eq!(found.get_vector("vector"), Some(&Vector::F32(vec![0.0, 1.0])));
}

#[test]
fn an_update_of_a_record_that_is_not_there_is_refused_whole() {
    let db = memory();
    let docs = with_first(&db);
    let change = || Fields::from_iter([("n", Value::from(2))]);
    let error = docs.update_many([("first".into(), change()), ("zinc".into(), change())]).unwrap_err();
    assert!(matches!(&error, Error::RecordNotFound { id } if id == "'zinc'"));
    assert_eq!(error.to_string(), "no record has the id 'zinc'");
    assert_eq!(docs.get("first").unwrap().unwrap().fields()["n"].as_i64(), Some(1));
}

#[test]
fn updates_of_one_record_in_a_batch_add_up() {
    let db = memory();
    let docs = with_first(&db);
    let change = |name: &str, n: i64| ("first".into(), Fields::from_iter([(name, Value::from(n))]));
    assert_eq!(docs.update_many([change("a", 1), change("b", 2), change("a", 3)]).unwrap(), 1);
    assert_eq!(docs.get("first").unwrap().unwrap().fields().to_string(), r#"{"a":3,"b":2,"n":1}"#);
}

#[test]
fn a_delete_says_how_many_there_were() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..5).map(record)).unwrap();
    assert_eq!(docs.delete([1, 3, 3, 17]).unwrap(), 2);
    assert_eq!(docs.delete([1, 3]).unwrap(), 0);
    assert_eq!(ids(&docs), [0, 2, 4].map(RecordId::from));
}

// What comes back.

#[test]
fn every_kind_of_value_comes_back_after_reopening() {
    let (_folder, path) = file();
    let nested: BTreeMap<String, Value> = BTreeMap::from([
        ("empty".into(), Value::Array(vec![])),
        ("\u{1f48e}".into(), Value::from(Fields::new())),
    ]);
    let stored = record(u64::MAX)
        .field("null", Value::Null)
        .field("true", true)
        .field("least", i64::MIN)
        .field("most", i64::MAX)
        .field("float", f64::MIN_POSITIVE)
        .field("huge", -f64::MAX)
        .field("text", "\u{0}\n\"\\ \u{10ffff}")
        .field("empty", "")
        .field("instant", DateTime::from_unix_micros(i64::MIN))
        .field("place", GeoPoint::new(-90.0, 180.0).unwrap())
        .field("nested", Value::Map(nested));
    let db = Database::open(&path).unwrap();
    db.collection("docs", plane()).unwrap().upsert([stored.clone()]).unwrap();
    assert_eq!(db.existing("docs").unwrap().get(u64::MAX).unwrap().unwrap(), stored);
    db.close().unwrap();
    let docs = Database::open(&path).unwrap().existing("docs").unwrap();
    assert_eq!(docs.get(u64::MAX).unwrap().unwrap(), stored);
}

#[test]
fn vectors_come_back_rounded_to_their_element_type() {
    let db = memory();
    let third = 1.0f32 / 3.0;
    let cases = [
        (Dtype::F32, vec![third, -0.0, 1e-40], vec![third, -0.0, 1e-40]),
        (Dtype::F16, vec![third, 2049.0, 1e-9], vec![0.333_251_95, 2048.0, 0.0]),
        (Dtype::Bf16, vec![third, 257.0, 1e30], vec![0.333_984_38, 256.0, 1.000_038_8e30]),
    ];
    for (dtype, given, expected) in cases {
        let name = dtype.to_string();
        // The last number of bf16 is beyond what a squared length may be, alone it is refused.
        let given = if dtype == Dtype::Bf16 { given[..2].to_vec() } else { given };
        let schema = Schema::new(given.len()).metric(Metric::L2).dtype(dtype);
        let docs = db.collection(&name, schema).unwrap();
        docs.upsert([Record::new(1).vector(&given)]).unwrap();
        let found = docs.get(1).unwrap().unwrap().get_vector("vector").unwrap().to_f32();
        assert_eq!(found, expected[..given.len()], "{name}");
    }
}

#[test]
fn bits_and_small_numbers_come_back_as_they_were_given() {
    let db = memory();
    let bits = db.collection("bits", Schema::new(16).metric(Metric::Hamming).dtype(Dtype::Binary)).unwrap();
    let packed = Vector::Bits(vec![0b1000_0000, 0b0000_0011]);
    let mut plain = vec![0.0; 16];
    plain[0] = 1.0;
    plain[14..].fill(1.0);
    bits.upsert([Record::new(1).vector(&packed), Record::new(2).vector(&plain)]).unwrap();
    for id in [1, 2] {
        assert_eq!(bits.get(id).unwrap().unwrap().get_vector("vector"), Some(&packed));
    }
    assert_eq!(packed.to_f32(), plain);
    let hits = bits.search().vector(&packed).run().unwrap();
    assert_eq!(hits.iter().map(Hit::distance).collect::<Vec<_>>(), [0.0, 0.0]);

    let bytes = db.collection("bytes", Schema::new(3).metric(Metric::Dot).dtype(Dtype::I8)).unwrap();
    bytes.upsert([Record::new(1).vector(vec![-128i8, 0, 127])]).unwrap();
    bytes.upsert([Record::new(2).vector([-128.0, 0.0, 127.0])]).unwrap();
    for id in [1, 2] {
        let expected = Vector::I8(vec![-128, 0, 127]);
        assert_eq!(bytes.get(id).unwrap().unwrap().get_vector("vector"), Some(&expected));
    }
}

#[test]
fn under_cosine_a_zero_vector_scores_zero_with_everything() {
    let db = memory();
    let docs = db.collection("docs", Schema::new(2)).unwrap();
    docs.upsert([Record::new(0).vector([0.0, 0.0]), Record::new(1).vector([3.0, 4.0])]).unwrap();
    docs.upsert([Record::new(2).vector([-3.0, -4.0])]).unwrap();
    let found = |query: [f32; 2]| {
        let hits = docs.search().vector(query).run().unwrap();
        hits.iter().map(|hit| (hit.id().as_u64().unwrap(), hit.score())).collect::<Vec<_>>()
    };
    assert_eq!(found([6.0, 8.0]), [(1, 1.0), (0, 0.0), (2, -1.0)]);
    assert!(found([0.0, 0.0]).iter().all(|(_, score)| *score == 0.0));
}

#[test]
fn score_falls_from_hit_to_hit_and_distance_is_the_metrics_own() {
    let db = memory();
    let cases = [
        (Metric::L2, [(1, -1.0, 1.0), (2, -2.0, 2.0), (3, -3.0, 3.0)]),
        (Metric::Dot, [(3, 3.0, -3.0), (2, 2.0, -2.0), (1, 1.0, -1.0)]),
    ];
    for (metric, expected) in cases {
        let docs = db.collection(&metric.to_string(), Schema::new(2).metric(metric)).unwrap();
        docs.upsert((1..=3).map(|id| Record::new(id).vector([1.0, id as f32]))).unwrap();
        let query = if metric == Metric::L2 { [1.0, 0.0] } else { [0.0, 1.0] };
        let hits = docs.search().vector(query).run().unwrap();
        let found: Vec<_> =
            hits.iter().map(|hit| (hit.id().as_u64().unwrap(), hit.score(), hit.distance())).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_scan_goes_by_the_value_of_numbers_and_by_the_bytes_of_strings() {
    let db = memory();
    let numbers = db.collection("numbers", plane()).unwrap();
    for id in [300, 2, u64::MAX, 0, 70_000] {
        numbers.upsert([record(id)]).unwrap();
    }
    assert_eq!(ids(&numbers), [0, 2, 300, 70_000, u64::MAX].map(RecordId::from));
    let strings = db.collection("strings", plane()).unwrap();
    for id in ["b", "ab", "Z", "\u{e9}", "a", "aa"] {
        strings.upsert([record(id)]).unwrap();
    }
    assert_eq!(ids(&strings), ["Z", "a", "aa", "ab", "b", "\u{e9}"].map(RecordId::from));
    let page: Vec<Record> = strings.scan().after("aaz").limit(2).collect::<Result<_>>().unwrap();
    assert_eq!(page.iter().map(|record| record.id().as_str().unwrap()).collect::<Vec<_>>(), ["ab", "b"]);
    assert_eq!(strings.scan().limit(0).count(), 0);
    assert_eq!(strings.scan().after("\u{e9}").count(), 0);
}

// Searches.

#[test]
fn a_search_for_more_than_there_is_finds_all() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..MANY).map(record)).unwrap();
    docs.delete(0..100).unwrap();
    db.optimize(go_on).unwrap();
    docs.upsert((2000..2005).map(record)).unwrap();
    for exact in [true, false] {
        let hits = docs.search().vector([0.0, 0.0]).k(10_000).exact(exact).run().unwrap();
        assert_eq!(hits.len() as u64, MANY - 95);
        assert_eq!((hits[0].id(), hits[0].distance()), (&100.into(), 1f32.hypot(100.0)));
    }
}

#[test]
fn an_empty_collection_answers_with_nothing() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    let check = || {
        assert_eq!(docs.search().vector([1.0, 1.0]).run().unwrap().len(), 0);
        assert_eq!(docs.search().vector([1.0, 1.0]).exact(true).k(10_000).run().unwrap().len(), 0);
        assert_eq!((docs.scan().count(), docs.len().unwrap()), (0, 0));
        assert!(docs.is_empty().unwrap() && !docs.contains(1).unwrap());
    };
    check();
    docs.upsert((0..10).map(record)).unwrap();
    docs.delete(0..5).unwrap();
    db.checkpoint().unwrap();
    docs.delete(5..10).unwrap();
    check();
    db.optimize(go_on).unwrap();
    db.compact().unwrap();
    check();
    db.verify().unwrap();
}

#[test]
fn a_search_without_a_vector_or_for_nothing_is_refused() {
    let db = memory();
    let docs = with_first(&db);
    let no_vector = docs.search().run().unwrap_err();
    assert!(matches!(no_vector, Error::InvalidOption { name: "vector", .. }));
    let no_hits = docs.search().vector([1.0, 1.0]).k(0).run().unwrap_err();
    assert_eq!(no_hits.to_string(), "option 'k': 0, and 1 to 10000 is right");
    let no_candidates = docs.search().vector([1.0, 1.0]).ef(0).run().unwrap_err();
    assert_eq!(no_candidates.to_string(), "option 'ef': 0, and 1 to 65536 is right");
}

#[test]
fn a_query_that_could_not_be_stored_is_refused() {
    let db = memory();
    let docs = with_first(&db);
    let error = |vector: Vec<f32>| docs.search().vector(vector).run().unwrap_err();
    assert!(matches!(error(vec![1.0]), Error::DimensionMismatch { expected: 2, found: 1, .. }));
    assert!(matches!(error(vec![1.0, f32::NAN]), Error::InvalidVector { .. }));
    assert!(matches!(error(vec![f32::INFINITY, 0.0]), Error::InvalidVector { .. }));
}

#[test]
fn scores_of_the_largest_vectors_are_finite() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let db = memory();
        let docs = db.collection("docs", Schema::new(2).metric(metric)).unwrap();
        docs.upsert([Record::new(1).vector([9e18, 0.0]), Record::new(2).vector([-9e18, 0.0])]).unwrap();
        for query in [[9e18, 0.0], [f32::MAX, f32::MAX]] {
            match docs.search().vector(query).run() {
                Ok(hits) => assert!(hits.iter().all(|hit| hit.score().is_finite()), "{metric} {hits:?}"),
                Err(error) => assert!(matches!(error, Error::InvalidVector { .. })),
            }
        }
    }
}

#[test]
fn a_search_among_several_vectors_has_to_say_which() {
    let db = memory();
    let schema = Schema::named([VectorSchema::new("text", 1), VectorSchema::new("image", 1)]);
    let docs = db.collection("docs", schema).unwrap();
    docs.upsert([Record::new(1).named_vector("text", [1.0]).named_vector("image", [-1.0])]).unwrap();
    let error = docs.search().vector([1.0]).run().unwrap_err().to_string();
    assert!(error.contains("'text'") && error.contains("'image'"), "{error}");
    let error = docs.search().named_vector("txt", [1.0]).run().unwrap_err().to_string();
    assert!(error.contains("no vector 'txt'") && error.contains("'text'"), "{error}");
    assert_eq!(docs.search().named_vector("image", [1.0]).run().unwrap()[0].score(), -1.0);
    let only = db.collection("only", Schema::named([VectorSchema::new("text", 1)])).unwrap();
    assert!(only.search().vector([1.0]).run().unwrap().is_empty());
}

#[test]
fn a_search_can_be_run_again_and_reads_what_was_there_when_it_was_begun() {
    let db = memory();
    let docs = with_first(&db);
    let search = docs.search().vector([0.0, 0.0]);
    docs.upsert([record("second")]).unwrap();
    assert_eq!(search.clone().run().unwrap().len(), 1);
    assert_eq!(search.run().unwrap().len(), 1);
}

// Schemas and collections.

#[test]
fn schemas_that_make_no_sense_are_refused() {
    let db = memory();
    let cases = [
        (Schema::new(0), "0 dimensions"),
        (Schema::new(8).metric(Metric::Hamming), "hamming needs the dtype binary"),
        (Schema::new(8).dtype(Dtype::Binary), "binary vectors need the metric hamming"),
        (Schema::new(12).dtype(Dtype::Binary).metric(Metric::Hamming), "multiple of 8"),
        (Schema::named([]), "no vector"),
        (Schema::named([VectorSchema::new("v", 1), VectorSchema::new("v", 2)]), "twice"),
        (Schema::named([VectorSchema::new("id", 1)]), "is 'id'"),
        (Schema::named([VectorSchema::new("", 1)]), "is empty"),
        (Schema::named([VectorSchema::new("a.b", 1)]), "dot"),
    ];
    for (schema, expected) in cases {
        let error = db.collection("docs", schema).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Schema { .. }), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    assert!(db.collections().unwrap().is_empty());
}

#[test]
fn names_of_collections_are_checked() {
    let db = memory();
    for name in ["", "a.b", "$a", "id"] {
        assert!(matches!(db.collection(name, plane()), Err(Error::Schema { .. })), "{name}");
    }
    db.collection("\u{1f48e} and space", plane()).unwrap();
    assert_eq!(db.collections().unwrap(), ["\u{1f48e} and space"]);
}

#[test]
fn a_collection_is_opened_again_only_with_its_own_schema() {
    let (_folder, path) = file();
    Database::open(&path).unwrap().collection("docs", plane()).unwrap();
    let db = Database::open(&path).unwrap();
    assert_eq!(db.collection("docs", plane()).unwrap().schema().unwrap(), plane());
    let error = db.collection("docs", Schema::new(3).metric(Metric::L2)).unwrap_err();
    assert!(matches!(error, Error::Schema { .. }));
    assert_eq!(
        error.to_string(),
        "schema: collection 'docs' exists: it has the vectors 'vector' (2 x f32, l2), not 'vector' (3 x f32, l2)"
    );
    for other in [plane().metric(Metric::Dot), plane().dtype(Dtype::F16)] {
        assert!(matches!(db.collection("docs", other), Err(Error::Schema { .. })));
    }
}

#[test]
fn a_collection_is_not_opened_for_ids_of_the_other_kind() {
    let db = memory();
    db.collection("docs", plane().id_kind(IdKind::U64)).unwrap();
    assert!(matches!(db.collection("docs", plane().id_kind(IdKind::Str)), Err(Error::Schema { .. })));
    db.collection("docs", plane()).unwrap();
    // A kind that came with the first record counts as much.
    let db = memory();
    with_first(&db);
    db.collection("docs", plane().id_kind(IdKind::Str)).unwrap();
    let error = db.collection("docs", plane().id_kind(IdKind::U64)).unwrap_err();
    assert!(matches!(error, Error::Schema { .. }));
    assert_eq!(error.to_string(), "schema: collection 'docs' exists: its ids are of kind string, not u64");
}

#[test]
fn a_collection_that_is_not_there_is_told_with_those_that_are() {
    let db = memory();
    let error = db.existing("docs").unwrap_err();
    assert_eq!(error.to_string(), "no collection 'docs': the database has none yet");
    db.collection("ores", plane()).unwrap();
    db.collection("gems", plane()).unwrap();
    for error in [db.existing("docs").unwrap_err(), db.drop_collection("docs").unwrap_err()] {
        assert!(matches!(&error, Error::CollectionNotFound { name, .. } if name == "docs"));
        assert_eq!(error.to_string(), "no collection 'docs': there are gems, ores");
    }
}

#[test]
fn a_handle_to_a_dropped_collection_does_not_reach_the_one_made_in_its_place() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let old = with_first(&db);
    let snapshot = old.snapshot().unwrap();
    db.drop_collection("docs").unwrap();
    let gone = |result: Result<()>| assert!(matches!(result, Err(Error::CollectionNotFound { .. })));
    gone(old.len().map(drop));
    let new = db.collection("docs", Schema::new(3)).unwrap();
    gone(old.len().map(drop));
    gone(old.get("first").map(drop));
    gone(old.schema().map(drop));
    gone(old.upsert([record("second")]).map(drop));
    gone(old.delete(["first"]).map(drop));
    gone(old.search().vector([0.0, 0.0]).run().map(drop));
    gone(old.scan().collect::<Result<Vec<_>>>().map(drop));
    gone(old.snapshot().map(drop));
    gone(old.stats().map(drop));
    gone(old.optimize(go_on));
    assert_eq!(snapshot.len(), 1);
    assert!(new.is_empty().unwrap());
    new.upsert([Record::new(1).vector([1.0; 3])]).unwrap();
    drop((db, old, new, snapshot));
    let db = Database::open(&path).unwrap();
    assert_eq!(db.existing("docs").unwrap().len().unwrap(), 1);
    db.verify().unwrap();
}

// Transactions.

#[test]
fn a_transaction_over_two_collections_happens_whole_or_not_at_all() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let (ores, gems) = (db.collection("ores", plane()).unwrap(), db.collection("gems", plane()).unwrap());
    ores.upsert([record(1), record(2)]).unwrap();
    let reader = read_only(&path);
    let counts = || {
        let count = |db: &Database, name| db.existing(name).unwrap().len().unwrap();
        let seen = (ores.len().unwrap(), gems.len().unwrap());
        assert_eq!((count(&reader, "ores"), count(&reader, "gems")), seen);
        seen
    };
    let mut tx = db.transaction().unwrap();
    assert_eq!(tx.collection("ores").unwrap().delete([1]).unwrap(), 1);
    tx.collection("gems").unwrap().insert([record("a")]).unwrap();
    assert_eq!(tx.collection("ores").unwrap().len().unwrap(), 1);
    assert!(tx.collection("gems").unwrap().get("a").unwrap().is_some());
    assert_eq!(counts(), (2, 0));
    drop(tx);
    assert_eq!(counts(), (2, 0));
    let mut tx = db.transaction().unwrap();
    tx.collection("ores").unwrap().delete([1]).unwrap();
    tx.collection("gems").unwrap().insert([record("a")]).unwrap();
    tx.commit().unwrap();
    assert_eq!(counts(), (1, 1));
}

#[test]
fn a_write_that_fails_leaves_its_transaction_as_it_was() {
    let db = memory();
    let docs = with_first(&db);
    let mut tx = db.transaction().unwrap();
    let mut inside = tx.collection("docs").unwrap();
    inside.upsert([record("second")]).unwrap();
    assert!(inside.upsert([record("third"), Record::new("bad")]).is_err());
    assert!(inside.insert([record("fourth"), record("second")]).is_err());
    assert!(inside.update("nobody", Fields::new()).is_err());
    assert!(inside.delete([RecordId::from("first"), RecordId::from(7)]).is_err());
    assert_eq!(inside.len().unwrap(), 2);
    assert!(tx.collection("nowhere").is_err());
    tx.commit().unwrap();
    assert_eq!(ids(&docs), ["first", "second"].map(RecordId::from));
}

#[test]
fn a_write_that_meets_damage_leaves_its_transaction_as_it_was() {
    let (_folder, path) = file();
    let old = |i: u64| 0x1122_3344_5566_0000 + i;
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..6000).map(|i| record(old(i)))).unwrap();
    db.checkpoint().unwrap();
    docs.upsert((0..10).map(record)).unwrap();
    drop(docs);
    db.close().unwrap();
    // Damage the last ids of the older segment, wherever they lie; the first are read when it is opened.
    let mut bytes = std::fs::read(&path).unwrap();
    let pattern = old(5995).to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 8).filter(|at| bytes[*at..].starts_with(&pattern)).collect();
    places.iter().for_each(|at| bytes[at + 2] ^= 1);
    std::fs::write(&path, &bytes).unwrap();
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let mut tx = db.transaction().unwrap();
    let mut inside = tx.collection("docs").unwrap();
    // The first is found in the newer segment, the second is looked up in the older one.
    assert!(matches!(inside.upsert([record(3), record(old(5990))]), Err(Error::Corrupt(_))));
    assert!(matches!(inside.delete([4, old(5990)]), Err(Error::Corrupt(_))));
    assert_eq!(inside.len().unwrap(), 6010);
    inside.upsert([record(3).field("n", 1)]).unwrap();
    tx.commit().unwrap();
    let docs = db.existing("docs").unwrap();
    assert_eq!(docs.len().unwrap(), 6010);
    assert_eq!(docs.get(3).unwrap().unwrap().fields()["n"].as_i64(), Some(1));
    assert!(docs.contains(4).unwrap());
}

#[test]
fn a_transaction_without_writes_costs_no_commit() {
    let db = memory();
    with_first(&db);
    let commits = db.stats().unwrap().commits;
    db.transaction().unwrap().commit().unwrap();
    assert_eq!(db.stats().unwrap().commits, commits);
}

#[test]
fn a_snapshot_stays_what_it_was() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..50).map(record)).unwrap();
    db.checkpoint().unwrap();
    docs.upsert((50..60).map(record)).unwrap();
    let snapshot = docs.snapshot().unwrap();
    let before: Vec<Record> = snapshot.scan().collect::<Result<_>>().unwrap();
    docs.delete(0..60).unwrap();
    db.optimize(go_on).unwrap();
    docs.upsert((100..200).map(record)).unwrap();
    db.compact().unwrap();
    db.drop_collection("docs").unwrap();
    db.checkpoint().unwrap();
    let check = || {
        assert_eq!(snapshot.scan().collect::<Result<Vec<_>>>().unwrap(), before);
        let hits = snapshot.search().vector([7.0, 1.0]).k(3).run().unwrap();
        assert_eq!((hits.len(), hits[0].id()), (3, &RecordId::from(7)));
    };
    check();
    db.close().unwrap();
    check();
    // The next handle in line knows of it as well.
    let db = Database::open(&path).unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..300).map(record)).unwrap();
    db.compact().unwrap();
    check();
}

// Opening, reading beside a writer, closing.

#[test]
fn a_reader_refuses_every_write() {
    let (_folder, path) = file();
    drop(with_first(&Database::open(&path).unwrap()));
    let db = read_only(&path);
    let docs = db.existing("docs").unwrap();
    assert_eq!(db.collection("docs", plane()).unwrap().len().unwrap(), 1);
    let refused = |result: Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::ReadOnly));
        assert_eq!(error.to_string(), "the database was opened for reading only");
    };
    refused(docs.upsert([record("second")]).map(drop));
    refused(docs.insert([record("second")]).map(drop));
    refused(docs.update("first", Fields::new()));
    refused(docs.delete(["first"]).map(drop));
    refused(docs.optimize(go_on));
    refused(db.collection("new", plane()).map(drop));
    refused(db.drop_collection("docs"));
    refused(db.transaction().map(drop));
    refused(db.flush());
    refused(db.checkpoint());
    refused(db.optimize(go_on));
    refused(db.compact());
    db.verify().unwrap();
    db.close().unwrap();
    assert_eq!(read_only(&path).existing("docs").unwrap().len().unwrap(), 1);
}

#[test]
fn a_reader_sees_what_was_written_since_without_opening_again() {
    let (_folder, path) = file();
    let writer = Database::open(&path).unwrap();
    let reader = read_only(&path);
    assert!(reader.collections().unwrap().is_empty());
    let docs = with_first(&writer);
    let seen = reader.existing("docs").unwrap();
    let same = || {
        assert_eq!(contents(&seen), contents(&docs));
        let search = |docs: &Collection| docs.search().vector([3.0, 1.0]).run().unwrap();
        let ids = |docs| search(docs).iter().map(|hit| hit.id().clone()).collect::<Vec<_>>();
        assert_eq!(ids(&seen), ids(&docs));
    };
    let held = seen.snapshot().unwrap();
    docs.upsert([record("second")]).unwrap();
    same();
    docs.update("first", Fields::from_iter([("n", Value::from(2))])).unwrap();
    same();
    writer.checkpoint().unwrap();
    same();
    docs.delete(["first"]).unwrap();
    same();
    writer.optimize(go_on).unwrap();
    docs.upsert((0..40).map(|i| record(format!("{i}")))).unwrap();
    same();
    writer.compact().unwrap();
    same();
    assert_eq!(held.len(), 1);
    writer.drop_collection("docs").unwrap();
    assert!(matches!(seen.len(), Err(Error::CollectionNotFound { .. })));
    writer.close().unwrap();
    assert!(reader.collections().unwrap().is_empty());
    let writer = Database::open(&path).unwrap();
    with_first(&writer);
    assert_eq!(reader.existing("docs").unwrap().len().unwrap(), 1);
}

#[test]
fn a_second_writer_is_refused_while_the_first_is_open() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let error = Database::open(&path).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }));
    assert!(error.to_string().contains("reading"), "{error}");
    drop(read_only(&path));
    assert!(matches!(Database::open(&path), Err(Error::Locked { .. })));
    with_first(&db);
    db.close().unwrap();
    assert_eq!(Database::open(&path).unwrap().existing("docs").unwrap().len().unwrap(), 1);
}

#[test]
fn a_path_without_a_database_is_refused_where_none_may_be_created() {
    let (folder, path) = file();
    for options in [Options::new().create(false), Options::new().read_only(true)] {
        let error = options.open(&path).unwrap_err();
        assert!(matches!(&error, Error::Io { doing, .. } if doing.contains("test.lode")), "{error}");
        assert!(error.source().is_some());
        assert!(!path.exists());
    }
    assert!(matches!(Database::open(folder.path()), Err(Error::Io { .. })));
    assert!(matches!(Database::open(folder.path().join("no/such.lode")), Err(Error::Io { .. })));
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_alone() {
    let (_folder, path) = file();
    for text in ["{\"id\": 1}\n".repeat(10), "x".repeat(100_000)] {
        std::fs::write(&path, &text).unwrap();
        for options in [Options::new(), Options::new().read_only(true), Options::new().create(false)] {
            let error = options.open(&path).unwrap_err();
            assert!(matches!(error, Error::NotADatabase { .. }), "{error}");
            assert!(error.to_string().starts_with("not a Lode database: "));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn an_empty_file_becomes_a_database_but_not_for_a_reader() {
    let (_folder, path) = file();
    std::fs::write(&path, "").unwrap();
    for options in [Options::new().read_only(true), Options::new().create(false)] {
        assert!(matches!(options.open(&path), Err(Error::NotADatabase { .. })));
    }
    with_first(&Database::open(&path).unwrap());
    assert_eq!(read_only(&path).existing("docs").unwrap().len().unwrap(), 1);
}

#[test]
fn a_file_that_was_cut_is_corrupt_unless_only_free_space_is_missing() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let docs = with_first(&db);
    docs.upsert((0..500).map(|i| record(format!("{i}")))).unwrap();
    let before = contents(&docs);
    drop(docs);
    db.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut corrupt = 0;
    for len in (4096..bytes.len()).step_by(4096) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        match Options::new().read_only(true).open(&path) {
            Err(Error::Corrupt(_)) => corrupt += 1,
            Err(error) => panic!("{len} bytes: {error}"),
            Ok(db) => {
                assert_eq!(contents(&db.existing("docs").unwrap()), before);
                db.verify().unwrap();
            }
        }
    }
    assert!(corrupt > 16);
}

#[test]
fn damage_is_found_by_verify_and_by_whoever_reads_there() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let docs = db.collection("docs", Schema::new(4).metric(Metric::L2)).unwrap();
    docs.upsert((0..500).map(|id| Record::new(id).vector([0.123_456_7; 4]))).unwrap();
    drop(docs);
    db.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let pattern = [0.123_456_7f32; 4].map(f32::to_le_bytes).concat();
    // Wherever the vectors lie: in their segment, and in a log that is no longer used.
    let places: Vec<usize> = (0..bytes.len() - 16).filter(|at| bytes[*at..].starts_with(&pattern)).collect();
    places.iter().for_each(|at| bytes[*at] ^= 1);
    std::fs::write(&path, &bytes).unwrap();
    let db = Database::open(&path).unwrap();
    let error = db.verify().unwrap_err();
    assert!(matches!(&error, Error::Corrupt(_)));
    assert!(error.to_string().contains(" is damaged at byte "), "{error}");
    let docs = db.existing("docs").unwrap();
    let damaged = |result: Result<()>| assert!(matches!(result, Err(Error::Corrupt(_))));
    damaged(docs.search().vector([0.0; 4]).run().map(drop));
    damaged(docs.get(0).map(drop));
    damaged(docs.scan().collect::<Result<Vec<_>>>().map(drop));
    damaged(docs.update(0, Fields::from_iter([("n", Value::from(1))])));
    assert_eq!(docs.len().unwrap(), 500);
    // What is not damaged can be read and written.
    docs.upsert([Record::new(1000).vector([1.0; 4])]).unwrap();
    assert!(docs.get(1000).unwrap().is_some());
}

#[test]
fn a_database_in_memory_is_no_file_and_ends_with_its_handles() {
    let folder = tempfile::tempdir().unwrap();
    let before = Path::new(":memory:").exists();
    let db = memory();
    with_first(&db);
    assert!(memory().collections().unwrap().is_empty());
    db.checkpoint().unwrap();
    assert_eq!(Path::new(":memory:").exists(), before);
    let copy = folder.path().join("copy.lode");
    db.backup(&copy).unwrap();
    db.close().unwrap();
    assert_eq!(Database::open(&copy).unwrap().existing("docs").unwrap().len().unwrap(), 1);
}

#[test]
fn closing_ends_every_other_handle() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let other = db.clone();
    let docs = with_first(&db);
    let snapshot = docs.snapshot().unwrap();
    db.close().unwrap();
    let closed = |result: Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Closed), "{error}");
        assert_eq!(error.to_string(), "the database is closed");
    };
    closed(docs.upsert([record("second")]).map(drop));
    closed(docs.insert([record("second")]).map(drop));
    closed(docs.update("first", Fields::new()));
    closed(docs.delete(["first"]).map(drop));
    closed(docs.get("first").map(drop));
    closed(docs.contains("first").map(drop));
    closed(docs.len().map(drop));
    closed(docs.search().vector([1.0, 1.0]).run().map(drop));
    closed(docs.scan().collect::<Result<Vec<_>>>().map(drop));
    closed(docs.snapshot().map(drop));
    closed(docs.stats().map(drop));
    closed(docs.schema().map(drop));
    closed(docs.optimize(go_on));
    closed(other.collection("docs", plane()).map(drop));
    closed(other.collection("new", plane()).map(drop));
    closed(other.existing("docs").map(drop));
    closed(other.collections().map(drop));
    closed(other.drop_collection("docs"));
    closed(other.transaction().map(drop));
    closed(other.flush());
    closed(other.checkpoint());
    closed(other.optimize(go_on));
    closed(other.compact());
    closed(other.verify());
    closed(other.stats().map(drop));
    closed(other.backup(path.with_extension("copy")));
    closed(other.clone().close());
    assert_eq!(snapshot.len(), 1);
    assert!(snapshot.get("first").unwrap().is_some());
    assert!(!path.with_extension("copy").exists());
}

#[test]
fn a_reader_that_was_closed_says_so() {
    let (_folder, path) = file();
    drop(with_first(&Database::open(&path).unwrap()));
    let db = read_only(&path);
    let docs = db.existing("docs").unwrap();
    db.close().unwrap();
    assert!(matches!(docs.len(), Err(Error::Closed)));
}

#[test]
fn dropping_every_handle_keeps_everything_that_was_written() {
    let (_folder, path) = file();
    for durability in [Durability::Full, Durability::Batched(Duration::from_millis(5)), Durability::None] {
        for maintenance in [Maintenance::Background, Maintenance::Manual] {
            let options = || Options::new().durability(durability).maintenance(maintenance);
            let db = options().open(&path).unwrap();
            let docs = db.collection("docs", plane()).unwrap();
            let before = docs.len().unwrap() as u64;
            docs.upsert((before..before + 20).map(record)).unwrap();
            drop(db);
            // A handle of a collection keeps the file open.
            docs.upsert([record(before + 20)]).unwrap();
            assert!(matches!(Database::open(&path), Err(Error::Locked { .. })));
            drop(docs);
            let db = options().open(&path).unwrap();
            assert_eq!(db.existing("docs").unwrap().len().unwrap() as u64, before + 21);
            db.verify().unwrap();
        }
    }
}

#[test]
fn every_durability_shows_its_writes_at_once_and_flushes_them() {
    for durability in [Durability::Full, Durability::Batched(Duration::from_secs(3600)), Durability::None] {
        let (_folder, path) = file();
        let db = Options::new().durability(durability).open(&path).unwrap();
        let docs = with_first(&db);
        let reader = read_only(&path);
        docs.upsert([record("second")]).unwrap();
        assert_eq!(docs.len().unwrap(), 2);
        assert_eq!(reader.existing("docs").unwrap().len().unwrap(), 2);
        db.flush().unwrap();
        db.flush().unwrap();
        docs.delete(["first"]).unwrap();
        db.close().unwrap();
        assert_eq!(reader.existing("docs").unwrap().len().unwrap(), 1);
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let error = Options::new().active_bytes(0).open(":memory:").unwrap_err();
    assert_eq!(error.to_string(), "option 'active_bytes': 0, and at least 1 is right");
    let limits = Limits { k: 10_001, ..Limits::default() };
    let error = Options::new().limits(limits).open(":memory:").unwrap_err();
    assert_eq!(error.to_string(), "option 'limits': k is 10001, and 10000 is the most that is supported");
}

#[test]
fn names_of_metrics_and_element_types_that_do_not_exist_are_refused_with_those_that_do() {
    let error = "euclidean".parse::<Metric>().unwrap_err();
    assert_eq!(error.to_string(), "option 'metric': 'euclidean' is not one of cosine, dot, l2, hamming");
    let error = "float".parse::<Dtype>().unwrap_err();
    assert_eq!(error.to_string(), "option 'dtype': 'float' is not one of f32, f16, bf16, i8, binary");
}

// Maintenance and copies.

#[test]
fn a_backup_is_equal_and_leaves_nothing_else_behind() {
    let (folder, path) = file();
    let db = Database::open(&path).unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..200).map(|id| record(id).field("n", id as i64))).unwrap();
    db.collection("empty", Schema::new(3)).unwrap();
    docs.delete(50..60).unwrap();
    db.checkpoint().unwrap();
    docs.delete(60..70).unwrap();
    docs.upsert((200..210).map(record)).unwrap();
    let copy = folder.path().join("copy.lode");
    db.backup(&copy).unwrap();
    docs.delete(0..10).unwrap();
    let names = || {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["copy.lode", "test.lode"]);
    let copied = Database::open(&copy).unwrap();
    copied.verify().unwrap();
    assert_eq!(copied.collections().unwrap(), ["docs", "empty"]);
    let docs_copied = copied.existing("docs").unwrap();
    assert_eq!(docs_copied.len().unwrap(), 190);
    assert_eq!(docs_copied.schema().unwrap(), docs.schema().unwrap());
    docs_copied.delete(0..10).unwrap();
    assert_eq!(contents(&docs_copied), contents(&docs));
    assert_ne!(copied.stats().unwrap().uuid, db.stats().unwrap().uuid);
}

#[test]
fn a_backup_to_a_path_that_is_taken_is_refused() {
    let (folder, path) = file();
    let db = Database::open(&path).unwrap();
    with_first(&db);
    let taken = folder.path().join("taken.lode");
    std::fs::write(&taken, "mine").unwrap();
    for target in [&taken, &path] {
        let error = db.backup(target).unwrap_err();
        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists)
        );
    }
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
    assert!(matches!(db.backup(folder.path().join("no/folder.lode")), Err(Error::Io { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    db.existing("docs").unwrap().upsert([record("second")]).unwrap();
}

#[test]
fn a_reader_can_make_a_backup() {
    let (folder, path) = file();
    let writer = Database::open(&path).unwrap();
    with_first(&writer);
    let copy = folder.path().join("copy.lode");
    read_only(&path).backup(&copy).unwrap();
    assert_eq!(Database::open(&copy).unwrap().existing("docs").unwrap().len().unwrap(), 1);
}

#[test]
fn compaction_gives_the_room_of_deleted_records_back() {
    let (_folder, path) = file();
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let docs = db.collection("docs", Schema::new(1024).metric(Metric::L2)).unwrap();
    for batch in 0..6u64 {
        let range = batch * 100..batch * 100 + 100;
        docs.upsert(range.map(|id| Record::new(id).vector(vec![id as f32; 1024]))).unwrap();
        db.checkpoint().unwrap();
    }
    docs.delete((0..600).filter(|id| id % 10 != 0)).unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    assert!(before > 600 * 4096);
    db.compact().unwrap();
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after < 3 << 19, "{before} bytes became {after}");
    assert_eq!(docs.stats().unwrap().dead_records, 0);
    assert_eq!(ids(&docs), (0..600).step_by(10).map(RecordId::from).collect::<Vec<_>>());
    db.verify().unwrap();
    db.close().unwrap();
    assert_eq!(Database::open(&path).unwrap().existing("docs").unwrap().len().unwrap(), 60);
}

#[test]
fn compaction_waits_for_snapshots_and_then_gives_the_room_back() {
    let (_folder, path) = file();
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let docs = db.collection("docs", Schema::new(1024).metric(Metric::L2)).unwrap();
    docs.upsert((0..500).map(|id| Record::new(id).vector(vec![id as f32; 1024]))).unwrap();
    db.checkpoint().unwrap();
    let snapshot = docs.snapshot().unwrap();
    docs.delete(0..490).unwrap();
    db.compact().unwrap();
    for id in 0..500 {
        let vector = snapshot.get(id).unwrap().unwrap().get_vector("vector").unwrap().to_f32();
        assert_eq!(vector, vec![id as f32; 1024]);
    }
    drop(snapshot);
    db.compact().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 3 << 19);
    assert_eq!(docs.len().unwrap(), 10);
}

#[test]
fn space_of_dropped_collections_is_used_again() {
    let (_folder, path) = file();
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let mut largest = Vec::new();
    for _ in 0..6 {
        let docs = db.collection("docs", Schema::new(1024).metric(Metric::L2)).unwrap();
        docs.upsert((0..300).map(|id| Record::new(id).vector(vec![id as f32; 1024]))).unwrap();
        db.checkpoint().unwrap();
        largest.push(db.stats().unwrap().file_bytes);
        db.drop_collection("docs").unwrap();
        db.checkpoint().unwrap();
    }
    assert!(largest[5] <= largest[0] * 3, "{largest:?}");
}

#[test]
fn after_optimizing_a_collection_is_one_segment_without_dead_records() {
    let db = Options::new().maintenance(Maintenance::Manual).open(":memory:").unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    let other = db.collection("other", plane()).unwrap();
    for batch in 0..10 {
        docs.upsert((batch * MANY / 10..(batch + 1) * MANY / 10).map(record)).unwrap();
        if batch % 3 == 0 {
            db.checkpoint().unwrap();
        }
        docs.delete([batch * 10]).unwrap();
    }
    other.upsert((0..50).map(record)).unwrap();
    other.delete(0..25).unwrap();
    let before = contents(&docs);
    docs.optimize(go_on).unwrap();
    let stats = docs.stats().unwrap();
    assert_eq!((stats.segments, stats.dead_records, stats.active_records), (1, 0, 0));
    assert_eq!(contents(&docs), before);
    db.optimize(go_on).unwrap();
    let stats = other.stats().unwrap();
    assert_eq!((stats.records, stats.segments, stats.dead_records), (25, 1, 0));
    let generation = db.stats().unwrap().generation;
    db.optimize(go_on).unwrap();
    assert!(db.stats().unwrap().generation <= generation + 1, "it was optimal already");
}

#[test]
fn optimizing_tells_how_far_it_is() {
    let db = Options::new().maintenance(Maintenance::Manual).open(":memory:").unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..MANY).map(record)).unwrap();
    let told = Mutex::new(Vec::new());
    db.optimize(|progress| {
        told.lock().unwrap().push(progress);
        ControlFlow::Continue(())
    })
    .unwrap();
    for progress in told.into_inner().unwrap() {
        assert_eq!((progress.collection.as_str(), progress.total), ("docs", MANY as usize));
        assert!(progress.done <= progress.total);
    }
}

#[test]
fn optimizing_can_be_stopped_and_leaves_everything_as_it_was() {
    let db = Options::new().maintenance(Maintenance::Manual).open(":memory:").unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..MANY).map(record)).unwrap();
    let before = contents(&docs);
    let asked = Mutex::new(false);
    let result = db.optimize(|_| {
        *asked.lock().unwrap() = true;
        ControlFlow::Break(())
    });
    // Without a graph to build there is nothing to stop.
    if asked.into_inner().unwrap() {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Cancelled));
        assert_eq!(error.to_string(), "cancelled by the progress callback");
        assert_eq!(docs.stats().unwrap().graphs, 0);
    }
    assert_eq!(contents(&docs), before);
    db.verify().unwrap();
    db.optimize(go_on).unwrap();
    assert_eq!(contents(&docs), before);
}

#[test]
fn a_large_batch_is_written_once_and_not_to_the_log() {
    let (_folder, path) = file();
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let docs = db.collection("docs", Schema::new(1024).metric(Metric::L2)).unwrap();
    let records = || (0..900).map(|id| Record::new(id).vector(vec![id as f32; 1024]));
    let size: u64 = 900 * 4096;
    docs.upsert(records().chain((900..1100).map(|id| Record::new(id).vector(vec![0.5; 1024])))).unwrap();
    let stats = db.stats().unwrap();
    assert!(stats.log_bytes < size && stats.file_bytes < size * 2, "{stats:?}");
    assert_eq!(docs.stats().unwrap().active_records, 0);
    assert_eq!(docs.len().unwrap(), 1100);
}

#[test]
fn a_file_that_was_deleted_is_noticed_at_the_next_checkpoint() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let docs = with_first(&db);
    std::fs::remove_file(&path).unwrap();
    let error = db.checkpoint().unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(docs.len().unwrap(), 1);
}

#[test]
fn stats_count_what_there_is() {
    let (_folder, path) = file();
    let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..20).map(record)).unwrap();
    let stats = docs.stats().unwrap();
    assert_eq!((stats.records, stats.active_records, stats.segments), (20, 20, 0));
    db.checkpoint().unwrap();
    docs.delete([1, 2]).unwrap();
    docs.upsert([record(3), record(100)]).unwrap();
    let stats = docs.stats().unwrap();
    assert_eq!((stats.records, stats.active_records, stats.segments, stats.dead_records), (19, 2, 1, 3));
    let all = db.stats().unwrap();
    assert_eq!(all.collections, [stats]);
    assert_eq!(all.file_bytes, std::fs::metadata(&path).unwrap().len());
    assert_eq!(all.uuid.len(), 32);
    assert!(all.live_bytes > 0 && all.commits >= 5);
}

#[test]
fn damage_to_one_superblock_of_a_closed_file_takes_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("closed.lode");
    let db = Database::open(&path).unwrap();
    let points = db.collection("points", Schema::new(1)).unwrap();
    for id in 0..5 {
        points.upsert([Record::new(id).vector([1.0])]).unwrap();
        db.checkpoint().unwrap();
    }
    db.close().unwrap();
    let sound = std::fs::read(&path).unwrap();
    for at in (0..4).flat_map(|slot| (0..512).map(move |byte| slot * 4096 + byte)) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let reader = Options::new().read_only(true).open(&path).unwrap();
        assert_eq!(reader.existing("points").unwrap().len().unwrap(), 5, "byte {at}");
    }
}
