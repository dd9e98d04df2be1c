//! One word that stands for several terms: by its beginning, or misspelt.
//!
//! Fields that are stemmed hold stems. So what was typed is compared with the terms as it is, and its own stem counts as
//! well: `mining*` finds `mine`. A misspelt word also stands for the stems of all words one edit away from it, made with
//! the letters of English, as far as they are terms: `mininng~1` finds `mine`, which is four edits away from it.
//!
//! Of the terms found, the 128 most frequent count for a prefix, and the 64 nearest (then most frequent) for a misspelt word.

use super::analyzer::Analysis;
use super::analyzer::Analyzer;
use super::dictionary::Terms;
use super::fuzzy::Automaton;
use super::view::FieldView;
use super::words::Kind;
use crate::error::Result;
use std::collections::BTreeMap;

/// Terms that a prefix stands for at most.
const MAX_OF_PREFIX: usize = 128;
/// Terms that a misspelt word stands for at most.
const MAX_OF_FUZZY: usize = 64;
/// Terms of a segment that are looked at for a prefix at most.
const MAX_LOOKED_AT: usize = 1 << 16;
/// Letters of a misspelt word at most; longer ones are compared as they are.
const MAX_LETTERS: usize = 64;

/// What a word stands for.
pub(super) enum Expansion {
    Prefix { prefix: Vec<u8>, stem: Option<Vec<u8>> },
    Fuzzy { word: String, edits: u8, near: Vec<Vec<u8>> },
}

impl Expansion {
    pub(super) fn prefix(analyzer: &Analyzer, typed: &str) -> Self {
        let mut analysis = analyzer.start();
        let prefix = analysis.folded(typed).to_owned();
        let stem = if analyzer.stems() { stem_of(&analysis, &prefix) } else { None };
        Self::Prefix { prefix: prefix.into_bytes(), stem: stem.map(String::into_bytes) }
    }

    pub(super) fn beginning(prefix: Vec<u8>) -> Self {
        Self::Prefix { prefix, stem: None }
    }

    pub(super) fn fuzzy(analyzer: &Analyzer, typed: &str, edits: u8) -> Self {
        let mut analysis = analyzer.start();
        let word = analysis.folded(typed).to_owned();
        let edits = if word.chars().count() > MAX_LETTERS { 0 } else { edits };
        let near = if analyzer.stems() && edits > 0 { near_stems(&analysis, &word) } else { Vec::new() };
        Self::Fuzzy { word, edits, near }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Prefix { prefix, .. } => prefix.is_empty(),
            Self::Fuzzy { word, .. } => word.is_empty(),
        }
    }

    /// The terms, and how much of a word's weight each has.
    pub(super) fn terms(&self, views: &[Option<&FieldView<'_>>]) -> Result<Vec<(Vec<u8>, f64)>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        // Edits, and records in all segments.
        let mut found: BTreeMap<Vec<u8>, (u8, u64)> = BTreeMap::new();
        let mut note = |term: &[u8], edits: u8, df: u32| {
            let held = found.entry(term.to_vec()).or_insert((edits, 0));
            *held = (held.0.min(edits), held.1 + u64::from(df));
        };
        for view in views.iter().flatten() {
            match self {
                Self::Prefix { prefix, stem } => of_prefix(view, prefix, stem.as_deref(), &mut note)?,
                Self::Fuzzy { word, edits, near } => of_fuzzy(view, word, *edits, near, &mut note)?,
            }
        }
        let most = if matches!(self, Self::Prefix { .. }) { MAX_OF_PREFIX } else { MAX_OF_FUZZY };
        let mut terms: Vec<(Vec<u8>, (u8, u64))> = found.into_iter().collect();
        terms.sort_by_key(|(_, (edits, df))| (*edits, u64::MAX - df));
        terms.truncate(most);
        Ok(terms.into_iter().map(|(term, (edits, _))| (term, 1.0 / (1.0 + f64::from(edits)))).collect())
    }
}

fn of_prefix(
    view: &FieldView<'_>,
    prefix: &[u8],
    stem: Option<&[u8]>,
    note: &mut impl FnMut(&[u8], u8, u32),
) -> Result<()> {
    if let Some(stem) = stem.filter(|stem| !stem.starts_with(prefix))
        && let Some(entry) = view.entry(stem)?
    {
        note(stem, 0, entry.df);
    }
    let mut terms = Terms::from(view, prefix)?;
    let mut seen = 0;
    while let Some((_, term)) = terms.next()? {
        if !term.starts_with(prefix) {
            if term > prefix {
                break;
            }
            continue;
        }
        let term = term.to_vec();
        note(&term, 0, terms.entry()?.df);
        seen += 1;
        if seen == MAX_LOOKED_AT {
            break;
        }
    }
    Ok(())
}

fn of_fuzzy(
    view: &FieldView<'_>,
    word: &str,
    edits: u8,
    near: &[Vec<u8>],
    note: &mut impl FnMut(&[u8], u8, u32),
) -> Result<()> {
    let mut automaton = Automaton::new(word, edits);
    let mut told: Vec<Vec<u8>> = Vec::new();
    automaton.matches(view, &mut |term, edits, df| {
        told.push(term.to_vec());
        note(term, edits, df);
    })?;
    for stem in near.iter().filter(|stem| !told.contains(stem)) {
        if let Some(entry) = view.entry(stem)? {
            note(stem, 1, entry.df);
        }
    }
    Ok(())
}

/// The term of a folded word.
fn stem_of(analysis: &Analysis<'_>, word: &str) -> Option<String> {
    let plain = word.chars().all(|c| c.is_alphabetic() || c == '\'');
    let kind = if plain { Kind::Plain } else { Kind::Identifier };
    analysis.term(word, kind).map(std::borrow::Cow::into_owned)
}

/// The stems of the words one edit away, and of the word itself.
pub(super) fn near_stems(analysis: &Analysis<'_>, word: &str) -> Vec<Vec<u8>> {
    let letters: Vec<char> = word.chars().collect();
    let mut stems: Vec<Vec<u8>> = Vec::new();
    let mut add = |edited: &[char]| {
        let edited: String = edited.iter().collect();
        stems.extend(stem_of(analysis, &edited).map(String::into_bytes));
    };
    add(&letters);
    for at in 0..=letters.len() {
        let (before, after) = letters.split_at(at);
        if let [first, rest @ ..] = after {
            add(&[before, rest].concat());
            ('a'..='z').for_each(|letter| add(&[before, &[letter], rest].concat()));
            if let [second, rest @ ..] = rest {
                add(&[before, &[*second, *first], rest].concat());
            }
        }
        ('a'..='z').for_each(|letter| add(&[before, &[letter], after].concat()));
    }
    stems.sort_unstable();
    stems.dedup();
    stems.retain(|stem| !stem.is_empty());
    stems
}
