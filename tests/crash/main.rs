//! The crash enumerator: a program works with a database on a simulated disk, and every state that a power loss could
//! leave behind is opened and compared with what the program was told.
//!
//! - A power loss leaves any subset of the writes since the last sync, each whole or torn. Up to eight such writes all
//!   subsets are tried, above it a sample.
//! - It strikes again while the database recovers or goes on working, up to two more times; and in *walks*, many times
//!   in a row.
//! - A sync fails: the cache goes on showing what the disk never got, the program is started again, then power fails.
//! - After each crash: what was acknowledged is there, what is there was written, and byte for byte. In a share of the
//!   states the database is opened for writing, verified, and changed by three to five more steps.
//! - Readers and pins watch beside the program that their bytes stay what they were.
//!
//! The same is done with a protocol that has one of fourteen mistakes, each of which must be found.
//!
//! `LODE_CRASH_STATES` sets the number of states, `LODE_CRASH_SEED` repeats one run that failed.

#![cfg(feature = "crash-testing")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod database;
mod disk;
mod engine;
mod explore;
mod faults;
mod random;
mod session;

use crate::database::Records;
use crate::engine::Engine;
use crate::engine::Toy;
use crate::explore::Explorer;
use crate::random::mix;
use lodedb::_crash_testing::Mutant;
use lodedb::_crash_testing::choose;
use std::time::Duration;
use std::time::Instant;

/// States without `LODE_CRASH_STATES`.
const DEFAULT_STATES: u64 = 200_000;
/// States after which a run ends and the next begins with another program.
const RUN: u64 = 20_000;
/// States within which a mistake has to be found.
const MUTANT_STATES: u64 = 2_000_000;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// One run: one in four is a set of walks; one in two is on a disk whose overwriting is safe.
fn run<E: Engine>(seed: u64) -> (u64, Result<(), String>) {
    let mut explorer = Explorer::<E>::new(mix(seed), seed.is_multiple_of(2), RUN);
    let mut outcome = Ok(());
    if seed / 2 % 4 == 3 {
        while outcome.is_ok() && explorer.states < RUN / 4 {
            outcome = explorer.walk();
        }
    } else {
        outcome = explorer.tree();
    }
    (explorer.states, outcome)
}

#[test]
fn no_crash_loses_what_was_acknowledged() {
    enumerate::<Toy>(setting("LODE_CRASH_STATES").unwrap_or(DEFAULT_STATES));
}

/// The same for the whole database, whose states cost more to look at.
#[test]
fn no_crash_loses_a_record() {
    enumerate::<Records>(setting("LODE_CRASH_STATES").unwrap_or(DEFAULT_STATES) / 10);
}

fn enumerate<E: Engine>(wanted: u64) {
    if let Some(seed) = setting("LODE_CRASH_SEED") {
        let (states, outcome) = run::<E>(seed);
        return outcome.unwrap_or_else(|problem| panic!("{problem} (seed {seed}, {states} states)"));
    }
    let (mut states, mut seed) = (0, 0);
    let begun = Instant::now();
    let mut told = begun;
    while states < wanted {
        let (checked, outcome) = run::<E>(seed);
        states += checked;
        outcome.unwrap_or_else(|problem| {
            panic!("{problem}; repeat with LODE_CRASH_SEED={seed} ({states} states)")
        });
        seed += 1;
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            let rate = states as f64 / begun.elapsed().as_secs_f64();
            eprintln!("{states} of {wanted} crash states, {rate:.0} a second");
        }
    }
    eprintln!("{states} crash states in {seed} runs, {:.1} s: nothing lost", begun.elapsed().as_secs_f64());
}

#[test]
fn every_mistake_in_the_protocol_is_found() {
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        choose(Some(mutant));
        let (mut states, mut found) = (0, None);
        for seed in 0.. {
            let (checked, outcome) = run::<Toy>(seed);
            states += checked;
            found = outcome.err();
            if found.is_some() || states > MUTANT_STATES {
                break;
            }
        }
        choose(None);
        match found {
            Some(problem) => eprintln!("{mutant:?}: found after {states} states: {problem}"),
            None => missed.push(mutant),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// The enumerator sees through the database as well: mistakes in the store below it lose records.
#[test]
fn mistakes_below_a_database_are_found() {
    for mutant in [Mutant::NoSyncBeforeSuperblock, Mutant::AckBeforeSync, Mutant::ReuseEarly, Mutant::OneSlot]
    {
        choose(Some(mutant));
        let found = (0..40).find_map(|seed| run::<Records>(seed).1.err());
        choose(None);
        assert!(found.is_some(), "{mutant:?} was not found");
    }
}
