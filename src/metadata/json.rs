//! Values and fields from and to serde's data model, which for most users is JSON.

use super::Fields;
use super::GeoPoint;
use super::Value;
use serde::Deserialize;
use serde::Serialize;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde::ser::SerializeMap;
use serde::ser::Serializer;
use std::collections::BTreeMap;
use std::fmt;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::I64(number) => serializer.serialize_i64(*number),
            Self::F64(number) => serializer.serialize_f64(*number),
            Self::Str(text) => serializer.serialize_str(text),
            Self::DateTime(instant) => serializer.collect_str(instant),
            Self::Geo(place) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("lat", &place.lat())?;
                map.serialize_entry("lon", &place.lon())?;
                map.end()
            }
            Self::Array(values) => serializer.collect_seq(values),
            Self::Map(map) => serializer.collect_map(map),
        }
    }
}

/// JSON's kinds; a map of exactly the numbers `lat` and `lon`, in range, is a place.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a bool, a number, text, an array or a map")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::I64(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::I64)
            .map_err(|_| E::custom(format!("{number} is over the largest integer, {}", i64::MAX)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::F64(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Str(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the name '{name}' appears twice")));
            }
            map.insert(name, value);
        }
        Ok(place_in(&map).map_or(Value::Map(map), Value::Geo))
    }
}

fn place_in(map: &BTreeMap<String, Value>) -> Option<GeoPoint> {
    if map.len() != 2 {
        return None;
    }
    GeoPoint::new(map.get("lat")?.as_f64()?, map.get("lon")?.as_f64()?)
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_comes_back_as_it_was() {
        let text = r#"{"a":[1,2.5,null,true],"b":{"lat":1.5,"lon":-2.0},"c":{"d":"x\"\n\u0001"}}"#;
        let fields: Fields = serde_json::from_str(text).unwrap();
        assert_eq!(fields["b"], Value::Geo(GeoPoint::new(1.5, -2.0).unwrap()));
        assert_eq!(fields.to_string(), text);
        assert_eq!(serde_json::to_string(&fields).unwrap(), text);
    }

    #[test]
    fn a_number_over_the_range_is_refused() {
        assert!(serde_json::from_str::<Value>("18446744073709551615").is_err());
    }
}
