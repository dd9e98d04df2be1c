//! The store: opening, appending, publishing.

use crate::error::Error;
use crate::error::Result;
use crate::ids::CommitId;
use crate::storage::backend::Backend;
use crate::storage::durability::Durability;
use crate::storage::entropy::Entropy;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::Span;
use crate::storage::ledger::Ledger;
use crate::storage::log;
use crate::storage::log::Frame;
use crate::storage::log::Position;
use crate::storage::manifest::Manifest;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;
use crate::storage::pins::Pin;
use crate::storage::pins::PinTable;
use crate::storage::publish::Change;
use crate::storage::recover;
use crate::storage::recover::Loaded;
use crate::storage::superblock::Superblock;
use parking_lot::Mutex;
use parking_lot::MutexGuard;
use parking_lot::RwLock;
use std::io;
use std::sync::Arc;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read beside a writer, in this process or another.
    Read,
    /// To read and write; one at a time.
    Write,
}

/// How a store behaves where tests need it to differ.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// Sizes.
    pub layout: Layout,
    /// Where random numbers come from: the operating system, or this seed.
    pub seed: Option<u64>,
}

/// What was found when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The root record of the last checkpoint; empty for a new database.
    pub root: Vec<u8>,
    /// The live extents of the last checkpoint, in the order they were given.
    pub extents: Vec<Extent>,
    /// The commits since, in order. Where there are any, a writer must apply them and checkpoint before it appends.
    pub frames: Vec<Frame>,
}

/// One database's file as named bytes that change in atomic steps.
pub struct Store {
    pub(super) core: Arc<Core>,
}

/// What a store shares with its pins and extent writers. Locks are taken in the order `state`, `ledger`, pins.
pub(super) struct Core {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) layout: Layout,
    pub(super) access: Access,
    pub(super) entropy: Entropy,
    pub(super) state: Mutex<State>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) pins: Arc<PinTable>,
    pub(super) durability: Durability,
    /// Whether extents may be written; held for reading by those that write them.
    pub(super) gate: RwLock<bool>,
}

/// The present generation and the end of its log.
pub(super) struct State {
    /// The last superblock that was published or read.
    pub(super) superblock: Superblock,
    /// The last commit that was appended, published or read.
    pub(super) commit: u64,
    /// The log extents of this generation.
    pub(super) log_spans: Vec<Span>,
    /// Where a reader goes on reading, or where a writer goes on writing once it began a log of its own.
    pub(super) position: Option<Position>,
    /// Size of the next log extent.
    pub(super) next_log: u64,
    /// Whether commits were recovered that no checkpoint of this session holds.
    pub(super) tail_pending: bool,
    /// Whether this session published anything, so that the newest superblock is known to be on the disk.
    pub(super) published: bool,
    /// Whether `close` was called.
    pub(super) closed: bool,
    /// A reader's own pin of the generation it reads.
    pub(super) reading: Option<Pin>,
}

impl Store {
    /// Makes a new database in an empty backend: generation 1, an empty root, no extents. Takes the writer's lock.
    ///
    /// # Errors
    /// `Locked`, `NotADatabase` where the backend is not empty, `Io`.
    pub fn create(backend: Arc<dyn Backend>) -> Result<Self> {
        Self::create_with(backend, &StoreOptions::default())
    }

