//! A disk that fails at the n-th call, for every n and every kind of call: errors and no panic, reading goes on,
//! writing ends where the state of the disk is unknown, and what survives holds every acknowledged write and no half.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use lodedb::Backend;
use lodedb::Database;
use lodedb::Error;
use lodedb::Fields;
use lodedb::Maintenance;
use lodedb::MemoryBackend;
use lodedb::Metric;
use lodedb::Options;
use lodedb::Record;
use lodedb::Result;
use lodedb::Schema;
use lodedb::Value;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;

/// The kinds of calls that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Len,
    Read,
    Map,
    Write,
    Allocate,
    SetLen,
    Sync,
}

const CALLS: [Call; 7] =
    [Call::Len, Call::Read, Call::Map, Call::Write, Call::Allocate, Call::SetLen, Call::Sync];

/// Input/output error; no space left on device.
const ERRORS: [i32; 2] = [5, 28];

/// Which call fails, and how.
#[derive(Debug, Clone, Copy)]
struct Fault {
    call: Call,
    /// How many calls of this kind succeed before.
    after: usize,
    /// Whether all further ones fail as well.
    for_ever: bool,
    errno: i32,
}

/// A change that no sync has covered.
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Grow(u64),
}

#[derive(Default)]
struct State {
    calls: BTreeMap<Call, usize>,
    fired: bool,
    pending: Vec<Pending>,
}

/// A disk in memory that fails as told and knows what a power loss would leave of it.
struct Disk {
    /// What the running system sees.
    seen: MemoryBackend,
    /// What syncs have covered.
    durable: MemoryBackend,
    fault: Option<Fault>,
    state: Mutex<State>,
}

impl Disk {
    fn new(fault: Option<Fault>) -> Arc<Self> {
        let (seen, durable) = (MemoryBackend::new(), MemoryBackend::new());
        Arc::new(Self { seen, durable, fault, state: Mutex::default() })
    }

    /// Counts a call and fails where it is its turn.
    fn call(&self, call: Call) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let count = state.calls.entry(call).or_default();
        *count += 1;
        match self.fault {
            Some(fault)
                if fault.call == call
                    && (*count == fault.after + 1 || (fault.for_ever && *count > fault.after)) =>
            {
                state.fired = true;
                Err(io::Error::from_raw_os_error(fault.errno))
            }
            _ => Ok(()),
        }
    }

    fn later(&self, pending: Pending) {
        self.state.lock().unwrap().pending.push(pending);
    }

    fn fired(&self) -> bool {
        self.state.lock().unwrap().fired
    }

    fn calls(&self, call: Call) -> usize {
        self.state.lock().unwrap().calls.get(&call).copied().unwrap_or(0)
    }
}

fn grow(memory: &MemoryBackend, len: u64) -> io::Result<()> {
    if len > memory.len()? { memory.set_len(len) } else { Ok(()) }
}

impl Backend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.call(Call::Len)?;
        self.seen.len()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.call(Call::Read)?;
        self.seen.read(offset, buf)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let result = self.call(Call::Write);
        // A write that fails may have been done in part.
        let done = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.seen.write(offset, done)?;
        self.later(Pending::Write(offset, done.to_vec()));
        result
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Call::SetLen)?;
        self.later(Pending::SetLen(len));
        self.seen.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call(Call::Allocate)?;
        self.later(Pending::Grow(offset + len));
        self.seen.allocate(offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        let result = self.call(Call::Sync);
        // After a sync that failed the system takes the pages for clean: they never reach the disk.
        let pending = std::mem::take(&mut self.state.lock().unwrap().pending);
        result?;
        for change in pending {
            match change {
                Pending::Write(offset, bytes) => self.durable.write(offset, &bytes)?,
                Pending::SetLen(len) => self.durable.set_len(len)?,
                Pending::Grow(len) => grow(&self.durable, len)?,
            }
        }
        Ok(())
    }

    fn map(&self, offset: u64, len: usize) -> io::Result<Option<Arc<dyn AsRef<[u8]> + Send + Sync>>> {
        self.call(Call::Map)?;
        let mut bytes = vec![0; len];
        self.seen.read(offset, &mut bytes)?;
        Ok(Some(Arc::new(bytes)))
    }

    fn lock_writer(&self) -> io::Result<bool> {
        self.seen.lock_writer()
    }

    fn unlock_writer(&self) -> io::Result<()> {
        self.seen.unlock_writer()
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        self.seen.pin(generation)
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        self.seen.unpin(generation)
    }

    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        self.seen.pinned_before(generation)
    }
}

