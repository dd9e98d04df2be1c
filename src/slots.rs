//! [`SlotSet`]: some of the slots of a segment, such as those that pass a filter.
//!
//! Sets that are thin are sorted lists, the others are bits; either way the number of slots is known before anything is done with
//! them. Bits are what a search wants of a set that is not thin: whether a slot is in it is one load and one shift.
//! (Compressed bitmaps, as roaring has them, are for what is kept: in the file and in memory between searches. Their test for one
//! slot is a search among containers.)

use crate::ids::Slot;

/// Sets with fewer slots than this share of all are lists: where both forms take the same room.
const THIN: usize = 32;

/// A set of slots below a limit, the number of slots of a segment.
#[derive(Clone, Debug)]
pub(crate) struct SlotSet {
    limit: u32,
    len: usize,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// Ascending.
    List(Vec<Slot>),
    /// A bit for each slot, the first in the lowest place; bits from the limit on are zero.
    Bits(Vec<u64>),
}

impl SlotSet {
    /// No slot of `limit`.
    pub(crate) fn none(limit: u32) -> Self {
        Self { limit, len: 0, form: Form::List(Vec::new()) }
    }

    /// All slots below `limit`.
    pub(crate) fn all(limit: u32) -> Self {
        Self::none(limit).complement()
    }

    /// These slots, which ascend; those from `limit` on are left out.
    pub(crate) fn from_ascending(limit: u32, mut slots: Vec<Slot>) -> Self {
        debug_assert!(slots.is_sorted_by(|a, b| a < b));
        slots.truncate(slots.partition_point(|slot| *slot < limit));
        if slots.len() * THIN < limit as usize {
            return Self { limit, len: slots.len(), form: Form::List(slots) };
        }
        let mut bits = vec![0; words(limit)];
        for slot in &slots {
            bits[*slot as usize / 64] |= 1 << (slot % 64);
        }
        Self { limit, len: slots.len(), form: Form::Bits(bits) }
    }

    /// The slots whose bits are set; missing words are zero, bits from `limit` on do not count.
    pub(crate) fn from_bits(limit: u32, mut bits: Vec<u64>) -> Self {
        bits.resize(words(limit), 0);
        if let (Some(last), true) = (bits.last_mut(), !limit.is_multiple_of(64)) {
            *last &= (1 << (limit % 64)) - 1;
        }
        let len: usize = bits.iter().map(|word| word.count_ones() as usize).sum();
        let mut set = Self { limit, len, form: Form::Bits(bits) };
        if len * THIN < limit as usize {
            set.form = Form::List(set.iter().collect());
        }
        set
    }

