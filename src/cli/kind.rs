//! [`Kind`]: the type that a column's values are given.

use crate::DateTime;
use crate::Value;
use std::str::FromStr;

/// A type that can be asked for, or that is inferred for a column of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    DateTime,
    Json,
}

const NAMES: [(&str, Kind); 6] = [
    ("text", Kind::Text),
    ("int", Kind::Int),
    ("float", Kind::Float),
    ("bool", Kind::Bool),
    ("datetime", Kind::DateTime),
    ("json", Kind::Json),
];

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let names = NAMES.map(|(known, _)| known).join(", ");
            format!("'{name}' is not a type: there are {names}")
        })
    }
}

impl Kind {
    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// The value as one of this type; elements of arrays one by one.
    ///
    /// # Errors
    /// What does not fit, as a sentence.
    pub(super) fn apply(self, value: Value) -> Result<Value, String> {
        match (self, value) {
            (_, Value::Null) => Ok(Value::Null),
            (Self::Json, Value::Str(text)) => {
                serde_json::from_str(&text).map_err(|_| format!("{} is not JSON", quoted(&text)))
            }
            (Self::Json, other) => Ok(other),
            (kind, Value::Array(values)) => {
                values.into_iter().map(|value| kind.apply(value)).collect::<Result<_, _>>().map(Value::Array)
            }
            (Self::Text, value @ (Value::I64(_) | Value::F64(_) | Value::Bool(_))) => {
                Ok(Value::Str(value.to_string()))
            }
            (Self::Int, Value::F64(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Ok(Value::I64(number as i64))
            }
            (Self::Float, Value::I64(number)) => Ok(Value::F64(number as f64)),
            (kind, Value::Str(text)) => kind.of_text(text),
            (kind, value) if kind.is_of(&value) => Ok(value),
            (kind, value) => Err(format!("{value} is not of type {}", kind.name())),
        }
    }

    fn of_text(self, text: String) -> Result<Value, String> {
        let wrong = || format!("{} is not of type {}", quoted(&text), self.name());
        match self {
            Self::Text | Self::Json => Ok(Value::Str(text)),
            Self::Int => text.trim().parse().map(Value::I64).map_err(|_| wrong()),
            Self::Float => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::F64(number)),
                _ => Err(wrong()),
            },
            Self::Bool => match text.trim() {
                "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
                "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
                _ => Err(wrong()),
            },
            Self::DateTime => {
                text.trim().parse::<DateTime>().map(Value::DateTime).map_err(|error| error.to_string())
            }
        }
    }

    fn is_of(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Int, Value::I64(_))
                | (Self::Float, Value::F64(_))
                | (Self::Bool, Value::Bool(_))
                | (Self::DateTime, Value::DateTime(_))
        )
    }

    /// The narrowest type that all of these texts have; empty ones count as missing.
    pub(super) fn inferred<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Self {
        let mut texts = texts.filter(|text| !text.is_empty()).peekable();
        if texts.peek().is_none() {
            return Self::Text;
        }
        let all = |fits: fn(&str) -> bool| texts.clone().all(fits);
        if all(is_int) {
            Self::Int
        } else if all(is_float) {
            Self::Float
        } else if all(|text| matches!(text, "true" | "false")) {
            Self::Bool
        } else if all(is_nested) {
            Self::Json
        } else {
            Self::Text
        }
    }
}

/// A whole number as it would be printed: `007` is a text.
fn is_int(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

/// A finite number that does not begin as a code does: `00.5` and `1_000` are texts.
fn is_float(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let coded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    digits.starts_with(|c: char| c.is_ascii_digit())
        && !coded
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// An array or an object of JSON.
fn is_nested(text: &str) -> bool {
    text.starts_with(['[', '{']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A text in quotes, shortened where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("'{}...'", &text[..end]),
        None => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_inferred_narrowly() {
        let inferred = |texts: &[&'static str]| Kind::inferred(texts.iter().copied());
        assert_eq!(inferred(&["1", "", "-20"]), Kind::Int);
        assert_eq!(inferred(&["1", "2.5", "1e-3"]), Kind::Float);
        assert_eq!(inferred(&["007", "12"]), Kind::Text);
        assert_eq!(inferred(&["0.5", "00.5"]), Kind::Text);
        assert_eq!(inferred(&["nan", "1.0"]), Kind::Text);
        assert_eq!(inferred(&["true", "false"]), Kind::Bool);
        assert_eq!(inferred(&["[1]", "{\"a\":2}"]), Kind::Json);
        assert_eq!(inferred(&["[1]", "[gold]"]), Kind::Text);
        assert_eq!(inferred(&["", ""]), Kind::Text);
    }

    #[test]
    fn values_become_those_of_a_type_or_a_sentence() {
        let text = |text: &str| Value::from(text);
        assert_eq!(Kind::Int.apply(text(" 7 ")), Ok(Value::I64(7)));
        assert_eq!(Kind::Int.apply(Value::F64(7.0)), Ok(Value::I64(7)));
        assert_eq!(Kind::Text.apply(Value::I64(7)), Ok(text("7")));
        assert_eq!(
            Kind::Float.apply(Value::Array(vec![text("1.5")])),
            Ok(Value::Array(vec![Value::F64(1.5)]))
        );
        assert_eq!(Kind::Float.apply(text("inf")).unwrap_err(), "'inf' is not of type float");
        assert!(Kind::DateTime.apply(text("yesterday")).unwrap_err().contains("1849-01-31"));
        assert_eq!(Kind::Bool.apply(Value::Null), Ok(Value::Null));
        assert!(Kind::Bool.apply(Value::I64(1)).is_err());
    }
}
