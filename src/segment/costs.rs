//! What searching costs, in nanoseconds: one table for all choices between ways that give the same hits. Rounded from searches
//! and scans of 30,000 to 200,000 records on one machine; only the ratios count.

/// A search of the graph takes so long to begin ...
const GRAPH_START: f32 = 4000.0;
/// ... and for each candidate that it keeps.
const GRAPH_CANDIDATE: f32 = 400.0;
/// A scan of all codes takes so long for each code ...
const SCAN_CODE: f32 = 2.0;
/// ... and for each byte of a code.
const SCAN_BYTE: f32 = 0.08;
/// A scan of some codes, which lie apart, takes so long for each ...
const MATCH_CODE: f32 = 2.5;
/// ... and for each cache line of a code.
const MATCH_LINE: f32 = 2.5;
/// Bytes of a cache line.
const LINE: usize = 64;
/// A walk of the graph that passes over records is taken to last so many times as long as one that takes every record: it measured
/// two to three and a half times, and where it gains little the scan, which finds more, is preferred.
const PASSING_OVER: f32 = 3.2;

/// A scan through cells takes so long for each slot that it looks at ...
const CELL_SLOT: f32 = 0.8;
/// ... so many times as long as a scan of some codes for each code, because it asks for fewer at once ...
const CELL_MATCH: f32 = 1.5;
/// ... and, beside its code, for each cell that it puts in order.
const CELL: f32 = 4.0;

/// A slot of a cell, to be looked at.
pub(super) fn cell_slot() -> f32 {
    CELL_SLOT
}

/// The code of a slot of a cell that passes.
pub(super) fn cell_match(code_bytes: usize) -> f32 {
    CELL_MATCH * scan_matches(1, code_bytes)
}

/// The order of `cells` cells.
pub(super) fn cell_order(cells: usize, code_bytes: usize) -> f32 {
    CELL * cells as f32 + scan(cells, code_bytes)
}

/// A scan of `len` codes.
pub(super) fn scan(len: usize, code_bytes: usize) -> f32 {
    len as f32 * (SCAN_CODE + SCAN_BYTE * code_bytes as f32)
}

/// A search of the graph that keeps so many candidates.
pub(super) fn graph(width: f32) -> f32 {
    GRAPH_START + GRAPH_CANDIDATE * width
}

/// A search of the graph under a filter, where the same search without one takes `graph`.
pub(super) fn graph_passing(graph: f32) -> f32 {
    graph * PASSING_OVER
}

/// A scan of the codes of `matches` records among others.
pub(super) fn scan_matches(matches: usize, code_bytes: usize) -> f32 {
    matches as f32 * (MATCH_CODE + MATCH_LINE * code_bytes.div_ceil(LINE) as f32)
}
