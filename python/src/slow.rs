//! `slow_search=`: who is told of searches that took too long.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::values::type_name;
use lodedb::Options;
use lodedb::SlowSearch;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::Duration;

/// The options with what the arguments `slow_search` and `on_slow_search` say.
pub(crate) fn with_slow_search(
    options: Options,
    least: Option<f64>,
    tell: Option<Bound<'_, PyAny>>,
) -> PyResult<Options> {
    let Some(least) = least else {
        return match tell {
            Some(_) => Err(argument("on_slow_search= needs slow_search=, the seconds that are slow")),
            None => Ok(options),
        };
    };
    let Ok(least) = Duration::try_from_secs_f64(least) else {
        return Err(argument(format!("option 'slow_search': {least}, and seconds, 0 or more, are right")));
    };
    let tell = match tell {
        Some(tell) if !tell.is_callable() => {
            let found = type_name(&tell);
            return Err(wrong_type(format!("on_slow_search is a function of a dict, not {found}")));
        }
        tell => tell.map(Bound::unbind),
    };
    Ok(options.slow_search(least, move |search| {
        Python::attach(|py| {
            if let Err(error) = hear(py, tell.as_ref(), search) {
                // The search has its hits; there is nobody to raise it to.
                error.write_unraisable(py, None);
            }
        });
    }))
}

/// Tells the function, or the logger `lodedb` where there is none.
fn hear(py: Python<'_>, tell: Option<&Py<PyAny>>, search: &SlowSearch) -> PyResult<()> {
    match tell {
        Some(tell) => tell.call1(py, (slow_out(py, search)?,)).map(drop),
        None => {
            let logger = py.import("logging")?.call_method1("getLogger", ("lodedb",))?;
            logger.call_method1("warning", ("%s", search.to_string())).map(drop)
        }
    }
}

fn slow_out<'py>(py: Python<'py>, search: &SlowSearch) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("collection", &search.collection)?;
    dict.set_item("seconds", search.time.as_secs_f64())?;
    dict.set_item("hits", search.hits)?;
    dict.set_item("k", search.k)?;
    dict.set_item("vectors", search.vectors)?;
    dict.set_item("text", &search.text)?;
    dict.set_item("filter", &search.filter)?;
    Ok(dict)
}
