//! What codes say for certain: how near a code has to be for its row to have a score that is wanted.
//!
//! A code stands for a vector of its own, `x'`, and so does the query's, `q'`; the distance between these two is known
//! exactly. With `|x - x'|` kept for each row, and `|q - q'|` known when the query is prepared, the triangle inequality says
//! `|q - x| >= |q' - x'| - |q - q'| - |x - x'|`, and for products, by Cauchy and Schwarz,
//! `qx <= q'x' + |q| |x - x'| + |q - q'| |x'|`. So rows that no code leads to are known not to be among the best, and what is left
//! is scored exactly: the answer is the one that scoring all rows gives, for a quarter of the bytes read.
//!
//! Exact scores are rounded, so the bounds leave room for what rounding may add.

use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::quant::is_normalised;
use crate::quant::range::Sample;
use crate::quant::sq7::Sq7;
use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::inverse_norm_of;
use crate::vector::kernels::NO_PRODUCT;

/// Codes are made where a row has at least so many times their bytes.
const WORTHWHILE: usize = 2;
/// What rounding adds to a number that is rounded a few times, as a part of it.
const ROUNDING: f64 = 1e-6;

/// How a code fits its row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fit {
    /// At least the distance from the row (of length 1 where it is compared by cosine) to what the code stands for.
    pub(crate) residual: f32,
    /// At least the length of what the code stands for.
    pub(crate) length: f32,
}

impl Quantizer {
    /// The quantizer for codes that rows are picked by which no graph leads to, fitted to a sample; `None` where rows are
    /// so small that codes save nothing.
    pub(crate) fn for_picking(ty: &VectorType, sample: &[&[u8]]) -> Option<Self> {
        if ty.dtype == Dtype::Binary {
            return None;
        }
        let quantizer = Self::Sq7(Sq7::for_picking(&Sample::new(ty, sample)));
        let is_worthwhile = quantizer.code_bytes() * WORTHWHILE <= ty.row_bytes();
        (is_worthwhile && quantizer.can_pick()).then_some(quantizer)
    }

    /// Whether rows can be picked by its codes.
    pub(crate) fn can_pick(&self) -> bool {
        matches!(self, Self::Sq7(sq7) if sq7.is_plain())
    }

    /// How `code` fits `row`; nothing is certain (infinite numbers) for codes that rows can't be picked by.
    pub(crate) fn fit(&self, row: &[u8], inverse_norm: f32, code: &[u8]) -> Fit {
        let Self::Sq7(sq7) = self else { return Fit { residual: f32::INFINITY, length: f32::INFINITY } };
        let (residual, length) = sq7.fit(row, inverse_norm, code);
        Fit { residual: upper(residual), length: upper(length) }
    }
}

/// A number above `value`.
fn upper(value: f64) -> f32 {
    match value.is_finite() {
        true => (value * (1.0 + ROUNDING)) as f32,
        false => f32::INFINITY,
    }
}

/// The largest distances of codes that rows of a wanted score can have.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    metric: Metric,
    /// Length of the query, and its distance to what its code stands for.
    query: f64,
    residual: f64,
    /// What exact scores are rounded by, as a part of them.
    rounding: f64,
    /// Difference of elements one level apart.
    step: f64,
    /// See [`QueryCode`].
    start: f64,
    unit: f64,
    /// At least the length of whatever a code stands for.
    longest: f64,
}

impl Bounds {
    /// The bounds for a query, its code, and codes of a quantizer that stand for vectors of at most the length `longest`; `None`
    /// where the codes tell nothing for certain.
    pub(crate) fn new(
        ty: &VectorType,
        quantizer: &Quantizer,
        (query, code): (&[f32], &QueryCode),
        longest: f32,
    ) -> Option<Self> {
        let Quantizer::Sq7(sq7) = quantizer else { return None };
        let (low, step) = sq7.levels();
        let (start, unit) = (f64::from(code.start), f64::from(code.unit));
        let scale = if is_normalised(ty.metric) { f64::from(inverse_norm_of(query)) } else { 1.0 };
        let (mut square, mut residual) = (0.0, 0.0);
        for (value, byte) in query.iter().zip(code.bytes()) {
            let value = f64::from(*value) * scale;
            let coded = match ty.metric {
                Metric::Dot => f64::from(byte.cast_signed()) * unit / step,
                _ => low + step * f64::from(*byte),
            };
            square += value * value;
            residual += (value - coded) * (value - coded);
        }
        let rounding = (ty.dim + 64) as f64 * f64::from(f32::EPSILON);
        let (query, residual) = (square.sqrt(), residual.sqrt());
        let longest = f64::from(longest);
        let metric = ty.metric;
        Some(Self { metric, query, residual, rounding, step, start, unit, longest })
    }

