//! `Collection`: writes and reads.

use crate::batch::Source;
use crate::batch::batch_in;
use crate::batch::row_out;
use crate::batch::rows_out;
use crate::batch::updates_in;
use crate::embed::Embed;
use crate::errors::argument;
use crate::explain::PyExplain;
use crate::filter::Doomed;
use crate::filter::filter_from_python;
use crate::hits::PyHits;
use crate::hits::escaped;
use crate::options::Condition;
use crate::options::Effort;
use crate::options::Grouping;
use crate::options::SearchOptions;
use crate::process::Listener;
use crate::process::Owned;
use crate::process::detached;
use crate::process::not_pickled;
use crate::process::watched;
use crate::query;
use crate::rerank::Rerank;
use crate::scan::PyScan;
use crate::scan::ScanOptions;
use crate::search::Asked;
use crate::search::Ranking;
use crate::sparse::query_in;
use crate::stats::collection_stats;
use crate::stats::facets_out;
use crate::text::Words;
use crate::turn::Turn;
use crate::values::id_in;
use crate::values::ids_in;
use crate::values::is_id;
use crate::vectors::Matrix;
use crate::vectors::vector_in;
use lodedb::Collection;
use lodedb::Dtype;
use lodedb::Filter;
use lodedb::Schema;
use lodedb::TextField;
use lodedb::Vector;
use lodedb::VectorSchema;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PyString;

/// A named set of records. Each call sees everything that was acknowledged before it began.
///
/// A record is an id (a string or a whole number from 0 on; one kind per collection), one vector or several by name,
/// and fields: None, bool, int, float, str, datetime, places as `{"lat": .., "lon": ..}`, lists and dicts. As a row it
/// is one dict: `id` and the names of the vectors are reserved, every other key is a field. Instants without a time
/// zone are in UTC.
///
/// >>> db = lodedb.open(":memory:")
/// >>> ores = db.collection("ores", dim=2, metric="l2")
/// >>> ores.upsert([
/// ...     {"id": "galena", "vector": [7.5, 2.5], "metal": "lead"},
/// ...     {"id": "cassiterite", "vector": [6.9, 6.5], "metal": "tin"},
/// ... ])
/// 2
/// >>> len(ores), "galena" in ores
/// (2, True)
#[pyclass(frozen, module = "lodedb", name = "Collection")]
pub(crate) struct PyCollection {
    collection: Owned<Collection>,
    schema: Schema,
    embed: Embed,
    turn: Turn,
}

impl PyCollection {
    /// The collection that `find` gives.
    pub(crate) fn of(
        py: Python<'_>,
        turn: Turn,
        find: impl FnOnce() -> lodedb::Result<Collection> + Send,
    ) -> PyResult<Self> {
        let (collection, schema) = detached(py, || {
            let collection = find()?;
            let schema = collection.schema()?;
            Ok((collection, schema))
        })?;
        Ok(Self { collection: Owned::new(collection), schema, embed: Embed::None, turn })
    }

    /// The same collection, with vectors made of texts by `function`.
    pub(crate) fn with_embed(mut self, function: Option<&Bound<'_, PyAny>>, field: &str) -> PyResult<Self> {
        self.embed = Embed::of(function, field, &self.schema)?;
        Ok(self)
    }

    /// The collection, for a call that waits for its turn to write.
    fn writable(&self) -> PyResult<&Collection> {
        self.turn.check()?;
        self.collection.get()
    }

    /// The queries of a batch: an array, or a list of texts to make vectors of.
    fn queries(&self, vectors: &Bound<'_, PyAny>, schema: &VectorSchema) -> PyResult<Matrix> {
        match vectors.cast::<PyList>() {
            Ok(list) if list.iter().next().is_some_and(|first| first.is_instance_of::<PyString>()) => {
                self.embed.texts(list, schema)
            }
            _ => Matrix::of(vectors, schema),
        }
    }

