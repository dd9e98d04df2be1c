//! Every example runs to its end and prints what it is there to show.

use std::path::PathBuf;
use std::process::Command;

/// The folder where cargo has put the examples that were built with the tests.
fn folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

fn output(name: &str, arguments: &[&str]) -> String {
    let path = folder().join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let output =
        Command::new(&path).args(arguments).output().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn every_example_is_run_here() {
    let mut names: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".rs"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "many_readers.rs",
            "named_vectors.rs",
            "photos_nearby.rs",
            "quickstart.rs",
            "telemetry.rs",
            "transactions.rs"
        ]
    );
}

#[test]
fn quickstart_answers_questions_about_minerals() {
    let text = output("quickstart", &[]);
    for expected in [
        "records of 384 dimensions are durable",
        "Cinnabar",
        "Magnetite",
        "Halite",
        "Proustite",
        "Soft minerals are",
        "The words \"fool's gold\"",
        "[Fool's] [gold]",
        "By vector and words:",
        "Reopened",
        "Verified",
    ] {
        assert!(text.contains(expected), "'{expected}' is missing in:\n{text}");
    }
}

#[test]
fn quickstart_takes_a_users_own_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.jsonl");
    std::fs::write(&path, "{\"id\":1,\"vector\":[1,0],\"name\":\"east\"}\n{\"id\":2,\"vector\":[0,1]}\n")
        .unwrap();
    let text = output("quickstart", &[path.to_str().unwrap()]);
    assert!(text.contains("Nearest to 1:") && text.contains("east"), "{text}");
    assert!(folder.path().join("own.lode").exists());
}

#[test]
fn the_other_examples_show_what_they_are_for() {
    assert!(output("named_vectors", &[]).contains("caption nearest: 'nugget'"));
    assert!(output("transactions", &[]).contains("in stock: 1, sold: 1\nthe ruby is still here: true"));
    let readers = output("many_readers", &[]);
    assert_eq!(readers.matches("another process has seen all 1001 records").count(), 2, "{readers}");
    assert!(readers.contains("the snapshot still has 1 record, the collection 1001"), "{readers}");
    let photos = output("photos_nearby", &[]);
    assert_eq!(
        photos.lines().filter(|line| line.ends_with("Z\"") && line.contains(" furnace ")).count(),
        3,
        "{photos}"
    );
    assert!(photos.contains("250 of a church"), "{photos}");
    let telemetry = output("telemetry", &[]);
    for expected in
        ["slow: search of 'notes' took", "filter: n > 500", "searches: 1 calls", "commit", "Spans"]
    {
        assert!(telemetry.contains(expected), "'{expected}' is missing in:\n{telemetry}");
    }
}
