//! A second process: the test binary runs one of its own tests again, which finds itself told what to do.
//!
//! A test that is to be such a process begins with `let Some(mut parent) = Parent::find() else { return }`; run by
//! the harness like any other test it does nothing. Both sides speak in lines.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::BufRead;
use std::io::BufReader;
use std::io::Lines;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;

/// Tells a process that it is one of these, and the path it works on.
const VARIABLE: &str = "LODE_TEST_PROCESS";
/// Begins each line that is meant for the other side; the harness prints lines of its own.
const MARK: &str = "> ";

/// A process that was started here. Dropped, it is killed.
pub(crate) struct Process {
    process: std::process::Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a process that runs the test `name` of this binary for `path`.
    pub(crate) fn start(name: &str, path: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(VARIABLE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let from = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { to: process.stdin.take(), from, process }
    }

    /// The next line that it says; `None` once it has ended.
    pub(crate) fn answer(&mut self) -> Option<String> {
        let lines = self.from.by_ref().map(|line| line.unwrap());
        lines.filter_map(|line| line.strip_prefix(MARK).map(str::to_owned)).next()
    }

    /// Says `line` and gives the line that it answers.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
        self.answer().unwrap_or_else(|| panic!("the process ended where '{line}' was to be answered"))
    }

    /// Ends it without a warning, as `kill -9` does. What it said before can still be read.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it end by itself, which it must do without an error, and gives what it said at last.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.to = None;
        let rest = std::iter::from_fn(|| self.answer()).collect();
        assert!(self.process.wait().unwrap().success(), "the process failed");
        rest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The process that started this one.
pub(crate) struct Parent {
    /// What to work on.
    pub(crate) path: PathBuf,
}

impl Parent {
    /// The one that started this process; `None` where that was the harness.
    pub(crate) fn find() -> Option<Self> {
        Some(Self { path: std::env::var_os(VARIABLE)?.into() })
    }

    /// Says a line. It leaves the process whole or not at all.
    pub(crate) fn say(&mut self, line: &str) {
        let mut out = std::io::stdout().lock();
        // The harness may have left its line open.
        out.write_all(format!("\n{MARK}{line}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }

    /// The next line that it was told; `None` once there will be no more.
    pub(crate) fn asked(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }
}
