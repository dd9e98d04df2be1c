//! The sections of an index: header, terms, lists.
//!
//! | part | bytes |
//! |---|---|
//! | header | form: u8 (1), 0: u8 x 3, slots: u32, terms: u32, 0: u32, postings: u64, bytes of the lists: u64 |
//! | terms | for each, ascending: end of its list: u64, term: u32, records: u32, largest weight: f32 |
//! | lists | as in the keyword index, with codes of weights as occurrences, and the largest code of a block as its impact |
//!
//! The list of a term begins where the one before ends. A code `c` stands for weights of at most `c / 255` of the largest.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Result;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of a term's entry.
pub(super) const ENTRY_BYTES: usize = 20;
/// The code of the largest weight of a list.
pub(super) const MOST_CODE: u32 = 255;
/// The name in errors.
pub(super) const PART: &str = "sparse index";
const FORM: u8 = 1;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Slots.
    pub(super) len: u32,
    /// Different terms.
    pub(super) terms: u32,
    /// Terms of all records together.
    pub(super) postings: u64,
    /// Bytes of the lists.
    pub(super) list_bytes: u64,
}

impl Header {
    pub(super) fn write(self, out: &mut ByteWriter) {
        out.bytes(&[FORM, 0, 0, 0]);
        [self.len, self.terms, 0].into_iter().for_each(|value| out.u32(value));
        [self.postings, self.list_bytes].into_iter().for_each(|value| out.u64(value));
    }

    /// The header of an index of `bytes` bytes in all.
    pub(super) fn read(header: &[u8], bytes: usize) -> Result<Self> {
        let mut reader = ByteReader::new(PART, header);
        let form = reader.bytes(4)?;
        let (len, terms, zero) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let found = Self { len, terms, postings: reader.u64()?, list_bytes: reader.u64()? };
        if form != [FORM, 0, 0, 0] || zero != 0 {
            return Err(reader.error("no header of a sparse index"));
        }
        let before = (HEADER_BYTES + found.terms as usize * ENTRY_BYTES) as u64;
        match before.checked_add(found.list_bytes) == Some(bytes as u64) {
            true => Ok(found),
            false => Err(reader.error(format!("terms and lists are not the {bytes} bytes that there are"))),
        }
    }
}

/// What is known of a term.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// End of its list in the bytes of all.
    pub(super) end: u64,
    pub(super) term: u32,
    /// Records that have it.
    pub(super) df: u32,
    /// Its largest weight.
    pub(super) largest: f32,
}

impl Entry {
    pub(super) fn write(self, out: &mut ByteWriter) {
        out.u64(self.end);
        out.u32(self.term);
        out.u32(self.df);
        out.f32(self.largest);
    }

    #[inline]
    pub(super) fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, largest @ ..] = *bytes;
        Self {
            end: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            term: u32::from_le_bytes([i, j, k, l]),
            df: u32::from_le_bytes([m, n, o, p]),
            largest: f32::from_le_bytes(largest),
        }
    }
}

/// The most that a weight with this code may be.
pub(super) fn most_of(code: u32, largest: f32) -> f64 {
    f64::from(largest) * f64::from(code) / f64::from(MOST_CODE)
}

/// The smallest code that stands for `weight` among those up to `largest`.
pub(super) fn code_of(weight: f32, largest: f32) -> u32 {
    let about = (f64::from(weight) / f64::from(largest) * f64::from(MOST_CODE)).ceil();
    let code = (about as u32).clamp(1, MOST_CODE);
    let short = code < MOST_CODE && most_of(code, largest) < f64::from(weight);
    code + u32::from(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn codes_stand_for_no_less_than_their_weights(largest in f32::MIN_POSITIVE..1e18, share in 0f32..=1.0) {
            let weight = (largest * share).max(1e-45);
            let code = code_of(weight, largest);
            prop_assert!((1..=MOST_CODE).contains(&code));
            prop_assert!(most_of(code, largest) >= f64::from(weight));
            prop_assert!(code == 1 || most_of(code - 2, largest) < f64::from(weight));
            prop_assert_eq!(code_of(largest, largest), MOST_CODE);
        }
    }
}
