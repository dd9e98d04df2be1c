//! Publishing: everything of the next generation, a sync, its superblock, a sync. And where the log goes on.

use crate::error::Error;
use crate::error::Result;
use crate::storage::layout::Extent;
use crate::storage::layout::Span;
use crate::storage::ledger::Ledger;
use crate::storage::log;
use crate::storage::log::Position;
use crate::storage::manifest;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;
use crate::storage::store::Core;
use crate::storage::store::State;
use crate::storage::superblock;
use crate::storage::superblock::LogRef;
use crate::storage::superblock::ManifestRef;
use crate::storage::superblock::Superblock;

/// What a publication changes.
pub(super) struct Change<'a> {
    /// The new manifest and the extents it lists, or `None` where it stays.
    pub(super) manifest: Option<(Vec<u8>, &'a [Extent])>,
    /// The commit that the manifest holds.
    pub(super) commit: u64,
    /// Bytes of a new log extent, or `None` for a file at rest.
    pub(super) log: Option<u64>,
    /// Whether anything was written that has to be on the disk before the superblock.
    pub(super) sync_first: bool,
}

/// A publication that is written but for its superblock.
#[derive(Clone, Copy)]
struct Prepared {
    superblock: Superblock,
    log_span: Option<Span>,
}

impl Core {
    /// Takes and prepares a log extent.
    fn allocate_log(&self, len: u64) -> Result<Span> {
        let (span, grown) = self.allocate(len, self.layout.page)?;
        if !grown || !self.layout.zero_log {
            return Ok(span);
        }
        // The first write to reserved space makes the file system note that it is in use now, at each sync. Zeros
        // written at once spare the commits that.
        let zeros = vec![0; span.len.min(1 << 20) as usize];
        let mut at = span.offset;
        while at < span.end() {
            let some = &zeros[..zeros.len().min((span.end() - at) as usize)];
            if let Err(error) = self.backend.write(at, some) {
                self.ledger.lock().space.release(span);
                return Err(Error::io("prepare space for the log", error));
            }
            at += some.len() as u64;
        }
        Ok(span)
    }

    /// The position for a frame with `payload` bytes: in the present log extent, behind a link, or in a new log.
    pub(super) fn make_room(&self, state: &mut State, payload: u64) -> Result<Position> {
        let needed = log::extent_bytes(&self.layout, payload);
        let Some(position) = state.position else {
            let log = Some(self.layout.log_first.max(needed));
            let commit = state.commit;
            self.publish(state, &Change { manifest: None, commit, log, sync_first: true })?;
            return state.position.ok_or(Error::Closed);
        };
        if position.has_room(&self.layout, payload) {
            return Ok(position);
        }
        let nonce = self.entropy.nonce()?;
        let span = self.allocate_log(state.next_log.max(needed))?;
        let (link, next) = position.link_frame(&self.layout, span, nonce);
        self.write_or_poison("write to the log", position.at, &link)?;
        state.log_spans.push(span);
        state.next_log = (state.next_log * 2).min(self.layout.log_max);
        state.position = Some(next);
        Ok(next)
    }

    /// Makes the next generation the newest on the disk. Before its superblock is written a failure changes nothing.
    pub(super) fn publish(&self, state: &mut State, change: &Change<'_>) -> Result<()> {
        let listed = change.manifest.as_ref().map(|(_, extents)| *extents);
        if mutants::active(Mutant::ReuseEarly) {
            let old = self.unused_after(state, listed);
            let mut ledger = self.ledger.lock();
            old.into_iter().for_each(|span| ledger.space.release(span));
        }
        let mut taken = Vec::new();
        let prepared = match self.prepare(state, change, &mut taken) {
            Ok(prepared) => prepared,
            Err(error) => {
                let mut ledger = self.ledger.lock();
                taken.into_iter().for_each(|span| ledger.space.release(span));
                return Err(error);
            }
        };
        if change.sync_first && !mutants::active(Mutant::NoSyncBeforeSuperblock) {
            self.durability.sync_now("sync what is published", || self.backend.sync())?;
        }
        let generation = prepared.superblock.generation;
        let record = prepared.superblock.encode(&self.layout);
        let slot = superblock::slot_offset(&self.layout, generation);
        self.write_or_poison("write the superblock", slot, &record)?;
        if !mutants::active(Mutant::NoSyncAfterSuperblock) {
            self.durability.sync_now("sync the superblock", || self.backend.sync())?;
        }
        self.adopt(state, prepared, listed);
        tracing::debug!(generation, commit = change.commit, "published");
        Ok(())
    }

