//! Files that somebody made on purpose: whatever their bytes say, the store answers with a result.

use crate::error::Error;
use crate::storage::backend::Backend;
use crate::storage::backend::MemoryBackend;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::Span;
use crate::storage::log::Position;
use crate::storage::manifest;
use crate::storage::manifest::Manifest;
use crate::storage::store::Access;
use crate::storage::store::Recovered;
use crate::storage::store::Store;
use crate::storage::superblock;
use crate::storage::superblock::LogRef;
use crate::storage::superblock::ManifestRef;
use crate::storage::superblock::Superblock;
use proptest::prelude::*;
use std::sync::Arc;

/// Length of the files.
const FILE: u64 = 256 << 10;

/// Numbers that are likely to be on an edge.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0u64..70).prop_map(|pages| pages * 4096),
        2 => 0u64..100_000,
        1 => (0u32..64, 0u64..3).prop_map(|(bit, less)| (1u64 << bit).wrapping_sub(less)),
        1 => any::<u64>(),
    ]
}

/// Superblocks whose checksum is right.
fn any_superblock() -> impl Strategy<Value = Superblock> {
    let log = prop::option::of((number(), number(), 0u64..3));
    let manifest = (number(), number());
    (0u64..9, number(), number(), manifest, log, any::<bool>()).prop_map(
        |(generation, commit, file_bytes, (offset, len), log, far)| Superblock {
            uuid: 1,
            generation: if far { u64::MAX - generation } else { generation },
            commit,
            file_bytes,
            manifest: ManifestRef { offset, len, sum: 0 },
            log: log.map(|(offset, len, nonce)| LogRef { offset, len, nonce }),
        },
    )
}

/// What is in a log: payload lengths, or links.
fn any_frames() -> impl Strategy<Value = Vec<(bool, u64, u64)>> {
    prop::collection::vec((any::<bool>(), number(), number()), 0..6)
}

fn any_extents() -> impl Strategy<Value = Vec<Extent>> {
    let extent = (number(), number(), 0u64..2).prop_map(|(offset, len, sums)| Extent { offset, len, sums });
    prop::collection::vec(extent, 0..3)
}

/// Writes a manifest where it belongs, so that the superblock's reference to it holds.
fn write_manifest(memory: &MemoryBackend, superblock: &mut Superblock, extents: Vec<Extent>) {
    let bytes = Manifest { extents, root: vec![1, 2, 3] }.encode().unwrap();
    superblock.manifest = manifest::reference(64 << 10, &bytes);
    memory.write(64 << 10, &bytes).unwrap();
}

/// Writes frames whose checksums are right.
fn write_log(memory: &MemoryBackend, log: &LogRef, commit: u64, frames: &[(bool, u64, u64)]) {
    let layout = Layout::default();
    let mut position = Position::start(log, commit);
    for (link, one, other) in frames {
        let at = position.at;
        if at > FILE * 2 {
            return;
        }
        let (bytes, next) = if *link {
            position.link_frame(&layout, Span { offset: *one, len: *other }, 9)
        } else {
            position.commit_frame(&layout, &vec![7; (*one % 9000) as usize])
        };
        memory.write(at, &bytes).unwrap();
        position = next;
    }
}

/// Does everything with a store that a caller would.
fn use_store(store: &Store, recovered: &Recovered) -> Result<(), Error> {
    for extent in &recovered.extents {
        if let Ok(bytes) = store.map("test", extent) {
            drop(bytes.verify_all());
        }
    }
    store.verify()?;
    store.refresh()?;
    let mut writer = store.extent_writer(100_000)?;
    writer.write(&[1; 100_000])?;
    let extent = writer.finish()?;
    store.checkpoint(b"after", &[extent])?;
    store.append(b"more")?;
    store.close()
}

fn open_both_ways(memory: &Arc<MemoryBackend>) {
    for access in [Access::Read, Access::Write] {
        if let Ok((store, recovered)) = Store::open(memory.clone(), access) {
            // Any result will do; a panic or a hang will not.
            drop(use_store(&store, &recovered));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_superblock_with_a_right_checksum_is_opened_or_refused(
        superblocks in prop::collection::vec(any_superblock(), 1..4),
        extents in any_extents(),
        frames in any_frames(),
        sound in any::<bool>(),
    ) {
        let memory = Arc::new(MemoryBackend::new());
        memory.set_len(FILE).unwrap();
        let layout = Layout::default();
        for mut superblock in superblocks {
            if sound {
                superblock.file_bytes %= FILE;
                superblock.commit %= 1000;
                write_manifest(&memory, &mut superblock, extents.clone());
                superblock.log = Some(LogRef { offset: 128 << 10, len: 16 << 10, nonce: 5 });
            }
            if let Some(log) = superblock.log.filter(|log| log.offset < FILE && superblock.commit < 1000) {
                write_log(&memory, &log, superblock.commit, &frames);
            }
            let record = superblock.encode(&layout);
            memory.write(superblock::slot_offset(&layout, superblock.generation), &record).unwrap();
        }
        open_both_ways(&memory);
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_survived() {
    let memory = Arc::new(MemoryBackend::new());
    let store = Store::create(memory.clone()).unwrap();
    let mut writer = store.extent_writer(70_000).unwrap();
    writer.write(&[3; 70_000]).unwrap();
    let extent = writer.finish().unwrap();
    store.append(b"first").unwrap();
    store.checkpoint(b"root", &[extent]).unwrap();
    store.append(b"second").unwrap();
    drop(store);
    let mut image = vec![0; memory.len().unwrap() as usize];
    memory.read(0, &mut image).unwrap();
    let with = |image: &[u8]| {
        let memory = MemoryBackend::new();
        memory.write(0, image).unwrap();
        open_both_ways(&Arc::new(memory));
    };
    let used: Vec<usize> = (0..image.len()).filter(|at| image[*at] != 0 && image[*at] != 3).collect();
    for at in used {
        let kept = image[at];
        image[at] ^= 0x41;
        with(&image);
        image[at] = kept;
    }
    for len in (0..image.len()).step_by(4096).chain([1, 511, 513, 70_001]) {
        with(&image[..len]);
    }
}
