//! Measuring an index before it is sealed: a few records that are not in the graph yet are looked for.
//!
//! Each of them is a query like those to come, whose true neighbors are found by comparing it with every code and rescoring
//! the best few hundred. Then the graph is searched with one slack after the other, until it finds everything.

use super::calibration::Calibration;
use super::calibration::Curve;
use super::calibration::DepthPoint;
use super::calibration::SlackPoint;
use super::cells::BuiltCells;
use super::cells::CELL_RECALLS;
use super::cells::CellBound;
use super::cells::CellCurve;
use super::cells::CellRank;
use super::cells::gap;
use crate::error::Result;
use crate::graph::Beam;
use crate::graph::GraphView;
use crate::graph::Scratch;
use crate::ids::Slot;
use crate::quant::Candidate;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::Pool;
use crate::quant::QueryCode;
use crate::quant::Reach;
use crate::vector::ExactScorer;
use crate::vector::VectorType;
use crate::vector::kernels::CodeDistance;
use rayon::prelude::*;
use std::collections::HashSet;

/// Numbers of results that are measured.
const RANKS: [usize; 3] = [1, 10, 100];
/// Candidates by code among which the true neighbors are.
const TRUTH_DEPTH: usize = 400;
/// Results that are looked for in all: of many results, fewer records tell as much.
const RESULTS: usize = 6400;
/// Slacks that are measured, in 1024ths.
const SLACKS: [u32; 12] = [0, 32, 64, 96, 136, 184, 240, 312, 408, 544, 736, 1024];
/// Candidates kept while measuring, beside a few for each result.
const WIDTH: usize = 1024;
/// Larger slacks are not measured where one finds this share ...
const ENOUGH: f32 = 0.9998;
/// ... and keeps so many candidates.
const ENOUGH_WIDTH: f32 = 128.0;
/// Depths that are measured, in tenths of the number of results.
const DEPTHS: [usize; 14] = [10, 11, 12, 13, 14, 16, 18, 20, 25, 30, 40, 60, 100, 200];
/// Ranks for which the cells are measured that hold all nearer ones.
const CELL_RANKS: [usize; 8] = [1, 4, 10, 25, 60, 140, 240, 380];
/// Distances of the last of the nearest records for which cells are measured.
const CELL_BOUNDS: usize = 12;
/// Records of each probe, at most, that are counted for one of these.
const CELL_MEMBERS: usize = 10;
/// Queries that go through the codes together, so that a block of codes is read from memory once for all.
const QUERIES_AT_ONCE: usize = 16;
/// Codes of a block.
const BLOCK: usize = 128;

/// A record that is looked for.
struct Probe {
    code: QueryCode,
    /// Its best candidates by code, best first, and each one's exact score.
    candidates: Vec<(Slot, f32)>,
}

/// What is measured.
pub(super) struct Subject<'a, 'r> {
    /// The type of the vectors.
    pub(super) ty: &'a VectorType,
    /// All codes, those of the records looked for included.
    pub(super) codes: &'a Codes<'a>,
    /// A graph of the others.
    pub(super) graph: &'a GraphView<'a>,
    /// The cells of all records, where there are such.
    pub(super) cells: Option<&'a BuiltCells>,
    /// The records looked for.
    pub(super) unseen: &'a [Slot],
    /// The stored row of a record and its inverse norm.
    pub(super) row: &'a (dyn Fn(Slot) -> Result<(&'r [u8], f32)> + Sync),
}

/// Measures. It takes a few hundred searches and a few passes over the codes, on the threads of the current rayon pool.
pub(super) fn calibrate(subject: &Subject<'_, '_>) -> Result<Calibration> {
    let unseen: HashSet<Slot> = subject.unseen.iter().copied().collect();
    let probes: Vec<Vec<Probe>> = subject
        .unseen
        .par_chunks(QUERIES_AT_ONCE)
        .map(|slots| probes(subject, slots, &unseen))
        .collect::<Result<_>>()?;
    let probes: Vec<Probe> = probes.into_iter().flatten().collect();
    let possible = RANKS.into_iter().filter(|k| k * 4 < subject.codes.len());
    let curves = possible.map(|k| curve(k, &probes, subject)).collect();
    let cells = subject.cells.map(|cells| cell_curve(cells, &probes, subject)).transpose()?;
    Ok(Calibration::new(curves, cells.unwrap_or_default()))
}

