//! [`FilterIndex`]: the field index of a segment, and the filters answered lately.
//!
//! A segment that was merged into the file has its index beside it; one in memory gets it at the first filter that it
//! meets. A segment never changes, so what passed a filter once passes always, and the answers to the latest filters are kept:
//! at most [`KEPT_FILTERS`] of them, and at most [`KEPT_BYTES`] a record.

use super::field_table::FieldTable;
use super::part::Part;
use crate::error::Result;
use crate::field_index;
use crate::field_index::Directory;
use crate::field_index::FieldIndex;
use crate::field_index::Words;
use crate::filter::Filter;
use crate::slots::SlotSet;
use parking_lot::Mutex;
use std::sync::Arc;

/// Filters whose answers are kept, at most.
const KEPT_FILTERS: usize = 32;
/// Bytes of these answers for each record, at most: a filter that many pass takes an eighth of one.
const KEPT_BYTES: usize = 2;

/// The index on the fields of one segment.
#[derive(Debug, Default)]
pub(crate) struct FilterIndex {
    /// The index as it lies in the file, where it does.
    sealed: Option<Part>,
    open: Mutex<Option<Arc<Open>>>,
    /// The latest answers, the last used at the end.
    answers: Mutex<Vec<(Filter, Arc<SlotSet>)>>,
}

#[derive(Debug)]
struct Open {
    part: Part,
    directory: Directory,
}

impl FilterIndex {
    /// The index in `part`, or to be made when it is asked for.
    pub(crate) fn new(sealed: Option<Part>) -> Self {
        Self { sealed, ..Self::default() }
    }

    /// The index as it lies in the file, where it does.
    pub(crate) fn part(&self) -> Option<&Part> {
        self.sealed.as_ref()
    }

    /// Gives `f` the index over the records of `fields`.
    pub(crate) fn with<R>(
        &self,
        fields: &FieldTable,
        unindexed: &[String],
        f: impl FnOnce(&FieldIndex<'_>) -> Result<R>,
    ) -> Result<R> {
        let open = self.open(fields, unindexed)?;
        f(&FieldIndex::new(&open.directory, &open.part, fields))
    }

    /// The slots that pass a filter, dead ones among them.
    pub(crate) fn matching(
        &self,
        fields: &FieldTable,
        unindexed: &[String],
        filter: &Filter,
        words: &Words<'_>,
    ) -> Result<Arc<SlotSet>> {
        if let Some(answer) = self.kept(filter) {
            return Ok(answer);
        }
        let found = self.with(fields, unindexed, |index| index.evaluate(filter, words))?;
        let found = Arc::new(found);
        self.keep(filter, &found, fields.len());
        Ok(found)
    }

    fn open(&self, fields: &FieldTable, unindexed: &[String]) -> Result<Arc<Open>> {
        let mut open = self.open.lock();
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let part = match &self.sealed {
            Some(part) => part.clone(),
            None => Part::in_memory(build(fields.len(), fields.all(), unindexed)?),
        };
        let directory = Directory::open(&part, fields.len() as u32)?;
        Ok(open.insert(Arc::new(Open { part, directory })).clone())
    }

    /// Number and bytes of the answers that are kept.
    pub(crate) fn kept_answers(&self) -> (usize, usize) {
        let answers = self.answers.lock();
        (answers.len(), bytes(&answers))
    }

    fn kept(&self, filter: &Filter) -> Option<Arc<SlotSet>> {
        let mut answers = self.answers.lock();
        let place = answers.iter().position(|(other, _)| other == filter)?;
        answers[place..].rotate_left(1);
        answers.last().map(|(_, answer)| answer.clone())
    }

    fn keep(&self, filter: &Filter, answer: &Arc<SlotSet>, len: usize) {
        let mut answers = self.answers.lock();
        answers.push((filter.clone(), answer.clone()));
        while answers.len() > KEPT_FILTERS || (answers.len() > 1 && bytes(&answers) > KEPT_BYTES * len) {
            answers.remove(0);
        }
    }
}

fn bytes(answers: &[(Filter, Arc<SlotSet>)]) -> usize {
    answers.iter().map(|(_, answer)| answer.bytes()).sum()
}

/// The bytes of the index over these encoded fields.
pub(crate) fn build<'a>(
    len: usize,
    fields: impl Iterator<Item = Result<&'a [u8]>>,
    unindexed: &[String],
) -> Result<Vec<u8>> {
    let unindexed: Vec<&str> = unindexed.iter().map(String::as_str).collect();
    field_index::build(len as u32, fields, &unindexed)
}
