//! The threads that codes are made and graphs are built on.

use crate::error::Error;
use crate::error::Result;
use parking_lot::Mutex;
use rayon::ThreadPool;
use rayon::ThreadPoolBuilder;
use std::process;
use std::sync::Arc;
use std::sync::OnceLock;

/// The process whose rayon threads are the global ones.
static FIRST: OnceLock<u32> = OnceLock::new();

/// The threads of a forked process, with its number.
static FORKED: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Runs `work` where there are threads: in the current rayon pool, unless this process was forked from one that used
/// it. Threads don't survive a fork, and work given to them would never end; such a process gets a pool of its own.
pub(super) fn on_threads<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let process = process::id();
    if *FIRST.get_or_init(|| process) == process {
        return Ok(work());
    }
    Ok(forked_pool(process)?.install(work))
}

fn forked_pool(process: u32) -> Result<Arc<ThreadPool>> {
    let mut forked = FORKED.lock();
    if let Some((owner, pool)) = &*forked
        && *owner == process
    {
        return Ok(pool.clone());
    }
    let pool = ThreadPoolBuilder::new().build();
    let pool =
        pool.map_err(|error| Error::io("start the threads of a build", std::io::Error::other(error)))?;
    let pool = Arc::new(pool);
    if let Some(parents) = forked.replace((process, pool.clone())) {
        // Its threads are not there to be joined.
        std::mem::forget(parents);
    }
    Ok(pool)
}
