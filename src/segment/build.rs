//! [`SegmentBuilder`]: records, checked one by one, become a small segment in memory.

use super::ByteTable;
use super::FieldTable;
use super::IdRef;
use super::IdTable;
use super::Indexes;
use super::Limits;
use super::Record;
use super::RowStore;
use super::SPARSE_PART;
use super::Schema;
use super::Segment;
use super::SegmentParts;
use super::Target;
use super::VectorPart;
use super::check_name;
use super::part::Part;
use super::rows::RowBlock;
use crate::codec::ByteWriter;
use crate::error::Error;
use crate::error::Result;
use crate::ids::IdKind;
use crate::ids::RecordId;
use crate::metadata;
use crate::metadata::Fields;
use crate::metadata::Value;
use crate::sparse;
use crate::sparse::SparseVector;
use crate::vector::Metric;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

/// Gathers records of one schema. A record with the id of an earlier one takes its place.
pub(crate) struct SegmentBuilder<'a> {
    schema: Arc<Schema>,
    limits: &'a Limits,
    kind: Option<IdKind>,
    places: HashMap<RecordId, usize>,
    records: Vec<Encoded>,
    /// Number of records added, those that others took the place of included.
    added: usize,
    /// Bytes of these.
    bytes: usize,
}

/// A record as it will lie in the segment.
struct Encoded {
    id: RecordId,
    /// Stored row and inverse norm of each vector.
    rows: Vec<(Vec<u8>, f32)>,
    /// Stored row of each sparse vector.
    sparse: Vec<Vec<u8>>,
    fields: Vec<u8>,
}

impl Encoded {
    /// Bytes of vectors and fields.
    fn bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(|(row, _)| row.len()).sum();
        rows + self.sparse.iter().map(Vec::len).sum::<usize>() + self.fields.len()
    }
}

impl<'a> SegmentBuilder<'a> {
    /// Gathers records with ids of `kind`, or of the first one's kind.
    pub(crate) fn new(schema: Arc<Schema>, kind: Option<IdKind>, limits: &'a Limits) -> Self {
        Self { schema, limits, kind, places: HashMap::new(), records: Vec::new(), added: 0, bytes: 0 }
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// True where `id` was added.
    pub(crate) fn contains(&self, id: &RecordId) -> bool {
        self.places.contains_key(id)
    }

    /// The ids added, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &RecordId> {
        self.records.iter().map(|record| &record.id)
    }

    /// Adds a record, or says why it can't be stored.
    pub(crate) fn add(&mut self, record: Record) -> Result<()> {
        check_id(record.id(), self.kind, self.limits)?;
        let encoded = self.encode(record)?;
        self.bytes += encoded.bytes();
        self.added += 1;
        Limits::check("number of records in a batch", self.added, self.limits.batch_records)?;
        Limits::check("bytes of a batch", self.bytes, self.limits.batch_bytes)?;
        self.kind = Some(encoded.id.kind());
        match self.places.get(&encoded.id) {
            Some(place) => self.records[*place] = encoded,
            None => {
                self.places.insert(encoded.id.clone(), self.records.len());
                self.records.push(encoded);
            }
        }
        Ok(())
    }

    fn encode(&self, record: Record) -> Result<Encoded> {
        let (id, vectors, sparse, fields) = record.into_parts();
        let fields = self.encode_fields(&id, &fields)?;
        for (name, _) in &vectors {
            self.schema.vector_index(name)?;
        }
        let mut rows = Vec::with_capacity(vectors.len());
        for vector in self.schema.vectors() {
            let Some((_, given)) = vectors.iter().find(|(name, _)| name == vector.name()) else {
                let problem = format!("the vector '{}' is missing", vector.name());
                return Err(Error::InvalidRecord { record: id.to_string(), problem });
            };
            let mut row = Vec::with_capacity(vector.ty().row_bytes());
            let norm = given.encode(vector.name(), vector.ty(), &mut row)?;
            rows.push((row, norm));
        }
        Ok(Encoded { id, rows, sparse: self.encode_sparse(&sparse)?, fields })
    }

    /// The rows of the sparse vectors; no bytes for one that is not given.
    fn encode_sparse(&self, given: &[(String, SparseVector)]) -> Result<Vec<Vec<u8>>> {
        given.iter().try_for_each(|(name, _)| self.schema.sparse_index(name).map(drop))?;
        let row = |name: &String| {
            let mut out = ByteWriter::new();
            if let Some((_, vector)) = given.iter().find(|(other, _)| other == name) {
                let what = format!("number of terms of sparse vector '{name}'");
                Limits::check(what, vector.len(), self.limits.sparse_terms)?;
                sparse::encode(&vector.sorted(name)?, &mut out);
            }
            Ok(out.finish())
        };
        self.schema.sparse_vectors().iter().map(row).collect()
    }

