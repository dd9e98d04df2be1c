//! A program that uses an engine: random steps, and what the content has to be after each.

use crate::disk::Disk;
use crate::disk::Event;
use crate::engine::Batch;
use crate::engine::Engine;
use crate::engine::How;
use crate::engine::KEYS;
use crate::engine::Model;
use crate::engine::Pinned;
use crate::engine::Reader;
use crate::random::Random;
use crate::random::mix;
use std::sync::Arc;

/// Readers and pins that are held at the same time.
const HELD: usize = 2;

/// One run of the program.
pub(crate) struct Session<E: Engine> {
    /// The disk it uses.
    pub(crate) disk: Arc<Disk>,
    engine: Option<E>,
    /// The content of each version.
    pub(crate) history: Vec<Model>,
    pins: Vec<E::Pinned>,
    readers: Vec<E::Reader>,
    /// Whether anything was written since the database was opened. What was only found need not be on the disk.
    wrote: bool,
}

/// What a run is likely to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// A bit of everything.
    Everything,
    /// Mostly commits that are not synced.
    Commits,
}

/// The content of a new database.
pub(crate) fn empty() -> Model {
    [0; KEYS]
}

/// A change that makes version `version`. There are two, so that a program which lost it often writes it again.
pub(crate) fn batch(version: usize, variant: u64) -> Batch {
    let mut random = Random::new(mix(version as u64 * 2 + variant));
    let mut changes = vec![(0, version as u32)];
    for _ in 0..random.below(3) {
        let key = 1 + random.below(KEYS as u64 - 1) as usize;
        let value = if random.once_in(4) { 0 } else { random.below(1000) as u32 };
        changes.push((key, value));
    }
    let filler = if random.once_in(3) { random.below(1800) as usize } else { 0 };
    Batch { changes, filler }
}

fn say(doing: &str) -> impl FnOnce(lodedb::Error) -> String {
    move |error| format!("{doing}: {error}")
}

impl<E: Engine> Session<E> {
    /// A session in a new database.
    pub(crate) fn create(disk: Arc<Disk>, seed: u64) -> Result<Self, String> {
        let engine = E::create(&disk, seed).map_err(say("create"))?;
        Ok(Self {
            disk,
            engine: Some(engine),
            history: vec![empty()],
            pins: vec![],
            readers: vec![],
            wrote: false,
        })
    }

    /// A session in a database that is found with one of the contents in `history`.
    pub(crate) fn open(disk: Arc<Disk>, seed: u64, history: &[Model]) -> Result<Self, String> {
        let engine = E::open(&disk, seed).map_err(say("open"))?;
        let model = engine.model().map_err(say("open"))?;
        let version = model[0] as usize;
        if history.get(version) != Some(&model) {
            return Err(format!("opened with a content that version {version} never had"));
        }
        let history = history[..=version].to_vec();
        Ok(Self { disk, engine: Some(engine), history, pins: vec![], readers: vec![], wrote: false })
    }

    /// The present version.
    pub(crate) fn version(&self) -> usize {
        self.history.len() - 1
    }

    fn engine(&mut self) -> Result<&mut E, String> {
        self.engine.as_mut().ok_or_else(|| "no engine".to_owned())
    }

    /// Does `count` random things.
    pub(crate) fn work(&mut self, count: u64, habit: Habit, random: &mut Random) -> Result<(), String> {
        for _ in 0..count {
            self.step(habit, random)?;
            self.check()?;
        }
        Ok(())
    }

    /// Does one random thing.
    fn step(&mut self, habit: Habit, random: &mut Random) -> Result<(), String> {
        let choice = match habit {
            Habit::Everything => random.below(100),
            Habit::Commits => random.below(62),
        };
        match choice {
            0..20 => self.write(How::Durable, random),
            20..50 => self.write(How::Unsynced, random),
            50..58 => self.sync(),
            58..68 => self.publish("checkpoint", E::checkpoint),
            68..76 => self.write(How::Bulk, random),
            76..81 => self.publish("compact", E::compact),
            81..86 => self.pin(),
            86..88 => {
                self.pins.pop();
                self.readers.pop();
                Ok(())
            }
            88..92 => self.read(),
            92..96 => self.reopen(random, true),
            _ => self.reopen(random, false),
        }
    }

    /// Writes one of the two changes that may follow.
    fn write(&mut self, how: How, random: &mut Random) -> Result<(), String> {
        let version = self.version() + 1;
        let batch = batch(version, random.below(2));
        let mut model = self.history[version - 1];
        batch.changes.iter().for_each(|(key, value)| model[*key] = *value);
        self.disk.mark(Event::Started(version));
        self.history.push(model);
        self.engine()?.write(&batch, how).map_err(say("write"))?;
        self.wrote = true;
        if how != How::Unsynced {
            self.disk.mark(Event::Acked(version));
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        self.engine()?.sync().map_err(say("sync"))?;
        self.disk.mark(Event::Acked(self.version()));
        Ok(())
    }

    fn publish(&mut self, doing: &str, publish: fn(&mut E) -> lodedb::Result<()>) -> Result<(), String> {
        publish(self.engine()?).map_err(say(doing))?;
        self.disk.mark(Event::Acked(self.version()));
        Ok(())
    }

    fn pin(&mut self) -> Result<(), String> {
        let pinned = self.engine()?.pin().map_err(say("pin"))?;
        self.pins.insert(0, pinned);
        self.pins.truncate(HELD);
        Ok(())
    }

    fn read(&mut self) -> Result<(), String> {
        self.readers.insert(0, E::reader(&self.disk).map_err(say("read"))?);
        self.readers.truncate(HELD);
        Ok(())
    }

    /// Ends the session, in order or as a kill does, and begins the next on the same page cache.
    fn reopen(&mut self, random: &mut Random, in_order: bool) -> Result<(), String> {
        let engine = self.engine.take().ok_or("no engine")?;
        if in_order {
            engine.close().map_err(say("close"))?;
            if self.wrote {
                self.disk.mark(Event::Acked(self.version()));
            }
        } else {
            self.pins.clear();
            drop(engine);
        }
        self.engine = Some(E::open(&self.disk, random.next()).map_err(say("reopen"))?);
        self.wrote = false;
        Ok(())
    }

    /// Whether everybody sees what they should.
    fn check(&mut self) -> Result<(), String> {
        let expected = *self.history.last().ok_or("no history")?;
        if self.engine()?.model().map_err(say("look"))? != expected {
            return Err("the engine's content is not what was written".to_owned());
        }
        for reader in &mut self.readers {
            if reader.model().map_err(say("reader"))? != expected {
                return Err("a reader's content is not what was written".to_owned());
            }
        }
        for pinned in &self.pins {
            if !pinned.is_whole().map_err(say("pinned"))? {
                return Err("a pinned extent was overwritten".to_owned());
            }
        }
        Ok(())
    }

    /// Whether the file is whole and a reader finds what it should.
    pub(crate) fn check_file(&mut self) -> Result<(), String> {
        self.check()?;
        let findings = self.engine()?.verify().map_err(say("verify"))?;
        if let Some(first) = findings.first() {
            return Err(format!("verify: {first}"));
        }
        let found = E::reader(&self.disk).and_then(|mut reader| reader.model()).map_err(say("read"))?;
        if Some(&found) != self.history.last() {
            return Err("a new reader's content is not what was written".to_owned());
        }
        Ok(())
    }
}
