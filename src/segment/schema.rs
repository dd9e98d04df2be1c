//! [`Schema`]: what the records of a collection look like.

use super::limits::Limits;
use super::text_field::TextField;
use crate::error::Error;
use crate::error::Result;
use crate::graph::GraphParams;
use crate::ids::IdKind;
use crate::quant::Quantization;
use crate::vector::Dtype;
use crate::vector::Metric;
use crate::vector::VectorType;
use serde::Deserialize;
use serde::Serialize;

/// The name of a collection's vector where it has one and does not name it.
pub(crate) const DEFAULT_VECTOR: &str = "vector";
/// What a search calls its one vector and its words.
const PART_NAMES: [&str; 2] = [DEFAULT_VECTOR, "text"];

/// What the records of a collection look like: its vectors, the kind of its ids, the density of its graph.
///
/// A schema is given when a collection is created and compared when it is opened again. Fields need no declaration.
///
/// ```
/// use lodedb::{Dtype, Metric, Schema, VectorSchema};
///
/// let one = Schema::new(384).metric(Metric::Cosine);
/// let two = Schema::named([
///     VectorSchema::new("text", 384),
///     VectorSchema::new("image", 512).metric(Metric::Dot).dtype(Dtype::F16),
/// ]);
/// assert_eq!(one.vectors()[0].name(), "vector");
/// assert_eq!(two.vectors()[1].dim(), 512);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    vectors: Vec<VectorSchema>,
    id_kind: Option<IdKind>,
    graph: GraphParams,
    /// Paths of fields without an index, ascending.
    unindexed: Vec<String>,
    texts: Vec<TextField>,
    /// Names of the sparse vectors.
    sparse: Vec<String>,
}

/// One vector of a [`Schema`]: its name, dimensions, stored type and metric, and the form in which it is searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorSchema {
    name: String,
    ty: VectorType,
    quantization: Quantization,
}

impl VectorSchema {
    /// A vector of `dim` dimensions; cosine over `f32` unless said otherwise.
    pub fn new(name: impl Into<String>, dim: usize) -> Self {
        let ty = VectorType { dim, dtype: Dtype::F32, metric: Metric::Cosine };
        Self { name: name.into(), ty, quantization: Quantization::Auto }
    }

    /// How two vectors are compared. Default: [`Metric::Cosine`].
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.ty.metric = metric;
        self
    }

    /// How a number is stored. Default: [`Dtype::F32`].
    #[must_use]
    pub fn dtype(mut self, dtype: Dtype) -> Self {
        self.ty.dtype = dtype;
        self
    }

    /// In which form it is searched. Default: [`Quantization::Auto`].
    #[must_use]
    pub fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = quantization;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of dimensions.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.ty.dim
    }

    /// How two vectors are compared.
    #[must_use]
    pub fn get_metric(&self) -> Metric {
        self.ty.metric
    }

    /// How a number is stored.
    #[must_use]
    pub fn get_dtype(&self) -> Dtype {
        self.ty.dtype
    }

    /// In which form it is searched, as it was asked for.
    #[must_use]
    pub fn get_quantization(&self) -> Quantization {
        self.quantization
    }

    pub(crate) fn ty(&self) -> &VectorType {
        &self.ty
    }

    /// In which form it is searched.
    pub(crate) fn form(&self) -> Quantization {
        self.quantization
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        check_name("vector", &self.name, limits)?;
        Limits::check(format!("number of dimensions of vector '{}'", self.name), self.ty.dim, limits.dim)?;
        self.ty.validate().and_then(|()| self.quantization.validate(&self.ty)).map_err(|error| match error {
            Error::InvalidOption { problem, .. } => {
                Error::Schema { problem: format!("vector '{}': {problem}", self.name) }
            }
            other => other,
        })
    }

    fn describe(&self) -> String {
        let searched = match self.quantization {
            Quantization::Auto => String::new(),
            form => format!(", searched as {form}"),
        };
        format!("'{}' ({} x {}, {}{searched})", self.name, self.ty.dim, self.ty.dtype, self.ty.metric)
    }

    /// Whether a vector declared as `wanted` is this one. `Auto` leaves the form to whoever made the collection.
    fn is(&self, wanted: &Self) -> bool {
        let same_form = self.quantization == wanted.quantization || wanted.quantization == Quantization::Auto;
        self.name == wanted.name && self.ty == wanted.ty && same_form
    }
}

impl Schema {
    /// One vector called `vector` with `dim` dimensions; cosine over `f32` unless said otherwise.
    #[must_use]
    pub fn new(dim: usize) -> Self {
        Self::named([VectorSchema::new(DEFAULT_VECTOR, dim)])
    }

