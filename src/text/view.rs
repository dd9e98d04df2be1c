//! [`FieldView`]: the sealed index of one text field of one segment, read in place.

use super::dictionary::Entry;
use super::dictionary::Terms;
use super::dictionary::look_up;
use super::layout::HEADER_BYTES;
use super::layout::Header;
use super::layout::Lens;
use super::layout::Sections;
use super::phrase::each_with_positions;
use super::postings::TermCursor;
use crate::codec::Bytes;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;
use std::ops::Range;

/// The index of one field of one segment. Opening one reads its header and nothing else.
pub(crate) struct FieldView<'a> {
    bytes: &'a dyn Bytes,
    pub(super) header: Header,
    sections: Sections,
}

/// How much text there is: what scores depend on besides the terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Records that have at least one term.
    pub(crate) docs: u64,
    /// Terms of all records.
    pub(crate) tokens: u64,
}

impl Totals {
    /// Both together.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { docs: self.docs + other.docs, tokens: self.tokens + other.tokens }
    }
}

impl<'a> FieldView<'a> {
    /// The index in `bytes`.
    ///
    /// # Errors
    /// `Corrupt` where they are none.
    pub(crate) fn open(bytes: &'a dyn Bytes) -> Result<Self> {
        let header = Header::read(bytes.bytes(0..HEADER_BYTES.min(bytes.len()))?)?;
        let sections = header.sections(bytes.len())?;
        Ok(Self { bytes, header, sections })
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> u32 {
        self.header.len
    }

    /// True where phrases can be looked for.
    pub(crate) fn has_positions(&self) -> bool {
        self.header.positions
    }

    /// How much text there is without that of the `dead` slots. It costs a step for each of these.
    pub(crate) fn totals(&self, dead: Option<&SlotSet>) -> Result<Totals> {
        let mut totals = Totals { docs: u64::from(self.header.docs), tokens: self.header.tokens };
        let Some(dead) = dead.filter(|dead| !dead.is_empty()) else { return Ok(totals) };
        let lens = self.lens()?;
        for slot in dead.iter() {
            let len = u64::from(lens.at(slot));
            totals.docs = totals.docs.saturating_sub(u64::from(len > 0));
            totals.tokens = totals.tokens.saturating_sub(len);
        }
        Ok(totals)
    }

    /// Number of records without the `dead` that have `term`.
    pub(super) fn live_df(&self, entry: &Entry<'_>, dead: Option<&SlotSet>) -> Result<u64> {
        let df = u64::from(entry.df);
        let Some(dead) = dead.filter(|dead| !dead.is_empty()) else { return Ok(df) };
        let mut cursor = TermCursor::open(self, entry)?;
        Ok(df - cursor.count_in(dead)?)
    }

    /// Reads everything there is, and compares the parts with each other.
    ///
    /// # Errors
    /// `Corrupt` where something is not as it was written.
    pub(crate) fn verify(&self) -> Result<()> {
        let problem = |problem: &str| Err(Error::corrupt("text", 0, problem));
        let mut found = vec![0u64; self.len() as usize];
        let mut terms = Terms::from(self, b"")?;
        let (mut count, mut last) = (0, Vec::new());
        while let Some((_, term)) = terms.next()? {
            if count > 0 && term <= last.as_slice() {
                return problem("terms do not ascend");
            }
            (count, last) = (count + 1, term.to_vec());
            let entry = terms.entry()?;
            let mut note = |slot: Slot, tf: u32| found[slot as usize] += u64::from(tf);
            match self.header.positions {
                true => each_with_positions(self, &entry, |slot, places| note(slot, places.len() as u32))?,
                false => TermCursor::open(self, &entry)?.each(note)?,
            }
        }
        let lens = self.lens()?;
        if count != self.header.terms
            || (0..).zip(&found).any(|(slot, found)| *found != u64::from(lens.at(slot)))
        {
            return problem("lengths of records are not those of their terms");
        }
        let docs = found.iter().filter(|len| **len > 0).count() as u64;
        if docs != u64::from(self.header.docs) || found.iter().sum::<u64>() != self.header.tokens {
            return problem("counts of records and terms are not those of the lists");
        }
        Ok(())
    }

    /// The entry of `term`.
    pub(super) fn entry(&'a self, term: &[u8]) -> Result<Option<Entry<'a>>> {
        look_up(self, term)
    }

    /// The records' lengths.
    pub(super) fn lens(&self) -> Result<Lens<'a>> {
        Ok(Lens::new(self.bytes.bytes(self.sections.lens.clone())?, self.header.len_bytes))
    }

    pub(super) fn keys(&self) -> Result<&'a [[u8; 8]]> {
        Ok(self.bytes.bytes(self.sections.keys.clone())?.as_chunks().0)
    }

    pub(super) fn dictionary_block(&self, block: usize) -> Result<&'a [u8]> {
        let at = self.sections.places.start + block * 4;
        let places = self.bytes.bytes(at..at + 8)?.as_chunks::<4>().0;
        let place = |at: usize| places.get(at).map_or(0, |place| u32::from_le_bytes(*place) as usize);
        self.within(&self.sections.dictionary, place(0)..place(1))
    }

    pub(super) fn postings_bytes(&self, range: Range<usize>) -> Result<&'a [u8]> {
        self.within(&self.sections.postings, range)
    }

    pub(super) fn positions_bytes(&self, range: Range<usize>) -> Result<&'a [u8]> {
        self.within(&self.sections.positions, range)
    }

    fn within(&self, section: &Range<usize>, range: Range<usize>) -> Result<&'a [u8]> {
        if range.start > range.end || range.end > section.len() {
            let problem = format!("bytes {} to {} of {}", range.start, range.end, section.len());
            return Err(Error::corrupt("text", section.start as u64, problem));
        }
        self.bytes.bytes(section.start + range.start..section.start + range.end)
    }
}
