//! [`Scan`]: records in the order of their ids, or of a field.

use super::View;
use super::matching::Condition;
use super::matching::Passing;
use super::ordered::Sorting;
use super::ordered::page;
use crate::error::Error;
use crate::error::Result;
use crate::field_index::Direction;
use crate::filter::Filter;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::metadata::Value;
use crate::segment::IdRef;
use crate::segment::LiveSegment;
use crate::segment::Record;
use std::sync::Arc;
use std::vec::IntoIter;

/// Walks records in the order of their ids (numbers by value, strings by bytes), or of a field, page by page or to the end.
///
/// A page begins after an id, so pages fit together even when records are written in between. The first scan of a
/// segment sorts its ids and keeps the order: 4 bytes a record in memory.
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(1))?;
/// docs.upsert((0..5).map(|id| Record::new(id).vector([id as f32])))?;
/// let page: Vec<Record> = docs.scan().after(1).limit(2).collect::<Result<_, _>>()?;
/// assert_eq!(page.iter().map(|record| record.id().as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[must_use = "a scan does nothing until it is iterated"]
pub struct Scan {
    view: Result<View, Option<Error>>,
    after: Option<RecordId>,
    /// The value that the record `after` had.
    after_value: Option<Value>,
    limit: usize,
    condition: Condition,
    sorting: Option<Sorting>,
    walk: Option<Walk>,
}

/// How far a scan is.
enum Walk {
    /// In the order of ids, one cursor a segment.
    ById(Vec<Cursor>),
    /// In the order of a field: what is still to come of the page.
    Sorted(IntoIter<(LiveSegment, Slot)>),
}

/// How far a scan is in one segment.
struct Cursor {
    live: LiveSegment,
    /// What passes of the segment.
    passing: Passing,
    slots: Arc<Vec<Slot>>,
    next: usize,
}

impl Cursor {
    fn new(live: &LiveSegment, condition: &Condition, after: Option<&RecordId>) -> Result<Self> {
        let slots = live.segment.slots_by_id()?;
        let next = match after {
            None => 0,
            Some(after) => first_after(live, &slots, IdRef::from(after))?,
        };
        let mut cursor = Self { live: live.clone(), passing: condition.passing(live)?, slots, next };
        cursor.skip_others();
        Ok(cursor)
    }

    fn slot(&self) -> Option<Slot> {
        self.slots.get(self.next).copied()
    }

    /// Goes on to a record that lives and passes.
    fn skip_others(&mut self) {
        let passes = |slot: Slot| match &self.passing {
            Some(set) => set.contains(slot),
            None => !self.live.dead.contains(slot),
        };
        while self.slot().is_some_and(|slot| !passes(slot)) {
            self.next += 1;
        }
    }

    fn advance(&mut self) {
        self.next += 1;
        self.skip_others();
    }
}

