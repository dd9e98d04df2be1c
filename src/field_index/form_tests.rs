//! Columns of every form against the definition of filters, and damaged.

use super::Direction;
use super::Directory;
use super::tests::Indexed;
use super::tests::check_facets;
use super::tests::check_order;
use super::tests::test;
use super::tests::use_all;
use crate::filter::Comparison;
use crate::filter::Filter;
use crate::filter::Many;
use crate::filter::Node;
use crate::filter::Path;
use crate::filter::Test;
use crate::metadata::Fields;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use crate::slots::SlotSet;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Numbers without an end, the same in each run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Columns of every form: ordinals of one, two and four bytes, of one and of several values, and none; lists and bitmaps;
/// fields that are in all records, in few, and in one.
fn wide(len: usize) -> Vec<Fields> {
    let mut state = 88_172_645_463_325_252;
    let record = |slot: usize| {
        let mut draw = |most: u64| random(&mut state) % most;
        let mut fields = Fields::new();
        fields.insert("unique", slot as i64 * 7919 % 100_003);
        fields.insert("float", draw(1 << 40) as f64 / 3.0);
        fields.insert("u8", draw(7) as i64 - 3);
        fields.insert("u16", draw(1000) as i64);
        fields.insert("skewed", if draw(10) == 0 { draw(1 << 40) as i64 } else { 5 });
        fields.insert("same", "everywhere");
        fields.insert("long", format!("{}{}", "x".repeat(100), draw(50)));
        fields.insert("even", slot.is_multiple_of(2));
        fields.insert("runs", (slot / 300) as i64);
        let tags: Vec<String> =
            (0..draw(4)).map(|_| format!("tag {}", draw(300) * draw(300) / 300)).collect();
        fields.insert("tags", tags);
        if draw(100) == 0 {
            fields.insert("rare", vec![draw(3) as i64, draw(90) as i64]);
        }
        if draw(2) == 0 {
            fields.insert("place", GeoPoint::new(draw(180) as f64 - 90.0, draw(361) as f64 - 180.0).unwrap());
        }
        fields
    };
    (0..len).map(record).collect()
}

fn compare(path: &str, comparison: Comparison, operand: impl Into<Value>) -> Filter {
    test(path, Test::Compare(comparison, operand.into()))
}

fn wide_filters() -> Vec<Filter> {
    let tag = |number: u32| Value::from(format!("tag {number}"));
    let place = |lat, lon| GeoPoint::new(lat, lon).unwrap();
    let mut filters = vec![
        test("tags", Test::In(vec![tag(0), tag(7), tag(200)])),
        test("tags", Test::Contains(Many::All, vec![tag(0), tag(1)])),
        test("tags", Test::Prefix("tag 1".into())),
        test("tags", Test::Compare(Comparison::Equal, Value::Array(vec![tag(0)]))),
        test("long", Test::Prefix(format!("{}1", "x".repeat(100)))),
        test("place", Test::Radius(place(10.0, 179.0), 3e6)),
        test("place", Test::Radius(place(-89.0, 0.0), 2e6)),
        test("place", Test::Box(place(-20.0, 170.0), place(40.0, -150.0))),
        test("rare", Test::Exists),
    ];
    let operands: [(&str, Value); 12] = [
        ("unique", 50_000.into()),
        ("float", 2e11.into()),
        ("u8", 0.into()),
        ("u16", 500.into()),
        ("u16", 3.5.into()),
        ("skewed", 5.into()),
        ("same", "everywhere".into()),
        ("long", format!("{}25", "x".repeat(100)).into()),
        ("even", true.into()),
        ("runs", 3.into()),
        ("tags", "tag 2".into()),
        ("rare", 2.into()),
    ];
    for (path, operand) in operands {
        for comparison in [
            Comparison::Equal,
            Comparison::Less,
            Comparison::AtMost,
            Comparison::Greater,
            Comparison::AtLeast,
        ] {
            filters.push(compare(path, comparison, operand.clone()));
        }
    }
    let and =
        |filters: &[&Filter]| Node::And(filters.iter().map(|filter| (*filter).clone()).collect()).into();
    let low = compare("u16", Comparison::AtLeast, 100);
    let high = compare("u16", Comparison::Less, 300);
    let thin = compare("u16", Comparison::Equal, 7);
    let dense = compare("u8", Comparison::Equal, 1);
    let not = Node::Not(Box::new(compare("even", Comparison::Equal, true))).into();
    let either = Node::Or(vec![dense.clone(), test("rare", Test::Exists)]).into();
    filters.extend([
        and(&[&low, &high]),
        and(&[&low, &high, &dense, &not]),
        and(&[&thin, &not, &either, &compare("float", Comparison::Greater, 1e11)]),
        and(&[&compare("tags", Comparison::Greater, "tag 1"), &compare("tags", Comparison::Less, "tag 2")]),
        either,
    ]);
    filters
}

