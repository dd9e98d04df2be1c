//! Control records (manifest, catalog, schema) as bytes and back.
//!
//! This is the only file that names bincode, so that replacing it is one file's work. Bulk data never passes here.

use crate::error::Error;
use crate::error::Result;
use bincode::config::Configuration;
use bincode::config::Fixint;
use bincode::config::Limit;
use bincode::config::LittleEndian;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No control record is larger than this: it bounds what a damaged length can make the decoder allocate.
const MAX_BYTES: usize = 64 << 20;

fn config() -> Configuration<LittleEndian, Fixint, Limit<MAX_BYTES>> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MAX_BYTES>()
}

/// The bytes of a control record.
///
/// # Errors
/// `TooLarge` where it exceeds 64 MiB.
pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    bincode::serde::encode_to_vec(record, config()).map_err(|_| Error::TooLarge {
        what: "control record".into(),
        found: MAX_BYTES as u64 + 1,
        limit: MAX_BYTES as u64,
    })
}

/// The control record in `bytes`; bytes left over are an error. `part` names it in errors.
pub(crate) fn decode<T: DeserializeOwned>(part: &'static str, bytes: &[u8]) -> Result<T> {
    let (record, used) = bincode::serde::decode_from_slice(bytes, config())
        .map_err(|_| Error::corrupt(part, 0, "its bytes are no such record"))?;
    match used == bytes.len() {
        true => Ok(record),
        false => Err(Error::corrupt(part, used as u64, "bytes too many")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_record_comes_back_and_damage_is_an_error() {
        let record: BTreeMap<String, Vec<u64>> =
            BTreeMap::from([("a".into(), vec![1, 2]), ("b".into(), vec![])]);
        let bytes = encode(&record).unwrap();
        assert_eq!(decode::<BTreeMap<String, Vec<u64>>>("test", &bytes).unwrap(), record);
        for end in 0..bytes.len() {
            assert!(decode::<BTreeMap<String, Vec<u64>>>("test", &bytes[..end]).is_err());
        }
        let mut huge = bytes;
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(decode::<BTreeMap<String, Vec<u64>>>("test", &huge).is_err());
    }
}
