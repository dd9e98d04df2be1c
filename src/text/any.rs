//! Searches for words of which any counts: see [`super::search`].

use super::leaf::Leaf;
use super::parts::LOOKUP_COST;
use super::parts::Part;
use super::parts::refine;
use super::search::Run;
use super::search::Scratch;
use crate::error::Result;
use crate::ids::Slot;
use std::ops::Range;

/// So few postings in a window are read without further thought.
const FEW_POSTINGS: u64 = 128;

impl Run<'_, '_> {
    /// Words of which any counts.
    pub(super) fn over_any(&mut self, leaves: &mut [Leaf<'_>], must_not: &mut [Part<'_>]) -> Result<()> {
        let mut order = std::mem::take(&mut self.scratch.order);
        let mut done = Ok(());
        for (base, end) in self.windows() {
            order.clear();
            for (place, leaf) in leaves.iter_mut().enumerate() {
                leaf.enter(base, end);
                if leaf.bound > 0 {
                    order.push((leaf.bound, place as u32));
                }
            }
            order.sort_unstable();
            done = self.any_in(base..end, leaves, &order, must_not);
            if done.is_err() {
                self.scratch.sums.forget();
                break;
            }
        }
        self.scratch.order = order;
        done
    }

    /// The same in one window, of the leaves that it has, the smallest bound first.
    fn any_in(
        &mut self,
        window: Range<Slot>,
        leaves: &mut [Leaf<'_>],
        order: &[(u32, u32)],
        must_not: &mut [Part<'_>],
    ) -> Result<()> {
        let limit = self.sink.limit();
        let (mut optional, mut rest) = (0, 0);
        while let Some((bound, _)) = order.get(optional).filter(|(bound, _)| rest + bound <= limit) {
            rest += bound;
            optional += 1;
        }
        if optional == order.len() {
            return Ok(());
        }
        while let Some((bound, place)) = optional.checked_sub(1).map(|last| order[last]) {
            if rest <= limit / 2 && !self.has_few(&leaves[place as usize], window.clone()) {
                break;
            }
            (optional, rest) = (optional - 1, rest - bound);
        }
        self.scratch.sums.note_above(limit - rest);
        for (_, place) in &order[optional..] {
            self.add_up(&mut leaves[*place as usize], window.clone())?;
        }
        if optional == 0 && must_not.is_empty() {
            self.tell(window.start);
            return Ok(());
        }
        self.candidates(window.start);
        let mut looking_up = false;
        for (bound, place) in order[..optional].iter().rev() {
            rest -= bound;
            let leaf = &mut leaves[*place as usize];
            looking_up |= !self.is_read(leaf, window.clone());
            if looking_up {
                refine(&mut self.scratch.candidates, leaf, rest, limit)?;
                continue;
            }
            self.add_up(leaf, window.clone())?;
            let Scratch { sums, candidates, .. } = &mut *self.scratch;
            candidates.iter_mut().for_each(|candidate| candidate.score = sums.at(candidate.slot));
            candidates.retain(|candidate| candidate.score + rest > limit);
        }
        self.scratch.sums.forget();
        self.finish(must_not)
    }

    /// Postings of a leaf in a window, about.
    fn postings(&self, leaf: &Leaf<'_>, window: Range<Slot>) -> u64 {
        leaf.cost * u64::from(window.end - window.start) / u64::from(self.len.max(1))
    }

    /// Whether a leaf has so few postings in a window that they are read without further thought.
    fn has_few(&self, leaf: &Leaf<'_>, window: Range<Slot>) -> bool {
        self.postings(leaf, window) < FEW_POSTINGS
    }

    /// Whether reading all postings of a leaf in the window costs less than looking the candidates up in it.
    fn is_read(&self, leaf: &Leaf<'_>, window: Range<Slot>) -> bool {
        self.scratch.candidates.len() as u64 * LOOKUP_COST > self.postings(leaf, window)
    }
}
