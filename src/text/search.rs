//! Runs a prepared query over one segment.
//!
//! Slots are looked at in windows of 8192. In each, some postings are read whole (the *essential* ones: of the words that a
//! record must have one of to be among the best, or to match at all), which gives candidates; what else the query asks for is
//! looked up for the candidates alone, the most that it can add first, and candidates that can't be among the best any more
//! are dropped on the way (MaxScore: Turtle and Flood 1995; with bounds by block: Chakrabarti and others 2011, Ding and Suel
//! 2011). What is found is exact.
//!
//! - Words of which any counts: those are essential without which the others' bounds together reach the k-th best score.
//!   Of a single essential word, blocks whose bound is too low are not read.
//! - Something required: the rarest of it is essential.
//! - At least m of n: all postings are read and counted; of more than 64, the rarest n - m + 1 give the candidates.
//! - A filter that very few pass: its slots are the candidates. One that less than half pass is asked before anything is
//!   scored.

use super::leaf::Leaf;
use super::parts::Candidate;
use super::parts::Part;
use super::parts::Parts;
use super::parts::is_thin;
use super::parts::narrow;
use super::prepare::Prepared;
use super::score::Buffers;
use super::score::Tables;
use super::sums::Sums;
use super::sums::WINDOW;
use super::top::Sink;
use super::top::Top;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Reverse;
use std::ops::Range;

/// Slots of the first window.
const FIRST_WINDOW: u32 = 512;
/// Clauses that are counted in the bits of a number.
const COUNTED: usize = 64;

/// Working memory of searches.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) sums: Sums,
    buffers: Buffers,
    tables: Tables,
    pub(super) candidates: Vec<Candidate>,
    /// For each slot of a window, a bit for each clause that it matches.
    matched: Vec<u64>,
    /// Bounds and places of the leaves that a window has.
    pub(super) order: Vec<(u32, u32)>,
    top: Top,
}

/// The slots that may be found.
#[derive(Clone, Copy)]
struct Allowed<'s> {
    filter: Option<&'s SlotSet>,
    dead: Option<&'s SlotSet>,
}

impl Allowed<'_> {
    #[inline]
    fn contains(self, slot: Slot) -> bool {
        self.filter.is_none_or(|filter| filter.contains(slot))
            && !self.dead.is_some_and(|dead| dead.contains(slot))
    }
}

impl<'a> Prepared<'a> {
    /// Calls `each` with score and slot of the `k` best records of a segment, the best first, those with equal scores by slot;
    /// of those that pass `filter`, and of those with a score of at least `threshold`, such as that of the k-th best in the
    /// segments before.
    pub(crate) fn search(
        &self,
        segment: usize,
        k: usize,
        filter: Option<&SlotSet>,
        threshold: f32,
        scratch: &mut Scratch,
        each: &mut dyn FnMut(f32, Slot),
    ) -> Result<()> {
        let limit = (f64::from(threshold.max(0.0)) * self.scale * 0.999_999).floor() as u32;
        let mut top = std::mem::take(&mut scratch.top);
        top.start(k, limit.saturating_sub(1));
        let run = self.run(segment, filter, &mut Sink::Top(&mut top), scratch);
        top.drain(|units, slot| {
            let score = (f64::from(units) / self.scale) as f32;
            if run.is_ok() && score >= threshold {
                each(score, slot);
            }
        });
        scratch.top = top;
        run
    }

    /// Calls `each` with score and slot of every record of a segment that matches and passes `filter`, by ascending slot: also
    /// what scores certain records, which are the filter then.
    pub(crate) fn scores(
        &self,
        segment: usize,
        filter: Option<&SlotSet>,
        scratch: &mut Scratch,
        each: &mut dyn FnMut(f32, Slot),
    ) -> Result<()> {
        let mut tell = |units: u32, slot| each((f64::from(units) / self.scale) as f32, slot);
        self.run(segment, filter, &mut Sink::Each(&mut tell), scratch)
    }

