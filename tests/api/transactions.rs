//! Transactions.

use super::*;

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
