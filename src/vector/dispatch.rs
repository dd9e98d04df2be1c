//! Which instruction set runs, found once; fence for the few operations that need `unsafe` outside the kernels.
//!
//! A call through a pointer for every distance costs more than the distance, so the choice is made once per search:
//! [`Cpu::dispatch`] enters a function compiled for the instruction set and runs the caller's whole loop inside it.
//! The loop is generic over [`Simd`]; whatever it calls must be `#[inline(always)]` to be compiled for that set.

use crate::vector::avx2::Avx2;
use crate::vector::avx512::Avx512;
use crate::vector::scalar::Scalar;
use std::fmt;
use std::sync::OnceLock;

/// Environment variable that hides instruction sets, for tests and benches: `avx2` hides AVX-512, `scalar` both.
const VARIABLE: &str = "LODE_CPU";

/// The operations that the kernels are made of, on sixteen floats or 64 bytes at a time.
///
/// A value of an implementing type is the proof that the processor has the instructions.
pub(crate) trait Simd: Copy + Send + Sync {
    /// Sixteen floats.
    type Floats: Copy;
    /// 64 bytes of a code.
    type Bytes: Copy;
    /// Partial sums of integers, to be totalled at the end.
    type Sums: Copy;

    /// Sixteen zeros.
    fn zero(self) -> Self::Floats;
    /// Sixteen floats of a query.
    fn load(self, values: &[f32; 16]) -> Self::Floats;
    /// Sixteen stored `f32`.
    fn load_f32(self, bytes: &[u8; 64]) -> Self::Floats;
    /// Sixteen stored half floats.
    fn load_f16(self, bytes: &[u8; 32]) -> Self::Floats;
    /// Sixteen stored brain floats.
    fn load_bf16(self, bytes: &[u8; 32]) -> Self::Floats;
    /// Sixteen stored `i8`.
    fn load_i8(self, bytes: &[u8; 16]) -> Self::Floats;
    /// `a + b`.
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a - b`.
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + sum`, rounded once or twice.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, sum: Self::Floats) -> Self::Floats;
    /// The sum of all lanes.
    fn total_floats(self, values: Self::Floats) -> f32;

    /// 64 bytes.
    fn bytes(self, bytes: &[u8; 64]) -> Self::Bytes;
    /// Up to 64 bytes, followed by zeros; further bytes are left out.
    fn pad(self, bytes: &[u8]) -> Self::Bytes;
    /// Sums of zero.
    fn no_sums(self) -> Self::Sums;
    /// Adds the squares of `a - b`, for bytes up to 127.
    fn add_squares(self, sums: Self::Sums, a: Self::Bytes, b: Self::Bytes) -> Self::Sums;
    /// Adds the products of signed weights (-127 to 127) and codes (0 to 127).
    fn add_products(self, sums: Self::Sums, weights: Self::Bytes, codes: Self::Bytes) -> Self::Sums;
    /// Adds the number of bits that differ.
    fn add_bits(self, sums: Self::Sums, a: Self::Bytes, b: Self::Bytes) -> Self::Sums;
    /// Adds the squares of `a - 8 b`, where `a` is 128 signed bytes (-7 to 127) and `b` the lower halves of 64 bytes,
    /// then their upper halves.
    fn add_nibble_squares(self, sums: Self::Sums, a: [Self::Bytes; 2], b: Self::Bytes) -> Self::Sums;
    /// Adds the products of 128 signed weights (-127 to 127) and the halves of 64 bytes, in the same order.
    fn add_nibble_products(
        self,
        sums: Self::Sums,
        weights: [Self::Bytes; 2],
        codes: Self::Bytes,
    ) -> Self::Sums;
    /// Adds `n0 + 2 n1 + 4 n2 - 8 n3`, where `ni` is the number of bits set both in `codes` and in plane `i`.
    fn add_planes(self, sums: Self::Sums, planes: [Self::Bytes; 4], codes: Self::Bytes) -> Self::Sums;
    /// The four totals.
    fn total_sums(self, sums: [Self::Sums; 4]) -> [i32; 4];
    /// The total.
    fn total_sum(self, sums: Self::Sums) -> i32;
}

