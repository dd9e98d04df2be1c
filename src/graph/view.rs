//! The sealed graph, read where it lies. Opening looks at the header only; every id is checked when it is used.

use crate::codec::ByteReader;
use crate::error::Error;
use crate::error::Result;
use crate::graph::ALIGNMENT;
use crate::graph::Graph;
use crate::graph::M_RANGE;
use crate::graph::MAGIC;
use crate::graph::MAX_UPPER;
use crate::graph::NONE;
use crate::graph::layer::BaseLayer;
use crate::graph::layer::Layer;
use crate::graph::layer::UpperLayer;
use crate::graph::layer::Word;
use crate::graph::layer::ids;
use crate::graph::passing::Ending;
use crate::graph::passing::PassingSearch;
use crate::graph::passing::Restriction;
use crate::graph::search::Beam;
use crate::graph::search::Scratch;
use crate::graph::search::search_layer;
use crate::graph::search::walk;
use crate::ids::Slot;
use crate::quant::Candidate;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::Pool;
use crate::quant::QueryCode;
use crate::vector::kernels::CodeDistance;
use std::borrow::Cow;

/// Name of the graph in errors.
const PART: &str = "graph";

/// A graph that is searched: sealed bytes, or one in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphView<'a> {
    pub(super) m: usize,
    pub(super) entry: Slot,
    pub(super) base: BaseLayer<'a>,
    /// Slots of the upper layers' nodes.
    pub(super) nodes: &'a [Word],
    upper: [UpperLayer<'a>; MAX_UPPER],
    upper_len: usize,
    heads: &'a [Word],
    ends: &'a [Word],
    members: &'a [Word],
}

