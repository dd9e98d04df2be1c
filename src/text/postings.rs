//! The list of the records that have a term, and a cursor over it.
//!
//! One record: `slot: varint, occurrences: varint`. Up to 127: `bits of a gap: u8, bits of an occurrence: u8, gaps,
//! occurrences - 1`. More: blocks of 128, the last one shorter; before them stands for each `last slot: u32, end of the
//! block: u32, impact: u16, bits of a gap: u8, bits of an occurrence: u8`, so that what a block may score is known before it
//! is touched. A gap is the number of slots in between. The impact is the largest score of the block with `k1 = 1.2` and
//! `b = 0.75` and this segment's mean length, as a share of the term's weight, in 65,535ths, rounded up.

use super::dictionary::Entry;
use super::pack::BLOCK;
use super::pack::Blocks;
use super::pack::few_bytes;
use super::pack::unpack_few;
use super::view::FieldView;
use crate::codec::ByteReader;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;

/// Bytes of what stands before the blocks for each.
pub(super) const SKIP_BYTES: usize = 12;
/// No block is read.
const NONE: usize = usize::MAX;
/// So many dead slots of each block that it is faster to read all blocks than to look the dead up.
const SEEKS_OF_BLOCK: usize = 8;

/// What stands before the blocks for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Skip {
    pub(super) last: Slot,
    pub(super) end: u32,
    pub(crate) impact: u16,
    pub(super) slot_bits: u8,
    pub(super) tf_bits: u8,
}

impl Skip {
    fn read(bytes: &[u8; SKIP_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, slot_bits, tf_bits] = *bytes;
        let last = u32::from_le_bytes([a, b, c, d]);
        let end = u32::from_le_bytes([e, f, g, h]);
        Self { last, end, impact: u16::from_le_bytes([i, j]), slot_bits, tf_bits }
    }
}

/// A cursor over the postings of one term. It only goes forward.
pub(crate) struct TermCursor<'a> {
    skips: &'a [[u8; SKIP_BYTES]],
    data: &'a [u8],
    limit: u32,
    /// Records of the list.
    pub(crate) df: u32,
    /// Blocks of the list.
    pub(crate) blocks: usize,
    /// The block that is read.
    block: usize,
    /// Postings of that block.
    count: usize,
    /// The next posting of it.
    place: usize,
    tfs_are_read: bool,
    slots: [Slot; BLOCK],
    tfs: [u32; BLOCK],
}

impl<'a> TermCursor<'a> {
    /// At the first posting.
    pub(super) fn open(view: &FieldView<'a>, entry: &Entry<'a>) -> Result<Self> {
        Self::over(entry.list, entry.df, view.len())
    }

    /// At the first posting of a list of `df` records, at least one, whose slots are below `limit`.
    pub(crate) fn over(list: &'a [u8], df: u32, limit: u32) -> Result<Self> {
        let postings = df as usize;
        let blocks = postings.div_ceil(BLOCK);
        let mut cursor = Self {
            skips: &[],
            data: list,
            limit,
            df,
            blocks,
            block: NONE,
            count: 0,
            place: 0,
            tfs_are_read: false,
            slots: [0; BLOCK],
            tfs: [0; BLOCK],
        };
        if postings < BLOCK {
            cursor.read_few(postings)?;
            return Ok(cursor);
        }
        let (skips, data) = list.split_at_checked(blocks * SKIP_BYTES).ok_or_else(short)?;
        (cursor.skips, cursor.data) = (skips.as_chunks().0, data);
        Ok(cursor)
    }

