//! [`Search`]: a vector search and its hits.

use super::View;
use super::top::Found;
use super::top::Top;
use crate::error::Error;
use crate::error::Result;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::metadata::Fields;
use crate::segment::Effort;
use crate::segment::Known;
use crate::segment::Limits;
use crate::segment::LiveSegment;
use crate::segment::Record;
use crate::segment::Segment;
use crate::segment::Vector;
use crate::segment::VectorQuery;
use crate::storage::Pin;
use crate::vector::ExactScorer;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Hits where a search does not say how many.
const DEFAULT_K: usize = 10;

/// Recall where a search does not say how much.
const DEFAULT_RECALL: f32 = 0.98;
/// Recalls that can be asked for.
const RECALLS: RangeInclusive<f32> = 0.5..=0.999;

/// A search for the records nearest to a vector, put together call by call.
///
/// It reads the collection as it was when the search was begun. Beside the hits it keeps in memory what it needs to
/// remember visited records (an eighth of a byte for each in the largest segment, kept for the next search of the
/// thread).
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(2))?;
/// docs.upsert([Record::new("east").vector([1.0, 0.0]), Record::new("north").vector([0.0, 1.0])])?;
/// let hits = docs.search().vector([0.9, 0.1]).k(1).run()?;
/// assert_eq!(hits[0].id().as_str(), Some("east"));
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a search does nothing until `run`"]
pub struct Search {
    view: Result<View, Arc<Error>>,
    vector: Option<(Option<String>, Vector)>,
    k: usize,
    effort: Effort,
    exact: bool,
    restricted: Option<Arc<Vec<(usize, crate::slots::SlotSet)>>>,
}

impl Search {
    #[doc(hidden)]
    pub fn restrict(mut self, f: &dyn Fn(u64) -> bool) -> Self {
        if let Ok(view) = &self.view {
            let sets = view
                .set
                .segments()
                .map(|live| {
                    let ok = (0..live.segment.len())
                        .filter(|s| f(live.segment.id(*s).ok().and_then(|i| i.as_u64()).unwrap_or(0)))
                        .collect();
                    (
                        Arc::as_ptr(&live.segment) as usize,
                        crate::slots::SlotSet::from_ascending(live.segment.len(), ok),
                    )
                })
                .collect();
            self.restricted = Some(Arc::new(sets));
        }
        self
    }

    pub(crate) fn new(view: Result<View>) -> Self {
        let effort = Effort::Recall(DEFAULT_RECALL);
        Self {
            view: view.map_err(Arc::new),
            vector: None,
            k: DEFAULT_K,
            effort,
            exact: false,
            restricted: None,
        }
    }

    /// The vector to find neighbours of, among the vectors called `vector` or the only ones that there are.
    pub fn vector(mut self, vector: impl Into<Vector>) -> Self {
        self.vector = Some((None, vector.into()));
        self
    }

    /// The vector to find neighbours of, among the vectors called `name`.
    pub fn named_vector(mut self, name: impl Into<String>, vector: impl Into<Vector>) -> Self {
        self.vector = Some((Some(name.into()), vector.into()));
        self
    }

    /// How many hits: 1 to 10,000. Default: 10. There are fewer only where the collection has fewer records.
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// The share of the true nearest records that is to be found, 0.5 to 0.999. Default: 0.98.
    ///
    /// Each graph has measured, when it was built, what effort gives which recall, on its own records. So the share is one that
    /// is kept on average, for queries of the same kind; [`Collection::measure_recall`](crate::Collection::measure_recall)
    /// tells what it is. The last of this and [`ef`](Self::ef) counts.
    pub fn recall(mut self, recall: f32) -> Self {
        self.effort = Effort::Recall(recall);
        self
    }

    /// In place of [`recall`](Self::recall): how many candidates a graph keeps while it is searched, 1 to 65,536; never fewer
    /// than the hits wanted. More find more of the true neighbours and take longer. It is the number for a query of the
    /// average kind: fewer are kept where the neighbours stand out, and more where they don't.
    pub fn ef(mut self, ef: usize) -> Self {
        self.effort = Effort::Width(ef);
        self
    }

    /// True to score every record instead of following the graph; `recall` and `ef` then do not matter. Default: false.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// Runs the search; the best hit comes first.
    ///
    /// # Errors
    /// `InvalidOption` without a vector, for `k` or `ef` of 0 and for a recall out of range, `TooLarge` beyond the limits,
    /// `DimensionMismatch` and `InvalidVector` for a vector that does not fit the schema, `Schema` for a name that it does
    /// not have, `Corrupt` where the file is damaged, `Closed` and `CollectionNotFound` where there is nothing to search.
    pub fn run(self) -> Result<Vec<Hit>> {
        let view = self.view.as_ref().map_err(|error| again(error))?;
        let Some((name, vector)) = &self.vector else {
            return Err(Error::InvalidOption { name: "vector", problem: "the search has none".into() });
        };
        let query = self.prepare(view, view.set.schema.searched_vector(name.as_deref())?, vector)?;
        find(view, &query, self.restricted.as_deref())
    }

