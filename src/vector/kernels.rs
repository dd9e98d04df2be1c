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

/// A distance that is a sum over blocks of 64 bytes of a code and what the query has for each of them.
pub(crate) trait BlockSum: Copy + Send + Sync {
    /// The instruction set.
    type Simd: Simd;
    /// The query's bytes for a block.
    type Block: bytemuck::Pod;
    /// The same in registers.
    type Query: Copy;

    /// The instruction set.
    fn simd(self) -> Self::Simd;
    /// A block of the query.
    fn load(self, block: &Self::Block) -> Self::Query;
    /// The end of a query that is no whole block.
    fn load_end(self, end: &[u8]) -> Self::Query;
    /// Adds what a block gives.
    fn add(self, sums: Sums<Self>, query: Self::Query, code: Bytes<Self>) -> Sums<Self>;
    /// The distance for a total.
    fn distance(self, total: i32) -> u32;
}

/// The partial sums of a distance.
type Sums<F> = <<F as BlockSum>::Simd as Simd>::Sums;
/// The blocks of a distance's codes.
type Bytes<F> = <<F as BlockSum>::Simd as Simd>::Bytes;

/// The whole blocks of a query, and its end.
#[inline(always)]
fn query_blocks<F: BlockSum>(query: &[u8]) -> (&[F::Block], &[u8]) {
    let whole = query.len() / size_of::<F::Block>() * size_of::<F::Block>();
    let (start, end) = query.split_at(whole);
    (bytemuck::try_cast_slice(start).unwrap_or_default(), end)
}

/// What the query has for the block `at`, which is its last or the one behind it.
#[inline(always)]
fn last_query<F: BlockSum>(form: F, blocks: &[F::Block], at: usize, end: &[u8]) -> Option<F::Query> {
    match blocks.get(at) {
        Some(block) => Some(form.load(block)),
        None if end.is_empty() => None,
        None => Some(form.load_end(end)),
    }
}

/// The total over all blocks; a code's end is followed by zeros.
#[inline(always)]
fn sum_one<F: BlockSum>(form: F, query: &[u8], code: &[u8]) -> i32 {
    let simd = form.simd();
    let (blocks, end) = query_blocks::<F>(query);
    let (code, code_end) = code.as_chunks::<64>();
    let len = blocks.len().min(code.len());
    let (whole, code) = (&blocks[..len], &code[..len]);
    let mut sums = simd.no_sums();
    for at in 0..len {
        sums = form.add(sums, form.load(&whole[at]), simd.bytes(&code[at]));
    }
    if let Some(query) = last_query(form, blocks, len, end) {
        sums = form.add(sums, query, simd.pad(code_end));
    }
    simd.total_sum(sums)
}

/// As [`sum_one`] for four codes.
#[inline(always)]
fn sum_four<F: BlockSum>(form: F, query: &[u8], codes: [&[u8]; 4]) -> [i32; 4] {
    let simd = form.simd();
    let (blocks, end) = query_blocks::<F>(query);
    let [a, b, c, d] = codes.map(|code| code.as_chunks::<64>().0);
    let len = blocks.len().min(a.len()).min(b.len()).min(c.len()).min(d.len());
    let (whole, a, b, c, d) = (&blocks[..len], &a[..len], &b[..len], &c[..len], &d[..len]);
    let mut sums = [simd.no_sums(); 4];
    for at in 0..len {
        let query = form.load(&whole[at]);
        sums[0] = form.add(sums[0], query, simd.bytes(&a[at]));
        sums[1] = form.add(sums[1], query, simd.bytes(&b[at]));
        sums[2] = form.add(sums[2], query, simd.bytes(&c[at]));
        sums[3] = form.add(sums[3], query, simd.bytes(&d[at]));
    }
    if let Some(query) = last_query(form, blocks, len, end) {
        for (sums, code) in sums.iter_mut().zip(codes) {
            *sums = form.add(*sums, query, simd.pad(code.as_chunks::<64>().1));
        }
    }
    simd.total_sums(sums)
}

impl<F: BlockSum> CodeDistance for F {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        self.distance(sum_one(self, query, code))
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        sum_four(self, query, codes).map(|total| self.distance(total))
    }
}

/// Half of the `u32` range: products of either sign are counted down from here, so that smaller is nearer.
pub(crate) const NO_PRODUCT: u32 = 1 << 31;

