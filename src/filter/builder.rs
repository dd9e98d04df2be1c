//! Filters written in Rust: [`field`], and what joins filters.

use super::Comparison;
use super::Filter;
use super::Many;
use super::Node;
use super::Path;
use super::Test;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use std::ops::Not;

/// The field with this name, to say a condition on it. Dots lead into maps: `address.city`.
///
/// Nothing is refused here: a name or value that no filter may have is found by [`Filter::check`], which every use of
/// the filter begins with.
///
/// ```
/// use lodedb::field;
///
/// let filter = field("year").between(1848, 1855).and(field("address.city").ne("Almaden"));
/// assert_eq!(filter.to_string(), "year >= 1848 and year <= 1855 and address.city != 'Almaden'");
/// ```
pub fn field(path: impl AsRef<str>) -> FieldPath {
    FieldPath { path: Path::dotted(path.as_ref()) }
}

/// A field, or the way from it into maps; its methods say what its values have to be. Made by [`field`].
///
/// Where a value is an array, one element that passes is enough; where there is no value, a condition does not pass, but
/// for [`ne`](Self::ne), [`not_in`](Self::not_in) and [`missing`](Self::missing).
///
/// ```
/// use lodedb::field;
///
/// let name = field("name");
/// let filter = name.clone().starts_with("Cinna").or(name.eq("Galena"));
/// assert_eq!(filter.to_string(), "name starts with 'Cinna' or name = 'Galena'");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct FieldPath {
    path: Path,
}

impl FieldPath {
    /// The field at a path.
    pub(super) fn at(path: Path) -> Self {
        Self { path }
    }

    /// A value equals `value`: an element, or, where `value` is an array, an array as a whole.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Equal, value)
    }

    /// No value equals `value`. Passes where there is none.
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        !self.eq(value)
    }

    /// A value is less than `value`.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Less, value)
    }

    /// A value is at most `value`.
    pub fn le(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::AtMost, value)
    }

    /// A value is greater than `value`.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::Greater, value)
    }

    /// A value is at least `value`.
    pub fn ge(self, value: impl Into<Value>) -> Filter {
        self.compare(Comparison::AtLeast, value)
    }

    /// A value is at least `low`, and a value is at most `high`. In an array these may be two elements.
    pub fn between(self, low: impl Into<Value>, high: impl Into<Value>) -> Filter {
        let least = self.clone().ge(low);
        least.and(self.le(high))
    }

    /// A value equals one of `values`.
    ///
    /// ```
    /// use lodedb::field;
    ///
    /// assert_eq!(field("year").is_in([1848, 1849]).to_string(), "year in (1848, 1849)");
    /// ```
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(Test::In(values.into_iter().map(Into::into).collect()))
    }

    /// No value equals any of `values`. Passes where there is none.
    pub fn not_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        !self.is_in(values)
    }

    /// There is a value, be it null.
    pub fn exists(self) -> Filter {
        self.test(Test::Exists)
    }

    /// There is no value, not even null.
    pub fn missing(self) -> Filter {
        !self.exists()
    }

    /// It is an array with this element.
    ///
    /// ```
    /// use lodedb::field;
    ///
    /// assert_eq!(field("tags").contains("gold").to_string(), "tags contains 'gold'");
    /// ```
    pub fn contains(self, value: impl Into<Value>) -> Filter {
        self.contains_any([value])
    }

    /// It is an array with one of these elements.
    pub fn contains_any<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(Test::Contains(Many::Any, values.into_iter().map(Into::into).collect()))
    }

    /// It is an array with all of these elements. All of none are in every array.
    pub fn contains_all<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.test(Test::Contains(Many::All, values.into_iter().map(Into::into).collect()))
    }

    /// It is a text that begins with `prefix`, byte by byte.
    pub fn starts_with(self, prefix: impl Into<String>) -> Filter {
        self.test(Test::Prefix(prefix.into()))
    }

    /// It is a place at most `meters` from `center`, on a sphere with the Earth's mean radius.
    ///
    /// ```
    /// use lodedb::{GeoPoint, field};
    ///
    /// let almaden = GeoPoint::new(38.775, -4.848).expect("both are in range");
    /// let near = field("place").within_radius(almaden, 20_000.0);
    /// assert_eq!(near.to_string(), "within(place, 38.775, -4.848, 20000)");
    /// ```
    pub fn within_radius(self, center: GeoPoint, meters: f64) -> Filter {
        self.test(Test::Radius(center, meters))
    }

    /// It is a place between two corners, on the edges too. Where the western longitude is greater than the eastern, the
    /// box goes over the 180th meridian.
    pub fn within_box(self, south_west: GeoPoint, north_east: GeoPoint) -> Filter {
        self.test(Test::Box(south_west, north_east))
    }

    /// It is a text with all of these words, as the text index knows them.
    pub fn has_words(self, words: impl Into<String>) -> Filter {
        self.test(Test::Words(words.into()))
    }

    fn compare(self, comparison: Comparison, value: impl Into<Value>) -> Filter {
        self.test(Test::Compare(comparison, value.into()))
    }

    pub(super) fn test(self, test: Test) -> Filter {
        Node::Field(self.path, test).into()
    }
}

impl Filter {
    /// What every record passes.
    ///
    /// ```
    /// use lodedb::{Filter, field};
    ///
    /// let wanted = [("year", 1849), ("mine", 3)];
    /// let filter = wanted.into_iter().fold(Filter::all(), |all, (name, value)| all.and(field(name).eq(value)));
    /// assert_eq!(filter.to_string(), "year = 1849 and mine = 3");
    /// ```
    #[must_use]
    pub fn all() -> Self {
        Node::All.into()
    }

    /// What passes both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut members = self.conjuncts();
        members.append(&mut other.conjuncts());
        Self::all_of(members)
    }

    /// What passes one of them, or both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut members = self.disjuncts();
        members.append(&mut other.disjuncts());
        Self::any_of(members)
    }

    fn conjuncts(self) -> Vec<Self> {
        match self.node {
            Node::All => Vec::new(),
            Node::And(members) => members,
            node => vec![node.into()],
        }
    }

    fn disjuncts(self) -> Vec<Self> {
        match self.node {
            Node::Or(members) => members,
            node => vec![node.into()],
        }
    }
}

/// What does not pass.
impl Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Node::Not(Box::new(self)).into()
    }
}
