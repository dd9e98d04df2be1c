//! The keyword index: which records have which words, and how well they fit a query.
//!
//! ```text
//! text -> words -> terms                              analyzer (words, stems, stop_words)
//! (slot, text)* -> FieldBuilder -> bytes              build (interner), seal (pack, dictionary, layout)
//! bytes -> FieldView                                  view, dictionary, postings, phrase
//! typed query -> TextQuery -> Prepared -> hits        parse, query, prepare (expand, fuzzy), search (any, parts, leaf, score, sums, top)
//! text, Prepared -> fragments                         highlight
//! ```
//!
//! One index is about one field of one segment. Bytes come in and go out; where they lie is not known here. A query is
//! looked up in all segments at once, because scores depend on statistics over all of them (without deleted records, exactly);
//! then each segment is searched by itself.
//!
//! # What can be found
//! Words are those of UAX 29. Besides:
//! - `E1234`, `foo_bar`, `node.js`, `v1.2.3` are one word each, and are not stemmed. `foo*` finds `foo_bar`.
//! - `C++`, `g++`, `C#`: one or two letters with such signs are one word; `C` alone does not find them.
//! - `jane.doe@example.com` and `https://example.com/ore` become `jane.doe`, `example.com`, and so on; what is typed becomes the
//!   same, and is a phrase where it is required, so that the whole is found.
//! - Scripts without spaces (Chinese, Japanese, Thai and their neighbors, and Korean) become pairs of neighboring characters, as
//!   in Lucene's CJK analyzer, and the last character of a run. A single character finds the pairs that begin with it.
//! - Words longer than 255 bytes are cut, in records and in queries alike.
//!
//! # Several fields
//! A clause counts what it scores in each field, times the field's boost: the sum, not the best. It matches where it
//! matches in any field. A term is as rare as it is in the field of the clause that has it most often.
//!
//! # Words said twice
//! Where any word counts, the weights of equal terms add up as squares do. Where all or so many must match, each counts.
//!
//! # Invariants
//! - What is found is exact: bounds only tell what need not be looked at.
//! - Scores are sums of integers, so they do not depend on the order in which they are added up.
//! - Every offset, length and slot that is read is checked; damaged bytes give an error, or other answers, never a panic.
//! - Nothing is allocated for a record or a posting while a query runs.
//!
//! Not here: which fields are text, fusing with vectors, files.

mod analyzer;
mod any;
mod bm25;
mod build;
mod dictionary;
mod expand;
mod fuzzy;
mod highlight;
mod interner;
mod layout;
mod leaf;
mod pack;
mod parse;
mod parts;
mod phrase;
mod postings;
mod prepare;
mod query;
mod score;
mod seal;
mod search;
mod stems;
mod stop_words;
mod sums;
mod top;
mod view;
mod words;

pub(crate) use analyzer::Analyzer;
pub(crate) use bm25::Bm25;
pub(crate) use build::FieldBuilder;
pub use highlight::Fragment;
pub use highlight::Highlight;
pub(crate) use highlight::Highlighter;
pub(crate) use pack::few_bytes;
pub(crate) use pack::number_at;
pub(crate) use pack::pack_few;
pub(crate) use pack::width_of;
pub(crate) use postings::TermCursor;
pub(crate) use prepare::Prepared;
pub(crate) use prepare::SearchedField;
pub(crate) use prepare::SearchedSegment;
pub use query::Clause;
pub use query::TextQuery;
pub(crate) use seal::List;
pub(crate) use seal::ListWriter;
pub(crate) use search::Scratch;
pub(crate) use view::FieldView;
pub(crate) use view::Totals;

#[cfg(feature = "fuzz-internals")]
pub(crate) mod fuzz;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
