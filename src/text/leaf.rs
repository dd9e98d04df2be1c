//! One term or phrase of a query in one field of one segment: what it adds to which records.

use super::bm25::Bm25;
use super::bm25::Weight;
use super::phrase::PhraseCursor;
use super::postings::TermCursor;
use super::score::Buffers;
use super::score::Scorer;
use super::score::Tables;
use super::sums::Sums;
use super::view::FieldView;
use crate::error::Result;
use crate::ids::Slot;
use std::cell::Cell;

/// Units that rounding may take from a bound.
const ROUNDING: u32 = 8;

enum Cursor<'a> {
    Term(Box<TermCursor<'a>>),
    Phrase(Box<PhraseCursor<'a>>),
}

/// See above.
pub(super) struct Leaf<'a> {
    cursor: Cursor<'a>,
    scorer: Scorer<'a>,
    weight: Weight,
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
        tables: &mut Tables,
    ) -> Result<Self> {
        let cost = u64::from(cursor.df);
        let mut leaf = Self::new(view, Cursor::Term(Box::new(cursor)), weight, tables, cost)?;
        leaf.most = leaf.largest()?;
        Ok(leaf)
    }

    pub(super) fn phrase(
        view: &FieldView<'a>,
        phrase: PhraseCursor<'a>,
        weight: Weight,
        tables: &mut Tables,
    ) -> Result<Self> {
        let cost = phrase.cursors().map(|cursor| u64::from(cursor.df)).sum();
        Self::new(view, Cursor::Phrase(Box::new(phrase)), weight, tables, cost)
    }

    fn new(
        view: &FieldView<'a>,
        cursor: Cursor<'a>,
        weight: Weight,
        tables: &mut Tables,
        cost: u64,
    ) -> Result<Self> {
        let header = &view.header;
        let sealed = Bm25::default().curve(header.tokens as f32 / header.docs.max(1) as f32);
        let factor = weight.curve.factor_over(sealed, header.max_len);
        let most = weight.bound(1.0);
        let scorer = Scorer::new(weight, view.lens()?, cost, tables);
        Ok(Self {
            cursor,
            scorer,
            weight,
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
        Ok(self.scorer.largest(slots, tfs))
    }

    #[inline]
    fn bound_of(&self, impact: u16) -> u32 {
        let mut share = f32::from(impact) / 65_535.0;
        if self.factor != 1.0 {
            share /= share + self.factor * (1.0 - share);
        }
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
            return self.each(base, end, &Cell::new(0), buffers, |slot, score| sums.add(slot, score));
        };
        for block in self.block..cursor.blocks {
            if block > 0 && cursor.last_of(block - 1) >= end - 1 {
                break;
            }
            let (slots, tfs) = cursor.part(block, base, end)?;
            let (slots, tfs) = match bits {
                Some(bits) => buffers.kept.of(slots, tfs, bits),
                None => (slots, tfs),
            };
            self.scorer.each(slots, tfs, &mut buffers.scores, |slot, score| sums.add(slot, score));
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
                each(slot, self.scorer.one(slot, frequency));
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
                self.scorer.each(slots, tfs, &mut buffers.scores, &mut each);
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
                Some(found) if found == slot => cursor.tf()? as f32,
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
        Ok(self.scorer.one(slot, tf))
    }
}
