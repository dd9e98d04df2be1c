//! Filters: conditions on the fields of records.
//!
//! One tree, [`Node`], with three doors:
//!
//! ```text
//! builder     field("year").ge(1848).and(!field("draft").exists())
//! parser      year >= 1848 and not exists(draft)                       lexer: its words    display: writes it again
//! operators   {"year": {"$gte": 1848}, "draft": {"$exists": false}}    reads and writes values, and so whatever serde knows
//! check       what no filter may have, through whichever door it came; suggest: what may have been meant
//! matching    what a filter means for one record: the definition that every index has to equal
//! ```
//!
//! # Meaning
//! A path leads from a field into maps, and where there is an array of maps, into each of them. To the values it leads to:
//! - A comparison passes where a value passes, or, where it is an array, one of its elements; an array equals an array
//!   as a whole. Where there is no value, no comparison passes, so that its negation does.
//! - Numbers compare by value, exactly, integers with floats too; texts by their bytes; false is less than true; null
//!   equals null alone; instants compare with instants, and with texts that are written as one. Values of different kinds
//!   do not compare, whichever way: neither passes `< 5` nor `>= 5`. Places and arrays are equal or not.
//! - `contains` looks at arrays alone, at their elements. All of several values may be in different arrays where the path
//!   leads to several; all of none are in every array.
//!
//! # Invariants
//! - `And` has two members or more, `Or` has not one: [`Filter::all_of`] and [`Filter::any_of`] see to it. So each filter
//!   has one text and one map of operators, and both come back as the same filter.
//! - What passed [`Filter::check`] is nested at most [`MAX_DEPTH`] deep, so that it can be evaluated by recursion.
//!
//! Not here: the index that answers a filter for many records at once (`field_index`), and how a search uses it (`query`).

mod builder;
mod check;
mod display;
#[cfg(test)]
mod language_tests;
mod lexer;
mod matching;
#[cfg(test)]
mod matching_tests;
mod operators;
mod parser;
mod suggest;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
pub use builder::FieldPath;
pub use builder::field;
pub(crate) use matching::compare;
pub(crate) use matching::distance;
pub(crate) use matching::in_box;
pub(crate) use matching::instant;
use std::fmt;
pub(crate) use suggest::unknown_field;

/// Deepest nesting of `and`, `or`, `not` and parentheses.
const MAX_DEPTH: usize = 128;

/// Most conditions of one filter, those that join others included.
const MAX_NODES: usize = 10_000;

/// A condition on the fields of a record.
///
/// It is written in Rust with [`field`], as text, or as a map of operators; all three make the same filter:
///
/// ```
/// use lodedb::{Filter, Value, field};
///
/// let filter = field("year").ge(1848).and(field("tags").is_in(["gold", "silver"])).and(!field("draft").exists());
/// assert_eq!(filter, "year >= 1848 and tags in ('gold', 'silver') and not exists(draft)".parse()?);
///
/// let operators = r#"{"$and": [{"year": {"$gte": 1848}}, {"tags": {"$in": ["gold", "silver"]}},
///                             {"draft": {"$exists": false}}]}"#;
/// assert_eq!(filter, Filter::from_value(&serde_json::from_str(operators).unwrap())?);
/// # Ok::<(), lodedb::Error>(())
/// ```
///
/// # What passes
/// A path such as `address.city` leads from a field into maps, and where it meets an array of maps, into each of them.
/// A comparison passes where the value there does, or, in an array, one of the elements. Where there is no value it does
/// not pass; so its negation does, as `!=` and `not in` do.
///
/// Numbers compare by value, whether whole or not, exactly; texts by their bytes; false is less than true; null equals
/// null only; instants compare with instants, and with texts that are written as one (RFC 3339). Values of different
/// kinds are not equal, and neither is less.
///
/// # As text
/// ```text
/// year = 1849          = or ==, != or <>, <, <=, >, >=       with numbers, 'text' or "text", true, false, null
/// year between 1848 and 1855                                 both included
/// tags in ('gold', 'silver')     tags not in ('lead')
/// tags contains 'gold'           tags contains any ('gold', 'silver')      tags contains all ('gold', 'silver')
/// title starts with 'On the '
/// draft                                                      is draft = true
/// exists(draft)     missing(draft)     draft is null         null is a value: null exists
/// words(title, 'gold mine')                                  has these words, as the text index knows them
/// within(place, 38.775, -4.848, 20000)                       latitude, longitude, meters
/// inside(place, 36, -9.5, 43.8, 3.3)                         south, west, north, east
/// not draft and (year < 1848 or `odd name`.part = 'x')       not binds closer than and, and closer than or
/// found = datetime('1849-01-31T12:00:00Z')                   an instant and never a text; '1849-01-31' is both
/// place = point(38.775, -4.848)     sizes = [1, 2]           a place, an array as a whole
/// ```
/// Words of the language may be written in capitals. In texts, `\` stands before a quote, and for all that JSON has; a
/// quote may also be doubled. `true` alone passes every record, `false` none. [`Display`](fmt::Display) writes this form.
///
/// # As a map of operators
/// A field with a value is equality; several fields, and several operators of a field, have to pass together. See
/// [`Filter::from_value`].
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    node: Node,
}

