//! The database: collections of one file, who writes and who reads.
//!
//! ```text
//! Database ─┬─ Shared ── Inner ─┬─ Store                    the file (storage)
//! Collection┘     │             ├─ writer: Mutex<State>     the newest state; one transaction at a time
//!                 │             ├─ pending                  states whose commit is being made durable
//!                 │             └─ published: Arc<State>    what readers see
//!                 └─ maintenance thread
//! ```
//!
//! A [`State`](state::State) is everything at one commit; it never changes. A transaction works on a copy (which
//! copies no record), appends one frame to the log, waits until it is durable, and publishes its state by swapping a
//! pointer. Readers take the pointer and never wait for a writer.
//!
//! A *checkpoint* folds the active segments into the file and publishes a manifest; a transaction of more than 4 MiB
//! is made durable by a checkpoint instead of the log, so that its vectors are written once. The maintenance thread
//! makes checkpoints when the active segments are full, and merges sealed segments under a graph.
//!
//! Invariants:
//! - the file's manifest and the frames of its log together are the newest acknowledged state;
//! - a published state is durable (with durability `full`), and later ones contain it;
//! - locks are taken in this order: merging, writer, pending, published.

mod ahead;
mod catalog;
mod collection;
mod inner;
mod log;
mod maintenance;
mod options;
mod snapshot;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod threads;
mod transaction;

pub use collection::Collection;
pub use maintenance::Progress;
pub use options::Durability;
pub use options::Maintenance;
pub use options::Options;
pub use snapshot::Snapshot;
pub use stats::CollectionStats;
pub use stats::Stats;
pub use transaction::Transaction;
pub use transaction::TransactionCollection;

