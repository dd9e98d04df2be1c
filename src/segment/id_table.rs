//! The ids of a segment: slot -> id, and id -> slot through a hash table that is read in place.
//!
//! ```text
//! 0   kind: u32 (0 numbers, 1 strings)   count: u32   buckets: u32 (a power of two)   0: u32
//! 16  buckets x u32: slot, or 0xFFFFFFFF for an empty bucket; linear probing from the id's hash
//! ..  numbers: count x u64             strings: (count + 1) x u64 offsets into the bytes that follow
//! ```
//!
//! At most three quarters of the buckets are taken. A probe visits each bucket once at most, so a hostile table ends.

use super::part::Part;
use super::part::Target;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::checksum64;
use crate::error::Error;
use crate::error::Result;
use crate::ids::IdKind;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::vector::dispatch::prefetch;

const PART: &str = "ids";
const HEADER_BYTES: usize = 16;
const EMPTY: u32 = u32::MAX;

/// Ids by slot and slots by id, read in place.
#[derive(Clone, Debug)]
pub(crate) struct IdTable {
    part: Part,
    kind: IdKind,
    len: usize,
    buckets: usize,
}

/// An id as it lies in a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IdRef<'a> {
    /// A number.
    U64(u64),
    /// A string.
    Str(&'a str),
}

impl IdRef<'_> {
    /// The id as a value of its own.
    pub(crate) fn to_id(self) -> RecordId {
        match self {
            Self::U64(number) => RecordId::U64(number),
            Self::Str(text) => RecordId::Str(text.to_owned()),
        }
    }

    fn hash(self) -> u64 {
        match self {
            Self::U64(number) => checksum64(0, &number.to_le_bytes()),
            Self::Str(text) => checksum64(0, text.as_bytes()),
        }
    }
}

impl<'a> From<&'a RecordId> for IdRef<'a> {
    fn from(id: &'a RecordId) -> Self {
        match id {
            RecordId::U64(number) => Self::U64(*number),
            RecordId::Str(text) => Self::Str(text),
        }
    }
}

