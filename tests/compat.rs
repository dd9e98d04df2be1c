//! Files of every released format open and answer as they did.
//!
//! `tests/data/v1.lode` is a file of format 1 as a process that was killed left it: two kinds of ids, every element
//! type and metric, sparse vectors, fields of every kind, several segments with tombstones, a graph, codes of rows without one, and a log. `tests/data/v1.json`
//! holds its answers. Once a format is released its files stay as they are for ever; until then
//! `LODE_WRITE_GOLDEN=1 cargo test --test compat` makes both anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use lodedb::Backend;
use lodedb::Database;
use lodedb::Dtype;
use lodedb::Fields;
use lodedb::GraphParams;
use lodedb::Hit;
use lodedb::IdKind;
use lodedb::Maintenance;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Vector;
use lodedb::VectorSchema;
use serde_json::Value as Json;
use serde_json::json;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Once;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, reason = "a crate of its own, of which each test uses a part")]
mod fuzz;

use fuzz::samples;
use fuzz::samples::vector;

/// Largest size of a golden file with its answers; about a third of it is not zero.
const MOST_BYTES: u64 = 640 << 10;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Every pair of element type and metric that there is.
fn types() -> Vec<VectorSchema> {
    let mut types = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::I8] {
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            types.push(VectorSchema::new(format!("{dtype} {metric}"), 5).dtype(dtype).metric(metric));
        }
    }
    types.push(VectorSchema::new("binary hamming", 16).dtype(Dtype::Binary).metric(Metric::Hamming));
    types
}

/// The vector of `id` for a schema: as many ones and zeros, or small whole numbers, as it has dimensions.
fn values(schema: &VectorSchema, id: u64) -> Vec<f32> {
    match schema.dim() {
        16 => (0..16).map(|bit| ((id * 2_654_435_761) >> bit & 1) as f32).collect(),
        dim => vector(id + 1, dim),
    }
}

fn typed(id: u64) -> Record {
    let record = Record::new(format!("record {id}")).with_fields(samples::every_kind());
    let record =
        types().iter().fold(record, |record, schema| record.named_vector(schema.name(), values(schema, id)));
    record.field("id as number", id as i64)
}

