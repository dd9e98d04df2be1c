//! Which of many candidates become neighbors: algorithm 4 of the paper, without its extensions.

use crate::graph::layer::Layer;
use crate::quant::Codes;
use crate::vector::kernels::CodeDistance;

/// A neighbor and how far away it is. Sorts by distance, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Neighbor {
    /// Distance of the codes.
    pub(super) distance: u32,
    /// Id in the layer.
    pub(super) id: u32,
}

/// Puts into `selected` up to `limit` of the `candidates`, which come nearest first: each that is nearer to the node
/// than to every one selected before. So links go out in all directions, and not only into the nearest cluster.
#[inline(always)]
pub(super) fn select<D: CodeDistance, L: Layer>(
    distance: D,
    codes: &Codes<'_>,
    layer: L,
    candidates: &[Neighbor],
    limit: usize,
    selected: &mut Vec<Neighbor>,
) {
    selected.clear();
    for candidate in candidates {
        if selected.len() >= limit {
            return;
        }
        if !is_shadowed(distance, codes, layer, *candidate, selected) {
            selected.push(*candidate);
        }
    }
}

/// Whether the candidate is nearer to one of the selected than to the node. Written as loops, because a closure handed to
/// an iterator would not be compiled for the instruction set.
#[inline(always)]
pub(super) fn is_shadowed<D: CodeDistance, L: Layer>(
    distance: D,
    codes: &Codes<'_>,
    layer: L,
    candidate: Neighbor,
    selected: &[Neighbor],
) -> bool {
    let code = codes.code(layer.slot(candidate.id));
    let (fours, rest) = selected.as_chunks::<4>();
    for [a, b, c, d] in fours {
        let found = distance.four(
            code,
            [
                codes.code(layer.slot(a.id)),
                codes.code(layer.slot(b.id)),
                codes.code(layer.slot(c.id)),
                codes.code(layer.slot(d.id)),
            ],
        );
        if found[0].min(found[1]).min(found[2]).min(found[3]) < candidate.distance {
            return true;
        }
    }
    for neighbor in rest {
        if distance.one(code, codes.code(layer.slot(neighbor.id))) < candidate.distance {
            return true;
        }
    }
    false
}
