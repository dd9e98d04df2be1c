//! The values of fields, and how they lie in bytes.
//!
//! A record's [`Fields`] are a JSON-like map. Encoded, a record stands by itself (names included), so that it can be
//! copied from the log into a segment and from segment to segment without being decoded:
//!
//! ```text
//! fields := count:varint (name:string value)*          names ascending
//! value  := 0 null | 1 false | 2 true | 3 zigzag:varint | 4 f64 | 5 string | 6 datetime:i64 microseconds
//!         | 7 latitude:f64 longitude:f64 | 8 count:varint value* | 9 count:varint (name:string value)*
//! string := len:varint UTF-8 bytes
//! ```
//!
//! Invariants: nesting is at most [`MAX_DEPTH`] deep, when encoding and when decoding; floats are finite;
//! decoding never allocates more than the bytes at hand justify.
//!
//! Not here: which fields a collection indexes (`segment`), and filters.

mod codec;
mod datetime;
mod json;
mod reader;
mod value;

pub(crate) use codec::decode;
pub(crate) use codec::encode;
pub(crate) use codec::encoded_len;
pub use datetime::DateTime;
pub(crate) use reader::FieldReader;
pub(crate) use reader::Token;
pub use value::Fields;
pub use value::GeoPoint;
pub use value::Value;

/// Deepest nesting of arrays and maps in a field.
pub(crate) const MAX_DEPTH: usize = 64;
