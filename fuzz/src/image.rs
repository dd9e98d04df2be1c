//! [`Image`]: a backend over shared bytes. What is written lies beside them, page by page, so that thousands of
//! variants of one file cost no copy of it.

use lodedb::Backend;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

const PAGE: u64 = 4096;

/// A file in memory that begins as bytes of somebody else's.
pub struct Image {
    base: Arc<[u8]>,
    content: Mutex<Content>,
}

struct Content {
    len: u64,
    /// Bytes of the base from here on are gone.
    base_len: u64,
    /// Pages that differ from the base.
    pages: BTreeMap<u64, Box<[u8]>>,
    /// What was read, where that is recorded.
    reads: Option<Vec<Range<u64>>>,
}

impl Image {
    /// A file with these bytes.
    pub fn new(base: Arc<[u8]>) -> Self {
        let len = base.len() as u64;
        let content = Content { len, base_len: len, pages: BTreeMap::new(), reads: None };
        Self { base, content: Mutex::new(content) }
    }

    /// A file with these bytes that records what is read.
    pub fn recording(base: Arc<[u8]>) -> Self {
        let image = Self::new(base);
        image.content().reads = Some(Vec::new());
        image
    }

    /// The ranges that were read, where they were recorded.
    pub fn reads(&self) -> Vec<Range<u64>> {
        self.content().reads.clone().unwrap_or_default()
    }

    /// Replaces the byte at `at`, which is inside the base, by itself exclusive-or `mask`.
    pub fn flip(&self, at: usize, mask: u8) {
        let mut content = self.content();
        let byte = self.base[at] ^ mask;
        self.page(&mut content, at as u64 / PAGE)[at % PAGE as usize] = byte;
    }

    /// The bytes as they are now.
    pub fn bytes(&self) -> Arc<[u8]> {
        let content = self.content();
        let mut bytes = vec![0; content.len as usize];
        self.copy(&content, 0, &mut bytes);
        bytes.into()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn page<'a>(&self, content: &'a mut Content, page: u64) -> &'a mut [u8] {
        let mut fresh = vec![0; PAGE as usize];
        if !content.pages.contains_key(&page) {
            self.copy(content, page * PAGE, &mut fresh);
        }
        content.pages.entry(page).or_insert_with(|| fresh.into())
    }

    /// Fills `buf` from `offset` on, with zeros where there is nothing.
    fn copy(&self, content: &Content, offset: u64, buf: &mut [u8]) {
        buf.fill(0);
        let end = offset.saturating_add(buf.len() as u64);
        let base_end = end.min(content.base_len);
        if offset < base_end {
            let from = &self.base[offset as usize..base_end as usize];
            buf[..from.len()].copy_from_slice(from);
        }
        for (page, bytes) in content.pages.range(offset / PAGE..end.div_ceil(PAGE)) {
            let start = page * PAGE;
            let (from, to) = (start.max(offset), (start + PAGE).min(end));
            buf[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
        }
    }
}

/// Files are kept this small, so that a hostile length is an error and not the end of the memory.
const MOST_BYTES: u64 = 1 << 30;

fn checked_end(offset: u64, len: u64) -> io::Result<u64> {
    let end = offset.checked_add(len).filter(|end| *end <= MOST_BYTES);
    end.ok_or_else(|| io::Error::new(io::ErrorKind::StorageFull, "the image would grow too large"))
}

impl Backend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content().len)
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut content = self.content();
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= content.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(reads) = &mut content.reads {
            reads.push(offset..end);
        }
        self.copy(&content, offset, buf);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content();
        let end = checked_end(offset, bytes.len() as u64)?;
        content.len = content.len.max(end);
        let mut at = offset;
        while at < end {
            let (page, inside) = (at / PAGE, (at % PAGE) as usize);
            let some = (PAGE - at % PAGE).min(end - at) as usize;
            let done = (at - offset) as usize;
            self.page(&mut content, page)[inside..inside + some].copy_from_slice(&bytes[done..done + some]);
            at += some as u64;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content();
        content.len = checked_end(len, 0)?;
        content.base_len = content.base_len.min(len);
        content.pages.retain(|page, _| page * PAGE < len);
        if let Some(last) = content.pages.get_mut(&(len / PAGE)) {
            last[(len % PAGE) as usize..].fill(0);
        }
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut content = self.content();
        content.len = content.len.max(checked_end(offset, len)?);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
