//! One search: its vectors, sparse ones too, its words, and how one ranking is made of them.

use crate::errors::argument;
use crate::fusion::fusion_in;
use crate::hits::PyHits;
use crate::options::Effort;
use crate::options::SearchOptions;
use crate::process::detached;
use crate::rerank::Rerank;
use crate::text::Words;
use lodedb::Collection;
use lodedb::Explain;
use lodedb::Fusion;
use lodedb::Search;
use lodedb::SparseVector;
use lodedb::Vector;
use pyo3::prelude::*;

/// How one ranking is made of the candidates of all parts.
pub(crate) struct Ranking {
    fusion: Option<Fusion>,
    depth: Option<usize>,
    diversity: Option<f32>,
}

impl Ranking {
    /// What the arguments `fusion`, `depth` and `diversity` say.
    pub(crate) fn of(
        fusion: Option<&Bound<'_, PyAny>>,
        depth: Option<usize>,
        diversity: Option<f32>,
    ) -> PyResult<Self> {
        Ok(Self { fusion: fusion.map(fusion_in).transpose()?, depth, diversity })
    }

    fn begin(self, mut search: Search) -> Search {
        if let Some(fusion) = self.fusion {
            search = search.fusion(fusion);
        }
        search = self.depth.into_iter().fold(search, Search::depth);
        self.diversity.into_iter().fold(search, Search::diversity)
    }
}

/// Everything that `Collection.search` is asked for, but for `rerank`.
pub(crate) struct Asked<'a> {
    /// Vectors by the names of those that they are compared with.
    pub(crate) vectors: Vec<(&'a str, Vector)>,
    /// Sparse vectors by the names of those that they are compared with.
    pub(crate) sparse: Vec<(String, SparseVector)>,
    pub(crate) words: Option<Words>,
    pub(crate) ranking: Ranking,
    pub(crate) options: SearchOptions,
}

impl Asked<'_> {
    /// The hits.
    pub(crate) fn run(
        self,
        py: Python<'_>,
        collection: &Collection,
        rerank: Option<&Rerank<'_, '_>>,
    ) -> PyResult<PyHits> {
        let asked = self.checked(rerank)?;
        let hits = detached(py, || asked.begin(collection.search())?.run())?;
        match rerank {
            Some(rerank) => rerank.apply(hits),
            None => Ok(PyHits::new(hits)),
        }
    }

    /// How the hits are found: those that `rerank` would be given, where there is one.
    pub(crate) fn explain(
        self,
        py: Python<'_>,
        collection: &Collection,
        rerank: Option<&Rerank<'_, '_>>,
    ) -> PyResult<Explain> {
        let asked = self.checked(rerank)?;
        detached(py, || asked.begin(collection.search())?.explain())
    }

    /// The same, with as many hits as `rerank` needs, once no option is without effect.
    fn checked(mut self, rerank: Option<&Rerank<'_, '_>>) -> PyResult<Self> {
        let others = self.sparse.len() + usize::from(self.words.is_some());
        let parts = self.vectors.len() + others;
        let looks_twice =
            parts > 1 || self.ranking.diversity.is_some() || (others > 0 && self.options.grouping.is_some());
        if parts == 1 && self.ranking.fusion.is_some() {
            return Err(argument("fusion= makes one ranking of several parts, and this search has one"));
        }
        if parts == 1 && self.ranking.depth.is_some() && !looks_twice {
            return Err(argument("depth= is for searches of several parts, or with diversity="));
        }
        if self.ranking.diversity.is_some() && self.options.k.is_none() {
            return Err(argument("diversity= picks k hits of more, and k=None asks for all"));
        }
        let follows_graph = self.options.exact || self.options.effort != Effort::Default;
        if self.vectors.is_empty() && parts > 0 && follows_graph {
            return Err(argument("recall=, ef= and exact= are about vectors, and this search has none"));
        }
        if let Some(rerank) = rerank {
            self.options.k = rerank.depth();
        }
        Ok(self)
    }

    fn begin(self, search: Search) -> lodedb::Result<Search> {
        let search = self.ranking.begin(self.options.begin(search));
        let named = |search: Search, (name, vector)| search.named_vector(name, vector);
        let search = self.vectors.into_iter().fold(search, named);
        let sparse = |search: Search, (name, vector)| search.sparse(name, vector);
        let search = self.sparse.into_iter().fold(search, sparse);
        match self.words {
            Some(words) => words.begin(search),
            None => Ok(search),
        }
    }
}
