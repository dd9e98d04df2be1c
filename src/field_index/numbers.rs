//! The sorted distinct numbers of a column; also instants (microseconds), truth values (0 and 1) and null (0).
//!
//! ```text
//! form: u8 (0 integers, 1 floats, 2 both), width: u8, zeros: 6 bytes, base: i64
//! integers   entries x width (1, 2, 4, 8): value - base
//! floats     entries x width (4, 8)
//! both       entries x 8, then a bit for each entry, set where it is a float
//! ```

use super::corrupt;
use super::number::Number;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Result;
use std::ops::Range;

const HEADER: usize = 16;
const INTEGERS: u8 = 0;
const FLOATS: u8 = 1;
const BOTH: u8 = 2;

/// Appends sorted distinct numbers.
pub(super) fn write(numbers: &[Number], out: &mut ByteWriter) {
    let is_float = |number: &Number| matches!(number, Number::F64(_));
    if numbers.iter().all(is_float) && !numbers.is_empty() {
        write_floats(numbers, out);
    } else if numbers.iter().any(is_float) {
        header(BOTH, 8, 0, out);
        numbers.iter().for_each(|number| out.u64(raw(*number)));
        for eight in numbers.chunks(8) {
            out.u8((0..).zip(eight).map(|(at, number)| u8::from(is_float(number)) << at).sum());
        }
    } else {
        write_integers(numbers, out);
    }
}

fn header(form: u8, width: u8, base: i64, out: &mut ByteWriter) {
    out.u8(form);
    out.u8(width);
    out.bytes(&[0; 6]);
    out.u64(base as u64);
}

fn raw(number: Number) -> u64 {
    match number {
        Number::I64(whole) => whole as u64,
        Number::F64(float) => float.to_bits(),
    }
}

fn write_floats(numbers: &[Number], out: &mut ByteWriter) {
    let floats = || numbers.iter().map(|number| f64::from_bits(raw(*number)));
    let short = floats().all(|float| f64::from(float as f32) == float);
    header(FLOATS, if short { 4 } else { 8 }, 0, out);
    for float in floats() {
        if short { out.f32(float as f32) } else { out.f64(float) }
    }
}

fn write_integers(numbers: &[Number], out: &mut ByteWriter) {
    let base = numbers.first().map_or(0, |number| raw(*number));
    let span = numbers.last().map_or(0, |number| raw(*number)).wrapping_sub(base);
    let width = [1, 2, 4].into_iter().find(|width| span >> (8 * width) == 0).unwrap_or(8);
    header(INTEGERS, width as u8, base as i64, out);
    for number in numbers {
        let bytes = raw(*number).wrapping_sub(base).to_le_bytes();
        out.bytes(bytes.get(..width).unwrap_or_default());
    }
}

/// Sorted numbers, read in place.
pub(super) struct Numbers<'a> {
    bytes: &'a dyn Bytes,
    /// Where the first number lies.
    start: usize,
    entries: usize,
    form: u8,
    width: usize,
    base: i64,
}

impl<'a> Numbers<'a> {
    /// The `entries` numbers in `range` of `bytes`.
    pub(super) fn open(bytes: &'a dyn Bytes, range: Range<usize>, entries: u32) -> Result<Self> {
        let entries = entries as usize;
        let held = range.len();
        let head = bytes.bytes(range.start..range.start + HEADER.min(held))?;
        let mut reader = ByteReader::new(super::PART, head);
        let (form, width) = (reader.u8()?, usize::from(reader.u8()?));
        reader.bytes(6)?;
        let base = reader.u64()? as i64;
        let flags = if form == BOTH { entries.div_ceil(8) } else { 0 };
        let known = match form {
            INTEGERS => matches!(width, 1 | 2 | 4 | 8),
            FLOATS => matches!(width, 4 | 8),
            BOTH => width == 8,
            _ => false,
        };
        if !known || HEADER + entries * width + flags != held {
            return Err(corrupt(range.start, format!("{held} bytes are not {entries} numbers")));
        }
        Ok(Self { bytes, start: range.start + HEADER, entries, form, width, base })
    }

    /// One of the numbers.
    pub(super) fn get(&self, entry: u32) -> Result<Number> {
        let entry = entry as usize;
        if entry >= self.entries {
            return Err(corrupt(self.start, format!("number {entry} of {}", self.entries)));
        }
        let at = self.start + entry * self.width;
        let mut raw = [0; 8];
        raw.iter_mut().zip(self.bytes.bytes(at..at + self.width)?).for_each(|(to, from)| *to = *from);
        let raw = u64::from_le_bytes(raw);
        let number = match (self.form, self.width) {
            (INTEGERS, _) => Number::I64(self.base.wrapping_add(raw as i64)),
            (FLOATS, 4) => Number::F64(f32::from_bits(raw as u32).into()),
            (FLOATS, _) => Number::F64(f64::from_bits(raw)),
            _ if self.is_float(entry)? => Number::F64(f64::from_bits(raw)),
            _ => Number::I64(raw as i64),
        };
        match number {
            Number::F64(float) if float.is_nan() => Err(corrupt(at, "a number that is none")),
            number => Ok(number),
        }
    }

    fn is_float(&self, entry: usize) -> Result<bool> {
        let at = self.start + self.entries * 8 + entry / 8;
        let byte = self.bytes.bytes(at..at + 1)?.first().copied();
        Ok(byte.is_some_and(|byte| byte >> (entry % 8) & 1 == 1))
    }

    /// How many of the numbers are less than `number`, or not greater where `with_equal`.
    pub(super) fn below(&self, number: Number, with_equal: bool) -> Result<u32> {
        super::partition(self.entries as u32, |entry| {
            let found = self.get(entry)?;
            Ok(found < number || with_equal && found == number)
        })
    }
}
