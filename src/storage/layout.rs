//! Sizes that the format is built from, spans of the file, and extents.

use crate::error::Error;
use crate::error::Result;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// Offsets, generations and commits stay below this: behind it are the bytes that locks use.
pub(super) const NUMBER_LIMIT: u64 = 1 << 61;
/// Number of superblock slots.
pub(super) const SLOTS: u64 = 4;

/// Sizes in bytes. A database has [`Layout::default`]; the crash enumerator shrinks them so that images stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Alignment of everything; a superblock slot and the smallest log frame have this size.
    pub page: u64,
    /// Size of a block with a checksum of its own, and alignment of extents that are at least this long.
    pub block: u64,
    /// Size of the first log extent of a log.
    pub log_first: u64,
    /// Size up to which each further log extent doubles.
    pub log_max: u64,
    /// Whether a log extent in space that is new to the file is filled with zeros before it is used.
    pub zero_log: bool,
    /// A checkpoint gives the free end of the file back when it is at least this long.
    pub trim: u64,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            page: 4 << 10,
            block: 64 << 10,
            log_first: 256 << 10,
            log_max: 4 << 20,
            zero_log: true,
            trim: 1 << 20,
        }
    }
}

impl Layout {
    /// Offset of the first extent: the slots and room for later versions are before it.
    pub(super) fn first_extent(&self) -> u64 {
        self.page * 16
    }

    /// `bytes` rounded up to whole pages, or `None` beyond 2^64.
    pub(super) fn pages(&self, bytes: u64) -> Option<u64> {
        bytes.checked_next_multiple_of(self.page)
    }

    /// Alignment of a span of `len` bytes.
    pub(super) fn alignment(&self, len: u64) -> u64 {
        if len >= self.block { self.block } else { self.page }
    }
}

/// A run of bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    /// Where it begins.
    pub(super) offset: u64,
    /// How long it is.
    pub(super) len: u64,
}

impl Span {
    /// The offset behind it. Spans are checked to end before 2^64 where they are made.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// A span that was read from a file: whole pages, behind the slots, and inside a file of `file_bytes`.
    pub(super) fn checked(
        layout: &Layout,
        part: &'static str,
        offset: u64,
        len: u64,
        file_bytes: u64,
    ) -> Result<Self> {
        let problem = |what: &str| Err(Error::corrupt(part, offset, format!("{len} bytes {what}")));
        if len == 0 || !offset.is_multiple_of(layout.page) || !len.is_multiple_of(layout.page) {
            return problem("that are not whole pages");
        }
        if offset < layout.first_extent() {
            return problem("that reach into the superblocks");
        }
        match offset.checked_add(len) {
            Some(end) if end <= file_bytes => Ok(Self { offset, len }),
            _ => problem(&format!("that reach beyond the end of the file at {file_bytes}")),
        }
    }
}

/// Immutable bytes of one part of the database, with a table of checksums behind them.
///
/// The data is followed by zeros up to a multiple of eight, by one `xxh3_64` per block, and by zeros up to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// Where the data begins.
    pub offset: u64,
    /// Bytes of data, without table and padding.
    pub len: u64,
    /// Checksum of the table of block checksums.
    pub sums: u64,
}

/// Bytes that `len` bytes of data take with padding to eight and their table, or `None` beyond 2^64.
pub(super) fn stored_bytes(layout: &Layout, len: u64) -> Option<u64> {
    len.checked_next_multiple_of(8)?.checked_add(len.div_ceil(layout.block).checked_mul(8)?)
}

impl Extent {
    /// The pages that it takes; checked to lie in a file of `file_bytes`.
    pub(super) fn span(&self, layout: &Layout, file_bytes: u64) -> Result<Span> {
        let pages = stored_bytes(layout, self.len).and_then(|bytes| layout.pages(bytes));
        let pages = pages.ok_or_else(|| Error::corrupt("extent", self.offset, "longer than any file"))?;
        Span::checked(layout, "extent", self.offset, pages, file_bytes)
    }
}

/// Spans that do not overlap.
#[derive(Debug, Default)]
pub(super) struct Occupied {
    /// Offset to end.
    spans: BTreeMap<u64, u64>,
}

impl Occupied {
    /// Adds a span; an error about `part` where it overlaps another.
    pub(super) fn add(&mut self, part: &'static str, span: Span) -> Result<()> {
        let before = self.spans.range(..span.end()).next_back();
        if let Some((start, end)) = before
            && *end > span.offset
        {
            return Err(Error::corrupt(part, span.offset, format!("overlaps what begins at {start}")));
        }
        self.spans.insert(span.offset, span.end());
        Ok(())
    }

    /// `spans`, if they do not overlap.
    pub(super) fn of(part: &'static str, spans: &[Span]) -> Result<Self> {
        let mut occupied = Self::default();
        spans.iter().try_for_each(|span| occupied.add(part, *span))?;
        Ok(occupied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_takes_its_table_and_whole_pages() {
        let layout = Layout::default();
        let extent = |len| Extent { offset: 64 << 10, len, sums: 0 };
        assert_eq!(extent(1).span(&layout, 1 << 30).unwrap().len, 4096);
        assert_eq!(extent(4088).span(&layout, 1 << 30).unwrap().len, 4096);
        assert_eq!(extent(4089).span(&layout, 1 << 30).unwrap().len, 8192);
        assert_eq!(stored_bytes(&layout, (64 << 10) + 1), Some((64 << 10) + 8 + 16));
        assert!(extent(u64::MAX).span(&layout, u64::MAX).is_err());
        assert!(extent(1).span(&layout, 64 << 10).is_err());
    }

    #[test]
    fn overlaps_are_found() {
        let span = |offset, len| Span { offset, len };
        assert!(Occupied::of("test", &[span(8, 4), span(0, 8), span(12, 1)]).is_ok());
        for overlapping in [span(0, 9), span(9, 1), span(11, 5), span(8, 4), span(0, 100)] {
            assert!(Occupied::of("test", &[span(8, 4), overlapping]).is_err());
        }
    }
}
