//! Which extents there are: live ones that the manifest lists, staged ones that a later manifest may list.

use crate::error::Error;
use crate::error::Result;
use crate::storage::layout::Extent;
use crate::storage::layout::Layout;
use crate::storage::layout::Span;
use crate::storage::space::Space;
use std::collections::HashMap;
use std::collections::HashSet;

/// Extents and free space.
pub(super) struct Ledger {
    /// What is not free.
    pub(super) space: Space,
    /// Extents by offset.
    extents: HashMap<u64, Held>,
}

/// An extent and what it is for.
struct Held {
    span: Span,
    extent: Extent,
    live: bool,
}

impl Ledger {
    /// The ledger of an empty file.
    pub(super) fn new(layout: &Layout) -> Self {
        Self { space: Space::new(layout, 0, &[], &[]), extents: HashMap::new() }
    }

    /// The ledger of a file whose manifest lists `live`.
    pub(super) fn with_live(layout: &Layout, space: Space, live: &[Extent]) -> Result<Self> {
        let mut ledger = Self { space, extents: HashMap::with_capacity(live.len()) };
        ledger.set_live(layout, live)?;
        Ok(ledger)
    }

    /// Forgets all extents but `live`.
    pub(super) fn set_live(&mut self, layout: &Layout, live: &[Extent]) -> Result<()> {
        let mut extents = HashMap::with_capacity(live.len());
        for extent in live {
            let span = extent.span(layout, u64::MAX)?;
            extents.insert(extent.offset, Held { span, extent: *extent, live: true });
        }
        self.extents = extents;
        Ok(())
    }

    /// Adds an extent whose bytes are written.
    pub(super) fn stage(&mut self, span: Span, extent: Extent) {
        self.extents.insert(span.offset, Held { span, extent, live: false });
    }

    /// Frees a staged extent; `false` where there is none like it.
    pub(super) fn discard(&mut self, extent: &Extent) -> bool {
        match self.extents.get(&extent.offset) {
            Some(held) if held.extent == *extent && !held.live => {
                let span = held.span;
                self.extents.remove(&extent.offset);
                self.space.release(span);
                true
            }
            _ => false,
        }
    }

    /// Fails where one of `extents` is listed twice, or neither live nor staged.
    pub(super) fn check_listed(&self, extents: &[Extent]) -> Result<()> {
        let mut seen = HashSet::with_capacity(extents.len());
        for extent in extents {
            let known = self.extents.get(&extent.offset).is_some_and(|held| held.extent == *extent);
            let problem = match (known, seen.insert(extent.offset)) {
                (true, true) => continue,
                (true, false) => "is listed twice",
                (false, _) => "is neither live nor staged",
            };
            let problem = format!("the extent of {} bytes at {} {problem}", extent.len, extent.offset);
            return Err(Error::InvalidOption { name: "extents", problem });
        }
        Ok(())
    }

    /// Makes `extents` the live ones and returns the spans of those that were live before.
    pub(super) fn publish(&mut self, extents: &[Extent]) -> Vec<Span> {
        let listed: HashSet<u64> = extents.iter().map(|extent| extent.offset).collect();
        let mut unused = Vec::new();
        self.extents.retain(|offset, held| {
            if listed.contains(offset) {
                held.live = true;
            } else if held.live {
                unused.push(held.span);
                return false;
            }
            true
        });
        unused
    }

    /// The live extents.
    pub(super) fn live(&self) -> impl Iterator<Item = &Extent> {
        self.extents.values().filter(|held| held.live).map(|held| &held.extent)
    }

    /// The spans of live extents.
    pub(super) fn live_spans(&self) -> Vec<Span> {
        self.extents.values().filter(|held| held.live).map(|held| held.span).collect()
    }

    /// The live extent at an offset.
    pub(super) fn live_at(&self, offset: u64) -> Option<Extent> {
        self.extents.get(&offset).filter(|held| held.live).map(|held| held.extent)
    }

    /// The end of the last live extent, or 0.
    pub(super) fn live_end(&self) -> u64 {
        self.extents.values().filter(|held| held.live).map(|held| held.span.end()).max().unwrap_or(0)
    }

    /// Bytes that live extents take.
    pub(super) fn live_bytes(&self) -> u64 {
        self.extents.values().filter(|held| held.live).map(|held| held.span.len).sum()
    }
}