    /// The query of one search.
    fn query(&self, vector: &Bound<'_, PyAny>, schema: &VectorSchema) -> PyResult<Vector> {
        match vector.is_instance_of::<PyString>() {
            true => self.embed.text(vector, schema),
            false => vector_in(vector, schema),
        }
    }

    /// The vectors of one search: none, one, or a dict of several by name.
    fn vectors(
        &self,
        given: Option<&Bound<'_, PyAny>>,
        using: Option<&str>,
    ) -> PyResult<Vec<(&str, Vector)>> {
        let Some(given) = given else {
            return match using {
                Some(_) => Err(argument("using= says which vector is compared, and this search has none")),
                None => Ok(Vec::new()),
            };
        };
        let Ok(several) = given.cast::<PyDict>() else {
            let schema = self.searched(using)?;
            return Ok(vec![(schema.name(), self.query(given, schema)?)]);
        };
        if using.is_some() {
            return Err(argument("using= names one vector: leave it out with a dict of several"));
        }
        if several.is_empty() {
            return Err(argument("option 'vector': a dict without a vector"));
        }
        let named = |(name, vector): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            let schema = self.vector_named(&name.extract::<String>()?, "the vectors are")?;
            Ok((schema.name(), self.query(&vector, schema)?))
        };
        // A copy, because what is called to read a vector may change the dict.
        several.copy()?.iter().map(named).collect()
    }

    /// The vector that a search means: the one named, the only one, or the one called `vector`.
    fn searched(&self, using: Option<&str>) -> PyResult<&VectorSchema> {
        match (self.schema.vectors(), using) {
            ([only], None) => Ok(only),
            _ => self.vector_named(using.unwrap_or("vector"), "using= is one of"),
        }
    }

    fn vector_named(&self, name: &str, there_are: &str) -> PyResult<&VectorSchema> {
        let vectors = self.schema.vectors();
        vectors.iter().find(|vector| vector.name() == name).ok_or_else(|| {
            let names: Vec<&str> = vectors.iter().map(VectorSchema::name).collect();
            match names.is_empty() {
                true => argument(format!("no vector '{name}': the collection has none")),
                false => argument(format!("no vector '{name}'; {there_are} {}", names.join(", "))),
            }
        })
    }
}

#[pymethods]
impl PyCollection {
    /// The collection's name.
    #[getter]
    fn name(&self) -> PyResult<&str> {
        Ok(self.collection.get()?.name())
    }

    /// Puts records in, each in place of the one with its id where there is one: all of them or none. Gives their number.
    ///
    /// As rows: dicts, in any iterable. As a table: anything with Arrow's C data interface (pyarrow, polars, duckdb) or a
    /// pandas frame, with a column `id`, a column for each vector, and fields. As columns: `ids`, `vectors` as an array of
    /// one row a record (a dict of arrays by name where there are several vectors), `sparse` as a list (or, where there are
    /// several, a dict of lists by name), `fields` as a dict of columns.
    /// C-contiguous float32, float16 and int8 arrays are taken as they are, others are converted. Vectors of the dtype
    /// "binary" are zeros and ones, or uint8 packed as by `numpy.packbits`. A sparse vector is a dict of weights by term, a pair
    /// of arrays (terms and weights), an object that has both (`indices`, and `values` or `data`), or a row of a scipy matrix; a
    /// column of them may be such a matrix, in tables maps or structs of `indices` and `values`. A record may be without it. Weights
    /// are above 0, and float32.
    ///
    /// Raises DimensionError, ArgumentError, SchemaError, LimitError for a record that can't be stored; nothing was
    /// changed then.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=2)
    /// >>> notes.upsert(ids=["a", "b"], vectors=np.eye(2, dtype=np.float32), fields={"year": [1849, 1851]})
    /// 2
    /// >>> notes.get("b")["year"]
    /// 1851
    #[pyo3(signature = (records=None, *, ids=None, vectors=None, sparse=None, fields=None))]
    fn upsert(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        vectors: Option<&Bound<'_, PyAny>>,
        sparse: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let collection = self.writable()?;
        let source = Source { records, ids, vectors, sparse, fields };
        let batch = batch_in(py, &source, &self.schema, &self.embed)?;
        detached(py, || collection.upsert(batch.into_records()))
    }

