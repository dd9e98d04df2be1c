//! The stored vectors of a segment: rows as the user gave them, in one or several blocks.
//!
//! ```text
//! block := rows x row_bytes, zeros to a multiple of 64, and for cosine rows x f32: 1 / |row|
//! map   := len x u32: slot -> row, counted through all blocks; absent where slot i is row i
//! ```
//!
//! A large block that no graph leads to has codes beside it, see [`RowCodes`].
//!
//! A merge keeps the blocks of its sources where most of their rows live on, and writes a map instead of the rows.

use super::part::Part;
use super::row_codes::RowCodes;
use crate::codec::ByteReader;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use crate::memory;
use crate::memory::Advice;
use crate::vector::ExactScorer;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::dispatch::prefetch;
use std::sync::Arc;
use std::sync::OnceLock;

const PART: &str = "vectors";

/// A row that no slot has any more.
pub(super) const NO_SLOT: Slot = Slot::MAX;

/// Rows scored in one go by a scan: enough to keep the kernels busy, few enough to stay in the cache.
const SCAN_ROWS: usize = 256;
/// Rows are taken to be on the disk where they have more than this part of the memory there is.
const COLD_PART: u64 = 2;
/// Bytes of cold rows that a scan has read ahead of it.
const READ_AHEAD_BYTES: usize = 4 << 20;
/// Rows here and there that are asked for together.
pub(super) const SCATTERED_ROWS: usize = 32;

/// A run of rows written together.
#[derive(Clone, Debug)]
pub(crate) struct RowBlock {
    /// The bytes.
    pub(crate) part: Part,
    /// Number of rows.
    pub(crate) len: u32,
    /// Codes of these rows, where there are such.
    pub(crate) codes: Option<RowCodes>,
}

impl RowBlock {
    /// A block without codes.
    pub(crate) fn new(part: Part, len: u32) -> Self {
        Self { part, len, codes: None }
    }
}

/// Stored vectors by slot.
#[derive(Clone, Debug)]
pub(crate) struct RowStore {
    ty: VectorType,
    len: usize,
    blocks: Vec<RowBlock>,
    /// First row of each block, and after the last the number of rows.
    starts: Vec<u32>,
    map: Option<Part>,
    /// The slot of each row where there is a map, made at first use: 4 bytes a row in memory.
    slots: OnceLock<Arc<Vec<Slot>>>,
    /// Whether the rows take so much of the memory that many will have to be read from the disk.
    is_cold: bool,
}

/// The slots of rows.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    by_row: Option<&'a [Slot]>,
}

impl Slots<'_> {
    /// The slot of a row, counted through all blocks, or [`NO_SLOT`].
    #[inline(always)]
    pub(super) fn of(&self, row: u32) -> Slot {
        match self.by_row {
            Some(slots) => slots.get(row as usize).copied().unwrap_or(NO_SLOT),
            None => row,
        }
    }
}

/// The bytes of a block that holds these rows.
pub(crate) fn block_bytes(ty: &VectorType, rows: usize) -> usize {
    norms_start(ty, rows) + if ty.metric == Metric::Cosine { rows * 4 } else { 0 }
}

fn norms_start(ty: &VectorType, rows: usize) -> usize {
    (rows * ty.row_bytes()).next_multiple_of(64)
}

impl RowStore {
    /// The rows of `len` slots in these blocks.
    pub(crate) fn open(ty: VectorType, len: usize, blocks: Vec<RowBlock>, map: Option<Part>) -> Result<Self> {
        let mut starts = vec![0u32];
        for block in &blocks {
            if block.codes.as_ref().is_some_and(|codes| codes.len() != block.len as usize) {
                return Err(Error::corrupt(PART, 0, "codes of other rows"));
            }
            if block.part.len() != block_bytes(&ty, block.len as usize) {
                let problem = format!("a block of {} bytes for {} rows", block.part.len(), block.len);
                return Err(Error::corrupt(PART, 0, problem));
            }
            let end = starts[starts.len() - 1].checked_add(block.len);
            starts.push(end.ok_or_else(|| Error::corrupt(PART, 0, "too many rows"))?);
        }
        let rows = starts[starts.len() - 1] as usize;
        match &map {
            // Every slot has a row of its own, so that merging writes no more rows than there are.
            Some(map) if map.len() == len * 4 && rows >= len => {}
            None if rows == len => {}
            _ => return Err(Error::corrupt(PART, 0, format!("{rows} rows do not fit {len} slots"))),
        }
        let bytes: u64 = blocks.iter().map(|block| block.part.len() as u64).sum();
        let is_cold = memory::limit().is_some_and(|limit| bytes > limit / COLD_PART);
        if is_cold {
            blocks.iter().for_each(|block| block.part.advise(0..block.part.len(), Advice::Sparse));
        }
        Ok(Self { ty, len, blocks, starts, map, slots: OnceLock::new(), is_cold })
    }