    /// Runs the search for each of `vectors` in place of the one given to it, on all threads of the current rayon pool.
    /// All of them see the same records. The vector given, if any, only tells which of several named vectors is meant.
    ///
    /// ```
    /// use lodedb::{MemoryBackend, Options, Record, Schema};
    /// use std::sync::Arc;
    ///
    /// let db = Options::new().open_backend(Arc::new(MemoryBackend::new()), "memory")?;
    /// let docs = db.collection("docs", Schema::new(2))?;
    /// docs.upsert([Record::new(1).vector([1.0, 0.0]), Record::new(2).vector([0.0, 1.0])])?;
    /// let found = docs.search().k(1).run_many([[0.9, 0.1], [0.2, 0.8]])?;
    /// assert_eq!((found[0][0].id().as_u64(), found[1][0].id().as_u64()), (Some(1), Some(2)));
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run); the first one met counts, and there are no hits then.
    pub fn run_many<V: Into<Vector>>(self, vectors: impl IntoIterator<Item = V>) -> Result<Vec<Vec<Hit>>> {
        let view = self.view.as_ref().map_err(|error| again(error))?;
        let place = self.place(view)?;
        self.check_settings(&view.limits)?;
        let vectors: Vec<Vector> = vectors.into_iter().map(Into::into).collect();
        vectors
            .par_iter()
            .map(|vector| find(view, &self.prepare(view, place, vector)?, self.restricted.as_deref()))
            .collect()
    }

    /// The share of the true nearest records that the search finds with its settings, on average: `sample` records of the
    /// collection, at least 1, are looked for among the others. It takes as many exact searches, on all threads of the
    /// current rayon pool. The vector given, if any, only tells which of several named vectors is meant. 1 for a collection
    /// of less than two records.
    ///
    /// ```
    /// use lodedb::{MemoryBackend, Options, Record, Schema};
    /// use std::sync::Arc;
    ///
    /// let db = Options::new().open_backend(Arc::new(MemoryBackend::new()), "memory")?;
    /// let docs = db.collection("docs", Schema::new(1))?;
    /// docs.upsert((0..50).map(|id| Record::new(id).vector([id as f32 + 1.0])))?;
    /// assert_eq!(docs.search().k(5).measure_recall(10)?, 1.0);
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn measure_recall(self, sample: usize) -> Result<f32> {
        let view = self.view.as_ref().map_err(|error| again(error))?;
        let place = self.place(view)?;
        let ty = view.set.schema.vectors()[place].ty();
        self.check_settings(&view.limits)?;
        if sample == 0 {
            return Err(Error::InvalidOption {
                name: "sample",
                problem: "0, and at least 1 is right".into(),
            });
        }
        let segments = by_size(view, place);
        let probes = spread(&segments, sample);
        let shares = probes.par_iter().map(|(segment, slot)| -> Result<Option<f32>> {
            let vector = Vector::from_row(ty, segments[*segment].vector(place)?.rows.row(*slot)?.0);
            let mut query = self.prepare(view, place, &vector)?;
            let found = best(&segments, &query, Some((*segment, *slot)), None)?;
            query.exact = true;
            Ok(share_found(&found, &best(&segments, &query, Some((*segment, *slot)), None)?))
        });
        let shares: Vec<f32> = shares.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        match shares.is_empty() {
            true => Ok(1.0),
            false => Ok(shares.iter().sum::<f32>() / shares.len() as f32),
        }
    }

    /// The place in the schema of the vector that is meant.
    fn place(&self, view: &View) -> Result<usize> {
        view.set.schema.searched_vector(self.vector.as_ref().and_then(|(name, _)| name.as_deref()))
    }

    /// The search for `vector`, among those at a place of the schema.
    fn prepare<'v>(&self, view: &View, place: usize, vector: &'v Vector) -> Result<VectorQuery<'v>> {
        self.check_settings(&view.limits)?;
        let schema = &view.set.schema.vectors()[place];
        let values = vector.checked_query(schema.name(), schema.ty())?;
        let scorer = ExactScorer::new(schema.ty(), &values);
        let (k, effort, exact) = (self.k, self.effort, self.exact);
        Ok(VectorQuery { vector: place, values, scorer, k, effort, exact })
    }

    fn check_settings(&self, limits: &Limits) -> Result<()> {
        let check = |name: &'static str, value: usize, limit: usize| match value {
            0 => Err(Error::InvalidOption { name, problem: format!("0, and 1 to {limit} is right") }),
            _ => Limits::check(name, value, limit),
        };
        check("k", self.k, limits.k)?;
        match self.effort {
            Effort::Width(ef) => check("ef", ef, limits.ef),
            Effort::Recall(recall) if RECALLS.contains(&recall) => Ok(()),
            Effort::Recall(recall) => {
                let problem = format!("{recall}, and {} to {} is right", RECALLS.start(), RECALLS.end());
                Err(Error::InvalidOption { name: "recall", problem })
            }
        }
    }
}

