//! [`Transaction`]: one writer at a time; all it writes happens together or not at all.

use super::inner::Inner;
use super::inner::Writer;
use super::log::Op;
use super::state::CollectionState;
use super::state::State;
use crate::error::Error;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::RecordId;
use crate::metadata::Fields;
use crate::query::View;
use crate::query::ids;
use crate::segment::Limits;
use crate::segment::Record;
use crate::segment::Schema;
use crate::segment::SegmentBuilder;
use crate::segment::SegmentSet;
use crate::segment::check_id;
use parking_lot::MutexGuard;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

/// Several writes, over several collections, that happen together or not at all.
///
/// Made by [`Database::transaction`](crate::Database::transaction). Dropped without [`commit`](Self::commit), it
/// leaves everything as it was. While it lives, other writers wait: end it before writing through another handle on
/// the same thread. A write that fails leaves the transaction as it was before that write.
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// db.collection("ores", Schema::new(1))?;
/// db.collection("gems", Schema::new(1))?;
/// let mut tx = db.transaction()?;
/// tx.collection("ores")?.insert([Record::new("galena").vector([7.5])])?;
/// tx.collection("gems")?.insert([Record::new("opal").vector([2.1])])?;
/// tx.commit()?;
/// assert_eq!(db.existing("gems")?.len()?, 1);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[must_use = "a transaction does nothing until `commit`"]
pub struct Transaction<'db> {
    inner: &'db Inner,
    writer: MutexGuard<'db, Writer>,
    state: State,
    ops: Vec<Op>,
}

impl<'db> Transaction<'db> {
    pub(super) fn begin(inner: &'db Inner) -> Result<Self> {
        let writer = inner.writer()?;
        let state = (*writer.state).clone();
        Ok(Self { inner, writer, state, ops: Vec::new() })
    }

    /// Writing and reading in the collection `name`, within this transaction.
    ///
    /// # Errors
    /// `CollectionNotFound`.
    pub fn collection(&mut self, name: &str) -> Result<TransactionCollection<'_, 'db>> {
        let id = self.state.collection(name)?.id;
        Ok(TransactionCollection { transaction: self, name: name.to_owned(), id })
    }

    /// The same for the collection that `name` and `id` stand for in a handle.
    pub(super) fn same_collection(&mut self, name: &str, id: u32) -> Result<TransactionCollection<'_, 'db>> {
        self.state.same_collection(name, id)?;
        Ok(TransactionCollection { transaction: self, name: name.to_owned(), id })
    }

    /// Creates the collection `name` where there is none.
    pub(super) fn create_collection(&mut self, name: &str, schema: &Schema) -> Result<CollectionState> {
        if self.state.collection(name).is_err() {
            let count = self.state.collections.len() + 1;
            Limits::check("number of collections", count, self.inner.limits.collections)?;
            let id = self.state.next_collection;
            self.apply(Op::Create { id, name: name.to_owned(), schema: Arc::new(schema.clone()) })?;
        }
        self.state.collection(name).cloned()
    }

    /// Deletes the collection `name` with all its records.
    ///
    /// # Errors
    /// `CollectionNotFound`.
    pub fn drop_collection(&mut self, name: &str) -> Result<()> {
        let id = self.state.collection(name)?.id;
        self.apply(Op::Drop { id })
    }

    /// Makes everything written in this transaction durable and visible, at once.
    ///
    /// # Errors
    /// `Io`, `Poisoned`. What was written is not there then, or, where only the last step to the disk failed, may
    /// turn out to be there whole when the database is opened again.
    pub fn commit(self) -> Result<()> {
        match self.ops.is_empty() {
            true => Ok(()),
            false => self.inner.commit_noted(self.writer, self.state, &self.ops),
        }
    }

    fn apply(&mut self, op: Op) -> Result<()> {
        self.state.apply(&op)?;
        self.ops.push(op);
        Ok(())
    }
}

/// A collection within a [`Transaction`]: reads see what the transaction has written.
pub struct TransactionCollection<'tx, 'db> {
    transaction: &'tx mut Transaction<'db>,
    name: String,
    id: u32,
}

impl TransactionCollection<'_, '_> {
    fn set(&self) -> Result<&Arc<SegmentSet>> {
        Ok(&self.transaction.state.same_collection(&self.name, self.id)?.set)
    }

