//! Searches: one by one to `Hits`, in batches to numpy arrays.

use crate::batch::row_out;
use crate::errors::argument;
use crate::errors::to_py;
use crate::process::Owned;
use crate::process::detached;
use crate::values::fields_out;
use crate::values::id_out;
use crate::vectors::Matrix;
use lodedb::Collection;
use lodedb::Hit;
use lodedb::IdKind;
use lodedb::RecordId;
use lodedb::Search;
use lodedb::Vector;
use numpy::PyArray1;
use numpy::PyArrayMethods;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PySlice;
use rayon::prelude::*;
use std::sync::Mutex;

/// The id in an array of numbers where there is no hit.
const NO_ID: u64 = u64::MAX;

/// What a search asks for, beside the vector.
pub(crate) struct SearchOptions<'a> {
    pub(crate) vector: &'a str,
    pub(crate) k: usize,
    pub(crate) ef: Option<usize>,
    pub(crate) exact: bool,
}

impl SearchOptions<'_> {
    /// The search for `vector` with these options.
    pub(crate) fn begin(&self, search: Search, vector: Vector) -> Search {
        let search = search.named_vector(self.vector, vector).k(self.k).exact(self.exact);
        match self.ef {
            Some(ef) => search.ef(ef),
            None => search,
        }
    }
}

#[pyclass(frozen, module = "lodedb", name = "Hits", sequence)]
pub(crate) struct PyHits {
    hits: Owned<Vec<Hit>>,
}

impl PyHits {
    pub(crate) fn new(hits: Vec<Hit>) -> Self {
        Self { hits: Owned::new(hits) }
    }
}

#[pymethods]
impl PyHits {
    fn __len__(&self) -> PyResult<usize> {
        Ok(self.hits.get()?.len())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let hits = self.hits.get()?;
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(hits.len().cast_signed())?;
            let picked = (0..range.slicelength).map(|i| {
                let at = range.start + range.step * i.cast_signed();
                hits[at.cast_unsigned()].clone()
            });
            return PyHits::new(picked.collect()).into_bound_py_any(py);
        }
        let index: isize = index.extract()?;
        let at = if index < 0 { index + hits.len().cast_signed() } else { index };
        match usize::try_from(at).ok().and_then(|at| hits.get(at)) {
            Some(hit) => PyHit::new(hit.clone()).into_bound_py_any(py),
            None => Err(PyIndexError::new_err(format!("hit {index} of {}", hits.len()))),
        }
    }

    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let ids = self.hits.get()?.iter().map(|hit| id_out(py, hit.id()));
        PyList::new(py, ids.collect::<PyResult<Vec<_>>>()?)
    }

    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        Ok(PyArray1::from_iter(py, self.hits.get()?.iter().map(Hit::score)))
    }

    #[getter]
    fn distances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        Ok(PyArray1::from_iter(py, self.hits.get()?.iter().map(Hit::distance)))
    }

    fn __repr__(&self) -> PyResult<String> {
        let hits: Vec<String> = self.hits.get()?.iter().map(repr).collect();
        Ok(format!("Hits([{}])", hits.join(", ")))
    }
}

#[pyclass(frozen, module = "lodedb", name = "Hit")]
pub(crate) struct PyHit {
    hit: Owned<Hit>,
    fields: PyOnceLock<Py<PyDict>>,
}

impl PyHit {
    fn new(hit: Hit) -> Self {
        Self { hit: Owned::new(hit), fields: PyOnceLock::new() }
    }
}

fn repr(hit: &Hit) -> String {
    format!("Hit(id={}, score={:.4})", hit.id(), hit.score())
}

