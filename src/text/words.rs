//! Texts cut into words: the rules of UAX 29, with additions for identifiers and for scripts without spaces.
//!
//! A text is cut at ASCII white space first, which the rules never join over. Pieces of ASCII alone take a short way that
//! gives the words of the rules (held by a test); other pieces go through `unicode-segmentation`.

use std::ops::Range;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_canonical;
use unicode_segmentation::UnicodeSegmentation;

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// The word, folded.
    pub(crate) text: &'a str,
    /// Its bytes in the text.
    pub(crate) range: Range<usize>,
    /// What the word is besides a word.
    pub(crate) kind: Kind,
}

/// What a word is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters and apostrophes alone: what a stemmer knows.
    Plain,
    /// A word with digits or signs: an identifier, left as it is.
    Identifier,
    /// Two neighboring characters of a script without spaces.
    Pair,
    /// The last character of a run of such a script.
    Last,
    /// The only character of such a run.
    Single,
}

/// How words are folded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folding {
    /// Whether accents are taken off.
    pub(crate) accents: bool,
    /// Bytes at which a word is cut, at the next lower boundary of a character.
    pub(crate) max_bytes: usize,
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const JOINER: u8 = 4;
/// Joins letters.
const MID_LETTER: u8 = 8;
/// Joins digits.
const MID_NUMBER: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => JOINER,
            b'.' | b'\'' => MID_LETTER | MID_NUMBER,
            b':' => MID_LETTER,
            b',' | b';' => MID_NUMBER,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Calls `each` with the words of `text` in order. `buffer` holds a word at a time.
pub(crate) fn words(text: &str, folding: Folding, buffer: &mut String, each: &mut impl FnMut(Word<'_>)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        if bytes[start].is_ascii_whitespace() {
            start += 1;
            continue;
        }
        let mut end = start;
        let mut any = 0;
        while end < bytes.len() && !bytes[end].is_ascii_whitespace() {
            any |= bytes[end];
            end += 1;
        }
        match any < 128 {
            true => ascii_words(text, start..end, folding, buffer, each),
            false => unicode_words(text, start..end, folding, buffer, each),
        }
        start = end;
    }
}

