//! A column: the values of one kind at one path, and which slots have them.
//!
//! ```text
//! dictionary       the sorted distinct values: see `numbers`, `texts`, `places`
//! ends, words      see `postings`
//! lowest, highest  ordinals of all slots, see `ordinals`: of each slot's lowest and highest value. The second only where
//!                  a slot has several; both only where more than one in 16 slots has a value that can be ordered
//! lists            see `postings`
//! ```
//!
//! Each comparison has one side, so the lowest and the highest value of a slot are enough to answer it where there are
//! several.

use super::Records;
use super::corrupt;
use super::gather::Gather;
use super::number::Number;
use super::numbers::Numbers;
use super::ordinals::Ordinals;
use super::ordinals::width;
use super::places::Places;
use super::postings::Postings;
use super::postings::is_dense;
use super::texts::Texts;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Result;
use crate::ids::Slot;
use crate::metadata::DateTime;
use crate::metadata::Value;
use crate::slots::SlotSet;
use std::ops::Range;
use std::sync::Arc;

/// Ordinals are kept where one in so many slots has a value.
const PRESENT: u64 = 16;

/// Kinds of values. Those of different kinds never compare; sorted, they follow each other in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Integers and floats.
    Number,
    /// Texts.
    Text,
    /// Instants.
    DateTime,
    /// Truth values.
    Bool,
    /// Null.
    Null,
    /// Places.
    Geo,
}

impl Kind {
    /// All of them, by their numbers in the file.
    pub(super) const ALL: [Self; 6] =
        [Self::Number, Self::Text, Self::DateTime, Self::Bool, Self::Null, Self::Geo];

    /// True where records can be sorted by values of this kind.
    pub(super) fn is_ordered(self) -> bool {
        !matches!(self, Self::Null | Self::Geo)
    }
}

/// True where a column with values in so many of all slots keeps ordinals.
pub(super) fn has_ordinals(kind: Kind, pairs: u64, limit: u32) -> bool {
    kind.is_ordered() && pairs * PRESENT >= u64::from(limit)
}

/// Where a column lies and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) kind: Kind,
    /// Number of values.
    pub(super) entries: u32,
    /// Sum of the numbers of slots of all values.
    pub(super) pairs: u32,
    /// True where there are ordinals.
    pub(super) ordinals: bool,
    /// True where a slot has several values.
    pub(super) many: bool,
    pub(super) start: usize,
    pub(super) dictionary: usize,
    pub(super) lists: usize,
}

impl Column {
    /// Appends the description.
    pub(super) fn encode(&self, out: &mut ByteWriter) {
        out.u8(self.kind as u8);
        out.u8(u8::from(self.ordinals) | u8::from(self.many) << 1);
        for number in [self.entries as usize, self.pairs as usize, self.start, self.dictionary, self.lists] {
            out.varint(number as u64);
        }
    }

    /// Reads a description of a column of `limit` slots that ends before `end`.
    pub(super) fn decode(reader: &mut ByteReader<'_>, limit: u32, end: usize) -> Result<Self> {
        let kind = usize::from(reader.u8()?);
        let flags = reader.u8()?;
        let Some(kind) = Kind::ALL.get(kind).copied().filter(|_| flags < 4) else {
            return Err(reader.error(format!("a column of kind {kind} with flags {flags}")));
        };
        let (ordinals, many) = (flags & 1 == 1, flags & 2 == 2);
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        }
        let [entries, pairs, start, dictionary, lists] = numbers;
        let (Ok(entries), Ok(pairs)) = (u32::try_from(entries), u32::try_from(pairs)) else {
            return Err(reader.error("a column with too many values"));
        };
        let column = Self { kind, entries, pairs, ordinals, many, start, dictionary, lists };
        let len = (column.fixed(limit).checked_add(dictionary)).and_then(|len| len.checked_add(lists));
        let fits = len.and_then(|len| len.checked_add(start)).is_some_and(|found| found <= end);
        match fits && entries > 0 && entries <= pairs && (!ordinals || kind.is_ordered()) {
            true => Ok(column),
            false => Err(reader.error("a column that lies outside")),
        }
    }

    /// Bytes between dictionary and lists.
    fn fixed(&self, limit: u32) -> usize {
        let sections = if self.is_unique() { 1 } else { 2 };
        self.entries as usize * 4 * sections + self.ordinal_bytes(limit)
    }

    /// Bytes of all ordinals.
    fn ordinal_bytes(&self, limit: u32) -> usize {
        match (self.ordinals, self.many) {
            (false, _) => 0,
            (true, many) => (1 + usize::from(many)) * limit as usize * width(self.entries),
        }
    }

    /// True where each value has one slot.
    fn is_unique(&self) -> bool {
        self.entries == self.pairs
    }
}