    /// Writes everything of a publication but its superblock. `taken` lists what to give back on failure.
    fn prepare(&self, state: &State, change: &Change<'_>, taken: &mut Vec<Span>) -> Result<Prepared> {
        let mut superblock = state.superblock;
        superblock.generation += 1;
        superblock.commit = change.commit;
        if let Some((bytes, extents)) = &change.manifest {
            superblock.manifest = self.write_manifest(bytes, taken)?;
            superblock.file_bytes = self.end_of(extents)?;
        } else {
            superblock.file_bytes = self.ledger.lock().live_end();
        }
        let pages = self.layout.pages(superblock.manifest.len).unwrap_or(0);
        superblock.file_bytes = superblock.file_bytes.max(superblock.manifest.offset + pages);
        superblock.log = None;
        let mut log_span = None;
        if let Some(len) = change.log {
            let nonce = self.entropy.nonce()?;
            let span = self.allocate_log(len)?;
            taken.push(span);
            superblock.log = Some(LogRef { offset: span.offset, len: span.len, nonce });
            superblock.file_bytes = superblock.file_bytes.max(span.end());
            log_span = Some(span);
        }
        Ok(Prepared { superblock, log_span })
    }

    /// Writes a manifest to free space.
    fn write_manifest(&self, bytes: &[u8], taken: &mut Vec<Span>) -> Result<ManifestRef> {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(self.layout.page as usize), 0);
        let (span, _) = self.allocate(padded.len() as u64, self.layout.page)?;
        taken.push(span);
        let written = self.backend.write(span.offset, &padded);
        written.map_err(|error| Error::io("write the manifest", error))?;
        Ok(manifest::reference(span.offset, bytes))
    }

    /// The end of the last of `extents`.
    fn end_of(&self, extents: &[Extent]) -> Result<u64> {
        let mut end = self.layout.first_extent();
        for extent in extents {
            end = end.max(extent.span(&self.layout, u64::MAX)?.end());
        }
        Ok(end)
    }

    /// The pages of the manifest that `state` refers to; none before the first publication.
    fn manifest_span(&self, state: &State) -> Option<Span> {
        let manifest = state.superblock.manifest;
        let len = self.layout.pages(manifest.len).filter(|len| *len > 0)?;
        Some(Span { offset: manifest.offset, len })
    }

    /// What the generation of `state` uses and the next one does not. Extents stop being live here.
    fn unused_after(&self, state: &mut State, listed: Option<&[Extent]>) -> Vec<Span> {
        let mut old = std::mem::take(&mut state.log_spans);
        if let Some(extents) = listed {
            old.extend(self.manifest_span(state));
            old.extend(self.ledger.lock().publish(extents));
        }
        old
    }

    /// Moves on to a generation that is on the disk.
    fn adopt(&self, state: &mut State, prepared: Prepared, listed: Option<&[Extent]>) {
        let old = match mutants::active(Mutant::ReuseEarly) {
            true => Vec::new(),
            false => self.unused_after(state, listed),
        };
        let Prepared { superblock, log_span } = prepared;
        state.superblock = superblock;
        state.commit = superblock.commit;
        state.log_spans = log_span.into_iter().collect();
        state.position = superblock.log.map(|log| Position::start(&log, superblock.commit));
        state.next_log =
            (superblock.log.map_or(0, |log| log.len) * 2).clamp(self.layout.log_first, self.layout.log_max);
        state.tail_pending = false;
        state.published = true;
        self.durability.advance(superblock.commit);
        self.pins.set_current(superblock.generation);
        let mut ledger = self.ledger.lock();
        let space = &mut ledger.space;
        old.into_iter().for_each(|span| space.retire(superblock.generation, span));
        space.retire_kept(superblock.generation);
        space.reclaim(|generation| self.pinned_before(generation));
        self.trim(&mut ledger, self.layout.trim);
    }

    /// Gives the free end of the file back where it is at least `least` bytes long. Only after a publication: before
    /// it the newest superblock on the disk may be an older one that needs these bytes.
    pub(super) fn trim(&self, ledger: &mut Ledger, least: u64) {
        let space = &mut ledger.space;
        let end = space.trimmed_end();
        if end == space.end() || space.end() - end < least {
            return;
        }
        match self.backend.set_len(end) {
            Ok(()) => space.trim(),
            // Some systems refuse while another process maps any part of the file: the next checkpoint tries again.
            Err(error) => tracing::debug!(%error, "the file could not be cut"),
        }
    }

    /// The manifest, where it alone keeps the file long and there is lower space for it.
    pub(super) fn manifest_to_move(&self, state: &State) -> Option<(Vec<u8>, Vec<Extent>)> {
        let span = self.manifest_span(state).filter(|_| state.published)?;
        let ledger = self.ledger.lock();
        let lower =
            ledger.space.lowest(span.len, self.layout.page).filter(|lower| lower.end() <= span.offset)?;
        let end = ledger.live_end().max(lower.end());
        if span.end() < end + self.layout.block {
            return None;
        }
        drop(ledger);
        let file_bytes = self.file_bytes().ok()?;
        let (manifest, _) =
            manifest::read(&*self.backend, &self.layout, &state.superblock.manifest, file_bytes).ok()?;
        Some((manifest.encode().ok()?, manifest.extents))
    }
}
