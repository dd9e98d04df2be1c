//! A filter over all records of a segment: runs of values become sets of slots, and these are joined.
//!
//! What the index can't decide alone, such as the equality of whole arrays, it narrows to candidates, which are then looked
//! at record by record.

use super::directory::Found;
use super::directory::Node;
use super::select::Run;
use super::select::is_scalar;
use super::view::FieldIndex;
use crate::error::Result;
use crate::filter::Comparison;
use crate::filter::Filter;
use crate::filter::Many;
use crate::filter::Node as FilterNode;
use crate::filter::Path;
use crate::filter::Test;
use crate::ids::Slot;
use crate::metadata;
use crate::metadata::Value;
use crate::slots::SlotSet;
use std::ops::Range;

/// The slots whose text at a path has the words of a query.
pub(crate) type Words<'w> = dyn Fn(&Path, &str) -> Result<SlotSet> + 'w;

/// What the index says of a test.
struct Answer {
    /// Slots that pass.
    sure: SlotSet,
    /// Slots whose records are to be looked at; they may be sure as well.
    check: SlotSet,
}

impl<'a> FieldIndex<'a> {
    /// The slots whose records pass. `words` answers [`Test::Words`]. The filter was checked: it does not nest too deep.
    ///
    /// # Errors
    /// `Corrupt` where the index or a record is damaged, and whatever `words` returns.
    pub(crate) fn evaluate(&self, filter: &Filter, words: &Words<'_>) -> Result<SlotSet> {
        self.within(filter, None, words)
    }

    /// The slots that pass; those outside `within` may be right or wrong.
    fn within(&self, filter: &Filter, within: Option<&SlotSet>, words: &Words<'_>) -> Result<SlotSet> {
        match filter.node() {
            FilterNode::All => Ok(SlotSet::all(self.limit())),
            FilterNode::And(filters) => self.all_of(filters, within, words),
            FilterNode::Or(filters) => {
                let mut found = SlotSet::none(self.limit());
                for filter in filters {
                    found = found.or(&self.within(filter, within, words)?);
                }
                Ok(found)
            }
            FilterNode::Not(filter) => Ok(self.within(filter, within, words)?.complement()),
            FilterNode::Field(path, Test::Words(query)) => words(path, query),
            FilterNode::Field(path, test) => {
                let answer = self.test(path, test, within)?;
                self.look_at_records(filter, answer, within)
            }
        }
    }

    /// The slots that pass all filters: first those that leave the fewest, so that the others have few records to look at.
    fn all_of(&self, filters: &[Filter], within: Option<&SlotSet>, words: &Words<'_>) -> Result<SlotSet> {
        let mut found: Option<SlotSet> = None;
        let mut rest = Vec::new();
        for filter in self.in_ranges(filters, &mut found)? {
            rest.push((self.estimate(filter)?.end, filter));
        }
        rest.sort_by_key(|(most, _)| *most);
        for (_, filter) in rest {
            let passing = self.within(filter, found.as_ref().or(within), words)?;
            let both = match &found {
                Some(found) => found.and(&passing),
                None => passing,
            };
            if both.is_empty() {
                return Ok(both);
            }
            found = Some(both);
        }
        Ok(found.unwrap_or_else(|| SlotSet::all(self.limit())))
    }

