//! The fields of a segment by slot.
//!
//! ```text
//! 0   (count + 1) x u64: offsets into the bytes that follow, ascending
//! ..  the encoded fields of each record (see `metadata`)
//! ```

use super::part::Part;
use super::part::Target;
use crate::error::Error;
use crate::error::Result;
use crate::field_index::Records;
use crate::ids::Slot;
use crate::metadata;
use crate::metadata::Fields;

const PART: &str = "fields";

/// Encoded fields by slot, read in place.
#[derive(Clone, Debug)]
pub(crate) struct FieldTable {
    part: Part,
    len: usize,
}

impl FieldTable {
    /// Writes the table of these encoded fields, in slot order. The iterator is walked twice.
    pub(crate) fn write<'a>(
        target: &Target<'_>,
        encoded: impl Iterator<Item = Result<&'a [u8]>> + Clone,
    ) -> Result<Self> {
        let mut offsets = vec![0u64];
        let mut end = 0u64;
        for bytes in encoded.clone() {
            end += bytes?.len() as u64;
            offsets.push(end);
        }
        let len = offsets.len() - 1;
        let mut writer = target.part(PART, offsets.len() * 8 + end as usize)?;
        for offset in offsets {
            writer.write(&offset.to_le_bytes())?;
        }
        for bytes in encoded {
            writer.write(bytes?)?;
        }
        Self::open(writer.finish()?, len)
    }

    /// The table in `part`, which must have `len` slots.
    pub(crate) fn open(part: Part, len: usize) -> Result<Self> {
        match (len + 1) * 8 <= part.len() {
            true => Ok(Self { part, len }),
            false => Err(Error::corrupt(PART, 0, format!("too short for {len} records"))),
        }
    }

    /// The bytes of the table.
    pub(crate) fn part(&self) -> &Part {
        &self.part
    }

    /// The encoded fields at `slot`.
    pub(crate) fn encoded(&self, slot: Slot) -> Result<&[u8]> {
        let slot = slot as usize;
        if slot >= self.len {
            return Err(Error::corrupt(PART, 0, format!("slot {slot} of {}", self.len)));
        }
        let start = (self.len + 1) * 8;
        let (from, to) = (self.part.u64_at(0, slot)? as usize, self.part.u64_at(0, slot + 1)? as usize);
        match (start.checked_add(from), start.checked_add(to)) {
            (Some(from), Some(to)) if from <= to && to <= self.part.len() => self.part.bytes(from..to),
            _ => Err(Error::corrupt(PART, slot as u64 * 8, "fields lie outside")),
        }
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The encoded fields of all slots, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = Result<&[u8]>> {
        (0..self.len as Slot).map(|slot| self.encoded(slot))
    }

    /// The fields at `slot`.
    pub(crate) fn fields(&self, slot: Slot) -> Result<Fields> {
        metadata::decode(self.encoded(slot)?)
    }

    /// Decodes all fields.
    pub(crate) fn verify(&self) -> Result<()> {
        self.part.verify()?;
        (0..self.len as Slot).try_for_each(|slot| self.fields(slot).map(drop))
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
    use crate::ids::IdKind;
    use crate::segment::IdRef;
    use crate::segment::IdTable;
    use crate::segment::LiveSegment;
    use crate::segment::Merge;
    use crate::segment::Schema;
    use crate::segment::Segment;
    use std::sync::Arc;

    /// A segment without vectors in which every second record claims all bytes of the table.
    fn overlapping(len: u64) -> LiveSegment {
        let mut bytes: Vec<u8> = (0..=len).flat_map(|at| (at % 2 * 1000).to_le_bytes()).collect();
        bytes.resize(bytes.len() + 1000, 0);
        let fields = FieldTable::open(Part::in_memory(bytes), len as usize).unwrap();
        let ids: Vec<IdRef<'_>> = (0..len).map(IdRef::U64).collect();
        let ids = IdTable::write(&Target::Memory, IdKind::U64, &ids).unwrap();
        let schema = Arc::new(Schema::named([]));
        let mut live =
            LiveSegment::new(Arc::new(Segment::new(schema, len as u32, ids, fields, (None, vec![]), vec![])));
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
