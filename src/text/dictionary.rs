//! The terms in ascending order, in blocks of sixteen, and where the postings of each are.
//!
//! A block is `bytes of the terms: varint | terms | where its postings begin: varint | where its positions begin: varint |
//! for each term: records, bytes of its list, the list itself where it is short, bytes of its positions`. A term stands as
//! the number of bytes that it shares with the one before and the bytes that follow. Before the blocks stand the first
//! eight bytes of each block's first term, as a number, so that looking a term up touches one array and one block.

use super::view::FieldView;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use std::cmp::Ordering;
use std::ops::Range;

/// Terms of a block.
pub(super) const TERMS_OF_BLOCK: usize = 16;
/// Lists of at most so many bytes stand in the dictionary.
pub(super) const INLINE_BYTES: usize = 16;
/// Lengths from here on do not fit into half a byte.
const ESCAPE: u8 = 15;

/// What the dictionary says of one term.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    /// Records that have the term.
    pub(super) df: u32,
    /// Its list of postings.
    pub(super) list: &'a [u8],
    /// Its positions, in the section of positions.
    pub(super) positions: Range<usize>,
}

/// The first eight bytes of a term as a number that sorts like them.
fn key_of(term: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = term.len().min(8);
    bytes[..len].copy_from_slice(&term[..len]);
    bytes.iter().fold(0, |key, byte| key << 8 | u64::from(*byte))
}

/// Writes the dictionary.
#[derive(Default)]
pub(super) struct DictionaryWriter {
    keys: Vec<u64>,
    ends: Vec<u32>,
    blocks: ByteWriter,
    terms: u32,
    names: ByteWriter,
    infos: ByteWriter,
    bases: (u64, u64),
    last: Vec<u8>,
}

impl DictionaryWriter {
    /// Begins a term, which is larger than all before. `bases` are the ends of postings and positions so far.
    pub(super) fn term(&mut self, term: &[u8], bases: (u64, u64)) -> Result<()> {
        let first = (self.terms as usize).is_multiple_of(TERMS_OF_BLOCK);
        if first {
            self.end_block()?;
            self.keys.push(key_of(term));
            self.bases = bases;
            self.last.clear();
        }
        let shared = self.last.iter().zip(term).take_while(|(a, b)| a == b).count();
        self.lengths(shared, term.len() - shared);
        self.names.bytes(&term[shared..]);
        self.last.truncate(shared);
        self.last.extend_from_slice(&term[shared..]);
        self.terms += 1;
        Ok(())
    }

    fn lengths(&mut self, shared: usize, rest: usize) {
        let half = |len: usize| len.min(ESCAPE as usize) as u8;
        self.names.u8(half(shared) << 4 | half(rest));
        for len in [shared, rest].into_iter().filter(|len| *len >= ESCAPE as usize) {
            self.names.varint(len as u64 - u64::from(ESCAPE));
        }
    }

    /// What the term begun last has.
    pub(super) fn info(&mut self, df: u32, list: &[u8], positions_bytes: Option<usize>) {
        self.infos.varint(u64::from(df));
        self.infos.varint(list.len() as u64);
        if list.len() <= INLINE_BYTES {
            self.infos.bytes(list);
        }
        if let Some(bytes) = positions_bytes {
            self.infos.varint(bytes as u64);
        }
    }

    fn end_block(&mut self) -> Result<()> {
        if self.terms == 0 {
            return Ok(());
        }
        let names = std::mem::take(&mut self.names).finish();
        self.blocks.prefixed(&names);
        self.blocks.varint(self.bases.0);
        self.blocks.varint(self.bases.1);
        self.blocks.bytes(&std::mem::take(&mut self.infos).finish());
        let end = u32::try_from(self.blocks.len()).map_err(|_| Error::TooLarge {
            what: "the dictionary of a text field".into(),
            found: self.blocks.len() as u64,
            limit: u64::from(u32::MAX),
        })?;
        self.ends.push(end);
        Ok(())
    }

    /// Number of terms; keys and places; the blocks.
    pub(super) fn finish(mut self) -> Result<(u32, Vec<u8>, Vec<u8>)> {
        self.end_block()?;
        let mut index = ByteWriter::new();
        self.keys.iter().for_each(|key| index.u64(*key));
        index.u32(0);
        self.ends.iter().for_each(|end| index.u32(*end));
        Ok((self.terms, index.finish(), self.blocks.finish()))
    }
}

/// The terms of one block, read in order.
pub(super) struct Block<'a> {
    names: ByteReader<'a>,
    infos: ByteReader<'a>,
    view: &'a FieldView<'a>,
    left: usize,
    /// Postings and positions of the next term begin here.
    next: (usize, usize),
    /// Terms read whose entry was not.
    pending: usize,
}

impl<'a> Block<'a> {
    pub(super) fn open(view: &'a FieldView<'a>, block: usize) -> Result<Self> {
        let mut reader = ByteReader::new("text", view.dictionary_block(block)?);
        let names = ByteReader::new("text", reader.prefixed()?);
        let next = (reader.varint()? as usize, reader.varint()? as usize);
        let terms = view.header.terms as usize;
        let left = (terms - (block * TERMS_OF_BLOCK).min(terms)).min(TERMS_OF_BLOCK);
        Ok(Self { names, infos: reader, view, left, next, pending: 0 })
    }

