//! [`Sink`]: what slots read from lists and bitmaps go into. [`Gather`] makes a set of them, [`Count`] counts those of a set.

use super::corrupt;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;

/// Up to so many slots are collected in a list and sorted; more of them are bits from the start.
const FEW: usize = 1024;

/// Takes slots, in any order.
pub(super) trait Sink {
    /// A slot.
    fn add(&mut self, slot: Slot) -> Result<()>;

    /// The slots from `first` to `last`.
    fn run(&mut self, first: Slot, last: Slot) -> Result<()>;

    /// The slots from `64 * at` on whose bits are set.
    fn words(&mut self, at: usize, words: impl ExactSizeIterator<Item = u64>) -> Result<()>;

    /// Slots.
    fn list(&mut self, slots: &[[u8; 4]]) -> Result<()> {
        slots.iter().try_for_each(|slot| self.add(u32::from_le_bytes(*slot)))
    }
}

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
    /// For about `expected` of the slots below `limit`, from so many lists.
    pub(super) fn new(limit: u32, expected: usize, lists: usize) -> Self {
        // One list is sorted already, so that a set which will be a list in the end need not become bits between.
        let few = expected <= FEW || lists == 1 && expected < limit as usize / 32;
        let form = match few {
            true => Form::Few(Vec::with_capacity(expected)),
            false => Form::Bits(vec![0; (limit as usize).div_ceil(64)]),
        };
        Self { limit, form }
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

impl Sink for Gather {
    #[inline]
    fn add(&mut self, slot: Slot) -> Result<()> {
        if slot >= self.limit {
            return Err(beyond(slot, self.limit));
        }
        match &mut self.form {
            Form::Few(slots) => slots.push(slot),
            Form::Bits(bits) => bits[slot as usize / 64] |= 1 << (slot % 64),
        }
        Ok(())
    }

    fn run(&mut self, first: Slot, last: Slot) -> Result<()> {
        if last >= self.limit || first > last {
            return Err(beyond(last, self.limit));
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

    fn words(&mut self, at: usize, words: impl ExactSizeIterator<Item = u64>) -> Result<()> {
        let limit = self.limit;
        let bits = self.bits();
        let mut outside = 0;
        for (index, word) in words.enumerate() {
            match bits.get_mut(at + index) {
                Some(bits) => *bits |= word,
                None => outside |= word,
            }
        }
        let last = bits.last().copied().unwrap_or_default();
        match outside == 0 && (limit.is_multiple_of(64) || last >> (limit % 64) == 0) {
            true => Ok(()),
            false => Err(beyond(limit, limit)),
        }
    }
}

/// Counts the slots that are in a set.
pub(super) struct Count<'a> {
    /// A bit for each slot of the set.
    pub(super) bits: &'a [u64],
    pub(super) limit: u32,
    pub(super) found: u64,
}

impl Sink for Count<'_> {
    #[inline]
    fn add(&mut self, slot: Slot) -> Result<()> {
        match self.bits.get(slot as usize / 64) {
            Some(word) => self.found += word >> (slot % 64) & 1,
            None => return Err(beyond(slot, self.limit)),
        }
        Ok(())
    }

    fn run(&mut self, first: Slot, last: Slot) -> Result<()> {
        (first..=last).try_for_each(|slot| self.add(slot))
    }

    fn words(&mut self, at: usize, words: impl ExactSizeIterator<Item = u64>) -> Result<()> {
        let both = words.zip(self.bits.get(at..).unwrap_or_default());
        self.found += both.map(|(word, bits)| u64::from((word & bits).count_ones())).sum::<u64>();
        Ok(())
    }
}

fn beyond(slot: Slot, limit: u32) -> Error {
    corrupt(0, format!("slot {slot} of {limit}"))
}
