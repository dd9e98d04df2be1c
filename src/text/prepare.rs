//! [`Prepared`]: a query after everything was looked up: which terms, how much each weighs, where its postings are.
//!
//! Statistics are summed over all segments first, without dead records, so that a score does not depend on how records
//! fell into segments.

use super::analyzer::Analysis;
use super::analyzer::Analyzer;
use super::bm25::Bm25;
use super::bm25::Curve;
use super::bm25::idf;
use super::dictionary::Entry;
use super::expand::Expansion;
use super::phrase::Nearness;
use super::query::Clause;
use super::query::Minimum;
use super::query::Occur;
use super::query::TextQuery;
use super::query::What;
use super::view::FieldView;
use super::view::Totals;
use super::words::Kind;
use crate::error::Error;
use crate::error::Result;
use crate::slots::SlotSet;
use std::cell::RefCell;

/// A field that is searched.
#[derive(Clone, Copy)]
pub(crate) struct SearchedField<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// How its texts became terms.
    pub(crate) analyzer: &'a Analyzer,
    /// The parameters of its scores.
    pub(crate) bm25: Bm25,
    /// What its scores are multiplied by.
    pub(crate) boost: f32,
    /// Whether clauses that name no field look here.
    pub(crate) by_default: bool,
    /// Its text in all segments together, see [`FieldView::totals`].
    pub(crate) totals: Totals,
}

/// A segment that is searched.
#[derive(Clone, Copy)]
pub(crate) struct SearchedSegment<'a> {
    /// The index of each field, in the order of the fields; nothing where the segment has no text in it.
    pub(crate) views: &'a [Option<FieldView<'a>>],
    /// Records that are deleted.
    pub(crate) dead: Option<&'a SlotSet>,
    /// Slots.
    pub(crate) len: u32,
}

/// A query that is ready to run.
pub(crate) struct Prepared<'a> {
    pub(super) segments: &'a [SearchedSegment<'a>],
    pub(super) clauses: Vec<PreparedClause<'a>>,
    /// Clauses that are asked for, of which so many must match.
    pub(super) minimum: usize,
    /// Units of a score of 1.
    pub(super) scale: f64,
}

pub(super) struct PreparedClause<'a> {
    pub(super) occur: Occur,
    pub(super) leaves: Vec<PreparedLeaf<'a>>,
}

/// One term or phrase in one field.
pub(super) struct PreparedLeaf<'a> {
    pub(super) field: usize,
    /// What its terms' rarity is multiplied by.
    boost: f64,
    pub(super) weight: f64,
    pub(super) curve: Curve,
    pub(super) terms: Vec<PreparedTerm<'a>>,
    /// How several terms have to stand.
    pub(super) nearness: Nearness,
    /// Whether its term is one of those that stand for one word, of which the most frequent says how rare the word is.
    stands_for_word: bool,
}

pub(super) struct PreparedTerm<'a> {
    pub(super) term: Vec<u8>,
    /// Its place in a phrase.
    pub(super) place: u32,
    /// By segment.
    pub(super) entries: Vec<Option<Entry<'a>>>,
    /// Live records with it, in all segments; of the fields of its clause in the one where it is most frequent.
    df: u64,
}

/// What looking up needs.
struct Lookup<'a, 'q> {
    fields: &'q [SearchedField<'q>],
    segments: &'a [SearchedSegment<'a>],
    lenient: bool,
    /// The chain of each field.
    analyses: RefCell<Vec<Analysis<'q>>>,
}

impl<'a> Prepared<'a> {
    /// Looks everything up.
    ///
    /// # Errors
    /// `InvalidOption` where the query names a field that is not among `fields`, or asks for a phrase where no positions are
    /// kept; `Corrupt`.
    pub(crate) fn new(
        query: &TextQuery,
        fields: &[SearchedField<'_>],
        segments: &'a [SearchedSegment<'a>],
    ) -> Result<Self> {
        let analyses = RefCell::new(fields.iter().map(|field| field.analyzer.start_query()).collect());
        let lookup = Lookup { fields, segments, lenient: query.lenient, analyses };
        let mut clauses = Vec::with_capacity(query.clauses.len());
        for clause in &query.clauses {
            let places = lookup.places(clause)?;
            let mut leaves = Vec::new();
            let (count, mut saying) = (places.len(), 0);
            for place in &places {
                saying += usize::from(lookup.leaves(clause, *place, &mut leaves)?);
            }
            lookup.weigh(&places, &mut leaves);
            // A clause of stop words alone asks for nothing. One that is required has to ask for something in every field:
            // what is a stop word in one of them can't be expected in the others.
            let optional = clause.occur == Occur::Should && query.minimum == Minimum::Any;
            let least = if optional || clause.occur == Occur::MustNot { 1 } else { count.max(1) };
            if saying >= least {
                clauses.push(PreparedClause { occur: clause.occur, leaves });
            }
        }
        if query.minimum == Minimum::Any {
            merge_equal(&mut clauses);
        }
        Ok(Self::of(query.minimum, clauses, segments))
    }