    /// The next term: bytes shared with the one before, and the bytes that follow.
    pub(super) fn next_name(&mut self) -> Result<Option<(usize, &'a [u8])>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.pending += 1;
        let both = self.names.u8()?;
        let mut lens = [(both >> 4) as usize, (both & 15) as usize];
        for len in lens.iter_mut().filter(|len| **len == ESCAPE as usize) {
            *len += self.names.varint()?.min(u64::from(u16::MAX)) as usize;
        }
        Ok(Some((lens[0], self.names.bytes(lens[1])?)))
    }

    /// What there is of the term read last.
    pub(super) fn entry(&mut self) -> Result<Entry<'a>> {
        while self.pending > 1 {
            self.skip()?;
        }
        self.pending = 0;
        self.read()
    }

    fn skip(&mut self) -> Result<()> {
        self.pending -= 1;
        self.infos.varint()?;
        let bytes = self.infos.varint()? as usize;
        match bytes <= INLINE_BYTES {
            true => drop(self.infos.bytes(bytes)?),
            false => self.next.0 = self.next.0.saturating_add(bytes),
        }
        if self.view.header.positions {
            self.next.1 = self.next.1.saturating_add(self.infos.varint()? as usize);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Entry<'a>> {
        let df = self.infos.varint()?;
        let limit = u64::from(self.view.header.docs);
        if df == 0 || df > limit {
            return Err(self.infos.error(format!("a term in {df} of {limit} records")));
        }
        let bytes = self.infos.varint()? as usize;
        let list = match bytes <= INLINE_BYTES {
            true => self.infos.bytes(bytes)?,
            false => {
                let start = self.next.0;
                self.next.0 = start.saturating_add(bytes);
                self.view.postings_bytes(start..self.next.0)?
            }
        };
        let start = self.next.1;
        if self.view.header.positions {
            self.next.1 = start.saturating_add(self.infos.varint()? as usize);
        }
        Ok(Entry { df: df as u32, list, positions: start..self.next.1 })
    }
}

/// The entry of `term`.
pub(super) fn look_up<'a>(view: &'a FieldView<'a>, term: &[u8]) -> Result<Option<Entry<'a>>> {
    let Some(block) = block_of(view, term)? else { return Ok(None) };
    let mut block = Block::open(view, block)?;
    // Bytes of `term` that the last name, which is smaller, begins with.
    let mut matched = 0;
    while let Some((shared, rest)) = block.next_name()? {
        match shared.cmp(&matched) {
            Ordering::Greater => continue,
            Ordering::Less => return Ok(None),
            Ordering::Equal => {}
        }
        let wanted = &term[matched..];
        let same = wanted.iter().zip(rest).take_while(|(a, b)| a == b).count();
        matched += same;
        match (same == wanted.len(), same == rest.len()) {
            (true, true) => return block.entry().map(Some),
            (true, false) => return Ok(None),
            (false, true) => {}
            (false, false) if rest[same] > wanted[same] => return Ok(None),
            (false, false) => {}
        }
    }
    Ok(None)
}

/// The block that `term` is in if it is anywhere: the last whose first term is not larger.
fn block_of(view: &FieldView<'_>, term: &[u8]) -> Result<Option<usize>> {
    let keys = view.keys()?;
    let key = key_of(term);
    let at = |place: &[u8; 8]| u64::from_le_bytes(*place);
    let low = keys.partition_point(|place| at(place) < key);
    let (mut low, mut high) = (low, low + keys[low..].partition_point(|place| at(place) <= key));
    // Blocks whose first terms have the same first bytes.
    while low < high {
        let middle = low.midpoint(high);
        let first = Block::open(view, middle)?.next_name()?.map_or(&[][..], |(_, name)| name);
        match first <= term {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low.checked_sub(1))
}

/// The terms from some term on, in order.
pub(super) struct Terms<'a> {
    view: &'a FieldView<'a>,
    index: usize,
    block: Option<Block<'a>>,
    term: Vec<u8>,
}

impl<'a> Terms<'a> {
    /// Before the first term that is not smaller than `from`.
    pub(super) fn from(view: &'a FieldView<'a>, from: &[u8]) -> Result<Self> {
        let index = block_of(view, from)?.unwrap_or(0);
        Ok(Self { view, index, block: None, term: Vec::new() })
    }

    /// Goes on to the block where terms not smaller than `from` may be. Those before may follow still.
    pub(super) fn skip_to(&mut self, from: &[u8]) -> Result<()> {
        let index = block_of(self.view, from)?.unwrap_or(0);
        if index >= self.index && (self.block.is_none() || index > self.index - 1) {
            (self.index, self.block) = (index, None);
        }
        Ok(())
    }

    /// The next term, and the number of bytes that it has in common with the last. Smaller ones than asked for may be
    /// among the first.
    pub(super) fn next(&mut self) -> Result<Option<(usize, &[u8])>> {
        loop {
            if self.block.is_none() {
                if self.index >= self.view.header.blocks() {
                    return Ok(None);
                }
                self.block = Some(Block::open(self.view, self.index)?);
                self.index += 1;
            }
            let name = match &mut self.block {
                Some(block) => block.next_name()?,
                None => None,
            };
            let Some((shared, rest)) = name else {
                self.block = None;
                continue;
            };
            if shared > self.term.len() {
                return Err(Error::corrupt("text", 0, "a term shares more bytes than there are"));
            }
            self.term.truncate(shared);
            self.term.extend_from_slice(rest);
            return Ok(Some((shared, &self.term)));
        }
    }

    /// What there is of the term read last.
    pub(super) fn entry(&mut self) -> Result<Entry<'a>> {
        match &mut self.block {
            Some(block) => block.entry(),
            None => Err(Error::corrupt("text", 0, "no term was read")),
        }
    }
}