impl<'a> GraphView<'a> {
    /// The graph in `bytes`, which is to have `len` slots. Takes the same time for every graph.
    ///
    /// # Errors
    /// `Corrupt` where the header is none, is for another number of slots, or does not fit the length of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], len: usize) -> Result<Self> {
        let mut reader = ByteReader::new(PART, bytes);
        let magic = reader.u32()?;
        let [slots, m, entry, upper_len, nodes, heads, members] = header_words(&mut reader)?;
        if magic != MAGIC || slots as usize != len || len > Pool::MAX_IDS {
            let problem =
                format!("a header {magic:08x} of {slots} slots where {MAGIC:08x} of {len} is expected");
            return Err(Error::corrupt(PART, 0, problem));
        }
        let m = m as usize;
        let possible = M_RANGE.contains(&m)
            && upper_len as usize <= MAX_UPPER
            && (upper_len == 0) == (nodes == 0)
            && if len == 0 { entry == NONE } else { (entry as usize) < len }
            && [nodes, heads, members].iter().all(|count| *count as usize <= len);
        if !possible {
            return Err(Error::corrupt(PART, 0, "a header of impossible values"));
        }
        let mut rest = Sections { reader };
        rest.skip_padding()?;
        let counts = rest.words(MAX_UPPER)?;
        let base = BaseLayer { links: rest.rows(len, 2 * m)?, degree: 2 * m, len };
        let nodes = rest.words(nodes as usize)?;
        let mut upper = [UpperLayer::default(); MAX_UPPER];
        for (at, layer) in upper.iter_mut().enumerate().take(upper_len as usize) {
            let count = counts.get(at).map_or(0, |word| u32::from_le_bytes(*word)) as usize;
            let all = at > 0 || count == nodes.len();
            let Some(nodes) = nodes.get(..count).filter(|_| count > 0 && all) else {
                return Err(rest.reader.error(format!("{count} nodes in layer {}", at + 1)));
            };
            *layer = UpperLayer { links: rest.rows(count, m)?, degree: m, nodes };
        }
        let (heads, ends) = (rest.words(heads as usize)?, rest.words(heads as usize)?);
        let members = rest.words(members as usize)?;
        rest.reader.finish()?;
        Ok(Self { m, entry, base, nodes, upper, upper_len: upper_len as usize, heads, ends, members })
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.base.len
    }

    /// The layers above layer 0, the lowest first.
    pub(super) fn upper(&self) -> &[UpperLayer<'a>] {
        self.upper.get(..self.upper_len).unwrap_or_default()
    }

    /// Appends to `out` up to `beam.width` of the slots nearest to the query by code, best first. Dead slots are among them.
    /// The same graph, codes and query give the same answer on every processor.
    pub(crate) fn search(
        &self,
        codes: &Codes<'_>,
        query: &QueryCode,
        beam: Beam,
        scratch: &mut Scratch,
        out: &mut Vec<Candidate>,
    ) {
        if self.len() == 0 {
            return;
        }
        query.form().dispatch(Search { view: self, codes, query: query.bytes(), beam, scratch });
        let end = out.len() + beam.width;
        for (distance, slot) in scratch.pool.iter() {
            let score = query.score(distance);
            let same = std::iter::once(slot).chain(self.members(slot));
            out.extend(same.take(end - out.len()).map(|slot| Candidate { score, slot }));
        }
    }

    /// As [`search`](Self::search), but finds only what passes, and tells how it ended; where it did not finish, nothing is
    /// appended.
    pub(crate) fn search_passing(
        &self,
        codes: &Codes<'_>,
        query: &QueryCode,
        beam: Beam,
        restriction: Restriction<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Candidate>,
    ) -> Ending {
        if self.len() == 0 {
            return Ending::Finished;
        }
        let nodes = self.passing_nodes(restriction.passing);
        let walked = Restriction { passing: &nodes, ..restriction };
        let search = Search { view: self, codes, query: query.bytes(), beam, scratch };
        let ending = query.form().dispatch(SearchPassing { search, restriction: walked });
        if ending == Ending::Finished {
            let end = out.len() + beam.width;
            for (distance, slot) in scratch.pool.iter() {
                let score = query.score(distance);
                let same = std::iter::once(slot).chain(self.members(slot));
                let same = same.filter(|slot| has_bit(restriction.passing, *slot));
                out.extend(same.take(end - out.len()).map(|slot| Candidate { score, slot }));
            }
        }
        ending
    }

    /// The bits of the nodes that pass themselves or stand for a slot that does.
    fn passing_nodes<'b>(&self, passing: &'b [u64]) -> Cow<'b, [u64]> {
        let mut nodes = Cow::Borrowed(passing);
        for head in self.heads.iter().map(|head| u32::from_le_bytes(*head)) {
            if !has_bit(passing, head)
                && self.members(head).any(|member| has_bit(passing, member))
                && let Some(word) = nodes.to_mut().get_mut(head as usize / 64)
            {
                *word |= 1 << (head % 64);
            }
        }
        nodes
    }

    /// The other slots with the code of `slot`, for a slot that is a node; those that are not there are left out.
    pub(super) fn members(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        let word =
            |words: &[Word], at: usize| words.get(at).map_or(0, |word| u32::from_le_bytes(*word)) as usize;
        let range = match self.heads.binary_search_by_key(&slot, |head| u32::from_le_bytes(*head)) {
            Ok(0) => 0..word(self.ends, 0),
            Ok(at) => word(self.ends, at - 1)..word(self.ends, at),
            Err(_) => 0..0,
        };
        let len = self.len();
        let members = self.members.get(range).unwrap_or_default();
        members.iter().map(|word| u32::from_le_bytes(*word)).filter(move |slot| (*slot as usize) < len)
    }

    /// Every slot that is a member, and no node.
    pub(super) fn all_members(&self) -> impl Iterator<Item = Slot> {
        self.members.iter().map(|word| u32::from_le_bytes(*word))
    }

    /// Walks from the first node of the highest layer down to layer 1, and gives the slot where it ends: a good entry
    /// point for layer 0.
    #[inline(always)]
    fn descend<D: CodeDistance>(&self, distance: D, codes: &Codes<'_>, query: &[u8]) -> Slot {
        let mut node = 0;
        for layer in self.upper().iter().rev() {
            node = walk(distance, codes, *layer, query, node);
        }
        match self.upper().first() {
            Some(layer) if (layer.slot(node) as usize) < self.len() => layer.slot(node),
            _ => self.entry,
        }
    }

    /// Looks at everything: lists, ids, nodes, members.
    ///
    /// # Errors
    /// `Corrupt` with the first thing that is wrong.
    pub(crate) fn verify(&self) -> Result<()> {
        let wrong = |problem: String| Err(Error::corrupt(PART, 0, problem));
        let mut is_member = vec![false; self.len()];
        let mut ends = self.ends.iter().map(|end| u32::from_le_bytes(*end));
        if !ends.clone().is_sorted() || ends.next_back().unwrap_or(0) as usize != self.members.len() {
            return wrong("the ends of duplicates are not ascending up to their number".into());
        }
        for slot in self.all_members() {
            match is_member.get_mut(slot as usize) {
                Some(seen @ false) => *seen = true,
                Some(_) => return wrong(format!("slot {slot} is twice a duplicate")),
                None => return wrong(format!("slot {slot} of a duplicate is beyond {}", self.len())),
            }
        }
        let is_node = |slot: Slot| is_member.get(slot as usize) == Some(&false);
        let heads = self.heads.iter().map(|head| u32::from_le_bytes(*head));
        if !heads.clone().is_sorted_by(|a, b| a < b) || !heads.clone().all(is_node) {
            return wrong("the heads of duplicates are not distinct ascending nodes".into());
        }
        let mut seen = vec![false; self.len()];
        for slot in self.nodes.iter().map(|node| u32::from_le_bytes(*node)) {
            match seen.get_mut(slot as usize) {
                Some(seen @ false) if is_node(slot) => *seen = true,
                _ => return wrong(format!("slot {slot} can't be a node of the upper layers")),
            }
        }
        let first = self.nodes.first().map(|node| u32::from_le_bytes(*node));
        if self.len() > 0 && (first.is_some_and(|first| first != self.entry) || !is_node(self.entry)) {
            return wrong(format!("slot {} can't be the entry point", self.entry));
        }
        verify_layer(0, self.base, is_node)?;
        for (at, layer) in self.upper().iter().enumerate() {
            verify_layer(at + 1, *layer, |_| true)?;
        }
        Ok(())
    }

    /// Number of nodes of layer 0 that no path from the entry point leads to. A search finds them only by luck.
    #[cfg(test)]
    pub(crate) fn unreachable(&self) -> usize {
        let mut reached = vec![false; self.len()];
        for member in self.all_members() {
            if let Some(reached) = reached.get_mut(member as usize) {
                *reached = true;
            }
        }
        mark_reached(self.base, self.entry, &mut reached);
        reached.iter().filter(|reached| !**reached).count()
    }
}

