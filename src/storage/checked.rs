//! Bytes of an extent that are compared with their checksums when they are first touched, block by block.

use crate::codec::ByteReader;
use crate::codec::checksum64;
use crate::error::Error;
use crate::error::Result;
use crate::memory;
use crate::memory::Advice;
use crate::storage::backend::MappedBytes;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::stored_bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// Bytes that are verified ahead before it is asked whether to go on: some hundredths of a millisecond.
const AHEAD_BYTES: usize = 256 << 10;

/// Bytes of an extent, or of memory. Cloning copies no byte, and clones share what was verified.
#[derive(Clone)]
pub struct CheckedBytes {
    inner: Arc<Inner>,
}

/// What clones share.
struct Inner {
    part: &'static str,
    /// Offset of the first byte in the file.
    offset: u64,
    owner: MappedBytes,
    len: usize,
    block: usize,
    /// Where the table of checksums begins.
    table: usize,
    /// One bit for each block that was found good.
    verified: Box<[AtomicU64]>,
    /// Blocks without such a bit.
    left: AtomicUsize,
    /// The block from which `verify_some` goes on.
    cursor: AtomicUsize,
    /// How many go ahead, see [`Ahead`].
    ahead: AtomicUsize,
}

/// Bytes that somebody verifies ahead of those who read them. While it lives, readers who may leave verifying to others do.
pub(crate) struct Ahead {
    bytes: CheckedBytes,
}

impl Ahead {
    /// Verifies all blocks, until `stop` says to end. What is damaged is left for those who read it to find.
    pub(crate) fn run(self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) && matches!(self.bytes.verify_some(AHEAD_BYTES), Ok(false)) {}
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.bytes.inner.ahead.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Bytes in memory at an address that is a multiple of 16, as a mapping's is, so that views can cast them.
struct AlignedBytes {
    words: Vec<u128>,
    len: usize,
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words).get(..self.len).unwrap_or_default()
    }
}

