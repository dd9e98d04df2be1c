//! The search of one layer, and the memory it reuses.
//!
//! Where codes are small, a search spends its time on waiting for memory and on guessing branches, not on arithmetic. So
//! it takes the [`WIDTH`] nearest unexpanded candidates at once, gathers all their unseen neighbors, asks for all their
//! codes, and only then computes: distances four at a time, then a filter without branches against the worst candidate
//! kept, then the few insertions.

use crate::graph::layer::Layer;
use crate::graph::layer::ids;
use crate::quant::Codes;
use crate::quant::Pool;
use crate::vector::dispatch::prefetch;
use crate::vector::kernels::CodeDistance;

/// Candidates expanded together. More hide more memory latency, and cost more distances that turn out to be of no use.
const WIDTH: usize = 4;
/// Longest list of neighbors: twice the largest `m`.
const MAX_DEGREE: usize = 128;
/// Neighbors gathered in one step.
const MAX_BATCH: usize = WIDTH * MAX_DEGREE;

/// Working memory of one search at a time; grows to what it needs, then allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) visited: VisitedSet,
    pub(super) pool: Pool,
    batch: Batch,
}

/// Gathered ids and their distances.
#[derive(Debug)]
struct Batch {
    ids: Box<[u32; MAX_BATCH]>,
    distances: Box<[u32; MAX_BATCH]>,
    len: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { ids: Box::new([0; MAX_BATCH]), distances: Box::new([0; MAX_BATCH]), len: 0 }
    }
}

/// The ids that a search has met: a bit each, cleared through the list of those set, so that starting a search costs what
/// the last one touched and not the number of ids.
#[derive(Debug, Default)]
pub(super) struct VisitedSet {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl VisitedSet {
    /// Empties the set, for ids below `len`.
    pub(super) fn reset(&mut self, len: usize) {
        let words = len.div_ceil(64);
        if self.words.len() / 8 > self.touched.len() {
            for id in &self.touched {
                if let Some(word) = self.words.get_mut(*id as usize / 64) {
                    *word = 0;
                }
            }
        } else {
            self.words.fill(0);
        }
        self.touched.clear();
        self.words.resize(words, 0);
    }

    /// Adds an id and tells whether it is new; one that is too large is not.
    #[inline(always)]
    pub(super) fn insert(&mut self, id: u32) -> bool {
        let bit = 1 << (id % 64);
        match self.words.get_mut(id as usize / 64) {
            Some(word) => {
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
            None => false,
        }
    }
}

/// Leaves in `scratch.pool` the `ef` nearest ids to `query` that a walk from `entry` finds.
///
/// It ends: an id is put into the pool once, and expanded once.
#[inline(always)]
pub(super) fn search_layer<D: CodeDistance, L: Layer>(
    distance: D,
    codes: &Codes<'_>,
    layer: L,
    query: &[u8],
    entry: u32,
    ef: usize,
    scratch: &mut Scratch,
) {
    let Scratch { visited, pool, batch } = scratch;
    visited.reset(layer.len());
    pool.reset(ef);
    if !visited.insert(entry) {
        return;
    }
    visited.touched.push(entry);
    pool.insert(distance.one(query, codes.code(layer.slot(entry))), entry);
    loop {
        batch.len = 0;
        for _ in 0..WIDTH {
            let Some(id) = pool.next_unexpanded() else { break };
            batch.gather(codes, layer, id, visited);
        }
        if batch.len == 0 && pool.unexpanded().next().is_none() {
            return;
        }
        for id in pool.unexpanded().take(WIDTH) {
            prefetch(layer.row(id).as_flattened());
        }
        visited.touched.extend_from_slice(&batch.ids[..batch.len]);
        batch.measure(distance, codes, layer, query);
        batch.keep_below(pool.bound());
        for at in 0..batch.len {
            if batch.distances[at] < pool.bound() && pool.insert(batch.distances[at], batch.ids[at]) {
                prefetch(layer.row(batch.ids[at]).as_flattened());
            }
        }
    }
}

impl Batch {
    /// Adds the neighbors of `id` that were not visited.
    #[inline(always)]
    fn gather<L: Layer>(&mut self, codes: &Codes<'_>, layer: L, id: u32, visited: &mut VisitedSet) {
        for neighbor in ids(layer.row(id), layer.len()) {
            if self.len < MAX_BATCH && visited.insert(neighbor) {
                prefetch(codes.code(layer.slot(neighbor)));
                self.ids[self.len] = neighbor;
                self.len += 1;
            }
        }
    }

    /// Computes the distances.
    #[inline(always)]
    fn measure<D: CodeDistance, L: Layer>(&mut self, distance: D, codes: &Codes<'_>, layer: L, query: &[u8]) {
        let (fours, rest) = self.ids[..self.len].as_chunks::<4>();
        let (four_distances, rest_distances) = self.distances[..self.len].as_chunks_mut::<4>();
        for (ids, found) in fours.iter().zip(four_distances) {
            *found = distance.four(query, ids.map(|id| codes.code(layer.slot(id))));
        }
        for (id, found) in rest.iter().zip(rest_distances) {
            *found = distance.one(query, codes.code(layer.slot(*id)));
        }
    }

    /// Drops what is not below `bound`, in an order kept and without a branch to guess.
    #[inline(always)]
    fn keep_below(&mut self, bound: u32) {
        let mut kept = 0;
        for at in 0..self.len.min(MAX_BATCH) {
            let (id, distance) = (self.ids[at], self.distances[at]);
            self.ids[kept] = id;
            self.distances[kept] = distance;
            kept += usize::from(distance < bound);
        }
        self.len = kept;
    }
}

/// Walks from `id` to the neighbor nearest to `query`, as long as that is nearer. It ends, as every step is nearer.
#[inline(always)]
pub(super) fn walk<D: CodeDistance, L: Layer>(
    distance: D,
    codes: &Codes<'_>,
    layer: L,
    query: &[u8],
    mut id: u32,
) -> u32 {
    let mut nearest = distance.one(query, codes.code(layer.slot(id)));
    loop {
        let start = id;
        let mut found = [0; MAX_DEGREE];
        let mut len = 0;
        for neighbor in ids(layer.row(start), layer.len()).take(MAX_DEGREE) {
            prefetch(codes.code(layer.slot(neighbor)));
            found[len] = neighbor;
            len += 1;
        }
        let (fours, rest) = found[..len].as_chunks::<4>();
        let mut consider = |neighbor, distance| {
            if distance < nearest {
                (nearest, id) = (distance, neighbor);
            }
        };
        for four in fours {
            let distances = distance.four(query, four.map(|neighbor| codes.code(layer.slot(neighbor))));
            for at in 0..4 {
                consider(four[at], distances[at]);
            }
        }
        for neighbor in rest {
            consider(*neighbor, distance.one(query, codes.code(layer.slot(*neighbor))));
        }
        if id == start {
            return id;
        }
    }
}