    /// No row that is at most `residual` from what its code stands for, and whose exact score is at least `score`, has a larger
    /// distance by code.
    pub(crate) fn farthest(&self, score: f32, residual: f32) -> u32 {
        let (score, residual) = (f64::from(score), f64::from(residual));
        let farthest = match self.metric {
            Metric::Dot => f64::from(NO_PRODUCT) - self.least_product(score, residual),
            Metric::Cosine => self.squared_steps(2.0 - 2.0 * score + 2.0 * self.rounding, residual),
            Metric::L2 | Metric::Hamming => {
                let tiny = f64::from(f32::MIN_POSITIVE) * self.rounding / f64::from(f32::EPSILON);
                self.squared_steps(-score * (1.0 + self.rounding) + tiny, residual)
            }
        };
        if farthest.is_nan() { u32::MAX } else { farthest.ceil() as u32 }
    }

    /// The squared distance in codes that vectors of a squared distance can have.
    fn squared_steps(&self, squared: f64, residual: f64) -> f64 {
        // Rows are of length 1, but for rounding, where that is what is compared.
        let rounded = if is_normalised(self.metric) { ROUNDING } else { 0.0 };
        let distance = squared.max(0.0).sqrt() + self.residual + residual + rounded;
        (distance / self.step).powi(2) * (1.0 + ROUNDING) + 1.0
    }

    /// The product in codes that a row of a product has at least.
    fn least_product(&self, score: f64, residual: f64) -> f64 {
        let rounding = self.rounding + 4.0 * ROUNDING;
        let uncertain = self.query * residual + self.residual * self.longest;
        let rounded = (self.query + self.residual) * (self.longest + residual) + self.start.abs();
        (score - uncertain - rounded * rounding - self.start) / self.unit - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Codes;
    use crate::quant::Distances;
    use crate::quant::tests::random_values;
    use crate::vector::ExactScorer;
    use crate::vector::tests::vector_type;

    /// Distances by code and bounds of all rows to a query: nothing whose score is reached may lie behind its bound.
    fn check(ty: &VectorType, rows: &[Vec<u8>], query: &[f32]) {
        let sample: Vec<&[u8]> = rows.iter().step_by(2).map(Vec::as_slice).collect();
        let quantizer = Quantizer::Sq7(Sq7::for_picking(&Sample::new(ty, &sample)));
        assert!(quantizer.can_pick());
        let bytes = quantizer.code_bytes();
        let mut codes = vec![0; bytes * rows.len()];
        let mut fits = Vec::new();
        for (row, code) in rows.iter().zip(codes.chunks_exact_mut(bytes)) {
            quantizer.encode(row, ty.inverse_norm(row), code);
            fits.push(quantizer.fit(row, ty.inverse_norm(row), code));
        }
        let longest = fits.iter().map(|fit| fit.length).fold(0.0, f32::max);
        let code = QueryCode::new(ty, &quantizer, query);
        let bounds = Bounds::new(ty, &quantizer, (query, &code), longest).unwrap();
        let mut distances = Distances::default();
        Codes::new(&quantizer, &codes, rows.len()).unwrap().chunk_distances(&code, 0, &mut distances);
        let scorer = ExactScorer::new(ty, query);
        for ((row, fit), distance) in rows.iter().zip(&fits).zip(distances.all()) {
            let score = scorer.score(row, ty.inverse_norm(row));
            let farthest = bounds.farthest(score, fit.residual);
            assert!(*distance <= farthest, "{ty:?}: {distance} beyond {farthest} for {score}, {fit:?}");
        }
    }

    fn types(dim: usize) -> Vec<VectorType> {
        let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
        let dtypes = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::I8];
        metrics.iter().flat_map(|metric| dtypes.map(|dtype| vector_type(dim, dtype, *metric))).collect()
    }

