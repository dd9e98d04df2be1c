//! What filters mean, by examples and against whole numbers.

use super::Filter;
use super::compare;
use super::distance;
use super::matching::compare_numbers;
use super::tests::any_number;
use super::tests::any_place;
use super::tests::place;
use crate::metadata::DateTime;
use crate::metadata::Fields;
use crate::metadata::Value;
use proptest::prelude::*;
use std::cmp::Ordering;

fn fields(text: &str) -> Fields {
    serde_json::from_str(text).unwrap()
}

/// Words are found where a text contains the query.
fn passes(filter: &str, record: &str) -> bool {
    let filter: Filter = filter.parse().unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.matches(&fields(record), &|_, text, query| text.contains(query))
}

#[test]
fn records_pass_as_they_do_in_mongodb() {
    for (record, pass, fail) in [
        (r#"{"x": 1}"#, "x = 1", "x = 2"),
        (r#"{"x": 1}"#, "x = 1.0", "x > 1.0"),
        (r#"{"x": "1"}"#, "x = '1'", "x = 1"),
        (r#"{"x": "b"}"#, "x > 'a'", "x > 1"),
        (r#"{"x": "Z"}"#, "x < 'a'", "x > 'a'"),
        (r#"{"x": true}"#, "x", "x = 1"),
        (r#"{"x": false}"#, "x < true", "x"),
        // Nothing where there is nothing.
        (r#"{"y": 1}"#, "x != 1", "x = 1"),
        (r#"{"y": 1}"#, "not x > 1", "x > 1"),
        (r#"{"y": 1}"#, "x not in (1)", "x in (1)"),
        (r#"{"y": 1}"#, "missing(x)", "exists(x)"),
        (r#"{"y": 1}"#, "x != null", "x is null"),
        (r#"{"x": null}"#, "x is null", "x is not null"),
        (r#"{"x": null}"#, "exists(x)", "missing(x)"),
        (r#"{"x": null}"#, "x <= null and x >= null", "x < null or x < 1 or x >= 1"),
        // Arrays: an element is enough.
        (r#"{"x": [1, 5]}"#, "x = 5", "x = 3"),
        (r#"{"x": [1, 5]}"#, "x > 3 and x < 3", "x > 5"),
        (r#"{"x": [1, 5]}"#, "x = [1, 5.0]", "x = [5, 1]"),
        (r#"{"x": [1, 5]}"#, "x != 3", "x != 5"),
        (r#"{"x": [1, 5]}"#, "x between 4 and 2", "x between 6 and 7"),
        (r#"{"x": [[1, 5]]}"#, "x = [1, 5]", "x = 5"),
        (r#"{"x": []}"#, "x = []", "x = 1"),
        (r#"{"x": []}"#, "exists(x) and x contains all ()", "x contains any ()"),
        (r#"{"x": [null]}"#, "x = null", "x = 0"),
        // Contains looks at arrays alone.
        (r#"{"x": ["a", "b"]}"#, "x contains 'a'", "x contains 'c'"),
        (r#"{"x": ["a", "b"]}"#, "x contains any ('c', 'b')", "x contains any ()"),
        (r#"{"x": ["a", "b"]}"#, "x contains all ('a', 'b')", "x contains all ('a', 'c')"),
        (r#"{"x": "a"}"#, "x in ('a')", "x contains 'a' or x contains all ()"),
        (r#"{"x": [1, [2]]}"#, "x contains [2.0]", "x contains 2"),
        (
            r#"{"x": [{"y": ["a"]}, {"y": ["b"]}]}"#,
            "x.y contains all ('a', 'b')",
            "x.y contains all ('a', 'c')",
        ),
        // Paths lead into maps, and through arrays of maps.
        (r#"{"x": {"y": {"z": 1}}}"#, "x.y.z = 1", "x.z = 1"),
        (r#"{"x": [{"y": 1}, {"y": 5}, 7]}"#, "x.y = 5", "x.y = 7"),
        (r#"{"x": [{"y": [1, 2]}]}"#, "x.y = 2 and x.y = [1, 2]", "x.y = 3"),
        (r#"{"x": [[{"y": 1}]]}"#, "missing(x.y)", "x.y = 1"),
        (r#"{"x": [{"z": 1}]}"#, "exists(x.z)", "exists(x.y)"),
        (r#"{"x": 1}"#, "missing(x.y)", "x.y = 1"),
        // Texts.
        (r#"{"x": "Mines"}"#, "x starts with 'Min'", "x starts with 'min'"),
        (r#"{"x": ["a", "Mines"]}"#, "x starts with ''", "x starts with 'b'"),
        (r#"{"x": 1}"#, "x >= 1", "x starts with ''"),
        (r#"{"x": "gold mine"}"#, "words(x, 'gold')", "words(x, 'lead') or words(y, 'gold')"),
        // A text that is an instant is a text among texts.
        (r#"{"x": "1849-01-31"}"#, "x = '1849-01-31'", "x = '1849-01-31T00:00:00Z'"),
        (r#"{"x": "1849-01-31"}"#, "exists(x)", "x = datetime('1849-01-31')"),
        // Places.
        (r#"{"x": {"lat": 1, "lon": 2}}"#, "x = point(1, 2)", "x = point(2, 1)"),
        (r#"{"x": {"lat": 0, "lon": 1}}"#, "within(x, 0, 0, 111200)", "within(x, 0, 0, 111190)"),
        (r#"{"x": {"lat": 0, "lon": 179.5}}"#, "within(x, 0, -179.5, 112000)", "within(x, 0, 0, 112000)"),
        (r#"{"x": {"lat": 90, "lon": 7}}"#, "within(x, 90, -170, 1)", "within(x, -90, 7, 1000)"),
        (r#"{"x": {"lat": 1, "lon": 2}}"#, "inside(x, 1, 2, 1, 2)", "inside(x, 1, 2.1, 5, 5)"),
        (r#"{"x": {"lat": 0, "lon": 179}}"#, "inside(x, -1, 170, 1, -170)", "inside(x, -1, -170, 1, 170)"),
        (r#"{"x": {"lat": 0, "lon": -179}}"#, "inside(x, -1, 170, 1, -170)", "inside(x, 1, 170, 2, -170)"),
        (r#"{"x": [{"lat": 1, "lon": 2}]}"#, "within(x, 1, 2, 0)", "x.lat = 1"),
        // Everything and nothing.
        (r#"{}"#, "true", "false"),
    ] {
        assert!(passes(pass, record), "{pass} on {record}");
        assert!(!passes(fail, record), "{fail} on {record}");
        assert!(passes(&format!("not ({fail})"), record), "not ({fail}) on {record}");
    }
}

#[test]
fn instants_compare_with_instants_and_with_texts_that_are_one() {
    let noon: DateTime = "1849-01-31T12:00:00Z".parse().unwrap();
    let record = Fields::from_iter([("x", noon)]);
    for (filter, pass) in [
        ("x = '1849-01-31T13:00:00+01:00'", true),
        ("x = datetime('1849-01-31 12:00:00z')", true),
        ("x > '1849-01-31'", true),
        ("x < '1849-02-01'", true),
        ("x in ('1849-01-31T12:00:00Z')", true),
        ("x < '1849-01-31T12:00:00'", false),
        ("x >= 0 or x <= 'zzz'", false),
    ] {
        let filter: Filter = filter.parse().unwrap();
        assert_eq!(filter.matches(&record, &|_, _, _| false), pass, "{filter}");
    }
}

#[test]
fn integers_beside_floats_where_floats_are_sparse() {
    let (most, least, two_53) = (i64::MAX, i64::MIN, 9_007_199_254_740_992.0);
    for (integer, float, order) in [
        (most, most as f64, Ordering::Less),
        (least, least as f64, Ordering::Equal),
        (least, f64::MIN, Ordering::Greater),
        (9_007_199_254_740_993, two_53, Ordering::Greater),
        (9_007_199_254_740_992, two_53, Ordering::Equal),
        (-1, -1.5, Ordering::Greater),
        (0, -0.0, Ordering::Equal),
        (0, f64::MIN_POSITIVE, Ordering::Less),
    ] {
        assert_eq!(compare_numbers(integer, float), Some(order), "{integer} {float}");
        assert_eq!(exact(integer, float), order, "{integer} {float}");
    }
    assert_eq!(compare_numbers(0, f64::NAN), None);
}

#[test]
fn known_distances() {
    let (paris, london) = (place(48.8567, 2.3508), place(51.5074, -0.1278));
    assert!((distance(paris, london) - 343_500.0).abs() < 1000.0);
    let around = 2.0 * std::f64::consts::PI * 6_371_008.8;
    assert!((distance(place(0.0, -90.0), place(0.0, 90.0)) - around / 2.0).abs() < 1e-6);
    assert!((distance(place(90.0, 0.0), place(0.0, 55.0)) - around / 4.0).abs() < 1e-6);
}

/// How an integer stands to a float, by whole numbers alone.
fn exact(integer: i64, float: f64) -> Ordering {
    let bits = float.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = i128::from(bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    let mantissa = if float.is_sign_negative() { -mantissa } else { mantissa };
    match exponent.max(1) - 1075 {
        up @ 12.. if mantissa != 0 && up > 0 => 0.cmp(&mantissa),
        up @ 0.. => i128::from(integer).cmp(&(mantissa << up)),
        down @ -63..0 => (i128::from(integer) << -down).cmp(&mantissa),
        _ => integer.cmp(&0).then(0.cmp(&mantissa)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn numbers_compare_as_fractions_do(integer: i64, float in any_number(), step in -2i64..=2) {
        for integer in [integer, (float as i64).saturating_add(step)] {
            let order = exact(integer, float);
            prop_assert_eq!(compare_numbers(integer, float), Some(order));
            prop_assert_eq!(compare(&Value::I64(integer), &Value::F64(float)), Some(order));
            prop_assert_eq!(compare(&Value::F64(float), &Value::I64(integer)), Some(order.reverse()));
        }
    }

    #[test]
    fn a_box_or_a_circle_is_the_same_from_both_sides(one in any_place(), other in any_place()) {
        let there = distance(one, other);
        prop_assert!((there - distance(other, one)).abs() < 1e-6);
        prop_assert!((0.0..=20_015_115.0).contains(&there));
        prop_assert!(distance(one, one) == 0.0);
    }
}
