//! Roaring bitmaps in their portable form, written by the `roaring` crate and read in place.
//!
//! Own reading, because a set is wanted as words of bits or as a list, not as containers: the crate's reading allocates
//! each container, checks it, and is then asked slot by slot. The module's documentation has the measurement.

use super::corrupt;
use super::gather::Sink;
use crate::error::Result;
use crate::ids::Slot;
use roaring::RoaringBitmap;

/// First word where no container is a list of runs.
const PLAIN: u32 = 12_346;
/// Lower half of the first word where some are.
const WITH_RUNS: u16 = 12_347;
/// With runs, bitmaps of fewer containers have no offsets.
const OFFSETS_FROM: usize = 4;
/// Containers with more slots are bits.
const LARGEST_ARRAY: usize = 4096;

/// The bitmap of ascending slots as bytes.
pub(super) fn encode(slots: &[Slot]) -> Vec<u8> {
    let mut bitmap = RoaringBitmap::new();
    bitmap.extend(slots.iter().copied());
    bitmap.optimize();
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    // Writing to memory does not fail.
    let _ = bitmap.serialize_into(&mut bytes);
    bytes
}

/// A bitmap in bytes; each container is checked when it is read.
pub(super) struct Bitmap<'a> {
    runs: &'a [u8],
    /// Key, and number of slots less one.
    heads: &'a [[u8; 4]],
    containers: &'a [u8],
}

impl<'a> Bitmap<'a> {
    /// The bitmap in `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        let short = || corrupt(0, "a bitmap that is cut off");
        let (cookie, mut rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let cookie = u32::from_le_bytes(*cookie);
        let (runs, count, offsets): (&[u8], usize, bool);
        if cookie == PLAIN {
            let (words, after) = rest.split_first_chunk().ok_or_else(short)?;
            (runs, count, offsets, rest) = (&[], u32::from_le_bytes(*words) as usize, true, after);
        } else if cookie as u16 == WITH_RUNS {
            count = (cookie >> 16) as usize + 1;
            (runs, rest) = rest.split_at_checked(count.div_ceil(8)).ok_or_else(short)?;
            offsets = count >= OFFSETS_FROM;
        } else {
            return Err(corrupt(0, format!("a bitmap that begins with {cookie}")));
        }
        let heads = count.checked_mul(4).and_then(|len| rest.split_at_checked(len)).ok_or_else(short)?;
        let containers = match offsets {
            true => heads.1.get(heads.0.len()..).ok_or_else(short)?,
            false => heads.1,
        };
        Ok(Self { runs, heads: heads.0.as_chunks().0, containers })
    }

    /// Number of slots.
    pub(super) fn len(&self) -> u64 {
        self.heads.iter().map(|head| u64::from(u16::from_le_bytes([head[2], head[3]])) + 1).sum()
    }

    /// Adds the slots to `out`.
    pub(super) fn read(&self, out: &mut impl Sink) -> Result<()> {
        let short = || corrupt(0, "a bitmap that is cut off");
        let mut rest = self.containers;
        let mut last = None;
        for (at, head) in self.heads.iter().enumerate() {
            let key = u16::from_le_bytes([head[0], head[1]]);
            let len = usize::from(u16::from_le_bytes([head[2], head[3]])) + 1;
            if last.replace(key).is_some_and(|last| last >= key) {
                return Err(corrupt(0, "containers of a bitmap are out of order"));
            }
            let base = u32::from(key) << 16;
            let is_runs = self.runs.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            let bytes = match is_runs {
                true => rest.first_chunk().map(|count| 2 + 4 * usize::from(u16::from_le_bytes(*count))),
                false if len > LARGEST_ARRAY => Some(8192),
                false => Some(2 * len),
            };
            let (container, after) =
                bytes.and_then(|bytes| rest.split_at_checked(bytes)).ok_or_else(short)?;
            rest = after;
            if is_runs {
                read_runs(container.get(2..).unwrap_or_default(), base, len, out)?;
            } else if len > LARGEST_ARRAY {
                read_bits(container, base, len, out)?;
            } else {
                read_array(container.as_chunks().0, base, out)?;
            }
        }
        Ok(())
    }
}

fn read_array(lows: &[[u8; 2]], base: u32, out: &mut impl Sink) -> Result<()> {
    let mut next = 0;
    for low in lows {
        let low = u32::from(u16::from_le_bytes(*low));
        if low < next {
            return Err(corrupt(0, "slots of a bitmap are out of order"));
        }
        next = low + 1;
        out.add(base | low)?;
    }
    Ok(())
}

fn read_bits(container: &[u8], base: u32, len: usize, out: &mut impl Sink) -> Result<()> {
    let words = || container.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    if words().map(|word| word.count_ones() as usize).sum::<usize>() != len {
        return Err(corrupt(0, "a bitmap does not have as many slots as it says"));
    }
    out.words(base as usize / 64, words())
}

fn read_runs(container: &[u8], base: u32, len: usize, out: &mut impl Sink) -> Result<()> {
    let (mut next, mut found) = (0, 0);
    for run in container.as_chunks::<4>().0 {
        let first = u32::from(u16::from_le_bytes([run[0], run[1]]));
        let last = first + u32::from(u16::from_le_bytes([run[2], run[3]]));
        if first < next || last > 0xffff {
            return Err(corrupt(0, "runs of a bitmap are out of order"));
        }
        (next, found) = (last + 1, found + (last - first) as usize + 1);
        out.run(base | first, base | last)?;
    }
    match found == len {
        true => Ok(()),
        false => Err(corrupt(0, "a bitmap does not have as many slots as it says")),
    }
}
