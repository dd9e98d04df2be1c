//! Codes: the small form of a vector that a search goes through before it looks at the vector itself.
//!
//! A search reads hundreds of rows to find ten. Reading a quarter of the bytes and comparing integers makes it several
//! times as fast; the best few dozen are then scored exactly with the stored vectors, which gives the precision back.
//!
//! | quantizer | rows | code | distance in codes |
//! |---|---|---|---|
//! | [`Sq7`] | floats and `i8` | a byte of 7 bits a dimension, padded to 64 bytes | squared Euclidean, or product |
//! | [`Sq4`] | the same | half a byte a dimension, padded to 32 bytes | the same, the query having 7 bits |
//! | [`RaBitQ`] | the same | a bit a dimension and two floats, padded to 32 bytes | an estimate of either |
//! | [`Floats`] | the same | a float a dimension, padded to 64 bytes | squared Euclidean, or product |
//! | `Bits` | binary | the row itself | differing bits |
//!
//! ```text
//! ladder      which of them a collection's segments have
//! sq7 | sq4 | rabitq | floats    from rows to codes, from queries to what the kernels take
//! range       steps of scalar codes, fitted to a sample
//! transform   mean and rotation
//! scan        all codes, one after the other
//! bounds      what codes say for certain, for rows that no graph leads to
//! pool        the best few of a stream of distances
//! ```
//!
//! Invariants:
//! - A distance is an integer of which smaller is nearer; [`QueryCode::score`] turns it into an estimate of the internal
//!   score, larger better.
//! - Graphs are built on codes of [`Quantizer::for_building`], compared as squared Euclidean distance or differing bits,
//!   whatever the collection's metric and whatever codes are stored. Those are metrics, and integers that are the same on
//!   every processor: a graph built from them is the same everywhere.
//! - Codes come from a file and may hold anything: they give some distance, never a panic.
//!
//! Not here: exact scores (`vector`), the graph (`graph`).

mod bounds;
mod floats;
mod ladder;
mod pool;
mod rabitq;
mod range;
mod scan;
mod sq4;
mod sq7;
#[cfg(test)]
pub(crate) mod tests;
mod transform;

pub(crate) use bounds::Bounds;
pub(crate) use bounds::Fit;
pub use ladder::Quantization;
pub(crate) use pool::Pool;
pub(crate) use pool::Reach;
pub(crate) use pool::Scale;
pub(crate) use scan::Best;
pub(crate) use scan::Distances;

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::floats::Floats;
use crate::quant::rabitq::RaBitQ;
use crate::quant::range::Sample;
use crate::quant::sq4::Sq4;
use crate::quant::sq7::Sq7;
use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::dispatch::Cpu;
use crate::vector::dispatch::Simd;
use crate::vector::dispatch::Work;
use crate::vector::dispatch::prefetch;
use crate::vector::kernels::BinaryEstimate;
use crate::vector::kernels::CodeDistance;
use crate::vector::kernels::DifferingBits;
use crate::vector::kernels::FloatProduct;
use crate::vector::kernels::FloatSquaredL2;
use crate::vector::kernels::NO_PRODUCT;
use crate::vector::kernels::NibbleProduct;
use crate::vector::kernels::NibbleSquaredL2;
use crate::vector::kernels::Product;
use crate::vector::kernels::SquaredL2;
use crate::vector::kernels::from_ordered;
use crate::vector::kernels::ordered;

/// Name of a stored quantizer in errors.
const PART: &str = "quantizer";
/// First byte of a stored [`Quantizer::Bits`].
const KIND_BITS: u8 = 1;
/// First byte of a stored [`Quantizer::Sq7`].
const KIND_SQ7: u8 = 2;
/// First byte of a stored [`Quantizer::Sq4`].
const KIND_SQ4: u8 = 3;
/// First byte of a stored [`Quantizer::RaBitQ`].
const KIND_RABITQ: u8 = 4;
/// First byte of a stored [`Quantizer::Floats`].
const KIND_FLOATS: u8 = 5;

/// How rows become codes. Stored as a byte for the kind and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Quantizer {
    /// Seven bits a dimension.
    Sq7(Sq7),
    /// Four bits a dimension.
    Sq4(Sq4),
    /// A bit a dimension.
    RaBitQ(RaBitQ),
    /// A float a dimension.
    Floats(Floats),
    /// Binary rows as they are.
    Bits {
        /// Bytes of a row.
        row_bytes: usize,
    },
}

/// A row scored by its code. Better ones sort first through [`f32::total_cmp`] on `score`, then by slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Estimate of the internal score; larger is better.
    pub(crate) score: f32,
    /// Place of the row.
    pub(crate) slot: Slot,
}

