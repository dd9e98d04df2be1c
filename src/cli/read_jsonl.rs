//! One JSON object a line. Vectors are read as numbers at once, everything else as values.

use super::failure::Failure;
use super::kind::Kind;
use super::mapping::Mapping;
use super::mapping::Role;
use super::mapping::Row;
use super::rows::Rows;
use super::rows::at;
use crate::RecordId;
use crate::Value;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use std::collections::HashSet;
use std::fmt;
use std::io::BufRead;
use std::io::Read;

/// Longest line: what a record can hold at most, with room to spare.
const LINE_BYTES: u64 = 256 << 20;

/// Columns that are remembered: a file with more has names that are data.
const COLUMNS: usize = 10_000;

/// Rows of a file of JSON lines.
pub(super) struct JsonRows<R> {
    file: String,
    reader: R,
    line: Vec<u8>,
    number: u64,
    /// Rows so far: empty lines are none.
    rows: u64,
    /// The columns that there were.
    seen: HashSet<String>,
}

impl<R: BufRead> JsonRows<R> {
    pub(super) fn new(file: String, reader: R) -> Self {
        Self { file, reader, line: Vec::new(), number: 0, rows: 0, seen: HashSet::new() }
    }

    /// The next line that is not empty.
    fn next_line(&mut self) -> Result<bool, Failure> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut limited = (&mut self.reader).take(LINE_BYTES);
            let read = limited.read_until(b'\n', &mut self.line);
            let place = format!("line {}", self.number);
            match read.map_err(|error| at(&self.file, &place, error))? as u64 {
                0 => return Ok(false),
                LINE_BYTES => return Err(at(&self.file, place, "longer than 256 MiB, so it is no record")),
                _ if self.line.iter().all(u8::is_ascii_whitespace) => {}
                _ => return Ok(true),
            }
        }
    }
}

impl<R: BufRead> JsonRows<R> {
    /// An error where an option names a column that no line had: only now is that known.
    fn check_columns(&self, mapping: &Mapping) -> Result<(), Failure> {
        if self.rows == 0 || self.seen.len() == COLUMNS {
            return Ok(());
        }
        let mut seen: Vec<&str> = self.seen.iter().map(String::as_str).collect();
        seen.sort_unstable();
        mapping.check_columns(&seen).map_err(|problem| at(&self.file, "the whole file", problem))
    }
}

impl<R: BufRead> Rows for JsonRows<R> {
    fn next_row(&mut self, mapping: &Mapping) -> Result<Option<Row>, Failure> {
        if !self.next_line()? {
            return self.check_columns(mapping).map(|()| None);
        }
        self.rows += 1;
        let mut row = mapping.row(self.rows);
        row.place = self.number;
        let mut column = String::new();
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        let read = RowSeed { mapping, row: &mut row, column: &mut column, seen: &mut self.seen }
            .deserialize(&mut json);
        match read.and_then(|()| json.end()) {
            Ok(()) => Ok(Some(row)),
            Err(error) => Err(at(&self.file, place(self.number, &error, &column), problem(&error))),
        }
    }

    fn unit(&self) -> &'static str {
        "line"
    }
}

/// Where on its line an error is.
fn place(line: u64, error: &serde_json::Error, column: &str) -> String {
    let field = if column.is_empty() { String::new() } else { format!(" ('{column}')") };
    format!("line {line}, column {}{field}", error.column())
}

/// What an error says, without the place that serde_json adds, which counts within the line.
pub(super) fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem).to_owned()
}

/// Reads an object into a row.
struct RowSeed<'a> {
    mapping: &'a Mapping,
    row: &'a mut Row,
    /// The column at work, for messages.
    column: &'a mut String,
    seen: &'a mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if !self.seen.contains(&name) && self.seen.len() < COLUMNS {
                self.seen.insert(name.clone());
            }
            *self.column = name;
            match self.mapping.role(self.column) {
                Role::Skip => {
                    map.next_value::<IgnoredAny>()?;
                }
                Role::Id => {
                    let id = map.next_value_seed(IdSeed(self.mapping))?;
                    once(self.row.id.replace(id).as_ref())?;
                }
                Role::Vector(place) => {
                    if let Some(vector) = map.next_value::<Option<Vec<f32>>>()? {
                        once(self.row.vectors[place].replace(vector).as_ref())?;
                    }
                }
                Role::Field(name, kind) => field(self.row, name, kind, map.next_value()?)?,
            }
        }
        self.column.clear();
        Ok(())
    }
}

fn field<E: serde::de::Error>(row: &mut Row, name: &str, kind: Option<Kind>, value: Value) -> Result<(), E> {
    Mapping::set(row, name, kind, value).map_err(E::custom)
}

/// An error where something was there before.
fn once<T, E: serde::de::Error>(before: Option<&T>) -> Result<(), E> {
    if before.is_some() { Err(E::custom("it appears twice")) } else { Ok(()) }
}

/// Reads an id.
struct IdSeed<'m>(&'m Mapping);

impl<'de> DeserializeSeed<'de> for IdSeed<'_> {
    type Value = RecordId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RecordId, D::Error> {
        /// The two kinds of ids.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an id is a text or a whole number from 0 on")]
        enum Id {
            Number(u64),
            Text(String),
        }
        match Id::deserialize(deserializer)? {
            Id::Number(number) => Ok(self.0.id_of_number(number)),
            Id::Text(text) => self.0.id_of_text(&text, None).map_err(D::Error::custom),
        }
    }
}
