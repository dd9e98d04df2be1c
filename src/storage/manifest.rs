//! What a generation consists of: its live extents and the root record of the layers above.

use crate::codec::checksum128;
use crate::codec::control;
use crate::error::Error;
use crate::error::Result;
use crate::storage::backend::Backend;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::Occupied;
use crate::storage::layout::Span;
use crate::storage::superblock::ManifestRef;
use serde::Deserialize;
use serde::Serialize;

/// No manifest is larger, because no control record is.
const MAX_BYTES: u64 = 64 << 20;
/// How errors name this part.
const PART: &str = "manifest";

/// The content of one generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The extents that are in use, in the order the layers above gave.
    pub(super) extents: Vec<Extent>,
    /// What the layers above keep here; opaque to the store.
    pub(super) root: Vec<u8>,
}

impl Manifest {
    /// The manifest as bytes, not padded.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        control::encode(self)
    }
}

/// The reference that a superblock keeps to `bytes` at `offset`.
pub(super) fn reference(offset: u64, bytes: &[u8]) -> ManifestRef {
    ManifestRef { offset, len: bytes.len() as u64, sum: checksum128(bytes) }
}

/// Reads the manifest that `reference` names and lists the spans that it and its extents take.
pub(super) fn read(
    backend: &dyn Backend,
    layout: &Layout,
    reference: &ManifestRef,
    file_bytes: u64,
) -> Result<(Manifest, Vec<Span>)> {
    let pages = layout.pages(reference.len).unwrap_or(u64::MAX);
    let span = Span::checked(layout, PART, reference.offset, pages, file_bytes)?;
    let corrupt = |problem: &str| Error::corrupt(PART, reference.offset, problem);
    if reference.len > MAX_BYTES {
        return Err(corrupt("larger than any manifest"));
    }
    let mut bytes = vec![0; reference.len as usize];
    backend.read(reference.offset, &mut bytes).map_err(|error| Error::io("read the manifest", error))?;
    if checksum128(&bytes) != reference.sum {
        return Err(corrupt("its checksum does not match"));
    }
    let manifest: Manifest = control::decode(PART, &bytes)?;
    let mut spans = vec![span];
    for extent in &manifest.extents {
        if extent.len == 0 {
            return Err(corrupt("it lists an empty extent"));
        }
        spans.push(extent.span(layout, file_bytes)?);
    }
    Occupied::of(PART, &spans)?;
    Ok((manifest, spans))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::backend::MemoryBackend;

    fn read_back(manifest: &Manifest, file_bytes: u64) -> Result<(Manifest, Vec<Span>)> {
        let layout = Layout::default();
        let memory = MemoryBackend::new();
        let bytes = manifest.encode().unwrap();
        let reference = reference(layout.first_extent(), &bytes);
        memory.write(reference.offset, &bytes).unwrap();
        memory.set_len(file_bytes).unwrap();
        read(&memory, &layout, &reference, file_bytes)
    }

    #[test]
    fn a_manifest_comes_back_with_its_spans() {
        let extents = vec![Extent { offset: 128 << 10, len: 100, sums: 1 }];
        let manifest = Manifest { extents, root: b"root".to_vec() };
        let (found, spans) = read_back(&manifest, 1 << 20).unwrap();
        assert_eq!(found, manifest);
        assert_eq!(spans.len(), 2);
    }

    #[test]
    fn extents_that_overlap_or_leave_the_file_are_corrupt() {
        let extent = |offset, len| Extent { offset, len, sums: 1 };
        for extents in [
            vec![extent(64 << 10, 10)],
            vec![extent(128 << 10, 5000), extent(132 << 10, 10)],
            vec![extent(1 << 20, 10)],
            vec![extent(128 << 10, u64::MAX - 100)],
            vec![extent(128 << 10, 0)],
            vec![extent(4096, 10)],
            vec![extent((128 << 10) + 1, 10)],
        ] {
            let manifest = Manifest { extents, root: vec![] };
            assert!(matches!(read_back(&manifest, 1 << 20), Err(Error::Corrupt(_))));
        }
    }
}