#[pymethods]
impl PyHit {
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        id_out(py, self.hit.get()?.id())
    }

    #[getter]
    fn score(&self) -> PyResult<f32> {
        Ok(self.hit.get()?.score())
    }

    #[getter]
    fn distance(&self) -> PyResult<f32> {
        Ok(self.hit.get()?.distance())
    }

    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hit = self.hit.get()?;
        let read = || {
            let fields = detached(py, || hit.fields())?;
            Ok::<_, PyErr>(fields_out(py, &fields)?.unbind())
        };
        Ok(self.fields.get_or_try_init(py, read)?.bind(py).clone())
    }

    fn record<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hit = self.hit.get()?;
        let record = detached(py, || hit.record())?;
        row_out(py, &record)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.fields(py)?.as_any().get_item(name)
    }

    fn __repr__(&self) -> PyResult<String> {
        Ok(repr(self.hit.get()?))
    }
}

/// Searches for each of `queries` and gives their ids and scores as arrays of one row a query.
pub(crate) fn search_many<'py>(
    py: Python<'py>,
    collection: &Collection,
    queries: &Matrix,
    options: &SearchOptions<'_>,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if threads == Some(0) {
        return Err(argument("option 'threads': 0, and at least 1 is right"));
    }
    let (rows, k) = (queries.rows(), options.k);
    match detached(py, || collection.id_kind())? {
        Some(IdKind::Str) => {
            let mut found = vec![(None, f32::NAN); rows * k];
            let put = |place: &mut (Option<RecordId>, f32), hit: &Hit| {
                *place = (Some(hit.id().clone()), hit.score())
            };
            py.detach(|| fill(collection, queries, options, threads, &mut found, put)).map_err(to_py)?;
            let scores = PyArray1::from_iter(py, found.iter().map(|(_, score)| *score));
            let ids: Vec<Py<PyAny>> = found
                .iter()
                .map(|(id, _)| id.as_ref().map_or(Ok(py.None()), |id| Ok(id_out(py, id)?.unbind())))
                .collect::<PyResult<_>>()?;
            let ids = PyArray1::from_vec(py, ids);
            Ok((ids.reshape([rows, k])?.into_any(), scores.reshape([rows, k])?.into_any()))
        }
        Some(IdKind::U64) | None => {
            let mut found = vec![(NO_ID, f32::NAN); rows * k];
            let put = |place: &mut (u64, f32), hit: &Hit| {
                *place = (hit.id().as_u64().unwrap_or(NO_ID), hit.score());
            };
            py.detach(|| fill(collection, queries, options, threads, &mut found, put)).map_err(to_py)?;
            let ids = PyArray1::from_iter(py, found.iter().map(|(id, _)| *id));
            let scores = PyArray1::from_iter(py, found.iter().map(|(_, score)| *score));
            Ok((ids.reshape([rows, k])?.into_any(), scores.reshape([rows, k])?.into_any()))
        }
    }
}

/// Puts the hits of each query into its `k` places of `found`; all queries see the same records.
fn fill<T: Send>(
    collection: &Collection,
    queries: &Matrix,
    options: &SearchOptions<'_>,
    threads: Option<usize>,
    found: &mut [T],
    put: impl Fn(&mut T, &Hit) + Sync,
) -> lodedb::Result<()> {
    let snapshot = collection.snapshot()?;
    let run = |query| options.begin(snapshot.search(), query).run();
    if options.k == 0 || queries.rows() == 0 {
        return run(queries.any_row()).map(drop); // Only to have the options checked.
    }
    let one = |(query, places): (usize, &mut [T])| {
        let hits = run(queries.row(query))?;
        places.iter_mut().zip(&hits).for_each(|(place, hit)| put(place, hit));
        Ok(())
    };
    let places = found.chunks_mut(options.k).enumerate();
    if threads == Some(1) {
        return { places }.try_for_each(one);
    }
    // As many lanes as threads are wanted; each takes the next query when it has done one.
    let lanes = threads.unwrap_or_else(rayon::current_num_threads).min(queries.rows());
    let places = Mutex::new(places);
    let next = || places.lock().ok()?.next();
    (0..lanes).into_par_iter().try_for_each(|_| std::iter::from_fn(next).try_for_each(one))
}
