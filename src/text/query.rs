//! [`TextQuery`]: what is asked of the words of records, before anything is looked up.

use crate::error::Error;
use crate::error::Result;

/// Edits of a misspelt word at most.
const MAX_EDITS: u8 = 2;

/// Words, phrases, prefixes and misspelt words, each asked for, required or forbidden.
///
/// Built with [`TextQuery::any`], [`TextQuery::all`] or [`TextQuery::new`] and [`TextQuery::should`], [`TextQuery::must`],
/// [`TextQuery::must_not`]; [`Search::text`](crate::Search::text) reads one from what a person typed.
///
/// ```
/// use lodedb::{Clause, Database, Record, Schema, TextQuery};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(1).text("body"))?;
/// docs.upsert([Record::new(1).vector([1.0]).field("body", "A sluice box washes gold out of gravel.")])?;
/// let query = TextQuery::any("silver gold").must(Clause::phrase("sluice box", 0));
/// assert_eq!(docs.search().text_query(query).run()?.len(), 1);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextQuery {
    pub(super) clauses: Vec<Clause>,
    pub(super) minimum: Minimum,
    /// Typed by a person: a phrase where no positions are kept asks for its words.
    pub(super) lenient: bool,
}

/// How many of the clauses that are asked for must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Minimum {
    /// One, or none where something is required.
    #[default]
    Any,
    /// All that have a term.
    All,
    /// So many, or all where there are fewer.
    Count(u32),
}

/// One part of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    pub(super) occur: Occur,
    pub(super) what: What,
    /// Fields to look in; empty for those of the search.
    pub(super) fields: Vec<String>,
    pub(super) boost: f32,
}

/// Whether a clause may, must or must not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occur {
    Should,
    Must,
    MustNot,
}

/// What a clause looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The terms of a text.
    Word(String),
    /// The terms of a text, together and in order, or at most `slop` from their places.
    Phrase { text: String, slop: u32 },
    /// Terms that begin so.
    Prefix(String),
    /// Terms at most so many edits away.
    Fuzzy { word: String, edits: u8 },
}

impl Clause {
    fn new(what: What) -> Self {
        Self { occur: Occur::Should, what, fields: Vec::new(), boost: 1.0 }
    }

    /// A word. Where it becomes several terms, any of them counts if it is asked for; required or forbidden, it is a phrase.
    pub fn word(word: impl Into<String>) -> Self {
        Self::new(What::Word(word.into()))
    }

    /// Words that follow each other, or stand at most `slop` away from where they would.
    pub fn phrase(text: impl Into<String>, slop: u32) -> Self {
        Self::new(What::Phrase { text: text.into(), slop })
    }

    /// Terms that begin so, and the term of the word itself.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::new(What::Prefix(prefix.into()))
    }

    /// Terms at most `edits` letters away (a letter more, less, other, or two changed over), 1 or 2.
    ///
    /// # Errors
    /// `InvalidOption` for another number.
    pub fn fuzzy(word: impl Into<String>, edits: u8) -> Result<Self> {
        if !(1..=MAX_EDITS).contains(&edits) {
            let problem = format!("{edits} where 1 or {MAX_EDITS} is possible");
            return Err(Error::InvalidOption { name: "edits", problem });
        }
        Ok(Self::new(What::Fuzzy { word: word.into(), edits }))
    }

    /// Looks in these fields instead of those of the search.
    #[must_use]
    pub fn within<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Multiplies what the clause adds to scores.
    ///
    /// # Errors
    /// `InvalidOption` where `boost` is negative or not finite.
    pub fn boost(mut self, boost: f32) -> Result<Self> {
        if !(boost.is_finite() && boost >= 0.0) {
            let problem = format!("{boost} where 0 or more is possible");
            return Err(Error::InvalidOption { name: "boost", problem });
        }
        self.boost = boost;
        Ok(self)
    }

    fn occurring(mut self, occur: Occur) -> Self {
        self.occur = occur;
        self
    }
}

impl TextQuery {
    /// A query without clauses, which finds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Any of the words of `text`.
    pub fn any(text: &str) -> Self {
        text.split_whitespace().fold(Self::new(), |query, word| query.should(Clause::word(word)))
    }

    /// All of the words of `text`, but for stop words.
    pub fn all(text: &str) -> Self {
        Self { minimum: Minimum::All, ..Self::any(text) }
    }

    /// At least `count` of the words of `text`, or all where there are fewer.
    pub fn at_least(count: u32, text: &str) -> Self {
        Self::any(text).minimum(count)
    }

    /// The clause adds to the score.
    #[must_use]
    pub fn should(self, clause: Clause) -> Self {
        self.with(clause.occurring(Occur::Should))
    }

    /// The clause has to match.
    #[must_use]
    pub fn must(self, clause: Clause) -> Self {
        self.with(clause.occurring(Occur::Must))
    }

    /// The clause must not match.
    #[must_use]
    pub fn must_not(self, clause: Clause) -> Self {
        self.with(clause.occurring(Occur::MustNot))
    }

    /// At least so many of the clauses that only add to the score have to match.
    #[must_use]
    pub fn minimum(mut self, count: u32) -> Self {
        self.minimum = Minimum::Count(count);
        self
    }

    /// The query with one more clause.
    pub(super) fn with(mut self, clause: Clause) -> Self {
        self.clauses.push(clause);
        self
    }
}
