//! [`Ahead`]: threads that verify, when a state is first searched, what later searches touch.

use super::state::State;
use crate::segment::VerifyAhead;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// One thread at work at most. It begins with the first search after the opening or a publication, and ends when everything is
/// verified, when something is published (so that nothing is kept from being used again), or when the database is closed.
#[derive(Default)]
pub(super) struct Ahead {
    /// Whether what is published now was searched.
    begun: AtomicBool,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    /// Those that may not have ended, and how each is told to.
    running: Vec<(Arc<AtomicBool>, JoinHandle<()>)>,
    closed: bool,
}

impl Ahead {
    /// There is a search of `state`, whose extents the thread keeps from being reused as long as it works.
    pub(super) fn search(&self, state: &Arc<State>) {
        if self.begun.load(Ordering::Relaxed) || self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let segments = state.collections.values().flat_map(|collection| &collection.set.sealed);
        let Some(work) = VerifyAhead::of(segments) else { return };
        let mut threads = self.threads.lock();
        if threads.closed {
            return;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (state, told) = (state.clone(), stop.clone());
        let builder = std::thread::Builder::new().name("lode-verify".into());
        let thread = builder.spawn(move || {
            work.run(&told);
            drop(state);
        });
        threads.running.retain(|(_, thread)| !thread.is_finished());
        // Without a thread, searches verify what they touch.
        threads.running.extend(thread.ok().map(|thread| (stop, thread)));
    }

    /// Something is about to be published: whoever is at work ends soon.
    pub(super) fn publish(&self) {
        self.threads.lock().stop();
        self.begun.store(false, Ordering::Relaxed);
    }

    /// Waits until nobody is at work any more.
    pub(super) fn close(&self) {
        let running = {
            let mut threads = self.threads.lock();
            threads.closed = true;
            threads.stop();
            std::mem::take(&mut threads.running)
        };
        for (_, thread) in running {
            if thread.join().is_err() {
                tracing::error!("the thread that verifies ahead panicked");
            }
        }
    }
}

impl Threads {
    fn stop(&self) {
        self.running.iter().for_each(|(stop, _)| stop.store(true, Ordering::Relaxed));
    }
}
