//! The log: frames in a chain, each sealed with a checksum that is seeded with the checksum of the one before.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::checksum64;
use crate::error::Error;
use crate::error::Result;
use crate::ids::CommitId;
use crate::storage::backend::Backend;
use crate::storage::layout::Layout;
use crate::storage::layout::NUMBER_LIMIT;
use crate::storage::layout::Occupied;
use crate::storage::layout::Span;
use crate::storage::mutants;
use crate::storage::mutants::Mutant;
use crate::storage::superblock::LogRef;
use std::io;

/// The payload of a commit is at most this long.
pub(super) const MAX_PAYLOAD: u64 = 64 << 20;
/// Bytes of a frame before its payload.
const HEADER: usize = 16;
/// Bytes of a frame beside its payload.
const OVERHEAD: u64 = HEADER as u64 + 8;
/// The frame holds a commit.
const COMMIT: u32 = 1;
/// The frame tells where the log goes on.
const LINK: u32 = 2;
/// How errors name this part.
const PART: &str = "log";

/// One commit as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number.
    pub commit: CommitId,
    /// What the layers above wrote; opaque to the store.
    pub payload: Vec<u8>,
}

/// Where the next frame is, or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The log extent.
    pub(super) span: Span,
    /// The offset of the frame in the file.
    pub(super) at: u64,
    /// The seed of the frame's checksum.
    pub(super) chain: u64,
    /// The commit of the last frame, or of the superblock.
    pub(super) commit: u64,
}

/// A frame that the chain confirms.
struct Sealed {
    kind: u32,
    commit: u64,
    payload: Vec<u8>,
    /// Its checksum: the seed of the next.
    sum: u64,
}

/// What is found at a position.
enum Found {
    /// A commit; the position is behind it now.
    Commit(Frame),
    /// A link; the position is at the start of the next log extent.
    Link,
    /// No frame of this chain: the end of the log.
    End,
}

/// Bytes that a frame with `payload` bytes takes in the file.
pub(super) fn frame_bytes(layout: &Layout, payload: u64) -> u64 {
    let bytes = payload + OVERHEAD;
    if mutants::active(Mutant::UnpaddedLog) { bytes } else { bytes.next_multiple_of(layout.page) }
}

/// Bytes that a log extent needs so that a frame with `payload` bytes and a link fit.
pub(super) fn extent_bytes(layout: &Layout, payload: u64) -> u64 {
    (payload + OVERHEAD).next_multiple_of(layout.page) + layout.page
}

/// The checksum that seals `body`, which follows a frame with the checksum `chain`.
fn seal(chain: u64, body: &[u8]) -> u64 {
    let unchained = mutants::active(Mutant::NoChain) || mutants::active(Mutant::NoChainNoSequence);
    checksum64(if unchained { 0 } else { chain }, body)
}

impl Position {
    /// The start of a log that follows `commit`.
    pub(super) fn start(log: &LogRef, commit: u64) -> Self {
        let span = Span { offset: log.offset, len: log.len };
        Self { span, at: span.offset, chain: log.nonce, commit }
    }

    /// Whether a frame with `payload` bytes fits with a link behind it.
    pub(super) fn has_room(&self, layout: &Layout, payload: u64) -> bool {
        frame_bytes(layout, payload) + layout.page <= self.span.end().saturating_sub(self.at)
    }

    /// The bytes of a commit's frame for this position, and the position behind it.
    pub(super) fn commit_frame(&self, layout: &Layout, payload: &[u8]) -> (Vec<u8>, Self) {
        let commit = self.commit + 1;
        let (bytes, chain) = encode(layout, COMMIT, commit, payload, self.chain);
        let at = self.at + bytes.len() as u64;
        (bytes, Self { at, chain, commit, ..*self })
    }

    /// The bytes of a link to `span`, and the position there. `nonce` makes the next frame fit nowhere else.
    pub(super) fn link_frame(&self, layout: &Layout, span: Span, nonce: u64) -> (Vec<u8>, Self) {
        let mut payload = ByteWriter::new();
        payload.u64(span.offset);
        payload.u64(span.len);
        payload.u64(nonce);
        let (bytes, chain) = encode(layout, LINK, self.commit, &payload.finish(), self.chain);
        (bytes, Self { span, at: span.offset, chain, commit: self.commit })
    }

