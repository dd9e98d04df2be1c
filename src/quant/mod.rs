//! Codes: the small form of a vector that a search goes through before it looks at the vector itself.
//!
//! A search reads hundreds of rows to find ten. Reading a quarter of the bytes and comparing integers makes it several
//! times as fast; the best few dozen are then scored exactly with the stored vectors, which gives the precision back.
//!
//! | quantizer | rows | code | distance in codes |
//! |---|---|---|---|
//! | [`Sq7`] | floats and `i8` | a byte of 7 bits a dimension, padded to 64 bytes | squared Euclidean, or product |
//! | `Bits` | binary | the row itself | differing bits |
//!
//! Invariants:
//! - Distances of codes are integers, the same on every processor: a graph built from them is the same everywhere.
//! - Smaller is nearer inside; [`QueryCode::score`] turns a distance into an estimate of the internal score, larger better.
//! - Two codes are always compared as squared Euclidean distance or differing bits, which are metrics, whatever the
//!   collection's metric: graphs are built on that. Only queries of the metric dot use the product.
//! - Codes come from a file and may hold anything: they give some distance, never a panic.
//!
//! Not here: exact scores (`vector`), the graph (`graph`).

mod pool;
mod sq7;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use pool::Pool;
pub(crate) use pool::Reach;

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::quant::sq7::Sq7;
use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::dispatch::Cpu;
use crate::vector::dispatch::Simd;
use crate::vector::dispatch::Work;
use crate::vector::kernels::CodeDistance;
use crate::vector::kernels::DifferingBits;
use crate::vector::kernels::NO_PRODUCT;
use crate::vector::kernels::Product;
use crate::vector::kernels::SquaredL2;

/// Name of a stored quantizer in errors.
const PART: &str = "quantizer";
/// First byte of a stored [`Quantizer::Bits`].
const KIND_BITS: u8 = 1;
/// First byte of a stored [`Quantizer::Sq7`].
const KIND_SQ7: u8 = 2;

/// How rows become codes. Stored as a byte for the kind and its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quantizer {
    /// Seven bits a dimension.
    Sq7(Sq7),
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

/// How distances between codes are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodeForm {
    /// [`SquaredL2`].
    SquaredL2,
    /// [`Product`].
    Product,
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
            Self::DifferingBits => cpu.dispatch(OnDifferingBits(work)),
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
on_form!(OnDifferingBits, DifferingBits);

impl Quantizer {
    /// The quantizer for rows of a type, fitted to a sample of them, which should be spread over the data: a few thousand
    /// rows are enough, and no more than about four million elements are looked at. Deterministic.
    pub(crate) fn train<'a>(ty: &VectorType, sample: impl IntoIterator<Item = &'a [u8]>) -> Self {
        match ty.dtype {
            Dtype::Binary => Self::Bits { row_bytes: ty.row_bytes() },
            _ => Self::Sq7(Sq7::train(ty, sample)),
        }
    }

    /// Bytes of a code.
    pub(crate) fn code_bytes(&self) -> usize {
        match self {
            Self::Sq7(sq7) => sq7.code_bytes(),
            Self::Bits { row_bytes } => *row_bytes,
        }
    }

    /// Writes the code of `row` to `out`, which is [`Quantizer::code_bytes`] long. `inverse_norm` is the row's and only
    /// used for cosine.
    pub(crate) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        match self {
            Self::Sq7(sq7) => sq7.encode(row, inverse_norm, out),
            Self::Bits { .. } => {
                for (place, byte) in out.iter_mut().zip(row) {
                    *place = *byte;
                }
            }
        }
    }

    /// How two codes are compared.
    pub(crate) fn form(&self) -> CodeForm {
        match self {
            Self::Sq7(_) => CodeForm::SquaredL2,
            Self::Bits { .. } => CodeForm::DifferingBits,
        }
    }

    /// The stored form.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut writer = ByteWriter::new();
        match self {
            Self::Sq7(sq7) => {
                writer.u8(KIND_SQ7);
                sq7.write(&mut writer);
            }
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
    /// Score of the distance 0 (of the product 0 for [`CodeForm::Product`]).
    start: f32,
    /// Score of a unit of distance (of product).
    unit: f32,
}

impl QueryCode {
    /// Prepares `query`; a binary query has bits where its values are above zero.
    pub(crate) fn new(ty: &VectorType, quantizer: &Quantizer, query: &[f32]) -> Self {
        match quantizer {
            Quantizer::Sq7(sq7) => sq7.query(query),
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

    /// The distance that counts as none where distances are compared by ratio: that of a vector to itself, or of two at a
    /// right angle for products.
    pub(crate) fn origin(&self) -> u32 {
        match self.form {
            CodeForm::Product => self.distance(0.0),
            CodeForm::SquaredL2 | CodeForm::DifferingBits => 0,
        }
    }

    /// The distance that has about this score.
    pub(crate) fn distance(&self, score: f32) -> u32 {
        let steps = ((score - self.start) / self.unit).round();
        match self.form {
            CodeForm::Product => NO_PRODUCT.wrapping_sub((steps as i32).cast_unsigned()),
            CodeForm::SquaredL2 | CodeForm::DifferingBits => steps as u32,
        }
    }

    /// An estimate of the internal score from a distance.
    pub(crate) fn score(&self, distance: u32) -> f32 {
        let steps = match self.form {
            CodeForm::Product => NO_PRODUCT.wrapping_sub(distance).cast_signed() as f32,
            _ => distance as f32,
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
