//! [`Gather`]: puts a set of slots together from lists, bitmaps and passes over ordinals.

use super::corrupt;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;

/// Up to so many slots are collected in a list and sorted; more of them are bits from the start.
const FEW: usize = 1024;

/// A set of slots in the making.
#[derive(Debug)]
pub(super) struct Gather {
    limit: u32,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Few(Vec<Slot>),
    Bits(Vec<u64>),
}

impl Gather {
    /// For about `expected` of the slots below `limit`.
    pub(super) fn new(limit: u32, expected: usize) -> Self {
        let form = match expected <= FEW {
            true => Form::Few(Vec::with_capacity(expected)),
            false => Form::Bits(vec![0; (limit as usize).div_ceil(64)]),
        };
        Self { limit, form }
    }

    /// Adds a slot.
    #[inline]
    pub(super) fn add(&mut self, slot: Slot) -> Result<()> {
        if slot >= self.limit {
            return Err(corrupt(0, format!("slot {slot} of {}", self.limit)));
        }
        match &mut self.form {
            Form::Few(slots) => slots.push(slot),
            Form::Bits(bits) => bits[slot as usize / 64] |= 1 << (slot % 64),
        }
        Ok(())
    }

    /// Adds slots.
    pub(super) fn list(&mut self, slots: &[[u8; 4]]) -> Result<()> {
        slots.iter().try_for_each(|slot| self.add(u32::from_le_bytes(*slot)))
    }

    /// Adds the slots from `first` to `last`.
    pub(super) fn run(&mut self, first: Slot, last: Slot) -> Result<()> {
        if last >= self.limit || first > last {
            return Err(corrupt(0, format!("slots {first} to {last} of {}", self.limit)));
        }
        let (from, to) = (first as usize / 64, last as usize / 64);
        let (low, high) = (u64::MAX << (first % 64), u64::MAX >> (63 - last % 64));
        let bits = self.bits();
        if from == to {
            bits[from] |= low & high;
            return Ok(());
        }
        bits[from] |= low;
        bits[from + 1..to].fill(u64::MAX);
        bits[to] |= high;
        Ok(())
    }

    /// Adds the slots from `64 * at` on whose bits are set.
    pub(super) fn words(&mut self, at: usize, words: impl ExactSizeIterator<Item = u64>) -> Result<()> {
        let limit = self.limit as usize;
        let bits = self.bits();
        let fit = bits.len().saturating_sub(at);
        let mut beyond = false;
        for (index, word) in words.enumerate() {
            match bits.get_mut(at + index) {
                Some(bits) => *bits |= word,
                None => beyond |= word != 0,
            }
        }
        let tail = (limit % 64 > 0 && fit > 0).then(|| bits.last().is_some_and(|last| last >> (limit % 64) > 0));
        if beyond || tail == Some(true) {
            return Err(corrupt(0, format!("bits of slots beyond {limit}")));
        }
        Ok(())
    }

    /// The bits; from now on the set is in this form.
    pub(super) fn bits(&mut self) -> &mut [u64] {
        if let Form::Few(slots) = &self.form {
            let mut bits = vec![0u64; (self.limit as usize).div_ceil(64)];
            slots.iter().for_each(|slot| bits[*slot as usize / 64] |= 1 << (slot % 64));
            self.form = Form::Bits(bits);
        }
        match &mut self.form {
            Form::Bits(bits) => bits,
            Form::Few(_) => &mut [],
        }
    }

    /// How many of the slots, each of which was added once, are in a set.
    pub(super) fn count_in(self, set: &SlotSet) -> u64 {
        match &self.form {
            Form::Few(slots) => slots.iter().filter(|slot| set.contains(**slot)).count() as u64,
            Form::Bits(_) => self.finish().and(set).len() as u64,
        }
    }

    /// The set.
    pub(super) fn finish(self) -> SlotSet {
        match self.form {
            Form::Few(mut slots) => {
                slots.sort_unstable();
                slots.dedup();
                SlotSet::from_ascending(self.limit, slots)
            }
            Form::Bits(bits) => SlotSet::from_bits(self.limit, bits),
        }
    }
}
