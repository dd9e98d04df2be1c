//! [`TextField`]: a field whose words are searched.

use crate::error::Result;
use crate::text::Analyzer;
use serde::Deserialize;
use serde::Serialize;

/// A field whose words are searched: its name and how its texts become terms.
///
/// ```
/// use lodedb::{Schema, TextField};
///
/// let schema = Schema::new(384)
///     .text("title")
///     .text(TextField::new("code").analyzer("none")?)
///     .text(TextField::new("notes").analyzer("german")?.positions(false));
/// assert_eq!(schema.text_fields().len(), 3);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextField {
    name: String,
    analyzer: Analyzer,
    positions: bool,
}

impl TextField {
    /// The field `name`, analyzed as English text, with positions.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), analyzer: Analyzer::default(), positions: true }
    }

    /// How texts become terms: `english` (the default: words, case and accents folded, stop words left out, stemmed), the name of
    /// another language (`german`, `french`, ...: folded and stemmed), `simple` (words, folded: for names), or `none` (the whole
    /// value as it is: for codes and tags).
    ///
    /// # Errors
    /// `InvalidOption` for another name; it lists them.
    pub fn analyzer(mut self, name: &str) -> Result<Self> {
        self.analyzer = Analyzer::named(name)?;
        Ok(self)
    }

    /// Whether letters with accents are taken for those without, so that `Sao` finds `São`. Default: true.
    #[must_use]
    pub fn fold_accents(mut self, folded: bool) -> Self {
        self.analyzer = self.analyzer.accents_folded(folded);
        self
    }

    /// Words that are not searched for, in place of those of the analyzer (33 for `english`, none for others).
    #[must_use]
    pub fn stop_words<S: AsRef<str>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.analyzer = self.analyzer.stop_words(words);
        self
    }

    /// Longest term in bytes; longer words are cut, in records and in queries alike. Default: 255.
    ///
    /// # Errors
    /// `InvalidOption` for a length that can't be.
    pub fn max_term_bytes(mut self, bytes: u32) -> Result<Self> {
        self.analyzer = self.analyzer.max_term_bytes(bytes)?;
        Ok(self)
    }

    /// Whether the places of words are kept, which phrases need and which take about half of the index. Default: true.
    #[must_use]
    pub fn positions(mut self, kept: bool) -> Self {
        self.positions = kept;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the way its texts become terms, as [`analyzer`](Self::analyzer) takes it.
    #[must_use]
    pub fn analyzer_name(&self) -> &'static str {
        self.analyzer.name()
    }

    pub(crate) fn get_analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    pub(crate) fn has_positions(&self) -> bool {
        self.positions
    }

    /// The field for an error.
    pub(super) fn describe(&self) -> String {
        let positions = if self.positions { "" } else { ", no positions" };
        format!("'{}' ({}{positions})", self.name, self.analyzer.name())
    }
}

impl<N: Into<String>> From<N> for TextField {
    fn from(name: N) -> Self {
        Self::new(name)
    }
}
