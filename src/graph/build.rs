//! Building: nodes are inserted in batches, the ones of the highest layers first.
//!
//! A batch is searched in parallel against the graph as it was before the batch; the members of a batch are candidates
//! for each other by plain comparison. Then the links back are grouped by the node they lead to, and each such node is
//! pruned once. Nothing is locked, and the result does not depend on how the work is spread over threads.

use crate::error::Error;
use crate::error::Result;
use crate::graph::Graph;
use crate::graph::GraphParams;
use crate::graph::GraphView;
use crate::graph::MAX_UPPER;
use crate::graph::Measure;
use crate::graph::NONE;
use crate::graph::Progress;
use crate::graph::duplicates::Duplicates;
use crate::graph::layer::BaseLayer;
use crate::graph::layer::Layer;
use crate::graph::layer::UpperLayer;
use crate::graph::layer::Word;
use crate::graph::neighbors::Neighbor;
use crate::graph::neighbors::select;
use crate::graph::search::Beam;
use crate::graph::search::Scratch;
use crate::graph::search::search_layer;
use crate::graph::search::walk;
use crate::graph::view::mark_reached;
use crate::ids::Slot;
use crate::memory;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::PairForm;
use crate::quant::Pool;
use crate::quant::Reach;
use crate::quant::Scale;
use crate::vector::kernels::CodeDistance;
use rayon::prelude::*;
use std::cmp::Reverse;

/// A batch is at most this part of the layer that it goes into, so that few nodes miss each other ...
const BATCH_PART: usize = 16;
/// ... and has at most so many nodes, as each is compared with all the others.
const MAX_BATCH: usize = 256;
/// Slack of the search for candidates, in 1024ths. On 784 dimensions it takes almost half off the time of building, on 128
/// a sixth; with 160 the latter is two fifths, but searches for a recall of 0.999 take a sixth longer.
const SLACK: u32 = 256;
/// Nodes of a batch that a thread takes at least.
const MIN_TASK: usize = 8;
/// Rows whose links back one thread writes.
const STRIPE: usize = 256;
/// Times that nodes which can't be reached are linked anew. Each time may cut off others, fewer and fewer.
const CONNECT_ROUNDS: usize = 3;

/// The graph is measured with one in so many of the nodes that are inserted ...
const UNSEEN_PART: usize = 128;
/// ... but with at least so many, where these are at most a sixteenth ...
const MIN_UNSEEN: usize = 48;
/// ... and at most so many.
const MAX_UNSEEN: usize = 384;

/// Builds the graph of all codes, on the threads of the current rayon pool.
///
/// # Errors
/// `InvalidOption` for parameters out of range, `TooLarge` for more than 2^31 slots, `Cancelled` where `progress` gives
/// false.
pub(crate) fn build(
    codes: &Codes<'_>,
    params: GraphParams,
    progress: Progress<'_>,
    measure: Measure<'_>,
) -> Result<Graph> {
    let form = check(codes, params)?;
    let duplicates = Duplicates::find(codes, |_| true);
    let mut builder = Builder::new(codes, form, params, duplicates, |slot| level_of(slot, params.m()));
    let all: Vec<u32> = (0..builder.order.len() as u32).collect();
    builder.insert_all(&all, progress, measure)?;
    Ok(builder.finish())
}

/// Whether a graph of these codes can be built, and how two of them are compared.
pub(super) fn check(codes: &Codes<'_>, params: GraphParams) -> Result<PairForm> {
    params.validate()?;
    if codes.len() > Pool::MAX_IDS {
        return Err(Error::TooLarge {
            what: "number of vectors in a graph".into(),
            found: codes.len() as u64,
            limit: Pool::MAX_IDS as u64,
        });
    }
    codes.quantizer().pair_form().ok_or_else(|| Error::InvalidOption {
        name: "quantization",
        problem: "no graph can be built on codes of this kind".into(),
    })
}

/// The highest layer of a slot: one in `m` goes a layer up, and one in `m` of those. In integers, from the slot alone, so
/// that it is the same everywhere.
pub(super) fn level_of(slot: Slot, m: usize) -> usize {
    let mut hash = crate::codec::checksum64(1, &slot.to_le_bytes());
    let mut level = 0;
    while level < MAX_UPPER && hash.is_multiple_of(m as u64) {
        hash /= m as u64;
        level += 1;
    }
    level
}

