//! The sorted distinct texts of a column, in blocks of 16; each but the first of a block without what it shares with the
//! one before.
//!
//! ```text
//! blocks x u64       where each block begins, counted from the first
//! blocks             entry*
//! entry     shared: varint, (bytes * 2 + cut): varint, bytes, where cut: slot: varint, place: varint
//! ```
//!
//! A text of more than [`WHOLE`] bytes is cut to [`KEPT`], so that a column of long texts stays small. It is found in the
//! record at `slot`, as the `place`th text at its path. The order is that of the whole texts, so cut texts that begin alike are
//! told apart by reading records, as many as there are steps in a search by halves.

use super::Records;
use super::corrupt;
use super::record::nth_text;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Result;
use crate::ids::Slot;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Entries of a block.
const BLOCK: usize = 16;
/// Texts up to so many bytes are kept whole.
const WHOLE: usize = 48;
/// Bytes that are kept of longer ones.
const KEPT: usize = 32;

/// A text, and where it was first seen: the slot, and which of the texts at the path it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    pub(super) text: &'a str,
    pub(super) slot: Slot,
    pub(super) place: u32,
}

/// Appends sorted distinct texts.
pub(super) fn write(texts: &[Seen<'_>], out: &mut ByteWriter) {
    let (mut starts, mut blocks) = (ByteWriter::new(), ByteWriter::new());
    for block in texts.chunks(BLOCK) {
        starts.u64(blocks.len() as u64);
        let mut last: &[u8] = &[];
        for seen in block {
            let cut = seen.text.len() > WHOLE;
            let kept = if cut { KEPT } else { seen.text.len() };
            let kept = seen.text.as_bytes().get(..kept).unwrap_or_default();
            let shared = kept.iter().zip(last).take_while(|(a, b)| a == b).count();
            blocks.varint(shared as u64);
            blocks.varint(((kept.len() - shared) << 1 | usize::from(cut)) as u64);
            blocks.bytes(kept.get(shared..).unwrap_or_default());
            if cut {
                blocks.varint(seen.slot.into());
                blocks.varint(seen.place.into());
            }
            last = kept;
        }
    }
    out.bytes(&starts.finish());
    out.bytes(&blocks.finish());
}

/// What is kept of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    kept: Vec<u8>,
    /// Slot and place of a text that was cut.
    cut: Option<(Slot, u32)>,
}

/// Sorted texts, read in place.
pub(super) struct Texts<'a> {
    bytes: &'a dyn Bytes,
    range: Range<usize>,
    entries: usize,
    /// For the texts that were cut.
    records: &'a dyn Records,
    path: &'a [Arc<str>],
}

impl<'a> Texts<'a> {
    /// The `entries` texts in `range` of `bytes`, which are those at `path` in `records`.
    pub(super) fn open(
        bytes: &'a dyn Bytes,
        range: Range<usize>,
        entries: u32,
        records: &'a dyn Records,
        path: &'a [Arc<str>],
    ) -> Result<Self> {
        let entries = entries as usize;
        match entries.div_ceil(BLOCK) * 8 <= range.len() {
            true => Ok(Self { bytes, range, entries, records, path }),
            false => Err(corrupt(range.start, format!("{} bytes are not {entries} texts", range.len()))),
        }
    }

    fn blocks(&self) -> usize {
        self.entries.div_ceil(BLOCK)
    }

    /// Where a block begins, counted from the start of the bytes; the end for the block behind the last.
    fn start(&self, block: usize) -> Result<usize> {
        let first = self.range.start + self.blocks() * 8;
        if block >= self.blocks() {
            return Ok(self.range.end);
        }
        let at = self.range.start + block * 8;
        let start = ByteReader::new(super::PART, self.bytes.bytes(at..at + 8)?).u64()?;
        match usize::try_from(start) {
            Ok(start) if start <= self.range.end - first => Ok(first + start),
            _ => Err(corrupt(at, "a block of texts lies outside")),
        }
    }

