//! The values of a field and how many records have them.

use super::View;
use super::matching::Condition;
use super::matching::check_field;
use crate::error::Result;
use crate::field_index::Key;
use crate::filter::Path;
use crate::metadata::Value;
use crate::segment::LiveSegment;
use crate::slots::SlotSet;
use std::collections::HashMap;

/// The values at the path `field` with the number of records that have them among those that pass, the most frequent first,
/// and values with as many in their order (numbers, texts, instants, truth values).
pub(crate) fn facets(view: &View, field: &str, condition: &Condition) -> Result<Vec<(Value, u64)>> {
    condition.check(view)?;
    let path = check_field(view, field)?;
    let mut counts: HashMap<Identity, (Value, u64)> = HashMap::new();
    for live in view.set.segments() {
        for (value, count) in in_segment(live, &path, condition)? {
            counts.entry(Identity::of(&value)).or_insert((value, 0)).1 += count;
        }
    }
    let mut facets: Vec<(Identity, (Value, u64))> = counts.into_iter().collect();
    facets.sort_unstable_by(|(one, (_, count)), (other, (_, others))| {
        others.cmp(count).then_with(|| one.cmp(other))
    });
    Ok(facets.into_iter().map(|(_, facet)| facet).collect())
}

/// What is the same for values that are equal, in the order of values.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    Key(Key),
    /// Null and places, as text.
    Other(String),
}

impl Identity {
    fn of(value: &Value) -> Self {
        match Key::of(value.clone()) {
            Some(key) => Self::Key(key),
            None => Self::Other(value.to_string()),
        }
    }
}

fn in_segment(live: &LiveSegment, path: &Path, condition: &Condition) -> Result<Vec<(Value, u64)>> {
    let passing = match condition.passing(live)? {
        Some(passing) => Some(passing),
        None if live.dead.is_empty() => None,
        None => Some(SlotSet::all(live.segment.len()).without(&live.dead).into()),
    };
    live.segment.with_field_index(|index| {
        Ok(index.facets(path.names(), passing.as_deref(), usize::MAX)?.unwrap_or_default())
    })
}
