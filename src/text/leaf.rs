//! One term or phrase of a query in one field of one segment: what it adds to which records.

use super::bm25::Bm25;
use super::bm25::Weight;
use super::layout::Lens;
use super::pack::BLOCK;
use super::phrase::PhraseCursor;
use super::postings::TermCursor;
use super::view::FieldView;
use crate::error::Result;
use crate::ids::Slot;
use std::cell::Cell;
use std::rc::Rc;

/// Slots that are looked at together.
pub(super) const WINDOW: usize = 4096;
/// Slots whose sums are looked at together.
const GROUP: usize = WINDOW / 64;
/// Sums that are compared together.
const FEW: usize = 8;
/// More postings than that in one part of a list lie close together.
const DENSE: usize = 24;
/// Units that rounding may take from a bound.
const ROUNDING: u32 = 8;

/// Sums of scores by slot in a window.
pub(super) struct Sums {
    sums: Box<[u32; WINDOW]>,
    /// Groups that have a sum.
    groups: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { sums: Box::new([0; WINDOW]), groups: 0 }
    }
}

impl Sums {
    /// Adds scores to the sums of slots, which ascend.
    #[inline]
    pub(super) fn add(&mut self, slots: &[Slot], scores: &[u32]) {
        let (Some(first), Some(last)) = (slots.first(), slots.last()) else { return };
        let group = |slot: Slot| slot as usize % WINDOW / GROUP;
        if slots.len() > DENSE {
            // All groups in between: telling them apart would cost more than looking at a few in vain.
            self.groups |= (u64::MAX >> (63 - group(*last))) & (u64::MAX << group(*first));
        } else {
            self.groups |= slots.iter().fold(0, |groups, slot| groups | 1 << group(*slot));
        }
        for (slot, score) in slots.iter().zip(scores) {
            self.sums[*slot as usize % WINDOW] += score;
        }
    }

    /// Calls `each` with the slots of the window around `base` whose sums are above `cut`, ascending. `each` gives a new,
    /// higher cut.
    #[inline(always)]
    pub(super) fn each_above(&self, base: Slot, mut cut: u32, mut each: impl FnMut(Slot, u32) -> u32) {
        let mut left = self.groups;
        while left != 0 {
            let group = left.trailing_zeros() as usize;
            left &= left - 1;
            let sums = &self.sums[group * GROUP..][..GROUP];
            let first = base - base % WINDOW as Slot + (group * GROUP) as Slot;
            for (start, few) in (first..).step_by(FEW).zip(sums.as_chunks::<FEW>().0) {
                // Sums are below 2^31; processors compare signed numbers best.
                let above = few.iter().fold(0, |above, sum| above | i32::from(*sum as i32 > cut as i32));
                if above == 0 {
                    continue;
                }
                for (slot, sum) in (start..).zip(few) {
                    if *sum > cut {
                        cut = each(slot, *sum);
                    }
                }
            }
        }
    }

    /// The sum of a slot of the window.
    #[inline]
    pub(super) fn at(&self, slot: Slot) -> u32 {
        self.sums[slot as usize % WINDOW]
    }

    /// Forgets all sums.
    pub(super) fn forget(&mut self) {
        self.sums.fill(0);
        self.groups = 0;
    }
}

/// What is added to the occurrences in the denominator of a score, for lengths of one byte.
pub(super) type Norms = [f32; 256];

/// Working memory for a block's scores.
pub(super) struct Buffers {
    norms: [f32; BLOCK],
    scores: [u32; BLOCK],
    slots: [Slot; BLOCK],
    tfs: [u32; BLOCK],
}

impl Buffers {
    /// Copies the postings whose slots have their bit set; gives their number.
    #[inline]
    fn keep(&mut self, slots: &[Slot], tfs: &[u32], bits: &[u64]) -> usize {
        let mut kept = 0;
        for (slot, tf) in slots.iter().zip(tfs) {
            self.slots[kept % BLOCK] = *slot;
            self.tfs[kept % BLOCK] = *tf;
            kept += bits.get(*slot as usize / 64).map_or(0, |word| (word >> (slot % 64) & 1) as usize);
        }
        kept
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self { norms: [0.0; BLOCK], scores: [0; BLOCK], slots: [0; BLOCK], tfs: [0; BLOCK] }
    }
}

enum Cursor<'a> {
    Term(Box<TermCursor<'a>>),
    Phrase(Box<PhraseCursor<'a>>),
}

/// See above.
pub(super) struct Leaf<'a> {
    cursor: Cursor<'a>,
    lens: Lens<'a>,
    weight: Weight,
    norms: Rc<Norms>,
    /// See [`super::bm25::Curve::factor_over`].
    factor: f32,
    /// The first block that may have slots not looked at yet.
    block: usize,
    /// A bound for all records.
    pub(super) most: u32,
    /// A bound for the records of the present window.
    pub(super) bound: u32,
    /// Postings to read at most.
    pub(super) cost: u64,
    /// The block of the bound asked for last, and that bound.
    block_bound: (usize, u32),
}

