//! `lodedb.open` and `Database`.

use crate::collection::PyCollection;
use crate::errors::argument;
use crate::errors::wrong_type;
use crate::process::Listener;
use crate::process::Owned;
use crate::process::detached;
use crate::process::not_pickled;
use crate::process::watched;
use crate::slow::with_slow_search;
use crate::stats::database_stats;
use crate::text::text_fields_in;
use crate::transaction::PyTransaction;
use crate::turn::Turn;
use crate::values::id_kind_in;
use crate::values::type_name;
use lodedb::Database;
use lodedb::Dtype;
use lodedb::Durability;
use lodedb::Error;
use lodedb::GraphParams;
use lodedb::Maintenance;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Quantization;
use lodedb::Schema;
use lodedb::VectorSchema;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::time::Duration;

/// What `durability="batched"` puts off syncing by.
const BATCHED: Duration = Duration::from_millis(10);

/// A database: one file with any number of collections. Made by `lodedb.open`; usable from any thread.
///
/// >>> db = lodedb.open(":memory:")
/// >>> notes = db.collection("notes", dim=3)
/// >>> db.collections(), "notes" in db
/// (['notes'], True)
/// >>> db["notes"]
/// Collection('notes', dim=3, metric='cosine', len=0)
/// >>> db.close()
#[pyclass(frozen, module = "lodedb", name = "Database")]
pub(crate) struct PyDatabase {
    database: Owned<Database>,
    path: String,
    read_only: bool,
    turn: Turn,
}

/// Opens the database at `path`, or one in memory for ":memory:".
///
/// It is created where there is none, unless `create` is false. One handle writes to a file; any number, in this
/// process and in others, read it with `read_only=True`, and see what was written before each call.
///
/// `durability` says when a write is acknowledged: "full", when it is on the disk; "batched", when the operating
/// system has it, and it is on the disk at most 10 ms later; "none", the same, and on the disk at the next checkpoint.
/// `maintenance="manual"` leaves building graphs to `optimize`.
///
/// `slow_search` is a number of seconds: each search that takes at least that long is told to `on_slow_search`, a function
/// of a dict (see `lodedb.SlowSearch`), or logged as a warning of the logger "lodedb" where there is none.
///
/// Raises OSError, LockedError where another handle writes, CorruptError.
///
/// >>> with lodedb.open(":memory:") as db:
/// ...     notes = db.collection("notes", dim=3)
/// ...     notes.upsert([{"id": "a", "vector": [0.9, 0.1, 0.0], "title": "Mines"}])
/// ...     notes.search([0.8, 0.2, 0.1], k=1)[0]["title"]
/// 1
/// 'Mines'
#[pyfunction]
#[pyo3(signature = (path, *, read_only=false, create=true, durability="full", maintenance="background", slow_search=None, on_slow_search=None))]
#[expect(clippy::too_many_arguments, reason = "they are keyword arguments")]
pub(crate) fn open(
    py: Python<'_>,
    path: PathBuf,
    read_only: bool,
    create: bool,
    durability: &str,
    maintenance: &str,
    slow_search: Option<f64>,
    on_slow_search: Option<Bound<'_, PyAny>>,
) -> PyResult<PyDatabase> {
    let durability = match durability {
        "full" => Durability::Full,
        "batched" => Durability::Batched(BATCHED),
        "none" => Durability::None,
        other => return Err(one_of("durability", other, "'full', 'batched', 'none'")),
    };
    let maintenance = match maintenance {
        "background" => Maintenance::Background,
        "manual" => Maintenance::Manual,
        other => return Err(one_of("maintenance", other, "'background', 'manual'")),
    };
    let options = Options::new().read_only(read_only).create(create);
    let options = options.durability(durability).maintenance(maintenance);
    let options = with_slow_search(options, slow_search, on_slow_search)?;
    let name = path.display().to_string();
    let database = detached(py, || options.open(path))?;
    Ok(PyDatabase { database: Owned::new(database), path: name, read_only, turn: Turn::default() })
}