    /// As `upsert`, but an id that exists, or appears twice, raises AlreadyExistsError.
    #[pyo3(signature = (records=None, *, ids=None, vectors=None, sparse=None, fields=None))]
    fn insert(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        vectors: Option<&Bound<'_, PyAny>>,
        sparse: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let collection = self.writable()?;
        let source = Source { records, ids, vectors, sparse, fields };
        let batch = batch_in(py, &source, &self.schema, &self.embed)?;
        detached(py, || collection.insert(batch.into_records()))
    }

    /// Sets some fields of a record; its other fields and its vectors stay. Gives the number of records.
    ///
    /// `update({id: fields, ..})` does it for several records, all or none. Raises NotFoundError.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1)
    /// >>> notes.upsert({"id": 7, "vector": [1.0], "title": "Mines"})
    /// 1
    /// >>> notes.update(7, {"year": 1849})
    /// 1
    /// >>> notes.get(7)["title"], notes.get(7)["year"]
    /// ('Mines', 1849)
    #[pyo3(signature = (id, fields=None))]
    fn update(
        &self,
        py: Python<'_>,
        id: &Bound<'_, PyAny>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let updates = updates_in(id, fields)?;
        let collection = self.writable()?;
        detached(py, || collection.update_many(updates))
    }

    /// Deletes the records with these ids, or those that pass `where` (as in `search`), and gives their number.
    ///
    /// Ids that don't exist are passed over. One of both is needed: `where={}` deletes every record. Raises FilterError.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1)
    /// >>> notes.upsert(ids=range(5), vectors=np.ones((5, 1)), fields={"year": range(1848, 1853)})
    /// 5
    /// >>> notes.delete([0, 7]), notes.delete(where="year > 1850"), len(notes)
    /// (1, 2, 2)
    #[pyo3(signature = (ids=None, *, r#where=None))]
    fn delete(
        &self,
        py: Python<'_>,
        ids: Option<&Bound<'_, PyAny>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let doomed = Doomed::of(ids, r#where)?;
        let collection = self.writable()?;
        detached(py, || match doomed {
            Doomed::Ids(ids) => collection.delete(ids),
            Doomed::Matching(filter) => collection.delete_where(filter),
        })
    }

