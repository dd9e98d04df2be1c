//! Every state that a power loss can leave behind, and what has to hold in each.

use crate::disk::Disk;
use crate::disk::Event;
use crate::disk::Undo;
use crate::disk::apply;
use crate::disk::tear;
use crate::disk::undo_all;
use crate::engine::Engine;
use crate::engine::Model;
use crate::engine::Reader;
use crate::random::Random;
use crate::session::Habit;
use crate::session::Session;
use std::marker::PhantomData;
use std::sync::Arc;

/// Unsynced calls up to which every subset is tried; above it as many subsets as for one less are drawn.
const EXHAUSTIVE: usize = 8;
/// One state in this many is opened for writing, verified, and worked with.
const WORKED: u64 = 24;
/// One in this many of those has its own crash states enumerated.
const COMPOUND: u64 = 3;
/// One sync in this many fails.
const FAILING: u64 = 6;
/// Crashes in a row of one walk.
const WALK: usize = 12;

/// What the program may rely on at a moment.
#[derive(Clone, Copy)]
struct Promise {
    acked: usize,
    started: usize,
}

/// One run of the enumerator: a program, all its crash states, theirs, and so on.
pub(crate) struct Explorer<E> {
    random: Random,
    powersafe: bool,
    /// States that were checked.
    pub(crate) states: u64,
    limit: u64,
    engine: PhantomData<E>,
}

impl<E: Engine> Explorer<E> {
    /// A run that follows from `seed` and ends soon after `limit` states.
    pub(crate) fn new(seed: u64, powersafe: bool, limit: u64) -> Self {
        Self { random: Random::new(seed), powersafe, states: 0, limit, engine: PhantomData }
    }

    /// A program's crash states, and those after up to two more crashes.
    pub(crate) fn tree(&mut self) -> Result<(), String> {
        let disk = Disk::new(Vec::new());
        let mut session = Session::<E>::create(disk.clone(), self.random.next())?;
        disk.take_log();
        let base = disk.image();
        session.work(12, Habit::Everything, &mut self.random)?;
        let promise = Promise { acked: 0, started: 0 };
        self.explore(base, &disk.take_log(), &session.history, promise, 2)
    }

    /// Many crashes, one after the other, of a program that gets little done.
    pub(crate) fn walk(&mut self) -> Result<(), String> {
        let disk = Disk::new(Vec::new());
        let mut session = Session::<E>::create(disk.clone(), self.random.next())?;
        session.work(self.random.below(6), Habit::Everything, &mut self.random)?;
        session.check_file()?;
        drop(disk.take_log());
        let (mut image, mut history) = (disk.image(), session.history.clone());
        let mut retried = false;
        for _ in 0..WALK {
            let disk = Disk::new(image.clone());
            let mut session = Session::<E>::open(disk.clone(), self.random.next(), &history)?;
            let started = session.version();
            let count = 1 + self.random.below(3) + if retried { 0 } else { 2 };
            session.work(count, Habit::Commits, &mut self.random)?;
            let log = disk.take_log();
            let promise = Promise { acked: started, started };
            (image, history) = self.crash_once(image, &log, &session.history, promise)?;
            retried = self.random.once_in(2);
        }
        Ok(())
    }

    /// One crash at a random moment; the image it leaves and the history up to it.
    fn crash_once(
        &mut self,
        mut image: Vec<u8>,
        log: &[Event],
        history: &[Model],
        mut promise: Promise,
    ) -> Result<(Vec<u8>, Vec<Model>), String> {
        let end = self.random.below(log.len() as u64 + 1) as usize;
        let mut pending = Vec::new();
        for event in log.iter().take(end) {
            match event {
                Event::Started(version) => promise.started = *version,
                Event::Acked(version) => promise.acked = *version,
                Event::Sync => pending.drain(..).for_each(|event| apply(&mut image, event, &mut Vec::new())),
                _ => pending.push(event),
            }
        }
        let mask = self.random.next();
        let torn = self.random.once_in(3);
        let disk = Disk::new(image);
        disk.with_image(|image| self.leave(image, &pending, mask, torn, &mut Vec::new()));
        let version = self.check(&disk, history, promise)?;
        disk.take_log();
        Ok((disk.image(), history[..=version].to_vec()))
    }

    /// Makes the calls of `pending` that `mask` chooses happen to `image`, whole or torn.
    fn leave(
        &mut self,
        image: &mut Vec<u8>,
        pending: &[&Event],
        mask: u64,
        torn: bool,
        undo: &mut Vec<Undo>,
    ) {
        for (bit, event) in pending.iter().enumerate() {
            if mask >> (bit % 64) & 1 == 0 {
                continue;
            }
            match torn {
                true => tear(image, event, self.powersafe, &mut self.random, undo),
                false => apply(image, event, undo),
            }
        }
    }

    /// Whether what is found on `disk` keeps the promise; its version.
    fn check(&mut self, disk: &Arc<Disk>, history: &[Model], promise: Promise) -> Result<usize, String> {
        self.states += 1;
        let found = E::reader(disk).and_then(|mut reader| reader.model());
        let found = found.map_err(|error| format!("after a crash: {error}"))?;
        let version = found[0] as usize;
        if version < promise.acked || version > promise.started {
            return Err(format!(
                "version {version} found where {} was acknowledged and {} begun",
                promise.acked, promise.started
            ));
        }
        if history.get(version) != Some(&found) {
            return Err(format!("a content found that version {version} never had"));
        }
        Ok(version)
    }

