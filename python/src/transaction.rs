//! `Transaction`: a `with` block whose writes happen together or not at all.
//!
//! The crate's transaction borrows its database and keeps to the thread that began it. Python's lives in an object that
//! any thread may use, so a thread of its own holds the crate's and does what it is sent.

use crate::batch::Source;
use crate::batch::batch_in;
use crate::batch::row_out;
use crate::batch::rows_out;
use crate::batch::updates_in;
use crate::embed::Embed;
use crate::errors::named;
use crate::errors::to_py;
use crate::filter::Doomed;
use crate::process::LOOK;
use crate::process::Owned;
use crate::process::detached;
use crate::process::not_pickled;
use crate::turn::Turn;
use crate::turn::TurnGuard;
use crate::values::id_in;
use crate::values::ids_in;
use crate::values::is_id;
use lodedb::Database;
use lodedb::Schema;
use lodedb::Transaction;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

type Job = Box<dyn for<'db> FnOnce(&mut Transaction<'db>) + Send>;

/// The thread that holds a transaction. Dropped without `finish`, it rolls back.
struct Worker {
    jobs: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    _turn: Option<TurnGuard>,
}

enum Message {
    Do(Job),
    Commit(Sender<lodedb::Result<()>>),
}

impl Worker {
    /// Begins a transaction, once no other one is open.
    fn begin(py: Python<'_>, database: Database, turn: Option<TurnGuard>) -> PyResult<Self> {
        let (jobs, received) = mpsc::channel();
        let (ready, mut begun) = mpsc::channel();
        let hold = move || {
            let mut transaction = match database.transaction() {
                Ok(transaction) => transaction,
                Err(error) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(())));
            for message in received {
                match message {
                    Message::Do(job) => job(&mut transaction),
                    Message::Commit(reply) => return drop(reply.send(transaction.commit())),
                }
            }
        };
        let thread = std::thread::Builder::new().name("lode-transaction".into()).spawn(hold)?;
        loop {
            let waited = py.detach(move || (begun.recv_timeout(LOOK), begun));
            begun = match waited {
                (Ok(Ok(())), _) => return Ok(Self { jobs: Some(jobs), thread: Some(thread), _turn: turn }),
                (Ok(Err(error)), _) => return Err(to_py(error)),
                (Err(RecvTimeoutError::Timeout), begun) => begun,
                (Err(RecvTimeoutError::Disconnected), _) => return Err(broken()),
            };
            // Where Ctrl-C ends the waiting, the thread ends when its turn comes: nobody sends it anything.
            py.check_signals()?;
        }
    }

    fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl for<'db> FnOnce(&mut Transaction<'db>) -> lodedb::Result<T> + Send + 'static,
    ) -> PyResult<T> {
        let (reply, result) = mpsc::channel();
        let job: Job = Box::new(move |transaction| drop(reply.send(work(transaction))));
        self.send(Message::Do(job))?;
        py.detach(move || result.recv()).map_err(|_| broken())?.map_err(to_py)
    }

    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        let (reply, result) = mpsc::channel();
        self.send(Message::Commit(reply))?;
        py.detach(move || result.recv()).map_err(|_| broken())?.map_err(to_py)
    }

    fn send(&self, message: Message) -> PyResult<()> {
        let jobs = self.jobs.as_ref().ok_or_else(broken)?;
        jobs.send(message).map_err(|_| broken())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn broken() -> PyErr {
    named("LodeError", "the transaction's thread ended early; nothing of the transaction was written")
}

/// Where a transaction is in its life: `None` before and after its `with` block.
type State = Arc<Mutex<Option<Worker>>>;

/// Several writes that happen together or not at all. Made by `Database.transaction`.
#[pyclass(frozen, module = "lodedb", name = "Transaction")]
pub(crate) struct PyTransaction {
    database: Owned<Database>,
    turn: Turn,
    state: Owned<State>,
}

impl PyTransaction {
    pub(crate) fn new(database: Database, turn: Turn) -> Self {
        Self { database: Owned::new(database), turn, state: Owned::new(State::default()) }
    }

    fn begin(&self, py: Python<'_>, turn: Option<TurnGuard>) -> PyResult<()> {
        let state = self.state.get()?;
        if locked(state)?.is_some() {
            return Err(named("LodeError", "the transaction is open already"));
        }
        let worker = Worker::begin(py, self.database.get()?.clone(), turn)?;
        *locked(state)? = Some(worker);
        Ok(())
    }
}

/// Runs `work` in the open transaction.
fn within<T: Send + 'static>(
    py: Python<'_>,
    state: &Owned<State>,
    work: impl for<'db> FnOnce(&mut Transaction<'db>) -> lodedb::Result<T> + Send + 'static,
) -> PyResult<T> {
    let worker = taken(state)?.ok_or_else(not_open)?;
    let result = worker.run(py, work);
    *locked(state.get()?)? = Some(worker);
    result
}

/// The worker, taken out: another thread that uses the transaction at the same moment is told so, and no lock is held
/// while the work runs.
fn taken(state: &Owned<State>) -> PyResult<Option<Worker>> {
    Ok(locked(state.get()?)?.take())
}

fn locked(state: &State) -> PyResult<std::sync::MutexGuard<'_, Option<Worker>>> {
    state.lock().map_err(|_| broken())
}

