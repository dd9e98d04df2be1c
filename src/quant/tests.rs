//! Codes against the exact scores they stand for, on every instruction set.

use super::*;
use crate::vector::ExactScorer;
use crate::vector::kernels::ordered;
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

/// The quantizer to build a graph with, trained on all rows, and their codes.
pub(crate) fn quantize(ty: &VectorType, rows: &[u8]) -> (Quantizer, Vec<u8>) {
    let sample: Vec<&[u8]> = rows.chunks_exact(ty.row_bytes()).collect();
    let quantizer = Quantizer::for_building(ty, &sample);
    let codes = encoded(ty, &quantizer, rows);
    (quantizer, codes)
}

/// The codes of all rows.
pub(crate) fn encoded(ty: &VectorType, quantizer: &Quantizer, rows: &[u8]) -> Vec<u8> {
    let mut codes = vec![0; rows.len() / ty.row_bytes() * quantizer.code_bytes()];
    for (row, code) in rows.chunks_exact(ty.row_bytes()).zip(codes.chunks_exact_mut(quantizer.code_bytes())) {
        quantizer.encode(row, ty.inverse_norm(row), code);
    }
    codes
}

/// Quantizers of every form that the type can have, trained on all rows, with the form's name.
pub(crate) fn every_quantizer(ty: &VectorType, rows: &[u8]) -> Vec<(Quantization, Quantizer)> {
    let sample: Vec<&[u8]> = rows.chunks_exact(ty.row_bytes()).collect();
    let building = Quantizer::for_building(ty, &sample);
    let forms = Quantization::ALL.into_iter().filter(|form| form.validate(ty).is_ok());
    forms.map(|form| (form, building.for_storing(ty, form.chosen(ty), &sample))).collect()
}

/// Reads one distance in two ways.
struct OneAndFour<'a> {
    form: CodeForm,
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
        match self.form {
            // Sums of floats depend on their order, and any bytes may be no number.
            CodeForm::FloatSquaredL2 | CodeForm::FloatProduct => {
                let expected = as_number(self.form, one);
                for found in [four[0], four[2]].map(|found| as_number(self.form, found)) {
                    assert!(!expected.is_finite() || (found - expected).abs() <= 1e-4 * expected.abs());
                }
            }
            _ => assert_eq!(four[..3], [one, distance.one(self.query, &reversed), one]),
        }
        one
    }
}

/// Every form of distance with numbers of query and code bytes for about as many dimensions, both made of `next`.
fn cases(len: usize, next: &mut impl FnMut() -> u8) -> Vec<(CodeForm, Vec<u8>, Vec<u8>)> {
    let seven: fn(u8) -> u8 = |byte| byte & 127;
    let signed: fn(u8) -> u8 = |byte| byte.max(129).wrapping_add(byte & 1);
    let asymmetric: fn(u8) -> u8 = |byte| if byte < 128 { byte } else { byte | 0xf8 | 1 };
    let any: fn(u8) -> u8 = |byte| byte;
    let floats = |values: &[u8]| -> Vec<u8> {
        values.iter().flat_map(|byte| (f32::from(*byte) / 16.0).to_le_bytes()).collect()
    };
    let padded = len.next_multiple_of(16);
    // Where a code ends, the query is zero.
    let mut halves = |map: fn(u8) -> u8| -> Vec<u8> {
        (0..len.div_ceil(64) * 128)
            .map(|at| if at / 128 * 64 + at % 64 < len { map(next()) } else { 0 })
            .collect()
    };
    let (squared, weights) = (halves(asymmetric), halves(signed));
    let mut bytes = |len: usize, map: fn(u8) -> u8| -> Vec<u8> { (0..len).map(|_| map(next())).collect() };
    let factors =
        |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
    let estimate_code = [bytes(len, any), factors(&[3.0, 0.5])].concat();
    let planes = estimate_code.len().div_ceil(64) * 256;
    vec![
        (CodeForm::SquaredL2, bytes(len, seven), bytes(len, seven)),
        (CodeForm::Product, bytes(len, signed), bytes(len, seven)),
        (CodeForm::DifferingBits, bytes(len, any), bytes(len, any)),
        (CodeForm::NibbleSquaredL2, squared, bytes(len, any)),
        (CodeForm::NibbleProduct, weights, bytes(len, any)),
        (CodeForm::FloatSquaredL2, floats(&bytes(padded, any)), floats(&bytes(padded, any))),
        (CodeForm::FloatProduct, floats(&bytes(padded, any)), floats(&bytes(padded, any))),
        (CodeForm::BinaryEstimate, [bytes(planes, any), factors(&[0.25, 2.0, -1.5])].concat(), estimate_code),
    ]
}