    /// The records of a segment that match and pass `filter`.
    pub(crate) fn matching(
        &self,
        segment: usize,
        filter: Option<&SlotSet>,
        scratch: &mut Scratch,
    ) -> Result<SlotSet> {
        let mut slots = Vec::new();
        self.scores(segment, filter, scratch, &mut |_, slot| slots.push(slot))?;
        Ok(SlotSet::from_ascending(self.segments.get(segment).map_or(0, |segment| segment.len), slots))
    }

    fn run(
        &self,
        segment: usize,
        filter: Option<&SlotSet>,
        sink: &mut Sink<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Some(searched) = self.segments.get(segment) else { return Ok(()) };
        if self.is_empty() || filter.is_some_and(SlotSet::is_empty) {
            return Ok(());
        }
        let mut parts = self.parts(segment, &mut scratch.tables)?;
        if parts.must.iter().any(|part| part.leaves.is_empty()) || parts.should.len() < parts.minimum {
            return Ok(());
        }
        if parts.minimum == parts.should.len() {
            // All of them: each is required.
            parts.must.append(&mut parts.should);
            parts.must.sort_by_key(|part| part.cost);
            parts.minimum = 0;
        }
        if parts.must.is_empty() && parts.minimum > 1 && parts.should.len() > COUNTED {
            parts.rarest = self.parts(segment, &mut scratch.tables)?.should;
            parts.rarest.truncate(parts.should.len() + 1 - parts.minimum);
        }
        let dead = searched.dead.filter(|dead| !dead.is_empty());
        let allowed = Allowed { filter, dead };
        let few = filter.filter(|filter| filter.len() * 2 < searched.len as usize);
        let bits = few.map(SlotSet::bits);
        Run { allowed, bits, len: searched.len, sink, scratch }.all(parts)
    }
}

/// One query over one segment.
pub(super) struct Run<'s, 'k> {
    allowed: Allowed<'s>,
    /// The filter's bits, where it is worth while to look at them posting by posting.
    bits: Option<Cow<'s, [u64]>>,
    pub(super) len: u32,
    pub(super) sink: &'s mut Sink<'k>,
    pub(super) scratch: &'s mut Scratch,
}

impl Run<'_, '_> {
    fn all(&mut self, mut parts: Parts<'_>) -> Result<()> {
        if let Some(filter) = self.allowed.filter
            && is_thin(filter, &parts)
        {
            return self.over_filter(filter, &mut parts);
        }
        if !parts.must.is_empty() {
            return self.over_must(&mut parts);
        }
        if parts.minimum > 1 {
            return self.over_some(&mut parts);
        }
        let mut leaves: Vec<Leaf<'_>> = parts.should.into_iter().flat_map(|part| part.leaves).collect();
        match &mut leaves[..] {
            [] => Ok(()),
            [leaf] if parts.must_not.is_empty() => self.over_one(leaf),
            leaves => self.over_any(leaves, &mut parts.must_not),
        }
    }

    /// The windows; the first ones are narrow, so that there is something to compare with soon.
    pub(super) fn windows(&self) -> impl Iterator<Item = (Slot, Slot)> + use<> {
        let len = self.len;
        let mut base = 0;
        std::iter::from_fn(move || {
            let width = if base < WINDOW as u32 { base.max(FIRST_WINDOW) } else { WINDOW as u32 };
            let window = (base < len).then(|| (base, base.saturating_add(width).min(len)))?;
            base = window.1;
            Some(window)
        })
    }

    /// One word: blocks whose bound is too low are passed over.
    fn over_one(&mut self, leaf: &mut Leaf<'_>) -> Result<()> {
        let cut = Cell::new(self.sink.limit());
        leaf.enter(0, self.len);
        let (allowed, sink) = (self.allowed, &mut *self.sink);
        leaf.each(0, self.len, &cut, &mut self.scratch.buffers, |slot, score| {
            if score > cut.get() && allowed.contains(slot) {
                sink.push(score, slot);
                cut.set(sink.limit());
            }
        })
    }

