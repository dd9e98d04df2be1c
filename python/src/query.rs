//! Searches for many vectors at once, to numpy arrays; and what share of the true neighbours searches find.

use crate::errors::argument;
use crate::options::SearchOptions;
use crate::process::Listener;
use crate::process::Watch;
use crate::process::detached;
use crate::process::pool;
use crate::process::pool_of;
use crate::process::watched;
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
use pyo3::prelude::*;
use rayon::prelude::*;
use std::sync::Mutex;

/// Searches for more hits than this are refused, before there is room made for them.
pub(crate) const MOST_HITS: usize = 10_000;

/// The id in an array of numbers where there is no hit.
const NO_ID: u64 = u64::MAX;

/// A batch of queries over the records of one moment.
struct Task<'a> {
    /// The search, but for its query.
    search: Search,
    vector: &'a str,
    k: usize,
    is_filtered: bool,
    queries: &'a Matrix,
    threads: Option<usize>,
}

/// Batches of fewer queries than this are done before anyone presses Ctrl-C; they save the thread that looks for it.
const WATCHED: usize = 256;

/// Filtered queries that are searched for in one go, so that the filter is looked at once for all of them.
const BLOCK: usize = 64;

/// Searches among the vectors of this name for the `k` best of each of `queries` and gives their ids and scores as arrays of one row a query.
pub(crate) fn search_many<'py>(
    py: Python<'py>,
    collection: &Collection,
    (vector, queries): (&str, &Matrix),
    options: SearchOptions,
    threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if threads == Some(0) {
        return Err(argument("option 'threads': 0, and at least 1 is right"));
    }
    let (k, is_filtered) = (options.k.unwrap_or(0), options.condition.filter.is_some());
    let (search, kind) = detached(py, || {
        // The kind of ids is asked for last: where the search has records, it is known.
        let search = options.begin(collection.search()).named_vector(vector, no_vector());
        Ok((search, collection.id_kind()?))
    })?;
    let task = Task { search, vector, k, is_filtered, queries, threads };
    let shape = [queries.rows(), k];
    let places = task.places(py)?;
    let mut scores = vec![f32::NAN; places];
    let ids = match kind {
        Some(IdKind::Str) => {
            let mut ids = vec![None; places];
            task.run(py, &mut ids, &mut scores, |id| Some(id.clone()))?;
            let object = |id: &Option<RecordId>| match id {
                Some(id) => Ok(id_out(py, id)?.unbind()),
                None => Ok(py.None()),
            };
            let ids = ids.iter().map(object).collect::<PyResult<Vec<_>>>()?;
            PyArray1::from_vec(py, ids).reshape(shape)?.into_any()
        }
        Some(IdKind::U64) | None => {
            let mut ids = vec![NO_ID; places];
            task.run(py, &mut ids, &mut scores, |id| id.as_u64().unwrap_or(NO_ID))?;
            PyArray1::from_vec(py, ids).reshape(shape)?.into_any()
        }
    };
    Ok((ids, PyArray1::from_vec(py, scores).reshape(shape)?.into_any()))
}

impl Task<'_> {
    /// Number of hits that there is room for, once the options are known to make sense.
    fn places(&self, py: Python<'_>) -> PyResult<usize> {
        if self.k == 0 || self.k > MOST_HITS || self.queries.rows() == 0 {
            let search = self.search.clone().named_vector(self.vector, self.queries.any_row());
            detached(py, || search.run())?;
        }
        Ok(self.queries.rows() * self.k)
    }

    /// Puts ids and scores of the hits in their places, each query's `k` after another's.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        ids: &mut [T],
        scores: &mut [f32],
        id_of: impl Fn(&RecordId) -> T + Send + Sync,
    ) -> PyResult<()> {
        let fill = |watch: &Watch| match self.is_filtered {
            true => self.fill_blocks(ids, scores, id_of, watch),
            false => self.fill(ids, scores, id_of, watch),
        };
        match self.queries.rows() < WATCHED {
            true => detached(py, || fill(&Watch::default())),
            false => watched(py, &Listener::None, fill),
        }
    }

    /// One query after the other, on several threads.
    fn fill<T: Send>(
        &self,
        ids: &mut [T],
        scores: &mut [f32],
        id_of: impl Fn(&RecordId) -> T + Send + Sync,
        watch: &Watch,
    ) -> lodedb::Result<()> {
        let k = self.k.max(1);
        let one = |(query, (ids, scores)): (usize, (&mut [T], &mut [f32]))| {
            watch.check()?;
            let search = self.search.clone().named_vector(self.vector, self.queries.row(query));
            put(ids, scores, &search.run()?, &id_of);
            Ok(())
        };
        let mut places = ids.chunks_mut(k).zip(scores.chunks_mut(k)).enumerate();
        if self.threads == Some(1) {
            return places.try_for_each(one);
        }
        // As many lanes as threads are wanted; each takes the next query when it has done one.
        let pool = pool()?;
        let lanes = self.threads.unwrap_or_else(|| pool.current_num_threads()).min(self.queries.rows());
        let places = Mutex::new(places);
        let next = || places.lock().ok()?.next();
        pool.install(|| {
            (0..lanes).into_par_iter().try_for_each(|_| std::iter::from_fn(next).try_for_each(one))
        })
    }

    /// Block after block of queries.
    fn fill_blocks<T: Send>(
        &self,
        ids: &mut [T],
        scores: &mut [f32],
        id_of: impl Fn(&RecordId) -> T + Send + Sync,
        watch: &Watch,
    ) -> lodedb::Result<()> {
        let pool = pool_of(self.threads)?;
        let k = self.k.max(1);
        let mut places = ids.chunks_mut(k).zip(scores.chunks_mut(k));
        for start in (0..self.queries.rows()).step_by(BLOCK) {
            watch.check()?;
            let rows = start..self.queries.rows().min(start + BLOCK);
            let search = self.search.clone();
            let found = pool.install(|| search.run_many(rows.map(|row| self.queries.row(row))))?;
            // The hits come first: the one that runs out first is asked first, and nothing of the other is lost.
            for (hits, (ids, scores)) in found.iter().zip(places.by_ref()) {
                put(ids, scores, hits, &id_of);
            }
        }
        Ok(())
    }
}

/// The vector of a search that is given its own later: it only says which of the names is meant.
fn no_vector() -> Vector {
    Vector::F32(Vec::new())
}

/// Puts one query's hits in their places.
fn put<T>(ids: &mut [T], scores: &mut [f32], hits: &[Hit], id_of: impl Fn(&RecordId) -> T) {
    for ((id, score), hit) in ids.iter_mut().zip(scores).zip(hits) {
        *id = id_of(hit.id());
        *score = hit.score();
    }
}

/// The share of the true `k` nearest that searches with `options` find, for `sample` stored records.
pub(crate) fn measure_recall(
    py: Python<'_>,
    collection: &Collection,
    vector: &str,
    options: SearchOptions,
    sample: usize,
) -> PyResult<f64> {
    let share = detached(py, || {
        let search = options.begin(collection.search()).named_vector(vector, no_vector());
        pool()?.install(|| search.measure_recall(sample))
    });
    Ok(f64::from(share?))
}
