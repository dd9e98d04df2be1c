//! The store on real files and in memory.

use crate::error::Error;
use crate::ids::CommitId;
use crate::storage::backend::Backend;
use crate::storage::backend::MemoryBackend;
use crate::storage::file::FileBackend;
use crate::storage::inspect::Refresh;
use crate::storage::layout::Extent;
use crate::storage::store::Access;
use crate::storage::store::Store;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder and a path in it where nothing is yet.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.lode");
    (folder, path)
}

fn create(path: &Path) -> Store {
    Store::create(Arc::new(FileBackend::create(path).unwrap())).unwrap()
}

fn open(path: &Path, access: Access) -> crate::error::Result<(Store, crate::storage::store::Recovered)> {
    let backend = match access {
        Access::Write => FileBackend::open(path).unwrap(),
        Access::Read => FileBackend::open_read_only(path).unwrap(),
    };
    Store::open(Arc::new(backend), access)
}

fn stage(store: &Store, bytes: &[u8]) -> Extent {
    let mut writer = store.extent_writer(bytes.len() as u64).unwrap();
    for piece in bytes.chunks(300_000) {
        writer.write(piece).unwrap();
    }
    writer.finish().unwrap()
}

fn sample(len: usize, seed: u64) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(seed | 1) >> 3) as u8).collect()
}

fn payloads(recovered: &crate::storage::store::Recovered) -> Vec<Vec<u8>> {
    recovered.frames.iter().map(|frame| frame.payload.clone()).collect()
}

#[test]
fn commits_and_extents_come_back_after_reopening() {
    let (_folder, path) = place();
    let store = create(&path);
    let bytes = sample(2_500_000, 77);
    let extent = stage(&store, &bytes);
    store.checkpoint(b"root", &[extent]).unwrap();
    let first = store.append(b"one").unwrap();
    let second = store.append(&sample(600_000, 5)).unwrap();
    assert!(store.durable() < first && first < second);
    store.sync(second).unwrap();
    assert_eq!(store.durable(), second);
    drop(store);

    let (store, recovered) = open(&path, Access::Write).unwrap();
    assert_eq!(
        (recovered.root.as_slice(), recovered.extents.as_slice()),
        (b"root".as_slice(), [extent].as_slice())
    );
    assert_eq!(payloads(&recovered), [b"one".to_vec(), sample(600_000, 5)]);
    assert!(store.needs_checkpoint());
    assert!(matches!(store.append(b"x"), Err(Error::InvalidOption { .. })));
    assert!(matches!(store.sync(second), Err(Error::InvalidOption { .. })));
    let read = store.map("test", &extent).unwrap();
    assert_eq!(read.bytes(0..bytes.len()).unwrap(), bytes);
    assert_eq!(store.verify().unwrap(), []);
    let third = store.checkpoint(b"folded", &[extent]).unwrap();
    assert!(third > second && store.durable() == third);
    assert!(store.append(b"two").unwrap() > third);
    store.close().unwrap();
    assert!(matches!(store.append(b"x"), Err(Error::Closed)));

    let (_store, recovered) = open(&path, Access::Read).unwrap();
    assert_eq!((recovered.root, recovered.frames.len()), (b"folded".to_vec(), 1));
}

