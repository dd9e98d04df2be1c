//! `lode bench`: searches a second by recall, on a collection's own records or on queries given.

use super::args_search::Bench;
use super::console::Console;
use super::console::Unit;
use super::console::count;
use super::failure::Failure;
use super::failure::Outcome;
use super::hits::number;
use super::place;
use super::plot::Plot;
use super::plot::Point;
use super::vectors;
use crate::Error;
use crate::Filter;
use crate::Hit;
use crate::RecordId;
use crate::Search;
use crate::Snapshot;
use crate::Vector;
use indicatif::ProgressBar;
use serde_json::Value as Json;
use serde_json::json;
use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

/// Each setting runs for so long, if not for more passes than that.
const LEAST_TIME: Duration = Duration::from_millis(500);
const MOST_PASSES: usize = 50;

/// Runs the command.
pub(super) fn bench(asked: &Bench, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    let (_db, collection) = place::to_read(&asked.place)?;
    let snapshot = collection.snapshot()?;
    let name = match (&asked.vector_name, collection.schema()?.vectors()) {
        (Some(name), _) => name.clone(),
        (None, [only]) => only.name().to_owned(),
        (None, _) => "vector".to_owned(),
    };
    let queries = match &asked.queries {
        Some(path) => {
            vectors::many(path)?.into_iter().map(|vector| Query { id: None, vector: vector.into() }).collect()
        }
        None => sample(&snapshot, &name, asked.sample as usize, console)?,
    };
    if queries.is_empty() {
        return Err("there is nothing to look for: the collection or the file of queries is empty".into());
    }
    let subject = Subject {
        snapshot,
        name,
        filter: place::filter(asked.filter.as_deref())?,
        k: usize::from(asked.k),
        threads: usize::from(asked.threads),
        queries,
    };
    let figures = measure(&subject, asked, console)?;
    if let Some(path) = &asked.svg {
        let svg = plot(&subject, collection.name(), asked, &figures).svg();
        std::fs::write(path, svg).map_err(|error| Failure::of_file(path, error))?;
    }
    print(&subject, collection.name(), &figures, console)
}

/// One thing to look for.
struct Query {
    /// The record that it is, which is not to be found.
    id: Option<RecordId>,
    vector: Vector,
}

/// What is searched, and for what.
struct Subject {
    snapshot: Snapshot,
    name: String,
    filter: Option<Filter>,
    k: usize,
    threads: usize,
    queries: Vec<Query>,
}

/// How much effort a search makes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effort {
    Recall(f32),
    Width(usize),
    Exact,
}

impl Effort {
    fn name(self) -> String {
        match self {
            Self::Recall(recall) => format!("recall {recall}"),
            Self::Width(width) => format!("ef {width}"),
            Self::Exact => "exact".into(),
        }
    }
}

/// What was measured of one setting.
struct Figure {
    effort: Effort,
    recall: f32,
    per_second: f64,
    median: f64,
    p99: f64,
}

/// The ids of the true nearest of a query, and the score of the last of them.
struct Truth {
    ids: HashSet<RecordId>,
    least: f32,
}

impl Subject {
    fn search(&self, query: &Query, effort: Effort) -> Search {
        // The record itself is found as well, and taken out.
        let search = self.snapshot.search().named_vector(&self.name, &query.vector);
        let search = search.k(self.k + usize::from(query.id.is_some()));
        let search = match effort {
            Effort::Recall(recall) => search.recall(recall),
            Effort::Width(width) => search.ef(width),
            Effort::Exact => search.exact(true),
        };
        match &self.filter {
            Some(filter) => search.filter(filter.clone()),
            None => search,
        }
    }

    /// The hits of a query without the record that it is.
    fn others(&self, query: &Query, mut hits: Vec<Hit>) -> Vec<Hit> {
        hits.retain(|hit| Some(hit.id()) != query.id.as_ref());
        hits.truncate(self.k);
        hits
    }

