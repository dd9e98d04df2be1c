//! Any bytes as the keyword index of a field, any text as a query, and any bytes as sparse vectors and their index.

#[allow(unused_imports, reason = "for the tests that write seeds")]
pub use lodedb::_fuzz::sealed_sparse;
#[allow(unused_imports, reason = "for the tests that write seeds")]
pub use lodedb::_fuzz::sealed_texts;

/// Reads the bytes as an index, runs queries over it, and verifies it.
pub fn postings(data: &[u8]) {
    lodedb::_fuzz::postings(data);
}

/// Reads the bytes as sparse vectors and an index of them, runs queries over it, and verifies it.
pub fn sparse(data: &[u8]) {
    lodedb::_fuzz::sparse(data);
}

/// Reads the bytes as what a person typed, and looks for it.
pub fn query_string(data: &[u8]) {
    lodedb::_fuzz::query_string(&String::from_utf8_lossy(data));
}
