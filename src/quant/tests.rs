//! Codes against the exact scores they stand for, on every instruction set.

use super::*;
use crate::vector::ExactScorer;
use crate::vector::dispatch::prefetch;
use crate::vector::tests::vector_type;
use proptest::prelude::*;

/// Numbers from 0 to 1 that look random, the same in every run.
pub(crate) fn random_values(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32
        })
        .collect()
}

/// Rows of a type from floats.
pub(crate) fn encode_rows(ty: &VectorType, values: &[f32]) -> Vec<u8> {
    let mut rows = Vec::new();
    for values in values.chunks_exact(ty.dim) {
        ty.encode(values, &mut rows).unwrap();
    }
    rows
}

/// A quantizer trained on all rows, and their codes.
pub(crate) fn quantize(ty: &VectorType, rows: &[u8]) -> (Quantizer, Vec<u8>) {
    let quantizer = Quantizer::train(ty, rows.chunks_exact(ty.row_bytes()));
    let mut codes = vec![0; rows.len() / ty.row_bytes() * quantizer.code_bytes()];
    for (row, code) in rows.chunks_exact(ty.row_bytes()).zip(codes.chunks_exact_mut(quantizer.code_bytes())) {
        quantizer.encode(row, ty.inverse_norm(row), code);
    }
    (quantizer, codes)
}

/// Reads one distance in two ways.
struct OneAndFour<'a> {
    query: &'a [u8],
    code: &'a [u8],
}

impl CodeWork for OneAndFour<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> u32 {
        let one = distance.one(self.query, self.code);
        let reversed: Vec<u8> = self.code.iter().rev().copied().collect();
        let four = distance.four(self.query, [self.code, &reversed, self.code, self.query]);
        assert_eq!([four[0], four[2]], [one; 2]);
        assert_eq!(four[1], distance.one(self.query, &reversed));
        one
    }
}

#[test]
fn every_instruction_set_gives_the_same_distances() {
    for len in (0..=200).chain([256, 384, 1000, 16384]) {
        let query: Vec<u8> = (0..len).map(|at| (at * 31 % 128) as u8).collect();
        let code: Vec<u8> = (0..len).map(|at| (at * 57 % 127 + 1) as u8).collect();
        let signed: Vec<u8> = query.iter().map(|byte| byte.wrapping_mul(2).max(129)).collect();
        for (form, query) in [
            (CodeForm::SquaredL2, &query),
            (CodeForm::Product, &query),
            (CodeForm::Product, &signed),
            (CodeForm::DifferingBits, &signed),
        ] {
            for cpu in Cpu::available() {
                let expected = by_definition(form, query, &code);
                let found = form.dispatch_on(cpu, OneAndFour { query, code: &code });
                assert_eq!(found, expected, "{form:?} of {len} bytes on {cpu}");
            }
        }
    }
}

fn by_definition(form: CodeForm, query: &[u8], code: &[u8]) -> u32 {
    let pairs = query.iter().zip(code).map(|(a, b)| (i64::from(*a), i64::from(*b)));
    match form {
        CodeForm::SquaredL2 => pairs.map(|(a, b)| (a - b) * (a - b)).sum::<i64>() as u32,
        CodeForm::DifferingBits => query.iter().zip(code).map(|(a, b)| (a ^ b).count_ones()).sum(),
        CodeForm::Product => {
            let signed = query.iter().map(|byte| i64::from(byte.cast_signed()));
            (i64::from(NO_PRODUCT) - signed.zip(code).map(|(a, b)| a * i64::from(*b)).sum::<i64>()) as u32
        }
    }
}

#[test]
fn the_largest_distances_do_not_overflow() {
    let (zeros, most) = (vec![0; 16384], vec![127; 16384]);
    let least = vec![129; 16384];
    for cpu in Cpu::available() {
        let distance = |form: CodeForm, query: &[u8], code| form.dispatch_on(cpu, OneAndFour { query, code });
        assert_eq!(distance(CodeForm::SquaredL2, &zeros, &most), 127 * 127 * 16384);
        assert_eq!(distance(CodeForm::Product, &most, &most), NO_PRODUCT - 127 * 127 * 16384);
        assert_eq!(distance(CodeForm::Product, &least, &most), NO_PRODUCT + 127 * 127 * 16384);
    }
}

#[test]
fn hostile_codes_and_lengths_give_some_distance() {
    for form in [CodeForm::SquaredL2, CodeForm::Product, CodeForm::DifferingBits] {
        for cpu in Cpu::available() {
            for (query_len, code_len) in [(64, 0), (0, 64), (100, 64), (64, 100), (16384, 16384)] {
                form.dispatch_on(
                    cpu,
                    OneAndFour { query: &vec![0x80; query_len], code: &vec![0xff; code_len] },
                );
            }
        }
    }
}

impl Codes<'_> {
    /// Appends to `out` the `limit` best of `slots` by code, best first, by looking at each of them: for the few matches
    /// of a filter, or for rows that no graph has yet. Slots that are not there are left out; none may come twice.
    fn scan(
        &self,
        query: &QueryCode,
        slots: impl IntoIterator<Item = Slot>,
        limit: usize,
        pool: &mut Pool,
        out: &mut Vec<Candidate>,
    ) {
        pool.reset(limit, None);
        query.form.dispatch(Scan { codes: *self, query, slots: slots.into_iter(), pool });
        out.extend(pool.iter().map(|(distance, slot)| Candidate { score: query.score(distance), slot }));
    }
}

/// Slots that a scan looks at together.
const SCAN_BATCH: usize = 16;

/// [`Codes::scan`], to be compiled for each form and instruction set.
struct Scan<'a, I> {
    codes: Codes<'a>,
    query: &'a QueryCode,
    slots: I,
    pool: &'a mut Pool,
}