    /// Joins comparisons at one path into one range where each slot has one value, such as those of a year between two; the
    /// filters that are left are returned.
    fn in_ranges<'f>(&self, filters: &'f [Filter], found: &mut Option<SlotSet>) -> Result<Vec<&'f Filter>> {
        let is_range = |filter: &Filter| match filter.node() {
            FilterNode::Field(path, Test::Compare(comparison, operand))
                if *comparison != Comparison::Equal =>
            {
                is_scalar(operand).then(|| path.clone())
            }
            _ => None,
        };
        let mut rest: Vec<&Filter> = filters.iter().collect();
        let mut paths: Vec<Path> = filters.iter().filter_map(is_range).collect();
        paths.sort_unstable();
        let twice: Vec<Path> =
            paths.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
        for path in twice {
            let (same, others): (Vec<&Filter>, _) =
                rest.iter().partition(|filter| is_range(filter).as_ref() == Some(&path));
            let Some(run) = self.one_run(&same)? else { continue };
            let slots = run.slots(found.as_ref())?;
            *found = Some(match found.take() {
                Some(found) => found.and(&slots),
                None => slots,
            });
            rest = others;
        }
        Ok(rest)
    }

    /// The values of one column that pass all these tests of one path; `None` where a slot may have several values.
    fn one_run(&self, filters: &[&Filter]) -> Result<Option<Run<'a>>> {
        let mut joined: Option<Run<'a>> = None;
        for filter in filters {
            let FilterNode::Field(path, test) = filter.node() else { return Ok(None) };
            let Some(node) = self.indexed(path.names()) else { return Ok(None) };
            let Some(mut runs) = self.select(node, test)? else { return Ok(None) };
            let Some(run) = runs.pop().filter(|run| runs.is_empty() && !run.view.column.many) else {
                return Ok(None);
            };
            match &mut joined {
                None => joined = Some(run),
                Some(joined) if joined.view.column == run.view.column => joined.meet(&run),
                Some(_) => return Ok(None),
            }
        }
        Ok(joined)
    }

    /// What the index says of a test that is not about words; it need not be right outside `within`.
    fn test(&self, path: &Path, test: &Test, within: Option<&SlotSet>) -> Result<Answer> {
        let none = || SlotSet::none(self.limit());
        let sure = |sure: SlotSet| Ok(Answer { sure, check: none() });
        let check = |check: SlotSet| Ok(Answer { sure: none(), check });
        let node = match self.directory.find(path.names()) {
            Found::Nothing => return sure(none()),
            Found::Among(set) => return check(self.set(set)?),
            Found::Path(node) => node,
        };
        match test {
            Test::Exists => sure(self.set(&node.exists)?),
            _ if !node.indexed => check(self.set(&node.exists)?),
            Test::Contains(many, values) => self.contains(node, *many, values),
            Test::Compare(Comparison::Equal, operand) if !is_scalar(operand) => {
                check(self.like(node, operand)?)
            }
            Test::In(values) if !values.iter().all(is_scalar) => {
                let mut like = none();
                for value in values.iter().filter(|value| !is_scalar(value)) {
                    like = like.or(&self.like(node, value)?);
                }
                Ok(Answer { sure: self.equal(node, values)?, check: like })
            }
            test => match self.select(node, test)? {
                Some(runs) => sure(self.union(&runs, within)?),
                None => check(self.set(&node.exists)?),
            },
        }
    }

    fn union(&self, runs: &[Run<'_>], within: Option<&SlotSet>) -> Result<SlotSet> {
        let mut found: Option<SlotSet> = None;
        for run in runs {
            let slots = run.slots(within)?;
            found = Some(match found {
                Some(found) => found.or(&slots),
                None => slots,
            });
        }
        Ok(found.unwrap_or_else(|| SlotSet::none(self.limit())))
    }

    /// The slots that have one of the values; arrays and maps among these are passed over.
    fn equal(&self, node: &'a Node, values: &[Value]) -> Result<SlotSet> {
        self.union(&self.compare(node, Comparison::Equal, values)?, None)
    }

    /// The slots that may have an array or a map that equals `operand`, there or in an array.
    fn like(&self, node: &'a Node, operand: &Value) -> Result<SlotSet> {
        let Value::Array(values) = operand else { return self.set(&node.exists) };
        let whole = self.with_all(node, values.iter().filter(|value| is_scalar(value)))?;
        Ok(whole.or(&self.set(&node.nested)?))
    }

    /// The slots that have an array, and all these values in it or beside it.
    fn with_all<'v>(&self, node: &'a Node, values: impl Iterator<Item = &'v Value>) -> Result<SlotSet> {
        let mut found: Option<SlotSet> = None;
        for value in values {
            let equal = self.equal(node, std::slice::from_ref(value))?;
            let both = match found {
                Some(found) => found.and(&equal),
                None => equal,
            };
            if both.is_empty() {
                return Ok(both);
            }
            found = Some(both);
        }
        let arrays = self.set(&node.arrays)?;
        Ok(match found {
            Some(found) => found.and(&arrays),
            None => arrays,
        })
    }

    fn contains(&self, node: &'a Node, many: Many, values: &[Value]) -> Result<Answer> {
        let scalar = values.iter().all(is_scalar);
        let candidates = match many {
            Many::Any => self.equal(node, values)?.and(&self.set(&node.arrays)?),
            Many::All => self.with_all(node, values.iter().filter(|value| is_scalar(value)))?,
        };
        let mixed = self.set(&node.mixed)?;
        let check = match (many, scalar) {
            (_, true) => candidates.and(&mixed),
            (Many::Any, false) => candidates.and(&mixed).or(&self.set(&node.nested)?),
            (Many::All, false) => candidates.and(&self.set(&node.nested)?),
        };
        let sure = match (many, scalar) {
            (Many::All, false) => SlotSet::none(self.limit()),
            _ => candidates.and_not(&mixed),
        };
        Ok(Answer { sure, check })
    }

    fn look_at_records(&self, filter: &Filter, answer: Answer, within: Option<&SlotSet>) -> Result<SlotSet> {
        let Answer { sure, mut check } = answer;
        if check.is_empty() {
            return Ok(sure);
        }
        if let Some(within) = within {
            check = check.and(within);
        }
        let mut found: Vec<Slot> = Vec::new();
        for slot in check.and_not(&sure).iter() {
            let fields = metadata::decode(self.records.encoded(slot)?)?;
            if filter.matches(&fields, &|_, _, _| false) {
                found.push(slot);
            }
        }
        Ok(sure.or(&SlotSet::from_ascending(self.limit(), found)))
    }

    /// Bounds of the number of slots that pass, without looking at any slot.
    ///
    /// # Errors
    /// `Corrupt` where the index is damaged.
    pub(crate) fn estimate(&self, filter: &Filter) -> Result<Range<usize>> {
        let limit = self.limit() as usize;
        Ok(match filter.node() {
            FilterNode::All => limit..limit,
            FilterNode::And(filters) => {
                let (mut missing, mut most) = (0, limit);
                for filter in filters {
                    let range = self.estimate(filter)?;
                    missing += limit - range.start;
                    most = most.min(range.end);
                }
                limit.saturating_sub(missing)..most
            }
            FilterNode::Or(filters) => {
                let (mut least, mut most) = (0, 0);
                for filter in filters {
                    let range = self.estimate(filter)?;
                    (least, most) = (range.start.max(least), range.end + most);
                }
                least..most.min(limit)
            }
            FilterNode::Not(filter) => {
                let range = self.estimate(filter)?;
                limit - range.end..limit - range.start
            }
            FilterNode::Field(_, Test::Words(_)) => 0..limit,
            FilterNode::Field(path, test) => self.estimate_test(path, test)?,
        })
    }

    fn estimate_test(&self, path: &Path, test: &Test) -> Result<Range<usize>> {
        let node = match self.directory.find(path.names()) {
            Found::Nothing => return Ok(0..0),
            Found::Among(set) => return Ok(0..set.len as usize),
            Found::Path(node) => node,
        };
        let exists = node.exists.len as usize;
        if *test == Test::Exists {
            return Ok(exists..exists);
        }
        let runs = if node.indexed { self.select(node, test)? } else { None };
        let Some(runs) = runs else { return Ok(0..exists) };
        let (mut least, mut most) = (0, 0);
        for run in &runs {
            let count = usize::try_from(run.count()?).unwrap_or(usize::MAX);
            most += count;
            // Values of one slot are counted once where there are not several in it.
            least = least.max(if run.view.column.many { usize::from(count > 0) } else { count });
        }
        let most = most.min(exists);
        Ok(least.min(most)..most)
    }
}
