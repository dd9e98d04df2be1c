//! The best of a search, in the order of score, then slot.

use crate::ids::Slot;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Where matches go.
pub(super) enum Sink<'s> {
    /// The best are kept.
    Top(&'s mut Top),
    /// Each is told.
    Each(&'s mut dyn FnMut(u32, Slot)),
}

impl Sink<'_> {
    /// Matches with at most this score are of no use.
    #[inline]
    pub(super) fn limit(&self) -> u32 {
        match self {
            Self::Top(top) => top.limit,
            Self::Each(_) => 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, score: u32, slot: Slot) {
        match self {
            Self::Top(top) => top.push(score, slot),
            Self::Each(each) => each(score, slot),
        }
    }
}

/// The `k` best.
#[derive(Default)]
pub(super) struct Top {
    k: usize,
    limit: u32,
    /// Score in the upper half, the slot's complement in the lower: the larger, the better.
    heap: BinaryHeap<Reverse<u64>>,
}

impl Top {
    /// Begins anew: `k` matches with more than `limit`.
    pub(super) fn start(&mut self, k: usize, limit: u32) {
        self.heap.clear();
        (self.k, self.limit) = (k, if k == 0 { u32::MAX } else { limit });
    }

    #[inline]
    fn push(&mut self, score: u32, slot: Slot) {
        if score <= self.limit {
            return;
        }
        let key = u64::from(score) << 32 | u64::from(!slot);
        if self.heap.len() < self.k {
            self.heap.push(Reverse(key));
        } else if let Some(mut least) = self.heap.peek_mut() {
            // Slots ascend, so that one with an equal score comes second.
            *least = Reverse(key);
        }
        if self.heap.len() == self.k
            && let Some(Reverse(least)) = self.heap.peek()
        {
            self.limit = (least >> 32) as u32;
        }
    }

    /// The matches, the best first.
    pub(super) fn drain(&mut self, mut each: impl FnMut(u32, Slot)) {
        let mut keys = std::mem::take(&mut self.heap).into_vec();
        keys.sort_unstable();
        for Reverse(key) in &keys {
            each((key >> 32) as u32, !(*key as u32));
        }
        keys.clear();
        self.heap = keys.into();
    }
}
