//! A small database with each of its bytes flipped, cut at each length, and put together by someone who knows how:
//! opening and reading it ends in an error or in the answer of the undamaged file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use lodedb::Backend;
use lodedb::Database;
use lodedb::Error;
use lodedb::Metric;
use lodedb::Record;
use lodedb::RecordId;
use lodedb::Result;
use lodedb::Schema;
use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, reason = "a crate of its own, of which each test uses a part")]
mod fuzz;

use fuzz::exercise::exercise;
use fuzz::exercise::open;
use fuzz::format;
use fuzz::image::Image;
use fuzz::log_tail;
use fuzz::samples;

/// Bytes that all tests of this file together may hold: each file here has less than half a mebibyte.
const MOST_BYTES: usize = 128 << 20;

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is the only way to see how much is allocated")]
// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn assert_memory_was_bounded() {
    let peak = PEAK.load(Ordering::Relaxed);
    assert!(peak < MOST_BYTES, "{peak} bytes were allocated at once");
}

/// What is asked of a file, and the answers as text; an error is no answer.
fn answers(db: &Database) -> Vec<(&'static str, Result<String>)> {
    let of = |name: &str| db.existing(name);
    let text =
        |records: Vec<Record>| records.iter().map(|record| format!("{record:?}\n")).collect::<String>();
    let get = |name: &str, id: RecordId| Ok(format!("{:?}", of(name)?.get(id)?));
    let scan = |name: &str| Ok(text(of(name)?.scan().collect::<Result<Vec<_>>>()?));
    let search = |name: &str, query: &[f32], exact: bool| {
        let hits = of(name)?.search().vector(query).k(5).exact(exact).run()?;
        let lines = hits
            .iter()
            .map(|hit| Ok(format!("{} {} {} {:?}\n", hit.id(), hit.score(), hit.distance(), hit.record()?)));
        lines.collect::<Result<String>>()
    };
    vec![
        ("collections", db.collections().map(|names| names.join(" "))),
        ("get a sealed record", get("numbers", 5.into())),
        ("get a record of the log", get("numbers", 21.into())),
        ("get a deleted record", get("numbers", 1.into())),
        ("get by name", get("ores", "cinnabar".into())),
        ("search", search("numbers", &[1.0, -1.0, 0.0], false)),
        ("search exactly", search("ores", &[1.0, 0.0, 0.0, 1.0], true)),
        ("scan numbers", scan("numbers")),
        ("scan ores", scan("ores")),
        ("verify", db.verify().map(|()| "clean".to_owned())),
    ]
}

/// What a file answers to everything, where it opens.
fn ask(image: &Arc<Image>) -> Result<Vec<(&'static str, Result<String>)>> {
    Ok(answers(&open(image, true)?))
}

/// Three sealed segments with tombstones, one with fields of every kind, and a log behind them.
fn golden() -> Arc<[u8]> {
    let filled = samples::file(false, |db| {
        samples::ores(db)?;
        samples::segments(db)?;
        samples::log_behind_segments(db)
    });
    filled.unwrap().into()
}

/// The answers of a good file.
fn good_answers(bytes: &Arc<[u8]>) -> Answers {
    let asked = ask(&Arc::new(Image::new(bytes.clone()))).unwrap();
    asked.into_iter().map(|(question, answer)| (question, answer.unwrap())).collect()
}

