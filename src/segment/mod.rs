//! Segments: immutable sets of records, in memory or in the file, read through the same views.
//!
//! ```text
//! Segment          ids     slot -> id, id -> slot          (id_table)
//!                  fields  slot -> encoded fields          (field_table)
//!                  index on the fields, for filters        (filter_index)
//!                  index on the words of text fields       (text_index, lazy_parts)
//!                  sparse vectors, each:  slot -> row, and an index   (byte_table, lazy_parts)
//!                  vectors, each:  rows   slot -> stored vector           (rows; row_codes, pick)
//!                                  index  codes and graph, when sealed    (index)
//! LiveSegment      a segment and its tombstones: the slots whose records were deleted or replaced
//! ActiveSegment    the latest records: a few small segments in memory, searched exactly (active)
//! ```
//!
//! Every part takes the same three steps: it is *built* in memory, *sealed* into bytes, and *viewed* in place. The
//! active segment uses the same bytes, so there is one way to read a record and one way to join segments
//! ([`merge`]): joining small parts of the active segment, folding it into the file, merging segments and building
//! their graph are the same function with another target.
//!
//! Invariants:
//! - a segment never changes; a delete changes the tombstones beside it;
//! - among the segments of a collection, an id is alive at most once;
//! - whatever the bytes are, reading ends in an error or an answer, never in a panic.
//!
//! Not here: which segments a collection has at a moment (`db`), and when they are merged (`db`).

mod active;
mod ahead;
mod build;
mod byte_table;
mod calibrate;
mod calibration;
mod catalog;
mod cells;
mod costs;
mod field_table;
mod filter_index;
mod filtered;
mod id_table;
mod index;
mod lazy_parts;
mod limits;
mod live;
mod log_form;
mod merge;
mod part;
mod pick;
mod record;
mod row_codes;
mod rows;
mod schema;
mod search;
mod set;
#[cfg(test)]
mod tests;
mod text_field;
mod text_index;

pub(crate) use active::ActiveSegment;
pub(crate) use ahead::VerifyAhead;
pub(crate) use build::SegmentBuilder;
pub(crate) use build::check_id;
pub(crate) use byte_table::ByteTable;
pub(crate) use calibration::Effort;
pub(crate) use catalog::FileParts;
pub(crate) use catalog::SegmentEntry;
pub(crate) use field_table::FieldTable;
pub(crate) use id_table::IdRef;
pub(crate) use id_table::IdTable;
pub(crate) use index::VectorIndex;
pub use limits::Limits;
pub(crate) use live::LiveSegment;
pub(crate) use merge::Merge;
pub(crate) use merge::Merged;
pub(crate) use merge::NOWHERE;
pub(crate) use part::ExtentList;
pub(crate) use part::Moved;
pub(crate) use part::Part;
pub(crate) use part::Target;
pub use record::Record;
pub use record::Vector;
pub(crate) use rows::RowStore;
pub use schema::Schema;
pub use schema::VectorSchema;
pub(crate) use schema::check_name;
pub(crate) use search::Known;
pub(crate) use search::Route;
pub(crate) use search::VectorQuery;
pub(crate) use search::Work;
pub(crate) use set::SegmentSet;
pub use text_field::TextField;

use self::filter_index::FilterIndex;
use self::lazy_parts::LazyParts;
use crate::error::Error;
use crate::error::Result;
use crate::field_index::FieldIndex;
use crate::field_index::Words;
use crate::filter::Filter;
use crate::ids::IdKind;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::metadata::Fields;
use crate::slots::SlotSet;
use crate::sparse;
use crate::sparse::SparseView;
use parking_lot::Mutex;
use std::sync::Arc;

/// The name of a table of sparse vectors.
const SPARSE_PART: &str = "sparse vectors";

/// An immutable set of records.
#[derive(Debug)]
pub(crate) struct Segment {
    schema: Arc<Schema>,
    len: u32,
    ids: IdTable,
    fields: FieldTable,
    filters: FilterIndex,
    texts: LazyParts,
    vectors: Vec<VectorPart>,
    /// The sparse vectors, in the schema's order.
    sparse: Vec<ByteTable>,
    sparse_indexes: LazyParts,
    /// Slots in the order of their ids, made at first use by [`Segment::slots_by_id`]: 4 bytes a record in memory.
    by_id: Mutex<Option<Arc<Vec<Slot>>>>,
}