impl IdTable {
    /// Writes the table of `ids`, all of `kind`, in slot order.
    pub(crate) fn write(target: &Target<'_>, kind: IdKind, ids: &[IdRef<'_>]) -> Result<Self> {
        let buckets = (ids.len() * 4 / 3 + 1).next_power_of_two();
        let mut out = ByteWriter::new();
        out.u32(u32::from(kind == IdKind::Str));
        out.u32(ids.len() as u32);
        out.u32(buckets as u32);
        out.u32(0);
        for slot in hash_table(ids, buckets) {
            out.u32(slot);
        }
        match kind {
            IdKind::U64 => write_numbers(ids, &mut out),
            IdKind::Str => write_strings(ids, &mut out),
        }
        Self::open(target.whole_part(PART, out.finish())?, ids.len())
    }

    /// The table in `part`, which must have `len` slots.
    pub(crate) fn open(part: Part, len: usize) -> Result<Self> {
        let mut header = ByteReader::new(PART, part.bytes(0..HEADER_BYTES.min(part.len()))?);
        let kind = match header.u32()? {
            0 => IdKind::U64,
            1 => IdKind::Str,
            other => return Err(Error::corrupt(PART, 0, format!("unknown kind of id {other}"))),
        };
        let (count, buckets) = (header.u32()? as usize, header.u32()? as usize);
        let fixed = if kind == IdKind::U64 { len * 8 } else { (len + 1) * 8 };
        let fits = HEADER_BYTES + buckets * 4 + fixed <= part.len();
        if count != len || !buckets.is_power_of_two() || !fits {
            return Err(Error::corrupt(
                PART,
                4,
                format!("{count} ids in {buckets} buckets where {len} are due"),
            ));
        }
        Ok(Self { part, kind, len, buckets })
    }

    /// The kind of the ids.
    pub(crate) fn kind(&self) -> IdKind {
        self.kind
    }

    /// The bytes of the table.
    pub(crate) fn part(&self) -> &Part {
        &self.part
    }

    fn entries_start(&self) -> usize {
        HEADER_BYTES + self.buckets * 4
    }

    /// Asks the processor's cache for the id at `slot`.
    pub(crate) fn prefetch(&self, slot: Slot) {
        let at = self.entries_start() + slot as usize * 8;
        prefetch(self.part.unverified().get(at..at + 8).unwrap_or_default());
    }

    /// The id at `slot`.
    pub(crate) fn id(&self, slot: Slot) -> Result<IdRef<'_>> {
        let slot = slot as usize;
        if slot >= self.len {
            return Err(Error::corrupt(PART, 0, format!("slot {slot} of {}", self.len)));
        }
        let start = self.entries_start();
        if self.kind == IdKind::U64 {
            return Ok(IdRef::U64(self.part.u64_at(start, slot)?));
        }
        let strings = start + (self.len + 1) * 8;
        let from = self.part.u64_at(start, slot)? as usize;
        let to = self.part.u64_at(start, slot + 1)? as usize;
        let range = match (strings.checked_add(from), strings.checked_add(to)) {
            (Some(from), Some(to)) if from <= to && to <= self.part.len() => from..to,
            _ => return Err(Error::corrupt(PART, start as u64, format!("id at slot {slot} lies outside"))),
        };
        let at = range.start as u64;
        let text = std::str::from_utf8(self.part.bytes(range)?);
        Ok(IdRef::Str(text.map_err(|_| Error::corrupt(PART, at, "an id is not UTF-8"))?))
    }

    /// The slot of `id`.
    pub(crate) fn find(&self, id: IdRef<'_>) -> Result<Option<Slot>> {
        let mask = self.buckets - 1;
        let start = id.hash() as usize & mask;
        for step in 0..self.buckets {
            let slot = self.part.u32_at(HEADER_BYTES, (start + step) & mask)?;
            if slot == EMPTY {
                return Ok(None);
            }
            if self.id(slot)? == id {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Checks that each id is found at its slot, and there are no further entries.
    pub(crate) fn verify(&self) -> Result<()> {
        self.part.verify()?;
        for slot in 0..self.len as Slot {
            if self.find(self.id(slot)?)? != Some(slot) {
                return Err(Error::corrupt(PART, 0, format!("the id at slot {slot} is not found")));
            }
        }
        Ok(())
    }
}

fn hash_table(ids: &[IdRef<'_>], buckets: usize) -> Vec<u32> {
    let mut table = vec![EMPTY; buckets];
    for (slot, id) in ids.iter().enumerate() {
        let mut bucket = id.hash() as usize & (buckets - 1);
        while table[bucket] != EMPTY {
            bucket = (bucket + 1) & (buckets - 1);
        }
        table[bucket] = slot as u32;
    }
    table
}

fn write_numbers(ids: &[IdRef<'_>], out: &mut ByteWriter) {
    for id in ids {
        if let IdRef::U64(number) = id {
            out.u64(*number);
        }
    }
}

fn write_strings(ids: &[IdRef<'_>], out: &mut ByteWriter) {
    let texts = || ids.iter().map(|id| if let IdRef::Str(text) = id { text } else { "" });
    let mut end = 0;
    out.u64(end);
    for text in texts() {
        end += text.len() as u64;
        out.u64(end);
    }
    texts().for_each(|text| out.bytes(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_kinds_are_found_at_their_slots() {
        let texts: Vec<String> = (0..1000).map(|i| format!("id-{}", i * i)).collect();
        let strings: Vec<IdRef<'_>> = texts.iter().map(|text| IdRef::Str(text)).collect();
        let numbers: Vec<IdRef<'_>> = (0..1000).map(|i| IdRef::U64(i * 7919)).collect();
        for (kind, ids) in [(IdKind::Str, strings), (IdKind::U64, numbers)] {
            let table = IdTable::write(&Target::Memory, kind, &ids).unwrap();
            for (slot, id) in ids.iter().enumerate() {
                assert_eq!(table.find(*id).unwrap(), Some(slot as Slot));
            }
            assert_eq!(table.find(IdRef::U64(1)).unwrap(), None);
            assert_eq!(table.find(IdRef::Str("id")).unwrap(), None);
            table.verify().unwrap();
        }
    }

    #[test]
    fn a_damaged_table_is_an_error_or_an_answer() {
        let ids: Vec<IdRef<'_>> = ["a", "bb", "ccc"].iter().map(|text| IdRef::Str(text)).collect();
        let table = IdTable::write(&Target::Memory, IdKind::Str, &ids).unwrap();
        let bytes = table.part().all().unwrap().to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(table) = IdTable::open(Part::in_memory(damaged), 3) {
                    for id in &ids {
                        let _ = table.find(*id);
                    }
                }
            }
            assert!(IdTable::open(Part::in_memory(bytes[..at.min(HEADER_BYTES)].to_vec()), 3).is_err());
        }
    }
}
