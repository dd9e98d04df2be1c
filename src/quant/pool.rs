//! The best few of a stream of distances: a sorted array, which beats two heaps where the few are a few hundred.

use crate::ids::Slot;
use crate::vector::kernels::from_ordered;
use crate::vector::kernels::ordered;

/// Marks an entry whose neighbours have been looked at.
const EXPANDED: u64 = 1;
/// Entries that are expanded even if a result known from elsewhere is out of their reach, at least: by fewer, a walk that has
/// yet to come near ends wherever it first gets no nearer.
const MIN_EXPANDED: usize = 16;
/// Entries that are counted at a time.
const RANK_BLOCK: usize = 32;

/// How far beyond the results a search looks: to entries whose distance is at most that of the entry at place `rank`,
/// plus a part of it.
///
/// It is the stopping rule of "Distance Adaptive Beam Search for Provably Accurate Graph-Based Nearest Neighbor Search"
/// (Al-Jazzazi and others, 2025, section 3). A beam of fixed width looks at as many candidates whether the neighbors of a query stand
/// out or are a few among many alike; this rule looks at few in the first case and at many in the second, and needs a
/// quarter to a half less work for the same recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Number of results, at least 1.
    pub(crate) rank: usize,
    /// The part, in 1024ths. Up to 1024, a nearer result never has a farther reach.
    pub(crate) slack: u32,
    /// What distances are.
    pub(crate) scale: Scale,
    /// The distance of the result at place `rank` that is known from elsewhere; `u32::MAX` for none.
    pub(crate) known: u32,
}

/// What the numbers mean that stand for distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// They are proportional to it, and this one is no distance.
    From(u32),
    /// They have the order of floats (see [`ordered`]), which are.
    Floats,
}

impl Reach {
    /// The largest distance to look at where `distance` is the result's at place `rank`.
    fn farthest(self, distance: u32) -> u32 {
        match self.scale {
            Scale::From(origin) => {
                let extent = u64::from(distance.abs_diff(origin));
                let more = u32::try_from((extent * u64::from(self.slack)) >> 10).unwrap_or(u32::MAX);
                distance.saturating_add(more)
            }
            Scale::Floats if distance == u32::MAX => distance,
            Scale::Floats => {
                let value = from_ordered(distance);
                ordered(value + value.abs() * (self.slack as f32 / 1024.0)).max(distance)
            }
        }
    }
}

/// The nearest entries seen, sorted, up to a limit in number and, with a [`Reach`], in distance; of equal ones the earlier
/// ones stay. Each entry can be taken once by [`Pool::next_unexpanded`].
///
/// An entry is one word, the distance above the id above the mark, so that a single comparison orders entries and moving
/// them is a copy of words. Ids have at most 31 bits.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    entries: Vec<u64>,
    limit: usize,
    reach: Option<Reach>,
    /// The largest distance within reach of the result known from elsewhere, and how many entries are expanded regardless.
    outer: (u32, usize),
    /// The smallest distance that is refused, but for the largest number, which nothing is below.
    bound: u32,
    /// No entry before this place is unexpanded.
    cursor: usize,
    /// The smallest distances of results, ascending, where not every entry is one.
    results: Vec<u32>,
}

impl Pool {
    /// Largest number of ids.
    pub(crate) const MAX_IDS: usize = 1 << 31;

    /// Empties the pool, for up to `limit` entries, at least 1.
    pub(crate) fn reset(&mut self, limit: usize, reach: Option<Reach>) {
        self.entries.clear();
        self.limit = limit.max(1);
        self.reach = reach;
        self.outer =
            reach.map_or((u32::MAX, 0), |reach| (reach.farthest(reach.known), reach.rank.max(MIN_EXPANDED)));
        self.bound = u32::MAX;
        self.cursor = 0;
        self.results.clear();
    }

    /// Adds an entry, unless its distance is not below [`Pool::bound`], and tells whether it did. An id is to be added
    /// once.
    #[inline(always)]
    pub(crate) fn insert(&mut self, distance: u32, id: u32) -> bool {
        if distance >= self.bound {
            return false;
        }
        let place = self.place(distance, id);
        if let Some(reach) = self.reach
            && place < reach.rank
            && let Some(result) = self.entries.get(reach.rank - 1)
        {
            self.tighten(reach.farthest(self::distance(*result)));
        }
        self.keep_limit();
        true
    }