    /// Runs every query on some threads and gives what `then` makes of its hits, in the order of the queries, and their times.
    fn pass<R: Send>(
        &self,
        effort: Effort,
        threads: usize,
        then: impl Fn(&Query, Vec<Hit>) -> R + Sync,
    ) -> Result<(Vec<R>, Vec<f64>, f64), Failure> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, R, f64)>, Error> {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(query) = self.queries.get(at) else { return Ok(done) };
                let search = self.search(query, effort);
                let started = Instant::now();
                let hits = search.run()?;
                let seconds = started.elapsed().as_secs_f64();
                done.push((at, then(query, hits), seconds));
            }
        };
        let started = Instant::now();
        let parts = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut parts = vec![work()];
            for other in others {
                parts.push(other.join().unwrap_or(Err(Error::Closed)));
            }
            parts
        });
        let wall = started.elapsed().as_secs_f64();
        let mut done: Vec<(usize, R, f64)> =
            parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        done.sort_by_key(|(at, ..)| *at);
        let mut seconds: Vec<f64> = done.iter().map(|(.., seconds)| *seconds).collect();
        seconds.sort_by(f64::total_cmp);
        Ok((done.into_iter().map(|(_, result, _)| result).collect(), seconds, wall))
    }

    fn truths(&self) -> Result<Vec<Truth>, Failure> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let truth = |query: &Query, hits| {
            let hits = self.others(query, hits);
            let least = hits.last().map_or(f32::INFINITY, Hit::score);
            Truth { ids: hits.iter().map(|hit| hit.id().clone()).collect(), least }
        };
        Ok(self.pass(Effort::Exact, threads, truth)?.0)
    }

    fn figure(&self, effort: Effort, truths: &[Truth]) -> Result<Figure, Failure> {
        let (hits, ..) = self.pass(effort, self.threads, |query, hits| self.others(query, hits))?;
        let shares = hits.iter().zip(truths).filter_map(|(hits, truth)| share(hits, truth));
        let shares: Vec<f32> = shares.collect();
        let recall = shares.iter().sum::<f32>() / shares.len().max(1) as f32;
        let mut best: Option<(Vec<f64>, f64)> = None;
        let started = Instant::now();
        for _ in 0..MOST_PASSES {
            let (_, seconds, wall) = self.pass(effort, self.threads, |_, hits| drop(hits))?;
            if best.as_ref().is_none_or(|(_, fastest)| wall < *fastest) {
                best = Some((seconds, wall));
            }
            if started.elapsed() >= LEAST_TIME {
                break;
            }
        }
        let (seconds, wall) = best.unwrap_or_default();
        let count = seconds.len();
        let p99 = seconds.get(count.saturating_sub(1) * 99 / 100).copied().unwrap_or_default();
        let median = seconds.get(count / 2).copied().unwrap_or_default();
        Ok(Figure { effort, recall, per_second: count as f64 / wall, median, p99 })
    }
}

/// The share of the true nearest among the hits; one that scores the same as the last of them is as good. `None` where there
/// is nothing to find.
fn share(hits: &[Hit], truth: &Truth) -> Option<f32> {
    let good = hits.iter().filter(|hit| truth.ids.contains(hit.id()) || hit.score() >= truth.least).count();
    (!truth.ids.is_empty()).then(|| good.min(truth.ids.len()) as f32 / truth.ids.len() as f32)
}