/// Ends the test where an answer is neither an error about the file nor the right one.
fn assert_right(what: &str, found: Result<Vec<(&'static str, Result<String>)>>, right: &[(&str, String)]) {
    let found = match found {
        Ok(found) => found,
        Err(error) => return assert_about_the_file(what, &error),
    };
    for ((question, answer), (_, right)) in found.into_iter().zip(right) {
        match answer {
            Ok(answer) => assert_eq!(&answer, right, "{what}: another answer to '{question}'"),
            Err(error) => assert_about_the_file(what, &error),
        }
    }
}

fn assert_about_the_file(what: &str, error: &Error) {
    let fits =
        matches!(error, Error::Corrupt(_) | Error::NotADatabase { .. } | Error::UnsupportedFormat { .. });
    assert!(fits, "{what}: {error}");
}

/// Every byte that opening, reading and verifying the file looks at. A flip anywhere else can't change an answer:
/// the library reads the same bytes and does the same.
fn bytes_that_count(bytes: &Arc<[u8]>) -> Vec<usize> {
    let image = Arc::new(Image::recording(bytes.clone()));
    ask(&image).unwrap();
    let mut counts = vec![false; bytes.len()];
    for read in image.reads() {
        counts[read.start as usize..read.end as usize].fill(true);
    }
    (0..bytes.len()).filter(|at| counts[*at]).collect()
}

/// Answers to every question.
type Answers = Vec<(&'static str, String)>;

/// The frames of the newest log, each as the range of the file that it takes.
fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut at = format::newest(bytes).unwrap().log.0 as usize;
    let range = |payload: Vec<u8>| {
        let start = at;
        at += (payload.len() + 24).next_multiple_of(format::PAGE);
        start..at
    };
    format::log_payloads(bytes).into_iter().map(range).collect()
}

/// The answers of the file without what `range` holds.
fn answers_without(bytes: &Arc<[u8]>, range: Range<usize>) -> Answers {
    let mut rest = bytes.to_vec();
    rest[range].fill(0);
    good_answers(&rest.into())
}

/// Flips a bit of the byte at `at` and gives what the file then answers.
fn flipped(bytes: &Arc<[u8]>, at: usize) -> Result<Vec<(&'static str, Result<String>)>> {
    let image = Arc::new(Image::new(bytes.clone()));
    image.flip(at, 1 << (at % 8));
    ask(&image)
}

#[test]
fn a_flipped_byte_is_an_error_or_changes_no_answer() {
    let bytes = golden();
    let right = good_answers(&bytes);
    let newest = format::newest(&bytes).unwrap().at;
    let log = frames(&bytes);
    let places = bytes_that_count(&bytes);
    assert!(places.len() > 20_000, "only {} bytes are read", places.len());
    let mut noticed = 0;
    for at in places {
        // A generation that can't be told from one that was never published, or a commit from one that was never
        // acknowledged, is taken for that: see the next two tests.
        if (newest..newest + 512).contains(&at) || log.iter().any(|frame| frame.contains(&at)) {
            continue;
        }
        let found = flipped(&bytes, at);
        noticed += usize::from(found.as_ref().map_or(true, |found| found.iter().any(|(_, a)| a.is_err())));
        assert_right(&format!("byte {at}"), found, &right);
    }
    assert!(noticed > 1_000, "only {noticed} flips were noticed");
    assert_memory_was_bounded();
}

#[test]
fn a_log_with_a_flipped_byte_ends_before_the_damaged_commit() {
    let bytes = golden();
    let right = good_answers(&bytes);
    let log = frames(&bytes);
    assert_eq!(log.len(), 3);
    for frame in log {
        let before = answers_without(&bytes, frame.clone());
        assert_ne!(before, right);
        let mut cut = 0;
        for at in frame {
            let image = Arc::new(Image::new(bytes.clone()));
            image.flip(at, 1 << (at % 8));
            let db = open(&image, true).unwrap();
            let found: Vec<_> = answers(&db).into_iter().map(|(asked, a)| (asked, a.unwrap())).collect();
            cut += usize::from(found != right);
            assert!(found == right || found == before, "byte {at}: a state that never was");
        }
        assert!(cut > 40, "only {cut} flips were noticed");
    }
    assert_memory_was_bounded();
}

#[test]
fn a_newest_superblock_with_a_flipped_byte_leaves_the_generation_before_it() {
    let bytes = golden();
    let newest = format::newest(&bytes).unwrap().at;
    let before = answers_without(&bytes, newest..newest + 512);
    for at in newest..newest + 512 {
        let found: Vec<_> =
            flipped(&bytes, at).unwrap().into_iter().map(|(asked, a)| (asked, a.unwrap())).collect();
        assert!(found == before, "byte {at}: another state than the one before");
    }
}

#[test]
fn a_file_cut_at_any_length_is_an_error_or_whole() {
    let bytes = golden();
    let right = good_answers(&bytes);
    for len in 0..bytes.len() {
        let image = Arc::new(Image::new(bytes.clone()));
        image.set_len(len as u64).unwrap();
        assert_right(&format!("{len} bytes"), ask(&image), &right);
    }
    assert_memory_was_bounded();
}

#[test]
fn a_damaged_file_can_be_written_to_or_refuses_it() {
    let bytes = golden();
    for at in bytes_that_count(&bytes).into_iter().step_by(61) {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        exercise(&damaged.into());
    }
    assert_memory_was_bounded();
}

/// Every byte of the parts that checksums protect: manifest and extents.
fn protected(bytes: &[u8]) -> Vec<usize> {
    let (offset, len) = format::newest(bytes).unwrap().manifest;
    let mut places: Vec<usize> = (offset as usize..(offset + len) as usize).collect();
    for (offset, len) in format::extents(bytes) {
        places.extend(offset as usize..(offset + len) as usize);
    }
    places
}

#[test]
fn damage_under_right_checksums_is_an_error_or_an_answer() {
    let bytes = golden();
    let places = protected(&bytes);
    assert!(places.len() > 1_000, "only {} bytes are protected", places.len());
    let mut opened = 0;
    for at in places {
        for mask in [1 << (at % 8), 0x80, 0xff] {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= mask;
            format::mend(&mut damaged);
            let image = Arc::new(Image::new(damaged.into()));
            opened += usize::from(ask(&image).is_ok());
        }
    }
    assert!(opened > 1_000, "only {opened} files were opened: their checksums were not mended");
    assert_memory_was_bounded();
}

#[test]
fn a_commit_damaged_under_right_checksums_is_an_error_or_done() {
    for payload in log_tail::payloads() {
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 1 << (at % 8);
            log_tail::run(&log_tail::encode([(0, &damaged[..])]));
        }
    }
    assert_memory_was_bounded();
}

