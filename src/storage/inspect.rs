//! Following a writer, verifying, and figures about the file.

use crate::error::Corruption;
use crate::error::Error;
use crate::error::Result;
use crate::ids::CommitId;
use crate::storage::layout::Extent;
use crate::storage::layout::Span;
use crate::storage::log;
use crate::storage::log::Frame;
use crate::storage::manifest;
use crate::storage::recover;
use crate::storage::store::Access;
use crate::storage::store::Core;
use crate::storage::store::Recovered;
use crate::storage::store::State;
use crate::storage::store::Store;
use crate::storage::superblock;
use crate::storage::superblock::FORMAT;
use crate::storage::superblock::Superblock;

/// Damaged places that `verify` lists before it stops looking for more.
const MOST_FINDINGS: usize = 1000;

/// What a writer changed since a reader looked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// Nothing.
    Nothing,
    /// It appended these commits.
    Frames(Vec<Frame>),
    /// It published: everything is to be read anew.
    Reload(Recovered),
}

/// Figures about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStats {
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes that live extents take.
    pub live_bytes: u64,
    /// Bytes that can be used again at once; 0 for a reader.
    pub free_bytes: u64,
    /// Bytes of log extents.
    pub log_bytes: u64,
    /// Number of publications since the database was created.
    pub generation: u64,
    /// The last commit.
    pub last_commit: CommitId,
    /// Why writing ended, if it did.
    pub poisoned: Option<String>,
    /// The random name that the database got when it was created.
    pub uuid: u128,
    /// Major and minor number of the format.
    pub format: (u16, u16),
}

impl Store {
    /// What a writer changed since the last look. A writer's own store has nothing to find.
    ///
    /// # Errors
    /// `Closed`, `Corrupt`, `UnsupportedFormat`, `Io`.
    pub fn refresh(&self) -> Result<Refresh> {
        let core = &*self.core;
        let mut state = core.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        if core.access == Access::Write {
            return Ok(Refresh::Nothing);
        }
        if core.is_outdated(state.superblock.generation)? {
            return core.reload(&mut state);
        }
        let Some(mut position) = state.position else { return Ok(Refresh::Nothing) };
        let frames = log::follow(&*core.backend, &core.layout, &mut position)?;
        state.commit = position.commit;
        state.position = Some(position);
        Ok(if frames.is_empty() { Refresh::Nothing } else { Refresh::Frames(frames) })
    }

    /// Looks at everything: the superblock, the manifest, overlaps, every block of every live extent, the log.
    ///
    /// # Errors
    /// `Io` where the file can't be read; `Closed`. Damage is not an error here but what is returned.
    pub fn verify(&self) -> Result<Vec<Corruption>> {
        let core = &*self.core;
        let (superblock, commit, extents, _pin) = {
            let state = core.state.lock();
            if state.closed {
                return Err(Error::Closed);
            }
            let mut extents: Vec<Extent> = core.ledger.lock().live().copied().collect();
            extents.sort_unstable_by_key(|extent| extent.offset);
            (state.superblock, state.commit, extents, core.pins.pin())
        };
        let mut findings = Vec::new();
        note(&mut findings, core.verify_superblock(&superblock))?;
        let spans = note(&mut findings, core.verify_manifest(&superblock, &extents))?.unwrap_or_default();
        for extent in &extents {
            core.verify_extent(extent, &mut findings)?;
        }
        note(&mut findings, core.verify_log(&superblock, &spans, commit))?;
        Ok(findings)
    }

    /// Why nothing can be written any more, where that is so.
    #[must_use]
    pub fn poisoned(&self) -> Option<String> {
        self.core.durability.poisoned().map(str::to_owned)
    }

    /// Figures about the file.
    ///
    /// # Errors
    /// `Io` where its length can't be read.
    pub fn stats(&self) -> Result<StoreStats> {
        let core = &*self.core;
        let file_bytes = core.file_bytes()?;
        let state = core.state.lock();
        let ledger = core.ledger.lock();
        Ok(StoreStats {
            file_bytes,
            live_bytes: ledger.live_bytes(),
            free_bytes: ledger.space.free_bytes(),
            log_bytes: state.log_spans.iter().map(|span| span.len).sum(),
            generation: state.superblock.generation,
            last_commit: CommitId(state.commit),
            poisoned: self.poisoned(),
            uuid: state.superblock.uuid,
            format: FORMAT,
        })
    }
}

