//! [`Beside`]: vectors of an import that are not in its file.

use super::args_records::Import;
use super::embed::Embedder;
use super::embed::Send;
use super::failure::Failure;
use super::mapping::Mapping;
use super::mapping::beside_path;
use super::rows;
use super::rows::Format;
use super::rows::Rows;
use crate::Fields;
use crate::Value;
use indicatif::ProgressBar;
use std::path::Path;

/// Vectors that are not in the file itself.
pub(super) enum Beside {
    Nothing,
    File(Box<dyn Rows>),
    Program(Embedder),
}

impl Beside {
    pub(super) fn open(asked: &Import, format: Format, mapping: &Mapping) -> Result<Self, Failure> {
        if let Some(typed) = &asked.vectors {
            let path = Path::new(beside_path(typed));
            let format = Format::of(None, path)?;
            if format.has_columns() {
                return Err(Failure::of_file(path, "--vectors takes npy, fvecs, bvecs and ivecs"));
            }
            return Ok(Self::File(rows::open_file(path, format, &ProgressBar::hidden())?));
        }
        let Some(command) = &asked.embed else { return Ok(Self::Nothing) };
        if asked.file == Path::new("-") {
            return Err(
                "--embed reads the file twice, which the standard input can't be: save it first".into()
            );
        }
        let fields = embedded_fields(asked)?;
        let (path, mapping) = (asked.file.clone(), mapping.without_vectors());
        let texts = move |send: Send<'_>| {
            let Ok(mut rows) = rows::open_file(&path, format, &ProgressBar::hidden()) else { return };
            // What is wrong with a row is told by whoever reads the file for its records.
            while let Ok(Some(row)) = rows.next_row(&mapping) {
                if !send(&text_of(&row.fields, &fields)) {
                    return;
                }
            }
        };
        Ok(Self::Program(Embedder::start(command, texts)?))
    }

    /// The vector of the next row.
    pub(super) fn next_vector(&mut self) -> Result<Option<Vec<f32>>, Failure> {
        match self {
            Self::Nothing => Ok(None),
            Self::Program(program) => program.next_vector().map(Some),
            Self::File(rows) => {
                let row = rows.next_row(&Mapping::vectors_only())?;
                match row.and_then(|row| row.vectors.into_iter().next()).flatten() {
                    Some(vector) => Ok(Some(vector)),
                    None => Err("--vectors: the file has fewer vectors than there are records".into()),
                }
            }
        }
    }

    /// `Ok` where nothing is left over.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Nothing => Ok(()),
            Self::Program(program) => program.finish(),
            Self::File(mut rows) => match rows.next_row(&Mapping::vectors_only())? {
                None => Ok(()),
                Some(_) => {
                    Err("--vectors: the file has more vectors than there are records, which are imported now"
                        .into())
                }
            },
        }
    }
}

/// The fields whose texts are embedded.
fn embedded_fields(asked: &Import) -> Result<Vec<String>, Failure> {
    let texts = || asked.text.iter().map(|typed| typed.split(':').next().unwrap_or_default().to_owned());
    match (asked.embed_field.is_empty(), asked.text.is_empty()) {
        (false, _) => Ok(asked.embed_field.clone()),
        (true, false) => Ok(texts().collect()),
        (true, true) => Err("--embed needs to know what to embed: name it by --embed-field or --text".into()),
    }
}

/// The texts of some fields, one a line.
fn text_of(fields: &Fields, names: &[String]) -> String {
    let texts = names.iter().filter_map(|name| fields.get(name)).filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join("\n")
}
