//! Which generations are in use: what a pinned generation refers to is neither reused nor cut off.

use crate::error::Error;
use crate::error::Result;
use crate::storage::backend::Backend;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keeps everything that was live when it was made readable, for as long as one of its clones lives.
#[derive(Clone)]
pub struct Pin {
    _held: Arc<Held>,
}

/// One use of one generation.
struct Held {
    table: Arc<PinTable>,
    generation: u64,
}

/// The pins of one store.
pub(super) struct PinTable {
    backend: Arc<dyn Backend>,
    state: Mutex<State>,
}

/// What a [`PinTable`] counts.
struct State {
    /// The generation that a new pin pins.
    current: u64,
    /// Uses by generation; none is zero.
    counts: BTreeMap<u64, usize>,
    /// Whether the backend has to know: always for a reader, and for a writer once it gave up its lock.
    shared: bool,
}

impl PinTable {
    /// No pins yet, at generation `current`. A writer's pins stay in this process; a reader's are shared.
    pub(super) fn new(backend: Arc<dyn Backend>, current: u64, shared: bool) -> Arc<Self> {
        Arc::new(Self { backend, state: Mutex::new(State { current, counts: BTreeMap::new(), shared }) })
    }

    /// Pins the present generation.
    pub(super) fn pin(self: &Arc<Self>) -> Pin {
        let mut state = self.state.lock();
        let generation = state.current;
        let count = state.counts.entry(generation).or_default();
        *count += 1;
        // A reader's store itself holds a pin of the present generation, so only a pin taken after closing gets here.
        if state.shared && state.counts.get(&generation) == Some(&1) {
            drop(self.backend.pin(generation));
        }
        Pin { _held: Arc::new(Held { table: self.clone(), generation }) }
    }

    /// Pins `generation`, whatever the present one is: with the backend first.
    pub(super) fn pin_shared(self: &Arc<Self>, generation: u64) -> Result<Pin> {
        let mut state = self.state.lock();
        if !state.counts.contains_key(&generation) {
            self.backend.pin(generation).map_err(|error| Error::io("lock what is being read", error))?;
        }
        *state.counts.entry(generation).or_default() += 1;
        Ok(Pin { _held: Arc::new(Held { table: self.clone(), generation }) })
    }

    /// From now on new pins pin `generation`.
    pub(super) fn set_current(&self, generation: u64) {
        self.state.lock().current = generation;
    }

    /// Whether a generation older than `generation` is pinned, here or through another handle.
    pub(super) fn pinned_before(&self, generation: u64) -> bool {
        if self.state.lock().counts.range(..generation).next().is_some() {
            return true;
        }
        self.backend.pinned_before(generation).unwrap_or(true)
    }

    /// Tells the backend of the pins that outlive the writer's lock.
    pub(super) fn share(&self) -> Result<()> {
        let mut state = self.state.lock();
        if state.shared {
            return Ok(());
        }
        state.shared = true;
        for generation in state.counts.keys() {
            self.backend
                .pin(*generation)
                .map_err(|error| Error::io("lock what is still being read", error))?;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.table.state.lock();
        let Some(count) = state.counts.get_mut(&self.generation) else { return };
        *count -= 1;
        if *count == 0 {
            state.counts.remove(&self.generation);
            if state.shared {
                // A lock that can't be given back costs space until the process ends; there is nobody to tell.
                drop(self.table.backend.unpin(self.generation));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::backend::MemoryBackend;

    #[test]
    fn a_pin_counts_until_its_last_clone_is_gone() {
        let table = PinTable::new(Arc::new(MemoryBackend::new()), 4, false);
        let pin = table.pin();
        table.set_current(5);
        let clone = pin.clone();
        drop(pin);
        assert!(table.pinned_before(5));
        assert!(!table.pinned_before(4));
        assert_eq!(clone._held.generation, 4);
        drop(clone);
        assert!(!table.pinned_before(5));
    }

    #[test]
    fn pins_that_outlive_the_writer_are_told_to_the_backend() {
        let backend = Arc::new(MemoryBackend::new());
        let table = PinTable::new(backend.clone(), 4, false);
        let pin = table.pin();
        assert!(!backend.pinned_before(9).unwrap());
        table.share().unwrap();
        assert!(backend.pinned_before(5).unwrap());
        drop(pin);
        assert!(!backend.pinned_before(9).unwrap());
    }
}
