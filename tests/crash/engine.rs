//! What the enumerator drives: a small map that lives in a store.

use crate::disk::Disk;
use crate::random::mix;
use lodedb::_crash_testing::Access;
use lodedb::_crash_testing::CheckedBytes;
use lodedb::_crash_testing::Extent;
use lodedb::_crash_testing::Frame;
use lodedb::_crash_testing::Layout;
use lodedb::_crash_testing::Pin;
use lodedb::_crash_testing::Recovered;
use lodedb::_crash_testing::Refresh;
use lodedb::_crash_testing::Store;
use lodedb::_crash_testing::StoreOptions;
use lodedb::Corruption;
use lodedb::Error;
use lodedb::Result;
use std::sync::Arc;

/// Keys of the map. Key 0 holds the version, so that no two states are equal.
pub(crate) const KEYS: usize = 16;
/// The content: a value for each key, 0 where there is none.
pub(crate) type Model = [u32; KEYS];

/// How a change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Through the log, and synced.
    Durable,
    /// Through the log, not synced yet.
    Unsynced,
    /// Straight into extents.
    Bulk,
}

/// Some keys with their new values, and how many bytes the log entry has beside them.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Keys and values.
    pub(crate) changes: Vec<(usize, u32)>,
    /// Bytes of no meaning.
    pub(crate) filler: usize,
}

/// What can be crashed.
pub(crate) trait Engine: Sized {
    /// A reader of its own, as in another process.
    type Reader: Reader;
    /// A state that is kept readable.
    type Pinned: Pinned;

    /// Makes a new, empty database. `seed` decides whatever is random.
    fn create(disk: &Arc<Disk>, seed: u64) -> Result<Self>;
    /// Opens a database for writing and recovers it.
    fn open(disk: &Arc<Disk>, seed: u64) -> Result<Self>;
    /// Opens a database for reading.
    fn reader(disk: &Arc<Disk>) -> Result<Self::Reader>;
    /// The present content.
    fn model(&self) -> Result<Model>;
    /// Changes the content.
    fn write(&mut self, batch: &Batch, how: How) -> Result<()>;
    /// Makes everything written durable.
    fn sync(&mut self) -> Result<()>;
    /// Folds the log.
    fn checkpoint(&mut self) -> Result<()>;
    /// Moves extents to the front of the file.
    fn compact(&mut self) -> Result<()>;
    /// Keeps the last checkpoint readable.
    fn pin(&mut self) -> Result<Self::Pinned>;
    /// Damage in the file.
    fn verify(&self) -> Result<Vec<Corruption>>;
    /// Ends the session in order. To end it as a kill does, drop the engine.
    fn close(self) -> Result<()>;
}

/// A reader beside the writer.
pub(crate) trait Reader {
    /// The content after everything written so far.
    fn model(&mut self) -> Result<Model>;
}

/// A state that is kept readable.
pub(crate) trait Pinned {
    /// Whether it is still what it was.
    fn is_whole(&self) -> Result<bool>;
}

/// Keys in one extent.
const GROUP: usize = 4;
const GROUPS: usize = KEYS / GROUP;

/// The map over [`Store`]: groups of keys are extents, batches are commits.
pub(crate) struct Toy {
    store: Arc<Store>,
    model: Model,
    extents: [Option<Extent>; GROUPS],
    dirty: [bool; GROUPS],
}

/// A [`Toy`]'s reader.
pub(crate) struct ToyReader {
    store: Store,
    root: Vec<u8>,
    extents: Vec<Extent>,
    frames: Vec<Frame>,
}

/// A [`Toy`]'s pinned checkpoint.
pub(crate) struct ToyPinned {
    store: Arc<Store>,
    _pin: Pin,
    parts: Vec<(Extent, Vec<u8>)>,
}

/// Small sizes, so that images are small; one seed in eight fills new log extents with zeros.
pub(crate) fn options(seed: u64) -> StoreOptions {
    let layout = Layout {
        page: 512,
        block: 1024,
        log_first: 2048,
        log_max: 8192,
        zero_log: mix(seed).is_multiple_of(8),
        trim: 2048,
    };
    StoreOptions { layout, seed: Some(seed) }
}