impl<'a> Leaf<'a> {
    pub(super) fn term(
        view: &FieldView<'a>,
        cursor: TermCursor<'a>,
        weight: Weight,
        norms: Rc<Norms>,
    ) -> Result<Self> {
        let cost = u64::from(cursor.df);
        let mut leaf = Self::new(view, Cursor::Term(Box::new(cursor)), weight, norms, cost)?;
        leaf.most = leaf.largest()?;
        Ok(leaf)
    }

    pub(super) fn phrase(
        view: &FieldView<'a>,
        phrase: PhraseCursor<'a>,
        weight: Weight,
        norms: Rc<Norms>,
    ) -> Result<Self> {
        let cost = phrase.cursors().map(|cursor| u64::from(cursor.df)).sum();
        Self::new(view, Cursor::Phrase(Box::new(phrase)), weight, norms, cost)
    }

    fn new(
        view: &FieldView<'a>,
        cursor: Cursor<'a>,
        weight: Weight,
        norms: Rc<Norms>,
        cost: u64,
    ) -> Result<Self> {
        let header = &view.header;
        let sealed = Bm25::default().curve(header.tokens as f32 / header.docs.max(1) as f32);
        let factor = weight.curve.factor_over(sealed, header.max_len);
        let most = weight.bound(1.0);
        let lens = view.lens()?;
        Ok(Self {
            cursor,
            lens,
            weight,
            norms,
            factor,
            block: 0,
            most,
            bound: most,
            cost,
            block_bound: (usize::MAX, 0),
        })
    }

    /// The largest score that the term may have.
    fn largest(&mut self) -> Result<u32> {
        let Cursor::Term(cursor) = &mut self.cursor else { return Ok(self.most) };
        if cursor.skip(0).is_some() {
            let impacts = (0..cursor.blocks).filter_map(|block| cursor.skip(block)).map(|skip| skip.impact);
            let largest = impacts.fold(0, u16::max);
            return Ok(self.bound_of(largest));
        }
        let (slots, tfs) = cursor.part(0, 0, Slot::MAX)?;
        let mut buffers = Buffers::default();
        score_all(self.lens, self.weight, &self.norms, slots, tfs, &mut buffers);
        Ok(buffers.scores[..slots.len()].iter().fold(0, |most, score| most.max(*score)))
    }

    #[inline]
    fn bound_of(&self, impact: u16) -> u32 {
        let share = f32::from(impact) / 65_535.0;
        let share = share / (share + self.factor * (1.0 - share));
        self.weight.bound(share).saturating_add(ROUNDING)
    }

    /// Goes on to the window of the slots from `base` to before `end`, and bounds what there is.
    pub(super) fn enter(&mut self, base: Slot, end: Slot) {
        let Cursor::Term(cursor) = &self.cursor else { return };
        self.block = cursor.block_from(self.block, base);
        if self.block >= cursor.blocks {
            self.bound = 0;
            return;
        }
        if cursor.skip(0).is_none() {
            self.bound = self.most;
            return;
        }
        let mut impact = 0;
        for block in self.block..cursor.blocks {
            if block > 0 && cursor.last_of(block - 1) >= end - 1 {
                break;
            }
            impact = cursor.skip(block).map_or(impact, |skip| skip.impact.max(impact));
        }
        self.bound = if impact == 0 { 0 } else { self.bound_of(impact) };
    }

    /// Adds the scores of the window's records to `sums`; of a term only those of slots whose bit is set, where there are bits.
    pub(super) fn collect(
        &mut self,
        base: Slot,
        end: Slot,
        bits: Option<&[u64]>,
        sums: &mut Sums,
        buffers: &mut Buffers,
    ) -> Result<()> {
        let Cursor::Term(cursor) = &mut self.cursor else {
            return self.each(base, end, &Cell::new(0), buffers, |slot, score| sums.add(&[slot], &[score]));
        };
        for block in self.block..cursor.blocks {
            if block > 0 && cursor.last_of(block - 1) >= end - 1 {
                break;
            }
            let (slots, tfs) = cursor.part(block, base, end)?;
            let Some(bits) = bits else {
                score_all(self.lens, self.weight, &self.norms, slots, tfs, buffers);
                sums.add(slots, &buffers.scores);
                continue;
            };
            let kept = buffers.keep(slots, tfs, bits);
            let (slots, tfs) = (buffers.slots, buffers.tfs);
            score_all(self.lens, self.weight, &self.norms, &slots[..kept], &tfs[..kept], buffers);
            sums.add(&slots[..kept], &buffers.scores);
        }
        Ok(())
    }

