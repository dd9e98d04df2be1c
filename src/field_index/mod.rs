//! The index on every field of a segment: which slots pass a filter, how many, which values there are, and in which order.
//!
//! No field is declared. **Build** walks the encoded records once and gathers values by path and kind; **seal** writes each
//! kind at each path as a column; **view** answers from the bytes in place. All values are checked where they are read, so
//! any bytes give an answer or an error. What a filter means is said by `filter::matching`; the index answers the same.
//!
//! ```text
//! header     magic: u32, slots: u32, start of the directory: u64, its bytes: u64
//! paths      for each: its columns, then its sets; each at a multiple of 8 bytes from the path's first
//! directory  all paths, and where their sets and columns lie: decoded once (`directory`)
//!
//! column     dictionary  sorted distinct values              `numbers` `texts` `places`
//!            postings    value -> its slots                   `postings`, bitmaps in `bitmap`
//!            ordinals    slot -> place of its value           `ordinals`
//! ```
//!
//! A condition becomes runs of dictionary entries by searches by halves (`select`), and their number of slots is known at
//! once, from sums in the postings. Few slots are read from the postings, many are found by a pass over the ordinals, and
//! where another condition has left only few, these are looked up one by one (`evaluate`).
//!
//! What the index does not hold (the equality of whole arrays, names beyond the thousandth in a map, paths that were told to be
//! left out) it narrows to candidates, and their records are looked at.
//!
//! # What it costs
//! Bytes for each of 1,000,000 records with one field:
//!
//! | values | bytes | build |
//! |---|---|---|
//! | bool; 5 or 16 different integers or texts | 1.0 | 0.1 us |
//! | 100 different integers | 3.0 | 0.1 us |
//! | 1000 different integers | 4.2 | 0.2 us |
//! | arrays of 3 of 1000 texts | 10.1 | 0.4 us |
//! | integers, all different, in 4 bytes; or in 8 | 12; 16 | 0.5 us |
//! | floats, all different | 16 | 0.6 us |
//! | texts of 10 bytes, all different | 17 | 0.9 us |
//! | texts of 1000 bytes, all different | 46 | 3 us |
//! | places, all different | 24 | 0.6 us |
//! | any of 50 integers, in one record of 100 | 0.05 | |
//!
//! Building takes some 20 bytes of memory a value where values repeat, 115 where all are different.
//!
//! Time over 1,000,000 records, one thread: equality with 1 to 10,000 matches 1 to 18 us, with 6 % or 20 % of the records 100
//! us; half of all by range 85, 120 and 250 us with ordinals of one, two and four bytes; three parts joined 0.5 ms, 30 us
//! where one of them leaves few. A roaring bitmap of 430,000 slots becomes bits in 33 us, read through its crate
//! in 2,160 us; one of 20,000 becomes a set in 33 us against 153.
//!
//! Invariants: values of a column are distinct and ascend (texts by the whole text, though only its beginning is kept); slots
//! of a value ascend; ordinals agree with the postings. [`FieldIndex::verify`] looks at all of it.
//!
//! Not here: words in texts (`text`), and how a search uses a set (`query`).

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
pub use order::Direction;
pub(crate) use order::Key;
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
mod form_tests;
#[cfg(test)]
mod tests;