/// A graph while nodes are inserted.
pub(super) struct Builder<'a> {
    codes: Codes<'a>,
    params: GraphParams,
    pub(super) form: PairForm,
    pub(super) graph: Graph,
    /// All nodes, highest layer first, then by slot. A node of an upper layer has its place here as id there.
    pub(super) order: Vec<Slot>,
    /// Distances beside the links, for each layer from 0 on.
    pub(super) distances: Vec<Vec<u32>>,
    /// Nodes inserted, for each layer from 0 on.
    inserted: Vec<usize>,
    /// Lowest place in `order` that is inserted, which is a node of the highest layer that has any.
    entry: Option<u32>,
}

impl<'a> Builder<'a> {
    /// No node is inserted. `level` gives the highest layer of a node.
    pub(super) fn new(
        codes: &Codes<'a>,
        form: PairForm,
        params: GraphParams,
        duplicates: Duplicates,
        level: impl Fn(Slot) -> usize,
    ) -> Self {
        let mut is_node = vec![true; codes.len()];
        for member in duplicates.all_members() {
            is_node[*member as usize] = false;
        }
        let nodes = (0..codes.len() as Slot).filter(|slot| is_node[*slot as usize]);
        let mut levels: Vec<(usize, Slot)> = nodes.map(|slot| (level(slot).min(MAX_UPPER), slot)).collect();
        levels.sort_by_key(|(level, _)| Reverse(*level));
        let m = params.m();
        let mut graph = Graph::empty(codes.len(), m);
        graph.duplicates = duplicates;
        let count = |layer: usize| levels.partition_point(|(level, _)| *level >= layer);
        let highest = levels.first().map_or(0, |(level, _)| *level);
        graph.upper = (1..=highest).map(|layer| vec![NONE; count(layer) * m]).collect();
        let order: Vec<Slot> = levels.iter().map(|(_, slot)| *slot).collect();
        graph.nodes = order[..count(1)].to_vec();
        let mut distances = vec![memory::filled(graph.base.len(), 0)];
        distances.extend(graph.upper.iter().map(|links| vec![0; links.len()]));
        let inserted = vec![0; distances.len()];
        Self { codes: *codes, params, form, graph, order, distances, inserted, entry: None }
    }

    /// The highest layer of the node at a place in the order.
    fn level(&self, place: u32) -> usize {
        let degree = self.params.m();
        self.graph.upper.iter().take_while(|links| (place as usize) < links.len() / degree).count()
    }

    /// Declares a node inserted whose links are in place.
    pub(super) fn note_inserted(&mut self, place: u32) {
        for layer in 0..=self.level(place) {
            self.inserted[layer] += 1;
        }
        self.entry = Some(self.entry.map_or(place, |entry| entry.min(place)));
        self.graph.entry = self.entry.map_or(NONE, |entry| self.order[entry as usize]);
    }

    /// Inserts the nodes at the given ascending places, and has the graph measured before the last few.
    pub(super) fn insert_all(
        &mut self,
        places: &[u32],
        progress: Progress<'_>,
        measure: Measure<'_>,
    ) -> Result<()> {
        let unseen = self.unseen(places);
        let seen: Vec<u32> =
            places.iter().copied().filter(|place| unseen.binary_search(place).is_err()).collect();
        self.insert(&seen, progress)?;
        if unseen.len() >= MIN_UNSEEN {
            let slots: Vec<Slot> = unseen.iter().map(|place| self.order[*place as usize]).collect();
            measure(&self.graph.view(), &slots)?;
        }
        self.insert(&unseen, progress)
    }

    /// Places of nodes to measure the graph with, spread over those given. They are in layer 0 only, and no others have
    /// their code.
    fn unseen(&self, places: &[u32]) -> Vec<u32> {
        let first = places.partition_point(|place| self.level(*place) > 0);
        let heads = self.graph.duplicates.heads();
        let fits = |place: &u32| heads.binary_search(&self.order[*place as usize]).is_err();
        let fitting: Vec<u32> = places[first..].iter().copied().filter(fits).collect();
        let wanted = (fitting.len() / UNSEEN_PART).clamp(MIN_UNSEEN, MAX_UNSEEN);
        match fitting.len() < MIN_UNSEEN * 16 {
            true => Vec::new(),
            false => (0..wanted).map(|at| fitting[at * fitting.len() / wanted]).collect(),
        }
    }

