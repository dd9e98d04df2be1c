//! Records in the order of their values at a path, for sorting and grouping without decoding records.

use super::column::ColumnView;
use super::column::Dictionary;
use super::column::Kind;
use super::directory::Node;
use super::gather::Gather;
use super::number::Number;
use super::ordinals::Ordinals;
use super::view::FieldIndex;
use crate::error::Result;
use crate::ids::Slot;
use crate::metadata::DateTime;
use crate::metadata::Value;
use std::collections::HashMap;

/// Which way records are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The lowest value first; of a record with several the lowest counts.
    Ascending,
    /// The highest value first; of a record with several the highest counts.
    Descending,
}

/// What a record is sorted by, comparable between segments: numbers, then texts, instants, truth values. Null, places, maps
/// and missing values have no key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// An instant.
    DateTime(DateTime),
    /// A truth value.
    Bool(bool),
}

impl Key {
    /// The key of a value, where it has one.
    pub(crate) fn of(value: Value) -> Option<Self> {
        Some(match value {
            Value::I64(whole) => Self::Number(Number::I64(whole)),
            Value::F64(float) => Self::Number(Number::F64(float)),
            Value::Str(text) => Self::Text(text),
            Value::DateTime(instant) => Self::DateTime(instant),
            Value::Bool(truth) => Self::Bool(truth),
            Value::Null | Value::Geo(_) | Value::Array(_) | Value::Map(_) => return None,
        })
    }
}

/// Slots with the same key, ascending.
pub(crate) type Group = (Key, Vec<Slot>);

/// The order of a segment's records by their values at one path.
pub(crate) struct Order<'a> {
    /// The columns that can be ordered, in the order of their kinds.
    columns: Vec<Ordered<'a>>,
    direction: Direction,
    limit: u32,
}

struct Ordered<'a> {
    view: ColumnView<'a>,
    places: Places<'a>,
}

/// The ordinal of each slot that counts in a direction.
enum Places<'a> {
    All(Ordinals<'a>),
    Few(HashMap<Slot, u32>),
}

impl Places<'_> {
    fn at(&self, slot: Slot) -> Option<u32> {
        match self {
            Self::All(ordinals) => ordinals.at(slot),
            Self::Few(ordinals) => ordinals.get(&slot).copied(),
        }
    }
}

impl<'a> FieldIndex<'a> {
    /// The order of records by their values at `path`; `None` where the path has no index.
    ///
    /// # Errors
    /// `Corrupt` where the index is damaged.
    pub(crate) fn order(&self, path: &[String], direction: Direction) -> Result<Option<Order<'a>>> {
        self.indexed(path).map(|node| self.order_of(node, direction)).transpose()
    }

    fn order_of(&self, node: &'a Node, direction: Direction) -> Result<Order<'a>> {
        let mut columns = Vec::new();
        for kind in Kind::ALL {
            let Some(view) = self.column(node, kind)?.filter(|_| kind.is_ordered()) else { continue };
            let ordinals = match direction {
                Direction::Ascending => view.lowest()?,
                Direction::Descending => view.highest()?,
            };
            let places = match ordinals {
                Some(ordinals) => Places::All(ordinals),
                None => Places::Few(few(&view, direction)?),
            };
            columns.push(Ordered { view, places });
        }
        Ok(Order { columns, direction, limit: self.limit() })
    }

    /// The one value of each record at `path`, for grouping; `None` where the path has no index.
    ///
    /// # Errors
    /// `Corrupt` where the index is damaged.
    pub(crate) fn values(&self, path: &[String]) -> Result<Option<Values<'a>>> {
        let Some(node) = self.indexed(path) else { return Ok(None) };
        let low = self.order_of(node, Direction::Ascending)?;
        let high = self.order_of(node, Direction::Descending)?;
        Ok(Some(Values { low, high }))
    }
}

/// The ordinals of a column that has no array of them: few slots have a value.
fn few(view: &ColumnView<'_>, direction: Direction) -> Result<HashMap<Slot, u32>> {
    let mut found = HashMap::new();
    for entry in 0..view.entries() {
        for slot in slots_of(view, entry)? {
            let kept = found.entry(slot).or_insert(entry);
            if direction == Direction::Descending {
                *kept = entry;
            }
        }
    }
    Ok(found)
}

/// The slots of one value.
fn slots_of(view: &ColumnView<'_>, entry: u32) -> Result<Vec<Slot>> {
    let range = entry..entry + 1;
    Ok(view.slots(&[range])?.iter().collect())
}

impl Ordered<'_> {
    fn key(&self, entry: u32) -> Result<Option<Key>> {
        Ok(Key::of(self.view.value(entry)?))
    }

    /// How many values lie before `key` of this column's kind, the equal one among them where `with_equal`.
    fn below(&self, key: &Key, with_equal: bool) -> Result<u32> {
        match (&self.view.dictionary, key) {
            (Dictionary::Numbers(numbers), Key::Number(number)) => numbers.below(*number, with_equal),
            (Dictionary::Numbers(numbers), Key::DateTime(instant)) => {
                numbers.below(Number::I64(instant.unix_micros()), with_equal)
            }
            (Dictionary::Numbers(numbers), Key::Bool(truth)) => {
                numbers.below(Number::I64((*truth).into()), with_equal)
            }
            (Dictionary::Texts(texts), Key::Text(text)) => texts.below(text, with_equal),
            _ => Ok(0),
        }
    }
}

