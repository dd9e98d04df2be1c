//! Sums of scores by slot in a window.

use crate::ids::Slot;

/// Slots that are looked at together.
pub(super) const WINDOW: usize = 8192;

/// Sums of scores by slot in a window, and which of them are large.
pub(super) struct Sums {
    sums: Box<[u32; WINDOW]>,
    /// A bit for each slot whose sum went above the cut, so that nobody has to look for them.
    above: [u64; WINDOW / 64],
    /// See [`Sums::note_above`].
    cut: u32,
}

impl Default for Sums {
    fn default() -> Self {
        Self { sums: Box::new([0; WINDOW]), above: [0; WINDOW / 64], cut: 0 }
    }
}

impl Sums {
    /// Sums above `cut` are noted from now on.
    pub(super) fn note_above(&mut self, cut: u32) {
        self.cut = cut;
    }

    /// Adds a score to the sum of a slot.
    #[inline(always)]
    pub(super) fn add(&mut self, slot: Slot, score: u32) {
        let at = slot as usize % WINDOW;
        self.sums[at] += score;
        if self.sums[at] > self.cut {
            self.above[at / 64] |= 1 << (at % 64);
        }
    }

    /// Calls `each` with the slots of the window around `base` whose sums were noted, ascending.
    #[inline(always)]
    pub(super) fn each_above(&self, base: Slot, mut each: impl FnMut(Slot, u32)) {
        let base = base - base % WINDOW as Slot;
        for (word, bits) in self.above.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let slot = base + (word * 64) as Slot + bits.trailing_zeros();
                bits &= bits - 1;
                each(slot, self.at(slot));
            }
        }
    }

    /// The sum of a slot of the window.
    #[inline]
    pub(super) fn at(&self, slot: Slot) -> u32 {
        self.sums[slot as usize % WINDOW]
    }

    /// Forgets all sums.
    pub(super) fn forget(&mut self) {
        self.sums.fill(0);
        self.above.fill(0);
    }
}
