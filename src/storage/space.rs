//! Which bytes of the file are free: derived when the file is opened, never stored.
//!
//! A span is free, or taken, or on its way from taken to free: *retired* with the generation that stopped using it,
//! until no reader of an older generation is left; or *kept* because an older superblock refers to it, until the first
//! publication of this session is on the disk.

use crate::storage::layout::Layout;
use crate::storage::layout::Span;
use std::collections::BTreeMap;

/// Spans are moved out of a window of which at least one in so many bytes is free.
const WORTHWHILE: u64 = 16;

/// The free, retired and kept spans of a file.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Free spans, offset to length; neighbours are merged.
    free: BTreeMap<u64, u64>,
    /// Spans with the first generation that does not use them.
    retired: Vec<(u64, Span)>,
    /// Spans that older superblocks refer to.
    kept: Vec<Span>,
    /// Where the space that is known ends; the file goes on to grow there.
    end: u64,
}

impl Space {
    /// The space of a file of `file_bytes` in which `taken` is in use and `kept` is referred to by older superblocks.
    /// Both may reach beyond the file's end: see the log.
    pub(super) fn new(layout: &Layout, file_bytes: u64, taken: &[Span], kept: &[Span]) -> Self {
        let first = layout.first_extent();
        let used = taken.iter().chain(kept).map(Span::end).max().unwrap_or(first);
        let end = layout.pages(file_bytes).unwrap_or(file_bytes).max(first).max(used);
        let mut space = Self { end, ..Self::default() };
        space.release(Span { offset: first, len: end - first });
        for span in taken {
            space.carve(*span);
        }
        for span in kept {
            let pieces = space.carve(*span);
            space.kept.extend(pieces);
        }
        space
    }

    /// Where the known space ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of free spans.
    pub(super) fn free_bytes(&self) -> u64 {
        self.free.values().sum()
    }

    /// Takes `len` bytes, from the lowest free span where they fit or from the end of the file.
    pub(super) fn take(&mut self, len: u64, align: u64) -> Span {
        if let Some(span) = self.lowest(len, align) {
            self.carve(span);
            return span;
        }
        let start = match self.free.last_key_value() {
            Some((offset, free)) if offset + free == self.end => *offset,
            _ => self.end,
        };
        let span = Span { offset: start.next_multiple_of(align), len };
        if span.end() > self.end {
            let grown = Span { offset: self.end, len: span.end() - self.end };
            self.end = span.end();
            self.release(grown);
        }
        self.carve(span);
        span
    }

    /// Takes `len` bytes that lie wholly below `limit`, if there are such.
    pub(super) fn take_below(&mut self, len: u64, align: u64, limit: u64) -> Option<Span> {
        let span = self.lowest(len, align).filter(|span| span.end() <= limit)?;
        self.carve(span);
        Some(span)
    }

    /// Live spans that are in the way of larger ones: those in the window, at most `room` bytes long, of which the largest part is
    /// free. `None` where that is less than one in [`WORTHWHILE`]. Free spans smaller than a block, which alignment leaves, don't
    /// count.
    pub(super) fn in_the_way(&self, live: &[Span], block: u64, room: u64) -> Option<(Span, Vec<Span>)> {
        let mut live = live.to_vec();
        live.sort_unstable();
        let end = live.last()?.end();
        let holes = self.free.iter().map(|(offset, len)| Span { offset: *offset, len: *len });
        let holes: Vec<Span> = holes.filter(|hole| hole.len >= block && hole.offset < end).collect();
        let mut best: Option<(u64, Span)> = None;
        for (first, hole) in holes.iter().enumerate() {
            let limit = end.min(hole.offset.saturating_add(room));
            // No span lies across the end of a window.
            let across = live.iter().find(|span| span.offset < limit && span.end() > limit);
            let window =
                Span { offset: hole.offset, len: across.map_or(limit, |span| span.offset) - hole.offset };
            let inside = holes[first..].iter().take_while(|hole| hole.end() <= window.end());
            let free: u64 = inside.map(|hole| hole.len).sum();
            // By cross-multiplication: the share of what is free.
            let is_better = |(other, than): &(u64, Span)| {
                u128::from(free) * u128::from(than.len) > u128::from(*other) * u128::from(window.len)
            };
            if free < window.len && free >= window.len / WORTHWHILE && best.as_ref().is_none_or(is_better) {
                best = Some((free, window));
            }
        }
        let (_, window) = best?;
        let used = live.into_iter().filter(|span| span.offset >= window.offset && span.end() <= window.end());
        let used: Vec<Span> = used.collect();
        (!used.is_empty()).then_some((window, used))
    }

