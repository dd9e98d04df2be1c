//! The inputs that fuzzing began from and those that it found, replayed on stable Rust.
//!
//! `LODE_WRITE_CORPORA=1 cargo test --test fuzz_corpora` writes the seeds anew (`fuzz/corpus/*/seed-*`), after a
//! change of the format. What fuzzing found is kept under other names and stays as it is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a failed test is a panic")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, reason = "a crate of its own, of which each test uses a part")]
mod fuzz;

use fuzz::filter_parse;
use fuzz::format;
use fuzz::log_tail;
use fuzz::open_bytes;
use fuzz::open_bytes::MENDED;
use fuzz::open_bytes::PACKED;
use fuzz::ops_model;
use fuzz::samples;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn write_seeds(target: &str, seeds: Vec<(String, Vec<u8>)>) {
    if std::env::var_os("LODE_WRITE_CORPORA").is_none() {
        return;
    }
    fs::create_dir_all(folder(target)).unwrap();
    for entry in fs::read_dir(folder(target)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("seed-") {
            fs::remove_file(path).unwrap();
        }
    }
    for (name, bytes) in seeds {
        fs::write(folder(target).join(format!("seed-{name}")), bytes).unwrap();
    }
}

/// Runs every input of a corpus and gives their number; the last name that is printed is the one that failed.
fn replay(target: &str, run: fn(&[u8])) -> usize {
    let entries = fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
    }
    paths.len()
}

/// A generator of numbers (SplitMix64), so that seeds are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn open_bytes_seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<(String, Vec<u8>)> = vec![
        ("nothing".into(), vec![0]),
        ("text".into(), b"\0once upon a time".to_vec()),
        ("zeros".into(), vec![0; 3000]),
    ];
    let mut numbers = Numbers(1);
    for sample in samples::all().unwrap() {
        let packed = format::pack(&sample.bytes);
        assert_eq!(format::unpack(&packed), sample.bytes, "{} is packed whole", sample.name);
        let input = |how: u8, packed: &[u8]| [&[how | PACKED], packed].concat();
        seeds.push((sample.name.into(), input(0, &packed)));
        for variant in 0..4 {
            let mut damaged = packed.clone();
            for _ in 0..=variant {
                let at = 2 + numbers.below(damaged.len() - 2);
                damaged[at] = numbers.next() as u8;
            }
            seeds.push((format!("{}-damaged-{variant}", sample.name), input(MENDED, &damaged)));
        }
    }
    seeds
}

fn log_tail_seeds() -> Vec<(String, Vec<u8>)> {
    let payloads = log_tail::payloads();
    assert!(payloads.len() > 4, "the sample's log has commits");
    let all = |flags: u8| {
        let last = payloads.len() - 1;
        let frames = payloads.iter().enumerate();
        log_tail::encode(frames.map(|(at, bytes)| (if at == last { flags } else { 0 }, &bytes[..])))
    };
    let link = [1u64 << 20, 64 << 10, 7].map(u64::to_le_bytes).concat();
    let mut seeds = vec![
        ("whole".into(), all(0)),
        ("bad-sum".into(), all(log_tail::BAD_SUM)),
        ("bad-commit".into(), all(log_tail::BAD_COMMIT)),
        ("bad-len".into(), all(log_tail::BAD_LEN)),
        ("bad-kind".into(), all(log_tail::BAD_KIND)),
        ("link-away".into(), log_tail::encode([(0, &payloads[0][..]), (log_tail::LINK, &link[..])])),
        ("none".into(), Vec::new()),
    ];
    let mut numbers = Numbers(2);
    for (at, payload) in payloads.iter().enumerate() {
        let mut damaged = payload.clone();
        let place = numbers.below(damaged.len());
        damaged[place] = numbers.next() as u8;
        seeds.push((format!("damaged-{at:02}"), log_tail::encode([(0, &damaged[..])])));
        seeds.push((format!("twice-{at:02}"), log_tail::encode([(0, &payload[..]), (0, &payload[..])])));
    }
    seeds
}

fn ops_model_seeds() -> Vec<(String, Vec<u8>)> {
    let mut numbers = Numbers(3);
    let seed = |at| (format!("{at:02}"), (0..300 + at * 30).map(|_| numbers.next() as u8).collect());
    (0..30).map(seed).collect()
}