    /// First row of a block, counted through all blocks.
    pub(super) fn start(&self, block: usize) -> u32 {
        self.starts[block]
    }

    /// How the vectors are compared.
    pub(super) fn metric(&self) -> Metric {
        self.ty.metric
    }

    /// The blocks.
    pub(crate) fn blocks(&self) -> &[RowBlock] {
        &self.blocks
    }

    /// The slot -> row table.
    pub(crate) fn map(&self) -> Option<&Part> {
        self.map.as_ref()
    }

    /// True where rows are stored that no slot has.
    pub(crate) fn has_dead_rows(&self) -> bool {
        self.starts[self.starts.len() - 1] as usize > self.len
    }

    /// The same rows with each part replaced by what `f` makes of it.
    pub(crate) fn map_parts(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Self> {
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let codes = block.codes.as_ref().map(|codes| codes.map_part(f)).transpose()?;
            blocks.push(RowBlock { part: f(PART, &block.part)?, len: block.len, codes });
        }
        Self::open(self.ty, self.len, blocks, self.map.as_ref().map(|map| f("row map", map)).transpose()?)
    }

    /// Block and row inside it of the record at `slot`.
    pub(crate) fn place(&self, slot: Slot) -> Result<(usize, usize)> {
        if slot as usize >= self.len {
            return Err(Error::corrupt(PART, 0, format!("slot {slot} of {}", self.len)));
        }
        let row = match &self.map {
            Some(map) => map.u32_at(0, slot as usize)?,
            None => slot,
        };
        let block = self.starts.partition_point(|start| *start <= row) - 1;
        match self.blocks.get(block) {
            Some(_) => Ok((block, (row - self.starts[block]) as usize)),
            None => Err(Error::corrupt(PART, 0, format!("slot {slot} has row {row}, which does not exist"))),
        }
    }

    /// The stored row at `slot` and its inverse norm (0 where the metric needs none).
    pub(crate) fn row(&self, slot: Slot) -> Result<(&[u8], f32)> {
        let (block, row) = self.place(slot)?;
        self.row_in(block, row)
    }

    /// Scores the records at `slots` and gives score and slot to `found`. All rows of a chunk are asked for before the first is
    /// scored, so that waiting for memory overlaps.
    pub(crate) fn score(
        &self,
        scorer: &ExactScorer,
        slots: impl Iterator<Item = Slot>,
        found: &mut dyn FnMut(f32, Slot),
    ) -> Result<()> {
        let mut slots = slots.peekable();
        while slots.peek().is_some() {
            let mut places = [(0, 0, 0); SCATTERED_ROWS];
            let mut len = 0;
            for (place, slot) in places.iter_mut().zip(&mut slots) {
                self.prefetch_place(slot);
                *place = (slot, 0, 0);
                len += 1;
            }
            for (slot, block, row) in &mut places[..len] {
                (*block, *row) = self.place(*slot)?;
                self.prefetch(*block, *row);
            }
            let mut rows: [(&[u8], f32); SCATTERED_ROWS] = [(&[], 0.0); SCATTERED_ROWS];
            for (scored, (_, block, row)) in rows.iter_mut().zip(&places[..len]) {
                *scored = self.row_in(*block, *row)?;
            }
            let mut scores = [0.0; SCATTERED_ROWS];
            scorer.score_scattered(&rows[..len], &mut scores);
            for ((slot, _, _), score) in places[..len].iter().zip(scores) {
                found(score, *slot);
            }
        }
        Ok(())
    }

    /// Asks for the entry of the slot -> row table.
    fn prefetch_place(&self, slot: Slot) {
        if let Some(map) = &self.map {
            let at = slot as usize * 4;
            prefetch(map.unverified().get(at..at + 4).unwrap_or_default());
        }
    }

    /// Asks for a row and its norm: the processor's cache, or the disk, where it is likely to be there. Then all reads of a
    /// chunk are under way at once.
    pub(super) fn prefetch(&self, block: usize, row: usize) {
        let RowBlock { part, len, .. } = &self.blocks[block];
        let bytes = self.ty.row_bytes();
        if self.is_cold {
            return part.advise(row * bytes..(row + 1) * bytes, Advice::Needed);
        }
        prefetch(part.unverified().get(row * bytes..(row + 1) * bytes).unwrap_or_default());
        if self.ty.metric == Metric::Cosine {
            let norm = norms_start(&self.ty, *len as usize) + row * 4;
            prefetch(part.unverified().get(norm..norm + 4).unwrap_or_default());
        }
    }

