//! Recall, merging, determinism and hostile bytes, on generated data with fixed seeds.

use super::*;
use crate::ids::Slot;
use crate::quant::Candidate;
use crate::quant::Codes;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::quant::tests::encode_rows;
use crate::quant::tests::quantize;
use crate::quant::tests::random_values;
use crate::vector::Dtype;
use crate::vector::ExactScorer;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::tests::vector_type;
use proptest::prelude::*;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// Answers that recall counts.
const K: usize = 10;
/// Candidates that are scored exactly.
const RESCORED: usize = 40;

/// Goes on forever.
/// Builds without measuring.
fn build(codes: &Codes<'_>, params: GraphParams, progress: Progress<'_>) -> Result<Graph> {
    super::build(codes, params, progress, &mut |_, _| Ok(()))
}

/// Merges without measuring.
fn merge(
    base: &GraphView<'_>,
    base_to_new: &[Option<Slot>],
    codes: &Codes<'_>,
    params: GraphParams,
    progress: Progress<'_>,
) -> Result<Graph> {
    super::merge(base, base_to_new, codes, params, progress, &mut |_, _| Ok(()))
}

fn go_on(_: usize) -> bool {
    true
}

/// Rows of one type with their codes.
struct Data {
    ty: VectorType,
    rows: Vec<u8>,
    quantizer: Quantizer,
    codes: Vec<u8>,
}

impl Data {
    fn new(ty: VectorType, values: &[f32]) -> Self {
        let rows = encode_rows(&ty, values);
        let (quantizer, codes) = quantize(&ty, &rows);
        Self { ty, rows, quantizer, codes }
    }

    fn len(&self) -> usize {
        self.rows.len() / self.ty.row_bytes()
    }

    fn codes(&self) -> Codes<'_> {
        Codes::new(&self.quantizer, &self.codes, self.len()).unwrap()
    }

    fn row(&self, slot: Slot) -> &[u8] {
        let row_bytes = self.ty.row_bytes();
        &self.rows[slot as usize * row_bytes..][..row_bytes]
    }

    /// The rows in another order, or some of them.
    fn picked(&self, slots: &[Slot]) -> Self {
        let rows: Vec<u8> = slots.iter().flat_map(|slot| self.row(*slot).to_vec()).collect();
        let stride = self.quantizer.code_bytes();
        let codes =
            slots.iter().flat_map(|slot| self.codes[*slot as usize * stride..][..stride].to_vec()).collect();
        Self { ty: self.ty, rows, quantizer: self.quantizer.clone(), codes }
    }

    /// Exact scores of all rows.
    fn scores(&self, query: &[f32]) -> Vec<f32> {
        let norms: Vec<f32> =
            (0..self.len() as Slot).map(|slot| self.ty.inverse_norm(self.row(slot))).collect();
        let mut scores = Vec::new();
        ExactScorer::new(&self.ty, query).score_rows(&self.rows, &norms, &mut scores);
        scores
    }

    /// Mean part of the `K` best scores that a search of the graph reaches, after rescoring.
    fn recall(&self, view: &GraphView<'_>, queries: &[f32], ef: usize) -> f64 {
        let mut scratch = Scratch::default();
        let mut hits = 0;
        for query in queries.chunks(self.ty.dim) {
            let scores = self.scores(query);
            let mut best = scores.clone();
            best.sort_unstable_by(|a, b| b.total_cmp(a));
            let worst = best[K - 1];
            let found = self.search(view, query, ef, &mut scratch);
            let mut rescored: Vec<f32> =
                found.iter().take(RESCORED).map(|hit| scores[hit.slot as usize]).collect();
            rescored.sort_unstable_by(|a, b| b.total_cmp(a));
            hits += rescored.iter().take(K).filter(|score| **score >= worst).count();
        }
        hits as f64 / (queries.len() / self.ty.dim * K) as f64
    }

    fn search(
        &self,
        view: &GraphView<'_>,
        query: &[f32],
        ef: usize,
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        let mut found = Vec::new();
        view.search(
            &self.codes(),
            &QueryCode::new(&self.ty, &self.quantizer, query),
            Beam::of_width(ef),
            scratch,
            &mut found,
        );
        found
    }
}

