//! [`FieldBuilder`]: the texts of one field, by slot, on their way into an index.
//!
//! A word is looked up as it stands in the text, folded; only words that were not seen before go through the rest of the
//! chain. The terms of all texts are kept in one list of numbers; sealing sorts it by term, some million at a time.

use super::analyzer::Analysis;
use super::analyzer::Analyzer;
use super::interner::Interner;
use super::seal::List;
use super::seal::Writer;
use crate::error::Error;
use crate::error::Result;
use crate::ids::Slot;
use std::ops::Range;

/// Stands for a stop word, which has a position but no term.
const STOP: u32 = u32::MAX;
/// Stands between the values of one record.
const NEXT_VALUE: u32 = u32::MAX - 1;
/// Positions between the values of one record, so that no phrase reaches from one into the next.
const VALUE_GAP: u32 = 100;
/// Terms that are sorted at a time: what bounds the memory of sealing.
const SORTED_AT_A_TIME: usize = 16 << 20;

/// Collects the texts of one field of one segment.
pub(crate) struct FieldBuilder<'a> {
    analysis: Analysis<'a>,
    positions: bool,
    /// Folded words, and the term of each.
    words: Interner,
    term_of: Vec<u32>,
    terms: Interner,
    counts: Vec<u32>,
    tokens: Vec<u32>,
    /// Slots with a text, and where their terms end.
    ends: Vec<(Slot, usize)>,
    lens: Vec<u32>,
}

impl<'a> FieldBuilder<'a> {
    /// A builder for texts analysed so, with positions or without.
    pub(crate) fn new(analyzer: &'a Analyzer, positions: bool) -> Self {
        Self {
            analysis: analyzer.start(),
            positions,
            words: Interner::new(),
            term_of: Vec::new(),
            terms: Interner::new(),
            counts: Vec::new(),
            tokens: Vec::new(),
            ends: Vec::new(),
            lens: Vec::new(),
        }
    }

    /// Adds a text of the record in `slot`. Slots do not descend; several texts of one record are its values.
    pub(crate) fn add(&mut self, slot: Slot, text: &str) {
        debug_assert!(self.ends.last().is_none_or(|last| last.0 <= slot));
        if self.ends.last().is_some_and(|last| last.0 == slot) {
            self.ends.pop();
            self.tokens.push(NEXT_VALUE);
        }
        self.lens.resize((slot as usize + 1).max(self.lens.len()), 0);
        let Self { analysis, positions, words, term_of, terms, counts, tokens, lens, .. } = self;
        let mut buffer = std::mem::take(&mut analysis.buffer);
        let mut len = 0;
        analysis.words_into(text, &mut buffer, &mut |word| {
            let (number, new) = words.intern(word.text.as_bytes());
            if new {
                term_of.push(match analysis.term(word.text, word.kind) {
                    Some(term) => terms.intern(term.as_bytes()).0,
                    None => STOP,
                });
                counts.resize(terms.len(), 0);
            }
            let term = term_of[number as usize];
            if term != STOP {
                counts[term as usize] += 1;
                len += 1;
            }
            if term != STOP || *positions {
                tokens.push(term);
            }
        });
        lens[slot as usize] += len;
        analysis.buffer = buffer;
        self.ends.push((slot, self.tokens.len()));
    }

    /// The index over `len` slots.
    ///
    /// # Errors
    /// `TooLarge` where a dictionary or the list of one term takes more than 4 GiB.
    pub(crate) fn seal(mut self, len: u32) -> Result<Vec<u8>> {
        if self.lens.len() > len as usize {
            let found = self.lens.len() as u64;
            return Err(Error::TooLarge { what: "slot".into(), found, limit: u64::from(len) });
        }
        self.lens.resize(len as usize, 0);
        let mut order: Vec<u32> = (0..self.terms.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.terms.get(*a).cmp(self.terms.get(*b)));
        let mut writer = Writer::new(&self.lens, self.positions);
        let mut places = vec![STOP; self.terms.len()];
        let mut list = List::default();
        let mut start = 0;
        while start < order.len() {
            let end = self.batch(&order, start);
            self.write(&order[start..end], &mut places, &mut writer, &mut list)?;
            start = end;
        }
        writer.finish()
    }

    /// The terms from `start` on that are sorted together end here.
    fn batch(&self, order: &[u32], start: usize) -> usize {
        let mut sum = 0;
        let fits = order[start..].iter().take_while(|term| {
            sum += self.counts[**term as usize] as usize;
            sum <= SORTED_AT_A_TIME
        });
        start + fits.count().max(1)
    }

    /// Sorts the occurrences of some terms and writes their lists.
    fn write(
        &self,
        batch: &[u32],
        places: &mut [u32],
        writer: &mut Writer<'_>,
        list: &mut List,
    ) -> Result<()> {
        let mut end = 0;
        for term in batch {
            places[*term as usize] = end;
            end += self.counts[*term as usize];
        }
        let mut slots = vec![0; end as usize];
        let mut positions = vec![0; if self.positions { end as usize } else { 0 }];
        self.scatter(places, &mut slots, &mut positions);
        for term in batch {
            let end = std::mem::replace(&mut places[*term as usize], STOP) as usize;
            let range = end - self.counts[*term as usize] as usize..end;
            list.clear();
            slots[range.clone()].iter().for_each(|slot| list.push(*slot));
            if self.positions {
                list.positions.extend_from_slice(&positions[range]);
            }
            writer.term(self.terms.get(*term), list)?;
        }
        Ok(())
    }

    /// Puts slot and position of each occurrence into the next place of its term.
    fn scatter(&self, places: &mut [u32], slots: &mut [Slot], positions: &mut [u32]) {
        let mut start = 0;
        for (slot, end) in &self.ends {
            self.scatter_record(*slot, start..*end, places, slots, positions);
            start = *end;
        }
    }

    fn scatter_record(
        &self,
        slot: Slot,
        tokens: Range<usize>,
        places: &mut [u32],
        slots: &mut [Slot],
        positions: &mut [u32],
    ) {
        let mut position = 0;
        for term in &self.tokens[tokens] {
            let place = match *term {
                NEXT_VALUE => {
                    position += VALUE_GAP;
                    continue;
                }
                STOP => STOP,
                term => places[term as usize],
            };
            if place != STOP {
                places[*term as usize] += 1;
                slots[place as usize] = slot;
                if let Some(out) = positions.get_mut(place as usize) {
                    *out = position;
                }
            }
            position += 1;
        }
    }
}
