//! Sparse vectors: a few terms out of very many, each with a weight, compared by their dot product.
//!
//! ```text
//! SparseVector -> bytes of a row                        vector, row
//! rows by slot -> build -> bytes                        build
//! bytes -> SparseView                                   view, layout
//! SparseQuery, SparseView, rows -> hits                 search (sums)
//! ```
//!
//! One index is about one sparse field of one segment: for each term the records that have it, in the lists of postings of
//! the keyword index. A posting has the record's weight as a code of 1 to 255: its share of the largest weight of the list,
//! rounded up. So a sum of codes is a bound for the score, and the records that may be among the best by it are scored
//! exactly, by their rows. The exact weights stand in the row alone, and a list takes little more than its slots.
//!
//! # Invariants
//! - Terms of a vector differ, weights are finite and above zero: a record without a term of the query scores nothing, and
//!   no term makes a score smaller.
//! - What is found is exact: codes only tell what need not be looked at. Scores are summed up in the order of terms, so they do
//!   not depend on how records fell into segments.
//! - Every offset, length, slot and weight that is read is checked; damaged bytes give an error, or other answers, never a panic.
//! - Nothing is allocated for a record or a posting while a query runs.
//!
//! Not here: which fields are sparse, fusing with other parts, files.

mod build;
mod layout;
mod row;
mod search;
mod sums;
mod vector;
mod view;

pub(crate) use build::build;
pub(crate) use row::decode;
pub(crate) use row::encode;
pub(crate) use search::Allowed;
pub(crate) use search::Scratch;
pub(crate) use search::Searched;
pub(crate) use search::SparseQuery;
pub use vector::SparseVector;
pub(crate) use view::SparseView;

#[cfg(feature = "fuzz-internals")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