    /// Takes `len` bytes outside of `window`, as [`Space::take`] does.
    pub(super) fn take_outside(&mut self, len: u64, align: u64, window: Span) -> Span {
        let pieces = self.carve(window);
        let span = self.take(len, align);
        pieces.into_iter().for_each(|piece| self.release(piece));
        span
    }

    /// The lowest place where `len` bytes fit.
    pub(super) fn lowest(&self, len: u64, align: u64) -> Option<Span> {
        self.free.iter().find_map(|(offset, free)| {
            let start = offset.checked_next_multiple_of(align)?;
            (start.checked_add(len)? <= offset + free).then_some(Span { offset: start, len })
        })
    }

    /// Gives a span back at once.
    pub(super) fn release(&mut self, span: Span) {
        let (mut offset, mut len) = (span.offset, span.len);
        if len == 0 {
            return;
        }
        if let Some((before, before_len)) = self.free.range(..offset).next_back().map(|(at, len)| (*at, *len))
            && before + before_len == offset
        {
            self.free.remove(&before);
            (offset, len) = (before, before_len + len);
        }
        if let Some(after) = self.free.remove(&(offset + len)) {
            len += after;
        }
        self.free.insert(offset, len);
    }

    /// Takes whatever of `span` is free and returns those pieces.
    fn carve(&mut self, span: Span) -> Vec<Span> {
        let first = self.free.range(..=span.offset).next_back().map_or(span.offset, |(at, _)| *at);
        let touched: Vec<Span> = self
            .free
            .range(first..span.end())
            .map(|(offset, len)| Span { offset: *offset, len: *len })
            .filter(|free| free.end() > span.offset)
            .collect();
        let mut pieces = Vec::with_capacity(touched.len());
        for free in touched {
            self.free.remove(&free.offset);
            let (start, end) = (free.offset.max(span.offset), free.end().min(span.end()));
            if free.offset < start {
                self.free.insert(free.offset, start - free.offset);
            }
            if end < free.end() {
                self.free.insert(end, free.end() - end);
            }
            pieces.push(Span { offset: start, len: end - start });
        }
        pieces
    }

    /// Marks a span as unused from `generation` on.
    pub(super) fn retire(&mut self, generation: u64, span: Span) {
        self.retired.push((generation, span));
    }

    /// Marks all that is free as unused from `generation` on: readers of generations that nobody here remembers may
    /// still use it.
    pub(super) fn retire_free(&mut self, generation: u64) {
        for (offset, len) in std::mem::take(&mut self.free) {
            self.retired.push((generation, Span { offset, len }));
        }
    }

    /// Lets go of what older superblocks refer to, now that `generation` is on the disk.
    pub(super) fn retire_kept(&mut self, generation: u64) {
        for span in std::mem::take(&mut self.kept) {
            self.retired.push((generation, span));
        }
    }

    /// Whether anything waits to become free.
    pub(super) fn has_retired(&self) -> bool {
        !self.retired.is_empty()
    }

    /// Frees retired spans for which `pinned_before(generation)` says that no reader is left.
    pub(super) fn reclaim(&mut self, mut pinned_before: impl FnMut(u64) -> bool) {
        let mut answers: BTreeMap<u64, bool> = BTreeMap::new();
        for (generation, span) in std::mem::take(&mut self.retired) {
            let pinned = *answers.entry(generation).or_insert_with(|| pinned_before(generation));
            if pinned {
                self.retired.push((generation, span));
            } else {
                self.release(span);
            }
        }
    }

    /// Where the file could end: behind everything that is not free.
    pub(super) fn trimmed_end(&self) -> u64 {
        match self.free.last_key_value() {
            Some((offset, len)) if offset + len == self.end => *offset,
            _ => self.end,
        }
    }