#[test]
fn a_file_at_rest_is_small_and_opening_it_writes_nothing() {
    let (_folder, path) = place();
    let store = create(&path);
    for number in 0..200u32 {
        store.append(&sample(10_000, u64::from(number))).unwrap();
    }
    store.checkpoint(b"root", &[]).unwrap();
    store.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(before.len() < 400 << 10, "{} bytes", before.len());
    let (store, recovered) = open(&path, Access::Write).unwrap();
    assert_eq!(recovered.frames, []);
    assert_eq!(store.stats().unwrap().log_bytes, 0);
    store.close().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn one_writer_many_readers_and_pins_hold_extents() {
    let (_folder, path) = place();
    let store = create(&path);
    let bytes = sample(200_000, 3);
    let old = stage(&store, &bytes);
    store.checkpoint(b"1", &[old]).unwrap();
    assert!(matches!(open(&path, Access::Write), Err(Error::Locked { .. })));
    let (reader, recovered) = open(&path, Access::Read).unwrap();
    assert_eq!(recovered.root, b"1");
    assert_eq!(reader.refresh().unwrap(), Refresh::Nothing);
    assert!(matches!(reader.append(b"x"), Err(Error::ReadOnly)));
    let mapped = reader.map("test", &old).unwrap();
    let pin = reader.pin();

    let new = stage(&store, &sample(200_000, 4));
    store.checkpoint(b"2", &[new]).unwrap();
    let third = stage(&store, &sample(200_000, 5));
    assert_ne!(third.offset, old.offset);
    let Refresh::Reload(recovered) = reader.refresh().unwrap() else { panic!("not reloaded") };
    assert_eq!(recovered.root, b"2");
    assert_eq!(mapped.bytes(0..bytes.len()).unwrap(), bytes);
    assert_ne!(stage(&store, &sample(200_000, 6)).offset, old.offset);
    drop((mapped, pin));
    assert_eq!(stage(&store, &sample(200_000, 6)).offset, old.offset);

    let commit = store.append(b"seen").unwrap();
    let Refresh::Frames(frames) = reader.refresh().unwrap() else { panic!("no frames") };
    assert_eq!((frames.len(), frames[0].commit), (1, commit));
    let last = store.append(&sample(1 << 20, 1)).unwrap();
    let Refresh::Frames(frames) = reader.refresh().unwrap() else { panic!("no frames") };
    assert_eq!(frames[0].commit, last);
    assert_eq!(reader.verify().unwrap(), []);
}

#[test]
fn pins_of_a_closed_writer_hold_against_the_next() {
    let (_folder, path) = place();
    let store = create(&path);
    let extent = stage(&store, &sample(100_000, 3));
    store.checkpoint(b"1", &[extent]).unwrap();
    let pin = store.pin();
    let kept = store.map("test", &extent).unwrap();
    store.checkpoint(b"2", &[]).unwrap();
    store.close().unwrap();
    let (store, _) = open(&path, Access::Write).unwrap();
    let other = stage(&store, &sample(100_000, 4));
    assert_ne!(other.offset, extent.offset);
    kept.verify_all().unwrap();
    store.discard(other);
    drop((kept, pin));
    store.checkpoint(b"3", &[]).unwrap();
    assert_eq!(stage(&store, &sample(100_000, 4)).offset, extent.offset);
}

#[test]
fn an_aborted_extent_gives_its_space_back_and_wrong_lengths_are_refused() {
    let (_folder, path) = place();
    let store = create(&path);
    let mut writer = store.extent_writer(100).unwrap();
    assert!(matches!(writer.write(&[0; 101]), Err(Error::InvalidOption { .. })));
    writer.write(&[0; 99]).unwrap();
    assert!(matches!(writer.finish(), Err(Error::InvalidOption { .. })));
    assert!(matches!(store.extent_writer(0), Err(Error::InvalidOption { .. })));
    assert!(matches!(store.extent_writer(u64::MAX), Err(Error::InvalidOption { .. })));
    let one = stage(&store, b"one");
    store.discard(one);
    let two = stage(&store, b"two");
    assert_eq!(two.offset, one.offset);
    assert!(matches!(store.checkpoint(b"", &[one]), Err(Error::InvalidOption { .. })));
    assert!(matches!(store.checkpoint(b"", &[two, two]), Err(Error::InvalidOption { .. })));
    store.checkpoint(b"", &[two]).unwrap();
}

#[test]
fn relocating_moves_extents_down_and_the_file_shrinks() {
    let (_folder, path) = place();
    let store = create(&path);
    let extents: Vec<Extent> = (0..8).map(|seed| stage(&store, &sample(1 << 20, seed))).collect();
    store.checkpoint(b"", &extents).unwrap();
    let long = store.stats().unwrap().file_bytes;
    let last = extents[7];
    store.checkpoint(b"", &[last]).unwrap();
    let moved = store.relocate(&last).unwrap().unwrap();
    assert!(moved.offset < last.offset);
    store.checkpoint(b"", &[moved]).unwrap();
    assert!(store.stats().unwrap().file_bytes < long / 2);
    assert_eq!(store.map("test", &moved).unwrap().bytes(0..1 << 20).unwrap(), sample(1 << 20, 7));
    assert_eq!(store.relocate(&moved).unwrap(), None);
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn a_cut_file_and_a_damaged_manifest_are_errors_not_older_states() {
    let (_folder, path) = place();
    let store = create(&path);
    let extent = stage(&store, &sample(300_000, 9));
    store.checkpoint(b"1", &[extent]).unwrap();
    store.close().unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 4096]).unwrap();
    assert!(matches!(open(&path, Access::Read), Err(Error::Corrupt(at)) if at.problem.contains("cut")));
    let mut damaged = whole.clone();
    let root =
        whole.windows(25).rposition(|bytes| bytes[..8] == 1u64.to_le_bytes() && bytes[24] == 0).is_some();
    assert!(root);
    for byte in damaged.iter_mut().skip(64 << 10).take(64 << 10) {
        *byte ^= 0x55;
    }
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(open(&path, Access::Write), Err(Error::Corrupt(at)) if at.part == "manifest"));
}

