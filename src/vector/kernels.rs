//! The loops over rows and codes, written once for every instruction set.
//!
//! Lengths that do not fit are no error here: what both sides have is compared, so that no bytes can make a kernel
//! panic. Each result is exact for codes; for floats it depends on the order of summation, hence on the instruction set.

use crate::vector::Dtype;
use crate::vector::dispatch::Simd;

/// An element type that rows of floats or small integers have, as sixteen lanes.
pub(crate) trait Element {
    /// Sixteen elements from their `N` bytes, which is `16 * size`.
    type Bytes: bytemuck::Pod;
    /// Sixteen lanes.
    fn load<S: Simd>(simd: S, bytes: &Self::Bytes) -> S::Floats;
}

/// Declares an element type by its bytes for sixteen and the operation that loads them.
macro_rules! element {
    ($name:ident, $bytes:literal, $load:ident, $doc:literal) => {
        #[doc = $doc]
        pub(crate) struct $name;
        impl Element for $name {
            type Bytes = [u8; $bytes];
            #[inline(always)]
            fn load<S: Simd>(simd: S, bytes: &Self::Bytes) -> S::Floats {
                simd.$load(bytes)
            }
        }
    };
}
element!(F32, 64, load_f32, "32-bit floats.");
element!(F16, 32, load_f16, "Half floats.");
element!(Bf16, 32, load_bf16, "Brain floats.");
element!(I8, 16, load_i8, "Bytes with a sign.");

/// A query as the float kernels take it: padded with zeros to whole blocks of sixteen.
pub(crate) fn padded_query(query: &[f32]) -> Vec<[f32; 16]> {
    let mut blocks = vec![[0.0; 16]; query.len().div_ceil(16)];
    for (value, place) in query.iter().zip(blocks.as_flattened_mut()) {
        *place = *value;
    }
    blocks
}

/// Folds a query and a row, sixteen elements at a time, with `step`, in four chains that run in parallel.
#[inline(always)]
fn fold<S: Simd, E: Element>(
    simd: S,
    query: &[[f32; 16]],
    row: &[u8],
    step: impl Fn(S::Floats, S::Floats, S::Floats) -> S::Floats,
) -> f32 {
    let whole = row.len() / size_of::<E::Bytes>();
    let (start, tail) = row.split_at(whole * size_of::<E::Bytes>());
    let blocks: &[E::Bytes] = bytemuck::try_cast_slice(start).unwrap_or_default();
    let mut sums = [simd.zero(); 4];
    let pairs = query.len().min(blocks.len());
    let (query_fours, query_rest) = query[..pairs].as_chunks::<4>();
    let (row_fours, row_rest) = blocks[..pairs].as_chunks::<4>();
    for (query, row) in query_fours.iter().zip(row_fours) {
        for chain in 0..4 {
            sums[chain] = step(simd.load(&query[chain]), E::load(simd, &row[chain]), sums[chain]);
        }
    }
    for (chain, (query, row)) in query_rest.iter().zip(row_rest).enumerate() {
        sums[chain] = step(simd.load(query), E::load(simd, row), sums[chain]);
    }
    if let (false, Some(query)) = (tail.is_empty(), query.get(whole)) {
        let mut padded = <E::Bytes as bytemuck::Zeroable>::zeroed();
        for (place, byte) in bytemuck::bytes_of_mut(&mut padded).iter_mut().zip(tail) {
            *place = *byte;
        }
        sums[3] = step(simd.load(query), E::load(simd, &padded), sums[3]);
    }
    simd.total_floats(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}

/// The inner product of a padded query and a row.
#[inline(always)]
pub(crate) fn dot<S: Simd, E: Element>(simd: S, query: &[[f32; 16]], row: &[u8]) -> f32 {
    fold::<S, E>(simd, query, row, |query, row, sum| simd.mul_add(query, row, sum))
}

/// The squared Euclidean distance of a padded query and a row.
#[inline(always)]
pub(crate) fn squared_l2<S: Simd, E: Element>(simd: S, query: &[[f32; 16]], row: &[u8]) -> f32 {
    fold::<S, E>(simd, query, row, |query, row, sum| {
        let difference = simd.sub(query, row);
        simd.mul_add(difference, difference, sum)
    })
}

/// [`dot`] or [`squared_l2`] for the element type that `dtype` names; 0 for bits, which have no floats.
#[inline(always)]
pub(crate) fn float_score<S: Simd>(simd: S, dtype: Dtype, l2: bool, query: &[[f32; 16]], row: &[u8]) -> f32 {
    match (dtype, l2) {
        (Dtype::F32, false) => dot::<S, F32>(simd, query, row),
        (Dtype::F32, true) => squared_l2::<S, F32>(simd, query, row),
        (Dtype::F16, false) => dot::<S, F16>(simd, query, row),
        (Dtype::F16, true) => squared_l2::<S, F16>(simd, query, row),
        (Dtype::Bf16, false) => dot::<S, Bf16>(simd, query, row),
        (Dtype::Bf16, true) => squared_l2::<S, Bf16>(simd, query, row),
        (Dtype::I8, false) => dot::<S, I8>(simd, query, row),
        (Dtype::I8, true) => squared_l2::<S, I8>(simd, query, row),
        (Dtype::Binary, _) => 0.0,
    }
}

/// A way to compare a query with codes in integers; smaller is nearer. Exact, hence the same on every processor.
pub(crate) trait CodeDistance: Copy + Send + Sync {
    /// The distance of one code.
    fn one(self, query: &[u8], code: &[u8]) -> u32;
    /// The distances of four codes, for about the price of two.
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4];
}

