//! [`Merge`]: segments become one. Folding the active segment into the file, merging and building graphs are this.
//!
//! The living records of the sources are gathered in order; where a graph is wanted, codes to build on are made (and
//! fitted anew each time, so that they follow the data) and the graph is built over them, beginning from the source whose graph leads to the most living records; the slots are then put
//! in the order that the graph likes best, and each part is written in that order, the codes that are searched among
//! them: those that the graph was built on, or coarser or finer ones, made while they are written. Stored vectors are the bulk of a
//! file: blocks of the sources in which most rows live on are kept where they lie, and a table says where each
//! slot's row is. Blocks that are written without a graph get codes of their own ([`RowCodes`]).
//!
//! In memory while a graph is built: codes and graph of all records (and the graph's edge lengths), and 16 bytes a
//! record; without a graph 50 bytes a record and the codes of a block. Vectors and fields are streamed; the index on the fields is
//! made in memory after the graph (see [`field_index`](crate::field_index)), and so are those of sparse vectors.

use super::ByteTable;
use super::FieldTable;
use super::IdRef;
use super::IdTable;
use super::Indexes;
use super::LiveSegment;
use super::RowStore;
use super::SPARSE_PART;
use super::Schema;
use super::Segment;
use super::SegmentParts;
use super::Target;
use super::VectorIndex;
use super::VectorPart;
use super::calibrate::Subject;
use super::calibrate::calibrate;
use super::calibration::Calibration;
use super::cells::BuiltCells;
use super::filter_index;
use super::part::Part;
use super::row_codes::RowCodes;
use super::rows::RowBlock;
use super::rows::block_bytes;
use super::text_index;
use crate::error::Error;
use crate::error::Result;
use crate::graph;
use crate::graph::Graph;
use crate::graph::GraphView;
use crate::ids::Slot;
use crate::memory;
use crate::quant::Codes;
use crate::quant::Quantizer;
use crate::sparse;
use crate::vector::Metric;
use crate::vector::VectorType;
use rayon::prelude::*;
use std::mem::discriminant;
use std::sync::Arc;

/// Where a record that was not taken over has moved.
pub(crate) const NOWHERE: Slot = Slot::MAX;

/// Vectors that a quantizer is trained on.
const TRAINING_ROWS: usize = 20_000;

/// A block is kept where at least this share of its rows lives on...
const KEPT_LIVE_PERCENT: u64 = 70;
/// ... and it has at least this size...
const KEPT_BYTES: usize = 64 << 10;
/// ... and is among this many: each block costs a lookup.
const KEPT_BLOCKS: usize = 32;

/// What is to be merged.
pub(crate) struct Merge<'a> {
    /// The schema of all sources.
    pub(crate) schema: Arc<Schema>,
    /// The segments, whose living records are taken over in this order.
    pub(crate) sources: &'a [LiveSegment],
    /// Whether a graph is built.
    pub(crate) graph: bool,
    /// Whether blocks of stored vectors in the file may stay where they are.
    pub(crate) keep_rows: bool,
    /// Told how many records the graph leads to so far; `false` cancels.
    pub(crate) progress: &'a (dyn Fn(usize) -> bool + Sync),
}

/// The result of a merge.
pub(crate) struct Merged {
    /// The new segment.
    pub(crate) segment: Segment,
    /// For each source: old slot -> new slot, or [`NOWHERE`].
    pub(crate) moved: Vec<Vec<Slot>>,
}

/// A record's place among the sources.
#[derive(Clone, Copy)]
struct Origin {
    source: u32,
    slot: Slot,
}

/// Codes and graph in the order of gathering.
struct Built {
    ty: VectorType,
    /// How the codes to be stored are made.
    stored: Quantizer,
    /// These codes.
    codes: Vec<u8>,
    graph: Graph,
    cells: Option<BuiltCells>,
    calibration: Calibration,
}

