//! Parts of a segment: bytes in memory or in an extent of the file, and where they are written to.

use crate::codec::Bytes;
use crate::error::Error;
use crate::error::Result;
use crate::memory::Advice;
use crate::storage::Ahead;
use crate::storage::CheckedBytes;
use crate::storage::Extent;
use crate::storage::ExtentWriter;
use crate::storage::Store;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;

/// The bytes of one part of a segment. In a file they are an extent, compared with its checksums when touched.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    bytes: CheckedBytes,
    extent: Option<Extent>,
}

impl Part {
    /// A part in memory.
    pub(crate) fn in_memory(bytes: Vec<u8>) -> Self {
        Self { bytes: CheckedBytes::from(bytes), extent: None }
    }

    /// A part in the file.
    pub(crate) fn in_file(store: &Store, name: &'static str, extent: Extent) -> Result<Self> {
        Ok(Self { bytes: store.map(name, &extent)?, extent: Some(extent) })
    }

    /// Where the part lies in the file; `None` in memory.
    pub(crate) fn extent(&self) -> Option<Extent> {
        self.extent
    }

    /// What it is called; `memory` where it is not in the file.
    pub(crate) fn name(&self) -> &'static str {
        self.bytes.part()
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes in `range`, verified.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        self.bytes.bytes(range)
    }

    /// All bytes, verified: for small parts that are decoded whole.
    pub(crate) fn all(&self) -> Result<&[u8]> {
        self.bytes.bytes(0..self.len())
    }

    /// All bytes, for prefetching.
    pub(crate) fn unverified(&self) -> &[u8] {
        self.bytes.unverified()
    }

    /// All bytes for a traversal, which checks what it reads at every use. Unless another thread verifies them ahead,
    /// verification goes on by at most `budget` bytes, so that the searches after opening share its cost and a small file is
    /// verified at once.
    pub(crate) fn for_traversal(&self, budget: usize) -> Result<&[u8]> {
        if !self.bytes.is_verified() && !self.bytes.has_ahead() {
            self.bytes.verify_some(budget)?;
        }
        Ok(self.bytes.unverified())
    }

    /// To be verified ahead; `None` where they are verified.
    pub(super) fn ahead(&self) -> Option<Ahead> {
        (!self.bytes.is_verified()).then(|| self.bytes.ahead())
    }

    /// Tells the operating system how the bytes in `range` will be read.
    pub(crate) fn advise(&self, range: Range<usize>, advice: Advice) {
        self.bytes.advise(range, advice);
    }

    /// Compares all bytes with their checksums.
    pub(crate) fn verify(&self) -> Result<()> {
        self.bytes.verify_all()
    }

    /// The `index`th little-endian u32 from byte `start` on.
    pub(crate) fn u32_at(&self, start: usize, index: usize) -> Result<u32> {
        let at = index.checked_mul(4).and_then(|at| at.checked_add(start)).unwrap_or(usize::MAX - 4);
        match self.bytes(at..at + 4)?.first_chunk() {
            Some(word) => Ok(u32::from_le_bytes(*word)),
            None => Err(Error::corrupt("part", at as u64, "four bytes are missing")),
        }
    }

    /// The `index`th little-endian u64 from byte `start` on.
    pub(crate) fn u64_at(&self, start: usize, index: usize) -> Result<u64> {
        let at = index.checked_mul(8).and_then(|at| at.checked_add(start)).unwrap_or(usize::MAX - 8);
        match self.bytes(at..at + 8)?.first_chunk() {
            Some(word) => Ok(u64::from_le_bytes(*word)),
            None => Err(Error::corrupt("part", at as u64, "eight bytes are missing")),
        }
    }
}

impl Bytes for Part {
    fn len(&self) -> usize {
        self.len()
    }

    fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        self.bytes(range)
    }
}

/// Extents and where they were copied to.
pub(crate) type Moved = HashMap<Extent, Extent>;

/// Where new parts go.
pub(crate) enum Target<'a> {
    /// Into memory: the active segment.
    Memory,
    /// Into extents of the file.
    Store(Staging<'a>),
}

/// Extents written but not yet published. Dropped, it gives their space back.
pub(crate) struct Staging<'a> {
    store: &'a Store,
    extents: Mutex<Vec<Extent>>,
}

impl<'a> Staging<'a> {
    /// Nothing written so far.
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, extents: Mutex::new(Vec::new()) }
    }

    /// A checkpoint has published the extents: they are no longer this staging's to give back.
    pub(crate) fn published(&self) {
        self.extents.lock().clear();
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        for extent in self.extents.lock().drain(..) {
            self.store.discard(extent);
        }
    }
}

