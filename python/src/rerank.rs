//! `rerank=`: a function of the caller's that orders the best hits anew.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::hits::PyHits;
use crate::query::MOST_HITS;
use crate::values::listed;
use crate::values::type_name;
use lodedb::Hit;
use pyo3::prelude::*;
use std::cmp::Ordering;

/// Hits that are ordered anew where a search does not say how many: so many times the hits wanted ...
const DEPTH_FACTOR: usize = 4;
/// ... and at least so many.
const DEPTH_LEAST: usize = 100;

/// The function, and how many hits it is given.
pub(crate) struct Rerank<'a, 'py> {
    function: &'a Bound<'py, PyAny>,
    /// Hits wanted, and hits that are found for the function; `None` for all.
    limits: Option<(usize, usize)>,
}

impl<'a, 'py> Rerank<'a, 'py> {
    /// What the arguments `rerank` and `rerank_depth` say of a search for `k` hits.
    pub(crate) fn of(
        function: Option<&'a Bound<'py, PyAny>>,
        depth: Option<usize>,
        k: Option<usize>,
    ) -> PyResult<Option<Self>> {
        let Some(function) = function else {
            return match depth {
                Some(_) => Err(argument("rerank_depth= is the number of hits for rerank=: give that too")),
                None => Ok(None),
            };
        };
        if !function.is_callable() {
            let found = type_name(function);
            return Err(wrong_type(format!("rerank is a function from hits to scores, not {found}")));
        }
        let limits = match (k, depth) {
            (None, Some(_)) => {
                return Err(argument("rerank_depth= is for k=; with k=None, all hits are scored"));
            }
            (None, None) => None,
            (Some(k), Some(depth)) if depth < k => {
                return Err(argument(format!(
                    "option 'rerank_depth': {depth}, and at least k, {k}, is right"
                )));
            }
            (Some(k), Some(depth)) => Some((k, depth)),
            (Some(k), None) => Some((k, k.saturating_mul(DEPTH_FACTOR).clamp(DEPTH_LEAST, MOST_HITS).max(k))),
        };
        Ok(Some(Self { function, limits }))
    }

    /// Number of hits that the function is given; `None` for all.
    pub(crate) fn depth(&self) -> Option<usize> {
        self.limits.map(|(_, depth)| depth)
    }

    /// The hits in the order of the function's scores, the first of them.
    pub(crate) fn apply(&self, hits: Vec<Hit>) -> PyResult<PyHits> {
        if hits.is_empty() {
            return Ok(PyHits::new(hits));
        }
        let scores = self.scores(PyHits::new(hits.clone()).into_pyobject(self.function.py())?, hits.len())?;
        let mut ranked: Vec<(Hit, f64)> = hits.into_iter().zip(scores).collect();
        // Stable: hits with equal scores stay in their order.
        ranked.sort_by(|(_, one), (_, other)| other.partial_cmp(one).unwrap_or(Ordering::Equal));
        ranked.truncate(self.limits.map_or(usize::MAX, |(k, _)| k));
        Ok(PyHits::reranked(ranked))
    }

    fn scores(&self, hits: Bound<'py, PyHits>, wanted: usize) -> PyResult<Vec<f64>> {
        let given = self.function.call1((hits,))?;
        let scores: Vec<f64> = listed(&given)?.extract().map_err(|_| {
            wrong_type(format!("rerank gave {}; a number for each hit is needed", type_name(&given)))
        })?;
        if scores.len() != wanted {
            return Err(argument(format!("rerank gave {} scores for {wanted} hits", scores.len())));
        }
        match scores.iter().any(|score| score.is_nan()) {
            true => Err(argument("rerank gave a NaN among its scores")),
            false => Ok(scores),
        }
    }
}
