//! Merging against a plain list of records: in memory and into a file, with and without graph, blocks kept or not.

use super::Effort;
use super::Known;
use super::Limits;
use super::LiveSegment;
use super::Merge;
use super::NOWHERE;
use super::Record;
use super::Schema;
use super::SegmentBuilder;
use super::Target;
use super::VectorQuery;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::storage::MemoryBackend;
use crate::storage::Store;
use crate::vector::ExactScorer;
use crate::vector::Metric;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn record(id: u64, dim: usize) -> Record {
    let values: Vec<f32> = (0..dim).map(|i| ((id * 7 + i as u64 * 13) % 101) as f32).collect();
    Record::new(id).vector(values).field("n", i64::try_from(id).unwrap_or_default())
}

fn segment(schema: &Arc<Schema>, records: impl Iterator<Item = Record>) -> LiveSegment {
    let limits = Limits::default();
    let mut builder = SegmentBuilder::new(schema.clone(), None, &limits);
    records.for_each(|record| builder.add(record).unwrap());
    LiveSegment::new(Arc::new(builder.finish().unwrap().expect("there are records")))
}

fn contents(live: &LiveSegment) -> BTreeMap<RecordId, Record> {
    live.slots()
        .map(|slot| live.segment.record(slot).unwrap())
        .map(|record| (record.id().clone(), record))
        .collect()
}

/// Merges, checks the result against the sources, and gives it.
fn merged(sources: &[LiveSegment], target: &Target<'_>, graph: bool, keep_rows: bool) -> Option<LiveSegment> {
    let schema = sources[0].segment.schema().clone();
    let merged = Merge { schema, sources, graph, keep_rows, progress: &|_| true }.run(target).unwrap()?;
    let live = LiveSegment::new(Arc::new(merged.segment));
    live.segment.verify().unwrap();
    let expected: BTreeMap<_, _> = sources.iter().flat_map(contents).collect();
    assert_eq!(contents(&live), expected);
    for (source, moved) in sources.iter().zip(&merged.moved) {
        for slot in 0..source.segment.len() {
            match moved[slot as usize] {
                NOWHERE => assert!(source.dead.contains(slot)),
                new => assert_eq!(live.segment.id(new).unwrap(), source.segment.id(slot).unwrap()),
            }
        }
    }
    Some(live)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_merge_has_the_living_records_of_its_sources(
        sizes in prop::collection::vec(1u64..150, 1..5),
        dead in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        graph in any::<bool>(),
        keep_rows in any::<bool>(),
    ) {
        // Wide enough that blocks of some sources are worth keeping.
        let dim = 256;
        let limits = Schema::new(dim);
        let schema = Arc::new(limits);
        let store = Store::create(Arc::new(MemoryBackend::new())).unwrap();
        let mut first = 0;
        let mut sources: Vec<LiveSegment> = sizes.iter().map(|size| {
            let ids = first..first + size;
            first = ids.end;
            segment(&schema, ids.map(|id| record(id, dim)))
        }).collect();
        for place in dead {
            let live = &mut sources[place.index(sizes.len())];
            let slot = place.index(live.segment.len() as usize) as Slot;
            live.bury(slot);
        }
        merged(&sources, &Target::Memory, graph, keep_rows);
        let target = Target::store(&store);
        let half = sources.len().div_ceil(2);
        let (older, newer) = sources.split_at(half);
        let sealed: Vec<LiveSegment> = [older, newer].into_iter().filter(|part| !part.is_empty())
            .filter_map(|part| merged(part, &target, graph, keep_rows)).collect();
        if let [first, ..] = sealed.as_slice() {
            let mut all = sealed.clone();
            all[0].bury(first.segment.len() - 1);
            merged(&all, &target, graph, keep_rows);
            merged(&all, &target, !graph, !keep_rows);
        }
    }
}

#[test]
fn large_blocks_stay_where_they_are_and_worn_ones_do_not() {
    let dim = 256;
    let schema = Arc::new(Schema::new(dim));
    let store = Store::create(Arc::new(MemoryBackend::new())).unwrap();
    let target = Target::store(&store);
    let in_file = |ids: std::ops::Range<u64>| {
        merged(&[segment(&schema, ids.map(|id| record(id, dim)))], &target, false, true).unwrap()
    };
    let (whole, mut worn) = (in_file(0..200), in_file(200..400));
    (0..150).for_each(|slot| worn.bury(slot));
    let joined = merged(&[whole.clone(), worn], &target, false, true).unwrap();
    let rows = &joined.segment.vectors()[0].rows;
    let extents: Vec<_> = rows.blocks().iter().map(|block| block.part.extent()).collect();
    assert_eq!(extents[0], whole.segment.vectors()[0].rows.blocks()[0].part.extent());
    assert_eq!((rows.blocks().len(), rows.blocks()[1].len), (2, 50));
    let rewritten = merged(&[joined], &target, false, false).unwrap();
    assert_eq!(rewritten.segment.vectors()[0].rows.blocks().len(), 1);
}

/// Scores of the best living records, the best first, by scoring each.
fn best_scores(live: &LiveSegment, query: &[f32], k: usize, hidden: Option<Slot>) -> Vec<f32> {
    let scorer = ExactScorer::new(live.segment.schema().vectors()[0].ty(), query);
    let rows = &live.segment.vectors()[0].rows;
    let slots = live.slots().filter(|slot| Some(*slot) != hidden);
    let mut scores: Vec<f32> = slots
        .map(|slot| {
            let (row, norm) = rows.row(slot).unwrap();
            scorer.score(row, norm)
        })
        .collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores.truncate(k);
    scores
}

