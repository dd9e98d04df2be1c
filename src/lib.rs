//! Lode: an embedded vector database in one file.
//!
//! A program links it, opens a file, and searches its own data: no server, no sidecar files. Records have an id, one
//! or several vectors, and JSON-like fields. Nearest vectors are found by an HNSW graph over memory-mapped,
//! SIMD-scored codes and rescored with the stored vectors; what was written last is searched exactly, so a search
//! sees every write acknowledged before it. One handle writes while others, in other threads and processes, read
//! consistent snapshots. What is acknowledged is durable, whatever crashes.
//!
//! Not here: a server, replication, SQL, embedding models.
//!
//! ```
//! use lodedb::{Database, Metric, Record, Schema};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("field-guide.lode");
//! let db = Database::open(&path)?;
//! let minerals = db.collection("minerals", Schema::new(3).metric(Metric::Cosine))?;
//! minerals.upsert([
//!     Record::new("cinnabar").vector([0.9, 0.1, 0.2]).field("formula", "HgS").field("density", 8.18),
//!     Record::new("halite").vector([0.1, 0.8, 0.3]).field("formula", "NaCl").field("density", 2.17),
//! ])?;
//! let hits = minerals.search().vector([0.8, 0.2, 0.2]).k(1).run()?;
//! assert_eq!(hits[0].id().as_str(), Some("cinnabar"));
//! assert_eq!(hits[0].fields()?["formula"].as_str(), Some("HgS"));
//! # Ok::<(), lodedb::Error>(())
//! ```
//!
//! # Where to go on
//! - [`Database`]: open, collections, transactions, checkpoint, backup, verify, compact.
//! - [`Collection`] and [`Snapshot`]: write and read records, [`Search`], [`Scan`].
//! - [`Filter`] and [`field`]: conditions on the fields of records. [`TextField`], [`TextQuery`] and [`Fusion`]: words, and words
//!   with vectors.
//! - [`SparseVector`]: vectors of few terms out of many, as SPLADE makes them.
//! - [`Schema`], [`Record`], [`Value`]: what is stored. [`Options`], [`Durability`], [`Limits`]: how.
//! - [`_documentation::guide`]: modelling, filters, words, tuning, durability, monitoring, limits, moving from other stores.
//! - [`_documentation`]: the file format, byte by byte, and the decisions behind the design.
//!
//! # Inside
//! Bytes at the bottom, mathematics in the middle, records at the top; a lower layer never imports a higher one:
//!
//! ```text
//! cli, python      the public API only
//! db               Database, Collection, Transaction, Snapshot, options, maintenance
//! query            Search and Scan over a snapshot's segments: filters, words, fusion, groups, explanations
//! segment          records in immutable segments: built in memory, sealed into the file, merged
//! graph  quant  vector     field_index  filter  metadata     sparse  text
//!                  HNSW, codes, kernels; the index on fields, conditions, values; sparse vectors and words. They
//!                  know no file
//! storage          the file: superblocks, extents, log, commit, locks, maps. It knows no vector
//! slots  codec  ids  error
//! ```

#![deny(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[cfg(target_endian = "big")]
compile_error!("the file format is little-endian and mapped as it is: big-endian targets are not supported");

#[cfg(feature = "bench-internals")]
mod bench;
#[cfg(feature = "cli")]
pub mod cli;
mod codec;
mod db;
mod error;
mod field_index;
mod filter;
mod graph;
#[cfg_attr(
    not(feature = "crash-testing"),
    allow(unreachable_pub, reason = "the number of a commit is public for the crash enumerator")
)]
mod ids;
#[cfg_attr(
    not(feature = "crash-testing"),
    allow(unreachable_pub, reason = "advice is public for the crash enumerator")
)]
mod memory;
mod metadata;
mod quant;
mod query;
mod segment;
mod slots;
mod sparse;
#[cfg_attr(
    not(feature = "crash-testing"),
    allow(unreachable_pub, reason = "public for the crash enumerator, which the feature lets in")
)]
mod storage;
mod text;
mod vector;