/// How a query is compared with codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeForm {
    /// [`SquaredL2`].
    SquaredL2,
    /// [`Product`].
    Product,
    /// [`NibbleSquaredL2`].
    NibbleSquaredL2,
    /// [`NibbleProduct`].
    NibbleProduct,
    /// [`BinaryEstimate`].
    BinaryEstimate,
    /// [`FloatSquaredL2`].
    FloatSquaredL2,
    /// [`FloatProduct`].
    FloatProduct,
    /// [`DifferingBits`].
    DifferingBits,
}

/// How two codes are compared, of those that graphs are built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairForm {
    /// [`SquaredL2`].
    SquaredL2,
    /// [`DifferingBits`].
    DifferingBits,
}

/// Work that is compiled once for every form of distance and instruction set.
pub(crate) trait CodeWork {
    /// What it gives.
    type Output;
    /// Does it; to be marked `#[inline(always)]`.
    fn run<D: CodeDistance>(self, distance: D) -> Self::Output;
}

impl CodeForm {
    /// Runs `work` compiled for this form and the best instruction set.
    pub(crate) fn dispatch<W: CodeWork>(self, work: W) -> W::Output {
        self.dispatch_on(Cpu::best(), work)
    }

    /// Runs `work` compiled for this form and the instruction set.
    pub(crate) fn dispatch_on<W: CodeWork>(self, cpu: Cpu, work: W) -> W::Output {
        match self {
            Self::SquaredL2 => cpu.dispatch(OnSquaredL2(work)),
            Self::Product => cpu.dispatch(OnProduct(work)),
            Self::NibbleSquaredL2 => cpu.dispatch(OnNibbleSquaredL2(work)),
            Self::NibbleProduct => cpu.dispatch(OnNibbleProduct(work)),
            Self::BinaryEstimate => cpu.dispatch(OnBinaryEstimate(work)),
            Self::FloatSquaredL2 => cpu.dispatch(OnFloatSquaredL2(work)),
            Self::FloatProduct => cpu.dispatch(OnFloatProduct(work)),
            Self::DifferingBits => cpu.dispatch(OnDifferingBits(work)),
        }
    }
}

impl PairForm {
    /// Runs `work` compiled for this form and the best instruction set.
    pub(crate) fn dispatch<W: CodeWork>(self, work: W) -> W::Output {
        match self {
            Self::SquaredL2 => Cpu::best().dispatch(OnSquaredL2(work)),
            Self::DifferingBits => Cpu::best().dispatch(OnDifferingBits(work)),
        }
    }
}

/// Declares the step from an instruction set to a form of distance.
macro_rules! on_form {
    ($name:ident, $form:ident) => {
        #[doc = concat!("Runs code work with [`", stringify!($form), "`].")]
        struct $name<W>(W);

        impl<W: CodeWork> Work for $name<W> {
            type Output = W::Output;

            #[inline(always)]
            fn run<S: Simd>(self, simd: S) -> W::Output {
                self.0.run($form(simd))
            }
        }
    };
}
on_form!(OnSquaredL2, SquaredL2);
on_form!(OnProduct, Product);
on_form!(OnNibbleSquaredL2, NibbleSquaredL2);
on_form!(OnNibbleProduct, NibbleProduct);
on_form!(OnBinaryEstimate, BinaryEstimate);
on_form!(OnFloatSquaredL2, FloatSquaredL2);
on_form!(OnFloatProduct, FloatProduct);
on_form!(OnDifferingBits, DifferingBits);

impl Quantizer {
    /// The quantizer for the codes that a graph over rows of a type is built on, fitted to a sample of them, which should
    /// be spread over the data: a few thousand rows are enough, and no more than about four million elements are looked
    /// at. Deterministic.
    pub(crate) fn for_building(ty: &VectorType, sample: &[&[u8]]) -> Self {
        match ty.dtype {
            Dtype::Binary => Self::Bits { row_bytes: ty.row_bytes() },
            _ => Self::Sq7(Sq7::for_building(&Sample::new(ty, sample))),
        }
    }

    /// The quantizer for the codes that are stored and searched in the given form, fitted to the same sample as `self`, on
    /// whose codes the graph is built; `self` where it is of that form.
    pub(crate) fn for_storing(&self, ty: &VectorType, form: Quantization, sample: &[&[u8]]) -> Self {
        match form {
            _ if ty.dtype == Dtype::Binary => self.clone(),
            Quantization::None => Self::Floats(Floats::new(ty)),
            Quantization::Sq4 => Self::Sq4(Sq4::train(&Sample::new(ty, sample))),
            Quantization::RaBitQ => Self::RaBitQ(RaBitQ::train(&Sample::new(ty, sample))),
            _ if ty.metric == Metric::Dot => Self::Sq7(Sq7::train(&Sample::new(ty, sample))),
            Quantization::Auto | Quantization::Sq7 => self.clone(),
        }
    }

