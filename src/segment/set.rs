//! [`SegmentSet`]: all segments of a collection at one commit.

use super::ActiveSegment;
use super::IdRef;
use super::LiveSegment;
use super::Record;
use super::Schema;
use super::Segment;
use crate::error::Error;
use crate::error::Result;
use crate::ids::IdKind;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::storage::Pin;
use std::collections::HashSet;
use std::sync::Arc;

/// The segments of a collection at one commit. Cloning copies no record; a clone stays as it is.
#[derive(Clone)]
pub(crate) struct SegmentSet {
    /// What the records look like.
    pub(crate) schema: Arc<Schema>,
    /// The kind of the ids, once there was one.
    pub(crate) id_kind: Option<IdKind>,
    /// Segments in the file.
    pub(crate) sealed: Vec<LiveSegment>,
    /// The latest records, in memory.
    pub(crate) active: ActiveSegment,
    /// Keeps the extents of `sealed` from being reused.
    pub(crate) pin: Pin,
}

impl SegmentSet {
    /// No records yet.
    pub(crate) fn new(schema: Arc<Schema>, pin: Pin) -> Self {
        let id_kind = schema.declared_id_kind();
        Self { schema, id_kind, sealed: Vec::new(), active: ActiveSegment::default(), pin }
    }

    /// All segments, the latest first: what was written last is looked up most.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &LiveSegment> {
        self.active.parts().iter().rev().chain(self.sealed.iter().rev())
    }

    /// Number of records.
    pub(crate) fn live(&self) -> usize {
        self.segments().map(LiveSegment::live).sum()
    }

    /// Number of records that were deleted or replaced and still take room.
    pub(crate) fn dead(&self) -> usize {
        self.segments().map(|live| live.dead.len() as usize).sum()
    }

    /// The segment and slot where `id` is alive.
    pub(crate) fn find(&self, id: &RecordId) -> Result<Option<(&LiveSegment, Slot)>> {
        for live in self.segments() {
            if let Some(slot) = live.find(IdRef::from(id))? {
                return Ok(Some((live, slot)));
            }
        }
        Ok(None)
    }

    /// The record `id`.
    pub(crate) fn record(&self, id: &RecordId) -> Result<Option<Record>> {
        self.find(id)?.map(|(live, slot)| live.segment.record(slot)).transpose()
    }

    /// Adds the records of `segment`, each in place of the one with its id.
    pub(crate) fn upsert(&mut self, segment: Arc<Segment>) -> Result<()> {
        if self.id_kind.is_some_and(|kind| kind != segment.id_kind()) {
            return Err(Error::corrupt("log", 0, "records with ids of another kind than the collection's"));
        }
        let ids = (0..segment.len()).map(|slot| segment.id_ref(slot)).collect::<Result<Vec<_>>>()?;
        self.bury_all(&ids)?;
        self.id_kind = Some(segment.id_kind());
        self.active.push(segment)
    }

    /// Deletes the records with these ids.
    pub(crate) fn delete(&mut self, ids: &[RecordId]) -> Result<()> {
        self.bury_all(&ids.iter().map(IdRef::from).collect::<Vec<_>>())
    }

    /// Buries the records that have these ids. All are looked up first: where one can't be, nothing was changed.
    fn bury_all(&mut self, ids: &[IdRef<'_>]) -> Result<()> {
        let sealed = self.sealed.len();
        let segments: Vec<&LiveSegment> = self.sealed.iter().chain(self.active.parts()).collect();
        let mut found = Vec::new();
        for id in ids {
            for (place, live) in segments.iter().enumerate().rev() {
                if let Some(slot) = live.find(*id)? {
                    found.push((place, slot));
                    break;
                }
            }
        }
        for (place, slot) in found {
            match place.checked_sub(sealed) {
                None => self.sealed[place].bury(slot),
                Some(part) => self.active.parts_mut()[part].bury(slot),
            }
        }
        Ok(())
    }

    /// Checks every part of every segment, and that no id is alive twice.
    pub(crate) fn verify(&self) -> Result<()> {
        let mut seen = HashSet::with_capacity(self.live());
        for live in self.segments() {
            live.segment.verify()?;
            for slot in live.slots() {
                let id = live.segment.id(slot)?;
                let problem = format!("the id {id} is alive twice");
                if !seen.insert(id) {
                    return Err(Error::corrupt("ids", 0, problem));
                }
            }
        }
        Ok(())
    }
}
