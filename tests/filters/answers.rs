//! Single truths about filtered queries.

use lodedb::Collection;
use lodedb::Database;
use lodedb::Direction;
use lodedb::Error;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Scan;
use lodedb::Schema;
use lodedb::Value;
use lodedb::field;

/// Nine records with a number, `10 - id`, and an array of two.
fn nine() -> (Database, Collection) {
    let db = Database::open(":memory:").unwrap();
    let docs = db.collection("docs", Schema::new(1)).unwrap();
    let records = (1..10i64).map(|id| {
        let record = Record::new(id as u64).vector([id as f32]).field("n", 10 - id);
        record.field("both", vec![10 - id, 20 - id])
    });
    docs.upsert(records).unwrap();
    (db, docs)
}

fn ids(scan: Scan) -> Vec<RecordId> {
    scan.map(|record| record.map(|record| record.id().clone())).collect::<Result<_>>().unwrap()
}

fn numbered(ids: impl IntoIterator<Item = u64>) -> Vec<RecordId> {
    ids.into_iter().map(RecordId::from).collect()
}

#[test]
fn what_is_estimated_to_pass_leaves_room_for_the_dead() {
    let (_db, docs) = nine();
    docs.delete([1, 2, 3]).unwrap();
    let explained = docs.search().vector([1.0]).filter(field("n").gt(5)).explain().unwrap();
    assert_eq!(explained.matches, 1);
    let [segment] = explained.segments.as_slice() else { panic!("{explained}") };
    assert!(segment.estimate.start <= 1 && segment.estimate.end >= 1, "{explained}");
    let everything = docs.search().vector([1.0]).filter(field("n").gt(0)).explain().unwrap();
    assert_eq!(everything.segments[0].estimate.end, 6);
}

#[test]
fn a_page_begins_behind_a_value_whether_the_order_was_named_before_or_after() {
    let (_db, docs) = nine();
    let sorted = || docs.scan().order_by("n", Direction::Ascending);
    // The record had 4 when it was on the page before.
    docs.update(6, [("n", 100)].into_iter().collect()).unwrap();
    assert_eq!(ids(sorted().after_value(4, 6)), numbered([5, 4, 3, 2, 1, 6]));
    let named_later = docs.scan().after_value(4, 6).order_by("n", Direction::Ascending);
    assert_eq!(ids(named_later), numbered([5, 4, 3, 2, 1, 6]));
    assert_eq!(ids(sorted().after_value(4, 6).after(5)), numbered([4, 3, 2, 1, 6]), "the last call counts");
}

#[test]
fn a_page_begins_behind_the_value_that_a_record_has_be_it_an_array() {
    let (_db, docs) = nine();
    for direction in [Direction::Ascending, Direction::Descending] {
        let sorted = || docs.scan().order_by("both", direction);
        let all = ids(sorted());
        for (at, id) in all.iter().enumerate() {
            let value: Value = docs.get(id.clone()).unwrap().unwrap().fields()["both"].clone();
            assert_eq!(ids(sorted().after_value(value, id.clone())), all[at + 1..]);
        }
    }
}

#[test]
fn a_value_to_begin_behind_needs_an_order() {
    let (_db, docs) = nine();
    let error = docs.scan().after_value(4, 6).next().unwrap().unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "after_value", .. }), "{error}");
}
