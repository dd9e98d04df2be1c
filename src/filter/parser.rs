//! Filters read from text, by recursive descent.
//!
//! ```text
//! any   := all ("or" all)*
//! all   := not ("and" not)*
//! not   := "not"* one
//! one   := "(" any ")" | "true" | "false" | function "(" path ("," value)* ")" | path test?
//! test  := sign value | "is" "not"? "null"
//!        | "not"? ("in" list | "between" value "and" value | "contains" (value | ("any" | "all") list) | "starts" "with" text)
//! value := text | integer | float | "true" | "false" | "null" | "[" values "]"
//!        | "datetime" "(" text ")" | "point" "(" number "," number ")"
//! list  := "(" values ")" | "[" values "]"            values := (value ("," value)* ","?)?
//! path  := name ("." name)*                           name := word | `anything`
//! ```

use super::FieldPath;
use super::Filter;
use super::MAX_DEPTH;
use super::Path;
use super::check::off_the_globe;
use super::check::too_deep;
use super::lexer::Lexer;
use super::lexer::RESERVED;
use super::lexer::Token;
use super::problem;
use super::suggest::did_you_mean;
use crate::error::Error;
use crate::error::Result;
use crate::metadata;
use crate::metadata::DateTime;
use crate::metadata::GeoPoint;
use crate::metadata::Value;
use std::str::FromStr;

/// Most bytes of a text that is read.
const MAX_BYTES: usize = 1 << 20;

/// The functions of a condition, and those of a value.
const FUNCTIONS: [&str; 5] = ["exists", "missing", "words", "within", "inside"];
const OF_VALUES: [&str; 2] = ["datetime", "point"];

const A_VALUE: &str = "a value such as 1848 or 'gold'";

/// What can stand behind a field.
const TESTS: [&str; 12] =
    ["=", "!=", "<", "<=", ">", ">=", "in", "not in", "between", "contains", "starts with", "is null"];

/// Read from [text](Filter#as-text).
impl FromStr for Filter {
    type Err = Error;

