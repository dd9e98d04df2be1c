//! Files that are not what they say, and calls that make no sense, end in one sentence and code 2.

use crate::support::*;

/// What an import of this file complains of; nothing is left behind.
#[track_caller]
fn complaint(name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> String {
    let folder = Folder::new();
    let (file, db) = (folder.write(name, content), folder.path("x.lode"));
    let arguments = [&["import", &file, &db][..], more].concat();
    let told = lode(&arguments).failed();
    assert!(!std::path::Path::new(&db).exists(), "{name}: a database was left behind");
    assert!(told.contains(name), "{told} does not name the file");
    told
}

#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>, problem: &str) {
    let told = complaint(name, content, &[]);
    assert!(told.contains(problem), "{told}");
}

#[test]
fn json_lines() {
    refused("a.jsonl", "{\"id\":1,\"vector\":[1]}\n{\"id\":2", "line 2, column 7");
    refused("a.jsonl", "[1,2]\n", "expected a JSON object");
    refused("a.jsonl", "{\"vector\":[1]}\n", "line 1: it has no id: name the column of ids by --id");
    refused("a.jsonl", "{\"id\":1}\n", "line 1: it has no vector 'vector'");
    refused("a.jsonl", "{\"id\":1,\"vector\":null}\n", "line 1: it has no vector 'vector'");
    refused("a.jsonl", "{\"id\":1.5,\"vector\":[1]}\n", "('id'): an id is a text or a whole number");
    refused("a.jsonl", "{\"id\":1,\"vector\":[1,\"x\"]}\n", "('vector'): invalid type");
    refused("a.jsonl", "{\"id\":1,\"vector\":[1,null]}\n", "('vector'): invalid type: null");
    refused("a.jsonl", "{\"id\":1,\"vector\":[NaN]}\n", "line 1, column 19");
    refused("a.jsonl", "{\"id\":1,\"vector\":[1e39]}\n", "('vector'): number out of range");
    refused("a.jsonl", "{\"id\":1,\"vector\":[]}\n", "vector 'vector' has no numbers");
    refused("a.jsonl", "{\"id\":1,\"id\":2,\"vector\":[1]}\n", "('id'): it appears twice");
    refused(
        "a.jsonl",
        "{\"id\":1,\"vector\":[1],\"n\":18446744073709551615}\n",
        "('n'): 18446744073709551615 is over",
    );
    refused("a.jsonl", b"{\"id\":\"\xff\",\"vector\":[1]}\n", "line 1, column ");
    refused(
        "a.jsonl",
        "{\"id\":1,\"vector\":[1]}\n{\"id\":2,\"vector\":[1,2]}\n",
        "line 2: vector 'vector' has 2 dimensions",
    );
    refused("a.jsonl", "{\"id\":\"\",\"vector\":[1]}\n", "the 1 records up to line 1: ");
    refused("a.jsonl", "{\"id\":1,\"vector\":[1],\"a.b\":2}\n", "contains a dot");
    let deep = format!("{{\"id\":1,\"vector\":[1],\"x\":{}}}\n", "[".repeat(100_000));
    refused("a.jsonl", deep, "recursion limit");
}

#[test]
fn rows_of_text() {
    refused("a.csv", "id,vector\n1,1 2\n2,1 2,3\n", "line 3: 3 cells where the header has 2");
    refused("a.csv", "id,id,vector\n1,1,2\n", "the column 'id' appears twice");
    refused("a.csv", "id,vector\n1,1 x\n", "line 2, column 'vector': 'x' is not a number");
    refused("a.csv", "id,vector\n1,[1\n", "line 2, column 'vector': EOF while parsing");
    refused("a.csv", "id,vector\n1,nan 2\n", "the number at 0 is NaN");
    refused("a.csv", "id,vector\n1,1 2\n2,3\n", "line 3: vector 'vector' has 1 dimensions where 2 are right");
    refused("a.csv", "id,vec\n1,1 2\n", "no column 'vector': there are id, vec");
    refused("a.csv", b"id,vector\n\xff\xfe,1 2\n", "line 2: cell 1 is not UTF-8 text");
    refused("a.csv", "", "no column 'id'");
    refused("a.csv", "id,vector\n", "holds no records");
    let mut many = String::from("id,vector,year\n");
    (0..1000).for_each(|id| many.push_str(&format!("{id},1 2,1849\n")));
    refused(
        "a.csv",
        many.clone() + "1000,1 2,unknown\n",
        "line 1002, column 'year': 'unknown' is not of type int, as the first rows are; --type year=text",
    );
    refused(
        "a.csv",
        many + "x,1 2,1849\n",
        "line 1002, column 'id': 'x' is not a whole number, and ids are; --type id=text",
    );
    let told = complaint("a.csv", "id,vector,d\n1,1 2,soon\n", &["--type", "d=datetime"]);
    assert!(told.contains("line 2, column 'd': 'soon' is not a date and time"), "{told}");
}

/// An npy file with this header.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn matrices() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";
    refused("a.npy", npy(header, &[0; 12]), "row 2: the file ends in it, and should have 2 rows");
    refused(
        "a.npy",
        npy(header, &f32::NAN.to_le_bytes().repeat(4)),
        "row 1: vector 'vector': the number at 0 is NaN",
    );
    refused("a.npy", b"\x93NUMPY", "header: it can't be read");
    refused("a.npy", b"PK\x03\x04 a zip of arrays", "does not begin as an npy file does");
    refused("a.npy", b"\x93NUMPY\x09\x00\x00\x00", "version 9 is not known");
    refused("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "4294967295 bytes long");
    let wide = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 9999999999999), }\n";
    refused("a.npy", npy(wide, &[]), "are no vectors");
    let objects = "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2), }\n";
    refused("a.npy", npy(objects, &[]), "'|O' are not known");
    let long = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 20000), }\n";
    refused("a.npy", npy(long, &[1; 20_000]), "20000 where 16384 is the limit");
}