impl<'a> Target<'a> {
    /// Extents of `store`.
    pub(crate) fn store(store: &'a Store) -> Self {
        Self::Store(Staging::new(store))
    }

    /// Begins a part of exactly `len` bytes.
    pub(crate) fn part(&self, name: &'static str, len: usize) -> Result<PartWriter<'_, 'a>> {
        Ok(match self {
            Self::Memory => PartWriter::Memory(Vec::with_capacity(len)),
            Self::Store(staging) => {
                PartWriter::Store { staging, name, writer: staging.store.extent_writer(len as u64)? }
            }
        })
    }

    /// A part with these bytes.
    pub(crate) fn whole_part(&self, name: &'static str, bytes: Vec<u8>) -> Result<Part> {
        if let Self::Memory = self {
            return Ok(Part::in_memory(bytes));
        }
        let mut writer = self.part(name, bytes.len())?;
        writer.write(&bytes)?;
        writer.finish()
    }

    /// Copies extents to lower free space of the file, where there is any for them; the largest first, because the others
    /// fit into what these leave. Gives old and new ones.
    pub(crate) fn move_down(&self, mut extents: Vec<Extent>) -> Result<Moved> {
        let Self::Store(staging) = self else { return Ok(Moved::new()) };
        extents.sort_unstable_by_key(|extent| (std::cmp::Reverse(extent.len), extent.offset));
        let mut moved = Moved::new();
        for extent in extents {
            if let Some(copy) = staging.store.relocate(&extent)? {
                staging.extents.lock().push(copy);
                moved.insert(extent, copy);
            }
        }
        Ok(moved)
    }

    /// Copies extents that are in the way of larger ones to elsewhere. Gives old and new ones.
    pub(crate) fn make_room(&self) -> Result<Moved> {
        let Self::Store(staging) = self else { return Ok(Moved::new()) };
        let moved = staging.store.make_room()?;
        staging.extents.lock().extend(moved.iter().map(|(_, copy)| *copy));
        Ok(moved.into_iter().collect())
    }

    /// The part where it is now, or the same where it was not moved.
    pub(crate) fn part_after(&self, name: &'static str, part: &Part, moved: &Moved) -> Result<Part> {
        match (self, part.extent.and_then(|extent| moved.get(&extent))) {
            (Self::Store(staging), Some(copy)) => Part::in_file(staging.store, name, *copy),
            _ => Ok(part.clone()),
        }
    }

    /// True where kept extents of the same file can be part of what is written.
    pub(crate) fn keeps_extents(&self) -> bool {
        matches!(self, Self::Store(_))
    }

    /// See [`Staging::published`].
    pub(crate) fn published(&self) {
        if let Self::Store(staging) = self {
            staging.published();
        }
    }
}

/// Writes one part from its first byte to its last.
pub(crate) enum PartWriter<'t, 'a> {
    /// Into memory.
    Memory(Vec<u8>),
    /// Into an extent.
    Store {
        /// Where the finished extent is noted.
        staging: &'t Staging<'a>,
        /// The part's name in errors.
        name: &'static str,
        /// The extent.
        writer: ExtentWriter,
    },
}

impl PartWriter<'_, '_> {
    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Memory(out) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Self::Store { writer, .. } => writer.write(bytes),
        }
    }

    /// Ends the part.
    pub(crate) fn finish(self) -> Result<Part> {
        match self {
            Self::Memory(bytes) => Ok(Part::in_memory(bytes)),
            Self::Store { staging, name, writer } => {
                let extent = writer.finish()?;
                staging.extents.lock().push(extent);
                Part::in_file(staging.store, name, extent)
            }
        }
    }
}

/// The extents of a manifest while it is put together: parts refer to them by place.
#[derive(Default)]
pub(crate) struct ExtentList {
    extents: Vec<Extent>,
    places: HashMap<Extent, u32>,
}

impl ExtentList {
    /// The place of `part`, which lies in the file, in the list.
    pub(crate) fn place(&mut self, part: &Part) -> Result<u32> {
        let extent = part.extent.ok_or_else(|| Error::corrupt("catalog", 0, "a part was not written"))?;
        let extents = &mut self.extents;
        Ok(*self.places.entry(extent).or_insert_with(|| {
            extents.push(extent);
            extents.len() as u32 - 1
        }))
    }

    /// The extents by place.
    pub(crate) fn into_extents(self) -> Vec<Extent> {
        self.extents
    }
}