fn not_open() -> PyErr {
    named("LodeError", "the transaction is not open, or busy in another thread: use it inside its with block")
}

#[pymethods]
impl PyTransaction {
    fn __enter__<'py>(slf: PyRef<'py, Self>, py: Python<'py>) -> PyResult<PyRef<'py, Self>> {
        let turn = slf.turn.take()?;
        slf.begin(py, Some(turn))?;
        Ok(slf)
    }

    /// As `__enter__`, for `lodedb.aio`, where a thread is nobody's own.
    fn _enter_from_any_thread(&self, py: Python<'_>) -> PyResult<()> {
        self.begin(py, None)
    }

    #[pyo3(signature = (kind=None, error=None, traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (error, traceback);
        let worker = taken(&self.state)?.ok_or_else(not_open)?;
        let result = if kind.is_none() { worker.commit(py) } else { Ok(()) };
        py.detach(|| drop(worker));
        result
    }

    /// The collection `name` within this transaction. Raises NotFoundError.
    fn collection(&self, py: Python<'_>, name: &str) -> PyResult<PyTransactionCollection> {
        let database = self.database.get()?;
        let schema = detached(py, || database.existing(name)?.schema())?;
        let (state, name) = (self.state.get()?.clone(), name.to_owned());
        let collection = PyTransactionCollection { state: Owned::new(state), name, schema };
        collection.__len__(py)?;
        Ok(collection)
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<PyTransactionCollection> {
        self.collection(py, name)
    }

    /// Deletes the collection `name` with all its records. Raises NotFoundError.
    fn drop(&self, py: Python<'_>, name: String) -> PyResult<()> {
        within(py, &self.state, move |transaction| transaction.drop_collection(&name))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("Transaction"))
    }

    fn __repr__(&self) -> PyResult<String> {
        let open = locked(self.state.get()?)?.is_some();
        Ok(format!("<Transaction, {}>", if open { "open" } else { "not open" }))
    }
}

/// A collection within a transaction: reads see what the transaction has written.
#[pyclass(frozen, module = "lodedb", name = "TransactionCollection")]
pub(crate) struct PyTransactionCollection {
    state: Owned<State>,
    name: String,
    schema: Schema,
}

#[pymethods]
impl PyTransactionCollection {
    /// The collection's name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// As `Collection.upsert`.
    #[pyo3(signature = (records=None, *, ids=None, vectors=None, sparse=None, fields=None))]
    fn upsert(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        vectors: Option<&Bound<'_, PyAny>>,
        sparse: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let batch =
            batch_in(py, &Source { records, ids, vectors, sparse, fields }, &self.schema, &Embed::None)?;
        let name = self.name.clone();
        within(py, &self.state, move |tx| tx.collection(&name)?.upsert(batch.into_records()))
    }

    /// As `Collection.insert`.
    #[pyo3(signature = (records=None, *, ids=None, vectors=None, sparse=None, fields=None))]
    fn insert(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        vectors: Option<&Bound<'_, PyAny>>,
        sparse: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let batch =
            batch_in(py, &Source { records, ids, vectors, sparse, fields }, &self.schema, &Embed::None)?;
        let name = self.name.clone();
        within(py, &self.state, move |tx| tx.collection(&name)?.insert(batch.into_records()))
    }

    /// As `Collection.update`.
    #[pyo3(signature = (id, fields=None))]
    fn update(
        &self,
        py: Python<'_>,
        id: &Bound<'_, PyAny>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let updates = updates_in(id, fields)?;
        let name = self.name.clone();
        within(py, &self.state, move |tx| tx.collection(&name)?.update_many(updates))
    }

    /// As `Collection.delete`; a filter sees what the transaction has written.
    #[pyo3(signature = (ids=None, *, r#where=None))]
    fn delete(
        &self,
        py: Python<'_>,
        ids: Option<&Bound<'_, PyAny>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let (doomed, name) = (Doomed::of(ids, r#where)?, self.name.clone());
        within(py, &self.state, move |tx| match doomed {
            Doomed::Ids(ids) => tx.collection(&name)?.delete(ids),
            Doomed::Matching(filter) => tx.collection(&name)?.delete_where(filter),
        })
    }

    /// As `Collection.get`.
    fn get<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let name = self.name.clone();
        if is_id(ids) {
            let id = id_in(ids)?;
            let record = within(py, &self.state, move |tx| tx.collection(&name)?.get(id))?;
            return record.map(|record| row_out(py, &record)).transpose()?.into_bound_py_any(py);
        }
        let ids = ids_in(ids)?;
        let records = within(py, &self.state, move |tx| {
            let collection = tx.collection(&name)?;
            ids.into_iter().map(|id| collection.get(id)).collect::<lodedb::Result<Vec<_>>>()
        })?;
        rows_out(py, &records)?.into_bound_py_any(py)
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (id, name) = (id_in(id)?, self.name.clone());
        Ok(within(py, &self.state, move |tx| tx.collection(&name)?.get(id))?.is_some())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let name = self.name.clone();
        within(py, &self.state, move |tx| tx.collection(&name)?.len())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("TransactionCollection"))
    }

    fn __repr__(&self) -> String {
        format!("tx['{}']", self.name)
    }
}
