//! Where the bytes of a database are: the seam between the store and a file, memory, or a simulated disk.

use parking_lot::Mutex;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Bytes of a backend that stay readable for as long as the owner lives.
pub type MappedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A place that holds the bytes of one database.
///
/// [`FileBackend`](crate::FileBackend) and [`MemoryBackend`] are the two that come with the crate. Implement it to keep
/// a database somewhere else, or to see how a program behaves when a disk fails. What the store expects of it:
///
/// - A `write` is seen by every later `read`; it survives a power loss only after a later `sync` that succeeded.
/// - Writes that no `sync` has covered may survive wholly, in part, or not at all, in any order.
/// - After a failed `sync` nothing is known about the writes before it. The store then writes nothing more.
///
/// The calls about locks have defaults for a backend that only one database handle uses at a time.
///
/// ```
/// use lodedb::Backend;
/// use lodedb::MemoryBackend;
///
/// let memory = MemoryBackend::new();
/// memory.write(4, b"gold")?;
/// let mut found = [0; 8];
/// memory.read(0, &mut found)?;
/// assert_eq!(&found, b"\0\0\0\0gold");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Backend: Send + Sync + 'static {
    /// Number of bytes.
    ///
    /// # Errors
    /// What the operating system reports.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is no byte.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where there are fewer bytes; else what the operating system reports.
    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the backend where needed.
    ///
    /// # Errors
    /// What the operating system reports; some of the bytes may then be written.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the backend to `len` bytes, or grows it with zeros.
    ///
    /// # Errors
    /// What the operating system reports.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for `len` bytes at `offset` and grows the backend to cover them, so that writing there does not
    /// run out of space later. Bytes that exist stay as they are.
    ///
    /// # Errors
    /// `StorageFull` where there is no space; else what the operating system reports.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Returns when everything written before the call survives a power loss.
    ///
    /// # Errors
    /// What the operating system reports; it is then unknown what survives.
    fn sync(&self) -> io::Result<()>;

    /// A read-only view of a range that never changes while it is mapped, or `None` where the backend can't give one
    /// and the store should read a copy.
    ///
    /// # Errors
    /// What the operating system reports.
    fn map(&self, offset: u64, len: usize) -> io::Result<Option<MappedBytes>> {
        let _ = (offset, len);
        Ok(None)
    }

    /// Takes the lock that only one writer has at a time; `false` where another has it.
    ///
    /// # Errors
    /// What the operating system reports.
    fn lock_writer(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Gives the writer's lock back.
    ///
    /// # Errors
    /// What the operating system reports.
    fn unlock_writer(&self) -> io::Result<()> {
        Ok(())
    }

    /// Tells writers that a reader uses what `generation` of the file refers to.
    ///
    /// # Errors
    /// What the operating system reports.
    fn pin(&self, generation: u64) -> io::Result<()> {
        let _ = generation;
        Ok(())
    }

    /// Ends what [`pin`](Self::pin) began.
    ///
    /// # Errors
    /// What the operating system reports.
    fn unpin(&self, generation: u64) -> io::Result<()> {
        let _ = generation;
        Ok(())
    }

    /// Whether another handle pins a generation older than `generation`.
    ///
    /// # Errors
    /// What the operating system reports; the store then assumes that one does.
    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        let _ = generation;
        Ok(false)
    }

    /// Whether what was opened is still found where it was opened: not deleted, replaced or renamed.
    ///
    /// # Errors
    /// What the operating system reports.
    fn still_there(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// Bytes of one piece of a [`MemoryBackend`], so that growing never copies what is there.
const CHUNK: usize = 1 << 20;

/// A database in memory, gone with its last handle.
#[derive(Default)]
pub struct MemoryBackend {
    bytes: RwLock<Chunks>,
    locks: Mutex<Locks>,
}

/// Bytes in pieces of [`CHUNK`].
#[derive(Default)]
struct Chunks {
    chunks: Vec<Box<[u8]>>,
    len: u64,
}

/// Who uses a [`MemoryBackend`].
#[derive(Default)]
struct Locks {
    writer: bool,
    pins: BTreeMap<u64, usize>,
}

impl MemoryBackend {
    /// An empty backend.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Chunks {
    /// Grows or cuts to `len`; bytes cut off read as zeros when they come back.
    fn resize(&mut self, len: u64) -> io::Result<()> {
        let count = usize::try_from(len.div_ceil(CHUNK as u64)).map_err(|_| {
            io::Error::new(io::ErrorKind::OutOfMemory, "more bytes than memory has addresses")
        })?;
        self.chunks.truncate(count);
        let missing = count - self.chunks.len();
        self.chunks.try_reserve(missing).map_err(io::Error::other)?;
        for _ in 0..missing {
            let mut chunk = Vec::new();
            chunk.try_reserve_exact(CHUNK).map_err(io::Error::other)?;
            chunk.resize(CHUNK, 0);
            self.chunks.push(chunk.into_boxed_slice());
        }
        if len < self.len
            && let Some(last) = self.chunks.last_mut()
        {
            let used = (len % CHUNK as u64) as usize;
            if used > 0 {
                last[used..].fill(0);
            }
        }
        self.len = len;
        Ok(())
    }

    /// Calls `visit` with each piece of `offset..offset + len` and its place in that range; the range is inside.
    fn pieces(
        offset: u64,
        len: usize,
        mut visit: impl FnMut(usize, std::ops::Range<usize>, std::ops::Range<usize>),
    ) {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let (chunk, inside) = ((at / CHUNK as u64) as usize, (at % CHUNK as u64) as usize);
            let take = (CHUNK - inside).min(len - done);
            visit(chunk, inside..inside + take, done..done + take);
            done += take;
        }
    }
}

