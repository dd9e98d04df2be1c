//! The root of the file: four slots, of which the valid one with the largest generation counts.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::checksum128;
use crate::error::Error;
use crate::error::Result;
use crate::storage::backend::Backend;
use crate::storage::layout::Layout;
use crate::storage::layout::NUMBER_LIMIT;
use crate::storage::layout::SLOTS;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;

/// Bytes of a record: one sector, the first of its slot.
pub(super) const RECORD: usize = 512;
/// Where the checksum of the record is, in this and every later version.
const CHECKSUM_AT: usize = RECORD - 16;
/// First bytes of a slot. The line ends show when a program took the file for text.
const MAGIC: [u8; 16] = *b"\x89LodeDB\r\n\x1a\n\0\0\0\0\0";
/// The version of the format that this crate writes. A larger major number is refused.
pub(super) const FORMAT: (u16, u16) = (1, 0);
/// Who wrote the record, for people who look at the bytes.
const CREATOR: &str = concat!("lodedb ", env!("CARGO_PKG_VERSION"));
/// Bytes of the creator's name.
const CREATOR_BYTES: usize = 32;
/// How errors name this part.
const PART: &str = "superblock";

/// Where the manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ManifestRef {
    /// Its offset.
    pub(super) offset: u64,
    /// Its bytes, without padding.
    pub(super) len: u64,
    /// Checksum of its bytes.
    pub(super) sum: u128,
}

/// Where the log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRef {
    /// Offset of the first log extent.
    pub(super) offset: u64,
    /// Its bytes.
    pub(super) len: u64,
    /// Seed of the first frame's checksum: random, so that no frame of an earlier log fits.
    pub(super) nonce: u64,
}

/// The root of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Superblock {
    /// Name of the database, random, given when it was created.
    pub(super) uuid: u128,
    /// Counts publications; its slot is `generation mod 4`.
    pub(super) generation: u64,
    /// The last commit that the manifest holds; the log goes on from there.
    pub(super) commit: u64,
    /// The file is at least this long.
    pub(super) file_bytes: u64,
    /// Where the manifest is.
    pub(super) manifest: ManifestRef,
    /// Where the log begins, or `None` for a file at rest.
    pub(super) log: Option<LogRef>,
}

/// What a slot was found to hold.
#[derive(Debug)]
enum Slot {
    /// Nothing was ever written there.
    Blank,
    /// Bytes of another kind of file.
    Foreign,
    /// A record that its checksum or its place contradicts.
    Damaged,
    /// A record of a version or with features that this one can't use.
    Unsupported(u64, String),
    /// A record.
    Valid(Superblock),
}

/// The offset of the slot of `generation`.
pub(super) fn slot_offset(layout: &Layout, generation: u64) -> u64 {
    layout.page * slot_index(generation)
}

/// The slot of `generation`.
fn slot_index(generation: u64) -> u64 {
    if mutants::active(Mutant::OneSlot) {
        return 0;
    }
    generation % if mutants::active(Mutant::TwoSlots) { 2 } else { SLOTS }
}