/// What a segment is made of.
pub(crate) struct SegmentParts {
    pub(crate) ids: IdTable,
    pub(crate) fields: FieldTable,
    /// The vectors, in the schema's order.
    pub(crate) vectors: Vec<VectorPart>,
    /// The sparse vectors, in the schema's order.
    pub(crate) sparse: Vec<ByteTable>,
    pub(crate) indexes: Indexes,
}

/// The indexes of a segment in the file; a segment in memory has none, and makes them when they are asked for.
#[derive(Default)]
pub(crate) struct Indexes {
    pub(crate) fields: Option<Part>,
    /// One for each text field.
    pub(crate) texts: Vec<Part>,
    /// One for each sparse vector.
    pub(crate) sparse: Vec<Part>,
}

/// One vector of a segment's records.
#[derive(Clone, Debug)]
pub(crate) struct VectorPart {
    pub(crate) rows: RowStore,
    pub(crate) index: Option<VectorIndex>,
}

impl Segment {
    /// A segment of these parts.
    pub(crate) fn new(schema: Arc<Schema>, len: u32, parts: SegmentParts) -> Self {
        let SegmentParts { ids, fields, vectors, sparse, indexes } = parts;
        Self {
            schema,
            len,
            ids,
            fields,
            filters: FilterIndex::new(indexes.fields),
            texts: LazyParts::new(indexes.texts),
            vectors,
            sparse,
            sparse_indexes: LazyParts::new(indexes.sparse),
            by_id: Mutex::new(None),
        }
    }

    /// Number of slots, dead ones included.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The kind of the ids.
    pub(crate) fn id_kind(&self) -> IdKind {
        self.ids.kind()
    }

    /// The schema of the records.
    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The vectors, in the schema's order.
    pub(crate) fn vectors(&self) -> &[VectorPart] {
        &self.vectors
    }

    /// The fields.
    pub(crate) fn field_table(&self) -> &FieldTable {
        &self.fields
    }

    /// The sparse vectors, in the schema's order.
    pub(crate) fn sparse(&self) -> &[ByteTable] {
        &self.sparse
    }

    /// True where a graph leads to the records.
    pub(crate) fn has_graph(&self) -> bool {
        !self.vectors.is_empty() && self.is_built()
    }

    /// True where there is no graph to be built.
    pub(crate) fn is_built(&self) -> bool {
        self.vectors.iter().all(|vector| vector.index.is_some())
    }

    /// Bytes of all parts.
    pub(crate) fn bytes(&self) -> usize {
        let mut sum = 0;
        self.for_each_part(&mut |part| sum += part.len());
        sum
    }

    /// Calls `f` with each part.
    pub(crate) fn for_each_part(&self, f: &mut dyn FnMut(&Part)) {
        f(self.ids.part());
        f(self.fields.part());
        self.filters.part().into_iter().for_each(&mut *f);
        self.texts.sealed().iter().for_each(&mut *f);
        self.sparse.iter().for_each(|table| f(table.part()));
        self.sparse_indexes.sealed().iter().for_each(&mut *f);
        for vector in &self.vectors {
            for block in vector.rows.blocks() {
                f(&block.part);
                block.codes.iter().for_each(|codes| f(codes.part()));
            }
            vector.rows.map().into_iter().for_each(&mut *f);
            if let Some(index) = &vector.index {
                f(index.codes_part());
                f(index.graph_part());
                index.cells_part().into_iter().for_each(&mut *f);
            }
        }
    }

    /// The id at `slot`.
    pub(crate) fn id(&self, slot: Slot) -> Result<RecordId> {
        Ok(self.ids.id(slot)?.to_id())
    }

    /// Asks the processor's cache for the id at `slot`.
    pub(crate) fn prefetch_id(&self, slot: Slot) {
        self.ids.prefetch(slot);
    }

