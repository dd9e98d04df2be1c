//! Filters from and to maps of operators, such as `{"year": {"$gte": 1848}}`, and through them from and to serde.

use super::Comparison;
use super::FieldPath;
use super::Filter;
use super::MAX_DEPTH;
use super::Many;
use super::Node;
use super::Path;
use super::Test;
use super::check::off_the_globe;
use super::check::too_deep;
use super::problem;
use super::suggest::did_you_mean;
use crate::error::Error;
use crate::error::Result;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use serde::Deserialize;
use serde::Serialize;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::ser::Serializer;
use std::collections::BTreeMap;

/// The operators under a field.
const OPERATORS: [&str; 16] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$contains",
    "$contains_any",
    "$contains_all",
    "$prefix",
    "$text",
    "$geo_radius",
    "$geo_box",
];

/// The operators that join filters. `$not` also stands under a field.
const JOINING: [&str; 3] = ["$and", "$or", "$not"];

impl Filter {
    /// The filter in a map of operators.
    ///
    /// ```text
    /// {"year": 1849}                                   equal; so is {"year": {"$eq": 1849}}
    /// {"year": {"$gte": 1848, "$lt": 1855}, "a": 1}    all have to pass; {} passes every record
    /// $eq $ne $gt $gte $lt $lte                        a value. Also passes where there is none: $ne
    /// $in $nin                                         an array of values. Also passes where there is none: $nin
    /// $exists                                          true or false
    /// $contains, $contains_any $contains_all           an element of an array; an array of elements
    /// $prefix, $text                                   the beginning of a text; words that it has
    /// $geo_radius                                      {"center": PLACE, "meters": 20000}
    /// $geo_box                                         {"south_west": PLACE, "north_east": PLACE}
    /// {"$and": [..]}  {"$or": [..]}  {"$not": {..}}    of filters; {"year": {"$not": {"$gt": 1848}}}
    /// ```
    /// `PLACE` is `{"lat": 38.775, "lon": -4.848}`, [`Value::Geo`] or `[38.775, -4.848]`. Dots in a name lead into maps;
    /// there is no equality with a map.
    ///
    /// ```
    /// use lodedb::{Filter, Value};
    ///
    /// let operators: Value = serde_json::from_str(r#"{"year": {"$gte": 1848}, "address.city": "Almaden"}"#).unwrap();
    /// assert_eq!(Filter::from_value(&operators)?.to_string(), "address.city = 'Almaden' and year >= 1848");
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Filter`] names the place, as `$and[1].year.$gte`, what was found there and what would be right; whatever
    /// [`Filter::check`] refuses is refused.
    pub fn from_value(value: &Value) -> Result<Self> {
        let filter = filter_in(value, 0).map_err(Problem::into_error)?;
        filter.check()?;
        Ok(filter)
    }

    /// The filter as a map of operators, which [`from_value`](Self::from_value) reads as an equal filter.
    ///
    /// ```
    /// use lodedb::field;
    ///
    /// let filter = field("year").ge(1848).and(field("draft").missing());
    /// assert_eq!(filter.to_value().to_string(), r#"{"$and":[{"year":{"$gte":1848}},{"draft":{"$exists":false}}]}"#);
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self.node() {
            Node::All => Value::Map(BTreeMap::new()),
            Node::And(members) => map("$and", Value::Array(members.iter().map(Self::to_value).collect())),
            Node::Or(members) => map("$or", Value::Array(members.iter().map(Self::to_value).collect())),
            Node::Field(path, test) => map(&path.to_string(), test_out(test)),
            Node::Not(inner) => match inner.node() {
                Node::Field(path, test) => map(&path.to_string(), negation_out(test)),
                _ => map("$not", inner.to_value()),
            },
        }
    }
}

/// As a map of operators. Formats without instants write them as texts, which compare with texts too.
impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

/// From a map of operators.
impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn map(name: &str, value: impl Into<Value>) -> Value {
    Value::Map(BTreeMap::from([(name.to_owned(), value.into())]))
}

/// What stands under a field.
fn test_out(test: &Test) -> Value {
    let listed = |values: &[Value]| Value::Array(values.to_vec());
    match test {
        Test::Exists => map("$exists", true),
        Test::Compare(Comparison::Equal, value) if !matches!(value, Value::Map(_)) => value.clone(),
        Test::Compare(comparison, value) => map(operator(*comparison), value.clone()),
        Test::In(values) => map("$in", listed(values)),
        Test::Contains(Many::Any, values) => match values.as_slice() {
            [value] => map("$contains", value.clone()),
            values => map("$contains_any", listed(values)),
        },
        Test::Contains(Many::All, values) => map("$contains_all", listed(values)),
        Test::Prefix(text) => map("$prefix", text.as_str()),
        Test::Words(text) => map("$text", text.as_str()),
        Test::Radius(center, meters) => {
            let circle =
                [("center".to_owned(), Value::Geo(*center)), ("meters".to_owned(), Value::F64(*meters))];
            map("$geo_radius", Value::Map(circle.into()))
        }
        Test::Box(south_west, north_east) => {
            let corners = [("south_west", south_west), ("north_east", north_east)];
            let corners = corners.map(|(name, corner)| (name.to_owned(), Value::Geo(*corner)));
            map("$geo_box", Value::Map(corners.into()))
        }
    }
}

