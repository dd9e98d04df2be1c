//! The numbers that name things: record ids, slots, commits. Never bare integers where they could be mixed up.

use serde::Deserialize;
use serde::Serialize;
use std::fmt;

/// Dense place of a record inside one segment, `0..len`.
pub(crate) type Slot = u32;

/// Sequence number of a commit; each commit has a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CommitId(pub u64);

/// A record's name: a string of 1 to 512 bytes or a `u64`. A collection has one kind.
///
/// ```
/// use lodedb::RecordId;
///
/// assert_eq!(RecordId::from("quartz").to_string(), "'quartz'");
/// assert_eq!(RecordId::from(7).to_string(), "7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordId {
    /// A number.
    U64(u64),
    /// A string.
    Str(String),
}

/// Which of the two kinds of [`RecordId`] a collection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdKind {
    /// Numbers.
    U64,
    /// Strings.
    Str,
}

impl RecordId {
    /// The kind of this id.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        match self {
            Self::U64(_) => IdKind::U64,
            Self::Str(_) => IdKind::Str,
        }
    }

    /// The string, or `None` for a number.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::U64(_) => None,
            Self::Str(text) => Some(text),
        }
    }

    /// The number, or `None` for a string.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::U64(number) => Some(*number),
            Self::Str(_) => None,
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(number) => write!(f, "{number}"),
            Self::Str(text) => write!(f, "'{text}'"),
        }
    }
}

impl fmt::Display for IdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U64 => "u64",
            Self::Str => "string",
        })
    }
}

impl From<u64> for RecordId {
    fn from(number: u64) -> Self {
        Self::U64(number)
    }
}

impl From<&str> for RecordId {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for RecordId {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<&String> for RecordId {
    fn from(text: &String) -> Self {
        Self::Str(text.clone())
    }
}

impl From<&RecordId> for RecordId {
    fn from(id: &RecordId) -> Self {
        id.clone()
    }
}
