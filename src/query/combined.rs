//! [`Combined`]: searches of several parts, or with words, or that look at their candidates twice.
//!
//! Each part (a vector, a sparse one, the words) gives its best candidates; [`Fusion`](super::Fusion) makes one ranking of them; then they
//! are grouped, thinned out by likeness, cut to `k`. What a hit scores in the parts that did not find it is looked up at the
//! end, for the hits alone.

use super::Hit;
use super::Search;
use super::View;
use super::diversity::diverse;
use super::execute::Execution;
use super::explain::SparseExplain;
use super::explain::Step;
use super::explain::WordsExplain;
use super::hit::Extra;
use super::sparse::SparsePart;
use super::top::Found;
use super::words;
use super::words::WordsRequest;
use crate::error::Result;
use crate::ids::Slot;
use crate::segment::VectorQuery;
use crate::slots::SlotSet;
use crate::text::Prepared;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Instant;

/// The name of the part that words are.
pub(super) const WORDS: &str = "text";
/// Candidates of each part where a search does not say how many: so many times the hits wanted ...
const DEPTH_FACTOR: usize = 4;
/// ... and at least so many.
const DEPTH_LEAST: usize = 100;
/// A search that groups its hits looks each time for so many times more candidates than before.
const MORE: usize = 4;

/// What was done, for an explanation.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) steps: Vec<Step>,
    pub(super) sparse: Vec<SparseExplain>,
    pub(super) words: Option<WordsExplain>,
}

/// One search.
pub(super) struct Combined<'s, 'v> {
    pub(super) view: &'v View,
    pub(super) search: &'s Search,
    pub(super) execution: &'s Execution<'v>,
    /// The vectors and the names of their parts.
    pub(super) vectors: Vec<(String, VectorQuery<'s>)>,
    pub(super) sparse: Vec<SparsePart<'s>>,
    pub(super) words: Option<&'s WordsRequest>,
}

/// A record and what it scores in each part.
struct Candidate {
    found: Found,
    parts: Vec<Option<f32>>,
}

impl Combined<'_, '_> {
    /// The hits.
    pub(super) fn run(mut self, mut trace: Option<&mut Trace>) -> Result<Vec<Hit>> {
        let Some(request) = self.words else { return self.hits(None, trace) };
        let started = Instant::now();
        request.with(self.view, &self.execution.segments, |prepared| {
            if let Some(trace) = &mut trace {
                trace.words = Some(WordsExplain { found: 0, time: started.elapsed() });
            }
            self.hits(Some(prepared), trace)
        })
    }

    fn hits(&mut self, prepared: Option<&Prepared<'_>>, mut trace: Option<&mut Trace>) -> Result<Vec<Hit>> {
        let k = self.search.limit();
        let matches = self.execution.matches();
        let mut depth = self.depth(matches);
        loop {
            let mut candidates = self.candidates(prepared, depth, trace.as_deref_mut())?;
            if let Some(least) = self.search.least_score() {
                candidates.retain(|candidate| candidate.found.score >= least);
            }
            let found = candidates.len();
            if let Some(grouping) = self.search.grouping() {
                let all: Vec<Found> = candidates.iter().map(|candidate| candidate.found).collect();
                let kept = grouping.first_of_each(self.execution, &all, usize::MAX)?;
                let kept: HashSet<(u32, Slot)> =
                    kept.iter().map(|found| (found.segment, found.slot)).collect();
                candidates
                    .retain(|candidate| kept.contains(&(candidate.found.segment, candidate.found.slot)));
                let is_short = k.is_some_and(|k| candidates.len() < k);
                if is_short && found >= depth && depth < matches {
                    depth = depth.saturating_mul(MORE).min(matches);
                    continue;
                }
            }
            let mut candidates = self.thinned(candidates)?;
            candidates.truncate(k.unwrap_or(usize::MAX));
            self.complete(prepared, &mut candidates)?;
            return self.to_hits(prepared, candidates);
        }
    }

