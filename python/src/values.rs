//! Ids and field values from and to Python's.

use crate::errors::argument;
use crate::errors::wrong_type;
use lodedb::DateTime;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::IdKind;
use lodedb::RecordId;
use lodedb::Value;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBool;
use pyo3::types::PyDict;
use pyo3::types::PyFloat;
use pyo3::types::PyInt;
use pyo3::types::PyList;
use pyo3::types::PyMapping;
use pyo3::types::PyString;
use pyo3::types::PyTuple;
use std::collections::BTreeMap;

/// Arrays and maps nested deeper than this are refused, before the stack is at risk. The database's own limit is lower.
const MAX_DEPTH: usize = 200;

/// Name of an object's type, for messages.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

/// The id in `object`: a string, or a whole number from 0 on.
pub(crate) fn id_in(object: &Bound<'_, PyAny>) -> PyResult<RecordId> {
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(RecordId::from(text.to_str()?));
    }
    if object.is_instance_of::<PyBool>() || object.is_instance_of::<PyFloat>() {
        return Err(not_an_id(object));
    }
    match object.extract::<u64>() {
        Ok(number) => Ok(RecordId::from(number)),
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
            Err(argument(format!("the id {object} is not between 0 and 2**64 - 1")))
        }
        Err(_) => Err(not_an_id(object)),
    }
}

fn not_an_id(object: &Bound<'_, PyAny>) -> PyErr {
    wrong_type(format!("an id is a string or a whole number from 0 on, not {}", type_name(object)))
}

/// The ids in `objects`: one, or several.
pub(crate) fn ids_in(objects: &Bound<'_, PyAny>) -> PyResult<Vec<RecordId>> {
    if is_id(objects) {
        return Ok(vec![id_in(objects)?]);
    }
    let listed = listed(objects)?;
    listed.try_iter()?.map(|id| id_in(&id?)).collect()
}

/// A column of numpy, pandas, polars or Arrow as a list; anything else as it is.
pub(crate) fn listed<'py>(column: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = column.py();
    for name in [intern!(py, "tolist"), intern!(py, "to_list"), intern!(py, "to_pylist")] {
        if column.hasattr(name)? {
            return column.call_method0(name);
        }
    }
    Ok(column.clone())
}

/// True for what can only be a single id: text, a number, or whatever else is not several things.
pub(crate) fn is_id(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyString>() || object.is_instance_of::<PyInt>() || object.try_iter().is_err()
}

/// The id for Python.
pub(crate) fn id_out<'py>(py: Python<'py>, id: &RecordId) -> PyResult<Bound<'py, PyAny>> {
    match id {
        RecordId::U64(number) => number.into_bound_py_any(py),
        RecordId::Str(text) => text.into_bound_py_any(py),
    }
}

/// The kind of ids called `name`.
pub(crate) fn id_kind_in(name: &str) -> PyResult<IdKind> {
    match name {
        "int" => Ok(IdKind::U64),
        "str" => Ok(IdKind::Str),
        other => Err(argument(format!("option 'id_type': '{other}' is not one of 'int', 'str'"))),
    }
}

/// The value in `object`, which stands in the field `field`.
pub(crate) fn value_in(field: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
    nested_value_in(field, object, 0)
}

