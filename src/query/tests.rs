//! Searches over every make-up of a collection, with graphs and without, its records alive and dead, against a list of
//! all its points.

use super::Hit;
use super::Search;
use super::View;
use crate::ids::RecordId;
use crate::segment::Limits;
use crate::segment::LiveSegment;
use crate::segment::Merge;
use crate::segment::Record;
use crate::segment::Schema;
use crate::segment::Segment;
use crate::segment::SegmentBuilder;
use crate::segment::SegmentSet;
use crate::segment::Target;
use crate::storage::MemoryBackend;
use crate::storage::Store;
use crate::vector::Dtype;
use crate::vector::Metric;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

const METRICS: [Metric; 4] = [Metric::Cosine, Metric::Dot, Metric::L2, Metric::Hamming];
const CLUSTERS: u64 = 40;

/// A number between -1 and 1, most likely near 0, the same one for the same place.
fn noise(point: u64, at: u64) -> f32 {
    let uniform = |part: u64| {
        let mut z = ((point << 10 | at) << 2 | part).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    };
    (0..4).map(uniform).sum::<f32>() / 2.0 - 1.0
}

fn dim(metric: Metric) -> u64 {
    if metric == Metric::Hamming { 64 } else { 16 }
}

/// Point `id` of a cluster.
fn point(metric: Metric, cluster: u64, id: u64) -> Vec<f32> {
    let values = (0..dim(metric)).map(|at| noise(1 << 40 | cluster, at) + 0.6 * noise(id, at));
    match metric {
        Metric::Hamming => values.map(|value| f32::from(value > 0.0)).collect(),
        // Lengths from a quarter of the usual to four times as much.
        Metric::Dot => values.map(|value| value * 4f32.powf(noise(id, 1000))).collect(),
        Metric::Cosine | Metric::L2 => values.collect(),
    }
}

/// Points of the same kind that are not stored.
fn queries(metric: Metric, count: u64) -> Vec<Vec<f32>> {
    (0..count).map(|query| point(metric, query % CLUSTERS, 1 << 41 | query)).collect()
}

fn score(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum()
    };
    let dot = sum(&|a, b| a * b);
    match metric {
        Metric::Dot => dot,
        Metric::Cosine => dot / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt(),
        Metric::L2 => -sum(&|a, b| (a - b) * (a - b)).sqrt(),
        Metric::Hamming => -sum(&|a, b| (a - b).abs()),
    }
}

/// Segments, and the points that are alive in them.
struct Model {
    metric: Metric,
    set: SegmentSet,
    points: BTreeMap<u64, Vec<f32>>,
}

impl Model {
    fn new(metric: Metric) -> Self {
        let dtype = if metric == Metric::Hamming { Dtype::Binary } else { Dtype::F32 };
        let schema = Arc::new(Schema::new(dim(metric) as usize).metric(metric).dtype(dtype));
        let store = Store::create(Arc::new(MemoryBackend::new())).unwrap();
        Self { metric, set: SegmentSet::new(schema, store.pin()), points: BTreeMap::new() }
    }

    /// A segment in memory of points, each with its cluster.
    fn built(&mut self, points: impl Iterator<Item = (u64, u64)>) -> Segment {
        let limits = Limits::default();
        let mut builder = SegmentBuilder::new(self.set.schema.clone(), None, &limits);
        for (cluster, id) in points {
            let values = point(self.metric, cluster, id);
            builder.add(Record::new(id).vector(&values)).unwrap();
            self.points.insert(id, values);
        }
        builder.finish().unwrap().unwrap()
    }

    /// Adds a sealed segment.
    fn seal(&mut self, graph: bool, points: impl Iterator<Item = (u64, u64)>) {
        let source = [LiveSegment::new(Arc::new(self.built(points)))];
        let schema = self.set.schema.clone();
        let merge = Merge { schema, sources: &source, graph, keep_rows: false, progress: &|_| true };
        let merged = merge.run(&Target::Memory).unwrap().unwrap();
        assert_eq!(merged.segment.has_graph(), graph);
        self.set.sealed.push(LiveSegment::new(Arc::new(merged.segment)));
    }

