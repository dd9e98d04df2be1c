//! Records and hits as tables for people and as JSON for programs.

use super::console::Console;
use super::failure::Failure;
use crate::Fields;
use crate::Hit;
use crate::RecordId;
use crate::Schema;
use crate::TextField;
use crate::Value;
use serde_json::Value as Json;
use serde_json::json;

/// Fields shown where none are named and no text field is there.
const FIELDS: usize = 4;
/// Characters of a cell.
const CELL: usize = 72;

/// What is shown of one record.
pub(super) struct Shown {
    pub(super) id: RecordId,
    pub(super) fields: Fields,
    /// What the search adds; `None` where records are only listed.
    pub(super) found: Option<Found>,
}

/// What a search says of a record.
pub(super) struct Found {
    score: f32,
    distance: f32,
    scores: Vec<(String, f32)>,
    /// Fields and their best fragments.
    highlights: Vec<(String, Vec<String>)>,
}

impl Shown {
    /// A hit with its fields read.
    pub(super) fn of_hit(hit: &Hit) -> Result<Self, Failure> {
        let highlights = hit.highlights().iter().map(|(field, fragments)| {
            (field.clone(), fragments.iter().map(|fragment| fragment.marked.clone()).collect())
        });
        let found = Found {
            score: hit.score(),
            distance: hit.distance(),
            scores: hit.scores().into_iter().map(|(part, score)| (part.to_owned(), score)).collect(),
            highlights: highlights.collect(),
        };
        Ok(Self { id: hit.id().clone(), fields: hit.fields()?, found: Some(found) })
    }

    /// As JSON.
    pub(super) fn json(&self) -> Json {
        let mut object = json!({ "id": id_json(&self.id) });
        if let Some(found) = &self.found {
            object["score"] = number(found.score);
            object["distance"] = number(found.distance);
            object["scores"] =
                found.scores.iter().map(|(part, score)| (part.clone(), number(*score))).collect();
            object["highlights"] =
                found.highlights.iter().map(|(field, fragments)| (field.clone(), json!(fragments))).collect();
        }
        object["fields"] = json!(self.fields);
        object
    }

    /// The cell of a field: its best fragment, or its beginning.
    fn cell(&self, field: &str) -> String {
        let highlights = self.found.iter().flat_map(|found| &found.highlights);
        let fragment =
            highlights.filter(|(name, _)| name == field).find_map(|(_, fragments)| fragments.first());
        match (fragment, self.fields.get(field)) {
            (Some(fragment), _) => one_line(fragment, usize::MAX),
            (None, Some(value)) => one_line(&plain(value), CELL),
            (None, None) => String::new(),
        }
    }
}

/// Prints records: a table of these fields, or JSON lines.
pub(super) fn print(shown: &[Shown], fields: &[String], console: &mut Console<'_>) -> Result<(), Failure> {
    if console.json {
        return shown.iter().try_for_each(|one| console.json_line(&one.json()));
    }
    let searched = shown.iter().any(|one| one.found.is_some());
    let mut head = vec!["id"];
    head.extend(searched.then_some("score"));
    head.extend(fields.iter().map(String::as_str));
    let rows = shown.iter().map(|one| {
        let mut row = vec![plain_id(&one.id)];
        row.extend(one.found.as_ref().map(|found| format!("{:.4}", found.score)));
        row.extend(fields.iter().map(|field| one.cell(field)));
        row
    });
    let right: &[usize] = if searched { &[1] } else { &[] };
    console.table(&head, rows.collect(), right)
}

/// The fields that are shown where none are named: those searched for words, or else the first few.
pub(super) fn shown_fields(named: &[String], schema: &Schema, shown: &[Shown]) -> Vec<String> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let texts: Vec<String> =
        schema.text_fields().iter().map(|field| TextField::name(field).to_owned()).collect();
    if !texts.is_empty() {
        return texts;
    }
    let mut names: Vec<String> = Vec::new();
    for (name, _) in shown.iter().flat_map(|one| one.fields.iter()) {
        if names.len() < FIELDS && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The id as JSON.
pub(super) fn id_json(id: &RecordId) -> Json {
    match id {
        RecordId::U64(number) => json!(number),
        RecordId::Str(text) => json!(text),
    }
}

/// The id as it was written, without quotes.
pub(super) fn plain_id(id: &RecordId) -> String {
    match id {
        RecordId::U64(number) => number.to_string(),
        RecordId::Str(text) => text.clone(),
    }
}

/// The value as it was written: texts without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The number with as many digits as it needs; null where it is none.
pub(super) fn number(number: f32) -> Json {
    number
        .to_string()
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .map_or(Json::Null, |x| json!(x))
}

/// The text on one line and not longer than so many characters; control characters, which a terminal would obey, are blanks.
fn one_line(text: &str, most: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", clean[..end].trim_end()),
        None => clean,
    }
}