fn copy(memory: &MemoryBackend) -> Arc<MemoryBackend> {
    let mut bytes = vec![0; memory.len().unwrap() as usize];
    memory.read(0, &mut bytes).unwrap();
    let copy = MemoryBackend::new();
    copy.write(0, &bytes).unwrap();
    Arc::new(copy)
}

/// One thing that a user does.
#[derive(Debug, Clone)]
enum Step {
    Upsert(&'static str, Range<u64>, i64),
    /// Into both collections.
    Transaction(Range<u64>, i64),
    Update(&'static str, u64, i64),
    Delete(&'static str, Range<u64>),
    DropCollection(&'static str),
    Checkpoint,
    Optimize,
    Compact,
    Reopen,
}

/// The value of the field `n` by collection and id.
type Content = BTreeMap<(String, u64), i64>;

/// What a step leaves where it succeeds.
fn after(step: &Step, content: &Content) -> Content {
    let mut content = content.clone();
    let mut put = |name: &str, ids: &Range<u64>, n| {
        content.extend(ids.clone().map(|id| ((name.to_owned(), id), n)));
    };
    match step {
        Step::Upsert(name, ids, n) => put(name, ids, *n),
        Step::Transaction(ids, n) => ["ores", "gems"].iter().for_each(|name| put(name, ids, *n)),
        Step::Update(name, id, n) => {
            content.entry(((*name).to_owned(), *id)).and_modify(|found| *found = *n);
        }
        Step::Delete(name, ids) => content.retain(|(found, id), _| found != name || !ids.contains(id)),
        Step::DropCollection(name) => content.retain(|(found, _), _| found != name),
        Step::Checkpoint | Step::Optimize | Step::Compact | Step::Reopen => {}
    }
    content
}

/// How large the vectors are.
#[derive(Clone, Copy)]
struct Dim(usize);

impl Dim {
    fn records(self, ids: &Range<u64>, n: i64) -> impl Iterator<Item = Record> + use<> {
        let dim = self.0;
        ids.clone().map(move |id| Record::new(id).vector(vec![id as f32; dim]).field("n", n))
    }

    fn schema(self) -> Schema {
        Schema::new(self.0).metric(Metric::L2)
    }

    fn run(self, db: &Database, step: &Step) -> Result<()> {
        match step {
            Step::Upsert(name, ids, n) => {
                db.collection(name, self.schema())?.upsert(self.records(ids, *n)).map(drop)
            }
            Step::Transaction(ids, n) => {
                let mut tx = db.transaction()?;
                for name in ["ores", "gems"] {
                    tx.collection(name)?.upsert(self.records(ids, *n))?;
                }
                tx.commit()
            }
            Step::Update(name, id, n) => {
                db.existing(name)?.update(*id, Fields::from_iter([("n", Value::from(*n))]))
            }
            Step::Delete(name, ids) => db.existing(name)?.delete(ids.clone()).map(drop),
            Step::DropCollection(name) => db.drop_collection(name),
            Step::Checkpoint => db.checkpoint(),
            Step::Optimize => db.optimize(|_| ControlFlow::Continue(())),
            Step::Compact => db.compact(),
            Step::Reopen => Ok(()),
        }
    }
}

/// Everything that can be read, and that searches find as much.
fn content(db: &Database) -> Result<Content> {
    let mut content = Content::new();
    for name in db.collections()? {
        let snapshot = db.existing(&name)?.snapshot()?;
        for record in snapshot.scan() {
            let record = record?;
            let (id, n) = (record.id().as_u64().unwrap(), record.fields()["n"].as_i64().unwrap());
            assert_eq!(record.get_vector("vector").unwrap().to_f32()[0], id as f32);
            content.insert((name.clone(), id), n);
        }
        let dim = db.existing(&name)?.schema()?.vectors()[0].dim();
        let hits = snapshot.search().vector(vec![0.0; dim]).k(10_000).run()?;
        assert_eq!(hits.len(), snapshot.len());
    }
    Ok(content)
}

fn options() -> Options {
    // So few bytes that writes fold and merge by themselves.
    Options::new().maintenance(Maintenance::Manual).active_bytes(900)
}

/// A user at work on a disk.
struct Session {
    disk: Arc<Disk>,
    dim: Dim,
    db: Option<Database>,
    /// Whether the creation of the database, or a write to it, was acknowledged.
    created: bool,
    /// What was acknowledged.
    content: Content,
    /// What may be there instead since the last write that succeeded: with a step that failed, or without it.
    perhaps: Vec<Content>,
    /// Whether a step failed since the database was opened.
    failed: bool,
    poisoned: bool,
}

impl Session {
    fn new(fault: Option<Fault>, dim: Dim) -> Self {
        let (disk, content) = (Disk::new(fault), Content::new());
        let mut session = Self {
            disk,
            dim,
            db: None,
            created: false,
            content,
            perhaps: Vec::new(),
            failed: false,
            poisoned: false,
        };
        session.open();
        session
    }

    fn open(&mut self) {
        match options().open_backend(self.disk.clone(), "disk") {
            Ok(db) => {
                self.created |= !self.disk.fired();
                (self.failed, self.poisoned) = (false, false);
                self.db = Some(db);
                self.settle();
            }
            Err(Error::NotADatabase { .. } | Error::Corrupt(_)) if !self.created => {}
            Err(error) => self.expected(&error),
        }
    }

    /// After opening it is seen whether the step that failed is there. That it is on the disk as well is certain only
    /// from the next write on.
    fn settle(&mut self) {
        match content(self.db.as_ref().unwrap()) {
            Ok(found) => {
                if found != self.content {
                    assert!(self.perhaps.contains(&found));
                    self.perhaps.push(std::mem::replace(&mut self.content, found));
                }
            }
            Err(error) => self.expected(&error),
        }
    }

    /// Only what the disk refused may be an error.
    fn expected(&self, error: &Error) {
        assert!(self.disk.fired(), "{error}");
        let fault = self.disk.fault.unwrap();
        match error {
            Error::Io { source, .. } => assert_eq!(source.raw_os_error(), Some(fault.errno), "{error}"),
            Error::Poisoned { cause } => assert!(cause.contains(&format!("os error {}", fault.errno))),
            error => panic!("{error}"),
        }
    }

    fn step(&mut self, step: &Step) {
        if matches!(step, Step::Reopen) || self.db.is_none() {
            self.reopen();
        }
        let Some(db) = &self.db else { return };
        match self.dim.run(db, step) {
            // An earlier failure may have kept it from being there.
            Err(Error::CollectionNotFound { .. } | Error::RecordNotFound { .. }) => {
                assert!(self.disk.fired());
            }
            Ok(()) => {
                let after = after(step, &self.content);
                assert!(!self.poisoned || after == self.content, "written to a poisoned database");
                if after != self.content {
                    (self.created, self.content, self.perhaps) = (true, after, Vec::new());
                }
            }
            Err(error) => {
                self.expected(&error);
                self.failed = true;
                match error {
                    Error::Poisoned { .. } => self.poisoned = true,
                    _ => {
                        assert!(!self.poisoned, "{error}");
                        // Where there is no space nothing was begun.
                        if self.disk.fault.is_some_and(|fault| fault.call != Call::Allocate) {
                            self.perhaps.push(after(step, &self.content));
                        }
                    }
                }
            }
        }
        self.check_reading();
        self.check_poison();
    }

    /// Reading goes on, and shows what was acknowledged and nothing else.
    fn check_reading(&self) {
        match content(self.db.as_ref().unwrap()) {
            Ok(found) => assert!(found == self.content, "other content than acknowledged"),
            Err(error) => {
                assert!(matches!(self.disk.fault.unwrap().call, Call::Read | Call::Map | Call::Len));
                self.expected(&error);
            }
        }
    }

    /// Once a sync failed nothing is written any more.
    fn check_poison(&mut self) {
        let Some(fault) = self.disk.fault.filter(|fault| fault.call == Call::Sync && self.disk.fired())
        else {
            return;
        };
        // A database that was opened since is not the poisoned one.
        if self.failed {
            let before = self.disk.calls(Call::Write);
            let db = self.db.as_ref().unwrap();
            let error = db.checkpoint().unwrap_err();
            assert!(matches!(error, Error::Poisoned { .. }), "{error} after {fault:?}");
            assert!(matches!(db.flush(), Err(Error::Poisoned { .. }) | Ok(())));
            assert_eq!(self.disk.calls(Call::Write), before);
            self.poisoned = true;
        }
    }

    fn reopen(&mut self) {
        if let Some(db) = self.db.take()
            && let Err(error) = db.close()
        {
            self.expected(&error);
        }
        self.open();
    }

    /// What survives can be opened, and holds what it has to; more can be written to it.
    fn check_survivor(&self, survivor: Arc<MemoryBackend>) {
        let db = match options().open_backend(survivor.clone(), "survivor") {
            Ok(db) => db,
            Err(Error::NotADatabase { .. } | Error::Corrupt(_)) if !self.created => return,
            Err(error) => panic!("{error} after {:?}", self.disk.fault),
        };
        let mut found = content(&db).unwrap();
        let fits = found == self.content || self.perhaps.contains(&found);
        assert!(fits, "{found:?} where {:?} is due after {:?}", self.content, self.disk.fault);
        db.verify().unwrap();
        let more = Step::Upsert("ores", 9000..9003, 7);
        self.dim.run(&db, &more).unwrap();
        found = after(&more, &found);
        assert!(content(&db).unwrap() == found);
        db.close().unwrap();
        let db = options().open_backend(survivor, "survivor").unwrap();
        assert!(content(&db).unwrap() == found);
        db.verify().unwrap();
    }

    /// Pulls the plug, and kills the process, before and after the handles are dropped.
    fn end(mut self) {
        self.check_survivor(copy(&self.disk.seen));
        self.check_survivor(copy(&self.disk.durable));
        self.db = None;
        self.check_survivor(copy(&self.disk.seen));
        self.check_survivor(copy(&self.disk.durable));
    }
}

fn small_work() -> Vec<Step> {
    vec![
        Step::Upsert("ores", 0..10, 1),
        Step::Upsert("gems", 0..3, 1),
        Step::Transaction(20..25, 2),
        Step::Delete("ores", 2..4),
        Step::Checkpoint,
        Step::Upsert("ores", 4..12, 3),
        Step::Update("gems", 1, 4),
        Step::Upsert("ores", 100..160, 5),
        Step::Delete("ores", 0..6),
        Step::Optimize,
        Step::Upsert("gems", 0..3, 6),
        Step::Reopen,
        Step::Update("ores", 20, 7),
        Step::Delete("ores", 100..150),
        Step::Compact,
        Step::DropCollection("gems"),
        Step::Upsert("gems", 40..43, 9),
        Step::Transaction(30..33, 8),
        Step::Checkpoint,
        Step::Upsert("gems", 43..45, 10),
    ]
}

/// A batch of more than 4 MiB, which does not go through the log.
fn large_work() -> Vec<Step> {
    vec![
        Step::Upsert("ores", 0..5, 1),
        Step::Upsert("ores", 3..600, 2),
        Step::Delete("ores", 100..500),
        Step::Compact,
        Step::Upsert("ores", 0..3, 3),
    ]
}

fn work(fault: Option<Fault>, dim: Dim, steps: &[Step]) -> Session {
    let mut session = Session::new(fault, dim);
    steps.iter().for_each(|step| session.step(step));
    session
}

/// Fails each `stride`-th call of the kind once and for ever, one at a time.
fn fail_each(call: Call, stride: usize, dim: Dim, steps: &[Step]) {
    let healthy = work(None, dim, steps);
    let calls = healthy.disk.calls(call);
    healthy.end();
    assert!(calls > 0, "{call:?} is never called");
    for after in (0..calls).step_by(stride) {
        for (for_ever, errno) in
            [(false, ERRORS[0]), (false, ERRORS[1]), (true, ERRORS[0]), (true, ERRORS[1])]
        {
            // The two errors differ for calls that take space.
            if errno == ERRORS[1] && !matches!(call, Call::Write | Call::Allocate | Call::Sync) {
                continue;
            }
            let session = work(Some(Fault { call, after, for_ever, errno }), dim, steps);
            session.end();
        }
    }
}

#[test]
fn a_healthy_disk_leaves_everything_at_every_moment() {
    for n in 0..=small_work().len() {
        work(None, Dim(8), &small_work()[..n]).end();
    }
}

#[test]
fn a_failing_write_loses_nothing() {
    fail_each(Call::Write, 1, Dim(8), &small_work());
}

#[test]
fn a_failing_sync_ends_writing_and_loses_nothing() {
    fail_each(Call::Sync, 1, Dim(8), &small_work());
}

#[test]
fn a_full_disk_loses_nothing() {
    fail_each(Call::Allocate, 1, Dim(8), &small_work());
}

#[test]
fn a_file_that_can_not_be_cut_loses_nothing() {
    fail_each(Call::SetLen, 1, Dim(8), &small_work());
}

#[test]
fn a_failing_read_is_an_error_and_loses_nothing() {
    for call in [Call::Read, Call::Len] {
        fail_each(call, 3, Dim(8), &small_work());
    }
}

#[test]
fn a_large_batch_on_a_failing_disk_is_there_whole_or_not_at_all() {
    for call in CALLS {
        fail_each(call, if call == Call::Sync { 4 } else { 16 }, Dim(2048), &large_work());
    }
}
