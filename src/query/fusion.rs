//! [`Fusion`]: one ranking made of several.

use crate::error::Error;
use crate::error::Result;

/// How the rankings of a search with several parts (vectors, words) become one.
///
/// ```
/// use lodedb::{Database, Fusion, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(2).text("body"))?;
/// docs.upsert([
///     Record::new(1).vector([1.0, 0.0]).field("body", "A sluice box washes gold."),
///     Record::new(2).vector([0.9, 0.1]).field("body", "Rivers carry sand."),
/// ])?;
/// let hits = docs.search().vector([0.9, 0.1]).text("sluice box").fusion(Fusion::weighted(0.3, 0.7)).run()?;
/// assert_eq!(hits[0].id().as_u64(), Some(1));
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// Each record gets `1 / (k + rank)` from each ranking that it is in: reciprocal rank fusion (Cormack, Clarke and
    /// Büttcher 2009), for which 60 is the usual `k`. The default.
    ReciprocalRank {
        /// How much less the first places count.
        k: f32,
    },
    /// Scores of each ranking are mapped to 0 to 1, its worst to its best, and added up with these weights.
    Weighted(Weights),
    /// Scores of each ranking are mapped to 0 to 1, three standard deviations below its mean to three above, and added up
    /// with these weights.
    Distribution(Weights),
}

/// How much each part of a search counts: by the names `vector` and `text`, or, where there are several vectors, by theirs; and by
/// the names of sparse vectors.
/// Parts that are not named count 1.
pub type Weights = Vec<(String, f32)>;

impl Default for Fusion {
    fn default() -> Self {
        Self::ReciprocalRank { k: 60.0 }
    }
}

impl Fusion {
    /// [`Fusion::Weighted`] for one vector and words.
    #[must_use]
    pub fn weighted(vector: f32, text: f32) -> Self {
        Self::Weighted(vec![("vector".into(), vector), ("text".into(), text)])
    }

    /// `Ok` where the numbers make sense for parts with these names.
    pub(super) fn check(&self, parts: &[String]) -> Result<()> {
        let wrong = |problem: String| Err(Error::InvalidOption { name: "fusion", problem });
        match self {
            Self::ReciprocalRank { k } if !k.is_finite() || *k < 0.0 => {
                wrong(format!("k is {k}, and 0 or more is right"))
            }
            Self::ReciprocalRank { .. } => Ok(()),
            Self::Weighted(weights) | Self::Distribution(weights) => {
                weights.iter().try_for_each(|(name, weight)| match parts.contains(name) {
                    false => wrong(format!("no part '{name}': there are {}", parts.join(", "))),
                    true if !weight.is_finite() || *weight < 0.0 => {
                        wrong(format!("the weight of '{name}' is {weight}, and 0 or more is right"))
                    }
                    true => Ok(()),
                })
            }
        }
    }

    /// What each entry of the ranking of a part, whose scores these are, the best first, adds to its record.
    pub(super) fn shares(&self, part: &str, scores: &[f32]) -> Vec<f32> {
        let weight = |weights: &Weights| {
            weights.iter().find(|(name, _)| name == part).map_or(1.0, |(_, weight)| *weight)
        };
        match self {
            Self::ReciprocalRank { k } => (1..=scores.len()).map(|rank| 1.0 / (k + rank as f32)).collect(),
            Self::Weighted(weights) => {
                let best = scores.first().copied().unwrap_or(0.0);
                let worst = scores.last().copied().unwrap_or(0.0);
                scale(scores, worst, best, weight(weights))
            }
            Self::Distribution(weights) => {
                let count = scores.len().max(1) as f32;
                let mean = scores.iter().sum::<f32>() / count;
                let deviation =
                    (scores.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / count).sqrt();
                scale(scores, mean - 3.0 * deviation, mean + 3.0 * deviation, weight(weights))
            }
        }
    }
}

/// Scores mapped from `low..=high` to 0 to `weight`; all of them to `weight` where these are one.
fn scale(scores: &[f32], low: f32, high: f32, weight: f32) -> Vec<f32> {
    let share = |score: f32| if high > low { ((score - low) / (high - low)).clamp(0.0, 1.0) } else { 1.0 };
    scores.iter().map(|score| weight * share(*score)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rankings_become_shares() {
        let scores = [4.0, 3.0, 0.0];
        assert_eq!(Fusion::default().shares("text", &scores), [1.0 / 61.0, 1.0 / 62.0, 1.0 / 63.0]);
        assert_eq!(Fusion::weighted(0.5, 2.0).shares("text", &scores), [2.0, 1.5, 0.0]);
        assert_eq!(Fusion::weighted(0.5, 2.0).shares("vector", &[7.0]), [0.5]);
        let spread = Fusion::Distribution(vec![]).shares("text", &scores);
        assert!(spread.is_sorted_by(|a, b| a > b) && spread.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(Fusion::weighted(0.5, 2.0).check(&["vector".into()]).is_err());
        assert!(Fusion::Weighted(vec![("text".into(), f32::NAN)]).check(&["text".into()]).is_err());
    }
}