    /// Adds records that are not sealed.
    fn write(&mut self, points: impl Iterator<Item = (u64, u64)>) {
        let segment = self.built(points);
        self.set.upsert(Arc::new(segment)).unwrap();
    }

    fn delete(&mut self, ids: impl IntoIterator<Item = u64>) {
        let ids: Vec<u64> = ids.into_iter().collect();
        self.set.delete(&ids.iter().map(|id| RecordId::from(*id)).collect::<Vec<_>>()).unwrap();
        ids.iter().for_each(|id| drop(self.points.remove(id)));
    }

    fn search(&self, query: &[f32], k: usize) -> Search {
        let view = View { set: Arc::new(self.set.clone()), limits: Arc::default(), watch: None };
        Search::new(Ok(view)).vector(query).k(k)
    }

    /// The living points by falling score.
    fn truth(&self, query: &[f32]) -> Vec<(f64, u64)> {
        let scored = self.points.iter().map(|(id, point)| (score(self.metric, query, point), *id));
        let mut scored: Vec<_> = scored.collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored
    }

    /// Ends the test where `hits` are not as many as there are, each alive, once, with its score, the best first.
    fn check(&self, query: &[f32], k: usize, hits: &[Hit]) {
        assert_eq!(hits.len(), k.min(self.points.len()), "{}", self.metric);
        assert!(hits.is_sorted_by(|one, next| one.score() >= next.score()));
        let mut seen = HashSet::new();
        for hit in hits {
            let id = hit.id().as_u64().unwrap();
            assert!(seen.insert(id), "{} twice", hit.id());
            let right = score(self.metric, query, &self.points[&id]);
            assert!(is_near(f64::from(hit.score()), right), "{} {} {right}", self.metric, hit.score());
        }
    }

    /// The share of the first `k` of `truth` that is among `hits`, or others as good.
    fn share(&self, k: usize, truth: &[(f64, u64)], hits: &[Hit]) -> f64 {
        let k = k.min(truth.len());
        let good = |hit: &&Hit| {
            let (score, worst) = (f64::from(hit.score()), truth[k - 1].0);
            score >= worst || is_near(score, worst)
        };
        hits.iter().filter(good).count().min(k) as f64 / k as f64
    }

    /// The mean share of the true `k` nearest that is found with a recall.
    fn recall(&self, asked: &[Asked], k: usize, recall: f32) -> f64 {
        let share = |(query, truth): &Asked| {
            let hits = self.search(query, k).recall(recall).run().unwrap();
            self.check(query, k, &hits);
            self.share(k, truth, &hits)
        };
        asked.iter().map(share).sum::<f64>() / asked.len() as f64
    }

    /// Queries with what they should find.
    fn asked(&self, queries: &[Vec<f32>]) -> Vec<Asked> {
        queries.iter().map(|query| (query.clone(), self.truth(query))).collect()
    }
}

/// A query, and the living points by falling score.
type Asked = (Vec<f32>, Vec<(f64, u64)>);

/// Equal but for rounding.
fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 + 1e-5 * b.abs()
}

/// Points of all clusters in turn.
fn mixed(ids: Range<u64>) -> impl Iterator<Item = (u64, u64)> {
    ids.map(|id| (id % CLUSTERS, id))
}

/// Two graphs, of which the second took the place of some records of the first, a segment without one, and new records.
fn of_every_kind(metric: Metric) -> Model {
    let mut model = Model::new(metric);
    model.seal(true, mixed(0..4000));
    model.seal(true, mixed(4000..5500));
    model.seal(false, mixed(5500..5900));
    model.write(mixed(5900..6000));
    model.write(mixed(100..150));
    model
}

fn one_graph(metric: Metric) -> Model {
    let mut model = Model::new(metric);
    model.seal(true, mixed(0..5000));
    model
}

