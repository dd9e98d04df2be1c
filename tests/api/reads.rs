//! What comes back.

use super::*;

#[test]
fn every_kind_of_value_comes_back_after_reopening() {
    let (_folder, path) = file();
    let nested: BTreeMap<String, Value> = BTreeMap::from([
        ("empty".into(), Value::Array(vec![])),
        ("\u{1f48e}".into(), Value::from(Fields::new())),
    ]);
    let stored = record(u64::MAX)
        .field("null", Value::Null)
        .field("true", true)
        .field("least", i64::MIN)
        .field("most", i64::MAX)
        .field("float", f64::MIN_POSITIVE)
        .field("huge", -f64::MAX)
        .field("text", "\u{0}\n\"\\ \u{10ffff}")
        .field("empty", "")
        .field("instant", DateTime::from_unix_micros(i64::MIN))
        .field("place", GeoPoint::new(-90.0, 180.0).unwrap())
        .field("nested", Value::Map(nested));
    let db = Database::open(&path).unwrap();
    db.collection("docs", plane()).unwrap().upsert([stored.clone()]).unwrap();
    assert_eq!(db.existing("docs").unwrap().get(u64::MAX).unwrap().unwrap(), stored);
    db.close().unwrap();
    let docs = Database::open(&path).unwrap().existing("docs").unwrap();
    assert_eq!(docs.get(u64::MAX).unwrap().unwrap(), stored);
}

#[test]
fn vectors_come_back_rounded_to_their_element_type() {
    let db = memory();
    let third = 1.0f32 / 3.0;
    let cases = [
        (Dtype::F32, vec![third, -0.0, 1e-40], vec![third, -0.0, 1e-40]),
        (Dtype::F16, vec![third, 2049.0, 1e-9], vec![0.333_251_95, 2048.0, 0.0]),
        (Dtype::Bf16, vec![third, 257.0, 1e30], vec![0.333_984_38, 256.0, 1.000_038_8e30]),
    ];
    for (dtype, given, expected) in cases {
        let name = dtype.to_string();
        // The last number of bf16 is beyond what a squared length may be, alone it is refused.
        let given = if dtype == Dtype::Bf16 { given[..2].to_vec() } else { given };
        let schema = Schema::new(given.len()).metric(Metric::L2).dtype(dtype);
        let docs = db.collection(&name, schema).unwrap();
        docs.upsert([Record::new(1).vector(&given)]).unwrap();
        let found = docs.get(1).unwrap().unwrap().get_vector("vector").unwrap().to_f32();
        assert_eq!(found, expected[..given.len()], "{name}");
    }
}

#[test]
fn bits_and_small_numbers_come_back_as_they_were_given() {
    let db = memory();
    let bits = db.collection("bits", Schema::new(16).metric(Metric::Hamming).dtype(Dtype::Binary)).unwrap();
    let packed = Vector::Bits(vec![0b1000_0000, 0b0000_0011]);
    let mut plain = vec![0.0; 16];
    plain[0] = 1.0;
    plain[14..].fill(1.0);
    bits.upsert([Record::new(1).vector(&packed), Record::new(2).vector(&plain)]).unwrap();
    for id in [1, 2] {
        assert_eq!(bits.get(id).unwrap().unwrap().get_vector("vector"), Some(&packed));
    }
    assert_eq!(packed.to_f32(), plain);
    let hits = bits.search().vector(&packed).run().unwrap();
    assert_eq!(hits.iter().map(Hit::distance).collect::<Vec<_>>(), [0.0, 0.0]);

    let bytes = db.collection("bytes", Schema::new(3).metric(Metric::Dot).dtype(Dtype::I8)).unwrap();
    bytes.upsert([Record::new(1).vector(vec![-128i8, 0, 127])]).unwrap();
    bytes.upsert([Record::new(2).vector([-128.0, 0.0, 127.0])]).unwrap();
    for id in [1, 2] {
        let expected = Vector::I8(vec![-128, 0, 127]);
        assert_eq!(bytes.get(id).unwrap().unwrap().get_vector("vector"), Some(&expected));
    }
}

#[test]
fn under_cosine_a_zero_vector_scores_zero_with_everything() {
    let db = memory();
    let docs = db.collection("docs", Schema::new(2)).unwrap();
    docs.upsert([Record::new(0).vector([0.0, 0.0]), Record::new(1).vector([3.0, 4.0])]).unwrap();
    docs.upsert([Record::new(2).vector([-3.0, -4.0])]).unwrap();
    let found = |query: [f32; 2]| {
        let hits = docs.search().vector(query).run().unwrap();
        hits.iter().map(|hit| (hit.id().as_u64().unwrap(), hit.score())).collect::<Vec<_>>()
    };
    assert_eq!(found([6.0, 8.0]), [(1, 1.0), (0, 0.0), (2, -1.0)]);
    assert!(found([0.0, 0.0]).iter().all(|(_, score)| *score == 0.0));
}

#[test]
fn score_falls_from_hit_to_hit_and_distance_is_the_metrics_own() {
    let db = memory();
    let cases = [
        (Metric::L2, [(1, -1.0, 1.0), (2, -2.0, 2.0), (3, -3.0, 3.0)]),
        (Metric::Dot, [(3, 3.0, -3.0), (2, 2.0, -2.0), (1, 1.0, -1.0)]),
    ];
    for (metric, expected) in cases {
        let docs = db.collection(&metric.to_string(), Schema::new(2).metric(metric)).unwrap();
        docs.upsert((1..=3).map(|id| Record::new(id).vector([1.0, id as f32]))).unwrap();
        let query = if metric == Metric::L2 { [1.0, 0.0] } else { [0.0, 1.0] };
        let hits = docs.search().vector(query).run().unwrap();
        let found: Vec<_> =
            hits.iter().map(|hit| (hit.id().as_u64().unwrap(), hit.score(), hit.distance())).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_scan_goes_by_the_value_of_numbers_and_by_the_bytes_of_strings() {
    let db = memory();
    let numbers = db.collection("numbers", plane()).unwrap();
    for id in [300, 2, u64::MAX, 0, 70_000] {
        numbers.upsert([record(id)]).unwrap();
    }
    assert_eq!(ids(&numbers), [0, 2, 300, 70_000, u64::MAX].map(RecordId::from));
    let strings = db.collection("strings", plane()).unwrap();
    for id in ["b", "ab", "Z", "\u{e9}", "a", "aa"] {
        strings.upsert([record(id)]).unwrap();
    }
    assert_eq!(ids(&strings), ["Z", "a", "aa", "ab", "b", "\u{e9}"].map(RecordId::from));
    let page: Vec<Record> = strings.scan().after("aaz").limit(2).collect::<Result<_>>().unwrap();
    assert_eq!(page.iter().map(|record| record.id().as_str().unwrap()).collect::<Vec<_>>(), ["ab", "b"]);
    assert_eq!(strings.scan().limit(0).count(), 0);
    assert_eq!(strings.scan().after("\u{e9}").count(), 0);
}
