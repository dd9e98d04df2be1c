//! The one error type, cut by what the caller can do about it.

use std::fmt;
use std::io;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. Messages name the field, the value found and what would be right.
///
/// ```
/// use lodedb::{Database, Error, Metric, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(3).metric(Metric::L2))?;
/// let error = docs.upsert([lodedb::Record::new("a").vector([1.0, 2.0])]).unwrap_err();
/// assert!(matches!(error, Error::DimensionMismatch { expected: 3, found: 2, .. }));
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a call. `doing` says what was being done.
    Io {
        /// What was being done, such as `open notes.lode`.
        doing: String,
        /// The cause.
        source: io::Error,
    },
    /// The file's content is not what was written; nothing was changed. `verify` tells how much is affected.
    Corrupt(Corruption),
    /// The file is not a Lode database.
    NotADatabase {
        /// Why it can't be one.
        problem: String,
    },
    /// The file was written by a newer version with a format or feature that this one does not know.
    UnsupportedFormat {
        /// Format or feature found in the file.
        found: String,
        /// What this version reads.
        supported: String,
    },
    /// Another handle, in this process or another, is writing to the file.
    Locked {
        /// What is locked and what to do.
        problem: String,
    },
    /// A write was tried through a handle opened for reading only.
    ReadOnly,
    /// The database was closed.
    Closed,
    /// An earlier write failed in a way that leaves the disk's state unknown; reads go on, writes need a reopen.
    Poisoned {
        /// The failure that poisoned the handle.
        cause: String,
    },
    /// No collection has this name.
    CollectionNotFound {
        /// The name asked for.
        name: String,
        /// The collections that exist.
        existing: Vec<String>,
    },
    /// No record has this id.
    RecordNotFound {
        /// The id asked for.
        id: String,
    },
    /// `insert` met an id that exists.
    RecordExists {
        /// The id.
        id: String,
    },
    /// The collection's schema does not allow this.
    Schema {
        /// What does not fit, and what would.
        problem: String,
    },
    /// A vector has the wrong number of dimensions.
    DimensionMismatch {
        /// Name of the vector.
        vector: String,
        /// Dimensions that the schema has.
        expected: usize,
        /// Dimensions that were given.
        found: usize,
    },
    /// A vector holds a value that can't be stored, such as NaN.
    InvalidVector {
        /// Name of the vector.
        vector: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A record can't be stored as it is.
    InvalidRecord {
        /// Id of the record as text, or its place in the batch.
        record: String,
        /// What is wrong.
        problem: String,
    },
    /// A filter can't be understood, or asks for something that there is not.
    Filter {
        /// What is wrong, where, and what would be right.
        problem: String,
    },
    /// A text is not an instant.
    InvalidDateTime {
        /// The text, shortened where it is long.
        text: String,
        /// What does not fit.
        problem: &'static str,
    },
    /// An option has a value that makes no sense.
    InvalidOption {
        /// The option.
        name: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Something exceeds one of the [`Limits`](crate::Limits).
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A progress callback asked to stop; what was done so far is kept or dropped as a whole.
    Cancelled,
}

/// Where a file is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The part of the file: `superblock`, `manifest`, `log`, `vectors`, `graph` and so on.
    pub part: String,
    /// Byte offset in the file, or inside the part when it is not mapped to one place.
    pub offset: u64,
    /// What is wrong there.
    pub problem: String,
}

impl Error {
    /// An I/O error with what was being done.
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    /// Damage found in `part` at `offset`.
    pub(crate) fn corrupt(part: impl Into<String>, offset: u64, problem: impl Into<String>) -> Self {
        Self::Corrupt(Corruption { part: part.into(), offset, problem: problem.into() })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at byte {}: {}", self.part, self.offset, self.problem)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, source } => write!(f, "could not {doing}: {source}"),
            Self::Corrupt(corruption) => corruption.fmt(f),
            Self::NotADatabase { problem } => write!(f, "not a Lode database: {problem}"),
            Self::UnsupportedFormat { found, supported } => {
                write!(f, "the file has {found}, which this version does not know (it reads {supported})")
            }
            Self::Locked { problem } => write!(f, "the database is locked: {problem}"),
            Self::ReadOnly => write!(f, "the database was opened for reading only"),
            Self::Closed => write!(f, "the database is closed"),
            Self::Poisoned { cause } => {
                write!(f, "writing stopped after a failure ({cause}); reopen the database to go on")
            }
            Self::CollectionNotFound { name, existing } if existing.is_empty() => {
                write!(f, "no collection '{name}': the database has none yet")
            }
            Self::CollectionNotFound { name, existing } => {
                write!(f, "no collection '{name}': there are {}", existing.join(", "))
            }
            Self::RecordNotFound { id } => write!(f, "no record has the id {id}"),
            Self::RecordExists { id } => write!(f, "a record with the id {id} exists"),
            Self::Schema { problem } => write!(f, "schema: {problem}"),
            Self::DimensionMismatch { vector, expected, found } => {
                write!(f, "vector '{vector}' has {found} dimensions where the schema has {expected}")
            }
            Self::InvalidVector { vector, problem } => write!(f, "vector '{vector}': {problem}"),
            Self::InvalidRecord { record, problem } => write!(f, "record {record}: {problem}"),
            Self::Filter { problem } => write!(f, "filter: {problem}"),
            Self::InvalidDateTime { text, problem } => {
                write!(f, "'{text}' is not a date and time: {problem}")
            }
            Self::InvalidOption { name, problem } => write!(f, "option '{name}': {problem}"),
            Self::TooLarge { what, found, limit } => {
                write!(f, "{what} is too large: {found} where {limit} is the limit")
            }
            Self::Cancelled => write!(f, "cancelled by the progress callback"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
