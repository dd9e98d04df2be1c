//! [`Condition`]: a filter as the tests know it, written through each of the three doors.

use super::values::any_scalar;
use super::values::any_value;
use super::values::places;
use super::values::texts;
use lodedb::FieldPath;
use lodedb::Filter;
use lodedb::GeoPoint;
use lodedb::Value;
use lodedb::field;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Where conditions look: fields, maps and arrays of maps in them, a field without an index, one that no record has.
pub(crate) const PATHS: [&str; 9] = ["a", "b", "c", "a.x", "b.y", "a.x.y", "odd name", "plain", "nowhere"];

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Everything,
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Test(&'static str, Test),
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Equal(Value),
    NotEqual(Value),
    Less(Value),
    AtMost(Value),
    Greater(Value),
    AtLeast(Value),
    Between(Value, Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Exists,
    Missing,
    Contains(Value),
    ContainsAny(Vec<Value>),
    ContainsAll(Vec<Value>),
    Prefix(String),
    Radius(GeoPoint, f64),
    Box(GeoPoint, GeoPoint),
}

impl Condition {
    /// The same filter through the builder, from a map of operators, and from text.
    pub(crate) fn doors(&self) -> [Filter; 3] {
        [self.built(), Filter::from_value(&self.operators()).unwrap(), self.text().parse().unwrap()]
    }

    pub(crate) fn built(&self) -> Filter {
        match self {
            Self::Everything => Filter::all(),
            Self::And(members) => members.iter().map(Self::built).reduce(Filter::and).unwrap(),
            Self::Or(members) => members.iter().map(Self::built).reduce(Filter::or).unwrap(),
            Self::Not(inner) => !inner.built(),
            Self::Test(path, test) => test.built(field(path)),
        }
    }

    fn operators(&self) -> Value {
        let all = |members: &[Self]| Value::Array(members.iter().map(Self::operators).collect());
        match self {
            Self::Everything => Value::Map(BTreeMap::new()),
            Self::And(members) => map([("$and", all(members))]),
            Self::Or(members) => map([("$or", all(members))]),
            Self::Not(inner) => map([("$not", inner.operators())]),
            Self::Test(path, test) => map([(path, test.operators())]),
        }
    }

    fn text(&self) -> String {
        let joined = |members: &[Self], word: &str| {
            let members: Vec<String> = members.iter().map(|member| format!("({})", member.text())).collect();
            members.join(word)
        };
        match self {
            Self::Everything => "true".into(),
            Self::And(members) => joined(members, " and "),
            Self::Or(members) => joined(members, " OR "),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::Test(path, test) => test.text(&match *path {
                "odd name" => "`odd name`".to_owned(),
                path => path.to_owned(),
            }),
        }
    }

    /// The paths of all tests.
    pub(crate) fn paths(&self) -> Vec<&'static str> {
        match self {
            Self::Everything => Vec::new(),
            Self::And(members) | Self::Or(members) => members.iter().flat_map(Self::paths).collect(),
            Self::Not(inner) => inner.paths(),
            Self::Test(path, _) => vec![path],
        }
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Test {
    fn built(&self, field: FieldPath) -> Filter {
        match self.clone() {
            Self::Equal(value) => field.eq(value),
            Self::NotEqual(value) => field.ne(value),
            Self::Less(value) => field.lt(value),
            Self::AtMost(value) => field.le(value),
            Self::Greater(value) => field.gt(value),
            Self::AtLeast(value) => field.ge(value),
            Self::Between(low, high) => field.between(low, high),
            Self::In(values) => field.is_in(values),
            Self::NotIn(values) => field.not_in(values),
            Self::Exists => field.exists(),
            Self::Missing => field.missing(),
            Self::Contains(value) => field.contains(value),
            Self::ContainsAny(values) => field.contains_any(values),
            Self::ContainsAll(values) => field.contains_all(values),
            Self::Prefix(prefix) => field.starts_with(prefix),
            Self::Radius(center, meters) => field.within_radius(center, meters),
            Self::Box(south_west, north_east) => field.within_box(south_west, north_east),
        }
    }

    fn operators(&self) -> Value {
        match self.clone() {
            Self::Equal(value) => map([("$eq", value)]),
            Self::NotEqual(value) => map([("$ne", value)]),
            Self::Less(value) => map([("$lt", value)]),
            Self::AtMost(value) => map([("$lte", value)]),
            Self::Greater(value) => map([("$gt", value)]),
            Self::AtLeast(value) => map([("$gte", value)]),
            Self::Between(low, high) => map([("$gte", low), ("$lte", high)]),
            Self::In(values) => map([("$in", Value::Array(values))]),
            Self::NotIn(values) => map([("$nin", Value::Array(values))]),
            Self::Exists => map([("$exists", true.into())]),
            Self::Missing => map([("$exists", false.into())]),
            Self::Contains(value) => map([("$contains", value)]),
            Self::ContainsAny(values) => map([("$contains_any", Value::Array(values))]),
            Self::ContainsAll(values) => map([("$contains_all", Value::Array(values))]),
            Self::Prefix(prefix) => map([("$prefix", prefix.into())]),
            Self::Radius(center, meters) => {
                let circle = map([("center", center.into()), ("meters", meters.into())]);
                map([("$geo_radius", circle)])
            }
            Self::Box(south_west, north_east) => {
                let corners = map([("south_west", south_west.into()), ("north_east", north_east.into())]);
                map([("$geo_box", corners)])
            }
        }
    }

    fn text(&self, path: &str) -> String {
        match self {
            Self::Equal(value) => format!("{path} == {}", written(value)),
            Self::NotEqual(value) => format!("{path} <> {}", written(value)),
            Self::Less(value) => format!("{path} < {}", written(value)),
            Self::AtMost(value) => format!("{path} <= {}", written(value)),
            Self::Greater(value) => format!("{path} > {}", written(value)),
            Self::AtLeast(value) => format!("{path} >= {}", written(value)),
            Self::Between(low, high) => format!("{path} between {} and {}", written(low), written(high)),
            Self::In(values) => format!("{path} in ({})", listed(values)),
            Self::NotIn(values) => format!("{path} NOT IN ({})", listed(values)),
            Self::Exists => format!("exists({path})"),
            Self::Missing => format!("missing({path})"),
            Self::Contains(value) => format!("{path} contains {}", written(value)),
            Self::ContainsAny(values) => format!("{path} contains any ({})", listed(values)),
            Self::ContainsAll(values) => format!("{path} contains all ({})", listed(values)),
            Self::Prefix(prefix) => format!("{path} starts with {}", quoted(prefix)),
            Self::Radius(center, meters) => {
                format!("within({path}, {:?}, {:?}, {meters:?})", center.lat(), center.lon())
            }
            Self::Box(south_west, north_east) => format!(
                "inside({path}, {:?}, {:?}, {:?}, {:?})",
                south_west.lat(),
                south_west.lon(),
                north_east.lat(),
                north_east.lon()
            ),
        }
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Str(text) => quoted(text),
        Value::DateTime(instant) => format!("datetime('{instant}')"),
        Value::Geo(place) => format!("point({:?}, {:?})", place.lat(), place.lon()),
        Value::Array(values) => format!("[{}]", listed(values)),
        other => other.to_string(),
    }
}

fn listed(values: &[Value]) -> String {
    values.iter().map(written).collect::<Vec<_>>().join(", ")
}

/// In double quotes, as JSON has it.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn any_test() -> impl Strategy<Value = Test> {
    let some = || prop::collection::vec(any_operand(), 0..4);
    let ordered =
        || any_scalar().prop_filter("places have no order", |value| !matches!(value, Value::Geo(_)));
    let radius = || prop::sample::select(vec![0.0, 1.0, 150_000.0, 5e6, 1.2e7, 2.1e7]);
    prop_oneof![
        3 => any_operand().prop_map(Test::Equal),
        2 => any_operand().prop_map(Test::NotEqual),
        2 => ordered().prop_map(Test::Less),
        2 => ordered().prop_map(Test::AtMost),
        2 => ordered().prop_map(Test::Greater),
        2 => ordered().prop_map(Test::AtLeast),
        2 => (ordered(), ordered()).prop_map(|(low, high)| Test::Between(low, high)),
        2 => some().prop_map(Test::In),
        1 => some().prop_map(Test::NotIn),
        2 => Just(Test::Exists),
        1 => Just(Test::Missing),
        2 => any_operand().prop_map(Test::Contains),
        1 => some().prop_map(Test::ContainsAny),
        2 => some().prop_map(Test::ContainsAll),
        1 => (texts(), 0..80usize).prop_map(|(text, len)| Test::Prefix(text.chars().take(len).collect())),
        1 => (places(), radius()).prop_map(|(center, meters)| Test::Radius(center, meters)),
        1 => (places(), places()).prop_map(|(one, other)| {
            let (south, north) = if one.lat() <= other.lat() { (one, other) } else { (other, one) };
            Test::Box(south, north)
        }),
    ]
}

/// A value to compare with: any but maps.
fn any_operand() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => any_scalar(),
        1 => any_value().prop_filter("maps compare with nothing", |value| !has_map(value)),
    ]
}

fn has_map(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::Array(values) => values.iter().any(has_map),
        _ => false,
    }
}

pub(crate) fn any_condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        1 => Just(Condition::Everything),
        15 => (prop::sample::select(&PATHS[..]), any_test())
            .prop_map(|(path, test)| Condition::Test(path, test)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let members = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            3 => members().prop_map(Condition::And),
            3 => members().prop_map(Condition::Or),
            2 => inner.clone().prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}
