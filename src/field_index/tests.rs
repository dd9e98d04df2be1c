//! The index against the definition of filters, on random records; and on damaged bytes.

use super::Direction;
use super::Directory;
use super::FieldIndex;
use super::Key;
use super::Records;
use super::build;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Error;
use crate::error::Result;
use crate::filter::Comparison;
use crate::filter::Filter;
use crate::filter::Many;
use crate::filter::Node;
use crate::filter::Path;
use crate::filter::Test;
use crate::ids::Slot;
use crate::metadata::Fields;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use crate::metadata::encode;
use crate::slots::SlotSet;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;

pub(super) struct Held(pub(super) Vec<u8>);

impl Bytes for Held {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        self.0.as_slice().bytes(range)
    }
}

impl Records for Vec<Vec<u8>> {
    fn encoded(&self, slot: Slot) -> Result<&[u8]> {
        let found = self.get(slot as usize).map(Vec::as_slice);
        found.ok_or_else(|| Error::corrupt("fields", 0, "no such slot"))
    }
}

/// Records with their index.
pub(super) struct Indexed {
    pub(super) fields: Vec<Fields>,
    encoded: Vec<Vec<u8>>,
    pub(super) sealed: Held,
    pub(super) directory: Directory,
}

impl Indexed {
    pub(super) fn new(fields: Vec<Fields>, unindexed: &[&str]) -> Self {
        let encoded: Vec<Vec<u8>> = fields
            .iter()
            .map(|fields| {
                let mut out = ByteWriter::new();
                encode(fields, &mut out).unwrap();
                out.finish()
            })
            .collect();
        let len = fields.len() as u32;
        let sealed = Held(build(len, encoded.iter().map(|bytes| Ok(bytes.as_slice())), unindexed).unwrap());
        let directory = Directory::open(&sealed, len).unwrap();
        Self { fields, encoded, sealed, directory }
    }

    pub(super) fn view(&self) -> FieldIndex<'_> {
        FieldIndex::new(&self.directory, &self.sealed, &self.encoded)
    }

    /// The answer of the index, which is the one by definition, and within the estimate.
    pub(super) fn check(&self, filter: &Filter) -> SlotSet {
        let view = self.view();
        let found = view.evaluate(filter, &|path, query| Ok(self.words(path, query))).unwrap();
        let passes = |fields: &Fields| filter.matches(fields, &has_word);
        let wanted: Vec<Slot> =
            (0..).zip(&self.fields).filter(|(_, fields)| passes(fields)).map(|(slot, _)| slot).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{filter}");
        let estimate = view.estimate(filter).unwrap();
        assert!(
            (estimate.start..=estimate.end).contains(&wanted.len()),
            "{filter} {estimate:?} {}",
            wanted.len()
        );
        found
    }

    fn words(&self, path: &Path, query: &str) -> SlotSet {
        let filter = Filter::from(Node::Field(path.clone(), Test::Words(query.into())));
        let passes = |fields: &Fields| filter.matches(fields, &has_word);
        let slots =
            (0..).zip(&self.fields).filter(|(_, fields)| passes(fields)).map(|(slot, _)| slot).collect();
        SlotSet::from_ascending(self.fields.len() as u32, slots)
    }
}

fn has_word(_: &Path, text: &str, query: &str) -> bool {
    text.contains(query)
}

pub(super) fn test(path: &str, test: Test) -> Filter {
    Node::Field(Path::dotted(path), test).into()
}

fn place() -> impl Strategy<Value = GeoPoint> {
    let degrees =
        |most: f64| prop_oneof![Just(-most), Just(most), Just(0.0), Just(-0.0), -most..most, -2.0..2.0];
    (degrees(90.0), degrees(180.0)).prop_map(|(lat, lon)| GeoPoint::new(lat, lon).unwrap())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,3}",
        "[ab]{0,2}".prop_map(|end| format!("{}{end}", "long ".repeat(10))),
        "[é\u{10000}]{20,30}",
        (0u32..3).prop_map(|year| format!("{}-01-01", 2020 + year)),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    let extreme =
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(1 << 53), Just((1 << 53) + 1), any::<i64>()];
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        3 => (-2i64..4).prop_map(Value::I64),
        1 => extreme.clone().prop_map(Value::I64),
        2 => (-4i64..8).prop_map(|half| Value::F64(half as f64 / 2.0)),
        1 => extreme.prop_map(|number| Value::F64(number as f64)),
        4 => text().prop_map(Value::Str),
        1 => (0i64..3).prop_map(|year| Value::DateTime(format!("{}-01-01", 2020 + year).parse().unwrap())),
        1 => place().prop_map(Value::Geo),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn records(most: usize) -> impl Strategy<Value = Vec<Fields>> {
    let fields = prop::collection::btree_map("[abc]", value(), 0..4).prop_map(Fields::from);
    prop::collection::vec(fields, 0..most)
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[abc]", 3 => "[abc]\\.[ab]", 1 => "[abc]\\.[ab]\\.[ab]", 1 => Just("none".to_owned())]
}

