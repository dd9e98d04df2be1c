//! The vector index of a segment: codes by slot and the graph over them.

use super::calibration::Calibration;
use super::cells::CellScratch;
use super::cells::Cells;
use super::cells::Ends;
use super::part::Part;
use crate::error::Error;
use crate::error::Result;
use crate::graph::Beam;
use crate::graph::Ending;
use crate::graph::GraphView;
use crate::graph::Restriction;
use crate::graph::Scratch;
use crate::ids::Slot;
use crate::memory::Advice;
use crate::quant::Best;
use crate::quant::Candidate;
use crate::quant::Codes;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::quant::Reach;
use crate::slots::Slots;
use crate::vector::Metric;
use crate::vector::VectorType;
use std::cell::RefCell;

/// Bytes of a part that one search verifies when the part was not read before: about a quarter of a millisecond.
const VERIFY_BUDGET: usize = 4 << 20;

thread_local! {
    /// The working memory of searches on this thread: visited set, pool, buffers.
    static SCRATCH: RefCell<(Scratch, Vec<Candidate>)> = RefCell::default();
    /// The working memory of scans on this thread.
    static BEST: RefCell<(Best, Vec<Candidate>)> = RefCell::default();
    /// The working memory of scans through cells on this thread.
    static CELLS: RefCell<(CellScratch, Vec<Candidate>)> = RefCell::default();
}

/// How the graph is searched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup {
    /// Results wanted, dead ones among them included.
    pub(crate) rank: usize,
    /// See [`Reach`]; `None` for a beam of fixed width.
    pub(crate) slack: Option<u32>,
    /// Most candidates.
    pub(crate) width: usize,
    /// The score that a result has to beat, as far as is known.
    pub(crate) known: Option<f32>,
    /// A slot that is passed over.
    pub(crate) hidden: Option<Slot>,
}

/// A walk through the graph under a filter.
pub(crate) struct Walk<R> {
    /// How it ended.
    pub(crate) ending: Ending,
    /// Number of codes scored.
    pub(crate) scored: usize,
    /// What was made of the candidates, where it finished.
    pub(crate) used: Option<R>,
}

/// Codes and graph of one vector, read in place.
#[derive(Clone, Debug)]
pub(crate) struct VectorIndex {
    ty: VectorType,
    quantizer: Quantizer,
    codes: Part,
    graph: Part,
    cells: Option<Part>,
    len: usize,
    calibration: Calibration,
}

impl VectorIndex {
    /// The index over `len` slots: codes, graph, and cells where there are such.
    pub(crate) fn open(
        ty: VectorType,
        quantizer: Quantizer,
        (codes, graph, cells): (Part, Part, Option<Part>),
        len: usize,
    ) -> Result<Self> {
        if codes.len() != quantizer.code_bytes() * len {
            return Err(Error::corrupt("codes", 0, format!("{} bytes for {len} records", codes.len())));
        }
        codes.advise(0..codes.len(), Advice::Dense);
        graph.advise(0..graph.len(), Advice::Dense);
        Ok(Self { ty, quantizer, codes, graph, cells, len, calibration: Calibration::default() })
    }

    /// The same index with what it knows of its recall.
    ///
    /// # Errors
    /// `Corrupt` where these are numbers that can't have been measured.
    pub(crate) fn with_calibration(self, calibration: Calibration) -> Result<Self> {
        calibration.check()?;
        Ok(Self { calibration, ..self })
    }

    /// The same index with each part replaced by what `f` makes of it.
    pub(crate) fn map_parts(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Self> {
        let (codes, graph) = (f("codes", &self.codes)?, f("graph", &self.graph)?);
        let cells = self.cells.as_ref().map(|cells| f("cells", cells)).transpose()?;
        Self::open(self.ty, self.quantizer.clone(), (codes, graph, cells), self.len)?
            .with_calibration(self.calibration.clone())
    }

    /// What the index knows of its recall.
    pub(crate) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// How codes are made.
    pub(crate) fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// The codes' bytes.
    pub(crate) fn codes_part(&self) -> &Part {
        &self.codes
    }

    /// The graph's bytes.
    pub(crate) fn graph_part(&self) -> &Part {
        &self.graph
    }

    /// The cells' bytes, where there are cells.
    pub(crate) fn cells_part(&self) -> Option<&Part> {
        self.cells.as_ref()
    }

    /// The cells, where there are such.
    pub(super) fn cells(&self) -> Result<Option<Cells<'_>>> {
        let Some(cells) = &self.cells else { return Ok(None) };
        Cells::new(cells.for_traversal(VERIFY_BUDGET)?, self.len, &self.quantizer).map(Some)
    }