fn negation_out(test: &Test) -> Value {
    match test {
        Test::Exists => map("$exists", false),
        Test::Compare(Comparison::Equal, value) => map("$ne", value.clone()),
        Test::In(values) => map("$nin", Value::Array(values.clone())),
        other => map("$not", test_out(other)),
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "$eq",
        Comparison::Less => "$lt",
        Comparison::AtMost => "$lte",
        Comparison::Greater => "$gt",
        Comparison::AtLeast => "$gte",
    }
}

/// What is wrong, and where: the steps to it, the last first.
struct Problem {
    place: Vec<String>,
    text: String,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self { place: Vec::new(), text: text.into() }
    }

    /// `what` was found where something else is right.
    fn expected(right: &str, found: &Value) -> Self {
        let whole = found.to_string();
        let mut shown: String = whole.chars().take(40).collect();
        shown.push_str(if shown.len() < whole.len() { "..." } else { "" });
        Self::new(format!("expected {right}, found the {} {shown}", found.kind()))
    }

    /// The same problem, seen from one step further out.
    fn under(mut self, step: impl Into<String>) -> Self {
        self.place.push(step.into());
        self
    }

    fn into_error(self) -> Error {
        let place = self.place.into_iter().rev().reduce(|place, step| match step.starts_with('[') {
            true => place + &step,
            false => place + "." + &step,
        });
        match place {
            Some(place) => problem(format!("at {place}: {}", self.text)),
            None => problem(self.text),
        }
    }
}

type Read<T> = std::result::Result<T, Problem>;

fn filter_in(value: &Value, depth: usize) -> Read<Filter> {
    if depth > MAX_DEPTH {
        return Err(Problem::new(too_deep()));
    }
    let mut all = Vec::new();
    match value {
        Value::Map(map) => {
            for (key, value) in map {
                entry_in(key, value, depth, &mut all).map_err(|problem| problem.under(key))?;
            }
        }
        // Two fields with these names look like a place to whoever made values of them.
        Value::Geo(place) => {
            all.push(FieldPath::at(Path::dotted("lat")).eq(place.lat()));
            all.push(FieldPath::at(Path::dotted("lon")).eq(place.lon()));
        }
        other => return Err(Problem::expected("a filter such as {\"year\": {\"$gte\": 1848}}", other)),
    }
    Ok(Filter::all_of(all))
}

/// Adds the filters of one entry of a map.
fn entry_in(key: &str, value: &Value, depth: usize, out: &mut Vec<Filter>) -> Read<()> {
    match key {
        "$and" => out.push(Filter::all_of(filters_in(value, depth)?)),
        "$or" => out.push(Filter::any_of(filters_in(value, depth)?)),
        "$not" => out.push(!filter_in(value, depth + 1)?),
        key if OPERATORS.contains(&key) => {
            let form = format!("'{key}' stands under a field, as {{\"year\": {{\"{key}\": ..}}}}");
            return Err(Problem::new(form));
        }
        key if key.starts_with('$') => return Err(unknown(key, &JOINING, "here")),
        field => field_in(&Path::dotted(field), value, depth, out)?,
    }
    Ok(())
}

fn filters_in(value: &Value, depth: usize) -> Read<Vec<Filter>> {
    let values = array_in(value, "an array of filters")?;
    let member =
        |(at, value)| filter_in(value, depth + 1).map_err(|problem| problem.under(format!("[{at}]")));
    values.iter().enumerate().map(member).collect()
}

fn unknown(operator: &str, there: &[&str], place: &str) -> Problem {
    let advice = did_you_mean(operator, there);
    Problem::new(format!("there is no operator '{operator}' {place}, there are {}{advice}", there.join(" ")))
}

/// Adds what is asked of a field: an equality, or operators.
fn field_in(path: &Path, value: &Value, depth: usize, out: &mut Vec<Filter>) -> Read<()> {
    let Value::Map(operators) = value else {
        out.push(FieldPath::at(path.clone()).eq(value.clone()));
        return Ok(());
    };
    if operators.is_empty() {
        return Err(Problem::new("a map without operators compares with nothing"));
    }
    for (operator, operand) in operators {
        if !operator.starts_with('$') {
            let form = format!("\"{path}.{operator}\": ..");
            return Err(Problem::new(format!(
                "'{operator}' is no operator, and nothing equals a map: a value in a map is asked for as {form}"
            )));
        }
        let condition = condition_in(path, operator, operand, depth);
        out.push(condition.map_err(|problem| problem.under(operator))?);
    }
    Ok(())
}

