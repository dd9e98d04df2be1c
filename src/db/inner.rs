//! [`Inner`]: the open database behind all handles. Opening, committing, checkpoints, closing.

use super::Durability;
use super::Maintenance;
use super::Options;
use super::ahead::Ahead;
use super::log;
use super::log::Op;
use super::maintenance::Signal;
use super::maintenance::Thread;
use super::state::State;
use crate::error::Error;
use crate::error::Result;
use crate::ids::CommitId;
use crate::query::Monitor;
use crate::query::View;
use crate::query::Watch;
use crate::segment::Limits;
use crate::segment::Schema;
use crate::segment::Segment;
use crate::segment::Target;
use crate::segment::check_name;
use crate::storage::Access;
use crate::storage::Backend;
use crate::storage::Extent;
use crate::storage::FileBackend;
use crate::storage::Refresh;
use crate::storage::Store;
use crate::storage::sync_folder_of;
use parking_lot::Mutex;
use parking_lot::MutexGuard;
use parking_lot::RwLock;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// A transaction larger than this is made durable by a checkpoint, which writes its vectors once.
const BULK_BYTES: usize = 4 << 20;

/// A file of at most this many bytes in use is compacted when it is closed: there is little to move.
const TIDY_BYTES: u64 = 16 << 20;
/// Parts of larger files are moved up to this size, which takes some hundredths of a second.
const TIDY_PART_BYTES: u64 = 64 << 20;

/// A write folds the active segments into the file itself when they hold this many times what they should.
const ACTIVE_EXCESS: usize = 4;

/// The open database. Dropped with the last handle, it closes the file.
pub(crate) struct Shared {
    inner: Arc<Inner>,
    thread: Mutex<Option<Thread>>,
}

/// What handles and the maintenance thread share.
pub(crate) struct Inner {
    pub(super) store: Store,
    name: String,
    pub(super) options: Options,
    pub(super) limits: Arc<Limits>,
    read_only: bool,
    closed: AtomicBool,
    /// Held while segments are merged: by one at a time.
    pub(super) merging: Mutex<()>,
    writer: Mutex<Writer>,
    /// Commits in order whose states are not published yet.
    pending: Mutex<VecDeque<(CommitId, Arc<State>)>>,
    published: RwLock<Arc<State>>,
    pub(super) signal: Signal,
    ahead: Ahead,
    pub(super) monitor: Arc<Monitor>,
}

/// What the one who writes holds.
pub(super) struct Writer {
    /// The newest state, which may not be durable yet.
    pub(super) state: Arc<State>,
    /// Segments that are being merged.
    pub(super) busy: Vec<Arc<Segment>>,
    /// For a reader: what was read from the file and is not in `state`, because taking it in failed.
    missed: Refresh,
}

impl Shared {
    /// Opens the database in `backend`, which is created where it is empty and `create` allows.
    pub(super) fn open(
        backend: Arc<dyn Backend>,
        name: &str,
        options: Options,
        read_only: bool,
        create: bool,
    ) -> Result<Self> {
        let _span = tracing::debug_span!("open", name).entered();
        let len = backend.len().map_err(|error| Error::io(format!("open {name}"), error))?;
        let (store, state) = if len == 0 && create && !read_only {
            let store = Store::create_with(backend, &options.store)?;
            let state = State::empty(store.pin());
            (store, state)
        } else {
            let access = if read_only { Access::Read } else { Access::Write };
            let (store, recovered) = Store::open_with(backend, access, &options.store)?;
            let mut state = State::recover(&store, &recovered)?;
            if !read_only && !recovered.frames.is_empty() {
                state = checkpoint(&store, &state, &[])?;
            }
            (store, state)
        };
        let state = Arc::new(state);
        let limits = Arc::new(options.limits.clone());
        let inner = Arc::new(Inner {
            store,
            name: name.to_owned(),
            limits,
            read_only,
            closed: AtomicBool::new(false),
            merging: Mutex::new(()),
            writer: Mutex::new(Writer { state: state.clone(), busy: Vec::new(), missed: Refresh::Nothing }),
            pending: Mutex::default(),
            published: RwLock::new(state),
            signal: Signal::default(),
            ahead: Ahead::default(),
            monitor: Arc::new(Monitor::new(options.slow.clone())),
            options,
        });
        let thread = Mutex::new(if read_only { None } else { Thread::start(&inner)? });
        Ok(Self { inner, thread })
    }

