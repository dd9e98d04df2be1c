//! [`Monitor`]: what is noted of searches: how long they took, and which took too long.

use super::Hit;
use super::Search;
use super::latency::Recorder;
use crate::error::Result;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

/// What is noted for one open database.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// The times of searches.
    pub(crate) searches: Recorder,
    /// The times of commits.
    pub(crate) commits: Recorder,
    /// Who is told of slow searches.
    slow: Option<SlowSearches>,
}

/// The function that is told of searches that took at least this long.
#[derive(Clone)]
pub(crate) struct SlowSearches {
    pub(crate) least: Duration,
    pub(crate) tell: Arc<dyn Fn(&SlowSearch) + Send + Sync>,
}

impl fmt::Debug for SlowSearches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlowSearches({:?})", self.least)
    }
}

/// A search that took longer than it should; see [`Options::slow_search`](crate::Options::slow_search).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SlowSearch {
    /// The collection.
    pub collection: String,
    /// How long it took.
    pub time: Duration,
    /// Number of hits; 0 for one that failed.
    pub hits: usize,
    /// Number of hits that were asked for; `None` for all with at least a score.
    pub k: Option<usize>,
    /// Number of vectors it looked for, sparse ones included.
    pub vectors: usize,
    /// The words it looked for, as text, where it did.
    pub text: Option<String>,
    /// The filter as text, where there is one.
    pub filter: Option<String>,
}

impl fmt::Display for SlowSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "search of '{}' took {:?} for {} hits", self.collection, self.time, self.hits)?;
        if self.vectors > 0 {
            write!(f, ", vectors: {}", self.vectors)?;
        }
        if let Some(text) = &self.text {
            write!(f, ", words: {text}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, ", filter: {filter}")?;
        }
        Ok(())
    }
}

/// Who notes the searches of a collection.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) collection: Arc<str>,
}

impl Monitor {
    /// One that tells of slow searches.
    pub(crate) fn new(slow: Option<SlowSearches>) -> Self {
        Self { slow, ..Self::default() }
    }
}

impl Watch {
    /// Runs a search, or one of the many that it stands for, and notes it.
    pub(super) fn over(
        watch: Option<&Self>,
        search: &Search,
        run: impl FnOnce() -> Result<Vec<Hit>>,
    ) -> Result<Vec<Hit>> {
        let Some(watch) = watch else { return run() };
        let span =
            tracing::debug_span!("search", collection = &*watch.collection, hits = tracing::field::Empty);
        let _entered = span.enter();
        let started = Instant::now();
        let found = run();
        let time = started.elapsed();
        let hits = found.as_ref().map_or(0, Vec::len);
        span.record("hits", hits);
        watch.monitor.searches.record(time);
        if let Some(slow) = watch.monitor.slow.as_ref().filter(|slow| time >= slow.least) {
            (slow.tell)(&search.as_slow(&watch.collection, time, hits));
        }
        found
    }
}
