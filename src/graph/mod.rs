//! The HNSW graph over the codes of one segment: built once, sealed to bytes, searched where it lies.
//!
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
//! World graphs" (2016). Every slot is in layer 0; one in `m` is also in layer 1, one in `m^2` in layer 2 and so on. A
//! search walks greedily down from the entry point, then keeps the `ef` nearest slots it meets in layer 0 and looks at
//! the neighbors of each.
//!
//! ```text
//! build       batches searched against the frozen graph, reverse links grouped by target: parallel, deterministic
//! merge       a sealed graph taken over: dead slots repaired, new ones inserted
//! seal, view  bytes and back; the view reads in place and checks every id when it uses it
//! search      one layer, several candidates at a time
//! passing     the same, for records that pass a filter
//! neighbors   which of many candidates become neighbors (section 4 of the paper)
//! duplicates  slots with the same code, which share one node
//! ```
//!
//! # Layout of a sealed graph
//! Little-endian `u32` throughout; every section begins at a multiple of 64 bytes, filled up with zeros.
//!
//! | section | words | content |
//! |---|---|---|
//! | header | 16 | magic, number of slots, `m`, entry point (slot), layers above 0, nodes in them, heads, members, 8 zeros |
//! | counts | 16 | number of nodes in layer 1, 2, ..., 16; 0 for layers that are not there |
//! | layer 0 | slots x 2m | the neighbors of each slot; `0xffff_ffff` after the last |
//! | nodes | nodes | slot of each node of the upper layers; layer `l` holds the first `counts[l]` of them |
//! | layer l, for each upper one | counts\[l\] x m | the neighbors of each node, as places in `nodes`; `0xffff_ffff` after the last |
//! | heads | heads | slots whose code others have as well, ascending |
//! | ends | heads | end of each head's range in `members` |
//! | members | members | the other slots with the head's code, ascending within a head |
//!
//! Invariants:
//! - A member has no neighbors and is nobody's neighbor; it is found through its head.
//! - A node of layer `l` is a node of every layer below. The first node of `nodes` is the entry point.
//! - The sealed bytes depend on the codes, the parameters and (for a merge) the base, not on the number of threads, the
//!   processor or the time.
//! - Any bytes can be searched: an id that is too large ends its list, and no search visits a slot twice.
//!
//! # Memory
//! Building takes `16 m` bytes a slot for layer 0 with its distances (256 with the default `m`), a fifteenth of that for the
//! layers above, 16 bytes a slot while duplicates are looked for, and a scratch of `len / 8` bytes a thread. The finished
//! graph takes half.
//!
//! Not here: exact scores (`vector`), when to build (`segment`).

mod build;
mod duplicates;
mod layer;
mod merge;
mod neighbors;
mod passing;
mod search;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use build::build;
pub(crate) use merge::merge;
pub(crate) use passing::Ending;
pub(crate) use passing::Hops;
pub(crate) use passing::Restriction;
pub(crate) use passing::Uneven;
pub(crate) use search::Beam;
pub(crate) use search::Scratch;
pub(crate) use view::GraphView;

use crate::error::Error;
use crate::error::Result;
use crate::graph::duplicates::Duplicates;
use crate::ids::Slot;
use crate::memory;
use serde::Deserialize;
use serde::Serialize;
use std::ops::RangeInclusive;

/// Ends a list of neighbors, and stands for no slot.
const NONE: u32 = u32::MAX;
/// Layers above layer 0, at most.
const MAX_UPPER: usize = 16;
/// First word of a sealed graph: `LGR` and the version of the layout.
const MAGIC: u32 = u32::from_le_bytes(*b"LGR\x01");
/// Sections begin at multiples of so many bytes.
const ALIGNMENT: usize = 64;
/// Values of `m` that are accepted.
const M_RANGE: RangeInclusive<usize> = 4..=64;
/// Values of `ef_construction` that are accepted.
const EF_CONSTRUCTION_RANGE: RangeInclusive<usize> = 8..=4096;

/// How a graph is built.
///
/// More neighbors and more candidates give a better graph, hence fewer looks for the same recall, for a longer build and
/// (`m`) more memory.
///
/// ```
/// use lodedb::GraphParams;
///
/// let params = GraphParams::default().with_m(24).with_ef_construction(200);
/// assert_eq!((params.m(), params.ef_construction()), (24, 200));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphParams {
    m: usize,
    ef_construction: usize,
}

impl Default for GraphParams {
    /// `m` = 16, `ef_construction` = 128: what the figures in `benches/README.md` were measured with.
    fn default() -> Self {
        Self { m: 16, ef_construction: 128 }
    }
}

impl GraphParams {
    /// Neighbors that a new node chooses in each layer, 4 to 64; layer 0 keeps up to twice as many.
    #[must_use]
    pub fn with_m(self, m: usize) -> Self {
        Self { m, ..self }
    }

    /// Candidates that a new node chooses its neighbors from, 8 to 4096.
    #[must_use]
    pub fn with_ef_construction(self, ef_construction: usize) -> Self {
        Self { ef_construction, ..self }
    }

    /// Neighbors that a new node chooses in each layer.
    #[must_use]
    pub fn m(&self) -> usize {
        self.m
    }

    /// Candidates that a new node chooses its neighbors from.
    #[must_use]
    pub fn ef_construction(&self) -> usize {
        self.ef_construction
    }

