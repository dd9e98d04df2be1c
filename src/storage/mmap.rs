//! Read-only mappings of ranges that the store never writes while they can be seen.

use memmap2::Mmap;
use memmap2::MmapOptions;
use std::fs::File;
use std::io;

/// A mapped range of a file.
pub(crate) struct Mapping {
    map: Mmap,
}

impl Mapping {
    /// Maps `len` bytes at `offset`; the caller has checked that they are inside the file.
    #[allow(unsafe_code, reason = "mapping a file is what this file is for")]
    pub(crate) fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.offset(offset).len(len);
        // SAFETY: the bytes must not change while they are mapped. The store writes an extent before it is published
        // and never again until no pin of a generation that lists it is left; other processes of this program keep to
        // the same rule through the locks. A program that ignores the locks and overwrites or cuts the file is outside
        // the contract, which the documentation of `FileBackend` states.
        let map = unsafe { options.map(file) }?;
        Ok(Self { map })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}
