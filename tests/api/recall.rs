//! Recall: what a search that asks for it finds, by metric, form of search and dimension, and how it is measured.

use super::*;
use crate::random::Random;
use std::collections::HashSet;

const FORMS: [Quantization; 4] =
    [Quantization::None, Quantization::Sq7, Quantization::Sq4, Quantization::RaBitQ];
const CLUSTERS: u64 = 50;
/// Dimensions, each with a number of records that a graph is worth it for.
const SIZES: [(usize, usize); 3] = [(8, 12_000), (32, 8_000), (128, 5_000)];
/// Queries by which a recall is measured: their mean is within about 0.01 of that of all.
const QUERIES: usize = 300;

/// A number around 0, most likely a small one.
fn noise(random: &mut Random) -> f32 {
    (0..4).map(|_| random.below(1 << 20) as f32).sum::<f32>() / (1 << 21) as f32 - 1.0
}

/// Vectors around centers, some more tightly than others; the centers depend on the dimension alone.
fn clustered(metric: Metric, dim: usize, seed: u64, count: usize) -> Vec<Vec<f32>> {
    let mut random = Random::new(dim as u64);
    let centers: Vec<Vec<f32>> =
        (0..CLUSTERS).map(|_| (0..dim).map(|_| noise(&mut random)).collect()).collect();
    let mut random = Random::new(seed);
    let vectors = (0..count).map(|_| {
        let cluster = random.below(CLUSTERS) as usize;
        let spread = 0.4 + cluster as f32 / CLUSTERS as f32;
        // For the dot product, lengths from a quarter of the usual to four times as much.
        let length = if metric == Metric::Dot { 4f32.powf(noise(&mut random)) } else { 1.0 };
        let values = centers[cluster].iter().map(|center| (center + spread * noise(&mut random)) * length);
        match metric {
            Metric::Hamming => values.map(|value| f32::from(value > 0.0)).collect(),
            _ => values.collect(),
        }
    });
    vectors.collect()
}

/// The share of the hits of an exact search that another one finds, or others as good.
fn share(found: &[Hit], exact: &[Hit]) -> f64 {
    let worst = exact.last().unwrap().score();
    found.iter().filter(|hit| hit.score() >= worst).count().min(exact.len()) as f64 / exact.len() as f64
}

/// A collection under one graph, queries of the same kind, and the exact answers.
struct Sample {
    _db: Database,
    docs: Collection,
    queries: Vec<Vec<f32>>,
    exact: Vec<Vec<Hit>>,
}

impl Sample {
    fn new(metric: Metric, dim: usize, form: Quantization, count: usize) -> Self {
        let db = Options::new().maintenance(Maintenance::Manual).open(":memory:").unwrap();
        let dtype = if metric == Metric::Hamming { Dtype::Binary } else { Dtype::F32 };
        let schema = Schema::new(dim).metric(metric).dtype(dtype).quantization(form);
        let docs = db.collection("docs", schema).unwrap();
        let vectors = clustered(metric, dim, 1, count);
        docs.upsert((0..).zip(&vectors).map(|(id, vector): (u64, _)| Record::new(id).vector(vector)))
            .unwrap();
        db.optimize(go_on).unwrap();
        let queries = clustered(metric, dim, 2, QUERIES);
        let exact = docs.search().exact(true).run_many(&queries).unwrap();
        Self { _db: db, docs, queries, exact }
    }

    /// The share of the ten nearest that `search` finds, on average.
    fn found(&self, search: impl Fn() -> lodedb::Search) -> f64 {
        let found = search().run_many(&self.queries).unwrap();
        let shares = found.iter().zip(&self.exact).map(|(found, exact)| {
            assert_eq!(found.len(), 10);
            assert!(found.is_sorted_by(|one, next| one.score() >= next.score()));
            assert_eq!(found.iter().map(Hit::id).collect::<HashSet<_>>().len(), 10, "an id twice");
            share(found, exact)
        });
        shares.sum::<f64>() / QUERIES as f64
    }