    fn of(minimum: Minimum, clauses: Vec<PreparedClause<'a>>, segments: &'a [SearchedSegment<'a>]) -> Self {
        let count = |occur| clauses.iter().filter(|clause| clause.occur == occur).count();
        let should = count(Occur::Should);
        let minimum = match minimum {
            Minimum::Any => usize::from(count(Occur::Must) == 0),
            Minimum::All => should,
            Minimum::Count(wanted) => (wanted as usize).min(should).max(usize::from(count(Occur::Must) == 0)),
        };
        let scoring = clauses.iter().filter(|clause| clause.occur != Occur::MustNot);
        let (mut largest, mut sum) = (0f64, 0f64);
        for leaf in scoring.flat_map(|clause| &clause.leaves) {
            (largest, sum) = (largest.max(leaf.weight), sum + leaf.weight);
        }
        // Room for rounding: a leaf takes less than 2^23 units, all together less than 2^31.
        let scale = (8_000_000.0 / largest).min(2e9 / sum);
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        Self { segments, clauses, minimum, scale }
    }

    /// Whether no record can match.
    pub(crate) fn is_empty(&self) -> bool {
        self.clauses.iter().all(|clause| clause.occur == Occur::MustNot)
    }
}

/// Gives equal terms of a clause, which are in several fields, the frequency of the one that most records have.
fn share_frequencies(leaves: &mut [PreparedLeaf<'_>]) {
    let mut terms: Vec<&mut PreparedTerm<'_>> = leaves.iter_mut().flat_map(|leaf| &mut leaf.terms).collect();
    // The most frequent of equal ones first.
    terms.sort_by(|one, other| one.term.cmp(&other.term).then(other.df.cmp(&one.df)));
    for equal in terms.chunk_by_mut(|one, other| one.term == other.term) {
        let most = equal[0].df;
        equal.iter_mut().for_each(|term| term.df = most);
    }
}

/// Joins terms that are asked for several times, where any of it counts. Their weights add up as squares do: a word said
/// twice counts 1.4 times as much as one said once, as BM25 for long queries has it (there the constant `k3` says how much).
fn merge_equal(clauses: &mut [PreparedClause<'_>]) {
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (at, clause) in clauses.iter().enumerate().filter(|(_, clause)| clause.occur == Occur::Should) {
        let single = (0..clause.leaves.len()).filter(|leaf| clause.leaves[*leaf].terms.len() == 1);
        places.extend(single.map(|leaf| (at, leaf)));
    }
    let key = |(clause, leaf): (usize, usize)| {
        let leaf = &clauses[clause].leaves[leaf];
        (leaf.field, leaf.terms[0].term.as_slice())
    };
    places.sort_by(|one, other| key(*one).cmp(&key(*other)));
    let equal = |pair: &[(usize, usize)]| key(pair[0]) == key(pair[1]);
    let joins: Vec<bool> = places.windows(2).map(equal).collect();
    let mut first = 0;
    for (at, joins) in (1..).zip(joins) {
        if !joins {
            first = at;
            continue;
        }
        let ((clause, leaf), (to, place)) = (places[at], places[first]);
        clauses[clause].leaves[leaf].terms.clear();
        let weight = clauses[clause].leaves[leaf].weight;
        let held = &mut clauses[to].leaves[place].weight;
        *held = held.hypot(weight);
    }
    clauses.iter_mut().for_each(|clause| clause.leaves.retain(|leaf| !leaf.terms.is_empty()));
}

impl<'a> Lookup<'a, '_> {
    /// The fields of a clause.
    fn places(&self, clause: &Clause) -> Result<Vec<usize>> {
        if clause.fields.is_empty() {
            let chosen = self.fields.iter().enumerate().filter(|(_, field)| field.by_default);
            return Ok(chosen.map(|(place, _)| place).collect());
        }
        let place = |name: &String| {
            self.fields.iter().position(|field| field.name == name).ok_or_else(|| {
                let names: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
                let problem = format!("there is no text field '{name}', but {}", names.join(", "));
                Error::InvalidOption { name: "text", problem }
            })
        };
        clause.fields.iter().map(place).collect()
    }

    /// Adds the leaves of a clause in one field; false where the clause says nothing there.
    fn leaves(&self, clause: &Clause, field: usize, leaves: &mut Vec<PreparedLeaf<'a>>) -> Result<bool> {
        let boost = f64::from(clause.boost) * f64::from(self.fields[field].boost);
        match &clause.what {
            What::Word(text) => self.word(text, clause.occur, field, boost, leaves),
            What::Phrase { text, slop } => {
                let terms = self.terms(field, text);
                let nearness = match self.has_positions(field) || terms.len() < 2 {
                    true => Nearness::Slop(*slop),
                    false if self.lenient => Nearness::Anywhere,
                    false => {
                        let problem = format!(
                            "field '{}' keeps no positions to find phrases by",
                            self.fields[field].name
                        );
                        return Err(Error::InvalidOption { name: "text", problem });
                    }
                };
                self.together(terms, nearness, field, boost, leaves)
            }
            What::Prefix(prefix) => {
                self.expanded(&Expansion::prefix(self.fields[field].analyzer, prefix), field, boost, leaves)
            }
            What::Fuzzy { word, edits } => self.expanded(
                &Expansion::fuzzy(self.fields[field].analyzer, word, *edits),
                field,
                boost,
                leaves,
            ),
        }
    }

    fn has_positions(&self, field: usize) -> bool {
        let mut views = self.segments.iter().filter_map(|segment| segment.views.get(field)?.as_ref());
        views.all(FieldView::has_positions)
    }

    /// The terms of a text with their positions and kinds, without those that stand for the end of a run.
    fn terms(&self, field: usize, text: &str) -> Vec<(Vec<u8>, u32, Kind)> {
        let mut terms = Vec::new();
        self.analyses.borrow_mut()[field].tokens(text, &mut |token| {
            if token.kind != Kind::Last {
                terms.push((token.term.as_bytes().to_vec(), token.position, token.kind));
            }
        });
        terms
    }

    fn word(
        &self,
        text: &str,
        occur: Occur,
        field: usize,
        boost: f64,
        leaves: &mut Vec<PreparedLeaf<'a>>,
    ) -> Result<bool> {
        let terms = self.terms(field, text);
        if occur != Occur::Should && terms.len() > 1 {
            let nearness = if self.has_positions(field) { Nearness::Slop(0) } else { Nearness::Anywhere };
            return self.together(terms, nearness, field, boost, leaves);
        }
        let said = !terms.is_empty();
        for (term, _, kind) in terms {
            if kind == Kind::Single {
                // The character may be the first of a pair, or stand at the end of a run.
                self.expanded(&Expansion::beginning(term), field, boost, leaves)?;
                continue;
            }
            let term = self.term(term, 0, field)?;
            leaves.push(self.leaf(field, boost, vec![term], Nearness::Anywhere));
        }
        Ok(said)
    }

    fn together(
        &self,
        terms: Vec<(Vec<u8>, u32, Kind)>,
        nearness: Nearness,
        field: usize,
        boost: f64,
        leaves: &mut Vec<PreparedLeaf<'a>>,
    ) -> Result<bool> {
        let terms = terms.into_iter().map(|(term, place, _)| self.term(term, place, field));
        let terms: Vec<_> = terms.collect::<Result<_>>()?;
        let said = !terms.is_empty();
        if said {
            leaves.push(self.leaf(field, boost, terms, nearness));
        }
        Ok(said)
    }

    /// Terms that stand for one word.
    fn expanded(
        &self,
        expansion: &Expansion,
        field: usize,
        boost: f64,
        leaves: &mut Vec<PreparedLeaf<'a>>,
    ) -> Result<bool> {
        let said = !expansion.is_empty();
        let views: Vec<_> = self.segments.iter().map(|segment| segment.views.get(field)?.as_ref()).collect();
        for (term, share) in expansion.terms(&views)? {
            let terms = vec![self.term(term, 0, field)?];
            let leaf = self.leaf(field, boost * share, terms, Nearness::Anywhere);
            leaves.push(PreparedLeaf { stands_for_word: true, ..leaf });
        }
        Ok(said)
    }

    /// Weighs the leaves of a clause that looks in `places`. A term is as rare as it is in the field that has it most often:
    /// in a field of few words all are rare, and would count too much there.
    fn weigh(&self, places: &[usize], leaves: &mut [PreparedLeaf<'a>]) {
        let docs = places.iter().map(|field| self.fields[*field].totals.docs).max().unwrap_or(0);
        let standing = leaves.iter().filter(|leaf| leaf.stands_for_word).flat_map(|leaf| &leaf.terms);
        let most = standing.map(|term| term.df).max().unwrap_or(0);
        if places.len() > 1 {
            share_frequencies(leaves);
        }
        for leaf in leaves {
            let rarity: f64 = match leaf.stands_for_word {
                true => idf(docs, most),
                false => leaf.terms.iter().map(|term| idf(docs, term.df)).sum(),
            };
            leaf.weight = leaf.boost * rarity;
        }
    }

    fn leaf(
        &self,
        field: usize,
        boost: f64,
        terms: Vec<PreparedTerm<'a>>,
        nearness: Nearness,
    ) -> PreparedLeaf<'a> {
        let totals = self.fields[field].totals;
        let curve = self.fields[field].bm25.curve(totals.tokens as f32 / totals.docs.max(1) as f32);
        PreparedLeaf { field, boost, weight: 0.0, curve, terms, nearness, stands_for_word: false }
    }

    /// Looks a term up in every segment.
    fn term(&self, term: Vec<u8>, place: u32, field: usize) -> Result<PreparedTerm<'a>> {
        let mut entries = Vec::with_capacity(self.segments.len());
        let mut df = 0;
        for segment in self.segments {
            let view = segment.views.get(field).and_then(Option::as_ref);
            let entry = view.map(|view| view.entry(&term)).transpose()?.flatten();
            if let (Some(view), Some(entry)) = (view, &entry) {
                df += view.live_df(entry, segment.dead)?;
            }
            entries.push(entry);
        }
        Ok(PreparedTerm { term, place, entries, df })
    }
}