    /// Several vectors by name; each record has all of them. There may be none, where there are text fields or sparse vectors.
    pub fn named(vectors: impl IntoIterator<Item = VectorSchema>) -> Self {
        Self {
            vectors: vectors.into_iter().collect(),
            id_kind: None,
            graph: GraphParams::default(),
            unindexed: Vec::new(),
            texts: Vec::new(),
            sparse: Vec::new(),
        }
    }

    /// How vectors are compared, for all vectors declared so far. Default: [`Metric::Cosine`].
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.vectors.iter_mut().for_each(|vector| vector.ty.metric = metric);
        self
    }

    /// How numbers are stored, for all vectors declared so far. Default: [`Dtype::F32`].
    #[must_use]
    pub fn dtype(mut self, dtype: Dtype) -> Self {
        self.vectors.iter_mut().for_each(|vector| vector.ty.dtype = dtype);
        self
    }

    /// In which form vectors are searched, for all vectors declared so far. Default: [`Quantization::Auto`].
    #[must_use]
    pub fn quantization(mut self, quantization: Quantization) -> Self {
        self.vectors.iter_mut().for_each(|vector| vector.quantization = quantization);
        self
    }

    /// The kind of the records' ids. Default: that of the first record written.
    #[must_use]
    pub fn id_kind(mut self, kind: IdKind) -> Self {
        self.id_kind = Some(kind);
        self
    }

    /// How dense the graph is and how thoroughly it is built.
    #[must_use]
    pub fn graph(mut self, params: GraphParams) -> Self {
        self.graph = params;
        self
    }

    /// A field whose words are searched, analyzed as English text: see [`TextField`] for other ways. Its values are texts or
    /// arrays of texts; others are not searched for words.
    #[must_use]
    pub fn text(self, field: impl Into<TextField>) -> Self {
        let mut schema = self;
        schema.texts.push(field.into());
        schema
    }

    /// The fields whose words are searched, in the order declared.
    #[must_use]
    pub fn text_fields(&self) -> &[TextField] {
        &self.texts
    }

    /// A sparse vector (see [`SparseVector`](crate::SparseVector)), searched by dot product. Records may be without it.
    ///
    /// ```
    /// use lodedb::{Database, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::named([]).sparse("splade"))?;
    /// docs.upsert([
    ///     Record::new(1).sparse("splade", [(17, 0.5), (4711, 1.25)]),
    ///     Record::new(2).sparse("splade", [(17, 1.0), (1849, 0.75)]),
    /// ])?;
    /// let hits = docs.search().sparse("splade", [(17, 1.0), (4711, 2.0)]).run()?;
    /// assert_eq!((hits[0].id().as_u64(), hits[0].score()), (Some(1), 3.0));
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    #[must_use]
    pub fn sparse(mut self, name: impl Into<String>) -> Self {
        self.sparse.push(name.into());
        self
    }

    /// The names of the sparse vectors, in the order declared.
    #[must_use]
    pub fn sparse_vectors(&self) -> &[String] {
        &self.sparse
    }

    /// The place of the sparse vector `name`, or an error that lists the names.
    pub(crate) fn sparse_index(&self, name: &str) -> Result<usize> {
        self.sparse.iter().position(|other| other == name).ok_or_else(|| {
            let there_are = listed(self.sparse.iter().map(|name| format!("'{name}'")));
            Error::Schema { problem: format!("no sparse vector '{name}': there are {there_are}") }
        })
    }

    /// Fields, by their names or dotted paths, that get no index. Filters on them work all the same, but read the records, one
    /// by one. It saves the room of the index where values are all different and never filtered by.
    #[must_use]
    pub fn unindexed(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.unindexed.extend(fields.into_iter().map(Into::into));
        self.unindexed.sort_unstable();
        self.unindexed.dedup();
        self
    }

    /// The paths of fields without an index, in alphabetical order.
    #[must_use]
    pub fn unindexed_fields(&self) -> &[String] {
        &self.unindexed
    }

    /// The vectors, in the order declared.
    #[must_use]
    pub fn vectors(&self) -> &[VectorSchema] {
        &self.vectors
    }

    pub(crate) fn graph_params(&self) -> GraphParams {
        self.graph
    }

    pub(crate) fn declared_id_kind(&self) -> Option<IdKind> {
        self.id_kind
    }

    /// The place of the vector `name`, or an error that lists the names.
    pub(crate) fn vector_index(&self, name: &str) -> Result<usize> {
        self.vectors.iter().position(|vector| vector.name == name).ok_or_else(|| {
            let there_are = listed(self.vectors.iter().map(VectorSchema::describe));
            Error::Schema { problem: format!("no vector '{name}': there are {there_are}") }
        })
    }

    /// The place of the vector meant by a search: the one named, or the only one.
    pub(crate) fn searched_vector(&self, name: Option<&str>) -> Result<usize> {
        match name {
            Some(name) => self.vector_index(name),
            None if self.vectors.len() == 1 => Ok(0),
            None => self.vector_index(DEFAULT_VECTOR),
        }
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        if self.vectors.is_empty() && self.texts.is_empty() && self.sparse.is_empty() {
            let problem =
                "nothing is declared that can be searched for: a vector, a sparse one or a text field";
            return Err(Error::Schema { problem: problem.into() });
        }
        Limits::check("number of vectors", self.vectors.len(), limits.vectors)?;
        for (i, vector) in self.vectors.iter().enumerate() {
            vector.check(limits)?;
            if self.vectors[..i].iter().any(|other| other.name == vector.name) {
                return Err(Error::Schema { problem: format!("vector '{}' is declared twice", vector.name) });
            }
        }
        Limits::check("number of text fields", self.texts.len(), limits.vectors)?;
        for (i, field) in self.texts.iter().enumerate() {
            check_name("text field", field.name(), limits)?;
            let is_vector = self.vectors.iter().any(|vector| vector.name == field.name());
            if is_vector || self.texts[..i].iter().any(|other| other.name() == field.name()) {
                let problem = format!("the name of the text field '{}' is taken", field.name());
                return Err(Error::Schema { problem });
            }
        }
        self.check_sparse(limits)?;
        for path in &self.unindexed {
            path.split('.').try_for_each(|name| check_name("field", name, limits))?;
        }
        self.graph.validate()
    }

    fn check_sparse(&self, limits: &Limits) -> Result<()> {
        Limits::check("number of sparse vectors", self.sparse.len(), limits.vectors)?;
        for (i, name) in self.sparse.iter().enumerate() {
            check_name("sparse vector", name, limits)?;
            let taken = self.vectors.iter().any(|vector| vector.name() == name)
                || self.texts.iter().any(|field| field.name() == name)
                || self.sparse[..i].contains(name);
            let problem = if taken {
                "is taken"
            } else if PART_NAMES.contains(&name.as_str()) {
                "is what a search calls another of its parts"
            } else {
                continue;
            };
            return Err(Error::Schema {
                problem: format!("the name of the sparse vector '{name}' {problem}"),
            });
        }
        Ok(())
    }

    /// `Ok` where a collection with this schema and ids of `id_kind` can be opened as `wanted`; the error names the
    /// first difference.
    pub(crate) fn check_same(
        &self,
        collection: &str,
        id_kind: Option<IdKind>,
        wanted: &Schema,
    ) -> Result<()> {
        let describe = |schema: &Schema| listed(schema.vectors.iter().map(VectorSchema::describe));
        let same_vectors = self.vectors.len() == wanted.vectors.len()
            && self.vectors.iter().zip(&wanted.vectors).all(|(vector, wanted)| vector.is(wanted));
        let problem = match (id_kind, wanted.id_kind) {
            _ if !same_vectors => {
                format!("it has the vectors {}, not {}", describe(self), describe(wanted))
            }
            (Some(found), Some(wanted)) if found != wanted => {
                format!("its ids are of kind {found}, not {wanted}")
            }
            _ if !wanted.texts.is_empty() && self.texts != wanted.texts => {
                let names = |schema: &Schema| {
                    schema.texts.iter().map(TextField::describe).collect::<Vec<_>>().join(", ")
                };
                format!("its text fields are [{}], not [{}]", names(self), names(wanted))
            }
            _ if !wanted.sparse.is_empty() && self.sparse != wanted.sparse => {
                format!("its sparse vectors are {:?}, not {:?}", self.sparse, wanted.sparse)
            }
            _ if !wanted.unindexed.is_empty() && self.unindexed != wanted.unindexed => {
                format!("its fields without an index are {:?}, not {:?}", self.unindexed, wanted.unindexed)
            }
            _ => return Ok(()),
        };
        Err(Error::Schema { problem: format!("collection '{collection}' exists: {problem}") })
    }
}

/// Names for an error, or that there are none.
fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// `Ok` where `name` can name a vector, a field or a collection.
pub(crate) fn check_name(what: &str, name: &str, limits: &Limits) -> Result<()> {
    let problem = if name.is_empty() {
        "is empty"
    } else if name.contains('.') {
        "contains a dot, which separates names in a path"
    } else if name.starts_with('$') {
        "starts with '$', which marks operators"
    } else if name == "id" {
        "is 'id', which names the record's id"
    } else {
        return Limits::check(format!("name of {what} '{name}'"), name.len(), limits.name_bytes);
    };
    Err(Error::Schema { problem: format!("the name of {what} '{name}' {problem}") })
}