    fn builder<'a>(set: &SegmentSet, limits: &'a Limits) -> SegmentBuilder<'a> {
        SegmentBuilder::new(set.schema.clone(), set.id_kind, limits)
    }

    fn write(&mut self, builder: SegmentBuilder<'_>) -> Result<usize> {
        let len = builder.len();
        if let Some(segment) = builder.finish()? {
            let segment = Arc::new(segment);
            self.transaction.apply(Op::Upsert { collection: self.id, segment })?;
        }
        Ok(len)
    }

    /// As [`Collection::upsert`](crate::Collection::upsert).
    ///
    /// # Errors
    /// The same.
    pub fn upsert(&mut self, records: impl IntoIterator<Item = Record>) -> Result<usize> {
        let limits = self.transaction.inner.limits.clone();
        let mut builder = Self::builder(self.set()?, &limits);
        records.into_iter().try_for_each(|record| builder.add(record))?;
        self.write(builder)
    }

    /// As [`Collection::insert`](crate::Collection::insert).
    ///
    /// # Errors
    /// The same.
    pub fn insert(&mut self, records: impl IntoIterator<Item = Record>) -> Result<usize> {
        let limits = self.transaction.inner.limits.clone();
        let set = self.set()?.clone();
        let mut builder = Self::builder(&set, &limits);
        for record in records {
            if builder.contains(record.id()) || set.find(record.id())?.is_some() {
                return Err(Error::RecordExists { id: record.id().to_string() });
            }
            builder.add(record)?;
        }
        self.write(builder)
    }

    /// As [`Collection::update`](crate::Collection::update).
    ///
    /// # Errors
    /// The same.
    pub fn update(&mut self, id: impl Into<RecordId>, fields: Fields) -> Result<()> {
        self.update_many([(id.into(), fields)]).map(drop)
    }

    /// As [`Collection::update_many`](crate::Collection::update_many).
    ///
    /// # Errors
    /// The same.
    pub fn update_many(&mut self, updates: impl IntoIterator<Item = (RecordId, Fields)>) -> Result<usize> {
        let limits = self.transaction.inner.limits.clone();
        let set = self.set()?.clone();
        let mut changes: BTreeMap<RecordId, Fields> = BTreeMap::new();
        for (id, fields) in updates {
            check_id(&id, set.id_kind, &limits)?;
            let change = changes.entry(id).or_default();
            fields.into_iter().for_each(|(name, value)| drop(change.insert(name, value)));
        }
        let mut builder = Self::builder(&set, &limits);
        for (id, change) in changes {
            let record = set.record(&id)?.ok_or_else(|| Error::RecordNotFound { id: id.to_string() })?;
            let mut fields = record.fields().clone();
            change.into_iter().for_each(|(name, value)| drop(fields.insert(name, value)));
            builder.add(record.with_fields(fields))?;
        }
        self.write(builder)
    }

    /// As [`Collection::delete`](crate::Collection::delete).
    ///
    /// # Errors
    /// The same.
    pub fn delete(&mut self, ids: impl IntoIterator<Item = impl Into<RecordId>>) -> Result<usize> {
        let limits = self.transaction.inner.limits.clone();
        let set = self.set()?.clone();
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for id in ids {
            let id = id.into();
            check_id(&id, set.id_kind, &limits)?;
            if set.find(&id)?.is_some() && seen.insert(id.clone()) {
                found.push(id);
            }
        }
        let deleted = found.len();
        if deleted > 0 {
            self.transaction.apply(Op::Delete { collection: self.id, ids: found })?;
        }
        Ok(deleted)
    }

    /// As [`Collection::delete_where`](crate::Collection::delete_where).
    ///
    /// # Errors
    /// The same.
    pub fn delete_where(&mut self, filter: Filter) -> Result<usize> {
        let (set, limits) = (self.set()?.clone(), self.transaction.inner.limits.clone());
        let found = ids(&View { set, limits, watch: None }, &filter.into())?;
        self.delete(found)
    }

    /// As [`Collection::get`](crate::Collection::get).
    ///
    /// # Errors
    /// The same.
    pub fn get(&self, id: impl Into<RecordId>) -> Result<Option<Record>> {
        self.set()?.record(&id.into())
    }

    /// Number of records.
    ///
    /// # Errors
    /// `CollectionNotFound` where the transaction dropped the collection.
    pub fn len(&self) -> Result<usize> {
        Ok(self.set()?.live())
    }

    /// True where there is no record.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}
