//! Filters from Python: a dict of operators, a string, or an expression of `lodedb.F`.

use crate::errors::argument;
use crate::errors::named;
use crate::errors::to_py;
use crate::errors::wrong_type;
use crate::values::ids_in;
use crate::values::type_name;
use crate::values::value_in;
use lodedb::Filter;
use lodedb::RecordId;
use lodedb::Value;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyMapping;
use pyo3::types::PyString;
use std::collections::BTreeMap;

/// What a deletion is told by: one or several ids, or a filter.
pub(crate) enum Doomed {
    Ids(Vec<RecordId>),
    Matching(Filter),
}

impl Doomed {
    /// What the arguments `ids` and `where` say, of which one is needed.
    pub(crate) fn of(ids: Option<&Bound<'_, PyAny>>, filter: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        match (ids, filter) {
            (Some(ids), None) => Ok(Self::Ids(ids_in(ids)?)),
            (None, Some(filter)) => Ok(Self::Matching(filter_from_python(filter)?)),
            (Some(_), Some(_)) => Err(argument("give ids or where=, not both")),
            (None, None) => Err(argument("give ids or where=; where={} deletes every record")),
        }
    }
}

/// The filter that `object` is.
pub(crate) fn filter_from_python(object: &Bound<'_, PyAny>) -> PyResult<Filter> {
    let py = object.py();
    if let Ok(text) = object.cast::<PyString>() {
        return text.to_str()?.parse().map_err(to_py);
    }
    if object.is_instance(condition_class(py)?)? {
        return operators_in(&object.call_method0(intern!(py, "to_dict"))?);
    }
    operators_in(object)
}

fn operators_in(object: &Bound<'_, PyAny>) -> PyResult<Filter> {
    let Ok(map) = object.cast::<PyMapping>() else {
        let found = type_name(object);
        return Err(wrong_type(format!(
            "a filter is a dict of operators, a string, or an expression such as lodedb.F.year >= 1848, not {found}"
        )));
    };
    let mut operators = BTreeMap::new();
    for entry in map.items()? {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = entry.extract()?;
        let Ok(name) = name.cast::<PyString>() else {
            let found = type_name(&name);
            return Err(wrong_type(format!(
                "filter: names of fields and operators are strings, not {found}"
            )));
        };
        let name = name.to_str()?;
        operators.insert(name.to_owned(), operand_in(name, &value)?);
    }
    Filter::from_value(&Value::Map(operators)).map_err(to_py)
}

/// The value in `object`. One that no field could have is the filter's mistake here.
fn operand_in(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
    value_in(name, object).map_err(|error| match error.is_instance_of::<PyValueError>(object.py()) {
        true => named("FilterError", format!("filter: {}", error.value(object.py()))),
        false => error,
    })
}

fn condition_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = || {
        let module = py.import(intern!(py, "lodedb._filter"))?;
        Ok::<_, PyErr>(module.getattr(intern!(py, "Condition"))?.unbind())
    };
    Ok(CLASS.get_or_try_init(py, class)?.bind(py))
}
