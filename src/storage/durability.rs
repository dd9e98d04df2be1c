//! Group commit: one sync for all commits that wait together. And the end of writing after a failure that leaves the
//! disk's state unknown.

use crate::error::Error;
use crate::error::Result;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;
use parking_lot::Condvar;
use parking_lot::Mutex;
use parking_lot::MutexGuard;
use std::io;
use std::sync::OnceLock;

/// How far commits are on the disk.
pub(super) struct Durability {
    state: Mutex<Progress>,
    synced: Condvar,
    /// One sync at a time: the operating system tells only one of two about an error.
    disk: Mutex<()>,
    poison: OnceLock<String>,
}

/// What a [`Durability`] knows.
struct Progress {
    /// The last commit that was appended.
    appended: u64,
    /// The last commit that survives a power loss.
    durable: u64,
    /// Whether a thread is syncing for all others.
    syncing: bool,
}

impl Durability {
    /// Everything up to `appended` was found in the file, which does not tell whether it is on the disk.
    pub(super) fn new(appended: u64) -> Self {
        let state = Progress { appended, durable: 0, syncing: false };
        Self {
            state: Mutex::new(state),
            synced: Condvar::new(),
            disk: Mutex::new(()),
            poison: OnceLock::new(),
        }
    }

    /// A commit was appended.
    pub(super) fn appended(&self, commit: u64) {
        self.state.lock().appended = commit;
    }

    /// Everything up to `commit` reached the disk in another way.
    pub(super) fn advance(&self, commit: u64) {
        let mut state = self.state.lock();
        state.appended = state.appended.max(commit);
        state.durable = state.durable.max(commit);
    }

    /// The last commit that survives a power loss.
    pub(super) fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// Ends writing for good; the first cause is kept.
    pub(super) fn poison(&self, doing: &str, error: &io::Error) {
        let cause = format!("could not {doing}: {error}");
        tracing::debug!(cause, "writing stopped");
        // Set once: what failed later is a consequence.
        drop(self.poison.set(cause));
    }

    /// Why writing ended.
    pub(super) fn poisoned(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// An error once writing ended.
    pub(super) fn check(&self) -> Result<()> {
        match self.poisoned() {
            Some(cause) => Err(Error::Poisoned { cause: cause.to_owned() }),
            None => Ok(()),
        }
    }

    /// Calls `sync` for what `doing` says; a failure ends writing.
    pub(super) fn sync_now(&self, doing: &str, sync: impl FnOnce() -> io::Result<()>) -> Result<()> {
        let _one = self.disk.lock();
        self.check()?;
        sync().map_err(|error| {
            self.poison(doing, &error);
            Error::io(doing, error)
        })
    }

    /// Returns when `through` is on the disk: calls `sync`, or waits for the thread that is in it already. Commits that
    /// are appended meanwhile go with the next sync.
    pub(super) fn wait(&self, through: u64, sync: impl FnOnce() -> io::Result<()>) -> Result<()> {
        if mutants::active(Mutant::AckBeforeSync) {
            return Ok(());
        }
        let mut state = self.state.lock();
        loop {
            if state.durable >= through {
                return Ok(());
            }
            self.check()?;
            if !state.syncing {
                break;
            }
            self.synced.wait(&mut state);
        }
        state.syncing = true;
        let target = state.appended;
        let outcome = MutexGuard::unlocked(&mut state, || self.sync_now("sync the log", sync));
        state.syncing = false;
        if outcome.is_ok() {
            state.durable = state.durable.max(target);
        }
        drop(state);
        self.synced.notify_all();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    #[test]
    fn many_waiters_share_few_syncs() {
        let durability = Durability::new(0);
        let syncs = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for commit in 1..=16 {
                durability.appended(commit);
                let (durability, syncs) = (&durability, &syncs);
                scope.spawn(move || {
                    let sync = || {
                        syncs.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(5));
                        Ok(())
                    };
                    durability.wait(commit, sync).unwrap();
                });
            }
        });
        assert_eq!(durability.durable(), 16);
        assert!(syncs.load(Ordering::SeqCst) < 16);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_any_more() {
        let durability = Durability::new(0);
        durability.appended(1);
        assert!(matches!(durability.wait(1, || Err(io::ErrorKind::Other.into())), Err(Error::Io { .. })));
        assert!(matches!(durability.wait(1, || Ok(())), Err(Error::Poisoned { .. })));
        assert!(matches!(durability.check(), Err(Error::Poisoned { .. })));
    }
}
