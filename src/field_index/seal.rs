//! From gathered values to the bytes of a column.

use super::column::Column;
use super::column::Kind;
use super::column::has_ordinals;
use super::directory::Set;
use super::ordinals::width;
use super::postings;
use crate::codec::ByteWriter;
use crate::ids::Slot;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::Hash;

/// Distinct values by number, and which slots have them.
pub(super) struct Gathered<K, V> {
    numbers: HashMap<K, u32>,
    values: Vec<V>,
    /// Number of a value, and a slot that has it; slots ascend.
    pairs: Vec<(u32, Slot)>,
}

impl<K, V> Default for Gathered<K, V> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new(), pairs: Vec::new() }
    }
}

impl<K: Hash + Eq, V> Gathered<K, V> {
    /// Notes that a slot has a value, and gives what is kept for it: `value` where it is new.
    pub(super) fn add(&mut self, key: K, slot: Slot, value: V) -> &mut V {
        let next = self.values.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        self.pairs.push((number, slot));
        &mut self.values[number as usize]
    }

    /// Number of values of all slots.
    pub(super) fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// The values and the pairs.
    pub(super) fn take(&mut self) -> (Vec<V>, Vec<(u32, Slot)>) {
        self.numbers = HashMap::new();
        (std::mem::take(&mut self.values), std::mem::take(&mut self.pairs))
    }
}

/// Bytes in which everything begins at a multiple of 8.
#[derive(Default)]
pub(super) struct Section {
    out: ByteWriter,
}

impl Section {
    /// Appends bytes and gives where they lie.
    fn place(&mut self, parts: &[&[u8]]) -> usize {
        self.out.pad(8);
        let start = self.out.len();
        parts.iter().for_each(|part| self.out.bytes(part));
        start
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.pad(8);
        self.out.finish()
    }
}

/// Writes ascending slots.
pub(super) fn seal_set(slots: &[Slot], limit: u32, out: &mut Section) -> Set {
    let len = slots.len() as u32;
    let bytes = if len == 0 || len == limit { Vec::new() } else { super::bitmap::encode(slots) };
    Set { len, bytes: bytes.len(), start: out.place(&[&bytes]) }
}

/// Values in their order, with the slots of each.
struct Sorted<V> {
    values: Vec<V>,
    /// The slots of value `i` end here in `slots`.
    ends: Vec<u32>,
    slots: Vec<Slot>,
}

impl<V: Copy> Sorted<V> {
    fn new((values, pairs): (Vec<V>, Vec<(u32, Slot)>), compare: impl Fn(&V, &V) -> Ordering) -> Self {
        let mut order: Vec<(V, u32)> = values.into_iter().zip(0..).collect();
        order.sort_unstable_by(|a, b| compare(&a.0, &b.0));
        let mut counts = vec![0u32; order.len()];
        pairs.iter().for_each(|(number, _)| counts[*number as usize] += 1);
        // Where the next slot of each value goes.
        let mut next = vec![0u32; order.len()];
        let mut end = 0;
        for (_, number) in &order {
            next[*number as usize] = end;
            end += counts[*number as usize];
        }
        let starts = next.clone();
        let mut slots = vec![0; pairs.len()];
        for (number, slot) in pairs {
            let at = &mut next[number as usize];
            // An array may have a value several times.
            if *at == starts[number as usize] || slots[*at as usize - 1] != slot {
                slots[*at as usize] = slot;
                *at += 1;
            }
        }
        let mut ends = Vec::with_capacity(order.len());
        let mut kept = 0;
        for (_, number) in &order {
            let (from, to) = (starts[*number as usize] as usize, next[*number as usize] as usize);
            slots.copy_within(from..to, kept);
            kept += to - from;
            ends.push(kept as u32);
        }
        slots.truncate(kept);
        Self { values: order.into_iter().map(|(value, _)| value).collect(), ends, slots }
    }

    /// The lowest and the highest ordinal of each slot; [`u32::MAX`] and 0 where it has none.
    fn ordinals(&self, limit: u32) -> (Vec<u32>, Vec<u32>) {
        let (mut lowest, mut highest) = (vec![u32::MAX; limit as usize], vec![0; limit as usize]);
        let mut from = 0;
        for (ordinal, end) in (0..).zip(&self.ends) {
            for slot in &self.slots[from as usize..*end as usize] {
                let slot = *slot as usize;
                lowest[slot] = lowest[slot].min(ordinal);
                highest[slot] = ordinal;
            }
            from = *end;
        }
        (lowest, highest)
    }
}

/// Writes a column; `None` where there is no value.
pub(super) fn seal<V: Copy>(
    kind: Kind,
    gathered: (Vec<V>, Vec<(u32, Slot)>),
    limit: u32,
    compare: impl Fn(&V, &V) -> Ordering,
    write: impl Fn(&[V], &mut ByteWriter),
    out: &mut Section,
) -> Option<Column> {
    if gathered.0.is_empty() {
        return None;
    }
    let sorted = Sorted::new(gathered, compare);
    let mut dictionary = ByteWriter::new();
    write(&sorted.values, &mut dictionary);
    let dictionary = dictionary.finish();
    let (entries, pairs) = (sorted.values.len() as u32, sorted.slots.len() as u32);
    let many = has_several(&sorted.slots, limit);
    let ordinals = has_ordinals(kind, pairs.into(), limit);
    let mut passes = Vec::new();
    if ordinals {
        let (lowest, mut highest) = sorted.ordinals(limit);
        passes = ordinal_bytes(&lowest, entries);
        if many {
            lowest
                .iter()
                .zip(&mut highest)
                .filter(|(low, _)| **low == u32::MAX)
                .for_each(|(_, high)| *high = u32::MAX);
            passes.extend(ordinal_bytes(&highest, entries));
        }
    }
    let slots = postings::write(&sorted.ends, &sorted.slots, limit, ordinals && !many);
    let start = out.place(&[&dictionary, &slots.ends, &slots.words, &passes, &slots.lists]);
    let (dictionary, lists) = (dictionary.len(), slots.lists.len());
    Some(Column { kind, entries, pairs, ordinals, many, start, dictionary, lists })
}

/// True where a slot is there more than once.
fn has_several(slots: &[Slot], limit: u32) -> bool {
    let mut seen = vec![0u64; (limit as usize).div_ceil(64)];
    slots.iter().any(|slot| {
        let (word, bit) = (&mut seen[*slot as usize / 64], 1 << (slot % 64));
        let again = *word & bit != 0;
        *word |= bit;
        again
    })
}

fn ordinal_bytes(ordinals: &[u32], entries: u32) -> Vec<u8> {
    let width = width(entries);
    ordinals.iter().flat_map(|ordinal| ordinal.to_le_bytes().into_iter().take(width)).collect()
}
