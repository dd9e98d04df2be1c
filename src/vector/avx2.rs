//! The operations in AVX2 with FMA and F16C. Fence for `unsafe`, in the shape of [`avx512`](crate::vector::avx512).
#![allow(unsafe_code, reason = "instructions beyond the target's baseline, and loads through pointers")]

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use absent::Absent;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type Avx2 = Absent;
#[cfg(target_arch = "x86_64")]
pub(crate) use native::Avx2;

/// What stands for x86-64's instruction sets on other processors.
#[cfg(not(target_arch = "x86_64"))]
mod absent {
    use crate::vector::dispatch::Work;

    /// An instruction set that the processor can't have: no value of it exists.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Absent {}

    impl Absent {
        /// Never there.
        pub(crate) fn detect() -> Option<Self> {
            None
        }

        /// Can't be called for lack of a value.
        pub(crate) fn run<W: Work>(self, _work: W) -> W::Output {
            match self {}
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod native {
    use crate::vector::dispatch::Simd;
    use crate::vector::dispatch::Work;
    use crate::vector::scalar::pad_by_words;
    use std::arch::x86_64::*;
    use std::array::from_fn;

    /// Proof that the processor has AVX2, FMA, F16C, POPCNT, BMI1, BMI2 and LZCNT.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// The proof, where the processor and the operating system support it.
        pub(crate) fn detect() -> Option<Self> {
            let found = is_x86_feature_detected!("avx2")
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

    /// Two registers: sixteen floats, or sums of a block's halves.
    type Pair<T> = [T; 2];

    /// Wraps target-feature functions of the same name and signature into the methods of [`Simd`].
    macro_rules! operations {
        ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $output:ty $body:block)*) => {
            /// The outermost function: everything that `work` calls and that is inlined is compiled for the features.
            #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
            fn run<W: Work>(simd: Avx2, work: W) -> W::Output {
                work.run(simd)
            }

            $(
                #[inline]
                #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
                fn $name($($argument: $kind),*) -> $output $body
            )*

            impl Simd for Avx2 {
                type Floats = Pair<__m256>;
                type Bytes = Pair<__m256i>;
                type Sums = __m256i;

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
        fn zero() -> Pair<__m256> {
            [_mm256_setzero_ps(); 2]
        }

        fn load(values: &[f32; 16]) -> Pair<__m256> {
            let [low, high] = halves(values);
            [load_floats(low), load_floats(high)]
        }

        fn load_f32(bytes: &[u8; 64]) -> Pair<__m256> {
            let [low, high] = halves::<u8, 32>(bytes);
            [_mm256_castsi256_ps(load_32(low)), _mm256_castsi256_ps(load_32(high))]
        }

        fn load_f16(bytes: &[u8; 32]) -> Pair<__m256> {
            let [low, high] = halves::<u8, 16>(bytes);
            [_mm256_cvtph_ps(load_16(low)), _mm256_cvtph_ps(load_16(high))]
        }

        fn load_bf16(bytes: &[u8; 32]) -> Pair<__m256> {
            let [low, high] = halves::<u8, 16>(bytes);
            [widen_bf16(load_16(low)), widen_bf16(load_16(high))]
        }

        fn load_i8(bytes: &[u8; 16]) -> Pair<__m256> {
            let all = load_16(bytes);
            let high = _mm_srli_si128::<8>(all);
            [_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(all)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high))]
        }

        fn add(a: Pair<__m256>, b: Pair<__m256>) -> Pair<__m256> {
            [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])]
        }

