//! What is exported and imported again is the same, for every format that can carry it.

use crate::support::*;
use lodedb::Database;
use lodedb::DateTime;
use lodedb::Dtype;
use lodedb::Fields;
use lodedb::GeoPoint;
use lodedb::Metric;
use lodedb::Record;
use lodedb::Schema;
use lodedb::Value;
use lodedb::Vector;
use lodedb::VectorSchema;
use proptest::collection::btree_map;
use proptest::collection::vec;
use proptest::prelude::*;

/// Puts records into a new database.
fn stored(folder: &Folder, schema: Schema, records: Vec<Record>) -> String {
    let path = folder.path("from.lode");
    let db = Database::open(&path).unwrap();
    db.collection("c", schema).unwrap().upsert(records).unwrap();
    db.close().unwrap();
    path
}

/// The records after a journey through a file.
fn through(folder: &Folder, db: &str, format: &str, more: &[&str]) -> Vec<Record> {
    let (file, to) = (folder.path(&format!("f.{format}")), folder.path(&format!("{format}.lode")));
    lode(&["export", db, &file, "--force"]).ok();
    let arguments = [&["import", &file, &to, "-c", "c"][..], more].concat();
    lode(&arguments).ok();
    let found = records(&to, "c");
    std::fs::remove_file(&to).unwrap();
    found
}

fn everything() -> Vec<Record> {
    let struck = DateTime::from_unix_micros(-3_815_726_400_000_000);
    let place = GeoPoint::new(38.775, -4.848).unwrap();
    let nested = Value::Map([("depth".to_owned(), Value::I64(3))].into());
    vec![
        Record::new("a,\"quoted\"")
            .vector([0.1, -2.5e-7])
            .field("title", "Mines, \"deep\"\nand old")
            .field("year", 1849)
            .field("grade", 1.0)
            .field("open", true)
            .field("struck", struck)
            .field("place", place)
            .field("tags", vec!["gold", "silver"])
            .field("counts", Value::Array(vec![Value::I64(1), Value::I64(-2)]))
            .field("pit", nested),
        Record::new("\u{e9}\u{4e2d}")
            .vector([3.0, f32::MAX / 4e20])
            .field("title", "007")
            .field("year", i64::MIN),
        Record::new("empty").vector([0.0, 1.0]),
    ]
}

#[test]
fn every_kind_of_value_comes_back() {
    let folder = Folder::new();
    let wanted = everything();
    let db = stored(&folder, Schema::new(2).metric(Metric::L2), wanted.clone());
    let by_id = |mut records: Vec<Record>| {
        records.sort_by(|a, b| a.id().cmp(b.id()));
        records
    };
    let wanted = by_id(wanted);
    let instant = ["--type", "struck=datetime"];
    let json = ["--type", "pit=json"];
    assert_eq!(through(&folder, &db, "jsonl", &instant), wanted);
    assert_eq!(through(&folder, &db, "parquet", &json), wanted);
    assert_eq!(through(&folder, &db, "arrow", &json), wanted);
    for format in ["csv", "tsv"] {
        assert_eq!(through(&folder, &db, format, &[instant, ["--type", "title=text"]].concat()), wanted);
    }
}

#[test]
fn the_sample_collection_comes_back() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let wanted = records(&db, "minerals");
    assert_eq!(through(&folder, &db, "jsonl", &[]), wanted);
    // Tables and rows of text know no null beside a missing field.
    let without_nulls: Vec<Record> = wanted
        .iter()
        .cloned()
        .map(|record| {
            let (id, vectors, _, fields) = record.into_parts();
            let fields: Fields = fields
                .iter()
                .filter(|(_, value)| **value != Value::Null)
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect();
            vectors.into_iter().fold(Record::new(id).with_fields(fields), |record, (name, vector)| {
                record.named_vector(name, vector)
            })
        })
        .collect();
    for format in ["parquet", "arrow", "csv", "tsv"] {
        assert_eq!(through(&folder, &db, format, &[]), without_nulls, "{format}");
    }
}

#[test]
fn whole_numbers_and_bits_come_back() {
    let folder = Folder::new();
    let schema = Schema::named([
        VectorSchema::new("small", 2).dtype(Dtype::I8).metric(Metric::Dot),
        VectorSchema::new("bits", 8).dtype(Dtype::Binary).metric(Metric::Hamming),
    ]);
    let record = Record::new(7)
        .named_vector("small", vec![-128i8, 127])
        .named_vector("bits", Vector::Bits(vec![0b1010_0001]));
    let db = stored(&folder, schema.clone(), vec![record.clone()]);
    for format in ["jsonl", "csv", "parquet", "arrow"] {
        let file = folder.path(&format!("f.{format}"));
        lode(&["export", &db, &file]).ok();
        let to = folder.path(&format!("{format}.lode"));
        let made = Database::open(&to).unwrap();
        made.collection("c", schema.clone()).unwrap();
        made.close().unwrap();
        lode(&["import", &file, &to]).ok();
        assert_eq!(records(&to, "c"), std::slice::from_ref(&record), "{format}");
    }
}