/// A nearest record of a probe: how far the centroid of its cell is, and how many records are in the cells up to it.
struct InCell {
    centroid: f32,
    looked: u32,
}

/// Measures cells: of the records up to some ranks, how far the last one is, and in which cells they lie.
fn cell_curve(cells: &BuiltCells, probes: &[Probe], subject: &Subject<'_, '_>) -> Result<CellCurve> {
    let metric = subject.ty.metric;
    let met = |probe: &Probe| -> Result<(Vec<f32>, Vec<InCell>)> {
        let places = cells.order(subject.codes.quantizer(), &probe.code)?;
        let mut best = probe.candidates.clone();
        best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let in_cell = |(slot, _): &(Slot, f32)| {
            let (score, looked) = places[cells.of(*slot)];
            InCell { centroid: gap(metric, score), looked }
        };
        Ok((best.iter().map(|(_, score)| gap(metric, *score)).collect(), best.iter().map(in_cell).collect()))
    };
    let met: Vec<(Vec<f32>, Vec<InCell>)> = probes.par_iter().map(met).collect::<Result<_>>()?;
    let mut looked = Vec::new();
    let mut last = Vec::new();
    for rank in CELL_RANKS {
        let enough = || met.iter().filter(|(gaps, _)| gaps.len() >= rank);
        let mut slots: Vec<u32> =
            enough().flat_map(|(_, cells)| &cells[..rank]).map(|cell| cell.looked).collect();
        if slots.is_empty() {
            break;
        }
        slots.sort_unstable();
        looked.push(CellRank { rank: rank as u32, slots: slots[(slots.len() - 1) * 49 / 50].max(1) });
        last.extend(enough().map(|(gaps, cells)| (gaps[rank - 1], &cells[..rank])));
    }
    last.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let bounds = last.chunks(last.len().div_ceil(CELL_BOUNDS).max(1)).map(cell_bound);
    let mut bounds: Vec<CellBound> = bounds.collect();
    // Results that are farther never lie in nearer cells.
    for at in 1..bounds.len() {
        let before = bounds[at - 1].centroids;
        bounds[at]
            .centroids
            .iter_mut()
            .zip(before)
            .for_each(|(centroid, before)| *centroid = centroid.max(before));
    }
    Ok(CellCurve { bounds, looked })
}

/// What holds for records whose last is about as far.
fn cell_bound<'a>(last: &[(f32, &'a [InCell])]) -> CellBound {
    let gap = last.iter().map(|(gap, _)| gap).sum::<f32>() / last.len() as f32;
    // A few of each, so that many near a probe among many don't drown few near one that is alone.
    let some = |cells: &'a [InCell]| cells.iter().step_by(cells.len().div_ceil(CELL_MEMBERS));
    let mut all: Vec<f32> =
        last.iter().flat_map(|(_, cells)| some(cells)).map(|cell| cell.centroid).collect();
    all.sort_unstable_by(f32::total_cmp);
    let centroids = CELL_RECALLS.map(|recall| all[((all.len() as f32 * recall).ceil() as usize).max(1) - 1]);
    CellBound { gap, centroids }
}

/// The records at `slots` with their true neighbors.
fn probes(subject: &Subject<'_, '_>, slots: &[Slot], unseen: &HashSet<Slot>) -> Result<Vec<Probe>> {
    let Subject { ty, codes, .. } = subject;
    let mut values = vec![0.0; ty.dim];
    let mut queries = Vec::with_capacity(slots.len());
    for slot in slots {
        ty.decode((subject.row)(*slot)?.0, &mut values);
        queries.push((QueryCode::new(ty, codes.quantizer(), &values), ExactScorer::new(ty, &values)));
    }
    let Some((first, _)) = queries.first() else { return Ok(Vec::new()) };
    let pools = first.form().dispatch(NearestByCode { codes, queries: &queries });
    let mut probes = Vec::with_capacity(slots.len());
    for ((code, scorer), pool) in queries.into_iter().zip(pools) {
        let mut candidates = Vec::with_capacity(TRUTH_DEPTH);
        for (_, slot) in pool.iter().filter(|(_, slot)| !unseen.contains(slot)) {
            let (row, norm) = (subject.row)(slot)?;
            candidates.push((slot, scorer.score(row, norm)));
        }
        probes.push(Probe { code, candidates });
    }
    Ok(probes)
}