impl Superblock {
    /// The record as it is written.
    pub(super) fn encode(&self, layout: &Layout) -> Vec<u8> {
        let mut out = ByteWriter::new();
        out.bytes(&MAGIC);
        out.u16(FORMAT.0);
        out.u16(FORMAT.1);
        for _features in ["incompatible", "read-only compatible", "compatible"] {
            out.u32(0);
        }
        out.u64(self.generation);
        out.u128(self.uuid);
        out.u32(layout.page as u32);
        out.u32(layout.block as u32);
        out.u64(self.commit);
        out.u64(self.file_bytes);
        out.u64(self.manifest.offset);
        out.u64(self.manifest.len);
        out.u128(self.manifest.sum);
        let log = self.log.unwrap_or(LogRef { offset: 0, len: 0, nonce: 0 });
        out.u64(log.offset);
        out.u64(log.len);
        out.u64(log.nonce);
        let mut creator = [0; CREATOR_BYTES];
        let name = &CREATOR.as_bytes()[..CREATOR.len().min(CREATOR_BYTES)];
        creator[..name.len()].copy_from_slice(name);
        out.bytes(&creator);
        out.pad(CHECKSUM_AT);
        let mut bytes = out.finish();
        let sum = checksum128(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }
}

/// What the record in the slot number `index` is. `write` tells whether the file is opened for writing.
fn examine(layout: &Layout, index: u64, bytes: &[u8], write: bool) -> Result<Slot> {
    let mut reader = ByteReader::new(PART, bytes);
    if reader.bytes(MAGIC.len())? != MAGIC {
        return Ok(if bytes.iter().all(|byte| *byte == 0) { Slot::Blank } else { Slot::Foreign });
    }
    let (body, sum) = bytes.split_at(CHECKSUM_AT);
    if checksum128(body) != ByteReader::new(PART, sum).u128()? && !mutants::active(Mutant::NoSlotChecksum) {
        return Ok(Slot::Damaged);
    }
    let (major, minor) = (reader.u16()?, reader.u16()?);
    let (incompatible, read_only) = (reader.u32()?, reader.u32()?);
    let _compatible = reader.u32()?;
    let generation = reader.u64()?;
    if slot_index(generation) != index || generation >= NUMBER_LIMIT {
        return Ok(Slot::Damaged);
    }
    if major != FORMAT.0 {
        return Ok(Slot::Unsupported(generation, format!("format {major}.{minor}")));
    }
    if incompatible != 0 {
        return Ok(Slot::Unsupported(generation, format!("features {incompatible:#x}")));
    }
    if read_only != 0 && write {
        let found = format!("features {read_only:#x}, with which it can only be read");
        return Ok(Slot::Unsupported(generation, found));
    }
    decode_body(layout, generation, &mut reader)
}

/// The rest of a record of this version.
fn decode_body(layout: &Layout, generation: u64, reader: &mut ByteReader<'_>) -> Result<Slot> {
    let uuid = reader.u128()?;
    let (page, block) = (reader.u32()?, reader.u32()?);
    if (u64::from(page), u64::from(block)) != (layout.page, layout.block) {
        return Ok(Slot::Unsupported(generation, format!("pages of {page} bytes and blocks of {block}")));
    }
    let (commit, file_bytes) = (reader.u64()?, reader.u64()?);
    if commit >= NUMBER_LIMIT {
        return Ok(Slot::Damaged);
    }
    let manifest = ManifestRef { offset: reader.u64()?, len: reader.u64()?, sum: reader.u128()? };
    let log = LogRef { offset: reader.u64()?, len: reader.u64()?, nonce: reader.u64()? };
    let log = (log.len != 0).then_some(log);
    Ok(Slot::Valid(Superblock { uuid, generation, commit, file_bytes, manifest, log }))
}

/// What a look at one slot gives: its superblock, if there is a valid one.
pub(super) fn read_slot(
    backend: &dyn Backend,
    layout: &Layout,
    generation: u64,
    write: bool,
) -> Result<Option<Superblock>> {
    let mut bytes = [0; RECORD];
    let offset = slot_offset(layout, generation);
    backend.read(offset, &mut bytes).map_err(|error| Error::io("read a superblock", error))?;
    match examine(layout, slot_index(generation), &bytes, write)? {
        Slot::Valid(superblock) => Ok(Some(superblock)),
        Slot::Unsupported(at, found) if at >= generation => Err(unsupported(layout, found)),
        _ => Ok(None),
    }
}

/// The error for a file that has `found`.
fn unsupported(layout: &Layout, found: String) -> Error {
    let (page, block) = (layout.page, layout.block);
    let supported = format!("format {}.{}, pages of {page} bytes and blocks of {block}", FORMAT.0, FORMAT.1);
    Error::UnsupportedFormat { found, supported }
}

/// The valid superblocks of a file of `file_bytes`, the newest first. There is at least one.
pub(super) fn read_all(
    backend: &dyn Backend,
    layout: &Layout,
    file_bytes: u64,
    write: bool,
) -> Result<Vec<Superblock>> {
    let mut slots = Vec::with_capacity(SLOTS as usize);
    for index in 0..SLOTS {
        let offset = index * layout.page;
        if offset + RECORD as u64 > file_bytes {
            continue;
        }
        let mut bytes = [0; RECORD];
        backend.read(offset, &mut bytes).map_err(|error| Error::io("read the superblocks", error))?;
        slots.push(examine(layout, index, &bytes, write)?);
    }
    choose(layout, file_bytes, slots)
}

/// Sorts what the slots hold; an error where there is nothing to open.
fn choose(layout: &Layout, file_bytes: u64, slots: Vec<Slot>) -> Result<Vec<Superblock>> {
    let mut found = Vec::new();
    let mut refused: Option<(u64, String)> = None;
    let (mut foreign, mut damaged) = (false, false);
    for slot in slots {
        match slot {
            Slot::Blank => {}
            Slot::Foreign => foreign = true,
            Slot::Damaged => damaged = true,
            Slot::Valid(superblock) => found.push(superblock),
            Slot::Unsupported(generation, what) => {
                refused = refused.max(Some((generation, what)));
            }
        }
    }
    found.sort_unstable_by_key(|superblock| std::cmp::Reverse(superblock.generation));
    let newest = found.first().map_or(0, |superblock| superblock.generation);
    if let Some((generation, found)) = refused
        && generation >= newest
    {
        return Err(unsupported(layout, found));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    if damaged {
        return Err(Error::corrupt(PART, 0, "no slot holds a superblock that its checksum confirms"));
    }
    let problem = match (foreign, file_bytes) {
        (true, _) => "it begins with other bytes than a Lode database does",
        (false, 0) => "the file is empty; delete it to create a database under this name",
        (false, _) => {
            "no database was ever completed in it; if its creation was interrupted, delete the file and create it anew"
        }
    };
    Err(Error::NotADatabase { problem: problem.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::backend::MemoryBackend;

    fn sample(generation: u64) -> Superblock {
        Superblock {
            uuid: 7,
            generation,
            commit: 5,
            file_bytes: 1 << 20,
            manifest: ManifestRef { offset: 1 << 16, len: 12, sum: 99 },
            log: Some(LogRef { offset: 1 << 17, len: 1 << 18, nonce: 3 }),
        }
    }

    fn memory_with(records: &[(u64, Vec<u8>)]) -> MemoryBackend {
        let memory = MemoryBackend::new();
        memory.set_len(1 << 16).unwrap();
        for (slot, record) in records {
            memory.write(slot * 4096, record).unwrap();
        }
        memory
    }

    fn open(records: &[(u64, Vec<u8>)]) -> Result<Vec<Superblock>> {
        let memory = memory_with(records);
        read_all(&memory, &Layout::default(), memory.len().unwrap(), true)
    }

    fn sealed(mut record: Vec<u8>) -> Vec<u8> {
        record.truncate(CHECKSUM_AT);
        let sum = checksum128(&record);
        record.extend_from_slice(&sum.to_le_bytes());
        record
    }

    #[test]
    fn the_newest_valid_slot_counts() {
        let record = |generation| sample(generation).encode(&Layout::default());
        assert_eq!(record(9).len(), RECORD);
        let mut torn = record(7);
        torn[40] ^= 1;
        let found = open(&[(1, record(5)), (2, record(6)), (3, torn)]).unwrap();
        assert_eq!(found, [sample(6), sample(5)]);
    }

    #[test]
    fn every_flipped_bit_and_every_wrong_slot_is_noticed() {
        let record = sample(5).encode(&Layout::default());
        for bit in 0..RECORD * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&[(1, flipped)]).is_err(), "bit {bit}");
        }
        assert!(matches!(open(&[(2, record)]), Err(Error::Corrupt(_))));
    }

    #[test]
    fn what_is_no_database_is_told_apart() {
        assert!(matches!(open(&[]), Err(Error::NotADatabase { problem }) if problem.contains("completed")));
        assert!(matches!(open(&[(0, vec![7; 512])]), Err(Error::NotADatabase { .. })));
        let empty = MemoryBackend::new();
        let error = read_all(&empty, &Layout::default(), 0, false).unwrap_err();
        assert!(error.to_string().contains("empty"));
    }

    #[test]
    fn a_newer_format_is_refused_and_read_only_features_can_be_read() {
        let record = sample(5).encode(&Layout::default());
        let mut newer = record.clone();
        newer[16] = 2;
        assert!(matches!(open(&[(1, sealed(newer))]), Err(Error::UnsupportedFormat { .. })));
        let mut read_only = record;
        read_only[24] = 1;
        let records = [(1, sealed(read_only))];
        assert!(matches!(open(&records), Err(Error::UnsupportedFormat { .. })));
        assert!(read_all(&memory_with(&records), &Layout::default(), 1 << 16, false).is_ok());
    }
}
