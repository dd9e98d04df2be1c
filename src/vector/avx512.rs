//! The operations in AVX-512 with VNNI and VPOPCNTDQ. Fence for `unsafe`: see [`dispatch`](crate::vector::dispatch).
//!
//! Each operation is a `#[target_feature]` function; the methods of [`Simd`] call it with an [`Avx512`] as the proof that
//! the processor has the features. Inside [`Avx512::run`] all of it is inlined.
#![allow(unsafe_code, reason = "instructions beyond the target's baseline, and loads through pointers")]

#[cfg(target_arch = "x86_64")]
pub(crate) use native::Avx512;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type Avx512 = crate::vector::avx2::Absent;

#[cfg(target_arch = "x86_64")]
mod native {
    use crate::vector::dispatch::Simd;
    use crate::vector::dispatch::Work;
    use std::arch::x86_64::*;

    /// Proof that the processor has AVX-512 F, BW, DQ, VL, VNNI and VPOPCNTDQ, and all of AVX2's company.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        /// The proof, where the processor and the operating system support it.
        pub(crate) fn detect() -> Option<Self> {
            let found = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512vpopcntdq")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt");
            found.then_some(Self(()))
        }

        /// Runs `work` compiled for these features.
        pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
            // SAFETY: `self` exists only where `detect` has found every feature.
            unsafe { run(self, work) }
        }
    }

    /// Wraps target-feature functions of the same name and signature into the methods of [`Simd`].
    macro_rules! operations {
        ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $output:ty $body:block)*) => {
            /// The outermost function: everything that `work` calls and that is inlined is compiled for the features.
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
            fn run<W: Work>(simd: Avx512, work: W) -> W::Output {
                work.run(simd)
            }

            $(
                #[inline]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
                fn $name($($argument: $kind),*) -> $output $body
            )*

            impl Simd for Avx512 {
                type Floats = __m512;
                type Bytes = __m512i;
                type Sums = __m512i;

                $(
                    #[inline(always)]
                    fn $name(self, $($argument: $kind),*) -> $output {
                        // SAFETY: `self` exists only where `detect` has found every feature.
                        unsafe { $name($($argument),*) }
                    }
                )*
            }
        };
    }

    operations! {
        fn zero() -> __m512 {
            _mm512_setzero_ps()
        }

        fn load(values: &[f32; 16]) -> __m512 {
            // SAFETY: sixteen floats are readable there, and the load asks for no alignment.
            unsafe { _mm512_loadu_ps(values.as_ptr()) }
        }

        fn load_f32(bytes: &[u8; 64]) -> __m512 {
            _mm512_castsi512_ps(load_64(bytes))
        }

        fn load_f16(bytes: &[u8; 32]) -> __m512 {
            _mm512_cvtph_ps(load_32(bytes))
        }

        fn load_bf16(bytes: &[u8; 32]) -> __m512 {
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(load_32(bytes))))
        }

        fn load_i8(bytes: &[u8; 16]) -> __m512 {
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(bytes)))
        }

        fn add(a: __m512, b: __m512) -> __m512 {
            _mm512_add_ps(a, b)
        }

        fn sub(a: __m512, b: __m512) -> __m512 {
            _mm512_sub_ps(a, b)
        }

        fn mul_add(a: __m512, b: __m512, sum: __m512) -> __m512 {
            _mm512_fmadd_ps(a, b, sum)
        }

        fn total_floats(values: __m512) -> f32 {
            _mm512_reduce_add_ps(values)
        }

        fn bytes(block: &[u8; 64]) -> __m512i {
            load_64(block)
        }

        fn pad(bytes: &[u8]) -> __m512i {
            let mask = _bzhi_u64(u64::MAX, bytes.len().min(64) as u32);
            // SAFETY: only the bytes in the mask are read, which are those of the slice.
            unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
        }

        fn no_sums() -> __m512i {
            _mm512_setzero_si512()
        }

        fn add_squares(sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
            let difference = _mm512_abs_epi8(_mm512_sub_epi8(a, b));
            _mm512_dpbusd_epi32(sums, difference, difference)
        }

        fn add_products(sums: __m512i, weights: __m512i, codes: __m512i) -> __m512i {
            _mm512_dpbusd_epi32(sums, codes, weights)
        }

        fn add_bits(sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
            _mm512_add_epi32(sums, _mm512_popcnt_epi32(_mm512_xor_si512(a, b)))
        }

        fn add_nibble_squares(sums: __m512i, a: [__m512i; 2], b: __m512i) -> __m512i {
            let levels = _mm512_set1_epi8(0x78);
            let low = _mm512_and_si512(_mm512_slli_epi16::<3>(b), levels);
            let high = _mm512_and_si512(_mm512_srli_epi16::<1>(b), levels);
            add_squares(add_squares(sums, a[0], low), a[1], high)
        }

        fn add_nibble_products(sums: __m512i, weights: [__m512i; 2], codes: __m512i) -> __m512i {
            let nibble = _mm512_set1_epi8(0x0f);
            let low = _mm512_and_si512(codes, nibble);
            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(codes), nibble);
            _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums, low, weights[0]), high, weights[1])
        }

        fn add_planes(sums: __m512i, planes: [__m512i; 4], codes: __m512i) -> __m512i {
            let [ones, twos, fours, eights] =
                planes.map(|plane| _mm512_popcnt_epi32(_mm512_and_si512(plane, codes)));
            let low = _mm512_add_epi32(ones, _mm512_slli_epi32::<1>(twos));
            let high = _mm512_sub_epi32(_mm512_slli_epi32::<2>(fours), _mm512_slli_epi32::<3>(eights));
            _mm512_add_epi32(sums, _mm512_add_epi32(low, high))
        }

        fn total_sums(sums: [__m512i; 4]) -> [i32; 4] {
            let [a, b, c, d] = sums.map(|sums| half_total(sums));
            let total = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let total = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
            bytemuck::cast(total)
        }

        fn total_sum(sums: __m512i) -> i32 {
            _mm512_reduce_add_epi32(sums)
        }
    }

    /// The upper half of the lanes added to the lower.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx2")]
    fn half_total(sums: __m512i) -> __m256i {
        _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums))
    }

    /// Loads 64 bytes from anywhere.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load_64(bytes: &[u8; 64]) -> __m512i {
        // SAFETY: 64 bytes are readable there, and the load asks for no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    /// Loads 32 bytes from anywhere.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_32(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: 32 bytes are readable there, and the load asks for no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// Loads 16 bytes from anywhere.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_16(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable there, and the load asks for no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
}