fn one_of(option: &str, found: &str, choices: &str) -> PyErr {
    argument(format!("option '{option}': '{found}' is not one of {choices}"))
}

#[pymethods]
impl PyDatabase {
    /// The collection `name`: created where there is none, compared with what is asked for where there is.
    ///
    /// `dim` declares one vector called "vector"; `vectors` several by name, as `{"text": 384, "image": {"dim":
    /// 512, "metric": "dot", "dtype": "f16"}}`; `sparse` names sparse ones, such as SPLADE makes: few terms out of many, each
    /// with a weight, compared by dot product. Without these and `text`, the collection has to exist, and nothing else of its
    /// schema can be given. `metric` is "cosine" unless said otherwise, "dot", "l2" or, for the dtype "binary",
    /// "hamming"; `dtype` is "f32", or "f16", "bf16", "i8", "binary". `id_type` fixes the kind of ids, which the
    /// first record decides otherwise. `m` (16) and `ef_construction` (128) say how dense the graph is and how
    /// thoroughly it is built. Every field is indexed, but for those (names, or dotted paths) in `unindexed`: filters
    /// on them read the records one by one, and it saves room where values are all different.
    ///
    /// `text` names the fields that are searched for words: `["title", "body"]`, as English, or a dict with the way of each:
    /// "english" (the default: words, folded, without stop words, stemmed), another language such as "german", "simple"
    /// (words, folded: for names), "none" (the value as it is: for codes), or a dict of `analyzer`, `positions` (True; phrases
    /// need them, and they are about half of the index), `fold_accents` (True), `stop_words` and `max_term_bytes` (255). Values
    /// are texts or lists of texts.
    ///
    /// `quantization` says in which form vectors are searched before the best are scored exactly: "sq7" a byte a
    /// dimension, "sq4" half a byte, "rabitq" a bit, "none" floats; "auto", the default, picks "sq7" or "sq4" by the
    /// number of dimensions and records. Smaller forms take less memory and are less exact. Binary vectors are
    /// searched as they are.
    ///
    /// `embed` is a function from a list of strings to an array with a row for each. With it, records without a vector
    /// get one made of their field `embed_field`, and searches take a string. It is not stored: give it each time.
    ///
    /// Raises SchemaError where the collection exists and differs, NotFoundError, ReadOnlyError.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> db.collection("pages", vectors={"text": 384, "image": {"dim": 512, "metric": "dot"}})
    /// Collection('pages', vectors={'text': {'dim': 384, 'metric': 'cosine'}, 'image': {'dim': 512, 'metric': 'dot'}}, len=0)
    /// >>> db.collection("notes", dim=384, text={"title": "english", "code": "none", "body": {"analyzer": "german"}})
    /// Collection('notes', dim=384, metric='cosine', text=['title', 'code', 'body'], len=0)
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    #[pyo3(signature = (name, dim=None, *, metric=None, dtype=None, quantization=None, vectors=None, id_type=None,
        text=None, sparse=None, unindexed=None, m=None, ef_construction=None, embed=None, embed_field="text"))]
    fn collection(
        &self,
        py: Python<'_>,
        name: &str,
        dim: Option<usize>,
        metric: Option<&str>,
        dtype: Option<&str>,
        quantization: Option<&str>,
        vectors: Option<&Bound<'_, PyDict>>,
        id_type: Option<&str>,
        text: Option<&Bound<'_, PyAny>>,
        sparse: Option<Vec<String>>,
        unindexed: Option<Vec<String>>,
        m: Option<usize>,
        ef_construction: Option<usize>,
        embed: Option<&Bound<'_, PyAny>>,
        embed_field: &str,
    ) -> PyResult<PyCollection> {
        let defaults = VectorDefaults {
            metric: metric.map_or(Ok(Metric::default()), parsed)?,
            dtype: dtype.map_or(Ok(Dtype::default()), parsed)?,
            quantization: quantization.map_or(Ok(Quantization::default()), parsed)?,
        };
        let kinds = [metric, dtype, quantization, id_type].iter().any(Option::is_some);
        let declares = kinds || unindexed.is_some() || m.is_some() || ef_construction.is_some();
        let schema = match (dim, vectors) {
            (Some(_), Some(_)) => return Err(argument("give dim= for one vector or vectors= for several")),
            (None, None) if text.is_some() || sparse.is_some() => Schema::named([]),
            (None, None) if declares => {
                return Err(argument(
                    "a schema needs dim=, vectors=, sparse= or text=; without a schema, an existing collection is opened",
                ));
            }
            (None, None) => return self.existing(py, name)?.with_embed(embed, embed_field),
            (Some(dim), None) => Schema::named([defaults.vector("vector", dim)]),
            (None, Some(vectors)) => Schema::named(named_vectors(vectors, &defaults)?),
        };
        let mut graph = GraphParams::default();
        graph = m.map_or(graph, |m| graph.with_m(m));
        graph = ef_construction.map_or(graph, |ef| graph.with_ef_construction(ef));
        let mut schema = schema.graph(graph).unindexed(unindexed.unwrap_or_default());
        schema = sparse.into_iter().flatten().fold(schema, Schema::sparse);
        if let Some(text) = text {
            schema = text_fields_in(text)?.into_iter().fold(schema, Schema::text);
        }
        if let Some(id_type) = id_type {
            schema = schema.id_kind(id_kind_in(id_type)?);
        }
        self.turn.check()?;
        let database = self.database.get()?;
        let collection = PyCollection::of(py, self.turn.clone(), || database.collection(name, schema))?;
        collection.with_embed(embed, embed_field)
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<PyCollection> {
        self.existing(py, name)
    }

    fn __contains__(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        Ok(self.collections(py)?.iter().any(|other| other == name))
    }

    /// The names of the collections, in alphabetical order.
    fn collections(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let database = self.database.get()?;
        detached(py, || database.collections())
    }

    /// Deletes the collection `name` with all its records. Raises NotFoundError.
    fn drop(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let database = self.writable()?;
        detached(py, || database.drop_collection(name))
    }

    /// Several writes, over several collections, that happen together or not at all.
    ///
    /// The `with` block commits at its end and rolls back where an exception leaves it. Other writers wait meanwhile.
    ///
    /// >>> db = lodedb.open(":memory:")
    /// >>> ores, gems = db.collection("ores", dim=1), db.collection("gems", dim=1)
    /// >>> with db.transaction() as tx:
    /// ...     tx["ores"].insert([{"id": "galena", "vector": [7.5]}])
    /// ...     tx["gems"].insert([{"id": "opal", "vector": [2.1]}])
    /// 1
    /// 1
    /// >>> len(ores), len(gems)
    /// (1, 1)
    fn transaction(&self) -> PyResult<PyTransaction> {
        Ok(PyTransaction::new(self.database.get()?.clone(), self.turn.clone()))
    }

    /// Makes everything written so far durable: needed with durability "batched" and "none" only.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.writable()?;
        detached(py, || database.flush())
    }

    /// Folds the log into the file, so that the next opening has nothing to replay.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.writable()?;
        detached(py, || database.checkpoint())
    }

    /// Builds now what maintenance would build with time: each collection becomes one segment under a graph.
    ///
    /// Search is correct without it; this is about speed and space. `progress` is called with a `Progress` some times
    /// a second; True shows tqdm's bar, or a line where tqdm is not installed. Ctrl-C, or an exception of `progress`,
    /// stops it; what was not finished is then left as it was.
    #[pyo3(signature = (*, progress=None))]
    fn optimize(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let database = self.writable()?;
        watched(py, &Listener::of(progress)?, |watch| database.optimize(|progress| watch.tell(progress)))
    }

    /// Gives the room of deleted records and free space back to the file system.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.writable()?;
        detached(py, || database.compact())
    }

    /// Writes a copy of the database, as it is now, to a new file at `path`. Raises OSError, also where it exists.
    fn backup(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let database = self.database.get()?;
        detached(py, || database.backup(path))
    }

    /// Reads everything and compares it with its checksums and with itself. Raises CorruptError.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.database.get()?;
        detached(py, || database.verify())
    }

    /// Counts: the file's bytes, and each collection's records and segments.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let database = self.database.get()?;
        database_stats(py, &detached(py, || database.stats())?)
    }

    /// Folds the log into the file and closes it; every handle of it raises ClosedError from now on.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.writable()?.clone();
        detached(py, || match database.close() {
            Err(Error::Closed) => Ok(()),
            other => other,
        })
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.close(py)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("Database"))
    }

    fn __repr__(&self) -> String {
        let read_only = if self.read_only { ", read_only=True" } else { "" };
        format!("lodedb.open({:?}{read_only})", self.path)
    }
}

