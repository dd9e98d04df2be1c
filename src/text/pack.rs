//! Small integers in few bits: 128 at a time by SIMD, fewer one by one.

use crate::error::Error;
use crate::error::Result;
use bitpacking::BitPacker;
use bitpacking::BitPacker4x;

/// Integers of a block.
pub(super) const BLOCK: usize = BitPacker4x::BLOCK_LEN;

/// Packs and unpacks whole blocks.
#[derive(Clone, Copy)]
pub(super) struct Blocks(BitPacker4x);

impl Blocks {
    pub(super) fn new() -> Self {
        Self(BitPacker4x::new())
    }

    /// Appends ascending numbers, all larger than `before`; gives the bits of one.
    pub(super) fn pack_ascending(self, before: Option<u32>, numbers: &[u32; BLOCK], out: &mut Vec<u8>) -> u8 {
        let width = self.0.num_bits_strictly_sorted(before, numbers);
        let start = out.len();
        out.resize(start + bytes(width), 0);
        self.0.compress_strictly_sorted(before, numbers, &mut out[start..], width);
        width
    }

    /// Appends numbers; gives the bits of one.
    pub(super) fn pack(self, numbers: &[u32; BLOCK], out: &mut Vec<u8>) -> u8 {
        let width = self.0.num_bits(numbers);
        let start = out.len();
        out.resize(start + bytes(width), 0);
        self.0.compress(numbers, &mut out[start..], width);
        width
    }

    /// What [`Blocks::pack_ascending`] packed. Damaged bytes give other numbers.
    #[inline]
    pub(super) fn unpack_ascending(
        self,
        before: Option<u32>,
        packed: &[u8],
        width: u8,
        out: &mut [u32; BLOCK],
    ) -> Result<()> {
        let packed = sized(packed, width)?;
        self.0.decompress_strictly_sorted(before, packed, out, width);
        Ok(())
    }

    /// What [`Blocks::pack`] packed.
    #[inline]
    pub(super) fn unpack(self, packed: &[u8], width: u8, out: &mut [u32; BLOCK]) -> Result<()> {
        let packed = sized(packed, width)?;
        self.0.decompress(packed, out, width);
        Ok(())
    }
}

/// Bytes of a block of numbers of `width` bits.
pub(super) fn bytes(width: u8) -> usize {
    width as usize * BLOCK / 8
}

#[inline]
fn sized(packed: &[u8], width: u8) -> Result<&[u8]> {
    if width > 32 {
        return Err(Error::corrupt("text", 0, format!("integers of {width} bits")));
    }
    packed.get(..bytes(width)).ok_or_else(short)
}

#[cold]
fn short() -> Error {
    Error::corrupt("text", 0, "packed integers end early")
}

/// Bits that the largest of `numbers` takes.
pub(crate) fn width_of(numbers: &[u32]) -> u8 {
    32 - numbers.iter().fold(0, |all, number| all | number).leading_zeros() as u8
}

/// Appends numbers of `width` bits, the lowest bit first.
pub(crate) fn pack_few(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut held, mut bits) = (0u64, 0);
    for number in numbers {
        held |= u64::from(*number) << bits;
        bits += u32::from(width);
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(held as u8);
    }
}

/// Bytes of `count` numbers of `width` bits.
pub(crate) fn few_bytes(count: usize, width: u8) -> usize {
    (count * width as usize).div_ceil(8)
}

/// The numbers that [`pack_few`] packed, as many as `out` takes.
pub(super) fn unpack_few(packed: &[u8], width: u8, out: &mut [u32]) -> Result<()> {
    if width > 32 || packed.len() < few_bytes(out.len(), width) {
        return Err(short());
    }
    for (place, number) in out.iter_mut().enumerate() {
        *number = number_at(packed, width, place);
    }
    Ok(())
}

/// The number at `place` of those that [`pack_few`] packed; bits that are not there are zero.
#[inline]
pub(crate) fn number_at(packed: &[u8], width: u8, place: usize) -> u32 {
    let bit = place * width as usize;
    let rest = packed.get(bit / 8..).unwrap_or_default();
    let word = match rest.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (word >> (bit % 8) & ((1 << width) - 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn few_numbers_come_back(numbers in prop::collection::vec(any::<u32>(), 0..140), shift in 0u32..32) {
            let numbers: Vec<u32> = numbers.iter().map(|number| number >> shift).collect();
            let width = width_of(&numbers);
            let mut packed = Vec::new();
            pack_few(&numbers, width, &mut packed);
            prop_assert_eq!(packed.len(), few_bytes(numbers.len(), width));
            let mut out = vec![0; numbers.len()];
            unpack_few(&packed, width, &mut out).unwrap();
            prop_assert_eq!(&out, &numbers);
            if !packed.is_empty() {
                prop_assert!(unpack_few(&packed[1..], width, &mut out).is_err());
            }
        }

        #[test]
        fn blocks_come_back(gaps in prop::collection::vec(1u32..5000, 129)) {
            let mut sum = 0;
            let numbers: Vec<u32> = gaps.iter().map(|gap| { sum += gap; sum }).collect();
            let block: [u32; BLOCK] = numbers[1..].try_into().unwrap();
            let (mut packed, mut out) = (Vec::new(), [0; BLOCK]);
            let width = Blocks::new().pack_ascending(Some(numbers[0]), &block, &mut packed);
            Blocks::new().unpack_ascending(Some(numbers[0]), &packed, width, &mut out).unwrap();
            prop_assert_eq!(out, block);
            prop_assert!(Blocks::new().unpack(&packed, 33, &mut out).is_err());
            prop_assert!(Blocks::new().unpack(&packed[1..], width, &mut out).is_err());
        }
    }
}
