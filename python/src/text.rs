//! Words: fields that are searched for them, what a search asks of them, and the fragments in which they were found.

use crate::errors::argument;
use crate::errors::to_py;
use crate::errors::wrong_type;
use crate::values::type_name;
use lodedb::Fields;
use lodedb::Fragment;
use lodedb::Highlight;
use lodedb::Hit;
use lodedb::Search;
use lodedb::TextField;
use lodedb::Value;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use pyo3::types::PyList;
use pyo3::types::PyMapping;
use pyo3::types::PyString;
use std::ops::Range;

/// Names, and what is given with each where it is a dict.
type Named<'py> = Vec<(String, Option<Bound<'py, PyAny>>)>;

/// The names in a string, a list or a dict.
fn named<'py>(option: &str, object: &Bound<'py, PyAny>) -> PyResult<Named<'py>> {
    let wrong = |found: &Bound<'py, PyAny>| {
        wrong_type(format!(
            "{option}= is a name, a list of names or a dict by name, not {}",
            type_name(found)
        ))
    };
    let name_of = |name: &Bound<'py, PyAny>| match name.cast::<PyString>() {
        Ok(name) => Ok(name.to_str()?.to_owned()),
        Err(_) => Err(wrong(name)),
    };
    if object.is_instance_of::<PyString>() {
        return Ok(vec![(name_of(object)?, None)]);
    }
    if let Ok(map) = object.cast::<PyMapping>() {
        let entries = map.items()?.iter().map(|entry| {
            let (name, given): (Bound<'py, PyAny>, Bound<'py, PyAny>) = entry.extract()?;
            Ok((name_of(&name)?, Some(given)))
        });
        return entries.collect();
    }
    let names = object.try_iter().map_err(|_| wrong(object))?;
    names.map(|name| Ok((name_of(&name?)?, None))).collect()
}

/// The settings in a dict of what is named so.
fn settings_in<'py>(what: &str, given: &Bound<'py, PyAny>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let Ok(settings) = given.cast::<PyMapping>() else {
        return Err(wrong_type(format!("{what} is given a dict of settings, not {}", type_name(given))));
    };
    settings.items()?.iter().map(|setting| setting.extract()).collect()
}

/// The fields in the argument `text` of `Database.collection`.
pub(crate) fn text_fields_in(text: &Bound<'_, PyAny>) -> PyResult<Vec<TextField>> {
    let declared = named("text", text)?.into_iter().map(|(name, given)| match given {
        None => Ok(TextField::new(name)),
        Some(given) => text_field_in(name, &given),
    });
    declared.collect()
}

fn text_field_in(name: String, given: &Bound<'_, PyAny>) -> PyResult<TextField> {
    let field = TextField::new(name.as_str());
    if let Ok(analyzer) = given.cast::<PyString>() {
        return field.analyzer(analyzer.to_str()?).map_err(to_py);
    }
    let what = format!("text field '{name}'");
    let settings = settings_in(&what, given)?;
    // The analyzer first: the others change what it does.
    let analyzer = settings.iter().find(|(setting, _)| setting == "analyzer");
    let mut field = match analyzer {
        Some((_, analyzer)) => field.analyzer(&analyzer.extract::<String>()?).map_err(to_py)?,
        None => field,
    };
    for (setting, value) in settings {
        field = match setting.as_str() {
            "analyzer" => field,
            "positions" => field.positions(value.extract()?),
            "fold_accents" => field.fold_accents(value.extract()?),
            "stop_words" => field.stop_words(named("stop_words", &value)?.into_iter().map(|(word, _)| word)),
            "max_term_bytes" => field.max_term_bytes(value.extract()?).map_err(to_py)?,
            other => {
                return Err(argument(format!(
                    "{what}: '{other}' is not one of 'analyzer', 'positions', 'fold_accents', 'stop_words', \
                     'max_term_bytes'"
                )));
            }
        };
    }
    Ok(field)
}

/// What a search asks of words.
pub(crate) struct Words {
    typed: String,
    fields: Vec<(String, f32)>,
    bm25: (Option<f32>, Option<f32>),
    highlights: Vec<(String, Highlight)>,
}

/// The default of `k1`.
const K1: f32 = 1.2;
/// The default of `b`.
const B: f32 = 0.75;