/// Every form of the language, in both of its writings, and those that are nearly one.
fn filter_parse_seeds() -> Vec<(String, Vec<u8>)> {
    const FILTERS: [&str; 30] = [
        "year >= 1848 and tags in ('gold','silver') and not exists(draft)",
        "a = 1 or a == -2.5e3 and not (b != 'x' or c <> \"y\")",
        "a < 1 and a <= true and a > null and a >= 9223372036854775807",
        "a between 1 and 2 or a not between '1849-01-31' and '2000-02-29T12:00:00.5+01:00'",
        "tags contains 'a' and tags contains any ('b', [1, 2.0]) and tags not contains all ()",
        "a starts with 'On ' or not a not starts with 'x'",
        "draft and not draft and a is null and a is not null and missing(b.c)",
        "words(title, 'gold mine') or within(place, 38.775, -4.848, 20000) or inside(p, 36, -9.5, 43.8, 3.3)",
        "`odd name`.`tick``ed`.`and` = datetime('1849-01-31T12:00:00Z') and p = point(1, -0.0)",
        r"a = 'it''s \'so\' \n\r\t\b\f\/\\ \u00e9\ud83d\udc8e\x41\U0001f48e'",
        "true and false or not true",
        "((((((((((a))))))))))",
        "not not not not not a",
        "(a or b) and (c or (d and (e or f)))",
        "a = 1e999 or a = 99999999999999999999 or a = 0.1x",
        "a => 1 && b =< 2 || !c",
        "year >= gold",
        "a in (1 2)",
        "\u{e9}t\u{e9} = '\u{1f48e}' and 5 < year",
        r#"{}"#,
        r#"{"year": {"$gte": 1848, "$lt": 1855}, "tags": {"$in": ["gold", "silver"]}, "draft": {"$exists": false}}"#,
        r#"{"$and": [{"a": 1}, {"$or": [{"b": null}, {"c": [1, 2.5, "x", [true]]}]}, {"$not": {"d": {"$ne": 1}}}]}"#,
        r#"{"a": {"$eq": 1, "$gt": 0.5, "$lte": "x", "$nin": [], "$not": {"$gt": 5, "$not": {"$lt": 7}}}}"#,
        r#"{"a": {"$contains": 1}, "b": {"$contains_any": [1]}, "c": {"$contains_all": [1, 2]}, "d.e": {"$prefix": "x"}}"#,
        r#"{"t": {"$text": "gold mine"}, "p": {"$geo_radius": {"center": {"lat": 1, "lon": 2}, "meters": 5}}}"#,
        r#"{"p": {"$geo_box": {"south_west": [-1, 170], "north_east": [1, -170.5]}}, "q": {"lat": 1, "lon": 2}}"#,
        r#"{"lat": 1, "lon": 2}"#,
        r#"{"a": {"$gte2": 1}}"#,
        r#"{"a": {"b": 1}, "$and": 5, "$nor": [], "$not": []}"#,
        r#"{"p": {"$geo_radius": {"centre": [91, 0], "meters": -1}}}"#,
    ];
    let seed = |(at, text): (usize, &&str)| (format!("{at:02}"), text.as_bytes().to_vec());
    FILTERS.iter().enumerate().map(seed).collect()
}

#[test]
fn any_text_is_a_filter_or_an_error() {
    write_seeds("filter_parse", filter_parse_seeds());
    assert!(replay("filter_parse", filter_parse::run) >= 30);
}

#[test]
fn any_bytes_are_a_database_or_an_error() {
    write_seeds("open_bytes", open_bytes_seeds());
    assert!(replay("open_bytes", open_bytes::run) >= 30);
}

#[test]
fn any_frames_are_replayed_or_refused() {
    write_seeds("log_tail", log_tail_seeds());
    assert!(replay("log_tail", log_tail::run) >= 20);
}

#[test]
fn any_operations_on_a_failing_disk_agree_with_the_model() {
    write_seeds("ops_model", ops_model_seeds());
    assert!(replay("ops_model", ops_model::run) >= 30);
}

#[cfg(feature = "fuzz-internals")]
fn postings_seeds() -> Vec<(String, Vec<u8>)> {
    whole_and_damaged(fuzz::text::sealed_texts(), 4)
}

#[cfg(feature = "fuzz-internals")]
fn sparse_seeds() -> Vec<(String, Vec<u8>)> {
    whole_and_damaged(fuzz::text::sealed_sparse(), 5)
}

/// Each of `sealed`, and some of it with bytes changed.
#[cfg(feature = "fuzz-internals")]
fn whole_and_damaged(sealed: Vec<Vec<u8>>, seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut numbers = Numbers(seed);
    for (at, whole) in sealed.into_iter().enumerate() {
        for damaged in 0..4 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                let place = numbers.below(bytes.len());
                bytes[place] = numbers.next() as u8;
            }
            seeds.push((format!("{at}-damaged-{damaged}"), bytes));
        }
        seeds.push((format!("{at}"), whole));
    }
    seeds
}

#[cfg(feature = "fuzz-internals")]
fn query_string_seeds() -> Vec<(String, Vec<u8>)> {
    let typed = [
        "gold +mine -coal \"sluice box\"~2 prosp* mininng~1 title:ore^2",
        "a AND b OR NOT c",
        "C++ C# node.js jane.doe@example.com",
        "\u{6771}\u{4eac}\u{90fd} \u{4eac} caf\u{e9}*",
        "\"open ~ ^ * body:",
        "+\"mine mine\"~3 -\"the\"",
    ];
    (0..).zip(typed).map(|(at, typed): (u32, _)| (format!("{at}"), typed.as_bytes().to_vec())).collect()
}

#[cfg(feature = "fuzz-internals")]
#[test]
fn any_bytes_are_a_keyword_index_or_an_error() {
    write_seeds("postings", postings_seeds());
    assert!(replay("postings", fuzz::text::postings) >= 10);
}

#[cfg(feature = "fuzz-internals")]
#[test]
fn any_bytes_are_sparse_vectors_or_an_error() {
    write_seeds("sparse", sparse_seeds());
    assert!(replay("sparse", fuzz::text::sparse) >= 20);
}

#[cfg(feature = "fuzz-internals")]
#[test]
fn anything_typed_is_a_query() {
    write_seeds("query_string", query_string_seeds());
    assert!(replay("query_string", fuzz::text::query_string) >= 5);
}

#[test]
fn seeds_that_are_mended_are_the_files_that_they_were() {
    for sample in samples::all().unwrap() {
        let mut mended = sample.bytes.clone();
        format::mend(&mut mended);
        assert!(mended == sample.bytes, "mending a good file changes nothing: {}", sample.name);
    }
}
