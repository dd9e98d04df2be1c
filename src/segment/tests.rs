//! Merging against a plain list of records: in memory and into a file, with and without graph, blocks kept or not.

use super::Limits;
use super::LiveSegment;
use super::Merge;
use super::NOWHERE;
use super::Record;
use super::Schema;
use super::SegmentBuilder;
use super::Target;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::storage::MemoryBackend;
use crate::storage::Store;
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
