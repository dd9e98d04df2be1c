//! A filter as text, with no parentheses but those that are needed, so that it reads back as the same filter.

use super::Comparison;
use super::Filter;
use super::Many;
use super::Node;
use super::Path;
use super::Test;
use super::lexer::is_plain;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use std::fmt;
use std::fmt::Formatter;

/// Written as [text](Filter#as-text). Where [`check`](Filter::check) passes, the text reads back as an equal filter, if it
/// is not over the length that is read.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.node() {
            Node::All => f.write_str("true"),
            Node::Or(members) if members.is_empty() => f.write_str("false"),
            Node::And(members) => joined(f, members, " and ", Filter::is_joined),
            Node::Or(members) => joined(f, members, " or ", Filter::is_alternative),
            Node::Field(path, test) => written(f, path, test, ""),
            Node::Not(inner) => match inner.node() {
                Node::Field(path, test @ (Test::Compare(Comparison::Equal, _) | Test::In(_))) => {
                    written(f, path, test, "not ")
                }
                _ => {
                    f.write_str("not ")?;
                    grouped(f, inner, inner.is_joined())
                }
            },
        }
    }
}

impl Filter {
    /// Whether its text is several conditions with a word between them.
    fn is_joined(&self) -> bool {
        matches!(self.node(), Node::And(members) | Node::Or(members) if members.len() > 1)
    }

    fn is_alternative(&self) -> bool {
        matches!(self.node(), Node::Or(members) if members.len() > 1)
    }
}

fn joined(
    f: &mut Formatter<'_>,
    members: &[Filter],
    word: &str,
    in_group: fn(&Filter) -> bool,
) -> fmt::Result {
    for (i, member) in members.iter().enumerate() {
        f.write_str(if i > 0 { word } else { "" })?;
        grouped(f, member, in_group(member))?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, filter: &Filter, in_group: bool) -> fmt::Result {
    if in_group { write!(f, "({filter})") } else { write!(f, "{filter}") }
}

/// Writes a condition; `not` is "not " where it is the negation of one that has a form of its own.
fn written(f: &mut Formatter<'_>, path: &Path, test: &Test, not: &str) -> fmt::Result {
    let path = Plain(path);
    match test {
        Test::Exists => write!(f, "exists({path})"),
        Test::Compare(_, value) if !not.is_empty() => write!(f, "{path} != {}", Plain(value)),
        Test::Compare(comparison, value) => write!(f, "{path} {} {}", comparison.symbol(), Plain(value)),
        Test::In(values) => write!(f, "{path} {not}in ({})", Plain(values.as_slice())),
        Test::Contains(Many::Any, values) if values.len() == 1 => {
            write!(f, "{path} contains {}", Plain(values.as_slice()))
        }
        Test::Contains(many, values) => {
            let many = if *many == Many::Any { "any" } else { "all" };
            write!(f, "{path} contains {many} ({})", Plain(values.as_slice()))
        }
        Test::Prefix(text) => write!(f, "{path} starts with {}", Plain(text.as_str())),
        Test::Words(text) => write!(f, "words({path}, {})", Plain(text.as_str())),
        Test::Radius(center, meters) => write!(f, "within({path}, {}, {})", Plain(center), Plain(meters)),
        Test::Box(south_west, north_east) => {
            write!(f, "inside({path}, {}, {})", Plain(south_west), Plain(north_east))
        }
    }
}

/// Writes a thing as the parser reads it.
struct Plain<'a, T: ?Sized>(&'a T);

impl fmt::Display for Plain<'_, Path> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.names().iter().enumerate() {
            f.write_str(if i > 0 { "." } else { "" })?;
            match is_plain(name) {
                true => f.write_str(name)?,
                false => write!(f, "`{}`", name.replace('`', "``"))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Plain<'_, Value> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Str(text) => Plain(text.as_str()).fmt(f),
            Value::DateTime(instant) => write!(f, "datetime('{instant}')"),
            Value::Geo(place) => write!(f, "point({})", Plain(place)),
            Value::Array(values) => write!(f, "[{}]", Plain(values.as_slice())),
            other => other.fmt(f),
        }
    }
}

impl fmt::Display for Plain<'_, [Value]> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, Plain(value))?;
        }
        Ok(())
    }
}

impl fmt::Display for Plain<'_, str> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for letter in self.0.chars() {
            match letter {
                '\'' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("'")
    }
}

/// Latitude and longitude.
impl fmt::Display for Plain<'_, GeoPoint> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", Plain(&self.0.lat()), Plain(&self.0.lon()))
    }
}

/// A float where an integer would say the same.
impl fmt::Display for Plain<'_, f64> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = format!("{:?}", self.0);
        f.write_str(text.strip_suffix(".0").unwrap_or(&text))
    }
}