/// True where the bit of `slot` is set.
#[inline(always)]
pub(super) fn has_bit(bits: &[u64], slot: Slot) -> bool {
    bits.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
}

/// Marks what paths from `start` lead to through unmarked ids.
pub(super) fn mark_reached<L: Layer>(layer: L, start: u32, reached: &mut [bool]) {
    let mut queue = vec![start];
    if let Some(start) = reached.get_mut(start as usize) {
        *start = true;
    }
    while let Some(id) = queue.pop() {
        for neighbor in ids(layer.row(id), layer.len()) {
            if let Some(seen @ false) = reached.get_mut(neighbor as usize) {
                *seen = true;
                queue.push(neighbor);
            }
        }
    }
}

/// Checks the lists of one layer: ids in range, distinct, not one's own; nothing after the end; nodes only.
fn verify_layer<L: Layer>(at: usize, layer: L, is_node: impl Fn(u32) -> bool) -> Result<()> {
    let mut sorted = Vec::new();
    for id in 0..layer.len() as u32 {
        let row = layer.row(id);
        sorted.clear();
        sorted.extend(ids(row, layer.len()));
        let end = row.get(sorted.len()..).unwrap_or_default();
        sorted.sort_unstable();
        let fits = end.iter().all(|word| u32::from_le_bytes(*word) == NONE)
            && sorted.is_sorted_by(|a, b| a < b)
            && sorted.iter().all(|neighbor| *neighbor != id && is_node(*neighbor))
            && (sorted.is_empty() || is_node(id));
        if !fits {
            return Err(Error::corrupt(PART, 0, format!("the neighbors of {id} in layer {at} can't be")));
        }
    }
    Ok(())
}

