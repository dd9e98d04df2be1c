//! A filter's text as words, names, values and signs.

use super::problem;
use super::suggest::did_you_mean;
use crate::error::Error;
use crate::error::Result;
use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

/// Words that a field's name can be only between backticks.
pub(super) const RESERVED: [&str; 11] =
    ["and", "or", "not", "in", "is", "between", "contains", "starts", "null", "true", "false"];

/// Letters of the text that an error shows.
const SHOWN: usize = 24;

/// One piece of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    /// A name, or a word of the language.
    Word(&'a str),
    /// A name between backticks.
    Name(String),
    Text(String),
    Integer(i64),
    Float(f64),
    /// One of the signs `= != < <= > >= ( ) [ ] , .`, where `==` is `=` and `<>` is `!=`.
    Sign(&'static str),
    End,
}

impl Token<'_> {
    /// Whether it is this word, in small letters or capitals.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Token::Word(found) if found.eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "'{word}'"),
            Self::Name(name) => write!(f, "the name `{name}`"),
            Self::Text(_) => f.write_str("a text"),
            Self::Integer(number) => write!(f, "the number {number}"),
            Self::Float(number) => write!(f, "the number {number}"),
            Self::Sign(sign) => write!(f, "'{sign}'"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Reads tokens one after the other.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and where it begins; at the end, [`Token::End`] again and again.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>)> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let Some(first) = self.text[start..].chars().next() else { return Ok((start, Token::End)) };
        let token = match first {
            '\'' | '"' => Token::Text(self.text_in_quotes(first)?),
            '`' => Token::Name(self.name_in_backticks()?),
            '0'..='9' | '-' => self.number()?,
            first if first == '_' || first.is_alphabetic() => Token::Word(self.take_while(is_of_word)),
            _ => Token::Sign(self.sign(first)?),
        };
        Ok((start, token))
    }

    /// The error of what stands at a byte of the text.
    pub(super) fn error(&self, at: usize, text: impl fmt::Display) -> Error {
        let shown: String = self.text[at..].chars().take(SHOWN).collect();
        let more = if at + shown.len() < self.text.len() { "..." } else { "" };
        let place = match shown.is_empty() {
            true => "at the end".to_owned(),
            false => format!("at character {} (`{shown}{more}`)", self.text[..at].chars().count() + 1),
        };
        problem(format!("{place}: {text}"))
    }

    /// Takes the letters from here on that pass.
    fn take_while(&mut self, passes: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let len = rest.find(|letter| !passes(letter)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn number(&mut self) -> Result<Token<'a>> {
        let start = self.at;
        self.at += usize::from(self.text[start..].starts_with('-'));
        self.digits(start)?;
        let mut whole = true;
        if self.text[self.at..].starts_with('.') {
            self.at += 1;
            self.digits(start)?;
            whole = false;
        }
        if self.text[self.at..].starts_with(['e', 'E']) {
            self.at += 1;
            self.at += usize::from(self.text[self.at..].starts_with(['+', '-']));
            self.digits(start)?;
            whole = false;
        }
        if self.text[self.at..].starts_with(is_of_word) {
            return Err(self.not_a_number(start));
        }
        let digits = &self.text[start..self.at];
        if whole {
            let (least, most) = (i64::MIN, i64::MAX);
            return digits.parse().map(Token::Integer).map_err(|_| {
                self.error(
                    start,
                    format!("integers go from {least} to {most}; with '.0' at its end it is a float"),
                )
            });
        }
        match digits.parse() {
            Ok(number) if f64::is_finite(number) => Ok(Token::Float(number)),
            _ => Err(self.error(start, format!("floats go to {:e}", f64::MAX))),
        }
    }

    fn digits(&mut self, start: usize) -> Result<()> {
        match self.take_while(|letter| letter.is_ascii_digit()) {
            "" => Err(self.not_a_number(start)),
            _ => Ok(()),
        }
    }

    fn not_a_number(&self, start: usize) -> Error {
        const TEXT: &str = "a number is written as 12, -0.5 or 1e6; a name of other characters than letters, digits and _, \
                            or with a digit at its start, stands in `backticks`";
        self.error(start, TEXT)
    }

    fn sign(&mut self, first: char) -> Result<&'static str> {
        const SIGNS: [&str; 14] = ["=", "==", "!=", "<>", "<", "<=", ">", ">=", "(", ")", "[", "]", ",", "."];
        const COMPARING: &str = "=!<>&|~";
        let start = self.at;
        let found = match COMPARING.contains(first) {
            true => self.take_while(|letter| COMPARING.contains(letter)),
            false => {
                self.at += first.len_utf8();
                &self.text[start..self.at]
            }
        };
        match SIGNS.iter().find(|sign| **sign == found) {
            Some(&"==") => Ok("="),
            Some(&"<>") => Ok("!="),
            Some(sign) => Ok(sign),
            None => {
                let advice = match found {
                    "&" | "&&" => "; write 'and'".into(),
                    "|" | "||" => "; write 'or'".into(),
                    "!" => "; write 'not'".into(),
                    "=>" => "; write '>='".into(),
                    "=<" => "; write '<='".into(),
                    other if other.len() > 1 => did_you_mean(other, &SIGNS[..8]),
                    _ => "; a name with odd characters stands in `backticks`, a text in 'quotes'".into(),
                };
                Err(self.error(start, format!("'{found}' is no sign of the language{advice}")))
            }
        }
    }

    /// A name, in which a backtick is written twice.
    fn name_in_backticks(&mut self) -> Result<String> {
        let start = self.at;
        let mut name = String::new();
        let mut letters = self.text[start + 1..].char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if letter != '`' || letters.next_if(|(_, next)| *next == '`').is_some() {
                name.push(letter);
                continue;
            }
            self.at = start + 1 + at + 1;
            return match name.contains('.') {
                true => {
                    Err(self.error(start, "a dot separates names; each has backticks of its own: `a`.`b`"))
                }
                false => Ok(name),
            };
        }
        Err(self.error(start, "the backtick that ends the name is missing"))
    }

    /// A text, in which a quote is written twice or escaped.
    fn text_in_quotes(&mut self, quote: char) -> Result<String> {
        let start = self.at;
        let mut text = String::new();
        let mut letters = self.text[start + 1..].char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            let at = start + 1 + at;
            if letter == '\\' {
                let letter = escaped(&mut letters).ok_or_else(|| {
                    self.error(
                        at,
                        r#"no such escape; there are \\ \' \" \` \/ \b \f \n \r \t \xHH \uHHHH \UHHHHHHHH"#,
                    )
                })?;
                text.push(letter);
            } else if letter != quote || letters.next_if(|(_, next)| *next == quote).is_some() {
                text.push(letter);
            } else {
                self.at = at + 1;
                return Ok(text);
            }
        }
        Err(self.error(start, format!("the quote {quote} that ends the text is missing")))
    }
}

fn is_of_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// Whether a name can stand without backticks.
pub(super) fn is_plain(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first == '_' || first.is_alphabetic());
    begins && name.chars().all(is_of_word) && !RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// The character of an escape, behind its backslash: those of JSON and of Python's `repr`.
fn escaped(letters: &mut Peekable<CharIndices<'_>>) -> Option<char> {
    Some(match letters.next()?.1 {
        same @ ('\\' | '\'' | '"' | '`' | '/') => same,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' => char::from_u32(hex(letters, 2)?)?,
        'U' => char::from_u32(hex(letters, 8)?)?,
        'u' => match hex(letters, 4)? {
            high @ 0xd800..=0xdbff => {
                letters.next_if(|(_, next)| *next == '\\')?;
                letters.next_if(|(_, next)| *next == 'u')?;
                let low = hex(letters, 4)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
            }
            code => char::from_u32(code)?,
        },
        _ => return None,
    })
}

/// The number that the next digits are.
fn hex(letters: &mut Peekable<CharIndices<'_>>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0u32, |code, _| code.checked_mul(16)?.checked_add(letters.next()?.1.to_digit(16)?))
}
