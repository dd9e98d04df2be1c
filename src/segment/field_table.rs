//! [`FieldTable`]: the encoded fields of each record of a segment (see `metadata`), by slot.

use super::byte_table::ByteTable;
use super::part::Part;
use super::part::Target;
use crate::error::Result;
use crate::field_index::Records;
use crate::ids::Slot;
use crate::metadata;
use crate::metadata::Fields;

const PART: &str = "fields";

/// Encoded fields by slot, read in place.
#[derive(Clone, Debug)]
pub(crate) struct FieldTable(ByteTable);

impl FieldTable {
    /// Writes the table of these encoded fields, in slot order. The iterator is walked twice.
    pub(crate) fn write<'a>(
        target: &Target<'_>,
        encoded: impl Iterator<Item = Result<&'a [u8]>> + Clone,
    ) -> Result<Self> {
        ByteTable::write(target, PART, encoded).map(Self)
    }

    /// The table in `part`, which must have `len` slots.
    pub(crate) fn open(part: Part, len: usize) -> Result<Self> {
        ByteTable::open(PART, part, len).map(Self)
    }

    /// The table as bytes.
    pub(crate) fn table(&self) -> &ByteTable {
        &self.0
    }

    /// The bytes of the table.
    pub(crate) fn part(&self) -> &Part {
        self.0.part()
    }

    /// The encoded fields at `slot`.
    pub(crate) fn encoded(&self, slot: Slot) -> Result<&[u8]> {
        self.0.row(slot)
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The encoded fields of all slots, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Result<&[u8]>> {
        self.0.rows()
    }

    /// The fields at `slot`.
    pub(crate) fn fields(&self, slot: Slot) -> Result<Fields> {
        metadata::decode(self.encoded(slot)?)
    }

    /// Decodes all fields.
    pub(crate) fn verify(&self) -> Result<()> {
        self.part().verify()?;
        (0..self.len() as Slot).try_for_each(|slot| self.fields(slot).map(drop))
    }
}

impl Records for FieldTable {
    fn encoded(&self, slot: Slot) -> Result<&[u8]> {
        self.encoded(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::ids::IdKind;
    use crate::segment::IdRef;
    use crate::segment::IdTable;
    use crate::segment::Indexes;
    use crate::segment::LiveSegment;
    use crate::segment::Merge;
    use crate::segment::Schema;
    use crate::segment::Segment;
    use crate::segment::SegmentParts;
    use std::sync::Arc;

    /// A segment without vectors in which every second record claims all bytes of the table.
    fn overlapping(len: u64) -> LiveSegment {
        let mut bytes: Vec<u8> = (0..=len).flat_map(|at| (at % 2 * 1000).to_le_bytes()).collect();
        bytes.resize(bytes.len() + 1000, 0);
        let fields = FieldTable::open(Part::in_memory(bytes), len as usize).unwrap();
        let ids: Vec<IdRef<'_>> = (0..len).map(IdRef::U64).collect();
        let ids = IdTable::write(&Target::Memory, IdKind::U64, &ids).unwrap();
        let schema = Arc::new(Schema::named([]));
        let parts =
            SegmentParts { ids, fields, vectors: vec![], sparse: vec![], indexes: Indexes::default() };
        let mut live = LiveSegment::new(Arc::new(Segment::new(schema, len as u32, parts)));
        (0..len as Slot).filter(|slot| slot % 2 == 1).for_each(|slot| live.bury(slot));
        live
    }

    #[test]
    fn fields_that_overlap_are_not_merged_into_many_times_their_bytes() {
        let sources = [overlapping(100)];
        let schema = sources[0].segment.schema().clone();
        let merge = Merge { schema, sources: &sources, graph: false, keep_rows: false, progress: &|_| true };
        assert!(matches!(merge.run(&Target::Memory), Err(Error::Corrupt(_))));
    }
}
