//! Finds the records of one segment with the largest dot products.
//!
//! Slots are looked at in windows of 4096. In each, the codes of some terms are added up (of the *essential* ones: those
//! without which the others' bounds together reach what is asked for), which bounds what a record scores; what else the query
//! has is looked up for those alone that may be among the best (MaxScore: Turtle and Flood 1995; with bounds by block:
//! Chakrabarti and others 2011). The records whose bound is high enough in the end are scored exactly, by their rows, the
//! highest bound first, so that few are. Where very few pass a filter, or a segment has no index, rows are scored and no list is
//! read.

use super::layout::Entry;
use super::layout::MOST_CODE;
use super::layout::most_of;
use super::row::Row;
use super::sums::Sums;
use super::sums::WINDOW;
use super::vector::SparseVector;
use super::view::SparseView;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;
use crate::text::TermCursor;
use std::cmp::Reverse;

/// Slots of the first window.
const FIRST_WINDOW: u32 = 512;
/// What all terms together may score at most, in units.
const MOST_UNITS: f64 = (1u32 << 30) as f64;
/// Looking a record up in a list costs about as much as reading so many postings.
const LOOKUP_COST: u64 = 12;
/// So few postings in a window are read without further thought.
const FEW_POSTINGS: u64 = 128;

/// Kinds of terms.
const BITS: usize = 1024;

/// A vector to search for.
#[derive(Debug, Clone)]
pub(crate) struct SparseQuery {
    /// By ascending term.
    entries: Vec<(u32, f32)>,
    /// A bit for each of [`BITS`] kinds of terms: most terms of a record are told not to be in the query by it.
    kinds: [u64; BITS / 64],
}

/// Working memory of searches.
#[derive(Default)]
pub(crate) struct Scratch {
    sums: Sums,
    candidates: Vec<Candidate>,
}

/// A record that may be among those looked for.
#[derive(Clone, Copy)]
struct Candidate {
    slot: Slot,
    /// The codes that are added up so far.
    units: u32,
}

/// The slots that may be found.
#[derive(Clone, Copy, Default)]
pub(crate) struct Allowed<'s> {
    /// `None` for all that are not dead.
    pub(crate) filter: Option<&'s SlotSet>,
    pub(crate) dead: Option<&'s SlotSet>,
}

impl Allowed<'_> {
    #[inline]
    pub(super) fn contains(self, slot: Slot) -> bool {
        self.filter.is_none_or(|filter| filter.contains(slot))
            && !self.dead.is_some_and(|dead| dead.contains(slot))
    }
}

/// What a query is asked of: a segment's index, its rows, and the slots that count.
pub(crate) struct Searched<'s, 'a, R> {
    /// The index; `None` to score all rows.
    pub(crate) view: Option<&'s SparseView<'a>>,
    /// Number of slots.
    pub(crate) len: u32,
    /// Gives the row of a slot.
    pub(crate) rows: R,
    /// The slots.
    pub(crate) allowed: Allowed<'s>,
}

impl SparseQuery {
    /// The query for a vector, compared with those called `name`.
    ///
    /// # Errors
    /// `InvalidVector` as for a vector to be stored.
    pub(crate) fn new(name: &str, vector: &SparseVector) -> Result<Self> {
        let (entries, mut kinds) = (vector.sorted(name)?, [0; BITS / 64]);
        entries.iter().map(|(term, _)| kind_of(*term)).for_each(|kind| kinds[kind / 64] |= 1 << (kind % 64));
        Ok(Self { entries, kinds })
    }

    /// The dot product with the vector in a row; `None` where they have no term in common.
    pub(crate) fn score(&self, row: &[u8]) -> Result<Option<f32>> {
        let weight_of = |term: u32| {
            let kind = kind_of(term);
            if self.kinds[kind / 64] >> (kind % 64) & 1 == 0 {
                return None;
            }
            let place = self.entries.binary_search_by_key(&term, |(term, _)| *term).ok()?;
            Some(self.entries[place].1)
        };
        Row::open(row)?.map_or(Ok(None), |row| row.dot(weight_of))
    }

    /// Calls `offer` with score and slot of every record that may be among the best: of each that scores at least
    /// `threshold`, which `offer` gives anew each time, but of none without a term of the query. Gives the number of rows scored.
    pub(crate) fn search<'r, R: Fn(Slot) -> Result<&'r [u8]>>(
        &self,
        searched: &Searched<'_, '_, R>,
        threshold: f32,
        scratch: &mut Scratch,
        offer: &mut dyn FnMut(f32, Slot) -> f32,
    ) -> Result<usize> {
        if searched.allowed.filter.is_some_and(SlotSet::is_empty) {
            return Ok(0);
        }
        let mut run =
            Run { query: self, searched, scratch, offer, unit: 0.0, threshold, limit: 0, scored: 0 };
        let Some(view) = searched.view else {
            run.over_slots(0..searched.len)?;
            return Ok(run.scored);
        };
        let (mut leaves, unit) = self.leaves(view)?;
        run.unit = unit;
        run.raise(threshold);
        match searched.allowed.filter {
            _ if leaves.is_empty() => {}
            Some(filter) if is_thin(filter, &leaves, view) => run.over_slots(filter.iter())?,
            _ => run.over_lists(&mut leaves)?,
        }
        Ok(run.scored)
    }

