//! [`VerifyAhead`]: comparing parts with their checksums before searches touch them.
//!
//! The searches right after opening would pay for it: a block of rows is verified when the first of its rows is scored, and
//! they touch all of them soon. On a thread of its own it takes a few hundredths of a second for 100 MB, and rows come
//! first, because codes and graph may be traversed before they are verified.

use super::ByteTable;
use super::LiveSegment;
use super::part::Part;
use super::row_codes::RowCodes;
use crate::memory;
use crate::storage::Ahead;
use std::sync::atomic::AtomicBool;

/// Fewer bytes are verified by the first searches before a thread has begun.
const LEAST_BYTES: u64 = 8 << 20;
/// More than this part of the memory there is are not read ahead: they may have to come from the disk, and drive out others.
const MEMORY_PART: u64 = 4;

/// Parts that are to be verified, in order.
pub(crate) struct VerifyAhead {
    parts: Vec<Ahead>,
}

impl VerifyAhead {
    /// What searches of these segments touch and is not verified yet; `None` where that is too little or too much.
    pub(crate) fn of<'a>(segments: impl Iterator<Item = &'a LiveSegment>) -> Option<Self> {
        let mut ordered: [Vec<&Part>; 3] = Default::default();
        for live in segments {
            for vector in live.segment.vectors() {
                ordered[0].extend(vector.rows.map());
                for block in vector.rows.blocks() {
                    ordered[0].push(&block.part);
                    ordered[0].extend(block.codes.iter().map(RowCodes::part));
                }
                if let Some(index) = &vector.index {
                    ordered[2].extend([index.codes_part(), index.graph_part()]);
                    ordered[2].extend(index.cells_part());
                }
            }
            ordered[1].push(live.segment.ids.part());
            ordered[2].extend(live.segment.sparse().iter().map(ByteTable::part));
            ordered[2].extend(live.segment.sparse_indexes.sealed());
        }
        let bytes: u64 = ordered.iter().flatten().map(|part| part.len() as u64).sum();
        let most = memory::limit().unwrap_or(u64::MAX) / MEMORY_PART;
        let parts: Vec<Ahead> = match (LEAST_BYTES..=most).contains(&bytes) {
            true => ordered.iter().flatten().filter_map(|part| part.ahead()).collect(),
            false => Vec::new(),
        };
        (!parts.is_empty()).then_some(Self { parts })
    }

    /// Verifies, until `stop` says to end.
    pub(crate) fn run(self, stop: &AtomicBool) {
        self.parts.into_iter().for_each(|part| part.run(stop));
    }
}
