//! `Explain`: what a search did.

use lodedb::Explain;
use lodedb::SegmentExplain;
use lodedb::SparseExplain;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;

/// How a search was carried out, and what it took. Made by `Collection.explain`; printed, it is a tree.
///
/// >>> db = lodedb.open(":memory:")
/// >>> notes = db.collection("notes", dim=1)
/// >>> notes.upsert(ids=range(100), vectors=np.ones((100, 1)), fields={"n": range(100)})
/// 100
/// >>> explained = notes.explain([1.0], where="n < 30")
/// >>> explained.hits, explained.matches, explained.records, explained.filter
/// (10, 30, 100, 'n < 30')
/// >>> [segment["plan"] for segment in explained.segments]
/// ['rows']
#[pyclass(frozen, module = "lodedb", name = "Explain")]
pub(crate) struct PyExplain {
    explain: Explain,
}

impl PyExplain {
    pub(crate) fn new(explain: Explain) -> Self {
        Self { explain }
    }
}

#[pymethods]
impl PyExplain {
    /// Number of hits.
    #[getter]
    fn hits(&self) -> usize {
        self.explain.hits
    }

    /// Number of records in the collection.
    #[getter]
    fn records(&self) -> usize {
        self.explain.records
    }

    /// Number of records that pass the filter; all without one.
    #[getter]
    fn matches(&self) -> usize {
        self.explain.matches
    }

    /// The filter as text, or None.
    #[getter]
    fn filter(&self) -> Option<&str> {
        self.explain.filter.as_deref()
    }

    /// How each segment was searched, in this order; those without a match were not.
    ///
    /// Of its living `records`, `matches` pass the filter; its index alone told that they are from `estimate[0]` to
    /// `estimate[1]`. `plan` is the way that led to the result: "graph" (followed, results must pass), "graph over"
    /// (followed over records that do not pass), "cells" (codes that pass scored in the cells nearest to the query, the best
    /// rescored), "codes" (all codes that pass scored, the best rescored), "rows" (all stored vectors that pass scored). `given_up` is the way tried first, where too few records near the query passed,
    /// or None. `scored` counts codes or rows scored where the filter had a say; `time` is in seconds.
    #[getter]
    fn segments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let segments = self.explain.segments.iter().map(|segment| segment_out(py, segment));
        PyList::new(py, segments.collect::<PyResult<Vec<_>>>()?)
    }

    /// How sparse vectors were searched for, one after the other: `name`, `found` candidates, records `scored` exactly for these,
    /// and `time` in seconds.
    #[getter]
    fn sparse<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let parts = self.explain.sparse.iter().map(|sparse| sparse_out(py, sparse));
        PyList::new(py, parts.collect::<PyResult<Vec<_>>>()?)
    }

    /// How words were searched for: `found` candidates, and `time` in seconds; None where they were not.
    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let words = self.explain.words.as_ref().map(|words| {
            let dict = PyDict::new(py);
            dict.set_item("found", words.found)?;
            dict.set_item("time", words.time.as_secs_f64())?;
            Ok(dict)
        });
        words.transpose()
    }

    /// Seconds to evaluate the filter. Answers to the latest filters are kept, so that a repeated one takes none.
    #[getter]
    fn filter_time(&self) -> f64 {
        self.explain.filter_time.as_secs_f64()
    }

    /// Seconds of everything.
    #[getter]
    fn time(&self) -> f64 {
        self.explain.time.as_secs_f64()
    }

    fn __repr__(&self) -> String {
        self.explain.to_string().trim_end().to_owned()
    }
}

fn sparse_out<'py>(py: Python<'py>, sparse: &SparseExplain) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &sparse.name)?;
    dict.set_item("found", sparse.found)?;
    dict.set_item("scored", sparse.scored)?;
    dict.set_item("time", sparse.time.as_secs_f64())?;
    Ok(dict)
}

fn segment_out<'py>(py: Python<'py>, segment: &SegmentExplain) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("records", segment.records)?;
    dict.set_item("estimate", (segment.estimate.start, segment.estimate.end))?;
    dict.set_item("matches", segment.matches)?;
    dict.set_item("plan", segment.plan)?;
    dict.set_item("given_up", segment.given_up)?;
    dict.set_item("scored", segment.scored)?;
    dict.set_item("time", segment.time.as_secs_f64())?;
    Ok(dict)
}
