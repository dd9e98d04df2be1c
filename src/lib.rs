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
pub use vector::Dtype;
pub use vector::Metric;