/// The same by a search, and how many records were scored for it.
fn found_scores(live: &LiveSegment, query: &[f32], k: usize, known: Known) -> (Vec<f32>, usize) {
    let scorer = ExactScorer::new(live.segment.schema().vectors()[0].ty(), query);
    let effort = Effort::Recall(0.9);
    let values = query.into();
    let query = VectorQuery { vector: 0, values, scorer, k, effort, exact: false };
    let mut found: Vec<(f32, Slot)> = Vec::new();
    live.search(&query, known, &mut |score, slot| found.push((score, slot))).unwrap();
    let scored = found.len();
    let mut slots: Vec<Slot> = found.iter().map(|(_, slot)| *slot).collect();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), scored, "a record was given twice");
    assert!(slots.iter().all(|slot| !live.dead.contains(*slot)));
    found.retain(|(_, slot)| Some(*slot) != known.hidden);
    let mut scores: Vec<f32> = found.into_iter().map(|(score, _)| score).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores.truncate(k);
    (scores, scored)
}

/// Numbers that lie in clumps, one in many far away, and some of them twice.
fn clumped(id: u64, dim: usize) -> Vec<f32> {
    let mut state = (id % 1900).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let scale = if id % 701 == 3 { 300.0 } else { 1.0 };
    let clump = (id % 17) as f32;
    (0..dim).map(|at| (next() + (clump * (at % 5) as f32).sin() * 2.0) * scale).collect()
}

#[test]
fn rows_without_a_graph_are_picked_as_if_all_were_scored() {
    let dim = 64;
    for metric in [Metric::L2, Metric::Cosine, Metric::Dot] {
        let schema = Arc::new(Schema::new(dim).metric(metric));
        let store = Store::create(Arc::new(MemoryBackend::new())).unwrap();
        let target = Target::store(&store);
        let sealed = |ids: std::ops::Range<u64>| {
            let records = ids.map(|id| Record::new(id).vector(clumped(id, dim)));
            merged(&[segment(&schema, records)], &target, false, true).unwrap()
        };
        let first = sealed(0..3000);
        let mut second = sealed(3000..3900);
        (0..200).for_each(|slot| second.bury(slot * 2));
        // Two blocks with codes, a map, and a block too small for any.
        let joined = merged(&[second, first.clone(), sealed(4000..4100)], &target, false, true).unwrap();
        let coded = |live: &LiveSegment| -> Vec<bool> {
            let blocks = live.segment.vectors()[0].rows.blocks();
            blocks.iter().map(|block| block.codes.is_some()).collect()
        };
        assert_eq!((coded(&first), coded(&joined)), (vec![true], vec![true, true, false]));
        let mut worn = joined.clone();
        (0..joined.segment.len()).filter(|slot| slot % 3 != 0).for_each(|slot| worn.bury(slot));
        for live in [&first, &joined, &worn] {
            for query in (0..40).map(|id| clumped(id * 97 + 5, dim)).chain([vec![0.0; dim], vec![9.0; dim]]) {
                for k in [1, 10, 700, 5000] {
                    let expected = best_scores(live, &query, k, None);
                    assert_eq!(found_scores(live, &query, k, Known::default()).0, expected, "{metric} {k}");
                }
                let hidden = live.slots().nth(7);
                let known = Known { hidden, ..Known::default() };
                assert_eq!(found_scores(live, &query, 3, known).0, best_scores(live, &query, 3, hidden));
                // Told of better ones, it finds those that are as good, and no matter what else.
                let best = best_scores(live, &query, 20, None);
                let known = Known { worst: Some(best[4]), ..Known::default() };
                let found = found_scores(live, &query, 20, known).0;
                assert!(found.len() >= 5 && found[..5] == best[..5]);
            }
        }
        let (_, scored) = found_scores(&first, &clumped(41, dim), 10, Known::default());
        assert!(scored < 1500, "{metric}: {scored} of 3000 were scored");
        let graph = merged(&[joined], &target, true, true).unwrap();
        assert_eq!(coded(&graph), vec![false; graph.segment.vectors()[0].rows.blocks().len()]);
    }
}

#[test]
fn codes_that_say_too_little_of_their_rows_are_found_out() {
    let schema = Arc::new(Schema::new(64).metric(Metric::L2));
    let store = Store::create(Arc::new(MemoryBackend::new())).unwrap();
    let target = Target::store(&store);
    let records = (0..300).map(|id| Record::new(id).vector(clumped(id, 64)));
    let live = merged(&[segment(&schema, records)], &target, false, true).unwrap();
    let damaged = |at: usize| {
        let changed = live.map_parts(&mut |name, part| {
            let mut bytes = part.all()?.to_vec();
            if name == "row codes" {
                bytes[at] ^= 0x40;
            }
            target.whole_part(name, bytes)
        });
        changed.unwrap().segment.verify()
    };
    // A code, a distance to it, the longest one.
    for at in [70, 300 * 64 + 4 * 20 + 3, 300 * 68 + 3] {
        assert!(damaged(at).is_err(), "{at}");
    }
}