/// `len` bytes that `fill` writes, aligned to 16.
pub(super) fn aligned(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<MappedBytes> {
    let mut words = Vec::new();
    let count = len.div_ceil(16);
    words.try_reserve_exact(count).map_err(|_| Error::TooLarge {
        what: "a part of the file for the memory there is".into(),
        found: len as u64,
        limit: isize::MAX as u64,
    })?;
    words.resize(count, 0u128);
    fill(bytemuck::cast_slice_mut(&mut words).get_mut(..len).unwrap_or_default())?;
    Ok(Arc::new(AlignedBytes { words, len }))
}

impl From<Vec<u8>> for CheckedBytes {
    /// Bytes that have no checksums; copied where their address is not a multiple of 16.
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        let owner: MappedBytes = if bytes.as_ptr().addr().is_multiple_of(16) {
            Arc::new(bytes)
        } else {
            let mut words = vec![0u128; len.div_ceil(16)];
            let copy: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
            copy[..len].copy_from_slice(&bytes);
            Arc::new(AlignedBytes { words, len })
        };
        let inner = Inner {
            part: "memory",
            offset: 0,
            owner,
            len,
            block: len.max(1),
            table: len,
            verified: Box::new([]),
            left: AtomicUsize::new(0),
            cursor: AtomicUsize::new(0),
            ahead: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl CheckedBytes {
    /// What messages call these bytes; `memory` where they are in no file.
    pub(crate) fn part(&self) -> &'static str {
        self.inner.part
    }

    /// The bytes of `extent` in `owner`, which holds its data and its table. The table is verified here.
    pub(super) fn new(
        part: &'static str,
        extent: &Extent,
        layout: &Layout,
        owner: MappedBytes,
    ) -> Result<Self> {
        let corrupt = |problem: &str| Error::corrupt(part, extent.offset, problem);
        let held = (*owner).as_ref();
        if stored_bytes(layout, extent.len) != Some(held.len() as u64) {
            return Err(corrupt("its length does not match"));
        }
        let len = usize::try_from(extent.len).map_err(|_| corrupt("larger than memory"))?;
        let table = len.next_multiple_of(8);
        if checksum64(0, held.get(table..).unwrap_or_default()) != extent.sums {
            return Err(corrupt("the checksum of its checksums does not match"));
        }
        let block = layout.block as usize;
        let blocks = len.div_ceil(block);
        let verified = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (left, cursor) = (AtomicUsize::new(blocks), AtomicUsize::new(0));
        let ahead = AtomicUsize::new(0);
        let inner =
            Inner { part, offset: extent.offset, owner, len, block, table, verified, left, cursor, ahead };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len
    }

    /// Whether there is no byte.
    #[cfg(feature = "crash-testing")]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.len == 0
    }

    /// Whether every block was found good.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.inner.left.load(Ordering::Acquire) == 0
    }

    /// To be verified ahead of those who read them.
    #[must_use]
    pub(crate) fn ahead(&self) -> Ahead {
        self.inner.ahead.fetch_add(1, Ordering::AcqRel);
        Ahead { bytes: self.clone() }
    }

    /// Whether somebody verifies the bytes ahead.
    #[must_use]
    pub(crate) fn has_ahead(&self) -> bool {
        self.inner.ahead.load(Ordering::Acquire) > 0
    }

    /// All bytes, verified or not: for prefetching, and for bytes whose damage is found in another way.
    #[must_use]
    pub fn unverified(&self) -> &[u8] {
        (*self.inner.owner).as_ref().get(..self.inner.len).unwrap_or_default()
    }

    /// Tells the operating system how the bytes in `range` will be read. Those in memory are not its concern.
    pub fn advise(&self, range: Range<usize>, advice: Advice) {
        if let (true, Some(bytes)) = (self.inner.is_mapped(), self.unverified().get(range)) {
            memory::advise(bytes, advice);
        }
    }

    /// The bytes as the file holds them: data, padding and table.
    pub(super) fn stored(&self) -> &[u8] {
        (*self.inner.owner).as_ref()
    }

    /// The bytes of `range`, whose blocks are verified unless they were.
    ///
    /// # Errors
    /// `Corrupt` where the range reaches beyond the end or a block is damaged.
    pub fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        let Some(found) = self.unverified().get(range.clone()) else {
            let problem = format!("bytes {} to {} asked of {}", range.start, range.end, self.inner.len);
            return Err(Error::corrupt(self.inner.part, self.inner.offset, problem));
        };
        if !self.is_verified() && !found.is_empty() {
            self.inner.verify(range.start / self.inner.block..=(range.end - 1) / self.inner.block)?;
        }
        Ok(found)
    }

    /// Verifies blocks that were not touched yet until `budget_bytes` are spent; `true` when none is left.
    ///
    /// # Errors
    /// `Corrupt` where a block is damaged.
    pub fn verify_some(&self, budget_bytes: usize) -> Result<bool> {
        let inner = &*self.inner;
        let blocks = inner.len.div_ceil(inner.block);
        let mut spent = 0;
        while !self.is_verified() && spent < budget_bytes {
            let block = inner.cursor.load(Ordering::Relaxed);
            if block >= blocks {
                break;
            }
            if !inner.is_good(block) {
                spent += inner.block;
                inner.verify(block..=block)?;
            }
            // Two threads may verify one block, none is left out: the cursor moves on behind a verified block only.
            inner.cursor.fetch_max(block + 1, Ordering::Relaxed);
        }
        Ok(self.is_verified())
    }

    /// Verifies every block that was not touched yet.
    ///
    /// # Errors
    /// `Corrupt` where a block is damaged.
    pub fn verify_all(&self) -> Result<()> {
        self.verify_some(usize::MAX).map(drop)
    }
}

impl Inner {
    /// Whether the bytes can lie in a mapping: those that have checksums and are large do, unless the backend is memory.
    fn is_mapped(&self) -> bool {
        !self.verified.is_empty() && self.len >= self.block
    }

    /// Whether `block` was found good.
    fn is_good(&self, block: usize) -> bool {
        self.verified
            .get(block / 64)
            .is_some_and(|word| word.load(Ordering::Acquire) >> (block % 64) & 1 == 1)
    }