/// The end of a range, or an error where it is beyond every address.
fn end_of(offset: u64, len: u64) -> io::Result<u64> {
    offset.checked_add(len).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "offset beyond 2^64"))
}

impl Backend for MemoryBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.read().len)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.read();
        if end_of(offset, buf.len() as u64)? > bytes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Chunks::pieces(offset, buf.len(), |chunk, inside, place| {
            buf[place].copy_from_slice(&bytes.chunks[chunk][inside]);
        });
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut held = self.bytes.write();
        let end = end_of(offset, bytes.len() as u64)?;
        if end > held.len {
            held.resize(end)?;
        }
        Chunks::pieces(offset, bytes.len(), |chunk, inside, place| {
            held.chunks[chunk][inside].copy_from_slice(&bytes[place]);
        });
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.write().resize(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut held = self.bytes.write();
        let end = end_of(offset, len)?;
        if end > held.len { held.resize(end) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock_writer(&self) -> io::Result<bool> {
        Ok(!std::mem::replace(&mut self.locks.lock().writer, true))
    }

    fn unlock_writer(&self) -> io::Result<()> {
        self.locks.lock().writer = false;
        Ok(())
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        *self.locks.lock().pins.entry(generation).or_default() += 1;
        Ok(())
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        let mut locks = self.locks.lock();
        if let Some(count) = locks.pins.get_mut(&generation) {
            *count -= 1;
            if *count == 0 {
                locks.pins.remove(&generation);
            }
        }
        Ok(())
    }

    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        Ok(self.locks.lock().pins.range(..generation).next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_crosses_chunks_and_reads_zeros_after_a_cut() {
        let memory = MemoryBackend::new();
        let at = CHUNK as u64 - 3;
        memory.write(at, b"quartz").unwrap();
        let mut found = [0; 6];
        memory.read(at, &mut found).unwrap();
        assert_eq!(&found, b"quartz");
        memory.set_len(at + 1).unwrap();
        memory.set_len(at + 6).unwrap();
        memory.read(at, &mut found).unwrap();
        assert_eq!(&found, b"q\0\0\0\0\0");
        assert!(memory.read(at + 1, &mut found).is_err());
        assert!(memory.read(u64::MAX, &mut found).is_err());
    }

    #[test]
    fn one_writer_at_a_time_and_pins_are_counted() {
        let memory = MemoryBackend::new();
        assert!(memory.lock_writer().unwrap());
        assert!(!memory.lock_writer().unwrap());
        memory.unlock_writer().unwrap();
        assert!(memory.lock_writer().unwrap());
        memory.pin(3).unwrap();
        memory.pin(3).unwrap();
        memory.unpin(3).unwrap();
        assert!(memory.pinned_before(4).unwrap());
        assert!(!memory.pinned_before(3).unwrap());
        memory.unpin(3).unwrap();
        assert!(!memory.pinned_before(4).unwrap());
    }
}