fn condition() -> impl Strategy<Value = Filter> {
    let operand = prop_oneof![5 => scalar().boxed(), 1 => value().boxed()];
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::Less,
        Comparison::AtMost,
        Comparison::Greater,
        Comparison::AtLeast,
    ]);
    let several = prop::collection::vec(operand.clone(), 0..4);
    let many = prop::sample::select(vec![Many::Any, Many::All]);
    let tested = prop_oneof![
        1 => Just(Test::Exists),
        6 => (comparison, operand).prop_map(|(comparison, operand)| Test::Compare(comparison, operand)),
        2 => several.clone().prop_map(Test::In),
        3 => (many, several).prop_map(|(many, values)| Test::Contains(many, values)),
        2 => (text(), 0usize..60).prop_map(|(text, len)| Test::Prefix(text.chars().take(len).collect())),
        1 => "[ab]".prop_map(Test::Words),
        1 => (place(), prop_oneof![0.0..3e7, 0.0..3e5]).prop_map(|(center, meters)| Test::Radius(center, meters)),
        1 => (place(), place()).prop_map(|(one, other)| Test::Box(one, other)),
    ];
    (path(), tested).prop_map(|(path, tested)| test(&path, tested))
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![10 => condition(), 1 => Just(Filter::from(Node::All))];
    leaf.prop_recursive(3, 10, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            several.clone().prop_map(|filters| Node::And(filters).into()),
            several.prop_map(|filters| Node::Or(filters).into()),
            inner.prop_map(|filter| Node::Not(Box::new(filter)).into()),
        ]
    })
}

/// The values at a path that are neither arrays nor maps, with those in arrays.
fn scalars_at(fields: &Fields, path: &str) -> Vec<Value> {
    let mut found = vec![Value::from(fields.clone())];
    for name in path.split('.') {
        let maps = found.into_iter().flat_map(|value| match value {
            Value::Array(values) => values,
            other => vec![other],
        });
        let inner = maps.filter_map(|map| match map {
            Value::Map(mut map) => map.remove(name),
            _ => None,
        });
        found = inner.collect();
    }
    let flat = found.into_iter().flat_map(|value| match value {
        Value::Array(values) => values,
        other => vec![other],
    });
    flat.filter(super::select::is_scalar).collect()
}

/// The first float above all integers.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// Facets as text, numbers of equal value as one.
fn naive_facets(fields: &[Fields], path: &str, passing: &SlotSet) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for slot in passing.iter() {
        let found: BTreeSet<String> =
            scalars_at(&fields[slot as usize], path).iter().map(facet_name).collect();
        found.into_iter().for_each(|name| *counts.entry(name).or_insert(0) += 1);
    }
    counts
}

fn facet_name(value: &Value) -> String {
    match value {
        Value::F64(float) if float.trunc() == *float && (-BEYOND..BEYOND).contains(float) => {
            format!("integer {}", *float as i64)
        }
        other => format!("{} {other}", other.kind()),
    }
}

pub(super) fn check_facets(indexed: &Indexed, path: &str, passing: &SlotSet) {
    let names = Path::dotted(path);
    let facets =
        |passing| indexed.view().facets(names.names(), passing, usize::MAX).unwrap().unwrap_or_default();
    let named =
        |facets: Vec<(Value, u64)>| facets.iter().map(|(value, count)| (facet_name(value), *count)).collect();
    let found: BTreeMap<String, u64> = named(facets(Some(passing)));
    assert_eq!(found, naive_facets(&indexed.fields, path, passing));
    let all = SlotSet::all(indexed.fields.len() as u32);
    let found: BTreeMap<String, u64> = named(facets(None));
    assert_eq!(found, naive_facets(&indexed.fields, path, &all));
    let sorted = facets(Some(passing));
    assert!(sorted.is_sorted_by_key(|(_, count)| std::cmp::Reverse(*count)));
    let first = indexed.view().facets(names.names(), Some(passing), 2).unwrap().unwrap_or_default();
    assert_eq!(first, sorted[..sorted.len().min(2)]);
}

