//! Merging: a sealed graph is taken over into a larger or smaller set of slots, instead of building from nothing.
//!
//! Live nodes keep their links. A node that lost neighbors gets others from among the neighbors of those it lost (the
//! repair of FreshDiskANN: Singh and others, 2021, section 4). Then the slots that come from elsewhere are inserted. A
//! head that died hands its place to a live slot with the same code.

use crate::error::Result;
use crate::graph::Graph;
use crate::graph::GraphParams;
use crate::graph::GraphView;
use crate::graph::Measure;
use crate::graph::Progress;
use crate::graph::build::Builder;
use crate::graph::build::build;
use crate::graph::build::check;
use crate::graph::build::level_of;
use crate::graph::duplicates::Duplicates;
use crate::graph::layer::BaseLayer;
use crate::graph::layer::Layer;
use crate::graph::layer::UpperLayer;
use crate::graph::layer::ids;
use crate::graph::neighbors::Neighbor;
use crate::graph::neighbors::is_shadowed;
use crate::ids::Slot;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::vector::kernels::CodeDistance;
use rayon::prelude::*;
use std::collections::HashMap;

/// Where fewer than two in three slots of the base are alive, the graph is built anew: on 200,000 SIFT descriptors with a
/// half dead, a repaired one was left 0.008 behind in recall for a third of the time.
const MIN_LIVE: (usize, usize) = (2, 3);
/// Rows that are repaired before they are written.
const CHUNK: usize = 1 << 14;
/// Replacements that a node which lost neighbors chooses from, for each neighbor it may have.
const CANDIDATES_PER_LINK: usize = 8;

/// The graph of all codes, made from `base`. `base_to_new` gives for each slot of the base its slot in `codes`, `None`
/// for a dead one; no two have the same. Slots of `codes` that are nobody's image are inserted.
///
/// # Errors
/// As [`build`].
pub(crate) fn merge(
    base: &GraphView<'_>,
    base_to_new: &[Option<Slot>],
    codes: &Codes<'_>,
    params: GraphParams,
    progress: Progress<'_>,
    measure: Measure<'_>,
) -> Result<Graph> {
    let form = check(codes, params)?;
    let live = base_to_new.iter().flatten().count();
    if base.m != params.m() || live * MIN_LIVE.1 < base.len() * MIN_LIVE.0 {
        return build(codes, params, progress, measure);
    }
    let images = Images::new(base, base_to_new, codes);
    let level = |slot: Slot| images.levels.get(&slot).copied();
    let kept = |slot: Slot| images.is_kept.get(slot as usize) == Some(&true);
    let duplicates = images.duplicates.clone();
    let level = |slot: Slot| match kept(slot) {
        true => level(slot).unwrap_or(0),
        false => level_of(slot, params.m()),
    };
    let mut builder = Builder::new(codes, form, params, duplicates, level);
    let place_of: HashMap<Slot, u32> = builder.graph.nodes.iter().copied().zip(0..).collect();
    repair_layer(&mut builder, codes, 0, base.base, &images, Some);
    for (at, layer) in base.upper().iter().enumerate() {
        repair_layer(&mut builder, codes, at + 1, *layer, &images, |slot| place_of.get(&slot).copied());
    }
    let (old, new): (Vec<u32>, Vec<u32>) =
        (0..builder.order.len() as u32).partition(|place| kept(builder.order[*place as usize]));
    for place in old {
        builder.note_inserted(place);
    }
    builder.insert_all(&new, progress, measure)?;
    Ok(builder.finish())
}

/// Which node of the result each node of the base becomes.
struct Images {
    duplicates: Duplicates,
    /// For each slot of the base: the node that stands for it, `None` where all with its code are dead.
    node_of: Vec<Option<Slot>>,
    /// For each slot of the result: whether it is a node that takes over the place of one of the base.
    is_kept: Vec<bool>,
    /// For each slot of the base: whether its links go to its image. Of several with one image it is one.
    is_source: Vec<bool>,
    /// Highest layer of the nodes that are in an upper one.
    levels: HashMap<Slot, usize>,
}

impl Images {
    fn new(base: &GraphView<'_>, base_to_new: &[Option<Slot>], codes: &Codes<'_>) -> Self {
        let image_of = |old: Slot| {
            let new = base_to_new.get(old as usize).copied().flatten();
            new.filter(|new| (*new as usize) < codes.len())
        };
        let mut is_node = vec![true; base.len()];
        for member in base.all_members() {
            if let Some(is_node) = is_node.get_mut(member as usize) {
                *is_node = false;
            }
        }
        let heir = |old: Slot| image_of(old).or_else(|| base.members(old).find_map(image_of));
        let images: Vec<Option<Slot>> =
            (0..base.len() as Slot).map(|old| if is_node[old as usize] { heir(old) } else { None }).collect();
        let mut is_kept = vec![false; codes.len()];
        for image in images.iter().flatten() {
            is_kept[*image as usize] = true;
        }
        let duplicates = Duplicates::find(codes, |slot| is_kept[slot as usize]);
        let mut head_of: HashMap<Slot, Slot> = HashMap::new();
        for (head, members) in duplicates.iter() {
            for member in members {
                is_kept[*member as usize] = false;
                head_of.insert(*member, head);
            }
        }
        let mut taken = vec![false; codes.len()];
        let mut is_source = vec![false; base.len()];
        for (old, image) in images.iter().enumerate() {
            if let Some(image) = image
                && is_kept[*image as usize]
                && !taken[*image as usize]
            {
                taken[*image as usize] = true;
                is_source[old] = true;
            }
        }
        let node = |image: Slot| head_of.get(&image).copied().unwrap_or(image);
        let node_of: Vec<Option<Slot>> = images.iter().map(|image| image.map(node)).collect();
        let mut levels = HashMap::new();
        for layer in base.upper() {
            for id in 0..layer.len() as u32 {
                let old = layer.slot(id) as usize;
                if let (Some(Some(node)), Some(true)) = (node_of.get(old), is_source.get(old)) {
                    *levels.entry(*node).or_insert(0) += 1;
                }
            }
        }
        Self { duplicates, node_of, is_kept, is_source, levels }
    }