#[test]
fn every_instruction_set_gives_the_same_distances() {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for len in (0..=200).chain([256, 384, 1000, 8192]) {
        for (form, query, code) in cases(len, &mut next) {
            for cpu in Cpu::available() {
                let expected = by_definition(form, &query, &code);
                let found = form.dispatch_on(cpu, OneAndFour { form, query: &query, code: &code });
                let tolerance = match form {
                    // The sums of floats are exact only up to their order.
                    CodeForm::FloatSquaredL2 | CodeForm::FloatProduct => expected.abs() * 1e-5,
                    _ => 0.0,
                };
                let found = as_number(form, found);
                assert!(
                    (found - expected).abs() <= tolerance,
                    "{form:?} of {len} on {cpu}: {found}, {expected}"
                );
            }
        }
    }
}

/// What a distance stands for.
fn as_number(form: CodeForm, distance: u32) -> f64 {
    match form {
        CodeForm::Product | CodeForm::NibbleProduct => f64::from(distance) - f64::from(NO_PRODUCT),
        CodeForm::BinaryEstimate | CodeForm::FloatSquaredL2 | CodeForm::FloatProduct => {
            f64::from(from_ordered(distance))
        }
        _ => f64::from(distance),
    }
}

fn by_definition(form: CodeForm, query: &[u8], code: &[u8]) -> f64 {
    let signed = |byte: &u8| f64::from(byte.cast_signed());
    let nibbles = || {
        let halves = query.chunks(128).zip(code.chunks(64));
        halves.flat_map(|(query, code)| {
            let lower = query.iter().zip(code.iter().map(|byte| byte & 15));
            lower.chain(query[64..].iter().zip(code.iter().map(|byte| byte >> 4)))
        })
    };
    let floats = |bytes: &[u8]| -> Vec<f64> {
        bytes.as_chunks::<4>().0.iter().map(|word| f64::from(f32::from_le_bytes(*word))).collect()
    };
    let pairs = query.iter().zip(code);
    match form {
        CodeForm::SquaredL2 => pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum(),
        CodeForm::Product => -pairs.map(|(a, b)| signed(a) * f64::from(*b)).sum::<f64>(),
        CodeForm::DifferingBits => pairs.map(|(a, b)| f64::from((a ^ b).count_ones())).sum(),
        CodeForm::NibbleSquaredL2 => nibbles().map(|(a, b)| (signed(a) - 8.0 * f64::from(b)).powi(2)).sum(),
        CodeForm::NibbleProduct => -nibbles().map(|(a, b)| signed(a) * f64::from(b)).sum::<f64>(),
        CodeForm::FloatSquaredL2 => {
            floats(query).iter().zip(floats(code)).map(|(a, b)| (a - b).powi(2)).sum()
        }
        CodeForm::FloatProduct => -floats(query).iter().zip(floats(code)).map(|(a, b)| a * b).sum::<f64>(),
        CodeForm::BinaryEstimate => {
            let (planes, factors) = query.split_at(query.len() - 12);
            let [unit, weight, offset] = floats(factors)[..] else { unreachable!() };
            let [start, scale] = floats(&code[code.len() - 8..])[..] else { unreachable!() };
            let mut sum = 0.0;
            for (planes, code) in planes.chunks(256).zip(code.chunks(64)) {
                for (plane, value) in planes.chunks(64).zip([1.0, 2.0, 4.0, -8.0]) {
                    let both = plane.iter().zip(code).map(|(a, b)| (a & b).count_ones());
                    sum += value * f64::from(both.sum::<u32>());
                }
            }
            unit * start + scale * (weight * sum - offset)
        }
    }
}

#[test]
fn the_largest_distances_do_not_overflow() {
    let (zeros, most) = (vec![0; 16384], vec![127; 16384]);
    let least = vec![129; 16384];
    for cpu in Cpu::available() {
        let distance =
            |form: CodeForm, query: &[u8], code| form.dispatch_on(cpu, OneAndFour { form, query, code });
        assert_eq!(distance(CodeForm::SquaredL2, &zeros, &most), 127 * 127 * 16384);
        assert_eq!(distance(CodeForm::Product, &most, &most), NO_PRODUCT - 127 * 127 * 16384);
        assert_eq!(distance(CodeForm::Product, &least, &most), NO_PRODUCT + 127 * 127 * 16384);
        let full = vec![0xff; 8192];
        assert_eq!(distance(CodeForm::NibbleSquaredL2, &vec![249; 16384], &full), 127 * 127 * 16384);
        assert_eq!(distance(CodeForm::NibbleProduct, &least, &full), NO_PRODUCT + 127 * 15 * 16384);
    }
}

