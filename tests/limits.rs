//! Every limit at one less, at its value, and at one more: the last is refused and changes nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use lodedb::Collection;
use lodedb::Database;
use lodedb::Error;
use lodedb::Fields;
use lodedb::Limits;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Value;
use lodedb::VectorSchema;
use std::collections::BTreeMap;

fn with(limits: Limits) -> Database {
    Options::new().limits(limits).open(":memory:").unwrap()
}

fn plane() -> Schema {
    Schema::new(2).metric(Metric::L2)
}

fn record(id: u64) -> Record {
    Record::new(id).vector([1.0, 2.0])
}

fn docs(db: &Database) -> Collection {
    db.collection("docs", plane()).unwrap()
}

/// Calls `attempt` with one less than `limit`, `limit`, and one more. The last fails with what it found and the limit.
fn at_the_limit<T>(limit: usize, mut attempt: impl FnMut(usize) -> Result<T>) {
    for size in [limit - 1, limit] {
        if let Err(error) = attempt(size) {
            panic!("{size} of {limit}: {error}");
        }
    }
    let error = attempt(limit + 1).err().unwrap();
    let text = error.to_string();
    match error {
        Error::TooLarge { found, limit: said, .. } => {
            assert_eq!((found, said), (limit as u64 + 1, limit as u64), "{text}");
            assert!(text.contains(&format!("{} where {limit} is the limit", limit + 1)), "{text}");
        }
        error => panic!("{error}"),
    }
}

#[test]
fn dimensions() {
    let db = with(Limits::default());
    at_the_limit(Limits::default().dim, |dim| {
        let docs = db.collection(&format!("d{dim}"), Schema::new(dim))?;
        docs.upsert([Record::new(1).vector(vec![0.5; dim])])?;
        let hits = docs.search().vector(vec![0.25; dim]).run()?;
        assert!((hits[0].score() - 1.0).abs() < 1e-5);
        Ok(())
    });
    assert_eq!(db.collections().unwrap(), ["d16383", "d16384"]);
    let db = with(Limits { dim: 3, ..Limits::default() });
    at_the_limit(3, |dim| db.collection(&format!("d{dim}"), Schema::new(dim)));
}

#[test]
fn named_vectors() {
    let db = with(Limits::default());
    at_the_limit(Limits::default().vectors, |count| {
        let vectors = (0..count).map(|i| VectorSchema::new(format!("v{i}"), 1 + i));
        let docs = db.collection(&format!("c{count}"), Schema::named(vectors))?;
        let record = (0..count)
            .fold(Record::new(1), |record, i| record.named_vector(format!("v{i}"), vec![i as f32; 1 + i]));
        docs.upsert([record.clone()])?;
        db.checkpoint()?;
        assert_eq!(docs.get(1)?, Some(record));
        Ok(())
    });
}

#[test]
fn hits_of_a_search() {
    let db = with(Limits::default());
    docs(&db).upsert([record(1)]).unwrap();
    at_the_limit(Limits::default().k, |k| docs(&db).search().vector([0.0, 0.0]).k(k).run());
    let db = with(Limits { k: 2, ..Limits::default() });
    docs(&db).upsert((0..5).map(record)).unwrap();
    at_the_limit(2, |k| docs(&db).search().vector([0.0, 0.0]).k(k).run());
}

#[test]
fn candidates_of_a_search() {
    let db = with(Limits::default());
    docs(&db).upsert([record(1)]).unwrap();
    at_the_limit(Limits::default().ef, |ef| docs(&db).search().vector([0.0, 0.0]).ef(ef).run());
}

#[test]
fn a_search_that_does_not_say_how_many_candidates_works_under_any_limits() {
    let db = with(Limits { k: 1, ef: 1, ..Limits::default() });
    docs(&db).upsert([record(1)]).unwrap();
    assert_eq!(docs(&db).search().vector([0.0, 0.0]).k(1).run().unwrap().len(), 1);
}

#[test]
fn bytes_of_an_id() {
    let db = with(Limits::default());
    let docs = docs(&db);
    // Bytes count, not characters.
    let id = |len: usize| "\u{e9}".repeat(len / 2) + &"x".repeat(len % 2);
    let limit = Limits::default().id_bytes;
    at_the_limit(limit, |len| docs.upsert([Record::new(id(len)).vector([1.0, 2.0])]));
    at_the_limit(limit, |len| docs.insert([Record::new(id(len)).vector([1.0, 2.0])]).or_else(exists));
    at_the_limit(limit, |len| docs.update(id(len), Fields::new()));
    db.checkpoint().unwrap();
    at_the_limit(limit, |len| docs.delete([id(len)]));
    assert!(docs.is_empty().unwrap());
    assert_eq!(docs.get(id(limit + 1)).unwrap(), None);
}

fn exists(error: Error) -> Result<usize> {
    match error {
        Error::RecordExists { .. } => Ok(0),
        error => Err(error),
    }
}

