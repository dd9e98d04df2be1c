//! Queries as people type them. Whatever is typed means something: signs that make no sense are taken as spaces.
//!
//! | typed | means |
//! |---|---|
//! | `gold mine` | any of the words, the more the better |
//! | `+gold`, `gold AND mine` | has to be there |
//! | `-coal`, `NOT coal` | must not be there |
//! | `"sluice box"`, `"sluice box"~2` | the words together; at most so far from their places |
//! | `prosp*` | words that begin so |
//! | `mininng~`, `mininng~1` | at most two edits, or one, away |
//! | `title:gold` | in that field; where there is no such field, it is an error unless no name could be meant |
//! | `gold^2` | counts twice as much |
//!
//! A sign belongs to the word that it touches, and a `+` or `-` inside or behind a word is part of it (`C++`, `wi-fi`).

use super::query::Clause;
use super::query::Occur;
use super::query::TextQuery;
use super::query::What;

/// Clauses of a query at most; what follows is not read.
const MAX_CLAUSES: usize = 1024;
/// The slop of a phrase at most.
const MAX_SLOP: u32 = 10_000;
/// The largest boost that can be typed.
const MAX_BOOST: f32 = 1e6;

impl TextQuery {
    /// What a person typed; never an error. `is_field` tells whether a field of that name could be meant, in `name:word`.
    pub(crate) fn parse(typed: &str, is_field: impl Fn(&str) -> bool) -> Self {
        let mut parser = Parser { rest: typed, next: None, is_field: &is_field };
        let mut query = Self { lenient: true, ..Self::new() };
        while query.clauses.len() < MAX_CLAUSES {
            match parser.item() {
                None => break,
                Some(Item::And) => {
                    if let Some(last) = query.clauses.last_mut().filter(|last| last.occur == Occur::Should) {
                        last.occur = Occur::Must;
                    }
                    parser.next = Some(Occur::Must);
                }
                Some(Item::Or) => parser.next = None,
                Some(Item::Not) => parser.next = Some(Occur::MustNot),
                Some(Item::Clause(clause)) => query = query.with(clause),
            }
        }
        query
    }
}

enum Item {
    And,
    Or,
    Not,
    Clause(Clause),
}

struct Parser<'t, 'f> {
    rest: &'t str,
    /// What the operator before says of the next clause.
    next: Option<Occur>,
    is_field: &'f dyn Fn(&str) -> bool,
}

/// Signs between words.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '|' | '&')
}

