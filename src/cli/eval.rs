//! `lode eval`: how good the rankings of words, vectors and both are, by judged queries.

use super::args_search::Eval;
use super::console::Console;
use super::console::Unit;
use super::console::count;
use super::embed::Embedder;
use super::failure::Failure;
use super::failure::Outcome;
use super::hits::plain_id;
use super::judgments;
use super::judgments::Query;
use super::measures::Measures;
use super::place;
use super::vectors;
use crate::Collection;
use crate::Filter;
use crate::Fusion;
use crate::Search;
use crate::TextQuery;
use serde_json::Map;
use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;

/// A way to rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Words,
    Vectors,
    Both,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Vectors => "vectors",
            Self::Both => "both",
        }
    }
}

/// A query with the grades of its records.
type Judged = (Query, HashMap<String, f64>);

/// Runs the command.
pub(super) fn eval(asked: &Eval, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let db = place::open_to_read(&asked.db)?;
    let collection = place::collection(&db, asked.collection.as_deref())?;
    let queries = judgments::queries(&asked.queries)?;
    let asked_queries = queries.len();
    let queries = with_judgments(with_vectors(queries, asked)?, asked)?;
    let evaluation = Evaluation {
        asked,
        collection: &collection,
        fusion: place::fusion(&asked.fusion)?,
        filter: place::filter(asked.filter.as_deref())?,
    };
    let mut found = Vec::new();
    for way in ways(&collection, &queries)? {
        found.push(evaluation.measure(way, &queries, console)?);
    }
    let left_out = asked_queries - queries.len();
    if console.json {
        print_json(asked, &queries, &found, console)
    } else {
        print(asked, (queries.len(), left_out), &found, console)
    }
}

/// The queries with vectors from beside their file, if they are asked for.
fn with_vectors(mut queries: Vec<Query>, asked: &Eval) -> Result<Vec<Query>, Failure> {
    let vectors = match (&asked.vectors, &asked.embed) {
        (Some(path), _) => vectors::many(path)?,
        (None, Some(command)) => {
            Embedder::vectors(command, queries.iter().map(|query| query.text.clone()).collect())?
        }
        (None, None) => return Ok(queries),
    };
    if vectors.len() != queries.len() {
        return Err(Failure::Error(format!(
            "{} vectors for {}",
            vectors.len(),
            count(queries.len(), "query")
        )));
    }
    for (query, vector) in queries.iter_mut().zip(vectors) {
        query.vector = Some(vector);
    }
    Ok(queries)
}

/// The queries that have a relevant record, with their judgments.
fn with_judgments(queries: Vec<Query>, asked: &Eval) -> Result<Vec<Judged>, Failure> {
    let mut judgments = judgments::judgments(&asked.judgments)?;
    let mut judged: Vec<Judged> = Vec::new();
    for query in queries {
        if let Some(grades) =
            judgments.remove(&query.id).filter(|grades| grades.values().any(|grade| *grade > 0.0))
        {
            judged.push((query, grades));
        }
    }
    match judged.is_empty() {
        true => Err(Failure::of_file(
            &asked.judgments,
            "judges no record relevant to any of the queries: do the ids agree?",
        )),
        false => Ok(judged),
    }
}

/// The ways that the collection and the queries allow.
fn ways(collection: &Collection, queries: &[Judged]) -> Result<Vec<Way>, Failure> {
    let words = !collection.schema()?.text_fields().is_empty();
    let with_vector = queries.iter().filter(|(query, _)| query.vector.is_some()).count();
    if with_vector != 0 && with_vector != queries.len() {
        return Err(Failure::Error(format!(
            "{with_vector} of {} queries have a vector: all or none is right",
            queries.len()
        )));
    }
    Ok(match (words, with_vector != 0) {
        (true, true) => vec![Way::Words, Way::Vectors, Way::Both],
        (true, false) => vec![Way::Words],
        (false, true) => vec![Way::Vectors],
        (false, false) => {
            return Err("the collection has no text fields and the queries have no vectors: give --vectors or --embed".into());
        }
    })
}

