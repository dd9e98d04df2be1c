//! Schemas and collections.

use super::*;

#[test]
fn schemas_that_make_no_sense_are_refused() {
    let db = memory();
    let cases = [
        (Schema::new(0), "0 dimensions"),
        (Schema::new(8).metric(Metric::Hamming), "hamming needs the dtype binary"),
        (Schema::new(8).dtype(Dtype::Binary), "binary vectors need the metric hamming"),
        (Schema::new(12).dtype(Dtype::Binary).metric(Metric::Hamming), "multiple of 8"),
        (
            Schema::new(8).dtype(Dtype::Binary).metric(Metric::Hamming).quantization(Quantization::Sq4),
            "searched as they are: it must be auto, not sq4",
        ),
        (Schema::named([]), "nothing is declared that can be searched for"),
        (Schema::named([VectorSchema::new("v", 1), VectorSchema::new("v", 2)]), "twice"),
        (Schema::named([VectorSchema::new("id", 1)]), "is 'id'"),
        (Schema::named([VectorSchema::new("", 1)]), "is empty"),
        (Schema::named([VectorSchema::new("a.b", 1)]), "dot"),
    ];
    for (schema, expected) in cases {
        let error = db.collection("docs", schema).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Schema { .. }), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    assert!(db.collections().unwrap().is_empty());
}

#[test]
fn names_of_collections_are_checked() {
    let db = memory();
    for name in ["", "a.b", "$a", "id"] {
        assert!(matches!(db.collection(name, plane()), Err(Error::Schema { .. })), "{name}");
    }
    db.collection("\u{1f48e} and space", plane()).unwrap();
    assert_eq!(db.collections().unwrap(), ["\u{1f48e} and space"]);
}

#[test]
fn a_collection_is_opened_again_only_with_its_own_schema() {
    let (_folder, path) = file();
    Database::open(&path).unwrap().collection("docs", plane()).unwrap();
    let db = Database::open(&path).unwrap();
    assert_eq!(db.collection("docs", plane()).unwrap().schema().unwrap(), plane());
    let error = db.collection("docs", Schema::new(3).metric(Metric::L2)).unwrap_err();
    assert!(matches!(error, Error::Schema { .. }));
    assert_eq!(
        error.to_string(),
        "schema: collection 'docs' exists: it has the vectors 'vector' (2 x f32, l2), not 'vector' (3 x f32, l2)"
    );
    for other in [plane().metric(Metric::Dot), plane().dtype(Dtype::F16)] {
        assert!(matches!(db.collection("docs", other), Err(Error::Schema { .. })));
    }
}

#[test]
fn a_form_of_search_is_kept_and_another_one_refused() {
    let (_folder, path) = file();
    let sq4 = plane().quantization(Quantization::Sq4);
    Database::open(&path).unwrap().collection("docs", sq4.clone()).unwrap();
    let db = Database::open(&path).unwrap();
    assert_eq!(db.collection("docs", sq4.clone()).unwrap().schema().unwrap(), sq4);
    assert_eq!(db.collection("docs", plane()).unwrap().schema().unwrap(), sq4);
    let error = db.collection("docs", plane().quantization(Quantization::None)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "schema: collection 'docs' exists: it has the vectors 'vector' (2 x f32, l2, searched as sq4), \
         not 'vector' (2 x f32, l2, searched as none)"
    );
    let error = "sq8".parse::<Quantization>().unwrap_err();
    assert!(error.to_string().contains("'sq8' is not one of auto, none, sq7, sq4, rabitq"));
}

#[test]
fn a_collection_is_not_opened_for_ids_of_the_other_kind() {
    let db = memory();
    db.collection("docs", plane().id_kind(IdKind::U64)).unwrap();
    assert!(matches!(db.collection("docs", plane().id_kind(IdKind::Str)), Err(Error::Schema { .. })));
    db.collection("docs", plane()).unwrap();
    // A kind that came with the first record counts as much.
    let db = memory();
    with_first(&db);
    db.collection("docs", plane().id_kind(IdKind::Str)).unwrap();
    let error = db.collection("docs", plane().id_kind(IdKind::U64)).unwrap_err();
    assert!(matches!(error, Error::Schema { .. }));
    assert_eq!(error.to_string(), "schema: collection 'docs' exists: its ids are of kind string, not u64");
}

#[test]
fn a_collection_that_is_not_there_is_told_with_those_that_are() {
    let db = memory();
    let error = db.existing("docs").unwrap_err();
    assert_eq!(error.to_string(), "no collection 'docs': the database has none yet");
    db.collection("ores", plane()).unwrap();
    db.collection("gems", plane()).unwrap();
    for error in [db.existing("docs").unwrap_err(), db.drop_collection("docs").unwrap_err()] {
        assert!(matches!(&error, Error::CollectionNotFound { name, .. } if name == "docs"));
        assert_eq!(error.to_string(), "no collection 'docs': there are gems, ores");
    }
}

#[test]
fn a_handle_to_a_dropped_collection_does_not_reach_the_one_made_in_its_place() {
    let (_folder, path) = file();
    let db = Database::open(&path).unwrap();
    let old = with_first(&db);
    let snapshot = old.snapshot().unwrap();
    db.drop_collection("docs").unwrap();
    let gone = |result: Result<()>| assert!(matches!(result, Err(Error::CollectionNotFound { .. })));
    gone(old.len().map(drop));
    let new = db.collection("docs", Schema::new(3)).unwrap();
    gone(old.len().map(drop));
    gone(old.get("first").map(drop));
    gone(old.schema().map(drop));
    gone(old.upsert([record("second")]).map(drop));
    gone(old.delete(["first"]).map(drop));
    gone(old.search().vector([0.0, 0.0]).run().map(drop));
    gone(old.scan().collect::<Result<Vec<_>>>().map(drop));
    gone(old.snapshot().map(drop));
    gone(old.stats().map(drop));
    gone(old.optimize(go_on));
    assert_eq!(snapshot.len(), 1);
    assert!(new.is_empty().unwrap());
    new.upsert([Record::new(1).vector([1.0; 3])]).unwrap();
    drop((db, old, new, snapshot));
    let db = Database::open(&path).unwrap();
    assert_eq!(db.existing("docs").unwrap().len().unwrap(), 1);
    db.verify().unwrap();
}
