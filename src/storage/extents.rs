//! Writing, reading and moving extents.

use crate::codec::checksum64;
use crate::error::Error;
use crate::error::Result;
use crate::storage::checked;
use crate::storage::checked::CheckedBytes;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::Span;
use crate::storage::layout::stored_bytes;
use crate::storage::store::Core;
use crate::storage::store::Store;
use std::sync::Arc;

/// Bytes that are collected before they are written; a multiple of every block size. Chunks end at multiples of it in the
/// file, where they can: a file system with large folios then keeps each in one page of this size, which a mapping
/// shows as one. Fewer translations of addresses make searches up to a fifth faster.
const CHUNK: usize = 2 << 20;

/// Bytes of the file that are emptied at a time to make room, unless an extent is larger: so much may it grow meanwhile.
const ROOM: u64 = 256 << 20;

/// Writes the bytes of a new extent. Dropped unfinished it gives its space back.
pub struct ExtentWriter {
    core: Arc<Core>,
    /// Where it is written; `None` once it is finished.
    span: Option<Span>,
    len: u64,
    /// Bytes given so far.
    given: u64,
    /// Where the next write goes.
    at: u64,
    buffer: Vec<u8>,
    /// The table so far.
    sums: Vec<u8>,
}

impl Store {
    /// Reserves space for an extent of `len` bytes. When it is finished it is staged: it becomes live when a
    /// checkpoint lists it, and goes when it is discarded or the store is closed.
    ///
    /// # Errors
    /// `InvalidOption` for no bytes; `Io` where there is no space; `ReadOnly`, `Closed`, `Poisoned`.
    pub fn extent_writer(&self, len: u64) -> Result<ExtentWriter> {
        let core = &self.core;
        drop(core.writable()?);
        let pages = stored_bytes(&core.layout, len).and_then(|bytes| core.layout.pages(bytes));
        let Some(pages) = pages.filter(|_| len > 0) else {
            let problem = format!("{len} bytes, where an extent has at least one and fits into a file");
            return Err(Error::InvalidOption { name: "len", problem });
        };
        let (span, _) = core.allocate(pages, core.layout.alignment(pages))?;
        let (buffer, sums) = (Vec::new(), Vec::new());
        Ok(ExtentWriter {
            core: core.clone(),
            span: Some(span),
            len,
            given: 0,
            at: span.offset,
            buffer,
            sums,
        })
    }

    /// Frees a staged extent that no checkpoint will list. An extent that is not staged stays as it is.
    pub fn discard(&self, extent: Extent) {
        self.core.ledger.lock().discard(&extent);
    }

    /// The bytes of an extent: mapped where it is large and the backend can, else a copy. `part` names it in errors.
    /// They stay what they are while a pin from before keeps the extent from being reused.
    ///
    /// # Errors
    /// `Corrupt` where the extent is not inside the file or its table of checksums is damaged; `Io`.
    pub fn map(&self, part: &'static str, extent: &Extent) -> Result<CheckedBytes> {
        self.core.map(part, extent)
    }

    /// Copies an extent to lower free space, if there is any that holds it. The copy is staged: list it in place of
    /// the old one.
    ///
    /// # Errors
    /// `Corrupt` where its bytes are damaged; as for [`extent_writer`](Self::extent_writer).
    pub fn relocate(&self, extent: &Extent) -> Result<Option<Extent>> {
        let core = &*self.core;
        drop(core.writable()?);
        let pages = extent.span(&core.layout, core.file_bytes()?)?.len;
        let align = core.layout.alignment(pages);
        let below = {
            let mut ledger = core.ledger.lock();
            ledger.space.reclaim(|generation| core.pinned_before(generation));
            ledger.space.take_below(pages, align, extent.offset)
        };
        below.map(|span| core.copy_to(span, extent)).transpose()
    }

    /// Copies extents that are in the way of others elsewhere, to the end of the file if need be: old and new ones. Where small
    /// free spans lie between them, none of which holds a larger extent, they become one large span. Nothing, where it
    /// would not gain a sixteenth of what is copied, or somebody still reads what was freed. The copies are staged: list them
    /// in place of the old ones, and relocate what then fits.
    ///
    /// # Errors
    /// As for [`relocate`](Self::relocate).
    pub fn make_room(&self) -> Result<Vec<(Extent, Extent)>> {
        let core = &*self.core;
        drop(core.writable()?);
        let planned = {
            let mut ledger = core.ledger.lock();
            ledger.space.reclaim(|generation| core.pinned_before(generation));
            let live = ledger.live_spans();
            let largest = live.iter().map(|span| span.len).max().unwrap_or_default();
            match ledger.space.has_retired() {
                true => None,
                false => ledger.space.in_the_way(&live, core.layout.block, (2 * largest).max(ROOM)),
            }
        };
        let Some((window, used)) = planned else { return Ok(Vec::new()) };
        let mut moved = Vec::with_capacity(used.len());
        for span in used {
            let mut ledger = core.ledger.lock();
            let Some(extent) = ledger.live_at(span.offset) else { continue };
            let place = ledger.space.take_outside(span.len, core.layout.alignment(span.len), window);
            drop(ledger);
            match core.copy_to(place, &extent) {
                Ok(copy) => moved.push((extent, copy)),
                Err(error) => {
                    moved.into_iter().for_each(|(_, copy)| self.discard(copy));
                    return Err(error);
                }
            }
        }
        Ok(moved)
    }
}

