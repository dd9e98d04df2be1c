//! The index against dot products computed from the vectors.

use super::*;
use crate::codec::ByteWriter;
use crate::ids::Slot;
use crate::slots::SlotSet;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Entries = BTreeMap<u32, f32>;

/// Terms that many have, some, few; and far ones.
fn term() -> impl Strategy<Value = u32> {
    prop_oneof![0..4u32, 0..40u32, 0..2000u32, Just(u32::MAX), any::<u32>()]
}

fn vector(most: usize) -> impl Strategy<Value = Entries> {
    let weight = prop_oneof![Just(1.0f32), 0.001f32..4.0, Just(1e-30f32)];
    prop::collection::btree_map(term(), weight, 0..most)
}

fn rows_of(vectors: &[Option<Entries>]) -> Vec<Vec<u8>> {
    let row = |vector: &Option<Entries>| {
        let mut out = ByteWriter::new();
        if let Some(vector) = vector {
            encode(&vector.iter().map(|(term, weight)| (*term, *weight)).collect::<Vec<_>>(), &mut out);
        }
        out.finish()
    };
    vectors.iter().map(row).collect()
}

fn naive(query: &Entries, vector: &Entries) -> Option<f32> {
    let products = vector.iter().filter_map(|(term, weight)| Some((query.get(term)?, weight)));
    let products: Vec<f64> = products.map(|(one, other)| f64::from(*one) * f64::from(*other)).collect();
    (!products.is_empty()).then(|| products.iter().sum::<f64>() as f32)
}

/// The best `k`, or with `None` all.
fn found(
    index: &[u8],
    rows: &[Vec<u8>],
    query: &Entries,
    allowed: Allowed<'_>,
    k: Option<usize>,
) -> Vec<(f32, Slot)> {
    let view = SparseView::open(index_bytes(index), rows.len() as u32).unwrap();
    let query = SparseQuery::new("s", &query.iter().map(|(t, w)| (*t, *w)).collect()).unwrap();
    let row = |slot: Slot| Ok(rows[slot as usize].as_slice());
    let searched = Searched { view: Some(&view), len: rows.len() as u32, rows: row, allowed };
    let mut best: Vec<(f32, Slot)> = Vec::new();
    let mut offer = |score, slot| {
        best.push((score, slot));
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(k.unwrap_or(usize::MAX));
        k.and_then(|k| best.get(k - 1)).map_or(0.0, |worst| worst.0)
    };
    query.search(&searched, 0.0, &mut Scratch::default(), &mut offer).unwrap();
    best
}

struct Held(Vec<u8>);

impl crate::codec::Bytes for Held {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self, range: std::ops::Range<usize>) -> crate::error::Result<&[u8]> {
        self.0.bytes(range)
    }
}

/// The bytes for as long as the test runs.
fn index_bytes(index: &[u8]) -> &'static Held {
    Box::leak(Box::new(Held(index.to_vec())))
}

fn built(rows: &[Vec<u8>]) -> Vec<u8> {
    build(rows.iter().map(|row| Ok(row.as_slice()))).unwrap()
}