/// Declares a distance by the registers that a block of the query takes, the operation, and the distance of a total.
macro_rules! block_sum {
    ($name:ident, $registers:tt, $add:ident, $distance:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name<S>(pub(crate) S);

        impl<S: Simd> BlockSum for $name<S> {
            type Simd = S;
            type Block = block_sum!(block $registers);
            type Query = block_sum!(query $registers S);

            #[inline(always)]
            fn simd(self) -> S {
                self.0
            }

            #[inline(always)]
            fn load(self, block: &Self::Block) -> Self::Query {
                block_sum!(load $registers self.0, block)
            }

            #[inline(always)]
            fn load_end(self, end: &[u8]) -> Self::Query {
                block_sum!(end $registers self.0, end)
            }

            #[inline(always)]
            fn add(self, sums: S::Sums, query: Self::Query, code: S::Bytes) -> S::Sums {
                self.0.$add(sums, query, code)
            }

            #[inline(always)]
            fn distance(self, total: i32) -> u32 {
                $distance(total.cast_unsigned())
            }
        }
    };
    (block 1) => { [u8; 64] };
    (block $registers:literal) => { [[u8; 64]; $registers] };
    (query 1 $simd:ident) => { $simd::Bytes };
    (query $registers:literal $simd:ident) => { [$simd::Bytes; $registers] };
    (load 1 $simd:expr, $block:ident) => { $simd.bytes($block) };
    (load $registers:literal $simd:expr, $block:ident) => {
        std::array::from_fn(|at| $simd.bytes(&$block[at]))
    };
    (end 1 $simd:expr, $end:ident) => { $simd.pad($end) };
    (end $registers:literal $simd:expr, $end:ident) => {
        std::array::from_fn(|at| $simd.pad($end.get(at * 64..).unwrap_or_default()))
    };
}

block_sum!(
    SquaredL2,
    1,
    add_squares,
    |total| total,
    "The squared Euclidean distance of two codes of seven-bit bytes."
);
block_sum!(
    Product,
    1,
    add_products,
    |total| NO_PRODUCT.wrapping_sub(total),
    "[`NO_PRODUCT`] minus the inner product of a query of signed bytes and a code of seven-bit bytes."
);
block_sum!(DifferingBits, 1, add_bits, |total| total, "The number of bits in which two codes differ.");
block_sum!(
    NibbleSquaredL2,
    2,
    add_nibble_squares,
    |total| total,
    "The squared Euclidean distance of a query of signed bytes (-7 to 127) and a code of four-bit steps of eight."
);
block_sum!(
    NibbleProduct,
    2,
    add_nibble_products,
    |total| NO_PRODUCT.wrapping_sub(total),
    "[`NO_PRODUCT`] minus the inner product of a query of signed bytes and a code of four bits a dimension."
);
block_sum!(
    Planes,
    4,
    add_planes,
    |total| total,
    "The inner product of a code of bits and a query of four-bit numbers with a sign, given bit by bit; no distance yet."
);

/// The place of a float among all floats, so that the order of integers is theirs.
#[inline(always)]
pub(crate) fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

/// The float at a place that [`ordered`] gave.
#[inline(always)]
pub(crate) fn from_ordered(place: u32) -> f32 {
    let mask = (place.cast_signed() >> 31).cast_unsigned();
    f32::from_bits(place ^ (!mask | 1 << 31))
}

/// Sums over sixteen floats at a time of a query and codes of `f32`, both filled up with zeros to whole blocks.
trait FloatSum: Copy + Send + Sync {
    /// The instruction set.
    type Simd: Simd;
    /// The instruction set.
    fn simd(self) -> Self::Simd;
    /// Adds what sixteen elements give.
    fn add(self, sum: Floats<Self>, query: Floats<Self>, code: Floats<Self>) -> Floats<Self>;
}

/// Sixteen lanes of a sum.
type Floats<F> = <<F as FloatSum>::Simd as Simd>::Floats;

/// The sum for one code, in four chains that run in parallel.
#[inline(always)]
fn floats_one<F: FloatSum>(form: F, query: &[u8], code: &[u8]) -> f32 {
    let simd = form.simd();
    let (query, code) = (query.as_chunks::<64>().0, code.as_chunks::<64>().0);
    let len = query.len().min(code.len());
    let (query_fours, query_rest) = query[..len].as_chunks::<4>();
    let (code_fours, code_rest) = code[..len].as_chunks::<4>();
    let mut sums = [simd.zero(); 4];
    for (query, code) in query_fours.iter().zip(code_fours) {
        for chain in 0..4 {
            sums[chain] = form.add(sums[chain], simd.load_f32(&query[chain]), simd.load_f32(&code[chain]));
        }
    }
    for (chain, (query, code)) in query_rest.iter().zip(code_rest).enumerate() {
        sums[chain] = form.add(sums[chain], simd.load_f32(query), simd.load_f32(code));
    }
    simd.total_floats(simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3])))
}

