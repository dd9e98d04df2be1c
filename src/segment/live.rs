//! [`LiveSegment`]: a segment, and which of its records were deleted or replaced.

use super::FieldTable;
use super::IdRef;
use super::IdTable;
use super::Segment;
use super::SegmentParts;
use super::VectorPart;
use super::catalog;
use super::part::Part;
use super::part::Target;
use crate::error::Result;
use crate::field_index::Words;
use crate::filter::Filter;
use crate::ids::Slot;
use crate::slots::SlotSet;
use roaring::RoaringBitmap;
use std::sync::Arc;
use std::sync::OnceLock;

/// A segment and the slots of it that are dead.
#[derive(Clone, Debug)]
pub(crate) struct LiveSegment {
    /// The records.
    pub(crate) segment: Arc<Segment>,
    /// The slots whose records were deleted or replaced.
    pub(crate) dead: Arc<RoaringBitmap>,
    /// The tombstones as they lie in the file, where they do.
    pub(crate) dead_part: Option<Part>,
    /// The dead as a set, made when it is asked for.
    pub(super) dead_slots: OnceLock<Arc<SlotSet>>,
}

impl LiveSegment {
    /// A segment without tombstones.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self { segment, dead: Arc::default(), dead_part: None, dead_slots: OnceLock::new() }
    }

    /// Number of records.
    pub(crate) fn live(&self) -> usize {
        self.segment.len() as usize - self.dead.len() as usize
    }

    /// The slots whose records pass a filter and live.
    pub(crate) fn matching(&self, filter: &Filter, words: &Words<'_>) -> Result<Arc<SlotSet>> {
        let matching = self.segment.matching(filter, words)?;
        Ok(if self.dead.is_empty() { matching } else { Arc::new(matching.without(&self.dead)) })
    }

    /// The slot of `id` where it is alive.
    pub(crate) fn find(&self, id: IdRef<'_>) -> Result<Option<Slot>> {
        Ok(self.segment.find(id)?.filter(|slot| !self.dead.contains(*slot)))
    }

    /// The dead slots as a set; `None` where there are none.
    pub(crate) fn dead_slots(&self) -> Option<Arc<SlotSet>> {
        let set = || Arc::new(SlotSet::from_ascending(self.segment.len(), self.dead.iter().collect()));
        (!self.dead.is_empty()).then(|| self.dead_slots.get_or_init(set).clone())
    }

    /// The living slots, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        (0..self.segment.len()).filter(|slot| !self.dead.contains(*slot))
    }

    /// Marks `slot` dead.
    pub(crate) fn bury(&mut self, slot: Slot) {
        Arc::make_mut(&mut self.dead).insert(slot);
        self.dead_part = None;
        self.dead_slots = OnceLock::new();
    }

    /// True where dead records take room.
    pub(crate) fn wastes_room(&self) -> bool {
        !self.dead.is_empty() || self.segment.vectors.iter().any(|vector| vector.rows.has_dead_rows())
    }

    /// Writes the tombstones to `target` where they do not lie in the file.
    pub(crate) fn write_tombstones(&mut self, target: &Target<'_>) -> Result<()> {
        if !self.dead.is_empty() && self.dead_part.is_none() {
            self.dead_part = Some(target.whole_part("tombstones", catalog::tombstone_bytes(&self.dead)?)?);
        }
        Ok(())
    }

    /// The same segment with each part replaced by what `f` makes of its name and itself.
    pub(crate) fn map_parts(
        &self,
        f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>,
    ) -> Result<LiveSegment> {
        let segment = &self.segment;
        let len = segment.len as usize;
        let mut vectors = Vec::with_capacity(segment.vectors.len());
        for vector in &segment.vectors {
            let rows = vector.rows.map_parts(f)?;
            let index = vector.index.as_ref().map(|index| index.map_parts(f)).transpose()?;
            vectors.push(VectorPart { rows, index });
        }
        let ids = IdTable::open(f("ids", segment.ids.part())?, len)?;
        let fields = FieldTable::open(f("fields", segment.fields.part())?, len)?;
        let sparse = segment.sparse.iter().map(|table| table.map_part(f)).collect::<Result<_>>()?;
        let indexes = segment.map_indexes(f)?;
        let dead_part = self.dead_part.as_ref().map(|part| f("tombstones", part)).transpose()?;
        let parts = SegmentParts { ids, fields, vectors, sparse, indexes };
        let segment = Segment::new(segment.schema.clone(), segment.len, parts);
        Ok(Self {
            segment: Arc::new(segment),
            dead: self.dead.clone(),
            dead_part,
            dead_slots: OnceLock::new(),
        })
    }
}