pub use db::Collection;
pub use db::CollectionStats;
pub use db::Database;
pub use db::Durability;
pub use db::Maintenance;
pub use db::Options;
pub use db::Progress;
pub use db::Snapshot;
pub use db::Stats;
pub use db::Transaction;
pub use db::TransactionCollection;
pub use error::Corruption;
pub use error::Error;
pub use error::Result;
pub use field_index::Direction;
pub use filter::FieldPath;
pub use filter::Filter;
pub use filter::field;
pub use graph::GraphParams;
pub use ids::IdKind;
pub use ids::RecordId;
pub use metadata::DateTime;
pub use metadata::Fields;
pub use metadata::GeoPoint;
pub use metadata::Value;
pub use quant::Quantization;
pub use query::Explain;
pub use query::Fusion;
pub use query::Hit;
pub use query::Latency;
pub use query::Scan;
pub use query::Search;
pub use query::SegmentExplain;
pub use query::SlowSearch;
pub use query::SparseExplain;
pub use query::Weights;
pub use query::WordsExplain;
pub use segment::Limits;
pub use segment::Record;
pub use segment::Schema;
pub use segment::TextField;
pub use segment::Vector;
pub use segment::VectorSchema;
pub use sparse::SparseVector;
pub use storage::Backend;
pub use storage::FileBackend;
pub use storage::MappedBytes;
pub use storage::MemoryBackend;
pub use text::Clause;
pub use text::Fragment;
pub use text::Highlight;
pub use text::TextQuery;
pub use vector::Dtype;
pub use vector::Metric;

/// A guide for users, the file format, and the decisions behind the design, as pages.
pub mod _documentation {
    /// How to work with it, one subject a page.
    pub mod guide {
        #[doc = include_str!("doc/guide/modelling.md")]
        pub mod modelling {}

        #[doc = include_str!("doc/guide/filters.md")]
        pub mod filters {}

        #[doc = include_str!("doc/guide/words.md")]
        pub mod words {}

        #[doc = include_str!("doc/guide/tuning.md")]
        pub mod tuning {}

        #[doc = include_str!("doc/guide/durability.md")]
        pub mod durability {}

        #[doc = include_str!("doc/guide/monitoring.md")]
        pub mod monitoring {}

        #[doc = include_str!("doc/guide/limits.md")]
        pub mod limits {}

        #[doc = include_str!("doc/guide/moving.md")]
        pub mod moving {}
    }

    #[doc = include_str!("doc/format.md")]
    pub mod format {}

    #[doc = include_str!("doc/design.md")]
    pub mod design {}
}

/// What the crash enumerator in `tests/crash/` needs of the store. No part of the API.
#[cfg(feature = "crash-testing")]
#[doc(hidden)]
pub mod _crash_testing {
    pub use crate::storage::Access;
    pub use crate::storage::CheckedBytes;
    pub use crate::storage::Extent;
    pub use crate::storage::ExtentWriter;
    pub use crate::storage::Frame;
    pub use crate::storage::Layout;
    pub use crate::storage::Mutant;
    pub use crate::storage::Pin;
    pub use crate::storage::Recovered;
    pub use crate::storage::Refresh;
    pub use crate::storage::Store;
    pub use crate::storage::StoreOptions;
    pub use crate::storage::StoreStats;
    pub use crate::storage::choose;
}

/// What the fuzz targets need of the keyword index. No part of the API.
#[cfg(feature = "fuzz-internals")]
#[doc(hidden)]
pub mod _fuzz {
    pub use crate::sparse::fuzz::sealed_sparse;
    pub use crate::sparse::fuzz::sparse;
    pub use crate::text::fuzz::postings;
    pub use crate::text::fuzz::query_string;
    pub use crate::text::fuzz::sealed_texts;
}

/// What `benches/kernels.rs` needs of the kernels. No part of the API.
#[cfg(feature = "bench-internals")]
#[doc(hidden)]
pub mod _bench {
    pub use crate::bench::Kernel;
    pub use crate::bench::kernels;
}