/// The sums for four codes.
#[inline(always)]
fn floats_four<F: FloatSum>(form: F, query: &[u8], codes: [&[u8]; 4]) -> [f32; 4] {
    let simd = form.simd();
    let query = query.as_chunks::<64>().0;
    let [a, b, c, d] = codes.map(|code| code.as_chunks::<64>().0);
    let len = query.len().min(a.len()).min(b.len()).min(c.len()).min(d.len());
    let (query, a, b, c, d) = (&query[..len], &a[..len], &b[..len], &c[..len], &d[..len]);
    let mut sums = [simd.zero(); 4];
    for at in 0..len {
        let query = simd.load_f32(&query[at]);
        sums[0] = form.add(sums[0], query, simd.load_f32(&a[at]));
        sums[1] = form.add(sums[1], query, simd.load_f32(&b[at]));
        sums[2] = form.add(sums[2], query, simd.load_f32(&c[at]));
        sums[3] = form.add(sums[3], query, simd.load_f32(&d[at]));
    }
    sums.map(|sum| simd.total_floats(sum))
}

/// The squared Euclidean distance of two codes of `f32`, as its place among all floats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloatSquaredL2<S>(pub(crate) S);

impl<S: Simd> FloatSum for FloatSquaredL2<S> {
    type Simd = S;

    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }

    #[inline(always)]
    fn add(self, sum: S::Floats, query: S::Floats, code: S::Floats) -> S::Floats {
        let difference = self.0.sub(query, code);
        self.0.mul_add(difference, difference, sum)
    }
}

impl<S: Simd> CodeDistance for FloatSquaredL2<S> {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        ordered(floats_one(self, query, code))
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        floats_four(self, query, codes).map(ordered)
    }
}

/// Minus the inner product of two codes of `f32`, as its place among all floats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloatProduct<S>(pub(crate) S);

impl<S: Simd> FloatSum for FloatProduct<S> {
    type Simd = S;

    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }

    #[inline(always)]
    fn add(self, sum: S::Floats, query: S::Floats, code: S::Floats) -> S::Floats {
        self.0.mul_add(query, code, sum)
    }
}

impl<S: Simd> CodeDistance for FloatProduct<S> {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        ordered(-floats_one(self, query, code))
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        floats_four(self, query, codes).map(|product| ordered(-product))
    }
}

/// Bytes behind the bits of a [`BinaryEstimate`] code: two floats.
pub(crate) const FACTOR_BYTES: usize = 8;
/// Bytes behind the planes of a [`BinaryEstimate`] query: three floats.
pub(crate) const QUERY_FACTOR_BYTES: usize = 12;

/// An estimate of a distance from bits, as its place among all floats.
///
/// The code is bits (least significant first), filled up, and in its last [`FACTOR_BYTES`] the floats `start` and `scale`;
/// the query is planes as [`Planes`] takes them, and behind them the floats `unit`, `weight` and `offset`. The distance is
/// `unit * start + scale * (weight * planes - offset)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BinaryEstimate<S>(pub(crate) S);

/// `N` floats at the end of `bytes`, and what stands before them; zeros where there are not as many.
#[inline(always)]
fn split_factors<const N: usize>(bytes: &[u8]) -> (&[u8], [f32; N]) {
    let (start, end) = bytes.split_at(bytes.len().saturating_sub(4 * N));
    let words = end.as_chunks::<4>().0;
    (start, std::array::from_fn(|at| words.get(at).map_or(0.0, |word| f32::from_le_bytes(*word))))
}

/// The distance from what the planes give.
#[inline(always)]
fn estimate([unit, weight, offset]: [f32; 3], code: &[u8], planes: i32) -> u32 {
    let (_, [start, scale]) = split_factors::<2>(code);
    ordered(unit * start + scale * (weight * planes as f32 - offset))
}

impl<S: Simd> CodeDistance for BinaryEstimate<S> {
    #[inline(always)]
    fn one(self, query: &[u8], code: &[u8]) -> u32 {
        let (planes, factors) = split_factors(query);
        estimate(factors, code, sum_one(Planes(self.0), planes, code))
    }

    #[inline(always)]
    fn four(self, query: &[u8], codes: [&[u8]; 4]) -> [u32; 4] {
        let (planes, factors) = split_factors(query);
        let sums = sum_four(Planes(self.0), planes, codes);
        std::array::from_fn(|at| estimate(factors, codes[at], sums[at]))
    }
}
