//! The search of one layer, and the memory it reuses.
//!
//! Where codes are small, a search spends its time on waiting for memory and on guessing branches, not on arithmetic. So
//! it takes the [`WIDTH`] nearest unexpanded candidates at once, gathers all their unseen neighbors, asks for all their
//! codes, and only then computes: distances four at a time, then a filter without branches against the worst candidate
//! kept, then the few insertions.

use crate::graph::layer::Layer;
use crate::graph::layer::ids;
use crate::ids::Slot;
use crate::quant::Codes;
use crate::quant::Pool;
use crate::quant::Reach;
use crate::vector::dispatch::prefetch;
use crate::vector::kernels::CodeDistance;

/// Candidates expanded together. More hide more memory latency, and cost more distances that turn out to be of no use.
pub(super) const WIDTH: usize = 4;
/// Longest list of neighbors: twice the largest `m`.
const MAX_DEGREE: usize = 128;
/// Neighbors gathered in one step.
const MAX_BATCH: usize = WIDTH * MAX_DEGREE;

/// Working memory of one search at a time; grows to what it needs, then allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) visited: VisitedSet,
    pub(super) pool: Pool,
    pub(super) batch: Batch,
    /// Neighbors that a search under a filter steps over.
    pub(super) over: Batch,
    /// Nodes that the last search under a filter scored, and those of them that were near enough to be kept.
    pub(super) scored: usize,
    /// See `scored`.
    pub(super) offered: usize,
}

impl Scratch {
    /// Nodes that the last search under a filter scored.
    pub(crate) fn scored(&self) -> usize {
        self.scored
    }
}

/// Gathered ids and their distances.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) ids: Box<[u32; MAX_BATCH]>,
    pub(super) distances: Box<[u32; MAX_BATCH]>,
    pub(super) len: usize,
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
    pub(super) touched: Vec<u32>,
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

    /// Adds an id, which is below the number of ids, and tells whether it is new.
    #[inline(always)]
    pub(super) fn insert(&mut self, id: u32) -> bool {
        insert(&mut self.words, id)
    }

    /// Takes an id out.
    #[inline(always)]
    pub(super) fn remove(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut(id as usize / 64) {
            *word &= !(1 << (id % 64));
        }
    }
}

/// [`VisitedSet::insert`], on the words alone: a loop keeps these in registers.
#[inline(always)]
fn insert(words: &mut [u64], id: u32) -> bool {
    let Some(word) = words.get_mut(id as usize / 64) else { return false };
    let old = *word;
    *word = old | 1 << (id % 64);
    old >> (id % 64) & 1 == 0
}

/// How many candidates a search keeps, and which it must not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beam {
    /// At most so many, at least 1.
    pub(crate) width: usize,
    /// How far they may be; `None` for any distance.
    pub(crate) reach: Option<Reach>,
    /// A slot that is passed over as if it were not there, for records that are queries themselves.
    pub(crate) hidden: Option<Slot>,
}

impl Beam {
    /// The `width` nearest.
    pub(crate) fn of_width(width: usize) -> Self {
        Self { width, reach: None, hidden: None }
    }
}

/// Leaves in `scratch.pool` the nearest ids to `query` that a walk from `entry` finds, as many as the beam keeps.
///
/// It ends: an id is put into the pool once, and expanded once.
#[inline(always)]
pub(super) fn search_layer<D: CodeDistance, L: Layer>(
    distance: D,
    codes: &Codes<'_>,
    layer: L,
    query: &[u8],
    entry: u32,
    beam: Beam,
    scratch: &mut Scratch,
) {
    let Scratch { visited, pool, batch, .. } = scratch;
    visited.reset(layer.len());
    pool.reset(beam.width, beam.reach);
    if let Some(hidden) = beam.hidden {
        visited.insert(hidden);
        visited.touched.push(hidden);
    }
    if entry as usize >= layer.len() {
        return;
    }
    visited.insert(entry);
    visited.touched.push(entry);
    pool.insert(distance.one(query, codes.code(layer.slot(entry))), entry);
    loop {
        batch.len = 0;
        let mut expanded = 0;
        while expanded < WIDTH
            && let Some(id) = pool.next_unexpanded()
        {
            batch.gather(codes, layer, id, visited);
            expanded += 1;
        }
        if expanded == 0 {
            return;
        }
        for id in pool.unexpanded().take(WIDTH) {
            prefetch(layer.row(id).as_flattened());
        }
        visited.touched.extend_from_slice(&batch.ids[..batch.len]);
        batch.measure(distance, codes, layer, query);
        batch.offer(layer, pool);
    }
}

