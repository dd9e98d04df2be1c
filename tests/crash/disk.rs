//! A simulated disk behind a page cache: it remembers every call, so that what a power loss leaves can be made from
//! any part of the writes that no sync had covered.

use crate::random::Random;
use lodedb::Backend;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

/// What reaches the disk whole or not at all, when all goes well.
pub(crate) const SECTOR: usize = 512;

/// One thing that happened, in order.
#[derive(Clone)]
pub(crate) enum Event {
    /// Bytes were written.
    Write(u64, Arc<[u8]>),
    /// The file was cut or grown to this length.
    SetLen(u64),
    /// The file was made at least this long.
    Grow(u64),
    /// Everything before is on the disk.
    Sync,
    /// This version began to be written.
    Started(usize),
    /// Up to this version the program was told that its data is safe.
    Acked(usize),
}

/// A call that is to fail.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    /// How many calls succeed before.
    pub(crate) after: u64,
    /// Whether all later calls fail as well.
    pub(crate) for_ever: bool,
    /// What the failure looks like.
    pub(crate) kind: FaultKind,
}

/// What a failure looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The device reports an error.
    Io,
    /// There is no space.
    Full,
    /// Half of a write is done, then the device reports an error.
    Short,
}

/// The simulated disk.
pub(crate) struct Disk {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    live: Vec<u8>,
    log: Vec<Event>,
    calls: u64,
    fault: Option<Fault>,
    writer: bool,
    pins: BTreeMap<u64, usize>,
}

impl Disk {
    /// A disk that holds `image`.
    pub(crate) fn new(image: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { live: image, ..Inner::default() }) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds a mark to what happened.
    pub(crate) fn mark(&self, event: Event) {
        self.inner().log.push(event);
    }

    /// What happened since the last call.
    pub(crate) fn take_log(&self) -> Vec<Event> {
        std::mem::take(&mut self.inner().log)
    }

    /// What a read finds now.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.inner().live.clone()
    }

    /// Changes the bytes behind the back of whoever uses the disk.
    pub(crate) fn with_image<T>(&self, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        change(&mut self.inner().live)
    }

    /// Number of calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.inner().calls
    }

    /// From now on calls fail as `fault` says.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        let mut inner = self.inner();
        inner.calls = 0;
        inner.fault = fault;
    }
}

impl Inner {
    /// Counts a call; the error that it is to return, if any.
    fn call(&mut self) -> Option<(FaultKind, io::Error)> {
        let number = self.calls;
        self.calls += 1;
        let fault = self.fault?;
        let fails = number == fault.after || (fault.for_ever && number > fault.after);
        let error = match fault.kind {
            FaultKind::Full => io::ErrorKind::StorageFull.into(),
            FaultKind::Io | FaultKind::Short => io::Error::other("injected"),
        };
        fails.then_some((fault.kind, error))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        apply(&mut self.live, &Event::Write(offset, bytes.into()), &mut Vec::new());
        self.log.push(Event::Write(offset, bytes.into()));
    }
}

impl Backend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner().live.len() as u64)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some((_, error)) = inner.call() {
            return Err(error);
        }
        let start = offset as usize;
        let found = start.checked_add(buf.len()).and_then(|end| inner.live.get(start..end));
        buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some((kind, error)) = inner.call() {
            if kind == FaultKind::Short {
                inner.write(offset, &bytes[..bytes.len() / 2]);
            }
            return Err(error);
        }
        inner.write(offset, bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some((_, error)) = inner.call() {
            return Err(error);
        }
        inner.live.resize(len as usize, 0);
        inner.log.push(Event::SetLen(len));
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some((_, error)) = inner.call() {
            return Err(error);
        }
        let end = offset + len;
        if end > inner.live.len() as u64 {
            inner.live.resize(end as usize, 0);
            inner.log.push(Event::Grow(end));
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some((_, error)) = inner.call() {
            return Err(error);
        }
        inner.log.push(Event::Sync);
        Ok(())
    }

    fn lock_writer(&self) -> io::Result<bool> {
        Ok(!std::mem::replace(&mut self.inner().writer, true))
    }

    fn unlock_writer(&self) -> io::Result<()> {
        self.inner().writer = false;
        Ok(())
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        *self.inner().pins.entry(generation).or_default() += 1;
        Ok(())
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        let mut inner = self.inner();
        if let Some(count) = inner.pins.get_mut(&generation) {
            *count -= 1;
            if *count == 0 {
                inner.pins.remove(&generation);
            }
        }
        Ok(())
    }

    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        Ok(self.inner().pins.range(..generation).next().is_some())
    }
}

/// What a change replaced.
pub(crate) struct Undo {
    len: usize,
    offset: usize,
    bytes: Vec<u8>,
}

/// Remembers `image[start..end]`, as far as it exists.
fn remember(image: &[u8], start: usize, end: usize, undo: &mut Vec<Undo>) {
    let bytes = image.get(start.min(image.len())..end.min(image.len())).unwrap_or_default().to_vec();
    undo.push(Undo { len: image.len(), offset: start, bytes });
}

/// Makes `event` happen to `image` as a whole.
pub(crate) fn apply(image: &mut Vec<u8>, event: &Event, undo: &mut Vec<Undo>) {
    match event {
        Event::Write(offset, bytes) => {
            let (start, end) = (*offset as usize, *offset as usize + bytes.len());
            remember(image, start, end, undo);
            if image.len() < end {
                image.resize(end, 0);
            }
            image[start..end].copy_from_slice(bytes);
        }
        Event::SetLen(len) => {
            remember(image, *len as usize, usize::MAX, undo);
            image.resize(*len as usize, 0);
        }
        Event::Grow(len) => {
            if image.len() < *len as usize {
                remember(image, image.len(), image.len(), undo);
                image.resize(*len as usize, 0);
            }
        }
        Event::Sync | Event::Started(_) | Event::Acked(_) => {}
    }
}

/// Makes `event` happen to `image` as power fails: each sector of a write holds the new bytes, the old ones, the first
/// of the new ones, or garbage. Without `powersafe` overwriting, garbage spreads to the rest of the sector.
pub(crate) fn tear(
    image: &mut Vec<u8>,
    event: &Event,
    powersafe: bool,
    random: &mut Random,
    undo: &mut Vec<Undo>,
) {
    let Event::Write(offset, bytes) = event else { return apply(image, event, undo) };
    let (start, end) = (*offset as usize, *offset as usize + bytes.len());
    let (first, last) = (start / SECTOR * SECTOR, end.next_multiple_of(SECTOR));
    remember(image, first, last, undo);
    if image.len() < end {
        image.resize(end, 0);
    }
    for sector in (first..last).step_by(SECTOR) {
        let (from, to) = (sector.max(start), (sector + SECTOR).min(end));
        let new = &bytes[from - start..to - start];
        match random.below(5) {
            0 | 1 => image[from..to].copy_from_slice(new),
            2 => {}
            3 => {
                let cut = random.below(new.len() as u64 + 1) as usize;
                image[from..from + cut].copy_from_slice(&new[..cut]);
            }
            _ => {
                let (from, to) = match powersafe {
                    true => (from, to),
                    false => (sector, (sector + SECTOR).min(image.len())),
                };
                image[from..to].fill_with(|| random.next() as u8);
            }
        }
    }
}

/// Takes back what was done to `image`.
pub(crate) fn undo_all(image: &mut Vec<u8>, undo: &mut Vec<Undo>) {
    while let Some(Undo { len, offset, bytes }) = undo.pop() {
        image.resize(len, 0);
        if !bytes.is_empty() {
            image[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
    }
}
