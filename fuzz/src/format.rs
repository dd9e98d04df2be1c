//! The layout of the file as `src/doc/format.md` tells it, and nothing of the library: checksums are mended here
//! behind a mutation, so that damage reaches what lies behind them; and where document and library differ, the
//! corpora no longer open.

use xxhash_rust::xxh3::xxh3_64_with_seed;
use xxhash_rust::xxh3::xxh3_128;

/// Everything but extents from one block on is aligned to this.
pub const PAGE: usize = 4096;
/// Bytes with a checksum of their own.
pub const BLOCK: usize = 64 << 10;
/// Kind of a log frame that holds a commit.
pub const COMMIT: u32 = 1;
/// Kind of a log frame that tells where the log goes on.
pub const LINK: u32 = 2;

const MAGIC: [u8; 16] = *b"\x89LodeDB\r\n\x1a\n\0\0\0\0\0";
const SLOTS: usize = 4;
const RECORD: usize = 512;
const RECORD_SUM: usize = RECORD - 16;
const GENERATION: usize = 32;
const COMMIT_AT: usize = 64;
const MANIFEST: usize = 80;
const MANIFEST_SUM: usize = 96;
const LOG: usize = 112;
/// Bytes of an extent in the manifest: offset, length, checksum of the table.
const EXTENT: usize = 24;
const FRAME_HEADER: usize = 16;
/// Frames that are mended in one log: more than any input has, so that a hostile one ends.
const MOST_FRAMES: usize = 4096;

/// The parts of a superblock that the fuzz targets use.
#[derive(Clone, Copy, Debug)]
pub struct Superblock {
    /// Where its slot begins.
    pub at: usize,
    /// Its generation.
    pub generation: u64,
    /// The last commit that the manifest holds.
    pub commit: u64,
    /// Offset and length of the manifest.
    pub manifest: (u64, u64),
    /// Offset, length and nonce of the log; the length is 0 where there is none.
    pub log: (u64, u64, u64),
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|found| u32::from_le_bytes(*found))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|found| u64::from_le_bytes(*found))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Option<()> {
    bytes.get_mut(at..at.checked_add(value.len())?)?.copy_from_slice(value);
    Some(())
}

/// The range of `len` bytes at `offset`, where the file has them.
fn range(bytes: &[u8], offset: u64, len: u64) -> Option<std::ops::Range<usize>> {
    let (start, end) = (usize::try_from(offset).ok()?, usize::try_from(offset.checked_add(len)?).ok()?);
    (end <= bytes.len()).then_some(start..end)
}

/// The slots that begin as a superblock does.
pub fn superblocks(bytes: &[u8]) -> Vec<Superblock> {
    (0..SLOTS).filter_map(|slot| superblock(bytes, slot * PAGE)).collect()
}

fn superblock(bytes: &[u8], at: usize) -> Option<Superblock> {
    let record = bytes.get(at..at + RECORD)?;
    let word = |place| u64_at(record, place);
    let found = Superblock {
        at,
        generation: word(GENERATION)?,
        commit: word(COMMIT_AT)?,
        manifest: (word(MANIFEST)?, word(MANIFEST + 8)?),
        log: (word(LOG)?, word(LOG + 8)?, word(LOG + 16)?),
    };
    record.starts_with(&MAGIC).then_some(found)
}

/// The superblock with the largest generation.
pub fn newest(bytes: &[u8]) -> Option<Superblock> {
    superblocks(bytes).into_iter().max_by_key(|superblock| superblock.generation)
}

/// Mends the checksums of the superblocks, and of the newest generation those of the blocks, tables, manifest and log
/// frames, as far as what they protect lies inside the file. (What older generations refer to may have been reused.)
pub fn mend(bytes: &mut [u8]) {
    if let Some(superblock) = newest(bytes) {
        let _ = mend_manifest(bytes, &superblock);
        let _ = mend_log(bytes, &superblock);
    }
    for superblock in superblocks(bytes) {
        mend_superblock(bytes, superblock.at);
    }
}

/// Mends the checksum of the superblock at `at`.
pub fn mend_superblock(bytes: &mut [u8], at: usize) {
    if let Some(record) = bytes.get(at..at + RECORD_SUM) {
        let sum = xxh3_128(record);
        let _ = put(bytes, at + RECORD_SUM, &sum.to_le_bytes());
    }
}

fn mend_manifest(bytes: &mut [u8], superblock: &Superblock) -> Option<()> {
    let place = range(bytes, superblock.manifest.0, superblock.manifest.1)?;
    let count = u64_at(bytes.get(place.clone())?, 0)?;
    let most = place.len().saturating_sub(8) / EXTENT;
    for index in 0..most.min(usize::try_from(count).unwrap_or(usize::MAX)) {
        let at = place.start + 8 + index * EXTENT;
        let _ = mend_extent(bytes, at);
    }
    let sum = xxh3_128(bytes.get(place)?);
    put(bytes, superblock.at + MANIFEST_SUM, &sum.to_le_bytes())
}

