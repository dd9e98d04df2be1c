//! Upsert, insert, update, delete.

use super::*;

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
