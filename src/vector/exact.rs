//! Exact scores of stored rows against one query.
//!
//! The query stays `f32`, whatever the rows are: half floats, brain floats and bytes are widened element by element, so
//! that nothing of the query is lost. On x86-64 the kernels are our own, because simsimd has no such mixed forms;
//! elsewhere whole `f32` rows and bits go through simsimd, which has kernels for those processors, and the rest through
//! what the compiler makes of plain Rust.

use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::dispatch::Cpu;
use crate::vector::dispatch::Simd;
use crate::vector::dispatch::Work;
use crate::vector::inverse_norm_of;
use crate::vector::kernels::CodeDistance;
use crate::vector::kernels::DifferingBits;
use crate::vector::kernels::float_score;
use crate::vector::kernels::padded_query;
use crate::vector::pack_bits;
use crate::vector::scalar::Scalar;
use simsimd::BinarySimilarity;
use simsimd::SpatialSimilarity;

/// Who computes.
#[derive(Debug, Clone, Copy)]
enum Engine {
    /// The kernels of this crate.
    Own(Cpu),
    /// simsimd where it has the form, else plain Rust.
    Simsimd,
}

/// Scores stored rows against one query; prepared once for it.
#[derive(Debug, Clone)]
pub(crate) struct ExactScorer {
    ty: VectorType,
    engine: Engine,
    /// The query in blocks; empty for bits.
    query: Vec<[f32; 16]>,
    /// The query as bits; empty for the other types.
    bits: Vec<u8>,
    /// For cosine, else 0.
    inverse_norm: f32,
}

impl ExactScorer {
    /// Prepares `query` for rows of the type. A query shorter than the type's dimension counts as padded with zeros; for
    /// [`Dtype::Binary`] a value above zero is a set bit.
    pub(crate) fn new(ty: &VectorType, query: &[f32]) -> Self {
        let engine = match cfg!(target_arch = "x86_64") {
            true => Engine::Own(Cpu::best()),
            false => Engine::Simsimd,
        };
        Self::with_engine(ty, query, engine)
    }

    /// As [`ExactScorer::new`] on a given instruction set, or through simsimd: for the benches.
    #[cfg(feature = "bench-internals")]
    pub(crate) fn on(ty: &VectorType, query: &[f32], cpu: Option<Cpu>) -> Self {
        Self::with_engine(ty, query, cpu.map_or(Engine::Simsimd, Engine::Own))
    }

    fn with_engine(ty: &VectorType, query: &[f32], engine: Engine) -> Self {
        let query = &query[..query.len().min(ty.dim)];
        let binary = ty.dtype == Dtype::Binary;
        Self {
            ty: *ty,
            engine,
            query: if binary { Vec::new() } else { padded_query(query) },
            bits: if binary { query.chunks(8).map(pack_bits).collect() } else { Vec::new() },
            inverse_norm: if ty.metric == Metric::Cosine { inverse_norm_of(query) } else { 0.0 },
        }
    }

    /// The internal score of a row: larger is better. `inverse_norm` is the row's and only used for cosine.
    pub(crate) fn score(&self, row: &[u8], inverse_norm: f32) -> f32 {
        match self.engine {
            Engine::Own(cpu) => cpu.dispatch(ScoreRow { scorer: self, row, inverse_norm }),
            Engine::Simsimd => self.finish(self.score_by_simsimd(row), inverse_norm),
        }
    }

    /// Appends to `out` the score of each of the consecutive `rows`, for which `inverse_norms` are given if the metric is
    /// cosine (a missing one counts as 0).
    pub(crate) fn score_rows(&self, rows: &[u8], inverse_norms: &[f32], out: &mut Vec<f32>) {
        match self.engine {
            Engine::Own(cpu) => cpu.dispatch(ScoreRows { scorer: self, rows, inverse_norms, out }),
            Engine::Simsimd => {
                for (at, row) in rows.chunks_exact(self.ty.row_bytes().max(1)).enumerate() {
                    let inverse_norm = inverse_norms.get(at).copied().unwrap_or_default();
                    out.push(self.finish(self.score_by_simsimd(row), inverse_norm));
                }
            }
        }
    }

    /// Writes to `out` the score of each row, given with its inverse norm (used for cosine only).
    pub(crate) fn score_scattered(&self, rows: &[(&[u8], f32)], out: &mut [f32]) {
        match self.engine {
            Engine::Own(cpu) => cpu.dispatch(ScoreScattered { scorer: self, rows, out }),
            Engine::Simsimd => {
                for ((row, inverse_norm), out) in rows.iter().zip(out) {
                    *out = self.finish(self.score_by_simsimd(row), *inverse_norm);
                }
            }
        }
    }

    /// The raw product, squared distance or bit count, in the caller's instruction set.
    #[inline(always)]
    fn raw<S: Simd>(&self, simd: S, row: &[u8]) -> f32 {
        match self.ty.dtype {
            Dtype::Binary => DifferingBits(simd).one(&self.bits, row) as f32,
            dtype => float_score(simd, dtype, self.ty.metric == Metric::L2, &self.query, row),
        }
    }

