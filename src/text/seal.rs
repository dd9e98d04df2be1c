//! Encodes the index of a field, term after term.

use super::bm25::Bm25;
use super::dictionary::DictionaryWriter;
use super::layout::Header;
use super::layout::len_bytes;
use super::pack::BLOCK;
use super::pack::Blocks;
use super::pack::pack_few;
use super::pack::width_of;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;

/// The postings of one term, by ascending slot.
#[derive(Default)]
pub(crate) struct List {
    pub(crate) slots: Vec<Slot>,
    pub(crate) tfs: Vec<u32>,
    /// The positions of all records one after another, ascending in each; empty where they are not kept.
    pub(super) positions: Vec<u32>,
}

impl List {
    /// No postings.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.tfs.clear();
        self.positions.clear();
    }

    /// One more occurrence of the term, in this record or in the next.
    pub(super) fn push(&mut self, slot: Slot) {
        match (self.slots.last(), self.tfs.last_mut()) {
            (Some(last), Some(tf)) if *last == slot => *tf += 1,
            _ => {
                self.slots.push(slot);
                self.tfs.push(1);
            }
        }
    }
}

/// Encodes lists of postings.
#[derive(Default)]
pub(crate) struct ListWriter {
    few: Vec<u32>,
}

impl ListWriter {
    /// Appends the list, which has at least one posting; `impact` bounds what the postings of a block score.
    pub(crate) fn write(
        &mut self,
        list: &List,
        impact: impl Fn(&[Slot], &[u32]) -> u16,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match list.slots.len() {
            0..BLOCK => {
                self.few(list, out);
                Ok(())
            }
            _ => self.many(list, impact, out),
        }
    }

    fn few(&mut self, list: &List, out: &mut Vec<u8>) {
        if let ([slot], [tf]) = (&list.slots[..], &list.tfs[..]) {
            let mut writer = ByteWriter::new();
            writer.varint(u64::from(*slot));
            writer.varint(u64::from(*tf));
            return out.extend(writer.finish());
        }
        let start = out.len();
        out.extend([0; 2]);
        let widths = self.pack_few(None, &list.slots, &list.tfs, out);
        (out[start], out[start + 1]) = widths;
    }

    /// Appends gaps and occurrences; gives the bits of each.
    fn pack_few(&mut self, before: Option<Slot>, slots: &[Slot], tfs: &[u32], out: &mut Vec<u8>) -> (u8, u8) {
        self.few.clear();
        let mut next = before.map_or(0, |before| before + 1);
        for slot in slots {
            self.few.push(slot - next);
            next = slot + 1;
        }
        let slot_bits = width_of(&self.few);
        pack_few(&self.few, slot_bits, out);
        self.few.clear();
        self.few.extend(tfs.iter().map(|tf| tf - 1));
        let tf_bits = width_of(&self.few);
        pack_few(&self.few, tf_bits, out);
        (slot_bits, tf_bits)
    }

    fn many(
        &mut self,
        list: &List,
        impact: impl Fn(&[Slot], &[u32]) -> u16,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut skips = ByteWriter::new();
        let mut data = Vec::new();
        let mut before = None;
        for (slots, tfs) in list.slots.chunks(BLOCK).zip(list.tfs.chunks(BLOCK)) {
            let (slot_bits, tf_bits) = match (slots.first_chunk(), tfs.first_chunk::<BLOCK>()) {
                (Some(slots), Some(tfs)) => {
                    let less: [u32; BLOCK] = std::array::from_fn(|at| tfs[at] - 1);
                    let slot_bits = Blocks::new().pack_ascending(before, slots, &mut data);
                    (slot_bits, Blocks::new().pack(&less, &mut data))
                }
                _ => self.pack_few(before, slots, tfs, &mut data),
            };
            let last = slots[slots.len() - 1];
            skips.u32(last);
            skips.u32(end(data.len())?);
            skips.u16(impact(slots, tfs));
            skips.u8(slot_bits);
            skips.u8(tf_bits);
            before = Some(last);
        }
        out.extend(skips.finish());
        out.extend(data);
        Ok(())
    }
}

/// Writes the index of one field.
pub(super) struct Writer<'a> {
    lens: &'a [u32],
    positions: bool,
    docs: u32,
    tokens: u64,
    max_len: u32,
    mean: f32,
    dictionary: DictionaryWriter,
    postings: Vec<u8>,
    positions_out: Vec<u8>,
    scratch: Vec<u8>,
    lists: ListWriter,
    few: Vec<u32>,
}