/// Checks searches for few and many, exact ones against the list.
fn check_all(model: &Model, queries: &[Vec<f32>]) {
    for query in queries {
        let truth = model.truth(query);
        for k in [1, 10, 100, 1000, 10_000] {
            let exact = model.search(query, k).exact(true).run().unwrap();
            model.check(query, k, &exact);
            for (hit, (right, _)) in exact.iter().zip(&truth) {
                assert!(is_near(f64::from(hit.score()), *right), "{} {} {right}", model.metric, hit.score());
            }
            for recall in [0.5, 0.98, 0.999] {
                model.check(query, k, &model.search(query, k).recall(recall).run().unwrap());
            }
            for ef in [1, 64] {
                model.check(query, k, &model.search(query, k).ef(ef).run().unwrap());
            }
        }
    }
}

#[test]
fn no_search_is_short_or_finds_what_was_deleted() {
    for metric in METRICS {
        for made in [one_graph, of_every_kind] {
            let queries = queries(metric, 3);
            let mut model = made(metric);
            check_all(&model, &queries);
            model.delete((0..6000).filter(|id| id % 2 == 0 && *id < 5000));
            check_all(&model, &queries);
            model.delete((0..5000).filter(|id| id % 2 == 1 && id % 10 != 1));
            check_all(&model, &queries);
            let rest: Vec<u64> = model.points.keys().copied().collect();
            model.delete(rest.into_iter().skip(10));
            check_all(&model, &queries);
        }
    }
}

#[test]
fn no_search_is_short_where_all_around_it_was_deleted() {
    for metric in METRICS {
        for made in [one_graph, of_every_kind] {
            let queries = queries(metric, 2);
            let mut model = made(metric);
            for nearest in [12, 300, 2000] {
                for query in &queries {
                    model.delete(model.truth(query).into_iter().take(nearest).map(|(_, id)| id));
                }
                check_all(&model, &queries);
            }
        }
    }
}

#[test]
fn the_recall_is_kept_where_the_nearest_were_deleted() {
    for metric in METRICS {
        for nearest in [5, 9, 40] {
            let mut model = one_graph(metric);
            let queries = queries(metric, 40);
            for query in &queries {
                model.delete(model.truth(query).into_iter().take(nearest).map(|(_, id)| id));
            }
            let asked = model.asked(&queries);
            for wanted in [0.8, 0.95, 0.99] {
                let found = model.recall(&asked, 10, wanted);
                assert!(found > f64::from(wanted) - 0.05, "{metric}, {nearest} gone: {found} of {wanted}");
            }
        }
    }
}

#[test]
fn several_graphs_find_as_much_as_one() {
    for metric in METRICS {
        let mut one = Model::new(metric);
        one.seal(true, mixed(0..12_000));
        let mut spread = Model::new(metric);
        let mut sorted = Model::new(metric);
        for part in 0..4 {
            spread.seal(true, mixed(0..12_000).filter(|(_, id)| id / CLUSTERS % 4 == part));
            sorted.seal(true, mixed(0..12_000).filter(|(cluster, _)| cluster % 4 == part));
        }
        for model in [&mut one, &mut spread, &mut sorted] {
            model.write(mixed(12_000..12_400));
        }
        let asked = one.asked(&queries(metric, 200));
        for (k, lost) in [(1, 0.06), (10, 0.02), (100, 0.02)] {
            for wanted in [0.8, 0.9, 0.95, 0.98, 0.99] {
                let [one, spread, sorted] =
                    [&one, &spread, &sorted].map(|model| model.recall(&asked, k, wanted));
                // A segment measures itself with its own records, which are looked for elsewhere than its queries when the
                // metric is dot and clusters are sorted into segments; where much may be lost, more is.
                let lost = if metric == Metric::Dot && wanted < 0.95 { 0.06 } else { lost };
                let least = one.min(f64::from(wanted)) - lost;
                assert!(spread >= least, "{metric}, {k} of {wanted}: {spread} over all graphs, {one} in one");
                assert!(sorted >= least, "{metric}, {k} of {wanted}: {sorted} in one of them, {one} in one");
            }
        }
    }
}