    /// A row of a block and its inverse norm.
    pub(super) fn row_in(&self, block: usize, row: usize) -> Result<(&[u8], f32)> {
        let RowBlock { part, len, .. } = &self.blocks[block];
        let bytes = self.ty.row_bytes();
        let norm = match self.ty.metric {
            Metric::Cosine => f32::from_bits(part.u32_at(norms_start(&self.ty, *len as usize), row)?),
            Metric::Dot | Metric::L2 | Metric::Hamming => 0.0,
        };
        Ok((part.bytes(row * bytes..(row + 1) * bytes)?, norm))
    }

    /// Gives `found` score and row, counted through all blocks, of each row of a block from the given one on.
    pub(super) fn scan_block(
        &self,
        (block, row): (usize, usize),
        scorer: &ExactScorer,
        found: &mut dyn FnMut(f32, u32),
    ) -> Result<()> {
        let (mut scores, mut norms) = (Vec::with_capacity(SCAN_ROWS), Vec::with_capacity(SCAN_ROWS));
        let bytes = self.ty.row_bytes();
        let (start, block) = (self.starts[block], &self.blocks[block]);
        let rows = block.len as usize;
        for first in (row..rows).step_by(SCAN_ROWS) {
            let last = rows.min(first + SCAN_ROWS);
            self.read_ahead(block, first);
            self.read_norms(block, first..last, &mut norms)?;
            scores.clear();
            scorer.score_rows(block.part.bytes(first * bytes..last * bytes)?, &norms, &mut scores);
            for (row, score) in (start + first as u32..).zip(&scores) {
                found(*score, row);
            }
        }
        Ok(())
    }

    /// Has the next rows of a block read while those from `row` on are scored.
    fn read_ahead(&self, block: &RowBlock, row: usize) {
        let bytes = self.ty.row_bytes();
        let ahead = (READ_AHEAD_BYTES / bytes.max(1)).next_multiple_of(SCAN_ROWS);
        if self.is_cold && row.is_multiple_of(ahead) {
            let (start, end) = (row + ahead, (row + 2 * ahead).min(block.len as usize));
            let start = if row == 0 { 0 } else { start.min(end) };
            block.part.advise(start * bytes..end * bytes, Advice::Needed);
        }
    }

    /// The slot of each row.
    pub(super) fn slots(&self) -> Result<Slots<'_>> {
        let Some(map) = &self.map else { return Ok(Slots { by_row: None }) };
        if self.slots.get().is_none() {
            let slots = self.slots_by_row(map)?;
            // Another thread may have been faster, with the same.
            self.slots.get_or_init(|| Arc::new(slots));
        }
        Ok(Slots { by_row: self.slots.get().map(|slots| slots.as_slice()) })
    }

    fn slots_by_row(&self, map: &Part) -> Result<Vec<Slot>> {
        let mut slots = vec![NO_SLOT; self.starts[self.starts.len() - 1] as usize];
        let mut rows = ByteReader::new("row map", map.all()?);
        for slot in 0..self.len as Slot {
            let row = rows.u32()?;
            match slots.get_mut(row as usize) {
                Some(place) => *place = slot,
                None => {
                    return Err(Error::corrupt(
                        PART,
                        0,
                        format!("slot {slot} has row {row}, which does not exist"),
                    ));
                }
            }
        }
        Ok(slots)
    }

    fn read_norms(&self, block: &RowBlock, rows: std::ops::Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        if self.ty.metric != Metric::Cosine {
            out.resize(rows.len(), 0.0);
            return Ok(());
        }
        let start = norms_start(&self.ty, block.len as usize);
        let bytes = block.part.bytes(start + rows.start * 4..start + rows.end * 4)?;
        let mut reader = ByteReader::new(PART, bytes);
        for _ in rows {
            out.push(reader.f32()?);
        }
        Ok(())
    }

    /// Checks that every slot has a row that could have been stored.
    pub(crate) fn verify(&self) -> Result<()> {
        for (at, block) in self.blocks.iter().enumerate() {
            block.part.verify()?;
            block.codes.iter().try_for_each(|codes| codes.verify(|row| self.row_in(at, row)))?;
        }
        for slot in 0..self.len as Slot {
            let (row, norm) = self.row(slot)?;
            let damaged = |problem: String| Error::corrupt(PART, 0, format!("slot {slot}: {problem}"));
            self.ty.check(row).map_err(damaged)?;
            if self.ty.metric == Metric::Cosine && norm.to_bits() != self.ty.inverse_norm(row).to_bits() {
                return Err(damaged("the norm does not fit the vector".into()));
            }
        }
        Ok(())
    }
}