    /// Ends the test where a recall is missed by more than `lost`, or a larger `ef` finds clearly less.
    fn check(&self, what: &str, lost: impl Fn(f32) -> f64) {
        for wanted in [0.8, 0.9, 0.95, 0.98, 0.99] {
            let found = self.found(|| self.docs.search().recall(wanted));
            assert!(found >= f64::from(wanted) - lost(wanted), "{what}: {found} of {wanted}");
        }
        let by_ef = [10, 20, 40, 80, 160, 320].map(|ef| self.found(|| self.docs.search().ef(ef)));
        assert!(by_ef.is_sorted_by(|less, more| *more >= less - 0.01), "{what}: {by_ef:?}");
    }
}

/// Checks the recall of each form of search for vectors of `dim` dimensions.
fn check_forms(metric: Metric, dim: usize, count: usize) {
    // Where lengths differ sixteenfold, less is measured of what queries will find with little effort.
    let lost = |wanted| if metric == Metric::Dot && wanted < 0.95 { 0.1 } else { 0.02 };
    for form in FORMS {
        Sample::new(metric, dim, form, count).check(&format!("{metric} {dim} {form}"), lost);
    }
}

#[test]
fn the_recall_asked_for_is_found_by_cosine() {
    for (dim, count) in SIZES {
        check_forms(Metric::Cosine, dim, count);
    }
}

#[test]
fn the_recall_asked_for_is_found_by_dot_product() {
    for (dim, count) in SIZES {
        check_forms(Metric::Dot, dim, count);
    }
}

#[test]
fn the_recall_asked_for_is_found_by_euclidean_distance() {
    for (dim, count) in SIZES {
        check_forms(Metric::L2, dim, count);
    }
}

#[test]
fn the_recall_asked_for_is_found_by_differing_bits() {
    for (dim, count) in [(8, 5_000), (32, 10_000), (128, 20_000)] {
        let what = format!("hamming {dim}");
        Sample::new(Metric::Hamming, dim, Quantization::Auto, count).check(&what, |_| 0.02);
    }
}

#[test]
fn the_measured_recall_is_that_of_unseen_queries() {
    let sample = Sample::new(Metric::L2, 32, Quantization::Sq4, 6_000);
    for wanted in [0.6, 0.9, 0.98] {
        let search = || sample.docs.search().recall(wanted);
        let (measured, found) = (f64::from(search().measure_recall(400).unwrap()), sample.found(search));
        assert!((measured - found).abs() < 0.03, "{measured} was measured, {found} found");
    }
    let few = f64::from(sample.docs.search().ef(10).measure_recall(400).unwrap());
    assert!(few < 0.9, "{few} with a beam of ten");
    assert_eq!(sample.docs.search().exact(true).measure_recall(20).unwrap(), 1.0);
    // Every other record is gone, and the ones that are left are looked for among each other.
    sample.docs.delete((0..6_000).filter(|id| id % 2 == 0)).unwrap();
    let measured = sample.docs.search().measure_recall(300).unwrap();
    assert!(measured > 0.95, "{measured}");
}

#[test]
fn a_sample_may_be_larger_than_the_collection() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    assert_eq!(docs.search().measure_recall(10).unwrap(), 1.0);
    docs.upsert([record(1)]).unwrap();
    assert_eq!(docs.search().measure_recall(10).unwrap(), 1.0);
    docs.upsert((2..MANY).map(record)).unwrap();
    db.optimize(go_on).unwrap();
    docs.delete(100..MANY).unwrap();
    for sample in [1, 98, 99, 100, 100_000, usize::MAX] {
        assert_eq!(docs.search().k(1000).measure_recall(sample).unwrap(), 1.0);
    }
    docs.delete(0..MANY).unwrap();
    assert_eq!(docs.search().measure_recall(5).unwrap(), 1.0);
}

