//! `lodedb.open` and `Database`.

use crate::collection::PyCollection;
use crate::errors::argument;
use crate::errors::wrong_type;
use crate::process::Owned;
use crate::process::detached;
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
use lodedb::Schema;
use lodedb::VectorSchema;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::time::Duration;

/// What `durability="batched"` puts off syncing by.
const BATCHED: Duration = Duration::from_millis(10);

#[pyclass(frozen, module = "lodedb", name = "Database")]
pub(crate) struct PyDatabase {
    database: Owned<Database>,
    path: String,
    read_only: bool,
}

/// Opens the database at `path`.
#[pyfunction]
#[pyo3(signature = (path, *, read_only=false, create=true, durability="full", maintenance="background"))]
pub(crate) fn open(
    py: Python<'_>,
    path: PathBuf,
    read_only: bool,
    create: bool,
    durability: &str,
    maintenance: &str,
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
    let name = path.display().to_string();
    let database = detached(py, || options.open(path))?;
    Ok(PyDatabase { database: Owned::new(database), path: name, read_only })
}

fn one_of(option: &str, found: &str, choices: &str) -> PyErr {
    argument(format!("option '{option}': '{found}' is not one of {choices}"))
}

#[pymethods]
impl PyDatabase {
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    #[pyo3(signature = (name, dim=None, *, metric=None, dtype=None, vectors=None, id_type=None, m=None,
        ef_construction=None))]
    fn collection(
        &self,
        py: Python<'_>,
        name: &str,
        dim: Option<usize>,
        metric: Option<&str>,
        dtype: Option<&str>,
        vectors: Option<&Bound<'_, PyDict>>,
        id_type: Option<&str>,
        m: Option<usize>,
        ef_construction: Option<usize>,
    ) -> PyResult<PyCollection> {
        let defaults = VectorDefaults {
            metric: metric.map_or(Ok(Metric::default()), parsed)?,
            dtype: dtype.map_or(Ok(Dtype::default()), parsed)?,
        };
        let schema = match (dim, vectors) {
            (Some(_), Some(_)) => return Err(argument("give dim= for one vector or vectors= for several")),
            (None, None) => return self.existing(py, name),
            (Some(dim), None) => Schema::named([defaults.vector("vector", dim)]),
            (None, Some(vectors)) => Schema::named(named_vectors(vectors, &defaults)?),
        };
        let mut graph = GraphParams::default();
        graph = m.map_or(graph, |m| graph.with_m(m));
        graph = ef_construction.map_or(graph, |ef| graph.with_ef_construction(ef));
        let mut schema = schema.graph(graph);
        if let Some(id_type) = id_type {
            schema = schema.id_kind(id_kind_in(id_type)?);
        }
        let database = self.database.get()?;
        PyCollection::of(py, || database.collection(name, schema))
    }

    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<PyCollection> {
        self.existing(py, name)
    }

    fn __contains__(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        Ok(self.collections(py)?.iter().any(|other| other == name))
    }

    fn collections(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let database = self.database.get()?;
        detached(py, || database.collections())
    }

    fn drop(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let database = self.database.get()?;
        detached(py, || database.drop_collection(name))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let database = self.database.get()?.clone();
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

    fn __repr__(&self) -> String {
        let read_only = if self.read_only { ", read_only=True" } else { "" };
        format!("lodedb.open({:?}{read_only})", self.path)
    }
}

impl PyDatabase {
    fn existing(&self, py: Python<'_>, name: &str) -> PyResult<PyCollection> {
        let database = self.database.get()?;
        PyCollection::of(py, || database.existing(name))
    }
}

struct VectorDefaults {
    metric: Metric,
    dtype: Dtype,
}

impl VectorDefaults {
    fn vector(&self, name: &str, dim: usize) -> VectorSchema {
        VectorSchema::new(name, dim).metric(self.metric).dtype(self.dtype)
    }
}

fn parsed<T: std::str::FromStr<Err = Error>>(name: &str) -> PyResult<T> {
    name.parse().map_err(crate::errors::to_py)
}

/// The vectors in `{"text": 384, "image": {"dim": 512, "metric": "dot", "dtype": "f16"}}`.
fn named_vectors(vectors: &Bound<'_, PyDict>, defaults: &VectorDefaults) -> PyResult<Vec<VectorSchema>> {
    vectors.iter().map(|(name, given)| named_vector(&name.extract::<String>()?, &given, defaults)).collect()
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
    let mut dim = None;
    let mut vector = defaults.vector(name, 0);
    for (setting, value) in settings {
        match setting.extract::<String>()?.as_str() {
            "dim" => dim = Some(value.extract()?),
            "metric" => vector = vector.metric(parsed(&value.extract::<String>()?)?),
            "dtype" => vector = vector.dtype(parsed(&value.extract::<String>()?)?),
            other => {
                let problem = format!("vector '{name}': '{other}' is not one of 'dim', 'metric', 'dtype'");
                return Err(argument(problem));
            }
        }
    }
    let dim = dim.ok_or_else(|| argument(format!("vector '{name}' is declared without 'dim'")))?;
    Ok(VectorSchema::new(name, dim).metric(vector.get_metric()).dtype(vector.get_dtype()))
}
