//! [`Embedder`]: a program that reads texts and prints vectors.
//!
//! Texts are sent by a thread of their own while vectors are read, so the program may print each vector at once, in batches,
//! or all of them at its end, and nothing waits for ever.

use super::failure::Failure;
use super::read_jsonl::problem;
use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::ChildStdin;
use std::process::ChildStdout;
use std::process::Command;
use std::process::Stdio;
use std::thread;

/// Longest line that is read: many times the longest vector.
const LINE_BYTES: u64 = 16 << 20;

/// Sends a text; false where nobody reads any more.
pub(super) type Send<'a> = &'a mut dyn FnMut(&str) -> bool;

/// A running program, and the vectors it has still to print.
pub(super) struct Embedder {
    command: String,
    child: Child,
    vectors: BufReader<ChildStdout>,
    line: Vec<u8>,
    done: u64,
}

impl Embedder {
    /// Starts the program in a shell; `texts` is called on another thread to send it the texts.
    pub(super) fn start(
        command: &str,
        texts: impl FnOnce(Send<'_>) + std::marker::Send + 'static,
    ) -> Result<Self, Failure> {
        let failed =
            |problem: &dyn std::fmt::Display| Failure::Error(format!("--embed '{command}': {problem}"));
        let mut child = shell(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&"its streams can't be reached"));
        };
        thread::spawn(move || {
            let mut input = BufWriter::new(input);
            texts(&mut |text| send(&mut input, text));
        });
        let vectors = BufReader::new(output);
        Ok(Self { command: command.to_owned(), child, vectors, line: Vec::new(), done: 0 })
    }

    /// The vectors of a few texts.
    pub(super) fn vectors(command: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Failure> {
        let count = texts.len();
        let mut embedder = Self::start(command, move |send| {
            for text in &texts {
                if !send(text) {
                    return;
                }
            }
        })?;
        let vectors = (0..count).map(|_| embedder.next_vector()).collect::<Result<_, _>>()?;
        embedder.finish()?;
        Ok(vectors)
    }

    /// The vector of the next text.
    pub(super) fn next_vector(&mut self) -> Result<Vec<f32>, Failure> {
        self.done += 1;
        if !self.read_line()? {
            let status = self.child.wait().map_err(|error| self.failed(&error))?;
            let before = self.done - 1;
            return Err(self.failed(&format!(
                "it ended ({status}) after {before} vectors, and {} texts or more were sent",
                self.done
            )));
        }
        serde_json::from_slice(&self.line).map_err(|error| {
            let start: String = String::from_utf8_lossy(&self.line).trim_end().chars().take(40).collect();
            let line = self.done;
            let problem = problem(&error);
            self.failed(&format!(
                "line {line} of its output, '{start}' is not a JSON array of numbers: {problem}"
            ))
        })
    }

    /// Waits for the program's end, where all vectors were read.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if self.read_line()? {
            return Err(self.failed(&format!("it printed more than {} lines, one for each text", self.done)));
        }
        let status = self.child.wait().map_err(|error| self.failed(&error))?;
        if status.success() { Ok(()) } else { Err(self.failed(&format!("it ended with {status}"))) }
    }

    fn read_line(&mut self) -> Result<bool, Failure> {
        self.line.clear();
        let read = (&mut self.vectors).take(LINE_BYTES).read_until(b'\n', &mut self.line);
        Ok(read.map_err(|error| self.failed(&error))? > 0)
    }

    fn failed(&self, problem: &dyn std::fmt::Display) -> Failure {
        Failure::Error(format!("--embed '{}': {problem}", self.command))
    }
}

impl Drop for Embedder {
    /// A program that is not needed any more does not outlive the command.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one text as a line of JSON.
fn send(input: &mut BufWriter<ChildStdin>, text: &str) -> bool {
    let Ok(mut line) = serde_json::to_vec(text) else { return false };
    line.push(b'\n');
    input.write_all(&line).is_ok()
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").arg(command);
    shell
}