    /// Reads the frame at this position and moves behind it.
    fn advance(&mut self, backend: &dyn Backend, layout: &Layout) -> Result<Found> {
        let Some(Sealed { kind, commit, payload, sum: chain }) = self.read(backend, layout)? else {
            return Ok(Found::End);
        };
        let follows = mutants::active(Mutant::NoChainNoSequence);
        match kind {
            COMMIT if commit == self.commit.wrapping_add(1) || follows => {
                self.at += frame_bytes(layout, payload.len() as u64);
                (self.chain, self.commit) = (chain, commit);
                Ok(Found::Commit(Frame { commit: CommitId(commit), payload }))
            }
            LINK if commit == self.commit || follows => {
                let mut reader = ByteReader::new(PART, &payload);
                let (offset, len) = (reader.u64()?, reader.u64()?);
                let span = Span::checked(layout, PART, offset, len, NUMBER_LIMIT)?;
                *self = Self { span, at: span.offset, chain, commit };
                Ok(Found::Link)
            }
            _ => Ok(Found::End),
        }
    }

    /// The frame at this position where the chain confirms it.
    fn read(&self, backend: &dyn Backend, layout: &Layout) -> Result<Option<Sealed>> {
        let room = self.span.end().saturating_sub(self.at);
        if room < OVERHEAD {
            return Ok(None);
        }
        let failed = |error| Error::io("read the log", error);
        let mut bytes = vec![0; room.min(layout.page) as usize];
        read_extended(backend, self.at, &mut bytes).map_err(failed)?;
        let mut header = ByteReader::new(PART, &bytes);
        let (len, kind, commit) = (header.u32()?, header.u32()?, header.u64()?);
        let whole = u64::from(len) + OVERHEAD;
        if whole > room || u64::from(len) > MAX_PAYLOAD || kind == 0 {
            return Ok(None);
        }
        let read = bytes.len();
        bytes.resize(whole as usize, 0);
        if let Some(rest) = bytes.get_mut(read..)
            && !rest.is_empty()
        {
            read_extended(backend, self.at + read as u64, rest).map_err(failed)?;
        }
        let (body, sum) = bytes.split_at(bytes.len() - 8);
        let sum = ByteReader::new(PART, sum).u64()?;
        if sum != seal(self.chain, body) {
            return Ok(None);
        }
        bytes.truncate(bytes.len() - 8);
        bytes.drain(..HEADER);
        Ok(Some(Sealed { kind, commit, payload: bytes, sum }))
    }
}

/// Fills `buf` from a file that goes on with zeros behind its end.
///
/// A link may be on the disk without the growth of the file for the extent it leads to. Whether a frame is found there
/// must not depend on the length of the file: it changes with the next write, which then would bring back a commit that
/// was already found to be absent.
fn read_extended(backend: &dyn Backend, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    match backend.read(offset, buf) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let there = backend.len()?.saturating_sub(offset).min(buf.len() as u64);
            let (found, beyond) = buf.split_at_mut(there as usize);
            beyond.fill(0);
            if found.is_empty() { Ok(()) } else { backend.read(offset, found) }
        }
        outcome => outcome,
    }
}

