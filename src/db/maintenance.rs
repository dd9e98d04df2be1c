//! Maintenance: which segments are merged when, in the background or on demand; compaction.
//!
//! A search visits every segment, and a graph of n records costs about as much as one of 2n: few segments are fast
//! ones. New records come in segments without graph, which are scanned. When these hold enough that scanning is felt,
//! they are merged under a graph, together with every graph that is not much larger than what is merged already:
//! so there are at most a few graphs, each several times larger than the next, and a record is merged a logarithmic
//! number of times. A merge begins from its largest graph and inserts the other records. A segment in which many
//! records are dead is merged by itself.

use super::Durability;
use super::Maintenance;
use super::inner::Inner;
use super::inner::Writer;
use super::state::State;
use super::threads::on_threads;
use crate::error::Error;
use crate::error::Result;
use crate::segment::LiveSegment;
use crate::segment::Merge;
use crate::segment::Merged;
use crate::segment::NOWHERE;
use crate::segment::SegmentSet;
use crate::segment::Target;
use parking_lot::Condvar;
use parking_lot::Mutex;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Segments without graph are merged under one when they hold this many records...
const FLAT_RECORDS: usize = 10_000;
/// ... or this many bytes of vectors, which take about a millisecond to scan.
const FLAT_BYTES: usize = 16 << 20;
/// A graph takes part in a merge where it leads to at most this many times the records merged already.
const GRAPH_RATIO: usize = 4;
/// A segment is merged by itself where this share of its records is dead.
const DEAD_PERCENT: usize = 30;
/// Fewer records than this are scanned faster than a graph leads to them.
const GRAPH_MIN_RECORDS: usize = 1_000;
/// Optimizing ends with compaction where more than one in so many bytes of the file is of no use.
const WASTE_PART: u64 = 16;
/// ... if that is worth it; a small file is seen to when it is closed.
const LEAST_WASTE: u64 = 8 << 20;
/// Passes over the file that compaction makes at most; each moves what the one before made room for, or makes room.
const COMPACTION_PASSES: usize = 24;

/// How far a long call is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The collection at work.
    pub collection: String,
    /// Records that the new graph leads to so far.
    pub done: usize,
    /// Records in all.
    pub total: usize,
}

/// How the maintenance thread is told that there is something to do, or that it is to end.
#[derive(Default)]
pub(super) struct Signal {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Default, Clone, Copy)]
struct Wanted {
    work: bool,
    stop: bool,
}

impl Signal {
    /// There may be something to do.
    pub(super) fn work(&self) {
        self.wanted.lock().work = true;
        self.changed.notify_all();
    }

    /// The thread is to end.
    pub(super) fn stop(&self) {
        self.wanted.lock().stop = true;
        self.changed.notify_all();
    }

    fn stopped(&self) -> bool {
        self.wanted.lock().stop
    }

    /// Waits for a signal, or for `timeout`.
    fn wait(&self, timeout: Option<Duration>) -> Wanted {
        let mut wanted = self.wanted.lock();
        if !wanted.work && !wanted.stop {
            match timeout {
                Some(timeout) => drop(self.changed.wait_for(&mut wanted, timeout)),
                None => self.changed.wait(&mut wanted),
            }
        }
        let seen = *wanted;
        wanted.work = false;
        seen
    }
}

/// The maintenance thread.
pub(super) struct Thread {
    handle: JoinHandle<()>,
}

impl Thread {
    /// Starts the thread where the options ask for one.
    pub(super) fn start(inner: &Arc<Inner>) -> Result<Option<Self>> {
        if !inner.has_thread() {
            return Ok(None);
        }
        let inner = inner.clone();
        let builder = std::thread::Builder::new().name("lode-maintenance".into());
        let handle = builder.spawn(move || run(&inner));
        Ok(Some(Self { handle: handle.map_err(|error| Error::io("start the maintenance thread", error))? }))
    }

    /// Waits until the thread has ended.
    pub(super) fn join(self) {
        if self.handle.join().is_err() {
            tracing::error!("the maintenance thread panicked");
        }
    }
}

