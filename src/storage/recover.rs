//! Opening: the newest generation and its log as they are found in the file.

use crate::error::Error;
use crate::error::Result;
use crate::storage::backend::Backend;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::Span;
use crate::storage::ledger::Ledger;
use crate::storage::log;
use crate::storage::log::Frame;
use crate::storage::log::Position;
use crate::storage::manifest;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;
use crate::storage::pins::Pin;
use crate::storage::pins::PinTable;
use crate::storage::space::Space;
use crate::storage::store::Access;
use crate::storage::store::Recovered;
use crate::storage::store::Store;
use crate::storage::store::StoreOptions;
use crate::storage::superblock;
use crate::storage::superblock::Superblock;
use std::sync::Arc;

/// How often a reader looks again for the newest generation while a writer publishes one after the other.
const ATTEMPTS: usize = 1000;

/// One generation with its log.
#[derive(Default)]
pub(super) struct Loaded {
    /// Its superblock.
    pub(super) superblock: Superblock,
    /// The root record.
    pub(super) root: Vec<u8>,
    /// The extents that it lists.
    pub(super) extents: Vec<Extent>,
    /// The commits of its log.
    pub(super) frames: Vec<Frame>,
    /// What manifest and extents take.
    spans: Vec<Span>,
    /// What the log takes.
    pub(super) log_spans: Vec<Span>,
    /// The end of the log, where there is one.
    pub(super) end: Option<Position>,
    /// For a reader: the pins, and the one that holds this generation.
    pub(super) pins: Option<Arc<PinTable>>,
    /// For a reader: the pin that holds this generation.
    pub(super) reading: Option<Pin>,
}

impl Loaded {
    /// What the layers above get.
    pub(super) fn take_recovered(&mut self) -> Recovered {
        Recovered {
            root: std::mem::take(&mut self.root),
            extents: self.extents.clone(),
            frames: std::mem::take(&mut self.frames),
        }
    }
}

/// Takes the writer's lock.
pub(super) fn lock_writer(backend: &dyn Backend) -> Result<()> {
    match backend.lock_writer().map_err(|error| Error::io("lock the database", error))? {
        true => Ok(()),
        false => {
            let problem = "another handle, here or in another process, is open for writing; close it, or open for reading";
            Err(Error::Locked { problem: problem.to_owned() })
        }
    }
}

/// Reads the generation of `superblock`.
fn load(backend: &dyn Backend, layout: &Layout, superblock: Superblock, file_bytes: u64) -> Result<Loaded> {
    if superblock.file_bytes > file_bytes {
        let problem = format!("the file was cut: it had at least {} bytes", superblock.file_bytes);
        return Err(Error::corrupt("file", file_bytes, problem));
    }
    let (manifest, spans) = manifest::read(backend, layout, &superblock.manifest, file_bytes)?;
    let mut loaded =
        Loaded { superblock, root: manifest.root, extents: manifest.extents, spans, ..Loaded::default() };
    if let Some(log) = &superblock.log {
        let frames = &mut loaded.frames;
        let visit = |frame| frames.push(frame);
        let replay = log::replay(backend, layout, log, superblock.commit, &loaded.spans, visit)?;
        (loaded.log_spans, loaded.end) = (replay.spans, Some(replay.end));
    }
    Ok(loaded)
}

/// Length of the file.
fn measure(backend: &dyn Backend) -> Result<u64> {
    backend.len().map_err(|error| Error::io("measure the file", error))
}

/// Opens for writing.
pub(super) fn open_to_write(backend: Arc<dyn Backend>, options: &StoreOptions) -> Result<(Store, Recovered)> {
    lock_writer(&*backend)?;
    let found = load_to_write(&*backend, options);
    if found.is_err() {
        // The reason why it can't be opened is worth more than a failure to unlock.
        drop(backend.unlock_writer());
    }
    let (mut loaded, ledger) = found?;
    let recovered = loaded.take_recovered();
    Ok((Store::new(backend, options, Access::Write, loaded, ledger), recovered))
}

/// Reads the newest generation and finds out what is free.
fn load_to_write(backend: &dyn Backend, options: &StoreOptions) -> Result<(Loaded, Ledger)> {
    let layout = &options.layout;
    let file_bytes = measure(backend)?;
    let superblocks = superblock::read_all(backend, layout, file_bytes, true)?;
    let Some((newest, older)) = superblocks.split_first() else {
        return Err(Error::corrupt("superblock", 0, "there is none"));
    };
    let loaded = load(backend, layout, *newest, file_bytes)?;
    let mut kept = Vec::new();
    if !mutants::active(Mutant::NoKeepOld) {
        for superblock in older {
            kept.extend(spans_of(backend, layout, superblock, file_bytes)?);
        }
    }
    let mut taken = loaded.spans.clone();
    taken.extend(&loaded.log_spans);
    let mut space = Space::new(layout, file_bytes, &taken, &kept);
    let generation = newest.generation;
    if !mutants::active(Mutant::IgnorePins) && backend.pinned_before(generation).unwrap_or(true) {
        space.retire_free(generation);
    }
    let ledger = Ledger::with_live(layout, space, &loaded.extents)?;
    Ok((loaded, ledger))
}

/// What an older generation uses. It may be the newest on the disk: when a sync fails, the cache goes on showing what
/// the disk never got.
fn spans_of(
    backend: &dyn Backend,
    layout: &Layout,
    superblock: &Superblock,
    file_bytes: u64,
) -> Result<Vec<Span>> {
    match load(backend, layout, *superblock, file_bytes) {
        Ok(loaded) => Ok([loaded.spans, loaded.log_spans].concat()),
        // Its space was reused since, which happens only once a newer one is on the disk.
        Err(Error::Corrupt(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Opens for reading.
pub(super) fn open_to_read(backend: Arc<dyn Backend>, options: &StoreOptions) -> Result<(Store, Recovered)> {
    let pins = PinTable::new(backend.clone(), 0, true);
    let mut loaded = load_pinned(&*backend, &options.layout, &pins)?;
    pins.set_current(loaded.superblock.generation);
    loaded.pins = Some(pins);
    let recovered = loaded.take_recovered();
    let ledger = Ledger::with_live(&options.layout, Space::default(), &loaded.extents)?;
    Ok((Store::new(backend, options, Access::Read, loaded, ledger), recovered))
}

/// Reads the newest generation and pins it. A writer looks for pins after it published: so a generation that is still
/// the newest once it is pinned stays whole.
pub(super) fn load_pinned(backend: &dyn Backend, layout: &Layout, pins: &Arc<PinTable>) -> Result<Loaded> {
    for _ in 0..ATTEMPTS {
        let seen = newest(backend, layout)?;
        let pin = pins.pin_shared(seen.generation)?;
        if newest(backend, layout)? == seen {
            let mut loaded = load(backend, layout, seen, measure(backend)?)?;
            loaded.reading = Some(pin);
            return Ok(loaded);
        }
    }
    let problem = "a writer publishes faster than the file can be read; try again".to_owned();
    Err(Error::Locked { problem })
}

/// The newest superblock.
pub(super) fn newest(backend: &dyn Backend, layout: &Layout) -> Result<Superblock> {
    let superblocks = superblock::read_all(backend, layout, measure(backend)?, false)?;
    superblocks.into_iter().next().ok_or_else(|| Error::corrupt("superblock", 0, "there is none"))
}
