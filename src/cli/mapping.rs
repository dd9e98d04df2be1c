//! [`Mapping`]: which column of a file is the id, a vector, a field, or nothing.

use super::args::pair;
use super::args_records::Import;
use super::failure::Failure;
use super::kind::Kind;
use super::kind::quoted;
use crate::Fields;
use crate::IdKind;
use crate::RecordId;
use crate::Schema;
use crate::Value;
use crate::VectorSchema;
use std::collections::HashMap;
use std::collections::HashSet;

/// The column of ids, and the name of a vector, where nothing else is said.
const ID: &str = "id";
const VECTOR: &str = "vector";

/// Which column is what.
#[derive(Debug, Clone, Default)]
pub(super) struct Mapping {
    /// The column of ids; `None` where records are numbered.
    id: Option<String>,
    /// The number of the first row where records are numbered.
    first: u64,
    /// The kind of ids, where it is known.
    id_kind: Option<IdKind>,
    /// The vectors, in the order of the schema.
    vectors: Vec<VectorSource>,
    renamed: HashMap<String, String>,
    skip: HashSet<String>,
    /// Fields taken; all where there is none.
    only: HashSet<String>,
    types: HashMap<String, Kind>,
}

/// Where a vector comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VectorSource {
    /// Its name in the schema.
    pub(super) name: String,
    /// Its column; `None` where it comes from beside the file.
    pub(super) column: Option<String>,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role<'m> {
    Id,
    /// The vector at this place.
    Vector(usize),
    Field(&'m str, Option<Kind>),
    Skip,
}

/// A row as the mapping reads it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The number of its line, or of itself in files without lines, from 1 on.
    pub(super) place: u64,
    pub(super) id: Option<RecordId>,
    /// A vector for each of the mapping, where the row has it.
    pub(super) vectors: Vec<Option<Vec<f32>>>,
    pub(super) fields: Fields,
}

impl Mapping {
    /// What the options say, for a file that has columns or none, into a collection with this schema where it exists.
    pub(super) fn of(asked: &Import, columns: bool, existing: Option<&Schema>) -> Result<Self, Failure> {
        let numbered = asked.number.is_some() || (!columns && asked.id.is_none());
        let id = (!numbered).then(|| asked.id.clone().unwrap_or_else(|| ID.into()));
        if !columns && id.is_some() {
            return Err("--id names a column, and this format has none: use --number".into());
        }
        let renamed = asked.rename.iter().map(|typed| pair(typed, "COLUMN=FIELD"));
        Ok(Self {
            id,
            first: asked.number.unwrap_or(0),
            id_kind: None,
            vectors: vector_sources(asked, existing)?,
            renamed: renamed.collect::<Result<_, _>>()?,
            skip: asked.skip.iter().cloned().collect(),
            only: asked.only.iter().cloned().collect(),
            types: asked.types.iter().cloned().collect(),
        })
    }

    /// A mapping that gives the texts to be embedded: fields alone.
    pub(super) fn without_vectors(&self) -> Self {
        let columns = self.vectors.iter().filter_map(|vector| vector.column.clone());
        Self { skip: self.skip.iter().cloned().chain(columns).collect(), vectors: Vec::new(), ..self.clone() }
    }

    /// A mapping for files of vectors alone.
    pub(super) fn vectors_only() -> Self {
        let vectors = vec![VectorSource { name: VECTOR.into(), column: Some(VECTOR.into()) }];
        Self { vectors, ..Self::default() }
    }

    /// Says of which kind ids are, where the file does not.
    pub(super) fn set_id_kind(&mut self, kind: Option<IdKind>) {
        let typed = self.id.as_ref().and_then(|column| self.types.get(column));
        self.id_kind = match typed {
            Some(Kind::Text) => Some(IdKind::Str),
            Some(Kind::Int) => Some(IdKind::U64),
            _ => kind,
        };
    }

    /// The vectors, in the order of the schema.
    pub(super) fn vectors(&self) -> &[VectorSource] {
        &self.vectors
    }

    /// What the column is.
    pub(super) fn role<'m>(&'m self, column: &'m str) -> Role<'m> {
        if self.id.as_deref() == Some(column) {
            return Role::Id;
        }
        if let Some(at) = self.vectors.iter().position(|vector| vector.column.as_deref() == Some(column)) {
            return Role::Vector(at);
        }
        if self.skip.contains(column) || (!self.only.is_empty() && !self.only.contains(column)) {
            return Role::Skip;
        }
        Role::Field(self.renamed.get(column).map_or(column, String::as_str), self.types.get(column).copied())
    }

