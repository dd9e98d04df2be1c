//! Searches.

use super::*;

#[test]
fn a_search_for_more_than_there_is_finds_all() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    docs.upsert((0..MANY).map(record)).unwrap();
    docs.delete(0..100).unwrap();
    db.optimize(go_on).unwrap();
    docs.upsert((2000..2005).map(record)).unwrap();
    for exact in [true, false] {
        let hits = docs.search().vector([0.0, 0.0]).k(10_000).exact(exact).run().unwrap();
        assert_eq!(hits.len() as u64, MANY - 95);
        assert_eq!((hits[0].id(), hits[0].distance()), (&100.into(), 1f32.hypot(100.0)));
    }
}

#[test]
fn an_empty_collection_answers_with_nothing() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    let check = || {
        assert_eq!(docs.search().vector([1.0, 1.0]).run().unwrap().len(), 0);
        assert_eq!(docs.search().vector([1.0, 1.0]).exact(true).k(10_000).run().unwrap().len(), 0);
        assert_eq!((docs.scan().count(), docs.len().unwrap()), (0, 0));
        assert!(docs.is_empty().unwrap() && !docs.contains(1).unwrap());
    };
    check();
    docs.upsert((0..10).map(record)).unwrap();
    docs.delete(0..5).unwrap();
    db.checkpoint().unwrap();
    docs.delete(5..10).unwrap();
    check();
    db.optimize(go_on).unwrap();
    db.compact().unwrap();
    check();
    db.verify().unwrap();
}

#[test]
fn a_search_without_a_vector_or_for_nothing_is_refused() {
    let db = memory();
    let docs = with_first(&db);
    let no_vector = docs.search().run().unwrap_err();
    assert!(matches!(no_vector, Error::InvalidOption { name: "vector", .. }));
    let no_hits = docs.search().vector([1.0, 1.0]).k(0).run().unwrap_err();
    assert_eq!(no_hits.to_string(), "option 'k': 0, and 1 to 10000 is right");
    let no_candidates = docs.search().vector([1.0, 1.0]).ef(0).run().unwrap_err();
    assert_eq!(no_candidates.to_string(), "option 'ef': 0, and 1 to 65536 is right");
}

#[test]
fn a_query_that_could_not_be_stored_is_refused() {
    let db = memory();
    let docs = with_first(&db);
    let error = |vector: Vec<f32>| docs.search().vector(vector).run().unwrap_err();
    assert!(matches!(error(vec![1.0]), Error::DimensionMismatch { expected: 2, found: 1, .. }));
    assert!(matches!(error(vec![1.0, f32::NAN]), Error::InvalidVector { .. }));
    assert!(matches!(error(vec![f32::INFINITY, 0.0]), Error::InvalidVector { .. }));
}

#[test]
fn scores_of_the_largest_vectors_are_finite() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let db = memory();
        let docs = db.collection("docs", Schema::new(2).metric(metric)).unwrap();
        docs.upsert([Record::new(1).vector([9e18, 0.0]), Record::new(2).vector([-9e18, 0.0])]).unwrap();
        for query in [[9e18, 0.0], [f32::MAX, f32::MAX]] {
            match docs.search().vector(query).run() {
                Ok(hits) => assert!(hits.iter().all(|hit| hit.score().is_finite()), "{metric} {hits:?}"),
                Err(error) => assert!(matches!(error, Error::InvalidVector { .. })),
            }
        }
    }
}

#[test]
fn a_search_among_several_vectors_has_to_say_which() {
    let db = memory();
    let schema = Schema::named([VectorSchema::new("text", 1), VectorSchema::new("image", 1)]);
    let docs = db.collection("docs", schema).unwrap();
    docs.upsert([Record::new(1).named_vector("text", [1.0]).named_vector("image", [-1.0])]).unwrap();
    let error = docs.search().vector([1.0]).run().unwrap_err().to_string();
    assert!(error.contains("'text'") && error.contains("'image'"), "{error}");
    let error = docs.search().named_vector("txt", [1.0]).run().unwrap_err().to_string();
    assert!(error.contains("no vector 'txt'") && error.contains("'text'"), "{error}");
    assert_eq!(docs.search().named_vector("image", [1.0]).run().unwrap()[0].score(), -1.0);
    let only = db.collection("only", Schema::named([VectorSchema::new("text", 1)])).unwrap();
    assert!(only.search().vector([1.0]).run().unwrap().is_empty());
}

#[test]
fn a_search_can_be_run_again_and_reads_what_was_there_when_it_was_begun() {
    let db = memory();
    let docs = with_first(&db);
    let search = docs.search().vector([0.0, 0.0]);
    docs.upsert([record("second")]).unwrap();
    assert_eq!(search.clone().run().unwrap().len(), 1);
    assert_eq!(search.run().unwrap().len(), 1);
}

#[test]
fn every_form_of_search_finds_the_same_before_and_after_a_merge() {
    for form in [Quantization::None, Quantization::Sq7, Quantization::Sq4, Quantization::RaBitQ] {
        let (_folder, path) = file();
        let db = Options::new().maintenance(Maintenance::Manual).open(&path).unwrap();
        let schema = Schema::new(16).metric(Metric::L2).quantization(form);
        let docs = db.collection("docs", schema).unwrap();
        let element = |id: u64, at: u64| if at == 0 { id } else { (id * 31 + id * id * at) % 1013 };
        let values = |id: u64| -> Vec<f32> { (0..16).map(|at| element(id, at) as f32).collect() };
        let records = |ids: std::ops::Range<u64>| ids.map(|id| Record::new(id).vector(values(id)));
        for ids in [0..MANY, MANY..MANY + 200] {
            docs.upsert(records(ids.clone())).unwrap();
            db.optimize(go_on).unwrap();
            for id in [0, 7, MANY - 1, ids.end - 1] {
                let hits = docs.search().vector(values(id)).k(1).ef(200).run().unwrap();
                assert_eq!((hits[0].id().as_u64(), hits[0].distance()), (Some(id), 0.0), "{form}");
            }
        }
    }
}
