//! [`Search`]: a search, put together call by call.

use super::Hit;
use super::View;
use super::combined::Combined;
use super::combined::Trace;
use super::combined::WORDS;
use super::execute::Execution;
use super::explain::Explain;
use super::fusion::Fusion;
use super::group::Grouping;
use super::matching::Condition;
use super::matching::check_field;
use super::monitor::SlowSearch;
use super::monitor::Watch;
use super::sparse::SparsePart;
use super::words::WordsRequest;
use super::words::text_field;
use crate::error::Error;
use crate::error::Result;
use crate::filter::Filter;
use crate::segment::Effort;
use crate::segment::Limits;
use crate::segment::Vector;
use crate::segment::VectorQuery;
use crate::sparse::SparseVector;
use crate::text::Highlight;
use crate::vector::ExactScorer;
use rayon::prelude::*;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Hits where a search does not say how many.
const DEFAULT_K: usize = 10;

/// Recall where a search does not say how much.
const DEFAULT_RECALL: f32 = 0.98;
/// Recalls that can be asked for.
const RECALLS: RangeInclusive<f32> = 0.5..=0.999;

/// A search for the records nearest to a vector, or to a sparse one, or with certain words, or several of these, put together call
/// by call.
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
    /// Vectors with the names of those they are compared with.
    vectors: Vec<(Option<String>, Vector)>,
    /// Sparse vectors with the names of those they are compared with.
    pub(super) sparse: Vec<(String, SparseVector)>,
    pub(super) words: Option<WordsRequest>,
    /// `None` for all with at least the least score.
    k: Option<usize>,
    effort: Effort,
    exact: bool,
    condition: Condition,
    min_score: Option<f32>,
    grouping: Option<Grouping>,
    pub(super) fusion: Fusion,
    pub(super) depth: Option<usize>,
    pub(super) diversity: Option<f32>,
    pub(super) highlights: Vec<(String, Highlight)>,
}

impl Search {
    pub(crate) fn new(view: Result<View>) -> Self {
        let effort = Effort::Recall(DEFAULT_RECALL);
        Self {
            view: view.map_err(Arc::new),
            vectors: Vec::new(),
            sparse: Vec::new(),
            words: None,
            k: Some(DEFAULT_K),
            effort,
            exact: false,
            condition: Condition::default(),
            min_score: None,
            grouping: None,
            fusion: Fusion::default(),
            depth: None,
            diversity: None,
            highlights: Vec::new(),
        }
    }

    /// The vector to find neighbours of, among the vectors called `vector` or the only ones that there are.
    pub fn vector(self, vector: impl Into<Vector>) -> Self {
        self.with_vector(None, vector.into())
    }

    /// The vector to find neighbours of, among the vectors called `name`. Several may be given, one of a name: each is a part of
    /// its own, and [`fusion`](Self::fusion) makes one ranking of them.
    pub fn named_vector(self, name: impl Into<String>, vector: impl Into<Vector>) -> Self {
        self.with_vector(Some(name.into()), vector.into())
    }

    fn with_vector(mut self, name: Option<String>, vector: Vector) -> Self {
        self.vectors.retain(|(other, _)| *other != name);
        self.vectors.push((name, vector));
        self
    }

    /// How many hits: 1 to 10,000. Default: 10. There are fewer only where fewer records pass the filter.
    pub fn k(mut self, k: usize) -> Self {
        self.k = Some(k);
        self
    }

    /// In place of [`k`](Self::k): every record with at least [`min_score`](Self::min_score), which is needed then. The
    /// search is exact, and keeps all hits in memory.
    ///
    /// ```
    /// use lodedb::{Database, Metric, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let mines = db.collection("mines", Schema::new(2).metric(Metric::L2))?;
    /// mines.upsert((0..9).map(|km| Record::new(km).vector([km as f32, 0.0])))?;
    /// let near = mines.search().vector([2.0, 0.0]).all().min_score(-1.5).run()?;
    /// assert_eq!(near.len(), 3);
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn all(mut self) -> Self {
        self.k = None;
        self
    }

    /// Hits with a lower score are left out: a cosine, a dot product, or a distance with a minus sign. Default: none is.
    pub fn min_score(mut self, score: f32) -> Self {
        self.min_score = Some(score);
        self
    }