/// Points around centers, which is what embeddings look like: `len` of them in `clusters`, each center with its spread.
fn clustered(seed: u64, len: usize, dim: usize, clusters: usize) -> Vec<f32> {
    let centers = random_values(1000, clusters * dim);
    let noise = random_values(seed, 3 * len * dim);
    let choice = random_values(seed + 1, len);
    let mut values = Vec::with_capacity(len * dim);
    for (point, noise) in noise.chunks(3 * dim).enumerate() {
        let center = (choice[point] * clusters as f32) as usize % clusters;
        for (at, three) in noise.chunks(3).enumerate() {
            let normal = three.iter().sum::<f32>() - 1.5;
            values.push((centers[center * dim + at] - 0.5) * 2.0 + normal);
        }
    }
    values
}

/// Values that suit a type: `i8` needs larger ones.
fn scaled(ty: &VectorType, values: Vec<f32>) -> Vec<f32> {
    let scale = if ty.dtype == Dtype::I8 { 40.0 } else { 1.0 };
    values.into_iter().map(|value| value * scale).collect()
}

/// Builds, seals in the graph's order and gives the data in that order with the bytes.
fn build_sealed(data: &Data, params: GraphParams) -> (Data, Vec<u8>) {
    let graph = build(&data.codes(), params, &go_on).unwrap();
    let order = graph.order();
    (data.picked(&order), graph.seal(&order))
}

#[test]
fn recall_is_high_for_every_type() {
    for dtype in Dtype::ALL {
        for metric in Metric::ALL {
            let ty = vector_type(64, dtype, metric);
            if ty.validate().is_err() {
                continue;
            }
            let data = Data::new(ty, &scaled(&ty, clustered(7, 4000, ty.dim, 40)));
            let queries = scaled(&ty, clustered(9, 100, ty.dim, 40));
            let (data, sealed) = build_sealed(&data, GraphParams::default());
            let view = GraphView::new(&sealed, data.len()).unwrap();
            view.verify().unwrap();
            assert_eq!(view.unreachable(), 0);
            for (ef, floor) in [(64, 0.95), (200, 0.99)] {
                let recall = data.recall(&view, &queries, ef);
                assert!(recall >= floor, "{dtype} {metric} at ef {ef}: {recall}");
            }
        }
    }
}

#[test]
fn inner_products_of_very_different_lengths_are_found() {
    let ty = vector_type(32, Dtype::F32, Metric::Dot);
    let mut values = clustered(3, 4000, ty.dim, 40);
    for (row, length) in values.chunks_mut(ty.dim).zip(random_values(5, 4000)) {
        row.iter_mut().for_each(|value| *value *= (2.0 * length - 1.0).exp());
    }
    let data = Data::new(ty, &values);
    let (data, sealed) = build_sealed(&data, GraphParams::default());
    let view = GraphView::new(&sealed, data.len()).unwrap();
    // A graph of distances leads less straight to the largest products than to the nearest rows.
    for (ef, floor) in [(64, 0.92), (200, 0.98)] {
        let recall = data.recall(&view, &clustered(4, 100, ty.dim, 40), ef);
        assert!(recall >= floor, "ef {ef}: {recall}");
    }
}

#[test]
fn every_small_graph_finds_everything() {
    for dim in [1, 3, 7, 16384] {
        for len in [0, 1, 2, 3, 17, 100] {
            if dim * len > 100_000 {
                continue;
            }
            let ty = vector_type(dim, Dtype::F32, Metric::L2);
            let data = Data::new(ty, &random_values(11, dim * len));
            let (data, sealed) = build_sealed(&data, GraphParams::default().with_m(4));
            let view = GraphView::new(&sealed, len).unwrap();
            view.verify().unwrap();
            let found = data.search(&view, &vec![0.5; dim], 1000, &mut Scratch::default());
            let mut slots: Vec<Slot> = found.iter().map(|hit| hit.slot).collect();
            assert!(found.is_sorted_by(|a, b| a.score >= b.score));
            slots.sort_unstable();
            assert_eq!(slots, (0..len as Slot).collect::<Vec<_>>(), "{len} x {dim}");
        }
    }
}

