//! `Collection`: writes and reads.

use crate::batch::batch_in;
use crate::batch::row_out;
use crate::errors::argument;
use crate::errors::to_py;
use crate::process::Owned;
use crate::process::detached;
use crate::query;
use crate::query::PyHits;
use crate::query::SearchOptions;
use crate::values::fields_in;
use crate::values::id_in;
use crate::values::ids_in;
use crate::values::is_id;
use crate::vectors::Matrix;
use crate::vectors::vector_in;
use lodedb::Collection;
use lodedb::Schema;
use lodedb::VectorSchema;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use std::ops::ControlFlow;

#[pyclass(frozen, module = "lodedb", name = "Collection")]
pub(crate) struct PyCollection {
    collection: Owned<Collection>,
    schema: Schema,
}

impl PyCollection {
    /// The collection that `find` gives.
    pub(crate) fn of(
        py: Python<'_>,
        find: impl FnOnce() -> lodedb::Result<Collection> + Send,
    ) -> PyResult<Self> {
        let (collection, schema) = detached(py, || {
            let collection = find()?;
            let schema = collection.schema()?;
            Ok((collection, schema))
        })?;
        Ok(Self { collection: Owned::new(collection), schema })
    }

    /// The vector that a search means: the one named, the only one, or the one called `vector`.
    fn searched(&self, using: Option<&str>) -> PyResult<&VectorSchema> {
        let vectors = self.schema.vectors();
        let name = using.unwrap_or("vector");
        match (vectors, using) {
            ([only], None) => Ok(only),
            _ => vectors.iter().find(|vector| vector.name() == name).ok_or_else(|| {
                let names: Vec<&str> = vectors.iter().map(VectorSchema::name).collect();
                argument(format!("no vector '{name}'; using= is one of {}", names.join(", ")))
            }),
        }
    }
}

#[pymethods]
impl PyCollection {
    #[getter]
    fn name(&self) -> PyResult<&str> {
        Ok(self.collection.get()?.name())
    }

    #[pyo3(signature = (records=None, *, ids=None, vectors=None, fields=None))]
    fn upsert(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        vectors: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let batch = batch_in(records, ids, vectors, fields, &self.schema)?;
        let collection = self.collection.get()?;
        detached(py, || collection.upsert(batch.into_records()))
    }

    #[pyo3(signature = (records=None, *, ids=None, vectors=None, fields=None))]
    fn insert(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        vectors: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<usize> {
        let batch = batch_in(records, ids, vectors, fields, &self.schema)?;
        let collection = self.collection.get()?;
        detached(py, || collection.insert(batch.into_records()))
    }

    fn update(&self, py: Python<'_>, id: &Bound<'_, PyAny>, fields: &Bound<'_, PyDict>) -> PyResult<()> {
        let (id, fields) = (id_in(id)?, fields_in(fields, |_| false)?);
        let collection = self.collection.get()?;
        detached(py, || collection.update(id, fields))
    }

    fn delete(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<usize> {
        let ids = ids_in(ids)?;
        let collection = self.collection.get()?;
        detached(py, || collection.delete(ids))
    }

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
        let rows = records.iter().map(|record| record.as_ref().map(|record| row_out(py, record)).transpose());
        PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)?.into_bound_py_any(py)
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

    #[pyo3(signature = (vector, *, k=10, using=None, ef=None, exact=false))]
    fn search(
        &self,
        py: Python<'_>,
        vector: &Bound<'_, PyAny>,
        k: usize,
        using: Option<&str>,
        ef: Option<usize>,
        exact: bool,
    ) -> PyResult<PyHits> {
        let schema = self.searched(using)?;
        let options = SearchOptions { vector: schema.name(), k, ef, exact };
        let vector = vector_in(vector, schema)?;
        let collection = self.collection.get()?;
        let hits = detached(py, || options.begin(collection.search(), vector).run())?;
        Ok(PyHits::new(hits))
    }

    #[pyo3(signature = (vectors, *, k=10, using=None, ef=None, exact=false, threads=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords, seen from Python")]
    fn search_many<'py>(
        &self,
        py: Python<'py>,
        vectors: &Bound<'py, PyAny>,
        k: usize,
        using: Option<&str>,
        ef: Option<usize>,
        exact: bool,
        threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let schema = self.searched(using)?;
        let options = SearchOptions { vector: schema.name(), k, ef, exact };
        let queries = Matrix::of(vectors, schema)?;
        query::search_many(py, self.collection.get()?, &queries, &options, threads)
    }

    fn optimize(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.collection.get()?;
        py.detach(|| collection.optimize(|_| ControlFlow::Continue(()))).map_err(to_py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let collection = self.collection.get()?;
        let len = detached(py, || collection.len())?;
        let vectors = match self.schema.vectors() {
            [only] => format!("dim={}, metric='{}'", only.dim(), only.get_metric()),
            several => {
                let vectors = several.iter().map(|vector| format!("'{}': {}", vector.name(), vector.dim()));
                format!("vectors={{{}}}", vectors.collect::<Vec<_>>().join(", "))
            }
        };
        Ok(format!("Collection('{}', {vectors}, len={})", collection.name(), thousands(len)))
    }
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