/// The hits of a search.
fn find(
    view: &View,
    query: &VectorQuery<'_>,
    sets: Option<&Vec<(usize, crate::slots::SlotSet)>>,
) -> Result<Vec<Hit>> {
    let segments = by_size(view, query.vector);
    let metric = view.set.schema.vectors()[query.vector].ty().metric;
    let found = best(&segments, query, None, sets)?;
    for found in &found {
        segments[found.segment as usize].segment.prefetch_id(found.slot);
    }
    let hits = found.into_iter().map(|found| {
        let segment = &segments[found.segment as usize].segment;
        let (score, distance) = metric.score_and_distance(found.score);
        let origin = Origin { segment: segment.clone(), slot: found.slot, _pin: view.set.pin.clone() };
        Ok(Hit { id: segment.id(found.slot)?, score, distance, origin })
    });
    hits.collect()
}

/// The best records of all segments, without the hidden one, which is given as segment and slot. Each segment is told how
/// good those are that were found in the ones before.
fn best(
    segments: &[&LiveSegment],
    query: &VectorQuery<'_>,
    hidden: Option<(usize, Slot)>,
    sets: Option<&Vec<(usize, crate::slots::SlotSet)>>,
) -> Result<Vec<Found>> {
    let mut top = Top::new(query.k);
    for (place, live) in segments.iter().enumerate() {
        let hidden = hidden.filter(|(segment, _)| *segment == place).map(|(_, slot)| slot);
        let filter = sets
            .and_then(|sets| sets.iter().find(|(p, _)| *p == Arc::as_ptr(&live.segment) as usize))
            .map(|(_, s)| s);
        let known = Known { worst: top.worst(), filter, hidden };
        live.search(query, known, &mut |score, slot| {
            if hidden != Some(slot) {
                top.offer(Found { score, segment: place as u32, slot });
            }
        })?;
    }
    Ok(top.into_best())
}

/// Segments and slots of up to `count` records, spread over all.
fn spread(segments: &[&LiveSegment], count: usize) -> Vec<(usize, Slot)> {
    let total: usize = segments.iter().map(|live| live.live()).sum();
    let all =
        segments.iter().enumerate().flat_map(|(place, live)| live.slots().map(move |slot| (place, slot)));
    all.step_by(total.div_ceil(count).max(1)).collect()
}

/// The share of the exact results that are among the found ones, or others with as good a score; `None` where there are no
/// exact ones.
fn share_found(found: &[Found], exact: &[Found]) -> Option<f32> {
    let worst = exact.last()?.score;
    let good = found.iter().filter(|found| found.score >= worst).count();
    Some(good.min(exact.len()) as f32 / exact.len() as f32)
}

/// The segments with records, in the order in which they are searched: the largest graph first, because what it finds
/// shortens the search of the others.
fn by_size(view: &View, vector: usize) -> Vec<&LiveSegment> {
    let mut segments: Vec<&LiveSegment> = view.set.segments().filter(|live| live.live() > 0).collect();
    let has_graph = |live: &LiveSegment| live.vector(vector).is_ok_and(|part| part.index.is_some());
    segments.sort_by_key(|live| Reverse((has_graph(live), live.live())));
    segments
}

/// The same error once more: the builder may be run again.
fn again(error: &Error) -> Error {
    match error {
        Error::Closed => Error::Closed,
        Error::CollectionNotFound { name, existing } => {
            Error::CollectionNotFound { name: name.clone(), existing: existing.clone() }
        }
        Error::Corrupt(corruption) => Error::Corrupt(corruption.clone()),
        other => Error::io("read the database", std::io::Error::other(other.to_string())),
    }
}

/// A record found by a search. Its fields are read when they are asked for, so a hit that is kept keeps the room of what
/// is deleted meanwhile from being used again, as a [`Snapshot`](crate::Snapshot) does.
///
/// `score` is larger for better hits with every metric: the cosine, the dot product, or the negated distance.
/// `distance` is the metric's own: 1 - cosine, the negated dot product, the Euclidean distance (not squared), or the
/// number of bits that differ.
#[derive(Clone)]
pub struct Hit {
    id: RecordId,
    score: f32,
    distance: f32,
    origin: Origin,
}

#[derive(Clone)]
struct Origin {
    segment: Arc<Segment>,
    slot: Slot,
    _pin: Pin,
}

impl Hit {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// How good the hit is; larger is better.
    #[must_use]
    pub fn score(&self) -> f32 {
        self.score
    }

    /// How far the record's vector is from the query; smaller is nearer.
    #[must_use]
    pub fn distance(&self) -> f32 {
        self.distance
    }

    /// The record's fields.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged there.
    pub fn fields(&self) -> Result<Fields> {
        self.origin.segment.fields(self.origin.slot)
    }

    /// The whole record: id, vectors and fields.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged there.
    pub fn record(&self) -> Result<Record> {
        self.origin.segment.record(self.origin.slot)
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hit {{ id: {}, score: {}, distance: {} }}", self.id, self.score, self.distance)
    }
}