    /// As [`insert`](Self::insert), for a search in which not every entry is a result: only results count for the reach.
    #[inline(always)]
    pub(crate) fn insert_among(&mut self, distance: u32, id: u32, is_result: bool) -> bool {
        if distance >= self.bound {
            return false;
        }
        self.place(distance, id);
        if let Some(reach) = self.reach
            && is_result
        {
            let place = self.results.partition_point(|other| *other <= distance);
            if place < reach.rank {
                self.results.truncate(reach.rank - 1);
                self.results.insert(place, distance);
            }
            if let Some(result) = self.results.get(reach.rank - 1) {
                self.tighten(reach.farthest(*result));
            }
        }
        self.keep_limit();
        true
    }

    /// Puts an entry in its place.
    #[inline(always)]
    fn place(&mut self, distance: u32, id: u32) -> usize {
        if self.entries.len() >= self.limit {
            self.entries.pop();
        }
        let entry = u64::from(distance) << 32 | u64::from(id) << 1;
        let place = self.rank(entry);
        self.entries.insert(place, entry);
        self.cursor = self.cursor.min(place);
        place
    }

    /// Number of entries nearer than `entry`. Counting is faster than searching, as it has no branch to guess and takes
    /// several entries at a time; in a long array, whole blocks are counted first.
    #[inline(always)]
    fn rank(&self, entry: u64) -> usize {
        let mut place = 0;
        let mut rest = self.entries.as_slice();
        if rest.len() > 4 * RANK_BLOCK {
            for block in rest.as_chunks::<RANK_BLOCK>().0 {
                place += usize::from(block[RANK_BLOCK - 1] < entry) * RANK_BLOCK;
            }
            rest = rest.get(place..).unwrap_or_default();
            rest = rest.get(..RANK_BLOCK).unwrap_or(rest);
        }
        for other in rest {
            place += usize::from(*other < entry);
        }
        place
    }

    /// Drops what is farther and lowers the bound to it.
    #[inline(always)]
    fn tighten(&mut self, farthest: u32) {
        while self.entries.last().is_some_and(|last| distance(*last) > farthest) {
            self.entries.pop();
        }
        self.bound = self.bound.min(farthest.saturating_add(1));
    }

    /// Lowers the bound where there are as many entries as may be.
    #[inline(always)]
    fn keep_limit(&mut self) {
        if self.entries.len() >= self.limit
            && let Some(last) = self.entries.last()
        {
            self.bound = self.bound.min(distance(*last));
        }
    }

    /// Only entries with a distance below it are added.
    #[inline(always)]
    pub(crate) fn bound(&self) -> u32 {
        self.bound
    }

    /// Marks the nearest unexpanded entry and gives its id. Beyond the nearest few, from which the walk may yet come nearer,
    /// none out of reach of a result known from elsewhere is given.
    #[inline(always)]
    pub(crate) fn next_unexpanded(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            if distance(*entry) > self.outer.0 && self.cursor >= self.outer.1 {
                return None;
            }
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
        self.entries.iter().map(|entry| (distance(*entry), id(*entry)))
    }
}

/// The distance of an entry.
#[inline(always)]
fn distance(entry: u64) -> u32 {
    (entry >> 32) as u32
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
        fn it_keeps_what_sorting_would(distances in prop::collection::vec(0u32..50, 0..400), limit in 1usize..300) {
            let mut pool = Pool::default();
            pool.reset(limit, None);
            for (id, distance) in distances.iter().enumerate() {
                let bound = pool.bound();
                prop_assert_eq!(pool.insert(*distance, id as u32), *distance < bound);
            }
            let mut expected: Vec<(u32, u32)> = distances.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            expected.truncate(limit);
            prop_assert_eq!(pool.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn with_a_reach_it_keeps_what_lies_within(
            distances in prop::collection::vec(0u32..2000, 0..400),
            limit in 1usize..300,
            rank in 1usize..20,
            slack in 0u32..=1024,
            origin in prop::sample::select(vec![0u32, 700, 1 << 31]),
        ) {
            let distances: Vec<u32> = distances.iter().map(|distance| distance + origin.saturating_sub(1000)).collect();
            let mut pool = Pool::default();
            pool.reset(limit, Some(Reach { rank, slack, scale: Scale::From(origin), known: u32::MAX }));
            for (id, distance) in distances.iter().enumerate() {
                pool.insert(*distance, id as u32);
            }
            let mut expected: Vec<(u32, u32)> = distances.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            if let Some((result, _)) = expected.get(rank - 1).copied().filter(|_| rank <= limit) {
                let more = u64::from(result.abs_diff(origin)) * u64::from(slack) / 1024;
                expected.retain(|(distance, _)| u64::from(*distance) <= u64::from(result) + more);
            }
            expected.truncate(limit);
            prop_assert_eq!(pool.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn every_entry_is_expanded_once_nearest_first(
            distances in prop::collection::vec(0..u32::MAX, 1..100), pause in 1usize..10,
        ) {
            let mut pool = Pool::default();
            pool.reset(distances.len(), None);
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
