//! The best few of a stream of distances: a sorted array, which beats two heaps where the few are a few hundred.

use crate::ids::Slot;

/// Marks an entry whose neighbours have been looked at.
const EXPANDED: u64 = 1;

/// The nearest entries seen, sorted, up to a limit; ties go to the lower id. Each entry can be taken once by
/// [`Pool::next_unexpanded`].
///
/// An entry is one word, the distance above the id above the mark, so that a single comparison orders entries and moving
/// them is a copy of words. Ids have at most 31 bits.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<u64>,
    limit: usize,
    /// No entry before this place is unexpanded.
    cursor: usize,
}

impl Pool {
    /// Largest number of ids.
    pub(crate) const MAX_IDS: usize = 1 << 31;

    /// Empties the pool, for up to `limit` entries.
    pub(crate) fn reset(&mut self, limit: usize) {
        self.entries.clear();
        self.limit = limit;
        self.cursor = 0;
    }

    /// Adds an entry, unless the pool is full of nearer ones, and tells whether it did. An id is to be added once.
    #[inline(always)]
    pub(crate) fn insert(&mut self, distance: u32, id: u32) -> bool {
        let entry = u64::from(distance) << 32 | u64::from(id) << 1;
        if self.entries.len() >= self.limit {
            match self.entries.last() {
                Some(worst) if entry < *worst => self.entries.pop(),
                _ => return false,
            };
        }
        let place = self.rank(entry);
        self.entries.insert(place, entry);
        self.cursor = self.cursor.min(place);
        true
    }

    /// Number of entries nearer than `entry`. Counting a short array is faster than searching it, as it has no branch to
    /// guess and takes several entries at a time.
    #[inline(always)]
    fn rank(&self, entry: u64) -> usize {
        match self.entries.len() {
            0..=128 => self.entries.iter().map(|other| usize::from(*other < entry)).sum(),
            _ => self.entries.partition_point(|other| *other < entry),
        }
    }

    /// The distance that a newcomer has to be below, as soon as the pool is full.
    #[inline(always)]
    pub(crate) fn bound(&self) -> u32 {
        match self.entries.last() {
            Some(worst) if self.entries.len() >= self.limit => (worst >> 32) as u32,
            _ => u32::MAX,
        }
    }

    /// Marks the nearest unexpanded entry and gives its id.
    #[inline(always)]
    pub(crate) fn next_unexpanded(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            self.cursor += 1;
            if *entry & EXPANDED == 0 {
                *entry |= EXPANDED;
                return Some(id(*entry));
            }
        }
        None
    }

    /// The ids of the nearest unexpanded entries, nearest first.
    #[inline(always)]
    pub(crate) fn unexpanded(&self) -> impl Iterator<Item = u32> {
        let rest = self.entries.get(self.cursor..).unwrap_or_default();
        rest.iter().filter(|entry| **entry & EXPANDED == 0).map(|entry| id(*entry))
    }

    /// Distances and ids, nearest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Slot)> {
        self.entries.iter().map(|entry| ((entry >> 32) as u32, id(*entry)))
    }
}

/// The id of an entry.
#[inline(always)]
fn id(entry: u64) -> u32 {
    (entry >> 1) as u32 & (u32::MAX >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_what_sorting_would(distances in prop::collection::vec(0u32..50, 0..400), limit in 0usize..300) {
            let mut pool = Pool::default();
            pool.reset(limit);
            for (id, distance) in distances.iter().enumerate() {
                let bound = pool.bound();
                let added = pool.insert(*distance, id as u32);
                prop_assert!(!added || limit > 0 && *distance <= bound);
            }
            let mut expected: Vec<(u32, u32)> = distances.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            expected.truncate(limit);
            prop_assert_eq!(pool.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn every_entry_is_expanded_once_nearest_first(
            distances in prop::collection::vec(any::<u32>(), 1..100), pause in 1usize..10,
        ) {
            let mut pool = Pool::default();
            pool.reset(distances.len());
            let mut taken = Vec::new();
            for (id, distance) in distances.iter().enumerate() {
                pool.insert(*distance, id as u32);
                if id % pause == 0 {
                    let nearest = pool.unexpanded().next();
                    prop_assert_eq!(pool.next_unexpanded(), nearest);
                    taken.extend(nearest);
                }
            }
            taken.extend(std::iter::from_fn(|| pool.next_unexpanded()));
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..distances.len() as u32).collect::<Vec<_>>());
        }
    }
}