    /// Goes through `log`, which began on a disk that holds `durable`, and enumerates what a crash leaves after each
    /// event, with `depth` more crashes or failing syncs.
    fn explore(
        &mut self,
        durable: Vec<u8>,
        log: &[Event],
        history: &[Model],
        mut promise: Promise,
        depth: u32,
    ) -> Result<(), String> {
        let probe = Disk::new(durable);
        let mut pending: Vec<&Event> = Vec::new();
        self.subsets(&probe, &pending, None, history, promise, depth)?;
        for event in log {
            if self.states >= self.limit {
                return Ok(());
            }
            match event {
                Event::Started(version) => promise.started = *version,
                Event::Acked(version) => {
                    promise.acked = *version;
                    self.subsets(&probe, &pending, None, history, promise, depth)?;
                }
                Event::Sync => {
                    if depth > 0 && !pending.is_empty() && self.random.once_in(FAILING) {
                        self.fail_sync(&probe.image(), &pending, history, promise, depth - 1)?;
                    }
                    let events = std::mem::take(&mut pending);
                    probe.with_image(|image| {
                        events.iter().for_each(|event| apply(image, event, &mut Vec::new()));
                    });
                }
                Event::Write(..) | Event::SetLen(_) | Event::Grow(_) => {
                    pending.push(event);
                    let newest = pending.len() - 1;
                    self.subsets(&probe, &pending, Some(newest), history, promise, depth)?;
                }
            }
        }
        Ok(())
    }

    /// Checks subsets of `pending`, each whole and twice torn. Those without `newest` were checked before.
    fn subsets(
        &mut self,
        probe: &Arc<Disk>,
        pending: &[&Event],
        newest: Option<usize>,
        history: &[Model],
        promise: Promise,
        depth: u32,
    ) -> Result<(), String> {
        let exhaustive = pending.len() <= EXHAUSTIVE;
        let count = 1u64 << pending.len().min(EXHAUSTIVE - usize::from(!exhaustive));
        for number in 0..count {
            let mask = if exhaustive { number } else { self.random.next() };
            if exhaustive && newest.is_some_and(|bit| mask >> bit & 1 == 0) {
                continue;
            }
            let tears = if mask == 0 { 1 } else { 3 };
            for torn in [false, true, true].into_iter().take(tears) {
                let mut undo = Vec::new();
                probe.with_image(|image| self.leave(image, pending, mask, torn, &mut undo));
                let outcome = self.check(probe, history, promise);
                let outcome = outcome.and_then(|version| match self.random.once_in(WORKED) {
                    true => self.go_on(probe.image(), &history[..=version], depth),
                    false => Ok(()),
                });
                probe.with_image(|image| undo_all(image, &mut undo));
                outcome?;
            }
        }
        Ok(())
    }

    /// Recovers an image, verifies it, works with it, and perhaps enumerates the crash states of all that.
    fn go_on(&mut self, image: Vec<u8>, history: &[Model], depth: u32) -> Result<(), String> {
        let disk = Disk::new(image.clone());
        let mut session = Session::<E>::open(disk.clone(), self.random.next(), history)?;
        let started = session.version();
        if started + 1 != history.len() {
            return Err(format!("version {started} opened for writing where {} was read", history.len() - 1));
        }
        session.check_file()?;
        session.work(3 + self.random.below(3), Habit::Everything, &mut self.random)?;
        session.check_file()?;
        if depth > 0 && self.random.once_in(COMPOUND) && self.states < self.limit {
            let promise = Promise { acked: started, started };
            return self
                .explore(image, &disk.take_log(), &session.history, promise, depth - 1)
                .map_err(|problem| format!("then {problem}"));
        }
        Ok(())
    }

    /// A sync fails: the cache goes on showing everything and forgets that the disk has only a part. The program is
    /// started again and goes on; then power fails.
    fn fail_sync(
        &mut self,
        durable: &[u8],
        pending: &[&Event],
        history: &[Model],
        promise: Promise,
        depth: u32,
    ) -> Result<(), String> {
        let (mut cache, mut disk) = (durable.to_vec(), durable.to_vec());
        for event in pending {
            apply(&mut cache, event, &mut Vec::new());
            if self.random.once_in(2) {
                tear(&mut disk, event, self.powersafe, &mut self.random, &mut Vec::new());
            }
        }
        let grown = Event::SetLen(cache.len() as u64);
        let cache = Disk::new(cache);
        let mut session = Session::<E>::open(cache.clone(), self.random.next(), history)?;
        let started = session.version();
        if started < promise.acked || started > promise.started {
            return Err(format!("version {started} found after a failed sync"));
        }
        session.work(3 + self.random.below(3), Habit::Everything, &mut self.random)?;
        // The length of the file is the file system's own record and outlives the failure.
        let log: Vec<Event> = std::iter::once(grown).chain(cache.take_log()).collect();
        let promise = Promise { acked: promise.acked, started };
        self.explore(disk, &log, &session.history, promise, depth)
            .map_err(|problem| format!("after a failed sync, {problem}"))
    }
}
