//! Reading a collection at one commit: searches and scans over its segments.
//!
//! A [`Search`] is put together, checked whole, and run over every segment: sealed segments are led by their graph,
//! the active one is scanned exactly, and the best of all are the hits. A [`Scan`] walks the records in the order of
//! their ids, so that pages stay what they are while segments are merged.
//!
//! Not here: what a snapshot is and who may read it (`db`).

mod combined;
mod diversity;
mod execute;
mod explain;
mod facets;
mod fusion;
mod group;
mod hit;
mod hybrid;
mod latency;
mod matching;
mod monitor;
mod ordered;
mod scan;
mod search;
mod sparse;
#[cfg(test)]
mod tests;
mod top;
mod words;

pub use explain::Explain;
pub use explain::SegmentExplain;
pub use explain::SparseExplain;
pub use explain::WordsExplain;
pub(crate) use facets::facets;
pub use fusion::Fusion;
pub use fusion::Weights;
pub use hit::Hit;
pub use latency::Latency;
pub(crate) use matching::count_all;
pub(crate) use matching::ids;
pub(crate) use monitor::Monitor;
pub use monitor::SlowSearch;
pub(crate) use monitor::SlowSearches;
pub(crate) use monitor::Watch;
pub use scan::Scan;
pub use search::Search;

use crate::segment::Limits;
use crate::segment::SegmentSet;
use std::sync::Arc;

/// What a query reads: the segments of a collection, and the limits in force.
#[derive(Clone)]
pub(crate) struct View {
    /// The segments.
    pub(crate) set: Arc<SegmentSet>,
    /// The limits.
    pub(crate) limits: Arc<Limits>,
    /// Who notes what is searched.
    pub(crate) watch: Option<Watch>,
}
