//! Running the command with captured output.

use lodedb::Database;
use lodedb::Record;
use std::path::Path;
use std::path::PathBuf;
use tempfile::TempDir;

/// What a call left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output of a call that did its work.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The complaint of a call that failed: one sentence.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, 2, "{} {}", self.out, self.err);
        let sentence = self.err.strip_prefix("lode: ").expect("it says who complains");
        assert_eq!(sentence.trim_end().lines().count(), 1, "{sentence}");
        assert!(!sentence.contains("panicked") && !sentence.contains("RUST_BACKTRACE"), "{sentence}");
        sentence.trim_end().to_owned()
    }

    /// The output as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// The output as lines of JSON.
    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<serde_json::Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs `lode` with these arguments.
pub(crate) fn lode(arguments: &[&str]) -> Ran {
    lode_with(b"", arguments)
}

/// Runs `lode` with these arguments and this standard input.
pub(crate) fn lode_with(mut input: &[u8], arguments: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["lode"].into_iter().chain(arguments.iter().copied());
    let code = lodedb::cli::run(arguments, &mut input, &mut out, &mut err);
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

/// A folder that is removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file and gives its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }
}

/// A file of the sample collection.
pub(crate) fn sample(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name).to_str().unwrap().to_owned()
}

/// A database with the sample collection.
pub(crate) fn minerals(folder: &Folder) -> String {
    let db = folder.path("guide.lode");
    lode(&["import", &sample("minerals.jsonl"), &db, "--text", "name", "--text", "description"]).ok();
    db
}

/// All records of a collection.
pub(crate) fn records(db: &str, collection: &str) -> Vec<Record> {
    let db = Database::open(Path::new(db)).unwrap();
    db.existing(collection).unwrap().scan().map(Result::unwrap).collect()
}