    fn depth(&self, matches: usize) -> usize {
        let parts = self.vectors.len() + self.sparse.len() + usize::from(self.words.is_some());
        let looks_twice = parts > 1 || self.search.diversity.is_some() || self.search.grouping().is_some();
        match (self.search.limit(), self.search.depth) {
            (None, _) => matches.max(1),
            (Some(k), Some(depth)) => depth.max(k),
            (Some(k), None) if looks_twice => k.saturating_mul(DEPTH_FACTOR).max(DEPTH_LEAST),
            (Some(k), None) => k,
        }
    }

    /// The candidates of all parts in one ranking.
    fn candidates(
        &mut self,
        prepared: Option<&Prepared<'_>>,
        depth: usize,
        mut trace: Option<&mut Trace>,
    ) -> Result<Vec<Candidate>> {
        let names = self.names();
        let metric_of = |place: usize| self.view.set.schema.vectors()[place].ty().metric;
        let mut rankings: Vec<Vec<Found>> = Vec::with_capacity(names.len());
        for (_, query) in &mut self.vectors {
            query.k = depth;
            let steps = trace.as_deref_mut().map(|trace| &mut trace.steps);
            let mut ranking = self.execution.best(query, None, steps)?;
            for found in &mut ranking {
                found.score = metric_of(query.vector).score_and_distance(found.score).0;
            }
            rankings.push(ranking);
        }
        for sparse in &self.sparse {
            rankings.push(self.sparse_ranking(sparse, depth, trace.as_deref_mut())?);
        }
        if let Some(prepared) = prepared {
            let started = Instant::now();
            let (passing, segments) = (&self.execution.passing, self.execution.segments.len());
            rankings.push(match self.search.limit() {
                Some(_) => words::best(prepared, depth, passing, segments)?,
                None => words::all(prepared, self.search.least_score().unwrap_or(0.0), passing, segments)?,
            });
            if let Some(step) = trace.and_then(|trace| trace.words.as_mut()) {
                step.time += started.elapsed();
                step.found = rankings.last().map_or(0, Vec::len);
            }
        }
        Ok(self.fused(&names, &rankings))
    }

    /// The candidates of a sparse vector.
    fn sparse_ranking(
        &self,
        sparse: &SparsePart<'_>,
        depth: usize,
        trace: Option<&mut Trace>,
    ) -> Result<Vec<Found>> {
        let started = Instant::now();
        let found = match self.search.limit() {
            Some(_) => sparse.best(self.execution, depth)?,
            None => sparse.all(self.execution, self.search.least_score().unwrap_or(0.0))?,
        };
        if let Some(trace) = trace {
            let (name, time) = (sparse.name.to_owned(), started.elapsed());
            trace.sparse.push(SparseExplain { name, found: found.ranking.len(), scored: found.scored, time });
        }
        Ok(found.ranking)
    }

    /// The names of the parts.
    fn names(&self) -> Vec<String> {
        let vectors = self.vectors.iter().map(|(name, _)| name.clone());
        let sparse = self.sparse.iter().map(|sparse| sparse.name.to_owned());
        vectors.chain(sparse).chain(self.words.map(|_| WORDS.to_owned())).collect()
    }

    fn fused(&self, names: &[String], rankings: &[Vec<Found>]) -> Vec<Candidate> {
        if let [ranking] = rankings {
            let single = |found: &Found| Candidate { found: *found, parts: vec![Some(found.score)] };
            return ranking.iter().map(single).collect();
        }
        let mut places: HashMap<(u32, Slot), usize> = HashMap::new();
        let mut candidates: Vec<Candidate> = Vec::new();
        for (part, (name, ranking)) in names.iter().zip(rankings).enumerate() {
            let scores: Vec<f32> = ranking.iter().map(|found| found.score).collect();
            let shares = self.search.fusion.shares(name, &scores);
            for (found, share) in ranking.iter().zip(shares) {
                let place = *places.entry((found.segment, found.slot)).or_insert_with(|| {
                    let parts = vec![None; names.len()];
                    candidates.push(Candidate { found: Found { score: 0.0, ..*found }, parts });
                    candidates.len() - 1
                });
                let candidate = &mut candidates[place];
                candidate.found.score += share;
                candidate.parts[part] = Some(found.score);
            }
        }
        candidates.sort_unstable_by_key(|candidate| Reverse(candidate.found));
        candidates
    }