    /// The internal score from the raw one.
    #[inline(always)]
    fn finish(&self, raw: f32, inverse_norm: f32) -> f32 {
        match self.ty.metric {
            Metric::Cosine => cosine(raw, self.inverse_norm, inverse_norm),
            Metric::Dot => raw,
            Metric::L2 | Metric::Hamming => -raw,
        }
    }

    /// As `raw`, through simsimd where the row can be lent to it as it is.
    fn score_by_simsimd(&self, row: &[u8]) -> f32 {
        let query = self.query.as_flattened();
        let found = match self.ty.dtype {
            Dtype::Binary => u8::hamming(&self.bits, row),
            Dtype::F32 => bytemuck::try_cast_slice::<u8, f32>(row).ok().and_then(|row| {
                let query = query.get(..row.len())?;
                match self.ty.metric == Metric::L2 {
                    true => f32::l2sq(query, row),
                    false => f32::dot(query, row),
                }
            }),
            _ => None,
        };
        match found {
            Some(raw) => raw as f32,
            None => self.raw(Scalar, row),
        }
    }
}

/// The cosine from a product and two inverse norms. Multiplied in an order that neither overflows nor underflows while
/// the result is of use, and kept within -1 and 1.
#[inline(always)]
fn cosine(product: f32, query_inverse: f32, row_inverse: f32) -> f32 {
    (f64::from(product) * f64::from(query_inverse) * f64::from(row_inverse)).clamp(-1.0, 1.0) as f32
}

/// [`ExactScorer::score`], to be compiled for each instruction set.
struct ScoreRow<'a> {
    scorer: &'a ExactScorer,
    row: &'a [u8],
    inverse_norm: f32,
}

impl Work for ScoreRow<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        self.scorer.finish(self.scorer.raw(simd, self.row), self.inverse_norm)
    }
}

/// [`ExactScorer::score_scattered`], to be compiled for each instruction set.
struct ScoreScattered<'a> {
    scorer: &'a ExactScorer,
    rows: &'a [(&'a [u8], f32)],
    out: &'a mut [f32],
}

impl Work for ScoreScattered<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for ((row, inverse_norm), out) in self.rows.iter().zip(self.out) {
            *out = self.scorer.finish(self.scorer.raw(simd, row), *inverse_norm);
        }
    }
}

/// [`ExactScorer::score_rows`], to be compiled for each instruction set.
struct ScoreRows<'a> {
    scorer: &'a ExactScorer,
    rows: &'a [u8],
    inverse_norms: &'a [f32],
    out: &'a mut Vec<f32>,
}