fn ascii_words(
    text: &str,
    piece: Range<usize>,
    folding: Folding,
    buffer: &mut String,
    each: &mut impl FnMut(Word<'_>),
) {
    let bytes = &text.as_bytes()[..piece.end];
    let mut at = piece.start;
    while at < bytes.len() {
        let mut seen = CLASSES[bytes[at] as usize];
        if seen & (LETTER | DIGIT | JOINER) == 0 {
            at += 1;
            continue;
        }
        let start = at;
        at += 1;
        while let Some(class) = joined(bytes, at) {
            seen |= class;
            at += 1;
        }
        if seen & (LETTER | DIGIT) == 0 {
            continue;
        }
        let signs = if seen == LETTER { signs_after(bytes, start..at) } else { 0 };
        at += signs;
        buffer.clear();
        let word = &text[start..at.min(start + folding.max_bytes)];
        buffer.push_str(word);
        buffer.make_ascii_lowercase();
        let plain = signs == 0 && seen & (DIGIT | JOINER) == 0 && !has_point(bytes, start..at, seen);
        let kind = if plain { Kind::Plain } else { Kind::Identifier };
        each(Word { text: buffer, range: start..at, kind });
    }
}

/// True where a word that was joined by signs has another sign than an apostrophe.
fn has_point(bytes: &[u8], word: Range<usize>, seen: u8) -> bool {
    seen & (MID_LETTER | MID_NUMBER) != 0 && bytes[word].iter().any(|byte| b".:,;".contains(byte))
}

/// The class of the byte at `at` where it belongs to the word before it.
#[inline]
fn joined(bytes: &[u8], at: usize) -> Option<u8> {
    let class = CLASSES[*bytes.get(at)? as usize];
    if class & (LETTER | DIGIT | JOINER) != 0 {
        return Some(class);
    }
    if class == 0 {
        return None;
    }
    let before = CLASSES[bytes[at - 1] as usize];
    let after = CLASSES[*bytes.get(at + 1)? as usize];
    let letters = class & MID_LETTER != 0 && before & after & LETTER != 0;
    let digits = class & MID_NUMBER != 0 && before & after & DIGIT != 0;
    (letters || digits).then_some(class)
}

/// Number of signs that belong to a name of one or two letters: `C++`, `g++`, `C#`.
fn signs_after(bytes: &[u8], word: Range<usize>) -> usize {
    if word.len() > 2 {
        return 0;
    }
    let rest = &bytes[word.end..];
    let signs = match rest {
        [b'+', b'+', ..] => 2,
        [b'#', ..] => 1,
        _ => return 0,
    };
    let ends = rest.get(signs).is_none_or(|next| !next.is_ascii_alphanumeric() && !b"_+#".contains(next));
    if ends { signs } else { 0 }
}

/// Words of a piece that has other characters than ASCII.
fn unicode_words(
    text: &str,
    piece: Range<usize>,
    folding: Folding,
    buffer: &mut String,
    each: &mut impl FnMut(Word<'_>),
) {
    let mut start = piece.start;
    while start < piece.end {
        let rest = &text[start..piece.end];
        let dense = rest.chars().next().is_some_and(is_dense);
        let len = rest.find(|c| is_dense(c) != dense).unwrap_or(rest.len());
        match dense {
            true => pairs(text, start..start + len, folding, buffer, each),
            false => segmented(text, start..start + len, folding, buffer, each),
        }
        start += len;
    }
}

fn segmented(
    text: &str,
    piece: Range<usize>,
    folding: Folding,
    buffer: &mut String,
    each: &mut impl FnMut(Word<'_>),
) {
    let bytes = &text.as_bytes()[..piece.end];
    for (offset, word) in text[piece.clone()].split_word_bound_indices() {
        if !word.contains(char::is_alphanumeric) {
            continue;
        }
        let start = piece.start + offset;
        let mut end = start + word.len();
        if word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            end += signs_after(bytes, start..end);
        }
        fold(&text[start..end], folding, buffer);
        let plain = buffer.chars().all(|c| c.is_alphabetic() || c == '\'' || is_mark(c));
        let kind = if plain { Kind::Plain } else { Kind::Identifier };
        if !buffer.is_empty() {
            each(Word { text: buffer, range: start..end, kind });
        }
    }
}

/// Pairs of neighboring characters, and the last character by itself.
fn pairs(
    text: &str,
    run: Range<usize>,
    folding: Folding,
    buffer: &mut String,
    each: &mut impl FnMut(Word<'_>),
) {
    let mut rest = run.start..run.end;
    let mut first = true;
    while let Some(c) = text[rest.clone()].chars().next() {
        let next = rest.start + c.len_utf8();
        let second = text[next..rest.end].chars().next();
        let end = next + second.map_or(0, char::len_utf8);
        fold(&text[rest.start..end], folding, buffer);
        let kind = match (second, first) {
            (Some(_), _) => Kind::Pair,
            (None, true) => Kind::Single,
            (None, false) => Kind::Last,
        };
        each(Word { text: buffer, range: rest.start..end, kind });
        (first, rest.start) = (false, next);
    }
}

/// The whole of `text`, folded, into `buffer`.
pub(crate) fn fold(text: &str, folding: Folding, buffer: &mut String) {
    buffer.clear();
    for c in text.chars() {
        match c {
            _ if c.is_ascii() => buffer.push(c.to_ascii_lowercase()),
            '\u{2019}' | '\u{ff07}' => buffer.push('\''),
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c);
                buffer.push(narrow.to_ascii_lowercase());
            }
            _ => c.to_lowercase().for_each(|c| fold_char(c, folding.accents, buffer)),
        }
    }
    if !folding.accents && buffer.contains(is_mark) {
        *buffer = buffer.nfc().collect();
    }
    let mut end = buffer.len().min(folding.max_bytes);
    while !buffer.is_char_boundary(end) {
        end -= 1;
    }
    buffer.truncate(end);
}

fn fold_char(c: char, accents: bool, buffer: &mut String) {
    if c == '\u{3c2}' {
        return buffer.push('\u{3c3}');
    }
    if !accents {
        return buffer.push(c);
    }
    match c {
        _ if is_mark(c) => {}
        '\u{df}' => buffer.push_str("ss"),
        '\u{e6}' => buffer.push_str("ae"),
        '\u{153}' => buffer.push_str("oe"),
        '\u{fe}' => buffer.push_str("th"),
        '\u{f8}' => buffer.push('o'),
        '\u{f0}' | '\u{111}' => buffer.push('d'),
        '\u{142}' => buffer.push('l'),
        '\u{131}' => buffer.push('i'),
        '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{3ff}' | '\u{1e00}'..='\u{1fff}' => {
            decompose_canonical(c, |part| {
                if !is_mark(part) {
                    buffer.push(part);
                }
            });
        }
        _ => buffer.push(c),
    }
}

/// A combining mark of European scripts.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// A character of a script that is written without spaces (or, in Korean, whose words run together).
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}' | '\u{3007}' | '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}'
        | '\u{3131}'..='\u{318e}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}' | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folding() -> Folding {
        Folding { accents: true, max_bytes: 255 }
    }

    fn found(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        words(text, folding(), &mut String::new(), &mut |word| out.push(word.text.to_owned()));
        out
    }

    proptest! {
        #[test]
        fn the_short_way_for_ascii_follows_the_rules(text in "[a-cA-C0-2_.,;:'\"/@ -]{0,24}") {
            let wanted: Vec<String> =
                text.unicode_words().map(str::to_lowercase).collect();
            prop_assert_eq!(found(&text), wanted);
        }

        #[test]
        fn a_word_is_the_fold_of_its_range(text in "\\PC{0,30}") {
            let mut last = 0;
            words(&text, folding(), &mut String::new(), &mut |word| {
                let mut again = String::new();
                fold(&text[word.range.clone()], folding(), &mut again);
                assert_eq!(again, word.text);
                assert!(word.range.start >= last);
                last = word.range.start;
            });
        }
    }

    #[test]
    fn identifiers_stay_whole() {
        assert_eq!(
            found("E1234 foo_bar C++, (C#) g++ node.js v1.2.3"),
            ["e1234", "foo_bar", "c++", "c#", "g++", "node.js", "v1.2.3"]
        );
        assert_eq!(
            found("jane.doe@example.com https://example.com/a-b?q=1"),
            ["jane.doe", "example.com", "https", "example.com", "a", "b", "q", "1"]
        );
        assert_eq!(found("a+b x++y C#7 miner's"), ["a", "b", "x", "y", "c", "7", "miner's"]);
    }

    #[test]
    fn accents_and_forms_are_folded() {
        assert_eq!(
            found("Éclair cafe\u{301} Straße ÆON Łódź ΣΊΣΥΦΟΣ miner\u{2019}s ＬＯＤＥ"),
            ["eclair", "cafe", "strasse", "aeon", "lodz", "σισυφοσ", "miner's", "lode"]
        );
        let mut kept = Vec::new();
        let plain = Folding { accents: false, max_bytes: 255 };
        words("Éclair cafe\u{301}", plain, &mut String::new(), &mut |word| kept.push(word.text.to_owned()));
        assert_eq!(kept, ["éclair", "café"]);
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(found("東京都に"), ["東京", "京都", "都に", "に"]);
        assert_eq!(found("iPhone手机"), ["iphone", "手机", "机"]);
        assert_eq!(found("한국어 금"), ["한국", "국어", "어", "금"]);
    }

    #[test]
    fn long_words_are_cut() {
        let short = Folding { accents: true, max_bytes: 5 };
        let mut out = Vec::new();
        words("abcdefgh ééééé", short, &mut String::new(), &mut |word| out.push(word.text.to_owned()));
        assert_eq!(out, ["abcde", "eeeee"]);
    }
}