impl<'a> Writer<'a> {
    /// A writer for records of these lengths.
    pub(super) fn new(lens: &'a [u32], positions: bool) -> Self {
        let docs = lens.iter().filter(|len| **len > 0).count() as u32;
        let tokens = lens.iter().map(|len| u64::from(*len)).sum();
        let max_len = lens.iter().copied().max().unwrap_or(0);
        let mean = tokens as f32 / docs.max(1) as f32;
        let (postings, positions_out, scratch, lists, few) = Default::default();
        let dictionary = DictionaryWriter::default();
        Self {
            lens,
            positions,
            docs,
            tokens,
            max_len,
            mean,
            dictionary,
            postings,
            positions_out,
            scratch,
            lists,
            few,
        }
    }

    /// The next term, which is larger than all before. It has at least one posting.
    pub(super) fn term(&mut self, term: &[u8], list: &List) -> Result<()> {
        self.dictionary.term(term, (self.postings.len() as u64, self.positions_out.len() as u64))?;
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        let mut lists = std::mem::take(&mut self.lists);
        lists.write(list, |slots, tfs| self.impact(slots, tfs), &mut bytes)?;
        self.lists = lists;
        let positions = self.positions.then(|| self.write_positions(list)).transpose()?;
        self.dictionary.info(list.slots.len() as u32, &bytes, positions);
        if bytes.len() > super::dictionary::INLINE_BYTES {
            self.postings.extend_from_slice(&bytes);
        }
        self.scratch = bytes;
        Ok(())
    }

    fn impact(&self, slots: &[Slot], tfs: &[u32]) -> u16 {
        let curve = Bm25::default().curve(self.mean);
        let shares = slots.iter().zip(tfs).map(|(slot, tf)| {
            let norm = curve.norm(self.lens[*slot as usize] as f32);
            f64::from(*tf) / (f64::from(*tf) + f64::from(norm))
        });
        (shares.fold(0.0, f64::max) * 65_535.0).ceil().min(65_535.0) as u16
    }

    /// Appends the positions of a term; gives their bytes.
    fn write_positions(&mut self, list: &List) -> Result<usize> {
        let start = self.positions_out.len();
        let blocks = list.slots.len().div_ceil(BLOCK);
        let ends = if blocks > 1 { blocks * 4 } else { 0 };
        self.positions_out.resize(start + ends, 0);
        let mut rest = &list.positions[..];
        for (block, tfs) in list.tfs.chunks(BLOCK).enumerate() {
            self.few.clear();
            for tf in tfs {
                let (record, others) = rest.split_at(*tf as usize);
                let mut before = 0;
                for position in record {
                    self.few.push(position - before);
                    before = *position;
                }
                rest = others;
            }
            let width = width_of(&self.few);
            self.positions_out.push(width);
            pack_few(&self.few, width, &mut self.positions_out);
            if blocks > 1 {
                let end = end(self.positions_out.len() - start - ends)?;
                self.positions_out[start + block * 4..][..4].copy_from_slice(&end.to_le_bytes());
            }
        }
        Ok(self.positions_out.len() - start)
    }

    /// The bytes of the index.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        let (terms, index, dictionary) = self.dictionary.finish()?;
        let header = Header {
            positions: self.positions,
            len_bytes: len_bytes(self.max_len),
            len: self.lens.len() as u32,
            docs: self.docs,
            max_len: self.max_len,
            terms,
            tokens: self.tokens,
            dictionary_bytes: dictionary.len() as u64,
            postings_bytes: self.postings.len() as u64,
            positions_bytes: self.positions_out.len() as u64,
        };
        let mut out = ByteWriter::new();
        header.write(&mut out);
        for len in self.lens {
            out.bytes(&len.to_le_bytes()[..header.len_bytes as usize]);
        }
        [index, dictionary, self.postings, self.positions_out].iter().for_each(|section| out.bytes(section));
        Ok(out.finish())
    }
}

/// An offset inside the list of one term.
fn end(at: usize) -> Result<u32> {
    u32::try_from(at).map_err(|_| Error::TooLarge {
        what: "the list of one term".into(),
        found: at as u64,
        limit: u64::from(u32::MAX),
    })
}