fn run(inner: &Inner) {
    let interval = match inner.options.durability {
        Durability::Batched(interval) => Some(interval),
        Durability::Full | Durability::None => None,
    };
    loop {
        let wanted = inner.signal.wait(interval);
        if wanted.stop {
            return;
        }
        let synced = interval.map_or(Ok(()), |_| inner.flush());
        let background = wanted.work && inner.options.maintenance == Maintenance::Background;
        let worked = if background { work(inner) } else { Ok(()) };
        match synced.and(worked) {
            Ok(()) | Err(Error::Cancelled | Error::Closed) => {}
            Err(error @ Error::Poisoned { .. }) => {
                tracing::error!(%error, name = inner.name(), "maintenance ends");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, name = inner.name(), "maintenance failed; it will be tried again");
            }
        }
    }
}

/// Does what there is to do.
pub(super) fn work(inner: &Inner) -> Result<()> {
    inner.checkpoint_if_full()?;
    let _merging = inner.merging.lock();
    while !inner.signal.stopped() {
        let state = inner.newest()?;
        let mut collections = state.collections.iter();
        let Some((name, collection)) = collections.find(|(_, collection)| due(&collection.set).is_some())
        else {
            return Ok(());
        };
        let job = Job { name, id: collection.id, keep_rows: true };
        job.run(inner, due, &|_| !inner.signal.stopped())?;
    }
    Ok(())
}

/// The sealed segments of `set` that should be merged now.
fn due(set: &SegmentSet) -> Option<Vec<LiveSegment>> {
    let (graphs, flat): (Vec<_>, Vec<_>) = set.sealed.iter().partition(|live| live.segment.is_built());
    let row_bytes: usize = set.schema.vectors().iter().map(|vector| vector.ty().row_bytes()).sum();
    let mut records: usize = flat.iter().map(|live| live.live()).sum();
    if records >= FLAT_RECORDS || (records >= GRAPH_MIN_RECORDS && records * row_bytes >= FLAT_BYTES) {
        let mut sources: Vec<LiveSegment> = flat.into_iter().cloned().collect();
        let mut graphs = graphs;
        graphs.sort_by_key(|live| live.live());
        for graph in graphs {
            if graph.live() <= GRAPH_RATIO * records {
                records += graph.live();
                sources.push(graph.clone());
            }
        }
        return Some(sources);
    }
    let worn =
        |live: &&LiveSegment| live.dead.len() as usize * 100 > live.segment.len() as usize * DEAD_PERCENT;
    graphs.into_iter().find(worn).map(|live| vec![live.clone()])
}

/// A merge of some sealed segments of a collection.
struct Job<'a> {
    name: &'a Arc<str>,
    id: u32,
    /// See [`Merge::keep_rows`].
    keep_rows: bool,
}

impl Job<'_> {
    /// Merges the segments that `pick` chooses, while others read and write: the writer's lock is taken only to choose
    /// and to put the result in place.
    fn run(
        &self,
        inner: &Inner,
        pick: impl Fn(&SegmentSet) -> Option<Vec<LiveSegment>>,
        progress: &(dyn Fn(usize) -> bool + Sync),
    ) -> Result<()> {
        let Some(sources) = self.begin(&mut *inner.writer()?, pick) else { return Ok(()) };
        let Some(schema) = sources.first().map(|live| live.segment.schema().clone()) else { return Ok(()) };
        let live: usize = sources.iter().map(LiveSegment::live).sum();
        let (collection, segments) = (&**self.name, sources.len());
        let _span = tracing::debug_span!("merge", collection, segments, records = live).entered();
        let target = Target::store(&inner.store);
        let (graph, keep_rows) = (live >= GRAPH_MIN_RECORDS, self.keep_rows);
        let merge = Merge { schema, sources: &sources, graph, keep_rows, progress };
        let merged = on_threads(|| merge.run(&target)).flatten();
        let mut writer = inner.writer()?;
        writer.busy.clear();
        if let Some(state) = self.replaced(&writer, &sources, merged?)? {
            inner.checkpoint_as(&mut writer, &state)?;
            target.published();
        }
        Ok(())
    }

    /// Chooses the sources, which checkpoints leave alone from now on.
    fn begin(
        &self,
        writer: &mut Writer,
        pick: impl Fn(&SegmentSet) -> Option<Vec<LiveSegment>>,
    ) -> Option<Vec<LiveSegment>> {
        let collection = writer.state.same_collection(self.name, self.id).ok()?;
        let sources = pick(&collection.set)?;
        writer.busy = sources.iter().map(|live| live.segment.clone()).collect();
        Some(sources)
    }

    /// The newest state with the merged segment in place of its sources; `None` where they are gone.
    fn replaced(
        &self,
        writer: &Writer,
        sources: &[LiveSegment],
        merged: Option<Merged>,
    ) -> Result<Option<State>> {
        let mut state = (*writer.state).clone();
        let Some(collection) = state.collections.get_mut(self.name).filter(|found| found.id == self.id)
        else {
            return Ok(None);
        };
        let set = Arc::make_mut(&mut collection.set);
        let is_source =
            |live: &LiveSegment, source: &LiveSegment| Arc::ptr_eq(&live.segment, &source.segment);
        let mut fresh = None;
        if let Some(Merged { segment, moved }) = merged {
            let mut live = LiveSegment::new(Arc::new(segment));
            for (source, moved) in sources.iter().zip(moved) {
                let Some(now) = set.sealed.iter().find(|live| is_source(live, source)) else {
                    return Ok(None);
                };
                // What was deleted during the merge.
                for slot in (&*now.dead - &*source.dead).iter() {
                    let new = moved.get(slot as usize).copied().unwrap_or(NOWHERE);
                    if new != NOWHERE {
                        live.bury(new);
                    }
                }
            }
            fresh = Some(live);
        }
        let place =
            set.sealed.iter().position(|live| sources.first().is_some_and(|source| is_source(live, source)));
        let place = place.unwrap_or(0);
        set.sealed.retain(|live| !sources.iter().any(|source| is_source(live, source)));
        if let Some(live) = fresh {
            set.sealed.insert(place.min(set.sealed.len()), live);
        }
        Ok(Some(state))
    }
}

