//! `lode search`: one search, or a list of what passes a filter.

use super::args_search::Search as Asked;
use super::console::Console;
use super::embed::Embedder;
use super::failure::Failure;
use super::failure::Outcome;
use super::hits;
use super::hits::Shown;
use super::hits::plain_id;
use super::place;
use super::vectors;
use crate::Collection;
use crate::Direction;
use crate::Explain;
use crate::Highlight;
use crate::RecordId;
use crate::Schema;
use crate::Search;
use crate::SegmentExplain;
use crate::Vector;
use crate::VectorSchema;
use serde_json::Value as Json;
use serde_json::json;
use std::time::Duration;

/// Bytes of a highlighted fragment.
const FRAGMENT_BYTES: usize = 80;
/// Hits that one search can have.
const MOST: u16 = 10_000;

/// Runs the command.
pub(super) fn search(asked: &Asked, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let (_db, collection) = place::to_read(&asked.place)?;
    let schema = collection.schema()?;
    let query = Query::of(asked, &collection, &schema, console)?;
    if query.vector.is_none() && query.words.is_none() {
        return list(asked, &collection, &schema, console);
    }
    let search = prepared(asked, &collection, &schema, &query)?;
    if asked.explain {
        let explain = search.explain()?;
        return print_explain(&explain, console);
    }
    let mut found = search.run()?;
    if let Some(like) = &query.like {
        found.retain(|hit| hit.id() != like);
        found.truncate(asked.k.into());
    }
    let shown = found.iter().map(Shown::of_hit).collect::<Result<Vec<_>, _>>()?;
    print(asked, &schema, &shown, console)
}

fn print(
    asked: &Asked,
    schema: &Schema,
    shown: &[Shown],
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    if shown.is_empty() {
        if !console.json {
            console.line("No record was found.")?;
        }
        return Ok(Outcome::Nothing);
    }
    let fields = hits::shown_fields(&asked.show, schema, shown);
    hits::print(shown, &fields, console)?;
    Ok(Outcome::Done)
}

/// What is searched for.
struct Query {
    vector: Option<Vector>,
    words: Option<String>,
    /// The record whose neighbours are searched for.
    like: Option<RecordId>,
}

impl Query {
    fn of(
        asked: &Asked,
        collection: &Collection,
        schema: &Schema,
        console: &mut Console<'_>,
    ) -> Result<Self, Failure> {
        let typed = asked.words.join(" ");
        let mut like = None;
        let vector = if let Some(path) = &asked.vector {
            Some(vectors::one(path, console)?.into())
        } else if let Some(id) = &asked.like {
            let (id, vector) = vector_of(asked, collection, schema, id)?;
            like = Some(id);
            Some(vector)
        } else if let Some(command) = &asked.embed {
            Embedder::vectors(command, vec![typed.clone()])?.pop().map(Vector::from)
        } else {
            None
        };
        let words = (!asked.words.is_empty() && !asked.only_vector).then_some(typed);
        if words.is_some() && schema.text_fields().is_empty() {
            return Err(
                "the collection has no text fields to find words in: import with --text FIELD declares them"
                    .into(),
            );
        }
        Ok(Self { vector, words, like })
    }
}

/// The vector of the record with this id.
fn vector_of(
    asked: &Asked,
    collection: &Collection,
    schema: &Schema,
    typed: &str,
) -> Result<(RecordId, Vector), Failure> {
    let id = place::record_id(collection, typed)?;
    let record = collection.get(&id)?;
    let record = record.ok_or_else(|| format!("--like {}: there is no such record", plain_id(&id)))?;
    let name = match (&asked.vector_name, schema.vectors()) {
        (Some(name), _) => name,
        (None, [only]) => only.name(),
        (None, _) => "vector",
    };
    let vector = record.get_vector(name).cloned();
    let names = || schema.vectors().iter().map(VectorSchema::name).collect::<Vec<_>>().join(", ");
    Ok((id, vector.ok_or_else(|| format!("name one of the vectors by --vector-name: {}", names()))?))
}

