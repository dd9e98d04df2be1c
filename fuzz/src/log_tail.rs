//! Any frames as the log of a good file.
//!
//! An input is a sequence of frames, each a byte that tells what is wrong with it, the length of its payload in two
//! bytes, and the payload. Checksums and chain are right unless that byte says otherwise.

use super::exercise::exercise;
use super::format;
use super::samples;
use super::source::Source;
use std::sync::OnceLock;

/// The frame is a link.
pub const LINK: u8 = 1;
/// Its checksum is wrong.
pub const BAD_SUM: u8 = 2;
/// Its commit is not the next.
pub const BAD_COMMIT: u8 = 4;
/// It claims to be longer than it is.
pub const BAD_LEN: u8 = 8;
/// It is of a kind that does not exist.
pub const BAD_KIND: u8 = 16;

/// Frames of one input.
const MOST_FRAMES: usize = 24;

/// A file with a log and, in it, everything that the samples have.
fn base() -> &'static [u8] {
    static BASE: OnceLock<Vec<u8>> = OnceLock::new();
    BASE.get_or_init(|| {
        let filled = samples::file(false, |db| {
            samples::segments(db)?;
            samples::types(db)?;
            samples::ores(db)?;
            samples::log_behind_segments(db)
        });
        filled.expect("a new database in memory")
    })
}

/// The payloads of commits that fit the file: for corpora.
pub fn payloads() -> Vec<Vec<u8>> {
    format::log_payloads(base())
}

/// An input with these frames.
pub fn encode<'a>(frames: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (flags, payload) in frames {
        out.push(flags);
        out.extend((payload.len() as u16).to_le_bytes());
        out.extend_from_slice(payload);
    }
    out
}

/// Puts the frames in place of the file's log, and reads and writes the file.
pub fn run(data: &[u8]) {
    let mut bytes = base().to_vec();
    let superblock = format::newest(&bytes).expect("a good file");
    let (offset, len, mut chain) = superblock.log;
    let (mut at, end) = (offset as usize, (offset + len) as usize);
    bytes[at..end].fill(0);
    let mut commit = superblock.commit;
    let mut source = Source::new(data);
    for _ in 0..MOST_FRAMES {
        if source.is_empty() {
            break;
        }
        let flags = source.byte();
        let len = source.short();
        let payload = source.take(len);
        let link = flags & LINK != 0;
        commit += u64::from(!link) + u64::from(flags & BAD_COMMIT != 0);
        let kind = if link { format::LINK } else { format::COMMIT } + u32::from(flags & BAD_KIND != 0) * 6;
        let (mut frame, sum) = format::frame(chain, kind, commit, payload);
        chain = sum;
        damage(&mut frame, flags, payload.len());
        let Some(place) = bytes.get_mut(at..(at + frame.len()).min(end)) else { break };
        place.copy_from_slice(&frame[..place.len()]);
        at += frame.len();
        if link && let Some(target) = payload.first_chunk() {
            // Where the log goes on there is nothing; the next frames show that it does not go on here.
            at = usize::try_from(u64::from_le_bytes(*target)).unwrap_or(end).min(end);
        }
    }
    exercise(&bytes.into());
}

/// Makes a frame wrong, as its flags say.
fn damage(frame: &mut [u8], flags: u8, payload: usize) {
    if flags & BAD_SUM != 0 {
        frame[16 + payload] ^= 1;
    }
    if flags & BAD_LEN != 0 {
        frame[2] ^= 0x41;
    }
}
