//! The n-th call to the disk fails, once or for ever: an error, never a panic, and nothing lost after reopening.

use crate::disk::Disk;
use crate::disk::Fault;
use crate::disk::FaultKind;
use crate::engine::Engine;
use crate::engine::How;
use crate::engine::Model;
use crate::engine::Pinned;
use crate::engine::Toy;
use crate::random::Random;
use crate::session::Habit;
use crate::session::Session;
use crate::session::batch;
use crate::session::empty;
use lodedb::Error;
use std::sync::Arc;

/// Steps of a program.
const STEPS: usize = 24;
/// Programs tried with each fault.
const SEEDS: u64 = 12;

/// A program that goes on after errors, and the contents that may be found after it.
struct Program {
    disk: Arc<Disk>,
    engine: Toy,
    attempts: usize,
    /// The last content that was acknowledged, and all that were tried since.
    possible: Vec<Model>,
}

impl Program {
    fn new(seed: u64) -> Self {
        let disk = Disk::new(Vec::new());
        let engine = Toy::create(&disk, seed).unwrap();
        Self { disk, engine, attempts: 0, possible: vec![empty()] }
    }

    /// Takes note of what an operation returned.
    fn note(&mut self, doing: &str, outcome: lodedb::Result<()>, acknowledges: bool) {
        match outcome {
            Ok(()) if acknowledges => {
                // A later change whose writing failed may be there all the same.
                let model = self.engine.model().unwrap();
                self.possible.retain(|tried| tried[0] > model[0]);
                self.possible.push(model);
            }
            Ok(()) => {}
            Err(Error::Io { .. } | Error::Poisoned { .. }) => {}
            Err(error) => panic!("{doing}: {error}"),
        }
    }

    fn write(&mut self, how: How, random: &mut Random) {
        self.attempts += 1;
        let batch = batch(self.attempts, random.below(2));
        let mut model = self.engine.model().unwrap();
        batch.changes.iter().for_each(|(key, value)| model[*key] = *value);
        self.possible.push(model);
        let outcome = self.engine.write(&batch, how);
        self.note("write", outcome, how != How::Unsynced);
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(12) {
            0..3 => self.write(How::Durable, random),
            3..6 => self.write(How::Unsynced, random),
            6 => {
                let outcome = self.engine.sync();
                self.note("sync", outcome, true);
            }
            7 | 8 => self.write(How::Bulk, random),
            9 => {
                let outcome = self.engine.compact();
                self.note("compact", outcome, true);
            }
            10 => {
                let outcome = self.engine.checkpoint();
                self.note("checkpoint", outcome, true);
            }
            _ => {
                let outcome =
                    self.engine.pin().and_then(|pinned| pinned.is_whole()).map(|whole| assert!(whole));
                self.note("pin", outcome, false);
            }
        }
    }
}

/// Runs a program with `fault`, then opens what it left; `false` where it ended before the fault.
fn survives(seed: u64, fault: Fault) -> bool {
    let mut random = Random::new(seed);
    let mut program = Program::new(seed);
    for _ in 0..random.below(4) {
        program.step(&mut random);
    }
    program.disk.set_fault(Some(fault));
    for _ in 0..STEPS {
        program.step(&mut random);
    }
    let Program { disk, engine, possible, .. } = program;
    let reached = disk.calls() > fault.after;
    if random.once_in(2) {
        match engine.close() {
            Ok(()) | Err(Error::Io { .. } | Error::Poisoned { .. }) => {}
            Err(error) => panic!("close: {error}"),
        }
    } else {
        drop(engine);
    }
    disk.set_fault(None);
    let version = Toy::open(&disk, random.next()).and_then(|engine| engine.model()).unwrap()[0] as usize;
    let found = Toy::reader(&disk).and_then(|mut reader| crate::engine::Reader::model(&mut reader)).unwrap();
    assert!(possible.contains(&found), "version {version} is none of what was written");
    reached
}

/// Runs programs with a fault at the first call, the second, and so on.
fn every_call_fails(kind: FaultKind, for_ever: bool) {
    for seed in 0..SEEDS {
        let mut after = 0;
        while survives(seed, Fault { after, for_ever, kind }) {
            after += 1;
        }
        assert!(after > 20, "seed {seed}: only {after} calls failed");
    }
}

#[test]
fn an_error_of_the_device_loses_nothing() {
    every_call_fails(FaultKind::Io, false);
    every_call_fails(FaultKind::Io, true);
}

#[test]
fn a_full_disk_loses_nothing() {
    every_call_fails(FaultKind::Full, false);
    every_call_fails(FaultKind::Full, true);
}

#[test]
fn a_half_done_write_loses_nothing() {
    every_call_fails(FaultKind::Short, false);
    every_call_fails(FaultKind::Short, true);
}

#[test]
fn opening_fails_cleanly_and_succeeds_later() {
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let disk = Disk::new(Vec::new());
        let mut session = Session::<Toy>::create(disk.clone(), seed).unwrap();
        session.work(8, Habit::Commits, &mut random).unwrap();
        let history = session.history.clone();
        drop(session);
        let image = disk.image();
        for after in 0.. {
            let disk = Disk::new(image.clone());
            disk.set_fault(Some(Fault { after, for_ever: false, kind: FaultKind::Short }));
            let outcome = Toy::open(&disk, random.next());
            let calls = disk.calls();
            disk.set_fault(None);
            match outcome {
                Ok(_) => {
                    assert!(calls <= after);
                    break;
                }
                Err(Error::Io { .. }) => {}
                Err(error) => panic!("call {after}: {error}"),
            }
            let mut session = Session::<Toy>::open(disk, random.next(), &history).unwrap();
            assert_eq!(session.history, history);
            session.check_file().unwrap();
        }
    }
}