    /// The lists of the query's terms, and how many units a score of 1 is.
    fn leaves<'a>(&self, view: &SparseView<'a>) -> Result<(Vec<Leaf<'a>>, f64)> {
        let entries = view.entries()?;
        let (mut found, mut from, mut most) = (Vec::with_capacity(self.entries.len()), 0, 0.0);
        for (term, weight) in &self.entries {
            match entries.find(*term, from) {
                Ok(number) => {
                    let (entry, cursor) = view.cursor(&entries, number)?;
                    most += f64::from(*weight) * f64::from(entry.largest);
                    found.push((*weight, entry, cursor));
                    from = number + 1;
                }
                Err(number) => from = number,
            }
        }
        let unit = MOST_UNITS / most;
        let leaf = |(weight, entry, cursor)| Leaf::new(weight, entry, cursor, unit);
        Ok((found.into_iter().map(leaf).collect(), unit))
    }
}

/// The kind of a term: neighbors are of different ones.
#[inline]
fn kind_of(term: u32) -> usize {
    term.wrapping_mul(0x9e37_79b1) as usize >> 16 & (BITS - 1)
}

/// Whether scoring the rows of a filter's slots costs less than reading the lists.
fn is_thin(filter: &SlotSet, leaves: &[Leaf<'_>], view: &SparseView<'_>) -> bool {
    let postings: u64 = leaves.iter().map(|leaf| u64::from(leaf.cursor.df)).sum();
    let of_row = view.header.postings / u64::from(view.header.len.max(1)) + LOOKUP_COST;
    (filter.len() as u64).saturating_mul(of_row) < postings
}

/// The list of one term, and what the query makes of it.
struct Leaf<'a> {
    cursor: Box<TermCursor<'a>>,
    /// Units that a code counts.
    factor: u32,
    /// The first block that may have slots not looked at yet.
    block: usize,
    /// A bound for the records of the present window.
    bound: u32,
}

impl<'a> Leaf<'a> {
    fn new(weight: f32, entry: Entry, cursor: TermCursor<'a>, unit: f64) -> Self {
        // A little more, for what is lost by rounding.
        let units = f64::from(weight) * most_of(1, entry.largest) * unit * (1.0 + 1e-9);
        Self { cursor: Box::new(cursor), factor: units.ceil() as u32, block: 0, bound: 0 }
    }

    fn bound_of(&self, code: u32) -> u32 {
        // Codes of damaged lists may be too large.
        code.min(MOST_CODE) * self.factor
    }

    /// Goes on to the window of the slots from `base` to before `end`, and bounds what there is.
    fn enter(&mut self, base: Slot, end: Slot) -> Result<()> {
        self.block = self.cursor.block_from(self.block, base);
        let mut code = 0;
        if self.cursor.skip(0).is_none() {
            if self.block < self.cursor.blocks {
                code = self.cursor.part(0, base, end)?.1.iter().copied().max().unwrap_or(0);
            }
        } else {
            for block in self.blocks_before(end) {
                code = self.cursor.skip(block).map_or(code, |skip| code.max(u32::from(skip.impact)));
            }
        }
        self.bound = self.bound_of(code);
        Ok(())
    }

    /// The blocks of the window that ends before `end`.
    #[inline]
    fn blocks_before(&self, end: Slot) -> impl Iterator<Item = usize> + use<'_, 'a> {
        let follows = move |block: &usize| *block == 0 || self.cursor.last_of(block - 1) < end - 1;
        (self.block..self.cursor.blocks).take_while(follows)
    }

    /// Adds the codes of the window's records to `sums`.
    fn collect(&mut self, base: Slot, end: Slot, sums: &mut Sums) -> Result<()> {
        let blocks = self.block..self.block + self.blocks_before(end).count();
        for block in blocks {
            let (slots, codes) = self.cursor.part(block, base, end)?;
            sums.add(slots, codes, self.factor);
        }
        Ok(())
    }

    /// The units of one record; 0 where it does not have the term. Slots ascend.
    #[inline]
    fn probe(&mut self, slot: Slot) -> Result<u32> {
        match self.cursor.seek(slot)? {
            Some(found) if found == slot => Ok(self.cursor.tf()?.min(MOST_CODE) * self.factor),
            _ => Ok(0),
        }
    }
}

/// One query over one segment.
struct Run<'s, 'q, 'a, 'o, R> {
    query: &'q SparseQuery,
    searched: &'q Searched<'s, 'a, R>,
    scratch: &'q mut Scratch,
    offer: &'o mut dyn FnMut(f32, Slot) -> f32,
    unit: f64,
    threshold: f32,
    /// Records whose units are no more than this score less than the threshold.
    limit: u32,
    scored: usize,
}