impl Work for ScoreRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.rows.chunks_exact(self.scorer.ty.row_bytes().max(1));
        self.out.reserve(rows.len());
        for (at, row) in rows.enumerate() {
            let inverse_norm = self.inverse_norms.get(at).copied().unwrap_or_default();
            self.out.push(self.scorer.finish(self.scorer.raw(simd, row), inverse_norm));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::tests::vector_type;
    use proptest::prelude::*;

    /// Every combination that is allowed.
    fn types(dim: usize) -> Vec<VectorType> {
        let all = Dtype::ALL
            .into_iter()
            .flat_map(|dtype| Metric::ALL.map(|metric| vector_type(dim, dtype, metric)));
        all.filter(|ty| ty.validate().is_ok()).collect()
    }

    /// What the score is by definition, in `f64`.
    fn by_definition(ty: &VectorType, query: &[f32], row: &[u8]) -> f64 {
        let mut values = vec![0.0; ty.dim];
        ty.decode(row, &mut values);
        let pairs: Vec<(f64, f64)> =
            query.iter().zip(&values).map(|(a, b)| (f64::from(*a), f64::from(*b))).collect();
        let sum = |term: fn(&(f64, f64)) -> f64| pairs.iter().map(term).sum::<f64>();
        match ty.metric {
            Metric::Cosine => {
                let length = (sum(|(a, _)| a * a) * sum(|(_, b)| b * b)).sqrt();
                if length == 0.0 { 0.0 } else { sum(|(a, b)| a * b) / length }
            }
            Metric::Dot => sum(|(a, b)| a * b),
            Metric::L2 => -sum(|(a, b)| (a - b) * (a - b)),
            Metric::Hamming => -(pairs.iter().filter(|(a, b)| (*a > 0.0) != (*b > 0.0)).count() as f64),
        }
    }

    fn engines() -> Vec<Engine> {
        Cpu::available().into_iter().map(Engine::Own).chain([Engine::Simsimd]).collect()
    }

    fn check_all(dim: usize, query: &[f32], values: &[f32]) {
        for ty in types(dim) {
            let mut row = Vec::new();
            ty.encode(values, &mut row).unwrap();
            let inverse_norm = ty.inverse_norm(&row);
            let expected = by_definition(&ty, query, &row);
            let lengths: f64 = query.iter().chain(values).map(|value| f64::from(*value).powi(2)).sum();
            let tolerance = 1e-5 * if ty.metric == Metric::Cosine { 1.0 } else { lengths.max(1e-3) };
            for engine in engines() {
                let scorer = ExactScorer::with_engine(&ty, query, engine);
                let found = f64::from(scorer.score(&row, inverse_norm));
                assert!((found - expected).abs() <= tolerance, "{ty:?} {engine:?}: {found} for {expected}");
                let mut scores = Vec::new();
                scorer.score_rows(&[&row[..], &row[..]].concat(), &[inverse_norm; 2], &mut scores);
                assert_eq!(scores, [scorer.score(&row, inverse_norm); 2]);
                let mut scores = [0.0; 2];
                scorer.score_scattered(&[(&row[..], inverse_norm); 2], &mut scores);
                assert_eq!(scores, [scorer.score(&row, inverse_norm); 2]);
            }
        }
    }

    #[test]
    fn every_instruction_set_scores_every_length_as_defined() {
        for dim in (1..=150).chain([384, 768, 1000, 16384]) {
            let query: Vec<f32> = (0..dim).map(|at| ((at * 37 % 101) as f32 - 50.0) / 3.0).collect();
            let values: Vec<f32> = (0..dim).map(|at| (at * 53 % 97) as f32 - 48.0).collect();
            check_all(dim, &query, &values);
        }
    }

    /// A product or squared distance by simsimd, which wants both sides of one type.
    fn by_simsimd(ty: &VectorType, query: &[u8], row: &[u8]) -> Option<f64> {
        fn halves<T>(bytes: &[u8], convert: impl Fn(f32) -> T, value: impl Fn(u16) -> f32) -> Vec<T> {
            bytes.as_chunks::<2>().0.iter().map(|bytes| convert(value(u16::from_le_bytes(*bytes)))).collect()
        }
        fn score<T: SpatialSimilarity>(ty: &VectorType, query: &[T], row: &[T]) -> Option<f64> {
            match ty.metric {
                Metric::Dot => T::dot(query, row),
                Metric::L2 => T::l2sq(query, row).map(|squared| -squared),
                _ => None,
            }
        }
        match ty.dtype {
            Dtype::F32 => {
                let floats = |bytes: &[u8]| -> Vec<f32> {
                    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
                };
                score(ty, &floats(query), &floats(row))
            }
            Dtype::F16 => {
                let convert = |bytes| halves(bytes, simsimd::f16::from_f32, crate::vector::f16_to_f32);
                score(ty, &convert(query), &convert(row))
            }
            Dtype::Bf16 => {
                let convert = |bytes| halves(bytes, simsimd::bf16::from_f32, crate::vector::bf16_to_f32);
                score(ty, &convert(query), &convert(row))
            }
            Dtype::I8 => score::<i8>(ty, bytemuck::cast_slice(query), bytemuck::cast_slice(row)),
            Dtype::Binary => u8::hamming(query, row).map(|bits| -bits),
        }
    }

    #[test]
    fn simsimd_agrees_where_the_query_has_the_type_of_the_rows() {
        for dim in [8, 16, 24, 96, 384, 1000] {
            for ty in types(dim).into_iter().filter(|ty| ty.metric != Metric::Cosine) {
                // Small whole numbers, which every type holds and whose sums are exact.
                let (mut query, mut row) = (Vec::new(), Vec::new());
                let query_values: Vec<f32> = (0..dim).map(|at| (at * 7 % 15) as f32 - 7.0).collect();
                let values: Vec<f32> = (0..dim).map(|at| (at * 5 % 13) as f32 - 6.0).collect();
                ty.encode(&query_values, &mut query).unwrap();
                ty.encode(&values, &mut row).unwrap();
                let expected = by_simsimd(&ty, &query, &row).unwrap();
                for engine in engines() {
                    let found =
                        f64::from(ExactScorer::with_engine(&ty, &query_values, engine).score(&row, 0.0));
                    assert!(
                        (found - expected).abs() <= 1e-3 * expected.abs(),
                        "{ty:?} {engine:?}: {found} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_zero_vector_and_bytes_of_any_length_give_some_number() {
        for ty in types(72) {
            for engine in engines() {
                let scorer = ExactScorer::with_engine(&ty, &[0.0; 72], engine);
                assert_eq!(scorer.score(&vec![0; ty.row_bytes()], 0.0), 0.0);
                for len in 0..300 {
                    scorer.score(&vec![0xff; len], 1.0);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_query_and_row_score_as_defined(
            pairs in prop::collection::vec((-100.0f32..100.0, -100.0f32..100.0), 1..300),
        ) {
            let (query, values): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            check_all(query.len(), &query, &values);
        }
    }
}
