//! [`ByteTable`]: some bytes for each slot of a segment.
//!
//! ```text
//! 0   (count + 1) x u64: offsets into the bytes that follow, ascending
//! ..  the bytes of each slot
//! ```

use super::part::Part;
use super::part::Target;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;

/// Bytes by slot, read in place.
#[derive(Clone, Debug)]
pub(crate) struct ByteTable {
    name: &'static str,
    part: Part,
    len: usize,
}

impl ByteTable {
    /// Writes the table `name` of these bytes, in slot order. The iterator is walked twice.
    pub(crate) fn write<'a>(
        target: &Target<'_>,
        name: &'static str,
        rows: impl Iterator<Item = Result<&'a [u8]>> + Clone,
    ) -> Result<Self> {
        let mut offsets = vec![0u64];
        let mut end = 0u64;
        for bytes in rows.clone() {
            end += bytes?.len() as u64;
            offsets.push(end);
        }
        let len = offsets.len() - 1;
        let mut writer = target.part(name, offsets.len() * 8 + end as usize)?;
        for offset in offsets {
            writer.write(&offset.to_le_bytes())?;
        }
        for bytes in rows {
            writer.write(bytes?)?;
        }
        Self::open(name, writer.finish()?, len)
    }

    /// The table `name` in `part`, which must have `len` slots.
    pub(crate) fn open(name: &'static str, part: Part, len: usize) -> Result<Self> {
        match (len + 1) * 8 <= part.len() {
            true => Ok(Self { name, part, len }),
            false => Err(Error::corrupt(name, 0, format!("too short for {len} records"))),
        }
    }

    /// The same table in another part.
    pub(crate) fn map_part(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Self> {
        Self::open(self.name, f(self.name, &self.part)?, self.len)
    }

    /// The bytes of the table.
    pub(crate) fn part(&self) -> &Part {
        &self.part
    }

    /// The bytes at `slot`.
    pub(crate) fn row(&self, slot: Slot) -> Result<&[u8]> {
        let slot = slot as usize;
        if slot >= self.len {
            return Err(Error::corrupt(self.name, 0, format!("slot {slot} of {}", self.len)));
        }
        let start = (self.len + 1) * 8;
        let (from, to) = (self.part.u64_at(0, slot)? as usize, self.part.u64_at(0, slot + 1)? as usize);
        match (start.checked_add(from), start.checked_add(to)) {
            (Some(from), Some(to)) if from <= to && to <= self.part.len() => self.part.bytes(from..to),
            _ => Err(Error::corrupt(self.name, slot as u64 * 8, "a row lies outside")),
        }
    }

    /// Number of slots.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes of all slots, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<&[u8]>> + Clone {
        (0..self.len as Slot).map(|slot| self.row(slot))
    }
}