fn expected(
    vectors: &[Option<Entries>],
    query: &Entries,
    allowed: impl Fn(Slot) -> bool,
) -> Vec<(f32, Slot)> {
    let mut all: Vec<(f32, Slot)> = (0..)
        .zip(vectors)
        .filter(|(slot, _)| allowed(*slot))
        .filter_map(|(slot, vector)| Some((naive(query, vector.as_ref()?)?, slot)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_best_are_those_of_a_naive_scorer(
        kinds in prop::collection::vec(prop::option::weighted(0.9, vector(12)), 1..30),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..9000),
        query in vector(12),
        k in 1usize..20,
        steps in (1usize..200, 2usize..50),
    ) {
        let vectors: Vec<Option<Entries>> = picks.iter().map(|pick| pick.get(&kinds).clone()).collect();
        let rows = rows_of(&vectors);
        let index = built(&rows);
        let len = vectors.len() as u32;
        let dead = SlotSet::from_ascending(len, (0..len).step_by(steps.1).collect());
        let filter = SlotSet::from_ascending(len, (1..len).step_by(steps.0).collect());
        for filter in [None, Some(&filter)] {
            let allowed = Allowed { filter, dead: Some(&dead) };
            let passes = |slot| !dead.contains(slot) && filter.is_none_or(|filter| filter.contains(slot));
            let all = expected(&vectors, &query, passes);
            prop_assert_eq!(&found(&index, &rows, &query, allowed, None), &all);
            let best: Vec<(f32, Slot)> = all.into_iter().take(k).collect();
            prop_assert_eq!(&found(&index, &rows, &query, allowed, Some(k)), &best);
        }
        let view = SparseView::open(index_bytes(&index), len).unwrap();
        view.verify(rows.iter().map(|row| Ok(row.as_slice()))).unwrap();
    }

    #[test]
    fn rows_come_back(vector in vector(300)) {
        let rows = rows_of(&[Some(vector.clone()), None]);
        let back = decode(&rows[0]).unwrap().unwrap();
        prop_assert_eq!(back.entries().to_vec(), vector.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(decode(&rows[1]).unwrap(), None);
        for cut in 1..rows[0].len().min(40) {
            prop_assert!(decode(&rows[0][..rows[0].len() - cut]).is_err());
        }
    }

    #[test]
    fn an_index_of_other_rows_is_found_out(
        vectors in prop::collection::vec(vector(6).prop_map(Some), 1..200),
        other in vector(6),
        place in any::<prop::sample::Index>(),
    ) {
        let index = built(&rows_of(&vectors));
        let mut changed = vectors.clone();
        *place.get_mut(&mut changed) = Some(other);
        let rows = rows_of(&changed);
        let view = SparseView::open(index_bytes(&index), vectors.len() as u32).unwrap();
        let verified = view.verify(rows.iter().map(|row| Ok(row.as_slice())));
        let same_terms = (0..vectors.len()).all(|at| {
            let terms = |vector: &Option<Entries>| vector.as_ref().unwrap().keys().copied().collect::<Vec<_>>();
            terms(&vectors[at]) == terms(&changed[at])
        });
        prop_assert!(same_terms || verified.is_err());
    }
}

#[test]
fn vectors_that_can_not_be_compared_are_refused() {
    for entries in
        [[(1, 1.0), (1, 2.0)], [(1, 0.0), (2, 1.0)], [(1, -1.0), (2, 1.0)], [(1, 1.0), (2, f32::NAN)]]
    {
        assert!(SparseQuery::new("s", &SparseVector::from(entries)).is_err());
    }
    assert!(SparseQuery::new("s", &SparseVector::from([(1, f32::MAX)])).is_err());
    assert!(SparseQuery::new("s", &SparseVector::from([(1, 1.8e19)])).is_ok());
}

#[test]
fn every_damaged_byte_is_an_error_or_another_answer() {
    let vectors: Vec<Option<Entries>> =
        (0..400u32).map(|at| Some(BTreeMap::from([(at % 3, 1.0 + at as f32), (7 + at % 50, 0.5)]))).collect();
    let rows = rows_of(&vectors);
    let good = built(&rows);
    let query = SparseQuery::new("s", &SparseVector::from([(0, 1.0), (1, 2.0), (9, 1.0)])).unwrap();
    for at in 0..good.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            let held = Held(bytes);
            let Ok(view) = SparseView::open(&held, 400) else { continue };
            let _ = view.verify(rows.iter().map(|row| Ok(row.as_slice())));
            let rows = |slot: Slot| Ok(rows[slot as usize].as_slice());
            let searched = Searched { view: Some(&view), len: 400, rows, allowed: Allowed::default() };
            let _ = query.search(&searched, 0.0, &mut Scratch::default(), &mut |score, _| score);
        }
    }
}