impl Merge<'_> {
    /// Merges into parts of `target`; `None` where no record lives.
    pub(crate) fn run(&self, target: &Target<'_>) -> Result<Option<Merged>> {
        let gathered = self.gather()?;
        if gathered.is_empty() {
            return Ok(None);
        }
        let built = match self.graph {
            true => {
                (0..self.schema.vectors().len()).map(|v| self.build(v, &gathered)).collect::<Result<_>>()?
            }
            false => Vec::new(),
        };
        let order = built.first().map(Built::order);
        let origins: Vec<Origin> = match &order {
            Some(order) => order.iter().map(|place| gathered[*place as usize]).collect(),
            None => gathered,
        };
        let mut vectors = Vec::with_capacity(self.schema.vectors().len());
        let mut built = built.into_iter();
        for vector in 0..self.schema.vectors().len() {
            let rows = self.write_rows(vector, &origins, target)?;
            let index = match (built.next(), &order) {
                (Some(built), Some(order)) => Some(built.write(order, target)?),
                _ => None,
            };
            vectors.push(VectorPart { rows, index });
        }
        let (ids, fields) = (self.write_ids(&origins, target)?, self.write_fields(&origins, target)?);
        let sparse = self.write_sparse(&origins, target)?;
        let indexes = self.write_indexes(&fields, &sparse, target)?;
        let parts = SegmentParts { ids, fields, vectors, sparse, indexes };
        let segment = Segment::new(self.schema.clone(), origins.len() as u32, parts);
        Ok(Some(Merged { segment, moved: self.moved(&origins) }))
    }

    fn gather(&self) -> Result<Vec<Origin>> {
        let total: usize = self.sources.iter().map(LiveSegment::live).sum();
        if total >= NOWHERE as usize {
            let (found, limit) = (total as u64, u64::from(NOWHERE) - 1);
            return Err(Error::TooLarge { what: "number of records in a segment".into(), found, limit });
        }
        let sources = (0u32..).zip(self.sources);
        Ok(sources.flat_map(|(source, live)| live.slots().map(move |slot| Origin { source, slot })).collect())
    }

    fn moved(&self, origins: &[Origin]) -> Vec<Vec<Slot>> {
        let lens = self.sources.iter().map(|source| source.segment.len() as usize);
        let mut moved: Vec<Vec<Slot>> = lens.map(|len| vec![NOWHERE; len]).collect();
        for (new, origin) in (0..).zip(origins) {
            moved[origin.source as usize][origin.slot as usize] = new;
        }
        moved
    }

    /// The stored row of a record and its inverse norm.
    fn row(&self, vector: usize, origin: Origin) -> Result<(&[u8], f32)> {
        self.sources[origin.source as usize].segment.vectors()[vector].rows.row(origin.slot)
    }

    /// The source whose graph leads to the most living records.
    fn base(&self, vector: usize) -> Option<(usize, &VectorIndex)> {
        let indexed = self.sources.iter().enumerate().filter_map(|(i, source)| {
            source.segment.vectors()[vector].index.as_ref().map(|index| (i, index))
        });
        indexed.max_by_key(|(i, _)| (self.sources[*i].live(), std::cmp::Reverse(*i)))
    }

    fn build(&self, vector: usize, gathered: &[Origin]) -> Result<Built> {
        let ty = *self.schema.vectors()[vector].ty();
        let base = self.base(vector);
        let sample = self.sample(vector, gathered)?;
        let quantizer = Quantizer::for_building(&ty, &sample);
        let codes = self.encode(vector, &quantizer, gathered)?;
        let form = self.schema.vectors()[vector].form().chosen(&ty);
        let stored = quantizer.for_storing(&ty, form, &sample);
        let stored_codes =
            (stored != quantizer).then(|| self.encode(vector, &stored, gathered)).transpose()?;
        // Where few records are new, the graph is what it was.
        let same_form = |index: &&VectorIndex| discriminant(index.quantizer()) == discriminant(&stored);
        let before = base.map(|(_, index)| index).filter(same_form);
        let mut calibration = before.map(|index| index.calibration().clone()).unwrap_or_default();
        let row = |slot: Slot| self.row(vector, gathered[slot as usize]);
        let searched = Codes::new(&stored, stored_codes.as_ref().unwrap_or(&codes), gathered.len())?;
        let cells = BuiltCells::new(&ty, &searched, &row)?;
        let graph = {
            let codes = Codes::new(&quantizer, &codes, gathered.len())?;
            let params = self.schema.graph_params();
            let cells = cells.as_ref();
            let mut measure = |graph: &GraphView<'_>, unseen: &[Slot]| {
                calibration =
                    calibrate(&Subject { ty: &ty, codes: &searched, graph, cells, unseen, row: &row })?;
                Ok(())
            };
            match base {
                None => graph::build(&codes, params, self.progress, &mut measure)?,
                Some((source, index)) => {
                    let (view, places) = (index.graph()?, self.places(source, gathered));
                    graph::merge(&view, &places, &codes, params, self.progress, &mut measure)?
                }
            }
        };
        Ok(Built { ty, stored, codes: stored_codes.unwrap_or(codes), graph, cells, calibration })
    }

    /// Where each slot of `source` stands among the gathered records.
    fn places(&self, source: usize, gathered: &[Origin]) -> Vec<Option<Slot>> {
        let mut places = vec![None; self.sources[source].segment.len() as usize];
        for (place, origin) in (0..).zip(gathered).filter(|(_, origin)| origin.source as usize == source) {
            places[origin.slot as usize] = Some(place);
        }
        places
    }

    /// Stored rows spread over the gathered records.
    fn sample(&self, vector: usize, gathered: &[Origin]) -> Result<Vec<&[u8]>> {
        let step = gathered.len().div_ceil(TRAINING_ROWS).max(1);
        gathered.iter().step_by(step).map(|origin| Ok(self.row(vector, *origin)?.0)).collect()
    }

    fn encode(&self, vector: usize, quantizer: &Quantizer, gathered: &[Origin]) -> Result<Vec<u8>> {
        let bytes = quantizer.code_bytes();
        let mut codes = memory::filled(bytes * gathered.len(), 0);
        codes.par_chunks_exact_mut(bytes).zip(gathered).try_for_each(|(code, origin)| -> Result<()> {
            let (row, norm) = self.row(vector, *origin)?;
            quantizer.encode(row, norm, code);
            Ok(())
        })?;
        Ok(codes)
    }

    fn write_ids(&self, origins: &[Origin], target: &Target<'_>) -> Result<IdTable> {
        let ids =
            origins.iter().map(|origin| self.sources[origin.source as usize].segment.id_ref(origin.slot));
        let ids = ids.collect::<Result<Vec<IdRef<'_>>>>()?;
        let texts = ids.iter().map(|id| if let IdRef::Str(text) = id { text.len() } else { 0 });
        self.check_total("ids", texts.sum(), |segment| segment.ids.part().len())?;
        IdTable::write(target, self.sources[0].segment.id_kind(), &ids)
    }

    /// The indexes, where the segment goes into the file; one in memory makes them when they are asked for.
    fn write_indexes(
        &self,
        fields: &FieldTable,
        sparse: &[ByteTable],
        target: &Target<'_>,
    ) -> Result<Indexes> {
        if let Target::Memory = target {
            return Ok(Indexes::default());
        }
        let bytes = filter_index::build(fields.len(), fields.all(), self.schema.unindexed_fields())?;
        let index = target.whole_part("field index", bytes)?;
        let texts = self.schema.text_fields().iter();
        let texts = texts.map(|field| target.whole_part("words", text_index::build(field, fields)?));
        let texts = texts.collect::<Result<_>>()?;
        let sparse = sparse.iter();
        let sparse = sparse.map(|table| target.whole_part("sparse index", sparse::build(table.rows())?));
        Ok(Indexes { fields: Some(index), texts, sparse: sparse.collect::<Result<_>>()? })
    }

    /// Fails where the records to be written have more bytes than their sources: in a damaged table they overlap, and
    /// a small file would become a huge one.
    fn check_total<'s>(
        &'s self,
        part: &'static str,
        found: usize,
        len: impl Fn(&'s Segment) -> usize,
    ) -> Result<()> {
        let most = self.sources.iter().map(|source| len(&source.segment)).sum();
        match found <= most {
            true => Ok(()),
            false => Err(Error::corrupt(part, 0, format!("{found} bytes of records in a table of {most}"))),
        }
    }

    /// The rows of one table of the sources, which have no more bytes than these.
    fn table_rows<'s>(
        &'s self,
        origins: &'s [Origin],
        part: &'static str,
        table: impl Fn(&'s Segment) -> Result<&'s ByteTable> + Copy + 's,
    ) -> Result<impl Iterator<Item = Result<&'s [u8]>> + Clone> {
        let row =
            move |origin: &Origin| table(&self.sources[origin.source as usize].segment)?.row(origin.slot);
        let mut total = 0usize;
        for origin in origins {
            total = total.saturating_add(row(origin)?.len());
        }
        self.check_total(part, total, |segment| table(segment).map_or(0, |table| table.part().len()))?;
        Ok(origins.iter().map(row))
    }

    fn write_fields(&self, origins: &[Origin], target: &Target<'_>) -> Result<FieldTable> {
        let rows = self.table_rows(origins, "fields", |segment| Ok(segment.field_table().table()))?;
        FieldTable::write(target, rows)
    }

    fn write_sparse(&self, origins: &[Origin], target: &Target<'_>) -> Result<Vec<ByteTable>> {
        let write = |place: usize| {
            let rows = self.table_rows(origins, SPARSE_PART, move |segment| segment.sparse_table(place))?;
            ByteTable::write(target, SPARSE_PART, rows)
        };
        (0..self.schema.sparse_vectors().len()).map(write).collect()
    }

    fn write_rows(&self, vector: usize, origins: &[Origin], target: &Target<'_>) -> Result<RowStore> {
        let ty = *self.schema.vectors()[vector].ty();
        let mut kept =
            if self.keep_rows && target.keeps_extents() { self.kept_blocks(vector)? } else { Vec::new() };
        // Blocks are numbered by their first row, so the newest source can't change the numbers of the others.
        kept.sort_unstable_by_key(|kept| (kept.source, kept.block));
        let kept_rows: u32 = kept.iter().map(|kept| kept.rows).sum();
        let mut blocks: Vec<RowBlock> = kept
            .iter()
            .map(|kept| self.sources[kept.source].segment.vectors()[vector].rows.blocks()[kept.block].clone())
            .collect();
        if self.graph {
            blocks.iter_mut().for_each(|block| block.codes = None);
        }

        let (mut map, mut written) = (Vec::with_capacity(origins.len()), Vec::new());
        for origin in origins {
            let source = origin.source as usize;
            let (block, row) = self.sources[source].segment.vectors()[vector].rows.place(origin.slot)?;
            match kept.binary_search_by_key(&(source, block), |kept| (kept.source, kept.block)) {
                Ok(place) => {
                    let before: u32 = kept[..place].iter().map(|kept| kept.rows).sum();
                    map.push(before + row as u32);
                }
                Err(_) => {
                    map.push(kept_rows + written.len() as u32);
                    written.push(*origin);
                }
            }
        }
        if !written.is_empty() {
            blocks.push(self.write_block(vector, &ty, &written, target)?);
        }
        let rows = kept_rows as usize + written.len();
        let identity = rows == origins.len() && (0..).zip(&map).all(|(slot, row): (u32, &u32)| slot == *row);
        let map = match identity {
            true => None,
            false => Some(write_map(&map, target)?),
        };
        RowStore::open(ty, origins.len(), blocks, map)
    }

    /// The blocks in the file that are worth keeping.
    fn kept_blocks(&self, vector: usize) -> Result<Vec<KeptBlock>> {
        let mut kept = Vec::new();
        for (source, live) in self.sources.iter().enumerate() {
            let rows = &live.segment.vectors()[vector].rows;
            let mut alive = vec![0u64; rows.blocks().len()];
            for slot in live.slots() {
                alive[rows.place(slot)?.0] += 1;
            }
            for (block, (stored, alive)) in rows.blocks().iter().zip(alive).enumerate() {
                let enough = alive * 100 >= u64::from(stored.len) * KEPT_LIVE_PERCENT;
                if stored.part.extent().is_some() && enough && stored.part.len() >= KEPT_BYTES {
                    kept.push(KeptBlock { source, block, rows: stored.len });
                }
            }
        }
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.rows));
        kept.truncate(KEPT_BLOCKS);
        Ok(kept)
    }

    fn write_block(
        &self,
        vector: usize,
        ty: &VectorType,
        origins: &[Origin],
        target: &Target<'_>,
    ) -> Result<RowBlock> {
        let total = block_bytes(ty, origins.len());
        let mut writer = target.part("vectors", total)?;
        for origin in origins {
            writer.write(self.row(vector, *origin)?.0)?;
        }
        let row_bytes = origins.len() * ty.row_bytes();
        writer.write(&[0; 64][..row_bytes.next_multiple_of(64) - row_bytes])?;
        if ty.metric == Metric::Cosine {
            for origin in origins {
                writer.write(&self.row(vector, *origin)?.1.to_le_bytes())?;
            }
        }
        let block = RowBlock::new(writer.finish()?, origins.len() as u32);
        if self.graph {
            return Ok(block);
        }
        let rows = origins.iter().map(|origin| self.row(vector, *origin)).collect::<Result<Vec<_>>>()?;
        Ok(RowBlock { codes: RowCodes::write(ty, &rows, target)?, ..block })
    }
}

