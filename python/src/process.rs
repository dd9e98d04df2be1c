//! Where work runs: detached from the interpreter, and only in the process that opened the database.

use crate::errors::named;
use crate::errors::to_py;
use lodedb::Error;
use lodedb::Progress;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use rayon::ThreadPool;
use rayon::ThreadPoolBuilder;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How often the thread that waits for long work looks for Ctrl-C and for news to tell.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Runs `work` while other Python threads go on, and maps its error.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> lodedb::Result<T> + Send,
) -> PyResult<T> {
    py.detach(work).map_err(to_py)
}

/// The threads of batch searches, made when they are first needed. A forked process has none of its parent's and makes
/// its own.
pub(crate) fn pool() -> lodedb::Result<Arc<ThreadPool>> {
    static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);
    let process = std::process::id();
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, pool)) = &*pool
        && *owner == process
    {
        return Ok(pool.clone());
    }
    let made = new_pool(0)?;
    if let Some(parents) = pool.replace((process, made.clone())) {
        std::mem::forget(parents);
    }
    Ok(made)
}

/// As [`pool`], with no more threads than these. Fewer than there are get a pool of their own.
pub(crate) fn pool_of(threads: Option<usize>) -> lodedb::Result<Arc<ThreadPool>> {
    let all = pool()?;
    match threads {
        Some(threads) if threads < all.current_num_threads() => new_pool(threads),
        _ => Ok(all),
    }
}

/// So many threads; 0 for one a processor.
fn new_pool(threads: usize) -> lodedb::Result<Arc<ThreadPool>> {
    let named = ThreadPoolBuilder::new().thread_name(|i| format!("lode-search-{i}"));
    let made = named.num_threads(threads).build().map_err(|error| Error::Io {
        doing: "start the threads of a batch search".into(),
        source: std::io::Error::other(error),
    })?;
    Ok(Arc::new(made))
}

/// What long work is asked to stop by, and where it leaves its news.
#[derive(Default)]
pub(crate) struct Watch {
    stop: AtomicBool,
    news: Mutex<Option<Progress>>,
}

impl Watch {
    /// `Cancelled` once the work is to stop.
    pub(crate) fn check(&self) -> lodedb::Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Takes news in; tells whether to go on.
    pub(crate) fn tell(&self, progress: Progress) -> ControlFlow<()> {
        if let Ok(mut news) = self.news.lock() {
            *news = Some(progress);
        }
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn news(&self) -> Option<Progress> {
        self.news.lock().ok()?.take()
    }
}

/// Runs long `work` on a thread of its own. The calling thread waits, tells `progress` the news, and stops the work when
/// Ctrl-C is pressed or `progress` raises; that exception is then the result.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    progress: &Listener,
    work: impl FnOnce(&Watch) -> lodedb::Result<T> + Send,
) -> PyResult<T> {
    let watch = Watch::default();
    let (result, raised) = py.detach(|| {
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let watch = &watch;
            scope.spawn(move || drop(sender.send(work(watch))));
            let mut raised = None;
            loop {
                let received = receiver.recv_timeout(LOOK);
                let heard = || Python::attach(|py| progress.hear(py, watch.news()));
                if raised.is_none()
                    && let Err(error) = heard()
                {
                    watch.stop.store(true, Ordering::Relaxed);
                    raised = Some(error);
                }
                match received {
                    Err(RecvTimeoutError::Timeout) => {}
                    other => return (other, raised),
                }
            }
        })
    });
    let closed = progress.close(py);
    match (raised, result) {
        (Some(error), _) => Err(error),
        (None, Ok(result)) => closed.and(result.map_err(to_py)),
        (None, Err(_)) => Err(named("LodeError", "the work ended without a result; this is a fault of Lode")),
    }
}

/// Who wants to hear how far long work is.
pub(crate) enum Listener {
    /// Nobody; Ctrl-C alone is looked for.
    None,
    /// A function of the caller's.
    Function(Py<PyAny>),
    /// A progress bar, which is closed at the end.
    Bar(Py<PyAny>),
}

impl Listener {
    /// The listener in the argument `progress`: `None`, `False`, `True` or a function.
    pub(crate) fn of(progress: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(progress) = progress else { return Ok(Self::None) };
        if let Ok(wanted) = progress.cast::<PyBool>() {
            return match wanted.is_true() {
                true => {
                    let module = progress.py().import(intern!(progress.py(), "lodedb._progress"))?;
                    Ok(Self::Bar(module.call_method0(intern!(progress.py(), "bar"))?.unbind()))
                }
                false => Ok(Self::None),
            };
        }
        match progress.is_callable() {
            true => Ok(Self::Function(progress.clone().unbind())),
            false => Err(crate::errors::wrong_type(format!(
                "progress is True or a function, not {}",
                crate::values::type_name(progress)
            ))),
        }
    }

    fn hear(&self, py: Python<'_>, news: Option<Progress>) -> PyResult<()> {
        py.check_signals()?;
        if let (Self::Function(listener) | Self::Bar(listener), Some(news)) = (self, news) {
            let class = py.import(intern!(py, "lodedb._progress"))?.getattr(intern!(py, "Progress"))?;
            listener.call1(py, (class.call1((news.collection, news.done, news.total))?,))?;
        }
        Ok(())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Bar(bar) => bar.call_method0(py, intern!(py, "close")).map(drop),
            Self::None | Self::Function(_) => Ok(()),
        }
    }
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

/// Refuses to pickle, and says what to do.
pub(crate) fn not_pickled(what: &str) -> PyErr {
    crate::errors::wrong_type(format!(
        "a {what} can't be pickled: send the path of the file, and open it in the other process (read_only=True \
         works beside the one that writes)"
    ))
}
