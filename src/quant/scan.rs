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
/// Slots whose distances are kept by [`Codes::chunk_distances`]: few enough to stay in the nearest cache.
const CHUNK: usize = 1024;
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
    pub(crate) fn reset(&mut self, limit: usize) {
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

    /// Adds an entry, unless its distance is beyond the bound, and tells whether it did.
    #[inline(always)]
    pub(crate) fn offer(&mut self, distance: u32, slot: Slot) -> bool {
        let is_near = distance <= self.distance_bound();
        if is_near {
            self.add(distance, slot);
        }
        is_near
    }

    /// Appends the best to `out`, best first.
    pub(crate) fn finish(&mut self, query: &QueryCode, out: &mut Vec<Candidate>) {
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
    /// Appends to `out` the distance of every code, each above its slot in a word.
    pub(crate) fn keyed_distances(&self, query: &QueryCode, out: &mut Vec<u64>) {
        query.form().dispatch(Keyed { codes: *self, query: query.bytes(), out });
    }

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

/// The distances of all codes, each above its slot.
struct Keyed<'a> {
    codes: Codes<'a>,
    query: &'a [u8],
    out: &'a mut Vec<u64>,
}

impl CodeWork for Keyed<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) {
        let Codes { bytes, stride, len, .. } = self.codes;
        let mut distances = [0; BATCH];
        for first in (0..len).step_by(BATCH) {
            batch_distances(distance, self.query, bytes, (first * stride, stride), &mut distances);
            let keys = (first as u64..len as u64).zip(distances);
            self.out.extend(keys.map(|(slot, distance)| u64::from(distance) << 32 | slot));
        }
    }
}

/// The distances of the codes from byte `start` on, as many as there are and fit. Later codes are asked for meanwhile.
#[inline(always)]
fn batch_distances<D: CodeDistance>(
    distance: D,
    query: &[u8],
    codes: &[u8],
    (start, stride): (usize, usize),
    out: &mut [u32; BATCH],
) {
    let batch = codes.get(start..codes.len().min(start + stride * BATCH)).unwrap_or_default();
    let fours = out.as_chunks_mut::<4>().0;
    let mut quads = batch.chunks_exact(stride * 4);
    for (at, (four, found)) in (0..).step_by(4 * stride).zip(quads.by_ref().zip(fours.iter_mut())) {
        let ahead = start + at + AHEAD_BYTES;
        prefetch(codes.get(ahead..ahead + 4 * stride).unwrap_or_default());
        let (front, back) = four.split_at(2 * stride);
        let ((a, b), (c, d)) = (front.split_at(stride), back.split_at(stride));
        *found = distance.four(query, [a, b, c, d]);
    }
    let done = batch.len() / (stride * 4) * 4;
    for (code, found) in quads.remainder().chunks_exact(stride).zip(out.iter_mut().skip(done)) {
        *found = distance.one(query, code);
    }
}

/// The distances of consecutive codes, and for each batch of [`BATCH`] the least of them.
pub(crate) struct Distances {
    all: [[u32; BATCH]; CHUNK / BATCH],
    least: [u32; CHUNK / BATCH],
}

impl Default for Distances {
    fn default() -> Self {
        Self { all: [[u32::MAX; BATCH]; CHUNK / BATCH], least: [u32::MAX; CHUNK / BATCH] }
    }
}

impl Distances {
    /// Codes whose distances are computed together.
    pub(crate) const CHUNK: usize = CHUNK;
    /// Codes of a batch.
    pub(crate) const BATCH: usize = BATCH;

    /// The least distance and the distances of each batch.
    pub(crate) fn batches(&self) -> impl Iterator<Item = (u32, &[u32; BATCH])> {
        self.least.iter().copied().zip(&self.all)
    }

    /// All distances, in the order of the codes; behind the last code they mean nothing.
    pub(crate) fn all(&self) -> &[u32] {
        self.all.as_flattened()
    }
}

impl Codes<'_> {
    /// Writes the distances of up to [`Distances::CHUNK`] codes, from the one at `first` on.
    pub(crate) fn chunk_distances(&self, query: &QueryCode, first: usize, out: &mut Distances) {
        query.form().dispatch(Chunk { codes: *self, query: query.bytes(), first, out });
    }
}

/// [`Codes::chunk_distances`], to be compiled for each form and instruction set.
struct Chunk<'a> {
    codes: Codes<'a>,
    query: &'a [u8],
    first: usize,
    out: &'a mut Distances,
}

impl CodeWork for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) {
        let Self { codes, query, first, out } = self;
        let stride = codes.stride.max(1);
        let starts = (first * stride..codes.bytes.len()).step_by(stride * BATCH);
        for ((start, batch), least) in starts.zip(&mut out.all).zip(&mut out.least) {
            batch_distances(distance, query, codes.bytes, (start, stride), batch);
            let len = BATCH.min((codes.bytes.len() - start) / stride);
            *least = batch[..len].iter().fold(u32::MAX, |least, distance| least.min(*distance));
        }
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
            batch_distances(distance, query, codes_bytes, (start, stride), &mut distances);
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