fn measure(subject: &Subject, asked: &Bench, console: &Console<'_>) -> Result<Vec<Figure>, Failure> {
    let efforts: Vec<Effort> = match asked.ef.is_empty() {
        true => asked.recalls.iter().map(|recall| Effort::Recall(*recall)).collect(),
        false => asked.ef.iter().map(|width| Effort::Width(*width)).collect(),
    };
    let bar: ProgressBar = console.progress("Measuring", efforts.len() as u64 + 2, Unit::Records);
    let truths = subject.truths()?;
    bar.inc(1);
    let mut figures = Vec::with_capacity(efforts.len() + 1);
    for effort in efforts.into_iter().chain([Effort::Exact]) {
        figures.push(subject.figure(effort, &truths)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(figures)
}

/// Records picked at random, the same ones each time (reservoir sampling: Vitter 1985, algorithm R).
fn sample(
    snapshot: &Snapshot,
    name: &str,
    wanted: usize,
    console: &Console<'_>,
) -> Result<Vec<Query>, Failure> {
    let bar = console.progress("Sampling", snapshot.len() as u64, Unit::Records);
    let mut picked: Vec<Query> = Vec::with_capacity(wanted.min(snapshot.len()));
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for (seen, record) in snapshot.scan().enumerate() {
        let record = record?;
        bar.inc(1);
        // Xorshift, which is random enough to pick by.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let place = if seen < wanted { seen } else { (random % (seen as u64 + 1)) as usize };
        if place >= wanted {
            continue;
        }
        let names = || record.vectors().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        let vector = record.get_vector(name);
        let vector =
            vector.ok_or_else(|| format!("name one of the vectors by --vector-name: {}", names()))?.clone();
        let query = Query { id: Some(record.id().clone()), vector };
        if place < picked.len() { picked[place] = query } else { picked.push(query) }
    }
    bar.finish_and_clear();
    Ok(picked)
}

fn print(
    subject: &Subject,
    name: &str,
    figures: &[Figure],
    console: &mut Console<'_>,
) -> Result<Outcome, Failure> {
    let (k, records, queries) = (subject.k, subject.snapshot.len(), subject.queries.len());
    if console.json {
        let settings = figures.iter().map(figure_json).collect::<Json>();
        console.json_line(&json!({
            "collection": name, "records": records, "queries": queries, "k": k, "threads": subject.threads, "settings": settings,
        }))?;
        return Ok(Outcome::Done);
    }
    let threads = count(subject.threads, "thread");
    console.line(&format!(
        "The {k} nearest of {} in '{name}', {queries} searches, {threads}",
        count(records, "record")
    ))?;
    let rows = figures.iter().map(|figure| {
        vec![
            figure.effort.name(),
            format!("{:.4}", figure.recall),
            format!("{:.0}", figure.per_second),
            format!("{:.3}", figure.median * 1e3),
            format!("{:.3}", figure.p99 * 1e3),
        ]
    });
    let recall = format!("recall@{k}");
    console.table(
        &["asked for", &recall, "searches/s", "median ms", "p99 ms"],
        rows.collect(),
        &[1, 2, 3, 4],
    )?;
    Ok(Outcome::Done)
}

fn figure_json(figure: &Figure) -> Json {
    let (recall, ef) = match figure.effort {
        Effort::Recall(recall) => (Some(number(recall)), None),
        Effort::Width(width) => (None, Some(width)),
        Effort::Exact => (None, None),
    };
    json!({
        "asked_recall": recall,
        "asked_ef": ef,
        "exact": figure.effort == Effort::Exact,
        "recall": number(figure.recall),
        "searches_per_second": figure.per_second,
        "median_seconds": figure.median,
        "p99_seconds": figure.p99,
    })
}

fn plot(subject: &Subject, name: &str, asked: &Bench, figures: &[Figure]) -> Plot {
    let file = asked.place.db.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (records, threads) = (count(subject.snapshot.len(), "record"), count(subject.threads, "thread"));
    let filter = asked.filter.as_ref().map(|filter| format!(", {filter}")).unwrap_or_default();
    let points = figures.iter().map(|figure| Point {
        x: f64::from(figure.recall),
        y: figure.per_second,
        label: figure.effort.name(),
        apart: figure.effort == Effort::Exact,
    });
    Plot {
        title: format!("Searches a second by recall: {file}"),
        subtitle: format!("{} nearest of {records} in '{name}', {threads}{filter}", subject.k),
        x_label: format!("recall@{}: share of the true nearest that is found", subject.k),
        y_label: "searches a second".into(),
        points: points.collect(),
    }
}
