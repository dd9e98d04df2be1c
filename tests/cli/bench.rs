//! `lode bench`: figures and their picture.

use crate::support::*;

#[test]
fn figures_are_measured_and_drawn() {
    let folder = Folder::new();
    let (db, svg) = (minerals(&folder), folder.path("speed.svg"));
    let arguments = ["bench", &db, "--sample", "20", "--recalls", "0.7,0.99", "--svg", &svg, "--json"];
    let told = lode(&arguments).json();
    let settings = told["settings"].as_array().unwrap();
    assert_eq!((settings.len(), &told["queries"]), (3, &20.into()));
    assert_eq!((&settings[2]["exact"], &settings[2]["recall"]), (&true.into(), &1.0.into()));
    for setting in settings {
        assert!(
            setting["recall"].as_f64().unwrap() > 0.6
                && setting["searches_per_second"].as_f64().unwrap() > 1.0
        );
        assert!(setting["p99_seconds"].as_f64().unwrap() >= setting["median_seconds"].as_f64().unwrap());
    }
    let drawn = std::fs::read_to_string(&svg).unwrap();
    for expected in ["<svg", "Searches a second by recall: guide.lode", "recall@10", "</svg>"] {
        assert!(drawn.contains(expected), "'{expected}' is missing in:\n{drawn}");
    }
    // Of points that lie together, one has a label.
    assert_eq!(drawn.matches("<circle").count(), 3, "{drawn}");
    assert!(drawn.contains("recall 0.") || drawn.contains("exact"), "{drawn}");
}

#[test]
fn queries_of_ones_own_are_looked_for() {
    let folder = Folder::new();
    let (db, queries) = (minerals(&folder), folder.path("q.npy"));
    lode(&["export", &db, &queries, "--filter", "ore_of = 'tin'"]).ok();
    let table = lode(&[
        "bench",
        &db,
        "--queries",
        &queries,
        "--ef",
        "20",
        "--threads",
        "2",
        "-k",
        "3",
        "-f",
        "density > 3",
    ])
    .ok();
    assert!(table.starts_with("The 3 nearest of 513 records in 'minerals', "), "{table}");
    assert!(table.contains("2 threads") && table.contains("ef 20") && table.contains("recall@3"), "{table}");
}