    /// The codes of all slots.
    pub(crate) fn codes(&self) -> Result<Codes<'_>> {
        Codes::new(&self.quantizer, self.codes.for_traversal(VERIFY_BUDGET)?, self.len)
    }

    /// The graph.
    pub(crate) fn graph(&self) -> Result<GraphView<'_>> {
        GraphView::new(self.graph.for_traversal(VERIFY_BUDGET)?, self.len)
    }

    /// Gives `use_candidates` the slots that the graph finds nearest to `query` by code, best first.
    pub(crate) fn search<R>(
        &self,
        query: &[f32],
        lookup: &Lookup,
        use_candidates: impl FnOnce(&[Candidate]) -> R,
    ) -> Result<R> {
        let (codes, graph) = (self.codes()?, self.graph()?);
        let query = QueryCode::new(&self.ty, &self.quantizer, query);
        let beam = self.beam(lookup, &query);
        SCRATCH.with_borrow_mut(|(scratch, candidates)| {
            candidates.clear();
            graph.search(&codes, &query, beam, scratch, candidates);
            Ok(use_candidates(candidates))
        })
    }

    /// As [`search`](Self::search), but only among what passes; gives `None` where the walk did not finish.
    pub(crate) fn search_passing<R>(
        &self,
        query: &[f32],
        lookup: &Lookup,
        restriction: Restriction<'_>,
        use_candidates: impl FnOnce(&[Candidate]) -> R,
    ) -> Result<Walk<R>> {
        let (codes, graph) = (self.codes()?, self.graph()?);
        let query = QueryCode::new(&self.ty, &self.quantizer, query);
        let beam = self.beam(lookup, &query);
        SCRATCH.with_borrow_mut(|(scratch, candidates)| {
            candidates.clear();
            let ending = graph.search_passing(&codes, &query, beam, restriction, scratch, candidates);
            let used = (ending == Ending::Finished).then(|| use_candidates(candidates));
            Ok(Walk { ending, scored: scratch.scored(), used })
        })
    }

    fn beam(&self, lookup: &Lookup, query: &QueryCode) -> Beam {
        let reach = lookup.slack.map(|slack| Reach {
            rank: lookup.rank,
            slack,
            scale: query.scale(),
            known: self.known_distance(lookup, query),
        });
        Beam { width: lookup.width, reach, hidden: lookup.hidden }
    }

    /// As [`scan`](Self::scan), of these slots alone, which ascend.
    pub(crate) fn scan_slots<R>(
        &self,
        query: &[f32],
        limit: usize,
        slots: Slots<'_>,
        use_candidates: impl FnOnce(&[Candidate]) -> R,
    ) -> Result<R> {
        let codes = self.codes()?;
        let query = QueryCode::new(&self.ty, &self.quantizer, query);
        BEST.with_borrow_mut(|(best, candidates)| {
            candidates.clear();
            codes.scan_slots(&query, limit, slots, best, candidates);
            Ok(use_candidates(candidates))
        })
    }

    /// As [`scan_slots`](Self::scan_slots), of the slots with a bit, and only in the cells nearest to the query. Gives what was made
    /// of the candidates, unless the scan was given up, and the number of codes scored.
    pub(super) fn scan_cells<R>(
        &self,
        query: &[f32],
        bits: &[u64],
        ends: &Ends<'_>,
        use_candidates: impl FnOnce(&[Candidate]) -> R,
    ) -> Result<(Option<R>, usize)> {
        let Some(cells) = self.cells()? else { return Ok((None, 0)) };
        let codes = self.codes()?;
        let query = QueryCode::new(&self.ty, &self.quantizer, query);
        CELLS.with_borrow_mut(|(scratch, candidates)| {
            candidates.clear();
            let outcome = cells.scan(&codes, &query, bits, ends, scratch)?;
            scratch.best.finish(&query, candidates);
            // There are fewer only where the cells are damaged: the codes themselves then have to do.
            let is_done = !outcome.gave_up && candidates.len() >= ends.k;
            Ok((is_done.then(|| use_candidates(candidates)), outcome.scored))
        })
    }

    /// The distance that a result has to beat. For products there is none: a walk towards large products leads through small
    /// ones, and stopped at them it would end early.
    fn known_distance(&self, lookup: &Lookup, query: &QueryCode) -> u32 {
        match lookup.known {
            Some(score) if self.ty.metric != Metric::Dot => query.distance(score),
            _ => u32::MAX,
        }
    }

    /// Gives `use_candidates` the `limit` slots nearest to `query` by code, best first, those left out that `is_dead` names.
    pub(crate) fn scan<R>(
        &self,
        query: &[f32],
        limit: usize,
        is_dead: impl Fn(Slot) -> bool,
        use_candidates: impl FnOnce(&[Candidate]) -> R,
    ) -> Result<R> {
        let codes = self.codes()?;
        let query = QueryCode::new(&self.ty, &self.quantizer, query);
        BEST.with_borrow_mut(|(best, candidates)| {
            candidates.clear();
            codes.scan(&query, limit, is_dead, best, candidates);
            Ok(use_candidates(candidates))
        })
    }

    /// Checks codes and graph as far as they can be wrong.
    pub(crate) fn verify(&self) -> Result<()> {
        self.codes.verify()?;
        self.graph.verify()?;
        self.graph()?.verify()?;
        if let Some(part) = &self.cells {
            part.verify()?;
        }
        self.cells()?.iter().try_for_each(Cells::verify)
    }
}
