//! Maintenance and copies.

use super::*;

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
