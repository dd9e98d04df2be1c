//! How a sealed segment is described in the manifest, and made from its description.
//!
//! Parts are named by the place of their extent in the manifest's list of extents.

use super::ByteTable;
use super::ExtentList;
use super::FieldTable;
use super::IdTable;
use super::Indexes;
use super::LiveSegment;
use super::RowStore;
use super::SPARSE_PART;
use super::Schema;
use super::Segment;
use super::SegmentParts;
use super::VectorIndex;
use super::VectorPart;
use super::calibration::Calibration;
use super::part::Part;
use super::row_codes::RowCodes;
use super::rows::RowBlock;
use crate::error::Error;
use crate::error::Result;
use crate::quant::Quantizer;
use crate::storage::Extent;
use crate::storage::Store;
use crate::vector::VectorType;
use roaring::RoaringBitmap;
use serde::Deserialize;
use serde::Serialize;
use std::cell::RefCell;
use std::sync::Arc;

/// Place of an extent in the manifest's list.
type Place = u32;

/// A sealed segment in the manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SegmentEntry {
    len: u32,
    ids: Place,
    fields: Place,
    field_index: Option<Place>,
    texts: Vec<Place>,
    vectors: Vec<VectorEntry>,
    /// Rows of each sparse vector.
    sparse: Vec<Place>,
    sparse_indexes: Vec<Place>,
    dead: Option<Place>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct VectorEntry {
    blocks: Vec<BlockEntry>,
    map: Option<Place>,
    index: Option<IndexEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BlockEntry {
    rows: Place,
    len: u32,
    /// How codes of the rows are made, and where they are.
    codes: Option<(Vec<u8>, Place)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct IndexEntry {
    quantizer: Vec<u8>,
    codes: Place,
    graph: Place,
    cells: Option<Place>,
    calibration: Calibration,
}

impl SegmentEntry {
    /// Describes a segment whose parts all lie in the file, and notes their extents.
    pub(crate) fn describe(live: &LiveSegment, extents: &mut ExtentList) -> Result<Self> {
        let segment = &live.segment;
        let (ids, fields) = (extents.place(segment.ids.part())?, extents.place(segment.fields.part())?);
        let field_index = segment.filters.part().map(|part| extents.place(part)).transpose()?;
        let texts = places(segment.texts.sealed(), extents)?;
        let sparse = segment.sparse.iter().map(|table| extents.place(table.part()));
        let sparse = sparse.collect::<Result<_>>()?;
        let sparse_indexes = places(segment.sparse_indexes.sealed(), extents)?;
        let vectors = segment.vectors().iter().map(|vector| VectorEntry::describe(vector, extents));
        Ok(Self {
            len: segment.len(),
            ids,
            fields,
            field_index,
            texts,
            vectors: vectors.collect::<Result<_>>()?,
            sparse,
            sparse_indexes,
            dead: live.dead_part.as_ref().map(|part| extents.place(part)).transpose()?,
        })
    }

    /// The segment, its parts mapped and checked as far as that takes no time.
    pub(crate) fn open(&self, schema: &Arc<Schema>, file: &FileParts<'_>) -> Result<LiveSegment> {
        if self.vectors.len() != schema.vectors().len() {
            return Err(Error::corrupt("catalog", 0, "a segment has other vectors than its schema"));
        }
        let len = self.len as usize;
        let vectors = self.vectors.iter().zip(schema.vectors());
        let vectors = vectors.map(|(entry, schema)| entry.open(*schema.ty(), len, file));
        let indexes = self.open_indexes(schema, file)?;
        if self.sparse.len() != schema.sparse_vectors().len() {
            return Err(Error::corrupt("catalog", 0, "a segment has other sparse vectors than its schema"));
        }
        let sparse = self.sparse.iter();
        let sparse = sparse.map(|place| ByteTable::open(SPARSE_PART, file.part(SPARSE_PART, *place)?, len));
        let parts = SegmentParts {
            ids: IdTable::open(file.part("ids", self.ids)?, len)?,
            fields: FieldTable::open(file.part("fields", self.fields)?, len)?,
            vectors: vectors.collect::<Result<_>>()?,
            sparse: sparse.collect::<Result<_>>()?,
            indexes,
        };
        let segment = Segment::new(schema.clone(), self.len, parts);
        let dead_part = self.dead.map(|place| file.part("tombstones", place)).transpose()?;
        let dead =
            dead_part.as_ref().map(|part| read_tombstones(part, self.len)).transpose()?.unwrap_or_default();
        Ok(LiveSegment { dead: Arc::new(dead), dead_part, ..LiveSegment::new(Arc::new(segment)) })
    }

    /// The indexes: all of a kind, or none.
    fn open_indexes(&self, schema: &Schema, file: &FileParts<'_>) -> Result<Indexes> {
        let other = |found: &[Place], declared: usize| !found.is_empty() && found.len() != declared;
        if other(&self.texts, schema.text_fields().len()) {
            return Err(Error::corrupt("catalog", 0, "a segment has other text fields than its schema"));
        }
        if other(&self.sparse_indexes, schema.sparse_vectors().len()) {
            return Err(Error::corrupt("catalog", 0, "a segment has other sparse indexes than its schema"));
        }
        let fields = self.field_index.map(|place| file.part("field index", place)).transpose()?;
        let texts = self.texts.iter().map(|place| file.part("words", *place)).collect::<Result<_>>()?;
        let sparse = self.sparse_indexes.iter().map(|place| file.part("sparse index", *place));
        Ok(Indexes { fields, texts, sparse: sparse.collect::<Result<_>>()? })
    }
}

/// The places of these parts.
fn places(parts: &[Part], extents: &mut ExtentList) -> Result<Vec<Place>> {
    parts.iter().map(|part| extents.place(part)).collect()
}

impl VectorEntry {
    fn describe(vector: &VectorPart, extents: &mut ExtentList) -> Result<Self> {
        let mut blocks = Vec::with_capacity(vector.rows.blocks().len());
        for block in vector.rows.blocks() {
            blocks.push(BlockEntry::describe(block, extents)?);
        }
        let map = vector.rows.map().map(|map| extents.place(map)).transpose()?;
        let index = match &vector.index {
            None => None,
            Some(index) => Some(IndexEntry {
                quantizer: index.quantizer().to_bytes(),
                codes: extents.place(index.codes_part())?,
                graph: extents.place(index.graph_part())?,
                cells: index.cells_part().map(|part| extents.place(part)).transpose()?,
                calibration: index.calibration().clone(),
            }),
        };
        Ok(Self { blocks, map, index })
    }

    fn open(&self, ty: VectorType, len: usize, file: &FileParts<'_>) -> Result<VectorPart> {
        let blocks = self.blocks.iter().map(|block| block.open(ty, file));
        let map = self.map.map(|place| file.part("row map", place)).transpose()?;
        let rows = RowStore::open(ty, len, blocks.collect::<Result<_>>()?, map)?;
        let index = self.index.as_ref().map(|index| {
            let quantizer = Quantizer::from_bytes(&ty, &index.quantizer)?;
            let (codes, graph) = (file.part("codes", index.codes)?, file.part("graph", index.graph)?);
            let cells = index.cells.map(|place| file.part("cells", place)).transpose()?;
            VectorIndex::open(ty, quantizer, (codes, graph, cells), len)?
                .with_calibration(index.calibration.clone())
        });
        Ok(VectorPart { rows, index: index.transpose()? })
    }
}

impl BlockEntry {
    fn describe(block: &RowBlock, extents: &mut ExtentList) -> Result<Self> {
        let rows = extents.place(&block.part)?;
        let codes = match &block.codes {
            None => None,
            Some(codes) => Some((codes.quantizer().to_bytes(), extents.place(codes.part())?)),
        };
        Ok(Self { rows, len: block.len, codes })
    }

    fn open(&self, ty: VectorType, file: &FileParts<'_>) -> Result<RowBlock> {
        let codes = match &self.codes {
            None => None,
            Some((quantizer, place)) => {
                let quantizer = Quantizer::from_bytes(&ty, quantizer)?;
                Some(RowCodes::open(ty, quantizer, file.part("row codes", *place)?, self.len as usize)?)
            }
        };
        Ok(RowBlock { part: file.part("vectors", self.rows)?, len: self.len, codes })
    }
}

/// The extents of a manifest, each of which is one part.
pub(crate) struct FileParts<'a> {
    store: &'a Store,
    extents: &'a [Extent],
    /// Which of them are parts already.
    taken: RefCell<Vec<bool>>,
}

impl<'a> FileParts<'a> {
    /// The extents of `store`'s manifest.
    pub(crate) fn new(store: &'a Store, extents: &'a [Extent]) -> Self {
        Self { store, extents, taken: RefCell::new(vec![false; extents.len()]) }
    }

    /// The part at `place`. One extent is never two parts: a few bytes in the catalog can't ask for many copies of it.
    fn part(&self, name: &'static str, place: Place) -> Result<Part> {
        let problem = |what| Error::corrupt("catalog", 0, format!("{name}: extent {place} {what}"));
        let extent = self.extents.get(place as usize).ok_or_else(|| problem("is not listed"))?;
        match self.taken.borrow_mut().get_mut(place as usize) {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(problem("is named twice")),
        }
        Part::in_file(self.store, name, *extent)
    }
}

/// Tombstones as bytes.
pub(crate) fn tombstone_bytes(dead: &RoaringBitmap) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(dead.serialized_size());
    dead.serialize_into(&mut bytes).map_err(|error| Error::io("encode tombstones", error))?;
    Ok(bytes)
}

fn read_tombstones(part: &Part, len: u32) -> Result<RoaringBitmap> {
    let damaged = |problem: String| Error::corrupt("tombstones", 0, problem);
    let dead = RoaringBitmap::deserialize_from(part.all()?).map_err(|error| damaged(error.to_string()))?;
    match dead.max() {
        Some(max) if max >= len => Err(damaged(format!("slot {max} of {len}"))),
        _ => Ok(dead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryBackend;

    #[test]
    fn an_extent_is_one_part_only() {
        let store = Store::create(Arc::new(MemoryBackend::new())).unwrap();
        let mut writer = store.extent_writer(5).unwrap();
        writer.write(b"bytes").unwrap();
        let extents = [writer.finish().unwrap()];
        let parts = FileParts::new(&store, &extents);
        assert!(parts.part("ids", 1).is_err());
        assert_eq!(parts.part("ids", 0).unwrap().all().unwrap(), b"bytes");
        assert!(matches!(parts.part("fields", 0), Err(Error::Corrupt(_))));
    }
}
