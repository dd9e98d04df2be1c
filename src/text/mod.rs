mod analyzer;
mod bm25;
mod build;
mod dictionary;
mod expand;
mod fuzzy;
mod interner;
mod layout;
mod leaf;
mod pack;
mod parse;
mod phrase;
mod postings;
mod prepare;
mod query;
mod seal;
mod search;
mod stop_words;
mod top;
mod view;
mod words;

pub(crate) use analyzer::Analyzer;
pub(crate) use analyzer::Language;
pub(crate) use bm25::Bm25;
pub(crate) use build::FieldBuilder;
pub(crate) use prepare::Prepared;
pub(crate) use prepare::SearchedField;
pub(crate) use prepare::SearchedSegment;
pub use query::Clause;
pub use query::TextQuery;
pub(crate) use search::Scratch;
pub(crate) use view::FieldView;
pub(crate) use view::Totals;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
