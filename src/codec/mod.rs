//! Bytes in and out: checked little-endian cursors, checksums, control records.
//!
//! Everything that is read from a file passes through here, so everything here treats its input as hostile:
//! a length is compared with the bytes left before it is used, and an allocation is never larger than the input.
//!
//! - [`ByteReader`] / [`ByteWriter`]: cursors for fixed little-endian layouts and length-prefixed bytes.
//! - [`control`]: the few small structured records (manifest, catalog), through bincode behind a byte limit.
//! - [`checksum64`] / [`checksum128`]: xxh3, which detects accidents, not attackers.
//!
//! Not here: compression of integers (with the index parts that use it), files (`storage`).

pub(crate) mod control;

use crate::error::Error;
use crate::error::Result;
use std::ops::Range;

/// Bytes that are read by ranges, such as a part of a file whose checksums are compared at first touch.
pub(crate) trait Bytes {
    /// Number of bytes.
    fn len(&self) -> usize;

    /// The bytes in `range`, verified.
    fn bytes(&self, range: Range<usize>) -> Result<&[u8]>;
}

impl Bytes for [u8] {
    fn len(&self) -> usize {
        self.len()
    }

    fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        let problem = || Error::corrupt("bytes", range.start as u64, format!("they end at {}", self.len()));
        self.get(range.clone()).ok_or_else(problem)
    }
}

/// 64-bit checksum of `bytes`, chained to `seed`.
pub(crate) fn checksum64(seed: u64, bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// 128-bit checksum of `bytes`.
pub(crate) fn checksum128(bytes: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(bytes)
}

/// Reads fixed-width little-endian values and length-prefixed bytes; every step is checked.
pub(crate) struct ByteReader<'a> {
    part: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ByteReader<'a> {
    /// A cursor at the start of `bytes`; `part` names them in errors.
    pub(crate) fn new(part: &'static str, bytes: &'a [u8]) -> Self {
        Self { part, bytes, at: 0 }
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Offset of the next byte.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// An error at the present position.
    pub(crate) fn error(&self, problem: impl Into<String>) -> Error {
        Error::corrupt(self.part, self.at as u64, problem)
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(found) = rest.get(..len) else { return Err(self.short(len)) };
        self.at += len;
        Ok(found)
    }

    #[cold]
    fn short(&self, len: usize) -> Error {
        self.error(format!("{len} bytes expected, {} left", self.remaining()))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N)?);
        Ok(out)
    }

    /// One byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    /// Two bytes, little-endian.
    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little-endian.
    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Sixteen bytes, little-endian.
    pub(crate) fn u128(&mut self) -> Result<u128> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// A 32-bit float.
    pub(crate) fn f32(&mut self) -> Result<f32> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    /// A 64-bit float.
    pub(crate) fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// An unsigned integer in LEB128: seven bits a byte, least significant first, at most ten bytes.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.error("integer of more than 64 bits"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error("integer of more than ten bytes"))
    }

    /// A count of things that take at least `min_bytes` each, so that it can't exceed the bytes left.
    pub(crate) fn count(&mut self, min_bytes: usize) -> Result<usize> {
        let claimed = self.varint()?;
        let possible = self.remaining() / min_bytes.max(1);
        match usize::try_from(claimed) {
            Ok(count) if count <= possible => Ok(count),
            _ => Err(self.error(format!("{claimed} entries claimed where at most {possible} fit"))),
        }
    }

    /// Bytes behind their length as a varint.
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8]> {
        let len = self.count(1)?;
        self.bytes(len)
    }

    /// Text behind its length as a varint.
    pub(crate) fn string(&mut self) -> Result<&'a str> {
        let start = self.at as u64;
        let bytes = self.prefixed()?;
        std::str::from_utf8(bytes).map_err(|error| Error::corrupt(self.part, start, format!("text: {error}")))
    }

    /// Ends reading; bytes left over are an error.
    pub(crate) fn finish(self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(format!("{left} bytes too many"))),
        }
    }
}

/// Writes what [`ByteReader`] reads.
#[derive(Default, Debug, Clone)]
pub(crate) struct ByteWriter {
    bytes: Vec<u8>,
}

impl ByteWriter {
    /// An empty writer.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Number of bytes written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// One byte.
    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes, little-endian.
    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Sixteen bytes, little-endian.
    pub(crate) fn u128(&mut self, value: u128) {
        self.bytes(&value.to_le_bytes());
    }

    /// A 32-bit float.
    pub(crate) fn f32(&mut self, value: f32) {
        self.bytes(&value.to_le_bytes());
    }

    /// A 64-bit float.
    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes(&value.to_le_bytes());
    }

    /// An unsigned integer in LEB128.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    /// Bytes behind their length.
    pub(crate) fn prefixed(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// Text behind its length.
    pub(crate) fn string(&mut self, text: &str) {
        self.prefixed(text.as_bytes());
    }

    /// Zero bytes up to the next multiple of `alignment`.
    pub(crate) fn pad(&mut self, alignment: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment), 0);
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_and_bytes_come_back(values in prop::collection::vec(any::<u64>(), 0..20), text in ".*") {
            let mut writer = ByteWriter::new();
            for value in &values {
                writer.varint(*value);
            }
            writer.string(&text);
            let bytes = writer.finish();
            let mut reader = ByteReader::new("test", &bytes);
            for value in &values {
                prop_assert_eq!(reader.varint().unwrap(), *value);
            }
            prop_assert_eq!(reader.string().unwrap(), text);
            reader.finish().unwrap();
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = ByteReader::new("test", &bytes);
            while reader.string().is_ok() && reader.varint().is_ok() && reader.remaining() > 0 {}
        }
    }

    #[test]
    fn a_count_can_not_exceed_the_bytes_left() {
        let mut writer = ByteWriter::new();
        writer.varint(u64::MAX);
        let bytes = writer.finish();
        assert!(ByteReader::new("test", &bytes).count(1).is_err());
    }
}
