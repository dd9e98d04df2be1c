//! Terms that stand together in a record: in order and near each other, or anywhere.
//!
//! Each occurrence of the i-th term is moved back by i places; terms that follow each other then stand at the same place. A
//! match is a place where one of them stands, from which the others' next occurrences are at most `slop` away; it counts
//! `1 / (1 + how far the farthest is)`. With a slop of 2, two words may change places. A word that the phrase has twice has to
//! stand there twice.

use super::dictionary::Entry;
use super::pack::BLOCK;
use super::pack::few_bytes;
use super::pack::number_at;
use super::postings::TermCursor;
use super::view::FieldView;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;

/// How the terms have to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nearness {
    /// At most so far from their places.
    Slop(u32),
    /// Anywhere in the record.
    Anywhere,
}

/// A cursor over the records that have all terms.
pub(super) struct PhraseCursor<'a> {
    /// The rarest first.
    terms: Vec<PhraseTerm<'a>>,
    nearness: Nearness,
}

struct PhraseTerm<'a> {
    cursor: TermCursor<'a>,
    positions: &'a [u8],
    /// The place among the terms of the first that is the same.
    first: usize,
    /// What is added to positions so that terms in order stand at the same place.
    shift: u32,
    places: Vec<u32>,
    next: usize,
}

impl<'a> PhraseCursor<'a> {
    /// A cursor over terms with their places in the phrase.
    pub(super) fn open(view: &FieldView<'a>, terms: &[(Entry<'a>, u32)], nearness: Nearness) -> Result<Self> {
        let last = terms.iter().map(|term| term.1).max().unwrap_or(0);
        let mut opened = Vec::with_capacity(terms.len());
        for (entry, place) in terms {
            let same = |other: &(Entry<'_>, u32)| std::ptr::eq(other.0.list, entry.list);
            let first = terms.iter().position(same).unwrap_or(0);
            let positions = match nearness {
                Nearness::Slop(_) => view.positions_bytes(entry.positions.clone())?,
                Nearness::Anywhere => &[],
            };
            let cursor = TermCursor::open(view, entry)?;
            opened.push(PhraseTerm {
                cursor,
                positions,
                first,
                shift: last - place,
                places: Vec::new(),
                next: 0,
            });
        }
        opened.sort_by_key(|term| term.cursor.df);
        Ok(Self { terms: opened, nearness })
    }

    /// The cursors of the terms.
    pub(super) fn cursors(&self) -> impl Iterator<Item = &TermCursor<'a>> {
        self.terms.iter().map(|term| &term.cursor)
    }

    /// The first record from `slot` on that has all terms, whatever their places.
    pub(super) fn seek(&mut self, mut slot: Slot) -> Result<Option<Slot>> {
        'again: loop {
            for term in &mut self.terms {
                match term.cursor.seek(slot)? {
                    None => return Ok(None),
                    Some(found) if found > slot => {
                        slot = found;
                        continue 'again;
                    }
                    Some(_) => {}
                }
            }
            return Ok(Some(slot));
        }
    }

    /// How often the terms stand together in the record found last; 0 where they do not.
    pub(super) fn frequency(&mut self) -> Result<f32> {
        let Nearness::Slop(slop) = self.nearness else {
            let mut least = u32::MAX;
            for term in &mut self.terms {
                least = least.min(term.cursor.tf()?);
            }
            return Ok(least as f32);
        };
        for term in &mut self.terms {
            term.read()?;
        }
        Ok(together(&mut self.terms, slop))
    }
}

/// The sum over all matches.
fn together(terms: &mut [PhraseTerm<'_>], slop: u32) -> f32 {
    let mut sum = 0.0;
    loop {
        let (mut low, mut high) = (u32::MAX, 0);
        for term in terms.iter() {
            let Some(place) = term.places.get(term.next) else { return sum };
            (low, high) = (low.min(*place), high.max(*place));
        }
        if high - low <= slop && !stand_twice(terms) {
            sum += 1.0 / (1.0 + (high - low) as f32);
        }
        for term in terms.iter_mut() {
            term.next += usize::from(term.places[term.next] == low);
        }
    }
}

/// Whether one occurrence stands for two words of the phrase that are the same.
fn stand_twice(terms: &[PhraseTerm<'_>]) -> bool {
    let position = |term: &PhraseTerm<'_>| term.places[term.next].wrapping_sub(term.shift);
    (1..terms.len()).any(|at| {
        let (before, term) = (&terms[..at], &terms[at]);
        before.iter().any(|other| other.first == term.first && position(other) == position(term))
    })
}

impl PhraseTerm<'_> {
    /// Reads the places of the term in its cursor's record.
    fn read(&mut self) -> Result<()> {
        let blocks = self.cursor.blocks;
        let (block, tfs) = self.cursor.here()?;
        let (last, before) = tfs.split_last().ok_or_else(damaged)?;
        let count = *last as usize;
        let start: usize = before.iter().map(|tf| *tf as usize).sum();
        let (width, packed) = block_of(self.positions, blocks, block)?;
        if packed.len() < few_bytes(start.saturating_add(count), width) || (width == 0 && count > 1) {
            return Err(damaged());
        }
        self.places.clear();
        self.next = 0;
        let mut position = self.shift;
        for at in start..start + count {
            position = position.saturating_add(number_at(packed, width, at));
            self.places.push(position);
        }
        Ok(())
    }
}

/// Bits of a position, and the positions of one block.
fn block_of(positions: &[u8], blocks: usize, block: usize) -> Result<(u8, &[u8])> {
    let ends = if blocks > 1 { blocks * 4 } else { 0 };
    let (ends, data) = positions.split_at_checked(ends).ok_or_else(damaged)?;
    let ends = ends.as_chunks::<4>().0;
    let end = |block: usize| ends.get(block).map(|end| u32::from_le_bytes(*end) as usize);
    let start = block.checked_sub(1).map_or(Some(0), end).ok_or_else(damaged)?;
    let data = data.get(start..end(block).unwrap_or(data.len())).ok_or_else(damaged)?;
    match data.split_first() {
        Some((width, packed)) if *width <= 32 => Ok((*width, packed)),
        _ => Err(damaged()),
    }
}

/// Calls `each` with slot, occurrences and positions of every posting of a term.
pub(super) fn each_with_positions(
    view: &FieldView<'_>,
    entry: &Entry<'_>,
    mut each: impl FnMut(Slot, &[u32]),
) -> Result<()> {
    let positions = view.positions_bytes(entry.positions.clone())?;
    let mut cursor = TermCursor::open(view, entry)?;
    let mut places = Vec::new();
    for block in 0..cursor.blocks {
        let (width, packed) = block_of(positions, cursor.blocks, block)?;
        let (slots, tfs) = cursor.part(block, 0, Slot::MAX)?;
        debug_assert!(slots.len() <= BLOCK);
        let mut start = 0usize;
        for (slot, tf) in slots.iter().zip(tfs) {
            let end = start.saturating_add(*tf as usize);
            if packed.len() < few_bytes(end, width) || (width == 0 && *tf > 1) {
                return Err(damaged());
            }
            places.clear();
            let mut position = 0u32;
            for at in start..end {
                position = position.saturating_add(number_at(packed, width, at));
                places.push(position);
            }
            each(*slot, &places);
            start = end;
        }
    }
    Ok(())
}

#[cold]
fn damaged() -> Error {
    Error::corrupt("text", 0, "the positions of a term are not those of its postings")
}
