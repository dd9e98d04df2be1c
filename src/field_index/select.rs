//! From a test to runs of values: which entries of which columns pass.

use super::column::ColumnView;
use super::column::Dictionary;
use super::column::Kind;
use super::directory::Node;
use super::number::Number;
use super::places::Region;
use super::view::FieldIndex;
use crate::error::Result;
use crate::filter::Comparison;
use crate::filter::Test;
use crate::filter::instant;
use crate::metadata::Value;
use crate::slots::SlotSet;
use std::ops::Range;

/// Entries of a column that pass, as ascending runs that do not meet.
pub(super) struct Run<'a> {
    pub(super) view: ColumnView<'a>,
    pub(super) ranges: Vec<Range<u32>>,
}

impl Run<'_> {
    /// The slots that have one of the values; of those outside `within` some may be missing.
    pub(super) fn slots(&self, within: Option<&SlotSet>) -> Result<SlotSet> {
        // So few slots are looked at faster than those of many values are put together.
        let few = within.filter(|within| within.len() < self.view.slots_of_pass());
        if let Some(few) = few
            && let Some(slots) = self.view.slots_among(&self.ranges, few)?
        {
            return Ok(slots);
        }
        self.view.slots(&self.ranges)
    }

    /// The sum of the numbers of slots of the values.
    pub(super) fn count(&self) -> Result<u64> {
        let mut count = 0;
        for range in &self.ranges {
            count += u64::from(self.view.postings.count(range)?);
        }
        Ok(count)
    }

    /// The entries that pass here and there.
    pub(super) fn meet(&mut self, other: &Self) {
        let mut both = Vec::new();
        for a in &self.ranges {
            for b in &other.ranges {
                let range = a.start.max(b.start)..a.end.min(b.end);
                if !range.is_empty() {
                    both.push(range);
                }
            }
        }
        self.ranges = both;
    }
}

/// Sorts runs and joins those that meet.
fn tidy(ranges: &mut Vec<Range<u32>>) {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let meet = next.start <= last.end;
        if meet {
            last.end = last.end.max(next.end);
        }
        meet
    });
}

/// True for values that are neither arrays nor maps.
pub(super) fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Map(_))
}

impl<'a> FieldIndex<'a> {
    /// The entries at a path whose values pass; a slot with one of them passes. `None` where a test is not decided by single
    /// values.
    pub(super) fn select(&self, node: &'a Node, test: &Test) -> Result<Option<Vec<Run<'a>>>> {
        Ok(Some(match test {
            Test::Compare(comparison, Value::Geo(_)) if *comparison != Comparison::Equal => return Ok(None),
            Test::Compare(comparison, operand) if is_scalar(operand) => {
                self.compare(node, *comparison, std::slice::from_ref(operand))?
            }
            Test::In(values) if values.iter().all(is_scalar) => {
                self.compare(node, Comparison::Equal, values)?
            }
            Test::Prefix(prefix) => self.prefix(node, prefix)?,
            Test::Radius(center, meters) => self.region(node, Region::Circle(*center, *meters))?,
            Test::Box(south_west, north_east) => self.region(node, Region::Box(*south_west, *north_east))?,
            _ => return Ok(None),
        }))
    }

    /// The entries that compare so with one of the operands; arrays and maps among these are passed over.
    pub(super) fn compare(
        &self,
        node: &'a Node,
        comparison: Comparison,
        operands: &[Value],
    ) -> Result<Vec<Run<'a>>> {
        let mut runs = Vec::new();
        for column in &node.columns {
            let view = self.view(node, column)?;
            let mut ranges = Vec::new();
            for operand in operands {
                self.compare_one(&view, comparison, operand, &mut ranges)?;
            }
            tidy(&mut ranges);
            if !ranges.is_empty() {
                runs.push(Run { view, ranges });
            }
        }
        Ok(runs)
    }

    fn compare_one(
        &self,
        view: &ColumnView<'a>,
        comparison: Comparison,
        operand: &Value,
        ranges: &mut Vec<Range<u32>>,
    ) -> Result<()> {
        let number = match (view.column.kind, operand) {
            (Kind::Number, Value::I64(whole)) => Some(Number::I64(*whole)),
            (Kind::Number, Value::F64(float)) if !float.is_nan() => Some(Number::F64(*float)),
            (Kind::Bool, Value::Bool(truth)) => Some(Number::I64((*truth).into())),
            (Kind::Null, Value::Null) => Some(Number::I64(0)),
            (Kind::DateTime, Value::DateTime(_) | Value::Str(_)) => {
                instant(operand).map(|instant| Number::I64(instant.unix_micros()))
            }
            _ => None,
        };
        match (&view.dictionary, number, operand) {
            (Dictionary::Numbers(numbers), Some(number), _) => {
                let below = |with_equal| numbers.below(number, with_equal);
                ranges.push(bounds(view.entries(), comparison, below)?);
            }
            (Dictionary::Texts(texts), _, Value::Str(text)) => {
                let below = |with_equal| texts.below(text, with_equal);
                ranges.push(bounds(view.entries(), comparison, below)?);
            }
            (Dictionary::Places(places), _, Value::Geo(place)) => ranges.extend(places.equal(*place)?),
            _ => {}
        }
        Ok(())
    }

    fn prefix(&self, node: &'a Node, prefix: &str) -> Result<Vec<Run<'a>>> {
        let Some(view) = self.column(node, Kind::Text)? else { return Ok(Vec::new()) };
        let Dictionary::Texts(texts) = &view.dictionary else { return Ok(Vec::new()) };
        let mut ranges = vec![texts.prefixed(prefix)?];
        tidy(&mut ranges);
        Ok(vec![Run { view, ranges }])
    }

    fn region(&self, node: &'a Node, region: Region) -> Result<Vec<Run<'a>>> {
        let Some(view) = self.column(node, Kind::Geo)? else { return Ok(Vec::new()) };
        let Dictionary::Places(places) = &view.dictionary else { return Ok(Vec::new()) };
        let ranges = places.within(region)?;
        Ok(vec![Run { view, ranges }])
    }
}

/// The entries that compare so, where `below` counts those less than the operand, with the equal one or without it.
fn bounds(entries: u32, comparison: Comparison, below: impl Fn(bool) -> Result<u32>) -> Result<Range<u32>> {
    Ok(match comparison {
        Comparison::Equal => below(false)?..below(true)?,
        Comparison::Less => 0..below(false)?,
        Comparison::AtMost => 0..below(true)?,
        Comparison::Greater => below(true)?..entries,
        Comparison::AtLeast => below(false)?..entries,
    })
}