    /// Compares `blocks` with their checksums, except where that was done.
    fn verify(&self, blocks: std::ops::RangeInclusive<usize>) -> Result<()> {
        for block in blocks {
            if !self.is_good(block) {
                self.verify_block(block)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn verify_block(&self, block: usize) -> Result<()> {
        let held = (*self.owner).as_ref();
        let start = block * self.block;
        let data = held.get(start..self.len.min(start + self.block)).unwrap_or_default();
        let sum = held.get(self.table + block * 8..).unwrap_or_default();
        if checksum64(0, data) != ByteReader::new(self.part, sum).u64()? {
            let problem = format!("the checksum of {} bytes does not match", data.len());
            return Err(Error::corrupt(self.part, self.offset + start as u64, problem));
        }
        let bit = 1 << (block % 64);
        if let Some(word) = self.verified.get(block / 64)
            && word.fetch_or(bit, Ordering::AcqRel) & bit == 0
        {
            self.left.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

impl std::fmt::Debug for CheckedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckedBytes({}, {} bytes at {})", self.inner.part, self.inner.len, self.inner.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two and a half blocks with their table, and their extent.
    fn sample() -> (Extent, Vec<u8>) {
        let layout = Layout::default();
        let mut bytes: Vec<u8> = (0..160_001u32).map(|at| (at % 251) as u8).collect();
        let sums: Vec<u64> = bytes.chunks(layout.block as usize).map(|block| checksum64(0, block)).collect();
        bytes.resize(160_008, 0);
        let table: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let extent = Extent { offset: 1 << 16, len: 160_001, sums: checksum64(0, &table) };
        bytes.extend(table);
        (extent, bytes)
    }

    fn checked(extent: &Extent, bytes: Vec<u8>) -> Result<CheckedBytes> {
        CheckedBytes::new("test", extent, &Layout::default(), Arc::new(bytes))
    }

    #[test]
    fn good_bytes_are_verified_once_and_given() {
        let (extent, bytes) = sample();
        let checked = checked(&extent, bytes).unwrap();
        assert_eq!(
            checked.bytes(65_535..65_537).unwrap(),
            [65_535 % 251, 65_536 % 251].map(|byte: u32| byte as u8)
        );
        assert!(!checked.is_verified());
        assert!(checked.verify_some(1).unwrap());
        assert!(checked.is_verified());
        assert!(checked.bytes(160_000..160_001).is_ok());
        assert!(checked.bytes(160_001..160_001).is_ok());
        assert!(checked.bytes(160_000..160_002).is_err());
    }

    #[test]
    fn a_damaged_block_is_found_and_the_others_stay_readable() {
        let (extent, mut bytes) = sample();
        bytes[70_000] ^= 1;
        let checked = checked(&extent, bytes).unwrap();
        assert!(checked.bytes(0..65_536).is_ok());
        assert!(matches!(checked.bytes(65_535..65_537), Err(Error::Corrupt(at)) if at.offset == 2 << 16));
        assert!(checked.bytes(131_072..160_001).is_ok());
        assert!(checked.verify_all().is_err());
        assert!(!checked.is_verified());
    }

    #[test]
    fn what_is_verified_ahead_is_verified_and_damage_is_left_to_be_found() {
        let (extent, mut bytes) = sample();
        let good = checked(&extent, bytes.clone()).unwrap();
        let (go, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        let stopped = good.ahead();
        assert!(good.has_ahead());
        stopped.run(&stop);
        assert!(!good.has_ahead() && !good.is_verified());
        good.ahead().run(&go);
        assert!(good.is_verified());
        bytes[70_000] ^= 1;
        let damaged = checked(&extent, bytes).unwrap();
        damaged.ahead().run(&go);
        assert!(!damaged.has_ahead() && !damaged.is_verified());
        assert!(damaged.bytes(0..10).is_ok() && damaged.bytes(70_000..70_001).is_err());
        assert!(damaged.verify_some(1).is_err());
    }

    #[test]
    fn a_damaged_table_and_a_wrong_length_are_found_at_once() {
        let (extent, mut bytes) = sample();
        assert!(checked(&extent, bytes[..bytes.len() - 1].to_vec()).is_err());
        *bytes.last_mut().unwrap() ^= 1;
        assert!(checked(&extent, bytes).is_err());
    }

    #[test]
    fn bytes_of_memory_need_no_verifying() {
        let bytes = CheckedBytes::from(vec![1, 2, 3]);
        assert!(bytes.is_verified() && bytes.verify_all().is_ok());
        assert_eq!(bytes.bytes(1..3).unwrap(), [2, 3]);
        assert_eq!(bytes.unverified().as_ptr().addr() % 16, 0);
        assert!(CheckedBytes::from(vec![]).bytes(0..0).unwrap().is_empty());
    }
}
