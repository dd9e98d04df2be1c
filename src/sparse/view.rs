//! [`SparseView`]: the sealed index of one sparse field of one segment, read in place.

use super::layout::ENTRY_BYTES;
use super::layout::Entry;
use super::layout::HEADER_BYTES;
use super::layout::Header;
use super::layout::PART;
use super::layout::most_of;
use super::row::Row;
use crate::codec::Bytes;
use crate::error::Error;
use crate::error::Result;
use crate::text::TermCursor;

/// The index of one field of one segment. Opening one reads its header and nothing else.
pub(crate) struct SparseView<'a> {
    bytes: &'a dyn Bytes,
    pub(super) header: Header,
}

impl<'a> SparseView<'a> {
    /// The index in `bytes`, over `len` slots.
    ///
    /// # Errors
    /// `Corrupt` where they are none.
    pub(crate) fn open(bytes: &'a dyn Bytes, len: u32) -> Result<Self> {
        let header = bytes.bytes(0..HEADER_BYTES.min(bytes.len()))?;
        let header = Header::read(header, bytes.len())?;
        match header.len == len {
            true => Ok(Self { bytes, header }),
            false => Err(Error::corrupt(PART, 4, format!("{} slots where there are {len}", header.len))),
        }
    }

    /// The entries of all terms.
    pub(super) fn entries(&self) -> Result<Entries<'a>> {
        let end = HEADER_BYTES + self.header.terms as usize * ENTRY_BYTES;
        Ok(Entries { entries: self.bytes.bytes(HEADER_BYTES..end)?.as_chunks().0 })
    }

    /// A cursor over the list of an entry.
    pub(super) fn cursor(&self, entries: &Entries<'a>, number: usize) -> Result<(Entry, TermCursor<'a>)> {
        let damaged = |problem: &str| Error::corrupt(PART, HEADER_BYTES as u64, problem);
        let entry = entries.get(number).ok_or_else(|| damaged("a term is missing"))?;
        let start =
            number.checked_sub(1).and_then(|before| entries.get(before)).map_or(0, |before| before.end);
        if start > entry.end || entry.end > self.header.list_bytes {
            return Err(damaged("a list lies outside"));
        }
        if entry.df == 0 || entry.df > self.header.len || !entry.largest.is_finite() || entry.largest <= 0.0 {
            return Err(damaged("a term without records, or with a weight that can't be"));
        }
        let base = HEADER_BYTES + self.header.terms as usize * ENTRY_BYTES;
        let list = self.bytes.bytes(base + start as usize..base + entry.end as usize)?;
        Ok((entry, TermCursor::over(list, entry.df, self.header.len)?))
    }

    /// Reads everything there is, and compares it with the rows, by slot.
    ///
    /// # Errors
    /// `Corrupt` where something is not as it was written.
    pub(crate) fn verify<'r>(&self, rows: impl Iterator<Item = Result<&'r [u8]>>) -> Result<()> {
        let problem = |problem: &str| Err(Error::corrupt(PART, 0, problem));
        let mut found = vec![Seen::default(); self.header.len as usize];
        let (entries, mut before, mut postings) = (self.entries()?, None, 0u64);
        for number in 0..self.header.terms as usize {
            let (entry, mut cursor) = self.cursor(&entries, number)?;
            if before.is_some_and(|before| before >= entry.term) {
                return problem("terms do not ascend");
            }
            (before, postings) = (Some(entry.term), postings + u64::from(entry.df));
            cursor.each(|slot, code| found[slot as usize].note(entry.term, most_of(code, entry.largest)))?;
        }
        if postings != self.header.postings {
            return problem("the number of postings is not that of the lists");
        }
        for (found, row) in found.iter().zip(rows) {
            let mut stored = Seen::default();
            if let Some(row) = Row::open(row?)? {
                row.entries().for_each(|(term, weight)| stored.note(term, f64::from(weight)));
            }
            // Sums in another order differ in their last bits.
            if (found.terms, found.mixed) != (stored.terms, stored.mixed)
                || found.weights < stored.weights * (1.0 - 1e-9)
            {
                return problem("terms of a record are not those of its row");
            }
        }
        Ok(())
    }
}

/// What was seen of a record: enough to tell two apart.
#[derive(Clone, Copy, Default)]
struct Seen {
    terms: u32,
    mixed: u64,
    weights: f64,
}

impl Seen {
    fn note(&mut self, term: u32, weight: f64) {
        self.terms += 1;
        // An odd factor, so that sums of terms are not those of others.
        self.mixed = self
            .mixed
            .wrapping_add((u64::from(term) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
        self.weights += weight;
    }
}

/// The entries of all terms, ascending.
pub(super) struct Entries<'a> {
    entries: &'a [[u8; ENTRY_BYTES]],
}

impl Entries<'_> {
    fn get(&self, number: usize) -> Option<Entry> {
        self.entries.get(number).map(Entry::read)
    }

    /// The number of a term among those from `from` on.
    pub(super) fn find(&self, term: u32, from: usize) -> Result<usize, usize> {
        let rest = self.entries.get(from..).unwrap_or_default();
        let found = rest.binary_search_by_key(&term, |entry| Entry::read(entry).term);
        found.map(|at| from + at).map_err(|at| from + at)
    }
}