fn nested_value_in(field: &str, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        return Err(argument(format!("field '{field}' is nested more than {MAX_DEPTH} deep")));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Value::Str(text.to_str()?.to_owned()));
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(truth) = object.cast::<PyBool>() {
        return Ok(Value::Bool(truth.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return integer_in(field, object);
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        return Ok(Value::F64(number.value()));
    }
    if let Ok(map) = object.cast::<PyDict>() {
        return map_in(field, map.copy()?.iter(), depth);
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        let values = object.try_iter()?.map(|value| nested_value_in(field, &value?, depth + 1));
        return Ok(Value::Array(values.collect::<PyResult<_>>()?));
    }
    other_value_in(field, object, depth)
}

fn integer_in(field: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let number = object.extract::<i64>();
    number.map(Value::I64).map_err(|_| argument(format!("field '{field}': {object} is outside 64 bits")))
}

fn map_in<'py>(
    field: &str,
    entries: impl Iterator<Item = (Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    depth: usize,
) -> PyResult<Value> {
    let mut map = BTreeMap::new();
    for (name, value) in entries {
        let Ok(name) = name.cast::<PyString>() else {
            let found = type_name(&name);
            return Err(wrong_type(format!("field '{field}': names in a map are strings, not {found}")));
        };
        map.insert(name.to_str()?.to_owned(), nested_value_in(field, &value, depth + 1)?);
    }
    Ok(map_or_place(map))
}

/// A map as a value: a place where it is one.
pub(crate) fn map_or_place(map: BTreeMap<String, Value>) -> Value {
    place_in(&map).map_or(Value::Map(map), Value::Geo)
}

/// A map of exactly the numbers `lat` and `lon`, in range, is a place.
fn place_in(map: &BTreeMap<String, Value>) -> Option<GeoPoint> {
    if map.len() != 2 {
        return None;
    }
    GeoPoint::new(map.get("lat")?.as_f64()?, map.get("lon")?.as_f64()?)
}

/// Instants, numpy's scalars and arrays, other mappings.
fn other_value_in(field: &str, object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    let py = object.py();
    if object.is_instance(datetime_class(py)?)? {
        return instant_in(field, object);
    }
    if object.is_instance(date_class(py)?)? {
        let midnight = object.call_method0(intern!(py, "isoformat"))?;
        let midnight = datetime_class(py)?.call_method1(intern!(py, "fromisoformat"), (midnight,))?;
        return instant_in(field, &midnight);
    }
    if object.hasattr(intern!(py, "dtype"))? && object.hasattr(intern!(py, "tolist"))? {
        let plain = plain_column(object)?;
        if !plain.get_type().is(object.get_type()) {
            return nested_value_in(field, &plain, depth + 1);
        }
    }
    if let Ok(map) = object.cast::<PyMapping>() {
        let entries = map.items()?.iter().map(|entry| entry.extract()).collect::<PyResult<Vec<_>>>()?;
        return map_in(field, entries.into_iter(), depth);
    }
    Err(wrong_type(format!(
        "field '{field}': {} can't be stored; a field is None, a bool, int, float, str, datetime, list or dict",
        type_name(object)
    )))
}

/// A column with a dtype (or a scalar of numpy) as plain Python objects; its instants in microseconds, which Python has.
pub(crate) fn plain_column<'py>(column: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = column.py();
    if column.hasattr(intern!(py, "notna"))? {
        // A pandas column: what is missing is None, whatever its type takes for that.
        let objects = column.call_method1(intern!(py, "astype"), ("object",))?;
        let there = column.call_method0(intern!(py, "notna"))?;
        return objects.call_method1(intern!(py, "where"), (there, py.None()))?.call_method0("tolist");
    }
    let dtype = column.getattr(intern!(py, "dtype"))?;
    let is_instants = dtype.getattr(intern!(py, "kind")).is_ok_and(|kind| kind.eq("M").unwrap_or(false));
    match is_instants && column.hasattr(intern!(py, "astype"))? {
        true => column.call_method1(intern!(py, "astype"), ("datetime64[us]",))?.call_method0("tolist"),
        false => listed(column),
    }
}

fn instant_in(field: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = object.py();
    if object.ne(object)? {
        return Ok(Value::Null); // pandas' "not a time"
    }
    let utc = utc(py)?;
    let aware = match object.getattr(intern!(py, "tzinfo"))?.is_none() {
        true => {
            let keywords = PyDict::new(py);
            keywords.set_item(intern!(py, "tzinfo"), utc)?;
            object.call_method(intern!(py, "replace"), (), Some(&keywords))?
        }
        false => object.clone(),
    };
    let since = aware.call_method1(intern!(py, "__sub__"), (epoch(py)?,))?;
    let part = |name| since.getattr(name)?.extract::<i64>();
    let (days, seconds, micros) = (part("days")?, part("seconds")?, part("microseconds")?);
    let total = days.checked_mul(86_400).and_then(|days| days.checked_add(seconds));
    let total = total.and_then(|seconds| seconds.checked_mul(1_000_000)?.checked_add(micros));
    let micros = total.ok_or_else(|| argument(format!("field '{field}': {object} is too far away")))?;
    Ok(Value::DateTime(DateTime::from_unix_micros(micros)))
}

