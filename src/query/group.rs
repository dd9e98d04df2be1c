//! [`Grouping`]: at most so many hits with one value of a field.

use super::execute::Execution;
use super::explain::Step;
use super::top::Found;
use crate::error::Result;
use crate::field_index::Key;
use crate::filter::Path;
use crate::ids::Slot;
use crate::segment::Segment;
use crate::segment::VectorQuery;
use std::collections::HashMap;

/// A search that groups its hits looks at first for so many times the hits that are wanted ...
const FIRST: usize = 4;
/// ... and then for so many times more each time.
const MORE: usize = 4;

/// How hits are grouped.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    /// The path of the field.
    pub(super) field: String,
    /// Most hits with one value of it.
    pub(super) most: usize,
}

impl Grouping {
    /// The best records, at most so many of each group: more and more are searched for until there are enough.
    pub(super) fn best(
        &self,
        execution: &Execution<'_>,
        query: &mut VectorQuery<'_>,
        mut steps: Option<&mut Vec<Step>>,
    ) -> Result<Vec<Found>> {
        let (matches, wanted) = (execution.matches(), query.k);
        query.k = wanted.saturating_mul(FIRST).min(matches.max(1));
        loop {
            let found = execution.best(query, None, steps.as_deref_mut())?;
            let kept = self.first_of_each(execution, &found, wanted)?;
            if kept.len() >= wanted || query.k >= matches {
                return Ok(kept);
            }
            query.k = query.k.saturating_mul(MORE).min(matches);
        }
    }

    /// The first of each group, `wanted` in all.
    pub(super) fn first_of_each(
        &self,
        execution: &Execution<'_>,
        found: &[Found],
        wanted: usize,
    ) -> Result<Vec<Found>> {
        let path = Path::dotted(&self.field);
        let mut keys: Vec<Option<Key>> = vec![None; found.len()];
        for (place, live) in (0..).zip(&execution.segments) {
            let (places, slots): (Vec<usize>, Vec<Slot>) = (0..)
                .zip(found)
                .filter(|(_, found)| found.segment == place)
                .map(|(at, found)| (at, found.slot))
                .unzip();
            let found = if slots.is_empty() { Vec::new() } else { keys_of(&live.segment, &path, &slots)? };
            places.into_iter().zip(found).for_each(|(at, key)| keys[at] = key);
        }
        let mut counts: HashMap<Key, usize> = HashMap::new();
        let first = found.iter().zip(keys).filter(|(_, key)| match key {
            None => true,
            Some(key) => {
                let count = counts.entry(key.clone()).or_default();
                *count += 1;
                *count <= self.most
            }
        });
        Ok(first.map(|(found, _)| *found).take(wanted).collect())
    }
}

/// What the records at `slots` are grouped by; `None` where there is no value, or several.
pub(super) fn keys_of(segment: &Segment, path: &Path, slots: &[Slot]) -> Result<Vec<Option<Key>>> {
    segment.with_field_index(|index| match index.values(path.names())? {
        Some(values) => slots.iter().map(|slot| values.key(*slot)).collect(),
        None => Ok(vec![None; slots.len()]),
    })
}
