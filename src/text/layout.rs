//! The sections of a field's index, and the lengths of its records.

use super::dictionary::TERMS_OF_BLOCK;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use std::ops::Range;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 64;
const FORM: u8 = 1;
const HAS_POSITIONS: u8 = 1;

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// True where positions are kept.
    pub(super) positions: bool,
    /// Bytes of one record's length: 1, 2 or 4.
    pub(super) len_bytes: u8,
    /// Slots.
    pub(super) len: u32,
    /// Slots with at least one term.
    pub(super) docs: u32,
    /// The largest length of a record.
    pub(super) max_len: u32,
    /// Different terms.
    pub(super) terms: u32,
    /// Lengths of all records together.
    pub(super) tokens: u64,
    /// Bytes of the dictionary's blocks.
    pub(super) dictionary_bytes: u64,
    /// Bytes of the postings.
    pub(super) postings_bytes: u64,
    /// Bytes of the positions.
    pub(super) positions_bytes: u64,
}

/// Where each section lies.
#[derive(Debug, Clone)]
pub(super) struct Sections {
    pub(super) lens: Range<usize>,
    pub(super) keys: Range<usize>,
    pub(super) places: Range<usize>,
    pub(super) dictionary: Range<usize>,
    pub(super) postings: Range<usize>,
    pub(super) positions: Range<usize>,
}

impl Header {
    pub(super) fn write(&self, out: &mut ByteWriter) {
        out.u8(FORM);
        out.u8(if self.positions { HAS_POSITIONS } else { 0 });
        out.u8(self.len_bytes);
        out.u8(0);
        [self.len, self.docs, self.max_len, self.terms, 0].into_iter().for_each(|value| out.u32(value));
        [self.tokens, self.dictionary_bytes, self.postings_bytes, self.positions_bytes, 0]
            .into_iter()
            .for_each(|value| out.u64(value));
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new("text", bytes);
        let (form, flags, len_bytes, zero) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        if form != FORM || flags > HAS_POSITIONS || !matches!(len_bytes, 1 | 2 | 4) || zero != 0 {
            return Err(reader.error("no header of a keyword index"));
        }
        let (len, docs, max_len, terms) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        reader.u32()?;
        let header = Self {
            positions: flags == HAS_POSITIONS,
            len_bytes,
            len,
            docs,
            max_len,
            terms,
            tokens: reader.u64()?,
            dictionary_bytes: reader.u64()?,
            postings_bytes: reader.u64()?,
            positions_bytes: reader.u64()?,
        };
        let most = u64::from(docs).saturating_mul(u64::from(max_len));
        if docs > len || header.tokens > most || header.tokens < u64::from(docs) {
            return Err(reader.error("its counts contradict each other"));
        }
        Ok(header)
    }

    /// Blocks of the dictionary.
    pub(super) fn blocks(&self) -> usize {
        (self.terms as usize).div_ceil(TERMS_OF_BLOCK)
    }

    /// Where the sections of `bytes` bytes lie; they fill them exactly.
    pub(super) fn sections(&self, bytes: usize) -> Result<Sections> {
        let mut end = HEADER_BYTES as u64;
        let mut next = |len: u64| {
            let start = end;
            end = end.checked_add(len).filter(|end| *end <= bytes as u64).ok_or_else(|| {
                Error::corrupt("text", start, format!("a section of {len} bytes where {bytes} end"))
            })?;
            Ok::<_, Error>(start as usize..end as usize)
        };
        let blocks = self.blocks() as u64;
        let sections = Sections {
            lens: next(u64::from(self.len) * u64::from(self.len_bytes))?,
            keys: next(blocks * 8)?,
            places: next((blocks + 1) * 4)?,
            dictionary: next(self.dictionary_bytes)?,
            postings: next(self.postings_bytes)?,
            positions: next(self.positions_bytes)?,
        };
        if sections.positions.end != bytes {
            return Err(Error::corrupt("text", end, "bytes behind the last section"));
        }
        Ok(sections)
    }
}

/// Bytes that lengths up to `max` take.
pub(super) fn len_bytes(max: u32) -> u8 {
    match max {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

/// The lengths of records in terms, by slot.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lens<'a> {
    U8(&'a [u8]),
    U16(&'a [[u8; 2]]),
    U32(&'a [[u8; 4]]),
}

impl<'a> Lens<'a> {
    pub(super) fn new(bytes: &'a [u8], width: u8) -> Self {
        match width {
            1 => Self::U8(bytes),
            2 => Self::U16(bytes.as_chunks().0),
            _ => Self::U32(bytes.as_chunks().0),
        }
    }

    /// The length of the record in `slot`; 0 where there is none.
    #[inline]
    pub(super) fn at(self, slot: Slot) -> u32 {
        let at = slot as usize;
        match self {
            Self::U8(lens) => lens.get(at).map_or(0, |len| u32::from(*len)),
            Self::U16(lens) => lens.get(at).map_or(0, |len| u32::from(u16::from_le_bytes(*len))),
            Self::U32(lens) => lens.get(at).map_or(0, |len| u32::from_le_bytes(*len)),
        }
    }

    /// The lengths of the records in `slots`.
    #[inline]
    pub(super) fn gather(self, slots: &[Slot], out: &mut [f32]) {
        let pairs = slots.iter().zip(out);
        match self {
            Self::U8(lens) => {
                pairs.for_each(|(slot, out)| {
                    *out = lens.get(*slot as usize).map_or(0.0, |len| f32::from(*len));
                });
            }
            Self::U16(lens) => pairs.for_each(|(slot, out)| {
                *out = lens.get(*slot as usize).map_or(0.0, |len| f32::from(u16::from_le_bytes(*len)));
            }),
            Self::U32(_) => pairs.for_each(|(slot, out)| *out = self.at(*slot) as f32),
        }
    }
}
