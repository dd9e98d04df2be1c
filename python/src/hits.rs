//! `Hits` and `Hit`: what a search found.

use crate::batch::row_out;
use crate::errors::wrong_type;
use crate::process::Owned;
use crate::process::detached;
use crate::text::highlights_out;
use crate::values::fields_out;
use crate::values::id_out;
use crate::values::value_out;
use lodedb::Hit;
use numpy::PyArray1;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3::types::PyIterator;
use pyo3::types::PyList;
use pyo3::types::PySlice;
use std::collections::BTreeSet;

/// What a search found, the best first: a sequence of `Hit`.
///
/// >>> db = lodedb.open(":memory:")
/// >>> notes = db.collection("notes", dim=2, metric="l2")
/// >>> notes.upsert([{"id": 1, "vector": [0, 0], "title": "Mines"}, {"id": 2, "vector": [3, 4], "title": "Rivers"}])
/// 2
/// >>> hits = notes.search([0, 0])
/// >>> hits.ids, hits.distances
/// ([1, 2], array([0., 5.], dtype=float32))
/// >>> hits[1].id, hits[1].score, hits[1].distance, hits[1]["title"]
/// (2, -5.0, 5.0, 'Rivers')
/// >>> hits.to_dict()["title"]
/// ['Mines', 'Rivers']
#[pyclass(frozen, module = "lodedb", name = "Hits", sequence)]
pub(crate) struct PyHits {
    hits: Owned<Vec<Hit>>,
    /// Scores that were given to the hits afterwards; empty where none were.
    reranked: Vec<f64>,
}

impl PyHits {
    pub(crate) fn new(hits: Vec<Hit>) -> Self {
        Self { hits: Owned::new(hits), reranked: Vec::new() }
    }

    /// Hits with scores that were given to them afterwards.
    pub(crate) fn reranked(hits: Vec<(Hit, f64)>) -> Self {
        let (hits, reranked) = hits.into_iter().unzip();
        Self { hits: Owned::new(hits), reranked }
    }

    /// The hits at these places.
    fn picked(&self, places: impl Iterator<Item = usize>) -> PyResult<Self> {
        let hits = self.hits.get()?;
        match self.reranked.is_empty() {
            true => Ok(Self::new(places.map(|at| hits[at].clone()).collect())),
            false => Ok(Self::reranked(places.map(|at| (hits[at].clone(), self.reranked[at])).collect())),
        }
    }

    /// Each hit for Python.
    fn each(&self) -> PyResult<impl Iterator<Item = PyHit>> {
        let hits = self.hits.get()?.iter().enumerate();
        Ok(hits.map(|(at, hit)| PyHit::new(hit.clone(), self.reranked.get(at).copied())))
    }

    fn score(&self, at: usize, hit: &Hit) -> f64 {
        self.reranked.get(at).copied().unwrap_or_else(|| hit.score().into())
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
            let places =
                (0..range.slicelength).map(|i| (range.start + range.step * i.cast_signed()).cast_unsigned());
            return self.picked(places)?.into_bound_py_any(py);
        }
        let index: isize = index.extract()?;
        let at = if index < 0 { index + hits.len().cast_signed() } else { index };
        match usize::try_from(at).ok().and_then(|at| Some((hits.get(at)?, self.reranked.get(at)))) {
            Some((hit, score)) => PyHit::new(hit.clone(), score.copied()).into_bound_py_any(py),
            None => Err(PyIndexError::new_err(format!("hit {index} of {}", hits.len()))),
        }
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let hits = self.each()?.map(|hit| Py::new(py, hit));
        PyList::new(py, hits.collect::<PyResult<Vec<_>>>()?)?.try_iter()
    }

    /// The ids of the hits.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let ids = self.hits.get()?.iter().map(|hit| id_out(py, hit.id()));
        PyList::new(py, ids.collect::<PyResult<Vec<_>>>()?)
    }

    /// The scores: larger is better with every metric, with words, and with both.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let hits = self.hits.get()?.iter().enumerate();
        Ok(PyArray1::from_iter(py, hits.map(|(at, hit)| self.score(at, hit) as f32)))
    }

    /// The distances: 1 - cosine, minus the dot product, the Euclidean distance, or the bits that differ; NaN where there is none.
    #[getter]
    fn distances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        Ok(PyArray1::from_iter(py, self.hits.get()?.iter().map(Hit::distance)))
    }

    /// Columns by name: `id`, `score`, `distance` and each field; a field called `score` is `field_score`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hits = self.hits.get()?;
        let fields = detached(py, || hits.iter().map(Hit::fields).collect::<lodedb::Result<Vec<_>>>())?;
        let columns = PyDict::new(py);
        columns.set_item("id", self.ids(py)?)?;
        columns.set_item("score", self.scores(py)?)?;
        columns.set_item("distance", self.distances(py)?)?;
        let names: BTreeSet<&str> =
            fields.iter().flat_map(|fields| fields.iter().map(|(name, _)| name)).collect();
        for name in names {
            let values = fields.iter().map(|fields| value_out(py, &fields[name]));
            let column = PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?;
            match name {
                "score" | "distance" => columns.set_item(format!("field_{name}"), column)?,
                _ => columns.set_item(name, column)?,
            }
        }
        Ok(columns)
    }

    /// The columns of `to_dict` as a pandas `DataFrame`. Needs pandas.
    fn to_pandas<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("pandas")?.call_method1("DataFrame", (self.to_dict(py)?,))
    }

    /// The columns of `to_dict` as a polars `DataFrame`. Needs polars.
    fn to_polars<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let keywords = PyDict::new(py);
        keywords.set_item("strict", false)?;
        py.import("polars")?.call_method("DataFrame", (self.to_dict(py)?,), Some(&keywords))
    }

    /// The columns of `to_dict` as a pyarrow `Table`. Needs pyarrow.
    fn to_arrow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("pyarrow")?.call_method1("table", (self.to_dict(py)?,))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled_hits())
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let columns = self.to_dict(py)?;
        let heads: String = columns.keys().iter().map(|name| cell("th", &name)).collect();
        let mut rows = String::new();
        for row in 0..self.hits.get()?.len() {
            let cells = columns.values().iter().map(|column| Ok(cell("td", &column.get_item(row)?)));
            rows.push_str(&format!("<tr>{}</tr>", cells.collect::<PyResult<String>>()?));
        }
        Ok(format!("<table><tr>{heads}</tr>{rows}</table>"))
    }

    fn __repr__(&self) -> PyResult<String> {
        let hits = self.hits.get()?.iter().enumerate();
        let hits: Vec<String> = hits.map(|(at, hit)| repr(hit, self.score(at, hit))).collect();
        Ok(format!("Hits([{}])", hits.join(", ")))
    }
}