#[test]
fn identical_rows_neither_hide_others_nor_each_other() {
    let ty = vector_type(32, Dtype::F32, Metric::L2);
    let mut values = clustered(21, 3000, ty.dim, 30);
    let same: Vec<f32> = values[..ty.dim].to_vec();
    for _ in 0..5000 {
        values.extend_from_slice(&same);
    }
    let data = Data::new(ty, &values);
    let (data, sealed) = build_sealed(&data, GraphParams::default());
    let view = GraphView::new(&sealed, data.len()).unwrap();
    view.verify().unwrap();
    assert_eq!(view.unreachable(), 0);
    let recall = data.recall(&view, &clustered(23, 100, ty.dim, 30), 64);
    assert!(recall >= 0.95, "{recall}");
    let mut scratch = Scratch::default();
    let found = data.search(&view, &same, 6000, &mut scratch);
    assert_eq!(found.len(), 6000);
    assert_eq!(found.iter().filter(|hit| data.row(hit.slot) == data.row(found[0].slot)).count(), 5001);
    let rows: std::collections::HashSet<Slot> = found.iter().map(|hit| hit.slot).collect();
    assert_eq!(rows.len(), 6000);
}

#[test]
fn a_graph_of_identical_rows_only_gives_them_all() {
    for metric in [Metric::L2, Metric::Cosine, Metric::Dot] {
        let ty = vector_type(8, Dtype::F32, metric);
        let data = Data::new(ty, &[0.0; 8 * 500]);
        let (data, sealed) = build_sealed(&data, GraphParams::default());
        let view = GraphView::new(&sealed, data.len()).unwrap();
        view.verify().unwrap();
        assert_eq!(data.search(&view, &[1.0; 8], 600, &mut Scratch::default()).len(), 500);
    }
}

#[test]
fn the_sealed_bytes_do_not_depend_on_the_number_of_threads() {
    let ty = vector_type(24, Dtype::F16, Metric::Cosine);
    let values = clustered(31, 3000, ty.dim, 20);
    let data = Data::new(ty, &values);
    let seal = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let graph = build(&data.codes(), GraphParams::default(), &go_on).unwrap();
            let order = graph.order();
            let sealed = graph.seal(&order);
            let view = GraphView::new(&sealed, data.len()).unwrap();
            let images: Vec<Option<Slot>> = order.iter().map(|old| (old % 3 > 0).then_some(*old)).collect();
            let merged = merge(&view, &images, &data.codes(), GraphParams::default(), &go_on).unwrap();
            (sealed, merged.seal(&merged.order()))
        })
    };
    let expected = seal(1);
    assert!(seal(2) == expected);
    assert!(seal(5) == expected);
}

#[test]
fn the_order_is_a_permutation() {
    let ty = vector_type(4, Dtype::I8, Metric::L2);
    let values: Vec<f32> = random_values(41, 4 * 2000).iter().map(|value| (value * 6.0).floor()).collect();
    let data = Data::new(ty, &values);
    let graph = build(&data.codes(), GraphParams::default(), &go_on).unwrap();
    let mut order = graph.order();
    order.sort_unstable();
    assert_eq!(order, (0..2000).collect::<Vec<_>>());
}

