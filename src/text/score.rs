//! What the occurrences of a term in a record count.

use super::bm25::Curve;
use super::bm25::Weight;
use super::layout::Lens;
use super::pack::BLOCK;
use crate::ids::Slot;
use std::rc::Rc;

/// Lengths of one byte.
const LENS: usize = 256;
/// Occurrences whose shares are in a table are fewer than these.
const OCCURRENCES: usize = 8;
/// As many of these are turned into scores.
const SCORED: usize = 5 * LENS;
/// For so many postings.
const MANY: u64 = 1024;
/// Tables that are kept.
const KEPT: usize = 16;

/// The share of a term's weight that its occurrences add to a score, for few occurrences and lengths of one byte: by
/// occurrences, then by length.
type Shares = [f32; OCCURRENCES * LENS];

/// The tables of the curves that were needed last.
#[derive(Default)]
pub(super) struct Tables {
    tables: Vec<(Curve, Rc<Shares>)>,
    next: usize,
}

impl Tables {
    fn of(&mut self, curve: Curve) -> Rc<Shares> {
        if let Some((_, table)) = self.tables.iter().find(|(known, _)| *known == curve) {
            return Rc::clone(table);
        }
        let share = |at: usize| curve.share((at / LENS) as f32, curve.norm((at % LENS) as f32));
        let table: Rc<Shares> = Rc::new(std::array::from_fn(share));
        let made = (curve, Rc::clone(&table));
        match self.tables.len() < KEPT {
            true => self.tables.push(made),
            false => self.tables[self.next % KEPT] = made,
        }
        self.next += 1;
        table
    }
}

/// Working memory for a block of postings.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) scores: Scores,
    pub(super) kept: Kept,
}

/// Lengths and scores of a block.
pub(super) struct Scores {
    lens: [f32; BLOCK],
    scores: [u32; BLOCK],
}

impl Default for Scores {
    fn default() -> Self {
        Self { lens: [0.0; BLOCK], scores: [0; BLOCK] }
    }
}

/// Some of the postings of a block.
pub(super) struct Kept {
    slots: [Slot; BLOCK],
    tfs: [u32; BLOCK],
}

impl Default for Kept {
    fn default() -> Self {
        Self { slots: [0; BLOCK], tfs: [0; BLOCK] }
    }
}

impl Kept {
    /// The postings whose slots have their bit set.
    #[inline]
    pub(super) fn of(&mut self, slots: &[Slot], tfs: &[u32], bits: &[u64]) -> (&[Slot], &[u32]) {
        let mut kept = 0;
        for (slot, tf) in slots.iter().zip(tfs).take(BLOCK) {
            self.slots[kept % BLOCK] = *slot;
            self.tfs[kept % BLOCK] = *tf;
            kept += bits.get(*slot as usize / 64).map_or(0, |word| (word >> (slot % 64) & 1) as usize);
        }
        (&self.slots[..kept], &self.tfs[..kept])
    }
}

/// Scores the records of one term or phrase.
pub(super) struct Scorer<'a> {
    weight: Weight,
    lens: Lens<'a>,
    table: Table,
}

/// What is known before a posting is seen.
enum Table {
    /// Nothing.
    None,
    Shares(Rc<Shares>),
    /// The scores that these shares give.
    Scores(Box<[u32]>),
}

impl<'a> Scorer<'a> {
    /// `cost` is the number of postings.
    pub(super) fn new(weight: Weight, lens: Lens<'a>, cost: u64, tables: &mut Tables) -> Self {
        let table = match lens {
            Lens::U8(_) => {
                let shares = tables.of(weight.curve);
                let scores = || shares[..SCORED].iter().map(|share| weight.score(*share)).collect();
                if cost < MANY { Table::Shares(shares) } else { Table::Scores(scores()) }
            }
            _ => Table::None,
        };
        Self { weight, lens, table }
    }

    /// What `tf` occurrences in the record of `slot` add.
    #[inline]
    pub(super) fn one(&self, slot: Slot, tf: f32) -> u32 {
        let curve = self.weight.curve;
        self.weight.score(curve.share(tf, curve.norm(self.lens.at(slot) as f32)))
    }

    /// The same for more occurrences than are in a table.
    #[cold]
    #[inline(never)]
    fn rare(&self, slot: Slot, tf: u32) -> u32 {
        self.one(slot, float(tf))
    }

    /// Calls `each` with the scores of postings, at most a block of them.
    #[inline(always)]
    pub(super) fn each(
        &self,
        slots: &[Slot],
        tfs: &[u32],
        buffers: &mut Scores,
        mut each: impl FnMut(Slot, u32),
    ) {
        let Lens::U8(lens) = self.lens else { return self.each_long(slots, tfs, buffers, each) };
        let place =
            |slot: Slot, tf: u32| tf as usize * LENS + lens.get(slot as usize).map_or(0, |len| *len as usize);
        let postings = slots.iter().zip(tfs);
        match &self.table {
            Table::Scores(scores) => postings.for_each(|(slot, tf)| {
                let score = scores.get(place(*slot, *tf)).copied();
                each(*slot, score.unwrap_or_else(|| self.rare(*slot, *tf)));
            }),
            Table::Shares(shares) => postings.for_each(|(slot, tf)| {
                let score = shares.get(place(*slot, *tf)).map(|share| self.weight.score(*share));
                each(*slot, score.unwrap_or_else(|| self.rare(*slot, *tf)));
            }),
            Table::None => {}
        }
    }

    /// The same for lengths of more than a byte.
    #[inline(always)]
    fn each_long(&self, slots: &[Slot], tfs: &[u32], buffers: &mut Scores, mut each: impl FnMut(Slot, u32)) {
        let (weight, curve) = (self.weight, self.weight.curve);
        self.lens.gather(slots, &mut buffers.lens);
        for ((score, tf), len) in buffers.scores.iter_mut().zip(tfs).zip(&buffers.lens) {
            *score = weight.score(curve.share(float(*tf), curve.norm(*len)));
        }
        slots.iter().zip(&buffers.scores).for_each(|(slot, score)| each(*slot, *score));
    }

    /// The largest score of postings, at most a block of them.
    pub(super) fn largest(&self, slots: &[Slot], tfs: &[u32]) -> u32 {
        let scores = slots.iter().zip(tfs).map(|(slot, tf)| self.one(*slot, float(*tf)));
        scores.fold(0, u32::max)
    }
}

/// Signed numbers become floats in one step; there are never so many occurrences that it matters.
#[inline(always)]
fn float(tf: u32) -> f32 {
    tf as i32 as f32
}
