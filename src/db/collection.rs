//! [`Collection`]: the handle that reads and writes one collection.

use super::Progress;
use super::Snapshot;
use super::Transaction;
use super::TransactionCollection;
use super::inner::Shared;
use super::maintenance;
use super::stats::CollectionStats;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::IdKind;
use crate::ids::RecordId;
use crate::metadata::Fields;
use crate::metadata::Value;
use crate::query::Scan;
use crate::query::Search;
use crate::segment::Record;
use crate::segment::Schema;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A named set of records. Each call sees everything that was acknowledged before it began.
///
/// Handles are cheap to clone and may be used from any thread. Writers take turns; readers never wait for them.
///
/// ```
/// use lodedb::{Database, Fields, Metric, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let ores = db.collection("ores", Schema::new(2).metric(Metric::L2))?;
/// ores.upsert([
///     Record::new("galena").vector([7.5, 2.5]).field("metal", "lead"),
///     Record::new("cassiterite").vector([6.9, 6.5]).field("metal", "tin"),
/// ])?;
/// ores.update("galena", Fields::from_iter([("colour", "lead-grey")]))?;
/// let galena = ores.get("galena")?.expect("it was put in");
/// assert_eq!(galena.fields().to_string(), r#"{"colour":"lead-grey","metal":"lead"}"#);
/// ores.delete(["galena"])?;
/// assert_eq!(ores.len()?, 1);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Clone)]
pub struct Collection {
    shared: Arc<Shared>,
    name: Arc<str>,
    id: u32,
}

impl Collection {
    pub(super) fn new(shared: Arc<Shared>, name: &str, id: u32) -> Self {
        Self { shared, name: name.into(), id }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its schema.
    ///
    /// # Errors
    /// `CollectionNotFound` where it was dropped; `Closed`.
    pub fn schema(&self) -> Result<Schema> {
        Ok((*self.shared.inner().view(&self.name, self.id)?.set.schema).clone())
    }

    /// The kind of the records' ids; `None` where it is neither declared nor known from a record yet.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn id_kind(&self) -> Result<Option<IdKind>> {
        Ok(self.shared.inner().view(&self.name, self.id)?.set.id_kind)
    }

    fn write<R>(&self, f: impl FnOnce(&mut TransactionCollection<'_, '_>) -> Result<R>) -> Result<R> {
        let mut transaction = Transaction::begin(self.shared.inner())?;
        let result = f(&mut transaction.same_collection(&self.name, self.id)?)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Puts records in, each in place of the one with its id where there is one, all or none. Of two records with
    /// one id in the batch, the later stays. Gives the number of records.
    ///
    /// A batch of more than 4 MiB is written to its place in the file at once instead of the log.
    ///
    /// # Errors
    /// `DimensionMismatch`, `InvalidVector`, `InvalidRecord`, `Schema`, `TooLarge` for a record that can't be
    /// stored; `Io`, `ReadOnly`, `Poisoned`, `Closed`, `CollectionNotFound`. Nothing was changed then.
    pub fn upsert(&self, records: impl IntoIterator<Item = Record>) -> Result<usize> {
        self.write(|collection| collection.upsert(records))
    }

    /// As [`upsert`](Self::upsert), but an id that exists, or appears twice, is an error.
    ///
    /// # Errors
    /// `RecordExists`; as [`upsert`](Self::upsert).
    pub fn insert(&self, records: impl IntoIterator<Item = Record>) -> Result<usize> {
        self.write(|collection| collection.insert(records))
    }

    /// Sets some fields of a record; its other fields and its vectors stay.
    ///
    /// # Errors
    /// `RecordNotFound`; as [`upsert`](Self::upsert).
    pub fn update(&self, id: impl Into<RecordId>, fields: Fields) -> Result<()> {
        self.write(|collection| collection.update(id, fields))
    }

    /// Sets some fields of several records, all or none. Gives the number of records.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_many(&self, updates: impl IntoIterator<Item = (RecordId, Fields)>) -> Result<usize> {
        self.write(|collection| collection.update_many(updates))
    }

