//! `lode import`: what becomes of rows.

use crate::support::*;
use lodedb::RecordId;
use lodedb::Value;

const LINES: &str = "{\"id\":\"a\",\"vector\":[1,0],\"title\":\"Mines\",\"year\":\"1849\",\"note\":null}\n\
                     \n\
                     {\"id\":\"b\",\"vector\":[0,1],\"title\":\"Rivers\",\"year\":\"1851\"}\n";

#[test]
fn the_collection_has_the_name_of_the_file_and_what_the_options_say() {
    let folder = Folder::new();
    let (file, db) = (folder.write("notes.jsonl", LINES), folder.path("n.lode"));
    let told =
        lode(&["import", &file, &db, "--text", "title:simple", "--metric", "l2", "--unindexed", "note"]).ok();
    assert!(told.starts_with("Imported 2 records into 'notes' of ") && told.contains("has 2 now"), "{told}");
    let info = lode(&["info", &db, "--json"]).json();
    let collection = &info["collections"][0];
    assert_eq!(collection["vectors"][0]["metric"], "l2");
    assert_eq!(collection["text_fields"][0]["analyzer"], "simple");
    assert_eq!(collection["unindexed"][0], "note");
}

#[test]
fn columns_are_renamed_left_out_and_given_types() {
    let folder = Folder::new();
    let (file, db) = (folder.write("notes.jsonl", LINES), folder.path("n.lode"));
    lode(&["import", &file, &db, "--rename", "title=name", "--skip", "note", "--type", "year=int"]).ok();
    let found = records(&db, "notes");
    assert_eq!(found[0].fields().to_string(), r#"{"name":"Mines","year":1849}"#);
    let other = folder.path("o.lode");
    lode(&["import", &file, &other, "--only", "title", "-c", "x"]).ok();
    assert_eq!(records(&other, "x")[1].fields().to_string(), r#"{"title":"Rivers"}"#);
}

#[test]
fn a_column_that_is_named_and_not_there_is_an_error() {
    let folder = Folder::new();
    let csv = folder.write("n.csv", "id,vector,year\na,1 0,1849\n");
    let lines = folder.write("n.jsonl", LINES);
    for file in [csv, lines] {
        let problem = lode(&["import", &file, &folder.path("n.lode"), "--skip", "yaer"]).failed();
        assert!(problem.contains("no column 'yaer': there are ") && problem.contains("year"), "{problem}");
    }
}

#[test]
fn an_import_into_a_collection_that_exists_replaces_and_adds() {
    let folder = Folder::new();
    let (file, db) = (folder.write("notes.jsonl", LINES), folder.path("n.lode"));
    lode(&["import", &file, &db, "--metric", "l2"]).ok();
    let more =
        folder.write("more.jsonl", "{\"id\":\"b\",\"vector\":[2,2]}\n{\"id\":\"c\",\"vector\":[3,3]}\n");
    let told = lode(&["import", &more, &db, "--json"]).json();
    assert_eq!(
        (&told["collection"], &told["imported"], &told["records"]),
        (&"notes".into(), &2.into(), &3.into())
    );
    assert_eq!(records(&db, "notes")[1].fields().len(), 0);
    let problem = lode(&["import", &more, &db, "--metric", "dot"]).failed();
    assert!(problem.contains("(2 x f32, l2), not 'vector' (2 x f32, dot)"), "{problem}");
    // Only what is said is compared.
    let problem = lode(&["import", &more, &db, "--text", "title"]).failed();
    assert!(problem.contains("its text fields are [], not ['title' (english)]"), "{problem}");
}

#[test]
fn a_bad_row_is_named_and_earlier_batches_stay() {
    let folder = Folder::new();
    let mut lines: String = (0..5).map(|id| format!("{{\"id\":{id},\"vector\":[{id},1]}}\n")).collect();
    lines.push_str("{\"id\":5,\"vector\":[1]}\n");
    let (file, db) = (folder.write("n.jsonl", lines), folder.path("n.lode"));
    let problem = lode(&["import", &file, &db, "--batch", "2"]).failed();
    assert!(
        problem.contains("n.jsonl: line 6: vector 'vector' has 1 dimensions where 2 are right"),
        "{problem}"
    );
    assert!(problem.ends_with("the 4 records of the batches before it stay imported"), "{problem}");
    assert_eq!(records(&db, "n").len(), 4);
}

#[test]
fn an_import_that_wrote_nothing_leaves_no_file() {
    let folder = Folder::new();
    let file = folder.write("n.jsonl", "{\"id\":1,\"vector\":[1,2],\"text\":5}\n");
    let db = folder.path("n.lode");
    for more in [
        &["--dtype", "i8", "--metric", "hamming"][..],
        &["--text", "x:klingon"],
        &["--vector", "w"],
        &["--id", "x"],
    ] {
        let arguments = [&["import", &file, &db][..], more].concat();
        lode(&arguments).failed();
        assert!(!std::path::Path::new(&db).exists(), "{more:?}");
    }
    let empty = folder.write("empty.jsonl", "\n");
    assert!(lode(&["import", &empty, &db]).failed().ends_with("holds no records"));
    assert!(!std::path::Path::new(&db).exists());
}

#[test]
fn ids_are_of_the_kind_that_the_collection_has() {
    let folder = Folder::new();
    let csv = folder.write("n.csv", "key,vector\n7,1 0\n8,\"[0, 1]\"\n");
    let (numbers, texts, rows) = (folder.path("a.lode"), folder.path("b.lode"), folder.path("c.lode"));
    lode(&["import", &csv, &numbers, "--id", "key"]).ok();
    assert_eq!(records(&numbers, "n")[0].id(), &RecordId::U64(7));
    lode(&["import", &csv, &texts, "--id", "key", "--type", "key=text"]).ok();
    assert_eq!(records(&texts, "n")[0].id(), &RecordId::from("7"));
    // Into a collection of texts, numbers go as texts.
    lode(&["import", &csv, &texts, "--id", "key"]).ok();
    assert_eq!(records(&texts, "n").len(), 2);
    lode(&["import", &csv, &rows, "--number", "100"]).ok();
    let first = &records(&rows, "n")[0];
    assert_eq!((first.id(), &first.fields()["key"]), (&RecordId::U64(100), &Value::I64(7)));
}

#[test]
fn several_vectors_are_taken_from_several_columns() {
    let folder = Folder::new();
    let file = folder.write("n.jsonl", "{\"id\":1,\"t\":[1,0],\"image\":[1,2,3]}\n");
    let db = folder.path("n.lode");
    lode(&["import", &file, &db, "--vector", "text=t", "--vector", "image=image"]).ok();
    let found = &records(&db, "n")[0];
    assert_eq!((found.get_vector("text").unwrap().dim(), found.get_vector("image").unwrap().dim()), (2, 3));
    let again = folder.write("m.jsonl", "{\"id\":2,\"text\":[1,0],\"image\":[1,2,3]}\n");
    lode(&["import", &again, &db]).ok();
    let problem = lode(&["import", &again, &db, "--vector", "txet=text"]).failed();
    assert!(problem.contains("no vector 'txet': there are text, image"), "{problem}");
}

#[test]
fn vectors_come_from_a_file_beside() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let (rows, vectors, joined) =
        (folder.path("rows.jsonl"), folder.path("vectors.npy"), folder.path("j.lode"));
    lode(&["export", &db, &rows, "--no-vectors"]).ok();
    lode(&["export", &db, &vectors]).ok();
    lode(&["import", &rows, &joined, "--vectors", &vectors, "-c", "minerals"]).ok();
    assert_eq!(records(&joined, "minerals"), records(&db, "minerals"));
    let short = folder.write("short.jsonl", "{\"id\":1}\n");
    let problem = lode(&["import", &short, &folder.path("k.lode"), "--vectors", &vectors]).failed();
    assert!(problem.contains("more vectors than there are records"), "{problem}");
}

/// Each text becomes its length and 1.
const LENGTHS: &str = "awk '{ printf \"[%d, 1]\\n\", length($0) - 2 }'";
/// The same, but all at the end.
const LATE: &str = "awk '{ out = out sprintf(\"[%d, 1]\\n\", length($0) - 2) } END { printf \"%s\", out }'";

#[test]
fn a_program_makes_vectors_of_texts() {
    let folder = Folder::new();
    // More than a pipe holds, so that a program that answers at its end would stop an import that waits for answers.
    let line =
        |id: usize| format!("{{\"id\":{id},\"body\":\"{}\",\"title\":\"t\"}}\n", "x".repeat(id % 50 + 1));
    let file = folder.write("n.jsonl", (0..20_000).map(line).collect::<String>());
    for (command, name) in [(LENGTHS, "a.lode"), (LATE, "b.lode")] {
        let db = folder.path(name);
        lode(&["import", &file, &db, "--embed", command, "--embed-field", "body"]).ok();
        let found = records(&db, "n");
        assert_eq!(found.len(), 20_000);
        assert_eq!(found[49].get_vector("vector").unwrap().to_f32(), [50.0, 1.0]);
    }
    let (db, out) = (folder.path("c.lode"), folder.path("a.lode"));
    lode(&["import", &file, &db, "--embed", LENGTHS, "--text", "title", "--text", "body"]).ok();
    // Two fields, with an escaped line end between them.
    assert_eq!(records(&db, "n")[0].get_vector("vector").unwrap().to_f32(), [4.0, 1.0]);
    let found = lode(&["search", &db, "xxxxx", "--embed", LENGTHS, "--only-vector", "-k", "1", "--json"])
        .json_lines();
    assert_eq!(found.len(), 1);
    assert!(std::path::Path::new(&out).exists());
}

#[test]
fn a_program_that_fails_is_named() {
    let folder = Folder::new();
    let file = folder.write("n.jsonl", "{\"id\":1,\"body\":\"x\"}\n{\"id\":2,\"body\":\"y\"}\n");
    let db = folder.path("n.lode");
    for (command, problem) in [
        ("exit 3", "it ended (exit status: 3) after 0 vectors"),
        ("cat", "\"x\"' is not a JSON array of numbers: invalid type"),
        ("echo '[1]'", "after 1 vectors"),
        ("cat >/dev/null; printf '[1]\\n[1]\\n[1]\\n'", "it printed more than 2 lines"),
        ("cat >/dev/null; printf '[1]\\n[1]\\n'; exit 1", "it ended with exit status: 1"),
        ("sed 's/.*/[1e99]/'", "number out of range"),
    ] {
        let told = lode(&["import", &file, &db, "--embed", command, "--embed-field", "body"]).failed();
        assert!(told.contains(problem), "{command}: {told}");
    }
    let told = lode(&["import", &file, &db, "--embed", "cat"]).failed();
    assert!(told.contains("name it by --embed-field or --text"), "{told}");
}

#[test]
fn lines_come_from_the_standard_input() {
    let folder = Folder::new();
    let db = folder.path("n.lode");
    let told = lode(&["import", "-", &db]).failed();
    assert!(told.contains("give --format"), "{told}");
    lode_with(LINES.as_bytes(), &["import", "-", &db, "--format", "jsonl", "-c", "n"]).ok();
    assert_eq!(records(&db, "n").len(), 2);
}