    fn encoded(ty: &VectorType, values: &[f32]) -> Vec<Vec<u8>> {
        let rows = values.chunks_exact(ty.dim).map(|values| {
            let mut row = Vec::new();
            ty.encode(values, &mut row).unwrap();
            row
        });
        rows.collect()
    }

    #[test]
    fn no_row_of_a_score_lies_behind_its_bound() {
        for (seed, dim) in (0..).zip([17, 33, 64, 100, 384]) {
            for ty in types(dim) {
                for (scale, shift) in [(1.0, 0.0), (50.0, 20.0), (1e-3, 0.0), (1.0, 100.0)] {
                    if ty.dtype == Dtype::I8 && scale + shift > 70.0 {
                        continue;
                    }
                    let mut values = random_values(seed, 300 * dim);
                    values.iter_mut().for_each(|value| *value = *value * scale + shift);
                    let rows = encoded(&ty, &values);
                    check(&ty, &rows, &values[..dim]);
                    check(&ty, &rows, &random_values(seed + 100, dim));
                    // Far outside of what the codes can say.
                    let away: Vec<f32> = values[..dim].iter().map(|value| value * 30.0 + scale).collect();
                    check(&ty, &rows, &away);
                    check(&ty, &rows, &vec![0.0; dim]);
                }
            }
        }
    }

    #[test]
    fn rows_far_longer_than_the_others_lie_within_their_bounds() {
        for ty in types(64).into_iter().filter(|ty| ty.dtype != Dtype::I8) {
            let mut values = random_values(7, 300 * 64);
            values[640..704].iter_mut().for_each(|value| *value *= 1e4);
            values[704..768].fill(0.0);
            let rows = encoded(&ty, &values);
            check(&ty, &rows, &values[..64]);
            check(&ty, &rows, &values[640..704]);
        }
    }

    #[test]
    fn bounds_of_like_rows_are_tight_enough_to_leave_most_out() {
        let ty = vector_type(128, Dtype::F32, Metric::L2);
        let values = random_values(3, 1000 * 128);
        let rows = encoded(&ty, &values);
        let sample: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let quantizer = Quantizer::for_picking(&ty, &sample).unwrap();
        let mut code = vec![0; quantizer.code_bytes()];
        let (mut residual, mut length) = (0.0f32, 0.0f32);
        for row in &rows {
            quantizer.encode(row, 0.0, &mut code);
            let fit = quantizer.fit(row, 0.0, &code);
            (residual, length) = (residual.max(fit.residual), length.max(fit.length));
        }
        let query = QueryCode::new(&ty, &quantizer, &values[..128]);
        let bounds = Bounds::new(&ty, &quantizer, (&values[..128], &query), length).unwrap();
        // Twice the spread of a step, for query and row.
        let distance = 4.0f32;
        let far = query.distance(-(distance * 1.1).powi(2));
        assert!(bounds.farthest(-distance * distance, residual) < far);
    }

    #[test]
    fn what_is_unknown_bounds_nothing() {
        for (dim, dtype) in [(8, Dtype::F32), (24, Dtype::F32), (384, Dtype::I8), (64, Dtype::Binary)] {
            let metric = if dtype == Dtype::Binary { Metric::Hamming } else { Metric::L2 };
            let ty = vector_type(dim, dtype, metric);
            let rows = encoded(&ty, &random_values(1, 10 * dim));
            let sample: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
            assert_eq!(Quantizer::for_picking(&ty, &sample), None);
        }
        let ty = vector_type(24, Dtype::F32, Metric::L2);
        let rows = encoded(&ty, &random_values(1, 240));
        let sample: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let quantizer = Quantizer::Sq7(Sq7::for_picking(&Sample::new(&ty, &sample)));
        let query = QueryCode::new(&ty, &quantizer, &[0.0; 24]);
        let bounds = Bounds::new(&ty, &quantizer, (&[0.0; 24], &query), 1.0).unwrap();
        for (score, residual) in [(f32::NEG_INFINITY, 0.0), (-1.0, f32::INFINITY), (-1.0, f32::NAN)] {
            assert_eq!(bounds.farthest(score, residual), u32::MAX);
        }
    }
}
