//! Queries, and what was judged to answer them.

use super::failure::Failure;
use super::read_jsonl::problem;
use super::rows::at;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// Names under which queries have their texts and ids.
const TEXTS: [&str; 4] = ["text", "question", "query", "title"];
const IDS: [&str; 2] = ["id", "_id"];

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) vector: Option<Vec<f32>>,
}

/// Grades of records, by query and by record.
pub(super) type Judgments = HashMap<String, HashMap<String, f64>>;

/// The lines of a file with their numbers, without empty ones.
fn lines(path: &Path) -> Result<Vec<(usize, String)>, Failure> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| Failure::of_file(path, error))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    Ok(lines.map(|(number, line)| (number, line.to_owned())).collect())
}

/// The queries of a file: a JSON object a line, or ids and texts between tabs.
pub(super) fn queries(path: &Path) -> Result<Vec<Query>, Failure> {
    let name = path.display().to_string();
    let lines = lines(path)?;
    let is_json = lines.first().is_some_and(|(_, line)| line.trim_start().starts_with('{'));
    let queries = (1..).zip(&lines).map(|(place, (number, line))| {
        let query = if is_json { of_json(line, place) } else { of_tabs(line) };
        query.map_err(|problem| at(&name, format!("line {number}"), problem))
    });
    queries.collect()
}

fn of_json(line: &str, place: usize) -> Result<Query, String> {
    let mut object: Json = serde_json::from_str(line).map_err(|error| problem(&error))?;
    let text = TEXTS.iter().find_map(|name| object[name].as_str());
    let text =
        text.ok_or_else(|| format!("the query has no text: it is looked for under {}", TEXTS.join(", ")))?;
    let id = IDS.iter().map(|name| &object[name]).find(|id| !id.is_null());
    let id = match id {
        None => place.to_string(),
        Some(Json::String(id)) => id.clone(),
        Some(other) => other.to_string(),
    };
    let text = text.to_owned();
    let vector = match object["vector"].take() {
        Json::Null => None,
        vector => {
            Some(serde_json::from_value(vector).map_err(|error| format!("'vector': {}", problem(&error)))?)
        }
    };
    Ok(Query { id, text, vector })
}

fn of_tabs(line: &str) -> Result<Query, String> {
    let (id, text) = line.split_once('\t').ok_or("an id, a tab and a text are right")?;
    Ok(Query { id: id.trim().to_owned(), text: text.trim().to_owned(), vector: None })
}

/// The judgments of a file, as BEIR or TREC have them.
pub(super) fn judgments(path: &Path) -> Result<Judgments, Failure> {
    let name = path.display().to_string();
    let mut judgments = Judgments::new();
    for (place, (number, line)) in lines(path)?.into_iter().enumerate() {
        let tabs: Vec<&str> = line.split('\t').map(str::trim).collect();
        let parts = if tabs.len() >= 3 { tabs } else { line.split_whitespace().collect() };
        let (query, record, grade) = match parts.as_slice() {
            [query, record, grade] | [query, _, record, grade] => (*query, *record, *grade),
            _ => {
                let problem = format!(
                    "{} columns where query, record and grade are 3, or 4 with TREC's iteration",
                    parts.len()
                );
                return Err(at(&name, format!("line {number}"), problem));
            }
        };
        match grade.parse::<f64>() {
            Ok(grade) if grade.is_finite() => {
                judgments.entry(query.to_owned()).or_default().insert(record.to_owned(), grade);
            }
            // The header.
            _ if place == 0 => {}
            _ => {
                return Err(at(
                    &name,
                    format!("line {number}"),
                    format!("the grade '{grade}' is not a number"),
                ));
            }
        }
    }
    Ok(judgments)
}