/// The nearest codes of several queries.
struct NearestByCode<'a> {
    codes: &'a Codes<'a>,
    queries: &'a [(QueryCode, ExactScorer)],
}

impl CodeWork for NearestByCode<'_> {
    type Output = Vec<Pool>;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Vec<Pool> {
        let mut pools: Vec<Pool> = self.queries.iter().map(|_| Pool::default()).collect();
        for pool in &mut pools {
            pool.reset(TRUTH_DEPTH, None);
        }
        let slots: Vec<Slot> = (0..self.codes.len() as Slot).collect();
        for block in slots.chunks(BLOCK) {
            for ((query, _), pool) in self.queries.iter().zip(&mut pools) {
                self.codes.distances(distance, query.bytes(), block, |slot, distance| {
                    pool.insert(distance, slot);
                });
            }
        }
        pools
    }
}

impl Probe {
    /// The `k` true neighbors.
    fn truth(&self, k: usize) -> HashSet<Slot> {
        let mut best = self.candidates.clone();
        best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        best.iter().take(k).map(|(slot, _)| *slot).collect()
    }
}

/// Measures for one number of results.
fn curve(k: usize, probes: &[Probe], subject: &Subject<'_, '_>) -> Curve {
    let probes = &probes[..probes.len().min(RESULTS / k)];
    let truths: Vec<HashSet<Slot>> = probes.par_iter().map(|probe| probe.truth(k)).collect();
    let mut slacks: Vec<SlackPoint> = Vec::new();
    for slack in SLACKS {
        let (recall, width) = found_with(slack, k, probes, &truths, subject);
        slacks.push(SlackPoint { slack, recall, width });
        if recall >= ENOUGH && width >= ENOUGH_WIDTH {
            break;
        }
    }
    Curve { k: k as u32, slacks, depths: depths(k, probes, &truths) }
}

/// The share of the true neighbors that are found with a slack, and the mean number of candidates.
fn found_with(
    slack: u32,
    k: usize,
    probes: &[Probe],
    truths: &[HashSet<Slot>],
    subject: &Subject<'_, '_>,
) -> (f32, f32) {
    let search = |(scratch, found): &mut (Scratch, Vec<Candidate>),
                  (probe, truth): (&Probe, &HashSet<Slot>)| {
        let reach = Reach { rank: k, slack, scale: probe.code.scale(), known: u32::MAX };
        let beam = Beam { width: WIDTH + 4 * k, reach: Some(reach), hidden: None };
        found.clear();
        subject.graph.search(subject.codes, &probe.code, beam, scratch, found);
        (found.iter().filter(|candidate| truth.contains(&candidate.slot)).count(), found.len())
    };
    let (met, kept) = probes
        .par_iter()
        .zip(truths)
        .map_init(Default::default, search)
        .reduce(|| (0, 0), |(met, kept), (more_met, more_kept)| (met + more_met, kept + more_kept));
    (met as f32 / (probes.len() * k) as f32, kept as f32 / probes.len() as f32)
}

/// The share of the true neighbors among the best candidates by code.
fn depths(k: usize, probes: &[Probe], truths: &[HashSet<Slot>]) -> Vec<DepthPoint> {
    let mut points: Vec<DepthPoint> = Vec::new();
    for tenths in DEPTHS {
        let depth = (k * tenths).div_ceil(10) + usize::from(k == 1 && tenths > 10);
        let held = |probe: &Probe, truth: &HashSet<Slot>| {
            probe.candidates.iter().take(depth).filter(|(slot, _)| truth.contains(slot)).count()
        };
        let held: usize = probes.iter().zip(truths).map(|(probe, truth)| held(probe, truth)).sum();
        let recall = held as f32 / (probes.len() * k) as f32;
        let is_new = points.last().is_none_or(|last| (last.depth as usize) < depth);
        if is_new && depth < TRUTH_DEPTH {
            points.push(DepthPoint { depth: depth as u32, recall });
        }
    }
    points
}