impl Words {
    /// The words in the argument `text`, with what `text_fields`, `k1` and `b`, and `highlight` say of them.
    pub(crate) fn of(
        typed: Option<String>,
        fields: Option<&Bound<'_, PyAny>>,
        bm25: (Option<f32>, Option<f32>),
        highlight: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Self>> {
        let Some(typed) = typed else {
            let others =
                [("text_fields", fields.is_some()), ("k1", bm25.0.is_some()), ("b", bm25.1.is_some())];
            let others = others.into_iter().chain([("highlight", highlight.is_some())]);
            return match others.into_iter().find(|(_, given)| *given) {
                Some((option, _)) => Err(argument(format!("{option}= is about words: give text= too"))),
                None => Ok(None),
            };
        };
        let fields = fields.map(boosts_in).transpose()?.unwrap_or_default();
        let highlights = highlight.map(highlights_in).transpose()?.unwrap_or_default();
        Ok(Some(Self { typed, fields, bm25, highlights }))
    }

    /// The search, for these words.
    pub(crate) fn begin(self, search: Search) -> lodedb::Result<Search> {
        let mut search = search.text(self.typed).text_fields(self.fields);
        if let (Some(_), _) | (_, Some(_)) = self.bm25 {
            search = search.bm25(self.bm25.0.unwrap_or(K1), self.bm25.1.unwrap_or(B))?;
        }
        let highlighted = |search: Search, (field, options)| search.highlight(field, options);
        Ok(self.highlights.into_iter().fold(search, highlighted))
    }
}

/// Fields and how much each counts.
fn boosts_in(fields: &Bound<'_, PyAny>) -> PyResult<Vec<(String, f32)>> {
    let boosts = named("text_fields", fields)?.into_iter().map(|(name, boost)| match boost {
        Some(boost) => Ok((name, boost.extract()?)),
        None => Ok((name, 1.0)),
    });
    let boosts = boosts.collect::<PyResult<Vec<_>>>()?;
    match boosts.is_empty() {
        true => Err(argument("text_fields= names no field; without it, all text fields are searched")),
        false => Ok(boosts),
    }
}

fn highlights_in(highlight: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Highlight)>> {
    let fields = named("highlight", highlight)?.into_iter().map(|(name, given)| {
        let options = given.map(|given| highlight_in(&name, &given)).transpose()?;
        Ok((name, options.unwrap_or_default()))
    });
    fields.collect()
}

fn highlight_in(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Highlight> {
    let what = format!("highlight of '{name}'");
    let mut highlight = Highlight::default();
    let (mut before, mut after) = ("<b>".to_owned(), "</b>".to_owned());
    for (setting, value) in settings_in(&what, given)? {
        match setting.as_str() {
            "fragments" => highlight = highlight.fragments(value.extract()?).map_err(to_py)?,
            "fragment_bytes" => highlight = highlight.fragment_bytes(value.extract()?).map_err(to_py)?,
            "before" => before = value.extract()?,
            "after" => after = value.extract()?,
            other => {
                return Err(argument(format!(
                    "{what}: '{other}' is not one of 'fragments', 'fragment_bytes', 'before', 'after'"
                )));
            }
        }
    }
    Ok(highlight.marks(before, after))
}

/// The fragments of a hit as a dict of lists by field; `fields` are the record's, for places in characters.
pub(crate) fn highlights_out<'py>(
    py: Python<'py>,
    hit: &Hit,
    fields: &Fields,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, fragments) in hit.highlights() {
        let fragments = fragments.iter().map(|fragment| fragment_out(py, fragment, &fields[name.as_str()]));
        dict.set_item(name, PyList::new(py, fragments.collect::<PyResult<Vec<_>>>()?)?)?;
    }
    Ok(dict)
}

fn fragment_out<'py>(py: Python<'py>, fragment: &Fragment, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = || {
        let module = py.import(intern!(py, "lodedb._fragment"))?;
        Ok::<_, PyErr>(module.getattr(intern!(py, "Fragment"))?.unbind())
    };
    let text = match value {
        Value::Array(values) => values.get(fragment.element).and_then(Value::as_str),
        value => value.as_str(),
    };
    let characters = |bytes: &Range<usize>| characters(text.unwrap_or_default(), bytes);
    let words: Vec<(usize, usize)> = fragment.words.iter().map(characters).collect();
    let class = CLASS.get_or_try_init(py, class)?.bind(py);
    class.call1((&fragment.marked, characters(&fragment.range), words, fragment.element))
}

/// The characters of `text` that these bytes are.
fn characters(text: &str, bytes: &Range<usize>) -> (usize, usize) {
    let before = |end: usize| text.get(..end).map_or(end, |part| part.chars().count());
    (before(bytes.start), before(bytes.end))
}
