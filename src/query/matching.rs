//! [`Matching`]: which records of each segment pass a filter.

use super::View;
use super::words::having;
use crate::error::Error;
use crate::error::Result;
use crate::filter::Filter;
use crate::filter::Path;
use crate::filter::unknown_field;
use crate::ids::RecordId;
use crate::segment::LiveSegment;
use crate::slots::SlotSet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The filter of a query, if any, and whether it may name fields that no record has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    pub(super) filter: Option<Filter>,
    pub(super) allow_unknown: bool,
}

/// The slots of a segment that pass and live; `None` for all that live.
pub(crate) type Passing = Option<Arc<SlotSet>>;

impl Condition {
    /// Adds a filter, which has to be passed as well.
    pub(super) fn add(&mut self, filter: Filter) {
        self.filter = Some(match self.filter.take() {
            None => filter,
            Some(earlier) => earlier.and(filter),
        });
    }

    /// `Ok` where the filter makes sense for the records of the view.
    pub(super) fn check(&self, view: &View) -> Result<()> {
        let Some(filter) = &self.filter else { return Ok(()) };
        filter.check()?;
        match self.allow_unknown || view.set.live() == 0 {
            true => Ok(()),
            false => filter.paths().try_for_each(|path| check_path(view, path)),
        }
    }

    /// What passes of `live`. The filter was checked.
    pub(super) fn passing(&self, live: &LiveSegment) -> Result<Passing> {
        match &self.filter {
            None => Ok(None),
            Some(filter) => {
                let words = |path: &Path, query: &str| having(&live.segment, path, query);
                live.matching(filter, &words).map(Some)
            }
        }
    }
}

impl From<Filter> for Condition {
    fn from(filter: Filter) -> Self {
        Self { filter: Some(filter), allow_unknown: false }
    }
}

/// Number of records of the view that pass.
pub(crate) fn count_all(view: &View, condition: &Condition) -> Result<usize> {
    condition.check(view)?;
    let mut sum = 0;
    for live in view.set.segments() {
        sum += count(live, &condition.passing(live)?);
    }
    Ok(sum)
}

/// The ids of the records of the view that pass.
pub(crate) fn ids(view: &View, condition: &Condition) -> Result<Vec<RecordId>> {
    condition.check(view)?;
    let mut ids = Vec::new();
    for live in view.set.segments() {
        match condition.passing(live)? {
            Some(set) => set.iter().try_for_each(|slot| live.segment.id(slot).map(|id| ids.push(id)))?,
            None => live.slots().try_for_each(|slot| live.segment.id(slot).map(|id| ids.push(id)))?,
        }
    }
    Ok(ids)
}

/// Number of records that live and pass.
pub(super) fn count(live: &LiveSegment, passing: &Passing) -> usize {
    passing.as_ref().map_or(live.live(), |set| set.len())
}

/// `Ok` where a record has something at `path`.
fn check_path(view: &View, path: &Path) -> Result<()> {
    let mut known = BTreeSet::new();
    for live in view.set.segments() {
        let found = live.segment.with_field_index(|index| Ok(index.directory.may_have(path.names())))?;
        if found {
            return Ok(());
        }
    }
    for live in view.set.segments() {
        live.segment.with_field_index(|index| {
            known.extend(index.directory.paths());
            Ok(())
        })?;
    }
    Err(unknown_field(path, known.into_iter()))
}

/// The dotted path `field`, which an option names, where records have something there and it has an index.
pub(super) fn check_field(view: &View, field: &str) -> Result<Path> {
    let path = Path::dotted(field);
    let is_below = |unindexed: &String| {
        field.strip_prefix(unindexed.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if view.set.schema.unindexed_fields().iter().any(is_below) {
        let problem =
            format!("the field '{field}' has no index, and sorting, grouping and counting by it need one");
        return Err(Error::Filter { problem });
    }
    match view.set.live() {
        0 => Ok(path),
        _ => check_path(view, &path).map(|()| path),
    }
}