    /// The id at `slot`, not copied.
    pub(crate) fn id_ref(&self, slot: Slot) -> Result<IdRef<'_>> {
        self.ids.id(slot)
    }

    /// The slot of `id`, dead or alive.
    pub(crate) fn find(&self, id: IdRef<'_>) -> Result<Option<Slot>> {
        self.ids.find(id)
    }

    /// The fields at `slot`.
    pub(crate) fn fields(&self, slot: Slot) -> Result<Fields> {
        self.fields.fields(slot)
    }

    /// Gives `f` the index on the fields. Where there is none in the file, the first call makes it in memory.
    pub(crate) fn with_field_index<R>(&self, f: impl FnOnce(&FieldIndex<'_>) -> Result<R>) -> Result<R> {
        self.filters.with(&self.fields, self.schema.unindexed_fields(), f)
    }

    /// Number and bytes of the answers to filters that are kept.
    pub(crate) fn kept_filters(&self) -> (usize, usize) {
        self.filters.kept_answers()
    }

    /// The slots whose records pass a filter, dead ones among them. `words` answers what is asked of words.
    pub(crate) fn matching(&self, filter: &Filter, words: &Words<'_>) -> Result<Arc<SlotSet>> {
        self.filters.matching(&self.fields, self.schema.unindexed_fields(), filter, words)
    }

    /// The keyword index of the text field at this place of the schema. Where there is none in the file, the first call makes it
    /// in memory.
    pub(crate) fn text_part(&self, place: usize) -> Result<Part> {
        let field = self.schema.text_fields().get(place);
        let field = field.ok_or_else(|| Error::corrupt("schema", 0, format!("no text field {place}")))?;
        self.texts.part(place, || text_index::build(field, &self.fields))
    }

    /// The index of the sparse vector at this place of the schema, as [`text_part`](Self::text_part) gives it.
    pub(crate) fn sparse_part(&self, place: usize) -> Result<Part> {
        let table = self.sparse_table(place)?;
        self.sparse_indexes.part(place, || sparse::build(table.rows()))
    }

    /// The rows of the sparse vector at this place of the schema.
    pub(crate) fn sparse_table(&self, place: usize) -> Result<&ByteTable> {
        let missing = || Error::corrupt("schema", 0, format!("no sparse vector {place}"));
        self.sparse.get(place).ok_or_else(missing)
    }

    /// The whole record at `slot`.
    pub(crate) fn record(&self, slot: Slot) -> Result<Record> {
        let mut record = Record::new(self.id(slot)?).with_fields(self.fields(slot)?);
        for (schema, vector) in self.schema.vectors().iter().zip(&self.vectors) {
            let (row, _) = vector.rows.row(slot)?;
            record = record.named_vector(schema.name(), Vector::from_row(schema.ty(), row));
        }
        for (name, table) in self.schema.sparse_vectors().iter().zip(&self.sparse) {
            if let Some(vector) = sparse::decode(table.row(slot)?)? {
                record = record.sparse(name, vector);
            }
        }
        Ok(record)
    }

    /// Slots in the order of their ids.
    pub(crate) fn slots_by_id(&self) -> Result<Arc<Vec<Slot>>> {
        let mut cached = self.by_id.lock();
        if let Some(slots) = &*cached {
            return Ok(slots.clone());
        }
        let ids = (0..self.len).map(|slot| self.ids.id(slot)).collect::<Result<Vec<_>>>()?;
        let mut slots: Vec<Slot> = (0..self.len).collect();
        slots.sort_unstable_by_key(|slot| ids[*slot as usize]);
        Ok(cached.insert(Arc::new(slots)).clone())
    }

    /// The indexes in the file with each replaced by what `f` makes of its name and itself.
    fn map_indexes(&self, f: &mut dyn FnMut(&'static str, &Part) -> Result<Part>) -> Result<Indexes> {
        let fields = self.filters.part().map(|part| f("field index", part)).transpose()?;
        let texts = self.texts.sealed().iter().map(|part| f("words", part)).collect::<Result<_>>()?;
        let sparse = self.sparse_indexes.sealed().iter().map(|part| f("sparse index", part));
        let sparse = sparse.collect::<Result<_>>()?;
        Ok(Indexes { fields, texts, sparse })
    }

    /// Checks every part, and that the parts fit each other.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is not general enough in its lifetimes"
    )]
    pub(crate) fn verify(&self) -> Result<()> {
        self.ids.verify()?;
        self.fields.verify()?;
        if self.filters.part().is_some() {
            self.with_field_index(|index| index.verify())?;
        }
        self.texts.sealed().iter().try_for_each(text_index::verify)?;
        self.verify_sparse()?;
        for vector in &self.vectors {
            vector.rows.verify()?;
            vector.index.iter().try_for_each(VectorIndex::verify)?;
        }
        Ok(())
    }

    fn verify_sparse(&self) -> Result<()> {
        for table in &self.sparse {
            table.part().verify()?;
            table.rows().try_for_each(|row| sparse::decode(row?).map(drop))?;
        }
        for (part, table) in self.sparse_indexes.sealed().iter().zip(&self.sparse) {
            part.verify()?;
            SparseView::open(part, self.len)?.verify(table.rows())?;
        }
        Ok(())
    }
}