/// A graph with few links, which keeps the file small.
fn sparse() -> Schema {
    let params: GraphParams = serde_json::from_str(r#"{ "m": 4, "ef_construction": 64 }"#).unwrap();
    Schema::new(3).metric(Metric::L2).graph(params)
}

/// The collections of the golden file, without records.
fn create(db: &Database) -> Result<()> {
    db.collection("many", sparse())?;
    db.collection("by name", Schema::named(types()))?;
    db.collection("gone", Schema::new(2))?;
    db.collection("words", Schema::new(1).text("body"))?;
    db.collection("terms", Schema::named([]).sparse("terms"))?;
    db.collection("empty", Schema::new(1).id_kind(IdKind::U64)).map(drop)
}

/// What the golden file has in its segments: a graph and a segment beside it, and a segment of every type, with tombstones.
fn fill_segments(db: &Database) -> Result<()> {
    samples::graph(db, sparse())?;
    samples::row_codes(db)?;
    db.existing("by name")?.upsert((0..8).map(typed))?;
    let texts = ["Gold in the gravel", "Silver veins", "Washing gold, and more gold"];
    let texts = (0u64..).zip(texts).map(|(id, text)| Record::new(id).vector([1.0]).field("body", text));
    db.existing("words")?.upsert(texts)?;
    let terms = (0u64..300).map(|id| Record::new(id).sparse("terms", samples::terms(id)));
    db.existing("terms")?.upsert(terms)?;
    let mut both = db.transaction()?;
    both.collection("by name")?.delete(["record 3", "record 6"])?;
    both.collection("gone")?.upsert([Record::new(1).vector([1.0, 2.0])])?;
    both.commit()
}

/// What the golden file has in its log alone.
fn fill_log(db: &Database) -> Result<()> {
    let by_name = db.existing("by name")?;
    db.drop_collection("gone")?;
    by_name.update("record 5", Fields::from_iter([("changed", true)]))?;
    by_name.upsert([typed(2), typed(9)])?;
    by_name.delete(["record 7", "record 9"])?;
    db.existing("terms")?.upsert([Record::new(3).sparse("terms", samples::terms(299))])?;
    db.existing("terms")?.delete([4u64])?;
    let late = db.collection("late", Schema::new(2).metric(Metric::Dot))?;
    late.upsert([Record::new(u64::MAX).vector([0.5, -0.25]), Record::new(0).vector([-1.0, 1.5])])?;
    let mut both = db.transaction()?;
    both.collection("late")?.delete([0u64])?;
    both.collection("many")?.upsert(samples::numbered(2000..2002))?;
    both.collection("many")?.delete([4u64])?;
    both.commit()
}

fn id(id: &RecordId) -> Json {
    match id {
        RecordId::U64(number) => json!(number),
        RecordId::Str(text) => json!(text),
    }
}

fn record(record: &Record) -> Json {
    let vectors = record.vectors().map(|(name, vector)| {
        let form = match vector {
            Vector::I8(_) => "i8",
            Vector::Bits(_) => "bits",
            _ => "f32",
        };
        (name.to_owned(), json!({ "form": form, "values": vector.to_f32() }))
    });
    let vectors: serde_json::Map<String, Json> = vectors.collect();
    let sparse = record.sparse_vectors().map(|(name, vector)| (name.to_owned(), json!(vector.entries())));
    let sparse: serde_json::Map<String, Json> = sparse.collect();
    let mut found =
        json!({ "id": id(record.id()), "vectors": vectors, "fields": record.fields().to_string() });
    if !sparse.is_empty() {
        found["sparse"] = sparse.into();
    }
    found
}

/// A hit with its score to six digits: the last bits depend on the processor.
fn hit(hit: &Hit) -> Json {
    let rounded = |value: f32| format!("{:.5}", value + 0.0);
    json!([id(hit.id()), rounded(hit.score()), rounded(hit.distance())])
}

/// The hits that are better than the last, which may be one of many like it; of equal ones the smaller id first.
fn nearest(hits: &[Hit]) -> Json {
    let last = hits.last().map_or(0.0, Hit::score);
    let mut better: Vec<&Hit> = hits.iter().filter(|hit| hit.score() > last).collect();
    better.sort_by(|one, next| next.score().total_cmp(&one.score()).then_with(|| one.id().cmp(next.id())));
    better.into_iter().map(hit).collect()
}

/// What the file answers: every record, and the nearest to a few queries.
fn answers(db: &Database) -> Result<Json> {
    let mut all = serde_json::Map::new();
    for name in db.collections()? {
        let collection = db.existing(&name)?;
        let records = collection.scan().map(|found| found.map(|found| record(&found)));
        let records: Vec<Json> = records.collect::<Result<_>>()?;
        // Of the many, a few are enough.
        let step = (records.len() / 10).max(1);
        let kept: Vec<Json> = records.iter().step_by(step).cloned().collect();
        let mut searches = serde_json::Map::new();
        if !collection.schema()?.text_fields().is_empty() {
            let found = collection.search().text("gold").run()?;
            searches.insert("gold".into(), found.iter().map(|hit| id(hit.id())).collect());
        }
        for name in collection.schema()?.sparse_vectors() {
            let found = collection.search().sparse(name, samples::terms(2)).k(20).run()?;
            let found = found.iter().map(|hit| json!([id(hit.id()), format!("{:.5}", hit.score())]));
            searches.insert(format!("'{name}' like 2"), found.collect());
        }
        for schema in collection.schema()?.vectors() {
            for query in [1, 8] {
                let search = collection.search().named_vector(schema.name(), values(schema, query));
                let hits = search.k(20).ef(200).run()?;
                searches.insert(format!("'{}' near {query}", schema.name()), nearest(&hits));
            }
        }
        all.insert(name, json!({ "records": records.len(), "some": kept, "searches": searches }));
    }
    Ok(all.into())
}

fn memory(bytes: &[u8]) -> Arc<MemoryBackend> {
    let memory = MemoryBackend::new();
    memory.write(0, bytes).unwrap();
    Arc::new(memory)
}

fn open(memory: &Arc<MemoryBackend>, read_only: bool) -> Result<Database> {
    let options = Options::new().read_only(read_only).maintenance(Maintenance::Manual);
    options.open_backend(memory.clone(), "v1.lode")
}

/// Does one part of what makes the golden file, and closes it. Records go to their place and not into a log.
fn write(memory: &Arc<MemoryBackend>, part: fn(&Database) -> Result<()>) {
    let options = Options::new().active_bytes(1).maintenance(Maintenance::Manual);
    let db = options.open_backend(memory.clone(), "v1.lode").unwrap();
    part(&db).unwrap();
    db.close().unwrap();
}

fn write_golden() {
    // Closed each time, the file is as short as it can be before it gets its log.
    let memory = Arc::new(MemoryBackend::new());
    write(&memory, create);
    write(&memory, fill_segments);
    let db = open(&memory, false).unwrap();
    fill_log(&db).unwrap();
    let bytes = samples::bytes_of(&*memory).unwrap();
    let mut expected = json!({ "file_bytes": bytes.len() });
    expected["answers"] = answers(&db).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let text = serde_json::to_string_pretty(&expected).unwrap();
    fs::create_dir_all(path("")).unwrap();
    fs::write(path("v1.lode"), &bytes[..used]).unwrap();
    fs::write(path("v1.json"), text + "\n").unwrap();
}

/// The golden file and what it should answer. The zeros at its end, which a log has that is not full, are not kept.
fn golden() -> (Vec<u8>, Json) {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        if std::env::var_os("LODE_WRITE_GOLDEN").is_some() {
            write_golden();
        }
    });
    let mut bytes = fs::read(path("v1.lode")).unwrap();
    let expected: Json = serde_json::from_str(&fs::read_to_string(path("v1.json")).unwrap()).unwrap();
    bytes.resize(expected["file_bytes"].as_u64().unwrap() as usize, 0);
    (bytes, expected["answers"].clone())
}

