//! What a filter, an order and a count of values mean, told of one record at a time.

use super::condition::Condition;
use super::condition::Test;
use lodedb::DateTime;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::Value;
use std::cmp::Ordering;

impl Condition {
    /// Whether a record with these fields passes.
    pub(crate) fn passes(&self, fields: &Fields) -> bool {
        match self {
            Self::Everything => true,
            Self::And(members) => members.iter().all(|member| member.passes(fields)),
            Self::Or(members) => members.iter().any(|member| member.passes(fields)),
            Self::Not(inner) => !inner.passes(fields),
            Self::Test(path, test) => test.passes(&at(fields, path)),
        }
    }
}

/// The values at a dotted path: through maps, and through arrays of maps.
pub(crate) fn at<'a>(fields: &'a Fields, path: &str) -> Vec<&'a Value> {
    let mut names = path.split('.');
    let mut values: Vec<&Value> = names.next().and_then(|name| fields.get(name)).into_iter().collect();
    for name in names {
        let maps = values.into_iter().flat_map(|value| match value {
            Value::Array(values) => values.iter().collect(),
            other => vec![other],
        });
        values =
            maps.filter_map(|value| if let Value::Map(map) = value { map.get(name) } else { None }).collect();
    }
    values
}

/// The values, and the elements of those that are arrays.
pub(crate) fn with_elements<'a>(values: &[&'a Value]) -> Vec<&'a Value> {
    values.iter().flat_map(|value| std::iter::once(*value).chain(elements(value))).collect()
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap_or_default().iter()
}

impl Test {
    fn passes(&self, values: &[&Value]) -> bool {
        let all = with_elements(values);
        let ordered = |operand: &Value, wanted: &[Ordering]| {
            all.iter().any(|value| order(value, operand).is_some_and(|order| wanted.contains(&order)))
        };
        let is_one_of =
            |operands: &[Value]| all.iter().any(|value| operands.iter().any(|operand| equal(value, operand)));
        let has = |operand: &Value| {
            values.iter().any(|value| elements(value).any(|element| equal(element, operand)))
        };
        let (less, same, greater) = (Ordering::Less, Ordering::Equal, Ordering::Greater);
        match self {
            Self::Equal(operand) => is_one_of(std::slice::from_ref(operand)),
            Self::NotEqual(operand) => !is_one_of(std::slice::from_ref(operand)),
            Self::Less(operand) => ordered(operand, &[less]),
            Self::AtMost(operand) => ordered(operand, &[less, same]),
            Self::Greater(operand) => ordered(operand, &[greater]),
            Self::AtLeast(operand) => ordered(operand, &[greater, same]),
            Self::Between(low, high) => ordered(low, &[greater, same]) && ordered(high, &[less, same]),
            Self::In(operands) => is_one_of(operands),
            Self::NotIn(operands) => !is_one_of(operands),
            Self::Exists => !values.is_empty(),
            Self::Missing => values.is_empty(),
            Self::Contains(operand) => has(operand),
            Self::ContainsAny(operands) => operands.iter().any(has),
            Self::ContainsAll(operands) => {
                values.iter().any(|value| value.as_array().is_some()) && operands.iter().all(has)
            }
            Self::Prefix(prefix) => {
                all.iter().any(|value| value.as_str().is_some_and(|text| text.starts_with(prefix)))
            }
            Self::Radius(center, meters) => {
                place_among(&all, |place| meters_between(*center, place) <= *meters)
            }
            Self::Box(low, high) => place_among(&all, |place| {
                let (west, east, lon) = (low.lon(), high.lon(), place.lon());
                let over = west > east;
                let between = if over { lon >= west || lon <= east } else { lon >= west && lon <= east };
                between && place.lat() >= low.lat() && place.lat() <= high.lat()
            }),
        }
    }
}

fn place_among(values: &[&Value], passes: impl Fn(GeoPoint) -> bool) -> bool {
    values.iter().any(|value| matches!(value, Value::Geo(place) if passes(*place)))
}

