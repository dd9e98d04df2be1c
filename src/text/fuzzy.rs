//! Terms at most so many edits away from a word: a letter more, a letter less, another letter, two letters changed over.
//!
//! The rows of the table of edits (Damerau and Levenshtein, without edits inside changed-over letters) are kept for every
//! letter of the term looked at last. As terms ascend, the rows of what it shares with the next are there already, and where
//! no row can lead to a match any more, all terms that begin so are passed over.

use super::dictionary::Terms;
use super::view::FieldView;
use crate::error::Result;

/// Edits that are too many.
const FAR: u8 = 100;

/// A word, and the rows for a term.
pub(super) struct Automaton {
    word: Vec<char>,
    edits: u8,
    /// A row for each letter of the term, and the one before the first.
    rows: Vec<Vec<u8>>,
    letters: Vec<char>,
    /// Bytes of the term up to and with each letter.
    ends: Vec<usize>,
}

impl Automaton {
    pub(super) fn new(word: &str, edits: u8) -> Self {
        let word: Vec<char> = word.chars().collect();
        let first = (0..=word.len()).map(|at| at.min(FAR as usize) as u8).collect();
        Self { word, edits, rows: vec![first], letters: Vec::new(), ends: Vec::new() }
    }

    /// Calls `each` with every term near enough, its edits and its records.
    pub(super) fn matches(
        &mut self,
        view: &FieldView<'_>,
        each: &mut impl FnMut(&[u8], u8, u32),
    ) -> Result<()> {
        let mut terms = Terms::from(view, b"")?;
        // What the terms that are passed over begin with.
        let mut dead: Vec<u8> = Vec::new();
        let mut found = Vec::new();
        self.letters.clear();
        self.ends.clear();
        let mut kept = 0;
        loop {
            let Some((shared, term)) = terms.next()? else { return Ok(()) };
            kept = shared.min(kept);
            if !dead.is_empty() && term.starts_with(&dead) {
                continue;
            }
            let term = String::from_utf8_lossy(term).into_owned();
            dead.clear();
            self.keep(kept);
            kept = term.len();
            match self.read(&term) {
                Ok(edits) if edits <= self.edits => {
                    found.clear();
                    found.extend_from_slice(term.as_bytes());
                    each(&found, edits, terms.entry()?.df);
                }
                Ok(_) => {}
                Err(end) => {
                    kept = end;
                    dead.extend_from_slice(&term.as_bytes()[..end]);
                    let Some(next) = successor(&dead) else { return Ok(()) };
                    terms.skip_to(&next)?;
                }
            }
        }
    }

    /// Keeps the rows of letters that end within the first `bytes` bytes.
    fn keep(&mut self, bytes: usize) {
        let letters = self.ends.partition_point(|end| *end <= bytes);
        self.letters.truncate(letters);
        self.ends.truncate(letters);
        self.rows.truncate(letters + 1);
    }

    /// The edits of a term of which the kept rows are there, or the bytes of its beginning that can't lead to a match.
    fn read(&mut self, term: &str) -> Result<u8, usize> {
        let mut end = self.ends.last().copied().unwrap_or(0);
        if let Some(rest) = term.get(end..) {
            for letter in rest.chars() {
                end += letter.len_utf8();
                self.step(letter);
                self.ends.push(end);
                let least = self.rows.last().and_then(|row| row.iter().min()).copied();
                if least.is_none_or(|least| least > self.edits) && self.before_is_far() {
                    return Err(end);
                }
            }
        }
        Ok(self.rows.last().and_then(|row| row.last()).copied().unwrap_or(FAR))
    }

    /// Whether two letters changed over can't lead back from the row before the last either.
    fn before_is_far(&self) -> bool {
        let before = self.rows.len().checked_sub(2).and_then(|at| self.rows.get(at));
        before.and_then(|row| row.iter().min()).is_none_or(|least| *least + 1 > self.edits)
    }

    fn step(&mut self, letter: char) {
        let depth = self.letters.len();
        let before = &self.rows[depth];
        let mut row = Vec::with_capacity(self.word.len() + 1);
        row.push((depth + 1).min(FAR as usize) as u8);
        for (at, wanted) in self.word.iter().enumerate() {
            let mut edits =
                (before[at] + u8::from(*wanted != letter)).min(before[at + 1] + 1).min(row[at] + 1);
            if depth > 0 && at > 0 && self.word[at - 1] == letter && self.letters[depth - 1] == *wanted {
                edits = edits.min(self.rows[depth - 1][at - 1] + 1);
            }
            row.push(edits.min(FAR));
        }
        self.rows.push(row);
        self.letters.push(letter);
    }
}

/// The smallest bytes that are larger than all that begin with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut next = prefix[..=keep].to_vec();
    next[keep] += 1;
    Some(next)
}