#[test]
fn settings_out_of_range_are_refused_by_every_form_of_search() {
    let db = memory();
    let docs = with_first(&db);
    let refused = |change: fn(lodedb::Search) -> lodedb::Search| {
        let search = || change(docs.search().vector([1.0, 1.0]));
        let run = search().run().unwrap_err();
        let many = search().run_many([[1.0, 1.0]]).unwrap_err();
        let measured = search().measure_recall(1).unwrap_err();
        assert_eq!(run.to_string(), many.to_string());
        assert_eq!(run.to_string(), measured.to_string());
        run
    };
    for error in [
        refused(|search| search.k(0)),
        refused(|search| search.ef(0)),
        refused(|search| search.recall(0.499)),
        refused(|search| search.recall(1.0)),
        refused(|search| search.recall(f32::NAN)),
        refused(|search| search.recall(f32::NEG_INFINITY)),
    ] {
        assert!(matches!(error, Error::InvalidOption { .. }), "{error}");
    }
    for error in [refused(|search| search.k(10_001)), refused(|search| search.ef(65_537))] {
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
    let no_sample = docs.search().measure_recall(0).unwrap_err();
    assert!(matches!(no_sample, Error::InvalidOption { name: "sample", .. }), "{no_sample}");
}

#[test]
fn many_searches_at_once_find_what_each_would() {
    let sample = Sample::new(Metric::Cosine, 32, Quantization::Auto, 4_000);
    sample.docs.delete((0..4_000).filter(|id| id % 3 == 0)).unwrap();
    sample.docs.upsert((9_000..9_010u64).map(|id| Record::new(id).vector(&sample.queries[0]))).unwrap();
    let plain = |hits: &[Hit]| -> Vec<(RecordId, u32)> {
        hits.iter().map(|hit| (hit.id().clone(), hit.score().to_bits())).collect()
    };
    for search in [sample.docs.search(), sample.docs.search().k(3).ef(50), sample.docs.search().exact(true)] {
        let many = search.clone().run_many(&sample.queries).unwrap();
        assert_eq!(many.len(), QUERIES);
        for (found, query) in many.iter().zip(&sample.queries) {
            assert_eq!(plain(found), plain(&search.clone().vector(query).run().unwrap()));
        }
    }
    assert!(sample.docs.search().run_many(Vec::<Vec<f32>>::new()).unwrap().is_empty());
}

#[test]
fn one_wrong_query_among_many_is_an_error() {
    let db = memory();
    let docs = with_first(&db);
    let many = |queries: [Vec<f32>; 3]| docs.search().run_many(queries);
    assert_eq!(many([vec![1.0, 1.0], vec![1.0, 2.0], vec![0.0, 0.0]]).unwrap().len(), 3);
    let error = many([vec![1.0, 1.0], vec![1.0], vec![1.0, 2.0]]).unwrap_err();
    assert!(matches!(error, Error::DimensionMismatch { expected: 2, found: 1, .. }), "{error}");
    let error = many([vec![1.0, 1.0], vec![1.0, 2.0], vec![f32::NAN, 0.0]]).unwrap_err();
    assert!(matches!(error, Error::InvalidVector { .. }), "{error}");
}

#[test]
fn many_searches_and_measuring_are_told_which_vector_is_meant() {
    let db = memory();
    let schema = Schema::named([VectorSchema::new("text", 4), VectorSchema::new("image", 2)]);
    let docs = db.collection("docs", schema).unwrap();
    let records = (0..MANY).map(|id| {
        let at = id as f32 + 1.0;
        Record::new(id).named_vector("text", [at, 1.0, -at, 2.0]).named_vector("image", [at.sin(), at.cos()])
    });
    docs.upsert(records).unwrap();
    db.optimize(go_on).unwrap();
    assert!(matches!(docs.search().run_many([[1.0, 0.0]]), Err(Error::Schema { .. })));
    assert!(matches!(docs.search().measure_recall(5), Err(Error::Schema { .. })));
    let image = || docs.search().named_vector("image", [0.0, 1.0]).k(1);
    let found = image().run_many([[1f32.sin(), 1f32.cos()], [700f32.sin(), 700f32.cos()]]).unwrap();
    // 710 is so close to a multiple of a full turn that records so far apart have one direction.
    let found: Vec<_> = found.iter().map(|hits| hits[0].id().as_u64().map(|id| id % 710)).collect();
    assert_eq!(found, [Some(0), Some(699)]);
    assert_eq!(image().exact(true).measure_recall(100).unwrap(), 1.0);
    let error = image().run_many([[1.0, 0.0, 0.0, 0.0]]).unwrap_err();
    assert!(matches!(error, Error::DimensionMismatch { expected: 2, found: 4, .. }), "{error}");
}