    fn read_few(&mut self, df: usize) -> Result<()> {
        let mut reader = ByteReader::new("text", self.data);
        if df == 1 {
            (self.slots[0], self.tfs[0]) = (reader.varint()? as u32, reader.varint()? as u32);
        } else {
            let (slot_bits, tf_bits) = (reader.u8()?, reader.u8()?);
            let gaps = reader.bytes(few_bytes(df, slot_bits))?;
            unpack_few(gaps, slot_bits, &mut self.slots[..df])?;
            unpack_few(reader.bytes(few_bytes(df, tf_bits))?, tf_bits, &mut self.tfs[..df])?;
            ascend(&mut self.slots[..df], None);
            self.tfs[..df].iter_mut().for_each(|tf| *tf = tf.wrapping_add(1));
        }
        (self.block, self.count, self.tfs_are_read) = (0, df, true);
        self.check(None)
    }

    /// What stands before the blocks for one of them.
    #[inline]
    pub(crate) fn skip(&self, block: usize) -> Option<Skip> {
        self.skips.get(block).map(Skip::read)
    }

    /// The last slot of a block.
    #[inline]
    pub(crate) fn last_of(&self, block: usize) -> Slot {
        match self.skips.get(block) {
            Some(skip) => Skip::read(skip).last,
            None => self.slots[self.count.saturating_sub(1) & (BLOCK - 1)],
        }
    }

