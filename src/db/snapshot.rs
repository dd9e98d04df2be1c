//! [`Snapshot`]: a collection at one commit.

use crate::error::Result;
use crate::filter::Filter;
use crate::ids::RecordId;
use crate::metadata::Value;
use crate::query::Scan;
use crate::query::Search;
use crate::query::View;
use crate::query::count_all;
use crate::query::facets;
use crate::segment::Record;
use std::fmt;

/// A collection as it was at one moment. Searches and reads of one snapshot agree with each other, whatever is
/// written meanwhile.
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(1))?;
/// docs.upsert([Record::new(1).vector([0.5])])?;
/// let before = docs.snapshot()?;
/// docs.delete([1])?;
/// assert_eq!((before.len(), docs.len()?), (1, 0));
/// assert_eq!(before.search().vector([0.5]).run()?.len(), 1);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    view: View,
}

impl Snapshot {
    pub(super) fn new(view: View) -> Self {
        Self { view }
    }

    /// The record with this id.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged there.
    pub fn get(&self, id: impl Into<RecordId>) -> Result<Option<Record>> {
        self.view.set.record(&id.into())
    }

    /// True where a record has this id.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged there.
    pub fn contains(&self, id: impl Into<RecordId>) -> Result<bool> {
        Ok(self.view.set.find(&id.into())?.is_some())
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view.set.live()
    }

    /// True where there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of records that pass a filter.
    ///
    /// # Errors
    /// `Filter` where it can't be or names a field that no record has; `Corrupt` where the file is damaged there.
    pub fn count(&self, filter: Filter) -> Result<usize> {
        count_all(&self.view, &filter.into())
    }

    /// The values of a field with the number of records that have them; see
    /// [`Collection::facets`](crate::Collection::facets).
    ///
    /// # Errors
    /// The same.
    pub fn facets(&self, field: &str, filter: Filter) -> Result<Vec<(Value, u64)>> {
        facets(&self.view, field, &filter.into())
    }

    /// Begins a search.
    pub fn search(&self) -> Search {
        Search::new(Ok(self.view.clone()))
    }

    /// Begins a walk through the records in the order of their ids.
    pub fn scan(&self) -> Scan {
        Scan::new(Ok(self.view.clone()))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} records)", self.len())
    }
}