impl<'r, R: Fn(Slot) -> Result<&'r [u8]>> Run<'_, '_, '_, '_, R> {
    fn raise(&mut self, threshold: f32) {
        self.threshold = threshold;
        let units = (f64::from(threshold.max(0.0)) * self.unit * 0.999_999).floor() as u32;
        self.limit = units.saturating_sub(1);
    }

    /// Scores a record by its row.
    #[inline]
    fn score(&mut self, slot: Slot) -> Result<()> {
        self.scored += 1;
        let score = self.query.score((self.searched.rows)(slot)?)?;
        if let Some(score) = score.filter(|score| *score >= self.threshold) {
            let threshold = (self.offer)(score, slot);
            self.raise(threshold);
        }
        Ok(())
    }

    /// Scores those of the slots that pass, by their rows.
    fn over_slots(&mut self, mut slots: impl Iterator<Item = Slot>) -> Result<()> {
        let allowed = self.searched.allowed;
        slots.try_for_each(|slot| if allowed.contains(slot) { self.score(slot) } else { Ok(()) })
    }

    /// Window after window; the first ones are narrow, so that there is something to compare with soon.
    fn over_lists(&mut self, leaves: &mut [Leaf<'_>]) -> Result<()> {
        let (mut base, len) = (0, self.searched.len);
        while base < len {
            let width = if base < WINDOW as u32 { base.max(FIRST_WINDOW) } else { WINDOW as u32 };
            let end = base.saturating_add(width).min(len);
            self.window(leaves, base, end)?;
            base = end;
        }
        Ok(())
    }

    fn window(&mut self, leaves: &mut [Leaf<'_>], base: Slot, end: Slot) -> Result<()> {
        leaves.iter_mut().try_for_each(|leaf| leaf.enter(base, end))?;
        leaves.sort_unstable_by_key(|leaf| leaf.bound);
        let Some((optional, mut rest)) = self.optional(leaves, base, end) else { return Ok(()) };
        let (optional, essential) = leaves.split_at_mut(optional);
        let Scratch { sums, candidates } = &mut *self.scratch;
        sums.clear();
        essential.iter_mut().try_for_each(|leaf| leaf.collect(base, end, sums))?;
        candidates.clear();
        let (allowed, limit) = (self.searched.allowed, self.limit);
        sums.each_above(base, limit - rest, |slot, units| {
            if allowed.contains(slot) {
                candidates.push(Candidate { slot, units });
            }
        });
        for leaf in optional.iter_mut().rev() {
            rest -= leaf.bound;
            refine(candidates, leaf, rest, limit)?;
        }
        self.finish()
    }

    /// How many leaves, from the first on, a record can't be among the best by alone, and the sum of their bounds; `None`
    /// where it can't by all of them.
    fn optional(&self, leaves: &[Leaf<'_>], base: Slot, end: Slot) -> Option<(usize, u32)> {
        let (mut optional, mut rest) = (0, 0);
        while let Some(leaf) = leaves.get(optional).filter(|leaf| rest + leaf.bound <= self.limit) {
            rest += leaf.bound;
            optional += 1;
        }
        if optional == leaves.len() {
            return None;
        }
        let few = |leaf: &Leaf<'_>| {
            let window = u64::from(end - base);
            u64::from(leaf.cursor.df) * window < FEW_POSTINGS * u64::from(self.searched.len)
        };
        while optional > 0 && (rest > self.limit / 2 || few(&leaves[optional - 1])) {
            optional -= 1;
            rest -= leaves[optional].bound;
        }
        Some((optional, rest))
    }

    /// Scores the candidates, the best first, as long as they may be among the best of all.
    fn finish(&mut self) -> Result<()> {
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        candidates.sort_unstable_by_key(|candidate| (Reverse(candidate.units), candidate.slot));
        let scored = candidates.iter().try_for_each(|candidate| match candidate.units > self.limit {
            true => self.score(candidate.slot),
            false => Ok(()),
        });
        self.scratch.candidates = candidates;
        scored
    }
}

/// Adds what a leaf has for the candidates, and drops those that can't have more than `limit` with it and `rest`.
fn refine(candidates: &mut Vec<Candidate>, leaf: &mut Leaf<'_>, rest: u32, limit: u32) -> Result<()> {
    let mut kept = 0;
    for at in 0..candidates.len() {
        let mut candidate = candidates[at];
        if candidate.units.saturating_add(leaf.bound + rest) > limit {
            candidate.units = candidate.units.saturating_add(leaf.probe(candidate.slot)?);
            candidates[kept] = candidate;
            kept += usize::from(candidate.units.saturating_add(rest) > limit);
        }
    }
    candidates.truncate(kept);
    Ok(())
}