    /// Inserts the nodes at the given ascending places.
    fn insert(&mut self, places: &[u32], progress: Progress<'_>) -> Result<()> {
        let mut rest = places;
        while let Some(first) = rest.first() {
            let level = self.level(*first);
            let most = (self.inserted[level] / BATCH_PART).clamp(1, MAX_BATCH);
            let len = rest.iter().take(most).take_while(|place| self.level(**place) == level).count();
            let (batch, after) = rest.split_at(len);
            let found = self.search_batch(batch, level);
            self.link_batch(batch, level, &found);
            rest = after;
            if !progress(self.inserted[0] + self.graph.duplicates.all_members().len()) {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }

    /// The neighbors of every node of a batch, for each layer from 0 to `level`.
    fn search_batch(&self, batch: &[u32], level: usize) -> Vec<Vec<Vec<Neighbor>>> {
        let slots: Vec<Slot> = batch.iter().map(|place| self.order[*place as usize]).collect();
        let view = self.graph.view();
        let search = |scratch: &mut BuildScratch, at: usize| {
            self.form.dispatch(FindNeighbors {
                builder: self,
                view: &view,
                batch,
                slots: &slots,
                level,
                at,
                scratch,
            })
        };
        (0..batch.len())
            .into_par_iter()
            .with_min_len(MIN_TASK)
            .map_init(BuildScratch::default, search)
            .collect()
    }

    /// Writes the links of a batch and the links back.
    fn link_batch(&mut self, batch: &[u32], level: usize, found: &[Vec<Vec<Neighbor>>]) {
        for layer in 0..=level {
            let mut back = Vec::new();
            for (place, found) in batch.iter().zip(found) {
                let id = self.id(layer, *place);
                self.set_row(layer, id, &found[layer]);
                let link = |neighbor: &Neighbor| Link {
                    target: neighbor.id,
                    source: Neighbor { distance: neighbor.distance, id },
                };
                back.extend(found[layer].iter().map(link));
            }
            self.link_back(layer, back);
        }
        for place in batch {
            self.note_inserted(*place);
        }
    }

    /// How far candidates are looked for: where the nearest stand out, fewer are needed.
    fn beam(&self) -> Beam {
        let reach = Reach { rank: self.params.m(), slack: SLACK, scale: Scale::From(0), known: u32::MAX };
        Beam { width: self.params.ef_construction(), reach: Some(reach), hidden: None }
    }

    /// The id in a layer of the node at a place in the order.
    fn id(&self, layer: usize, place: u32) -> u32 {
        if layer == 0 { self.order[place as usize] } else { place }
    }

    /// Longest list in a layer.
    pub(super) fn degree(&self, layer: usize) -> usize {
        if layer == 0 { 2 * self.params.m() } else { self.params.m() }
    }

    /// The links of a layer.
    fn links(&self, layer: usize) -> &[u32] {
        if layer == 0 { &self.graph.base } else { &self.graph.upper[layer - 1] }
    }

    /// The links of a layer and their distances.
    fn rows_mut(&mut self, layer: usize) -> (&mut [u32], &mut [u32]) {
        let links = if layer == 0 { &mut self.graph.base } else { &mut self.graph.upper[layer - 1] };
        (links, &mut self.distances[layer])
    }

    /// Writes the list of an id.
    pub(super) fn set_row(&mut self, layer: usize, id: u32, neighbors: &[Neighbor]) {
        let degree = self.degree(layer);
        let (links, distances) = self.rows_mut(layer);
        let start = id as usize * degree;
        write_row(&mut links[start..start + degree], &mut distances[start..start + degree], neighbors);
    }

    /// Adds links to the lists of their targets, and prunes those that become too long.
    fn link_back(&mut self, layer: usize, mut back: Vec<Link>) {
        back.par_sort_unstable();
        let degree = self.degree(layer);
        let (codes, form, len) = (self.codes, self.form, self.graph.len);
        let nodes: Vec<Slot> = if layer == 0 { Vec::new() } else { std::mem::take(&mut self.graph.nodes) };
        let (links, distances) = self.rows_mut(layer);
        let stripes = links.par_chunks_mut(STRIPE * degree).zip(distances.par_chunks_mut(STRIPE * degree));
        stripes.enumerate().for_each(|(stripe, (links, distances))| {
            let first = stripe * STRIPE;
            let start = back.partition_point(|link| (link.target as usize) < first);
            let end = back.partition_point(|link| (link.target as usize) < first + STRIPE);
            if start < end {
                let rows = Rows { first, degree, links, distances };
                let ids = Ids { base_len: (layer == 0).then_some(len), nodes: bytemuck::cast_slice(&nodes) };
                form.dispatch(LinkBack { codes: &codes, ids, back: &back[start..end], rows });
            }
        });
        if layer > 0 {
            self.graph.nodes = nodes;
        }
    }

    /// The graph, after linking what no path leads to.
    pub(super) fn finish(mut self) -> Graph {
        let mut scratch = BuildScratch::default();
        for _ in 0..CONNECT_ROUNDS {
            if self.connect(&mut scratch) == 0 {
                break;
            }
        }
        self.graph
    }

    /// Links every node of layer 0 that no path from the entry point leads to from a near one that can be reached. Gives
    /// how many there were.
    fn connect(&mut self, scratch: &mut BuildScratch) -> usize {
        let mut reached = vec![true; self.graph.len];
        for slot in &self.order {
            reached[*slot as usize] = false;
        }
        mark_reached(self.graph.view().base, self.graph.entry, &mut reached);
        let mut linked = 0;
        for at in 0..self.order.len() {
            let slot = self.order[at];
            if !reached[slot as usize] {
                let view = self.graph.view();
                let find = FindReachable { builder: self, view: &view, slot, scratch };
                let near = self.form.dispatch(find);
                self.link_from_nearest(slot, &near);
                mark_reached(self.graph.view().base, slot, &mut reached);
                linked += 1;
            }
        }
        linked
    }

    /// Links `slot` from the nearest of `near` that has room, or else in place of the farthest neighbor of the nearest.
    fn link_from_nearest(&mut self, slot: Slot, near: &[Neighbor]) {
        let degree = self.degree(0);
        let has_room = |neighbor: &&Neighbor| self.links(0)[(neighbor.id as usize + 1) * degree - 1] == NONE;
        let Some(from) = near.iter().find(has_room).or(near.first()).copied() else { return };
        let (links, distances) = self.rows_mut(0);
        let start = from.id as usize * degree;
        let (links, distances) = (&mut links[start..start + degree], &mut distances[start..start + degree]);
        let len = row_len(links);
        let place = match len < degree {
            true => len,
            false => (0..degree).max_by_key(|at| distances[*at]).unwrap_or(0),
        };
        links[place] = slot;
        distances[place] = from.distance;
    }
}

/// Working memory of one thread.
#[derive(Default)]
pub(super) struct BuildScratch {
    search: Scratch,
    mates: Vec<u32>,
    candidates: Vec<Neighbor>,
}

/// Finds the neighbors of one node of a batch.
struct FindNeighbors<'a> {
    builder: &'a Builder<'a>,
    view: &'a GraphView<'a>,
    batch: &'a [u32],
    slots: &'a [Slot],
    level: usize,
    at: usize,
    scratch: &'a mut BuildScratch,
}

impl CodeWork for FindNeighbors<'_> {
    type Output = Vec<Vec<Neighbor>>;

