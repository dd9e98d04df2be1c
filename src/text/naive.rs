//! The plainest way to answer a query: every record is looked at. What tests compare the index with.

use super::analyzer::Analyzer;
use super::bm25::idf;
use super::expand::near_stems;
use super::query::Clause;
use super::query::Minimum;
use super::query::Occur;
use super::query::TextQuery;
use super::query::What;
use super::words::Kind;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The terms of one record's field with their positions.
type Record = BTreeMap<String, Vec<u32>>;

/// One field of all live records.
pub(super) struct NaiveField {
    pub(super) analyzer: Analyzer,
    pub(super) boost: f64,
    records: Vec<Record>,
}

fn record(analyzer: &Analyzer, text: &str) -> Record {
    let mut record = Record::new();
    analyzer
        .start()
        .tokens(text, &mut |token| record.entry(token.term.to_owned()).or_default().push(token.position));
    record
}

fn len(record: &Record) -> f64 {
    record.values().map(|positions| positions.len() as f64).sum()
}

impl NaiveField {
    pub(super) fn new<'t>(analyzer: Analyzer, boost: f64, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let records = texts.into_iter().map(|text| record(&analyzer, text)).collect();
        Self { analyzer, boost, records }
    }

    fn docs(&self) -> u64 {
        self.records.iter().filter(|record| !record.is_empty()).count() as u64
    }

    fn df(&self, term: &str) -> u64 {
        self.records.iter().filter(|record| record.contains_key(term)).count() as u64
    }

    fn score(&self, weight: f64, tf: f64, at: usize) -> f64 {
        let docs = self.docs() as f64;
        let mean = self.records.iter().map(len).sum::<f64>() / docs;
        weight * tf / (tf + 1.2 * (0.25 + 0.75 * len(&self.records[at]) / mean))
    }

    fn terms(&self, text: &str) -> Vec<(String, u32)> {
        let mut terms = Vec::new();
        self.analyzer.start().tokens(text, &mut |token| {
            if token.kind != Kind::Last {
                terms.push((token.term.to_owned(), token.position));
            }
        });
        terms
    }

    /// Score of a clause in one record; `None` where it does not match, and where it says nothing.
    fn clause(&self, clause: &Clause, among: &[&Self], at: usize) -> (bool, Option<f64>) {
        match &clause.what {
            What::Phrase { text, slop } => self.phrase(&self.terms(text), *slop, among, at),
            What::Word(text) if clause.occur != Occur::Should => self.phrase(&self.terms(text), 0, among, at),
            _ => {
                let (says, terms) = self.weighted(clause, among);
                (says, self.sum(terms.into_iter(), at))
            }
        }
    }

    /// Whether a clause says anything, and terms of which any counts, with their weights.
    fn weighted(&self, clause: &Clause, among: &[&Self]) -> (bool, Vec<(String, f64)>) {
        let docs = among.iter().map(|field| field.docs()).max().unwrap_or(0);
        match &clause.what {
            What::Phrase { text, .. } | What::Word(text) => {
                let terms = self.terms(text);
                (
                    !terms.is_empty(),
                    terms.iter().map(|(term, _)| (term.clone(), rarity(among, term))).collect(),
                )
            }
            _ => {
                let dfs = among.iter().flat_map(|field| {
                    let terms = field.standing_for(clause).1;
                    terms.into_iter().map(|(term, _)| field.df(&term)).collect::<Vec<u64>>()
                });
                let df = dfs.max().unwrap_or(0);
                let (says, terms) = self.standing_for(clause);
                (says, terms.into_iter().map(|(term, share)| (term, idf(docs, df) * share)).collect())
            }
        }
    }

    /// Whether a prefix or a misspelt word says anything, and the terms that it may stand for with their shares.
    fn standing_for(&self, clause: &Clause) -> (bool, Vec<(String, f64)>) {
        match &clause.what {
            What::Phrase { .. } | What::Word(_) => (false, Vec::new()),
            What::Prefix(prefix) => {
                let prefix = self.analyzer.start().folded(prefix).to_owned();
                let stem = self.terms(&prefix).first().map(|term| term.0.clone());
                let stem = stem.filter(|_| self.analyzer.stems());
                let near = self.all_terms().into_iter();
                let near = near.filter(|term| term.starts_with(&prefix) || Some(term) == stem.as_ref());
                (!prefix.is_empty(), near.map(|term| (term, 1.0)).collect())
            }
            What::Fuzzy { word, edits } => {
                let word = self.analyzer.start().folded(word).to_owned();
                let stems = if self.analyzer.stems() {
                    near_stems(&self.analyzer.start(), &word)
                } else {
                    Vec::new()
                };
                let near = self.all_terms().into_iter().filter_map(|term| {
                    let distance = edits_between(&word, &term);
                    let stem = stems.iter().any(|stem| stem == term.as_bytes());
                    let distance = if distance > usize::from(*edits) && stem { 1 } else { distance };
                    (distance <= usize::from(*edits)).then_some((term, 1.0 / (1.0 + distance as f64)))
                });
                (!word.is_empty(), near.collect())
            }
        }
    }

    fn all_terms(&self) -> BTreeSet<String> {
        self.records.iter().flat_map(|record| record.keys().cloned()).collect()
    }

    /// Whether what the clause asks for in this field are terms of which any counts.
    fn is_terms(&self, clause: &Clause) -> bool {
        match &clause.what {
            What::Phrase { text, .. } => self.terms(text).len() < 2,
            _ => clause.occur == Occur::Should,
        }
    }

    fn sum(&self, terms: impl Iterator<Item = (String, f64)>, at: usize) -> Option<f64> {
        let mut sum = None;
        for (term, weight) in terms {
            if let Some(positions) = self.records[at].get(&term) {
                *sum.get_or_insert(0.0) += self.score(weight, positions.len() as f64, at);
            }
        }
        sum
    }

    fn phrase(&self, terms: &[(String, u32)], slop: u32, among: &[&Self], at: usize) -> (bool, Option<f64>) {
        let weight: f64 = terms.iter().map(|(term, _)| rarity(among, term)).sum();
        let places = |(term, place): &(String, u32)| -> Vec<i64> {
            let positions = self.records[at].get(term).cloned().unwrap_or_default();
            positions.into_iter().map(|position| i64::from(position) - i64::from(*place)).collect()
        };
        let places: Vec<Vec<i64>> = terms.iter().map(places).collect();
        if let [only] = &places[..] {
            return (true, (!only.is_empty()).then(|| self.score(weight, only.len() as f64, at)));
        }
        let starts: BTreeSet<i64> = places.iter().flatten().copied().collect();
        let tf: f64 = starts
            .iter()
            .filter_map(|start| {
                let ends =
                    places.iter().map(|list| list.iter().filter(|place| *place >= start).min().copied());
                let ends = ends.collect::<Option<Vec<i64>>>()?;
                let end = *ends.iter().max()?;
                let stands =
                    terms.iter().zip(&ends).map(|((term, place), end)| (term, end + i64::from(*place)));
                if stands.collect::<BTreeSet<_>>().len() < terms.len() {
                    return None;
                }
                (end - start <= i64::from(slop)).then(|| 1.0 / (1.0 + (end - start) as f64))
            })
            .sum();
        (!terms.is_empty(), (tf > 0.0).then(|| self.score(weight, tf, at)))
    }
}

