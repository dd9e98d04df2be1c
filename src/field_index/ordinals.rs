//! The ordinals of a column: for each slot the place of its value among the column's sorted values.
//!
//! A range of values is a range of ordinals, so a pass over the array answers it: a compare a slot, without branches, in
//! a form that compilers turn into vector instructions.

use super::corrupt;
use crate::error::Result;
use crate::ids::Slot;
use std::ops::Range;

/// Bytes of an ordinal where there are `entries` values; the largest number of that width means no value.
pub(super) fn width(entries: u32) -> usize {
    match entries {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    }
}

/// The ordinals of all slots, least significant byte first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ordinals<'a> {
    U8(&'a [[u8; 1]]),
    U16(&'a [[u8; 2]]),
    U32(&'a [[u8; 4]]),
}

impl<'a> Ordinals<'a> {
    /// The ordinals in `bytes`.
    pub(super) fn new(bytes: &'a [u8], entries: u32) -> Self {
        match width(entries) {
            1 => Self::U8(bytes.as_chunks().0),
            2 => Self::U16(bytes.as_chunks().0),
            _ => Self::U32(bytes.as_chunks().0),
        }
    }

    /// The ordinal of a slot, `None` where it has no value; to be compared with the number of entries.
    #[inline]
    pub(super) fn at(&self, slot: Slot) -> Option<u32> {
        let (ordinal, none) = match self {
            Self::U8(all) => (u32::from(u8::from_le_bytes(*all.get(slot as usize)?)), 0xff),
            Self::U16(all) => (u32::from(u16::from_le_bytes(*all.get(slot as usize)?)), 0xffff),
            Self::U32(all) => (u32::from_le_bytes(*all.get(slot as usize)?), u32::MAX),
        };
        (ordinal != none).then_some(ordinal)
    }

    /// Sets the bits of the slots whose ordinal is in `range`.
    pub(super) fn scan(&self, range: Range<u32>, bits: &mut [u64]) {
        match self {
            Self::U8(all) => scan(all, range, bits, u8::from_le_bytes),
            Self::U16(all) => scan(all, range, bits, u16::from_le_bytes),
            Self::U32(all) => scan(all, range, bits, u32::from_le_bytes),
        }
    }

    /// How many slots of each entry there are, into `counts`, among `slots`.
    pub(super) fn count(&self, slots: impl Iterator<Item = Slot>, counts: &mut [u64]) -> Result<()> {
        for slot in slots {
            let Some(ordinal) = self.at(slot) else { continue };
            let entries = counts.len();
            let problem = || corrupt(0, format!("ordinal {ordinal} of {entries}"));
            *counts.get_mut(ordinal as usize).ok_or_else(problem)? += 1;
        }
        Ok(())
    }
}

/// What an ordinal can be.
trait Ordinal: Copy {
    fn narrow(value: u32) -> Self;
    /// True from `low` on for `span` values.
    fn within(self, low: Self, span: Self) -> bool;
}

impl Ordinal for u8 {
    fn narrow(value: u32) -> Self {
        value as Self
    }
    #[inline(always)]
    fn within(self, low: Self, span: Self) -> bool {
        self.wrapping_sub(low) < span
    }
}

impl Ordinal for u16 {
    fn narrow(value: u32) -> Self {
        value as Self
    }
    #[inline(always)]
    fn within(self, low: Self, span: Self) -> bool {
        self.wrapping_sub(low) < span
    }
}

impl Ordinal for u32 {
    fn narrow(value: u32) -> Self {
        value
    }
    #[inline(always)]
    fn within(self, low: Self, span: Self) -> bool {
        self.wrapping_sub(low) < span
    }
}

/// 64 slots at a time: a byte of 0 or 1 for each, then eight of these bytes are multiplied into eight bits.
fn scan<const W: usize, T: Ordinal>(
    all: &[[u8; W]],
    range: Range<u32>,
    bits: &mut [u64],
    read: impl Fn([u8; W]) -> T + Copy,
) {
    if range.is_empty() {
        return;
    }
    let (low, span) = (T::narrow(range.start), T::narrow(range.end - range.start));
    let (blocks, rest) = all.as_chunks::<64>();
    for (word, block) in bits.iter_mut().zip(blocks) {
        let mut passes = [0u8; 64];
        for (pass, ordinal) in passes.iter_mut().zip(block) {
            *pass = u8::from(read(*ordinal).within(low, span));
        }
        *word |= pack(&passes);
    }
    if let Some(word) = bits.get_mut(blocks.len()) {
        for (at, ordinal) in rest.iter().enumerate() {
            *word |= u64::from(read(*ordinal).within(low, span)) << at;
        }
    }
}

/// Bytes of 0 or 1 as bits, the first in the lowest place.
#[inline(always)]
fn pack(passes: &[u8; 64]) -> u64 {
    let mut word = 0;
    for (at, eight) in passes.as_chunks::<8>().0.iter().enumerate() {
        word |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pass_finds_what_a_look_at_each_slot_finds(
            entries in prop_oneof![1u32..20, 250u32..260, 65_530u32..65_540],
            raw in prop::collection::vec(any::<u32>(), 0..200),
            (a, b) in (any::<u32>(), any::<u32>()),
        ) {
            let width = width(entries);
            let ordinals: Vec<u32> = raw.iter().map(|value| value % (entries + 1)).collect();
            let stored = |ordinal: u32| if ordinal == entries { u32::MAX } else { ordinal };
            let bytes: Vec<u8> = ordinals.iter().flat_map(|o| stored(*o).to_le_bytes()[..width].to_vec()).collect();
            let view = Ordinals::new(&bytes, entries);
            let (a, b) = (a % (entries + 1), b % (entries + 1));
            let range = a.min(b)..a.max(b);
            let mut bits = vec![0; ordinals.len().div_ceil(64)];
            view.scan(range.clone(), &mut bits);
            for (slot, ordinal) in ordinals.iter().enumerate() {
                prop_assert_eq!(view.at(slot as u32), (*ordinal < entries).then_some(*ordinal));
                prop_assert_eq!(bits[slot / 64] >> (slot % 64) & 1 == 1, range.contains(ordinal));
            }
        }
    }
}
