//! Values that records have and filters ask for: few, so that they meet, and such as lie close to each other.

use lodedb::DateTime;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::Value;
use proptest::prelude::*;

/// Names of fields.
const NAMES: [&str; 5] = ["a", "b", "c", "odd name", "plain"];
/// Names in maps.
const INNER: [&str; 2] = ["x", "y"];

pub(crate) fn any_fields() -> impl Strategy<Value = Fields> {
    let field = || prop_oneof![1 => Just(None), 3 => any_value().prop_map(Some)];
    prop::collection::vec(field(), NAMES.len()).prop_map(|values| {
        let fields = NAMES.into_iter().zip(values);
        fields.filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    })
}

/// A value of any kind, arrays and maps of them among these.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    any_scalar().prop_recursive(3, 8, 4, |inner| {
        let array = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array);
        let map = prop::collection::btree_map(prop::sample::select(&INNER[..]), inner, 0..3)
            .prop_map(|map| Value::from(map.into_iter().collect::<Fields>()));
        prop_oneof![2 => array, 2 => map]
    })
}

pub(crate) fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        4 => numbers(),
        3 => texts().prop_map(Value::Str),
        1 => instants().prop_map(Value::DateTime),
        1 => places().prop_map(Value::Geo),
    ]
}

/// Integers and floats, some of them equal, some as near as they can be.
fn numbers() -> impl Strategy<Value = Value> {
    const FLOAT_LIMIT: i64 = 1 << 53;
    let whole = [FLOAT_LIMIT, FLOAT_LIMIT + 1, -FLOAT_LIMIT - 1, i64::MAX, i64::MAX - 1, i64::MIN];
    let float =
        [-0.0, 0.5, 2.0, 2.5, -1.5, 9_007_199_254_740_992.0, 9.3e18, -9.223_372_036_854_776e18, 1e300];
    prop_oneof![
        4 => (-2..4i64).prop_map(Value::I64),
        1 => prop::sample::select(whole.to_vec()).prop_map(Value::I64),
        2 => prop::sample::select(float.to_vec()).prop_map(Value::F64),
    ]
}

/// Short texts, long ones that differ late, and such as are written as an instant or hard to quote.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let short = ["", "a", "ab", "abc", "b", "\u{e9}t\u{e9}", "1849-01-31", "1849-01-31T12:00:00Z"];
    let quoted = ["it's", "say \"so\" \\ here\n", "true", "`", "\u{1}\u{7f}"];
    let long = (60..68usize, 0..3usize, any::<bool>()).prop_map(|(len, end, more)| {
        "m".repeat(len) + ["", "a", "b"][end] + &"z".repeat(200 * usize::from(more))
    });
    prop_oneof![
        5 => prop::sample::select(short.to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(quoted.to_vec()).prop_map(str::to_owned),
        2 => long,
    ]
}

fn instants() -> impl Strategy<Value = DateTime> {
    let texts =
        ["1849-01-31", "1849-01-31T12:00:00Z", "1849-01-31T12:00:00.000001Z", "2026-11-20T17:00:00+01:00"];
    prop::sample::select(texts.to_vec()).prop_map(|text| match text.len() {
        10 => format!("{text}T00:00:00Z").parse().unwrap(),
        _ => text.parse().unwrap(),
    })
}

/// Places, the poles and both sides of the 180th meridian among them.
pub(crate) fn places() -> impl Strategy<Value = GeoPoint> {
    let places = [
        (38.775, -4.848),
        (38.9, -4.1),
        (90.0, 0.0),
        (-90.0, 70.0),
        (0.0, 180.0),
        (0.0, -180.0),
        (-17.5, 179.9),
        (-17.5, -179.9),
        (0.0, 0.0),
        (37.8, -122.4),
    ];
    prop::sample::select(places.to_vec()).prop_map(|(lat, lon)| GeoPoint::new(lat, lon).unwrap())
}
