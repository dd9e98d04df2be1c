//! [`Source`]: decisions taken from the bytes of an input.

/// Takes an input apart from its start; behind its end everything is zero.
pub struct Source<'a> {
    bytes: &'a [u8],
}

impl<'a> Source<'a> {
    /// The bytes of an input.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes.split_off_first().copied().unwrap_or_default()
    }

    /// Two bytes, little-endian.
    pub fn short(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// A number from 0 up to and without `end`.
    pub fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// The next `len` bytes, or those that are left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        self.bytes.split_off(..len.min(self.bytes.len())).unwrap_or_default()
    }
}