/// Sums `step` over blocks of 64 bytes of two codes; a tail is padded with zeros.
#[inline(always)]
fn sum_one<S: Simd>(
    simd: S,
    query: &[u8],
    code: &[u8],
    step: impl Fn(S::Sums, &[u8; 64], &[u8; 64]) -> S::Sums,
) -> i32 {
    let (query, query_tail) = query.as_chunks::<64>();
    let (code, code_tail) = code.as_chunks::<64>();
    let len = query.len().min(code.len());
    let (query, code) = (&query[..len], &code[..len]);
    let mut sums = simd.no_sums();
    for at in 0..len {
        sums = step(sums, &query[at], &code[at]);
    }
    if !query_tail.is_empty() {
        sums = step(sums, &simd.pad(query_tail), &simd.pad(code_tail));
    }
    simd.total_sum(sums)
}

/// As [`sum_one`] for four codes.
#[inline(always)]
fn sum_four<S: Simd>(
    simd: S,
    query: &[u8],
    codes: [&[u8]; 4],
    step: impl Fn(S::Sums, &[u8; 64], &[u8; 64]) -> S::Sums,
) -> [i32; 4] {
    let (query, query_tail) = query.as_chunks::<64>();
    let [a, b, c, d] = codes.map(|code| code.as_chunks::<64>().0);
    let len = query.len().min(a.len()).min(b.len()).min(c.len()).min(d.len());
    let (query, a, b, c, d) = (&query[..len], &a[..len], &b[..len], &c[..len], &d[..len]);
    let mut sums = [simd.no_sums(); 4];
    for at in 0..len {
        sums[0] = step(sums[0], &query[at], &a[at]);
        sums[1] = step(sums[1], &query[at], &b[at]);
        sums[2] = step(sums[2], &query[at], &c[at]);
        sums[3] = step(sums[3], &query[at], &d[at]);
    }
    if !query_tail.is_empty() {
        let query = simd.pad(query_tail);
        for (sums, code) in sums.iter_mut().zip(codes) {
            *sums = step(*sums, &query, &simd.pad(code.as_chunks::<64>().1));
        }
    }
    simd.total_sums(sums)
}

/// The squared Euclidean distance of two codes of seven-bit bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SquaredL2<S>(pub(crate) S);

impl<S: Simd> CodeDistance for SquaredL2<S> {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        sum_one(self.0, query, code, |sums, query, code| self.0.add_squares(sums, query, code))
            .cast_unsigned()
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        sum_four(self.0, query, codes, |sums, query, code| self.0.add_squares(sums, query, code))
            .map(i32::cast_unsigned)
    }
}

/// Half of the `u32` range: products of either sign are counted down from here, so that smaller is nearer.
pub(crate) const NO_PRODUCT: u32 = 1 << 31;

/// [`NO_PRODUCT`] minus the inner product of a query of signed bytes and a code of seven-bit bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product<S>(pub(crate) S);

impl<S: Simd> CodeDistance for Product<S> {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        let product =
            sum_one(self.0, query, code, |sums, query, code| self.0.add_products(sums, query, code));
        NO_PRODUCT.wrapping_sub(product.cast_unsigned())
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        sum_four(self.0, query, codes, |sums, query, code| self.0.add_products(sums, query, code))
            .map(|product| NO_PRODUCT.wrapping_sub(product.cast_unsigned()))
    }
}

/// The number of bits in which two codes differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DifferingBits<S>(pub(crate) S);

impl<S: Simd> CodeDistance for DifferingBits<S> {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        sum_one(self.0, query, code, |sums, query, code| self.0.add_bits(sums, query, code)).cast_unsigned()
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        sum_four(self.0, query, codes, |sums, query, code| self.0.add_bits(sums, query, code))
            .map(i32::cast_unsigned)
    }
}