/// Offset and length of each extent that the newest manifest lists.
pub fn extents(bytes: &[u8]) -> Vec<(u64, u64)> {
    let listed = || {
        let (offset, len) = newest(bytes)?.manifest;
        let manifest = bytes.get(range(bytes, offset, len)?)?;
        let (count, entries) = (u64_at(manifest, 0)?, manifest.get(8..)?.chunks_exact(EXTENT));
        let entries = entries.take(usize::try_from(count).ok()?);
        Some(entries.filter_map(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 8)?))).collect())
    };
    listed().unwrap_or_default()
}

/// Mends the table of the extent whose entry in the manifest is at `at`, and the entry's checksum of the table.
fn mend_extent(bytes: &mut [u8], at: usize) -> Option<()> {
    let data = range(bytes, u64_at(bytes, at)?, u64_at(bytes, at + 8)?)?;
    let table: Vec<u8> = bytes[data.clone()]
        .chunks(BLOCK)
        .flat_map(|block| xxh3_64_with_seed(block, 0).to_le_bytes())
        .collect();
    put(bytes, data.end.checked_next_multiple_of(8)?, &table)?;
    put(bytes, at + 16, &xxh3_64_with_seed(&table, 0).to_le_bytes())
}

/// Mends the checksums and commit numbers of the frames of a log.
fn mend_log(bytes: &mut [u8], superblock: &Superblock) -> Option<()> {
    let (offset, len, mut chain) = superblock.log;
    let mut extent = range(bytes, offset, len)?;
    let (mut at, mut commit) = (extent.start, superblock.commit);
    for _ in 0..MOST_FRAMES {
        let (payload, kind) = (u32_at(bytes, at)? as usize, u32_at(bytes, at + 4)?);
        let end = at.checked_add(FRAME_HEADER + payload)?;
        if kind == 0 || end + 8 > extent.end {
            return None;
        }
        commit = commit.wrapping_add(u64::from(kind == COMMIT));
        put(bytes, at + 8, &commit.to_le_bytes())?;
        chain = xxh3_64_with_seed(bytes.get(at..end)?, chain);
        put(bytes, end, &chain.to_le_bytes())?;
        if kind == LINK {
            let target = at + FRAME_HEADER;
            extent = range(bytes, u64_at(bytes, target)?, u64_at(bytes, target + 8)?)?;
            at = extent.start;
        } else {
            at += (FRAME_HEADER + payload + 8).next_multiple_of(PAGE);
        }
    }
    None
}

/// A frame with its checksum and padding, and the checksum.
pub fn frame(chain: u64, kind: u32, commit: u64, payload: &[u8]) -> (Vec<u8>, u64) {
    let mut out = Vec::with_capacity(PAGE);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&commit.to_le_bytes());
    out.extend_from_slice(payload);
    let sum = xxh3_64_with_seed(&out, chain);
    out.extend_from_slice(&sum.to_le_bytes());
    out.resize(out.len().next_multiple_of(PAGE), 0);
    (out, sum)
}

/// The payloads of the commits in the log of the newest generation, as far as they follow each other directly.
pub fn log_payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let Some(superblock) = newest(bytes) else { return found };
    let (offset, len, mut chain) = superblock.log;
    let Some(log) = range(bytes, offset, len) else { return found };
    let mut at = log.start;
    while let (Some(payload), Some(kind)) = (u32_at(bytes, at), u32_at(bytes, at + 4)) {
        let end = at + FRAME_HEADER + payload as usize;
        let sum = bytes.get(at..end).map(|body| xxh3_64_with_seed(body, chain));
        if kind != COMMIT || sum.is_none() || sum != u64_at(bytes, end) {
            break;
        }
        chain = sum.unwrap_or_default();
        found.push(bytes[at + FRAME_HEADER..end].to_vec());
        at += (FRAME_HEADER + payload as usize + 8).next_multiple_of(PAGE);
    }
    found
}

/// A file as a short input: its length in pages and its runs of bytes that are not zero, each behind page, place in
/// the page and length.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let short = |value: usize| (value as u16).to_le_bytes();
    let mut out = short(bytes.len().div_ceil(PAGE)).to_vec();
    for (page, content) in bytes.chunks(PAGE).enumerate() {
        let mut at = 0;
        while let Some(skip) = content[at..].iter().position(|byte| *byte != 0) {
            at += skip;
            let run = &content[at..];
            let len = run.windows(8).position(|gap| gap.iter().all(|byte| *byte == 0)).unwrap_or(run.len());
            out.extend([short(page), short(at), short(len)].concat());
            out.extend_from_slice(&run[..len]);
            at += len;
        }
    }
    out
}

/// The file that [`pack`] packed; of any other input, some file of at most two mebibytes.
pub fn unpack(input: &[u8]) -> Vec<u8> {
    let mut source = super::source::Source::new(input);
    let mut bytes = vec![0; source.short() % 513 * PAGE];
    while !source.is_empty() {
        let at = source.short() * PAGE + source.short();
        let len = source.short();
        let run = source.take(len);
        if let Some(place) = bytes.get_mut(at..at + run.len()) {
            place.copy_from_slice(run);
        }
    }
    bytes
}
