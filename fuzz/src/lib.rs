//! What the fuzz targets do with their input. Nothing here needs libFuzzer: `tests/fuzz_corpora.rs` includes this
//! file and replays the corpora on stable Rust.
//!
//! - [`filter_parse`]: any text as a filter.
//! - [`open_bytes`]: any bytes as a file.
//! - [`log_tail`]: any frames as the log of a good file.
//! - [`ops_model`]: any operations, and any failing call, against a model.
//! - `text`: any bytes as a keyword index, any text as a query, any bytes as sparse vectors and their index.
//! - [`format`]: the file's layout, written down a second time, to mend checksums behind a mutation.
//! - [`image`]: a backend over bytes that are not copied. [`samples`]: small databases to begin from.

pub mod exercise;
pub mod filter_parse;
pub mod format;
pub mod image;
pub mod log_tail;
pub mod open_bytes;
pub mod ops_model;
pub mod samples;
pub mod source;
#[cfg(feature = "fuzz-internals")]
pub mod text;
