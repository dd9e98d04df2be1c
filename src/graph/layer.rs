//! One layer as a search sees it: lists of ids in bytes, whose content is not trusted.

use crate::ids::Slot;

/// A stored `u32`, wherever it lies.
pub(super) type Word = [u8; 4];

/// The lists of neighbors of one layer. Ids are dense, `0..len`.
pub(super) trait Layer: Copy {
    /// Number of ids; an id from a list that is not below it ends the list.
    fn len(&self) -> usize;
    /// The neighbors of an id; empty for an id that is not there.
    fn row(&self, id: u32) -> &[Word];
    /// The slot of an id. It may be any number.
    fn slot(&self, id: u32) -> Slot;
}

/// Layer 0, where ids are slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct BaseLayer<'a> {
    /// `degree` words for each id.
    pub(super) links: &'a [Word],
    /// Longest list.
    pub(super) degree: usize,
    /// Number of slots.
    pub(super) len: usize,
}

impl Layer for BaseLayer<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn row(&self, id: u32) -> &[Word] {
        row(self.links, self.degree, id)
    }

    #[inline(always)]
    fn slot(&self, id: u32) -> Slot {
        id
    }
}

/// A layer above, where ids are places in the table of nodes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UpperLayer<'a> {
    /// `degree` words for each id.
    pub(super) links: &'a [Word],
    /// Longest list.
    pub(super) degree: usize,
    /// The slot of each id.
    pub(super) nodes: &'a [Word],
}

impl Layer for UpperLayer<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline(always)]
    fn row(&self, id: u32) -> &[Word] {
        row(self.links, self.degree, id)
    }

    #[inline(always)]
    fn slot(&self, id: u32) -> Slot {
        self.nodes.get(id as usize).map_or(Slot::MAX, |word| u32::from_le_bytes(*word))
    }
}

/// The list of an id in rows of `degree` words.
#[inline(always)]
fn row(links: &[Word], degree: usize, id: u32) -> &[Word] {
    let start = id as usize * degree;
    links.get(start..start + degree).unwrap_or_default()
}

/// The ids of a list, up to the first that is not below `len`.
#[inline(always)]
pub(super) fn ids(row: &[Word], len: usize) -> impl Iterator<Item = u32> {
    row.iter().map(|word| u32::from_le_bytes(*word)).take_while(move |id| (*id as usize) < len)
}
