//! The index on the fields of one segment.

mod bitmap;
mod build;
mod column;
mod directory;
mod evaluate;
mod facets;
mod gather;
mod number;
mod numbers;
mod order;
mod ordinals;
mod places;
mod postings;
mod record;
mod seal;
mod select;
mod texts;
mod verify;
mod view;


use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;

pub(crate) use build::build;
pub(crate) use directory::Directory;
pub(crate) use evaluate::Words;
pub(crate) use facets::Facet;
pub use order::Direction;
pub(crate) use order::Key;
pub(crate) use order::Order;
pub(crate) use order::Values;
pub(crate) use view::FieldIndex;

/// The part named in errors.
const PART: &str = "field index";

/// The encoded fields of a segment's records.
pub(crate) trait Records {
    /// Those of a slot.
    fn encoded(&self, slot: Slot) -> Result<&[u8]>;
}

/// Damage at byte `at`.
fn corrupt(at: usize, problem: impl Into<String>) -> Error {
    Error::corrupt(PART, at as u64, problem)
}

/// How many of the numbers below `len` come before the first for which `before` is false.
fn partition(len: u32, before: impl Fn(u32) -> Result<bool>) -> Result<u32> {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        match before(middle)? {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests;