/// Merges what is left of the first `base` rows with all the rows after them, and compares with a fresh build.
fn check_merge(base: usize, dead: impl Fn(Slot) -> bool) {
    let ty = vector_type(48, Dtype::F32, Metric::Cosine);
    let values = clustered(51, 6000, ty.dim, 60);
    let all = Data::new(ty, &values);
    let old = all.picked(&(0..base as Slot).collect::<Vec<_>>());
    let graph = build(&old.codes(), GraphParams::default(), &go_on).unwrap();
    let order = graph.order();
    let sealed = graph.seal(&order);
    let view = GraphView::new(&sealed, base).unwrap();
    // The result holds the new rows first, then the live ones of the base in reverse.
    let fresh = base as Slot..all.len() as Slot;
    let live = order.iter().rev().copied().filter(|old| !dead(*old));
    let picked: Vec<Slot> = fresh.chain(live).collect();
    let mut images = vec![None; base];
    for (new, old) in picked.iter().enumerate() {
        if let Some(place) = order.iter().position(|slot| slot == old) {
            images[place] = Some(new as Slot);
        }
    }
    let result = all.picked(&picked);
    let merged = merge(&view, &images, &result.codes(), GraphParams::default(), &go_on).unwrap();
    let fresh = build(&result.codes(), GraphParams::default(), &go_on).unwrap();
    merged.view().verify().unwrap();
    assert_eq!(merged.view().unreachable(), 0);
    assert_eq!(merged.len(), picked.len());
    let queries = clustered(53, 200, ty.dim, 60);
    for ef in [20, 64] {
        let (found, expected) =
            (result.recall(&merged.view(), &queries, ef), result.recall(&fresh.view(), &queries, ef));
        assert!(found >= expected - 0.01, "base {base}, ef {ef}: {found} for {expected}");
    }
}

#[test]
fn merging_without_the_dead_is_as_good_as_building() {
    check_merge(5000, |_| false);
    check_merge(6000, |slot| slot % 2 == 0);
    check_merge(5000, |slot| slot % 2 == 0);
    check_merge(6000, |slot| slot % 3 != 0);
    check_merge(6000, |slot| slot % 5 != 0);
    check_merge(5000, |slot| slot < 2500);
    check_merge(100, |slot| slot % 2 == 0);
}

#[test]
fn merging_with_nothing_and_of_nothing_works() {
    let ty = vector_type(8, Dtype::F32, Metric::L2);
    let data = Data::new(ty, &random_values(61, 8 * 50));
    let empty = Data::new(ty, &[]);
    let sealed = |data: &Data| build(&data.codes(), GraphParams::default(), &go_on).unwrap();
    let (full_graph, empty_graph) = (sealed(&data), sealed(&empty));
    let merge = |base: &Graph, images: &[Option<Slot>], data: &Data| {
        merge(&base.view(), images, &data.codes(), GraphParams::default(), &go_on).unwrap()
    };
    assert_eq!(merge(&empty_graph, &[], &data), full_graph);
    assert_eq!(merge(&full_graph, &[None; 50], &empty), empty_graph);
    let merged = merge(&full_graph, &(0..50).map(Some).collect::<Vec<_>>(), &data);
    assert_eq!(data.search(&merged.view(), &[0.0; 8], 100, &mut Scratch::default()).len(), 50);
}

#[test]
fn a_dead_head_leaves_its_place_to_a_live_duplicate() {
    let ty = vector_type(16, Dtype::F32, Metric::L2);
    let mut values = clustered(71, 500, ty.dim, 10);
    values.extend_from_within(..);
    let data = Data::new(ty, &values);
    let graph = build(&data.codes(), GraphParams::default(), &go_on).unwrap();
    // Of each pair one dies, now the head and now the member; and one more duplicate of everything is new.
    let images: Vec<Option<Slot>> =
        (0..1000).map(|slot| (slot % 2 == usize::from(slot < 500)).then_some(slot as Slot)).collect();
    let kept: Vec<Slot> = images.iter().flatten().copied().collect();
    let mut picked = kept.clone();
    picked.extend(0..500);
    let result = data.picked(&picked);
    let mut next = 0..;
    let images: Vec<Option<Slot>> = images.iter().map(|image| image.and_then(|_| next.next())).collect();
    let merged = merge(&graph.view(), &images, &result.codes(), GraphParams::default(), &go_on).unwrap();
    merged.view().verify().unwrap();
    assert_eq!(merged.view().unreachable(), 0);
    let found = result.search(&merged.view(), &values[..16], 2000, &mut Scratch::default());
    assert_eq!(found.len(), result.len());
}

