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