/// What every ranking has in common.
struct Evaluation<'a> {
    asked: &'a Eval,
    collection: &'a Collection,
    fusion: Fusion,
    filter: Option<Filter>,
}

/// What was measured of one way.
struct Measured {
    way: Way,
    measures: Measures,
    /// Mean time of a search.
    seconds: f64,
}

impl Evaluation<'_> {
    fn measure(&self, way: Way, queries: &[Judged], console: &Console<'_>) -> Result<Measured, Failure> {
        let bar = console.progress(way.name(), queries.len() as u64, Unit::Records);
        let k = usize::from(self.asked.k);
        let mut all = Vec::with_capacity(queries.len());
        let mut seconds = 0.0;
        for (query, grades) in queries {
            let search = self.search(way, query);
            let started = Instant::now();
            let hits = search.run()?;
            seconds += started.elapsed().as_secs_f64();
            let grade = |id: String| grades.get(&id).copied().unwrap_or(0.0);
            let ranking: Vec<f64> = hits.iter().map(|hit| grade(plain_id(hit.id()))).collect();
            let judged: Vec<f64> = grades.values().copied().collect();
            all.push(Measures::of(&ranking, &judged, k, self.asked.gain));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Measured { way, measures: Measures::mean(&all), seconds: seconds / queries.len() as f64 })
    }

    fn search(&self, way: Way, query: &Query) -> Search {
        let mut search = self.collection.search().k(usize::from(self.asked.k)).fusion(self.fusion.clone());
        search = search.exact(self.asked.exact);
        if way != Way::Vectors {
            // Words of a query are not typed with signs: a question mark asks nothing of the search.
            search = search.text_query(TextQuery::any(&query.text));
        }
        if let Some(vector) = query.vector.as_ref().filter(|_| way != Way::Words) {
            search = match &self.asked.vector_name {
                Some(name) => search.named_vector(name, vector),
                None => search.vector(vector),
            };
        }
        if way != Way::Both {
            search = search.fusion(Fusion::default());
        }
        match &self.filter {
            Some(filter) => search.filter(filter.clone()),
            None => search,
        }
    }
}

fn print(
    asked: &Eval,
    (used, left_out): (usize, usize),
    found: &[Measured],
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    let k = asked.k;
    let head = [String::new(), format!("nDCG@{k}"), format!("recall@{k}"), format!("MRR@{k}"), "ms".into()];
    let rows = found.iter().map(|one| {
        let Measures { ndcg, recall, mrr } = one.measures;
        let numbers = [ndcg, recall, mrr].map(|number| format!("{number:.4}"));
        let mut row = vec![one.way.name().to_owned()];
        row.extend(numbers);
        row.push(format!("{:.3}", one.seconds * 1e3));
        row
    });
    console.table(&head.each_ref().map(String::as_str), rows.collect(), &[1, 2, 3, 4])?;
    let left_out =
        if left_out > 0 { format!("; {left_out} without a relevant record left out") } else { String::new() };
    let queries = if used == 1 { "1 query".to_owned() } else { format!("{used} queries") };
    console.line(&format!("{queries}{left_out}"))?;
    Ok(Outcome::Done)
}

fn print_json(
    asked: &Eval,
    queries: &[Judged],
    found: &[Measured],
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    let mut object = Map::new();
    object.insert("k".into(), json!(asked.k));
    object.insert("queries".into(), json!(queries.len()));
    for one in found {
        let Measures { ndcg, recall, mrr } = one.measures;
        let measures = json!({ "ndcg": ndcg, "recall": recall, "mrr": mrr, "seconds": one.seconds });
        object.insert(one.way.name().into(), measures);
    }
    console.json_line(&object.into())?;
    Ok(Outcome::Done)
}