/// A filter taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Every record.
    All,
    /// Records that pass all of them; every record where there is none.
    And(Vec<Filter>),
    /// Records that pass one of them; none where there is none.
    Or(Vec<Filter>),
    /// Records that do not pass.
    Not(Box<Filter>),
    /// Records whose field passes.
    Field(Path, Test),
}

/// The way to a value: names of a field and of maps in it. Arrays on the way stand for each of their elements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Path(Vec<String>);

/// What is asked of the values at a path. Where there are several (arrays), one that passes is enough, but for
/// [`Test::Contains`] with [`Many::All`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// There is a value, be it null.
    Exists,
    /// It compares so with this one. Numbers compare by value, texts by bytes, values of other kinds never; a text that is
    /// written as an instant also compares with instants.
    Compare(Comparison, Value),
    /// It equals one of these.
    In(Vec<Value>),
    /// It is an array that has one or all of these.
    Contains(Many, Vec<Value>),
    /// It is a text that begins so.
    Prefix(String),
    /// It is a text with these words, analyzed as the field is.
    Words(String),
    /// It is a place at most so many meters away.
    Radius(GeoPoint, f64),
    /// It is a place between the south-western and the north-eastern corner; west may be east of east.
    Box(GeoPoint, GeoPoint),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// How many of several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Many {
    /// One is enough.
    Any,
    /// Each of them.
    All,
}

impl Filter {
    /// The filter taken apart.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// What passes all of them.
    pub(crate) fn all_of(mut filters: Vec<Self>) -> Self {
        match filters.len() {
            0 => Node::All.into(),
            1 => filters.remove(0),
            _ => Node::And(filters).into(),
        }
    }

    /// What passes one of them.
    pub(crate) fn any_of(mut filters: Vec<Self>) -> Self {
        match filters.len() {
            1 => filters.remove(0),
            _ => Node::Or(filters).into(),
        }
    }

    /// The paths of all conditions, as often as they occur.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let mut open = vec![self];
        std::iter::from_fn(move || {
            while let Some(filter) = open.pop() {
                match filter.node() {
                    Node::All => {}
                    Node::And(members) | Node::Or(members) => open.extend(members.iter().rev()),
                    Node::Not(inner) => open.push(inner),
                    Node::Field(path, _) => return Some(path),
                }
            }
            None
        })
    }
}

impl From<Node> for Filter {
    fn from(node: Node) -> Self {
        Self { node }
    }
}

impl Path {
    /// The path that `text` is, with dots between names.
    pub(crate) fn dotted(text: &str) -> Self {
        Self(text.split('.').map(str::to_owned).collect())
    }

    /// The names, that of the field first.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

/// Names with dots between them, as they are.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// The error of a filter.
fn problem(problem: impl Into<String>) -> Error {
    Error::Filter { problem: problem.into() }
}
