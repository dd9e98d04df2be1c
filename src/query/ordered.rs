//! Records in the order of a field, a page at a time.

use super::View;
use super::matching::Condition;
use crate::error::Error;
use crate::error::Result;
use crate::field_index::Direction;
use crate::field_index::FieldIndex;
use crate::field_index::Key;
use crate::filter::Path;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::metadata::Value;
use crate::segment::LiveSegment;
use std::cmp::Ordering;

/// What records are sorted by.
#[derive(Clone, Debug)]
pub(super) struct Sorting {
    /// The path of the field.
    pub(super) field: String,
    pub(super) direction: Direction,
}

/// A place in the order: records without a key come last, those with equal keys by their ids.
struct Place {
    key: Option<Key>,
    id: RecordId,
}

impl Place {
    fn compare(&self, other: &Self, direction: Direction) -> Ordering {
        let by_key = match (&self.key, &other.key) {
            (Some(key), Some(other)) if direction == Direction::Descending => other.cmp(key),
            (Some(key), Some(other)) => key.cmp(other),
            (key, other) => key.is_none().cmp(&other.is_none()),
        };
        by_key.then_with(|| self.id.cmp(&other.id))
    }
}

/// A page that is being gathered.
struct Page<'a> {
    path: &'a Path,
    direction: Direction,
    after: Option<Place>,
    /// Records wanted.
    limit: usize,
    /// Places of records, and where they are.
    entries: Vec<(Place, usize, Slot)>,
}

/// The first `limit` records that pass, behind the record with the id `after`, in this order; a value that comes with the id
/// stands for the one that the record has now. Keeps key and id of each in memory, and of those with the same key as the last.
pub(super) fn page(
    view: &View,
    condition: &Condition,
    sorting: &Sorting,
    after: Option<(&RecordId, Option<&Value>)>,
    limit: usize,
) -> Result<Vec<(LiveSegment, Slot)>> {
    let path = &super::matching::check_field(view, &sorting.field)?;
    let after = after.map(|(id, value)| first_place(view, path, sorting, id, value)).transpose()?;
    let segments: Vec<&LiveSegment> = view.set.segments().collect();
    let mut page = Page { path, direction: sorting.direction, after, limit, entries: Vec::new() };
    for (place, live) in segments.iter().enumerate() {
        let passing = condition.passing(live)?;
        let accepts = |slot: Slot| match &passing {
            Some(set) => set.contains(slot),
            None => !live.dead.contains(slot),
        };
        live.segment.with_field_index(|index| page.gather(index, live, place, &accepts))?;
    }
    let direction = page.direction;
    let mut entries = page.entries;
    entries.sort_unstable_by(|(one, ..), (other, ..)| one.compare(other, direction));
    entries.truncate(limit);
    Ok(entries.into_iter().map(|(_, place, slot)| (segments[place].clone(), slot)).collect())
}

/// The place behind which a page begins.
fn first_place(
    view: &View,
    path: &Path,
    sorting: &Sorting,
    id: &RecordId,
    value: Option<&Value>,
) -> Result<Place> {
    let key = match (value, view.set.find(id)?) {
        (Some(value), _) => key_in(value, sorting.direction),
        (None, Some((live, slot))) => live.segment.with_field_index(|index| {
            index.order(path.names(), sorting.direction)?.map_or(Ok(None), |order| order.key(slot))
        })?,
        (None, None) => return Err(Error::RecordNotFound { id: id.to_string() }),
    };
    Ok(Place { key, id: id.clone() })
}

/// What a record with this value is sorted by.
fn key_in(value: &Value, direction: Direction) -> Option<Key> {
    let Value::Array(elements) = value else { return Key::of(value.clone()) };
    let keys = elements.iter().filter_map(|element| Key::of(element.clone()));
    match direction {
        Direction::Ascending => keys.min(),
        Direction::Descending => keys.max(),
    }
}

impl Page<'_> {
    /// Adds the records of a segment that can be on the page.
    fn gather(
        &mut self,
        index: &FieldIndex<'_>,
        live: &LiveSegment,
        place: usize,
        accepts: &dyn Fn(Slot) -> bool,
    ) -> Result<()> {
        let order = index.order(self.path.names(), self.direction)?;
        let first = self.entries.len();
        let from = self.after.as_ref().map(|after| after.key.clone());
        if let (Some(order), false) = (&order, matches!(from, Some(None))) {
            for group in order.groups(from.flatten().as_ref())? {
                let (key, slots) = group?;
                for slot in slots.into_iter().filter(|slot| accepts(*slot)) {
                    self.add(Place { key: Some(key.clone()), id: live.segment.id(slot)? }, place, slot);
                }
                if self.entries.len() - first >= self.limit {
                    return Ok(());
                }
            }
        }
        for slot in (0..live.segment.len()).filter(|slot| accepts(*slot)) {
            let key = order.as_ref().map_or(Ok(None), |order| order.key(slot))?;
            if key.is_none() {
                self.add(Place { key, id: live.segment.id(slot)? }, place, slot);
            }
        }
        Ok(())
    }

    fn add(&mut self, entry: Place, place: usize, slot: Slot) {
        let is_behind = self.after.as_ref().is_none_or(|after| after.compare(&entry, self.direction).is_lt());
        if is_behind {
            self.entries.push((entry, place, slot));
        }
    }
}