/// Ends the test at the first difference, which is easier to read than two long texts.
fn assert_same(found: &Json, expected: &Json, at: &str) {
    match (found, expected) {
        (Json::Object(one), Json::Object(other)) => {
            assert!(one.keys().eq(other.keys()), "{at}: other names");
            one.iter().for_each(|(name, value)| assert_same(value, &other[name], &format!("{at}/{name}")));
        }
        (Json::Array(one), Json::Array(other)) => {
            assert_eq!(one.len(), other.len(), "{at}");
            one.iter().zip(other).enumerate().for_each(|(i, (a, b))| assert_same(a, b, &format!("{at}/{i}")));
        }
        _ => assert_eq!(found, expected, "{at}"),
    }
}

#[test]
fn a_file_of_format_1_answers_as_it_did() {
    let (bytes, expected) = golden();
    let db = open(&memory(&bytes), true).unwrap();
    db.verify().unwrap();
    assert_same(&answers(&db).unwrap(), &expected, "");
}

#[test]
fn a_file_of_format_1_is_written_to_and_answers_the_same() {
    let (bytes, expected) = golden();
    let memory = memory(&bytes);
    let db = open(&memory, false).unwrap();
    assert_same(&answers(&db).unwrap(), &expected, "open for writing");
    let late = db.existing("late").unwrap();
    late.upsert([Record::new(5).vector([9.0, 9.0])]).unwrap();
    late.delete([5u64]).unwrap();
    db.optimize(|_| ControlFlow::Continue(())).unwrap();
    db.compact().unwrap();
    db.verify().unwrap();
    assert_same(&answers(&db).unwrap(), &expected, "optimized");
    db.close().unwrap();
    let db = open(&memory, true).unwrap();
    db.verify().unwrap();
    assert_same(&answers(&db).unwrap(), &expected, "reopened");
}

#[test]
fn the_golden_file_is_small_and_has_what_it_should_have() {
    let (bytes, _) = golden();
    let stored = fs::metadata(path("v1.lode")).unwrap().len() + fs::metadata(path("v1.json")).unwrap().len();
    assert!(stored < MOST_BYTES, "{stored} bytes");
    assert!(fuzz::format::log_payloads(&bytes).len() >= 6, "a log");
    let stats = open(&memory(&bytes), true).unwrap().stats().unwrap();
    let of = |name: &str| stats.collections.iter().find(|found| found.name == name).unwrap();
    assert_eq!(of("many").graphs, usize::from(samples::MOST_RECORDS >= 1_000));
    assert!(of("many").segments == 2 && of("many").dead_records > 2 && of("many").active_records > 1);
    assert!(of("by name").segments == 1 && of("by name").dead_records > 3);
    assert_eq!((of("empty").records, of("late").records), (0, 1));
}