/// The search with all that was asked.
fn prepared(
    asked: &Asked,
    collection: &Collection,
    schema: &Schema,
    query: &Query,
) -> Result<Search, Failure> {
    // The record itself is found as well, and taken out of what is shown.
    let itself = u16::from(query.like.is_some() && !asked.explain);
    let mut search = collection.search().k((asked.k + itself).min(MOST).into());
    search = search.exact(asked.exact).fusion(place::fusion(&asked.fusion)?);
    search = match (&query.vector, &asked.vector_name) {
        (Some(vector), Some(name)) => search.named_vector(name, vector),
        (Some(vector), None) => search.vector(vector),
        (None, Some(_)) => {
            return Err("--vector-name needs a vector: --vector, --like or --embed gives one".into());
        }
        (None, None) => search,
    };
    if let Some(words) = &query.words {
        search = search.text(words);
        let highlight = Highlight::default().fragments(1)?.fragment_bytes(FRAGMENT_BYTES)?.marks("[", "]");
        for field in schema.text_fields() {
            search = search.highlight(field.name(), highlight.clone());
        }
    }
    if !asked.within.is_empty() {
        search = search.text_fields(boosts(&asked.within)?);
    }
    if let Some(filter) = place::filter(asked.filter.as_deref())? {
        search = search.filter(filter);
    }
    if let Some(recall) = asked.recall {
        search = search.recall(recall);
    }
    if let Some(ef) = asked.ef {
        search = search.ef(ef);
    }
    if let Some(score) = asked.min_score {
        search = search.min_score(score);
    }
    if let Some(field) = &asked.group_by {
        search = search.group_by(field, 1);
    }
    Ok(match asked.diversity {
        Some(diversity) => search.diversity(diversity),
        None => search,
    })
}

/// `FIELD` or `FIELD=BOOST`.
fn boosts(typed: &[String]) -> Result<Vec<(String, f32)>, Failure> {
    let boost = |one: &String| match one.split_once('=') {
        None => Ok((one.clone(), 1.0)),
        Some((field, boost)) => match boost.parse() {
            Ok(boost) => Ok((field.to_owned(), boost)),
            Err(_) => Err(Failure::Error(format!("--within '{one}': '{boost}' is not a number"))),
        },
    };
    typed.iter().map(boost).collect()
}

/// Records that pass the filter, in the order of their ids or of a field.
fn list(
    asked: &Asked,
    collection: &Collection,
    schema: &Schema,
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    if let Some(option) = of_searches_only(asked) {
        return Err(Failure::Error(format!("{option} needs words or a vector to search for")));
    }
    if asked.filter.is_none() && asked.order_by.is_none() {
        return Err("say what to find: words, --vector, --like, --filter or --order-by".into());
    }
    let mut scan = collection.scan().limit(asked.k.into());
    if let Some(filter) = place::filter(asked.filter.as_deref())? {
        scan = scan.filter(filter);
    }
    if let Some(field) = &asked.order_by {
        let direction = if asked.descending { Direction::Descending } else { Direction::Ascending };
        scan = scan.order_by(field, direction);
    }
    let mut shown = Vec::new();
    for record in scan {
        let (id, _, _, fields) = record?.into_parts();
        shown.push(Shown { id, fields, found: None });
    }
    print(asked, schema, &shown, console)
}

/// An option that was given and that a list can't heed.
fn of_searches_only(asked: &Asked) -> Option<&'static str> {
    let given = [
        (asked.explain, "--explain"),
        (asked.recall.is_some(), "--recall"),
        (asked.ef.is_some(), "--ef"),
        (asked.exact, "--exact"),
        (asked.min_score.is_some(), "--min-score"),
        (!asked.within.is_empty(), "--within"),
        (asked.group_by.is_some(), "--group-by"),
        (asked.diversity.is_some(), "--diversity"),
        (asked.vector_name.is_some(), "--vector-name"),
    ];
    given.into_iter().find(|(given, _)| *given).map(|(_, option)| option)
}

fn print_explain(explain: &Explain, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    if console.json {
        console.json_line(&explain_json(explain))?;
    } else {
        console.line(explain.to_string().trim_end())?;
    }
    Ok(if explain.hits == 0 { Outcome::Nothing } else { Outcome::Done })
}

fn explain_json(explain: &Explain) -> Json {
    let words = explain.words.as_ref();
    json!({
        "hits": explain.hits,
        "records": explain.records,
        "matches": explain.matches,
        "filter": explain.filter,
        "filter_seconds": seconds(explain.filter_time),
        "words": words.map(|words| json!({ "found": words.found, "seconds": seconds(words.time) })),
        "segments": explain.segments.iter().map(segment_json).collect::<Json>(),
        "seconds": seconds(explain.time),
    })
}

fn segment_json(segment: &SegmentExplain) -> Json {
    json!({
        "records": segment.records,
        "estimate": [segment.estimate.start, segment.estimate.end],
        "matches": segment.matches,
        "plan": segment.plan,
        "given_up": segment.given_up,
        "scored": segment.scored,
        "seconds": seconds(segment.time),
    })
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
