//! Whose turn it is to write. A transaction keeps other writers waiting; the thread that opened it would wait for itself.

use crate::errors::named;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread::ThreadId;

/// The threads with an open transaction on one database: shared by all its handles. One writes, others wait in line.
#[derive(Clone, Default)]
pub(crate) struct Turn {
    waiting: Arc<Mutex<Vec<ThreadId>>>,
}

impl Turn {
    /// `Ok` where this thread can wait for its turn without waiting for itself.
    pub(crate) fn check(&self) -> PyResult<()> {
        let this = std::thread::current().id();
        match self.waiting.lock() {
            Ok(waiting) if waiting.contains(&this) => Err(named(
                "LodeError",
                "this thread has a transaction open: write through it (tx[\"name\"]), or end it first",
            )),
            _ => Ok(()),
        }
    }

    /// This thread opens a transaction; the guard ends it.
    pub(crate) fn take(&self) -> PyResult<TurnGuard> {
        self.check()?;
        let thread = std::thread::current().id();
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.push(thread);
        }
        Ok(TurnGuard { turn: self.clone(), thread })
    }
}

/// The turn of a thread, given back when dropped.
pub(crate) struct TurnGuard {
    turn: Turn,
    thread: ThreadId,
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        if let Ok(mut waiting) = self.turn.waiting.lock() {
            waiting.retain(|thread| *thread != self.thread);
        }
    }
}