#[test]
fn a_damaged_block_is_found_by_verify() {
    let (_folder, path) = place();
    let store = create(&path);
    let below = stage(&store, &sample(300_000, 8));
    let extent = stage(&store, &sample(300_000, 9));
    store.checkpoint(b"1", &[extent]).unwrap();
    store.discard(below);
    let backend = FileBackend::open(&path).unwrap();
    backend.write(extent.offset + 70_000, &[1, 2, 3]).unwrap();
    let findings = store.verify().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].offset, extent.offset + (64 << 10));
    let bytes = store.map("vectors", &extent).unwrap();
    assert!(bytes.bytes(0..65_536).is_ok());
    assert!(matches!(bytes.bytes(65_536..65_537), Err(Error::Corrupt(at)) if at.part == "vectors"));
    assert!(matches!(store.relocate(&extent), Err(Error::Corrupt(_))));
}

#[test]
fn a_deleted_file_is_noticed_at_the_next_checkpoint() {
    let (_folder, path) = place();
    let store = create(&path);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(store.checkpoint(b"", &[]), Err(Error::Io { .. })));
}

#[test]
fn what_is_no_database_is_refused() {
    let (folder, path) = place();
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(open(&path, Access::Write), Err(Error::NotADatabase { .. })));
    std::fs::write(&path, b"once upon a time").unwrap();
    assert!(matches!(open(&path, Access::Read), Err(Error::NotADatabase { .. })));
    std::fs::write(&path, vec![b'a'; 100_000]).unwrap();
    assert!(matches!(open(&path, Access::Read), Err(Error::NotADatabase { .. })));
    assert!(FileBackend::open_read_only(folder.path()).is_err());
    assert!(FileBackend::create(&path).is_err());
}

#[test]
#[cfg(unix)]
fn new_files_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    drop(create(&path));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn memory_behaves_as_a_file_does() {
    let memory = Arc::new(MemoryBackend::new());
    let store = Store::create(memory.clone()).unwrap();
    let extent = stage(&store, &sample(3 << 20, 9));
    store.checkpoint(b"root", &[extent]).unwrap();
    assert!(matches!(Store::open(memory.clone(), Access::Write), Err(Error::Locked { .. })));
    store.append(b"one").unwrap();
    drop(store);
    let (store, recovered) = Store::open(memory, Access::Write).unwrap();
    assert_eq!(payloads(&recovered), [b"one".to_vec()]);
    assert_eq!(store.verify().unwrap(), []);
    assert_eq!(store.map("test", &extent).unwrap().bytes(5..10).unwrap(), &sample(3 << 20, 9)[5..10]);
}

#[test]
fn threads_commit_together() {
    let (_folder, path) = place();
    let store = create(&path);
    let commits: Vec<CommitId> = std::thread::scope(|scope| {
        let work = || {
            let mut last = CommitId(0);
            for number in 0..20u8 {
                last = store.append(&[number; 100]).unwrap();
                store.sync(last).unwrap();
                assert!(store.durable() >= last);
            }
            last
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let last = commits.into_iter().max().unwrap();
    drop(store);
    let (_, recovered) = open(&path, Access::Read).unwrap();
    assert_eq!((recovered.frames.len(), recovered.frames.last().unwrap().commit), (160, last));
}

#[test]
fn a_killed_process_leaves_no_lock() {
    if let Some(path) = std::env::var_os("LODE_TEST_HOLD_LOCK") {
        let store = create(Path::new(&path));
        store.append(b"from the child").unwrap();
        std::process::abort();
    }
    let (_folder, path) = place();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storage::tests::a_killed_process_leaves_no_lock"])
        .env("LODE_TEST_HOLD_LOCK", &path)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!child.success());
    let (_, recovered) = open(&path, Access::Write).unwrap();
    assert_eq!(payloads(&recovered), [b"from the child".to_vec()]);
}
