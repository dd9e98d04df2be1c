#![doc = include_str!("../doc/format.md")]

mod backend;
mod checked;
mod durability;
mod entropy;
mod extents;
mod file;
mod inspect;
mod layout;
mod ledger;
mod lock;
mod log;
mod manifest;
mod mmap;
mod mutants;
mod pins;
mod publish;
mod recover;
mod space;
mod store;
mod superblock;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub use backend::Backend;
pub use backend::MappedBytes;
pub use backend::MemoryBackend;
pub(crate) use checked::Ahead;
pub use checked::CheckedBytes;
pub use extents::ExtentWriter;
pub use file::FileBackend;
pub(crate) use file::sync_folder_of;
pub use inspect::Refresh;
#[cfg(feature = "crash-testing")]
pub use inspect::StoreStats;
pub use layout::Extent;
#[cfg(feature = "crash-testing")]
pub use layout::Layout;
pub use log::Frame;
#[cfg(feature = "crash-testing")]
pub use mutants::Mutant;
#[cfg(feature = "crash-testing")]
pub use mutants::choose;
pub use pins::Pin;
pub use store::Access;
pub use store::Recovered;
pub use store::Store;
pub use store::StoreOptions;