impl Batch {
    /// Adds the neighbors of `id` that were not visited. Whether one was is a guess that fails often, so it is no branch: every
    /// neighbor is written down, and the next one over it where it was visited.
    #[inline(always)]
    pub(super) fn gather<L: Layer>(
        &mut self,
        codes: &Codes<'_>,
        layer: L,
        id: u32,
        visited: &mut VisitedSet,
    ) {
        let room = self.ids.get_mut(self.len..).unwrap_or_default();
        let words = visited.words.as_mut_slice();
        let mut new = 0;
        for neighbor in ids(layer.row(id), layer.len()) {
            let Some(place) = room.get_mut(new) else { break };
            *place = neighbor;
            new += usize::from(insert(words, neighbor));
        }
        for neighbor in &room[..new] {
            prefetch(codes.code(layer.slot(*neighbor)));
        }
        self.len += new;
    }

    /// Adds an id, where there is room, and tells whether there was.
    #[inline(always)]
    pub(super) fn push<L: Layer>(&mut self, codes: &Codes<'_>, layer: L, id: u32) -> bool {
        let Some(place) = self.ids.get_mut(self.len) else { return false };
        prefetch(codes.code(layer.slot(id)));
        *place = id;
        self.len += 1;
        true
    }

    /// Computes the distances.
    #[inline(always)]
    pub(super) fn measure<D: CodeDistance, L: Layer>(
        &mut self,
        distance: D,
        codes: &Codes<'_>,
        layer: L,
        query: &[u8],
    ) {
        let (fours, rest) = self.ids[..self.len].as_chunks::<4>();
        let (four_distances, rest_distances) = self.distances[..self.len].as_chunks_mut::<4>();
        for (ids, found) in fours.iter().zip(four_distances) {
            *found = distance.four(query, ids.map(|id| codes.code(layer.slot(id))));
        }
        for (id, found) in rest.iter().zip(rest_distances) {
            *found = distance.one(query, codes.code(layer.slot(*id)));
        }
    }

    /// Puts into the pool what is near enough. Few are, so sixteen distances at a time are compared with the bound.
    #[inline(always)]
    fn offer<L: Layer>(&self, layer: L, pool: &mut Pool) {
        let (ids, distances) = (&self.ids[..self.len], &self.distances[..self.len]);
        let (blocks, rest) = distances.as_chunks::<16>();
        for (block, ids) in blocks.iter().zip(ids.as_chunks::<16>().0) {
            let mut near = below(block, pool.bound());
            while near != 0 {
                let at = near.trailing_zeros() as usize % 16;
                near &= near - 1;
                if pool.insert(block[at], ids[at]) {
                    prefetch(layer.row(ids[at]).as_flattened());
                }
            }
        }
        for (distance, id) in rest.iter().zip(&ids[distances.len() - rest.len()..]) {
            if pool.insert(*distance, *id) {
                prefetch(layer.row(*id).as_flattened());
            }
        }
    }
}

/// A bit for each distance that is below the bound.
#[inline(always)]
fn below(distances: &[u32; 16], bound: u32) -> u32 {
    let mut bits = 0;
    for (at, distance) in distances.iter().enumerate() {
        bits |= u32::from(*distance < bound) << at;
    }
    bits
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
