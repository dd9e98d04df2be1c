//! Whatever the filter: every door gives the same one, limits hold, and the laws of logic do.

use super::Comparison;
use super::FieldPath;
use super::Filter;
use super::MAX_DEPTH;
use super::MAX_NODES;
use super::Many;
use super::Path;
use super::Test;
use super::field;
use crate::metadata::DateTime;
use crate::metadata::Fields;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use proptest::prelude::*;

pub(super) fn place(lat: f64, lon: f64) -> GeoPoint {
    GeoPoint::new(lat, lon).unwrap()
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z'\"\\\\`\n\t ]{0,6}",
        ".{0,8}",
        Just("1849-01-31".to_owned()),
        Just("2000-02-29T12:00:00.5+01:00".to_owned()),
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "year", "words", "any", "_1", "d\u{e9}p\u{f4}t"]),
        1 => prop::sample::select(vec!["and", "NOT", "null", "odd name", "tick`ed", "1st", "a-b", "quo'te", "\n"]),
    ]
    .prop_map(str::to_owned)
}

pub(super) fn any_place() -> impl Strategy<Value = GeoPoint> {
    prop_oneof![
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(lat, lon)| place(lat, lon)),
        (-90..=90, -180..=180).prop_map(|(lat, lon)| place(f64::from(lat), f64::from(lon))),
    ]
}

pub(super) fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        (-5..5).prop_map(f64::from),
        any::<i64>().prop_map(|near| near as f64),
    ]
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3..3).prop_map(Value::from),
        any::<i64>().prop_map(Value::I64),
        any_number().prop_map(Value::F64),
        any_text().prop_map(Value::Str),
        any::<i64>().prop_map(|micros| Value::DateTime(DateTime::from_unix_micros(micros))),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![8 => any_scalar(), 1 => any_place().prop_map(Value::Geo)];
    leaf.prop_recursive(3, 8, 3, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::Array))
}

fn any_test() -> impl Strategy<Value = Test> {
    use Comparison::AtLeast;
    use Comparison::AtMost;
    use Comparison::Greater;
    use Comparison::Less;
    let values = || prop::collection::vec(any_value(), 0..4);
    prop_oneof![
        Just(Test::Exists),
        any_value().prop_map(|value| Test::Compare(Comparison::Equal, value)),
        (prop::sample::select(vec![Less, AtMost, Greater, AtLeast]), any_scalar())
            .prop_map(|(comparison, value)| Test::Compare(comparison, value)),
        values().prop_map(Test::In),
        (prop::sample::select(vec![Many::Any, Many::All]), values())
            .prop_map(|(many, values)| Test::Contains(many, values)),
        any_text().prop_map(Test::Prefix),
        any_text().prop_map(Test::Words),
        (any_place(), any_number()).prop_map(|(center, meters)| Test::Radius(center, meters.abs())),
        (any_place(), any_place()).prop_map(|(one, other)| match one.lat() <= other.lat() {
            true => Test::Box(one, other),
            false => Test::Box(other, one),
        }),
    ]
}

fn any_condition() -> impl Strategy<Value = Filter> {
    let path = prop::collection::vec(any_name(), 1..4).prop_map(Path);
    (path, any_test()).prop_map(|(path, test)| FieldPath::at(path).test(test))
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let leaf =
        prop_oneof![12 => any_condition(), 1 => Just(Filter::all()), 1 => Just(Filter::any_of(vec![]))];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 2..5);
        prop_oneof![
            several().prop_map(Filter::all_of),
            several().prop_map(Filter::any_of),
            inner.clone().prop_map(|inner| !inner),
        ]
    })
}

/// Records of few names and values, so that filters often meet them.
fn any_record() -> impl Strategy<Value = Fields> {
    let leaf = prop_oneof![any_scalar(), any_place().prop_map(Value::Geo)];
    let value = leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(Value::Map),
        ]
    });
    prop::collection::btree_map("[ab]|year", value, 0..4).prop_map(Fields::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn text_reads_back(filter in any_filter()) {
        filter.check().unwrap();
        let text = filter.to_string();
        let read = text.parse::<Filter>().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(&read, &filter, "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn operators_read_back(filter in any_filter()) {
        let value = filter.to_value();
        prop_assert_eq!(Filter::from_value(&value).unwrap(), filter, "{}", value);
    }

    #[test]
    fn json_reads_back_as_the_same_text(filter in any_filter()) {
        let text = serde_json::to_string(&filter).unwrap();
        let read: Filter = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn no_parenthesis_is_in_vain(filter in any_filter()) {
        let text = filter.to_string();
        for (open, close) in groups(&text) {
            let without = format!("{} {} {}", &text[..open], &text[open + 1..close], &text[close + 1..]);
            if let Ok(read) = without.parse::<Filter>() {
                prop_assert_ne!(&read, &filter, "{} means the same as {}", without, text);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}", near in NEAR) {
        for text in [text, near] {
            if let Ok(filter) = text.parse::<Filter>() {
                prop_assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
            }
        }
    }

    #[test]
    fn laws_of_logic_hold(one in any_filter(), other in any_filter(), record in any_record()) {
        let words = |_: &Path, text: &str, query: &str| text.contains(query);
        let passes = |filter: &Filter| filter.matches(&record, &words);
        let (first, second) = (passes(&one), passes(&other));
        prop_assert_eq!(passes(&!one.clone()), !first);
        prop_assert_eq!(passes(&one.clone().and(other.clone())), first && second);
        prop_assert_eq!(passes(&one.clone().or(other.clone())), first || second);
        let none = (!one.clone()).and(!other.clone());
        prop_assert_eq!(passes(&none), passes(&!(one.or(other))));
    }

    #[test]
    fn tests_agree_with_each_other(record in any_record(), value in any_value(), other in any_value(), name in "[ab]|year|a\\.b") {
        let passes = |filter: Filter| filter.matches(&record, &|_, _, _| false);
        let field = || field(&name);
        let either = passes(field().eq(value.clone())) || passes(field().eq(other.clone()));
        prop_assert_eq!(passes(field().is_in([value.clone(), other.clone()])), either);
        let contains = |value: &Value| passes(field().contains(value.clone()));
        let both = [value.clone(), other.clone()];
        prop_assert_eq!(passes(field().contains_any(both.clone())), contains(&value) || contains(&other));
        prop_assert_eq!(passes(field().contains_all(both)), contains(&value) && contains(&other));
        let least = passes(field().gt(value.clone())) || passes(field().eq(value.clone()));
        if !matches!(value, Value::Array(_) | Value::Geo(_)) {
            prop_assert_eq!(passes(field().ge(value.clone())), least);
        }
        if contains(&value) || either || least {
            prop_assert!(passes(field().exists()));
        }
    }

}

/// Pieces of the language in any order.
const NEAR: &str = "((a|b\\.c|`d e`|and|or|not|in|between|contains|any|starts with|is null|exists\\(|within\\(|<=|!=|=|\\(|\\)|\\[|\\]|,|1|-2\\.5|'x'|true) ){1,12}";

/// Where parentheses that group conditions open and close.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let (mut open, mut found, mut quote) = (Vec::new(), Vec::new(), None);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some('\''), '\\') => drop(letters.next()),
            (Some(end), letter) if letter == end => quote = None,
            (None, '\'' | '`') => quote = Some(letter),
            (None, '(') => {
                let groups = text[..at].is_empty() || text[..at].ends_with(['(', ' ']);
                let list = ["in ", "any ", "all "].iter().any(|word| text[..at].ends_with(word));
                open.push((at, groups && !list));
            }
            (None, ')') => {
                let (from, groups) = open.pop().unwrap();
                found.extend(groups.then_some((from, at)));
            }
            _ => {}
        }
    }
    found
}

