//! The catalog: what the manifest says of collections and segments, and a state from it.

use super::log;
use super::state::CollectionState;
use super::state::State;
use super::threads::on_threads;
use crate::codec::control;
use crate::error::Error;
use crate::error::Result;
use crate::ids::IdKind;
use crate::segment::ActiveSegment;
use crate::segment::ExtentList;
use crate::segment::FileParts;
use crate::segment::Limits;
use crate::segment::LiveSegment;
use crate::segment::Merge;
use crate::segment::Moved;
use crate::segment::Part;
use crate::segment::Schema;
use crate::segment::Segment;
use crate::segment::SegmentEntry;
use crate::segment::SegmentSet;
use crate::segment::Target;
use crate::storage::Extent;
use crate::storage::Frame;
use crate::storage::Recovered;
use crate::storage::Store;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
struct Catalog {
    next_collection: u32,
    collections: Vec<CollectionEntry>,
}

#[derive(Serialize, Deserialize)]
struct CollectionEntry {
    id: u32,
    name: String,
    schema: Schema,
    id_kind: Option<IdKind>,
    segments: Vec<SegmentEntry>,
}

impl CollectionEntry {
    /// `Ok` where the schema makes sense and the number is one that was given.
    fn check(&self, next_collection: u32) -> Result<()> {
        let checked = self.schema.check(&Limits::default());
        checked.map_err(|error| Error::corrupt("catalog", 0, error.to_string()))?;
        match self.id < next_collection {
            true => Ok(()),
            false => {
                Err(Error::corrupt("catalog", 0, format!("no collection has got the number {}", self.id)))
            }
        }
    }
}

impl State {
    /// The state that manifest and log of a file describe.
    pub(super) fn recover(store: &Store, recovered: &Recovered) -> Result<Self> {
        let mut state = Self::open_manifest(store, recovered)?;
        state.replay(&recovered.frames)?;
        Ok(state)
    }

    fn open_manifest(store: &Store, recovered: &Recovered) -> Result<Self> {
        let mut state = Self::empty(store.pin());
        if recovered.root.is_empty() {
            return Ok(state);
        }
        let catalog: Catalog = control::decode("catalog", &recovered.root)?;
        state.next_collection = catalog.next_collection;
        let parts = FileParts::new(store, &recovered.extents);
        let mut numbers = BTreeSet::new();
        for entry in catalog.collections {
            entry.check(catalog.next_collection)?;
            if !numbers.insert(entry.id) || state.collections.contains_key(entry.name.as_str()) {
                let problem = format!("collection {}, '{}', is listed twice", entry.id, entry.name);
                return Err(Error::corrupt("catalog", 0, problem));
            }
            let schema = Arc::new(entry.schema);
            let segments = entry.segments.iter().map(|segment| segment.open(&schema, &parts));
            let sealed = segments.collect::<Result<Vec<_>>>()?;
            if sealed.iter().any(|live| Some(live.segment.id_kind()) != entry.id_kind) {
                let problem = format!("collection '{}' has a segment with ids of another kind", entry.name);
                return Err(Error::corrupt("catalog", 0, problem));
            }
            let set = SegmentSet {
                id_kind: entry.id_kind,
                sealed,
                active: ActiveSegment::default(),
                pin: state.pin.clone(),
                schema,
            };
            let collection = CollectionState { id: entry.id, set: Arc::new(set) };
            state.collections.insert(entry.name.into(), collection);
        }
        Ok(state)
    }

    /// Does what the frames say, in order.
    pub(super) fn replay(&mut self, frames: &[Frame]) -> Result<()> {
        let sets = self.collections.values().map(|collection| (collection.id, collection.set.schema.clone()));
        let mut schemas: BTreeMap<u32, Arc<Schema>> = sets.collect();
        for frame in frames {
            log::replay(&frame.payload, &mut schemas, &mut |op| self.apply(op))?;
        }
        Ok(())
    }