    /// Forgets the free span at the end, which the file no longer has.
    pub(super) fn trim(&mut self) {
        let end = self.trimmed_end();
        if end < self.end {
            self.free.remove(&end);
            self.end = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const K: u64 = 1 << 10;

    fn span(offset: u64, len: u64) -> Span {
        Span { offset: offset * K, len: len * K }
    }

    #[test]
    fn small_spans_fill_gaps_and_large_ones_are_aligned() {
        let layout = Layout::default();
        let mut space = Space::new(&layout, 256 * K, &[span(64, 4), span(128, 64)], &[]);
        assert_eq!(space.take(4 * K, 4 * K), span(68, 4));
        assert_eq!(space.take(64 * K, 64 * K), span(192, 64));
        assert_eq!(space.take(64 * K, 64 * K), span(256, 64));
        assert_eq!(space.end(), 320 * K);
        assert_eq!(space.take_below(4 * K, 4 * K, 64 * K), None);
        assert_eq!(space.take_below(4 * K, 4 * K, 128 * K), Some(span(72, 4)));
    }

    #[test]
    fn retired_spans_wait_for_readers_and_kept_ones_for_a_publication() {
        let layout = Layout::default();
        let mut space = Space::new(&layout, 80 * K, &[span(64, 4)], &[span(66, 6), span(72, 8)]);
        assert_eq!(space.free_bytes(), 0);
        space.retire_kept(9);
        space.reclaim(|generation| generation > 8);
        assert_eq!(space.free_bytes(), 0);
        space.reclaim(|generation| generation > 9);
        assert_eq!(space.free_bytes(), 12 * K);
        assert_eq!(space.trimmed_end(), 68 * K);
        space.trim();
        assert_eq!((space.end(), space.free_bytes()), (68 * K, 0));
    }

    #[test]
    fn the_window_with_most_free_space_is_emptied() {
        let layout = Layout::default();
        // Free: 64 to 128, 192 to 256, 2304 to 2368.
        let live = [span(128, 64), span(256, 2048), span(2368, 256)];
        let mut space = Space::new(&layout, 2624 * K, &live, &[]);
        let (window, used) = space.in_the_way(&live, 64 * K, 256 * K).unwrap();
        assert_eq!((window, used), (span(64, 192), vec![span(128, 64)]));
        // With room for all, a fifth of what the last hole begins is free, and a thirteenth of the whole.
        assert_eq!(space.in_the_way(&live, 64 * K, 4096 * K).unwrap().1, live[2..]);
        assert_eq!(space.in_the_way(&live[..2], 128 * K, 4096 * K), None);
        assert_eq!(space.in_the_way(&[], 64 * K, 256 * K), None);
        assert_eq!(space.take_outside(64 * K, 64 * K, window), span(2304, 64));
        assert_eq!(space.take_outside(64 * K, 64 * K, window), span(2624, 64));
        assert_eq!(space.free_bytes(), 128 * K);
    }

    proptest! {
        #[test]
        fn an_emptied_window_holds_what_was_in_it(
            sizes in prop::collection::vec((1u64..200, any::<bool>()), 2..40), room in 16u64..2000,
        ) {
            let layout = Layout::default();
            let (mut at, mut live, mut taken) = (64 * K, Vec::new(), Vec::new());
            for (size, in_use) in sizes {
                let len = size * 4 * K;
                let piece = Span { offset: at.next_multiple_of(layout.alignment(len)), len };
                at = piece.end();
                match in_use {
                    true if size % 7 == 0 => taken.push(piece),
                    true => live.push(piece),
                    false => {}
                }
            }
            taken.extend(&live);
            let mut space = Space::new(&layout, at, &taken, &[]);
            if let Some((window, used)) = space.in_the_way(&live, layout.block, room * 4 * K) {
                prop_assert!(window.len <= room * 4 * K && !used.is_empty());
                for span in &used {
                    let moved = space.take_outside(span.len, layout.alignment(span.len), window);
                    prop_assert!(moved.end() <= window.offset || moved.offset >= window.end());
                }
                used.iter().for_each(|span| space.release(*span));
                let mut sizes: Vec<u64> = used.iter().map(|span| span.len).collect();
                sizes.sort_unstable();
                let largest = sizes[sizes.len() - 1];
                prop_assert!(space.take_below(largest, layout.alignment(largest), window.end()).is_some());
            }
        }

        #[test]
        fn taken_spans_never_overlap(steps in prop::collection::vec((any::<bool>(), 1u64..40), 1..60)) {
            let layout = Layout::default();
            let mut space = Space::new(&layout, 0, &[], &[]);
            let mut taken: Vec<Span> = Vec::new();
            for (take, size) in steps {
                if take || taken.is_empty() {
                    let new = space.take(size * 4 * K, layout.alignment(size * 4 * K));
                    prop_assert!(taken.iter().all(|old| old.end() <= new.offset || new.end() <= old.offset));
                    prop_assert!(new.offset >= 64 * K && new.end() <= space.end());
                    taken.push(new);
                } else {
                    space.release(taken.swap_remove(size as usize % taken.len()));
                }
                let used: u64 = taken.iter().map(|span| span.len).sum();
                prop_assert_eq!(used + space.free_bytes() + 64 * K, space.end());
            }
        }
    }
}
