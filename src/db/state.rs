//! [`State`]: everything at one commit.

use super::log::Op;
use crate::error::Error;
use crate::error::Result;
use crate::segment::SegmentSet;
use crate::storage::Pin;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All collections at one commit. Cloning copies no record.
#[derive(Clone)]
pub(crate) struct State {
    pub(super) collections: BTreeMap<Arc<str>, CollectionState>,
    pub(super) next_collection: u32,
    pub(super) pin: Pin,
}

/// One collection at one commit.
#[derive(Clone)]
pub(crate) struct CollectionState {
    /// Its number; never used again when it is dropped.
    pub(super) id: u32,
    /// Its records.
    pub(super) set: Arc<SegmentSet>,
}

impl State {
    /// No collections.
    pub(super) fn empty(pin: Pin) -> Self {
        Self { collections: BTreeMap::new(), next_collection: 1, pin }
    }

    /// The names of the collections.
    pub(super) fn names(&self) -> Vec<String> {
        self.collections.keys().map(ToString::to_string).collect()
    }

    /// The collection `name`.
    pub(super) fn collection(&self, name: &str) -> Result<&CollectionState> {
        let missing = || Error::CollectionNotFound { name: name.to_owned(), existing: self.names() };
        self.collections.get(name).ok_or_else(missing)
    }

    /// The collection `name` where it still is the one with this number.
    pub(super) fn same_collection(&self, name: &str, id: u32) -> Result<&CollectionState> {
        match self.collection(name)? {
            found if found.id == id => Ok(found),
            _ => Err(Error::CollectionNotFound {
                name: format!("{name} (as it was before it was dropped)"),
                existing: self.names(),
            }),
        }
    }

    fn set_mut(&mut self, id: u32) -> Result<&mut SegmentSet> {
        let found = self.collections.values_mut().find(|collection| collection.id == id);
        let found =
            found.ok_or_else(|| Error::corrupt("log", 0, format!("no collection has the number {id}")))?;
        Ok(Arc::make_mut(&mut found.set))
    }

    /// Does what `op` says.
    pub(super) fn apply(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::Create { id, name, schema } => {
                // Numbers only grow, so that a number never stands for two schemas.
                if *id < self.next_collection || self.collections.contains_key(name.as_str()) {
                    let problem = format!("collection {id}, '{name}', is created a second time");
                    return Err(Error::corrupt("log", 0, problem));
                }
                let set = Arc::new(SegmentSet::new(schema.clone(), self.pin.clone()));
                self.next_collection = self.next_collection.max(id.saturating_add(1));
                self.collections.insert(name.as_str().into(), CollectionState { id: *id, set });
            }
            Op::Drop { id } => self.collections.retain(|_, collection| collection.id != *id),
            Op::Upsert { collection, segment } => self.set_mut(*collection)?.upsert(segment.clone())?,
            Op::Delete { collection, ids } => self.set_mut(*collection)?.delete(ids)?,
        }
        Ok(())
    }

    /// From now on this state's extents are those live at `pin`'s generation.
    pub(super) fn set_pin(&mut self, pin: Pin) {
        for collection in self.collections.values_mut() {
            Arc::make_mut(&mut collection.set).pin = pin.clone();
        }
        self.pin = pin;
    }

    /// Bytes in memory of all active segments.
    pub(super) fn active_bytes(&self) -> usize {
        self.collections.values().map(|collection| collection.set.active.bytes()).sum()
    }

    /// True where a checkpoint would change what the manifest says.
    pub(super) fn has_active(&self) -> bool {
        self.collections.values().any(|collection| !collection.set.active.parts().is_empty())
    }
}