/// Work that is compiled once for every instruction set.
pub(crate) trait Work {
    /// What it gives.
    type Output;
    /// Does it; to be marked `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cpu {
    /// Whatever the compiler makes of plain Rust for the target.
    Scalar(Scalar),
    /// AVX2 with FMA and F16C: x86-64 from 2013 on.
    Avx2(Avx2),
    /// AVX-512 with VNNI and VPOPCNTDQ: Ice Lake and Zen 4 on.
    Avx512(Avx512),
}

impl Cpu {
    /// The best instruction set that the processor has and [`VARIABLE`] does not hide.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Cpu> = OnceLock::new();
        *BEST.get_or_init(|| {
            let most = match std::env::var(VARIABLE).as_deref() {
                Ok("scalar") => 0,
                Ok("avx2") => 1,
                Ok("" | "avx512") | Err(_) => 2,
                Ok(other) => {
                    tracing::warn!("{VARIABLE}={other} is not one of scalar, avx2, avx512 and hides nothing");
                    2
                }
            };
            Self::available().into_iter().rfind(|cpu| cpu.rank() <= most).unwrap_or(Self::Scalar(Scalar))
        })
    }

    /// Every instruction set of this processor, the plainest first.
    pub(crate) fn available() -> Vec<Self> {
        let scalar = Some(Self::Scalar(Scalar));
        [scalar, Avx2::detect().map(Self::Avx2), Avx512::detect().map(Self::Avx512)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Place in the order from plain to rich.
    fn rank(self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::Avx2(_) => 1,
            Self::Avx512(_) => 2,
        }
    }

    /// Runs `work` compiled for this instruction set.
    #[inline]
    pub(crate) fn dispatch<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Scalar(simd) => work.run(simd),
            Self::Avx2(simd) => simd.run(work),
            Self::Avx512(simd) => simd.run(work),
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar(_) => "scalar",
            Self::Avx2(_) => "avx2",
            Self::Avx512(_) => "avx512",
        })
    }
}

/// Asks the processor to fetch all cache lines of `bytes`. Only a hint; nothing is read.
#[inline(always)]
#[allow(unsafe_code, reason = "prefetching takes a pointer")]
pub(crate) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        use std::arch::x86_64::_MM_HINT_T0;
        use std::arch::x86_64::_mm_prefetch;
        // SAFETY: the instruction reads nothing and never faults, and the pointer lies inside a live slice; SSE is part
        // of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_padded() {
        struct BitsSet<'a>(&'a [u8]);
        impl Work for BitsSet<'_> {
            type Output = (i32, i32);
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> (i32, i32) {
                let (padded, zeros) = (simd.pad(self.0), simd.pad(&[]));
                let places = simd.bytes(&std::array::from_fn(|at| at as u8 + 1));
                let set = simd.total_sum(simd.add_bits(simd.no_sums(), padded, zeros));
                (set, simd.total_sum(simd.add_products(simd.no_sums(), places, padded)))
            }
        }
        let bytes: Vec<u8> = (1..=100).collect();
        for len in 0..=100 {
            let kept = &bytes[..len.min(64)];
            let set = kept.iter().map(|byte| byte.count_ones() as i32).sum::<i32>();
            let products = kept.iter().map(|byte| i32::from(*byte) * i32::from(*byte)).sum::<i32>();
            for cpu in Cpu::available() {
                assert_eq!(cpu.dispatch(BitsSet(&bytes[..len])), (set, products), "{len} on {cpu}");
            }
        }
    }

    #[test]
    fn the_best_set_is_available_and_runs() {
        struct Product;
        impl Work for Product {
            type Output = f32;
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> f32 {
                let values = simd.load(&[2.0; 16]);
                simd.total_floats(simd.mul_add(values, values, simd.zero()))
            }
        }
        assert!(Cpu::available().iter().any(|cpu| cpu.rank() == Cpu::best().rank()));
        for cpu in Cpu::available() {
            assert_eq!(cpu.dispatch(Product), 64.0, "{cpu}");
        }
    }
}
