//! What a filter means: evaluated on one record's fields. Every index has to give the same answers.

use super::Comparison;
use super::Filter;
use super::Many;
use super::Node;
use super::Path;
use super::Test;
use crate::metadata::DateTime;
use crate::metadata::Fields;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use std::cmp::Ordering;

/// Says whether the text at a path has the words of a query: `(path, text, query)`.
type HasWords<'a> = &'a dyn Fn(&Path, &str, &str) -> bool;

/// Mean radius of the Earth in meters.
const EARTH_RADIUS: f64 = 6_371_008.8;

impl Filter {
    /// Whether a record with these fields passes. `words` says whether the text at a path has the words of a query.
    pub(crate) fn matches(&self, fields: &Fields, words: HasWords<'_>) -> bool {
        match self.node() {
            Node::All => true,
            Node::And(members) => members.iter().all(|member| member.matches(fields, words)),
            Node::Or(members) => members.iter().any(|member| member.matches(fields, words)),
            Node::Not(inner) => !inner.matches(fields, words),
            Node::Field(path, test) => {
                let mut values = Vec::new();
                if let Some((name, rest)) = path.names().split_first()
                    && let Some(value) = fields.get(name)
                {
                    values_at(value, rest, &mut values);
                }
                test.passes(path, &values, words)
            }
        }
    }
}

/// Adds the values that `names` lead to from `value`: into maps, and into the maps of arrays.
fn values_at<'a>(value: &'a Value, names: &[String], out: &mut Vec<&'a Value>) {
    let Some((name, rest)) = names.split_first() else { return out.push(value) };
    let maps = match value {
        Value::Array(values) => values.as_slice(),
        other => std::slice::from_ref(other),
    };
    for map in maps {
        if let Value::Map(map) = map
            && let Some(value) = map.get(name)
        {
            values_at(value, rest, out);
        }
    }
}

impl Test {
    /// Whether the values at `path` pass.
    fn passes(&self, path: &Path, values: &[&Value], words: HasWords<'_>) -> bool {
        let any = |passes: &dyn Fn(&Value) -> bool| {
            values.iter().any(|value| passes(value) || elements(value).iter().any(passes))
        };
        match self {
            Self::Exists => !values.is_empty(),
            Self::Compare(comparison, operand) => {
                any(&|value| compare(value, operand).is_some_and(|order| comparison.holds(order)))
            }
            Self::In(operands) => any(&|value| operands.iter().any(|operand| equal(value, operand))),
            Self::Contains(many, operands) => {
                let found = |operand| {
                    values.iter().any(|value| elements(value).iter().any(|element| equal(element, operand)))
                };
                match many {
                    Many::Any => operands.iter().any(found),
                    Many::All => {
                        let is_array = |value: &&Value| matches!(value, Value::Array(_));
                        values.iter().any(is_array) && operands.iter().all(found)
                    }
                }
            }
            Self::Prefix(prefix) => {
                any(&|value| matches!(value, Value::Str(text) if text.starts_with(prefix)))
            }
            Self::Words(query) => any(&|value| matches!(value, Value::Str(text) if words(path, text, query))),
            Self::Radius(center, meters) => {
                any(&|value| matches!(value, Value::Geo(place) if distance(*center, *place) <= *meters))
            }
            Self::Box(south_west, north_east) => {
                any(&|value| matches!(value, Value::Geo(place) if in_box(*place, *south_west, *north_east)))
            }
        }
    }
}

/// The elements of an array; none of anything else.
fn elements(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

impl Comparison {
    /// Whether a value that stands so to the operand passes.
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// How `value` stands to the operand of a condition; `None` where they do not compare. Arrays and places are equal or do
/// not compare.
///
/// The two sides differ: a text as operand may be an instant, a text as value is a text.
pub(crate) fn compare(value: &Value, operand: &Value) -> Option<Ordering> {
    let equal_only = |equal: bool| equal.then_some(Ordering::Equal);
    match (value, operand) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::I64(one), Value::I64(other)) => Some(one.cmp(other)),
        (Value::F64(one), Value::F64(other)) => one.partial_cmp(other),
        (Value::I64(one), Value::F64(other)) => compare_numbers(*one, *other),
        (Value::F64(one), Value::I64(other)) => compare_numbers(*other, *one).map(Ordering::reverse),
        (Value::Str(one), Value::Str(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
        (Value::DateTime(one), operand) => instant(operand).map(|other| one.cmp(&other)),
        (Value::Geo(one), Value::Geo(other)) => equal_only(one == other),
        (Value::Array(one), Value::Array(other)) => equal_only(
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other)),
        ),
        _ => None,
    }
}

fn equal(value: &Value, operand: &Value) -> bool {
    compare(value, operand) == Some(Ordering::Equal)
}

/// The instant that an operand is, or is written as.
pub(crate) fn instant(operand: &Value) -> Option<DateTime> {
    match operand {
        Value::DateTime(instant) => Some(*instant),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    }
}

/// How an integer stands to a float, by value; `None` for NaN.
pub(super) fn compare_numbers(integer: i64, float: f64) -> Option<Ordering> {
    /// 2 to the power of 63: the first float over all integers.
    const OVER: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= OVER {
        return Some(Ordering::Less);
    }
    if float < -OVER {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let order = integer.cmp(&(whole as i64));
    Some(order.then_with(|| whole.partial_cmp(&float).unwrap_or(Ordering::Equal)))
}

/// Meters between two places along a great circle. (Haversine formula.)
pub(crate) fn distance(one: GeoPoint, other: GeoPoint) -> f64 {
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let across = one.lat().to_radians().cos() * other.lat().to_radians().cos();
    let chord = half(other.lat() - one.lat()) + across * half(other.lon() - one.lon());
    2.0 * EARTH_RADIUS * chord.sqrt().min(1.0).asin()
}

/// Whether a place lies in a box or on its edges; where west is greater than east it goes over the 180th meridian.
pub(crate) fn in_box(place: GeoPoint, south_west: GeoPoint, north_east: GeoPoint) -> bool {
    let (west, east, lon) = (south_west.lon(), north_east.lon(), place.lon());
    let between = match west <= east {
        true => (west..=east).contains(&lon),
        false => lon >= west || lon <= east,
    };
    between && (south_west.lat()..=north_east.lat()).contains(&place.lat())
}
