//! The whole database as an engine: the map's keys are the ids of records, its values their fields.

use crate::disk::Disk;
use crate::disk::Fault;
use crate::disk::FaultKind;
use crate::engine::Batch;
use crate::engine::Engine;
use crate::engine::How;
use crate::engine::KEYS;
use crate::engine::Model;
use crate::engine::Pinned;
use crate::engine::Reader;
use crate::engine::options;
use lodedb::Collection;
use lodedb::Corruption;
use lodedb::Database;
use lodedb::Durability;
use lodedb::Error;
use lodedb::Maintenance;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Snapshot;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A database with one collection.
pub(crate) struct Records {
    disk: Arc<Disk>,
    open: Option<(Database, Collection)>,
}

/// A read-only handle.
pub(crate) struct RecordsReader {
    db: Database,
}

/// A snapshot and what it held.
pub(crate) struct RecordsSnapshot {
    snapshot: Snapshot,
    held: Model,
}

impl Records {
    fn handles(&self) -> Result<&(Database, Collection)> {
        self.open.as_ref().ok_or(Error::Closed)
    }
}

fn open(disk: &Arc<Disk>, seed: u64, read_only: bool) -> Result<Database> {
    Options::new()
        .maintenance(Maintenance::Manual)
        .durability(Durability::None)
        .read_only(read_only)
        .store(options(seed))
        .open_backend(disk.clone(), "the simulated disk")
}

fn record(key: usize, value: u32, filler: usize) -> Record {
    let record = Record::new(key as u64).vector([key as f32, value as f32]).field("value", value);
    if filler == 0 { record } else { record.field("filler", "x".repeat(filler)) }
}

fn model_of(snapshot: &Snapshot) -> Result<Model> {
    let mut model = Model::default();
    for record in snapshot.scan() {
        let record = record?;
        let value = record.fields()["value"].as_i64().unwrap_or(-1);
        let vector = record.get_vector("vector").map(lodedb::Vector::to_f32).unwrap_or_default();
        let key = record.id().as_u64().unwrap_or(u64::MAX) as usize;
        let place = model.get_mut(key).filter(|_| vector == [key as f32, value as f32]);
        *place.ok_or_else(|| Error::Schema { problem: format!("record {key} is not what was written") })? =
            value as u32;
    }
    Ok(model)
}

impl Engine for Records {
    type Reader = RecordsReader;
    type Pinned = RecordsSnapshot;

    fn create(disk: &Arc<Disk>, seed: u64) -> Result<Self> {
        let db = open(disk, seed, false)?;
        let records = db.collection("records", Schema::new(2).metric(Metric::L2))?;
        db.checkpoint()?;
        Ok(Self { disk: disk.clone(), open: Some((db, records)) })
    }

    fn open(disk: &Arc<Disk>, seed: u64) -> Result<Self> {
        let db = open(disk, seed, false)?;
        let records = db.existing("records")?;
        Ok(Self { disk: disk.clone(), open: Some((db, records)) })
    }

    fn reader(disk: &Arc<Disk>) -> Result<RecordsReader> {
        Ok(RecordsReader { db: open(disk, 0, true)? })
    }

    fn model(&self) -> Result<Model> {
        model_of(&self.handles()?.1.snapshot()?)
    }

    /// A value of 0 deletes; a bulk change is merged and folded into the file before it counts.
    fn write(&mut self, batch: &Batch, how: How) -> Result<()> {
        let (db, _) = self.handles()?;
        let mut transaction = db.transaction()?;
        let mut records = transaction.collection("records")?;
        for (key, value) in &batch.changes {
            match value {
                0 => drop(records.delete([*key as u64])?),
                value => drop(records.upsert([record(*key, *value, batch.filler)])?),
            }
        }
        transaction.commit()?;
        match how {
            How::Durable => db.flush(),
            How::Unsynced => Ok(()),
            How::Bulk => db.optimize(|_| ControlFlow::Continue(())),
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.handles()?.0.flush()
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.handles()?.0.checkpoint()
    }

    fn compact(&mut self) -> Result<()> {
        self.handles()?.0.compact()
    }

    fn pin(&mut self) -> Result<RecordsSnapshot> {
        let snapshot = self.handles()?.1.snapshot()?;
        let held = model_of(&snapshot)?;
        Ok(RecordsSnapshot { snapshot, held })
    }

    fn verify(&self) -> Result<Vec<Corruption>> {
        match self.handles()?.0.verify() {
            Ok(()) => Ok(Vec::new()),
            Err(Error::Corrupt(corruption)) => Ok(vec![corruption]),
            Err(error) => Err(error),
        }
    }

    fn close(mut self) -> Result<()> {
        match self.open.take() {
            Some((db, _)) => db.close(),
            None => Err(Error::Closed),
        }
    }
}

/// A kill, where the database was not closed: the checkpoint that dropping it makes does not reach the disk.
impl Drop for Records {
    fn drop(&mut self) {
        if let Some(handles) = self.open.take() {
            self.disk.set_fault(Some(Fault { after: 0, for_ever: true, kind: FaultKind::Io }));
            drop(handles);
            self.disk.set_fault(None);
        }
    }
}

impl Reader for RecordsReader {
    fn model(&mut self) -> Result<Model> {
        model_of(&self.db.existing("records")?.snapshot()?)
    }
}

impl Pinned for RecordsSnapshot {
    fn is_whole(&self) -> Result<bool> {
        Ok(model_of(&self.snapshot)? == self.held && self.held.len() == KEYS)
    }
}
