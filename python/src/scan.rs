//! `Scan`: records in the order of their ids, or of a field.

use crate::batch::row_out;
use crate::errors::argument;
use crate::options::Condition;
use crate::process::Owned;
use crate::process::detached;
use crate::process::not_pickled;
use crate::values::id_in;
use crate::values::value_in;
use lodedb::Direction;
use lodedb::RecordId;
use lodedb::Scan;
use lodedb::Value;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyTuple;
use std::sync::Mutex;

/// Where a scan begins.
enum After {
    /// At the first record.
    Nothing,
    /// Behind the record with this id.
    Id(RecordId),
    /// Behind the record that had this value, and this id.
    Value(Value, RecordId),
}

impl After {
    fn of(after: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(after) = after else { return Ok(Self::Nothing) };
        let Ok(pair) = after.cast::<PyTuple>() else { return Ok(Self::Id(id_in(after)?)) };
        let (value, id): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
            pair.extract().map_err(|_| argument("after= is an id, or the pair (value, id)"))?;
        match value_in("after", &value)? {
            Value::Array(_) | Value::Map(_) => Err(argument(
                "after=: a list or dict has no place in an order; give the id alone, and its value is looked up",
            )),
            value => Ok(Self::Value(value, id_in(&id)?)),
        }
    }
}

/// What a scan is asked for.
pub(crate) struct ScanOptions {
    condition: Condition,
    order: Option<(String, Direction)>,
    after: After,
    limit: Option<usize>,
}

impl ScanOptions {
    /// The options in the arguments of `Collection.scan`.
    pub(crate) fn of(
        condition: Condition,
        (order_by, descending): (Option<String>, bool),
        after: Option<&Bound<'_, PyAny>>,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let after = After::of(after)?;
        let direction = if descending { Direction::Descending } else { Direction::Ascending };
        let order = order_by.map(|field| (field, direction));
        match (&order, &after) {
            (None, _) if descending => Err(argument(
                "descending= needs order_by=: records without it come in the order of their ids",
            )),
            (None, After::Value(..)) => {
                Err(argument("after=(value, id) needs order_by=; without it, an id is enough"))
            }
            _ => Ok(Self { condition, order, after, limit }),
        }
    }

    /// The scan with these options.
    pub(crate) fn begin(self, mut scan: Scan) -> Scan {
        if let Some(filter) = self.condition.filter {
            scan = scan.filter(filter).allow_unknown_fields(self.condition.allow_unknown_fields);
        }
        if let Some((field, direction)) = self.order {
            scan = scan.order_by(field, direction);
        }
        scan = match self.after {
            After::Nothing => scan,
            After::Id(id) => scan.after(id),
            After::Value(value, id) => scan.after_value(value, id),
        };
        self.limit.into_iter().fold(scan, Scan::limit)
    }
}

/// Records in the order of their ids, or of a field. Made by `Collection.scan`.
#[pyclass(frozen, module = "lodedb", name = "Scan")]
pub(crate) struct PyScan {
    scan: Owned<Mutex<Scan>>,
}

impl PyScan {
    pub(crate) fn new(scan: Scan) -> Self {
        Self { scan: Owned::new(Mutex::new(scan)) }
    }
}

#[pymethods]
impl PyScan {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let scan = self.scan.get()?;
        let next = detached(py, || match scan.lock() {
            Ok(mut scan) => scan.next().transpose(),
            Err(_) => Ok(None),
        })?;
        next.map(|record| row_out(py, &record)).transpose()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("Scan"))
    }
}