    /// As [`create`](Self::create), with other sizes.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with(backend: Arc<dyn Backend>, options: &StoreOptions) -> Result<Self> {
        recover::lock_writer(&*backend)?;
        let store =
            Self::new(backend, options, Access::Write, Loaded::default(), Ledger::new(&options.layout));
        store.initialise()?;
        Ok(store)
    }

    /// Writes the first generation.
    fn initialise(&self) -> Result<()> {
        let core = &*self.core;
        let mut state = core.state.lock();
        if core.file_bytes()? != 0 {
            let problem = "a new database needs an empty file".to_owned();
            return Err(Error::NotADatabase { problem });
        }
        let reserve = core.backend.allocate(0, core.layout.first_extent());
        reserve.map_err(|error| Error::io("reserve space for a new database", error))?;
        state.superblock.uuid = core.entropy.uuid()?;
        let manifest = Some((Manifest::default().encode()?, [].as_slice()));
        core.publish(&mut state, &Change { manifest, commit: 0, log: None, sync_first: true })
    }

    /// As [`open_with`](Self::open_with), with the sizes that every database has.
    ///
    /// # Errors
    /// The same.
    #[cfg(test)]
    pub fn open(backend: Arc<dyn Backend>, access: Access) -> Result<(Self, Recovered)> {
        Self::open_with(backend, access, &StoreOptions::default())
    }

    /// Opens a database. For [`Access::Write`] it takes the writer's lock and writes nothing.
    ///
    /// # Errors
    /// `Locked`, `NotADatabase`, `UnsupportedFormat`, `Corrupt`, `Io`.
    pub fn open_with(
        backend: Arc<dyn Backend>,
        access: Access,
        options: &StoreOptions,
    ) -> Result<(Self, Recovered)> {
        let (store, recovered) = match access {
            Access::Write => recover::open_to_write(backend, options)?,
            Access::Read => recover::open_to_read(backend, options)?,
        };
        let generation = store.core.state.lock().superblock.generation;
        tracing::debug!(generation, frames = recovered.frames.len(), "opened");
        Ok((store, recovered))
    }

    /// A store at the generation that was loaded.
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        options: &StoreOptions,
        access: Access,
        loaded: Loaded,
        ledger: Ledger,
    ) -> Self {
        let superblock = loaded.superblock;
        let commit = loaded.end.map_or(superblock.commit, |end| end.commit);
        let tail_pending = access == Access::Write && commit != superblock.commit;
        let relog = access == Access::Write && !mutants::active(Mutant::NoRelog);
        let state = State {
            superblock,
            commit,
            log_spans: loaded.log_spans,
            position: loaded.end.filter(|_| !relog),
            next_log: options.layout.log_first,
            tail_pending: tail_pending && relog,
            published: false,
            closed: false,
            reading: loaded.reading,
        };
        let pins =
            loaded.pins.unwrap_or_else(|| PinTable::new(backend.clone(), superblock.generation, false));
        let core = Core {
            backend,
            layout: options.layout.clone(),
            access,
            entropy: Entropy::new(options.seed),
            state: Mutex::new(state),
            ledger: Mutex::new(ledger),
            pins,
            durability: Durability::new(commit),
            gate: RwLock::new(access == Access::Write),
        };
        Self { core: Arc::new(core) }
    }

    /// Writes a commit to the log. It is durable after [`sync`](Self::sync), and seen by readers perhaps before.
    ///
    /// # Errors
    /// `TooLarge` above 64 MiB; `InvalidOption` while recovered commits wait for a checkpoint; `ReadOnly`, `Closed`,
    /// `Poisoned`; `Io` where space runs out, after which nothing changed, or where writing fails, which poisons.
    pub fn append(&self, payload: &[u8]) -> Result<CommitId> {
        let core = &*self.core;
        let mut state = core.writable()?;
        let bytes = payload.len() as u64;
        if bytes > log::MAX_PAYLOAD {
            return Err(Error::TooLarge { what: "a commit".into(), found: bytes, limit: log::MAX_PAYLOAD });
        }
        if state.tail_pending {
            return Err(checkpoint_first("append"));
        }
        let position = core.make_room(&mut state, bytes)?;
        let (frame, next) = position.commit_frame(&core.layout, payload);
        core.write_or_poison("write to the log", position.at, &frame)?;
        state.position = Some(next);
        state.commit = next.commit;
        core.durability.appended(next.commit);
        Ok(CommitId(next.commit))
    }

    /// Returns when everything up to `through` survives a power loss. Threads that wait together share one sync. Where
    /// this session wrote nothing yet, it publishes what it found: only then is that known to be on the disk.
    ///
    /// # Errors
    /// `Io` where the sync fails, which poisons; `Poisoned`, `ReadOnly`, `Closed`; `InvalidOption` for a commit that
    /// does not exist, or while recovered commits wait for a checkpoint.
    pub fn sync(&self, through: CommitId) -> Result<()> {
        let core = &*self.core;
        if core.durability.durable() >= through.0 {
            return Ok(());
        }
        let mut state = core.writable()?;
        if state.tail_pending {
            return Err(checkpoint_first("sync"));
        }
        if through.0 > state.commit {
            let problem = format!("commit {} where {} is the last", through.0, state.commit);
            return Err(Error::InvalidOption { name: "through", problem });
        }
        if !state.published && state.position.is_none() {
            // What was found may be in the cache alone, where an earlier session's sync failed: the system does not
            // write it again. A publication of our own tells.
            let commit = state.commit;
            return core
                .publish(&mut state, &Change { manifest: None, commit, log: None, sync_first: false });
        }
        drop(state);
        core.durability.wait(through.0, || core.backend.sync())
    }

    /// The last commit that is known to survive a power loss; 0 until this session wrote something.
    #[must_use]
    pub fn durable(&self) -> CommitId {
        CommitId(self.core.durability.durable())
    }

    /// Whether commits were recovered that have to be checkpointed before the first append.
    #[cfg(any(test, feature = "crash-testing"))]
    #[must_use]
    pub fn needs_checkpoint(&self) -> bool {
        self.core.state.lock().tail_pending
    }

    /// Publishes `root` and `extents` as the state after everything appended, as a commit of its own, and begins an
    /// empty log. Live extents that are not listed are retired; staged ones stay staged. No append may run meanwhile,
    /// because the caller's root is the state after all of them.
    ///
    /// # Errors
    /// `InvalidOption` where an extent is listed twice or is neither live nor staged; `Io` where writing or space runs
    /// out before the sync, after which nothing changed; a failed sync poisons; `ReadOnly`, `Closed`, `Poisoned`.
    pub fn checkpoint(&self, root: &[u8], extents: &[Extent]) -> Result<CommitId> {
        self.publish_root(root, extents, true)
    }

    /// As [`checkpoint`](Self::checkpoint), for the last one before closing: the file is left without a log.
    ///
    /// # Errors
    /// The same.
    pub fn checkpoint_at_rest(&self, root: &[u8], extents: &[Extent]) -> Result<CommitId> {
        self.publish_root(root, extents, false)
    }

    fn publish_root(&self, root: &[u8], extents: &[Extent], with_log: bool) -> Result<CommitId> {
        let core = &*self.core;
        let mut state = core.writable()?;
        core.check_still_there()?;
        core.ledger.lock().check_listed(extents)?;
        let manifest = Manifest { extents: extents.to_vec(), root: root.to_vec() }.encode()?;
        let commit = state.commit + 1;
        let log = (with_log && state.position.is_some()).then_some(core.layout.log_first);
        core.publish(
            &mut state,
            &Change { manifest: Some((manifest, extents)), commit, log, sync_first: true },
        )?;
        Ok(CommitId(commit))
    }

    /// Makes everything that this session appended durable, leaves the file without a log where the log is empty,
    /// gives the free end of the file back, and releases the locks; what is pinned stays pinned. Closing twice does
    /// nothing.
    ///
    /// # Errors
    /// `Io`; the locks are released all the same.
    pub fn close(&self) -> Result<()> {
        let core = &*self.core;
        let mut state = core.state.lock();
        if state.closed {
            return Ok(());
        }
        let rest = core.come_to_rest(&mut state);
        state.closed = true;
        let released = core.release_locks(&mut state);
        tracing::debug!(generation = state.superblock.generation, "closed");
        rest.and(released)
    }

    /// Keeps what is live now readable: it is neither reused nor cut off while the pin lives.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.core.pins.pin()
    }
}

