//! [`Calibration`]: what a sealed index knows of its own recall, and the [`Plan`] of a search that follows from it.
//!
//! Two things cost recall: the graph does not lead to a neighbor, or it does, but the neighbor's code puts it behind so
//! many others that it is not rescored. For each of a few numbers of results, both are measured when the index is sealed
//! (see [`calibrate`](super::calibrate)): the recall by the slack of the [`Reach`], and by the number of candidates that are
//! rescored. Between the measured points the plan interpolates.

use super::cells::CellCurve;
use super::cells::MAX_POINTS;
use super::costs;
use crate::codec::ByteReader;
use crate::error::Result;
use serde::Deserialize;
use serde::Serialize;

/// How much work a search may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effort {
    /// As many candidates as that, on average.
    Width(usize),
    /// As few as give this recall.
    Recall(f32),
}

/// How an index is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// See [`Reach`](crate::quant::Reach); `None` for a beam of fixed width.
    pub(crate) slack: Option<u32>,
    /// Most candidates.
    pub(crate) width: usize,
    /// Candidates that are rescored, at least where the width is fixed; `None` where that was not measured.
    pub(crate) rescored: Option<usize>,
    /// Whether all codes are compared with the query, and the graph is left alone.
    pub(crate) scan: bool,
    /// Estimated nanoseconds of a search of the graph.
    pub(crate) graph_cost: f32,
    /// The recall that is wanted of the candidates, before some of them are rescored.
    pub(crate) recall: f32,
}

/// Recall by slack and by depth, for a few numbers of results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// By ascending `k`; empty where the index was too small or too uniform to be measured.
    curves: Vec<Curve>,
    cells: CellCurve,
}

/// What was measured for one number of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve {
    /// Number of results.
    pub(super) k: u32,
    /// By ascending slack.
    pub(super) slacks: Vec<SlackPoint>,
    /// By ascending depth.
    pub(super) depths: Vec<DepthPoint>,
}

/// What the graph finds with a slack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct SlackPoint {
    /// In 1024ths, as in [`Reach`](crate::quant::Reach).
    pub(super) slack: u32,
    /// Share of the true results among the candidates.
    pub(super) recall: f32,
    /// Mean number of candidates within reach.
    pub(super) width: f32,
}

/// What the best candidates by code hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct DepthPoint {
    /// Number of candidates.
    pub(super) depth: u32,
    /// Share of the true results among them.
    pub(super) recall: f32,
}

/// Share of the permitted loss that may come from rescoring too few, which is cheaper than a wider search.
const DEPTH_LOSS: f32 = 0.25;
/// The widest beam is so many times the mean one, plus [`WIDTH_ROOM`]: it bounds the time of the worst query.
const WIDTH_FACTOR: f32 = 8.0;
/// See [`WIDTH_FACTOR`].
const WIDTH_ROOM: usize = 256;
/// A graph that misses a recall by this much is taken all the same.
const TOLERANCE: f32 = 0.001;
/// Candidates where nothing was measured: so many times the number of results for the recalls up to the given one.
const UNMEASURED: [(f32, usize); 5] = [(0.8, 2), (0.95, 6), (0.98, 10), (0.99, 16), (1.0, 48)];
/// Largest slack that a file may have: with more, a nearer result might have a farther reach.
const MAX_SLACK: u32 = 1024;
/// Most candidates that a file may say to be kept; far more than are kept while measuring.
const MAX_WIDTH: f32 = 65_536.0;

impl Calibration {
    /// Of these curves, by ascending `k`.
    pub(super) fn new(curves: Vec<Curve>, cells: CellCurve) -> Self {
        Self { curves, cells }
    }

    /// What is known of the cells.
    pub(super) fn cells(&self) -> &CellCurve {
        &self.cells
    }

    /// `Ok` where the numbers are such as can be measured.
    pub(super) fn check(&self) -> Result<()> {
        let share = |recall: f32| (0.0..=1.0).contains(&recall);
        let fits = |curve: &Curve| {
            let slacks = curve.slacks.iter().all(|point| point.slack <= MAX_SLACK);
            let widths = curve.slacks.iter().all(|point| (0.0..=MAX_WIDTH).contains(&point.width));
            let shares = curve.slacks.iter().all(|point| share(point.recall));
            curve.k > 0
                && slacks
                && widths
                && shares
                && (1..=MAX_POINTS).contains(&curve.slacks.len())
                && (1..=MAX_POINTS).contains(&curve.depths.len())
                && curve.slacks.is_sorted_by(|a, b| a.slack < b.slack)
                && curve.depths.iter().all(|point| point.depth >= curve.k && share(point.recall))
                && curve.depths.is_sorted_by(|a, b| a.depth < b.depth)
        };
        let ascending = self.curves.is_sorted_by(|a, b| a.k < b.k);
        match ascending
            && self.cells.fits()
            && self.curves.len() <= MAX_POINTS
            && self.curves.iter().all(fits)
        {
            true => Ok(()),
            false => Err(ByteReader::new("calibration", &[]).error("numbers that can't have been measured")),
        }
    }

