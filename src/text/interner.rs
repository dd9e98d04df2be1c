//! Strings numbered in the order in which they were first seen.

use crate::codec::checksum64;

/// No string is here.
const EMPTY: u32 = u32::MAX;

/// A table of strings.
pub(super) struct Interner {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Upper half of the hash and number; as many places as a power of two, at most half of them taken.
    table: Vec<(u32, u32)>,
}

impl Interner {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), table: vec![(0, EMPTY); 64] }
    }

    /// Number of strings.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The string with a number.
    pub(super) fn get(&self, number: u32) -> &[u8] {
        let at = number as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// The number of a string, and whether it is new.
    #[inline]
    pub(super) fn intern(&mut self, string: &[u8]) -> (u32, bool) {
        let hash = checksum64(0, string);
        let (mut at, part) = (hash as usize & (self.table.len() - 1), (hash >> 32) as u32);
        loop {
            let (held, number) = self.table[at];
            if number == EMPTY {
                break;
            }
            if held == part && self.get(number) == string {
                return (number, false);
            }
            at = (at + 1) & (self.table.len() - 1);
        }
        let number = self.ends.len() as u32;
        self.table[at] = (part, number);
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
        if self.ends.len() * 2 > self.table.len() {
            self.grow();
        }
        (number, true)
    }

    fn grow(&mut self) {
        let places = self.table.len() * 2;
        let mut table = vec![(0, EMPTY); places];
        for number in 0..self.ends.len() as u32 {
            let hash = checksum64(0, self.get(number));
            let mut at = hash as usize & (places - 1);
            while table[at].1 != EMPTY {
                at = (at + 1) & (places - 1);
            }
            table[at] = ((hash >> 32) as u32, number);
        }
        self.table = table;
    }
}