/// See [`Database::optimize`](super::Database::optimize); `only` names one collection.
pub(super) fn optimize(
    inner: &Inner,
    only: Option<(&str, u32)>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
) -> Result<()> {
    let _span = tracing::info_span!("optimize").entered();
    inner.checkpoint()?;
    let _merging = inner.merging.lock();
    let state = inner.newest()?;
    if let Some((name, id)) = only {
        state.same_collection(name, id)?;
    }
    for (name, collection) in &state.collections {
        if only.is_none_or(|(_, id)| id == collection.id) {
            let total = collection.set.live();
            let told = |done| progress(Progress { collection: name.to_string(), done, total }).is_continue();
            Job { name, id: collection.id, keep_rows: true }.run(inner, all_unless_one, &told)?;
        }
    }
    // Held on to, it would keep what was merged from being used again.
    drop(state);
    let stats = inner.store.stats()?;
    match stats.file_bytes.saturating_sub(stats.live_bytes) > LEAST_WASTE.max(stats.live_bytes / WASTE_PART) {
        true => squeeze(inner),
        false => Ok(()),
    }
}

/// All sealed segments, where they are not one as it should be.
fn all_unless_one(set: &SegmentSet) -> Option<Vec<LiveSegment>> {
    let is_one = match set.sealed.as_slice() {
        [] => true,
        [one] => one.dead.is_empty() && (one.segment.is_built() || one.live() < GRAPH_MIN_RECORDS),
        _ => false,
    };
    (!is_one).then(|| set.sealed.clone())
}

/// See [`Database::compact`](super::Database::compact).
pub(super) fn compact(inner: &Inner) -> Result<()> {
    let _span = tracing::info_span!("compact").entered();
    inner.checkpoint()?;
    let _merging = inner.merging.lock();
    for (name, collection) in &inner.newest()?.collections {
        let job = Job { name, id: collection.id, keep_rows: false };
        let wasteful = |set: &SegmentSet| set.sealed.iter().find(|live| live.wastes_room()).cloned();
        // Each run leaves one fewer, unless others write meanwhile.
        for _ in collection.set.sealed.iter().filter(|live| live.wastes_room()) {
            job.run(inner, |set| wasteful(set).map(|live| vec![live]), &|_| true)?;
        }
    }
    squeeze(inner)
}

/// Moves all parts to the front of the file, and cuts off its end.
fn squeeze(inner: &Inner) -> Result<()> {
    for _ in 0..COMPACTION_PASSES {
        // What the publication before this one left behind becomes free, and the free end of the file is cut off.
        inner.checkpoint()?;
        let mut writer = inner.writer()?;
        let target = Target::store(&inner.store);
        let moved = writer.state.moved_down(&target, u64::MAX)?;
        let moved = moved.map_or_else(|| writer.state.with_room(&target), |state| Ok(Some(state)));
        let Some(state) = moved? else { break };
        inner.checkpoint_as(&mut writer, &state)?;
        target.published();
    }
    inner.checkpoint()
}
