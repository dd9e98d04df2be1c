//! The operations in plain Rust, in lanes that the compiler vectorises: what every processor has, and the reference that
//! the other instruction sets must equal.

use crate::vector::bf16_to_f32;
use crate::vector::dispatch::Simd;
use crate::vector::f16_to_f32;
use std::array::from_fn;

/// Up to 64 bytes, followed by zeros; copied in words, as tails are whole words more often than not.
#[inline(always)]
pub(super) fn pad_by_words(bytes: &[u8]) -> [u8; 64] {
    let mut block = [0; 64];
    let (words, rest) = bytes.as_chunks::<8>();
    let (places, _) = block.as_chunks_mut::<8>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = *word;
    }
    if let Some(place) = places.get_mut(words.len()) {
        for (place, byte) in place.iter_mut().zip(rest) {
            *place = *byte;
        }
    }
    block
}

/// A code as a number that products are made of.
#[inline(always)]
fn widen(code: u8) -> i16 {
    i16::from(code)
}

/// 64 bytes as eight words.
#[inline(always)]
fn words(bytes: [u8; 64]) -> [u64; 8] {
    let words = bytes.as_chunks::<8>().0;
    from_fn(|at| u64::from_le_bytes(words[at]))
}

/// Adds the products of 64 pairs of numbers, those of two neighbors to one lane: the form in which processors multiply
/// 16-bit numbers fastest.
#[inline(always)]
fn add_pairs(sums: [i32; 16], a: [i16; 64], b: [i16; 64]) -> [i32; 16] {
    let product = |at: usize| i32::from(a[at]) * i32::from(b[at]);
    let pair = |at: usize| product(at) + product(at + 1);
    from_fn(|lane| sums[lane] + pair(2 * lane) + pair(2 * lane + 32))
}

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Simd for Scalar {
    type Floats = [f32; 16];
    type Bytes = [u8; 64];
    type Sums = [i32; 16];

    #[inline(always)]
    fn zero(self) -> [f32; 16] {
        [0.0; 16]
    }

    #[inline(always)]
    fn load(self, values: &[f32; 16]) -> [f32; 16] {
        *values
    }

    #[inline(always)]
    fn load_f32(self, bytes: &[u8; 64]) -> [f32; 16] {
        let elements = bytes.as_chunks::<4>().0;
        from_fn(|lane| f32::from_le_bytes(elements[lane]))
    }

    #[inline(always)]
    fn load_f16(self, bytes: &[u8; 32]) -> [f32; 16] {
        let elements = bytes.as_chunks::<2>().0;
        from_fn(|lane| f16_to_f32(u16::from_le_bytes(elements[lane])))
    }

    #[inline(always)]
    fn load_bf16(self, bytes: &[u8; 32]) -> [f32; 16] {
        let elements = bytes.as_chunks::<2>().0;
        from_fn(|lane| bf16_to_f32(u16::from_le_bytes(elements[lane])))
    }

    #[inline(always)]
    fn load_i8(self, bytes: &[u8; 16]) -> [f32; 16] {
        from_fn(|lane| f32::from(bytes[lane].cast_signed()))
    }

    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn sub(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 16], b: [f32; 16], sum: [f32; 16]) -> [f32; 16] {
        from_fn(|lane| a[lane] * b[lane] + sum[lane])
    }

    #[inline(always)]
    fn total_floats(self, values: [f32; 16]) -> f32 {
        values.iter().sum()
    }

    #[inline(always)]
    fn bytes(self, bytes: &[u8; 64]) -> [u8; 64] {
        *bytes
    }

    #[inline(always)]
    fn pad(self, bytes: &[u8]) -> [u8; 64] {
        pad_by_words(bytes)
    }

    #[inline(always)]
    fn no_sums(self) -> [i32; 16] {
        [0; 16]
    }

    #[inline(always)]
    fn add_squares(self, sums: [i32; 16], a: [u8; 64], b: [u8; 64]) -> [i32; 16] {
        let difference = from_fn(|at| widen(a[at]) - widen(b[at]));
        add_pairs(sums, difference, difference)
    }

    #[inline(always)]
    fn add_products(self, sums: [i32; 16], weights: [u8; 64], codes: [u8; 64]) -> [i32; 16] {
        add_pairs(sums, weights.map(|weight| i16::from(weight.cast_signed())), codes.map(widen))
    }

    #[inline(always)]
    fn add_bits(self, mut sums: [i32; 16], a: [u8; 64], b: [u8; 64]) -> [i32; 16] {
        let (a, b) = (words(a), words(b));
        for lane in 0..8 {
            sums[lane] += (a[lane] ^ b[lane]).count_ones() as i32;
        }
        sums
    }

    #[inline(always)]
    fn add_nibble_squares(self, sums: [i32; 16], a: [[u8; 64]; 2], b: [u8; 64]) -> [i32; 16] {
        let [low, high] = a.map(|half| half.map(|byte| i16::from(byte.cast_signed())));
        let low = from_fn(|at| low[at] - widen(b[at] & 15) * 8);
        let high = from_fn(|at| high[at] - widen(b[at] >> 4) * 8);
        add_pairs(add_pairs(sums, low, low), high, high)
    }

    #[inline(always)]
    fn add_nibble_products(self, sums: [i32; 16], weights: [[u8; 64]; 2], codes: [u8; 64]) -> [i32; 16] {
        let [low, high] = weights.map(|half| half.map(|weight| i16::from(weight.cast_signed())));
        let sums = add_pairs(sums, low, codes.map(|code| widen(code & 15)));
        add_pairs(sums, high, codes.map(|code| widen(code >> 4)))
    }

    #[inline(always)]
    fn add_planes(self, mut sums: [i32; 16], planes: [[u8; 64]; 4], codes: [u8; 64]) -> [i32; 16] {
        let (planes, codes) = (planes.map(words), words(codes));
        for lane in 0..8 {
            let [ones, twos, fours, eights] =
                planes.map(|plane| (plane[lane] & codes[lane]).count_ones() as i32);
            sums[lane] += ones + 2 * twos + 4 * fours - 8 * eights;
        }
        sums
    }

    #[inline(always)]
    fn total_sums(self, sums: [[i32; 16]; 4]) -> [i32; 4] {
        sums.map(|sums| self.total_sum(sums))
    }

    #[inline(always)]
    fn total_sum(self, sums: [i32; 16]) -> i32 {
        sums.iter().sum()
    }
}