    /// A reader of the texts of one block.
    fn block(&self, block: usize) -> Result<Block<'a>> {
        let (from, to) = (self.start(block)?, self.start(block + 1)?);
        if from > to {
            return Err(corrupt(from, "blocks of texts are out of order"));
        }
        let left = self.entries.saturating_sub(block * BLOCK).min(BLOCK);
        let reader = ByteReader::new(super::PART, self.bytes.bytes(from..to)?);
        Ok(Block { reader, left, entry: Entry::default() })
    }

    /// One of the texts, as much of it as is kept.
    pub(super) fn entry(&self, entry: u32) -> Result<Entry> {
        let mut block = self.block(entry as usize / BLOCK)?;
        for _ in 0..entry as usize % BLOCK {
            block.step()?;
        }
        block.step()?;
        Ok(block.entry)
    }

    /// One of the texts.
    pub(super) fn get(&self, entry: u32) -> Result<String> {
        self.whole(&self.entry(entry)?).map(str::to_owned)
    }

    /// The texts of the entries in `range`, in their order.
    pub(super) fn each(&self, range: Range<u32>, mut f: impl FnMut(u32, &str) -> Result<()>) -> Result<()> {
        let (from, to) = (range.start as usize, range.end as usize);
        for at in from / BLOCK..to.div_ceil(BLOCK) {
            let mut block = self.block(at)?;
            for entry in at * BLOCK..to.min((at + 1) * BLOCK) {
                block.step()?;
                if entry >= from {
                    f(entry as u32, self.whole(&block.entry)?)?;
                }
            }
        }
        Ok(())
    }

    /// The whole text of an entry, from its record where it was cut.
    fn whole<'e>(&'e self, entry: &'e Entry) -> Result<&'e str> {
        let problem = |problem: &str| corrupt(self.range.start, problem);
        let Some((slot, place)) = entry.cut else {
            return std::str::from_utf8(&entry.kept).map_err(|_| problem("a text that is none"));
        };
        let found = nth_text(self.records.encoded(slot)?, self.path, place)?;
        match found {
            Some(text) if text.as_bytes().starts_with(&entry.kept) => Ok(text),
            _ => Err(problem("a text is not in its record")),
        }
    }

    /// How an entry compares with a text, by bytes.
    fn compare(&self, entry: &Entry, text: &str) -> Result<Ordering> {
        let (kept, bytes) = (entry.kept.as_slice(), text.as_bytes());
        if entry.cut.is_none() || !bytes.starts_with(kept) {
            return Ok(kept.cmp(bytes));
        }
        Ok(self.whole(entry)?.cmp(text))
    }

    /// How many of the texts are less than `text`, or not greater where `with_equal`.
    pub(super) fn below(&self, text: &str, with_equal: bool) -> Result<u32> {
        self.partition(|entry| {
            let order = self.compare(entry, text)?;
            Ok(order == Ordering::Less || with_equal && order == Ordering::Equal)
        })
    }

    /// The entries of texts that begin with `prefix`.
    pub(super) fn prefixed(&self, prefix: &str) -> Result<Range<u32>> {
        let end = self.partition(|entry| {
            let begins = match (entry.cut, entry.kept.starts_with(prefix.as_bytes())) {
                (None, begins) | (Some(_), begins @ true) => begins,
                _ if !prefix.as_bytes().starts_with(&entry.kept) => false,
                _ => self.whole(entry)?.starts_with(prefix),
            };
            Ok(begins || self.compare(entry, prefix)? == Ordering::Less)
        })?;
        Ok(self.below(prefix, false)?..end)
    }

    /// How many entries there are before the first for which `before` is false.
    fn partition(&self, before: impl Fn(&Entry) -> Result<bool>) -> Result<u32> {
        let first = |at: u32| {
            let mut block = self.block(at as usize)?;
            block.step()?;
            before(&block.entry)
        };
        let Some(at) = super::partition(self.blocks() as u32, first)?.checked_sub(1) else { return Ok(0) };
        let mut block = self.block(at as usize)?;
        let mut entry = at as usize * BLOCK;
        while entry < self.entries && block.left > 0 {
            block.step()?;
            if !before(&block.entry)? {
                break;
            }
            entry += 1;
        }
        Ok(entry as u32)
    }
}

/// Reads the entries of a block one after the other.
struct Block<'a> {
    reader: ByteReader<'a>,
    left: usize,
    entry: Entry,
}

impl Block<'_> {
    fn step(&mut self) -> Result<()> {
        if self.left == 0 {
            return Err(self.reader.error("a text behind the last"));
        }
        self.left -= 1;
        let (shared, len) = (self.reader.varint()?, self.reader.varint()?);
        let kept = &mut self.entry.kept;
        if shared > kept.len() as u64 {
            return Err(self.reader.error("a text shares more than there is"));
        }
        kept.truncate(shared as usize);
        let rest = self.reader.bytes(usize::try_from(len >> 1).unwrap_or(usize::MAX))?;
        if kept.len() + rest.len() > WHOLE {
            return Err(self.reader.error("more is kept of a text than there can be"));
        }
        kept.extend_from_slice(rest);
        self.entry.cut = match len & 1 {
            0 => None,
            _ => Some((self.number()?, self.number()?)),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<u32> {
        let number = self.reader.varint()?;
        u32::try_from(number).map_err(|_| self.reader.error("a slot that is none"))
    }
}