#[test]
fn bytes_of_names() {
    let db = with(Limits::default());
    let limit = Limits::default().name_bytes;
    at_the_limit(limit, |len| db.collection(&"c".repeat(len), plane()));
    at_the_limit(limit, |len| {
        db.collection(&format!("v{len}"), Schema::named([VectorSchema::new("v".repeat(len), 1)]))
    });
    let docs = docs(&db);
    at_the_limit(limit, |len| docs.upsert([record(1).field("f".repeat(len), 1)]));
    at_the_limit(limit, |len| docs.update(1, Fields::from_iter([("g".repeat(len), Value::Null)])));
    at_the_limit(limit, |len| {
        let nested = Value::Map(BTreeMap::from([("n".repeat(len), Value::Null)]));
        docs.upsert([record(2).field("outer", vec![nested])])
    });
    db.checkpoint().unwrap();
    assert_eq!(docs.get(1).unwrap().unwrap().fields().len(), 3);
}

/// The fields `f0`, `f1` and so on.
fn many_fields(count: usize) -> Fields {
    (0..count).map(|i| (format!("f{i}"), Value::from(i as i64))).collect()
}

#[test]
fn fields_of_a_record() {
    let db = with(Limits::default());
    let docs = docs(&db);
    let limit = Limits::default().fields;
    at_the_limit(limit, |count| docs.upsert([record(1).with_fields(many_fields(count))]));
    assert_eq!(docs.get(1).unwrap().unwrap().fields().len(), limit);
    at_the_limit(limit, |count| docs.upsert([record(2).field("map", many_fields(count))]));
    // An update counts what the record has afterwards.
    docs.upsert([record(3).with_fields(many_fields(limit))]).unwrap();
    docs.update(3, Fields::from_iter([("f0", Value::Null)])).unwrap();
    let error = docs.update(3, Fields::from_iter([("one more", Value::Null)])).unwrap_err();
    assert!(matches!(error, Error::TooLarge { found: 257, limit: 256, .. }));
}

#[test]
fn bytes_of_a_text() {
    let limit = 100;
    let db = with(Limits { text_bytes: limit, fields_bytes: 10, ..Limits::default() });
    let docs = docs(&db);
    at_the_limit(limit, |len| docs.upsert([record(1).field("text", "t".repeat(len))]));
    // Each text counts for itself.
    let both = record(1).field("a", "t".repeat(limit)).field("b", "t".repeat(limit));
    docs.upsert([both]).unwrap();
}

#[test]
fn bytes_of_a_text_of_the_largest_size() {
    let limit = Limits::default().text_bytes;
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("large.lode")).unwrap();
    let docs = docs(&db);
    at_the_limit(limit, |len| docs.upsert([record(1).field("text", "t".repeat(len))]));
    let found = docs.get(1).unwrap().unwrap();
    assert!(found.fields()["text"].as_str().unwrap() == "t".repeat(limit));
}

#[test]
fn bytes_of_other_fields() {
    let array = |len: usize| Value::Array(vec![Value::Null; len]);
    let db = with(Limits { fields_bytes: 100, ..Limits::default() });
    // One byte for the kind, one for the count, one for each value.
    at_the_limit(100, |len| docs(&db).upsert([record(1).field("array", array(len - 2))]));
    // All fields together count, texts inside of arrays as well.
    at_the_limit(100, |len| {
        let text = Value::from(vec!["t".repeat(len - 2 - 50 - 4)]);
        docs(&db).upsert([record(1).field("array", array(50)).field("texts", text)])
    });
    let db = with(Limits::default());
    let limit = Limits::default().fields_bytes;
    // A count over 16,383 takes three bytes.
    at_the_limit(limit, |len| docs(&db).upsert([record(1).field("array", array(len - 4))]));
}

#[test]
fn nesting() {
    let db = with(Limits::default());
    let docs = docs(&db);
    let arrays = |depth: usize| (1..depth).fold(Value::from(1), |inner, _| Value::Array(vec![inner]));
    let maps = |depth: usize| {
        (1..depth).fold(Value::from(1), |inner, _| Value::Map(BTreeMap::from([("m".into(), inner)])))
    };
    for value in [arrays(63), arrays(64), maps(63), maps(64)] {
        docs.upsert([record(1).field("deep", value.clone())]).unwrap();
        db.checkpoint().unwrap();
        assert_eq!(docs.get(1).unwrap().unwrap().fields()["deep"], value);
    }
    for value in [arrays(65), maps(65), arrays(500), maps(500)] {
        let error = docs.upsert([record(2), record(1).field("deep", value.clone())]).unwrap_err();
        assert!(matches!(error, Error::InvalidRecord { .. }));
        assert_eq!(error.to_string(), "record 1: field 'deep' is nested more than 64 deep");
        assert!(docs.update(1, Fields::from_iter([("deep", value)])).is_err());
        assert_eq!(docs.len().unwrap(), 1);
    }
}

