//! `lode info`: what is in a database.

use super::args::Info;
use super::console::Console;
use super::console::count;
use super::console::size;
use super::failure::Failure;
use super::failure::Outcome;
use super::place;
use crate::Collection;
use crate::CollectionStats;
use crate::IdKind;
use crate::Schema;
use crate::Stats;
use crate::TextField;
use crate::VectorSchema;
use serde_json::Value as Json;
use serde_json::json;
use std::collections::BTreeMap;

/// Records whose fields are looked at.
const SAMPLE: usize = 1000;
/// Characters of a line.
const LINE: usize = 96;

/// Runs the command.
pub(super) fn info(asked: &Info, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let db = place::open_to_read(&asked.place.db)?;
    let mut stats = db.stats()?;
    if let Some(name) = &asked.place.collection {
        db.existing(name)?;
        stats.collections.retain(|collection| collection.name == *name);
    }
    let mut about = Vec::with_capacity(stats.collections.len());
    for collection in &stats.collections {
        about.push(About::of(collection, &db.existing(&collection.name)?)?);
    }
    if console.json {
        console.json_line(&database_json(&stats, &about))?;
        return Ok(Outcome::Done);
    }
    // A reader can't tell what a writer could use at once: what nothing lies in is free sooner or later.
    let free = stats.file_bytes.saturating_sub(stats.live_bytes + stats.log_bytes);
    let (file, free, log) = (size(stats.file_bytes), size(free), size(stats.log_bytes));
    let path = asked.place.db.display();
    console
        .line(&format!("{path}: {file} ({free} free, {log} of log), {}", count(about.len(), "collection")))?;
    about.iter().try_for_each(|about| about.print(console)).map(|()| Outcome::Done)
}

/// What is told of a collection.
struct About<'s> {
    stats: &'s CollectionStats,
    schema: Schema,
    id_kind: Option<IdKind>,
    /// Fields of the first records, with the kinds of their values.
    fields: BTreeMap<String, Vec<&'static str>>,
}

impl<'s> About<'s> {
    fn of(stats: &'s CollectionStats, collection: &Collection) -> Result<Self, Failure> {
        let mut fields: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        for record in collection.scan().limit(SAMPLE) {
            for (name, value) in record?.fields().iter() {
                let kinds = fields.entry(name.to_owned()).or_default();
                if !kinds.contains(&value.kind()) {
                    kinds.push(value.kind());
                }
            }
        }
        fields.values_mut().for_each(|kinds| kinds.sort_unstable());
        Ok(Self { stats, schema: collection.schema()?, id_kind: collection.id_kind()?, fields })
    }

    fn print(&self, console: &mut Console<'_>) -> Result<(), Failure> {
        let stats = self.stats;
        console.line("")?;
        console.line(&format!("Collection '{}': {}", stats.name, count(stats.records, "record")))?;
        let ids = self.id_kind.map_or_else(|| "not known yet".to_owned(), |kind| kind.to_string());
        let vectors = self.schema.vectors().iter().map(describe_vector).collect::<Vec<_>>().join("; ");
        let texts = self.schema.text_fields().iter();
        let texts =
            texts.map(|field| format!("{} ({})", field.name(), field.analyzer_name())).collect::<Vec<_>>();
        let fields = self.fields.iter().map(|(name, kinds)| format!("{name} ({})", kinds.join(", ")));
        let fields = fields.collect::<Vec<_>>();
        let unindexed = self.schema.unindexed_fields();
        let segments = match stats.graphs {
            0 => format!("{}, searched without a graph", count(stats.segments, "segment")),
            _ => format!(
                "{}; graphs lead to {} of the records",
                count(stats.segments, "segment"),
                stats.graph_records
            ),
        };
        let in_memory =
            format!("{} ({})", count(stats.active_records, "record"), size(stats.active_bytes as u64));
        let lines = [
            ("ids", ids, true),
            ("vectors", vectors, true),
            ("words in", texts.join(", "), !texts.is_empty()),
            ("fields", fields.join(", "), !fields.is_empty()),
            ("no index", unindexed.join(", "), !unindexed.is_empty()),
            ("segments", segments, stats.segments > 0),
            ("in the log", in_memory, stats.active_records > 0),
            ("dead", count(stats.dead_records, "record"), stats.dead_records > 0),
            ("bytes", describe_parts(stats), !stats.part_bytes.is_empty()),
        ];
        for (name, text, _) in lines.into_iter().filter(|(_, _, shown)| *shown) {
            for (at, line) in wrapped(&text).iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                console.line(&format!("  {name:<10}  {line}"))?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Json {
        let stats = self.stats;
        json!({
            "name": stats.name,
            "records": stats.records,
            "dead_records": stats.dead_records,
            "active_records": stats.active_records,
            "active_bytes": stats.active_bytes,
            "segments": stats.segments,
            "graphs": stats.graphs,
            "graph_records": stats.graph_records,
            "part_bytes": stats.part_bytes,
            "id_kind": self.id_kind.map(|kind| kind.to_string()),
            "vectors": self.schema.vectors().iter().map(vector_json).collect::<Json>(),
            "text_fields": self.schema.text_fields().iter().map(text_json).collect::<Json>(),
            "unindexed": self.schema.unindexed_fields(),
            "fields": self.fields,
        })
    }
}

/// The text in lines of about so many characters, broken behind commas.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for item in text.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if line.len() + item.len() <= LINE || line.is_empty() => line.push_str(item),
            _ => lines.push(item.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// The parts, the largest first.
fn describe_parts(stats: &CollectionStats) -> String {
    let mut parts: Vec<(&str, u64)> = stats.part_bytes.iter().map(|(name, bytes)| (*name, *bytes)).collect();
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    parts.iter().map(|(name, bytes)| format!("{name} {}", size(*bytes))).collect::<Vec<_>>().join(", ")
}

fn describe_vector(vector: &VectorSchema) -> String {
    let (name, dim, dtype) = (vector.name(), vector.dim(), vector.get_dtype());
    let (metric, form) = (vector.get_metric(), vector.get_quantization());
    format!("{name}, {dim} x {dtype}, {metric}, searched as {form}")
}

fn vector_json(vector: &VectorSchema) -> Json {
    json!({
        "name": vector.name(),
        "dim": vector.dim(),
        "dtype": vector.get_dtype().to_string(),
        "metric": vector.get_metric().to_string(),
        "quantization": vector.get_quantization().to_string(),
    })
}

fn text_json(field: &TextField) -> Json {
    json!({ "field": field.name(), "analyzer": field.analyzer_name() })
}

fn database_json(stats: &Stats, about: &[About<'_>]) -> Json {
    json!({
        "file_bytes": stats.file_bytes,
        "live_bytes": stats.live_bytes,
        "free_bytes": stats.free_bytes,
        "log_bytes": stats.log_bytes,
        "generation": stats.generation,
        "commits": stats.commits,
        "uuid": stats.uuid,
        "collections": about.iter().map(About::json).collect::<Json>(),
    })
}
