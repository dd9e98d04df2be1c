//! What no filter may have, whichever way it was written.

use super::Comparison;
use super::Filter;
use super::MAX_DEPTH;
use super::MAX_NODES;
use super::Node;
use super::Path;
use super::Test;
use super::problem;
use crate::error::Result;
use crate::metadata;
use crate::metadata::Value;

impl Filter {
    /// `Ok` where the filter has a meaning. What reads filters checks them, and so does what uses them.
    ///
    /// ```
    /// use lodedb::field;
    ///
    /// let error = field("year").lt(f64::NAN).check().unwrap_err();
    /// assert_eq!(error.to_string(), "filter: field 'year': NaN compares with nothing; numbers are finite");
    /// ```
    ///
    /// # Errors
    /// [`Error::Filter`](crate::Error::Filter) names the first field with an empty name, a number that is not finite, a
    /// value that can't compare so, a radius below zero, a box whose south is north of its north; or says that the
    /// filter has over 10,000 conditions or that they are nested over 128 deep.
    pub fn check(&self) -> Result<()> {
        let mut nodes = 0;
        check_node(self, 0, &mut nodes)
    }
}

fn check_node(filter: &Filter, depth: usize, nodes: &mut usize) -> Result<()> {
    *nodes += 1;
    if *nodes > MAX_NODES {
        return Err(problem(format!(
            "it has over {MAX_NODES} conditions; one 'in' takes any number of values of a field"
        )));
    }
    if depth > MAX_DEPTH {
        return Err(problem(too_deep()));
    }
    match filter.node() {
        Node::All => Ok(()),
        Node::And(members) | Node::Or(members) => {
            members.iter().try_for_each(|member| check_node(member, depth + 1, nodes))
        }
        Node::Not(inner) => check_node(inner, depth + 1, nodes),
        Node::Field(path, test) => check_path(path)
            .and_then(|()| check_test(path, test))
            .map_err(|text| problem(format!("field '{path}': {text}"))),
    }
}

/// The problem of a filter nested too deep.
pub(super) fn too_deep() -> String {
    format!("conditions are nested over {MAX_DEPTH} deep")
}

/// The problem of a place that there is not.
pub(super) fn off_the_globe(lat: f64, lon: f64) -> String {
    format!("no place is at {lat}, {lon}: latitudes go from -90 to 90, longitudes from -180 to 180")
}

fn check_path(path: &Path) -> Result<(), String> {
    if path.names().iter().any(String::is_empty) {
        return Err("a name is empty; dots separate the names of a path".into());
    }
    match path.names().first() {
        Some(first) if first.starts_with('$') => Err("'$' marks operators, and no field begins so".into()),
        _ => Ok(()),
    }
}

fn check_test(path: &Path, test: &Test) -> Result<(), String> {
    match test {
        Test::Exists | Test::Prefix(_) | Test::Words(_) => Ok(()),
        Test::Compare(comparison, value) => {
            check_value(path, value, 1)?;
            check_order(*comparison, value)
        }
        Test::In(values) | Test::Contains(_, values) => {
            values.iter().try_for_each(|value| check_value(path, value, 1))
        }
        Test::Radius(_, meters) if meters.is_finite() && *meters >= 0.0 => Ok(()),
        Test::Radius(_, meters) => Err(format!("a radius of {meters} meters; it is finite, and at least 0")),
        Test::Box(south_west, north_east) if south_west.lat() <= north_east.lat() => Ok(()),
        Test::Box(south_west, north_east) => Err(format!(
            "the box goes from latitude {} in the south to {} in the north; the south comes first",
            south_west.lat(),
            north_east.lat(),
        )),
    }
}

fn check_value(path: &Path, value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::F64(number) if !number.is_finite() => {
            Err(format!("{number} compares with nothing; numbers are finite"))
        }
        Value::Map(map) => {
            let name = map.keys().next().map_or("name", String::as_str);
            Err(format!("a map compares with nothing; test its values, such as '{path}.{name}'"))
        }
        Value::Array(_) if depth >= metadata::MAX_DEPTH => {
            Err(format!("arrays are nested over {} deep", metadata::MAX_DEPTH))
        }
        Value::Array(values) => values.iter().try_for_each(|value| check_value(path, value, depth + 1)),
        _ => Ok(()),
    }
}

fn check_order(comparison: Comparison, value: &Value) -> Result<(), String> {
    let instead = match value {
        _ if comparison == Comparison::Equal => return Ok(()),
        Value::Array(_) => "arrays are equal or not; 'contains' looks for their elements",
        Value::Geo(_) => "places are equal or not; a radius or a box says where they are",
        _ => return Ok(()),
    };
    Err(format!("{} can't be put in order with '{}': {instead}", value.kind(), comparison.symbol()))
}

impl Comparison {
    /// How it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}