#[test]
fn records_of_a_batch() {
    let db = with(Limits { batch_records: 7, ..Limits::default() });
    let docs = docs(&db);
    at_the_limit(7, |count| docs.upsert((0..count as u64).map(record)));
    assert_eq!(docs.len().unwrap(), 7);
    docs.upsert((7..14).map(record)).unwrap();
    at_the_limit(7, |count| docs.insert((0..count as u64).map(|id| record(1000 * count as u64 + id))));
    at_the_limit(7, |count| docs.update_many((0..count as u64).map(|id| (id.into(), Fields::new()))));
    // Records with one id count each: a batch is bounded before it is known how many ids it has.
    at_the_limit(7, |count| docs.upsert((0..count).map(|_| record(1))));
}

#[test]
fn bytes_of_a_batch() {
    // Two numbers take 8 bytes, no fields take one.
    let db = with(Limits { batch_bytes: 9 * 5, ..Limits::default() });
    let docs = docs(&db);
    docs.upsert((0..5).map(record)).unwrap();
    let error = docs.upsert((5..11).map(record)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { found: 54, limit: 45, .. }), "{error}");
    // A field of one letter and null take three bytes more.
    at_the_limit(45, |bytes| {
        let name = "f".repeat(bytes - 9 * 4 - 2);
        let long = Record::new(9).vector([1.0, 2.0]).field(name, Value::Null);
        docs.upsert((0..3).map(record).chain([long])).map(drop)
    });
    assert_eq!(docs.len().unwrap(), 6);
}

#[test]
fn collections_of_a_database() {
    let db = with(Limits { collections: 3, ..Limits::default() });
    db.collection("c0", plane()).unwrap();
    at_the_limit(3, |count| db.collection(&format!("c{}", count - 1), plane()));
    assert_eq!(db.collections().unwrap(), ["c0", "c1", "c2"].map(String::from)[..]);
    db.drop_collection("c1").unwrap();
    db.collection("c3", plane()).unwrap();
    db.collection("c0", plane()).unwrap();
}

#[test]
fn many_collections_of_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.lode");
    let db = Database::open(&path).unwrap();
    for i in 0..300 {
        db.collection(&format!("c{i:04}"), plane()).unwrap().upsert([record(i)]).unwrap();
    }
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    assert_eq!(db.collections().unwrap().len(), 300);
    assert_eq!(db.existing("c0299").unwrap().get(299).unwrap(), Some(record(299)));
    db.verify().unwrap();
}

#[test]
fn no_limit_can_be_raised_over_its_default() {
    type Set = fn(&mut Limits, usize);
    let most = Limits::default();
    let limits: [(&str, usize, Set); 12] = [
        ("dim", most.dim, |limits, value| limits.dim = value),
        ("vectors", most.vectors, |limits, value| limits.vectors = value),
        ("k", most.k, |limits, value| limits.k = value),
        ("ef", most.ef, |limits, value| limits.ef = value),
        ("id_bytes", most.id_bytes, |limits, value| limits.id_bytes = value),
        ("name_bytes", most.name_bytes, |limits, value| limits.name_bytes = value),
        ("fields", most.fields, |limits, value| limits.fields = value),
        ("text_bytes", most.text_bytes, |limits, value| limits.text_bytes = value),
        ("fields_bytes", most.fields_bytes, |limits, value| limits.fields_bytes = value),
        ("batch_records", most.batch_records, |limits, value| limits.batch_records = value),
        ("batch_bytes", most.batch_bytes, |limits, value| limits.batch_bytes = value),
        ("collections", most.collections, |limits, value| limits.collections = value),
    ];
    for (name, most, set) in limits {
        for (value, allowed) in [(most - 1, true), (most, true), (most + 1, false)] {
            let mut limits = Limits::default();
            set(&mut limits, value);
            let opened = Options::new().limits(limits).open(":memory:");
            assert_eq!(opened.is_ok(), allowed, "{name} = {value}");
            if let Err(error) = opened {
                let expected = format!("{name} is {value}, and {most} is the most that is supported");
                assert!(matches!(error, Error::InvalidOption { name: "limits", .. }));
                assert!(error.to_string().contains(&expected), "{error}");
            }
        }
    }
}

#[test]
fn a_file_written_under_higher_limits_is_read_under_lower_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high.lode");
    let db = Database::open(&path).unwrap();
    let long = "x".repeat(300);
    docs(&db).upsert([record(1).with_fields(many_fields(200))]).unwrap();
    let ids = db.collection("ids", plane()).unwrap();
    ids.upsert([Record::new(&long).vector([1.0, 2.0])]).unwrap();
    drop((db, ids));
    let low = Limits { dim: 1, fields: 1, id_bytes: 10, name_bytes: 5, collections: 1, ..Limits::default() };
    let db = Options::new().limits(low).open(&path).unwrap();
    assert_eq!(db.existing("docs").unwrap().get(1).unwrap().unwrap().fields().len(), 200);
    assert!(db.existing("ids").unwrap().get(&long).unwrap().is_some());
    assert_eq!(db.existing("docs").unwrap().search().vector([1.0, 2.0]).run().unwrap().len(), 1);
    db.compact().unwrap();
    db.verify().unwrap();
}