    /// An error where an option names a column that the file, which knows its columns, does not have.
    pub(super) fn check_columns(&self, columns: &[&str]) -> Result<(), String> {
        let vectors = self.vectors.iter().filter_map(|vector| vector.column.as_ref());
        let named = self.id.iter().chain(vectors).chain(self.renamed.keys());
        let named = named.chain(&self.skip).chain(&self.only).chain(self.types.keys());
        match named.into_iter().find(|name| !columns.contains(&name.as_str())) {
            Some(name) => Err(format!("no column '{name}': there are {}", columns.join(", "))),
            None => Ok(()),
        }
    }

    /// An empty row.
    pub(super) fn row(&self, place: u64) -> Row {
        let id = self.id.is_none().then(|| RecordId::U64(self.first.saturating_add(place - 1)));
        Row { place, id, vectors: vec![None; self.vectors.len()], fields: Fields::new() }
    }

    /// The id that a text stands for, where ids are of the kind that is known or else of the one `inferred`.
    pub(super) fn id_of_text(&self, text: &str, inferred: Option<IdKind>) -> Result<RecordId, String> {
        match self.id_kind.or(inferred) {
            Some(IdKind::U64) => {
                let number = text.parse().map(RecordId::U64);
                number.map_err(|_| {
                    format!(
                        "{} is not a whole number, and ids are; --type {}=text makes ids texts",
                        quoted(text),
                        self.id_column()
                    )
                })
            }
            _ => Ok(RecordId::Str(text.to_owned())),
        }
    }

    /// The id that a number stands for.
    pub(super) fn id_of_number(&self, number: u64) -> RecordId {
        match self.id_kind {
            Some(IdKind::Str) => RecordId::Str(number.to_string()),
            _ => RecordId::U64(number),
        }
    }

    fn id_column(&self) -> &str {
        self.id.as_deref().unwrap_or(ID)
    }

    /// Sets a field of a row.
    pub(super) fn set(row: &mut Row, name: &str, kind: Option<Kind>, value: Value) -> Result<(), String> {
        let value = match kind {
            Some(kind) => kind.apply(value)?,
            None => value,
        };
        match row.fields.insert(name, value) {
            Some(_) => Err(format!("the field '{name}' appears twice")),
            None => Ok(()),
        }
    }
}

/// The vectors of the schema: those there are, or those that the options name.
fn vector_sources(asked: &Import, existing: Option<&Schema>) -> Result<Vec<VectorSource>, Failure> {
    let mut named: Vec<VectorSource> = Vec::new();
    for typed in &asked.vector {
        let (name, column) = match typed.split_once('=') {
            Some((name, column)) => (name.to_owned(), column.to_owned()),
            None => (only_vector(existing), typed.clone()),
        };
        named.push(VectorSource { name, column: Some(column) });
    }
    if let Some(beside) = &asked.vectors {
        named.push(VectorSource {
            name: beside_name(beside).unwrap_or_else(|| only_vector(existing)),
            column: None,
        });
    } else if asked.embed.is_some() {
        named.push(VectorSource { name: only_vector(existing), column: None });
    }
    let Some(existing) = existing else {
        if named.is_empty() {
            named.push(VectorSource { name: VECTOR.into(), column: Some(VECTOR.into()) });
        }
        return Ok(named);
    };
    // Columns are called as vectors are, where nothing else is said.
    let names = existing.vectors().iter().map(VectorSchema::name);
    let sources = names.map(|name| match named.iter().position(|source| source.name == name) {
        Some(at) => named.swap_remove(at),
        None => VectorSource { name: name.into(), column: Some(name.into()) },
    });
    let sources: Vec<VectorSource> = sources.collect();
    match named.first() {
        Some(unknown) => {
            let names: Vec<&str> = existing.vectors().iter().map(VectorSchema::name).collect();
            Err(format!("the collection has no vector '{}': there are {}", unknown.name, names.join(", "))
                .into())
        }
        None => Ok(sources),
    }
}

/// The vector that is meant where none is named.
fn only_vector(existing: Option<&Schema>) -> String {
    match existing.map(Schema::vectors) {
        Some([only]) => only.name().to_owned(),
        _ => VECTOR.to_owned(),
    }
}

/// The name in `NAME=FILE`; a sign behind a slash belongs to the file's path.
fn beside_name(typed: &str) -> Option<String> {
    let (name, _) = typed.split_once('=')?;
    (!name.contains('/') && !name.is_empty()).then(|| name.to_owned())
}

/// The path in `[NAME=]FILE`.
pub(super) fn beside_path(typed: &str) -> &str {
    match beside_name(typed) {
        Some(name) => &typed[name.len() + 1..],
        None => typed,
    }
}