pub(super) fn check_order(indexed: &Indexed, path: &str, direction: Direction) {
    let names = Path::dotted(path);
    let Some(order) = indexed.view().order(names.names(), direction).unwrap() else { return };
    let values = indexed.view().values(names.names()).unwrap().unwrap();
    let mut wanted: BTreeMap<Key, Vec<Slot>> = BTreeMap::new();
    for (slot, fields) in (0..).zip(&indexed.fields) {
        let keys: BTreeSet<Key> = scalars_at(fields, path).into_iter().filter_map(Key::of).collect();
        let key = match direction {
            Direction::Ascending => keys.first(),
            Direction::Descending => keys.last(),
        };
        assert_eq!(order.key(slot).unwrap().as_ref(), key);
        let only = if keys.len() == 1 { keys.first() } else { None };
        assert_eq!(values.key(slot).unwrap().as_ref(), only);
        assert_eq!(values.place(slot).is_some(), only.is_some());
        if let Some(key) = key {
            wanted.entry(key.clone()).or_default().push(slot);
        }
    }
    let mut wanted: Vec<(Key, Vec<Slot>)> = wanted.into_iter().collect();
    if direction == Direction::Descending {
        wanted.reverse();
    }
    let groups = |from: Option<&Key>| order.groups(from).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(groups(None), wanted);
    for at in [0, wanted.len() / 2] {
        if let Some((key, _)) = wanted.get(at) {
            assert_eq!(groups(Some(key)), wanted[at..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_index_answers_as_the_definition_does(
        fields in records(60),
        filters in prop::collection::vec(filter(), 1..12),
        unindexed in prop::option::weighted(0.2, path()),
    ) {
        let unindexed: Vec<&str> = unindexed.as_deref().into_iter().collect();
        let indexed = Indexed::new(fields, &unindexed);
        indexed.view().verify().unwrap();
        for filter in &filters {
            indexed.check(filter);
        }
    }

    #[test]
    fn facets_and_order_are_those_of_the_records(fields in records(60), path in path(), filter in filter()) {
        let indexed = Indexed::new(fields, &[]);
        let passing = indexed.check(&filter);
        check_facets(&indexed, &path, &passing);
        check_order(&indexed, &path, Direction::Ascending);
        check_order(&indexed, &path, Direction::Descending);
    }

    #[test]
    fn damaged_bytes_are_answered_or_refused(
        fields in records(40),
        filters in prop::collection::vec(filter(), 1..6),
        path in path(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut indexed = Indexed::new(fields, &[]);
        for (at, byte) in damage {
            let at = at.index(indexed.sealed.0.len());
            indexed.sealed.0[at] = byte;
        }
        if let Some(cut) = cut {
            let len = cut.index(indexed.sealed.0.len());
            indexed.sealed.0.truncate(len);
        }
        let Ok(directory) = Directory::open(&indexed.sealed, indexed.fields.len() as u32) else { return Ok(()) };
        indexed.directory = directory;
        use_all(&indexed, &filters, &path);
    }
}

/// Calls everything that reads bytes; answers and errors are both right.
pub(super) fn use_all(indexed: &Indexed, filters: &[Filter], path: &str) {
    let view = indexed.view();
    let _ = view.verify();
    for filter in filters {
        let _ = view.evaluate(filter, &|path, query| Ok(indexed.words(path, query)));
        let _ = view.estimate(filter);
    }
    let names = Path::dotted(path);
    let some = SlotSet::from_ascending(indexed.fields.len() as u32, vec![0, 3]);
    let _ = view.facets(names.names(), Some(&some), 10);
    let _ = view.facets(names.names(), None, 10);
    for direction in [Direction::Ascending, Direction::Descending] {
        if let Ok(Some(order)) = view.order(names.names(), direction)
            && let Ok(groups) = order.groups(None)
        {
            groups.for_each(drop);
        }
    }
}