    /// One more than the largest slot that could be in the set.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// True where there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        match &self.form {
            Form::List(slots) => slots.len() * 4,
            Form::Bits(bits) => bits.len() * 8,
        }
    }

    /// True where `slot` is in the set.
    #[inline]
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        match &self.form {
            Form::List(slots) => slots.binary_search(&slot).is_ok(),
            Form::Bits(bits) => bits.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1),
        }
    }

    /// The slots, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        let (list, bits) = match &self.form {
            Form::List(slots) => (slots.as_slice(), &[][..]),
            Form::Bits(bits) => (&[][..], bits.as_slice()),
        };
        list.iter()
            .copied()
            .chain((0..).zip(bits).flat_map(|(place, word)| Ones { word: *word, base: place * 64 }))
    }

    /// The same without a copy, where the set is held so.
    pub(crate) fn bits(&self) -> Option<&[u64]> {
        match &self.form {
            Form::Bits(bits) => Some(bits),
            Form::List(_) => None,
        }
    }

    /// A bit for each slot, the first in the lowest place of the first word.
    pub(crate) fn to_bits(&self) -> Vec<u64> {
        match &self.form {
            Form::Bits(bits) => bits.clone(),
            Form::List(slots) => {
                let mut bits = vec![0; words(self.limit)];
                for slot in slots {
                    bits[*slot as usize / 64] |= 1 << (slot % 64);
                }
                bits
            }
        }
    }

    /// The slots below the limit that are not in the set.
    #[must_use]
    pub(crate) fn complement(&self) -> Self {
        Self::from_bits(self.limit, self.to_bits().into_iter().map(|word| !word).collect())
    }

    /// The slots in both.
    #[must_use]
    pub(crate) fn and(&self, other: &Self) -> Self {
        match (&self.form, &other.form) {
            (Form::Bits(bits), Form::Bits(others)) => Self::from_bits(
                self.limit,
                bits.iter().zip(others).map(|(word, other)| word & other).collect(),
            ),
            (Form::List(slots), _) => self.keep(slots, |slot| other.contains(slot)),
            (_, Form::List(slots)) => self.keep(slots, |slot| self.contains(slot)),
        }
    }

    /// The slots of this set that are not in the other.
    #[must_use]
    pub(crate) fn and_not(&self, other: &Self) -> Self {
        match (&self.form, &other.form) {
            (Form::List(slots), _) => self.keep(slots, |slot| !other.contains(slot)),
            (Form::Bits(bits), Form::Bits(others)) => Self::from_bits(
                self.limit,
                bits.iter().zip(others).map(|(word, other)| word & !other).collect(),
            ),
            (Form::Bits(bits), Form::List(slots)) => {
                let mut bits = bits.clone();
                slots.iter().for_each(|slot| bits[*slot as usize / 64] &= !(1 << (slot % 64)));
                Self::from_bits(self.limit, bits)
            }
        }
    }

    /// The slots in either.
    #[must_use]
    pub(crate) fn or(&self, other: &Self) -> Self {
        let (bits, slots) = match (&self.form, &other.form) {
            (Form::Bits(bits), Form::Bits(others)) => {
                let either = bits.iter().zip(others).map(|(word, other)| word | other);
                return Self::from_bits(self.limit, either.collect());
            }
            (Form::List(slots), Form::List(others)) => {
                let mut both: Vec<Slot> = slots.iter().chain(others).copied().collect();
                both.sort_unstable();
                both.dedup();
                return Self::from_ascending(self.limit, both);
            }
            (Form::Bits(bits), Form::List(slots)) | (Form::List(slots), Form::Bits(bits)) => (bits, slots),
        };
        let mut bits = bits.clone();
        slots.iter().for_each(|slot| bits[*slot as usize / 64] |= 1 << (slot % 64));
        Self::from_bits(self.limit, bits)
    }

    fn keep(&self, slots: &[Slot], f: impl Fn(Slot) -> bool) -> Self {
        Self::from_ascending(self.limit, slots.iter().copied().filter(|slot| f(*slot)).collect())
    }
}

impl PartialEq for SlotSet {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit && self.len == other.len && self.iter().eq(other.iter())
    }
}

/// Words of a bit for each slot below `limit`.
fn words(limit: u32) -> usize {
    (limit as usize).div_ceil(64)
}

/// The slots of the ones of a word.
struct Ones {
    word: u64,
    base: Slot,
}

impl Iterator for Ones {
    type Item = Slot;

    #[inline]
    fn next(&mut self) -> Option<Slot> {
        if self.word == 0 {
            return None;
        }
        let at = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(self.base + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(limit: u32, slots: &BTreeSet<Slot>) -> SlotSet {
        SlotSet::from_ascending(limit, slots.iter().copied().collect())
    }

    proptest! {
        /// Thin and thick sets alike, at limits that do and do not end a word.
        #[test]
        fn sets_are_sets(
            limit in prop_oneof![1u32..200, 4000u32..4200],
            left in prop::collection::btree_set(0u32..4200, 0..300),
            right in prop::collection::btree_set(0u32..4200, 0..60),
        ) {
            let within = |slots: &BTreeSet<Slot>| slots.iter().copied().filter(|slot| *slot < limit).collect();
            let (left, right): (BTreeSet<Slot>, BTreeSet<Slot>) = (within(&left), within(&right));
            let (a, b) = (set(limit, &left), set(limit, &right));
            let all: BTreeSet<Slot> = (0..limit).collect();
            let check = |found: SlotSet, wanted: BTreeSet<Slot>| {
                prop_assert_eq!(found.iter().collect::<BTreeSet<_>>(), wanted.clone());
                prop_assert_eq!(found.len(), wanted.len());
                prop_assert!((0..limit + 70).all(|slot| found.contains(slot) == wanted.contains(&slot)));
                prop_assert!(SlotSet::from_bits(limit, found.to_bits()) == found);
                Ok(())
            };
            check(a.and(&b), &left & &right)?;
            check(a.or(&b), &left | &right)?;
            check(a.and_not(&b), &left - &right)?;
            check(b.and_not(&a), &right - &left)?;
            check(a.complement(), &all - &left)?;
            check(SlotSet::all(limit), all)?;
            check(SlotSet::none(limit), BTreeSet::new())?;
        }
    }
}