    /// Whether both values are in range.
    ///
    /// # Errors
    /// `InvalidOption` that names the one that is not.
    pub(crate) fn validate(&self) -> Result<()> {
        let check = |name, value: usize, range: RangeInclusive<usize>| match range.contains(&value) {
            true => Ok(()),
            false => {
                let problem = format!("{value} is not between {} and {}", range.start(), range.end());
                Err(Error::InvalidOption { name, problem })
            }
        };
        check("m", self.m, M_RANGE)?;
        check("ef_construction", self.ef_construction, EF_CONSTRUCTION_RANGE)
    }
}

/// Told how many slots are inserted; gives whether to go on.
pub(crate) type Progress<'a> = &'a (dyn Fn(usize) -> bool + Sync);

/// Given the graph and some slots that are not in it yet, which can serve as queries to measure it with. Not called where
/// few slots are inserted.
pub(crate) type Measure<'a> = &'a mut dyn FnMut(&GraphView<'_>, &[Slot]) -> Result<()>;

/// A finished graph in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    len: usize,
    m: usize,
    /// Entry point of layer 0 where there is no upper layer, else the slot of the first node; [`NONE`] for no slots.
    entry: Slot,
    /// `2 m` neighbors a slot.
    base: Vec<u32>,
    /// Slots of the upper layers' nodes.
    nodes: Vec<Slot>,
    /// `m` neighbors a node, for each upper layer.
    upper: Vec<Vec<u32>>,
    duplicates: Duplicates,
}

impl Graph {
    /// A graph of `len` slots without links.
    fn empty(len: usize, m: usize) -> Self {
        Self {
            len,
            m,
            entry: NONE,
            base: memory::filled(len * 2 * m, NONE),
            nodes: Vec::new(),
            upper: Vec::new(),
            duplicates: Duplicates::default(),
        }
    }

    /// Number of slots.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Number of nodes of the upper layers.
    pub(crate) fn upper_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// An order of the slots in which those that are read together lie near each other: first the nodes of the upper layers,
    /// the highest first, which every search reads; then breadth first from these; each slot followed by those with the
    /// same code. `order[new] == old`; every slot is there once.
    pub(crate) fn order(&self) -> Vec<Slot> {
        let degree = 2 * self.m;
        let mut order: Vec<Slot> = Vec::with_capacity(self.len);
        let mut queue: Vec<Slot> = Vec::with_capacity(self.len);
        let mut seen = vec![false; self.len];
        let heads = self.duplicates.iter().flat_map(|(_, members)| members);
        for member in heads {
            seen[*member as usize] = true;
        }
        for node in &self.nodes {
            enqueue(*node, &mut seen, &mut queue);
        }
        let mut at = 0;
        for start in std::iter::once(self.entry).chain(0..self.len as Slot) {
            enqueue(start, &mut seen, &mut queue);
            while let Some(slot) = queue.get(at).copied() {
                at += 1;
                order.push(slot);
                order.extend_from_slice(self.duplicates.members(slot));
                let row = &self.base[slot as usize * degree..][..degree];
                for neighbor in row.iter().take_while(|id| **id != NONE) {
                    enqueue(*neighbor, &mut seen, &mut queue);
                }
            }
        }
        order
    }

    /// The graph as bytes, with the slots renumbered by `order` (as [`Graph::order`] gives it), which must hold every
    /// slot once.
    pub(crate) fn seal(&self, order: &[Slot]) -> Vec<u8> {
        let mut new_of = vec![NONE; self.len];
        for (new, old) in order.iter().enumerate() {
            new_of[*old as usize] = new as u32;
        }
        let renumbered = |old: &u32| if *old == NONE { NONE } else { new_of[*old as usize] };
        let duplicates = self.duplicates.renumbered(&new_of);
        let mut counts = [0; MAX_UPPER];
        for (count, links) in counts.iter_mut().zip(&self.upper) {
            *count = (links.len() / self.m) as u32;
        }
        let header = [
            MAGIC,
            self.len as u32,
            self.m as u32,
            renumbered(&self.entry),
            self.upper.len() as u32,
            self.nodes.len() as u32,
            duplicates.heads().len() as u32,
            duplicates.all_members().len() as u32,
        ];
        let mut out = Vec::new();
        section(&mut out, header);
        section(&mut out, counts);
        let degree = 2 * self.m;
        let rows = order.iter().flat_map(|old| &self.base[*old as usize * degree..][..degree]);
        section(&mut out, rows.map(renumbered));
        section(&mut out, self.nodes.iter().map(renumbered));
        for links in &self.upper {
            section(&mut out, links.iter().copied());
        }
        section(&mut out, duplicates.heads().iter().copied());
        section(&mut out, duplicates.ends().iter().copied());
        section(&mut out, duplicates.all_members().iter().copied());
        out
    }
}

/// Adds a slot to the queue, unless it was there or is none.
fn enqueue(slot: Slot, seen: &mut [bool], queue: &mut Vec<Slot>) {
    if let Some(seen @ false) = seen.get_mut(slot as usize) {
        *seen = true;
        queue.push(slot);
    }
}

/// Appends words, filled up to the alignment.
fn section(out: &mut Vec<u8>, words: impl IntoIterator<Item = u32>) {
    out.extend(words.into_iter().flat_map(u32::to_le_bytes));
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}
