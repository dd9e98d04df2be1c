//! Records as they lie in a frame of the log: the parts of the small segment that a commit added, one after another.

use super::ByteTable;
use super::FieldTable;
use super::IdTable;
use super::Indexes;
use super::RowStore;
use super::SPARSE_PART;
use super::Schema;
use super::Segment;
use super::SegmentParts;
use super::VectorPart;
use super::part::Part;
use super::rows::RowBlock;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use std::sync::Arc;

impl Segment {
    /// Appends the segment, which was built from records and not merged, to a frame.
    pub(crate) fn write_log(&self, out: &mut ByteWriter) -> Result<()> {
        out.u32(self.len);
        out.prefixed(self.ids.part().all()?);
        out.prefixed(self.fields.part().all()?);
        for vector in &self.vectors {
            let block = vector.rows.blocks().first();
            let block = block.ok_or_else(|| Error::corrupt("log", 0, "a batch without rows"))?;
            out.prefixed(block.part.all()?);
        }
        self.sparse.iter().try_for_each(|table| {
            out.prefixed(table.part().all()?);
            Ok(())
        })
    }

    /// Reads what [`Segment::write_log`] wrote.
    pub(crate) fn read_log(schema: &Arc<Schema>, reader: &mut ByteReader<'_>) -> Result<Self> {
        let len = reader.u32()?;
        let mut part = || reader.prefixed().map(|bytes| Part::in_memory(bytes.to_vec()));
        let ids = IdTable::open(part()?, len as usize)?;
        let fields = FieldTable::open(part()?, len as usize)?;
        let mut vectors = Vec::with_capacity(schema.vectors().len());
        for vector in schema.vectors() {
            let block = RowBlock::new(part()?, len);
            let rows = RowStore::open(*vector.ty(), len as usize, vec![block], None)?;
            vectors.push(VectorPart { rows, index: None });
        }
        let tables = schema.sparse_vectors().iter();
        let sparse =
            tables.map(|_| ByteTable::open(SPARSE_PART, part()?, len as usize)).collect::<Result<_>>()?;
        let parts = SegmentParts { ids, fields, vectors, sparse, indexes: Indexes::default() };
        Ok(Self::new(schema.clone(), len, parts))
    }
}