/// The bytes of a frame, padded, and its checksum.
fn encode(layout: &Layout, kind: u32, commit: u64, payload: &[u8], chain: u64) -> (Vec<u8>, u64) {
    let mut out = ByteWriter::new();
    out.u32(payload.len() as u32);
    out.u32(kind);
    out.u64(commit);
    out.bytes(payload);
    let mut bytes = out.finish();
    let sum = seal(chain, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.resize(frame_bytes(layout, payload.len() as u64) as usize, 0);
    (bytes, sum)
}

/// A log that was read to its end.
#[derive(Debug)]
pub(super) struct Replay {
    /// Its extents.
    pub(super) spans: Vec<Span>,
    /// Its end.
    pub(super) end: Position,
}

/// Where the last log extent of a file of this length can end. The file may have grown since its length was synced, by
/// what a merge was writing, which is at most everything anew, and by log extents; this leaves room for more than that.
/// A forged link could otherwise make the file grow to any length.
fn reach(file_bytes: u64) -> u64 {
    file_bytes.saturating_mul(4).saturating_add(256 << 20)
}

/// Reads the log from `log` to its end and gives each commit to `visit`.
///
/// # Errors
/// `Corrupt` where the log runs into itself or into `occupied`; what the backend reports.
pub(super) fn replay(
    backend: &dyn Backend,
    layout: &Layout,
    log: &LogRef,
    commit: u64,
    occupied: &[Span],
    mut visit: impl FnMut(Frame),
) -> Result<Replay> {
    let file_bytes = backend.len().map_err(|error| Error::io("measure the file", error))?;
    Span::checked(layout, PART, log.offset, log.len, file_bytes)?;
    let mut end = Position::start(log, commit);
    let mut spans = vec![end.span];
    let mut occupied = Occupied::of(PART, occupied)?;
    occupied.add(PART, end.span)?;
    loop {
        match end.advance(backend, layout)? {
            Found::Commit(frame) => visit(frame),
            Found::Link => {
                if end.span.end() > reach(file_bytes) {
                    let problem = format!("a link to byte {} of a file of {file_bytes}", end.span.end());
                    return Err(Error::corrupt(PART, end.span.offset, problem));
                }
                spans.push(end.span);
                occupied.add(PART, end.span)?;
            }
            Found::End => return Ok(Replay { spans, end }),
        }
    }
}

/// Reads what was appended behind `position` since it was there.
pub(super) fn follow(backend: &dyn Backend, layout: &Layout, position: &mut Position) -> Result<Vec<Frame>> {
    let mut frames = Vec::new();
    loop {
        match position.advance(backend, layout)? {
            Found::Commit(frame) => frames.push(frame),
            Found::Link => {}
            Found::End => return Ok(frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::backend::MemoryBackend;

    const LOG: LogRef = LogRef { offset: 64 << 10, len: 32 << 10, nonce: 42 };

    fn log_of(payloads: &[&[u8]]) -> MemoryBackend {
        let (memory, layout) = (MemoryBackend::new(), Layout::default());
        memory.set_len(1 << 20).unwrap();
        let mut position = Position::start(&LOG, 7);
        for payload in payloads {
            let (bytes, next) = position.commit_frame(&layout, payload);
            memory.write(position.at, &bytes).unwrap();
            position = next;
        }
        memory
    }

    fn commits(memory: &MemoryBackend, log: &LogRef) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        let visit = |frame: Frame| found.push((frame.commit.0, frame.payload));
        replay(memory, &Layout::default(), log, 7, &[], visit).unwrap();
        found
    }

    #[test]
    fn frames_come_back_up_to_the_first_that_is_torn() {
        let memory = log_of(&[b"one", &[7; 5000], b"three"]);
        let found = commits(&memory, &LOG);
        assert_eq!(found, [(8, b"one".to_vec()), (9, vec![7; 5000]), (10, b"three".to_vec())]);
        memory.write((64 << 10) + 4096 + 4500, &[0]).unwrap();
        assert_eq!(commits(&memory, &LOG).len(), 1);
    }

    #[test]
    fn a_frame_of_another_log_does_not_fit() {
        let memory = log_of(&[b"one"]);
        assert!(commits(&memory, &LogRef { nonce: 43, ..LOG }).is_empty());
    }

    #[test]
    fn a_link_leads_on_however_long_the_file_is() {
        let (memory, layout) = (log_of(&[]), Layout::default());
        let next = Span { offset: 512 << 10, len: 16 << 10 };
        let start = Position::start(&LOG, 7);
        let (bytes, position) = start.link_frame(&layout, next, 5);
        memory.write(start.at, &bytes).unwrap();
        let (bytes, _) = position.commit_frame(&layout, b"far");
        memory.write(position.at, &bytes).unwrap();
        for file_bytes in [1 << 20, (512 << 10) + 100] {
            memory.set_len(file_bytes).unwrap();
            assert_eq!(commits(&memory, &LOG), [(8, b"far".to_vec())]);
        }
        memory.set_len(512 << 10).unwrap();
        assert!(commits(&memory, &LOG).is_empty());
    }

    #[test]
    fn a_link_into_other_extents_is_corrupt() {
        let (memory, layout) = (log_of(&[]), Layout::default());
        let next = Span { offset: 512 << 10, len: 16 << 10 };
        let start = Position::start(&LOG, 7);
        memory.write(start.at, &start.link_frame(&layout, next, 5).0).unwrap();
        let result = replay(&memory, &layout, &LOG, 7, &[Span { offset: 512 << 10, len: 4096 }], |_| {});
        assert!(matches!(result, Err(Error::Corrupt(_))));
    }
}
