//! Records that are refused.

use super::*;

#[test]
fn a_vector_of_another_dimension_is_refused_with_both_numbers() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, Record::new("bad").vector([1.0, 2.0, 3.0]), record("good"));
    assert!(matches!(error, Error::DimensionMismatch { expected: 2, found: 3, .. }));
    assert_eq!(error.to_string(), "vector 'vector' has 3 dimensions where the schema has 2");
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let db = memory();
    let docs = with_first(&db);
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let error = refused(&docs, Record::new("bad").vector([1.0, value]), record("good"));
        assert!(matches!(&error, Error::InvalidVector { vector, .. } if vector == "vector"));
        assert_eq!(
            error.to_string(),
            format!("vector 'vector': the value at 1 is {name}, not a finite number")
        );
    }
}

#[test]
fn numbers_that_the_element_type_can_not_hold_are_refused() {
    let db = memory();
    let cases = [
        (Dtype::I8, Metric::L2, 128.0, "128"),
        (Dtype::I8, Metric::L2, 0.5, "0.5"),
        (Dtype::F16, Metric::L2, 70_000.0, "70000"),
        (Dtype::Bf16, Metric::L2, f32::MAX, "bf16"),
        (Dtype::Binary, Metric::Hamming, 2.0, "2"),
    ];
    for (i, (dtype, metric, value, named)) in cases.into_iter().enumerate() {
        let schema = Schema::new(8).metric(metric).dtype(dtype);
        let docs = db.collection(&format!("c{i}"), schema).unwrap();
        let mut values = vec![0.0; 8];
        values[3] = value;
        let error = refused(&docs, Record::new("bad").vector(values), Record::new("good").vector([0.0; 8]));
        let text = error.to_string();
        assert!(matches!(error, Error::InvalidVector { .. }), "{text}");
        assert!(text.contains('3') && text.contains(named) && text.contains(&dtype.to_string()), "{text}");
    }
}

#[test]
fn a_vector_so_long_that_scores_would_overflow_is_refused() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let db = memory();
        let docs = db.collection("docs", Schema::new(2).metric(metric)).unwrap();
        let error = refused(&docs, Record::new("bad").vector([1e30, 1e30]), record("good"));
        assert!(matches!(&error, Error::InvalidVector { problem, .. } if problem.contains("squared length")));
    }
}

#[test]
fn bits_are_refused_where_numbers_are_due() {
    let db = memory();
    let docs = db.collection("docs", Schema::new(8)).unwrap();
    let good = Record::new("good").vector([1.0; 8]);
    let error = refused(&docs, Record::new("bad").vector(Vector::Bits(vec![7])), good);
    assert_eq!(error.to_string(), "vector 'vector': bits where the schema has f32");
}

#[test]
fn a_record_without_one_of_its_vectors_is_refused() {
    let db = memory();
    let schema = Schema::named([VectorSchema::new("text", 1), VectorSchema::new("image", 1)]);
    let docs = db.collection("docs", schema).unwrap();
    let good = Record::new("good").named_vector("text", [1.0]).named_vector("image", [1.0]);
    let error = refused(&docs, Record::new("bad").named_vector("text", [1.0]), good);
    assert!(matches!(error, Error::InvalidRecord { .. }));
    assert_eq!(error.to_string(), "record 'bad': the vector 'image' is missing");
}

#[test]
fn a_vector_that_the_schema_does_not_have_is_refused_with_those_that_it_has() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, record("bad").named_vector("vektor", [1.0, 2.0]), record("good"));
    assert_eq!(error.to_string(), "schema: no vector 'vektor': there are 'vector' (2 x f32, l2)");
}