    /// Adds the scores of the window's records in a leaf to their sums.
    pub(super) fn add_up(&mut self, leaf: &mut Leaf<'_>, window: Range<Slot>) -> Result<()> {
        let Scratch { sums, buffers, .. } = &mut *self.scratch;
        leaf.collect(window.start, window.end, self.bits.as_deref(), sums, buffers)
    }

    /// The same for several.
    fn add_all(&mut self, leaves: &mut [Leaf<'_>], window: Range<Slot>) -> Result<()> {
        let added = leaves.iter_mut().try_for_each(|leaf| self.add_up(leaf, window.clone()));
        if added.is_err() {
            self.scratch.sums.forget();
        }
        added
    }

    /// The candidates: records of the window whose sum was noted.
    pub(super) fn candidates(&mut self, base: Slot) {
        let Scratch { sums, candidates, .. } = &mut *self.scratch;
        candidates.clear();
        let allowed = self.allowed;
        sums.each_above(base, |slot, score| {
            if allowed.contains(slot) {
                candidates.push(Candidate { slot, score, matched: 0 });
            }
        });
    }

    /// Tells of the records of the window whose sum was noted and is their score.
    pub(super) fn tell(&mut self, base: Slot) {
        let (allowed, sink) = (self.allowed, &mut *self.sink);
        let Scratch { sums, .. } = &mut *self.scratch;
        sums.each_above(base, |slot, score| {
            if score > sink.limit() && allowed.contains(slot) {
                sink.push(score, slot);
            }
        });
        sums.forget();
    }

    /// The candidates: records of the window with more than `cut` in these leaves together.
    fn collect(&mut self, leaves: &mut [Leaf<'_>], base: Slot, end: Slot, cut: u32) -> Result<()> {
        let [leaf] = leaves else {
            self.scratch.sums.note_above(cut);
            self.add_all(leaves, base..end)?;
            self.candidates(base);
            self.scratch.sums.forget();
            return Ok(());
        };
        let Scratch { buffers, candidates, .. } = &mut *self.scratch;
        candidates.clear();
        let allowed = self.allowed;
        leaf.each(base, end, &Cell::new(cut), buffers, |slot, score| {
            if score > cut && allowed.contains(slot) {
                candidates.push(Candidate { slot, score, matched: 0 });
            }
        })
    }

    /// Something required: the rarest of it gives the candidates.
    fn over_must(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        for (base, end) in self.windows() {
            let (limit, sum) = (self.sink.limit(), parts.enter(base, end));
            if sum <= limit || parts.must.iter().any(|part| part.bound == 0) {
                continue;
            }
            let first = &mut parts.must[0];
            self.collect(&mut first.leaves, base, end, limit.saturating_sub(sum - first.bound))?;
            self.complete(parts, 1, sum - parts.must[0].bound)?;
        }
        Ok(())
    }

    /// At least `m` of `n`: the rarest `n - m + 1` give the candidates.
    fn over_some(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        for (base, end) in self.windows() {
            let (limit, sum) = (self.sink.limit(), parts.enter(base, end));
            if sum <= limit {
                continue;
            }
            if parts.should.len() <= COUNTED {
                self.count(parts, base, end)?;
                self.finish(&mut parts.must_not)?;
                continue;
            }
            self.scratch.sums.note_above(0);
            for part in &mut parts.rarest {
                part.enter(base, end);
                self.add_all(&mut part.leaves, base..end)?;
            }
            self.candidates(base);
            self.scratch.sums.forget();
            // They are looked up once more, so that it is known how many match.
            self.scratch.candidates.iter_mut().for_each(|candidate| candidate.score = 0);
            self.complete(parts, 0, sum)?;
        }
        Ok(())
    }

    /// The candidates: records of the window that enough clauses match, with their scores.
    fn count(&mut self, parts: &mut Parts<'_>, base: Slot, end: Slot) -> Result<()> {
        let Scratch { sums, buffers, matched, candidates, .. } = &mut *self.scratch;
        matched.clear();
        matched.resize(WINDOW, 0u64);
        sums.note_above(self.sink.limit());
        for (number, part) in parts.should.iter_mut().enumerate() {
            for leaf in &mut part.leaves {
                let added = leaf.each(base, end, &Cell::new(0), buffers, |slot, score| {
                    matched[slot as usize % WINDOW] |= 1 << number;
                    sums.add(slot, score);
                });
                if added.is_err() {
                    sums.forget();
                    return added;
                }
            }
        }
        let allowed = self.allowed;
        candidates.clear();
        sums.each_above(base, |slot, score| {
            let clauses = matched[slot as usize % WINDOW].count_ones();
            if clauses as usize >= parts.minimum && allowed.contains(slot) {
                candidates.push(Candidate { slot, score, matched: clauses });
            }
        });
        sums.forget();
        Ok(())
    }

    /// A filter that few pass: its slots are the candidates.
    fn over_filter(&mut self, filter: &SlotSet, parts: &mut Parts<'_>) -> Result<()> {
        let allowed = self.allowed;
        let len = self.len;
        let mut slots = filter.iter().filter(|slot| *slot < len).peekable();
        while let Some(first) = slots.peek().copied() {
            let base = first - first % WINDOW as u32;
            let end = self.len.min(base.saturating_add(WINDOW as u32));
            let candidates = &mut self.scratch.candidates;
            candidates.clear();
            while let Some(slot) = slots.next_if(|slot| *slot < end) {
                if allowed.contains(slot) {
                    candidates.push(Candidate { slot, score: 0, matched: 0 });
                }
            }
            let sum = parts.enter(base, end);
            if sum > self.sink.limit() && parts.must.iter().all(|part| part.bound > 0) {
                self.complete(parts, 0, sum)?;
            }
        }
        Ok(())
    }

    /// Looks up what the candidates have of the other clauses: of the required ones from `from` on, then of the others. `sum`
    /// bounds all that together.
    fn complete(&mut self, parts: &mut Parts<'_>, from: usize, mut sum: u32) -> Result<()> {
        let limit = self.sink.limit();
        for part in &mut parts.must[from..] {
            sum -= part.bound;
            narrow(&mut self.scratch.candidates, |candidate| {
                candidate.matched = 0;
                Ok(part.add(candidate, sum, limit)? && candidate.matched > 0)
            })?;
        }
        self.scratch.candidates.iter_mut().for_each(|candidate| candidate.matched = 0);
        let mut left = parts.should.len();
        parts.should.sort_by_key(|part| Reverse(part.bound));
        for part in &mut parts.should {
            sum -= part.bound;
            left -= 1;
            narrow(&mut self.scratch.candidates, |candidate| {
                Ok(part.add(candidate, sum, limit)? && candidate.matched as usize + left >= parts.minimum)
            })?;
        }
        parts.should.sort_by_key(|part| part.cost);
        self.finish(&mut parts.must_not)
    }

    /// Tells of the candidates that nothing forbids.
    pub(super) fn finish(&mut self, must_not: &mut [Part<'_>]) -> Result<()> {
        let candidates = &mut self.scratch.candidates;
        let limit = self.sink.limit();
        candidates.retain(|candidate| candidate.score > limit);
        for leaf in must_not.iter_mut().flat_map(|part| &mut part.leaves) {
            narrow(candidates, |candidate| Ok(leaf.probe(candidate.slot)? == 0))?;
        }
        candidates.iter().for_each(|candidate| self.sink.push(candidate.score, candidate.slot));
        Ok(())
    }
}
