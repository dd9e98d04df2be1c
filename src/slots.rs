//! [`SlotSet`]: some of the slots of a segment, such as those that pass a filter.
//!
//! Sets that are thin are sorted lists, the others are bits; either way the number of slots is known before anything is done with
//! them. Bits are what a search wants of a set that is not thin: whether a slot is in it is one load and one shift.
//! (Compressed bitmaps, as roaring has them, are for what is kept: in the file and in memory between searches. Their test for one
//! slot is a search among containers.)

use crate::ids::Slot;
use roaring::RoaringBitmap;
use std::borrow::Cow;

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
        // Bits that are there stay unless the list is much smaller: walking them takes longer than any use of them saves.
        if len * THIN * 4 >= limit as usize {
            return Self { limit, len, form: Form::Bits(bits) };
        }
        let mut slots = Vec::with_capacity(len);
        for (place, word) in (0..).zip(&bits) {
            slots.extend(Slots { list: &[], words: &[], word: *word, base: place * 64 });
        }
        Self { limit, len, form: Form::List(slots) }
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
    pub(crate) fn iter(&self) -> Slots<'_> {
        match &self.form {
            Form::List(slots) => Slots { list: slots, words: &[], word: 0, base: 0 },
            Form::Bits(bits) => Slots { list: &[], words: bits, word: 0, base: 0u32.wrapping_sub(64) },
        }
    }

    /// Up to `count` slots, spread over the set.
    pub(crate) fn spread(&self, count: usize) -> impl Iterator<Item = Slot> + '_ {
        let places = (0..count.min(self.len)).map(move |at| (at as u64, count.min(self.len) as u64));
        let mut last = None;
        let slots = places.filter_map(move |(at, count)| match &self.form {
            Form::List(slots) => slots.get((at * slots.len() as u64 / count) as usize).copied(),
            Form::Bits(bits) => {
                let first = (at * bits.len() as u64 / count) as usize;
                let words = bits.get(first..).unwrap_or_default();
                let place = words.iter().position(|word| *word != 0)?;
                Some((first + place) as Slot * 64 + words[place].trailing_zeros())
            }
        });
        slots.filter(move |slot| last.replace(*slot) != Some(*slot))
    }

    /// A bit for each slot, the first in the lowest place of the first word.
    pub(crate) fn bits(&self) -> Cow<'_, [u64]> {
        match &self.form {
            Form::Bits(bits) => Cow::Borrowed(bits),
            Form::List(slots) => {
                let mut bits = vec![0; words(self.limit)];
                for slot in slots {
                    bits[*slot as usize / 64] |= 1 << (slot % 64);
                }
                Cow::Owned(bits)
            }
        }
    }

    /// The slots below the limit that are not in the set.
    #[must_use]
    pub(crate) fn complement(&self) -> Self {
        Self::from_bits(self.limit, self.bits().iter().map(|word| !word).collect())
    }

    /// The slots in both.
    #[must_use]
    pub(crate) fn and(&self, other: &Self) -> Self {
        match (&self.form, &other.form) {
            (Form::Bits(bits), Form::Bits(others)) => Self::from_bits(
                self.limit,
                bits.iter().zip(others).map(|(word, other)| word & other).collect(),
            ),
            (Form::List(slots), Form::List(others)) if slots.len() > others.len() => {
                other.keep_if(others, self, true)
            }
            (Form::List(slots), _) => self.keep_if(slots, other, true),
            (_, Form::List(slots)) => self.keep_if(slots, self, true),
        }
    }

    /// The slots of this set that are not in the other.
    #[must_use]
    pub(crate) fn and_not(&self, other: &Self) -> Self {
        match (&self.form, &other.form) {
            (Form::List(slots), _) => self.keep_if(slots, other, false),
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

    /// The slots of this set that are not in `bitmap`.
    #[must_use]
    pub(crate) fn without(&self, bitmap: &RoaringBitmap) -> Self {
        match &self.form {
            Form::List(slots) => {
                let kept = slots.iter().copied().filter(|slot| !bitmap.contains(*slot));
                Self::from_ascending(self.limit, kept.collect())
            }
            Form::Bits(bits) => {
                let mut bits = bits.clone();
                for slot in bitmap {
                    if let Some(word) = bits.get_mut(slot as usize / 64) {
                        *word &= !(1 << (slot % 64));
                    }
                }
                Self::from_bits(self.limit, bits)
            }
        }
    }

    /// Those of ascending slots that are in `other`, or are not.
    fn keep_if(&self, slots: &[Slot], other: &Self, within: bool) -> Self {
        // Making bits of a list pays where so many slots would be searched for in it.
        if matches!(other.form, Form::List(_)) && slots.len() * 8 > words(self.limit) {
            let bits =
                Self { limit: self.limit, len: other.len, form: Form::Bits(other.bits().into_owned()) };
            return self.keep_if(slots, &bits, within);
        }
        let kept = slots.iter().copied().filter(|slot| other.contains(*slot) == within);
        Self::from_ascending(self.limit, kept.collect())
    }
}

impl PartialEq for SlotSet {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit && self.len == other.len && self.iter().eq(other.iter())
    }
}

/// The slots that a search may find: those in a set, but for the dead and a hidden one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passing<'a> {
    /// The slots that pass the filter, dead ones among them; `None` for all.
    pub(crate) set: Option<&'a SlotSet>,
    /// The slots whose records were deleted or replaced; `None` for none.
    pub(crate) dead: Option<&'a RoaringBitmap>,
    /// A slot that is passed over, for a record that is itself the query.
    pub(crate) hidden: Option<Slot>,
}

impl Passing<'_> {
    /// True where `slot` may be found.
    #[inline]
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.set.is_none_or(|set| set.contains(slot))
            && self.dead.is_none_or(|dead| !dead.contains(slot))
            && self.hidden != Some(slot)
    }
}

/// Words of a bit for each slot below `limit`.
fn words(limit: u32) -> usize {
    (limit as usize).div_ceil(64)
}

/// The slots of a set, ascending.
#[derive(Clone, Debug)]
pub(crate) struct Slots<'a> {
    list: &'a [Slot],
    words: &'a [u64],
    /// The ones of the word before `words` that are still to come, and its first slot.
    word: u64,
    base: Slot,
}

impl Iterator for Slots<'_> {
    type Item = Slot;

    #[inline(always)]
    fn next(&mut self) -> Option<Slot> {
        if let Some((slot, rest)) = self.list.split_first() {
            self.list = rest;
            return Some(*slot);
        }
        while self.word == 0 {
            let (word, rest) = self.words.split_first()?;
            (self.word, self.words) = (*word, rest);
            self.base = self.base.wrapping_add(64);
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
                prop_assert!(SlotSet::from_bits(limit, found.bits().into_owned()) == found);
                Ok(())
            };
            check(a.and(&b), &left & &right)?;
            check(a.or(&b), &left | &right)?;
            check(a.and_not(&b), &left - &right)?;
            check(b.and_not(&a), &right - &left)?;
            check(a.complement(), &all - &left)?;
            let spread: Vec<Slot> = a.spread(4).collect();
            prop_assert!(spread.iter().all(|slot| left.contains(slot)) && spread.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(spread.is_empty(), left.is_empty());
            check(SlotSet::all(limit), all)?;
            check(SlotSet::none(limit), BTreeSet::new())?;
        }
    }
}