#[test]
fn hostile_codes_and_lengths_give_some_distance() {
    for (form, _, _) in cases(1, &mut || 1) {
        for cpu in Cpu::available() {
            for (query_len, code_len) in
                [(64, 0), (0, 64), (100, 64), (64, 100), (256, 3), (5, 7), (16384, 16384)]
            {
                let code = vec![0xff; code_len];
                form.dispatch_on(cpu, OneAndFour { form, query: &vec![0x80; query_len], code: &code });
            }
        }
    }
}

#[test]
fn the_order_of_floats_is_that_of_their_places() {
    let numbers = [f32::NEG_INFINITY, -1e30, -2.0, -1e-40, -0.0, 0.0, 1e-40, 1.0, 3e38, f32::INFINITY];
    assert!(numbers.map(ordered).is_sorted());
    for number in numbers {
        assert_eq!(from_ordered(ordered(number)).to_bits(), number.to_bits());
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
            codes.scan(&code, 100, |_| false, &mut Best::default(), &mut found);
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
    let code = QueryCode::new(&ty, &quantizer, &query);
    codes.scan(&code, 50, |_| false, &mut Best::default(), &mut found);
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
        for (form, quantizer) in every_quantizer(&ty, &encode_rows(&ty, &values)) {
            let bytes = quantizer.to_bytes();
            assert_eq!(Quantizer::from_bytes(&ty, &bytes).unwrap(), quantizer);
            for cut in 0..bytes.len() {
                assert!(Quantizer::from_bytes(&ty, &bytes[..cut]).is_err(), "{form}");
            }
            let mut nan = bytes.clone();
            nan[1..].fill(0xff);
            assert!(nan == bytes || Quantizer::from_bytes(&ty, &nan).is_err(), "{form}");
            assert!(Codes::new(&quantizer, &[0; 7], 1).is_err());
            assert!(Codes::new(&quantizer, &[], usize::MAX).is_err());
        }
    }
}

#[test]
fn samples_without_spread_train() {
    for values in [vec![], vec![0.0; 8], vec![5.0; 80], vec![1e-42; 8], vec![1e18; 16]] {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            let ty = vector_type(8, Dtype::F32, metric);
            for (_, quantizer) in every_quantizer(&ty, &encode_rows(&ty, &values)) {
                Quantizer::from_bytes(&ty, &quantizer.to_bytes()).unwrap();
            }
        }
    }
}

#[test]
fn a_scan_gives_what_sorting_all_distances_would() {
    let ty = vector_type(40, Dtype::F32, Metric::L2);
    let rows = encode_rows(&ty, &random_values(9, 40 * 1500));
    let (mut best, mut found) = (Best::default(), Vec::new());
    for (form, quantizer) in every_quantizer(&ty, &rows) {
        let bytes = encoded(&ty, &quantizer, &rows);
        let query = QueryCode::new(&ty, &quantizer, &random_values(10, 40));
        for (len, limit) in
            [(0, 5), (1, 5), (63, 64), (130, 7), (1500, 0), (1500, 1), (1500, 300), (1500, 2000)]
        {
            let codes = Codes::new(&quantizer, &bytes[..len * quantizer.code_bytes()], len).unwrap();
            for is_dead in [|_: Slot| false, |slot: Slot| slot % 3 == 1] {
                let alive: Vec<Slot> = (0..len as Slot).filter(|slot| !is_dead(*slot)).collect();
                let mut expected =
                    query.form().dispatch(Sorted { codes, query: query.bytes(), slots: &alive });
                expected.truncate(limit);
                found.clear();
                codes.scan(&query, limit, is_dead, &mut best, &mut found);
                let slots: Vec<Slot> = found.iter().map(|candidate| candidate.slot).collect();
                assert_eq!(slots, expected, "{form}, {limit} of {len}");
                assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{form}");
            }
        }
    }
}

/// Slots by distance.
struct Sorted<'a> {
    codes: Codes<'a>,
    query: &'a [u8],
    slots: &'a [Slot],
}

impl CodeWork for Sorted<'_> {
    type Output = Vec<Slot>;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> Vec<Slot> {
        let mut found = Vec::new();
        self.codes.distances(distance, self.query, self.slots, |slot, distance| found.push((distance, slot)));
        found.sort_unstable();
        found.into_iter().map(|(_, slot)| slot).collect()
    }
}

