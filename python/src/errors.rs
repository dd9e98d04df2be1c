//! The crate's errors as Python's: the classes of `lodedb._errors`, `OSError` for the operating system's.

use lodedb::Error;
use pyo3::exceptions::PyOSError;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The exception for `error`.
pub(crate) fn to_py(error: Error) -> PyErr {
    let class = match &error {
        Error::Io { source, .. } => return os_error(&error, source.raw_os_error(), source.kind()),
        Error::Corrupt(_) => "CorruptError",
        Error::Locked { .. } => "LockedError",
        Error::ReadOnly => "ReadOnlyError",
        Error::Closed => "ClosedError",
        Error::Poisoned { .. } => "PoisonedError",
        Error::CollectionNotFound { .. } | Error::RecordNotFound { .. } => "NotFoundError",
        Error::RecordExists { .. } => "AlreadyExistsError",
        Error::Schema { .. } => "SchemaError",
        Error::DimensionMismatch { .. } => "DimensionError",
        Error::Filter { .. } => "FilterError",
        Error::InvalidVector { .. } | Error::InvalidRecord { .. } | Error::InvalidOption { .. } => {
            "ArgumentError"
        }
        Error::InvalidDateTime { .. } => "ArgumentError",
        Error::TooLarge { .. } => "LimitError",
        _ => "LodeError",
    };
    named(class, error.to_string())
}

/// The exception of `lodedb` called `class`.
pub(crate) fn named(class: &str, message: impl Into<String>) -> PyErr {
    let message = message.into();
    Python::attach(|py| match class_of(py, class) {
        Ok(class) => PyErr::from_type(class, (message,)),
        Err(error) => error,
    })
}

/// An argument with a value that makes no sense.
pub(crate) fn argument(message: impl Into<String>) -> PyErr {
    named("ArgumentError", message)
}

/// An argument of a type that can't be taken.
pub(crate) fn wrong_type(message: impl Into<String>) -> PyErr {
    PyTypeError::new_err(message.into())
}

fn class_of<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    let module = py.import(intern!(py, "lodedb._errors"))?;
    Ok(module.getattr(name)?.cast_into::<PyType>()?)
}

/// `OSError` with the system's number, from which Python picks `FileNotFoundError` and the like.
fn os_error(error: &Error, code: Option<i32>, kind: std::io::ErrorKind) -> PyErr {
    /// `EEXIST`, for refusals of our own to write over a file.
    const EXISTS: i32 = 17;
    let code = code.or((kind == std::io::ErrorKind::AlreadyExists).then_some(EXISTS));
    match code {
        Some(code) => PyOSError::new_err((code, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}