impl PyDatabase {
    /// The database, for a call that waits for its turn to write.
    fn writable(&self) -> PyResult<&Database> {
        self.turn.check()?;
        self.database.get()
    }

    fn existing(&self, py: Python<'_>, name: &str) -> PyResult<PyCollection> {
        let database = self.database.get()?;
        PyCollection::of(py, self.turn.clone(), || database.existing(name))
    }
}

struct VectorDefaults {
    metric: Metric,
    dtype: Dtype,
    quantization: Quantization,
}

impl VectorDefaults {
    fn vector(&self, name: &str, dim: usize) -> VectorSchema {
        let vector = VectorSchema::new(name, dim).metric(self.metric).dtype(self.dtype);
        vector.quantization(self.quantization)
    }
}

fn parsed<T: std::str::FromStr<Err = Error>>(name: &str) -> PyResult<T> {
    name.parse().map_err(crate::errors::to_py)
}

/// The vectors in `{"text": 384, "image": {"dim": 512, "metric": "dot", "dtype": "f16"}}`.
fn named_vectors(vectors: &Bound<'_, PyDict>, defaults: &VectorDefaults) -> PyResult<Vec<VectorSchema>> {
    vectors
        .copy()?
        .iter()
        .map(|(name, given)| named_vector(&name.extract::<String>()?, &given, defaults))
        .collect()
}

