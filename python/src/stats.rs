//! Counts as dicts.

use lodedb::CollectionStats;
use lodedb::Stats;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;

/// The counts of a database.
pub(crate) fn database_stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("file_bytes", stats.file_bytes)?;
    dict.set_item("live_bytes", stats.live_bytes)?;
    dict.set_item("free_bytes", stats.free_bytes)?;
    dict.set_item("log_bytes", stats.log_bytes)?;
    dict.set_item("generation", stats.generation)?;
    dict.set_item("commits", stats.commits)?;
    dict.set_item("uuid", &stats.uuid)?;
    let collections = stats.collections.iter().map(|stats| collection_stats(py, stats));
    dict.set_item("collections", PyList::new(py, collections.collect::<PyResult<Vec<_>>>()?)?)?;
    Ok(dict)
}

/// The counts of a collection.
pub(crate) fn collection_stats<'py>(
    py: Python<'py>,
    stats: &CollectionStats,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &stats.name)?;
    dict.set_item("records", stats.records)?;
    dict.set_item("dead_records", stats.dead_records)?;
    dict.set_item("active_records", stats.active_records)?;
    dict.set_item("active_bytes", stats.active_bytes)?;
    dict.set_item("segments", stats.segments)?;
    dict.set_item("graphs", stats.graphs)?;
    dict.set_item("graph_records", stats.graph_records)?;
    Ok(dict)
}
