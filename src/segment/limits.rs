//! What is too large: every bound on input in one place.

use crate::error::Error;
use crate::error::Result;

/// Upper bounds on what a database accepts. The defaults are generous; lower them for input that is not trusted.
///
/// A value over its limit is refused with [`Error::TooLarge`] before anything changes. No limit can be raised over
/// its default: the file format and the tests end there.
///
/// ```
/// use lodedb::{Database, Error, Limits, Options, Schema};
///
/// let limits = Limits { dim: 512, ..Limits::default() };
/// let db = Options::new().limits(limits).open(":memory:")?;
/// let error = db.collection("docs", Schema::new(1024)).unwrap_err();
/// assert!(matches!(error, Error::TooLarge { found: 1024, limit: 512, .. }));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Dimensions of a vector: 16,384.
    pub dim: usize,
    /// Named vectors of a collection, its sparse ones, and its text fields: 16 of each.
    pub vectors: usize,
    /// Terms of a sparse vector: 65,536.
    pub sparse_terms: usize,
    /// Hits of one search: 10,000.
    pub k: usize,
    /// Candidates of one search: 65,536.
    pub ef: usize,
    /// Bytes of a string id: 512.
    pub id_bytes: usize,
    /// Bytes of a field's name, and of a collection's: 256.
    pub name_bytes: usize,
    /// Fields of a record, and names in a nested map: 256.
    pub fields: usize,
    /// Bytes of one text field: 16 MiB.
    pub text_bytes: usize,
    /// Bytes of a record's other fields together: 1 MiB.
    pub fields_bytes: usize,
    /// Records of one batch: 1,000,000.
    pub batch_records: usize,
    /// Bytes of one batch, vectors and fields together: 1 GiB.
    pub batch_bytes: usize,
    /// Collections of a database: 10,000.
    pub collections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dim: 16_384,
            vectors: 16,
            sparse_terms: 65_536,
            k: 10_000,
            ef: 65_536,
            id_bytes: 512,
            name_bytes: 256,
            fields: 256,
            text_bytes: 16 << 20,
            fields_bytes: 1 << 20,
            batch_records: 1_000_000,
            batch_bytes: 1 << 30,
            collections: 10_000,
        }
    }
}

impl Limits {
    /// `Ok` where `found` is within `limit`, else [`Error::TooLarge`] naming `what`.
    pub(crate) fn check(what: impl Into<String>, found: usize, limit: usize) -> Result<()> {
        if found <= limit {
            return Ok(());
        }
        Err(Error::TooLarge { what: what.into(), found: found as u64, limit: limit as u64 })
    }

    /// These limits, refused where one is raised over its default.
    pub(crate) fn checked(self) -> Result<Self> {
        let most = Self::default();
        let pairs = [
            ("dim", self.dim, most.dim),
            ("vectors", self.vectors, most.vectors),
            ("sparse_terms", self.sparse_terms, most.sparse_terms),
            ("k", self.k, most.k),
            ("ef", self.ef, most.ef),
            ("id_bytes", self.id_bytes, most.id_bytes),
            ("name_bytes", self.name_bytes, most.name_bytes),
            ("fields", self.fields, most.fields),
            ("text_bytes", self.text_bytes, most.text_bytes),
            ("fields_bytes", self.fields_bytes, most.fields_bytes),
            ("batch_records", self.batch_records, most.batch_records),
            ("batch_bytes", self.batch_bytes, most.batch_bytes),
            ("collections", self.collections, most.collections),
        ];
        for (name, found, limit) in pairs {
            if found > limit {
                let problem = format!("{name} is {found}, and {limit} is the most that is supported");
                return Err(Error::InvalidOption { name: "limits", problem });
            }
        }
        Ok(self)
    }
}