#[test]
fn vectors_behind_their_dimensions() {
    refused("a.fvecs", [2, 0, 0, 0, 1], "row 1: the file ends in it");
    refused("a.fvecs", [2, 0], "row 1: the file ends in it");
    refused("a.bvecs", [255, 255, 255, 255], "row 1: -1 dimensions make no vector");
    refused("a.ivecs", [0, 0, 0, 127], "2130706432 dimensions make no vector");
    refused("a.bvecs", [1, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1], "row 2: vector 'vector' has 2 dimensions");
}

#[test]
fn tables() {
    let folder = Folder::new();
    let db = minerals(&folder);
    for format in ["parquet", "arrow"] {
        let (name, file) = (format!("a.{format}"), folder.path(&format!("good.{format}")));
        lode(&["export", &db, &file]).ok();
        let good = std::fs::read(&file).unwrap();
        complaint(&name, "", &[]);
        complaint(&name, "no table at all, but text of some length", &[]);
        complaint(&name, &good[..good.len() / 2], &[]);
        let told = complaint(&name, &good, &["--vector", "description"]);
        assert!(
            told.contains("row 1, column 'description': a vector is a list of numbers, and this is Utf8"),
            "{told}"
        );
        let told = complaint(&name, &good, &["--id", "hardness_min"]);
        assert!(told.contains("row 1, column 'hardness_min': 2.0 is no id"), "{told}");
        damaged(&folder, &name, &good);
    }
}

/// Whatever byte is damaged, the import succeeds or complains; it does not end otherwise.
fn damaged(folder: &Folder, name: &str, good: &[u8]) {
    for place in (0..good.len()).step_by(good.len() / 60).chain(good.len() - 60..good.len()) {
        let mut bytes = good.to_vec();
        bytes[place] ^= 0xff;
        let (file, db) = (folder.write(name, &bytes), folder.path("damaged.lode"));
        let ran = lode(&["import", &file, &db, "--no-optimize"]);
        if ran.code != 0 {
            ran.failed();
        }
        let _ = std::fs::remove_file(&db);
    }
}

#[test]
fn calls_that_make_no_sense() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let file = sample("minerals.jsonl");
    for (arguments, problem) in [
        (&["serch"][..], "unrecognized subcommand 'serch'"),
        (&[], "say what to do"),
        (&["search"], "were not provided: <DB>"),
        (&["search", "none.lode", "x"], "there is no such database"),
        (&["search", &db], "say what to find"),
        (&["search", &db, "x", "-c", "y"], "no collection 'y'"),
        (&["search", &db, "x", "--filter", "hardness <"], "filter:"),
        (&["search", &db, "x", "--filter", "hardnes_min < 3"], "hardness_min"),
        (&["search", &db, "x", "--recall", "2"], "option 'recall': 2"),
        (&["search", &db, "x", "--recall", "0.9", "--ef", "5"], "cannot be used with"),
        (&["search", &db, "x", "--fusion", "best"], "--fusion 'best': rrf, weighted:0.7,0.3"),
        (&["search", &db, "x", "-k", "0"], "0 is not in 1..=10000"),
        (&["search", &db, "--filter", "density > 1", "--exact"], "--exact needs words or a vector"),
        (&["search", &db, "--like", "unobtainium"], "there is no such record"),
        (&["search", &db, "--vector", &file], "is neither a JSON array of numbers nor an npy file"),
        (&["search", &db, "x", "--within", "titel"], "titel"),
        (&["import", &file, &db, "--type", "year=date"], "'date' is not a type: there are text, int"),
        (&["import", &file, &db, "--metric", "taxi"], "taxi"),
        (&["import", "none.jsonl", &db], "none.jsonl: "),
        (&["import", "/", &db, "--format", "csv"], "is a folder, not a file"),
        (&["import", "a.xlsx", &db], "the name does not tell the format"),
        (&["import", &file, &file], "minerals.jsonl"),
        (&["export", &db, "-", "--format", "parquet"], "give a file"),
        (&["export", &db, "x.fvecs"], "only read"),
        (&["export", &db, "--only", "x"], "--only x: no record has such a field"),
        (&["backup", &db, &db], "exist"),
        (&["compact", "none.lode"], "there is no such database"),
        (&["completions", "dos"], "invalid value 'dos'"),
        (&["bench", &db, "--recalls", "0.1"], "option 'recall': 0.1"),
        (&["eval", &db, &file, "none.tsv"], "the query has no text"),
    ] {
        let told = lode(arguments).failed();
        assert!(told.contains(problem), "{arguments:?}: {told}");
    }
}

#[test]
fn a_text_in_a_record_does_not_steer_the_terminal() {
    let folder = Folder::new();
    let file = folder.write("n.jsonl", "{\"id\":1,\"vector\":[1],\"title\":\"\\u001b[2J gold\\nmine\"}\n");
    let db = folder.path("n.lode");
    lode(&["import", &file, &db, "--text", "title"]).ok();
    let out = lode(&["search", &db, "gold"]).ok();
    assert!(!out.contains('\u{1b}') && out.contains("[gold] mine"), "{out}");
}