    /// The node that stands for a slot of the base.
    fn node(&self, old: Slot) -> Option<Slot> {
        self.node_of.get(old as usize).copied().flatten()
    }
}

/// Takes the lists of one layer over into the builder, repairing those that lost neighbors. `id_of` gives the id of a
/// node in the layer of the result.
fn repair_layer<L: Layer + Sync>(
    builder: &mut Builder<'_>,
    codes: &Codes<'_>,
    at: usize,
    layer: L,
    images: &Images,
    id_of: impl Fn(Slot) -> Option<u32> + Sync,
) {
    let degree = builder.degree(at);
    let form = builder.form;
    let nodes = builder.graph.nodes.clone();
    let all: Vec<u32> = (0..layer.len() as u32).collect();
    for chunk in all.chunks(CHUNK) {
        let repaired: Vec<(u32, Vec<Neighbor>)> = chunk
            .par_iter()
            .filter_map(|id| {
                let old = layer.slot(*id);
                let source = images.is_source.get(old as usize) == Some(&true);
                let own = images.node(old).filter(|_| source).and_then(&id_of)?;
                let (kept, offered) = replacements(layer, *id, own, degree, images, &id_of);
                let repair = |nodes| Repair { codes, at, nodes, own, kept: &kept, offered: &offered, degree };
                Some((own, form.dispatch(repair(&nodes))))
            })
            .collect();
        for (id, neighbors) in repaired {
            builder.set_row(at, id, &neighbors);
        }
    }
}

/// The ids of the neighbors that `id` keeps, and of those that can replace the ones it lost: the neighbors of the lost
/// ones, and theirs in turn where they are lost as well.
fn replacements<L: Layer>(
    layer: L,
    id: u32,
    own: u32,
    degree: usize,
    images: &Images,
    id_of: impl Fn(Slot) -> Option<u32>,
) -> (Vec<u32>, Vec<u32>) {
    let image = |id: u32| images.node(layer.slot(id)).and_then(&id_of);
    let mut kept = Vec::new();
    let mut lost = Vec::new();
    for neighbor in ids(layer.row(id), layer.len()) {
        match image(neighbor) {
            Some(image) if image == own || kept.contains(&image) => {}
            Some(image) => kept.push(image),
            None => lost.push(neighbor),
        }
    }
    let mut offered = Vec::new();
    let mut at = 0;
    let first = lost.len();
    while let Some(gone) = lost.get(at).copied() {
        at += 1;
        if offered.len() >= degree * CANDIDATES_PER_LINK || (at > first && offered.len() >= degree) {
            break;
        }
        for neighbor in ids(layer.row(gone), layer.len()) {
            match image(neighbor) {
                Some(image) if image == own || kept.contains(&image) => {}
                Some(image) => offered.push(image),
                None if lost.len() < 4 * degree && !lost.contains(&neighbor) => lost.push(neighbor),
                None => {}
            }
        }
    }
    offered.sort_unstable();
    offered.dedup();
    (kept, offered)
}

/// Chooses the neighbors of one node from those it keeps and those on offer.
#[derive(Clone, Copy)]
struct Repair<'a> {
    codes: &'a Codes<'a>,
    at: usize,
    nodes: &'a [Slot],
    own: u32,
    kept: &'a [u32],
    offered: &'a [u32],
    degree: usize,
}

impl CodeWork for Repair<'_> {
    type Output = Vec<Neighbor>;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Vec<Neighbor> {
        match self.at {
            0 => self.run_in(distance, BaseLayer { links: &[], degree: 0, len: self.codes.len() }),
            _ => {
                let nodes = bytemuck::cast_slice(self.nodes);
                self.run_in(distance, UpperLayer { links: &[], degree: 0, nodes })
            }
        }
    }
}

impl Repair<'_> {
    /// Chooses, in a layer of which only the slots are known.
    #[inline(always)]
    fn run_in<D: CodeDistance, L: Layer>(self, distance: D, layer: L) -> Vec<Neighbor> {
        let code = self.codes.code(layer.slot(self.own));
        let measured =
            |id: &u32| Neighbor { distance: distance.one(code, self.codes.code(layer.slot(*id))), id: *id };
        let mut kept: Vec<Neighbor> = self.kept.iter().map(measured).collect();
        let mut offered: Vec<Neighbor> = self.offered.iter().map(measured).collect();
        if offered.is_empty() {
            return kept;
        }
        kept.sort_unstable();
        offered.sort_unstable();
        let mut room = self.degree.saturating_sub(kept.len());
        let mut kept = kept.into_iter().peekable();
        let mut chosen = Vec::with_capacity(self.degree);
        for candidate in offered {
            // Only neighbors nearer than a candidate shadow it, as if all had been chosen in the order of distance.
            while let Some(kept) = kept.next_if(|kept| *kept < candidate) {
                chosen.push(kept);
            }
            if room > 0 && !is_shadowed(distance, self.codes, layer, candidate, &chosen) {
                chosen.push(candidate);
                room -= 1;
            }
        }
        chosen.extend(kept);
        chosen
    }
}
