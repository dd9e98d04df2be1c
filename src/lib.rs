//! Lode: an embedded vector database in one file.

#[cfg(target_endian = "big")]
compile_error!("the file format is little-endian and mapped as it is: big-endian targets are not supported");

mod codec;
mod error;
mod graph;
mod ids;
mod quant;
mod storage;
mod vector;

pub use error::Corruption;
pub use error::Error;
pub use error::Result;
pub use ids::CommitId;
pub use ids::IdKind;
pub use ids::RecordId;
pub use vector::Dtype;
pub use vector::Metric;
