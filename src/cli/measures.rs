//! Measures of a ranking by graded judgments: nDCG, recall, reciprocal rank.

use super::args_search::Gain;

/// The measures of one ranking, or their means over several.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Measures {
    pub(super) ndcg: f64,
    pub(super) recall: f64,
    pub(super) mrr: f64,
}

impl Measures {
    /// Of a ranking, the best first, of records with these grades (0 for one that was not judged), where `judged` are the
    /// grades of all judged records and at least one is over 0.
    pub(super) fn of(ranking: &[f64], judged: &[f64], k: usize, gain: Gain) -> Self {
        let ranking = &ranking[..ranking.len().min(k)];
        let mut best: Vec<f64> = judged.to_vec();
        best.sort_by(|a, b| b.total_cmp(a));
        best.truncate(k);
        let relevant = judged.iter().filter(|grade| **grade > 0.0).count();
        let found = ranking.iter().filter(|grade| **grade > 0.0).count();
        let first = ranking.iter().position(|grade| *grade > 0.0);
        Self {
            ndcg: discounted(ranking, gain) / discounted(&best, gain),
            recall: found as f64 / relevant as f64,
            mrr: first.map_or(0.0, |at| 1.0 / (at + 1) as f64),
        }
    }

    /// The means.
    pub(super) fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
        Self { ndcg: mean(|one| one.ndcg), recall: mean(|one| one.recall), mrr: mean(|one| one.mrr) }
    }
}

/// Discounted cumulative gain (Jarvelin and Kekalainen, 2002).
fn discounted(grades: &[f64], gain: Gain) -> f64 {
    let worth = |grade: f64| match gain {
        Gain::Linear => grade.max(0.0),
        Gain::Exponential => grade.max(0.0).exp2() - 1.0,
    };
    grades.iter().enumerate().map(|(at, grade)| worth(*grade) / ((at + 2) as f64).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_ranking_has_ones() {
        let measures = Measures::of(&[2.0, 1.0, 0.0], &[1.0, 2.0], 3, Gain::Exponential);
        assert_eq!(measures, Measures { ndcg: 1.0, recall: 1.0, mrr: 1.0 });
    }

    #[test]
    fn measures_are_those_of_the_definition() {
        let measures = Measures::of(&[0.0, 1.0, 3.0], &[3.0, 1.0, 1.0], 3, Gain::Linear);
        let (log3, log4) = (3f64.log2(), 4f64.log2());
        let wanted = (1.0 / log3 + 3.0 / log4) / (3.0 + 1.0 / log3 + 1.0 / log4);
        assert!((measures.ndcg - wanted).abs() < 1e-12);
        assert!((measures.recall - 2.0 / 3.0).abs() < 1e-12 && measures.mrr == 0.5);
        let none = Measures::of(&[0.0, 0.0], &[1.0], 10, Gain::Linear);
        assert_eq!(none, Measures::default());
    }

    #[test]
    fn what_is_behind_the_first_k_does_not_count() {
        assert_eq!(Measures::of(&[0.0, 1.0], &[1.0], 1, Gain::Linear), Measures::default());
        assert_eq!(Measures::mean(&[]), Measures::default());
    }
}
