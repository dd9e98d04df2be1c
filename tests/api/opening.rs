//! Opening, reading beside a writer, closing.

use super::*;

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