fn named_vector(name: &str, given: &Bound<'_, PyAny>, defaults: &VectorDefaults) -> PyResult<VectorSchema> {
    let Ok(settings) = given.cast::<PyDict>() else {
        let dim = given.extract().map_err(|_| {
            let found = type_name(given);
            wrong_type(format!(
                "vector '{name}' is declared by its dimensions or a dict with dim, not {found}"
            ))
        })?;
        return Ok(defaults.vector(name, dim));
    };
    // A copy, because what is called for a value may change the dict.
    let settings = settings.copy()?;
    let dim = settings.get_item("dim")?;
    let dim = dim.ok_or_else(|| argument(format!("vector '{name}' is declared without 'dim'")))?;
    let mut vector = defaults.vector(name, dim.extract()?);
    for (setting, value) in settings {
        match setting.extract::<String>()?.as_str() {
            "dim" => {}
            "metric" => vector = vector.metric(parsed(&value.extract::<String>()?)?),
            "dtype" => vector = vector.dtype(parsed(&value.extract::<String>()?)?),
            "quantization" => vector = vector.quantization(parsed(&value.extract::<String>()?)?),
            other => {
                return Err(argument(format!(
                    "vector '{name}': '{other}' is not one of 'dim', 'metric', 'dtype', 'quantization'"
                )));
            }
        }
    }
    Ok(vector)
}
