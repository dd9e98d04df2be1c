//! [`Analyzer`]: from a text to terms, the same way for records and for queries.

use super::stems::stem_of;
use super::stop_words::ENGLISH;
use super::words::Folding;
use super::words::Kind;
use super::words::Word;
use super::words::fold;
use super::words::words;
use crate::error::Error;
use crate::error::Result;
use rust_stemmers::Algorithm;
use rust_stemmers::Stemmer;
use serde::Deserialize;
use serde::Serialize;
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a term at most: longer words are cut, in records and in queries alike.
const MAX_TERM_BYTES: u32 = 255;

/// How a text becomes terms.
///
/// - `english`: words, case and accents folded, possessive `'s` taken off, 33 stop words left out, Snowball's English
///   stemmer (Porter 2).
/// - another language: words, case folded, Snowball's stemmer of that language, then accents folded; no stop words unless
///   they are given.
/// - `simple`: words, case and accents folded: for names.
/// - `none`: the whole value is one term, as it is: for codes and tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Analyzer {
    chain: Chain,
    accents: bool,
    max_term_bytes: u32,
    /// Ascending.
    stop_words: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Chain {
    None,
    Simple,
    Stemmed(Language),
}

/// A language that words are stemmed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names of languages")]
pub(crate) enum Language {
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

const LANGUAGES: [(&str, Language, Algorithm); 18] = [
    ("arabic", Language::Arabic, Algorithm::Arabic),
    ("danish", Language::Danish, Algorithm::Danish),
    ("dutch", Language::Dutch, Algorithm::Dutch),
    ("english", Language::English, Algorithm::English),
    ("finnish", Language::Finnish, Algorithm::Finnish),
    ("french", Language::French, Algorithm::French),
    ("german", Language::German, Algorithm::German),
    ("greek", Language::Greek, Algorithm::Greek),
    ("hungarian", Language::Hungarian, Algorithm::Hungarian),
    ("italian", Language::Italian, Algorithm::Italian),
    ("norwegian", Language::Norwegian, Algorithm::Norwegian),
    ("portuguese", Language::Portuguese, Algorithm::Portuguese),
    ("romanian", Language::Romanian, Algorithm::Romanian),
    ("russian", Language::Russian, Algorithm::Russian),
    ("spanish", Language::Spanish, Algorithm::Spanish),
    ("swedish", Language::Swedish, Algorithm::Swedish),
    ("tamil", Language::Tamil, Algorithm::Tamil),
    ("turkish", Language::Turkish, Algorithm::Turkish),
];

/// One term of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The term.
    pub(crate) term: &'a str,
    /// Its position, counted in words, stop words among them.
    pub(crate) position: u32,
    /// First byte of the word in the text.
    pub(crate) start: usize,
    /// The byte behind its last.
    pub(crate) end: usize,
    /// What kind of word it is.
    pub(crate) kind: Kind,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self::language(Language::English)
    }
}

impl Analyzer {
    /// Words stemmed in `language`; for English also without its stop words.
    pub(crate) fn language(language: Language) -> Self {
        Self::of(Chain::Stemmed(language))
    }

    /// Folded words.
    pub(crate) fn simple() -> Self {
        Self::of(Chain::Simple)
    }

    /// The whole value as one term.
    pub(crate) fn none() -> Self {
        Self { accents: false, ..Self::of(Chain::None) }
    }