    /// What the handles share.
    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Closes the database; `None` where it was closed before.
    pub(super) fn close(&self) -> Option<Result<()>> {
        if self.inner.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        self.inner.signal.stop();
        if let Some(thread) = self.thread.lock().take() {
            thread.join();
        }
        self.inner.ahead.close();
        Some(self.inner.finish())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.close() {
            tracing::warn!(%error, name = self.inner.name, "closing failed; the log holds what was acknowledged");
        }
    }
}

/// Folds everything that is only in memory or in the log into the file, and gives the state as it then is.
pub(super) fn checkpoint(store: &Store, state: &State, busy: &[Arc<Segment>]) -> Result<State> {
    fold(store, state, busy, Store::checkpoint)
}

fn fold(
    store: &Store,
    state: &State,
    busy: &[Arc<Segment>],
    publish: impl FnOnce(&Store, &[u8], &[Extent]) -> Result<CommitId>,
) -> Result<State> {
    let target = Target::store(store);
    let mut folded = state.clone();
    folded.fold(&target, busy)?;
    let (root, extents) = folded.catalog()?;
    publish(store, &root, &extents)?;
    target.published();
    folded.set_pin(store.pin());
    Ok(folded)
}

impl Inner {
    /// What the database is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// True where the handles are closing or closed.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// `Ok` where `schema` can be a collection's and `name` can name it.
    pub(super) fn check_schema(&self, name: &str, schema: &Schema) -> Result<()> {
        check_name("collection", name, &self.limits)?;
        schema.check(&self.limits)
    }

