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

/// Plain Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Simd for Scalar {
    type Floats = [f32; 16];
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
    fn pad(self, bytes: &[u8]) -> [u8; 64] {
        pad_by_words(bytes)
    }

    #[inline(always)]
    fn no_sums(self) -> [i32; 16] {
        [0; 16]
    }

    #[inline(always)]
    fn add_squares(self, sums: [i32; 16], a: &[u8; 64], b: &[u8; 64]) -> [i32; 16] {
        let term = |at: usize| {
            let difference = i32::from(a[at]) - i32::from(b[at]);
            difference * difference
        };
        from_fn(|lane| sums[lane] + term(lane) + term(lane + 16) + term(lane + 32) + term(lane + 48))
    }

    #[inline(always)]
    fn add_products(self, sums: [i32; 16], weights: &[u8; 64], codes: &[u8; 64]) -> [i32; 16] {
        let term = |at: usize| i32::from(weights[at].cast_signed()) * i32::from(codes[at]);
        from_fn(|lane| sums[lane] + term(lane) + term(lane + 16) + term(lane + 32) + term(lane + 48))
    }

    #[inline(always)]
    fn add_bits(self, mut sums: [i32; 16], a: &[u8; 64], b: &[u8; 64]) -> [i32; 16] {
        let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
        for lane in 0..8 {
            let different = u64::from_le_bytes(a[lane]) ^ u64::from_le_bytes(b[lane]);
            sums[lane] += different.count_ones() as i32;
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
