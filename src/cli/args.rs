//! What can be typed: the commands, their options, and the help that teaches them.

use super::EXIT_CODES;
use super::args_records::Export;
use super::args_records::Import;
use super::args_search::Bench;
use super::args_search::Eval;
use super::args_search::Search;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap_complete::Shell;
use std::path::PathBuf;

const OVERVIEW: &str = "Examples:
  lode import minerals.jsonl guide.lode --text name --text description
  lode search guide.lode \"fool's gold\"
  lode search guide.lode --like gold --filter \"hardness_max < 3\"
  lode info guide.lode
  lode help import";

/// Lode, an embedded vector database in one file: search it by vectors, by words and by both, under any filter.
#[derive(Debug, Parser)]
#[command(
    name = "lode",
    version,
    after_help = format!("{OVERVIEW}\n\n{EXIT_CODES}"),
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    max_term_width = 100
)]
pub(super) struct Arguments {
    /// Print JSON for programs: one object a line for hits, one object for everything else
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put the records of a file into a database
    Import(Box<Import>),
    /// Find records by a vector, by words, by a filter, or by all of these
    Search(Box<Search>),
    /// Show collections, schemas, counts, and what takes the room
    Info(Info),
    /// Read everything and compare it with its checksums and with itself
    #[command(
        after_help = "Example:\n  lode verify guide.lode\n\nExit code 1 tells of damage, 2 that there was nothing to look at."
    )]
    Verify(Database),
    /// Give the room of deleted records back to the file system
    #[command(after_help = "Example:\n  lode compact guide.lode")]
    Compact(Database),
    /// Copy a database to a new file, while others read and write it
    #[command(after_help = "Example:\n  lode backup guide.lode guide-copy.lode")]
    Backup(Backup),
    /// Write the records of a collection to a file
    Export(Box<Export>),
    /// Measure searches a second by recall, on the records themselves
    Bench(Box<Bench>),
    /// Measure the ranking by judged queries: nDCG, recall and MRR of words, vectors and both
    Eval(Box<Eval>),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  lode completions bash > ~/.local/share/bash-completion/completions/lode"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The database alone.
#[derive(Debug, Args)]
pub(super) struct Database {
    /// The database
    pub(super) db: PathBuf,
}

/// A collection of a database.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The database
    pub(super) db: PathBuf,
    /// The collection; not needed where there is only one
    #[arg(short, long, value_name = "NAME")]
    pub(super) collection: Option<String>,
}

/// What `info` is asked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lode info guide.lode\n  lode info guide.lode --json | jq .file_bytes")]
pub(super) struct Info {
    #[command(flatten)]
    pub(super) place: Place,
}

/// What `backup` is asked.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lode backup guide.lode guide-copy.lode")]
pub(super) struct Backup {
    /// The database
    pub(super) db: PathBuf,
    /// The new file, which must not exist
    pub(super) copy: PathBuf,
}

/// `A=B`, taken apart at the last sign; `form` says what is right.
pub(super) fn pair(typed: &str, form: &str) -> Result<(String, String), String> {
    match typed.rsplit_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.into(), right.into())),
        _ => Err(format!("'{typed}' is not {form}")),
    }
}