    /// # Errors
    /// [`Error::Filter`] names the place, what was found there and what would be right; text over 1 MiB and conditions
    /// nested over 128 deep are refused, and whatever [`Filter::check`] refuses.
    ///
    /// ```
    /// use lodedb::Filter;
    ///
    /// let error = "year >= 1848 and tags on ('gold')".parse::<Filter>().unwrap_err();
    /// assert!(error.to_string().starts_with("filter: at character 23 (`on ('gold')`): "));
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            return Err(problem(format!("the text has {} bytes where {MAX_BYTES} is the limit", text.len())));
        }
        let mut parser = Parser { lexer: Lexer::new(text), at: 0, token: Token::End, depth: 0 };
        parser.advance()?;
        if parser.token == Token::End {
            return Err(problem("the text is empty; 'true' passes every record"));
        }
        let filter = parser.any()?;
        if parser.token != Token::End {
            return Err(parser.expected("'and', 'or' or the end"));
        }
        filter.check()?;
        Ok(filter)
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token at hand, and where it begins.
    token: Token<'a>,
    at: usize,
    /// Parentheses, brackets and negations that are open.
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Goes on by a token, and gives the one that was at hand.
    fn advance(&mut self) -> Result<Token<'a>> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// The token behind the one at hand.
    fn following(&self) -> Result<Token<'a>> {
        Ok(self.lexer.clone().next()?.1)
    }

    fn eat_word(&mut self, word: &str) -> Result<bool> {
        let found = self.token.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn eat_sign(&mut self, sign: &'static str) -> Result<bool> {
        let found = self.token == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn require_sign(&mut self, sign: &'static str) -> Result<()> {
        match self.eat_sign(sign)? {
            true => Ok(()),
            false => Err(self.expected(&format!("'{sign}'"))),
        }
    }

    fn error(&self, text: impl std::fmt::Display) -> Error {
        self.lexer.error(self.at, text)
    }

    fn expected(&self, what: &str) -> Error {
        self.expected_with(what, "")
    }

    fn expected_with(&self, what: &str, advice: &str) -> Error {
        self.error(format!("expected {what}, found {}{advice}", self.token))
    }

    /// Goes one level down; [`Parser::depth`] goes up again where the level ends.
    fn descend(&mut self, limit: usize, text: impl FnOnce() -> String) -> Result<()> {
        self.depth += 1;
        match self.depth > limit {
            true => Err(self.error(text())),
            false => Ok(()),
        }
    }

    fn any(&mut self) -> Result<Filter> {
        let mut members = vec![self.all()?];
        while self.eat_word("or")? {
            members.push(self.all()?);
        }
        Ok(Filter::any_of(members))
    }

    fn all(&mut self) -> Result<Filter> {
        let mut members = vec![self.not()?];
        while self.eat_word("and")? {
            members.push(self.not()?);
        }
        Ok(Filter::all_of(members))
    }

    fn not(&mut self) -> Result<Filter> {
        let depth = self.depth;
        while self.eat_word("not")? {
            self.descend(MAX_DEPTH, too_deep)?;
        }
        let negations = self.depth - depth;
        let mut filter = self.one()?;
        for _ in 0..negations {
            filter = !filter;
        }
        self.depth = depth;
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter> {
        if self.token == Token::Sign("(") {
            self.descend(MAX_DEPTH, too_deep)?;
            self.advance()?;
            let filter = self.any()?;
            self.require_sign(")")?;
            self.depth -= 1;
            return Ok(filter);
        }
        let truth = self.token.is_word("true");
        if truth || self.token.is_word("false") {
            self.advance()?;
            return match matches!(self.token, Token::Sign(sign) if sign != ")") {
                true => {
                    Err(self.error("a comparison begins with a field's name, and the value stands behind it"))
                }
                false if truth => Ok(Filter::all()),
                false => Ok(Filter::any_of(Vec::new())),
            };
        }
        match self.token {
            Token::Word(word) if !is_reserved(word) && self.following()? == Token::Sign("(") => {
                self.function(word)
            }
            _ => {
                let path = self.path("a condition such as year >= 1848")?;
                self.test(FieldPath::at(path))
            }
        }
    }

    /// A path; `what` says what is expected where there is none.
    fn path(&mut self, what: &str) -> Result<Path> {
        let mut names = vec![self.name(what)?];
        while self.eat_sign(".")? {
            names.push(self.name("the name behind the dot")?);
        }
        Ok(Path(names))
    }

    fn name(&mut self, what: &str) -> Result<String> {
        match &self.token {
            Token::Word(word) if !is_reserved(word) => {
                let name = (*word).to_owned();
                self.advance()?;
                Ok(name)
            }
            Token::Name(name) => {
                let name = name.clone();
                self.advance()?;
                Ok(name)
            }
            Token::Word(word) => {
                Err(self.expected(&format!("{what} (a field called {word} is written `{word}`)")))
            }
            Token::Integer(_) | Token::Float(_) | Token::Text(_) => {
                Err(self
                    .expected(&format!("{what} (a field stands before the value, odd names in `backticks`)")))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// What is asked of a field; without a word, that it is true.
    fn test(&mut self, field: FieldPath) -> Result<Filter> {
        if let Token::Sign(sign) = self.token
            && let Some(comparing) = comparison(sign)
        {
            self.advance()?;
            let value = self.value()?;
            return Ok(comparing(field, value));
        }
        if self.eat_word("is")? {
            let not = self.eat_word("not")?;
            if !self.eat_word("null")? {
                return Err(self.expected("'null' or 'not null'"));
            }
            return Ok(if not { field.ne(Value::Null) } else { field.eq(Value::Null) });
        }
        if self.eat_word("not")? {
            return match self.worded(field)? {
                Ok(filter) => Ok(!filter),
                Err(_) => Err(self.expected("'in', 'between', 'contains' or 'starts with'")),
            };
        }
        match self.worded(field)? {
            Ok(filter) => Ok(filter),
            Err(field) if self.may_end() => Ok(field.eq(true)),
            Err(_) => {
                let advice = match self.token {
                    Token::Word(word) => did_you_mean(word, &TESTS[6..]),
                    _ => String::new(),
                };
                Err(self.expected_with(&format!("one of {}", TESTS.join(", ")), &advice))
            }
        }
    }

    /// Whether a condition can end before the token at hand.
    fn may_end(&self) -> bool {
        self.token.is_word("and")
            || self.token.is_word("or")
            || matches!(self.token, Token::End | Token::Sign(")"))
    }

    /// A test that begins with a word; the field again where there is none.
    fn worded(&mut self, field: FieldPath) -> Result<Result<Filter, FieldPath>> {
        Ok(Ok(if self.eat_word("in")? {
            field.is_in(self.list()?)
        } else if self.eat_word("between")? {
            let low = self.value()?;
            if !self.eat_word("and")? {
                return Err(self.expected("'and' and the upper bound"));
            }
            field.between(low, self.value()?)
        } else if self.eat_word("contains")? {
            if self.eat_word("any")? {
                field.contains_any(self.list()?)
            } else if self.eat_word("all")? {
                field.contains_all(self.list()?)
            } else {
                field.contains(self.value()?)
            }
        } else if self.eat_word("starts")? {
            if !self.eat_word("with")? {
                return Err(self.expected("'with'"));
            }
            field.starts_with(self.text()?)
        } else {
            return Ok(Err(field));
        }))
    }

    fn function(&mut self, word: &str) -> Result<Filter> {
        let Some(name) = FUNCTIONS.iter().find(|name| name.eq_ignore_ascii_case(word)) else {
            return Err(match OF_VALUES.iter().any(|name| name.eq_ignore_ascii_case(word)) {
                true => self.error("a comparison begins with a field's name, and the value stands behind it"),
                false => {
                    let advice = did_you_mean(word, &FUNCTIONS);
                    let there = FUNCTIONS.join(", ");
                    self.error(format!("there is no function '{word}', there are {there}{advice}"))
                }
            });
        };
        self.advance()?;
        self.require_sign("(")?;
        let field = FieldPath::at(self.path("a field's name")?);
        let filter = match *name {
            "exists" => field.exists(),
            "missing" => field.missing(),
            "words" => {
                self.require_sign(",")?;
                field.has_words(self.text()?)
            }
            "within" => field.within_radius(self.next_place()?, self.next_number("the radius in meters")?),
            _ => field.within_box(self.next_place()?, self.next_place()?),
        };
        self.require_sign(")")?;
        Ok(filter)
    }

    /// A latitude and a longitude, behind commas.
    fn next_place(&mut self) -> Result<GeoPoint> {
        self.require_sign(",")?;
        self.place()
    }

    fn place(&mut self) -> Result<GeoPoint> {
        let at = self.at;
        let lat = self.number("a latitude")?;
        let lon = self.next_number("a longitude")?;
        GeoPoint::new(lat, lon).ok_or_else(|| self.lexer.error(at, off_the_globe(lat, lon)))
    }

    fn next_number(&mut self, what: &str) -> Result<f64> {
        self.require_sign(",")?;
        self.number(what)
    }

    fn number(&mut self, what: &str) -> Result<f64> {
        let number = match self.token {
            Token::Integer(number) => number as f64,
            Token::Float(number) => number,
            _ => return Err(self.expected(what)),
        };
        self.advance()?;
        Ok(number)
    }

    fn text(&mut self) -> Result<String> {
        match self.token {
            Token::Text(_) => match self.advance()? {
                Token::Text(text) => Ok(text),
                _ => Ok(String::new()),
            },
            _ => Err(self.expected("a text in quotes")),
        }
    }

    fn list(&mut self) -> Result<Vec<Value>> {
        if self.eat_sign("(")? {
            self.values(")")
        } else if self.eat_sign("[")? {
            self.values("]")
        } else {
            Err(self.expected("values in parentheses, such as ('gold', 'silver')"))
        }
    }

    /// Values up to the sign that ends them, and that sign.
    fn values(&mut self, end: &'static str) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        while !self.eat_sign(end)? {
            values.push(self.value()?);
            if !self.eat_sign(",")? && self.token != Token::Sign(end) {
                return Err(self.expected(&format!("',' or '{end}'")));
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Value> {
        const WORDS: [(&str, Value); 3] =
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
        match &self.token {
            Token::Text(_) => Ok(Value::Str(self.text()?)),
            Token::Integer(number) => {
                let value = Value::I64(*number);
                self.advance()?;
                Ok(value)
            }
            Token::Float(number) => {
                let value = Value::F64(*number);
                self.advance()?;
                Ok(value)
            }
            Token::Sign("[") => {
                let limit = MAX_DEPTH + metadata::MAX_DEPTH;
                self.descend(limit, || format!("arrays are nested over {} deep", metadata::MAX_DEPTH))?;
                self.advance()?;
                let values = self.values("]")?;
                self.depth -= 1;
                Ok(Value::Array(values))
            }
            Token::Word(word) => match WORDS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
                Some((_, value)) => {
                    self.advance()?;
                    Ok(value)
                }
                None => self.value_of_function(word),
            },
            _ => Err(self.expected(A_VALUE)),
        }
    }

    /// A value that is written as a function of others.
    fn value_of_function(&mut self, word: &str) -> Result<Value> {
        let name = OF_VALUES.iter().find(|name| name.eq_ignore_ascii_case(word));
        let Some(name) = name.filter(|_| self.following().is_ok_and(|next| next == Token::Sign("("))) else {
            let advice = match word {
                "None" | "none" | "nil" | "undefined" => "; nothing is written null".into(),
                _ => format!("; a text is written in quotes, as '{word}'"),
            };
            return Err(self.expected_with(A_VALUE, &advice));
        };
        self.advance()?;
        self.require_sign("(")?;
        let value = match *name {
            "datetime" => {
                let at = self.at;
                let instant: Result<DateTime> = self.text()?.parse();
                Value::DateTime(instant.map_err(|error| self.lexer.error(at, error))?)
            }
            _ => Value::Geo(self.place()?),
        };
        self.require_sign(")")?;
        Ok(value)
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// The condition that a sign makes of a field and a value.
fn comparison(sign: &str) -> Option<fn(FieldPath, Value) -> Filter> {
    Some(match sign {
        "=" => FieldPath::eq,
        "!=" => FieldPath::ne,
        "<" => FieldPath::lt,
        "<=" => FieldPath::le,
        ">" => FieldPath::gt,
        ">=" => FieldPath::ge,
        _ => return None,
    })
}