fn kind_of(key: &Key) -> Kind {
    match key {
        Key::Number(_) => Kind::Number,
        Key::Text(_) => Kind::Text,
        Key::DateTime(_) => Kind::DateTime,
        Key::Bool(_) => Kind::Bool,
    }
}

impl<'a> Order<'a> {
    /// The column and the entry that a slot is sorted by.
    fn place(&self, slot: Slot) -> Option<(usize, u32)> {
        let place = |(at, column): (usize, &Ordered<'_>)| column.places.at(slot).map(|entry| (at, entry));
        match self.direction {
            Direction::Ascending => self.columns.iter().enumerate().find_map(place),
            Direction::Descending => self.columns.iter().enumerate().rev().find_map(place),
        }
    }

    /// The key of a slot; `None` for those that come last because they have none.
    ///
    /// # Errors
    /// `Corrupt` where the index or a record is damaged.
    pub(crate) fn key(&self, slot: Slot) -> Result<Option<Key>> {
        let Some((at, entry)) = self.place(slot) else { return Ok(None) };
        self.columns.get(at).map_or(Ok(None), |column| column.key(entry))
    }

    /// The slots by key in this order, those of the key `from` first where it is given; slots without a key are left out.
    /// Groups are made one at a time, so that a page costs what it holds.
    pub(crate) fn groups<'o>(&'o self, from: Option<&Key>) -> Result<Groups<'o, 'a>> {
        let mut ranges = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let entries = column.view.entries();
            let (mut start, mut end) = (0, entries);
            if let Some(key) = from {
                match (self.direction, column.view.column.kind.cmp(&kind_of(key))) {
                    (Direction::Ascending, std::cmp::Ordering::Less) => start = entries,
                    (Direction::Descending, std::cmp::Ordering::Greater) => end = 0,
                    (Direction::Ascending, std::cmp::Ordering::Equal) => start = column.below(key, false)?,
                    (Direction::Descending, std::cmp::Ordering::Equal) => end = column.below(key, true)?,
                    _ => {}
                }
            }
            ranges.push((at, start..end));
        }
        let down = self.direction == Direction::Descending;
        if !down {
            ranges.reverse();
        }
        Ok(Groups { order: self, ranges })
    }

    /// The slots that are sorted by an entry of a column.
    fn sorted_by(&self, at: usize, column: &Ordered<'_>, entry: u32) -> Result<Vec<Slot>> {
        if column.view.column.ordinals && column.view.postings.is_by_ordinals(entry)? {
            let Places::All(ordinals) = &column.places else { return Ok(Vec::new()) };
            let mut slots = Gather::new(self.limit, usize::MAX, 1);
            ordinals.scan(entry..entry + 1, slots.bits());
            return Ok(self.those_at(slots.finish().iter().collect(), at, entry));
        }
        Ok(self.those_at(slots_of(&column.view, entry)?, at, entry))
    }

    fn those_at(&self, mut slots: Vec<Slot>, at: usize, entry: u32) -> Vec<Slot> {
        slots.retain(|slot| self.place(*slot) == Some((at, entry)));
        slots
    }
}

/// The values of a segment's records at one path, where each has one.
pub(crate) struct Values<'a> {
    low: Order<'a>,
    high: Order<'a>,
}

impl Values<'_> {
    /// What is the same for slots of this segment with the same value and differs for others; `None` where a slot has no value
    /// that can be ordered, or several.
    pub(crate) fn place(&self, slot: Slot) -> Option<(usize, u32)> {
        let place = self.low.place(slot);
        if place == self.high.place(slot) { place } else { None }
    }

    /// The value of a slot; `None` where there is none that can be ordered, or there are several.
    ///
    /// # Errors
    /// `Corrupt` where the index or a record is damaged.
    pub(crate) fn key(&self, slot: Slot) -> Result<Option<Key>> {
        match self.place(slot) {
            Some(_) => self.low.key(slot),
            None => Ok(None),
        }
    }
}

/// Iterator of [`Order::groups`].
pub(crate) struct Groups<'o, 'a> {
    order: &'o Order<'a>,
    /// Entries of columns that are still to come, the next ones last.
    ranges: Vec<(usize, std::ops::Range<u32>)>,
}

impl Iterator for Groups<'_, '_> {
    type Item = Result<Group>;

    fn next(&mut self) -> Option<Result<Group>> {
        loop {
            let (at, range) = self.ranges.last_mut()?;
            let entry = match self.order.direction {
                Direction::Ascending => range.next(),
                Direction::Descending => range.next_back(),
            };
            let (at, Some(entry)) = (*at, entry) else {
                self.ranges.pop();
                continue;
            };
            let column = self.order.columns.get(at)?;
            match self.order.sorted_by(at, column, entry) {
                Ok(slots) if slots.is_empty() => {}
                Ok(slots) => match column.key(entry) {
                    Ok(Some(key)) => return Some(Ok((key, slots))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
