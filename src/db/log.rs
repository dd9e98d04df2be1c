//! What a commit does, as it lies in a frame of the log.
//!
//! ```text
//! frame  := count:varint op*
//! op     := 1 collection:u32 name:string schema:bytes     create a collection
//!         | 2 collection:u32                              drop it
//!         | 3 collection:u32 batch                        put records in (see `segment`), replacing by id
//!         | 4 collection:u32 count:varint id*             delete records
//! id     := 0 u64 | 1 string
//! ```
//!
//! An update of some fields is logged as the whole record: replaying a frame needs nothing but the frame.

use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::control;
use crate::error::Result;
use crate::ids::RecordId;
use crate::segment::Limits;
use crate::segment::Schema;
use crate::segment::Segment;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One step of a commit.
pub(super) enum Op {
    /// Creates a collection.
    Create {
        /// Its number.
        id: u32,
        /// Its name.
        name: String,
        /// Its schema.
        schema: Arc<Schema>,
    },
    /// Drops a collection.
    Drop {
        /// Its number.
        id: u32,
    },
    /// Puts records in, each in place of the one with its id.
    Upsert {
        /// The collection's number.
        collection: u32,
        /// The records.
        segment: Arc<Segment>,
    },
    /// Deletes records.
    Delete {
        /// The collection's number.
        collection: u32,
        /// Their ids.
        ids: Vec<RecordId>,
    },
}

impl Op {
    /// About how many bytes the op takes in a frame.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Create { .. } | Self::Drop { .. } => 64,
            Self::Upsert { segment, .. } => segment.bytes(),
            Self::Delete { ids, .. } => ids.iter().map(|id| id.as_str().map_or(9, str::len) + 2).sum(),
        }
    }

    fn encode(&self, out: &mut ByteWriter) -> Result<()> {
        match self {
            Self::Create { id, name, schema } => {
                out.u8(1);
                out.u32(*id);
                out.string(name);
                out.prefixed(&control::encode(&**schema)?);
            }
            Self::Drop { id } => {
                out.u8(2);
                out.u32(*id);
            }
            Self::Upsert { collection, segment } => {
                out.u8(3);
                out.u32(*collection);
                segment.write_log(out)?;
            }
            Self::Delete { collection, ids } => {
                out.u8(4);
                out.u32(*collection);
                out.varint(ids.len() as u64);
                ids.iter().for_each(|id| encode_id(id, out));
            }
        }
        Ok(())
    }
}

fn encode_id(id: &RecordId, out: &mut ByteWriter) {
    match id {
        RecordId::U64(number) => {
            out.u8(0);
            out.u64(*number);
        }
        RecordId::Str(text) => {
            out.u8(1);
            out.string(text);
        }
    }
}

fn decode_id(reader: &mut ByteReader<'_>) -> Result<RecordId> {
    match reader.u8()? {
        0 => Ok(RecordId::U64(reader.u64()?)),
        1 => Ok(RecordId::Str(reader.string()?.to_owned())),
        other => Err(reader.error(format!("unknown kind of id {other}"))),
    }
}

/// The payload of the frame that does `ops`.
pub(super) fn encode(ops: &[Op]) -> Result<Vec<u8>> {
    let mut out = ByteWriter::new();
    out.varint(ops.len() as u64);
    ops.iter().try_for_each(|op| op.encode(&mut out))?;
    Ok(out.finish())
}

/// Calls `apply` with each op of a frame's payload; `schemas` gives the schema of each collection by number and
/// learns those that the frame creates.
pub(super) fn replay(
    payload: &[u8],
    schemas: &mut BTreeMap<u32, Arc<Schema>>,
    apply: &mut dyn FnMut(&Op) -> Result<()>,
) -> Result<()> {
    let mut reader = ByteReader::new("log", payload);
    for _ in 0..reader.count(5)? {
        apply(&decode(&mut reader, schemas)?)?;
    }
    reader.finish()
}

fn decode(reader: &mut ByteReader<'_>, schemas: &mut BTreeMap<u32, Arc<Schema>>) -> Result<Op> {
    let (tag, id) = (reader.u8()?, reader.u32()?);
    Ok(match tag {
        1 => {
            let name = reader.string()?.to_owned();
            let schema: Schema = control::decode("log", reader.prefixed()?)?;
            schema.check(&Limits::default()).map_err(|error| reader.error(error.to_string()))?;
            let schema = Arc::new(schema);
            schemas.insert(id, schema.clone());
            Op::Create { id, name, schema }
        }
        2 => Op::Drop { id },
        3 => {
            let schema = schemas.get(&id).cloned();
            let schema = schema.ok_or_else(|| reader.error(format!("no collection has the number {id}")))?;
            Op::Upsert { collection: id, segment: Arc::new(Segment::read_log(&schema, reader)?) }
        }
        4 => {
            let count = reader.count(2)?;
            let ids = (0..count).map(|_| decode_id(reader)).collect::<Result<_>>()?;
            Op::Delete { collection: id, ids }
        }
        other => return Err(reader.error(format!("unknown step {other}"))),
    })
}