    /// Calls `each` with the window's records and their scores, but for blocks that can't have more than
    /// `cut`, which may rise meanwhile.
    #[inline(always)]
    pub(super) fn each(
        &mut self,
        base: Slot,
        end: Slot,
        cut: &Cell<u32>,
        buffers: &mut Buffers,
        mut each: impl FnMut(Slot, u32),
    ) -> Result<()> {
        let cursor = match &mut self.cursor {
            Cursor::Term(_) => return self.each_of_term(base, end, cut, buffers, each),
            Cursor::Phrase(phrase) => phrase,
        };
        let mut next = base;
        while let Some(slot) = cursor.seek(next)?.filter(|slot| *slot < end) {
            let frequency = cursor.frequency()?;
            if frequency > 0.0 {
                each(
                    slot,
                    self.weight.score_of(frequency, self.weight.curve.norm(self.lens.at(slot) as f32)),
                );
            }
            next = slot + 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn each_of_term(
        &mut self,
        base: Slot,
        end: Slot,
        cut: &Cell<u32>,
        buffers: &mut Buffers,
        mut each: impl FnMut(Slot, u32),
    ) -> Result<()> {
        let mut block = self.block;
        loop {
            let bound = if cut.get() == 0 { u32::MAX } else { self.bound_of_block(block) };
            let Cursor::Term(cursor) = &mut self.cursor else { return Ok(()) };
            if block >= cursor.blocks || (block > 0 && cursor.last_of(block - 1) >= end - 1) {
                return Ok(());
            }
            if bound > cut.get() {
                let (slots, tfs) = cursor.part(block, base, end)?;
                score_all(self.lens, self.weight, &self.norms, slots, tfs, buffers);
                slots.iter().zip(&buffers.scores).for_each(|(slot, score)| each(*slot, *score));
            }
            block += 1;
        }
    }

    /// A bound for the scores of one block.
    #[inline]
    fn bound_of_block(&mut self, block: usize) -> u32 {
        let Cursor::Term(cursor) = &self.cursor else { return self.most };
        if self.block_bound.0 != block {
            let bound = cursor.skip(block).map_or(self.most, |skip| self.bound_of(skip.impact));
            self.block_bound = (block, bound);
        }
        self.block_bound.1
    }

    /// A bound for one record; 0 where it has no score. Slots ascend.
    #[inline]
    pub(super) fn bound_at(&mut self, slot: Slot) -> u32 {
        let Cursor::Term(cursor) = &self.cursor else { return self.most };
        if cursor.skip(0).is_none() {
            return self.most;
        }
        let block = cursor.block_from(self.block, slot);
        self.block = block;
        if block >= cursor.blocks { 0 } else { self.bound_of_block(block) }
    }

    /// The score of one record; 0 where it has none. Slots ascend.
    #[inline]
    pub(super) fn probe(&mut self, slot: Slot) -> Result<u32> {
        let tf = match &mut self.cursor {
            Cursor::Term(cursor) => match cursor.seek(slot)? {
                Some(found) if found == slot => {
                    let norm = self.weight.curve.norm(self.lens.at(slot) as f32);
                    return Ok(self.weight.score(cursor.tf()?, norm));
                }
                _ => return Ok(0),
            },
            Cursor::Phrase(phrase) => match phrase.seek(slot)? {
                Some(found) if found == slot => phrase.frequency()?,
                _ => return Ok(0),
            },
        };
        if tf == 0.0 {
            return Ok(0);
        }
        Ok(self.weight.score_of(tf, self.weight.curve.norm(self.lens.at(slot) as f32)))
    }
}

/// The scores of the postings of a block, into the buffers.
#[inline(always)]
fn score_all(
    lens: Lens<'_>,
    weight: Weight,
    table: &Norms,
    slots: &[Slot],
    tfs: &[u32],
    buffers: &mut Buffers,
) {
    let norms = &mut buffers.norms[..slots.len()];
    match lens {
        Lens::U8(lens) => slots.iter().zip(&mut *norms).for_each(|(slot, norm)| {
            *norm = table[lens.get(*slot as usize).copied().unwrap_or(0) as usize];
        }),
        _ => {
            lens.gather(slots, norms);
            norms.iter_mut().for_each(|norm| *norm = weight.curve.norm(*norm));
        }
    }
    for ((score, tf), norm) in buffers.scores.iter_mut().zip(tfs).zip(norms) {
        *score = weight.score(*tf, *norm);
    }
}
