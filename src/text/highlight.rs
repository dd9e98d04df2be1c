//! The best fragments of a text, with the words that a query looked for.
//!
//! A text is analysed again, and its terms are compared with those that the query was found to stand for: so stemmed,
//! misspelt and half-typed words are marked as they stand in the text. Of a phrase, only words that stand together are.

use super::analyzer::Analyzer;
use super::phrase::Nearness;
use super::prepare::Prepared;
use super::prepare::PreparedLeaf;
use super::query::Occur;
use crate::error::Error;
use crate::error::Result;
use std::collections::HashMap;
use std::ops::Range;

/// How fragments are cut and marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highlight {
    fragments: usize,
    fragment_bytes: usize,
    before: String,
    after: String,
}

impl Default for Highlight {
    fn default() -> Self {
        Self { fragments: 3, fragment_bytes: 160, before: "<b>".into(), after: "</b>".into() }
    }
}

/// A part of a text with words that were looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    /// The part with marks.
    pub marked: String,
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// The bytes of each word that was looked for, in the text.
    pub words: Vec<Range<usize>>,
    /// Which text it is of, where the field is an array; 0 where it is one text.
    pub element: usize,
    /// The weights of the different words together.
    pub score: f64,
}

impl Highlight {
    /// Fragments at most, 3 by default.
    ///
    /// # Errors
    /// `InvalidOption` for none.
    pub fn fragments(mut self, fragments: usize) -> Result<Self> {
        if fragments == 0 {
            return Err(Error::InvalidOption {
                name: "fragments",
                problem: "0 where at least 1 makes sense".into(),
            });
        }
        self.fragments = fragments;
        Ok(self)
    }

    /// Bytes of a fragment, about, 160 by default. Words and characters are not cut.
    ///
    /// # Errors
    /// `InvalidOption` for none.
    pub fn fragment_bytes(mut self, bytes: usize) -> Result<Self> {
        if bytes == 0 {
            let problem = "0 where at least 1 makes sense".into();
            return Err(Error::InvalidOption { name: "fragment_bytes", problem });
        }
        self.fragment_bytes = bytes;
        Ok(self)
    }

    /// What stands before and behind a word, `<b>` and `</b>` by default. The text itself is not escaped.
    #[must_use]
    pub fn marks(mut self, before: impl Into<String>, after: impl Into<String>) -> Self {
        (self.before, self.after) = (before.into(), after.into());
        self
    }
}

/// What is looked for in one field: made once for all hits of a search.
pub(crate) struct Highlighter<'q> {
    options: &'q Highlight,
    analyzer: &'q Analyzer,
    /// Terms that count wherever they stand, with their weights.
    terms: HashMap<&'q [u8], f64>,
    phrases: Vec<&'q PreparedLeaf<'q>>,
}

/// A word that was looked for.
struct Found {
    range: Range<usize>,
    weight: f64,
    /// The same for equal terms.
    term: usize,
}

/// One term of the text.
struct Place {
    term: usize,
    position: u32,
    range: Range<usize>,
}

impl<'q> Highlighter<'q> {
    /// What `query` looks for in the field of this number, whose texts are analysed so.
    pub(crate) fn new(
        options: &'q Highlight,
        query: &'q Prepared<'_>,
        field: usize,
        analyzer: &'q Analyzer,
    ) -> Self {
        let mut made = Self { options, analyzer, terms: HashMap::new(), phrases: Vec::new() };
        let clauses = query.clauses.iter().filter(|clause| clause.occur != Occur::MustNot);
        for leaf in clauses.flat_map(|clause| &clause.leaves).filter(|leaf| leaf.field == field) {
            match (leaf.terms.len(), leaf.nearness) {
                (1, _) | (_, Nearness::Anywhere) => {
                    for term in &leaf.terms {
                        *made.terms.entry(&term.term).or_default() += leaf.weight / leaf.terms.len() as f64;
                    }
                }
                _ => made.phrases.push(leaf),
            }
        }
        made
    }

