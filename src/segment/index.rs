//! The vector index of a segment: codes by slot and the graph over them.

use super::part::Part;
use crate::error::Error;
use crate::error::Result;
use crate::graph::GraphView;
use crate::graph::Scratch;
use crate::quant::Candidate;
use crate::quant::Codes;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::vector::VectorType;
use std::cell::RefCell;

/// Bytes of a part that one search verifies when the part was not read before: about a quarter of a millisecond.
const VERIFY_BUDGET: usize = 4 << 20;

thread_local! {
    /// The working memory of searches on this thread: visited set, pool, buffers.
    static SCRATCH: RefCell<(Scratch, Vec<Candidate>)> = RefCell::default();
}

/// Codes and graph of one vector, read in place.
#[derive(Clone, Debug)]
pub(crate) struct VectorIndex {
    ty: VectorType,
    quantizer: Quantizer,
    codes: Part,
    graph: Part,
    len: usize,
}

impl VectorIndex {
    /// The index over `len` slots.
    pub(crate) fn open(
        ty: VectorType,
        quantizer: Quantizer,
        codes: Part,
        graph: Part,
        len: usize,
    ) -> Result<Self> {
        if codes.len() != quantizer.code_bytes() * len {
            return Err(Error::corrupt("codes", 0, format!("{} bytes for {len} records", codes.len())));
        }
        Ok(Self { ty, quantizer, codes, graph, len })
    }

    /// The same index with each part replaced by what `f` makes of it.
    pub(crate) fn map_parts(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Self> {
        Self::open(self.ty, self.quantizer, f("codes", &self.codes)?, f("graph", &self.graph)?, self.len)
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

    /// The codes of all slots.
    pub(crate) fn codes(&self) -> Result<Codes<'_>> {
        Codes::new(&self.quantizer, self.codes.for_traversal(VERIFY_BUDGET)?, self.len)
    }

    /// The graph.
    pub(crate) fn graph(&self) -> Result<GraphView<'_>> {
        GraphView::new(self.graph.for_traversal(VERIFY_BUDGET)?, self.len)
    }

    /// Gives `use_candidates` the `ef` slots that the graph finds nearest to `query`, best first.
    pub(crate) fn search<R>(
        &self,
        query: &[f32],
        ef: usize,
        use_candidates: impl FnOnce(&[Candidate]) -> R,
    ) -> Result<R> {
        let (codes, graph) = (self.codes()?, self.graph()?);
        let query = QueryCode::new(&self.ty, &self.quantizer, query);
        SCRATCH.with_borrow_mut(|(scratch, candidates)| {
            candidates.clear();
            graph.search(&codes, &query, ef, scratch, candidates);
            Ok(use_candidates(candidates))
        })
    }

    /// Checks codes and graph as far as they can be wrong.
    pub(crate) fn verify(&self) -> Result<()> {
        self.codes.verify()?;
        self.graph.verify()?;
        self.graph()?.verify()
    }
}