/// The error for a call that has to wait for the first checkpoint.
fn checkpoint_first(name: &'static str) -> Error {
    let problem = "commits were recovered from the log: apply them and checkpoint first".to_owned();
    Error::InvalidOption { name, problem }
}

impl Core {
    /// The state, for changing the file.
    pub(super) fn writable(&self) -> Result<MutexGuard<'_, State>> {
        if self.access == Access::Read {
            return Err(Error::ReadOnly);
        }
        let state = self.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        self.durability.check()?;
        Ok(state)
    }

    /// Length of the file.
    pub(super) fn file_bytes(&self) -> Result<u64> {
        self.backend.len().map_err(|error| Error::io("measure the file", error))
    }

    /// Fails where the file was deleted or replaced: what is written to it would be lost.
    fn check_still_there(&self) -> Result<()> {
        match self.backend.still_there() {
            Ok(true) => Ok(()),
            Ok(false) => {
                let gone = io::Error::new(io::ErrorKind::NotFound, "it was deleted, renamed or replaced");
                Err(Error::io("find the file where it was opened", gone))
            }
            Err(error) => Err(Error::io("find the file where it was opened", error)),
        }
    }

    /// Writes where a half-done write may not be followed by another.
    pub(super) fn write_or_poison(&self, doing: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        self.backend.write(offset, bytes).map_err(|error| {
            self.durability.poison(doing, &error);
            Error::io(doing, error)
        })
    }

    /// Whether a reader older than `generation` may still use something.
    pub(super) fn pinned_before(&self, generation: u64) -> bool {
        !mutants::active(Mutant::IgnorePins) && self.pins.pinned_before(generation)
    }

    /// Takes `len` bytes of the file and reserves them. Tells whether the file grew for them.
    pub(super) fn allocate(&self, len: u64, align: u64) -> Result<(Span, bool)> {
        let mut ledger = self.ledger.lock();
        let space = &mut ledger.space;
        if space.has_retired() {
            space.reclaim(|generation| self.pinned_before(generation));
        }
        let end = space.end();
        let span = space.take(len, align);
        match self.backend.allocate(span.offset, span.len) {
            Ok(()) => Ok((span, span.end() > end)),
            Err(error) => {
                space.release(span);
                Err(Error::io(format!("reserve {len} bytes"), error))
            }
        }
    }

    /// The last writes of a session.
    fn come_to_rest(&self, state: &mut State) -> Result<()> {
        if self.access == Access::Read || self.durability.poisoned().is_some() {
            return Ok(());
        }
        let commit = state.commit;
        if state.position.is_some() && commit != state.superblock.commit {
            self.durability.wait(commit, || self.backend.sync())?;
        } else if let Some((bytes, extents)) = self.manifest_to_move(state) {
            let manifest = Some((bytes, extents.as_slice()));
            self.publish(state, &Change { manifest, commit, log: None, sync_first: true })?;
        } else if state.position.is_some() {
            self.publish(state, &Change { manifest: None, commit, log: None, sync_first: false })?;
        }
        if state.published && state.position.is_none() {
            // Once more, so that two slots hold a file at rest: damage to one of them takes nothing back.
            self.publish(state, &Change { manifest: None, commit, log: None, sync_first: false })?;
        }
        if state.published {
            let mut ledger = self.ledger.lock();
            ledger.space.reclaim(|generation| self.pinned_before(generation));
            self.trim(&mut ledger, 1);
        }
        Ok(())
    }

    /// Gives the locks back; pins that are still held are told to other processes first.
    pub(super) fn release_locks(&self, state: &mut State) -> Result<()> {
        state.reading = None;
        *self.gate.write() = false;
        if self.access == Access::Read {
            return Ok(());
        }
        let shared = self.pins.share();
        let unlocked = self.backend.unlock_writer().map_err(|error| Error::io("unlock the database", error));
        shared.and(unlocked)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Without `close` the file stays as it is, as after a crash; only the locks end here.
        let mut state = std::mem::replace(self.state.get_mut(), State::closed());
        if !state.closed {
            drop(self.release_locks(&mut state));
        }
    }
}

impl State {
    /// The state that a dropped store leaves behind.
    fn closed() -> Self {
        Self {
            superblock: Superblock::default(),
            commit: 0,
            log_spans: Vec::new(),
            position: None,
            next_log: 0,
            tail_pending: false,
            published: false,
            closed: true,
            reading: None,
        }
    }
}
