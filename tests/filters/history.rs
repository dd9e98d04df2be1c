//! Random histories of a collection with fields of every kind; after each step a random question is asked in all forms and
//! through all doors, and compared with the plain evaluation.

use super::condition::Condition;
use super::condition::any_condition;
use super::random::Random;
use super::reference;
use super::values::any_fields;
use lodedb::Collection;
use lodedb::Database;
use lodedb::Direction;
use lodedb::Dtype;
use lodedb::Error;
use lodedb::Fields;
use lodedb::Filter;
use lodedb::Hit;
use lodedb::Maintenance;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Scan;
use lodedb::Schema;
use lodedb::Search;
use lodedb::Value;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Ids that writes choose from: few, so that records are replaced.
const IDS: u64 = 30;
/// Records that a large write adds: enough for a graph.
const BULK: u64 = 1100;
/// What a record can be sorted, counted and grouped by.
const FIELDS: [&str; 6] = ["a", "b", "a.x", "c", "odd name", "nowhere"];
/// The field that a schema may leave without an index.
const UNINDEXED: &str = "plain";

#[derive(Clone, Debug)]
struct Setting {
    metric: Metric,
    dim: usize,
    text_ids: bool,
    unindexed: bool,
}

fn any_setting() -> impl Strategy<Value = Setting> {
    let metric = prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2, Metric::Hamming]);
    (metric, 2..9usize, any::<bool>(), any::<bool>()).prop_map(|(metric, dim, text_ids, unindexed)| {
        let dim = if metric == Metric::Hamming { 8 } else { dim };
        Setting { metric, dim, text_ids, unindexed }
    })
}

impl Setting {
    fn schema(&self) -> Schema {
        let dtype = if self.metric == Metric::Hamming { Dtype::Binary } else { Dtype::F32 };
        let schema = Schema::new(self.dim).metric(self.metric).dtype(dtype);
        if self.unindexed { schema.unindexed([UNINDEXED]) } else { schema }
    }

    fn id(&self, number: u64) -> RecordId {
        if self.text_ids { RecordId::from(format!("r{number}")) } else { RecordId::from(number) }
    }

