//! The words of a search: looked up in all segments, so that scores do not depend on how records fell into segments.

use super::View;
use super::matching::Passing;
use super::top::Found;
use super::top::Top;
use crate::error::Error;
use crate::error::Result;
use crate::filter::Path;
use crate::ids::Slot;
use crate::metadata::Fields;
use crate::metadata::Value;
use crate::segment::LiveSegment;
use crate::segment::Part;
use crate::segment::Schema;
use crate::segment::Segment;
use crate::segment::TextField;
use crate::slots::SlotSet;
use crate::text::Bm25;
use crate::text::FieldView;
use crate::text::Fragment;
use crate::text::Highlight;
use crate::text::Highlighter;
use crate::text::Prepared;
use crate::text::Scratch;
use crate::text::SearchedField;
use crate::text::SearchedSegment;
use crate::text::TextQuery;
use crate::text::Totals;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    /// The working memory of searches on this thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a search asks of words.
#[derive(Clone, Debug, Default)]
pub(super) struct WordsRequest {
    /// `None` where only its settings were given, which is an error in the end.
    pub(super) query: Option<WordsQuery>,
    /// Fields to look in with what their scores are multiplied by; empty for all text fields.
    pub(super) fields: Vec<(String, f32)>,
    pub(super) bm25: Bm25,
}

/// A query of words.
#[derive(Clone, Debug)]
pub(super) enum WordsQuery {
    /// As a person typed it.
    Typed(String),
    /// As a program put it together.
    Built(TextQuery),
}

impl WordsRequest {
    /// The words as they were typed, or what a program put together.
    pub(super) fn as_text(&self) -> String {
        match &self.query {
            None => String::new(),
            Some(WordsQuery::Typed(text)) => text.clone(),
            Some(WordsQuery::Built(query)) => format!("{query:?}"),
        }
    }

    /// `Ok` where the collection has text fields, and those that are named.
    pub(super) fn check(&self, schema: &Schema) -> Result<()> {
        if self.query.is_none() {
            let problem = "the search has text fields or parameters of BM25, and no words".into();
            return Err(Error::InvalidOption { name: "text", problem });
        }
        if schema.text_fields().is_empty() {
            let problem = "the collection has no text fields; they are declared when it is created".into();
            return Err(Error::InvalidOption { name: "text", problem });
        }
        for (name, boost) in &self.fields {
            text_field(schema, name)
                .map_err(|problem| Error::InvalidOption { name: "text_fields", problem })?;
            if !boost.is_finite() || *boost <= 0.0 {
                let problem =
                    format!("the field '{name}' counts {boost} times, and a number above 0 is right");
                return Err(Error::InvalidOption { name: "text_fields", problem });
            }
        }
        Ok(())
    }

    fn query(&self, schema: &Schema) -> TextQuery {
        match &self.query {
            None => TextQuery::new(),
            Some(WordsQuery::Built(query)) => query.clone(),
            Some(WordsQuery::Typed(typed)) => {
                TextQuery::parse(typed, |name| schema.text_fields().iter().any(|field| field.name() == name))
            }
        }
    }

    /// What is looked in by default, and how much it counts.
    fn boost(&self, field: &TextField) -> Option<f32> {
        match self.fields.is_empty() {
            true => Some(1.0),
            false => self.fields.iter().find(|(name, _)| name == field.name()).map(|(_, boost)| *boost),
        }
    }

    /// Looks everything up in the segments and gives it to `f`.
    pub(super) fn with<R>(
        &self,
        view: &View,
        segments: &[&LiveSegment],
        f: impl FnOnce(&Prepared<'_>) -> Result<R>,
    ) -> Result<R> {
        let schema = &view.set.schema;
        let texts = schema.text_fields();
        let parts = segments.iter().map(|live| parts(&live.segment, texts)).collect::<Result<Vec<_>>>()?;
        let views = parts.iter().map(|parts| views(parts)).collect::<Result<Vec<_>>>()?;
        let dead: Vec<Option<Arc<SlotSet>>> = segments.iter().map(|live| live.dead_slots()).collect();
        let searched = views.iter().zip(segments).zip(&dead).map(|((views, live), dead)| SearchedSegment {
            views,
            dead: dead.as_deref(),
            len: live.segment.len(),
        });
        let searched: Vec<SearchedSegment<'_>> = searched.collect();
        let mut fields = Vec::with_capacity(texts.len());
        for (place, field) in texts.iter().enumerate() {
            let boost = self.boost(field);
            fields.push(SearchedField {
                name: field.name(),
                analyzer: field.get_analyzer(),
                bm25: self.bm25,
                boost: boost.unwrap_or(1.0),
                by_default: boost.is_some(),
                totals: totals(&searched, place)?,
            });
        }
        f(&Prepared::new(&self.query(schema), &fields, &searched)?)
    }
}

/// The index of each text field of a segment.
fn parts(segment: &Segment, texts: &[TextField]) -> Result<Vec<Part>> {
    (0..texts.len()).map(|place| segment.text_part(place)).collect()
}

fn views(parts: &[Part]) -> Result<Vec<Option<FieldView<'_>>>> {
    parts.iter().map(|part| FieldView::open(part).map(Some)).collect()
}