/// A record that a search found. Its fields are read when they are asked for; `hit["title"]` reads one.
#[pyclass(frozen, module = "lodedb", name = "Hit")]
pub(crate) struct PyHit {
    hit: Owned<Hit>,
    /// The score that was given to it afterwards.
    reranked: Option<f64>,
    fields: PyOnceLock<Py<PyDict>>,
}

impl PyHit {
    fn new(hit: Hit, reranked: Option<f64>) -> Self {
        Self { hit: Owned::new(hit), reranked, fields: PyOnceLock::new() }
    }
}

fn repr(hit: &Hit, score: f64) -> String {
    // Adding zero makes a negative zero, which is what no distance is as a score, a plain one.
    format!("Hit(id={}, score={:.4})", hit.id(), score + 0.0)
}

fn not_pickled_hits() -> PyErr {
    wrong_type("hits read their fields from the open database and can't be pickled; send hits.to_dict()")
}

/// Most characters of a value in a table for notebooks.
const CELL: usize = 80;

fn cell(tag: &str, value: &Bound<'_, PyAny>) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(CELL).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("<{tag}>{}{more}</{tag}>", escaped(&short))
}

/// The text as HTML shows it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[pymethods]
impl PyHit {
    /// The record's id.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        id_out(py, self.hit.get()?.id())
    }

    /// How good the hit is; larger is better.
    #[getter]
    fn score(&self) -> PyResult<f64> {
        let hit = self.hit.get()?;
        Ok(self.reranked.unwrap_or_else(|| hit.score().into()))
    }

    /// What the record scores in each part of the search: `vector` and `text`, or the names of vectors where there are
    /// several, those of sparse ones, and `rerank`. A part that did not find the record has its score as well; words and terms
    /// that do not match have 0.
    #[getter]
    fn scores<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let scores = PyDict::new(py);
        for (part, score) in self.hit.get()?.scores() {
            scores.set_item(part, score)?;
        }
        if let Some(score) = self.reranked {
            scores.set_item("rerank", score)?;
        }
        Ok(scores)
    }

    /// By field that `highlight=` named, the best fragments of its text, the best first; none where no word was found.
    #[getter]
    fn highlights<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hit = self.hit.get()?;
        if hit.highlights().is_empty() {
            return Ok(PyDict::new(py));
        }
        let fields = detached(py, || hit.fields())?;
        highlights_out(py, hit, &fields)
    }

    /// How far the record's vector is from the query; smaller is nearer. With several vectors, the first; NaN where there is none.
    #[getter]
    fn distance(&self) -> PyResult<f32> {
        Ok(self.hit.get()?.distance())
    }

    /// The record's fields.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hit = self.hit.get()?;
        let read = || {
            let fields = detached(py, || hit.fields())?;
            Ok::<_, PyErr>(fields_out(py, &fields)?.unbind())
        };
        Ok(self.fields.get_or_try_init(py, read)?.bind(py).clone())
    }

    /// The whole record as a row: id, vectors and fields.
    fn record<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hit = self.hit.get()?;
        let record = detached(py, || hit.record())?;
        row_out(py, &record)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled_hits())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.fields(py)?.as_any().get_item(name)
    }

    fn __repr__(&self) -> PyResult<String> {
        Ok(repr(self.hit.get()?, self.score()?))
    }
}
