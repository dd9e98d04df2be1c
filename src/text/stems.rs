//! The stems of words that were looked for lately on this thread: a stemmer takes longer than looking the stem up in an index.

use super::analyzer::Language;
use crate::codec::checksum64;
use std::cell::RefCell;

/// Stems that are kept on a thread.
const KEPT: usize = 4096;
/// Bytes of words whose stems are kept.
const WORD_BYTES: usize = 32;

thread_local! {
    static STEMS: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A word and its stem.
#[derive(Clone, Default)]
struct Kept {
    language: Option<Language>,
    /// The word, and behind it the stem.
    both: String,
    word_bytes: usize,
}

/// The stem of `word` by `stem`, which gives the same for the same word and language.
pub(super) fn stem_of(language: Language, word: &str, stem: impl FnOnce() -> String) -> String {
    if word.len() > WORD_BYTES {
        return stem();
    }
    STEMS.with_borrow_mut(|stems| {
        if stems.is_empty() {
            stems.resize(KEPT, Kept::default());
        }
        let kept = &mut stems[checksum64(0, word.as_bytes()) as usize % KEPT];
        if kept.language == Some(language) && kept.both.get(..kept.word_bytes) == Some(word) {
            return kept.both[kept.word_bytes..].to_owned();
        }
        let found = stem();
        kept.both.clear();
        kept.both.push_str(word);
        kept.both.push_str(&found);
        (kept.language, kept.word_bytes) = (Some(language), word.len());
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_stem_is_that_of_its_word_and_language() {
        let stem = |language, word: &str, stem: &str| stem_of(language, word, || stem.to_owned());
        assert_eq!(stem(Language::English, "mines", "mine"), "mine");
        assert_eq!(stem(Language::English, "mines", "not asked"), "mine");
        assert_eq!(stem(Language::German, "mines", "min"), "min");
        let long = "w".repeat(WORD_BYTES + 1);
        assert_eq!(stem(Language::English, &long, "first"), "first");
        assert_eq!(stem(Language::English, &long, "second"), "second");
        for number in 0..KEPT as u32 * 2 {
            let word = number.to_string();
            assert_eq!(stem(Language::English, &word, &word), word);
        }
    }
}
