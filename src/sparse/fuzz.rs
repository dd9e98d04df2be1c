//! What a fuzz target runs: here, because the index by itself is no part of the API.

use super::Allowed;
use super::Scratch;
use super::Searched;
use super::SparseQuery;
use super::SparseVector;
use super::SparseView;
use super::build;
use super::decode;
use super::encode;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;
use crate::text::fuzz::Image;

/// Rows that input may have.
const MOST_ROWS: u64 = 5000;

/// Inputs to begin from: no rows, few, and so many that lists have several blocks.
pub fn sealed_sparse() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for count in [0u32, 1, 5, 60, 700] {
        let rows: Vec<Vec<u8>> = (0..count).map(row).collect();
        let index = build(rows.iter().map(|row| Ok(row.as_slice()))).unwrap_or_default();
        let mut out = ByteWriter::new();
        out.varint(u64::from(count));
        rows.iter().for_each(|row| out.prefixed(row));
        out.bytes(&index);
        inputs.push(out.finish());
    }
    inputs
}

/// The row of a slot; every seventh has none.
fn row(slot: u32) -> Vec<u8> {
    let mut out = ByteWriter::new();
    if slot % 7 != 6 {
        let terms = (0..slot % 9).map(|at| (at * at * 3 + slot % 4, 0.25 + (slot * 7 + at) as f32 % 11.0));
        let terms: Vec<(u32, f32)> = terms.chain([(u32::MAX - slot % 2, 1.5)]).collect();
        encode(&terms, &mut out);
    }
    out.finish()
}

/// Reads the bytes as rows and an index over them, runs queries over it, and verifies it.
pub fn sparse(data: &[u8]) {
    let _ = run(data);
}

fn run(data: &[u8]) -> Result<()> {
    let mut reader = ByteReader::new("input", data);
    let count = reader.varint()?.min(MOST_ROWS) as u32;
    let rows = (0..count).map(|_| reader.prefixed()).collect::<Result<Vec<&[u8]>>>()?;
    let image = Image(reader.bytes(reader.remaining())?);
    rows.iter().for_each(|row| drop(decode(row)));
    let sound = build(rows.iter().map(|row| Ok(*row))).is_ok();
    let view = SparseView::open(&image, count)?;
    let verified = view.verify(rows.iter().map(|row| Ok(*row)));
    let dead = SlotSet::from_ascending(count, (0..count).step_by(7).collect());
    let few = SlotSet::from_ascending(count, (0..count).step_by(90).collect());
    for filter in [None, Some(&few)] {
        let allowed = Allowed { filter, dead: Some(&dead) };
        let (found, scanned) = (search(Some(&view), &rows, allowed), search(None, &rows, allowed));
        if verified.is_ok() && sound {
            let mut expected = exact(&rows, allowed)?;
            expected.truncate(5);
            assert_eq!(found?, expected, "the best are found");
            assert_eq!(scanned?, expected, "the best are found without the index");
        }
    }
    verified
}

const QUERY: [(u32, f32); 4] = [(0, 1.0), (3, 0.5), (12, 2.0), (u32::MAX, 0.25)];

fn query() -> Result<SparseQuery> {
    SparseQuery::new("input", &SparseVector::from(QUERY))
}

/// Better first.
fn sort(found: &mut [(f32, Slot)]) {
    found.sort_by(|one, next| next.0.total_cmp(&one.0).then(one.1.cmp(&next.1)));
}

fn search(view: Option<&SparseView<'_>>, rows: &[&[u8]], allowed: Allowed<'_>) -> Result<Vec<(f32, Slot)>> {
    let len = rows.len() as u32;
    let rows = |slot: Slot| Ok(rows.get(slot as usize).copied().unwrap_or_default());
    let searched = Searched { view, len, rows, allowed };
    let mut best: Vec<(f32, Slot)> = Vec::new();
    query()?.search(&searched, 0.0, &mut Scratch::default(), &mut |score, slot| {
        best.push((score, slot));
        sort(&mut best);
        best.truncate(5);
        best.get(4).map_or(0.0, |worst| worst.0)
    })?;
    Ok(best)
}

fn exact(rows: &[&[u8]], allowed: Allowed<'_>) -> Result<Vec<(f32, Slot)>> {
    let query = query()?;
    let mut found = Vec::new();
    for (slot, row) in (0..).zip(rows).filter(|(slot, _)| allowed.contains(*slot)) {
        found.extend(query.score(row)?.map(|score| (score, slot)));
    }
    sort(&mut found);
    Ok(found)
}