/// The message behind "filter: ".
pub(super) fn refused(result: crate::error::Result<Filter>) -> String {
    let text = result.unwrap_err().to_string();
    text.strip_prefix("filter: ").unwrap_or_else(|| panic!("{text} is of a filter")).to_owned()
}

/// Negations around a condition.
fn negated(times: usize) -> Filter {
    (0..times).fold(field("a").gt(1), |filter, _| !filter)
}

#[test]
fn nesting_is_bounded_through_every_door() {
    let deepest = negated(MAX_DEPTH);
    assert_eq!(deepest.to_string().parse::<Filter>().unwrap(), deepest);
    assert_eq!(Filter::from_value(&deepest.to_value()).unwrap(), deepest);
    let deeper = negated(MAX_DEPTH + 1);
    let message = "conditions are nested over 128 deep";
    assert_eq!(refused(deeper.check().map(|()| deeper.clone())), message);
    assert!(refused(deeper.to_string().parse()).ends_with(message));
    assert!(refused(Filter::from_value(&deeper.to_value())).ends_with(message));
    let on_a_field =
        (0..200).fold(json(r#"{"$gt": 1}"#), |inner, _| Value::Map([("$not".into(), inner)].into()));
    assert!(refused(Filter::from_value(&Value::Map([("a".into(), on_a_field)].into()))).ends_with(message));
    for hostile in ["(", "not ", "not(", "a = [", "a or (b and not ", "[", "exists("] {
        let error = hostile.repeat(100_000).parse::<Filter>().unwrap_err().to_string();
        assert!(error.len() < 250, "{error}");
    }
    let alternating = (0..60).fold(field("a").gt(1), |filter, at| match at % 2 {
        0 => filter.and(field("b").gt(at)),
        _ => !filter.or(field("c").gt(at)),
    });
    assert_eq!(alternating.to_string().parse::<Filter>().unwrap(), alternating);
}

#[test]
fn size_is_bounded_through_every_door() {
    let many = vec!["a"; MAX_NODES].join(" or ");
    let message = "it has over 10000 conditions; one 'in' takes any number of values of a field";
    assert_eq!(refused(many.parse()), message);
    assert!(vec!["a"; MAX_NODES - 1].join(" or ").parse::<Filter>().is_ok());
    let members = vec![json(r#"{"a": 1}"#); MAX_NODES];
    assert_eq!(
        refused(Filter::from_value(&Value::Map([("$or".into(), Value::Array(members))].into()))),
        message
    );
    let long = format!("a = '{}'", "x".repeat(1 << 20));
    assert_eq!(refused(long.parse()), "the text has 1048582 bytes where 1048576 is the limit");
    assert!(field("a").is_in(0..100_000).check().is_ok());
}

#[test]
fn paths_come_in_the_order_of_the_text() {
    let filter: Filter = "a.b > 1 and (not c or d in (1)) and exists(a)".parse().unwrap();
    let paths: Vec<String> = filter.paths().map(Path::to_string).collect();
    assert_eq!(paths, ["a.b", "c", "d", "a"]);
    assert_eq!(Filter::all().paths().count(), 0);
}

#[test]
fn joining_keeps_chains_flat() {
    let years = || (0..5).map(|year| field("year").eq(year));
    assert_eq!(years().reduce(Filter::or).unwrap(), Filter::any_of(years().collect()));
    assert_eq!(years().fold(Filter::all(), Filter::and), Filter::all_of(years().collect()));
    let one = field("a").eq(1);
    assert_eq!(Filter::any_of(vec![]).or(one.clone()), one);
    assert_eq!(one.clone().and(Filter::all()), one);
}
