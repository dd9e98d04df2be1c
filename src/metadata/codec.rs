//! Fields as bytes and back; the layout stands in the module's documentation.

use super::Fields;
use super::MAX_DEPTH;
use super::Value;
use super::reader::FieldReader;
use super::reader::Token;
use crate::codec::ByteWriter;
use crate::error::Result;
use std::collections::BTreeMap;

/// Appends `fields` to `out`; the error says which field can't be stored, and why.
pub(crate) fn encode(fields: &Fields, out: &mut ByteWriter) -> Result<(), String> {
    out.varint(fields.len() as u64);
    for (name, value) in fields.iter() {
        out.string(name);
        encode_value(value, out, 1).map_err(|problem| format!("field '{name}' {problem}"))?;
    }
    Ok(())
}

/// The number of bytes that [`encode`] writes for one value, or why it can't be stored.
pub(crate) fn encoded_len(value: &Value) -> Result<usize, String> {
    let mut out = ByteWriter::new();
    encode_value(value, &mut out, 1)?;
    Ok(out.len())
}

fn encode_value(value: &Value, out: &mut ByteWriter, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("is nested more than {MAX_DEPTH} deep"));
    }
    match value {
        Value::Null => out.u8(0),
        Value::Bool(truth) => out.u8(1 + u8::from(*truth)),
        Value::I64(number) => {
            out.u8(3);
            out.varint(((number << 1) ^ (number >> 63)) as u64);
        }
        Value::F64(number) if !number.is_finite() => return Err(format!("is {number}, not a finite number")),
        Value::F64(number) => {
            out.u8(4);
            out.f64(*number);
        }
        Value::Str(text) => {
            out.u8(5);
            out.string(text);
        }
        Value::DateTime(instant) => {
            out.u8(6);
            out.u64(instant.unix_micros() as u64);
        }
        Value::Geo(place) => {
            out.u8(7);
            out.f64(place.lat());
            out.f64(place.lon());
        }
        Value::Array(values) => {
            out.u8(8);
            out.varint(values.len() as u64);
            for value in values {
                encode_value(value, out, depth + 1)?;
            }
        }
        Value::Map(map) => {
            out.u8(9);
            out.varint(map.len() as u64);
            for (name, value) in map {
                out.string(name);
                encode_value(value, out, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// The fields in `bytes`, which hold nothing else.
pub(crate) fn decode(bytes: &[u8]) -> Result<Fields> {
    let mut reader = FieldReader::new(bytes);
    let count = reader.count()?;
    let map = decode_map(&mut reader, count, 0)?;
    reader.finish()?;
    Ok(Fields::from(map))
}

fn decode_map(reader: &mut FieldReader<'_>, count: usize, depth: usize) -> Result<BTreeMap<String, Value>> {
    let mut map = BTreeMap::new();
    for _ in 0..count {
        let name = reader.name()?.to_owned();
        let value = decode_value(reader, depth + 1)?;
        if map.insert(name, value).is_some() {
            return Err(reader.error("a name appears twice"));
        }
    }
    Ok(map)
}

fn decode_value(reader: &mut FieldReader<'_>, depth: usize) -> Result<Value> {
    reader.check_depth(depth)?;
    Ok(match reader.token()? {
        Token::Null => Value::Null,
        Token::Bool(truth) => Value::Bool(truth),
        Token::I64(number) => Value::I64(number),
        Token::F64(number) => Value::F64(number),
        Token::Str(text) => Value::Str(text.to_owned()),
        Token::DateTime(instant) => Value::DateTime(instant),
        Token::Geo(place) => Value::Geo(place),
        Token::Array(count) => {
            let mut values = Vec::new();
            for _ in 0..count {
                values.push(decode_value(reader, depth + 1)?);
            }
            Value::Array(values)
        }
        Token::Map(count) => Value::Map(decode_map(reader, count, depth)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::DateTime;
    use crate::metadata::GeoPoint;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::I64),
            (-1e300..1e300).prop_map(Value::F64),
            ".{0,12}".prop_map(Value::Str),
            any::<i64>().prop_map(|micros| Value::DateTime(DateTime::from_unix_micros(micros))),
            (-90.0..90.0, -180.0..180.0).prop_map(|(lat, lon)| Value::Geo(GeoPoint::new(lat, lon).unwrap())),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::btree_map("[a-z]{1,4}", inner, 0..5).prop_map(Value::Map),
            ]
        })
    }

    fn encoded(fields: &Fields) -> Vec<u8> {
        let mut out = ByteWriter::new();
        encode(fields, &mut out).unwrap();
        out.finish()
    }

    proptest! {
        #[test]
        fn fields_come_back(map in prop::collection::btree_map("[a-z]{1,6}", any_value(), 0..6)) {
            let fields = Fields::from(map);
            prop_assert_eq!(decode(&encoded(&fields)).unwrap(), fields);
        }

        #[test]
        fn damaged_bytes_are_read_or_refused(
            map in prop::collection::btree_map("[a-z]{1,6}", any_value(), 0..6),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = encoded(&Fields::from(map));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes);
            let _ = decode(&bytes[..at]);
        }
    }

    fn nested(depth: usize) -> Value {
        (1..depth).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn nesting_is_bounded_both_ways() {
        assert!(encoded_len(&nested(MAX_DEPTH)).is_ok());
        assert!(encoded_len(&nested(MAX_DEPTH + 1)).is_err());
        let mut hostile = vec![1, 1, b'a'];
        hostile.extend([8, 1].repeat(100_000));
        assert!(decode(&hostile).is_err());
        let deepest = Fields::from_iter([("a", nested(MAX_DEPTH))]);
        assert_eq!(decode(&encoded(&deepest)).unwrap(), deepest);
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        for number in [f64::NAN, f64::INFINITY] {
            assert!(encoded_len(&Value::F64(number)).is_err());
        }
    }
}