    /// `none`, `simple` or the name of a language.
    ///
    /// # Errors
    /// `InvalidOption`, with the names there are.
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "none" => return Ok(Self::none()),
            "simple" => return Ok(Self::simple()),
            _ => {}
        }
        let found = LANGUAGES.iter().find(|(known, ..)| *known == name);
        found.map(|(_, language, _)| Self::language(*language)).ok_or_else(|| {
            let names: Vec<&str> = LANGUAGES.iter().map(|(known, ..)| *known).collect();
            let problem = format!("there is no '{name}', but none, simple, {}", names.join(", "));
            Error::InvalidOption { name: "analyzer", problem }
        })
    }

    fn of(chain: Chain) -> Self {
        Self { chain, accents: true, max_term_bytes: MAX_TERM_BYTES, stop_words: None }
    }

    /// The name by which [`Analyzer::named`] makes it.
    pub(crate) fn name(&self) -> &'static str {
        match self.chain {
            Chain::None => "none",
            Chain::Simple => "simple",
            Chain::Stemmed(language) => {
                LANGUAGES.iter().find(|known| known.1 == language).map_or("english", |known| known.0)
            }
        }
    }

    /// Whether accents are folded; so by default, but for `none`.
    #[must_use]
    pub(crate) fn accents_folded(mut self, folded: bool) -> Self {
        self.accents = folded;
        self
    }

    /// Bytes of a term at most, 1 to 255; longer words are cut.
    ///
    /// # Errors
    /// `InvalidOption` for another number.
    pub(crate) fn max_term_bytes(mut self, bytes: u32) -> Result<Self> {
        if !(4..=MAX_TERM_BYTES).contains(&bytes) {
            let problem = format!("{bytes} where 4 to {MAX_TERM_BYTES} is possible");
            return Err(Error::InvalidOption { name: "max_term_bytes", problem });
        }
        self.max_term_bytes = bytes;
        Ok(self)
    }

    /// These stop words instead of the language's own. They are folded as the text is.
    #[must_use]
    pub(crate) fn stop_words<S: AsRef<str>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        let mut buffer = String::new();
        let mut list: Vec<String> = Vec::new();
        for word in words {
            fold(word.as_ref(), self.folding(), &mut buffer);
            list.push(buffer.clone());
        }
        list.sort_unstable();
        list.dedup();
        self.stop_words = Some(list);
        self
    }

    /// How words are folded before anything else is done to them. A stemmer wants the accents of its language, but for
    /// English, which has none.
    fn folding(&self) -> Folding {
        let first = !matches!(self.chain, Chain::Stemmed(language) if language != Language::English);
        Folding { accents: self.accents && first, max_bytes: self.max_term_bytes as usize }
    }

    /// True where words are stemmed.
    pub(crate) fn stems(&self) -> bool {
        matches!(self.chain, Chain::Stemmed(_))
    }

    /// The chain, ready to run.
    pub(crate) fn start(&self) -> Analysis<'_> {
        let algorithm = |language| LANGUAGES.iter().find(|known| known.1 == language).map(|known| known.2);
        let stemmer = match self.chain {
            Chain::Stemmed(language) => algorithm(language).map(Stemmer::create),
            _ => None,
        };
        let accents_last = self.accents && !self.folding().accents;
        let (buffer, folded) = Default::default();
        Analysis { analyzer: self, stemmer, accents_last, keeps: false, buffer, folded }
    }

    /// The chain for the words of a query, of which many will be asked for again.
    pub(crate) fn start_query(&self) -> Analysis<'_> {
        Analysis { keeps: true, ..self.start() }
    }

    fn is_stop_word(&self, word: &str) -> bool {
        match (&self.stop_words, self.chain) {
            (Some(list), _) => list.binary_search_by(|known| known.as_str().cmp(word)).is_ok(),
            (None, Chain::Stemmed(Language::English)) => ENGLISH.binary_search(&word).is_ok(),
            _ => false,
        }
    }
}

/// A running chain with its working memory.
pub(crate) struct Analysis<'a> {
    analyzer: &'a Analyzer,
    stemmer: Option<Stemmer>,
    accents_last: bool,
    /// Whether stems are kept for the next time.
    keeps: bool,
    pub(super) buffer: String,
    folded: String,
}

