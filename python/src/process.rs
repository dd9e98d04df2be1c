//! Where work runs: detached from the interpreter, and only in the process that opened the database.

use crate::errors::named;
use crate::errors::to_py;
use pyo3::prelude::*;

/// Runs `work` while other Python threads go on, and maps its error.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> lodedb::Result<T> + Send,
) -> PyResult<T> {
    py.detach(work).map_err(to_py)
}

/// Something of an open database. A process forked from the one that made it can neither use nor close it: the file's
/// locks, maps and the maintenance thread stayed with the parent.
pub(crate) struct Owned<T> {
    value: Option<T>,
    process: u32,
}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), process: std::process::id() }
    }

    /// The value, in the process that made it.
    pub(crate) fn get(&self) -> PyResult<&T> {
        match &self.value {
            Some(value) if self.process == std::process::id() => Ok(value),
            _ => Err(named(
                "ClosedError",
                "the database was opened before this process was forked; open it again in this process",
            )),
        }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.value.take());
        }
    }
}
