//! `fusion=`: how the rankings of a search's parts become one.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::values::type_name;
use lodedb::Fusion;
use lodedb::Weights;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyString;

/// How the rankings of the parts of a search become one. Made by `lodedb.rrf`, `weighted` and `distribution`.
#[pyclass(frozen, module = "lodedb", name = "Fusion")]
pub(crate) struct PyFusion {
    fusion: Fusion,
}

#[pymethods]
impl PyFusion {
    fn __repr__(&self) -> String {
        let call = |name, weights: &Weights| {
            let weights: Vec<String> =
                weights.iter().map(|(part, weight)| format!("{part}={weight}")).collect();
            format!("lodedb.{name}({})", weights.join(", "))
        };
        match &self.fusion {
            Fusion::ReciprocalRank { k } => format!("lodedb.rrf(k={k})"),
            Fusion::Weighted(weights) => call("weighted", weights),
            Fusion::Distribution(weights) => call("distribution", weights),
            _ => "lodedb.Fusion".to_owned(),
        }
    }
}

/// Reciprocal rank fusion: a record gets `1 / (k + rank)` from each part that finds it. `fusion="rrf"` is `rrf(k=60)`.
///
/// >>> lodedb.rrf(k=10)
/// lodedb.rrf(k=10)
#[pyfunction]
#[pyo3(signature = (k=60.0), text_signature = "(k=60.0)")]
pub(crate) fn rrf(k: f32) -> PyFusion {
    PyFusion { fusion: Fusion::ReciprocalRank { k } }
}

/// Scores of each part, from its worst candidate to its best mapped to 0 to 1, added up with these weights.
///
/// Parts are called `vector` and `text`; where a search has several vectors, by their names, as sparse ones always are. Those
/// that are not named count 1.
///
/// >>> lodedb.weighted(vector=0.7, text=0.3)
/// lodedb.weighted(vector=0.7, text=0.3)
#[pyfunction]
#[pyo3(signature = (**weights))]
pub(crate) fn weighted(weights: Option<&Bound<'_, PyDict>>) -> PyResult<PyFusion> {
    Ok(PyFusion { fusion: Fusion::Weighted(weights_in(weights)?) })
}

/// As `weighted`, but scores are mapped to 0 to 1 from three standard deviations below their mean to three above.
///
/// >>> lodedb.distribution(text=2)
/// lodedb.distribution(text=2)
#[pyfunction]
#[pyo3(signature = (**weights))]
pub(crate) fn distribution(weights: Option<&Bound<'_, PyDict>>) -> PyResult<PyFusion> {
    Ok(PyFusion { fusion: Fusion::Distribution(weights_in(weights)?) })
}

fn weights_in(weights: Option<&Bound<'_, PyDict>>) -> PyResult<Weights> {
    let Some(weights) = weights else { return Ok(Weights::new()) };
    weights.iter().map(|(part, weight)| Ok((part.extract()?, weight.extract()?))).collect()
}

/// The fusion in the argument `fusion`.
pub(crate) fn fusion_in(object: &Bound<'_, PyAny>) -> PyResult<Fusion> {
    if let Ok(made) = object.cast::<PyFusion>() {
        return Ok(made.get().fusion.clone());
    }
    let Ok(name) = object.cast::<PyString>() else {
        let found = type_name(object);
        return Err(wrong_type(format!(
            "fusion= is 'rrf', lodedb.weighted(vector=0.7, text=0.3) or the like, not {found}"
        )));
    };
    match name.to_str()? {
        "rrf" => Ok(Fusion::default()),
        "weighted" => Ok(Fusion::Weighted(Weights::new())),
        "distribution" => Ok(Fusion::Distribution(Weights::new())),
        other => Err(argument(format!(
            "option 'fusion': '{other}' is not one of 'rrf', 'weighted', 'distribution'"
        ))),
    }
}
