//! The extension module `lodedb._lodedb`: the crate `lodedb` for Python. Conversion only, no logic of its own.
//!
//! ```text
//! database collection transaction         classes as Python sees them
//! hits  scan  explain                     what reading gives
//! search  text  fusion  rerank  options   what a search is asked for
//! query                                   searches in batches
//! batch  arrow  vectors  sparse  values  embed    records, tables, arrays, field values in and out
//! filter                                  conditions: dicts, strings and expressions in
//! process  turn  errors                   where work runs detached, who may write, exceptions
//! stats  slow                             counts, and who is told of slow searches
//! command                                 the command `lode`
//! ```

mod arrow;
mod batch;
mod collection;
mod command;
mod database;
mod embed;
mod errors;
mod explain;
mod filter;
mod fusion;
mod hits;
mod options;
mod process;
mod query;
mod rerank;
mod scan;
mod search;
mod slow;
mod sparse;
mod stats;
mod text;
mod transaction;
mod turn;
mod values;
mod vectors;

use pyo3::prelude::*;

/// Made of Rust; `import lodedb` instead.
#[pymodule(gil_used = false)]
fn _lodedb(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(database::open, module)?)?;
    module.add_class::<database::PyDatabase>()?;
    module.add_class::<collection::PyCollection>()?;
    module.add_class::<hits::PyHits>()?;
    module.add_class::<hits::PyHit>()?;
    module.add_class::<explain::PyExplain>()?;
    module.add_class::<scan::PyScan>()?;
    module.add_class::<fusion::PyFusion>()?;
    module.add_function(wrap_pyfunction!(fusion::rrf, module)?)?;
    module.add_function(wrap_pyfunction!(fusion::weighted, module)?)?;
    module.add_function(wrap_pyfunction!(fusion::distribution, module)?)?;
    module.add_class::<transaction::PyTransaction>()?;
    module.add_class::<transaction::PyTransactionCollection>()?;
    // Not by `add_function`, which would export it.
    module.setattr("_command", wrap_pyfunction!(command::command, module)?)?;
    Ok(())
}
