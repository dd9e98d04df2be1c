//! `lode search`: by words, by vectors, by both, by filters.

use crate::support::*;
use serde_json::Value as Json;

fn ids(lines: &[Json]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

/// The vector of the question about pencils, as JSON.
fn question() -> String {
    let line = std::fs::read_to_string(sample("questions.jsonl")).unwrap().lines().nth(7).unwrap().to_owned();
    serde_json::from_str::<Json>(&line).unwrap()["vector"].to_string()
}

#[test]
fn words_are_found_and_marked() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let table = lode(&["search", &db, "fool's", "gold", "-k", "2"]).ok();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("id") && lines[0].contains("score") && lines[0].contains("description"));
    assert!(lines[2].starts_with("pyrite") && lines[2].contains("[Fool's] [gold]"), "{table}");
    let found = lode(&["search", &db, "+gold -silver", "-k", "3", "--json"]).json_lines();
    assert!(found[0]["highlights"].to_string().to_lowercase().contains("[gold]"));
    assert!(found[0]["scores"]["text"].as_f64().unwrap() > 0.0 && found[0]["distance"].is_null());
    assert_eq!(found[0]["fields"]["lustre"], "metallic");
    let boosted = lode(&["search", &db, "gold", "--within", "name=5", "-k", "1", "--json"]).json_lines();
    assert_eq!(ids(&boosted), ["gold"]);
}

#[test]
fn vectors_come_from_a_file_from_the_standard_input_and_from_records() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let file = folder.write("q.json", question());
    let of_file = lode(&["search", &db, "--vector", &file, "-k", "3", "--json"]).json_lines();
    let of_input =
        lode_with(question().as_bytes(), &["search", &db, "--vector", "-", "-k", "3", "--json"]).json_lines();
    assert_eq!((ids(&of_file)[0], &of_file), ("graphite", &of_input));
    let npy = folder.path("one.npy");
    lode(&["export", &db, &npy, "--filter", "name = 'Gold'"]).ok();
    let gold = lode(&["search", &db, "--vector", &npy, "-k", "1", "--json"]).json_lines();
    assert_eq!((ids(&gold), gold[0]["score"].as_f64().unwrap().round()), (vec!["gold"], 1.0));
    let like = lode(&["search", &db, "--like", "gold", "-k", "4", "--json"]).json_lines();
    assert_eq!(like.len(), 4);
    assert!(!ids(&like).contains(&"gold"));
    let short = folder.write("short.json", "[1, 2]");
    assert!(
        lode(&["search", &db, "--vector", &short]).failed().contains("2 dimensions where the schema has 384")
    );
}

#[test]
fn words_and_vectors_are_fused_and_filtered() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let file = folder.write("q.json", question());
    let filter = "hardness_max <= 2";
    for fusion in ["rrf", "weighted:0.7,0.3", "distribution:1,1"] {
        let arguments =
            ["search", &db, "pencil", "lead", "--vector", &file, "-f", filter, "--fusion", fusion, "--json"];
        let found = lode(&arguments).json_lines();
        assert_eq!(ids(&found)[0], "graphite", "{fusion}");
        assert!(found.iter().all(|hit| hit["fields"]["hardness_max"].as_f64().unwrap() <= 2.0));
        assert!(found[0]["scores"]["vector"].is_number() && found[0]["scores"]["text"].is_number());
    }
}

#[test]
fn a_filter_alone_lists_records_in_an_order() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let arguments =
        ["search", &db, "--filter", "ore_of = 'tin'", "--order-by", "density", "--descending", "--json"];
    let found = lode(&arguments).json_lines();
    let densities: Vec<f64> = found.iter().map(|line| line["fields"]["density"].as_f64().unwrap()).collect();
    assert!(densities.len() > 1 && densities.is_sorted_by(|a, b| a >= b), "{densities:?}");
    let table = lode(&["search", &db, "-f", "name = 'Gold'", "--show", "density"]).ok();
    assert_eq!(table.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(), ["id", "density"]);
}

#[test]
fn nothing_found_is_code_1() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let ran = lode(&["search", &db, "zzyzx"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (1, "No record was found.\n", ""));
    let ran = lode(&["search", &db, "-f", "density > 100", "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
}

#[test]
fn a_search_explains_itself_as_a_tree() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let tree = lode(&["search", &db, "pencil", "--like", "gold", "-f", "hardness_max < 3", "--explain"]).ok();
    let lines: Vec<&str> = tree.lines().collect();
    assert!(lines[0].starts_with("search: 10 hits in "), "{tree}");
    assert!(
        lines[1].starts_with("\u{251c}\u{2500} filter hardness_max < 3: 124 of 513 records pass"),
        "{tree}"
    );
    assert!(lines[2].starts_with("\u{251c}\u{2500} words: "), "{tree}");
    assert!(lines[3].starts_with("\u{2514}\u{2500} segment of 513 records by "), "{tree}");
    let json = lode(&["search", &db, "--like", "gold", "--explain", "--json", "--exact"]).json();
    assert_eq!((&json["hits"], &json["segments"][0]["records"]), (&10.into(), &513.into()));
}

#[test]
fn the_other_settings_are_heeded() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let found = |more: &[&str]| {
        let arguments = [&["search", &db, "--like", "gold", "--json", "-k", "5"][..], more].concat();
        lode(&arguments).json_lines()
    };
    let plain = found(&[]);
    for same in [&["--exact"][..], &["--ef", "400"], &["--recall", "0.999"]] {
        assert_eq!(ids(&found(same)), ids(&plain), "{same:?}");
    }
    let least = plain[2]["score"].to_string();
    assert_eq!(found(&["--min-score", &least]).len(), 3);
    let grouped = found(&["--group-by", "class"]);
    let classes: std::collections::BTreeSet<String> =
        grouped.iter().map(|hit| hit["fields"]["class"].to_string()).collect();
    assert_eq!(classes.len(), grouped.len());
    assert_ne!(ids(&found(&["--diversity", "0.9"])), ids(&plain));
}