    #[inline(always)]
    fn run<D: CodeDistance>(mut self, distance: D) -> Self::Output {
        let builder = self.builder;
        let code = builder.codes.code(self.slots[self.at]);
        self.scratch.mates.clear();
        let mates = &mut self.scratch.mates;
        builder.codes.distances(distance, code, self.slots, |_, distance| mates.push(distance));
        let highest = builder.entry.map(|entry| builder.level(entry));
        let mut entry = builder.entry;
        let mut found = vec![Vec::new(); self.level + 1];
        for layer in (1..=highest.unwrap_or(0).max(self.level)).rev() {
            if layer > self.level {
                let upper = self.view.upper()[layer - 1];
                entry = entry.map(|entry| walk(distance, &builder.codes, upper, code, entry));
            } else {
                let entry_here = entry.filter(|_| highest >= Some(layer));
                let upper = self.view.upper()[layer - 1];
                let nearest = self.candidates(distance, upper, code, entry_here, self.batch);
                entry = nearest.or(entry);
                found[layer] = self.chosen(distance, upper);
            }
        }
        let entry = entry.map(|place| builder.order[place as usize]);
        self.candidates(distance, self.view.base, code, entry, self.slots);
        found[0] = self.chosen(distance, self.view.base);
        found
    }
}

impl FindNeighbors<'_> {
    /// Leaves in the scratch the nearest of the layer and of the batch, whose ids are `mates`. Gives the nearest of the
    /// layer.
    #[inline(always)]
    fn candidates<D: CodeDistance, L: Layer>(
        &mut self,
        distance: D,
        layer: L,
        code: &[u8],
        entry: Option<u32>,
        mates: &[u32],
    ) -> Option<u32> {
        let BuildScratch { search, mates: distances, candidates } = &mut *self.scratch;
        let beam = self.builder.beam();
        search.pool.reset(beam.width, beam.reach);
        if let Some(entry) = entry {
            search_layer(distance, &self.builder.codes, layer, code, entry, beam, search);
        }
        let nearest = search.pool.iter().next().map(|(_, id)| id);
        for (at, (id, distance)) in mates.iter().zip(distances).enumerate() {
            if at != self.at {
                search.pool.insert(*distance, *id);
            }
        }
        candidates.clear();
        candidates.extend(search.pool.iter().map(|(distance, id)| Neighbor { distance, id }));
        nearest
    }

    /// The neighbors chosen from the candidates.
    #[inline(always)]
    fn chosen<D: CodeDistance, L: Layer>(&mut self, distance: D, layer: L) -> Vec<Neighbor> {
        let limit = self.builder.params.m();
        let mut selected = Vec::with_capacity(limit);
        select(distance, &self.builder.codes, layer, &self.scratch.candidates, limit, &mut selected);
        selected
    }
}