    /// Bytes of a code.
    pub(crate) fn code_bytes(&self) -> usize {
        match self {
            Self::Sq7(sq7) => sq7.code_bytes(),
            Self::Sq4(sq4) => sq4.code_bytes(),
            Self::RaBitQ(rabitq) => rabitq.code_bytes(),
            Self::Floats(floats) => floats.code_bytes(),
            Self::Bits { row_bytes } => *row_bytes,
        }
    }

    /// Writes the code of `row` to `out`, which is [`Quantizer::code_bytes`] long. `inverse_norm` is the row's and only
    /// used for cosine.
    pub(crate) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        match self {
            Self::Sq7(sq7) => sq7.encode(row, inverse_norm, out),
            Self::Sq4(sq4) => sq4.encode(row, inverse_norm, out),
            Self::RaBitQ(rabitq) => rabitq.encode(row, inverse_norm, out),
            Self::Floats(floats) => floats.encode(row, inverse_norm, out),
            Self::Bits { .. } => {
                for (place, byte) in out.iter_mut().zip(row) {
                    *place = *byte;
                }
            }
        }
    }

    /// How two codes are compared; `None` for codes that no graph is built on.
    pub(crate) fn pair_form(&self) -> Option<PairForm> {
        match self {
            Self::Sq7(_) => Some(PairForm::SquaredL2),
            Self::Bits { .. } => Some(PairForm::DifferingBits),
            Self::Sq4(_) | Self::RaBitQ(_) | Self::Floats(_) => None,
        }
    }

    /// How many of the best `ef` candidates are to be scored exactly for `k` answers: the coarser the code, the more. At
    /// least the smaller of `k` and `ef`.
    pub(crate) fn rescored(&self, k: usize, ef: usize) -> usize {
        let wanted = match self {
            Self::Bits { .. } => k,
            Self::Floats(_) => k.saturating_add(2),
            Self::Sq7(_) => k.saturating_mul(2).max(k.saturating_add(10)),
            Self::Sq4(_) => k.saturating_mul(4).max(k.saturating_add(30)),
            Self::RaBitQ(_) => k.saturating_mul(10).max(k.saturating_add(90)),
        };
        wanted.min(ef)
    }

    /// The stored form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ByteWriter::new();
        match self {
            Self::Sq7(sq7) => {
                writer.u8(KIND_SQ7);
                sq7.write(&mut writer);
            }
            Self::Sq4(sq4) => {
                writer.u8(KIND_SQ4);
                sq4.write(&mut writer);
            }
            Self::RaBitQ(rabitq) => {
                writer.u8(KIND_RABITQ);
                rabitq.write(&mut writer);
            }
            Self::Floats(_) => writer.u8(KIND_FLOATS),
            Self::Bits { .. } => writer.u8(KIND_BITS),
        }
        writer.finish()
    }

    /// The quantizer in `bytes`, for rows of the type.
    ///
    /// # Errors
    /// `Corrupt` where the bytes are none, or not one for this type.
    pub(crate) fn from_bytes(ty: &VectorType, bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new(PART, bytes);
        let kind = reader.u8()?;
        let quantizer = match (kind, ty.dtype == Dtype::Binary) {
            (KIND_BITS, true) => Self::Bits { row_bytes: ty.row_bytes() },
            (KIND_SQ7, false) => Self::Sq7(Sq7::read(ty, &mut reader)?),
            (KIND_SQ4, false) => Self::Sq4(Sq4::read(ty, &mut reader)?),
            (KIND_RABITQ, false) => Self::RaBitQ(RaBitQ::read(ty, &mut reader)?),
            (KIND_FLOATS, false) => Self::Floats(Floats::new(ty)),
            _ => return Err(Error::corrupt(PART, 0, format!("kind {kind} for vectors of {}", ty.dtype))),
        };
        reader.finish()?;
        Ok(quantizer)
    }
}

/// A query prepared for the codes of one quantizer.
#[derive(Debug, Clone)]
pub(crate) struct QueryCode {
    form: CodeForm,
    bytes: Vec<u8>,
    /// Score of the distance 0 (of the product 0 for [`CodeForm::Product`] and [`CodeForm::NibbleProduct`]).
    start: f32,
    /// Score of a unit of distance (of product).
    unit: f32,
}

