//! Vectors of `f32` as codes: no loss, for data that steps can't follow, or few enough for their size not to matter.
//!
//! Rows of other types are widened, and those compared by cosine scaled to length 1, so that a search looks at nothing
//! but the code.

use crate::quant::CodeForm;
use crate::quant::QueryCode;
use crate::quant::transform::Transform;
use crate::vector::Metric;
use crate::vector::VectorType;

/// A code takes whole cache lines.
const ALIGNMENT: usize = 64;

/// How rows become floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Floats {
    transform: Transform,
}

impl Floats {
    /// For rows of a type.
    pub(super) fn new(ty: &VectorType) -> Self {
        Self { transform: Transform::none(ty) }
    }

    /// Bytes of a code.
    pub(super) fn code_bytes(&self) -> usize {
        (self.transform.dim() * 4).next_multiple_of(ALIGNMENT)
    }

    /// Writes the code of a row; the padding is 0.
    pub(super) fn encode(&self, row: &[u8], inverse_norm: f32, out: &mut [u8]) {
        out.fill(0);
        self.transform.row(row, inverse_norm, |start, values| {
            write(values, out.get_mut(start * 4..).unwrap_or_default());
        });
    }

    /// Prepares a query.
    pub(super) fn query(&self, query: &[f32]) -> QueryCode {
        let mut bytes = vec![0; self.code_bytes()];
        write(&self.transform.query(query), &mut bytes);
        let form = match self.transform.ty().metric {
            Metric::L2 => CodeForm::FloatSquaredL2,
            _ => CodeForm::FloatProduct,
        };
        QueryCode { form, bytes, start: 0.0, unit: -1.0 }
    }
}

/// Writes floats, little-endian.
fn write(values: &[f32], out: &mut [u8]) {
    for (place, value) in out.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *place = value.to_le_bytes();
    }
}
