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
    extend(distance, codes, layer, candidates, limit, selected);
}

/// As [`select`], adding to neighbors that are settled.
#[inline(always)]
pub(super) fn extend<D: CodeDistance, L: Layer>(
    distance: D,
    codes: &Codes<'_>,
    layer: L,
    candidates: &[Neighbor],
    limit: usize,
    selected: &mut Vec<Neighbor>,
) {
    for candidate in candidates {
        if selected.len() >= limit {
            return;
        }
        let code = codes.code(layer.slot(candidate.id));
        let code_of = |neighbor: &Neighbor| codes.code(layer.slot(neighbor.id));
        let (fours, rest) = selected.as_chunks::<4>();
        let shadowed =
            fours.iter().any(|four| {
                let distances = distance.four(code, [&four[0], &four[1], &four[2], &four[3]].map(code_of));
                distances.iter().any(|distance| *distance < candidate.distance)
            }) || rest.iter().any(|neighbor| distance.one(code, code_of(neighbor)) < candidate.distance);
        if !shadowed {
            selected.push(*candidate);
        }
    }
}