    /// The candidates that are unlike each other, where that is asked for.
    fn thinned(&self, candidates: Vec<Candidate>) -> Result<Vec<Candidate>> {
        let Some((diversity, k)) = self.search.diversity.zip(self.search.limit()) else {
            return Ok(candidates);
        };
        let vector = self.vectors.first().map_or(0, |(_, query)| query.vector);
        let ty = self.view.set.schema.vectors()[vector].ty();
        let found: Vec<Found> = candidates.iter().map(|candidate| candidate.found).collect();
        let taken = diverse(self.execution, (vector, ty), &found, k, diversity)?;
        let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
        Ok(taken.into_iter().filter_map(|at| candidates[at].take()).collect())
    }

    /// Looks up what the candidates score in the parts that did not find them; 0 for words and terms that do not match.
    fn complete(&self, prepared: Option<&Prepared<'_>>, candidates: &mut [Candidate]) -> Result<()> {
        for (part, (_, query)) in self.vectors.iter().enumerate() {
            let metric = self.view.set.schema.vectors()[query.vector].ty().metric;
            for candidate in candidates.iter_mut().filter(|candidate| candidate.parts[part].is_none()) {
                let rows =
                    &self.execution.segments[candidate.found.segment as usize].vector(query.vector)?.rows;
                let slot = std::iter::once(candidate.found.slot);
                rows.score(&query.scorer, slot, &mut |score, _| {
                    candidate.parts[part] = Some(metric.score_and_distance(score).0);
                })?;
            }
        }
        for (part, sparse) in (self.vectors.len()..).zip(&self.sparse) {
            for candidate in candidates.iter_mut().filter(|candidate| candidate.parts[part].is_none()) {
                let live = self.execution.segments[candidate.found.segment as usize];
                candidate.parts[part] = Some(sparse.score(live, candidate.found.slot)?);
            }
        }
        let Some(prepared) = prepared else { return Ok(()) };
        let part = self.vectors.len() + self.sparse.len();
        for (place, live) in (0..).zip(&self.execution.segments) {
            let missing = |candidate: &&mut Candidate| {
                candidate.found.segment == place && candidate.parts[part].is_none()
            };
            let mut missing: Vec<&mut Candidate> = candidates.iter_mut().filter(missing).collect();
            if missing.is_empty() {
                continue;
            }
            missing.sort_unstable_by_key(|candidate| candidate.found.slot);
            let slots = missing.iter().map(|candidate| candidate.found.slot).collect();
            let slots = SlotSet::from_ascending(live.segment.len(), slots);
            missing.iter_mut().for_each(|candidate| candidate.parts[part] = Some(0.0));
            words::scores(prepared, place as usize, &slots, &mut |score, slot| {
                if let Ok(at) = missing.binary_search_by_key(&slot, |candidate| candidate.found.slot) {
                    missing[at].parts[part] = Some(score);
                }
            })?;
        }
        Ok(())
    }

    fn to_hits(&self, prepared: Option<&Prepared<'_>>, candidates: Vec<Candidate>) -> Result<Vec<Hit>> {
        let (names, asked) = (self.names(), &self.search.highlights);
        let metric =
            self.vectors.first().map(|(_, query)| self.view.set.schema.vectors()[query.vector].ty().metric);
        let hits = candidates.into_iter().map(|candidate| {
            let distance = match (metric, candidate.parts.first().copied().flatten()) {
                (Some(metric), Some(score)) => metric.distance(score),
                _ => f32::NAN,
            };
            let scores = names.iter().cloned().zip(candidate.parts.into_iter().flatten()).collect();
            let highlights = match prepared.filter(|_| !asked.is_empty()) {
                None => Vec::new(),
                Some(prepared) => {
                    let segment = &self.execution.segments[candidate.found.segment as usize].segment;
                    let fields = segment.fields(candidate.found.slot)?;
                    words::highlights(&self.view.set.schema, prepared, asked, &fields)?
                }
            };
            let extra = Extra { scores, highlights };
            self.execution.hit(self.view, candidate.found, distance, Some(extra))
        });
        hits.collect()
    }
}