impl<I: Iterator<Item = Slot>> CodeWork for Scan<'_, I> {
    type Output = ();

    #[inline(always)]
    fn run<D: CodeDistance>(mut self, distance: D) {
        let mut batch = [0; SCAN_BATCH];
        loop {
            let mut found = 0;
            while found < SCAN_BATCH {
                let Some(slot) = self.slots.next() else { break };
                if (slot as usize) < self.codes.len {
                    prefetch(self.codes.code(slot));
                    batch[found] = slot;
                    found += 1;
                }
            }
            if found == 0 {
                return;
            }
            let pool = &mut *self.pool;
            self.codes.distances(distance, self.query.bytes(), &batch[..found], |slot, distance| {
                pool.insert(distance, slot);
            });
        }
    }
}

/// The types whose codes estimate a score.
fn estimated_types(dim: usize) -> Vec<VectorType> {
    let all =
        Dtype::ALL.into_iter().flat_map(|dtype| Metric::ALL.map(|metric| vector_type(dim, dtype, metric)));
    all.filter(|ty| ty.validate().is_ok()).collect()
}

#[test]
fn estimates_are_close_to_exact_scores() {
    for dim in [8, 72, 384] {
        for ty in estimated_types(dim) {
            let range = if ty.dtype == Dtype::I8 { 200.0 } else { 2.0 };
            let spread =
                |values: Vec<f32>| values.iter().map(|value| (value - 0.5) * range).collect::<Vec<f32>>();
            let rows = encode_rows(&ty, &spread(random_values(1, dim * 50)));
            // Elements of like size, so that none is beyond the range and cut.
            let query = spread(random_values(2, dim));
            let query: Vec<f32> =
                query.iter().map(|value| value * 0.2 + value.signum() * 0.3 * range).collect();
            let (quantizer, codes) = quantize(&ty, &rows);
            let codes = Codes::new(&quantizer, &codes, 50).unwrap();
            let code = QueryCode::new(&ty, &quantizer, &query);
            let mut found = Vec::new();
            codes.scan(&code, (0..60).rev(), 100, &mut Pool::default(), &mut found);
            assert_eq!(found.len(), 50);
            assert!(found.is_sorted_by(|a, b| a.score >= b.score));
            let scorer = ExactScorer::new(&ty, &query);
            let size = query.iter().map(|value| value * value).sum::<f32>();

            for candidate in found {
                let row = rows.chunks_exact(ty.row_bytes()).nth(candidate.slot as usize).unwrap();
                let exact = scorer.score(row, ty.inverse_norm(row));
                // Five standard deviations of the rounding: 5 |a - b| step / sqrt(6), where unit vectors of such elements
                // have steps of about 3.6 / 127 / sqrt(dim).
                let rounding = 0.1 / (dim as f32).sqrt();
                let cosine = ty.metric == Metric::Cosine;
                let tolerance = if cosine { rounding } else { 0.03 * (size + exact.abs()) };
                assert!(
                    (candidate.score - exact).abs() <= tolerance,
                    "{ty:?}: {} for {exact}",
                    candidate.score
                );
            }
        }
    }
}

#[test]
fn a_query_beyond_the_range_looks_nearer_than_it_is() {
    let ty = vector_type(64, Dtype::F32, Metric::L2);
    let rows = encode_rows(&ty, &random_values(5, 64 * 50));
    let (quantizer, codes) = quantize(&ty, &rows);
    let query = vec![3.0; 64];
    let mut found = Vec::new();
    let codes = Codes::new(&quantizer, &codes, 50).unwrap();
    codes.scan(&QueryCode::new(&ty, &quantizer, &query), 0..50, 50, &mut Pool::default(), &mut found);
    let scorer = ExactScorer::new(&ty, &query);
    for candidate in found {
        let exact = scorer.score(&rows[candidate.slot as usize * ty.row_bytes()..][..ty.row_bytes()], 0.0);
        assert!(candidate.score > exact && candidate.score <= 0.0, "{} for {exact}", candidate.score);
    }
}

#[test]
fn a_quantizer_comes_back_and_damage_is_an_error() {
    for ty in estimated_types(16) {
        let values: Vec<f32> = random_values(3, 160).iter().map(|value| value * 100.0).collect();
        let (quantizer, _) = quantize(&ty, &encode_rows(&ty, &values));
        let bytes = quantizer.to_bytes();
        assert_eq!(Quantizer::from_bytes(&ty, &bytes).unwrap(), quantizer);
        for cut in 0..bytes.len() {
            assert!(Quantizer::from_bytes(&ty, &bytes[..cut]).is_err());
        }
        let mut nan = bytes.clone();
        nan[1..].fill(0xff);
        assert!(nan == bytes || Quantizer::from_bytes(&ty, &nan).is_err());
        assert!(Codes::new(&quantizer, &[0; 7], 1).is_err());
        assert!(Codes::new(&quantizer, &[], usize::MAX).is_err());
    }
}

#[test]
fn samples_without_spread_train() {
    for values in [vec![], vec![0.0; 8], vec![5.0; 80], vec![1e-42; 8], vec![1e18; 16]] {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            let ty = vector_type(8, Dtype::F32, metric);
            let (quantizer, _) = quantize(&ty, &encode_rows(&ty, &values));
            Quantizer::from_bytes(&ty, &quantizer.to_bytes()).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn any_stored_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        for ty in estimated_types(8) {
            if let Ok(quantizer) = Quantizer::from_bytes(&ty, &bytes) {
                prop_assert_eq!(quantizer.to_bytes(), bytes.clone());
            }
        }
    }
}
