//! Filters: conditions on the fields of records.
//!
//! Not here: the index that answers a filter for many records at once (`field_index`), and how a search uses it (`query`).

use crate::metadata::GeoPoint;
use crate::metadata::Value;

/// A condition on the fields of a record.
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
}

impl From<Node> for Filter {
    fn from(node: Node) -> Self {
        Self { node }
    }
}

impl Path {
    /// The names, that of the field first.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}
