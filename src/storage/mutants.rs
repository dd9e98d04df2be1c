//! Deliberate mistakes in the protocol, one at a time, with which the crash enumerator proves that it would notice.
//!
//! Without the feature `crash-testing`, [`active`] is a constant `false` and the compiler removes every use.

/// One step of the protocol left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Data may reach the disk after the superblock that refers to it.
    NoSyncBeforeSuperblock,
    /// A publication is acknowledged before its superblock is on the disk.
    NoSyncAfterSuperblock,
    /// A commit is acknowledged before its frame is on the disk.
    AckBeforeSync,
    /// What the previous generation uses is written over before the next one is on the disk.
    ReuseEarly,
    /// Each superblock overwrites the only one there is.
    OneSlot,
    /// Two slots, the second of which may be the last on the disk when a sync failed.
    TwoSlots,
    /// A half-written superblock is taken for a whole one.
    NoSlotChecksum,
    /// A frame does not tell which frame it follows.
    NoChain,
    /// Nor its number.
    NoChainNoSequence,
    /// Every log begins with the same seed.
    NoNonce,
    /// A session goes on writing to the log it found.
    NoRelog,
    /// What older superblocks refer to is free as soon as the file is opened.
    NoKeepOld,
    /// Extents are reused while a reader has them.
    IgnorePins,
    /// Frames share pages, so that writing one rewrites a part of the one before.
    UnpaddedLog,
}

#[cfg(feature = "crash-testing")]
impl Mutant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::NoSyncBeforeSuperblock,
        Self::NoSyncAfterSuperblock,
        Self::AckBeforeSync,
        Self::ReuseEarly,
        Self::OneSlot,
        Self::TwoSlots,
        Self::NoSlotChecksum,
        Self::NoChain,
        Self::NoChainNoSequence,
        Self::NoNonce,
        Self::NoRelog,
        Self::NoKeepOld,
        Self::IgnorePins,
        Self::UnpaddedLog,
    ];
}

#[cfg(feature = "crash-testing")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Whether this thread makes the mistake `mutant`.
#[cfg(feature = "crash-testing")]
pub(super) fn active(mutant: Mutant) -> bool {
    CHOSEN.get() == Some(mutant)
}

/// Nobody makes mistakes on purpose.
#[cfg(not(feature = "crash-testing"))]
pub(super) const fn active(_mutant: Mutant) -> bool {
    false
}

/// From now on this thread makes the mistake `mutant`, or none.
#[cfg(feature = "crash-testing")]
pub fn choose(mutant: Option<Mutant>) {
    CHOSEN.set(mutant);
}
