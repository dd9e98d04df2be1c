//! What searches of every kind are asked for: how many hits, among which records, how thoroughly.

use crate::errors::argument;
use crate::filter::filter_from_python;
use lodedb::Filter;
use lodedb::Search;
use pyo3::prelude::*;

/// How thoroughly a graph is searched.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Effort {
    /// As the crate does where nothing is said.
    Default,
    /// With so many candidates.
    Ef(usize),
    /// For this share of the true neighbours.
    Recall(f32),
}

impl Effort {
    /// The effort in the arguments `ef` and `recall`, of which one can be given.
    pub(crate) fn of(ef: Option<usize>, recall: Option<f32>) -> PyResult<Self> {
        match (ef, recall) {
            (Some(_), Some(_)) => Err(argument("give recall= for a quality or ef= for an effort, not both")),
            (Some(ef), None) => Ok(Self::Ef(ef)),
            (None, Some(recall)) => Ok(Self::Recall(recall)),
            (None, None) => Ok(Self::Default),
        }
    }
}

/// Which records count.
#[derive(Default)]
pub(crate) struct Condition {
    pub(crate) filter: Option<Filter>,
    pub(crate) allow_unknown_fields: bool,
}

impl Condition {
    /// The condition in the arguments `where` and `allow_unknown_fields`.
    pub(crate) fn of(filter: Option<&Bound<'_, PyAny>>, allow_unknown_fields: bool) -> PyResult<Self> {
        let filter = filter.map(filter_from_python).transpose()?;
        Ok(Self { filter, allow_unknown_fields })
    }
}

/// How many hits may have the same value of a field.
pub(crate) struct Grouping {
    field: String,
    most: usize,
}

impl Grouping {
    /// The grouping in the arguments `group_by` and `group_size`.
    pub(crate) fn of(field: Option<String>, most: usize) -> PyResult<Option<Self>> {
        match (field, most) {
            (None, 1) => Ok(None),
            (None, _) => {
                Err(argument("group_size= is the number of hits for each value of group_by=: give that too"))
            }
            (Some(field), most) => Ok(Some(Self { field, most })),
        }
    }
}

/// What a search asks for, beside what it looks for.
pub(crate) struct SearchOptions {
    /// `None` for all with at least the least score.
    pub(crate) k: Option<usize>,
    pub(crate) effort: Effort,
    pub(crate) exact: bool,
    pub(crate) condition: Condition,
    pub(crate) min_score: Option<f32>,
    pub(crate) grouping: Option<Grouping>,
}

impl SearchOptions {
    /// The search with these options.
    pub(crate) fn begin(self, search: Search) -> Search {
        let mut search = search.exact(self.exact);
        search = match self.k {
            Some(k) => search.k(k),
            None => search.all(),
        };
        search = match self.effort {
            Effort::Default => search,
            Effort::Ef(ef) => search.ef(ef),
            Effort::Recall(recall) => search.recall(recall),
        };
        if let Some(filter) = self.condition.filter {
            search = search.filter(filter).allow_unknown_fields(self.condition.allow_unknown_fields);
        }
        if let Some(score) = self.min_score {
            search = search.min_score(score);
        }
        match self.grouping {
            Some(Grouping { field, most }) => search.group_by(field, most),
            None => search,
        }
    }
}