/// The bytes of a group: its values and some of no meaning, up to three blocks.
fn encode_group(values: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let seed = values.iter().fold(1, |seed, value| mix(seed ^ u64::from(*value)));
    bytes.resize(bytes.len() + (seed % 2500) as usize, seed as u8);
    bytes
}

fn encode_batch(batch: &Batch) -> Vec<u8> {
    let mut bytes = vec![batch.changes.len() as u8];
    for (key, value) in &batch.changes {
        bytes.push(*key as u8);
        bytes.extend(value.to_le_bytes());
    }
    bytes.resize(bytes.len() + batch.filler, bytes.len() as u8);
    bytes
}

fn strange(what: &str) -> Error {
    Error::Schema { problem: format!("the {what} is not what was written") }
}

fn value_at(bytes: &[u8], at: usize) -> Result<u32> {
    let found = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    found.map(u32::from_le_bytes).ok_or_else(|| strange("value"))
}

fn apply_frame(model: &mut Model, frame: &Frame) -> Result<()> {
    let bytes = &frame.payload;
    let count = *bytes.first().ok_or_else(|| strange("commit"))?;
    for change in 0..usize::from(count) {
        let at = 1 + change * 5;
        let key = *bytes.get(at).ok_or_else(|| strange("commit"))?;
        *model.get_mut(usize::from(key)).ok_or_else(|| strange("key"))? = value_at(bytes, at + 1)?;
    }
    Ok(())
}

/// The model and the extents of its groups that the root and the log tell.
fn decode(
    store: &Store,
    root: &[u8],
    extents: &[Extent],
    frames: &[Frame],
) -> Result<(Model, [Option<Extent>; GROUPS])> {
    let mut model = Model::default();
    let mut groups = [None; GROUPS];
    let mask = root.first().copied().unwrap_or(0);
    let mut listed = extents.iter();
    for (group, place) in groups.iter_mut().enumerate().filter(|(group, _)| mask >> group & 1 == 1) {
        let extent = listed.next().ok_or_else(|| strange("root"))?;
        let bytes = store.map("group", extent)?;
        let held = bytes.bytes(0..bytes.len())?;
        for key in 0..GROUP {
            model[group * GROUP + key] = value_at(held, key * 4)?;
        }
        *place = Some(*extent);
    }
    frames.iter().try_for_each(|frame| apply_frame(&mut model, frame))?;
    Ok((model, groups))
}

fn content(bytes: &CheckedBytes) -> Result<Vec<u8>> {
    Ok(bytes.bytes(0..bytes.len())?.to_vec())
}

impl Toy {
    fn opened(store: Store, recovered: &Recovered) -> Result<Self> {
        let (model, extents) = decode(&store, &recovered.root, &recovered.extents, &recovered.frames)?;
        let mut toy =
            Self { store: Arc::new(store), model, extents, dirty: [!recovered.frames.is_empty(); GROUPS] };
        if toy.store.needs_checkpoint() {
            toy.publish(toy.model)?;
        }
        Ok(toy)
    }

    /// Writes the groups that changed and a checkpoint with the content `model`.
    fn publish(&mut self, model: Model) -> Result<()> {
        let mut staged = Vec::new();
        let outcome = self.stage(&model, &mut staged).and_then(|extents| {
            let mask =
                (0..GROUPS).fold(0u8, |mask, group| mask | u8::from(extents[group].is_some()) << group);
            let listed: Vec<Extent> = extents.iter().flatten().copied().collect();
            self.store.checkpoint(&[mask], &listed)?;
            Ok(extents)
        });
        match outcome {
            Ok(extents) => {
                (self.extents, self.dirty, self.model) = (extents, [false; GROUPS], model);
                Ok(())
            }
            Err(error) => {
                staged.into_iter().for_each(|extent| self.store.discard(extent));
                Err(error)
            }
        }
    }