/// A block of a source that the new segment takes over.
struct KeptBlock {
    source: usize,
    block: usize,
    rows: u32,
}

fn write_map(map: &[u32], target: &Target<'_>) -> Result<Part> {
    target.whole_part("row map", map.iter().flat_map(|row| row.to_le_bytes()).collect())
}

impl Built {
    /// The order of the slots: as the graph likes it best, but behind the nodes of the upper layers, records of a cell together.
    fn order(&self) -> Vec<Slot> {
        let mut order = self.graph.order();
        if let Some(cells) = &self.cells {
            cells.bring_together(&mut order[self.graph.upper_nodes()..]);
        }
        order
    }

    /// Writes codes and graph in the given order of slots.
    fn write(self, order: &[Slot], target: &Target<'_>) -> Result<VectorIndex> {
        let bytes = self.stored.code_bytes();
        let mut writer = target.part("codes", self.codes.len())?;
        for place in order {
            let start = *place as usize * bytes;
            writer.write(&self.codes[start..start + bytes])?;
        }
        let codes = writer.finish()?;
        let graph = target.whole_part("graph", self.graph.seal(order))?;
        let cells = self.cells.map(|cells| cells.write(&self.stored, order, target)).transpose()?;
        let index = VectorIndex::open(self.ty, self.stored, (codes, graph, cells), order.len())?;
        index.with_calibration(self.calibration)
    }
}
