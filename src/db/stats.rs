//! [`Stats`]: counts for people and programs.

use super::inner::Inner;
use crate::error::Result;
use crate::query::Latency;
use crate::segment::LiveSegment;
use crate::segment::Part;
use crate::segment::SegmentSet;
use std::collections::BTreeMap;

/// Counts of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the file that records, indexes and the catalog take.
    pub live_bytes: u64,
    /// Bytes of the file that later writes will use.
    pub free_bytes: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Checkpoints since the file was created.
    pub generation: u64,
    /// Commits since the file was created.
    pub commits: u64,
    /// The database's UUID, in hexadecimal.
    pub uuid: String,
    /// How long searches through this handle took, from `run` to the hits. One for many vectors counts once for each.
    pub search_latency: Latency,
    /// How long commits through this handle took until they were acknowledged.
    pub commit_latency: Latency,
    /// The collections, in alphabetical order.
    pub collections: Vec<CollectionStats>,
}

/// Counts of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectionStats {
    /// Its name.
    pub name: String,
    /// Number of records.
    pub records: usize,
    /// Number of records that were deleted or replaced and still take room.
    pub dead_records: usize,
    /// Number of records in memory only (and in the log), searched by scanning.
    pub active_records: usize,
    /// Bytes of these.
    pub active_bytes: usize,
    /// Number of segments in the file.
    pub segments: usize,
    /// Number of them that a graph leads through; the others are scanned.
    pub graphs: usize,
    /// Number of records that a graph leads to.
    pub graph_records: usize,
    /// Number of answers to filters that are kept in memory, by segments.
    pub kept_filters: usize,
    /// Bytes of these.
    pub kept_filter_bytes: usize,
    /// Bytes in the file of each kind of part, by name: `vectors`, `codes`, `graph`, `cells`, `words`, `field index`, `fields`, `ids`
    /// and others.
    pub part_bytes: BTreeMap<&'static str, u64>,
}

impl CollectionStats {
    pub(super) fn of(name: &str, set: &SegmentSet) -> Self {
        let graphs = || set.sealed.iter().filter(|live| live.segment.has_graph());
        let kept = || set.segments().map(|live| live.segment.kept_filters());
        Self {
            name: name.to_owned(),
            records: set.live(),
            dead_records: set.dead(),
            active_records: set.active.live(),
            active_bytes: set.active.bytes(),
            segments: set.sealed.len(),
            graphs: graphs().count(),
            graph_records: graphs().map(LiveSegment::live).sum(),
            kept_filters: kept().map(|(count, _)| count).sum(),
            kept_filter_bytes: kept().map(|(_, bytes)| bytes).sum(),
            part_bytes: part_bytes(set),
        }
    }
}

/// Bytes of the parts that lie in the file, tombstones included, by their names.
fn part_bytes(set: &SegmentSet) -> BTreeMap<&'static str, u64> {
    let mut sums = BTreeMap::new();
    let mut add = |part: &Part| *sums.entry(part.name()).or_default() += part.len() as u64;
    for live in &set.sealed {
        live.segment.for_each_part(&mut add);
        live.dead_part.iter().for_each(&mut add);
    }
    sums
}

impl Inner {
    /// See [`Database::stats`](super::Database::stats).
    pub(super) fn stats(&self) -> Result<Stats> {
        let state = self.newest()?;
        let store = self.store.stats()?;
        let collections =
            state.collections.iter().map(|(name, collection)| CollectionStats::of(name, &collection.set));
        Ok(Stats {
            file_bytes: store.file_bytes,
            live_bytes: store.live_bytes,
            free_bytes: store.free_bytes,
            log_bytes: store.log_bytes,
            generation: store.generation,
            commits: store.last_commit.0,
            uuid: format!("{:032x}", store.uuid),
            search_latency: self.monitor.searches.latency(),
            commit_latency: self.monitor.commits.latency(),
            collections: collections.collect(),
        })
    }
}