impl<'t> Parser<'t, '_> {
    fn item(&mut self) -> Option<Item> {
        loop {
            self.rest = self.rest.trim_start_matches(is_space);
            if self.rest.is_empty() {
                return None;
            }
            for (name, item) in [("AND", Item::And), ("OR", Item::Or), ("NOT", Item::Not)] {
                if let Some(rest) = self.rest.strip_prefix(name).filter(|rest| rest.starts_with(is_space)) {
                    self.rest = rest;
                    return Some(item);
                }
            }
            if let Some(clause) = self.clause() {
                return Some(Item::Clause(clause));
            }
        }
    }

    fn clause(&mut self) -> Option<Clause> {
        let mut occur = self.next.take().unwrap_or(Occur::Should);
        while let Some(sign) = self.rest.chars().next().filter(|sign| matches!(sign, '+' | '-' | '!')) {
            self.rest = &self.rest[1..];
            occur = if sign == '+' { Occur::Must } else { Occur::MustNot };
        }
        let fields = self.field().map(str::to_owned).into_iter().collect();
        let what = match self.rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                self.phrase()
            }
            None => self.word()?,
        };
        let boost = self.number('^').flatten().map_or(1.0, |boost: f32| boost.clamp(0.0, MAX_BOOST));
        Some(Clause { occur, what, fields, boost: if boost.is_nan() { 1.0 } else { boost } })
    }

    /// The name before a colon that a word or a phrase follows.
    fn field(&mut self) -> Option<&'t str> {
        let end = self.rest.find(|c| c == ':' || c == '"' || is_space(c))?;
        let (name, rest) = (&self.rest[..end], self.rest[end..].strip_prefix(':')?);
        let follows = rest.starts_with(|c| !is_space(c) && c != ':');
        if name.is_empty() || !follows || !(self.is_field)(name) {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    fn phrase(&mut self) -> What {
        let end = self.rest.find('"').unwrap_or(self.rest.len());
        let text = self.rest[..end].to_owned();
        self.rest = self.rest[end..].strip_prefix('"').unwrap_or("");
        let slop = self.number::<u32>('~').map_or(0, |slop| slop.unwrap_or(0).min(MAX_SLOP));
        What::Phrase { text, slop }
    }

    fn word(&mut self) -> Option<What> {
        let end =
            self.rest.find(|c| is_space(c) || matches!(c, '"' | '~' | '^' | '*')).unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        if word.is_empty() {
            // A sign that belongs to nothing.
            self.rest = self.rest.trim_start_matches(['~', '^', '*']);
            return None;
        }
        if self.rest.starts_with('*') {
            self.rest = self.rest.trim_start_matches('*');
            return Some(What::Prefix(word));
        }
        Some(match self.number::<u8>('~') {
            None | Some(Some(0)) => What::Word(word),
            Some(edits) => What::Fuzzy { word, edits: edits.unwrap_or(2).min(2) },
        })
    }

    /// The number behind `sign`: nothing where there is no sign, `Some(None)` where no number follows it.
    fn number<N: std::str::FromStr>(&mut self, sign: char) -> Option<Option<N>> {
        let rest = self.rest.strip_prefix(sign)?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        self.rest = &rest[end..];
        Some(rest[..end].parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(typed: &str) -> TextQuery {
        TextQuery::parse(typed, |name| name == "title")
    }

    fn of(clauses: impl IntoIterator<Item = (Occur, Clause)>) -> TextQuery {
        let clauses = clauses.into_iter().map(|(occur, clause)| Clause { occur, ..clause }).collect();
        TextQuery { clauses, lenient: true, ..TextQuery::new() }
    }

    #[test]
    fn a_query_is_read_as_people_mean_it() {
        let found = parse("gold +mine -coal \"sluice box\"~2 prosp* mininng~1 title:ore^2");
        assert_eq!(
            found,
            of([
                (Occur::Should, Clause::word("gold")),
                (Occur::Must, Clause::word("mine")),
                (Occur::MustNot, Clause::word("coal")),
                (Occur::Should, Clause::phrase("sluice box", 2)),
                (Occur::Should, Clause::prefix("prosp")),
                (Occur::Should, Clause::fuzzy("mininng", 1).unwrap()),
                (Occur::Should, Clause::word("ore").within(["title"]).boost(2.0).unwrap()),
            ])
        );
        let found = parse("a AND b OR c NOT d title:\"e f\"^0.5 g~");
        assert_eq!(
            found,
            of([
                (Occur::Must, Clause::word("a")),
                (Occur::Must, Clause::word("b")),
                (Occur::Should, Clause::word("c")),
                (Occur::MustNot, Clause::word("d")),
                (Occur::Should, Clause::phrase("e f", 0).within(["title"]).boost(0.5).unwrap()),
                (Occur::Should, Clause::fuzzy("g", 2).unwrap()),
            ])
        );
    }

    #[test]
    fn what_is_odd_is_words() {
        assert_eq!(
            parse("C++ wi-fi 12:30 http://a.b"),
            of(["C++", "wi-fi", "12:30", "http://a.b"].map(|w| (Occur::Should, Clause::word(w))))
        );
        assert_eq!(parse("\"open"), of([(Occur::Should, Clause::phrase("open", 0))]));
        for nothing in ["", "  ", "+", "-", "* ~ ^", "()", "title:", "\u{3000}"] {
            let empty = parse(nothing)
                .clauses
                .iter()
                .all(|clause| matches!(&clause.what, What::Word(word) if word == "title:"));
            assert!(empty, "{nothing}: {:?}", parse(nothing));
        }
        assert_eq!(parse("a^nan b^-1 c^1e9 d~9").clauses[0].boost, 1.0);
    }

    proptest! {
        #[test]
        fn anything_can_be_typed(typed in "[a\u{e9}\u{4e2d} \"+\\-~*^:().0-9A-Z|]{0,40}") {
            let query = parse(&typed);
            for clause in &query.clauses {
                prop_assert!(clause.boost.is_finite() && clause.boost >= 0.0);
            }
        }
    }
}