/// The first place in `slots`, which are in the order of their ids, with an id greater than `after`.
fn first_after(live: &LiveSegment, slots: &[Slot], after: IdRef<'_>) -> Result<usize> {
    let (mut low, mut high) = (0, slots.len());
    while low < high {
        let middle = low + (high - low) / 2;
        match live.segment.id_ref(slots[middle])? <= after {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low)
}

impl Scan {
    pub(crate) fn new(view: Result<View>) -> Self {
        Self {
            view: view.map_err(Some),
            after: None,
            after_value: None,
            limit: usize::MAX,
            condition: Condition::default(),
            sorting: None,
            walk: None,
        }
    }

    /// Begins behind this id, which need not exist but where records are sorted by a field (see
    /// [`after_value`](Self::after_value)).
    pub fn after(mut self, id: impl Into<RecordId>) -> Self {
        self.after = Some(id.into());
        self.after_value = None;
        self
    }

    /// Ends after this many records. Default: none left out.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Only records that pass; of several calls all count.
    ///
    /// # Errors
    /// The scan ends with `Filter` where the filter can't be, or names a field that no record has.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.condition.add(filter);
        self
    }

    /// True to take fields that no record has for missing ones; otherwise they are an error. Default: false.
    pub fn allow_unknown_fields(mut self, allow: bool) -> Self {
        self.condition.allow_unknown = allow;
        self
    }

    /// Sorts by a field, given by its name or dotted path: numbers, then texts (by bytes), instants, truth values; the other way
    /// round when descending. Of an array the element counts that comes first. Records without such a value come last, and those
    /// with equal ones in the order of their ids.
    ///
    /// A scan with a [`limit`](Self::limit) keeps in memory what it gives; without one, value and id of every record.
    ///
    /// ```
    /// use lodedb::{Database, Direction, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::new(1))?;
    /// docs.upsert((0..5).map(|id| Record::new(id).vector([1.0]).field("year", 1850 - id as i64)))?;
    /// let oldest = docs.scan().order_by("year", Direction::Ascending).limit(2);
    /// let ids: Vec<_> = oldest.map(|record| Ok(record?.id().as_u64())).collect::<Result<_, lodedb::Error>>()?;
    /// assert_eq!(ids, [Some(4), Some(3)]);
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn order_by(mut self, field: impl Into<String>, direction: Direction) -> Self {
        self.sorting = Some(Sorting { field: field.into(), direction });
        self
    }

    /// Begins behind the record with this value and id, in the order of [`order_by`](Self::order_by), whether it still exists or
    /// not. [`after`](Self::after) takes the value that the record has now. Of an array the element counts that does for the order.
    ///
    /// # Errors
    /// The scan ends with `InvalidOption` where it is in the order of ids.
    pub fn after_value(mut self, value: impl Into<Value>, id: impl Into<RecordId>) -> Self {
        self.after = Some(id.into());
        self.after_value = Some(value.into());
        self
    }

    fn begin(&self, view: &View) -> Result<Walk> {
        self.condition.check(view)?;
        let after = self.after.as_ref();
        match &self.sorting {
            Some(sorting) => {
                let after = after.map(|id| (id, self.after_value.as_ref()));
                Ok(Walk::Sorted(page(view, &self.condition, sorting, after, self.limit)?.into_iter()))
            }
            None if self.after_value.is_some() => {
                let problem = "the scan is in the order of ids, and `order_by` sorts by a value".into();
                Err(Error::InvalidOption { name: "after_value", problem })
            }
            None => {
                let cursors = view.set.segments().map(|live| Cursor::new(live, &self.condition, after));
                Ok(Walk::ById(cursors.collect::<Result<_>>()?))
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>> {
        if self.walk.is_none() {
            let walk = match &mut self.view {
                Ok(view) => {
                    let view = view.clone();
                    self.begin(&view)?
                }
                Err(error) => return error.take().map_or(Ok(None), Err),
            };
            self.walk = Some(walk);
        }
        match &mut self.walk {
            Some(Walk::ById(cursors)) => least(cursors),
            Some(Walk::Sorted(page)) => page.next().map(|(live, slot)| live.segment.record(slot)).transpose(),
            None => Ok(None),
        }
    }
}

/// The record with the least id that any cursor is at.
fn least(cursors: &mut [Cursor]) -> Result<Option<Record>> {
    let mut least: Option<(usize, Slot, IdRef<'_>)> = None;
    for (i, cursor) in cursors.iter().enumerate() {
        let Some(slot) = cursor.slot() else { continue };
        let id = cursor.live.segment.id_ref(slot)?;
        if least.is_none_or(|(.., other)| id < other) {
            least = Some((i, slot, id));
        }
    }
    let Some((i, slot)) = least.map(|(i, slot, _)| (i, slot)) else { return Ok(None) };
    let record = cursors[i].live.segment.record(slot)?;
    cursors[i].advance();
    Ok(Some(record))
}

/// Ends after the first error.
impl Iterator for Scan {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.limit == 0 {
            return None;
        }
        let next = self.next_record().transpose();
        self.limit -= 1;
        if !matches!(next, Some(Ok(_))) {
            self.limit = 0;
        }
        next
    }
}