/// Along a great circle (the haversine formula).
fn meters_between(a: GeoPoint, b: GeoPoint) -> f64 {
    let half_sine = |degrees: f64| (degrees / 2.0).to_radians().sin();
    let (lat, lon) = (half_sine(a.lat() - b.lat()), half_sine(a.lon() - b.lon()));
    let chord = lat * lat + a.lat().to_radians().cos() * b.lat().to_radians().cos() * lon * lon;
    2.0 * 6_371_008.8 * chord.sqrt().min(1.0).asin()
}

fn equal(value: &Value, operand: &Value) -> bool {
    match (value, operand) {
        (Value::Geo(one), Value::Geo(other)) => one == other,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        _ => order(value, operand) == Some(Ordering::Equal),
    }
}

/// How a value stands to what it is compared with, where both are of a kind. A text compared with is an instant as well.
fn order(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        (Value::DateTime(instant), Value::Str(text)) => {
            text.parse::<DateTime>().ok().map(|other| instant.cmp(&other))
        }
        _ if rank(value) == rank(operand) => order_of_kind(value, operand),
        _ => None,
    }
}

/// Kinds in the order in which records are sorted by them; `None` for those that have no place in it.
fn rank(value: &Value) -> Option<u8> {
    match value {
        Value::I64(_) | Value::F64(_) => Some(0),
        Value::Str(_) => Some(1),
        Value::DateTime(_) => Some(2),
        Value::Bool(_) => Some(3),
        _ => None,
    }
}

fn order_of_kind(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::Str(one), Value::Str(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
        (Value::DateTime(one), Value::DateTime(other)) => Some(one.cmp(other)),
        (Value::I64(_) | Value::F64(_), Value::I64(_) | Value::F64(_)) => {
            let ((one, part), (other, others)) = (number(one), number(other));
            one.cmp(&other).then(part.partial_cmp(&others)?).into()
        }
        _ => None,
    }
}

/// A number as a whole one below it and what is left; floats over the range of the first keep their order in the second.
fn number(value: &Value) -> (i128, f64) {
    match value {
        Value::I64(whole) => (i128::from(*whole), 0.0),
        Value::F64(float) if float.abs() < 1e38 => (float.floor() as i128, float - float.floor()),
        Value::F64(float) => (if *float > 0.0 { i128::MAX } else { i128::MIN }, *float),
        other => panic!("{other} is no number"),
    }
}

/// The order in which records are sorted by their values: by kind, then by value. `None` for values that have no place.
pub(crate) fn sorted(one: &Value, other: &Value) -> Option<Ordering> {
    let (rank_one, rank_other) = (rank(one)?, rank(other)?);
    Some(rank_one.cmp(&rank_other).then_with(|| order_of_kind(one, other).unwrap()))
}

/// The values at a path that a record can be sorted by, the lowest first, equal ones once.
pub(crate) fn keys(fields: &Fields, path: &str) -> Vec<Value> {
    let values = with_elements(&at(fields, path)).into_iter();
    let mut keys: Vec<Value> = values.filter(|value| rank(value).is_some()).cloned().collect();
    keys.sort_by(|one, other| sorted(one, other).unwrap());
    keys.dedup_by(|one, other| sorted(one, other) == Some(Ordering::Equal));
    keys
}

/// Whether two values count as one.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, Value::Null) => true,
        (Value::Geo(one), Value::Geo(other)) => one == other,
        _ => sorted(one, other) == Some(Ordering::Equal),
    }
}

/// The values at a path with the number of records that have them, in no order.
pub(crate) fn facets<'a>(records: impl Iterator<Item = &'a Fields>, path: &str) -> Vec<(Value, u64)> {
    let mut counts: Vec<(Value, u64)> = Vec::new();
    for fields in records {
        let mut seen: Vec<&Value> = Vec::new();
        for value in with_elements(&at(fields, path)) {
            let is_counted = !matches!(value, Value::Array(_) | Value::Map(_));
            if !is_counted || seen.iter().any(|seen| same(seen, value)) {
                continue;
            }
            seen.push(value);
            match counts.iter_mut().find(|(counted, _)| same(counted, value)) {
                Some((_, count)) => *count += 1,
                None => counts.push((value.clone(), 1)),
            }
        }
    }
    counts
}