    /// The best fragments of the texts of an array, or of one text, the best first.
    pub(crate) fn fragments_of<'t>(&self, texts: impl Iterator<Item = (usize, &'t str)>) -> Vec<Fragment> {
        let mut fragments: Vec<Fragment> = Vec::new();
        for (element, text) in texts {
            fragments.extend(self.fragments(text).into_iter().map(|found| Fragment { element, ..found }));
        }
        fragments.sort_by(|one, other| other.score.total_cmp(&one.score));
        fragments.truncate(self.options.fragments);
        fragments
    }

    /// The best fragments of a text, the best first; none where nothing was found.
    pub(crate) fn fragments(&self, text: &str) -> Vec<Fragment> {
        let found = self.found(text);
        let mut fragments: Vec<Fragment> = Vec::new();
        let mut start = 0;
        while start < found.len() {
            let (words, score) = self.window(&found[start..]);
            fragments.push(self.cut(text, &found[start..start + words], score));
            start += words;
        }
        fragments.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.range.start.cmp(&b.range.start)));
        fragments.truncate(self.options.fragments);
        fragments
    }

    /// The words of the text that were looked for, in order.
    fn found(&self, text: &str) -> Vec<Found> {
        let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut places = Vec::new();
        self.analyzer.start().tokens(text, &mut |token| {
            let next = numbers.len();
            let term = *numbers.entry(token.term.as_bytes().to_vec()).or_insert(next);
            places.push(Place { term, position: token.position, range: token.start..token.end });
        });
        let mut weights = vec![0.0; places.len()];
        let mut of_term = vec![0.0; numbers.len()];
        for (term, weight) in &self.terms {
            if let Some(number) = numbers.get(*term) {
                of_term[*number] = *weight;
            }
        }
        places.iter().zip(&mut weights).for_each(|(place, weight)| *weight = of_term[place.term]);
        for phrase in &self.phrases {
            mark_phrase(phrase, &numbers, &places, &mut weights);
        }
        let words = places.into_iter().zip(weights).filter(|(_, weight)| *weight > 0.0);
        merge(words.map(|(place, weight)| Found { range: place.range, weight, term: place.term }))
    }

    /// How many words from the first on make a fragment, and its score: different words count whole, the same again a
    /// tenth.
    fn window(&self, found: &[Found]) -> (usize, f64) {
        let start = found.first().map_or(0, |word| word.range.start);
        let mut seen: Vec<usize> = Vec::new();
        let (mut words, mut score) = (0, 0.0);
        for word in found {
            if words > 0 && word.range.end - start > self.options.fragment_bytes {
                break;
            }
            let again = seen.contains(&word.term);
            score += if again { word.weight / 10.0 } else { word.weight };
            if !again {
                seen.push(word.term);
            }
            words += 1;
        }
        (words, score)
    }

    /// A fragment around these words.
    fn cut(&self, text: &str, words: &[Found], score: f64) -> Fragment {
        let first = words.first().map_or(0, |word| word.range.start);
        let last = words.last().map_or(first, |word| word.range.end);
        let room = self.options.fragment_bytes.saturating_sub(last - first);
        let start = word_start(text, first, room / 2);
        let end = word_end(text, last, room - (first - start).min(room));
        let mut marked = String::with_capacity(end - start + words.len() * 8);
        let mut at = start;
        for word in words {
            marked.push_str(&text[at..word.range.start]);
            marked.push_str(&self.options.before);
            marked.push_str(&text[word.range.clone()]);
            marked.push_str(&self.options.after);
            at = word.range.end;
        }
        marked.push_str(&text[at..end]);
        Fragment {
            marked,
            range: start..end,
            words: words.iter().map(|word| word.range.clone()).collect(),
            element: 0,
            score,
        }
    }
}

/// Words that overlap, such as pairs of characters, are one.
fn merge(words: impl Iterator<Item = Found>) -> Vec<Found> {
    let mut merged: Vec<Found> = Vec::new();
    for word in words {
        match merged.last_mut() {
            Some(last) if word.range.start < last.range.end => {
                last.range.end = last.range.end.max(word.range.end);
                last.weight += word.weight;
            }
            _ => merged.push(word),
        }
    }
    merged
}

/// Gives the words of a text that stand together as the phrase asks the phrase's weight.
fn mark_phrase(
    phrase: &PreparedLeaf<'_>,
    numbers: &HashMap<Vec<u8>, usize>,
    places: &[Place],
    weights: &mut [f64],
) {
    let Nearness::Slop(slop) = phrase.nearness else { return };
    let last = phrase.terms.iter().map(|term| term.place).max().unwrap_or(0);
    // For each word of the phrase, where it stands, moved so that words in order stand at the same place.
    let mut lists: Vec<Vec<(u32, usize)>> = Vec::new();
    for term in &phrase.terms {
        let Some(number) = numbers.get(&term.term) else { return };
        let shift = last - term.place;
        let stands = places.iter().enumerate().filter(|(_, place)| place.term == *number);
        lists.push(stands.map(|(at, place)| (place.position.saturating_add(shift), at)).collect());
    }
    let mut next = vec![0; lists.len()];
    loop {
        let heads: Option<Vec<(u32, usize)>> =
            lists.iter().zip(&next).map(|(list, at)| list.get(*at).copied()).collect();
        let Some(heads) = heads else { return };
        let low = heads.iter().map(|head| head.0).min().unwrap_or(0);
        let high = heads.iter().map(|head| head.0).max().unwrap_or(0);
        if high - low <= slop {
            let share = phrase.weight / heads.len() as f64;
            heads.iter().for_each(|head| weights[head.1] = f64::max(weights[head.1], share));
        }
        heads.iter().zip(&mut next).for_each(|(head, at)| *at += usize::from(head.0 == low));
    }
}

/// Where a fragment begins that has at most `room` bytes before `at`: behind a space, or at the text's start.
fn word_start(text: &str, at: usize, room: usize) -> usize {
    if room >= at {
        return 0;
    }
    let mut from = at - room;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let space = text[from..at].find(char::is_whitespace);
    space.map_or(at, |space| from + space + text[from + space..].chars().next().map_or(0, char::len_utf8))
}

/// Where a fragment ends that has at most `room` bytes from `at` on: before a space, or at the text's end.
fn word_end(text: &str, at: usize, room: usize) -> usize {
    if text.len() - at <= room {
        return text.len();
    }
    let mut to = at + room;
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    text[at..to].rfind(char::is_whitespace).map_or(at, |space| at + space)
}