    /// How to search `len` codes of `code_bytes` for `k` results with this effort.
    pub(crate) fn plan(&self, effort: Effort, k: usize, (len, code_bytes): (usize, usize)) -> Plan {
        let after = self.curves.partition_point(|curve| (curve.k as usize) < k);
        let Some(upper) = self.curves.get(after).or(self.curves.last()) else { return unmeasured(effort, k) };
        let lower = self.curves.get(after.saturating_sub(1)).unwrap_or(upper);
        let (below, above) = (lower.choose(effort, k), upper.choose(effort, k));
        // Both the slack and the depth per result change about evenly with the logarithm of `k`.
        let (low, high) = ((lower.k as f32).ln(), (upper.k as f32).ln());
        let part = if high > low { (((k as f32).ln() - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        let between = |below: f32, above: f32| below + (above - below) * part;
        let width = between(below.width, above.width).max(k as f32);
        let rescored = (between(below.depth, above.depth) * k as f32).ceil() as usize;
        if let Effort::Width(wanted) = effort
            && wanted > k
            && (lower.widest().max(upper.widest()) as usize) < wanted
        {
            let scan = costs::scan(len, code_bytes) < costs::graph(wanted as f32);
            return Plan { rescored: Some(rescored.max(k)), scan, ..unmeasured(effort, k) };
        }
        Plan {
            slack: Some(between(below.slack, above.slack).ceil() as u32),
            width: (width * WIDTH_FACTOR) as usize + WIDTH_ROOM,
            rescored: Some(rescored.max(k)),
            scan: (below.is_short && above.is_short) || costs::scan(len, code_bytes) < costs::graph(width),
            graph_cost: costs::graph(width),
            recall: between(below.recall, above.recall),
        }
    }
}

/// What one curve advises.
struct Choice {
    slack: f32,
    width: f32,
    /// Candidates to rescore for each result.
    depth: f32,
    /// The share of the true results that have to be among the candidates.
    recall: f32,
    /// Whether the graph does not give what is wanted with any slack that was measured.
    is_short: bool,
}

impl Curve {
    fn choose(&self, effort: Effort, k: usize) -> Choice {
        let wanted = match effort {
            Effort::Recall(recall) => recall,
            Effort::Width(width) => self.recall_of_width(width.max(k) as f32),
        };
        let (depth, recall) = self.depth(wanted);
        let of_graph = wanted / recall.max(wanted);
        let (slack, width) = match effort {
            Effort::Recall(_) => self.slack_where(|point| point.recall, of_graph),
            Effort::Width(width) => self.slack_where(|point| point.width, width as f32),
        };
        let most = self.slacks.last().map_or(1.0, |point| point.recall);
        let is_short = matches!(effort, Effort::Recall(_)) && most + TOLERANCE < of_graph;
        Choice { slack, width, depth: depth as f32 / self.k as f32, recall: of_graph, is_short }
    }

    /// The largest mean width that was measured.
    fn widest(&self) -> f32 {
        self.slacks.last().map_or(0.0, |point| point.width)
    }

    /// The least depth that leaves most of the permitted loss to the graph, and its recall.
    fn depth(&self, wanted: f32) -> (u32, f32) {
        let least = 1.0 - (1.0 - wanted) * DEPTH_LOSS;
        let enough = self.depths.iter().find(|point| point.recall >= least).or(self.depths.last());
        enough.map_or((self.k, 1.0), |point| (point.depth, point.recall))
    }

    /// The recall of the graph where the mean width is `width`.
    fn recall_of_width(&self, width: f32) -> f32 {
        let (slack, _) = self.slack_where(|point| point.width, width);
        let at = self.slacks.partition_point(|point| (point.slack as f32) < slack);
        self.slacks.get(at).or(self.slacks.last()).map_or(1.0, |point| point.recall)
    }

    /// Slack and mean width where `measure`, which rises with the slack, reaches `wanted`.
    fn slack_where(&self, measure: impl Fn(&SlackPoint) -> f32, wanted: f32) -> (f32, f32) {
        let at = self.slacks.partition_point(|point| measure(point) < wanted);
        let Some(after) = self.slacks.get(at).or(self.slacks.last()) else { return (0.0, 0.0) };
        let (slack, width) = (after.slack as f32, after.width);
        let Some(before) = at.checked_sub(1).and_then(|at| self.slacks.get(at)) else {
            return (slack, width);
        };
        let (low, high) = (measure(before), measure(after));
        let part = if high > low { ((wanted - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
        let (first_slack, first_width) = (before.slack as f32, before.width);
        (first_slack + (slack - first_slack) * part, first_width + (width - first_width) * part)
    }
}

/// A beam of fixed width, for an index that could not measure itself.
fn unmeasured(effort: Effort, k: usize) -> Plan {
    let width = match effort {
        Effort::Width(width) => width.max(k),
        Effort::Recall(recall) => {
            let (_, factor) = UNMEASURED.iter().find(|(most, _)| recall <= *most).unwrap_or(&UNMEASURED[4]);
            k * factor + 32
        }
    };
    let recall = if let Effort::Recall(recall) = effort { recall } else { 1.0 };
    Plan { slack: None, width, rescored: None, scan: false, graph_cost: costs::graph(width as f32), recall }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes that are too many to be scanned.
    const MANY: (usize, usize) = (1 << 20, 128);

    fn curve(k: u32) -> Curve {
        let slack = |slack, recall, width| SlackPoint { slack, recall, width };
        let depth = |times, recall| DepthPoint { depth: k * times, recall };
        Curve {
            k,
            slacks: vec![slack(0, 0.5, k as f32), slack(100, 0.9, 40.0 + k as f32), slack(300, 1.0, 500.0)],
            depths: vec![depth(1, 0.9), depth(2, 0.99), depth(4, 1.0)],
        }
    }

    #[test]
    fn more_recall_takes_more_of_everything() {
        let calibration = Calibration::new(vec![curve(1), curve(10), curve(100)], CellCurve::default());
        calibration.check().unwrap();
        for k in [1, 3, 10, 50, 100, 5000] {
            let plans: Vec<Plan> = (50..=100)
                .map(|recall| calibration.plan(Effort::Recall(recall as f32 / 100.0), k, MANY))
                .collect();
            // Where more are rescored, the graph may lose a little more.
            assert!(plans.is_sorted_by(|a, b| a.slack <= b.slack || a.rescored < b.rescored));
            assert!(plans.is_sorted_by_key(|plan| plan.rescored));
            assert!(
                plans.iter().all(|plan| plan.rescored >= Some(k) && plan.width >= k && !plan.scan),
                "{k}"
            );
        }
        let half = calibration.plan(Effort::Recall(0.5), 10, MANY);
        assert_eq!((half.slack, half.rescored), (Some(14), Some(10)));
        let all = calibration.plan(Effort::Recall(1.0), 10, MANY);
        assert_eq!((all.slack, all.rescored), (Some(300), Some(40)));
    }

    #[test]
    fn a_width_is_a_mean_width() {
        let calibration = Calibration::new(vec![curve(10)], CellCurve::default());
        assert_eq!(calibration.plan(Effort::Width(50), 10, MANY).slack, Some(100));
        assert_eq!(calibration.plan(Effort::Width(10), 10, MANY).slack, Some(0));
        assert_eq!(calibration.plan(Effort::Width(500), 10, MANY).slack, Some(300));
        assert_eq!(calibration.plan(Effort::Width(9999), 10, MANY).slack, None);
    }

    #[test]
    fn without_measurements_the_beam_has_a_fixed_width() {
        let plan = Calibration::default().plan(Effort::Width(64), 10, MANY);
        assert_eq!((plan.slack, plan.width, plan.rescored, plan.scan), (None, 64, None, false));
        assert!(Calibration::default().plan(Effort::Recall(0.98), 100, MANY).width >= 1000);
    }

    #[test]
    fn what_the_graph_can_not_give_and_what_is_small_is_scanned() {
        let mut poor = curve(10);
        poor.slacks.truncate(2);
        let calibration = Calibration::new(vec![poor], CellCurve::default());
        assert!(!calibration.plan(Effort::Recall(0.85), 10, MANY).scan);
        assert!(calibration.plan(Effort::Recall(0.98), 10, MANY).scan);
        assert!(!calibration.plan(Effort::Width(64), 10, MANY).scan);
        let calibration = Calibration::new(vec![curve(10)], CellCurve::default());
        assert!(calibration.plan(Effort::Width(64), 10, (100, 128)).scan);
    }

    #[test]
    fn numbers_that_were_not_measured_are_refused() {
        let mut wrong = curve(10);
        wrong.slacks[1].recall = f32::NAN;
        assert!(Calibration::new(vec![wrong], CellCurve::default()).check().is_err());
        for width in [f32::NAN, f32::MAX, f32::INFINITY, -1.0] {
            let mut wrong = curve(10);
            wrong.slacks[2].width = width;
            assert!(Calibration::new(vec![wrong], CellCurve::default()).check().is_err(), "{width}");
        }
        let mut wrong = curve(10);
        wrong.slacks[2].slack = u32::MAX;
        assert!(Calibration::new(vec![wrong], CellCurve::default()).check().is_err());
        let mut wrong = curve(10);
        wrong.depths[0].depth = 9;
        assert!(Calibration::new(vec![wrong], CellCurve::default()).check().is_err());
        assert!(Calibration::new(vec![curve(10), curve(10)], CellCurve::default()).check().is_err());
    }
}