/// How rare a term is in that of the fields that has it most often.
fn rarity(fields: &[&NaiveField], term: &str) -> f64 {
    let docs = fields.iter().map(|field| field.docs()).max().unwrap_or(0);
    idf(docs, fields.iter().map(|field| field.df(term)).max().unwrap_or(0))
}

/// Edits between two words, as the fuzzy search counts them.
fn edits_between(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let other = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut least = other.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(table[i - 2][j - 2] + 1);
                    }
                    least
                }
            };
        }
    }
    table[a.len()][b.len()]
}

/// The score of one record, which is the `at`th of each field; nothing where the query does not match it.
pub(super) fn score(query: &TextQuery, fields: &[(&str, NaiveField)], at: usize) -> Option<f64> {
    let (mut sum, mut must, mut should, mut matched) = (0.0, 0, 0, 0);
    // Where any counts, equal terms are joined: the squares of their weights, by field and term.
    let mut joined: BTreeMap<(usize, String), f64> = BTreeMap::new();
    for clause in &query.clauses {
        let chosen = fields.iter().enumerate().filter(|(_, (name, _))| {
            clause.fields.is_empty() || clause.fields.iter().any(|field| field == name)
        });
        let among: Vec<&NaiveField> = chosen.clone().map(|(_, (_, field))| field).collect();
        let (mut count, mut saying, mut found) = (0, 0, None);
        for (place, (_, field)) in chosen {
            let (says, mut score) = field.clause(clause, &among, at);
            (count, saying) = (count + 1, saying + usize::from(says));
            if clause.occur == Occur::Should && query.minimum == Minimum::Any && field.is_terms(clause) {
                for (term, weight) in field.weighted(clause, &among).1 {
                    let weight = weight * field.boost * f64::from(clause.boost);
                    *joined.entry((place, term)).or_default() += weight * weight;
                }
                score = score.map(|_| 0.0);
            }
            if let Some(score) = score {
                *found.get_or_insert(0.0) += score * field.boost * f64::from(clause.boost);
            }
        }
        let optional = clause.occur == Occur::Should && query.minimum == Minimum::Any;
        let said = if optional || clause.occur == Occur::MustNot { saying > 0 } else { saying == count };
        match (clause.occur, found) {
            _ if !said => {}
            (Occur::MustNot, Some(_)) | (Occur::Must, None) => return None,
            (Occur::MustNot, None) => {}
            (Occur::Must, Some(score)) => (must, sum) = (must + 1, sum + score),
            (Occur::Should, found) => {
                should += 1;
                matched += usize::from(found.is_some());
                sum += found.unwrap_or(0.0);
            }
        }
    }
    for ((place, term), squares) in joined {
        let terms = std::iter::once((term, squares.sqrt()));
        sum += fields[place].1.sum(terms, at).unwrap_or(0.0);
    }
    let least = usize::from(must == 0);
    let minimum = match query.minimum {
        Minimum::Any => least,
        Minimum::All => should,
        Minimum::Count(count) => (count as usize).min(should).max(least),
    };
    (matched >= minimum && must + should > 0).then_some(sum)
}
