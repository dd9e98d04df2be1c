//! Hits that differ: maximal marginal relevance (Carbonell and Goldstein 1998).

use super::execute::Execution;
use super::top::Found;
use crate::error::Result;
use crate::segment::Vector;
use crate::vector::VectorType;

/// The `k` of the candidates, the best first, that are good and unlike each other: `diversity` is how much the likeness to
/// those taken before counts, 0 for nothing and 1 for everything. Scores count by their place between the worst and the best.
pub(super) fn diverse(
    execution: &Execution<'_>,
    (vector, ty): (usize, &VectorType),
    candidates: &[Found],
    k: usize,
    diversity: f32,
) -> Result<Vec<usize>> {
    let rows = candidates.iter().map(|found| {
        let part = execution.segments[found.segment as usize].vector(vector)?;
        Ok(normalized(Vector::from_row(ty, part.rows.row(found.slot)?.0).to_f32()))
    });
    let rows: Vec<Vec<f32>> = rows.collect::<Result<_>>()?;
    let (best, worst) = match (candidates.first(), candidates.last()) {
        (Some(best), Some(worst)) => (best.score, worst.score),
        _ => return Ok(Vec::new()),
    };
    let relevance = |found: &Found| if best > worst { (found.score - worst) / (best - worst) } else { 1.0 };
    let mut likeness = vec![0.0f32; candidates.len()];
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    let mut taken = Vec::with_capacity(k.min(candidates.len()));
    while taken.len() < k && !left.is_empty() {
        let value = |at: usize| (1.0 - diversity) * relevance(&candidates[at]) - diversity * likeness[at];
        let mut place = 0;
        for (other, at) in left.iter().enumerate().skip(1) {
            if value(*at) > value(left[place]) {
                place = other;
            }
        }
        let next = left.remove(place);
        taken.push(next);
        for at in &left {
            let cosine: f32 = rows[next].iter().zip(&rows[*at]).map(|(one, other)| one * other).sum();
            likeness[*at] = likeness[*at].max(cosine);
        }
    }
    Ok(taken)
}

fn normalized(mut values: Vec<f32>) -> Vec<f32> {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        values.iter_mut().for_each(|value| *value /= norm);
    }
    values
}
