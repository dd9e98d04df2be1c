//! `lode eval`: measures of rankings.

use crate::support::*;

/// Four records on a line, three queries.
fn small(folder: &Folder) -> (String, String, String) {
    let lines = "{\"id\":\"a\",\"vector\":[1,0],\"body\":\"gold mine\"}\n{\"id\":\"b\",\"vector\":[0.8,0.6],\"body\":\"silver mine\"}\n\
                 {\"id\":\"c\",\"vector\":[0,1],\"body\":\"river\"}\n{\"id\":\"d\",\"vector\":[-1,0],\"body\":\"lake\"}\n";
    let db = folder.path("s.lode");
    lode(&["import", &folder.write("s.jsonl", lines), &db, "--text", "body"]).ok();
    let queries = folder.write(
        "q.jsonl",
        "{\"_id\":\"1\",\"text\":\"gold?\",\"vector\":[0.9,0.1]}\n{\"_id\":\"2\",\"text\":\"lake\",\"vector\":[0,1]}\n\
         {\"_id\":\"3\",\"text\":\"sea\",\"vector\":[0,1]}\n",
    );
    let judgments =
        folder.write("j.tsv", "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t1\n2\td\t1\n3\td\t0\n9\ta\t1\n");
    (db, queries, judgments)
}

#[test]
fn measures_are_as_computed_by_hand() {
    let folder = Folder::new();
    let (db, queries, judgments) = small(&folder);
    let told = lode(&["eval", &db, &queries, &judgments, "-k", "2", "--json"]).json();
    assert_eq!(told["queries"], 2);
    // By words: a, and d. By vectors: a and b, then c and b.
    let log3 = 3f64.log2();
    let words = (2.0 / (2.0 + 1.0 / log3) + 1.0) / 2.0;
    let close = |found: &serde_json::Value, wanted: f64| (found.as_f64().unwrap() - wanted).abs() < 1e-6;
    assert!(close(&told["words"]["ndcg"], words), "{told}");
    assert!(close(&told["words"]["recall"], 0.75) && close(&told["words"]["mrr"], 1.0), "{told}");
    assert!(close(&told["vectors"]["ndcg"], 0.5) && close(&told["vectors"]["mrr"], 0.5), "{told}");
    assert!(told["both"]["ndcg"].as_f64().unwrap() > 0.5, "{told}");
    let exponential =
        lode(&["eval", &db, &queries, &judgments, "-k", "2", "--gain", "exponential", "--json"]).json();
    assert!(close(&exponential["words"]["ndcg"], (3.0 / (3.0 + 1.0 / log3) + 1.0) / 2.0), "{exponential}");
}

#[test]
fn judgments_of_trec_and_queries_between_tabs_are_read() {
    let folder = Folder::new();
    let (db, _, beir) = small(&folder);
    let queries = folder.write("q.tsv", "1\tgold?\n2\tlake\n");
    let trec = folder.write("j.qrels", "1 0 a 2\n1 0 b 1\n2 0 d 1\n");
    let (of_trec, of_beir) =
        (lode(&["eval", &db, &queries, &trec]).ok(), lode(&["eval", &db, &queries, &beir]).ok());
    let figures = |text: &str| {
        text.split_whitespace()
            .filter(|word| word.len() == 6 && word.contains('.'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(figures(&of_trec), figures(&of_beir));
    assert!(of_trec.contains("words") && !of_trec.contains("vectors"), "{of_trec}");
    let vectors = folder.write(
        "v.fvecs",
        [2i32, 0, 0, 2, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>(),
    );
    assert!(lode(&["eval", &db, &queries, &trec, "--vectors", &vectors]).ok().contains("both"));
    let told = lode(&["eval", &db, &queries, &trec, "--embed", "sed 's/.*/[1,0]/'"]).ok();
    assert!(told.contains("vectors") && told.ends_with("2 queries\n"), "{told}");
}

#[test]
fn what_does_not_fit_together_is_told() {
    let folder = Folder::new();
    let (db, queries, judgments) = small(&folder);
    let some = folder
        .write("some.jsonl", "{\"id\":1,\"text\":\"gold\",\"vector\":[1,0]}\n{\"id\":2,\"text\":\"lake\"}\n");
    for (queries, judgments, problem) in [
        (&some, &judgments, "1 of 2 queries have a vector"),
        (&queries, &folder.write("a.tsv", "1\ta\n"), "line 1: 2 columns where query, record and grade are 3"),
        (
            &queries,
            &folder.write("b.tsv", "1\ta\t1\n1\tb\tgood\n"),
            "line 2: the grade 'good' is not a number",
        ),
        (&queries, &folder.write("c.tsv", "x\ta\t1\n"), "do the ids agree?"),
        (&folder.write("d.tsv", "gold\n"), &judgments, "line 1: an id, a tab and a text are right"),
    ] {
        let told = lode(&["eval", &db, queries, judgments]).failed();
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn the_sample_collection_is_measured_three_ways() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let told =
        lode(&["eval", &db, &sample("questions.jsonl"), &sample("judgments.tsv"), "--json", "--exact"])
            .json();
    for way in ["words", "vectors", "both"] {
        assert!(told[way]["ndcg"].as_f64().unwrap() > 0.4, "{told}");
    }
}