    /// The bytes of the catalog, whose segments all lie in the file, and the extents that it names.
    pub(super) fn catalog(&self) -> Result<(Vec<u8>, Vec<Extent>)> {
        let mut extents = ExtentList::default();
        let mut collections = Vec::with_capacity(self.collections.len());
        for (name, collection) in &self.collections {
            let set = &collection.set;
            let segments = set.sealed.iter().map(|live| SegmentEntry::describe(live, &mut extents));
            collections.push(CollectionEntry {
                id: collection.id,
                name: name.to_string(),
                schema: (*set.schema).clone(),
                id_kind: set.id_kind,
                segments: segments.collect::<Result<_>>()?,
            });
        }
        let catalog = Catalog { next_collection: self.next_collection, collections };
        Ok((control::encode(&catalog)?, extents.into_extents()))
    }

    /// Writes what is in memory only, the active segments and new tombstones, to `target`. Segments in `busy` are
    /// being merged and stay as they are.
    pub(super) fn fold(&mut self, target: &Target<'_>, busy: &[Arc<Segment>]) -> Result<()> {
        for collection in self.collections.values_mut() {
            let set = &collection.set;
            let clean =
                |live: &LiveSegment| live.live() > 0 && (live.dead.is_empty() || live.dead_part.is_some());
            if set.active.parts().is_empty() && set.sealed.iter().all(clean) {
                continue;
            }
            let mut folded = (**set).clone();
            fold_active(&mut folded, target, busy)?;
            folded.sealed.retain(|live| live.live() > 0);
            for live in &mut folded.sealed {
                live.write_tombstones(target)?;
            }
            collection.set = Arc::new(folded);
        }
        Ok(())
    }

    /// The same state with every part copied to `target`, which is another file.
    pub(super) fn copied(&self, target: &Target<'_>) -> Result<Self> {
        self.map_parts(&mut |name, part| target.whole_part(name, part.all()?.to_vec()))
    }

    /// The same state with parts of up to `largest` bytes moved to lower free space of their file; `None` where there is
    /// none for any.
    pub(super) fn moved_down(&self, target: &Target<'_>, largest: u64) -> Result<Option<Self>> {
        let mut extents = Vec::new();
        for live in self.collections.values().flat_map(|collection| &collection.set.sealed) {
            let mut add = |part: &Part| extents.extend(part.extent().filter(|extent| extent.len <= largest));
            live.segment.for_each_part(&mut add);
            live.dead_part.iter().for_each(add);
        }
        self.after(target, &target.move_down(extents)?)
    }

    /// The same state with those parts elsewhere that are in the way of larger ones; `None` where none is worth moving.
    pub(super) fn with_room(&self, target: &Target<'_>) -> Result<Option<Self>> {
        self.after(target, &target.make_room()?)
    }

    fn after(&self, target: &Target<'_>, moved: &Moved) -> Result<Option<Self>> {
        match moved.is_empty() {
            true => Ok(None),
            false => self.map_parts(&mut |name, part| target.part_after(name, part, moved)).map(Some),
        }
    }

    fn map_parts(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Self> {
        let mut state = self.clone();
        for collection in state.collections.values_mut() {
            let set = Arc::make_mut(&mut collection.set);
            let sealed = set.sealed.iter().map(|live| live.map_parts(f));
            set.sealed = sealed.collect::<Result<_>>()?;
        }
        Ok(state)
    }
}

/// Makes the active segment a sealed one without graph, together with sealed ones before it that are not larger.
fn fold_active(set: &mut SegmentSet, target: &Target<'_>, busy: &[Arc<Segment>]) -> Result<()> {
    let active = std::mem::take(&mut set.active);
    let mut live = active.live();
    if live == 0 {
        return Ok(());
    }
    let mut first = set.sealed.len();
    while let Some(before) = first.checked_sub(1).and_then(|i| set.sealed.get(i)) {
        let is_busy = busy.iter().any(|segment| Arc::ptr_eq(segment, &before.segment));
        if before.segment.has_graph() || is_busy || before.live() > 2 * live {
            break;
        }
        live += before.live();
        first -= 1;
    }
    let mut sources = set.sealed.split_off(first);
    sources.extend_from_slice(active.parts());
    let schema = set.schema.clone();
    let merge = Merge { schema, sources: &sources, graph: false, keep_rows: true, progress: &|_| true };
    let merged = on_threads(|| merge.run(target)).flatten()?;
    set.sealed.extend(merged.map(|merged| LiveSegment::new(Arc::new(merged.segment))));
    Ok(())
}
