//! [`Failure`]: why a command did not do what was asked, as one sentence.

use crate::Error;
use std::any::Any;
use std::io;
use std::path::Path;

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As asked.
    Done,
    /// As asked, and there was nothing to find.
    Nothing,
}

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads the output any more (`| head`): nothing to complain about.
    ClosedPipe,
    /// `verify` found damage.
    Damage(String),
    /// Everything else.
    Error(String),
}

impl Failure {
    /// A problem with a file.
    pub(super) fn of_file(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::Error(format!("{}: {problem}", path.display()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(sentence(&error))
    }
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self::Error(problem)
    }
}

impl From<&str> for Failure {
    fn from(problem: &str) -> Self {
        Self::Error(problem.to_owned())
    }
}

/// Of writing the output: errors of reading name their file and are made by [`Failure::of_file`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Error(format!("can't write the output: {error}")),
        }
    }
}

/// The error with its cause, in the words of the shell where the library speaks of calls.
pub(super) fn sentence(error: &Error) -> String {
    match error {
        Error::Closed => "the database was closed".into(),
        other => other.to_string(),
    }
}

/// What a panic said.
pub(super) fn panic_text(cause: &(dyn Any + Send)) -> String {
    let text =
        cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason is known").lines().collect::<Vec<_>>().join(" ")
}
