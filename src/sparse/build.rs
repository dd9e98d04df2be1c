//! Makes an index of the rows of a segment.
//!
//! In memory: 8 bytes for each term of each record, and about 20 for each different term.

use super::layout::Entry;
use super::layout::Header;
use super::layout::code_of;
use super::row::Row;
use crate::codec::ByteWriter;
use crate::error::Result;
use crate::ids::Slot;
use crate::text::List;
use crate::text::ListWriter;
use std::collections::HashMap;

/// The bytes of the index over these rows, by slot. The iterator is walked twice.
///
/// # Errors
/// `Corrupt` where a row is damaged.
pub(crate) fn build<'a>(rows: impl Iterator<Item = Result<&'a [u8]>> + Clone) -> Result<Vec<u8>> {
    let (len, counts) = count(rows.clone())?;
    let mut terms: Vec<(u32, u32)> = counts.iter().map(|(term, count)| (*term, *count)).collect();
    terms.sort_unstable();
    let gathered = Gathered::of(rows, &terms, counts)?;
    let (mut lists, mut entries) = (Vec::new(), ByteWriter::new());
    let (mut writer, mut list, mut start) = (ListWriter::default(), List::default(), 0);
    for (term, df) in &terms {
        let range = start..start + *df as usize;
        start = range.end;
        let weights = &gathered.weights[range.clone()];
        let largest = weights.iter().copied().fold(0.0, f32::max);
        list.clear();
        list.slots.extend_from_slice(&gathered.slots[range]);
        list.tfs.extend(weights.iter().map(|weight| code_of(*weight, largest)));
        let impact = |_: &[Slot], codes: &[u32]| codes.iter().copied().max().unwrap_or(0) as u16;
        writer.write(&list, impact, &mut lists)?;
        Entry { end: lists.len() as u64, term: *term, df: *df, largest }.write(&mut entries);
    }
    let header =
        Header { len, terms: terms.len() as u32, postings: start as u64, list_bytes: lists.len() as u64 };
    let mut out = ByteWriter::new();
    header.write(&mut out);
    out.bytes(&entries.finish());
    out.bytes(&lists);
    Ok(out.finish())
}

/// Number of rows, and of those that have each term.
fn count<'a>(rows: impl Iterator<Item = Result<&'a [u8]>>) -> Result<(u32, HashMap<u32, u32>)> {
    let (mut len, mut counts) = (0, HashMap::new());
    for row in rows {
        len += 1;
        if let Some(row) = Row::open(row?)? {
            row.check()?;
            row.entries().for_each(|(term, _)| *counts.entry(term).or_default() += 1);
        }
    }
    Ok((len, counts))
}

/// Slots and weights of all terms, term after term.
struct Gathered {
    slots: Vec<Slot>,
    weights: Vec<f32>,
}

impl Gathered {
    /// Those of rows that have been counted: `terms` ascend and `places` has the same.
    fn of<'a>(
        rows: impl Iterator<Item = Result<&'a [u8]>>,
        terms: &[(u32, u32)],
        mut places: HashMap<u32, u32>,
    ) -> Result<Self> {
        let mut starts = Vec::with_capacity(terms.len());
        let mut total = 0usize;
        for (number, (term, count)) in (0..).zip(terms) {
            places.insert(*term, number);
            starts.push(total);
            total += *count as usize;
        }
        let (mut slots, mut weights) = (vec![0; total], vec![0.0; total]);
        for (slot, row) in (0..).zip(rows) {
            let Some(row) = Row::open(row?)? else { continue };
            for (term, weight) in row.entries() {
                let Some(place) = places.get(&term).map(|number| &mut starts[*number as usize]) else {
                    continue;
                };
                (slots[*place], weights[*place]) = (slot, weight);
                *place += 1;
            }
        }
        Ok(Self { slots, weights })
    }
}