    /// The record with this id as a row, or None; for several ids a list. Vectors are numpy arrays.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1)
    /// >>> notes.upsert({"id": "a", "vector": [1.0], "title": "Mines"})
    /// 1
    /// >>> notes.get("a")
    /// {'id': 'a', 'vector': array([1.], dtype=float32), 'title': 'Mines'}
    /// >>> notes.get(["b"])
    /// [None]
    fn get<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let collection = self.collection.get()?;
        if is_id(ids) {
            let id = id_in(ids)?;
            let record = detached(py, || collection.get(id))?;
            return match record {
                Some(record) => Ok(row_out(py, &record)?.into_any()),
                None => Ok(py.None().into_bound(py)),
            };
        }
        let ids = ids_in(ids)?;
        let records = detached(py, || {
            let snapshot = collection.snapshot()?;
            ids.into_iter().map(|id| snapshot.get(id)).collect::<lodedb::Result<Vec<_>>>()
        })?;
        rows_out(py, &records)?.into_bound_py_any(py)
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let id = id_in(id)?;
        let collection = self.collection.get()?;
        detached(py, || collection.contains(id))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let collection = self.collection.get()?;
        detached(py, || collection.len())
    }

    /// The `k` records nearest to `vector`, or to a `sparse` one, or with the words of `text`, or several of these, the best
    /// first; fewer only where fewer match.
    ///
    /// `vector` is an array; a text to make a vector of, with `embed`; or a dict of several vectors by name. `text` is what a
    /// person types: `gold mine` (any of the words, the more the better), `+gold -coal` (must, must not be there), `"sluice
    /// box"` or `"sluice box"~2` (together, or so far from it), `prosp*`, `mininng~` (misspelt), `title:gold`, `gold^2`.
    ///
    /// `sparse` is a sparse vector, as `upsert` takes it, compared by dot product; or a dict of them by name. Only records that have
    /// a term of it are found by it, and these are exactly the best.
    ///
    /// `where` is a filter: a dict of operators, a string, or an expression of `lodedb.F`. However few or many records
    /// pass, the hits are `min(k, matches)`, at the recall of a search without it. A field that no record has is an
    /// error, unless `allow_unknown_fields` takes it for missing.
    ///
    /// Hits with a score under `min_score` are left out; with `k=None` it alone says where hits end, and the search is
    /// exact. `group_by` names a field: at most `group_size` hits have the same value there.
    ///
    /// `using` names the vector to compare with, where there are several. `recall` (0.98) is the share of the true
    /// neighbours that is to be found on average, 0.5 to 0.999; each graph has measured what that takes. `ef`, in its
    /// place, is how many candidates the graph keeps, 1 to 65,536: more find more and take longer. `exact` scores
    /// every record instead.
    ///
    /// Words are searched for in all text fields, or in `text_fields`: names, or a dict of how much each counts. Their scores are
    /// BM25's, with `k1` (1.2) and `b` (0.75). `highlight` names text fields whose best fragments hits have with the words
    /// marked, as `hit.highlights`; or is a dict of settings of each: `fragments` (3), `fragment_bytes` (160), `before` and
    /// `after` ("<b>" and "</b>").
    ///
    /// A search of several parts makes one ranking of theirs by `fusion`: "rrf" (reciprocal ranks, the default), or what
    /// `lodedb.rrf`, `weighted` and `distribution` give. `hit.score` is the fused value then, and `hit.scores` has those of the
    /// parts. `diversity`, 0 to 1, is how unlike hits are to be (maximal marginal relevance). `depth` is how many
    /// candidates each part gives to these: `max(4 * k, 100)` unless said otherwise.
    ///
    /// `rerank` is a function of the best `rerank_depth` (`max(4 * k, 100)`) hits, as `Hits`, to a score for each: hits come in
    /// their order then, `k` of them.
    ///
    /// Raises FilterError, DimensionError, ArgumentError.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=2, text=["body"])
    /// >>> notes.upsert([
    /// ...     {"id": "east", "vector": [1, 0], "year": 1849, "tags": ["gold"], "body": "A sluice box washes gold."},
    /// ...     {"id": "north", "vector": [0, 1], "year": 1851, "tags": ["gold", "tin"], "body": "Rivers carry gold and tin."},
    /// ... ])
    /// 2
    /// >>> notes.search([1.0, 0.0], k=1)
    /// Hits([Hit(id='east', score=1.0000)])
    /// >>> notes.search([1.0, 0.0], k=1, where={"year": {"$gt": 1850}, "tags": {"$in": ["gold", "silver"]}})
    /// Hits([Hit(id='north', score=0.0000)])
    /// >>> notes.search([1.0, 0.0], where="year > 1850 and tags in ('gold', 'silver')").ids
    /// ['north']
    /// >>> from lodedb import F
    /// >>> notes.search([1.0, 0.0], where=(F.year > 1850) & F.tags.is_in(["gold", "silver"])).ids
    /// ['north']
    /// >>> notes.search([1.0, 0.0], k=None, min_score=0.5).ids
    /// ['east']
    /// >>> notes.search(text="gold +river", highlight=["body"])[0].highlights
    /// {'body': ['<b>Rivers</b> carry <b>gold</b> and tin.']}
    /// >>> hits = notes.search([1.0, 0.0], text="tin", fusion=lodedb.weighted(vector=0.3, text=0.7))
    /// >>> hits[0].id, hits[0].scores["vector"], hits[1].scores["text"]
    /// ('north', 0.0, 0.0)
    /// >>> terms = db.collection("terms", sparse=["splade"])
    /// >>> terms.upsert(ids=[1, 2], sparse=[{17: 0.5, 4711: 1.25}, {17: 1.0}])
    /// 2
    /// >>> terms.search(sparse={17: 1.0, 4711: 2.0})
    /// Hits([Hit(id=1, score=3.0000), Hit(id=2, score=1.0000)])
    /// >>> notes.search([1.0, 0.0], rerank=lambda hits: [hit["year"] for hit in hits])
    /// Hits([Hit(id='north', score=1851.0000), Hit(id='east', score=1849.0000)])
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    #[pyo3(
        signature = (vector=None, *, sparse=None, text=None, k=Some(10), r#where=None, allow_unknown_fields=false, min_score=None,
            group_by=None, group_size=1, using=None, recall=None, ef=None, exact=false, text_fields=None, k1=None,
            b=None, highlight=None, fusion=None, depth=None, diversity=None, rerank=None, rerank_depth=None),
        text_signature = "($self, vector=None, *, sparse=None, text=None, k=10, where=None, allow_unknown_fields=False, \
            min_score=None, group_by=None, group_size=1, using=None, recall=None, ef=None, exact=False, \
            text_fields=None, k1=None, b=None, highlight=None, fusion=None, depth=None, diversity=None, rerank=None, \
            rerank_depth=None)"
    )]
    fn search(
        &self,
        py: Python<'_>,
        vector: Option<&Bound<'_, PyAny>>,
        sparse: Option<&Bound<'_, PyAny>>,
        text: Option<String>,
        k: Option<usize>,
        r#where: Option<&Bound<'_, PyAny>>,
        allow_unknown_fields: bool,
        min_score: Option<f32>,
        group_by: Option<String>,
        group_size: usize,
        using: Option<&str>,
        recall: Option<f32>,
        ef: Option<usize>,
        exact: bool,
        text_fields: Option<&Bound<'_, PyAny>>,
        k1: Option<f32>,
        b: Option<f32>,
        highlight: Option<&Bound<'_, PyAny>>,
        fusion: Option<&Bound<'_, PyAny>>,
        depth: Option<usize>,
        diversity: Option<f32>,
        rerank: Option<&Bound<'_, PyAny>>,
        rerank_depth: Option<usize>,
    ) -> PyResult<PyHits> {
        let condition = Condition::of(r#where, allow_unknown_fields)?;
        let (effort, grouping) = (Effort::of(ef, recall)?, Grouping::of(group_by, group_size)?);
        let rerank = Rerank::of(rerank, rerank_depth, k)?;
        let asked = Asked {
            words: Words::of(text, text_fields, (k1, b), highlight)?,
            ranking: Ranking::of(fusion, depth, diversity)?,
            options: SearchOptions { k, effort, exact, condition, min_score, grouping },
            vectors: self.vectors(vector, using)?,
            sparse: sparse.map_or(Ok(Vec::new()), |given| query_in(given, &self.schema))?,
        };
        asked.run(py, self.collection.get()?, rerank.as_ref())
    }

    /// Runs the search that `search` runs with the same arguments, and tells how: the way taken through each segment, what
    /// the filter left, and the time it took. Printed, it is a tree. `rerank` is not called: the hits are those that it would be
    /// given.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1)
    /// >>> notes.upsert(ids=range(100), vectors=np.ones((100, 1)), fields={"year": range(1800, 1900)})
    /// 100
    /// >>> explained = notes.explain([1.0], where="year >= 1848")
    /// >>> explained.hits, explained.matches, explained.records
    /// (10, 52, 100)
    /// >>> [segment["plan"] for segment in explained.segments]
    /// ['rows']
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    #[pyo3(
        signature = (vector=None, *, sparse=None, text=None, k=Some(10), r#where=None, allow_unknown_fields=false, min_score=None,
            group_by=None, group_size=1, using=None, recall=None, ef=None, exact=false, text_fields=None, k1=None,
            b=None, highlight=None, fusion=None, depth=None, diversity=None, rerank=None, rerank_depth=None),
        text_signature = "($self, vector=None, *, sparse=None, text=None, k=10, where=None, allow_unknown_fields=False, \
            min_score=None, group_by=None, group_size=1, using=None, recall=None, ef=None, exact=False, \
            text_fields=None, k1=None, b=None, highlight=None, fusion=None, depth=None, diversity=None, rerank=None, \
            rerank_depth=None)"
    )]
    fn explain(
        &self,
        py: Python<'_>,
        vector: Option<&Bound<'_, PyAny>>,
        sparse: Option<&Bound<'_, PyAny>>,
        text: Option<String>,
        k: Option<usize>,
        r#where: Option<&Bound<'_, PyAny>>,
        allow_unknown_fields: bool,
        min_score: Option<f32>,
        group_by: Option<String>,
        group_size: usize,
        using: Option<&str>,
        recall: Option<f32>,
        ef: Option<usize>,
        exact: bool,
        text_fields: Option<&Bound<'_, PyAny>>,
        k1: Option<f32>,
        b: Option<f32>,
        highlight: Option<&Bound<'_, PyAny>>,
        fusion: Option<&Bound<'_, PyAny>>,
        depth: Option<usize>,
        diversity: Option<f32>,
        rerank: Option<&Bound<'_, PyAny>>,
        rerank_depth: Option<usize>,
    ) -> PyResult<PyExplain> {
        let condition = Condition::of(r#where, allow_unknown_fields)?;
        let (effort, grouping) = (Effort::of(ef, recall)?, Grouping::of(group_by, group_size)?);
        let rerank = Rerank::of(rerank, rerank_depth, k)?;
        let asked = Asked {
            words: Words::of(text, text_fields, (k1, b), highlight)?,
            ranking: Ranking::of(fusion, depth, diversity)?,
            options: SearchOptions { k, effort, exact, condition, min_score, grouping },
            vectors: self.vectors(vector, using)?,
            sparse: sparse.map_or(Ok(Vec::new()), |given| query_in(given, &self.schema))?,
        };
        let explain = asked.explain(py, self.collection.get()?, rerank.as_ref())?;
        Ok(PyExplain::new(explain))
    }

    /// Searches for each row of `vectors`: ids and scores as arrays of the shape (rows, k).
    ///
    /// Ids are uint64, or strings in an object array. Where there are fewer than `k` hits, the id is 2**64 - 1 or None
    /// and the score NaN. All queries see the same records, and `where` is evaluated once for many of them. `threads`
    /// bounds the threads; None takes all processors. The other options are as in `search`.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=2)
    /// >>> notes.upsert(ids=[3, 4], vectors=[[1, 0], [0, 1]], fields={"year": [1849, 1851]})
    /// 2
    /// >>> ids, scores = notes.search_many([[1, 0], [0, 1]], k=1)
    /// >>> ids.ravel(), scores.ravel()
    /// (array([3, 4], dtype=uint64), array([1., 1.], dtype=float32))
    /// >>> notes.search_many([[1, 0], [0, 1]], k=1, where="year > 1850")[0].ravel()
    /// array([4, 4], dtype=uint64)
    #[pyo3(signature = (vectors, *, k=10, r#where=None, allow_unknown_fields=false, min_score=None, group_by=None,
        group_size=1, using=None, recall=None, ef=None, exact=false, threads=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    fn search_many<'py>(
        &self,
        py: Python<'py>,
        vectors: &Bound<'py, PyAny>,
        k: usize,
        r#where: Option<&Bound<'_, PyAny>>,
        allow_unknown_fields: bool,
        min_score: Option<f32>,
        group_by: Option<String>,
        group_size: usize,
        using: Option<&str>,
        recall: Option<f32>,
        ef: Option<usize>,
        exact: bool,
        threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let schema = self.searched(using)?;
        let options = SearchOptions {
            k: Some(k),
            effort: Effort::of(ef, recall)?,
            exact,
            condition: Condition::of(r#where, allow_unknown_fields)?,
            min_score,
            grouping: Grouping::of(group_by, group_size)?,
        };
        let queries = self.queries(vectors, schema)?;
        query::search_many(py, self.collection.get()?, (schema.name(), &queries), options, threads)
    }

    /// The share of the true `k` nearest that searches find, measured: whether `recall` is kept, what `ef` gives.
    ///
    /// `sample` of the records are looked for among the others (those that pass `where`), by a search and exactly, on
    /// all processors; Ctrl-C ends it no sooner. `using`, `recall` and `ef` are as in `search`. 1.0 where there are fewer
    /// than two records.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1, metric="l2")
    /// >>> notes.upsert(ids=range(50), vectors=np.arange(50.0).reshape(50, 1))
    /// 50
    /// >>> notes.measure_recall(k=5, recall=0.9)
    /// 1.0
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    #[pyo3(signature = (*, k=10, sample=200, r#where=None, allow_unknown_fields=false, using=None, recall=None, ef=None))]
    fn measure_recall(
        &self,
        py: Python<'_>,
        k: usize,
        sample: usize,
        r#where: Option<&Bound<'_, PyAny>>,
        allow_unknown_fields: bool,
        using: Option<&str>,
        recall: Option<f32>,
        ef: Option<usize>,
    ) -> PyResult<f64> {
        let vector = self.searched(using)?.name();
        let options = SearchOptions {
            k: Some(k),
            effort: Effort::of(ef, recall)?,
            exact: false,
            condition: Condition::of(r#where, allow_unknown_fields)?,
            min_score: None,
            grouping: None,
        };
        query::measure_recall(py, self.collection.get()?, vector, options, sample)
    }

    /// Number of records that pass `where` (as in `search`); without it, of all, as `len` gives it. Raises FilterError.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1)
    /// >>> notes.upsert(ids=range(5), vectors=np.ones((5, 1)), fields={"year": [1848, 1849, 1849, 1850, None]})
    /// 5
    /// >>> notes.count(), notes.count("year = 1849"), notes.count({"year": {"$ne": 1849}})
    /// (5, 2, 3)
    #[pyo3(signature = (r#where=None))]
    fn count(&self, py: Python<'_>, r#where: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let Some(filter) = r#where else { return self.__len__(py) };
        let filter = filter_from_python(filter)?;
        let collection = self.collection.get()?;
        detached(py, || collection.count(filter))
    }

    /// The values of a field and how many of the records that pass `where` have them, the most frequent first.
    ///
    /// `field` is a name or a dotted path. Values with as many records come in their order; each element of a list counts,
    /// once a record; a place is `(lat, lon)`. `limit` ends after so many values. As in every dict, True and 1 are one
    /// key: their counts are added. Raises FilterError.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> ores = db.collection("ores", dim=1)
    /// >>> ores.upsert(ids=range(4), vectors=np.ones((4, 1)), fields={"metal": ["lead", "tin", "lead", "zinc"]})
    /// 4
    /// >>> ores.facets("metal")
    /// {'lead': 2, 'tin': 1, 'zinc': 1}
    /// >>> ores.facets("metal", "metal != 'tin'", limit=1)
    /// {'lead': 2}
    #[pyo3(signature = (field, r#where=None, limit=None))]
    fn facets<'py>(
        &self,
        py: Python<'py>,
        field: &str,
        r#where: Option<&Bound<'py, PyAny>>,
        limit: Option<usize>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let filter = r#where.map_or_else(|| Ok(Filter::all()), filter_from_python)?;
        let collection = self.collection.get()?;
        let facets = detached(py, || collection.facets(field, filter))?;
        facets_out(py, facets, limit.unwrap_or(usize::MAX))
    }

    /// Walks the records there are now that pass `where` (as in `search`), in the order of their ids: an iterator of rows.
    ///
    /// `order_by` names a field, or a dotted path, to sort by instead: numbers, then texts, instants, truth values, the other
    /// way round with `descending`; records without such a value come last, and those with equal ones in the order of
    /// their ids.
    ///
    /// `after` begins behind an id, so that pages fit together even when records are written in between; `limit` ends
    /// after so many. With `order_by`, an id stands for the value that its record has now; `after=(value, id)` works where
    /// the record may have changed or gone.
    ///
    /// Raises FilterError at the first record, and NotFoundError for `after` an id that isn't there and `order_by`.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> notes = db.collection("notes", dim=1)
    /// >>> notes.upsert(ids=range(5), vectors=np.ones((5, 1)), fields={"year": [1850, 1849, 1851, 1849, 1850]})
    /// 5
    /// >>> [row["id"] for row in notes.scan(after=1, limit=2)]
    /// [2, 3]
    /// >>> [row["id"] for row in notes.scan(where="year < 1851", order_by="year", descending=True)]
    /// [0, 4, 1, 3]
    /// >>> [row["id"] for row in notes.scan(order_by="year", after=(1849, 3), limit=2)]
    /// [0, 4]
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    #[pyo3(signature = (*, r#where=None, order_by=None, descending=false, after=None, limit=None,
        allow_unknown_fields=false))]
    fn scan(
        &self,
        py: Python<'_>,
        r#where: Option<&Bound<'_, PyAny>>,
        order_by: Option<String>,
        descending: bool,
        after: Option<&Bound<'_, PyAny>>,
        limit: Option<usize>,
        allow_unknown_fields: bool,
    ) -> PyResult<PyScan> {
        let condition = Condition::of(r#where, allow_unknown_fields)?;
        let options = ScanOptions::of(condition, (order_by, descending), after, limit)?;
        let collection = self.collection.get()?;
        Ok(PyScan::new(detached(py, || Ok(options.begin(collection.scan())))?))
    }

    /// As `Database.optimize`, for this collection only.
    #[pyo3(signature = (*, progress=None))]
    fn optimize(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let collection = self.writable()?;
        watched(py, &Listener::of(progress)?, |watch| collection.optimize(|progress| watch.tell(progress)))
    }

    /// Counts of records and segments.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let collection = self.collection.get()?;
        collection_stats(py, &detached(py, || collection.stats())?)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("Collection"))
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let stats = self.stats(py)?;
        let row = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            format!(
                "<tr><th>{}</th><td>{}</td></tr>",
                escaped(&name.to_string()),
                escaped(&value.to_string())
            )
        };
        let rows: String = stats.iter().map(row).collect();
        Ok(format!("<p><code>{}</code></p><table>{rows}</table>", escaped(&self.__repr__(py)?)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let collection = self.collection.get()?;
        let len = detached(py, || collection.len())?;
        let vectors = match self.schema.vectors() {
            [] => String::new(),
            [only] if only.name() == "vector" => format!(", dim={}{}", only.dim(), kind_of(only)),
            several => {
                let vectors = several.iter().map(|vector| {
                    let kind = kind_of(vector).replace(", ", ", '").replace('=', "': ");
                    format!("'{}': {{'dim': {}{kind}}}", vector.name(), vector.dim())
                });
                format!(", vectors={{{}}}", vectors.collect::<Vec<_>>().join(", "))
            }
        };
        let text = names_of("text", self.schema.text_fields().iter().map(TextField::name));
        let sparse = names_of("sparse", self.schema.sparse_vectors().iter().map(String::as_str));
        Ok(format!("Collection('{}'{vectors}{text}{sparse}, len={})", collection.name(), thousands(len)))
    }
}

/// A keyword with a list of names, where there are any.
fn names_of<'a>(keyword: &str, names: impl Iterator<Item = &'a str>) -> String {
    match names.map(|name| format!("'{name}'")).collect::<Vec<_>>() {
        names if names.is_empty() => String::new(),
        names => format!(", {keyword}=[{}]", names.join(", ")),
    }
}

/// Metric and, where it is not the default, dtype, as keywords.
fn kind_of(vector: &VectorSchema) -> String {
    let dtype = vector.get_dtype();
    let dtype = if dtype == Dtype::default() { String::new() } else { format!(", dtype='{dtype}'") };
    format!(", metric='{}'{dtype}", vector.get_metric())
}

/// The number with an underscore between thousands, as Python reads it.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}
