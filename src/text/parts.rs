//! The clauses of a query in one segment, and the records that may be among those looked for.

use super::bm25::Weight;
use super::leaf::Leaf;
use super::phrase::PhraseCursor;
use super::postings::TermCursor;
use super::prepare::Prepared;
use super::prepare::PreparedLeaf;
use super::query::Occur;
use super::score::Tables;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;

/// A filter's slots are the candidates where looking all terms up for them costs less than reading the postings; a look-up
/// costs about as much as so many postings.
pub(super) const LOOKUP_COST: u64 = 12;

/// A record that may be among those looked for.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) slot: Slot,
    pub(super) score: u32,
    /// Clauses that are asked for and matched so far.
    pub(super) matched: u32,
}

/// The leaves of one clause in this segment.
pub(super) struct Part<'a> {
    pub(super) leaves: Vec<Leaf<'a>>,
    pub(super) cost: u64,
    /// A bound for the records of the present window.
    pub(super) bound: u32,
}

impl Part<'_> {
    pub(super) fn enter(&mut self, base: Slot, end: Slot) {
        self.leaves.iter_mut().for_each(|leaf| leaf.enter(base, end));
        self.bound = self.leaves.iter().map(|leaf| leaf.bound).sum();
    }

    /// What the clause adds to the score of one record; nothing where it can't be enough.
    #[inline]
    pub(super) fn add(&mut self, candidate: &mut Candidate, after: u32, limit: u32) -> Result<bool> {
        if let [leaf] = &mut self.leaves[..] {
            let bound = leaf.bound_at(candidate.slot);
            if candidate.score + bound + after <= limit {
                return Ok(false);
            }
            let score = if bound == 0 { 0 } else { leaf.probe(candidate.slot)? };
            candidate.score += score;
            candidate.matched += u32::from(score > 0);
            return Ok(candidate.score + after > limit);
        }
        let before = candidate.score;
        for leaf in &mut self.leaves {
            candidate.score += leaf.probe(candidate.slot)?;
        }
        candidate.matched += u32::from(candidate.score > before);
        Ok(candidate.score + after > limit)
    }
}

/// The clauses of a query in one segment.
#[derive(Default)]
pub(super) struct Parts<'a> {
    /// The rarest first.
    pub(super) must: Vec<Part<'a>>,
    /// The rarest first.
    pub(super) should: Vec<Part<'a>>,
    pub(super) must_not: Vec<Part<'a>>,
    /// Those of `should` of which a record has to match one, once more: cursors only go forward.
    pub(super) rarest: Vec<Part<'a>>,
    /// Clauses of `should` that have to match.
    pub(super) minimum: usize,
}

impl<'a> Prepared<'a> {
    pub(super) fn parts(&self, segment: usize, tables: &mut Tables) -> Result<Parts<'a>> {
        let mut parts = Parts { minimum: self.minimum, ..Parts::default() };
        for clause in &self.clauses {
            let mut leaves = Vec::with_capacity(clause.leaves.len());
            for prepared in &clause.leaves {
                leaves.extend(self.leaf(prepared, segment, tables)?);
            }
            let cost = leaves.iter().map(|leaf| leaf.cost).sum();
            let part = Part { leaves, cost, bound: 0 };
            match clause.occur {
                Occur::Must => parts.must.push(part),
                _ if part.leaves.is_empty() => {}
                Occur::MustNot => parts.must_not.push(part),
                Occur::Should => parts.should.push(part),
            }
        }
        parts.must.sort_by_key(|part| part.cost);
        parts.should.sort_by_key(|part| part.cost);
        Ok(parts)
    }

    pub(super) fn leaf(
        &self,
        leaf: &PreparedLeaf<'a>,
        segment: usize,
        tables: &mut Tables,
    ) -> Result<Option<Leaf<'a>>> {
        let view = self.segments[segment].views.get(leaf.field).and_then(Option::as_ref);
        let Some(view) = view else { return Ok(None) };
        let weight = Weight { units: (leaf.weight * self.scale) as f32, curve: leaf.curve };
        if let [term] = &leaf.terms[..] {
            let Some(entry) = &term.entries[segment] else { return Ok(None) };
            return Leaf::term(view, TermCursor::open(view, entry)?, weight, tables).map(Some);
        }
        let mut terms = Vec::with_capacity(leaf.terms.len());
        for term in &leaf.terms {
            let Some(entry) = &term.entries[segment] else { return Ok(None) };
            terms.push((entry.clone(), term.place));
        }
        Leaf::phrase(view, PhraseCursor::open(view, &terms, leaf.nearness)?, weight, tables).map(Some)
    }
}

impl Parts<'_> {
    /// Goes on to a window; bounds what scores there are in it.
    pub(super) fn enter(&mut self, base: Slot, end: Slot) -> u32 {
        let scoring = self.must.iter_mut().chain(&mut self.should);
        scoring
            .map(|part| {
                part.enter(base, end);
                part.bound
            })
            .sum()
    }
}

/// Whether it costs less to look all terms up for the filter's slots than to read the postings.
pub(super) fn is_thin(filter: &SlotSet, parts: &Parts<'_>) -> bool {
    let all = || parts.must.iter().chain(&parts.should);
    let leaves: u64 = all().map(|part| part.leaves.len() as u64).sum();
    let postings = match parts.must.first() {
        Some(first) => first.cost,
        None => all().map(|part| part.cost).sum(),
    };
    filter.len() as u64 * leaves * LOOKUP_COST < postings
}

/// Adds what a leaf has for the candidates, and drops those that can't have more than `limit` with it and `rest`.
pub(super) fn refine(
    candidates: &mut Vec<Candidate>,
    leaf: &mut Leaf<'_>,
    rest: u32,
    limit: u32,
) -> Result<()> {
    let most = leaf.bound + rest;
    narrow(candidates, |candidate| {
        if candidate.score + most <= limit {
            return Ok(false);
        }
        let bound = leaf.bound_at(candidate.slot);
        if candidate.score + bound + rest <= limit {
            return Ok(false);
        }
        if bound > 0 {
            candidate.score += leaf.probe(candidate.slot)?;
        }
        Ok(candidate.score + rest > limit)
    })
}

/// Keeps the candidates of which `keep` says so.
#[inline(always)]
pub(super) fn narrow(
    candidates: &mut Vec<Candidate>,
    mut keep: impl FnMut(&mut Candidate) -> Result<bool>,
) -> Result<()> {
    let mut kept = 0;
    for at in 0..candidates.len() {
        let mut candidate = candidates[at];
        if keep(&mut candidate)? {
            candidates[kept] = candidate;
            kept += 1;
        }
    }
    candidates.truncate(kept);
    Ok(())
}
