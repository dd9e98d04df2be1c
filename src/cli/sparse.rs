//! Sparse vectors in files: a map from terms to weights, as in `{"17": 0.5, "4711": 1.2}`.

use super::args_records::Import;
use crate::Fields;
use crate::Schema;
use crate::SparseVector;
use crate::Value;
use std::collections::BTreeMap;

/// The names of the sparse vectors that rows have.
pub(super) fn names(asked: &Import, existing: Option<&Schema>) -> Vec<String> {
    let known = existing.map(Schema::sparse_vectors).unwrap_or_default();
    let mut names: Vec<String> = known.iter().chain(&asked.sparse).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Takes the sparse vector `name` out of the fields of a row.
pub(super) fn take(fields: &mut Fields, name: &str) -> Result<SparseVector, String> {
    match fields.remove(name) {
        Some(Value::Map(map)) => map.iter().map(|(term, weight)| entry(name, term, weight)).collect(),
        Some(other) => Err(format!(
            "sparse vector '{name}' is of the kind {}, and a map from terms to weights is right",
            other.kind()
        )),
        None => Err(format!("it has no sparse vector '{name}'")),
    }
}

fn entry(name: &str, term: &str, weight: &Value) -> Result<(u32, f32), String> {
    let number = term.parse().map_err(|_| {
        format!("sparse vector '{name}': the term '{term}' is not a whole number up to {}", u32::MAX)
    })?;
    let weight = weight.as_f64().or(weight.as_i64().map(|weight| weight as f64)).ok_or_else(|| {
        format!("sparse vector '{name}': the weight of term {term} is not a number, but {}", weight.kind())
    })?;
    Ok((number, weight as f32))
}

/// A sparse vector as it is written.
pub(super) fn as_map(vector: &SparseVector) -> BTreeMap<u32, f32> {
    vector.entries().iter().copied().collect()
}