/// The seven words after the magic.
fn header_words(reader: &mut ByteReader<'_>) -> Result<[u32; 7]> {
    let mut words = [0; 7];
    for word in &mut words {
        *word = reader.u32()?;
    }
    Ok(words)
}

/// Takes one section after the other.
struct Sections<'a> {
    reader: ByteReader<'a>,
}

impl<'a> Sections<'a> {
    /// Skips to the next section.
    fn skip_padding(&mut self) -> Result<()> {
        let position = self.reader.position();
        let padding = self.reader.bytes(position.next_multiple_of(ALIGNMENT) - position)?;
        match padding.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(self.reader.error("padding that is not zero")),
        }
    }

    /// A section of words.
    fn words(&mut self, count: usize) -> Result<&'a [Word]> {
        let bytes = count.checked_mul(4).ok_or_else(|| self.reader.error(format!("{count} words")))?;
        let words = self.reader.bytes(bytes)?.as_chunks().0;
        self.skip_padding()?;
        Ok(words)
    }

    /// A section of rows.
    fn rows(&mut self, count: usize, degree: usize) -> Result<&'a [Word]> {
        let words = count.checked_mul(degree).ok_or_else(|| self.reader.error(format!("{count} rows")))?;
        self.words(words)
    }
}

impl Graph {
    /// The graph as it is searched.
    pub(crate) fn view(&self) -> GraphView<'_> {
        let nodes = words(&self.nodes);
        let mut upper = [UpperLayer::default(); MAX_UPPER];
        for (layer, links) in upper.iter_mut().zip(&self.upper) {
            let nodes = nodes.get(..links.len() / self.m).unwrap_or_default();
            *layer = UpperLayer { links: words(links), degree: self.m, nodes };
        }
        GraphView {
            m: self.m,
            entry: self.entry,
            base: BaseLayer { links: words(&self.base), degree: 2 * self.m, len: self.len },
            nodes,
            upper,
            upper_len: self.upper.len().min(MAX_UPPER),
            heads: words(self.duplicates.heads()),
            ends: words(self.duplicates.ends()),
            members: words(self.duplicates.all_members()),
        }
    }
}

/// Words as they are stored. (Big-endian targets are refused at compile time.)
fn words(values: &[u32]) -> &[Word] {
    bytemuck::cast_slice(values)
}

/// [`GraphView::search`], to be compiled for each form and instruction set.
struct Search<'a> {
    view: &'a GraphView<'a>,
    codes: &'a Codes<'a>,
    query: &'a [u8],
    beam: Beam,
    scratch: &'a mut Scratch,
}

impl CodeWork for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) {
        let entry = self.view.descend(distance, self.codes, self.query);
        search_layer(distance, self.codes, self.view.base, self.query, entry, self.beam, self.scratch);
    }
}

/// [`GraphView::search_passing`], to be compiled for each form and instruction set.
struct SearchPassing<'a> {
    search: Search<'a>,
    restriction: Restriction<'a>,
}

impl CodeWork for SearchPassing<'_> {
    type Output = Ending;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Ending {
        let Search { view, codes, query, beam, scratch } = self.search;
        let entry = view.descend(distance, codes, query);
        PassingSearch { view, distance, codes, query, restriction: self.restriction }
            .run(entry, beam, scratch)
    }
}