#[test]
fn matrices_come_back_as_vectors() {
    let folder = Folder::new();
    let vectors: Vec<[f32; 3]> = (0..100).map(|row| [row as f32, 1.0 / (row + 1) as f32, -3.5]).collect();
    let records_of = |row: usize| Record::new(row as u64).vector(vectors[row]);
    let db = stored(&folder, Schema::new(3).metric(Metric::L2), (0..100).map(records_of).collect());
    assert_eq!(through(&folder, &db, "npy", &[]), (0..100).map(records_of).collect::<Vec<_>>());
    let fvecs: Vec<u8> = vectors
        .iter()
        .flat_map(|row| [3i32.to_le_bytes()].into_iter().chain(row.map(f32::to_le_bytes)))
        .flatten()
        .collect();
    let ivecs: Vec<u8> = [2i32, -7, 8].iter().flat_map(|word| word.to_le_bytes()).collect();
    let bvecs = [2, 0, 0, 0, 255, 1];
    for (name, bytes, first) in [
        ("v.fvecs", &fvecs[..], vec![0.0, 1.0, -3.5]),
        ("v.ivecs", &ivecs, vec![-7.0, 8.0]),
        ("v.bvecs", &bvecs, vec![255.0, 1.0]),
    ] {
        let (file, to) = (folder.write(name, bytes), folder.path(&format!("{name}.lode")));
        lode(&["import", &file, &to, "--metric", "l2", "-c", "c"]).ok();
        assert_eq!(records(&to, "c")[0].get_vector("vector").unwrap().to_f32(), first, "{name}");
    }
}

/// Values that JSON carries.
fn value() -> impl Strategy<Value = Value> {
    let number = any::<f64>().prop_filter("finite", |number| number.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        number.prop_map(Value::F64),
        ".{0,20}".prop_map(Value::Str),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            btree_map("[a-k]{1,3}", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_record_of_json_kinds_comes_back(
        rows in btree_map("[^\\x00]{1,12}", (vec(-1e18f32..1e18, 3), btree_map("[a-f]", value(), 0..4)), 1..6)
    ) {
        let folder = Folder::new();
        let made = rows.into_iter().map(|(id, (vector, fields))| {
            Record::new(id).vector(vector).with_fields(fields.into_iter().collect())
        });
        let db = stored(&folder, Schema::new(3).metric(Metric::Dot).dtype(Dtype::F32), made.collect());
        let wanted = records(&db, "c");
        prop_assert_eq!(through(&folder, &db, "jsonl", &["--metric", "dot"]), wanted);
    }
}

#[test]
fn sparse_vectors_travel_as_maps_and_are_not_lost() {
    let folder = Folder::new();
    let schema = Schema::new(2).sparse("splade");
    let records = vec![
        Record::new("a")
            .vector([0.5, 1.0])
            .sparse("splade", [(17, 0.5), (4_000_000_000, 1.25)])
            .field("n", 1),
        Record::new("b").vector([1.0, 0.5]).sparse("splade", []).field("n", 2),
    ];
    let db = stored(&folder, schema, records);
    let found = through(&folder, &db, "jsonl", &["--sparse", "splade"]);
    assert_eq!(found, crate::support::records(&db, "c"));
    for format in ["csv", "parquet"] {
        let file = folder.path(&format!("f.{format}"));
        let problem = lode(&["export", &db, &file]).failed();
        assert!(problem.contains("sparse vector 'splade'"), "{problem}");
        assert!(!std::path::Path::new(&file).exists());
        lode(&["export", &db, &file, "--no-vectors"]).ok();
    }

    let file = folder.path("wrong.jsonl");
    for (sparse, problem) in [
        ("3", "is of the kind"),
        ("{\"x\": 1}", "the term 'x' is not a whole number"),
        ("{\"1\": \"x\"}", "the weight of term 1 is not a number"),
        ("{\"1\": -1}", "a finite number above 0 is right"),
    ] {
        std::fs::write(&file, format!("{{\"id\": \"a\", \"vector\": [1, 2], \"splade\": {sparse}}}\n"))
            .unwrap();
        let found = lode(&["import", &file, &folder.path("wrong.lode"), "--sparse", "splade"]).failed();
        assert!(found.contains(problem), "{found}");
    }
}