    /// Only records that pass; of several calls all count. The search gives `min(k, matches)` hits, at the recall of a search
    /// without a filter, however few or many records pass.
    ///
    /// ```
    /// use lodedb::{Database, Record, Schema, field};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::new(2))?;
    /// docs.upsert([
    ///     Record::new(1).vector([1.0, 0.0]).field("year", 1848),
    ///     Record::new(2).vector([0.9, 0.1]).field("year", 1851),
    /// ])?;
    /// let hits = docs.search().vector([1.0, 0.0]).filter(field("year").gt(1850)).run()?;
    /// assert_eq!(hits[0].id().as_u64(), Some(2));
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn filter(mut self, filter: Filter) -> Self {
        self.condition.add(filter);
        self
    }

    /// True to take fields that no record has for missing ones; otherwise they are an error. Default: false.
    pub fn allow_unknown_fields(mut self, allow: bool) -> Self {
        self.condition.allow_unknown = allow;
        self
    }

    /// At most `most` hits, at least 1, with the same value of a field, given by its name or dotted path. Records that have no
    /// value there, or several, count each for itself. The search goes on until there are `k` hits or no more records.
    ///
    /// ```
    /// use lodedb::{Database, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let pages = db.collection("pages", Schema::new(1))?;
    /// pages.upsert((1..7).map(|n| Record::new(n).vector([1.0]).field("book", (n / 3) as i64)))?;
    /// let hits = pages.search().vector([1.0]).group_by("book", 1).run()?;
    /// assert_eq!(hits.len(), 3);
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn group_by(mut self, field: impl Into<String>, most: usize) -> Self {
        self.grouping = Some(Grouping { field: field.into(), most });
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
    /// `InvalidOption` without a vector, a sparse one and words, for `k` or `ef` of 0, for a recall out of range and for words where there are
    /// no text fields, `TooLarge` beyond the limits, `DimensionMismatch` and `InvalidVector` for a vector that does not fit
    /// the schema, `Schema` for a name that it does not have, `Filter` for a filter that can't be or names a field that no record
    /// has, `Corrupt` where the file is damaged, `Closed` and `CollectionNotFound` where there is nothing to search.
    pub fn run(self) -> Result<Vec<Hit>> {
        let watch = self.view.as_ref().ok().and_then(|view| view.watch.as_ref());
        Watch::over(watch, &self, || self.run_traced(None))
    }

    /// Runs the search and tells how: the way taken through each segment, what the filter left, and the time it took.
    ///
    /// ```
    /// use lodedb::{Database, Record, Schema, field};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::new(1))?;
    /// docs.upsert((1..100).map(|n| Record::new(n).vector([n as f32]).field("even", n % 2 == 0)))?;
    /// let explained = docs.search().vector([1.0]).filter(field("even").eq(true)).explain()?;
    /// assert_eq!(explained.matches, 49);
    /// println!("{explained}");
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn explain(self) -> Result<Explain> {
        let view = self.checked()?;
        Explain::of(view, &self)
    }

    /// The hits; what is done goes into the trace.
    pub(super) fn run_traced(&self, trace: Option<&mut Trace>) -> Result<Vec<Hit>> {
        let view = self.checked()?;
        let places = self.vectors.iter().map(|(name, _)| view.set.schema.searched_vector(name.as_deref()));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        let execution = Execution::new(view, places.first().copied().unwrap_or(0), &self.condition)?;
        if let (&[place], [], None, None) = (&places[..], &self.sparse[..], &self.words, self.diversity) {
            let mut query = self.prepare(view, place, &self.vectors[0].1)?;
            return execution.hits(view, &mut query, self, trace.map(|trace| &mut trace.steps));
        }
        let names = self.part_names(view, &places);
        self.fusion.check(&names)?;
        let sparse = self.sparse.iter().map(|sparse| SparsePart::of(&view.set.schema, sparse));
        let sparse = sparse.collect::<Result<_>>()?;
        let mut vectors = Vec::with_capacity(places.len());
        for ((name, place), (_, vector)) in names.into_iter().zip(&places).zip(&self.vectors) {
            vectors.push((name, self.prepare(view, *place, vector)?));
        }
        let words = self.words.as_ref();
        Combined { view, search: self, execution: &execution, vectors, sparse, words }.run(trace)
    }

    /// What the parts are called: a single vector `vector`, several and sparse ones by their names, words `text`.
    fn part_names(&self, view: &View, places: &[usize]) -> Vec<String> {
        let vectors = places.iter().map(|place| match (places, view.set.schema.vectors()[*place].name()) {
            ([_], _) => "vector".to_owned(),
            // The name is that of the words.
            (_, WORDS) if self.words.is_some() => "text_vector".to_owned(),
            (_, name) => name.to_owned(),
        });
        let sparse = self.sparse.iter().map(|(name, _)| name.clone());
        vectors.chain(sparse).chain(self.words.as_ref().map(|_| WORDS.to_owned())).collect()
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
        let (view, place) = self.checked_vectors("run_many")?;
        let vectors: Vec<Vector> = vectors.into_iter().map(Into::into).collect();
        let execution = Execution::new(view, place, &self.condition)?;
        let hits = |vector| execution.hits(view, &mut self.prepare(view, place, vector)?, &self, None);
        vectors.par_iter().map(|vector| Watch::over(view.watch.as_ref(), &self, || hits(vector))).collect()
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
        let (view, place) = self.checked_vectors("measure_recall")?;
        if sample == 0 {
            let problem = "0, and at least 1 is right".into();
            return Err(Error::InvalidOption { name: "sample", problem });
        }
        let execution = Execution::new(view, place, &self.condition)?;
        let ty = view.set.schema.vectors()[place].ty();
        let probes = execution.spread(sample);
        let shares = probes.par_iter().map(|(segment, slot)| {
            let row = execution.segments[*segment].vector(place)?.rows.row(*slot)?.0;
            let vector = Vector::from_row(ty, row);
            execution.recall(&mut self.prepare(view, place, &vector)?, (*segment, *slot))
        });
        let shares: Vec<f32> = shares.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        match shares.is_empty() {
            true => Ok(1.0),
            false => Ok(shares.iter().sum::<f32>() / shares.len() as f32),
        }
    }

    /// The view, where all settings make sense for it.
    fn checked(&self) -> Result<&View> {
        let view = self.view.as_ref().map_err(|error| again(error))?;
        let parts = self.vectors.len() + self.sparse.len() + usize::from(self.words.is_some());
        if parts == 0 {
            let problem = "the search has none, no sparse one, and no text".into();
            return Err(Error::InvalidOption { name: "vector", problem });
        }
        if parts > 1 && self.k.is_none() {
            let problem = "none, and a search of several parts needs one".into();
            return Err(Error::InvalidOption { name: "k", problem });
        }
        if self.diversity.is_some() && self.k.is_none() {
            let problem = "it chooses among hits, and a search for all of them leaves no choice".into();
            return Err(Error::InvalidOption { name: "diversity", problem });
        }
        if self.diversity.is_some() && view.set.schema.vectors().is_empty() {
            let problem = "it compares vectors, and the records have none that are not sparse".into();
            return Err(Error::InvalidOption { name: "diversity", problem });
        }
        for (name, vector) in &self.sparse {
            let what = format!("number of terms of sparse vector '{name}'");
            Limits::check(what, vector.len(), view.limits.sparse_terms)?;
        }
        self.check_settings(&view.limits)?;
        self.condition.check(view)?;
        if let Some(words) = &self.words {
            words.check(&view.set.schema)?;
        }
        if self.words.is_none() && !self.highlights.is_empty() {
            let problem = "the search has no words to mark".into();
            return Err(Error::InvalidOption { name: "highlight", problem });
        }
        for (name, _) in &self.highlights {
            text_field(&view.set.schema, name)
                .map_err(|problem| Error::InvalidOption { name: "highlight", problem })?;
        }
        if let Some(grouping) = &self.grouping {
            check_field(view, &grouping.field)?;
        }
        Ok(view)
    }

    /// The view, and the place in its schema of the vector that is meant, for a call with vectors of its own.
    fn checked_vectors(&self, call: &'static str) -> Result<(&View, usize)> {
        let view = self.view.as_ref().map_err(|error| again(error))?;
        let other_parts = self.words.is_some() || !self.sparse.is_empty();
        if other_parts || self.vectors.len() > 1 || self.diversity.is_some() {
            let problem =
                "words, sparse vectors, several vectors and diversity are for single searches".into();
            return Err(Error::InvalidOption { name: call, problem });
        }
        let name = self.vectors.first().and_then(|(name, _)| name.as_deref());
        let place = view.set.schema.searched_vector(name)?;
        self.check_settings(&view.limits)?;
        self.condition.check(view)?;
        if let Some(grouping) = &self.grouping {
            check_field(view, &grouping.field)?;
        }
        Ok((view, place))
    }

    /// What is told of the search where it was slow.
    pub(super) fn as_slow(&self, collection: &str, time: Duration, hits: usize) -> SlowSearch {
        SlowSearch {
            collection: collection.to_owned(),
            time,
            hits,
            k: self.k,
            // A search for many vectors runs once for each.
            vectors: (self.vectors.len() + self.sparse.len()).max(usize::from(self.words.is_none())),
            text: self.words.as_ref().map(WordsRequest::as_text),
            filter: self.condition.filter.as_ref().map(ToString::to_string),
        }
    }

    /// The search for `vector`, among those at a place of the schema.
    fn prepare<'v>(&self, view: &View, place: usize, vector: &'v Vector) -> Result<VectorQuery<'v>> {
        let schema = &view.set.schema.vectors()[place];
        let values = vector.checked_query(schema.name(), schema.ty())?;
        let scorer = ExactScorer::new(schema.ty(), &values);
        let (k, effort) = (self.k.unwrap_or(view.set.live()), self.effort);
        let exact = self.exact || self.k.is_none();
        Ok(VectorQuery { vector: place, values, scorer, k, effort, exact })
    }

    fn check_settings(&self, limits: &Limits) -> Result<()> {
        let check = |name: &'static str, value: usize, limit: usize| match value {
            0 => Err(Error::InvalidOption { name, problem: format!("0, and 1 to {limit} is right") }),
            _ => Limits::check(name, value, limit),
        };
        match (self.k, self.min_score) {
            (Some(k), _) => check("k", k, limits.k)?,
            (None, Some(_)) => {}
            (None, None) => {
                let problem = "a search for all hits needs one, to say where they end".into();
                return Err(Error::InvalidOption { name: "min_score", problem });
            }
        }
        if self.min_score.is_some_and(f32::is_nan) {
            return Err(Error::InvalidOption {
                name: "min_score",
                problem: "NaN, and a number is right".into(),
            });
        }
        if let Some(depth) = self.depth {
            check("depth", depth, limits.ef)?;
        }
        if let Some(diversity) = self.diversity.filter(|diversity| !(0.0..=1.0).contains(diversity)) {
            let problem = format!("{diversity}, and 0 to 1 is right");
            return Err(Error::InvalidOption { name: "diversity", problem });
        }
        if self.grouping.as_ref().is_some_and(|grouping| grouping.most == 0) {
            let problem = "0 hits with the same value, and at least 1 is right".into();
            return Err(Error::InvalidOption { name: "group_by", problem });
        }
        match self.effort {
            Effort::Width(ef) => check("ef", ef, limits.ef),
            Effort::Recall(recall) if RECALLS.contains(&recall) => Ok(()),
            Effort::Recall(recall) => {
                let problem = format!("{recall}, and {} to {} is right", RECALLS.start(), RECALLS.end());
                Err(Error::InvalidOption { name: "recall", problem })
            }
        }
    }

    /// The place in the schema of the first vector.
    pub(super) fn first_place(&self, view: &View) -> Result<usize> {
        match self.vectors.first() {
            Some((name, _)) => view.set.schema.searched_vector(name.as_deref()),
            None => Ok(0),
        }
    }

    /// Hits wanted; `None` for all.
    pub(super) fn limit(&self) -> Option<usize> {
        self.k
    }

    /// The least score of a hit.
    pub(super) fn least_score(&self) -> Option<f32> {
        self.min_score
    }

    /// How hits are grouped.
    pub(super) fn grouping(&self) -> Option<&Grouping> {
        self.grouping.as_ref()
    }

    /// What a record has to pass.
    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }
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