/// Finds nodes near a slot that can be reached.
struct FindReachable<'a> {
    builder: &'a Builder<'a>,
    view: &'a GraphView<'a>,
    slot: Slot,
    scratch: &'a mut BuildScratch,
}

impl CodeWork for FindReachable<'_> {
    type Output = Vec<Neighbor>;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Vec<Neighbor> {
        let codes = &self.builder.codes;
        let code = codes.code(self.slot);
        let beam = Beam::of_width(self.builder.params.ef_construction());
        // From the entry point and not from where the upper layers lead, which might be cut off as well.
        search_layer(distance, codes, self.view.base, code, self.view.entry, beam, &mut self.scratch.search);
        self.scratch.search.pool.iter().map(|(distance, id)| Neighbor { distance, id }).collect()
    }
}

/// A link back, from `target` to `source`. Sorts by target, then by distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    target: u32,
    source: Neighbor,
}

/// Where the slots of ids are found while the links are being written.
#[derive(Clone, Copy)]
struct Ids<'a> {
    /// For layer 0: the number of slots.
    base_len: Option<usize>,
    /// For an upper layer: its nodes.
    nodes: &'a [Word],
}

/// Consecutive rows of a layer, from the id `first` on.
struct Rows<'a> {
    first: usize,
    degree: usize,
    links: &'a mut [u32],
    distances: &'a mut [u32],
}

/// Adds links back to some rows.
struct LinkBack<'a> {
    codes: &'a Codes<'a>,
    ids: Ids<'a>,
    back: &'a [Link],
    rows: Rows<'a>,
}

impl CodeWork for LinkBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) {
        match self.ids.base_len {
            Some(len) => self.run_in(distance, BaseLayer { links: &[], degree: 0, len }),
            None => {
                let nodes = self.ids.nodes;
                self.run_in(distance, UpperLayer { links: &[], degree: 0, nodes });
            }
        }
    }
}

impl LinkBack<'_> {
    /// Adds the links, in a layer of which only the slots are known.
    #[inline(always)]
    fn run_in<D: CodeDistance, L: Layer>(self, distance: D, layer: L) {
        let Rows { first, degree, links, distances } = self.rows;
        let mut candidates = Vec::with_capacity(2 * degree);
        let mut selected = Vec::with_capacity(degree);
        for back in self.back.chunk_by(|a, b| a.target == b.target) {
            let start = (back[0].target as usize - first) * degree;
            let (links, distances) =
                (&mut links[start..start + degree], &mut distances[start..start + degree]);
            let len = row_len(links);
            candidates.clear();
            let existing = links[..len].iter().zip(distances.iter());
            candidates.extend(existing.map(|(id, distance)| Neighbor { distance: *distance, id: *id }));
            let new = back.iter().map(|link| link.source).filter(|source| !links[..len].contains(&source.id));
            candidates.extend(new);
            if candidates.len() <= degree {
                write_row(links, distances, &candidates);
            } else {
                candidates.sort_unstable();
                // Leaves room, so that the next links back do not each prune again.
                select(distance, self.codes, layer, &candidates, degree - degree / 8, &mut selected);
                write_row(links, distances, &selected);
            }
        }
    }
}

/// Number of neighbors in a row.
fn row_len(links: &[u32]) -> usize {
    links.iter().position(|id| *id == NONE).unwrap_or(links.len())
}

/// Writes a row; the rest is [`NONE`].
fn write_row(links: &mut [u32], distances: &mut [u32], neighbors: &[Neighbor]) {
    links.fill(NONE);
    for ((link, distance), neighbor) in links.iter_mut().zip(distances).zip(neighbors) {
        (*link, *distance) = (neighbor.id, neighbor.distance);
    }
}