impl QueryCode {
    /// Prepares `query`; a binary query has bits where its values are above zero.
    pub(crate) fn new(ty: &VectorType, quantizer: &Quantizer, query: &[f32]) -> Self {
        match quantizer {
            Quantizer::Sq7(sq7) => sq7.query(query),
            Quantizer::Sq4(sq4) => sq4.query(query),
            Quantizer::RaBitQ(rabitq) => rabitq.query(query),
            Quantizer::Floats(floats) => floats.query(query),
            Quantizer::Bits { .. } => {
                let mut bytes = Vec::with_capacity(ty.row_bytes());
                bytes.extend(query.chunks(8).map(crate::vector::pack_bits));
                Self { form: CodeForm::DifferingBits, bytes, start: 0.0, unit: -1.0 }
            }
        }
    }

    /// How the query is compared with codes.
    pub(crate) fn form(&self) -> CodeForm {
        self.form
    }

    /// What [`CodeDistance`] takes as query.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What distances are, for comparing them by ratio. That of a vector to itself is none; of products, that of two at a
    /// right angle.
    pub(crate) fn scale(&self) -> Scale {
        match self.form {
            CodeForm::Product | CodeForm::NibbleProduct => Scale::From(self.distance(0.0)),
            CodeForm::SquaredL2 | CodeForm::NibbleSquaredL2 | CodeForm::DifferingBits => Scale::From(0),
            CodeForm::BinaryEstimate | CodeForm::FloatSquaredL2 | CodeForm::FloatProduct => Scale::Floats,
        }
    }

    /// The distance that has about this score.
    pub(crate) fn distance(&self, score: f32) -> u32 {
        let steps = (score - self.start) / self.unit;
        match self.form {
            CodeForm::Product | CodeForm::NibbleProduct => {
                NO_PRODUCT.wrapping_sub((steps.round() as i32).cast_unsigned())
            }
            CodeForm::BinaryEstimate | CodeForm::FloatSquaredL2 | CodeForm::FloatProduct => ordered(steps),
            CodeForm::SquaredL2 | CodeForm::NibbleSquaredL2 | CodeForm::DifferingBits => steps.round() as u32,
        }
    }

    /// An estimate of the internal score from a distance.
    pub(crate) fn score(&self, distance: u32) -> f32 {
        let steps = match self.form {
            CodeForm::Product | CodeForm::NibbleProduct => {
                NO_PRODUCT.wrapping_sub(distance).cast_signed() as f32
            }
            CodeForm::BinaryEstimate | CodeForm::FloatSquaredL2 | CodeForm::FloatProduct => {
                from_ordered(distance)
            }
            CodeForm::SquaredL2 | CodeForm::NibbleSquaredL2 | CodeForm::DifferingBits => distance as f32,
        };
        self.start + self.unit * steps
    }
}

/// The codes of the slots `0..len`, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Codes<'a> {
    quantizer: &'a Quantizer,
    bytes: &'a [u8],
    stride: usize,
    len: usize,
}

impl<'a> Codes<'a> {
    /// Codes of `len` rows.
    ///
    /// # Errors
    /// `Corrupt` where `bytes` has another length.
    pub(crate) fn new(quantizer: &'a Quantizer, bytes: &'a [u8], len: usize) -> Result<Self> {
        let stride = quantizer.code_bytes();
        match stride.checked_mul(len) {
            Some(expected) if expected == bytes.len() => Ok(Self { quantizer, bytes, stride, len }),
            _ => {
                let problem = format!("{} bytes for {len} codes of {stride} bytes", bytes.len());
                Err(Error::corrupt("codes", 0, problem))
            }
        }
    }

    /// Who made the codes.
    pub(crate) fn quantizer(&self) -> &'a Quantizer {
        self.quantizer
    }

    /// Number of codes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The code of a slot; empty for a slot that is not there.
    #[inline(always)]
    pub(crate) fn code(&self, slot: Slot) -> &'a [u8] {
        let start = slot as usize * self.stride;
        self.bytes.get(start..start + self.stride).unwrap_or_default()
    }
}

impl Codes<'_> {
    /// Asks the processor's cache for the codes of these slots.
    #[inline(always)]
    pub(crate) fn prefetch(&self, slots: &[Slot]) {
        slots.iter().for_each(|slot| prefetch(self.code(*slot)));
    }

    /// Gives `each` the distance of every slot, four at a time.
    #[inline(always)]
    pub(crate) fn distances<D: CodeDistance>(
        &self,
        distance: D,
        query: &[u8],
        slots: &[Slot],
        mut each: impl FnMut(Slot, u32),
    ) {
        let (fours, rest) = slots.as_chunks::<4>();
        for four in fours {
            let found = distance.four(query, four.map(|slot| self.code(slot)));
            for at in 0..4 {
                each(four[at], found[at]);
            }
        }
        for slot in rest {
            each(*slot, distance.one(query, self.code(*slot)));
        }
    }
}

/// Whether the rows of a metric are scaled to length 1 before they are encoded.
fn is_normalised(metric: Metric) -> bool {
    metric == Metric::Cosine
}