/// The values of a column.
pub(super) enum Dictionary<'a> {
    Numbers(Numbers<'a>),
    Texts(Texts<'a>),
    Places(Places<'a>),
}

/// A column, read in place.
pub(super) struct ColumnView<'a> {
    pub(super) column: &'a Column,
    pub(super) dictionary: Dictionary<'a>,
    pub(super) postings: Postings<'a>,
    bytes: &'a dyn Bytes,
    limit: u32,
}

impl<'a> ColumnView<'a> {
    /// The column of `limit` slots in `bytes`; its texts are those at `path` in `records`.
    pub(super) fn open(
        column: &'a Column,
        limit: u32,
        bytes: &'a dyn Bytes,
        records: &'a dyn Records,
        path: &'a [Arc<str>],
    ) -> Result<Self> {
        let range = column.start..column.start + column.dictionary;
        let dictionary = match column.kind {
            Kind::Text => Dictionary::Texts(Texts::open(bytes, range, column.entries, records, path)?),
            Kind::Geo => Dictionary::Places(Places::open(bytes, range, column.entries)?),
            _ => Dictionary::Numbers(Numbers::open(bytes, range, column.entries)?),
        };
        let mut at = column.start + column.dictionary;
        let mut section = |len: usize| {
            at += len;
            at - len..at
        };
        let words = column.entries as usize * 4;
        let ends = section(if column.is_unique() { 0 } else { words });
        let words = section(words);
        section(column.ordinal_bytes(limit));
        let lists = section(column.lists);
        let (entries, pairs) = (column.entries, column.pairs);
        let postings = Postings { bytes, entries, pairs, limit, ends, words, lists };
        Ok(Self { column, dictionary, postings, bytes, limit })
    }

    /// Number of values.
    pub(super) fn entries(&self) -> u32 {
        self.column.entries
    }

    /// The ordinals of the slots' lowest values, where there are any.
    pub(super) fn lowest(&self) -> Result<Option<Ordinals<'a>>> {
        self.ordinals(0)
    }

    /// The ordinals of the slots' highest values, where there are any.
    pub(super) fn highest(&self) -> Result<Option<Ordinals<'a>>> {
        self.ordinals(usize::from(self.column.many))
    }

    fn ordinals(&self, at: usize) -> Result<Option<Ordinals<'a>>> {
        if !self.column.ordinals {
            return Ok(None);
        }
        let each = self.limit as usize * width(self.entries());
        let from = self.postings.words.end + at * each;
        Ok(Some(Ordinals::new(self.bytes.bytes(from..from + each)?, self.entries())))
    }

    /// The slots that have a value among the entries of these ascending ranges.
    pub(super) fn slots(&self, ranges: &[Range<u32>]) -> Result<SlotSet> {
        let (mut count, mut entries) = (0, 0);
        for range in ranges {
            count += self.postings.count(range)? as usize;
            entries += range.len();
        }
        let mut out = Gather::new(self.limit, count, entries);
        for range in ranges {
            self.gather(range.clone(), &mut out)?;
        }
        Ok(out.finish())
    }

    /// Looking at so many slots takes half as long as a pass over all, or less.
    pub(super) fn slots_of_pass(&self) -> usize {
        self.limit as usize / 128
    }

    /// Those of a few slots that have a value among the entries of these ranges, looked at one by one; `None` where the column
    /// does not tell the value of a slot.
    pub(super) fn slots_among(&self, ranges: &[Range<u32>], few: &SlotSet) -> Result<Option<SlotSet>> {
        let Some(ordinals) = self.lowest()?.filter(|_| !self.column.many) else { return Ok(None) };
        let passes = |slot: &Slot| {
            ordinals.at(*slot).is_some_and(|ordinal| {
                let behind = ranges.partition_point(|range| range.end <= ordinal);
                ranges.get(behind).is_some_and(|range| range.contains(&ordinal))
            })
        };
        Ok(Some(SlotSet::from_ascending(self.limit, few.iter().filter(passes).collect())))
    }

    fn gather(&self, range: Range<u32>, out: &mut Gather) -> Result<()> {
        let count = u64::from(self.postings.count(&range)?);
        let ordinals = match is_dense(count, self.limit) {
            true if !self.column.many => self.lowest()?,
            true if range.len() > 1 && range.start == 0 => self.lowest()?,
            true if range.len() > 1 && range.end == self.entries() => self.highest()?,
            _ => None,
        };
        match ordinals {
            Some(ordinals) => ordinals.scan(range, out.bits()),
            None => self.postings.read(range, out)?,
        }
        Ok(())
    }

    /// One of the values.
    pub(super) fn value(&self, entry: u32) -> Result<Value> {
        match &self.dictionary {
            Dictionary::Numbers(numbers) => self.number_value(numbers.get(entry)?),
            Dictionary::Texts(texts) => Ok(Value::Str(texts.get(entry)?)),
            Dictionary::Places(places) => Ok(Value::Geo(places.get(entry)?)),
        }
    }

    fn number_value(&self, number: Number) -> Result<Value> {
        Ok(match (self.column.kind, number) {
            (Kind::Number, Number::I64(whole)) => Value::I64(whole),
            (Kind::Number, Number::F64(float)) => Value::F64(float),
            (Kind::DateTime, Number::I64(micros)) => Value::DateTime(DateTime::from_unix_micros(micros)),
            (Kind::Bool, Number::I64(truth @ 0..=1)) => Value::Bool(truth == 1),
            (Kind::Null, Number::I64(0)) => Value::Null,
            (kind, number) => {
                return Err(corrupt(self.column.start, format!("{number:?} in a column of {kind:?}")));
            }
        })
    }
}
