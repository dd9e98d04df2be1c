//! [`Sums`]: bounds of the scores of the records of a window, added up list by list.

use crate::ids::Slot;

/// Slots of a window.
pub(super) const WINDOW: usize = 4096;
/// Sums that are compared with the limit in one go.
const FEW: usize = 16;

/// A sum for each slot of a window.
pub(super) struct Sums(Box<[u32; WINDOW]>);

impl Default for Sums {
    fn default() -> Self {
        Self(Box::new([0; WINDOW]))
    }
}

impl Sums {
    /// All sums are zero again.
    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds `factor` times the code of each posting.
    #[inline]
    pub(super) fn add(&mut self, slots: &[Slot], codes: &[u32], factor: u32) {
        for (slot, code) in slots.iter().zip(codes) {
            let sum = &mut self.0[*slot as usize % WINDOW];
            // Codes of damaged lists may be too large.
            *sum = sum.wrapping_add(code.wrapping_mul(factor));
        }
    }

    /// Calls `each` with the slots of the window around `base` whose sums are above `cut`, ascending, and the sums.
    #[inline]
    pub(super) fn each_above(&self, base: Slot, cut: u32, mut each: impl FnMut(Slot, u32)) {
        let first = base - base % WINDOW as Slot;
        for (start, few) in (first..).step_by(FEW).zip(self.0.as_chunks::<FEW>().0) {
            if few.iter().fold(false, |above, sum| above | (*sum > cut)) {
                (start..).zip(few).filter(|(_, sum)| **sum > cut).for_each(|(slot, sum)| each(slot, *sum));
            }
        }
    }
}