use crate::error::Error;
use crate::error::Result;
use crate::segment::Schema;
use inner::Shared;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A database: one file with any number of collections.
///
/// Handles are cheap to clone and may be used from any thread; the file is closed when the last handle of the
/// database and of its collections is dropped, or by [`close`](Self::close). One handle writes to a file at a time;
/// any number of handles, in this process and in others, read it with [`Options::read_only`].
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("notes.lode");
/// let db = Database::open(&path)?;
/// let notes = db.collection("notes", Schema::new(3))?;
/// notes.upsert([Record::new("a").vector([0.1, 0.2, 0.3]).field("title", "Mines")])?;
/// let hits = notes.search().vector([0.1, 0.2, 0.3]).k(1).run()?;
/// assert_eq!(hits[0].fields()?["title"].as_str(), Some("Mines"));
/// db.close()?;
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    /// Opens the database at `path` for reading and writing; creates it where there is none. `:memory:` is a
    /// database in memory.
    ///
    /// Opening reads the manifest and maps the file; it takes milliseconds whatever the file's size. After a crash
    /// it also replays the log, of at most a few dozen MiB.
    ///
    /// # Errors
    /// `Io`, `Locked` where another handle writes, `NotADatabase`, `UnsupportedFormat`, `Corrupt`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The collection `name`, created with `schema` where there is none.
    ///
    /// # Errors
    /// `Schema` where it exists with other vectors or ids of another kind, or the schema makes no sense; `ReadOnly`
    /// where it would have to be created through a read-only handle; `TooLarge`, `Io`, `Poisoned`, `Closed`.
    #[expect(clippy::needless_pass_by_value, reason = "a schema is made for this call")]
    pub fn collection(&self, name: &str, schema: Schema) -> Result<Collection> {
        let inner = self.shared.inner();
        inner.check_schema(name, &schema)?;
        let found = match inner.newest()?.collection(name) {
            Ok(found) => found.clone(),
            Err(_) => {
                let mut transaction = Transaction::begin(inner)?;
                let found = transaction.create_collection(name, &schema)?;
                transaction.commit()?;
                found
            }
        };
        found.set.schema.check_same(name, found.set.id_kind, &schema)?;
        Ok(Collection::new(self.shared.clone(), name, found.id))
    }

    /// The collection `name`, which exists.
    ///
    /// # Errors
    /// `CollectionNotFound` with the names that exist; `Closed`.
    pub fn existing(&self, name: &str) -> Result<Collection> {
        let state = self.shared.inner().newest()?;
        Ok(Collection::new(self.shared.clone(), name, state.collection(name)?.id))
    }

    /// The names of the collections, in alphabetical order.
    ///
    /// # Errors
    /// `Closed`; for a read-only handle also what reading the file's news can meet.
    pub fn collections(&self) -> Result<Vec<String>> {
        Ok(self.shared.inner().newest()?.names())
    }

    /// Deletes the collection `name` with all its records.
    ///
    /// # Errors
    /// `CollectionNotFound`, `ReadOnly`, `Io`, `Poisoned`, `Closed`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let mut transaction = self.transaction()?;
        transaction.drop_collection(name)?;
        transaction.commit()
    }

    /// Begins a transaction: several writes, over several collections, that happen together or not at all. Until it
    /// ends, other writers wait and readers see nothing of it.
    ///
    /// # Errors
    /// `ReadOnly`, `Poisoned`, `Closed`.
    pub fn transaction(&self) -> Result<Transaction<'_>> {
        Transaction::begin(self.shared.inner())
    }

    /// Makes everything written so far durable: needed with durability `batched` and `none` only.
    ///
    /// # Errors
    /// `Io`, `ReadOnly`, `Poisoned`, `Closed`.
    pub fn flush(&self) -> Result<()> {
        self.shared.inner().flush()
    }

    /// Folds the log and the active segments into the file, so that the next opening has nothing to replay.
    ///
    /// # Errors
    /// `Io`, `ReadOnly`, `Poisoned`, `Closed`.
    pub fn checkpoint(&self) -> Result<()> {
        self.shared.inner().checkpoint()
    }

    /// Builds now what maintenance would build with time: afterwards each collection is one segment under a graph,
    /// without dead records. Search is correct without it; this is about speed and space. Other threads go on
    /// reading and writing.
    ///
    /// `progress` is told how far it is and may stop it; what was not finished is then left as it was.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Corrupt`, `ReadOnly`, `Poisoned`, `Closed`.
    pub fn optimize(&self, progress: impl Fn(Progress) -> ControlFlow<()> + Sync) -> Result<()> {
        maintenance::optimize(self.shared.inner(), None, &progress)
    }

    /// Gives the room of deleted records and the file's free space back to the file system, as far as no reader
    /// still sees them. Reads and rewrites what has to move.
    ///
    /// # Errors
    /// `Io`, `Corrupt`, `ReadOnly`, `Poisoned`, `Closed`.
    pub fn compact(&self) -> Result<()> {
        maintenance::compact(self.shared.inner())
    }

    /// Writes a copy of the database, as it is now, to a new file at `path`. Others go on reading and writing. The
    /// copy appears under its name when it is complete and durable.
    ///
    /// # Errors
    /// `Io` (also where `path` exists), `Corrupt`, `Closed`.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<()> {
        self.shared.inner().backup(path.as_ref())
    }

    /// Reads everything and compares it with its checksums and with itself: the file's blocks, every record, every
    /// graph.
    ///
    /// # Errors
    /// `Corrupt` with the first damage found; `Io`, `Closed`.
    pub fn verify(&self) -> Result<()> {
        self.shared.inner().verify()
    }

    /// Counts: the file's bytes, and each collection's records and segments.
    ///
    /// # Errors
    /// `Closed`; for a read-only handle also what reading the file's news can meet.
    pub fn stats(&self) -> Result<Stats> {
        self.shared.inner().stats()
    }

    /// Closes the database: ends maintenance, folds the log into the file and gives the lock back. Every other
    /// handle gets [`Error::Closed`] from now on. Dropping the last handle does the same, but can't tell of errors.
    ///
    /// # Errors
    /// `Io` where the last checkpoint fails (what was acknowledged is in the log then); `Closed`.
    pub fn close(self) -> Result<()> {
        match self.shared.close() {
            Some(result) => result,
            None => Err(Error::Closed),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.shared.inner().name())
    }
}
