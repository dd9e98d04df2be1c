//! What a [`Search`] asks beside one vector: words, sparse vectors, several parts, unlike hits.

use super::Search;
use super::fusion::Fusion;
use super::words::WordsQuery;
use crate::error::Result;
use crate::sparse::SparseVector;
use crate::text::Bm25;
use crate::text::Highlight;
use crate::text::TextQuery;

impl Search {
    /// Words to be found in the text fields, as a person types them: alone, or beside a vector. Scores are BM25's.
    ///
    /// | typed | means |
    /// |---|---|
    /// | `gold mine` | any of the words, the more the better |
    /// | `+gold`, `gold AND mine` | has to be there |
    /// | `-coal`, `NOT coal` | must not be there |
    /// | `"sluice box"`, `"sluice box"~2` | the words together; at most so far from their places |
    /// | `prosp*` | words that begin so |
    /// | `mininng~`, `mininng~1` | at most two edits, or one, away |
    /// | `title:gold` | in that field |
    /// | `gold^2` | counts twice as much |
    ///
    /// Signs that make no sense are taken as spaces.
    ///
    /// ```
    /// use lodedb::{Database, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::new(1).text("body"))?;
    /// docs.upsert([
    ///     Record::new(1).vector([1.0]).field("body", "A sluice box washes gold out of gravel."),
    ///     Record::new(2).vector([1.0]).field("body", "Rivers carry gravel."),
    /// ])?;
    /// let hits = docs.search().text("gold washing").run()?;
    /// assert_eq!((hits.len(), hits[0].id().as_u64()), (1, Some(1)));
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn text(self, typed: impl Into<String>) -> Self {
        self.words_query(WordsQuery::Typed(typed.into()))
    }

    /// In place of [`text`](Self::text): words as a program puts them together.
    pub fn text_query(self, query: TextQuery) -> Self {
        self.words_query(WordsQuery::Built(query))
    }

    fn words_query(mut self, query: WordsQuery) -> Self {
        self.words.get_or_insert_default().query = Some(query);
        self
    }

    /// The text fields that words are looked for in, and how much each counts. Default: all of
    /// them, each once. A record's score is the sum over the fields.
    pub fn text_fields<N: Into<String>>(mut self, fields: impl IntoIterator<Item = (N, f32)>) -> Self {
        let fields = fields.into_iter().map(|(name, boost)| (name.into(), boost));
        self.words.get_or_insert_default().fields = fields.collect();
        self
    }

    /// How fast repetition of a word saturates (`k1`, 0 or more), and how much a text's length counts (`b`, 0 to 1).
    /// Default: 1.2 and 0.75.
    ///
    /// # Errors
    /// `InvalidOption` for other values.
    pub fn bm25(mut self, k1: f32, b: f32) -> Result<Self> {
        self.words.get_or_insert_default().bm25 = Bm25::new(k1, b)?;
        Ok(self)
    }

    /// A sparse vector to be compared by dot product with those called `name`: alone, or beside vectors and words. Several may
    /// be given, one of a name. Only records that have a term of it are found by it; these are exactly the best.
    ///
    /// ```
    /// use lodedb::{Database, Fusion, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::new(2).sparse("splade"))?;
    /// docs.upsert([
    ///     Record::new(1).vector([1.0, 0.0]).sparse("splade", [(17, 0.5), (4711, 1.25)]),
    ///     Record::new(2).vector([0.0, 1.0]).sparse("splade", [(17, 1.0)]),
    /// ])?;
    /// let both = docs.search().vector([0.0, 1.0]).sparse("splade", [(4711, 2.0)]);
    /// let hits = both.fusion(Fusion::Weighted(vec![("splade".into(), 2.0)])).run()?;
    /// assert_eq!(hits[0].scores(), [("vector", 0.0), ("splade", 2.5)]);
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn sparse(mut self, name: impl Into<String>, vector: impl Into<SparseVector>) -> Self {
        let name = name.into();
        self.sparse.retain(|(other, _)| *other != name);
        self.sparse.push((name, vector.into()));
        self
    }

    /// How the rankings of several parts become one. Default: [`Fusion::ReciprocalRank`] with 60. A hit's score is the fused
    /// value then, and [`Hit::scores`](crate::Hit::scores) has those of the parts.
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = fusion;
        self
    }

    /// Gives hits the best fragments of this text field, with the words that were found marked as `options` says; may be
    /// called for several fields. Only of searches with words.
    ///
    /// ```
    /// use lodedb::{Database, Highlight, Record, Schema};
    ///
    /// let db = Database::open(":memory:")?;
    /// let docs = db.collection("docs", Schema::new(1).text("body"))?;
    /// docs.upsert([Record::new(1).vector([1.0]).field("body", "A sluice box washes gold out of gravel.")])?;
    /// let hits = docs.search().text("washing").highlight("body", Highlight::default().marks("[", "]")).run()?;
    /// let (field, fragments) = &hits[0].highlights()[0];
    /// assert_eq!((field.as_str(), fragments[0].marked.as_str()), ("body", "A sluice box [washes] gold out of gravel."));
    /// # Ok::<(), lodedb::Error>(())
    /// ```
    pub fn highlight(mut self, field: impl Into<String>, options: Highlight) -> Self {
        self.highlights.push((field.into(), options));
        self
    }

    /// How many candidates each part gives to [`fusion`](Self::fusion), [`diversity`](Self::diversity) and
    /// [`group_by`](Self::group_by); never fewer than the hits wanted. Default: four times these, and at least 100.
    pub fn depth(mut self, depth: usize) -> Self {
        self.depth = Some(depth);
        self
    }

    /// How unlike hits are to be, 0 to 1: each next one is the best by `(1 - diversity) * score - diversity * likeness`, its
    /// score between the candidates' worst and best and its likeness the largest cosine to a hit before it (maximal marginal
    /// relevance). Default: likeness does not count.
    pub fn diversity(mut self, diversity: f32) -> Self {
        self.diversity = Some(diversity);
        self
    }
}
