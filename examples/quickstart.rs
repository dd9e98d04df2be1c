//! The main job in one go: records into a file, searches, filters, words, updates, a reopening.
//!
//! `cargo run --release --example quickstart` works on a field guide of minerals that comes with the project.
//! `cargo run --release --example quickstart -- FILE.jsonl` takes records of your own: one JSON object a line with an
//! "id" (text or a whole number), a "vector" (numbers) and whatever fields you like. It writes FILE.lode beside it.

use lodedb::{
    Collection, Database, Fields, Highlight, Hit, Metric, Record, RecordId, Schema, Value, Vector, field,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    match std::env::args_os().nth(1) {
        None => field_guide(),
        Some(file) => own_records(Path::new(&file)),
    }
}

/// Searches the field guide by questions that were embedded with it.
fn field_guide() -> Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let records = read_records(&data.join("minerals.jsonl"))?;
    let folder = std::env::temp_dir().join(format!("lode-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("minerals.lode");

    let (db, minerals) = load(&path, "minerals", records, &["name", "description"])?;
    let questions = read_questions(&data.join("questions.jsonl"))?;
    for (question, vector) in &questions {
        ask(&minerals, question, vector)?;
    }

    println!("\nGold, and what is like it:");
    let gold = minerals.get("gold")?.ok_or("the guide has gold")?;
    let vector = gold.get_vector("vector").ok_or("gold has a vector")?;
    print_hits(&minerals.search().vector(vector).k(4).run()?[1..])?;

    filtered(&minerals, vector)?;
    worded(&minerals, &questions[3])?;

    minerals.update("gold", Fields::from_iter([("seen_at", Value::from("Sutter's Mill, California"))]))?;
    let deleted = minerals.delete(["pyrite", "chalcopyrite"])?;
    println!("\nWrote down where gold was seen; deleted fool's gold ({deleted} records).");
    drop((db, minerals));

    let start = Instant::now();
    let db = Database::open(&path)?;
    let minerals = db.existing("minerals")?;
    let gold = minerals.get("gold")?.ok_or("gold is still there")?;
    let micros = start.elapsed().as_micros();
    println!(
        "Reopened in {micros} us: {} records; gold was seen at {}.",
        minerals.len()?,
        gold.fields()["seen_at"]
    );
    db.verify()?;
    db.close()?;
    println!("Verified and closed. The database was one file, {}; it is removed now.", file_size(&path)?);
    Ok(std::fs::remove_dir_all(folder)?)
}

/// The nearest among those that pass a filter; counts of values.
fn filtered(minerals: &Collection, vector: &Vector) -> Result<()> {
    // The same as the text "ore_of = 'silver' and first_described >= 1800 and hardness_max < 3".
    let silver = field("ore_of").eq("silver").and(field("first_described").ge(1800));
    let silver = silver.and(field("hardness_max").lt(3));
    let count = minerals.count(silver.clone())?;
    println!("\nNearest to gold among the {count} soft ores of silver described since 1800:");
    print_hits(&minerals.search().vector(vector).k(3).filter(silver).run()?)?;
    let systems = minerals.facets("crystal_system", "hardness_max < 3".parse()?)?;
    let most =
        systems.iter().take(3).map(|(name, count)| format!("{} ({count})", name.as_str().unwrap_or("?")));
    println!("Soft minerals are {}", most.collect::<Vec<_>>().join(", "));
    Ok(())
}

/// Words as a person types them, with the place where they were found; words and a vector together.
fn worded(minerals: &Collection, (question, vector): &(String, Vec<f32>)) -> Result<()> {
    let typed = "\"fool's gold\" pyrite -copper";
    println!("\nThe words {typed}:");
    let short = Highlight::default().fragments(1)?.fragment_bytes(80)?.marks("[", "]");
    for hit in minerals.search().text(typed).k(3).highlight("description", short).run()? {
        let (name, found) = (hit.fields()?["name"].to_string(), &hit.highlights()[0].1);
        let found = found.first().map_or("", |fragment| fragment.marked.as_str());
        println!("  {:.3}  {name:<18} ...{found}...", hit.score());
    }
    println!("\n{question}  By vector and words:");
    for hit in minerals.search().vector(vector.as_slice()).text(question).k(3).run()? {
        let name = hit.fields()?["name"].to_string();
        let parts: Vec<String> =
            hit.scores().iter().map(|(part, score)| format!("{part} {score:.3}")).collect();
        println!("  {:.4}  {name:<18} {}", hit.score(), parts.join(", "));
    }
    Ok(())
}

/// Loads a user's records and looks for the neighbours of the first few.
fn own_records(file: &Path) -> Result<()> {
    let records = read_records(file)?;
    let first: Vec<RecordId> = records.iter().take(3).map(|record| record.id().clone()).collect();
    let path: PathBuf = file.with_extension("lode");
    let (db, collection) = load(&path, "records", records, &[])?;
    for id in first {
        let record = collection.get(&id)?.ok_or("it was put in")?;
        let vector = record.get_vector("vector").ok_or("each record has a vector")?;
        println!("\nNearest to {id}:");
        print_hits(&collection.search().vector(vector).k(5).run()?)?;
    }
    drop(collection);
    db.close()?;
    println!("\nThe database is {} ({}).", path.display(), file_size(&path)?);
    Ok(())
}

/// Creates the database, or opens it, and puts the records in; the fields in `text` are searched for words.
fn load(path: &Path, name: &str, records: Vec<Record>, text: &[&str]) -> Result<(Database, Collection)> {
    let dim = records.first().and_then(|record| record.get_vector("vector")).ok_or("no records")?.dim();
    let start = Instant::now();
    let db = Database::open(path)?;
    let schema =
        text.iter().fold(Schema::new(dim).metric(Metric::Cosine), |schema, field| schema.text(*field));
    let collection = db.collection(name, schema)?;
    let count = collection.upsert(records)?;
    let millis = start.elapsed().as_secs_f64() * 1e3;
    println!("{count} records of {dim} dimensions are durable in {}, after {millis:.1} ms.", path.display());
    Ok((db, collection))
}

fn ask(collection: &Collection, question: &str, vector: &[f32]) -> Result<()> {
    let start = Instant::now();
    let hits = collection.search().vector(vector).k(3).run()?;
    println!("\n{question}  ({} us)", start.elapsed().as_micros());
    print_hits(&hits)
}

fn print_hits(hits: &[Hit]) -> Result<()> {
    for hit in hits {
        let fields = hit.fields()?;
        let name = fields["name"].as_str().map_or_else(|| hit.id().to_string(), str::to_owned);
        let about = fields["description"].as_str().unwrap_or_default();
        let about: String = about.chars().take(64).collect();
        println!(
            "  {:.3}  {name:<18} {:<22} {about}...",
            hit.score(),
            fields["formula"].as_str().unwrap_or("")
        );
    }
    Ok(())
}

/// The first questions of the field guide, and their vectors.
fn read_questions(path: &Path) -> Result<Vec<(String, Vec<f32>)>> {
    let question = |line: &str| {
        let question: serde_json::Value = serde_json::from_str(line)?;
        Ok((question["question"].as_str().unwrap_or("?").to_owned(), vector_in(&question["vector"])?))
    };
    std::fs::read_to_string(path)?.lines().take(5).map(question).collect()
}

/// Records from a file with one JSON object a line.
fn read_records(path: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| read_record(line).map_err(|error| format!("line {number}: {error}").into()))
        .collect()
}

fn read_record(line: &str) -> Result<Record> {
    let mut object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
    let id = match object.remove("id") {
        Some(serde_json::Value::String(text)) => RecordId::from(text),
        Some(serde_json::Value::Number(number)) => {
            number.as_u64().ok_or("\"id\" is not a whole number")?.into()
        }
        _ => return Err("\"id\" is missing, or neither text nor a number".into()),
    };
    let vector = vector_in(&object.remove("vector").ok_or("\"vector\" is missing")?)?;
    let fields: Fields = serde_json::from_value(object.into())?;
    Ok(Record::new(id).vector(vector).with_fields(fields))
}

fn vector_in(value: &serde_json::Value) -> Result<Vec<f32>> {
    let numbers = value.as_array().ok_or("the vector is not an array")?;
    numbers
        .iter()
        .map(|number| Ok(number.as_f64().ok_or("the vector holds something else than numbers")? as f32))
        .collect()
}

fn file_size(path: &Path) -> Result<String> {
    Ok(format!("{:.2} MB", std::fs::metadata(path)?.len() as f64 / 1e6))
}
