//! The command `lode`, as the crate has it.

use pyo3::prelude::*;
use std::ffi::OsString;

/// Runs the command `lode` on the process's own streams and gives its exit code. `arguments` begin with the name of the program.
#[pyfunction]
#[pyo3(name = "_command")]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| lodedb::cli::main(arguments))
}