    /// Vector `seed`: never all zeros, and one of few, so that there are ties.
    fn vector(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed % 50);
        let mut value = || match self.metric {
            Metric::Hamming => random.below(2) as f32,
            _ => random.below(9) as f32 * 0.5 - 2.0,
        };
        let mut values: Vec<f32> = (0..self.dim).map(|_| value()).collect();
        if values.iter().all(|value| *value == 0.0) {
            values[0] = 1.0;
        }
        values
    }

    fn score(&self, a: &[f32], b: &[f32]) -> f64 {
        let sum = |term: fn(f64, f64) -> f64| -> f64 {
            a.iter().zip(b).map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum()
        };
        let dot = sum(|a, b| a * b);
        match self.metric {
            Metric::Dot => dot,
            Metric::Cosine => dot / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt(),
            Metric::Hamming => -sum(|a, b| (a - b).abs()),
            _ => -sum(|a, b| (a - b) * (a - b)).sqrt(),
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Upsert(Vec<(u64, u64, Fields)>),
    /// Many records at once, with these fields in turn.
    Bulk(Vec<Fields>),
    Update(u64, Fields),
    Delete(Vec<u64>),
    DeleteWhere(Condition),
    Checkpoint,
    Optimize,
    Reopen,
}

fn any_op() -> impl Strategy<Value = Op> {
    let record = || (0..IDS, any::<u64>(), any_fields());
    prop_oneof![
        8 => prop::collection::vec(record(), 1..12).prop_map(Op::Upsert),
        1 => prop::collection::vec(any_fields(), 20..40).prop_map(Op::Bulk),
        2 => (0..IDS, any_fields()).prop_map(|(id, fields)| Op::Update(id, fields)),
        2 => prop::collection::vec(0..2 * IDS, 1..6).prop_map(Op::Delete),
        1 => any_condition().prop_map(Op::DeleteWhere),
        2 => Just(Op::Checkpoint),
        2 => Just(Op::Optimize),
        2 => Just(Op::Reopen),
    ]
}

/// A filter, and how it is asked with.
#[derive(Clone, Debug)]
struct Question {
    condition: Condition,
    field: &'static str,
    direction: Direction,
    /// Records on a page, and hits.
    limit: usize,
    /// Hits of a group.
    most: usize,
    seed: u64,
    allow_unknown: bool,
}

fn any_question() -> impl Strategy<Value = Question> {
    let direction = prop::sample::select(vec![Direction::Ascending, Direction::Descending]);
    let parts = (any_condition(), prop::sample::select(&FIELDS[..]), direction);
    let more = (1..15usize, 1..4usize, any::<u64>(), any::<bool>());
    (parts, more).prop_map(|((condition, field, direction), (limit, most, seed, allow_unknown))| Question {
        condition,
        field,
        direction,
        limit,
        most,
        seed,
        allow_unknown,
    })
}

struct World {
    setting: Setting,
    backend: Arc<MemoryBackend>,
    db: Option<Database>,
    records: BTreeMap<RecordId, (Vec<f32>, Fields)>,
}

impl World {
    fn new(setting: &Setting) -> Self {
        let mut world = Self {
            setting: setting.clone(),
            backend: Arc::new(MemoryBackend::new()),
            db: None,
            records: BTreeMap::new(),
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let options = Options::new().maintenance(Maintenance::Manual);
        self.db = Some(options.open_backend(self.backend.clone(), "memory").unwrap());
    }

    fn docs(&self) -> Collection {
        self.db.as_ref().unwrap().collection("docs", self.setting.schema()).unwrap()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Upsert(records) => {
                let records = records.iter().map(|(id, seed, fields)| (*id, *seed, fields));
                self.upsert(records);
            }
            Op::Bulk(fields) => {
                self.upsert(
                    (IDS..IDS + BULK).zip(fields.iter().cycle()).map(|(id, fields)| (id, id, fields)),
                );
            }
            Op::Update(id, fields) => {
                let id = self.setting.id(*id);
                let updated = self.docs().update(id.clone(), fields.clone());
                match self.records.get_mut(&id) {
                    Some((_, known)) => {
                        updated.unwrap();
                        fields.iter().for_each(|(name, value)| drop(known.insert(name, value.clone())));
                    }
                    None => {
                        assert!(matches!(updated, Err(Error::RecordNotFound { .. } | Error::Schema { .. })));
                    }
                }
            }
            Op::Delete(ids) if !self.records.is_empty() => {
                let ids: Vec<RecordId> = ids.iter().map(|id| self.setting.id(*id)).collect();
                self.docs().delete(ids.clone()).unwrap();
                ids.iter().for_each(|id| drop(self.records.remove(id)));
            }
            Op::Delete(_) => {}
            Op::DeleteWhere(condition) => {
                let deleted = self.docs().delete_where(condition.built());
                if let Some(deleted) = self.expected(condition, false, deleted) {
                    let before = self.records.len();
                    self.records.retain(|_, (_, fields)| !condition.passes(fields));
                    assert_eq!(deleted, before - self.records.len());
                }
            }
            Op::Checkpoint => self.db.as_ref().unwrap().checkpoint().unwrap(),
            Op::Optimize => self.db.as_ref().unwrap().optimize(|_| ControlFlow::Continue(())).unwrap(),
            Op::Reopen => {
                self.db.take().unwrap().close().unwrap();
                self.open();
            }
        }
    }

    fn upsert<'a>(&mut self, records: impl Iterator<Item = (u64, u64, &'a Fields)>) {
        let mut batch = Vec::new();
        for (id, seed, fields) in records {
            let (id, vector) = (self.setting.id(id), self.setting.vector(seed));
            batch.push(Record::new(id.clone()).vector(&vector).with_fields(fields.clone()));
            self.records.insert(id, (vector, fields.clone()));
        }
        self.docs().upsert(batch).unwrap();
    }

    /// What a call with a filter gave; `None` where it refused a field that no record has, as it may.
    fn expected<T>(&self, condition: &Condition, allow_unknown: bool, result: Result<T>) -> Option<T> {
        let is_known = |path: &&str| self.is_known(path);
        match result {
            Ok(value) => {
                // A field that a deleted record had may be known or not.
                let is_strange = |path: &&str| *path == "nowhere";
                let refused =
                    !allow_unknown && !self.records.is_empty() && condition.paths().iter().any(is_strange);
                assert!(!refused, "a field that no record ever had");
                Some(value)
            }
            Err(Error::Filter { problem }) => {
                assert!(!allow_unknown && !condition.paths().iter().all(is_known), "{problem}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether a record has something at `path`.
    fn is_known(&self, path: &str) -> bool {
        self.records.values().any(|(_, fields)| !reference::at(fields, path).is_empty())
    }

    /// The records that pass.
    fn passing(&self, condition: &Condition) -> Vec<(&RecordId, &Vec<f32>, &Fields)> {
        let records = self.records.iter().filter(|(_, (_, fields))| condition.passes(fields));
        records.map(|(id, (vector, fields))| (id, vector, fields)).collect()
    }

    fn ask(&self, question: &Question) {
        let docs = self.docs();
        let passing = self.passing(&question.condition);
        for filter in question.condition.doors() {
            let count = docs.count(filter);
            if let Some(count) = self.expected(&question.condition, false, count) {
                assert_eq!(count, passing.len(), "{}", question.condition.built());
            }
        }
        self.check_pages(&docs, question);
        self.check_facets(&docs, question);
        self.check_sorted(&docs, question);
        self.check_searches(&docs, question);
        self.check_groups(&docs, question);
        self.check_all_over(&docs, question);
    }

    fn scan(docs: &Collection, question: &Question) -> Scan {
        docs.scan().filter(question.condition.built()).allow_unknown_fields(question.allow_unknown)
    }

    fn check_pages(&self, docs: &Collection, question: &Question) {
        let mut wanted = self.passing(&question.condition).into_iter();
        let mut after: Option<RecordId> = None;
        loop {
            let mut scan = Self::scan(docs, question).limit(question.limit);
            if let Some(after) = after.take() {
                scan = scan.after(after);
            }
            let page: Result<Vec<Record>> = scan.collect();
            let Some(page) = self.expected(&question.condition, question.allow_unknown, page) else { return };
            for record in &page {
                let (id, _, fields) = wanted.next().expect("a record too many");
                assert_eq!((record.id(), record.fields()), (id, fields));
            }
            match page.last() {
                Some(last) if page.len() == question.limit => after = Some(last.id().clone()),
                _ => break,
            }
        }
        assert_eq!(wanted.count(), 0, "records are missing");
    }

    /// Whether a call that names the question's field may go on; checks that it was refused where it had to be.
    fn field_expected<T>(&self, question: &Question, result: Result<T>) -> Option<T> {
        if self.is_known(question.field) || self.records.is_empty() {
            return self.expected(&question.condition, question.allow_unknown, result);
        }
        match result {
            Ok(_) => assert_ne!(question.field, "nowhere", "a field that no record ever had"),
            Err(Error::Filter { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        None
    }

    fn check_facets(&self, docs: &Collection, question: &Question) {
        let strict = Question { allow_unknown: false, ..question.clone() };
        let found = docs.facets(question.field, question.condition.built());
        let Some(found) = self.field_expected(&strict, found) else { return };
        let passing = self.passing(&question.condition);
        let wanted = reference::facets(passing.iter().map(|(.., fields)| *fields), question.field);
        assert_eq!(found.len(), wanted.len(), "{found:?} for {wanted:?}");
        for (value, count) in &found {
            let same = wanted.iter().find(|(other, _)| reference::same(value, other));
            assert_eq!(same.map(|(_, count)| count), Some(count), "{value}");
        }
        assert!(found.is_sorted_by(|(one, count), (other, next)| {
            count > next || count == next && reference::sorted(one, other).is_none_or(Ordering::is_lt)
        }));
    }

    fn check_sorted(&self, docs: &Collection, question: &Question) {
        let (down, field) = (question.direction == Direction::Descending, question.field);
        let key = |fields: &Fields| {
            let mut keys = reference::keys(fields, field);
            if down { keys.pop() } else { keys.into_iter().next() }
        };
        let mut wanted: Vec<(Option<Value>, &RecordId)> =
            self.passing(&question.condition).into_iter().map(|(id, _, fields)| (key(fields), id)).collect();
        wanted.sort_by(|(one, id), (other, next)| {
            let by_key = match (one, other) {
                (Some(one), Some(other)) if down => reference::sorted(other, one).unwrap(),
                (Some(one), Some(other)) => reference::sorted(one, other).unwrap(),
                (one, other) => one.is_none().cmp(&other.is_none()),
            };
            by_key.then_with(|| id.cmp(next))
        });
        let scan = || Self::scan(docs, question).order_by(field, question.direction);
        let ids = |scan: Scan| -> Result<Vec<RecordId>> {
            scan.map(|record| record.map(|record| record.id().clone())).collect()
        };
        let Some(all) = self.field_expected(question, ids(scan())) else { return };
        assert_eq!(all.iter().collect::<Vec<_>>(), wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        let pages = wanted.chunks(question.limit);
        for (page, last) in pages.clone().skip(1).zip(pages.map(|page| page.last().unwrap())) {
            let page: Vec<&RecordId> = page.iter().map(|(_, id)| *id).collect();
            // The value as the record has it: alone, or in an array.
            let (_, fields) = &self.records[last.1];
            let stored = reference::at(fields, field).first().map(|value| (*value).clone());
            let by_stored = if reference::at(fields, field).len() > 1 { last.0.clone() } else { stored };
            for scan in [
                scan().after(last.1.clone()),
                scan().after_value(last.0.clone(), last.1.clone()),
                Self::scan(docs, question)
                    .after_value(by_stored, last.1.clone())
                    .order_by(field, question.direction),
            ] {
                let found: Vec<RecordId> = ids(scan.limit(question.limit)).unwrap();
                assert_eq!(found.iter().collect::<Vec<_>>(), page);
            }
        }
    }

    fn search(&self, docs: &Collection, question: &Question) -> Search {
        let query = self.setting.vector(question.seed);
        let search = docs.search().vector(&query).k(question.limit);
        search.filter(question.condition.built()).allow_unknown_fields(question.allow_unknown)
    }

    /// Scores of what passes, the best first.
    fn scores(&self, question: &Question) -> Vec<(f64, &Fields)> {
        let query = self.setting.vector(question.seed);
        let passing = self.passing(&question.condition).into_iter();
        let mut scores: Vec<(f64, &Fields)> =
            passing.map(|(_, vector, fields)| (self.setting.score(&query, vector), fields)).collect();
        scores.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        scores
    }

    /// Ends the test where hits are not such as they say, or do not pass.
    fn check_hits(&self, question: &Question, hits: &[Hit]) {
        let query = self.setting.vector(question.seed);
        assert!(hits.is_sorted_by(|one, next| one.score() >= next.score()));
        let mut ids: Vec<&RecordId> = hits.iter().map(Hit::id).collect();
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|one, next| one < next), "an id twice");
        for hit in hits {
            let (vector, fields) = &self.records[hit.id()];
            assert!(
                question.condition.passes(fields),
                "{} does not pass {}",
                hit.id(),
                question.condition.built()
            );
            assert!(is_near(hit.score(), self.setting.score(&query, vector)));
            assert_eq!(&hit.fields().unwrap(), fields);
        }
    }

    fn check_searches(&self, docs: &Collection, question: &Question) {
        let wanted = self.scores(question);
        for (search, exact) in [
            (self.search(docs, question).exact(true), true),
            // Without a graph all are scored.
            (self.search(docs, question), self.records.len() < 1000),
            (self.search(docs, question).ef(1), false),
        ] {
            let Some(hits) = self.expected(&question.condition, question.allow_unknown, search.run()) else {
                return;
            };
            assert_eq!(
                hits.len(),
                question.limit.min(wanted.len()),
                "hits under {}",
                question.condition.built()
            );
            self.check_hits(question, &hits);
            if exact {
                assert!(hits.iter().zip(&wanted).all(|(hit, (score, _))| is_near(hit.score(), *score)));
            }
        }
        let explained = self.search(docs, question).explain().unwrap();
        assert_eq!((explained.matches, explained.records), (wanted.len(), self.records.len()));
        assert_eq!(explained.hits, question.limit.min(wanted.len()));
        for segment in &explained.segments {
            assert!(segment.estimate.start <= segment.matches && segment.matches <= segment.estimate.end);
        }
    }

    fn check_groups(&self, docs: &Collection, question: &Question) {
        let Question { field, most, limit, .. } = *question;
        let mut groups: Vec<(Value, usize)> = Vec::new();
        let mut is_kept = |fields: &Fields| {
            let keys = reference::keys(fields, field);
            let [key] = keys.as_slice() else { return true };
            match groups.iter_mut().find(|(other, _)| reference::same(key, other)) {
                Some((_, count)) => {
                    *count += 1;
                    *count <= most
                }
                None => {
                    groups.push((key.clone(), 1));
                    true
                }
            }
        };
        let scores = self.scores(question);
        let wanted: Vec<f64> = scores
            .iter()
            .filter(|(_, fields)| is_kept(fields))
            .map(|(score, _)| *score)
            .take(limit)
            .collect();
        let hits = self.search(docs, question).group_by(field, most).exact(true).run();
        let Some(hits) = self.field_expected(question, hits) else { return };
        self.check_hits(question, &hits);
        assert_eq!(hits.len(), wanted.len());
        assert!(hits.iter().zip(&wanted).all(|(hit, score)| is_near(hit.score(), *score)));
        let hits = self.search(docs, question).group_by(field, most).run().unwrap();
        self.check_hits(question, &hits);
        assert_eq!(hits.len(), wanted.len());
    }

    /// All records with a least score, and the first of them.
    fn check_all_over(&self, docs: &Collection, question: &Question) {
        let scores: Vec<f64> = self.scores(question).into_iter().map(|(score, _)| score).collect();
        let middle = scores.get(question.limit).copied().unwrap_or(0.0);
        for least in [middle - 1e-3, middle + 1e-3] {
            let wanted = scores.iter().filter(|score| **score >= least).count();
            let search = self.search(docs, question).min_score(least as f32);
            let all = search.clone().all().run();
            let Some(all) = self.expected(&question.condition, question.allow_unknown, all) else { return };
            self.check_hits(question, &all);
            assert_eq!(all.len(), wanted);
            let first = search.exact(true).run().unwrap();
            assert_eq!(first.len(), wanted.min(question.limit));
        }
    }
}

fn is_near(found: f32, wanted: f64) -> bool {
    (f64::from(found) - wanted).abs() <= 1e-5 * wanted.abs().max(1.0)
}

fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1849);
    }
    config
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_form_of_question_is_answered_as_by_looking_at_each_record(
        setting in any_setting(),
        steps in prop::collection::vec((any_op(), any_question()), 1..14),
    ) {
        let mut world = World::new(&setting);
        for (op, question) in &steps {
            world.apply(op);
            world.ask(question);
        }
        world.db.as_ref().unwrap().verify().unwrap();
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_condition_is_the_same_filter_through_every_door(condition in any_condition()) {
        let [built, operators, text] = condition.doors();
        if let Condition::Test(..) = condition {
            prop_assert_eq!(&built, &operators);
            prop_assert_eq!(&built, &text);
        }
        for filter in [built, operators, text] {
            prop_assert_eq!(&Filter::from_value(&filter.to_value()).unwrap(), &filter);
            prop_assert_eq!(&filter.to_string().parse::<Filter>().unwrap(), &filter);
        }
    }
}