impl Analysis<'_> {
    /// Calls `each` with the words of `text`, folded, a word at a time in `buffer`; [`Analysis::term`] makes terms of them.
    pub(super) fn words_into(&self, text: &str, buffer: &mut String, each: &mut impl FnMut(Word<'_>)) {
        let folding = self.analyzer.folding();
        if self.analyzer.chain != Chain::None {
            return words(text, folding, buffer, each);
        }
        let mut end = text.len().min(folding.max_bytes);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if end > 0 {
            each(Word { text: &text[..end], range: 0..text.len(), kind: Kind::Identifier });
        }
    }

    /// The term of a word, or nothing where it is a stop word.
    pub(crate) fn term<'w>(&self, word: &'w str, kind: Kind) -> Option<Cow<'w, str>> {
        if kind != Kind::Plain {
            return Some(Cow::Borrowed(word));
        }
        let english = self.analyzer.chain == Chain::Stemmed(Language::English);
        let word = if english { word.strip_suffix("'s").unwrap_or(word) } else { word };
        if self.analyzer.is_stop_word(word) {
            return None;
        }
        let Some(stemmer) = &self.stemmer else { return Some(Cow::Borrowed(word)) };
        let stem: Cow<'w, str> = match self.analyzer.chain {
            Chain::Stemmed(language) if self.keeps => {
                Cow::Owned(stem_of(language, word, || stemmer.stem(word).into_owned()))
            }
            _ => stemmer.stem(word),
        };
        if !self.accents_last || stem.is_ascii() {
            return Some(stem);
        }
        let mut out = String::new();
        fold(&stem, Folding { accents: true, max_bytes: self.analyzer.max_term_bytes as usize }, &mut out);
        Some(Cow::Owned(out))
    }

    /// Calls `each` with the terms of `text`.
    pub(crate) fn tokens(&mut self, text: &str, each: &mut impl FnMut(Token<'_>)) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut position = 0;
        self.words_into(text, &mut buffer, &mut |word: Word<'_>| {
            let Range { start, end } = word.range;
            if let Some(term) = self.term(word.text, word.kind) {
                each(Token { term: &term, position, start, end, kind: word.kind });
            }
            position += 1;
        });
        self.buffer = buffer;
    }

    /// The whole of a word as it was typed, folded as terms are but not stemmed: what prefixes and misspelt words are
    /// compared by.
    pub(crate) fn folded(&mut self, word: &str) -> &str {
        if self.analyzer.chain == Chain::None {
            self.folded.clear();
            self.folded.push_str(word);
            return &self.folded;
        }
        let folding = Folding { accents: self.analyzer.accents, ..self.analyzer.folding() };
        fold(word.trim(), folding, &mut self.folded);
        &self.folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(analyzer: &Analyzer, text: &str) -> Vec<(String, u32)> {
        let mut out = Vec::new();
        analyzer.start().tokens(text, &mut |token| out.push((token.term.to_owned(), token.position)));
        out
    }

    #[test]
    fn english_is_that_of_lucene() {
        let found =
            terms(&Analyzer::default(), "The miner's shovels, mining and the MINES of E1234 foo_bars");
        let wanted = [("miner", 1), ("shovel", 2), ("mine", 3), ("mine", 6), ("e1234", 8), ("foo_bars", 9)];
        assert_eq!(found, wanted.map(|(term, position)| (term.to_owned(), position)));
    }

    #[test]
    fn names_and_codes_are_not_stemmed() {
        let found = terms(&Analyzer::simple(), "The Müllers");
        assert_eq!(found, [("the".to_owned(), 0), ("mullers".to_owned(), 1)]);
        assert_eq!(terms(&Analyzer::none(), "AB-12 c"), [("AB-12 c".to_owned(), 0)]);
        assert!(terms(&Analyzer::none(), "").is_empty());
    }

    #[test]
    fn other_languages_stem_before_they_fold() {
        let german = Analyzer::named("german").unwrap().stop_words(["Der", "die"]);
        let found = terms(&german, "Der Häuser die Mäuse");
        assert_eq!(found, [("haus".to_owned(), 1), ("maus".to_owned(), 3)]);
        assert!(Analyzer::named("klingon").unwrap_err().to_string().contains("simple, arabic"));
        for (name, ..) in LANGUAGES {
            assert_eq!(Analyzer::named(name).unwrap().name(), name);
        }
    }

    #[test]
    fn stop_words_ascend() {
        assert!(ENGLISH.is_sorted());
    }

    proptest! {
        /// The stemmers take whatever a word may be.
        #[test]
        fn no_text_stops_a_stemmer(text in "[\\PC']{0,40}", letters in "[a-zäöüßéèàçñşığа-яα-ω\u{621}-\u{64a}']{0,20}") {
            for (_, language, _) in LANGUAGES {
                let analyzer = Analyzer::language(language);
                for text in [&text, &letters] {
                    analyzer.start().tokens(text, &mut |token| {
                        assert!(token.start < token.end && token.end <= text.len());
                    });
                }
            }
        }
    }
}