    /// Writes the groups of `model` that the extents do not hold yet.
    fn stage(&self, model: &Model, staged: &mut Vec<Extent>) -> Result<[Option<Extent>; GROUPS]> {
        let mut extents = self.extents;
        for (group, place) in extents.iter_mut().enumerate() {
            let values = &model[group * GROUP..][..GROUP];
            if !self.dirty[group] && values == &self.model[group * GROUP..][..GROUP] {
                continue;
            }
            *place = None;
            if values.iter().any(|value| *value != 0) {
                let bytes = encode_group(values);
                let mut writer = self.store.extent_writer(bytes.len() as u64)?;
                writer.write(&bytes)?;
                let extent = writer.finish()?;
                staged.push(extent);
                *place = Some(extent);
            }
        }
        Ok(extents)
    }
}

impl Engine for Toy {
    type Reader = ToyReader;
    type Pinned = ToyPinned;

    fn create(disk: &Arc<Disk>, seed: u64) -> Result<Self> {
        let store = Store::create_with(disk.clone(), &options(seed))?;
        Self::opened(store, &Recovered { root: vec![], extents: vec![], frames: vec![] })
    }

    fn open(disk: &Arc<Disk>, seed: u64) -> Result<Self> {
        let (store, recovered) = Store::open_with(disk.clone(), Access::Write, &options(seed))?;
        Self::opened(store, &recovered)
    }

    fn reader(disk: &Arc<Disk>) -> Result<ToyReader> {
        let (store, recovered) = Store::open_with(disk.clone(), Access::Read, &options(0))?;
        let Recovered { root, extents, frames } = recovered;
        Ok(ToyReader { store, root, extents, frames })
    }

    fn model(&self) -> Result<Model> {
        Ok(self.model)
    }

    fn write(&mut self, batch: &Batch, how: How) -> Result<()> {
        let mut model = self.model;
        batch.changes.iter().for_each(|(key, value)| model[*key] = *value);
        if how == How::Bulk {
            return self.publish(model);
        }
        let commit = self.store.append(&encode_batch(batch))?;
        self.model = model;
        batch.changes.iter().for_each(|(key, _)| self.dirty[key / GROUP] = true);
        if how == How::Durable {
            self.store.sync(commit)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let last = self.store.stats()?.last_commit;
        self.store.sync(last)
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.publish(self.model)
    }

    fn compact(&mut self) -> Result<()> {
        let (before, mut moved) = (self.extents, Vec::new());
        for place in &mut self.extents {
            if let Some(extent) = place
                && let Some(lower) = self.store.relocate(extent)?
            {
                *extent = lower;
                moved.push(lower);
            }
        }
        if moved.is_empty() {
            for (old, copy) in self.store.make_room()? {
                self.extents
                    .iter_mut()
                    .flatten()
                    .filter(|extent| **extent == old)
                    .for_each(|extent| *extent = copy);
                moved.push(copy);
            }
        }
        let outcome = self.publish(self.model);
        if outcome.is_err() {
            self.extents = before;
            moved.into_iter().for_each(|extent| self.store.discard(extent));
        }
        outcome
    }

    fn pin(&mut self) -> Result<ToyPinned> {
        let pin = self.store.pin();
        let read = |extent: &Extent| Ok((*extent, content(&self.store.map("pinned", extent)?)?));
        let parts = self.extents.iter().flatten().map(read).collect::<Result<_>>()?;
        Ok(ToyPinned { store: self.store.clone(), _pin: pin, parts })
    }

    fn verify(&self) -> Result<Vec<Corruption>> {
        self.store.verify()
    }

    fn close(self) -> Result<()> {
        self.store.close()
    }
}

impl Reader for ToyReader {
    fn model(&mut self) -> Result<Model> {
        match self.store.refresh()? {
            Refresh::Nothing => {}
            Refresh::Frames(frames) => self.frames.extend(frames),
            Refresh::Reload(Recovered { root, extents, frames }) => {
                (self.root, self.extents, self.frames) = (root, extents, frames);
            }
        }
        Ok(decode(&self.store, &self.root, &self.extents, &self.frames)?.0)
    }
}

impl Pinned for ToyPinned {
    fn is_whole(&self) -> Result<bool> {
        for (extent, bytes) in &self.parts {
            if content(&self.store.map("pinned", extent)?)? != *bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