    /// Deletes the records with these ids and gives their number; ids that don't exist are passed over.
    ///
    /// # Errors
    /// `Schema` for an id of the wrong kind; `Io`, `ReadOnly`, `Poisoned`, `Closed`, `CollectionNotFound`.
    pub fn delete(&self, ids: impl IntoIterator<Item = impl Into<RecordId>>) -> Result<usize> {
        self.write(|collection| collection.delete(ids))
    }

    /// Deletes the records that pass a filter and gives their number.
    ///
    /// # Errors
    /// `Filter` where it can't be or names a field that no record has; as [`delete`](Self::delete).
    pub fn delete_where(&self, filter: Filter) -> Result<usize> {
        self.write(|collection| collection.delete_where(filter))
    }

    /// The record with this id.
    ///
    /// # Errors
    /// `Corrupt`, `Closed`, `CollectionNotFound`.
    pub fn get(&self, id: impl Into<RecordId>) -> Result<Option<Record>> {
        self.snapshot()?.get(id)
    }

    /// True where a record has this id.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains(&self, id: impl Into<RecordId>) -> Result<bool> {
        self.snapshot()?.contains(id)
    }

    /// Number of records.
    ///
    /// # Errors
    /// `Closed`, `CollectionNotFound`.
    pub fn len(&self) -> Result<usize> {
        Ok(self.snapshot()?.len())
    }

    /// Number of records that pass a filter.
    ///
    /// # Errors
    /// `Filter` where it can't be or names a field that no record has; as [`get`](Self::get).
    pub fn count(&self, filter: Filter) -> Result<usize> {
        self.snapshot()?.count(filter)
    }

    /// The values of a field, given by its name or dotted path, with the number of records that have them among those that pass
    /// the filter: the most frequent first, values with as many records in their order. Each element of an array counts, once
    /// a record. No record is read for it but where texts are long.
    ///
    /// ```
    /// use lodedb::{Database, Filter, Record, Schema, Value, field};
    ///
    /// let db = Database::open(":memory:")?;
    /// let ores = db.collection("ores", Schema::new(1))?;
    /// ores.upsert((0..5).map(|id| Record::new(id).vector([1.0]).field("metal", if id < 3 { "lead" } else { "tin" })))?;
    /// assert_eq!(ores.facets("metal", Filter::all())?, [(Value::from("lead"), 3), (Value::from("tin"), 2)]);
    /// assert_eq!(ores.count(field("metal").eq("tin"))?, 2);
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Filter` where the filter can't be, or it or `field` names what no record has or what has no index; as
    /// [`get`](Self::get).
    pub fn facets(&self, field: &str, filter: Filter) -> Result<Vec<(Value, u64)>> {
        self.snapshot()?.facets(field, filter)
    }

    /// True where there is no record.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Begins a search over the records there are now.
    pub fn search(&self) -> Search {
        Search::new(self.shared.inner().search_view(&self.name, self.id))
    }

    /// The share of the `k` true nearest records that a search without further settings finds, on average over `sample`
    /// records of the collection that are looked for among the others; see
    /// [`Search::measure_recall`](crate::Search::measure_recall) for other settings.
    ///
    /// # Errors
    /// As [`Search::run`](crate::Search::run).
    pub fn measure_recall(&self, k: usize, sample: usize) -> Result<f32> {
        self.search().k(k).measure_recall(sample)
    }

    /// Begins a walk through the records there are now, in the order of their ids.
    pub fn scan(&self) -> Scan {
        Scan::new(self.shared.inner().view(&self.name, self.id))
    }

    /// The collection as it is now and will stay for whoever holds the snapshot. While one is held, the room of
    /// what was deleted since is not used again.
    ///
    /// # Errors
    /// `Closed`, `CollectionNotFound`; for a read-only handle also what reading the file's news can meet.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.shared.inner().view(&self.name, self.id)?))
    }

    /// As [`Database::optimize`](crate::Database::optimize), for this collection only.
    ///
    /// # Errors
    /// The same.
    pub fn optimize(&self, progress: impl Fn(Progress) -> ControlFlow<()> + Sync) -> Result<()> {
        maintenance::optimize(self.shared.inner(), Some((&self.name, self.id)), &progress)
    }

    /// Counts of records and segments.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn stats(&self) -> Result<CollectionStats> {
        let view = self.shared.inner().view(&self.name, self.id)?;
        Ok(CollectionStats::of(&self.name, &view.set))
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collection('{}')", self.name)
    }
}