/// Bytes of the chunk that begins at `at`, which are whole blocks.
fn room(layout: &Layout, at: u64) -> usize {
    let room = CHUNK - (at % CHUNK as u64) as usize;
    if (room as u64).is_multiple_of(layout.block) { room } else { CHUNK }
}

impl Core {
    /// See [`Store::map`].
    pub(super) fn map(&self, part: &'static str, extent: &Extent) -> Result<CheckedBytes> {
        let file_bytes = self.file_bytes()?;
        extent.span(&self.layout, file_bytes)?;
        let stored = stored_bytes(&self.layout, extent.len).unwrap_or(u64::MAX);
        let failed = |error| Error::io(format!("read the {part}"), error);
        let len = usize::try_from(stored)
            .map_err(|_| Error::corrupt(part, extent.offset, "larger than the memory of this machine"))?;
        let mapped = match stored >= self.layout.block {
            true => self.backend.map(extent.offset, len).map_err(failed)?,
            false => None,
        };
        let owner = match mapped {
            Some(owner) => owner,
            None => checked::aligned(len, |buf| self.backend.read(extent.offset, buf).map_err(failed))?,
        };
        CheckedBytes::new(part, extent, &self.layout, owner)
    }

    /// Copies an extent to `span`, which was taken for it; the copy is staged.
    fn copy_to(&self, span: Span, extent: &Extent) -> Result<Extent> {
        let copied = self.map("extent", extent).and_then(|bytes| self.write_copy(span, &bytes));
        let mut ledger = self.ledger.lock();
        match copied {
            Ok(()) => {
                let copy = Extent { offset: span.offset, ..*extent };
                ledger.stage(span, copy);
                Ok(copy)
            }
            Err(error) => {
                ledger.space.release(span);
                Err(error)
            }
        }
    }

    /// Writes verified `bytes` and their table to `span`.
    fn write_copy(&self, span: Span, bytes: &CheckedBytes) -> Result<()> {
        let failed = |error| Error::io("move an extent", error);
        self.backend.allocate(span.offset, span.len).map_err(failed)?;
        bytes.verify_all()?;
        let mut at = span.offset;
        let mut rest = bytes.stored();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(rest.len().min(room(&self.layout, at)));
            rest = after;
            let mut padded = Vec::new();
            let whole = chunk.len().next_multiple_of(self.layout.page as usize);
            let chunk = match rest.is_empty() && whole > chunk.len() {
                true => {
                    padded.extend_from_slice(chunk);
                    padded.resize(whole, 0);
                    &padded
                }
                false => chunk,
            };
            self.backend.write(at, chunk).map_err(failed)?;
            at += chunk.len() as u64;
        }
        Ok(())
    }
}

impl ExtentWriter {
    /// The next bytes.
    ///
    /// # Errors
    /// `InvalidOption` where there are more than were announced; `Io`. The writer is of no use after an error.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.len - self.given {
            return Err(self.wrong_len(self.given + bytes.len() as u64));
        }
        self.given += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = room(&self.core.layout, self.at);
            if self.buffer.is_empty() && bytes.len() >= room {
                let (chunk, rest) = bytes.split_at(room);
                self.add_sums(chunk);
                self.put(chunk)?;
                bytes = rest;
                continue;
            }
            let (some, rest) = bytes.split_at(bytes.len().min(room - self.buffer.len()));
            self.buffer.extend_from_slice(some);
            bytes = rest;
            if self.buffer.len() == room {
                let mut chunk = std::mem::take(&mut self.buffer);
                self.add_sums(&chunk);
                self.put(&chunk)?;
                chunk.clear();
                self.buffer = chunk;
            }
        }
        Ok(())
    }

    /// Writes the rest and the table: the extent is staged.
    ///
    /// # Errors
    /// `InvalidOption` where there are fewer bytes than were announced; `Io`; `Poisoned`.
    pub fn finish(mut self) -> Result<Extent> {
        if self.given != self.len {
            return Err(self.wrong_len(self.given));
        }
        self.core.durability.check()?;
        let mut rest = std::mem::take(&mut self.buffer);
        self.add_sums(&rest);
        rest.resize(rest.len().next_multiple_of(8), 0);
        rest.extend_from_slice(&self.sums);
        rest.resize(rest.len().next_multiple_of(self.core.layout.page as usize), 0);
        self.put(&rest)?;
        let span = self.span.take().ok_or(Error::Closed)?;
        let extent = Extent { offset: span.offset, len: self.len, sums: checksum64(0, &self.sums) };
        self.core.ledger.lock().stage(span, extent);
        Ok(extent)
    }

    /// The error for a number of bytes that is not the announced one.
    fn wrong_len(&self, found: u64) -> Error {
        let problem = format!("{found} bytes for an extent of {}", self.len);
        Error::InvalidOption { name: "len", problem }
    }

    /// Adds the checksums of whole blocks, or of the last ones.
    fn add_sums(&mut self, data: &[u8]) {
        for block in data.chunks(self.core.layout.block as usize) {
            self.sums.extend_from_slice(&checksum64(0, block).to_le_bytes());
        }
    }

    /// Writes `bytes` at the next place.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let open = self.core.gate.read();
        if !*open {
            return Err(Error::Closed);
        }
        let written = self.core.backend.write(self.at, bytes);
        drop(open);
        written.map_err(|error| Error::io("write an extent", error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for ExtentWriter {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.core.ledger.lock().space.release(span);
        }
    }
}