/// A page of facets and an order at each path of [`wide`].
const WIDE_PATHS: [&str; 12] =
    ["unique", "float", "u8", "u16", "skewed", "same", "long", "even", "runs", "tags", "rare", "place"];

#[test]
fn every_form_of_a_column_answers_as_the_definition_does() {
    for len in [1, 63, 64, 65, 3000] {
        let indexed = Indexed::new(wide(len), &[]);
        indexed.view().verify().unwrap();
        let found: Vec<SlotSet> = wide_filters().iter().map(|filter| indexed.check(filter)).collect();
        for (path, passing) in WIDE_PATHS.iter().zip(found.iter().rev()) {
            check_facets(&indexed, path, passing);
            check_order(&indexed, path, Direction::Ascending);
            check_order(&indexed, path, Direction::Descending);
        }
    }
}

#[test]
fn ordinals_of_four_bytes_answer_as_the_definition_does() {
    let indexed = Indexed::new(wide(70_000), &[]);
    indexed.view().verify().unwrap();
    wide_filters().iter().for_each(|filter| drop(indexed.check(filter)));
}

/// More names than there is an index for are still found, in the records.
#[test]
fn names_without_number_are_data() {
    let record = |slot: usize| {
        let inner = BTreeMap::from([(format!("name {slot}"), Value::from(slot as i64))]);
        Fields::from_iter([("many", Value::Map(inner)), ("all", Value::from(1))])
    };
    let indexed = Indexed::new((0..1500).map(record).collect(), &[]);
    indexed.view().verify().unwrap();
    for slot in [0, 999, 1000, 1499] {
        let path = format!("many.name {slot}");
        assert_eq!(indexed.check(&compare(&path, Comparison::Equal, slot)).len(), 1);
        assert_eq!(indexed.check(&test(&path, Test::Exists)).len(), 1);
    }
    assert_eq!(indexed.check(&compare("all", Comparison::Equal, 1)).len(), 1500);
    assert!(indexed.directory.paths().count() < 1100);
    assert!(indexed.directory.may_have(Path::dotted("many.name 1499").names()));
    assert!(!indexed.directory.may_have(Path::dotted("al").names()));
}

#[test]
fn a_path_left_out_takes_no_room_and_is_still_answered() {
    let record =
        |slot: i64| Fields::from_iter([("text", Value::from(format!("{slot} text"))), ("n", slot.into())]);
    let fields: Vec<Fields> = (0..2000).map(record).collect();
    let (with, without) = (Indexed::new(fields.clone(), &[]), Indexed::new(fields, &["text"]));
    assert!(without.sealed.0.len() * 2 < with.sealed.0.len());
    let filter = compare("text", Comparison::Equal, "77 text");
    assert_eq!(without.check(&filter).len(), 1);
    assert!(without.view().facets(Path::dotted("text").names(), None, 9).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn damaged_columns_of_every_form_are_answered_or_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        path in prop::sample::select(WIDE_PATHS.to_vec()),
    ) {
        let mut indexed = Indexed::new(wide(700), &[]);
        for (at, byte) in damage {
            let at = at.index(indexed.sealed.0.len());
            indexed.sealed.0[at] = byte;
        }
        let Ok(directory) = Directory::open(&indexed.sealed, indexed.fields.len() as u32) else { return Ok(()) };
        indexed.directory = directory;
        use_all(&indexed, &wide_filters(), path);
    }
}
