//! The command `lode`: the whole product from the shell, on the public API alone.
//!
//! ```text
//! args  args_records  args_search       what can be typed, with its help
//! import  target  beside  export        records in and out
//!   rows  mapping  kind                 rows of a file, which column is what, types of values
//!   read_* write_*                      one file format each
//!   embed                               a program that makes vectors of texts
//! search  hits                          one search, shown
//! eval  judgments  measures             ranking quality from judged queries
//! bench  plot                           speed by recall, and its picture
//! info  care                            what there is; verify, compact, backup
//! console  failure  place  vectors      streams, errors, which collection, query vectors
//! ```
//!
//! Invariants:
//! - everything goes through [`run`], which writes to the streams that it is given and to nothing else; progress bars go to
//!   the terminal, and only from [`main`];
//! - an error is one sentence on the error stream, and the exit code tells what happened (see [`EXIT_CODES`]);
//! - memory is bounded by batches, whatever the size of a file.
//!
//! Programs that have the command in them, as the Python package has, call [`main`].

mod args;
mod args_records;
mod args_search;
mod bench;
mod beside;
mod care;
mod console;
mod embed;
mod eval;
mod export;
mod failure;
mod hits;
mod import;
mod info;
mod judgments;
mod kind;
mod mapping;
mod measures;
mod place;
mod plot;
#[cfg(feature = "cli-parquet")]
mod read_arrow;
mod read_csv;
mod read_jsonl;
mod read_npy;
mod read_vecs;
mod rows;
mod search;
mod sparse;
mod target;
mod vectors;
#[cfg(feature = "cli-parquet")]
mod write_arrow;
mod write_csv;

use args::Arguments;
use args::Command;
use clap::CommandFactory;
use clap::Parser;
use console::Console;
use failure::Failure;
use failure::Outcome;
use std::ffi::OsString;
use std::io;
use std::io::Read;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

/// What the exit code of the command means, as `lode --help` prints it.
pub const EXIT_CODES: &str = "Exit codes, as grep has them:
  0  done; something was found
  1  search found no record, or verify found damage
  2  a wrong call, or an error";

const NOTHING: u8 = 1;
const ERROR: u8 = 2;

/// Runs the command on the process's own streams; `arguments` begin with the name of the program. Gives the exit code.
///
/// Progress bars are drawn where the error stream is a terminal. A bug of the program's own, too, ends in a sentence and code 2.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut input, mut out, mut err) = (io::stdin(), io::stdout().lock(), io::stderr());
    let mut console = Console::new(&mut input, &mut out, &mut err).on_terminal();
    let ended = catch_unwind(AssertUnwindSafe(|| run_on(&arguments, &mut console)));
    drop(std::panic::take_hook());
    ended.unwrap_or_else(|cause| {
        let cause = failure::panic_text(&*cause);
        console.complain(&format!("this is a bug of lode, not of yours: {cause}"));
        ERROR
    })
}

/// Runs the command on streams of the caller's; `arguments` begin with the name of the program. Gives the exit code.
///
/// ```
/// let mut out = Vec::new();
/// let code = lodedb::cli::run(["lode", "--version"], &mut std::io::empty(), &mut out, &mut std::io::sink());
/// assert_eq!(code, 0);
/// assert!(String::from_utf8_lossy(&out).starts_with("lode "));
/// ```
pub fn run<A: Into<OsString>>(
    arguments: impl IntoIterator<Item = A>,
    input: &mut dyn Read,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    run_on(&arguments, &mut Console::new(input, out, err))
}

fn run_on(arguments: &[OsString], console: &mut Console<'_>) -> u8 {
    let ended = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => carry_out(parsed, console),
        Err(error) => explain_usage(&error, console),
    };
    let ended = ended.and_then(|outcome| console.flush().map(|()| outcome));
    match ended {
        Ok(Outcome::Done) | Err(Failure::ClosedPipe) => 0,
        Ok(Outcome::Nothing) => NOTHING,
        Err(Failure::Damage(problem)) => {
            console.complain(&problem);
            NOTHING
        }
        Err(Failure::Error(problem)) => {
            console.complain(&problem);
            ERROR
        }
    }
}

fn carry_out(arguments: Arguments, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    console.json = arguments.json;
    match arguments.command {
        Command::Import(asked) => import::import(&asked, console),
        Command::Search(asked) => search::search(&asked, console),
        Command::Info(asked) => info::info(&asked, console),
        Command::Verify(asked) => care::verify(&asked.db, console),
        Command::Compact(asked) => care::compact(&asked.db, console),
        Command::Backup(asked) => care::backup(&asked, console),
        Command::Export(asked) => export::export(&asked, console),
        Command::Bench(asked) => bench::bench(&asked, console),
        Command::Eval(asked) => eval::eval(&asked, console),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "lode", &mut script);
            console.out().write_all(&script)?;
            Ok(Outcome::Done)
        }
    }
}

/// Help is what was asked for; a wrong call is one sentence.
fn explain_usage(error: &clap::Error, console: &mut Console<'_>) -> Result<Outcome, Failure> {
    if !error.use_stderr() {
        console.out().write_all(error.render().to_string().as_bytes())?;
        return Ok(Outcome::Done);
    }
    let rendered = error.render().to_string();
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Err(Failure::Error(
            "say what to do, for example `lode info FILE.lode`; `lode --help` tells all".into(),
        ));
    }
    let text = rendered.split("\n\nUsage:").next().unwrap_or_default();
    let text = text.split("\n\nFor more information").next().unwrap_or_default();
    let words: Vec<&str> = text.trim_start_matches("error:").split_whitespace().collect();
    Err(Failure::Error(format!("{} (--help tells more)", words.join(" "))))
}