fn condition_in(path: &Path, operator: &str, operand: &Value, depth: usize) -> Read<Filter> {
    let field = FieldPath::at(path.clone());
    Ok(match operator {
        "$eq" => field.eq(operand.clone()),
        "$ne" => field.ne(operand.clone()),
        "$gt" => field.gt(operand.clone()),
        "$gte" => field.ge(operand.clone()),
        "$lt" => field.lt(operand.clone()),
        "$lte" => field.le(operand.clone()),
        "$in" => field.is_in(values_in(operand)?),
        "$nin" => field.not_in(values_in(operand)?),
        "$exists" => match operand {
            Value::Bool(true) => field.exists(),
            Value::Bool(false) => field.missing(),
            other => return Err(Problem::expected("true or false", other)),
        },
        "$contains" => field.contains(operand.clone()),
        "$contains_any" => field.contains_any(values_in(operand)?),
        "$contains_all" => field.contains_all(values_in(operand)?),
        "$prefix" => field.starts_with(text_in(operand)?),
        "$text" => field.has_words(text_in(operand)?),
        "$geo_radius" => {
            let [center, meters] = named_in(operand, ["center", "meters"])?;
            let center = place_in(center).map_err(|problem| problem.under("center"))?;
            let number = meters.as_f64().ok_or_else(|| Problem::expected("a number", meters));
            field.within_radius(center, number.map_err(|problem| problem.under("meters"))?)
        }
        "$geo_box" => {
            let [south_west, north_east] = named_in(operand, ["south_west", "north_east"])?;
            let south_west = place_in(south_west).map_err(|problem| problem.under("south_west"))?;
            field.within_box(south_west, place_in(north_east).map_err(|problem| problem.under("north_east"))?)
        }
        "$not" => !operators_in(path, operand, depth + 1)?,
        other => {
            let there: Vec<&str> = OPERATORS.into_iter().chain(["$not"]).collect();
            return Err(unknown(other, &there, "under a field"));
        }
    })
}

/// The operators that `$not` has under a field.
fn operators_in(path: &Path, operand: &Value, depth: usize) -> Read<Filter> {
    if depth > MAX_DEPTH {
        return Err(Problem::new(too_deep()));
    }
    if !matches!(operand, Value::Map(_)) {
        return Err(Problem::expected("operators such as {\"$gt\": 1848}", operand));
    }
    let mut all = Vec::new();
    field_in(path, operand, depth, &mut all)?;
    Ok(Filter::all_of(all))
}

fn array_in<'a>(value: &'a Value, right: &str) -> Read<&'a [Value]> {
    value.as_array().ok_or_else(|| Problem::expected(right, value))
}

fn values_in(operand: &Value) -> Read<Vec<Value>> {
    array_in(operand, "an array of values").map(<[Value]>::to_vec)
}

fn text_in(operand: &Value) -> Read<&str> {
    operand.as_str().ok_or_else(|| Problem::expected("a string", operand))
}

/// The values of a map that has exactly these names.
fn named_in<'a, const N: usize>(operand: &'a Value, names: [&str; N]) -> Read<[&'a Value; N]> {
    let Value::Map(map) = operand else {
        return Err(Problem::expected(&format!("a map with '{}'", names.join("' and '")), operand));
    };
    if let Some(other) = map.keys().find(|key| !names.contains(&key.as_str())) {
        let advice = did_you_mean(other, &names);
        let there = names.join("' and '");
        return Err(Problem::new(format!("there is no '{other}' here, there are '{there}'{advice}")));
    }
    let mut values = [operand; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = map.get(name).ok_or_else(|| Problem::new(format!("'{name}' is missing")))?;
    }
    Ok(values)
}

fn place_in(value: &Value) -> Read<GeoPoint> {
    let (lat, lon) = match value {
        Value::Geo(place) => return Ok(*place),
        Value::Map(_) => {
            let [lat, lon] = named_in(value, ["lat", "lon"])?;
            (lat.as_f64(), lon.as_f64())
        }
        Value::Array(values) if values.len() == 2 => (values[0].as_f64(), values[1].as_f64()),
        _ => (None, None),
    };
    let (Some(lat), Some(lon)) = (lat, lon) else {
        return Err(Problem::expected("a place such as {\"lat\": 38.775, \"lon\": -4.848}", value));
    };
    GeoPoint::new(lat, lon).ok_or_else(|| Problem::new(off_the_globe(lat, lon)))
}