/// How much text a field has in all segments.
fn totals(segments: &[SearchedSegment<'_>], place: usize) -> Result<Totals> {
    let mut sum = Totals::default();
    for segment in segments {
        if let Some(Some(view)) = segment.views.get(place) {
            sum = sum.plus(view.totals(segment.dead)?);
        }
    }
    Ok(sum)
}

/// The best fragments of fields that a record has, the best first. Of an array, all texts are looked at.
pub(super) fn highlights(
    schema: &Schema,
    prepared: &Prepared<'_>,
    asked: &[(String, Highlight)],
    fields: &Fields,
) -> Result<Vec<(String, Vec<Fragment>)>> {
    let mut found = Vec::with_capacity(asked.len());
    for (name, options) in asked {
        let place = text_field(schema, name)
            .map_err(|problem| Error::InvalidOption { name: "highlight", problem })?;
        let highlighter =
            Highlighter::new(options, prepared, place, schema.text_fields()[place].get_analyzer());
        let texts = match &fields[name.as_str()] {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let texts = texts.iter().enumerate().filter_map(|(at, text)| Some((at, text.as_str()?)));
        found.push((name.clone(), highlighter.fragments_of(texts)));
    }
    Ok(found)
}

/// The best `k` records by their words among those that pass.
pub(super) fn best(
    prepared: &Prepared<'_>,
    k: usize,
    passing: &[Passing],
    segments: usize,
) -> Result<Vec<Found>> {
    let mut top = Top::new(k);
    for segment in 0..segments {
        let filter = passing.get(segment).and_then(Option::as_deref);
        let threshold = top.worst().unwrap_or(0.0);
        SCRATCH.with_borrow_mut(|scratch| {
            prepared.search(segment, k, filter, threshold, scratch, &mut |score, slot| {
                top.offer(Found { score, segment: segment as u32, slot });
            })
        })?;
    }
    Ok(top.into_best())
}

/// Every record among those that pass whose words score at least so much, the best first.
pub(super) fn all(
    prepared: &Prepared<'_>,
    least: f32,
    passing: &[Passing],
    segments: usize,
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for segment in 0..segments {
        let filter = passing.get(segment).and_then(Option::as_deref);
        SCRATCH.with_borrow_mut(|scratch| {
            prepared.scores(segment, filter, scratch, &mut |score, slot| {
                if score >= least {
                    found.push(Found { score, segment: segment as u32, slot });
                }
            })
        })?;
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found)
}

/// What the words of certain records of a segment score; those that do not match are left out.
pub(super) fn scores(
    prepared: &Prepared<'_>,
    segment: usize,
    slots: &SlotSet,
    each: &mut dyn FnMut(f32, Slot),
) -> Result<()> {
    SCRATCH.with_borrow_mut(|scratch| prepared.scores(segment, Some(slots), scratch, each))
}

/// The slots of a segment whose text at `path` has all words of `query`; dead ones are among them.
pub(super) fn having(segment: &Segment, path: &Path, query: &str) -> Result<SlotSet> {
    let texts = segment.schema().text_fields();
    let name = path.to_string();
    let place = text_field(segment.schema(), &name).map_err(|problem| Error::Filter { problem })?;
    let parts = [segment.text_part(place)?];
    let views = views(&parts)?;
    let searched = [SearchedSegment { views: &views, dead: None, len: segment.len() }];
    let field = SearchedField {
        name: &name,
        analyzer: texts[place].get_analyzer(),
        bm25: Bm25::default(),
        boost: 1.0,
        by_default: true,
        totals: totals(&searched, 0)?,
    };
    let prepared = Prepared::new(&TextQuery::all(query), &[field], &searched)?;
    SCRATCH.with_borrow_mut(|scratch| prepared.matching(0, None, scratch))
}

/// The place of the text field `name`, or what is wrong.
pub(super) fn text_field(schema: &Schema, name: &str) -> Result<usize, String> {
    let texts = schema.text_fields();
    texts.iter().position(|field| field.name() == name).ok_or_else(|| match texts.is_empty() {
        true => format!("'{name}' is not searched for words: the collection has no text fields"),
        false => {
            let names: Vec<&str> = texts.iter().map(TextField::name).collect();
            format!("'{name}' is not searched for words; the text fields are {}", names.join(", "))
        }
    })
}