#[test]
fn progress_is_told_and_can_stop() {
    let ty = vector_type(8, Dtype::F32, Metric::L2);
    let data = Data::new(ty, &random_values(81, 8 * 1000));
    let last = AtomicUsize::new(0);
    let tell = |done| last.swap(done, Ordering::Relaxed) <= done;
    build(&data.codes(), GraphParams::default(), &tell).unwrap();
    assert_eq!(last.load(Ordering::Relaxed), 1000);
    assert!(matches!(
        build(&data.codes(), GraphParams::default(), &|done| done < 500),
        Err(Error::Cancelled)
    ));
    for params in [GraphParams::default().with_m(3), GraphParams::default().with_ef_construction(5000)] {
        assert!(matches!(build(&data.codes(), params, &go_on), Err(Error::InvalidOption { .. })));
    }
}

/// Searches and verifies bytes that may be anything; only a panic or a hang is a failure.
fn survive(data: &Data, bytes: &[u8]) {
    let Ok(view) = GraphView::new(bytes, data.len()) else { return };
    let mut scratch = Scratch::default();
    for query in data.rows.chunks(data.ty.row_bytes()).step_by(97) {
        let mut values = vec![0.0; data.ty.dim];
        data.ty.decode(query, &mut values);
        let found = data.search(&view, &values, 50, &mut scratch);
        assert!(found.len() <= 50 && found.iter().all(|hit| (hit.slot as usize) < data.len()));
    }
    if view.verify().is_err() {
        view.unreachable();
        let images: Vec<Option<Slot>> =
            (0..data.len() as Slot).map(|slot| (slot % 2 == 0).then_some(slot)).collect();
        let merged = merge(&view, &images, &data.codes(), GraphParams::default(), &go_on).unwrap();
        merged.view().verify().unwrap();
    }
}

/// A small graph with upper layers and duplicates.
fn small_sealed() -> (Data, Vec<u8>) {
    let ty = vector_type(4, Dtype::I8, Metric::L2);
    let values: Vec<f32> = random_values(91, 4 * 400).iter().map(|value| (value * 5.0).floor()).collect();
    build_sealed(&Data::new(ty, &values), GraphParams::default())
}

#[test]
fn cut_bytes_and_other_lengths_are_refused() {
    let (data, sealed) = small_sealed();
    for len in 0..sealed.len() {
        assert!(GraphView::new(&sealed[..len], data.len()).is_err());
    }
    assert!(GraphView::new(&sealed, data.len() + 1).is_err());
    assert!(GraphView::new(&[&sealed[..], &[0; 64]].concat(), data.len()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn damaged_bytes_are_searched_without_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>(), 0u32..3), 1..40),
    ) {
        let (data, mut sealed) = small_sealed();
        for (place, value, kind) in changes {
            let words = sealed.as_chunks_mut::<4>().0;
            let place = place.index(words.len());
            words[place] = match kind {
                0 => value,
                1 => value % 500,
                _ => u32::from_le_bytes(words[place]) ^ 1 << (value % 32),
            }.to_le_bytes();
        }
        survive(&data, &sealed);
    }

    #[test]
    fn random_bytes_behind_a_good_header_are_searched_without_panic(seed in any::<u64>(), small in any::<bool>()) {
        let (data, mut sealed) = small_sealed();
        let noise = random_values(seed, sealed.len() / 4 - 32);
        for (word, noise) in sealed.as_chunks_mut::<4>().0[32..].iter_mut().zip(noise) {
            let value = if small { (noise * 400.0) as u32 } else { (noise * u32::MAX as f32) as u32 };
            *word = value.to_le_bytes();
        }
        survive(&data, &sealed);
    }

    #[test]
    fn any_bytes_are_no_graph_or_one(bytes in prop::collection::vec(any::<u8>(), 0..300), len in 0usize..3) {
        if let Ok(view) = GraphView::new(&bytes, len) {
            let _ = view.verify();
        }
    }
}

#[test]
fn any_codes_are_searched_without_panic() {
    let (mut data, sealed) = small_sealed();
    data.codes.fill(0xff);
    data.codes[3] = 0x80;
    survive(&data, &sealed);
}