        fn sub(a: Pair<__m256>, b: Pair<__m256>) -> Pair<__m256> {
            [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])]
        }

        fn mul_add(a: Pair<__m256>, b: Pair<__m256>, sum: Pair<__m256>) -> Pair<__m256> {
            [_mm256_fmadd_ps(a[0], b[0], sum[0]), _mm256_fmadd_ps(a[1], b[1], sum[1])]
        }

        fn total_floats(values: Pair<__m256>) -> f32 {
            let total = _mm256_add_ps(values[0], values[1]);
            let total = _mm_add_ps(_mm256_castps256_ps128(total), _mm256_extractf128_ps::<1>(total));
            let total = _mm_add_ps(total, _mm_movehl_ps(total, total));
            _mm_cvtss_f32(_mm_add_ss(total, _mm_shuffle_ps::<1>(total, total)))
        }

        fn bytes(block: &[u8; 64]) -> Pair<__m256i> {
            halves::<u8, 32>(block).map(|half| load_32(half))
        }

        fn pad(bytes: &[u8]) -> Pair<__m256i> {
            match bytes.len().is_multiple_of(4) {
                true => [load_words(bytes), load_words(bytes.get(32..).unwrap_or_default())],
                false => halves::<u8, 32>(&pad_by_words(bytes)).map(|half| load_32(half)),
            }
        }

        fn no_sums() -> __m256i {
            _mm256_setzero_si256()
        }

        fn add_squares(sums: __m256i, a: Pair<__m256i>, b: Pair<__m256i>) -> __m256i {
            let [low, high] = from_fn(|half| {
                let difference = _mm256_abs_epi8(_mm256_sub_epi8(a[half], b[half]));
                _mm256_maddubs_epi16(difference, difference)
            });
            add_pairs(sums, low, high)
        }

        fn add_products(sums: __m256i, weights: Pair<__m256i>, codes: Pair<__m256i>) -> __m256i {
            let [low, high] = from_fn(|half| _mm256_maddubs_epi16(codes[half], weights[half]));
            add_pairs(sums, low, high)
        }

        fn add_bits(sums: __m256i, a: Pair<__m256i>, b: Pair<__m256i>) -> __m256i {
            let [low, high] = from_fn(|half| count_bits(_mm256_xor_si256(a[half], b[half])));
            _mm256_add_epi32(sums, _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256()))
        }

        fn add_nibble_squares(sums: __m256i, a: [Pair<__m256i>; 2], b: Pair<__m256i>) -> __m256i {
            let levels = _mm256_set1_epi8(0x78);
            let low = b.map(|half| _mm256_and_si256(_mm256_slli_epi16::<3>(half), levels));
            let high = b.map(|half| _mm256_and_si256(_mm256_srli_epi16::<1>(half), levels));
            add_squares(add_squares(sums, a[0], low), a[1], high)
        }

        fn add_nibble_products(sums: __m256i, weights: [Pair<__m256i>; 2], codes: Pair<__m256i>) -> __m256i {
            let nibble = _mm256_set1_epi8(0x0f);
            let [first, second] = from_fn(|half| {
                let low = _mm256_and_si256(codes[half], nibble);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(codes[half]), nibble);
                let low = _mm256_maddubs_epi16(low, weights[0][half]);
                _mm256_add_epi16(low, _mm256_maddubs_epi16(high, weights[1][half]))
            });
            // Four products of at most 15 x 127: twice that is still within 16 bits.
            let pairs = _mm256_add_epi16(first, second);
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }

        fn add_planes(sums: __m256i, planes: [Pair<__m256i>; 4], codes: Pair<__m256i>) -> __m256i {
            let zero = _mm256_setzero_si256();
            let [first, second] = from_fn(|half| {
                let [ones, twos, fours, eights] =
                    planes.map(|plane| count_bits(_mm256_and_si256(plane[half], codes[half])));
                let fours = _mm256_add_epi8(fours, fours);
                let low = _mm256_add_epi8(twos, fours);
                (_mm256_add_epi8(ones, _mm256_add_epi8(low, low)), eights)
            });
            let plus = _mm256_sad_epu8(_mm256_add_epi8(first.0, second.0), zero);
            let minus = _mm256_sad_epu8(_mm256_add_epi8(first.1, second.1), zero);
            _mm256_add_epi32(sums, _mm256_sub_epi32(plus, _mm256_slli_epi64::<3>(minus)))
        }

        fn total_sums(sums: [__m256i; 4]) -> [i32; 4] {
            let [a, b, c, d] = sums;
            let total = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            let total = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
            bytemuck::cast(total)
        }

        fn total_sum(sums: __m256i) -> i32 {
            let total = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            let total = _mm_add_epi32(total, _mm_shuffle_epi32::<0xee>(total));
            _mm_cvtsi128_si32(_mm_add_epi32(total, _mm_shuffle_epi32::<0x55>(total)))
        }
    }

    /// Adds two registers of 16-bit sums. No sum of two products of seven-bit bytes exceeds 16 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add_pairs(sums: __m256i, low: __m256i, high: __m256i) -> __m256i {
        let ones = _mm256_set1_epi16(1);
        _mm256_add_epi32(sums, _mm256_add_epi32(_mm256_madd_epi16(low, ones), _mm256_madd_epi16(high, ones)))
    }

    /// The number of bits set in each byte, by looking up its halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn count_bits(bytes: __m256i) -> __m256i {
        let counts =
            _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
        let nibble = _mm256_set1_epi8(15);
        let low = _mm256_shuffle_epi8(counts, _mm256_and_si256(bytes, nibble));
        let high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble));
        _mm256_add_epi8(low, high)
    }

    /// Eight brain floats, each the upper half of a float.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn widen_bf16(values: __m128i) -> __m256 {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(values)))
    }

    /// The two halves of an array of `2 * N` items.
    #[inline(always)]
    fn halves<T, const N: usize>(items: &[T]) -> [&[T; N]; 2] {
        match items.as_chunks::<N>().0 {
            [low, high] => [low, high],
            _ => unreachable!("callers give twice N items"),
        }
    }

    /// Loads eight floats from anywhere.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_floats(values: &[f32; 8]) -> __m256 {
        // SAFETY: eight floats are readable there, and the load asks for no alignment.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    /// Loads 32 bytes from anywhere.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_32(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: 32 bytes are readable there, and the load asks for no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// Up to 32 bytes, whole words of four of them, followed by zeros.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_words(bytes: &[u8]) -> __m256i {
        // An empty slice lies nowhere, and a load that is masked away costs hundreds of cycles there.
        if bytes.is_empty() {
            return _mm256_setzero_si256();
        }
        let count = _mm256_set1_epi32((bytes.len() / 4).min(8) as i32);
        let mask = _mm256_cmpgt_epi32(count, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        // SAFETY: only the words in the mask are read, which are those of the slice; the load asks for no alignment.
        unsafe { _mm256_maskload_epi32(bytes.as_ptr().cast(), mask) }
    }

    /// Loads 16 bytes from anywhere.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_16(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable there, and the load asks for no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
}