fn datetime_module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "datetime"))
}

fn datetime_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = || Ok::<_, PyErr>(datetime_module(py)?.getattr("datetime")?.unbind());
    Ok(CLASS.get_or_try_init(py, class)?.bind(py))
}

fn date_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = || Ok::<_, PyErr>(datetime_module(py)?.getattr("date")?.unbind());
    Ok(CLASS.get_or_try_init(py, class)?.bind(py))
}

fn utc(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static UTC: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let utc = || Ok::<_, PyErr>(datetime_module(py)?.getattr("timezone")?.getattr("utc")?.unbind());
    Ok(UTC.get_or_try_init(py, utc)?.bind(py))
}

fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = || {
        let date = (1970, 1, 1, 0, 0, 0, 0, utc(py)?);
        Ok::<_, PyErr>(datetime_class(py)?.call1(date)?.unbind())
    };
    Ok(EPOCH.get_or_try_init(py, make)?.bind(py))
}

/// The fields in a dict, without the names that `reserved` has.
pub(crate) fn fields_in(dict: &Bound<'_, PyDict>, reserved: impl Fn(&str) -> bool) -> PyResult<Fields> {
    let mut fields = Fields::new();
    // A copy: code that runs while a value is converted could change the dict.
    for (name, value) in dict.copy()? {
        let Ok(name) = name.cast::<PyString>() else {
            return Err(wrong_type(format!("a field's name is a string, not {}", type_name(&name))));
        };
        let name = name.to_str()?;
        if !reserved(name) {
            fields.insert(name, value_in(name, &value)?);
        }
    }
    Ok(fields)
}

/// The value for Python: an instant as `datetime` in UTC, a place as `{"lat": .., "lon": ..}`.
pub(crate) fn value_out<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Bool(truth) => truth.into_bound_py_any(py),
        Value::I64(number) => number.into_bound_py_any(py),
        Value::F64(number) => number.into_bound_py_any(py),
        Value::Str(text) => text.into_bound_py_any(py),
        Value::DateTime(instant) => instant_out(py, *instant),
        Value::Geo(place) => {
            let dict = PyDict::new(py);
            dict.set_item(intern!(py, "lat"), place.lat())?;
            dict.set_item(intern!(py, "lon"), place.lon())?;
            Ok(dict.into_any())
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| value_out(py, value)).collect::<PyResult<_>>()?;
            Ok(PyList::new(py, values)?.into_any())
        }
        Value::Map(map) => {
            let dict = PyDict::new(py);
            map.iter().try_for_each(|(name, value)| dict.set_item(name, value_out(py, value)?))?;
            Ok(dict.into_any())
        }
        _ => Ok(py.None().into_bound(py)),
    }
}

fn instant_out(py: Python<'_>, instant: DateTime) -> PyResult<Bound<'_, PyAny>> {
    let micros = instant.unix_micros();
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let delta =
        datetime_module(py)?.getattr("timedelta")?.call1((days, rest / 1_000_000, rest % 1_000_000))?;
    match epoch(py)?.call_method1(intern!(py, "__add__"), (delta,)) {
        Ok(instant) => Ok(instant),
        // Outside the years 1 to 9999, which Rust can store and Python's class can't tell.
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => {
            instant.to_string().into_bound_py_any(py)
        }
        Err(error) => Err(error),
    }
}

/// The fields as a dict.
pub(crate) fn fields_out<'py>(py: Python<'py>, fields: &Fields) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    fields.iter().try_for_each(|(name, value)| dict.set_item(name, value_out(py, value)?))?;
    Ok(dict)
}
