//! [`Top`]: the best k of many scores.

use std::cmp::Ordering;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A scored record. The better one is the greater one; between equal scores, the one that was met first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The score; larger is better.
    pub(crate) score: f32,
    /// Which segment, in the order of the search.
    pub(crate) segment: u32,
    /// The slot in it.
    pub(crate) slot: u32,
}

impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| (other.segment, other.slot).cmp(&(self.segment, self.slot)))
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Found {}

/// Keeps the best k of what it is offered.
pub(crate) struct Top {
    k: usize,
    heap: BinaryHeap<Reverse<Found>>,
}

impl Top {
    /// Keeps the best `k`.
    pub(crate) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k.min(1024) + 1) }
    }

    /// Takes `found` in where it is among the best.
    pub(crate) fn offer(&mut self, found: Found) {
        if self.heap.len() < self.k {
            self.heap.push(Reverse(found));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && worst.0 < found
        {
            *worst = Reverse(found);
        }
    }

    /// The score of the worst of the best `k`, as soon as there are so many.
    pub(crate) fn worst(&self) -> Option<f32> {
        self.heap.peek().filter(|_| self.heap.len() >= self.k).map(|worst| worst.0.score)
    }

    /// The best, the best first.
    pub(crate) fn into_best(self) -> Vec<Found> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_would(scores in prop::collection::vec(-5i8..5, 0..60), k in 0usize..20) {
            let all: Vec<Found> = scores
                .iter()
                .enumerate()
                .map(|(i, score)| Found { score: f32::from(*score), segment: i as u32 % 3, slot: i as u32 })
                .collect();
            let mut sorted = all.clone();
            sorted.sort_by(|a, b| b.cmp(a));
            sorted.truncate(k);
            let mut top = Top::new(k);
            all.into_iter().for_each(|found| top.offer(found));
            prop_assert_eq!(top.into_best(), sorted);
        }
    }
}