/// A file with a graph that has measured itself, and where in it the measurements are: a count of curves, and of each
/// the number of results, a count of points of three numbers and a count of points of two.
fn measured() -> (Vec<u8>, Range<usize>) {
    let bytes = samples::file(true, |db| {
        let many = db.collection("many", Schema::new(8).metric(Metric::L2))?;
        many.upsert((0..2_000).map(|id| Record::new(id).vector(samples::vector(id * id, 8))))?;
        many.optimize(|_| std::ops::ControlFlow::Continue(()))
    });
    let bytes = bytes.unwrap();
    let (offset, len) = format::newest(&bytes).unwrap().manifest;
    let (manifest, rest) = (offset as usize, &bytes[offset as usize..(offset + len) as usize]);
    let three_curves_from_one = [3u64.to_le_bytes().as_slice(), &1u32.to_le_bytes()].concat();
    let start = rest.windows(12).position(|window| window == three_curves_from_one).unwrap();
    let count = |at: usize| rest[at] as usize;
    let end = (0..3).fold(start + 8, |at, _| {
        let depths = at + 12 + 12 * count(at + 4);
        depths + 8 + 8 * count(depths)
    });
    (bytes, manifest + start..manifest + end)
}

/// Searches with every kind of effort; the answers are whole or the file is damaged.
fn search_measured(what: &str, bytes: &Arc<[u8]>) -> bool {
    let searched = || -> Result<()> {
        let db = open(&Arc::new(Image::new(bytes.clone())), true)?;
        let many = db.existing("many")?;
        for k in [1, 10, 70, 450] {
            let search = || many.search().vector([1.0, -2.0, 3.0, 4.0, 0.0, 1.0, 5.0, 9.0]).k(k);
            for search in [search().recall(0.5), search(), search().recall(0.999), search().ef(30)] {
                let hits = search.run()?;
                assert_eq!(hits.len(), k, "{what}");
                assert!(hits.is_sorted_by(|one, next| one.score() >= next.score()), "{what}");
            }
        }
        db.verify()
    };
    searched().map_err(|error| assert_about_the_file(what, &error)).is_ok()
}

#[test]
fn measurements_that_nobody_made_are_an_error_or_lead_to_whole_answers() {
    let (bytes, measurements) = measured();
    assert!(search_measured("undamaged", &bytes.clone().into()));
    assert!(measurements.len() > 300, "only {} bytes of measurements", measurements.len());
    let floats =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1.0, 0.0, 1.0, 1e30].map(f32::to_bits);
    let (mut opened, mut refused) = (0, 0);
    for at in measurements.step_by(4) {
        for value in floats.into_iter().chain([1, 2, 11, 65, 1 << 20, u32::MAX]) {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
            format::mend(&mut damaged);
            match search_measured(&format!("{value:#x} at {at}"), &damaged.into()) {
                true => opened += 1,
                false => refused += 1,
            }
        }
    }
    assert!(opened > 100 && refused > 500, "{opened} files were opened, {refused} refused");
    assert_memory_was_bounded();
}
