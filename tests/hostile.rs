//! Files made by someone who knows the format: every checksum is right, and what they say makes no sense. Opening and
//! using them ends in an error or an answer, in bounded memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use lodedb::Metric;
use lodedb::Record;
use lodedb::Schema;
use lodedb::VectorSchema;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unreachable_pub, reason = "a crate of its own, of which each test uses a part")]
mod fuzz;

use fuzz::exercise::exercise;
use fuzz::format;
use fuzz::log_tail;
use fuzz::samples;

/// The payloads of four commits: a collection of one vector, a record, a collection of two vectors, a record.
fn two_collections() -> [Vec<u8>; 4] {
    let bytes = samples::file(false, |db| {
        let one = db.collection("one", Schema::new(3).metric(Metric::L2))?;
        one.upsert([Record::new(1).vector([1.0, 2.0, 3.0])])?;
        let vectors = [VectorSchema::new("left", 2), VectorSchema::new("right", 5)];
        let two = db.collection("two", Schema::named(vectors))?;
        two.upsert([Record::new(1).named_vector("left", [1.0; 2]).named_vector("right", [2.0; 5])]).map(drop)
    });
    format::log_payloads(&bytes.unwrap()).try_into().unwrap()
}

/// The same commit for the collection of another number. Its one step begins behind the count and its kind.
fn for_collection(payload: &[u8], number: u32) -> Vec<u8> {
    let mut out = payload.to_vec();
    out[2..6].copy_from_slice(&number.to_le_bytes());
    out
}

#[test]
fn two_collections_of_one_number_in_the_log() {
    let [one, record_of_one, two, record_of_two] = two_collections();
    let same = |payload: &[u8]| for_collection(payload, 77);
    let (one, two) = (same(&one), same(&two));
    let (record_of_one, record_of_two) = (same(&record_of_one), same(&record_of_two));
    for order in [
        [&one, &two, &record_of_one, &record_of_two],
        [&one, &two, &record_of_two, &record_of_two],
        [&two, &one, &record_of_one, &record_of_two],
        [&one, &record_of_one, &two, &record_of_two],
        [&two, &record_of_two, &one, &record_of_one],
        [&one, &one, &record_of_one, &record_of_one],
    ] {
        log_tail::run(&log_tail::encode(order.map(|payload| (0, &payload[..]))));
    }
}

/// A file whose superblock has the largest number at `at`.
fn with_largest(at: usize) -> Vec<u8> {
    let mut bytes = samples::file(false, samples::segments_and_log).unwrap();
    let slot = format::newest(&bytes).unwrap().at;
    bytes[slot + at..slot + at + 8].fill(0xff);
    format::mend(&mut bytes);
    bytes
}

#[test]
fn the_largest_commit_has_no_next() {
    exercise(&with_largest(64).into());
}

#[test]
fn the_largest_generation_has_no_next() {
    let mut bytes = samples::file(false, samples::segments_and_log).unwrap();
    let slot = format::newest(&bytes).unwrap().at;
    let mut record = bytes[slot..slot + 512].to_vec();
    record[32..40].fill(0xff);
    // Its place is that of its number.
    let last = 3 * format::PAGE;
    bytes[last..last + 512].copy_from_slice(&record);
    format::mend(&mut bytes);
    exercise(&bytes.into());
}
