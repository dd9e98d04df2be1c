//! [`Explain`]: what a search did.

use super::Search;
use super::View;
use super::combined::Trace;
use super::execute::Execution;
use super::matching::count;
use crate::error::Result;
use crate::segment::Route;
use crate::segment::Work;
use std::fmt;
use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

/// How a search was carried out, and what it took. Printed, it is a tree.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explain {
    /// Number of hits.
    pub hits: usize,
    /// Number of records in the collection.
    pub records: usize,
    /// Number of records that pass the filter; all without one.
    pub matches: usize,
    /// The filter as text, where there is one.
    pub filter: Option<String>,
    /// The segments, in the order in which vectors were searched for in them; those without a match were not.
    pub segments: Vec<SegmentExplain>,
    /// How sparse vectors were searched for, in their order.
    pub sparse: Vec<SparseExplain>,
    /// How words were searched for, where they were.
    pub words: Option<WordsExplain>,
    /// Time to evaluate the filter. Answers to the latest filters are kept, so that a repeated one takes none.
    pub filter_time: Duration,
    /// Time of everything.
    pub time: Duration,
}

/// How one segment was searched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SegmentExplain {
    /// Number of records that live.
    pub records: usize,
    /// Number of records that pass the filter, by its index alone, before any was looked at.
    pub estimate: Range<usize>,
    /// Number of records that pass the filter.
    pub matches: usize,
    /// The way that led to the result: `graph` (followed, results must pass), `graph over` (followed over records that do not
    /// pass), `cells` (codes that pass scored in the cells nearest to the query, the best rescored), `codes` (all codes that
    /// pass scored, the best rescored), `rows` (all stored vectors that pass scored).
    pub plan: &'static str,
    /// The way that was tried first, where it was given up because too few records near the query pass.
    pub given_up: Option<&'static str>,
    /// Number of codes or rows scored where the filter had a say; 0 where the graph was followed without one.
    pub scored: usize,
    /// Time to search it.
    pub time: Duration,
}

/// How a sparse vector was searched for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SparseExplain {
    /// Its name.
    pub name: String,
    /// Number of records that were found as candidates.
    pub found: usize,
    /// Number of records that were scored exactly, because their bounds are high enough.
    pub scored: usize,
    /// Time to find the candidates.
    pub time: Duration,
}

/// How words were searched for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WordsExplain {
    /// Number of records that were found as candidates.
    pub found: usize,
    /// Time to look the words up and to find the candidates.
    pub time: Duration,
}

/// What was done in one segment.
pub(super) struct Step {
    /// The place of the segment.
    pub(super) segment: usize,
    pub(super) work: Work,
    pub(super) time: Duration,
}

impl Explain {
    /// Runs a search that was checked.
    pub(super) fn of(view: &View, search: &Search) -> Result<Self> {
        let started = Instant::now();
        let condition = search.condition();
        // What passes is kept, so that the search does not evaluate the filter again.
        let execution = Execution::new(view, search.first_place(view)?, condition)?;
        let filter_time = started.elapsed();
        let mut trace = Trace::default();
        let hits = search.run_traced(Some(&mut trace))?.len();
        let time = started.elapsed();
        let mut segments = Vec::new();
        for Step { segment, work, time } in trace.steps {
            let live = execution.segments[segment];
            let matches = match execution.passing.get(segment) {
                Some(passing) => count(live, passing),
                None => live.live(),
            };
            let estimate = match &condition.filter {
                Some(filter) => {
                    // The index knows nothing of dead records: each may be one that passes.
                    let dead = live.segment.len() as usize - live.live();
                    let found = live.segment.with_field_index(|index| index.estimate(filter))?;
                    found.start.saturating_sub(dead)..found.end.min(live.live())
                }
                None => live.live()..live.live(),
            };
            segments.push(SegmentExplain {
                records: live.live(),
                estimate,
                matches,
                plan: name(work.route),
                given_up: work.given_up.map(name),
                scored: work.scored,
                time,
            });
        }
        let filter = condition.filter.as_ref().map(ToString::to_string);
        let (records, matches) = (view.set.live(), execution.matches());
        Ok(Self {
            hits,
            records,
            matches,
            filter,
            segments,
            sparse: trace.sparse,
            words: trace.words,
            filter_time,
            time,
        })
    }
}

/// What a way is called.
fn name(route: Route) -> &'static str {
    match route {
        Route::Rows => "rows",
        Route::Codes => "codes",
        Route::Cells => "cells",
        Route::Graph => "graph",
        Route::GraphOver => "graph over",
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "search: {} hits in {:?}", self.hits, self.time)?;
        if let Some(filter) = &self.filter {
            let (matches, records, time) = (self.matches, self.records, self.filter_time);
            writeln!(f, "├─ filter {filter}: {matches} of {records} records pass, {time:?}")?;
        }
        for sparse in &self.sparse {
            let SparseExplain { name, found, scored, time } = sparse;
            writeln!(f, "├─ {name}: {found} candidates, {scored} scored, {time:?}")?;
        }
        if let Some(words) = &self.words {
            writeln!(f, "├─ words: {} candidates, {:?}", words.found, words.time)?;
        }
        for (at, segment) in self.segments.iter().enumerate() {
            let branch = if at + 1 == self.segments.len() { "└─" } else { "├─" };
            writeln!(f, "{branch} {segment}")?;
        }
        Ok(())
    }
}

impl fmt::Display for SegmentExplain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment of {} records by {}: ", self.records, self.plan)?;
        if let Some(given_up) = self.given_up {
            write!(f, "(after {given_up}) ")?;
        }
        write!(f, "{} pass ({} to {} estimated)", self.matches, self.estimate.start, self.estimate.end)?;
        if self.scored > 0 {
            write!(f, ", {} scored", self.scored)?;
        }
        write!(f, ", {:?}", self.time)
    }
}
