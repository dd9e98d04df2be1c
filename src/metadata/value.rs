//! [`Value`], [`Fields`] and places, a kind of value that JSON lacks.

use super::DateTime;
use std::collections::BTreeMap;
use std::fmt;

/// The value of one field: JSON's kinds, and instants and places.
///
/// ```
/// use lodedb::Value;
///
/// let tags = Value::from(vec!["gold", "silver"]);
/// assert_eq!(tags.to_string(), r#"["gold","silver"]"#);
/// assert_eq!(Value::from(1849).as_i64(), Some(1849));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// Known to be nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A finite number.
    F64(f64),
    /// Text.
    Str(String),
    /// An instant.
    DateTime(DateTime),
    /// A place on Earth.
    Geo(GeoPoint),
    /// Values in order.
    Array(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

/// A place on Earth in decimal degrees (WGS 84).
///
/// ```
/// use lodedb::GeoPoint;
///
/// let almaden = GeoPoint::new(38.775, -4.848).expect("both are in range");
/// assert_eq!((almaden.lat(), almaden.lon()), (38.775, -4.848));
/// assert!(GeoPoint::new(91.0, 0.0).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoPoint {
    lat: f64,
    lon: f64,
}

impl GeoPoint {
    /// A place; `None` where the latitude is outside -90..=90 or the longitude outside -180..=180.
    #[must_use]
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        let valid = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
        valid.then_some(Self { lat, lon })
    }

    /// Degrees north.
    #[must_use]
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Degrees east.
    #[must_use]
    pub fn lon(self) -> f64 {
        self.lon
    }
}

impl Value {
    /// The name of this kind of value, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::I64(_) => "integer",
            Self::F64(_) => "float",
            Self::Str(_) => "string",
            Self::DateTime(_) => "datetime",
            Self::Geo(_) => "geo point",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
        }
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::I64(number) => Some(*number),
            _ => None,
        }
    }

    /// The number as a float, if this is a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::I64(number) => Some(*number as f64),
            Self::F64(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The values, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }
}

/// Written as JSON; instants as RFC 3339 text, places as `{"lat":..,"lon":..}`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::I64(number) => write!(f, "{number}"),
            Self::F64(number) => write!(f, "{number:?}"),
            Self::Str(text) => write_json_string(f, text),
            Self::DateTime(instant) => write!(f, "\"{instant}\""),
            Self::Geo(place) => write!(f, "{{\"lat\":{:?},\"lon\":{:?}}}", place.lat, place.lon),
            Self::Array(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(map) => write_json_map(f, map),
        }
    }
}

fn write_json_map(f: &mut fmt::Formatter<'_>, map: &BTreeMap<String, Value>) -> fmt::Result {
    f.write_str("{")?;
    for (i, (name, value)) in map.iter().enumerate() {
        f.write_str(if i > 0 { "," } else { "" })?;
        write_json_string(f, name)?;
        write!(f, ":{value}")?;
    }
    f.write_str("}")
}

fn write_json_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::I64(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::I64(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::I64(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::F64(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<DateTime> for Value {
    fn from(instant: DateTime) -> Self {
        Self::DateTime(instant)
    }
}

impl From<GeoPoint> for Value {
    fn from(place: GeoPoint) -> Self {
        Self::Geo(place)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Map(fields.map)
    }
}

/// A record's fields: values by name, in the order of their names.
///
/// ```
/// use lodedb::{Fields, Value};
///
/// let fields: Fields = [("name", Value::from("Cinnabar")), ("density", Value::from(8.18))].into_iter().collect();
/// assert_eq!(fields["name"].as_str(), Some("Cinnabar"));
/// assert_eq!(fields.to_string(), r#"{"density":8.18,"name":"Cinnabar"}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fields {
    map: BTreeMap<String, Value>,
}

impl Fields {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field and returns the value it had.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.map.insert(name.into(), value.into())
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name)
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// True where there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.map.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl std::ops::Index<&str> for Fields {
    type Output = Value;

    /// The value of a field; [`Value::Null`] where there is none.
    fn index(&self, name: &str) -> &Value {
        self.map.get(name).unwrap_or(&Value::Null)
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json_map(f, &self.map)
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self { map: entries.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

impl IntoIterator for Fields {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.map.into_iter()
    }
}

impl From<BTreeMap<String, Value>> for Fields {
    fn from(map: BTreeMap<String, Value>) -> Self {
        Self { map }
    }
}