/// Adds damage to `findings`; other errors are errors.
fn note<T>(findings: &mut Vec<Corruption>, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Error::Corrupt(corruption)) => {
            findings.push(corruption);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Core {
    /// Whether something newer than `generation` was published. Each publication first takes the slot behind the
    /// present one, so that looking there is enough, unless that slot is being written once more at this moment.
    fn is_outdated(&self, generation: u64) -> Result<bool> {
        let next = generation + 1;
        Ok(match superblock::read_slot(&*self.backend, &self.layout, next, false)? {
            Some(found) => found.generation >= next,
            None => recover::newest(&*self.backend, &self.layout)?.generation >= next,
        })
    }

    /// Moves a reader on to the newest generation.
    fn reload(&self, state: &mut State) -> Result<Refresh> {
        let mut loaded = recover::load_pinned(&*self.backend, &self.layout, &self.pins)?;
        let superblock = loaded.superblock;
        // The state of the layers above is still right where only the log is another one.
        let same = superblock.manifest == state.superblock.manifest && superblock.commit == state.commit;
        self.ledger.lock().set_live(&self.layout, &loaded.extents)?;
        self.pins.set_current(superblock.generation);
        state.superblock = superblock;
        state.commit = loaded.end.map_or(superblock.commit, |end| end.commit);
        state.log_spans = std::mem::take(&mut loaded.log_spans);
        state.position = loaded.end;
        state.reading = loaded.reading.take();
        let recovered = loaded.take_recovered();
        Ok(match same {
            false => Refresh::Reload(recovered),
            true if recovered.frames.is_empty() => Refresh::Nothing,
            true => Refresh::Frames(recovered.frames),
        })
    }

    /// Whether the newest superblock in the file is the one that is in use, or a newer one.
    fn verify_superblock(&self, expected: &Superblock) -> Result<()> {
        let found = recover::newest(&*self.backend, &self.layout)?;
        if found.generation < expected.generation {
            let problem = format!("generation {} is not found any more", expected.generation);
            let at = superblock::slot_offset(&self.layout, expected.generation);
            return Err(Error::corrupt("superblock", at, problem));
        }
        Ok(())
    }

    /// Whether the manifest lists `extents`; the spans that it and they take.
    fn verify_manifest(&self, superblock: &Superblock, extents: &[Extent]) -> Result<Vec<Span>> {
        let file_bytes = self.file_bytes()?;
        let (mut manifest, spans) =
            manifest::read(&*self.backend, &self.layout, &superblock.manifest, file_bytes)?;
        manifest.extents.sort_unstable_by_key(|extent| extent.offset);
        if manifest.extents != extents {
            return Err(Error::corrupt(
                "manifest",
                superblock.manifest.offset,
                "it lists other extents than are live",
            ));
        }
        Ok(spans)
    }

    /// Adds every damaged block of `extent` to `findings`.
    fn verify_extent(&self, extent: &Extent, findings: &mut Vec<Corruption>) -> Result<()> {
        let Some(bytes) = note(findings, self.map("extent", extent))? else { return Ok(()) };
        let block = self.layout.block as usize;
        for start in (0..bytes.len()).step_by(block) {
            if findings.len() >= MOST_FINDINGS {
                return Ok(());
            }
            note(findings, bytes.bytes(start..bytes.len().min(start + block)).map(drop))?;
        }
        Ok(())
    }

    /// Whether the log holds everything up to `commit`.
    fn verify_log(&self, superblock: &Superblock, spans: &[Span], commit: u64) -> Result<()> {
        let Some(log) = &superblock.log else { return Ok(()) };
        let replay = log::replay(&*self.backend, &self.layout, log, superblock.commit, spans, drop)?;
        if replay.end.commit < commit {
            let problem = format!("it ends at commit {} where {commit} was written", replay.end.commit);
            return Err(Error::corrupt("log", replay.end.at, problem));
        }
        Ok(())
    }
}
