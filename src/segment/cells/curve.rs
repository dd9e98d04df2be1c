//! [`CellCurve`]: up to which centroid cells have to be looked at, as it was measured when the index was sealed.

use serde::Deserialize;
use serde::Serialize;

/// Points of a curve that a file may have.
pub(in crate::segment) const MAX_POINTS: usize = 64;

/// How much larger a gap may be than those that were measured; it is a square.
const BEYOND: f32 = 1.21;

/// Recalls at which cells are measured.
pub(in crate::segment) const CELL_RECALLS: [f32; 10] =
    [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 1.0];

/// What is known of the cells; nothing where there are none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellCurve {
    /// By ascending distance.
    pub(in crate::segment) bounds: Vec<CellBound>,
    /// By ascending rank.
    pub(in crate::segment) looked: Vec<CellRank>,
}

/// How far the centroids of the cells are in which the nearest records lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::segment) struct CellBound {
    /// How far the last of these records is, as [`gap`](super::gap) tells.
    pub(in crate::segment) gap: f32,
    /// The gap of the centroids, for each of [`CELL_RECALLS`].
    pub(in crate::segment) centroids: [f32; CELL_RECALLS.len()],
}

/// How many records lie in the cells up to those of the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::segment) struct CellRank {
    /// Number of nearest records.
    pub(in crate::segment) rank: u32,
    /// Number of records in the cells.
    pub(in crate::segment) slots: u32,
}

impl CellCurve {
    /// What is needed for one recall; `None` where nothing was measured.
    pub(in crate::segment) fn at(&self, recall: f32) -> Option<CellLimit> {
        let after = CELL_RECALLS.partition_point(|measured| *measured < recall).min(CELL_RECALLS.len() - 1);
        let before = after.saturating_sub(1);
        let (low, high) = (CELL_RECALLS[before], CELL_RECALLS[after]);
        let part = if high > low { ((recall - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        let between = |bound: &CellBound| {
            let (below, above) = (bound.centroids[before], bound.centroids[after]);
            (bound.gap, below + (above - below) * part)
        };
        (!self.bounds.is_empty()).then(|| CellLimit { bounds: self.bounds.iter().map(between).collect() })
    }

    /// About how many records are in the cells of the nearest up to `rank`.
    pub(in crate::segment) fn looked(&self, rank: f32) -> f32 {
        let points = self.looked.iter().map(|point| ((point.rank as f32).ln(), (point.slots as f32).ln()));
        between(&points.collect::<Vec<_>>(), rank.max(1.0).ln(), None).exp()
    }

    pub(in crate::segment) fn fits(&self) -> bool {
        let ascend = |values: &[f32]| values.is_sorted() && values.iter().all(|value| value.is_finite());
        let gaps: Vec<f32> = self.bounds.iter().map(|bound| bound.gap).collect();
        ascend(&gaps)
            && self.bounds.iter().all(|bound| ascend(&bound.centroids))
            && self.looked.is_sorted_by(|a, b| a.rank < b.rank)
            && self.looked.iter().all(|point| point.rank > 0 && point.slots > 0)
            && self.bounds.len().max(self.looked.len()) <= MAX_POINTS
    }
}

/// Up to which centroid cells have to be looked at for one recall, by how far the last result is.
#[derive(Debug, Clone)]
pub(in crate::segment) struct CellLimit {
    bounds: Vec<(f32, f32)>,
}

impl CellLimit {
    /// The largest gap of a last result for which this holds: a tenth farther than the farthest that was measured.
    pub(in crate::segment) fn most(&self) -> f32 {
        self.bounds.last().map_or(0.0, |(gap, _)| gap * BEYOND)
    }

    /// The gap of the farthest centroid where that of the last result is `gap`. Beyond what was measured it rises by as much as
    /// that: a cell's own extent stays the same.
    pub(in crate::segment) fn farthest(&self, gap: f32) -> f32 {
        between(&self.bounds, gap, Some(1.0))
    }
}

/// The second number that belongs to a first one, linear between points; before the first point as there, and beyond the last one
/// with this slope, or that of the last two.
fn between(points: &[(f32, f32)], at: f32, slope: Option<f32>) -> f32 {
    let after = points.partition_point(|(first, _)| *first < at);
    let (before, after) = match (after.checked_sub(1).and_then(|at| points.get(at)), points.get(after)) {
        (None, Some((_, second))) => return *second,
        (None, None) => return 0.0,
        (Some(before), Some(after)) => (before, after),
        (Some((first, second)), None) => {
            match (slope, points.len().checked_sub(2).and_then(|at| points.get(at))) {
                (Some(slope), _) => return second + (at - first) * slope,
                (None, None) => return *second,
                (None, Some(earlier)) => (earlier, &(*first, *second)),
            }
        }
    };
    let rise = if after.0 > before.0 { (after.1 - before.1) / (after.0 - before.0) } else { 0.0 };
    before.1 + (at - before.0) * rise
}
