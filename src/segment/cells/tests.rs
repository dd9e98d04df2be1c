use super::*;
use crate::ids::Slot;
use crate::quant::Candidate;
use crate::quant::Codes;
use crate::quant::QueryCode;
use crate::quant::tests::encode_rows;
use crate::quant::tests::quantize;
use crate::quant::tests::random_values;
use crate::segment::part::Target;
use crate::vector::Dtype;
use crate::vector::VectorType;
use crate::vector::tests::vector_type;
use proptest::prelude::*;
use std::sync::LazyLock;

const LEN: usize = 9_000;
const DIM: usize = 8;

/// Records and their cells, in the order in which they were made.
struct Sample {
    ty: VectorType,
    quantizer: Quantizer,
    codes: Vec<u8>,
    cells: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let ty = vector_type(DIM, Dtype::F32, Metric::L2);
    let rows = encode_rows(&ty, &random_values(3, LEN * DIM));
    let (quantizer, codes) = quantize(&ty, &rows);
    let row = |slot: Slot| Ok((&rows[slot as usize * ty.row_bytes()..][..ty.row_bytes()], 0.0));
    let built = BuiltCells::new(&ty, &Codes::new(&quantizer, &codes, LEN).unwrap(), &row).unwrap().unwrap();
    let order: Vec<Slot> = (0..LEN as Slot).collect();
    let cells = built.write(&quantizer, &order, &Target::Memory).unwrap().all().unwrap().to_vec();
    Sample { ty, quantizer, codes, cells }
});

/// A limit that no centroid is beyond, or that all are.
fn limit(gap: f32) -> CellLimit {
    let bound = CellBound { gap: 1e9, centroids: [gap; CELL_RECALLS.len()] };
    CellCurve { bounds: vec![bound], looked: Vec::new() }.at(0.9).unwrap()
}

fn scan(
    bytes: &[u8],
    passes: fn(Slot) -> bool,
    limit: &CellLimit,
    likely: usize,
) -> Result<(Vec<Candidate>, scan::Outcome)> {
    let sample = &*SAMPLE;
    let mut bits = vec![0u64; LEN.div_ceil(64)];
    (0..LEN as Slot)
        .filter(|slot| passes(*slot))
        .for_each(|slot| bits[slot as usize / 64] |= 1 << (slot % 64));
    let query = QueryCode::new(&sample.ty, &sample.quantizer, &random_values(7, DIM));
    let ends = Ends { k: 10, rescored: 20, limit, share: 0.0, metric: Metric::L2, likely: (likely, 3) };
    let codes = Codes::new(&sample.quantizer, &sample.codes, LEN)?;
    let mut scratch = CellScratch::default();
    let cells = Cells::new(bytes, LEN, &sample.quantizer)?;
    let outcome = cells.scan(&codes, &query, &bits, &ends, &mut scratch)?;
    let mut found = Vec::new();
    scratch.best.finish(&query, &mut found);
    Ok((found, outcome))
}

#[test]
fn every_record_is_in_the_cell_of_the_nearest_centroid() {
    let sample = &*SAMPLE;
    let cells = Cells::new(&sample.cells, LEN, &sample.quantizer).unwrap();
    cells.verify().unwrap();
    assert_eq!(cells.count(), 189);
    let sizes: Vec<usize> = (0..cells.count()).map(|cell| cells.slots(cell).len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), LEN);
    assert!(sizes.iter().all(|size| *size <= 500), "{sizes:?}");
}

#[test]
fn a_scan_of_all_cells_finds_the_best_of_all_that_pass() {
    let sample = &*SAMPLE;
    let query = QueryCode::new(&sample.ty, &sample.quantizer, &random_values(7, DIM));
    let codes = Codes::new(&sample.quantizer, &sample.codes, LEN).unwrap();
    for passes in [|_| true, |slot: Slot| slot.is_multiple_of(3), |slot| slot % 500 == 7, |_| false]
        as [fn(Slot) -> bool; 4]
    {
        let (found, outcome) = scan(&sample.cells, passes, &limit(f32::INFINITY), usize::MAX).unwrap();
        let (mut best, mut all) = (crate::quant::Best::default(), Vec::new());
        codes.scan(&query, 20, |slot| !passes(slot), &mut best, &mut all);
        assert_eq!(found, all);
        assert!(!outcome.gave_up);
    }
}

#[test]
fn a_scan_ends_at_the_limit_but_not_short_and_is_given_up_at_the_cost() {
    let passes = |slot: Slot| slot.is_multiple_of(40);
    let (found, outcome) = scan(&SAMPLE.cells, passes, &limit(-1e9), usize::MAX).unwrap();
    assert!(found.len() >= 10 && !outcome.gave_up);
    assert!((10..200).contains(&outcome.scored), "{} of 225", outcome.scored);
    let (_, outcome) = scan(&SAMPLE.cells, passes, &limit(-1e9), 10).unwrap();
    assert!(outcome.gave_up);
}

#[test]
fn beyond_what_was_measured_centroids_are_farther_by_as_much() {
    let bound = |gap: f32, centroid: f32| CellBound { gap, centroids: [centroid; CELL_RECALLS.len()] };
    let curve = CellCurve {
        bounds: vec![bound(1.0, 3.0), bound(2.0, 5.0)],
        looked: vec![CellRank { rank: 1, slots: 10 }, CellRank { rank: 100, slots: 1000 }],
    };
    assert!(curve.fits());
    let limit = curve.at(0.97).unwrap();
    let found = [0.5, 1.0, 1.5, 2.0, 4.0].map(|gap| limit.farthest(gap));
    assert_eq!(found, [3.0, 3.0, 4.0, 5.0, 7.0]);
    assert!((curve.looked(10.0) - 100.0).abs() < 0.1 && (curve.looked(10_000.0) - 100_000.0).abs() < 100.0);
    assert!(CellCurve::default().at(0.9).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_cells_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        head in prop::option::of(any::<[u8; 12]>()),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = SAMPLE.cells.clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(head) = head {
            bytes[..12].copy_from_slice(&head);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(cells) = Cells::new(&bytes, LEN, &SAMPLE.quantizer) {
            let _ = cells.verify();
            let _ = scan(&bytes, |slot| slot.is_multiple_of(2), &limit(f32::INFINITY), usize::MAX).unwrap();
        }
    }
}