    /// The first block from `from` on whose last slot is at least `slot`; the number of blocks where there is none.
    #[inline]
    pub(crate) fn block_from(&self, from: usize, slot: Slot) -> usize {
        let mut step = 1;
        let mut low = from;
        while low + step < self.blocks && self.last_of(low + step - 1) < slot {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(self.blocks);
        let (mut low, mut high) = (low.min(high), high);
        while low < high {
            let middle = low.midpoint(high);
            match self.last_of(middle) < slot {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Reads the slots of a block.
    #[inline]
    pub(super) fn load(&mut self, block: usize) -> Result<()> {
        if block == self.block {
            return Ok(());
        }
        let skip = self.skip(block).ok_or_else(short)?;
        let before = block.checked_sub(1).and_then(|before| self.skip(before));
        let data = self.block_data(before, skip)?;
        self.count = (self.df as usize - block * BLOCK).min(BLOCK);
        let last = before.map(|before| before.last);
        match self.count == BLOCK {
            true => Blocks::new().unpack_ascending(last, data, skip.slot_bits, &mut self.slots)?,
            false => {
                unpack_few(data, skip.slot_bits, &mut self.slots[..self.count])?;
                ascend(&mut self.slots[..self.count], last);
            }
        }
        (self.block, self.place, self.tfs_are_read) = (block, 0, false);
        // Gaps so small can't add up to more than a number holds, so that the slots ascend.
        let most = last.map_or(0, |last| u64::from(last) + 1) + ((self.count as u64) << skip.slot_bits);
        if most > u64::from(Slot::MAX) {
            self.check(last)?;
        }
        match self.slots[self.count - 1] == skip.last && skip.last < self.limit {
            true => Ok(()),
            false => Err(disorder()),
        }
    }

    fn block_data(&self, before: Option<Skip>, skip: Skip) -> Result<&'a [u8]> {
        let start = before.map_or(0, |before| before.end as usize);
        self.data.get(start..skip.end as usize).ok_or_else(short)
    }

    /// That the slots of the block ascend and exist.
    #[inline]
    fn check(&self, before: Option<Slot>) -> Result<()> {
        let slots = &self.slots[..self.count];
        let ascending = slots.iter().zip(&slots[1..]).fold(true, |fine, (a, b)| fine & (a < b));
        let first = before.is_none_or(|before| before < slots[0]);
        match ascending && first && slots[self.count - 1] < self.limit {
            true => Ok(()),
            false => Err(disorder()),
        }
    }

    /// Reads the occurrences of the block whose slots are read.
    #[inline]
    fn load_tfs(&mut self) -> Result<()> {
        if self.tfs_are_read {
            return Ok(());
        }
        let skip = self.skip(self.block).ok_or_else(short)?;
        let data = self.block_data(self.block.checked_sub(1).and_then(|before| self.skip(before)), skip)?;
        let packed = few_bytes(self.count, skip.slot_bits);
        let data = data.get(packed..).ok_or_else(short)?;
        match self.count == BLOCK {
            true => Blocks::new().unpack(data, skip.tf_bits, &mut self.tfs)?,
            false => unpack_few(data, skip.tf_bits, &mut self.tfs[..self.count])?,
        }
        self.tfs.iter_mut().for_each(|tf| *tf = tf.wrapping_add(1));
        self.tfs_are_read = true;
        Ok(())
    }

    /// Goes to the first posting whose slot is at least `slot`, which is not smaller than any asked for before.
    #[inline]
    pub(crate) fn seek(&mut self, slot: Slot) -> Result<Option<Slot>> {
        if self.block == NONE || self.slots[self.count - 1] < slot {
            let from = if self.block == NONE { 0 } else { self.block + 1 };
            let block = self.block_from(from, slot);
            if block >= self.blocks {
                self.place = self.count;
                return Ok(None);
            }
            self.load(block)?;
        }
        let ahead = &self.slots[self.place..self.count];
        self.place += ahead.partition_point(|found| *found < slot);
        Ok(self.slots[..self.count].get(self.place).copied())
    }

    /// The occurrences in the record of the present posting.
    #[inline]
    pub(crate) fn tf(&mut self) -> Result<u32> {
        self.load_tfs()?;
        Ok(self.tfs[self.place & (BLOCK - 1)])
    }

    /// Block and place of the present posting, and the occurrences in the records of the block up to it.
    pub(super) fn here(&mut self) -> Result<(usize, &[u32])> {
        self.load_tfs()?;
        Ok((self.block, &self.tfs[..=self.place & (BLOCK - 1)]))
    }

    /// Slots and occurrences of `block` from `start` to before `end`.
    #[inline]
    pub(crate) fn part(&mut self, block: usize, start: Slot, end: Slot) -> Result<(&[Slot], &[u32])> {
        self.load(block)?;
        self.load_tfs()?;
        let slots = &self.slots[..self.count];
        let from = if slots[0] >= start { 0 } else { below(slots, start) };
        let to = if slots[self.count - 1] < end { self.count } else { below(slots, end).max(from) };
        Ok((&self.slots[from..to], &self.tfs[from..to]))
    }

    /// Number of postings whose slots are in `set`.
    pub(super) fn count_in(&mut self, set: &SlotSet) -> Result<u64> {
        let mut count = 0;
        if set.len() < self.blocks * SEEKS_OF_BLOCK {
            for slot in set.iter() {
                match self.seek(slot)? {
                    Some(found) => count += u64::from(found == slot),
                    None => break,
                }
            }
            return Ok(count);
        }
        for block in 0..self.blocks {
            self.load(block)?;
            count += self.slots[..self.count].iter().filter(|slot| set.contains(**slot)).count() as u64;
        }
        Ok(count)
    }

    /// Calls `each` with every slot and its occurrences.
    pub(crate) fn each(&mut self, mut each: impl FnMut(Slot, u32)) -> Result<()> {
        for block in 0..self.blocks {
            let (slots, tfs) = self.part(block, 0, Slot::MAX)?;
            slots.iter().zip(tfs).for_each(|(slot, tf)| each(*slot, *tf));
        }
        Ok(())
    }
}

/// The number of slots below `end`, counted: for a block that is faster than a search.
#[inline]
fn below(slots: &[Slot], end: Slot) -> usize {
    slots.iter().map(|slot| u32::from(*slot < end)).sum::<u32>() as usize
}

/// From gaps to slots; what overflows is no longer ascending.
fn ascend(gaps: &mut [u32], before: Option<Slot>) {
    let mut next = before.map_or(0, |before| before.wrapping_add(1));
    for gap in gaps {
        *gap = gap.wrapping_add(next);
        next = gap.wrapping_add(1);
    }
}

#[cold]
fn short() -> Error {
    Error::corrupt("text", 0, "a list of postings ends early")
}

#[cold]
fn disorder() -> Error {
    Error::corrupt("text", 0, "slots of postings do not ascend below the number of records")
}