#[test]
fn names_that_a_filter_could_not_say_are_refused_for_fields() {
    let db = memory();
    let docs = with_first(&db);
    let cases = [
        ("", "is empty"),
        ("a.b", "contains a dot"),
        ("$lt", "starts with '$'"),
        ("id", "is 'id'"),
        ("vector", "has the name of a vector"),
    ];
    for (name, problem) in cases {
        let error = refused(&docs, record("bad").field(name, 1), record("good"));
        let text = error.to_string();
        assert!(matches!(error, Error::Schema { .. }), "{text}");
        assert!(text.contains(&format!("'{name}'")) && text.contains(problem), "{text}");
        let update = docs.update("first", Fields::from_iter([(name, Value::Null)]));
        assert_eq!(update.unwrap_err().to_string(), text);
    }
    assert_eq!(docs.get("first").unwrap().unwrap().fields().to_string(), r#"{"n":1}"#);
}

#[test]
fn names_inside_nested_maps_are_checked_as_well() {
    let db = memory();
    let docs = with_first(&db);
    let nested = |name: &str| {
        let map = Value::from(Fields::from_iter([(name, Value::from(1))]));
        record("nested").field("outer", vec![map])
    };
    for name in ["", "a.b", "$in"] {
        let error = refused(&docs, nested(name), record("good"));
        assert!(matches!(error, Error::Schema { .. }), "{error}");
    }
    // Only the record's own id and vectors are out of reach for fields.
    docs.upsert([nested("id")]).unwrap();
    docs.upsert([nested("vector")]).unwrap();
    assert_eq!(docs.len().unwrap(), 2);
}

#[test]
fn fields_that_are_not_finite_are_refused_with_record_and_field() {
    let db = memory();
    let docs = with_first(&db);
    let bad = record("bad").field("densities", vec![1.0, f64::NAN]);
    let error = refused(&docs, bad, record("good"));
    assert!(matches!(error, Error::InvalidRecord { .. }));
    assert_eq!(error.to_string(), "record 'bad': field 'densities' is NaN, not a finite number");
}

#[test]
fn an_empty_id_is_refused() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, record(""), record("good"));
    assert_eq!(error.to_string(), "record '': the id is empty");
    assert!(matches!(docs.delete([""]), Err(Error::InvalidRecord { .. })));
    assert!(matches!(docs.update("", Fields::new()), Err(Error::InvalidRecord { .. })));
}

#[test]
fn ids_of_the_other_kind_are_refused_once_there_is_a_record() {
    let db = memory();
    let docs = with_first(&db);
    let error = refused(&docs, record(7), record("good"));
    assert!(matches!(error, Error::Schema { .. }));
    assert_eq!(error.to_string(), "schema: the id 7 is a u64; the collection's ids are of kind string");
    assert!(matches!(docs.delete([7]), Err(Error::Schema { .. })));
    assert!(matches!(docs.update(7, Fields::new()), Err(Error::Schema { .. })));
    assert_eq!(docs.get(7).unwrap(), None);
    assert!(!docs.contains(7).unwrap());
}

#[test]
fn the_kind_of_ids_is_kept_when_every_record_is_deleted_and_the_file_opened_again() {
    let (_folder, path) = file();
    let docs = with_first(&Database::open(&path).unwrap());
    docs.delete(["first"]).unwrap();
    drop(docs);
    let docs = Database::open(&path).unwrap().existing("docs").unwrap();
    assert!(matches!(docs.upsert([record(7)]), Err(Error::Schema { .. })));
    docs.upsert([record("second")]).unwrap();
}

#[test]
fn a_declared_kind_of_ids_holds_from_the_first_record_on() {
    let db = memory();
    let docs = db.collection("docs", plane().id_kind(IdKind::Str)).unwrap();
    assert!(matches!(docs.upsert([record(7)]), Err(Error::Schema { .. })));
    docs.upsert([record("seven")]).unwrap();
}

#[test]
fn both_kinds_of_ids_in_one_batch_are_refused_whole() {
    let db = memory();
    let docs = db.collection("docs", plane()).unwrap();
    assert!(matches!(docs.upsert([record(1), record("one")]), Err(Error::Schema { .. })));
    assert!(docs.is_empty().unwrap());
    docs.upsert([record("one")]).unwrap();
}
