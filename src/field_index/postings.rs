//! Which slots have which of a column's values.
//!
//! ```text
//! ends     entries x u32: how many slots the values have up to this one; left out where each has one slot
//! words    entries x u32: the slot of a value with one slot; else, in units of 4 bytes, where its slots begin in `lists`, with
//!          the highest bit set for a bitmap; 0xffff_ffff where the slots are to be found among the ordinals
//! lists    list: slots x u32, ascending; bitmap: bytes: u32, a roaring bitmap in its portable form, zeros to 4 bytes
//! ```
//!
//! Of a list and a bitmap the smaller one is kept. Values of more than a [`SHARE`]th of all slots have neither where the column has
//! one ordinal a slot: a pass over these is as fast as setting so many bits.

use super::bitmap;
use super::bitmap::Bitmap;
use super::corrupt;
use super::gather::Sink;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Result;
use crate::ids::Slot;
use std::ops::Range;

/// Values with more than one in so many of all slots are found by ordinals.
pub(super) const SHARE: u64 = 64;
/// The word of such a value.
const BY_ORDINALS: u32 = u32::MAX;
/// The bit of a word that leads to a bitmap.
const BITMAP: u32 = 1 << 31;

/// True where so many slots are found by a pass over the ordinals.
pub(super) fn is_dense(count: u64, limit: u32) -> bool {
    count * SHARE > u64::from(limit)
}

/// The three sections as they are written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) ends: Vec<u8>,
    pub(super) words: Vec<u8>,
    pub(super) lists: Vec<u8>,
}

/// Writes the slots of values: those of the value `i` are `slots[ends[i - 1]..ends[i]]`, ascending.
pub(super) fn write(ends: &[u32], slots: &[Slot], limit: u32, by_ordinals: bool) -> Written {
    let (mut words, mut lists, mut all_ends) = (ByteWriter::new(), ByteWriter::new(), ByteWriter::new());
    let mut from = 0;
    for end in ends {
        let of_value = slots.get(from..*end as usize).unwrap_or_default();
        from = *end as usize;
        all_ends.u32(*end);
        words.u32(match of_value {
            [slot] => *slot,
            many if by_ordinals && is_dense(many.len() as u64, limit) => BY_ORDINALS,
            many => write_list(many, &mut lists),
        });
    }
    let ends = if ends.len() == slots.len() { Vec::new() } else { all_ends.finish() };
    Written { ends, words: words.finish(), lists: lists.finish() }
}

/// Appends slots to the lists and gives their word.
fn write_list(slots: &[Slot], lists: &mut ByteWriter) -> u32 {
    let at = (lists.len() / 4) as u32;
    // Few slots are never smaller as a bitmap, which has a head of 16 bytes at least.
    let bitmap = if slots.len() > 4 { bitmap::encode(slots) } else { Vec::new() };
    if bitmap.is_empty() || bitmap.len() + 4 >= slots.len() * 4 {
        slots.iter().for_each(|slot| lists.u32(*slot));
        return at;
    }
    lists.u32(bitmap.len() as u32);
    lists.bytes(&bitmap);
    lists.pad(4);
    at | BITMAP
}

/// The slots of values, read in place.
pub(super) struct Postings<'a> {
    pub(super) bytes: &'a dyn Bytes,
    pub(super) entries: u32,
    /// Sum of the numbers of slots of all values.
    pub(super) pairs: u32,
    /// Number of slots of the segment.
    pub(super) limit: u32,
    /// Where the sections lie; the ends are empty where each value has one slot.
    pub(super) ends: Range<usize>,
    pub(super) words: Range<usize>,
    pub(super) lists: Range<usize>,
}

impl<'a> Postings<'a> {
    fn word(&self, section: &Range<usize>, at: u32) -> Result<u32> {
        let from = section.start + at as usize * 4;
        if from + 4 > section.end {
            return Err(corrupt(from, "a word outside its section"));
        }
        let bytes = self.bytes.bytes(from..from + 4)?.first_chunk().copied().unwrap_or_default();
        Ok(u32::from_le_bytes(bytes))
    }

    /// How many slots the values before `entry` have.
    fn before(&self, entry: u32) -> Result<u32> {
        match entry.checked_sub(1) {
            None => Ok(0),
            Some(last) if self.ends.is_empty() => Ok(last + 1),
            Some(last) => self.word(&self.ends, last),
        }
    }

    /// Sum of the numbers of slots of the values in `range`.
    pub(super) fn count(&self, range: &Range<u32>) -> Result<u32> {
        let (from, to) = (self.before(range.start)?, self.before(range.end)?);
        let pairs = self.pairs;
        let problem = || corrupt(self.ends.start, format!("values of {from} to {to} slots of {pairs}"));
        to.checked_sub(from).filter(|_| to <= pairs).ok_or_else(problem)
    }

    /// True where the slots of `entry` are found among the ordinals.
    pub(super) fn is_by_ordinals(&self, entry: u32) -> Result<bool> {
        Ok(self.word(&self.words, entry)? == BY_ORDINALS && self.count(&(entry..entry + 1))? != 1)
    }

    /// Adds the slots of the values in `range`, which all have lists.
    pub(super) fn read(&self, range: Range<u32>, out: &mut impl Sink) -> Result<()> {
        let section = self.words.start + range.start as usize * 4..self.words.start + range.end as usize * 4;
        if range.start > range.end || section.end > self.words.end {
            return Err(corrupt(self.words.start, format!("values {range:?} of {}", self.entries)));
        }
        let words = self.bytes.bytes(section)?.as_chunks().0;
        if self.ends.is_empty() {
            return out.list(words);
        }
        let ends = self.ends.start + range.start as usize * 4..self.ends.start + range.end as usize * 4;
        if ends.end > self.ends.end {
            return Err(corrupt(self.ends.start, "fewer ends than values"));
        }
        let ends = self.bytes.bytes(ends)?.as_chunks().0;
        let mut from = self.before(range.start)?;
        for (word, end) in words.iter().zip(ends) {
            let (word, end) = (u32::from_le_bytes(*word), u32::from_le_bytes(*end));
            match end.checked_sub(from) {
                Some(1) => out.add(word)?,
                Some(count) if count > 0 && count <= self.limit => self.read_one(word, count, out)?,
                _ => return Err(corrupt(self.ends.start, format!("a value of slots {from} to {end}"))),
            }
            from = end;
        }
        Ok(())
    }

    fn read_one(&self, word: u32, count: u32, out: &mut impl Sink) -> Result<()> {
        let problem = |problem: &str| corrupt(self.lists.start, problem);
        if word == BY_ORDINALS {
            return Err(problem("a value has neither list nor ordinals"));
        }
        let start = self.lists.start + (word & !BITMAP) as usize * 4;
        let bytes = |from: usize, len: usize| match from.checked_add(len) {
            Some(to) if from <= to && to <= self.lists.end => self.bytes.bytes(from..to),
            _ => Err(problem("a list lies outside")),
        };
        if word & BITMAP == 0 {
            return out.list(bytes(start, count as usize * 4)?.as_chunks().0);
        }
        let len = bytes(start, 4)?.first_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        let bitmap = Bitmap::new(bytes(start + 4, len as usize)?)?;
        match bitmap.len() == u64::from(count) {
            true => bitmap.read(out),
            false => Err(problem("a bitmap does not have as many slots as it should")),
        }
    }
}
