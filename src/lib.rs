//! Lode: an embedded vector database in one file.

#[cfg(target_endian = "big")]
compile_error!("the file format is little-endian and mapped as it is: big-endian targets are not supported");

mod codec;
mod error;
#[allow(dead_code, unused_imports, reason = "used by the layers above")]
mod graph;
mod ids;
#[allow(dead_code, unused_imports, reason = "used by the layers above")]
mod quant;
#[cfg_attr(
    not(feature = "crash-testing"),
    allow(unreachable_pub, reason = "public for the crash enumerator, which the feature lets in")
)]
#[allow(dead_code, unused_imports, reason = "used by the layers above")]
mod storage;
#[allow(dead_code, unused_imports, reason = "used by the layers above")]
mod vector;

pub use error::Corruption;
pub use error::Error;
pub use error::Result;
pub use graph::GraphParams;
pub use ids::CommitId;
pub use ids::IdKind;
pub use ids::RecordId;
pub use storage::Backend;
pub use storage::FileBackend;
pub use storage::MappedBytes;
pub use storage::MemoryBackend;
pub use vector::Dtype;
pub use vector::Metric;

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
