//! [`Options`]: how a database is opened. Every default is named here.

use super::Database;
use super::inner::Shared;
use crate::error::Error;
use crate::error::Result;
use crate::query::SlowSearch;
use crate::query::SlowSearches;
use crate::segment::Limits;
use crate::storage::Backend;
use crate::storage::FileBackend;
use crate::storage::MemoryBackend;
use crate::storage::StoreOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// When it is on the disk: nothing acknowledged is lost, even when the power fails. The default.
    #[default]
    Full,
    /// When the operating system has it; it is on the disk at most this long afterwards, or at
    /// [`flush`](Database::flush). `kill -9` loses nothing; a power failure may lose the last writes, whole.
    Batched(Duration),
    /// When the operating system has it; it is on the disk at the next checkpoint. `kill -9` loses nothing; a power
    /// failure may lose what came since, whole.
    None,
}

/// Who folds full active segments into the file and builds graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Maintenance {
    /// A thread of the database. The default.
    #[default]
    Background,
    /// The caller, by [`optimize`](Database::optimize) and [`checkpoint`](Database::checkpoint). Only when the active
    /// segments hold four times what they should does a write fold them into the file itself.
    Manual,
}

/// How a database is opened.
///
/// ```
/// use lodedb::{Durability, Options};
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("notes.lode");
/// let db = Options::new().durability(Durability::Batched(Duration::from_millis(10))).open(&path)?;
/// drop(db);
/// let reader = Options::new().read_only(true).open(&path)?;
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    read_only: bool,
    create: bool,
    pub(super) durability: Durability,
    pub(super) maintenance: Maintenance,
    pub(super) active_bytes: usize,
    pub(super) limits: Limits,
    pub(super) slow: Option<SlowSearches>,
    pub(super) store: StoreOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_only: false,
            create: true,
            durability: Durability::default(),
            maintenance: Maintenance::default(),
            // Scanned in about half a millisecond, and folded into the file in a few.
            active_bytes: 8 << 20,
            limits: Limits::default(),
            slow: None,
            store: StoreOptions::default(),
        }
    }
}

impl Options {
    /// The defaults: reading and writing, created where missing, durability `full`, maintenance in the background.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True to read only: any number of such handles can be open while one writes, and each call sees what was
    /// written before it. Default: false.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// False to refuse a path where there is no database. Default: true.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// When a write is acknowledged. Default: [`Durability::Full`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Who does the background work. Default: [`Maintenance::Background`].
    #[must_use]
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// Bytes of new records that are kept in memory, and searched by scanning, before they are folded into the file.
    /// Default: 8 MiB.
    #[must_use]
    pub fn active_bytes(mut self, bytes: usize) -> Self {
        self.active_bytes = bytes;
        self
    }

    /// Upper bounds on input. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A function that is told of each search, through this handle, that takes at least this long. It runs on the thread that
    /// searched, before the hits are given back. Default: none.
    ///
    /// ```
    /// use lodedb::{MemoryBackend, Options, Record, Schema};
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let options = Options::new().slow_search(Duration::from_millis(50), |search| eprintln!("{search}"));
    /// let db = options.open_backend(Arc::new(MemoryBackend::new()), "memory")?;
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    #[must_use]
    pub fn slow_search(
        mut self,
        least: Duration,
        tell: impl Fn(&SlowSearch) + Send + Sync + 'static,
    ) -> Self {
        self.slow = Some(SlowSearches { least, tell: Arc::new(tell) });
        self
    }

    /// Sizes and randomness of the store, for the crash enumerator.
    #[cfg(feature = "crash-testing")]
    #[doc(hidden)]
    #[must_use]
    pub fn store(mut self, store: StoreOptions) -> Self {
        self.store = store;
        self
    }

    /// Opens the database at `path`, or one in memory for `:memory:`.
    ///
    /// # Errors
    /// As [`Database::open`]; `InvalidOption` for options that make no sense together.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Database> {
        let path = path.as_ref();
        if path == Path::new(":memory:") {
            return self.open_backend(Arc::new(MemoryBackend::new()), ":memory:");
        }
        let create = self.create && !self.read_only;
        let backend = open_file(path, self.read_only, create).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::Locked { problem: format!("{}: {error}", path.display()) },
            _ => Error::io(format!("open {}", path.display()), error),
        })?;
        self.open_backend(Arc::new(backend), &path.display().to_string())
    }

    /// Opens the database in a backend of the caller's; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open_backend(mut self, backend: Arc<dyn Backend>, name: &str) -> Result<Database> {
        self.limits = self.limits.checked()?;
        if self.active_bytes == 0 {
            return Err(Error::InvalidOption {
                name: "active_bytes",
                problem: "0, and at least 1 is right".into(),
            });
        }
        if self.durability == Durability::Batched(Duration::ZERO) {
            let problem = "batched over no time; give a time, or take full".into();
            return Err(Error::InvalidOption { name: "durability", problem });
        }
        let (read_only, create) = (self.read_only, self.create);
        Shared::open(backend, name, self, read_only, create).map(Database::from_shared)
    }
}

/// The file at `path`, made where it is missing and `create` allows.
fn open_file(path: &Path, read_only: bool, create: bool) -> io::Result<FileBackend> {
    if read_only {
        return FileBackend::open_read_only(path);
    }
    let is =
        |opened: &io::Result<_>, kind| opened.as_ref().is_err_and(|error: &io::Error| error.kind() == kind);
    let opened = FileBackend::open(path);
    if !create || !is(&opened, io::ErrorKind::NotFound) {
        return opened;
    }
    // Another process may create it at the same moment: then it is there to be opened, and the lock decides.
    let created = FileBackend::create(path);
    if is(&created, io::ErrorKind::AlreadyExists) { FileBackend::open(path) } else { created }
}
