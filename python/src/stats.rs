//! Counts as dicts.

use crate::values::value_out;
use lodedb::CollectionStats;
use lodedb::Latency;
use lodedb::Stats;
use lodedb::Value;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use std::cmp::Reverse;

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
    dict.set_item("search_latency", latency_out(py, &stats.search_latency)?)?;
    dict.set_item("commit_latency", latency_out(py, &stats.commit_latency)?)?;
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
    dict.set_item("kept_filters", stats.kept_filters)?;
    dict.set_item("kept_filter_bytes", stats.kept_filter_bytes)?;
    dict.set_item("part_bytes", stats.part_bytes.clone())?;
    Ok(dict)
}

fn latency_out<'py>(py: Python<'py>, latency: &Latency) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("count", latency.count())?;
    dict.set_item("mean", latency.mean().as_secs_f64())?;
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        dict.set_item(name, latency.percentile(share).as_secs_f64())?;
    }
    let buckets: Vec<(f64, u64)> =
        latency.buckets().map(|(time, count)| (time.as_secs_f64(), count)).collect();
    dict.set_item("buckets", buckets)?;
    Ok(dict)
}

/// The first `limit` values of a field, each with its count. What Python takes for one key (True and 1) counts as one.
pub(crate) fn facets_out<'py>(
    py: Python<'py>,
    facets: Vec<(Value, u64)>,
    limit: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let found = facets.len();
    let dict = PyDict::new(py);
    for (value, count) in facets {
        let key = key_out(py, &value)?;
        let others: u64 = dict.get_item(&key)?.map_or(Ok(0), |count| count.extract())?;
        dict.set_item(key, others + count)?;
    }
    if dict.len() == found && found <= limit {
        return Ok(dict);
    }
    let counted = dict.iter().map(|(key, count)| Ok((key, count.extract()?)));
    let mut counted = counted.collect::<PyResult<Vec<(Bound<'py, PyAny>, u64)>>>()?;
    counted.sort_by_key(|(_, count)| Reverse(*count));
    let dict = PyDict::new(py);
    counted.into_iter().take(limit).try_for_each(|(key, count)| dict.set_item(key, count))?;
    Ok(dict)
}

/// The value as a key: a place, whose dict can't be one, is `(lat, lon)`.
fn key_out<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Geo(place) => (place.lat(), place.lon()).into_bound_py_any(py),
        other => value_out(py, other),
    }
}