/// Points around centers, in which a few dimensions may be far wider than the others.
fn clusters(dim: usize, len: usize, seed: u64, wide: bool) -> Vec<f32> {
    let centers = random_values(77, 20 * dim);
    let noise = random_values(seed, 3 * len * dim);
    let mut values = Vec::with_capacity(len * dim);
    for (point, noise) in noise.chunks(3 * dim).enumerate() {
        for (at, three) in noise.chunks(3).enumerate() {
            let value = centers[point % 20 * dim + at] + (three.iter().sum::<f32>() - 1.5) * 0.8;
            values.push(if wide && at % 32 == 3 { value * 20.0 } else { value });
        }
    }
    values
}

/// Part of the true ten nearest that are among the candidates that a form asks to be rescored, of a scan.
fn recall_of_scan(ty: &VectorType, quantizer: &Quantizer, rows: &[u8], queries: &[f32]) -> f64 {
    let bytes = encoded(ty, quantizer, rows);
    let codes = Codes::new(quantizer, &bytes, rows.len() / ty.row_bytes()).unwrap();
    let norms: Vec<f32> = rows.chunks_exact(ty.row_bytes()).map(|row| ty.inverse_norm(row)).collect();
    let mut hits = 0;
    for query in queries.chunks_exact(ty.dim) {
        let (mut scores, mut found) = (Vec::new(), Vec::new());
        ExactScorer::new(ty, query).score_rows(rows, &norms, &mut scores);
        let mut best: Vec<Slot> = (0..scores.len() as Slot).collect();
        best.sort_unstable_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
        let query = QueryCode::new(ty, quantizer, query);
        codes.scan(&query, quantizer.rescored(10, usize::MAX), |_| false, &mut Best::default(), &mut found);
        hits += best[..10].iter().filter(|slot| found.iter().any(|found| found.slot == **slot)).count();
    }
    hits as f64 / (queries.len() / ty.dim * 10) as f64
}

#[test]
fn the_nearest_are_among_those_rescored() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for wide in [false, true] {
            let ty = vector_type(128, Dtype::F32, metric);
            let rows = encode_rows(&ty, &clusters(128, 3000, 5, wide));
            let queries = clusters(128, 40, 6, wide);
            for (form, quantizer) in every_quantizer(&ty, &rows) {
                let recall = recall_of_scan(&ty, &quantizer, &rows, &queries);
                let floor = match form {
                    Quantization::None => 1.0,
                    Quantization::RaBitQ => 0.93,
                    _ => 0.99,
                };
                assert!(recall >= floor, "{form}, {metric}, wide dimensions: {wide}: {recall}");
            }
        }
    }
}

#[test]
fn estimates_from_bits_are_unbiased() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let (dim, len) = (256, 2000);
        let ty = vector_type(dim, Dtype::F32, metric);
        let rows = encode_rows(&ty, &clusters(dim, len, 5, false));
        let (_, quantizer) = every_quantizer(&ty, &rows).pop().unwrap();
        assert!(matches!(quantizer, Quantizer::RaBitQ(_)));
        let bytes = encoded(&ty, &quantizer, &rows);
        let codes = Codes::new(&quantizer, &bytes, len).unwrap();
        let (mut errors, mut spread, mut count) = (0.0, 0.0, 0.0);
        for query in clusters(dim, 20, 6, false).chunks(dim) {
            let scorer = ExactScorer::new(&ty, query);
            let mut found = Vec::new();
            codes.scan(
                &QueryCode::new(&ty, &quantizer, query),
                len,
                |_| false,
                &mut Best::default(),
                &mut found,
            );
            let exact: Vec<f64> = found
                .iter()
                .map(|candidate| {
                    let row = &rows[candidate.slot as usize * ty.row_bytes()..][..ty.row_bytes()];
                    f64::from(scorer.score(row, ty.inverse_norm(row)))
                })
                .collect();
            let mean = exact.iter().sum::<f64>() / exact.len() as f64;
            spread += exact.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
            errors +=
                found.iter().zip(&exact).map(|(found, exact)| f64::from(found.score) - exact).sum::<f64>();
            count += exact.len() as f64;
        }
        let (bias, deviation) = (errors / count, (spread / count).sqrt());
        assert!(bias.abs() < 0.05 * deviation, "{metric}: {bias} where scores spread by {deviation}");
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

#[test]
fn in_a_few_dimensions_near_rows_have_codes_of_their_own() {
    for (dim, most_alike) in [(1, 4096), (2, 20), (3, 2), (8, 0)] {
        let ty = vector_type(dim, Dtype::F32, Metric::L2);
        let rows = encode_rows(&ty, &random_values(5, 8192 * dim));
        let (quantizer, codes) = quantize(&ty, &rows);
        let mut distinct: Vec<&[u8]> = codes.chunks_exact(quantizer.code_bytes()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(8192 - distinct.len() <= most_alike, "{dim}: {} codes", distinct.len());
    }
}
