//! Random numbers that name databases and keep the frames of different logs apart.

use crate::error::Error;
use crate::error::Result;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Where random numbers come from.
pub(super) enum Entropy {
    /// The operating system.
    System,
    /// A sequence that a test can repeat.
    Seeded(AtomicU64),
}

impl Entropy {
    /// Numbers of the operating system, or those that follow from `seed`.
    pub(super) fn new(seed: Option<u64>) -> Self {
        seed.map_or(Self::System, |seed| Self::Seeded(AtomicU64::new(seed)))
    }

    /// A number that no earlier log had.
    pub(super) fn nonce(&self) -> Result<u64> {
        if mutants::active(Mutant::NoNonce) {
            return Ok(7);
        }
        match self {
            Self::System => getrandom::u64()
                .map_err(|error| Error::io("get random numbers", std::io::Error::other(error.to_string()))),
            Self::Seeded(state) => Ok(mix(state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))),
        }
    }

    /// A name for a new database.
    pub(super) fn uuid(&self) -> Result<u128> {
        Ok(u128::from(self.nonce()?) << 64 | u128::from(self.nonce()?))
    }
}

/// The mixing step of SplitMix64.
fn mix(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
