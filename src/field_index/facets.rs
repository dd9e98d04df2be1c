//! The values at a path with the number of records that have them, counted without looking at records.

use super::column::ColumnView;
use super::column::Kind;
use super::gather::Count;
use super::view::FieldIndex;
use crate::error::Result;
use crate::metadata::Value;
use crate::slots::SlotSet;
use std::cmp::Reverse;

/// A value, and how many records have it there or in an array.
pub(crate) type Facet = (Value, u64);

impl FieldIndex<'_> {
    /// The values at `path` with the number of records among `passing` (all where `None`) that have them, the most frequent
    /// first, equal ones in the order of values; at most `most` of them. Arrays count each of their elements once; arrays and
    /// maps themselves are not counted, numbers of equal value are one. `None` where the path has no index.
    ///
    /// Texts longer than those kept in the index are read from one record each.
    ///
    /// # Errors
    /// `Corrupt` where the index or a record is damaged.
    pub(crate) fn facets(
        &self,
        path: &[String],
        passing: Option<&SlotSet>,
        most: usize,
    ) -> Result<Option<Vec<Facet>>> {
        let Some(node) = self.indexed(path) else { return Ok(None) };
        let mut views = Vec::new();
        let mut counted: Vec<(Reverse<u64>, usize, u32)> = Vec::new();
        for kind in Kind::ALL {
            let Some(view) = self.column(node, kind)? else { continue };
            let counts = self.counts(&view, passing)?;
            let at = views.len();
            let found = (0..).zip(counts).filter(|(_, count)| *count > 0);
            counted.extend(found.map(|(entry, count)| (Reverse(count), at, entry)));
            views.push(view);
        }
        if counted.len() > most {
            counted.select_nth_unstable(most);
            counted.truncate(most);
        }
        counted.sort_unstable();
        let mut facets = Vec::with_capacity(counted.len());
        for (Reverse(count), at, entry) in counted {
            if let Some(view) = views.get(at) {
                facets.push((view.value(entry)?, count));
            }
        }
        Ok(Some(facets))
    }

    /// How many slots among `passing` each value has.
    fn counts(&self, view: &ColumnView<'_>, passing: Option<&SlotSet>) -> Result<Vec<u64>> {
        let mut counts = vec![0; view.entries() as usize];
        match (passing, view.lowest()?) {
            (None, _) => {
                for (entry, count) in (0..).zip(&mut counts) {
                    *count = view.postings.count(&(entry..entry + 1))?.into();
                }
            }
            (Some(passing), Some(ordinals)) if !view.column.many => {
                ordinals.count(passing.iter(), &mut counts)?;
            }
            (Some(passing), _) => {
                let (bits, limit) = (passing.bits(), self.limit());
                for (entry, count) in (0..).zip(&mut counts) {
                    let mut slots = Count { bits: &bits, limit, found: 0 };
                    view.postings.read(entry..entry + 1, &mut slots)?;
                    *count = slots.found;
                }
            }
        }
        Ok(counts)
    }
}