    /// The newest state that readers may see.
    pub(super) fn newest(&self) -> Result<Arc<State>> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        if self.read_only {
            self.refresh()?;
        }
        Ok(self.published.read().clone())
    }

    /// What a query reads in the collection `name` with the number `id`.
    pub(super) fn view(&self, name: &Arc<str>, id: u32) -> Result<View> {
        self.view_of(&*self.newest()?, name, id)
    }

    /// As [`view`](Self::view), for searches: what they will touch is verified ahead of them.
    pub(super) fn search_view(&self, name: &Arc<str>, id: u32) -> Result<View> {
        let state = self.newest()?;
        self.ahead.search(&state);
        self.view_of(&state, name, id)
    }

    fn view_of(&self, state: &State, name: &Arc<str>, id: u32) -> Result<View> {
        let set = state.same_collection(name, id)?.set.clone();
        let watch = Some(Watch { monitor: self.monitor.clone(), collection: name.clone() });
        Ok(View { set, limits: self.limits.clone(), watch })
    }

    /// Takes in what another process has written. The store tells its news once, so they are kept until they are in.
    fn refresh(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let fresh = self.store.refresh()?;
        let news = joined(std::mem::replace(&mut writer.missed, Refresh::Nothing), fresh);
        let taken_in = match &news {
            Refresh::Nothing => return Ok(()),
            Refresh::Frames(frames) => {
                let mut state = (*writer.state).clone();
                state.replay(frames).map(|()| state)
            }
            Refresh::Reload(recovered) => State::recover(&self.store, recovered),
        };
        match taken_in {
            Ok(state) => {
                writer.state = Arc::new(state);
                *self.published.write() = writer.state.clone();
                Ok(())
            }
            Err(error) => {
                writer.missed = news;
                Err(error)
            }
        }
    }

    /// The right to write, once nobody else has it.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        let writer = self.writer.lock();
        if self.is_closed() {
            return Err(Error::Closed);
        }
        match self.store.poisoned() {
            Some(cause) => Err(Error::Poisoned { cause }),
            None => Ok(writer),
        }
    }

    /// As [`commit`](Self::commit), and notes how long it took until it was acknowledged.
    pub(super) fn commit_noted(
        &self,
        writer: MutexGuard<'_, Writer>,
        state: State,
        ops: &[Op],
    ) -> Result<()> {
        let _span = tracing::debug_span!("commit", operations = ops.len()).entered();
        let started = Instant::now();
        self.commit(writer, state, ops)?;
        self.monitor.commits.record(started.elapsed());
        Ok(())
    }

    /// Makes `state`, which is the writer's after `ops`, the newest: durable as the options ask for, then visible.
    fn commit(&self, mut writer: MutexGuard<'_, Writer>, state: State, ops: &[Op]) -> Result<()> {
        let bytes: usize = ops.iter().map(Op::bytes).sum();
        let excess = self.options.active_bytes.saturating_mul(ACTIVE_EXCESS);
        if bytes > BULK_BYTES || state.active_bytes() > excess {
            return self.checkpoint_as(&mut writer, &state);
        }
        let commit = self.store.append(&log::encode(ops)?)?;
        let full = state.active_bytes() >= self.options.active_bytes;
        writer.state = Arc::new(state);
        self.pending.lock().push_back((commit, writer.state.clone()));
        drop(writer);
        if self.options.durability == Durability::Full
            && let Err(error) = self.store.sync(commit)
        {
            self.forget_lost();
            return Err(error);
        }
        self.publish(commit);
        if full {
            self.signal.work();
        }
        Ok(())
    }

    /// After a sync that failed: whoever writes next begins, like readers, from what was acknowledged, and is told that
    /// writing has ended instead of what a lost commit would have made of his write.
    fn forget_lost(&self) {
        let mut writer = self.writer.lock();
        let mut pending = self.pending.lock();
        let durable = self.store.durable();
        pending.retain(|(commit, _)| *commit <= durable);
        writer.state = match pending.back() {
            Some((_, state)) => state.clone(),
            None => self.published.read().clone(),
        };
    }

    /// Lets readers see the states up to `commit`.
    fn publish(&self, commit: CommitId) {
        let mut pending = self.pending.lock();
        let mut newest = None;
        while pending.front().is_some_and(|(id, _)| *id <= commit) {
            newest = pending.pop_front();
        }
        if let Some((_, state)) = newest {
            *self.published.write() = state;
        }
    }

    /// Checkpoints `state`, which takes the place of the writer's and of all before it.
    pub(super) fn checkpoint_as(&self, writer: &mut Writer, state: &State) -> Result<()> {
        let _span = tracing::debug_span!("checkpoint").entered();
        self.ahead.publish();
        let folded = Arc::new(checkpoint(&self.store, state, &writer.busy)?);
        writer.state = folded.clone();
        let mut pending = self.pending.lock();
        pending.clear();
        *self.published.write() = folded;
        drop(pending);
        self.signal.work();
        Ok(())
    }

    /// See [`Database::checkpoint`](super::Database::checkpoint).
    pub(super) fn checkpoint(&self) -> Result<()> {
        let mut writer = self.writer()?;
        let state = writer.state.clone();
        self.checkpoint_as(&mut writer, &state)
    }

    /// Checkpoints where the active segments hold as much as they should.
    pub(super) fn checkpoint_if_full(&self) -> Result<()> {
        let mut writer = self.writer()?;
        let state = writer.state.clone();
        match state.active_bytes() >= self.options.active_bytes {
            true => self.checkpoint_as(&mut writer, &state),
            false => Ok(()),
        }
    }

    /// See [`Database::flush`](super::Database::flush).
    pub(super) fn flush(&self) -> Result<()> {
        drop(self.writer()?);
        self.store.sync(self.store.stats()?.last_commit)
    }

    /// The last work of a database that is being closed. Whatever fails, the lock is given back.
    fn finish(&self) -> Result<()> {
        let folded = self.fold_at_last();
        let closed = self.store.close();
        folded.and(closed)
    }

    /// Checkpoints where there is anything to fold.
    fn fold_at_last(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let stats = self.store.stats()?;
        let anything = stats.log_bytes > 0 || writer.state.has_active();
        if self.read_only || stats.poisoned.is_some() || !anything {
            return Ok(());
        }
        let state = writer.state.clone();
        self.rest_as(&mut writer, &state)?;
        drop(state);
        self.tidy(&mut writer)
    }

    /// Makes `state` the last one, without a log.
    fn rest_as(&self, writer: &mut Writer, state: &State) -> Result<()> {
        let folded = Arc::new(fold(&self.store, state, &[], Store::checkpoint_at_rest)?);
        writer.state = folded.clone();
        *self.published.write() = folded;
        Ok(())
    }

    /// Moves parts to the front of the file, where the log and what was merged left room, so that its end can be cut off:
    /// all of a small file, and of a large one those that are no larger than what is wasted.
    fn tidy(&self, writer: &mut Writer) -> Result<()> {
        let stats = self.store.stats()?;
        let wasted = stats.file_bytes.saturating_sub(stats.live_bytes);
        let (least, largest) = match stats.live_bytes <= TIDY_BYTES {
            true => (stats.live_bytes / 4, TIDY_BYTES),
            false => (stats.live_bytes / 50, wasted.min(TIDY_PART_BYTES)),
        };
        if wasted < least {
            return Ok(());
        }
        let target = Target::store(&self.store);
        if let Some(state) = writer.state.moved_down(&target, largest)? {
            self.rest_as(writer, &state)?;
            target.published();
        }
        Ok(())
    }

    /// See [`Database::backup`](super::Database::backup).
    pub(super) fn backup(&self, path: &Path) -> Result<()> {
        let _span = tracing::info_span!("backup", path = %path.display()).entered();
        let state = self.newest()?;
        let failed = |error| Error::io(format!("back up to {}", path.display()), error);
        if path.exists() {
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "the file exists; choose another name, or remove it first",
            )));
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(format!(".{}.unfinished", std::process::id()));
        let unfinished = Path::new(&unfinished);
        let result = copy_into(&state, unfinished).and_then(|()| {
            std::fs::rename(unfinished, path).map_err(failed)?;
            sync_folder_of(path).map_err(failed)
        });
        if result.is_err() {
            let _ = std::fs::remove_file(unfinished);
        }
        result
    }

    /// See [`Database::verify`](super::Database::verify).
    pub(super) fn verify(&self) -> Result<()> {
        let _span = tracing::info_span!("verify").entered();
        let state = self.newest()?;
        if let Some(corruption) = self.store.verify()?.into_iter().next() {
            return Err(Error::Corrupt(corruption));
        }
        state.collections.values().try_for_each(|collection| collection.set.verify())
    }

    /// True where a thread does the maintenance.
    pub(super) fn has_thread(&self) -> bool {
        let batched = matches!(self.options.durability, Durability::Batched(_));
        self.options.maintenance == Maintenance::Background || batched
    }
}

/// The news of `earlier` and then of `later` as one.
fn joined(earlier: Refresh, later: Refresh) -> Refresh {
    match (earlier, later) {
        (Refresh::Nothing, later) | (_, later @ Refresh::Reload(_)) => later,
        (earlier, Refresh::Nothing) => earlier,
        (Refresh::Frames(mut frames), Refresh::Frames(later)) => {
            frames.extend(later);
            Refresh::Frames(frames)
        }
        (Refresh::Reload(mut recovered), Refresh::Frames(later)) => {
            recovered.frames.extend(later);
            Refresh::Reload(recovered)
        }
    }
}

/// Writes `state` to a new database at `path`.
fn copy_into(state: &State, path: &Path) -> Result<()> {
    let doing = || format!("back up to {}", path.display());
    let backend = FileBackend::create(path).map_err(|error| Error::io(doing(), error))?;
    let store = Store::create(Arc::new(backend))?;
    {
        let target = Target::store(&store);
        let mut copy = state.copied(&target)?;
        copy.fold(&target, &[])?;
        let (root, extents) = copy.catalog()?;
        store.checkpoint(&root, &extents)?;
        target.published();
    }
    store.close()
}