    fn encode_fields(&self, id: &RecordId, fields: &Fields) -> Result<Vec<u8>> {
        let invalid = |problem| Error::InvalidRecord { record: id.to_string(), problem };
        Limits::check(format!("number of fields of record {id}"), fields.len(), self.limits.fields)?;
        let mut rest_bytes = 0;
        for (name, value) in fields.iter() {
            check_field_name(name, &self.schema, self.limits)?;
            check_value(value, self.limits)?;
            match value {
                Value::Str(text) => {
                    Limits::check(format!("text of field '{name}'"), text.len(), self.limits.text_bytes)?;
                }
                value => {
                    rest_bytes += metadata::encoded_len(value)
                        .map_err(|problem| invalid(format!("field '{name}' {problem}")))?;
                }
            }
        }
        Limits::check(format!("fields of record {id}"), rest_bytes, self.limits.fields_bytes)?;
        let mut out = ByteWriter::new();
        metadata::encode(fields, &mut out).map_err(invalid)?;
        Ok(out.finish())
    }

    /// The records as a segment in memory, or `None` where there are none.
    pub(crate) fn finish(self) -> Result<Option<Segment>> {
        let Some(kind) = self.kind.filter(|_| !self.records.is_empty()) else { return Ok(None) };
        let target = Target::Memory;
        let len = self.records.len();
        let ids: Vec<IdRef<'_>> = self.ids().map(IdRef::from).collect();
        let ids = IdTable::write(&target, kind, &ids)?;
        let fields =
            FieldTable::write(&target, self.records.iter().map(|record| Ok(record.fields.as_slice())))?;
        let vectors = (0..self.schema.vectors().len()).map(|v| self.rows(v)).collect::<Result<_>>()?;
        let tables = (0..self.schema.sparse_vectors().len()).map(|place| {
            let rows = self.records.iter().map(|record| Ok(record.sparse[place].as_slice()));
            ByteTable::write(&target, SPARSE_PART, rows)
        });
        let sparse = tables.collect::<Result<_>>()?;
        let parts = SegmentParts { ids, fields, vectors, sparse, indexes: Indexes::default() };
        Ok(Some(Segment::new(self.schema.clone(), len as u32, parts)))
    }

    fn rows(&self, vector: usize) -> Result<VectorPart> {
        let ty = *self.schema.vectors()[vector].ty();
        let mut out = ByteWriter::new();
        let rows = || self.records.iter().map(|record| &record.rows[vector]);
        rows().for_each(|(row, _)| out.bytes(row));
        out.pad(64);
        if ty.metric == Metric::Cosine {
            rows().for_each(|(_, norm)| out.f32(*norm));
        }
        let block = RowBlock::new(Part::in_memory(out.finish()), self.records.len() as u32);
        Ok(VectorPart { rows: RowStore::open(ty, self.records.len(), vec![block], None)?, index: None })
    }
}

/// `Ok` where `id` can be stored in a collection whose ids are of `kind`.
pub(crate) fn check_id(id: &RecordId, kind: Option<IdKind>, limits: &Limits) -> Result<()> {
    if let RecordId::Str(text) = id {
        if text.is_empty() {
            return Err(Error::InvalidRecord { record: id.to_string(), problem: "the id is empty".into() });
        }
        Limits::check("id", text.len(), limits.id_bytes)?;
    }
    match kind {
        Some(kind) if kind != id.kind() => {
            let problem = format!("the id {id} is a {}; the collection's ids are of kind {kind}", id.kind());
            Err(Error::Schema { problem })
        }
        _ => Ok(()),
    }
}

fn check_field_name(name: &str, schema: &Schema, limits: &Limits) -> Result<()> {
    check_name("field", name, limits)?;
    if schema.vectors().iter().any(|vector| vector.name() == name) {
        return Err(Error::Schema { problem: format!("the field '{name}' has the name of a vector") });
    }
    if schema.sparse_vectors().iter().any(|vector| vector == name) {
        return Err(Error::Schema { problem: format!("the field '{name}' has the name of a sparse vector") });
    }
    Ok(())
}

/// Names and counts in nested values; depth and numbers are checked by the encoder.
fn check_value(value: &Value, limits: &Limits) -> Result<()> {
    // Walked with a stack: the nesting of a value that was not encoded yet has no bound.
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(values) => pending.extend(values),
            Value::Map(map) => {
                check_names(map, limits)?;
                pending.extend(map.values());
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_names(map: &BTreeMap<String, Value>, limits: &Limits) -> Result<()> {
    Limits::check("number of names in a map", map.len(), limits.fields)?;
    map.keys().filter(|name| *name != "id").try_for_each(|name| check_name("field", name, limits))
}
