//! [`ActiveSegment`]: the latest records, in memory, searched exactly.
//!
//! Each commit adds a small immutable segment. So that there are never many of them, neighbours of like size are
//! joined as they come, which copies each record a logarithmic number of times. Readers hold the segments that were
//! there when they began, and no reader waits for a writer.

use super::LiveSegment;
use super::Merge;
use super::Segment;
use super::Target;
use crate::error::Result;
use std::sync::Arc;

/// The segments of the active segment, the oldest first; sizes fall at least by half from one to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveSegment {
    parts: Vec<LiveSegment>,
}

impl ActiveSegment {
    /// The parts, the oldest first.
    pub(crate) fn parts(&self) -> &[LiveSegment] {
        &self.parts
    }

    /// The parts, to bury records in.
    pub(crate) fn parts_mut(&mut self) -> &mut [LiveSegment] {
        &mut self.parts
    }

    /// Number of records.
    pub(crate) fn live(&self) -> usize {
        self.parts.iter().map(LiveSegment::live).sum()
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.segment.bytes()).sum()
    }

    /// Adds the records of a commit; none of their ids is alive in another part.
    pub(crate) fn push(&mut self, segment: Arc<Segment>) -> Result<()> {
        self.parts.push(LiveSegment::new(segment));
        let mut first = self.parts.len() - 1;
        let mut joined = self.parts[first].live();
        while first > 0 && self.parts[first - 1].live() <= 2 * joined {
            first -= 1;
            joined += self.parts[first].live();
        }
        if first + 1 < self.parts.len() {
            let sources = &self.parts[first..];
            let schema = sources[0].segment.schema().clone();
            let merge = Merge { schema, sources, graph: false, keep_rows: false, progress: &|_| true };
            let merged = merge.run(&Target::Memory)?;
            self.parts.truncate(first);
            self.parts.extend(merged.map(|merged| LiveSegment::new(Arc::new(merged.segment))));
        }
        Ok(())
    }
}
