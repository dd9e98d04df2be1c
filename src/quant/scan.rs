//! All codes of a segment, one after the other: what a search falls back on where a graph would have to look at most of
//! them anyway. It reads memory in order, which a graph, jumping about, does not.

use crate::ids::Slot;
use crate::quant::Candidate;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::QueryCode;
use crate::slots::Slots;
use crate::vector::dispatch::prefetch;
use crate::vector::kernels::CodeDistance;

/// Slots whose distances are computed before any is looked at.
const BATCH: usize = 64;
/// The same, where slots lie apart.
const SCATTERED: usize = 16;
/// How far ahead codes are asked for.
const AHEAD_BYTES: usize = 4096;
/// Entries beyond the limit that are gathered before the worst are dropped, at least.
const SLACK: usize = 256;

/// The best entries of a scan so far: distance above slot in a word. Grows to what a scan needs, then allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Best {
    entries: Vec<u64>,
    limit: usize,
    /// The worst entry that is still wanted.
    bound: u64,
}

impl Best {
    /// Empties it, for `limit` entries.
    fn reset(&mut self, limit: usize) {
        self.entries.clear();
        self.limit = limit;
        self.bound = if limit == 0 { 0 } else { u64::MAX };
    }

    /// The largest distance that is still wanted.
    #[inline(always)]
    fn distance_bound(&self) -> u32 {
        (self.bound >> 32) as u32
    }

    /// Adds an entry that is within the bound.
    #[inline(always)]
    fn add(&mut self, distance: u32, slot: Slot) {
        let entry = u64::from(distance) << 32 | u64::from(slot);
        if entry <= self.bound && self.limit > 0 {
            self.entries.push(entry);
            if self.entries.len() >= self.limit.saturating_mul(2).max(self.limit.saturating_add(SLACK)) {
                self.shrink();
            }
        }
    }

    /// Appends the best to `out`, best first.
    fn finish(&mut self, query: &QueryCode, out: &mut Vec<Candidate>) {
        self.shrink();
        self.entries.sort_unstable();
        out.extend(self.entries.iter().map(|entry| {
            let (distance, slot) = ((entry >> 32) as u32, *entry as Slot);
            Candidate { score: query.score(distance), slot }
        }));
    }

    /// Drops what is beyond the limit.
    fn shrink(&mut self) {
        if self.entries.len() > self.limit {
            let worst = *self.entries.select_nth_unstable(self.limit - 1).1;
            self.entries.truncate(self.limit);
            self.bound = worst;
        }
    }
}

impl Codes<'_> {
    /// Appends to `out` the `limit` best slots by code, best first, those left out that `is_dead` names; ties go to the
    /// lower slot.
    pub(crate) fn scan(
        &self,
        query: &QueryCode,
        limit: usize,
        is_dead: impl Fn(Slot) -> bool,
        best: &mut Best,
        out: &mut Vec<Candidate>,
    ) {
        best.reset(limit);
        query.form().dispatch(Scan { codes: *self, query: query.bytes(), is_dead, best });
        best.finish(query, out);
    }
}

impl Codes<'_> {
    /// As [`Codes::scan`], of these slots alone, which ascend.
    pub(crate) fn scan_slots(
        &self,
        query: &QueryCode,
        limit: usize,
        slots: Slots<'_>,
        best: &mut Best,
        out: &mut Vec<Candidate>,
    ) {
        best.reset(limit);
        query.form().dispatch(ScanSlots { codes: *self, query: query.bytes(), slots, best });
        best.finish(query, out);
    }
}

/// [`Codes::scan`], to be compiled for each form and instruction set.
struct Scan<'a, F> {
    codes: Codes<'a>,
    query: &'a [u8],
    is_dead: F,
    best: &'a mut Best,
}

impl<F: Fn(Slot) -> bool> CodeWork for Scan<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) {
        let Self { codes, query, is_dead, best } = self;
        let (stride, codes_bytes) = (codes.stride.max(1), codes.bytes);
        let (mut first, mut start) = (0, 0);
        for batch in codes_bytes.chunks(stride * BATCH) {
            let mut distances = [0; BATCH];
            let fours = distances.as_chunks_mut::<4>().0;
            let mut quads = batch.chunks_exact(stride * 4);
            for (at, (codes, found)) in (0..).step_by(4 * stride).zip(quads.by_ref().zip(fours.iter_mut())) {
                let ahead = start + at + AHEAD_BYTES;
                prefetch(codes_bytes.get(ahead..ahead + 4 * stride).unwrap_or_default());
                let (front, back) = codes.split_at(2 * stride);
                let ((a, b), (c, d)) = (front.split_at(stride), back.split_at(stride));
                *found = distance.four(query, [a, b, c, d]);
            }
            let done = batch.len() / (stride * 4) * 4;
            for (code, found) in quads.remainder().chunks_exact(stride).zip(distances.iter_mut().skip(done)) {
                *found = distance.one(query, code);
            }
            let len = (batch.len() / stride).min(BATCH);
            let bound = best.distance_bound();
            // Most batches have nothing near enough, which one comparison of them all tells.
            if distances[..len].iter().fold(u32::MAX, |least, distance| least.min(*distance)) <= bound {
                for (slot, distance) in (first..).zip(&distances[..len]) {
                    if *distance <= best.distance_bound() && !is_dead(slot) {
                        best.add(*distance, slot);
                    }
                }
            }
            first += len as Slot;
            start += batch.len();
        }
    }
}

/// [`Codes::scan_slots`], to be compiled for each form and instruction set.
struct ScanSlots<'a> {
    codes: Codes<'a>,
    query: &'a [u8],
    slots: Slots<'a>,
    best: &'a mut Best,
}

impl CodeWork for ScanSlots<'_> {
    type Output = ();

    /// Codes that lie apart are waited for: so a batch is asked for before the one before it is scored.
    #[inline(always)]
    fn run<D: CodeDistance>(mut self, distance: D) {
        let (mut now, mut next) = ([0; SCATTERED], [0; SCATTERED]);
        let mut len = self.gather(&mut now);
        while len > 0 {
            let next_len = self.gather(&mut next);
            let mut distances = [0; SCATTERED];
            let (fours, rest) = now[..len].as_chunks::<4>();
            let (four_distances, rest_distances) = distances[..len].as_chunks_mut::<4>();
            for (slots, found) in fours.iter().zip(four_distances) {
                *found = distance.four(self.query, slots.map(|slot| self.codes.code(slot)));
            }
            for (slot, found) in rest.iter().zip(rest_distances) {
                *found = distance.one(self.query, self.codes.code(*slot));
            }
            for (slot, distance) in now[..len].iter().zip(distances) {
                if distance <= self.best.distance_bound() {
                    self.best.add(distance, *slot);
                }
            }
            (now, len) = (next, next_len);
        }
    }
}

impl ScanSlots<'_> {
    /// The next slots, their codes asked for.
    #[inline(always)]
    fn gather(&mut self, slots: &mut [Slot; SCATTERED]) -> usize {
        let mut len = 0;
        for (place, slot) in slots.iter_mut().zip(&mut self.slots) {
            prefetch(self.codes.code(slot));
            *place = slot;
            len += 1;
        }
        len
    }
}
