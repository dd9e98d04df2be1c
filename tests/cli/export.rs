//! `lode export`: what is written, and where.

use crate::support::*;

#[test]
fn lines_go_to_the_standard_output_and_fields_are_chosen() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let filter = "ore_of = 'tin'";
    let lines = lode(&["export", &db, "--filter", filter, "--only", "name", "--no-vectors"]).json_lines();
    assert_eq!(lines[0], serde_json::json!({ "id": "cassiterite", "name": "Cassiterite" }));
    let all = lode(&["export", &db, "--filter", filter]).json_lines();
    assert_eq!((all.len(), all[0]["vector"].as_array().unwrap().len()), (lines.len(), 384));
    let csv =
        lode(&["export", &db, "--format", "csv", "--filter", filter, "--only", "density", "--no-vectors"])
            .ok();
    assert!(csv.starts_with("id,density\ncassiterite,"), "{csv}");
}

#[test]
fn a_file_that_exists_is_not_written_over() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let file = folder.write("x.csv", "mine");
    assert!(lode(&["export", &db, &file]).failed().contains("exists; --force writes over it"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let told = lode(&["export", &db, &file, "--force", "--json"]).json();
    assert_eq!(told["exported"], 513);
    // What fails leaves no file behind.
    let other = folder.path("y.fvecs");
    lode(&["export", &db, &other]).failed();
    assert!(!std::path::Path::new(&other).exists());
}
