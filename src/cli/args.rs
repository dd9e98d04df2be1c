//! What can be typed: the commands, their options, and the help that teaches them.

use super::EXIT_CODES;
use super::kind::Kind;
use super::rows::Format;
use crate::Dtype;
use crate::Metric;
use crate::Quantization;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
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

const IMPORT: &str = "Formats, by the end of the file's name or by --format:
  jsonl            one JSON object a line
  csv, tsv         a header and rows; types are inferred from the first 1,000
                   rows unless --type tells them
  parquet, arrow   tables
  npy, fvecs, bvecs, ivecs
                   vectors alone; ids are the numbers of the rows, from 0 on

Records are written in batches, each of which is durable at once, and all or nothing. A bad row ends \
the import with an error that names it; the batches before it stay. As a record replaces the one \
that has its id, the same import can be run again.

--embed starts COMMAND in a shell. It reads texts from its standard input, one JSON string a line, \
and prints for each, in the same order, its vector as one JSON array a line. It may print them when \
it likes, even all at its end.

Examples:
  lode import minerals.jsonl guide.lode --text name --text description
  lode import papers.csv papers.lode --id doi --vector embedding --type year=int
  lode import passages.jsonl papers.lode --vectors passages.npy --text body
  lode import notes.csv notes.lode --text body --embed \"python embed.py\"
  zcat big.jsonl.gz | lode import - big.lode --format jsonl -c big";

/// What `import` is asked.
#[derive(Debug, Args)]
#[command(after_help = IMPORT)]
pub(super) struct Import {
    /// The file to read; `-` for the standard input
    pub(super) file: PathBuf,
    /// The database; made where there is none
    pub(super) db: PathBuf,
    /// The collection; made where there is none. By itself the only one, or in a new database the file's name
    #[arg(short, long, value_name = "NAME")]
    pub(super) collection: Option<String>,
    /// The file's format, where its name does not tell
    #[arg(long)]
    pub(super) format: Option<Format>,
    /// The column of ids [default: id]
    #[arg(long, value_name = "COLUMN", conflicts_with = "number")]
    pub(super) id: Option<String>,
    /// Give records numbers as ids, in the order of the file, from this one on
    #[arg(long, value_name = "FIRST", num_args = 0..=1, default_missing_value = "0")]
    pub(super) number: Option<u64>,
    /// The column of a vector, and the vector's name where there are several; repeat for each [default: vector]
    #[arg(long, value_name = "[NAME=]COLUMN")]
    pub(super) vector: Vec<String>,
    /// Take the vector of each row from a file beside it (npy, fvecs, bvecs, ivecs)
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(super) vectors: Option<String>,
    /// Have a program make the vector of each row's text
    #[arg(long, value_name = "COMMAND", conflicts_with = "vectors")]
    pub(super) embed: Option<String>,
    /// The fields that --embed takes texts from, joined by line ends [default: those of --text]
    #[arg(long, value_name = "FIELD", requires = "embed")]
    pub(super) embed_field: Vec<String>,
    /// A field that is searched for words, and how: english (default), german, ..., simple, none; repeat for each
    #[arg(long, value_name = "FIELD[:ANALYZER]")]
    pub(super) text: Vec<String>,
    /// Give a column another name as a field; repeat for each
    #[arg(long, value_name = "COLUMN=FIELD")]
    pub(super) rename: Vec<String>,
    /// Leave a column out; repeat for each
    #[arg(long, value_name = "COLUMN", conflicts_with = "only")]
    pub(super) skip: Vec<String>,
    /// Take only these columns as fields; repeat for each
    #[arg(long, value_name = "COLUMN")]
    pub(super) only: Vec<String>,
    /// The type of a column's values; repeat for each. Types: text, int, float, bool, datetime, json
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = typed_column)]
    pub(super) types: Vec<(String, Kind)>,
    /// How vectors of a new collection are compared: cosine, dot, l2, hamming [default: cosine]
    #[arg(long, value_name = "METRIC")]
    pub(super) metric: Option<Metric>,
    /// How numbers of a new collection are stored: f32, f16, bf16, i8, binary [default: f32]
    #[arg(long, value_name = "TYPE")]
    pub(super) dtype: Option<Dtype>,
    /// In which form a new collection is searched: auto, none, sq7, sq4, rabitq [default: auto]
    #[arg(long, value_name = "FORM")]
    pub(super) quantization: Option<Quantization>,
    /// A field of a new collection that gets no index; repeat for each
    #[arg(long, value_name = "FIELD")]
    pub(super) unindexed: Vec<String>,
    /// Records of a batch at most; a batch is also full at 16 MB
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) batch: u32,
    /// Leave the graph to be built later, by the first program that keeps the database open
    #[arg(long)]
    pub(super) no_optimize: bool,
}

const SEARCH: &str =
    "Words are typed as for a search engine: gold mine, +gold, -coal, \"sluice box\", prosp*, mininng~, \
title:gold (put -- before words that begin with a dash). Found words stand in brackets.

A vector is a JSON array of numbers or an npy file of one row, in a file or on the standard input \
(-). With words and a vector, both rankings become one (--fusion).

Examples:
  lode search guide.lode \"fool's gold\"
  lode search guide.lode '+gold \"greenish black\"' --filter \"density > 4\" -k 3
  lode search guide.lode --like gold --show name --show formula
  lode search guide.lode pencil lead --vector question.json --explain
  lode search guide.lode --filter \"ore_of = 'tin'\" --order-by density --descending

Exit code 1 tells that no record was found.";

/// What `search` is asked.
#[derive(Debug, Args)]
#[command(after_help = SEARCH)]
pub(super) struct Search {
    #[command(flatten)]
    pub(super) place: Place,
    /// Words to be found
    pub(super) words: Vec<String>,
    /// A file with a vector to find neighbours of; `-` for the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["like", "embed"])]
    pub(super) vector: Option<PathBuf>,
    /// Find the neighbours of this record, without itself
    #[arg(long, value_name = "ID", conflicts_with = "embed")]
    pub(super) like: Option<String>,
    /// Have a program make a vector of the words as well, as import does
    #[arg(long, value_name = "COMMAND", requires = "words")]
    pub(super) embed: Option<String>,
    /// Search by the vector of --embed alone, not by its words
    #[arg(long, requires = "embed")]
    pub(super) only_vector: bool,
    /// Which vector is searched, where records have several
    #[arg(long, value_name = "NAME")]
    pub(super) vector_name: Option<String>,
    /// Only records that pass, such as "year >= 1848 and tags in ('gold', 'silver')"
    #[arg(short, long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// How many hits
    #[arg(short, default_value = "10", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) k: u16,
    /// The share of the true nearest that is to be found, 0.5 to 0.999 [default: 0.98]
    #[arg(long, conflicts_with_all = ["ef", "exact"])]
    pub(super) recall: Option<f32>,
    /// In place of a recall, how many candidates are kept
    #[arg(long, conflicts_with = "exact")]
    pub(super) ef: Option<usize>,
    /// Score every record, without a graph
    #[arg(long)]
    pub(super) exact: bool,
    /// Leave out hits with a lower score
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub(super) min_score: Option<f32>,
    /// A text field that words are looked for in, and how much it counts; repeat for each [default: all, once]
    #[arg(long, value_name = "FIELD[=BOOST]")]
    pub(super) within: Vec<String>,
    /// How two rankings become one: rrf, weighted:VECTOR,TEXT or distribution:VECTOR,TEXT
    #[arg(long, default_value = "rrf", value_name = "FUSION")]
    pub(super) fusion: String,
    /// One hit for each value of this field
    #[arg(long, value_name = "FIELD")]
    pub(super) group_by: Option<String>,
    /// How unlike hits are to be, 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub(super) diversity: Option<f32>,
    /// Without words and vector: the order of the records [default: by id]
    #[arg(long, value_name = "FIELD", conflicts_with_all = ["words", "vector", "like"])]
    pub(super) order_by: Option<String>,
    /// The largest first
    #[arg(long, requires = "order_by")]
    pub(super) descending: bool,
    /// A field that the table shows; repeat for each [default: the text fields, or else the first four]
    #[arg(long, value_name = "FIELD")]
    pub(super) show: Vec<String>,
    /// Print how the search was carried out, as a tree, in place of its hits
    #[arg(long, conflicts_with = "order_by")]
    pub(super) explain: bool,
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

const EXPORT: &str = "Formats, by the end of the file's name or by --format:
  jsonl            everything; instants are text (--type COLUMN=datetime brings
                   them back)
  parquet, arrow   everything but maps and arrays of mixed kinds, which are JSON
                   text (--type COLUMN=json)
  csv, tsv         the same as text; null, missing and empty become one
  npy              the vectors alone, in the order of ids, as f32

Examples:
  lode export guide.lode > guide.jsonl
  lode export guide.lode silver.csv --filter \"ore_of = 'silver'\" --no-vectors
  lode export guide.lode vectors.npy";

/// What `export` is asked.
#[derive(Debug, Args)]
#[command(after_help = EXPORT)]
pub(super) struct Export {
    /// The database
    pub(super) db: PathBuf,
    /// The file to write; `-` for the standard output
    #[arg(default_value = "-")]
    pub(super) file: PathBuf,
    /// The collection; not needed where there is only one
    #[arg(short, long, value_name = "NAME")]
    pub(super) collection: Option<String>,
    /// The file's format, where its name does not tell [default: jsonl]
    #[arg(long)]
    pub(super) format: Option<Format>,
    /// Only records that pass
    #[arg(short, long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// Write only these fields; repeat for each
    #[arg(long, value_name = "FIELD")]
    pub(super) only: Vec<String>,
    /// Leave the vectors out
    #[arg(long)]
    pub(super) no_vectors: bool,
    /// For npy: which vector, where records have several
    #[arg(long, value_name = "NAME")]
    pub(super) vector_name: Option<String>,
    /// Write over a file that exists
    #[arg(long)]
    pub(super) force: bool,
}

const BENCH: &str =
    "Records of the collection are looked for among the others, by one thread unless --threads says more; \
their exact neighbours are computed first. With --queries, vectors of your own are looked for \
instead. Times are of whole searches, without the opening of the file; each setting runs several \
times, and the fastest run counts.

Examples:
  lode bench guide.lode
  lode bench photos.lode -k 10 --svg speed.svg --filter \"year >= 2020\"
  lode bench photos.lode --queries queries.npy --ef 16,32,64,128";

/// What `bench` is asked.
#[derive(Debug, Args)]
#[command(after_help = BENCH)]
pub(super) struct Bench {
    #[command(flatten)]
    pub(super) place: Place,
    /// Neighbours asked for
    #[arg(short, default_value = "10", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=9_999))]
    pub(super) k: u16,
    /// Number of records that are looked for
    #[arg(long, default_value = "500", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) sample: u32,
    /// A file of vectors (npy, fvecs, bvecs, ivecs) to look for instead
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    pub(super) queries: Option<PathBuf>,
    /// The recalls to ask for
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "LIST",
        default_value = "0.7,0.8,0.9,0.95,0.98,0.99,0.995,0.999"
    )]
    pub(super) recalls: Vec<f32>,
    /// In place of recalls, the numbers of candidates to keep
    #[arg(long, value_delimiter = ',', value_name = "LIST", conflicts_with = "recalls")]
    pub(super) ef: Vec<usize>,
    /// Searches at a time
    #[arg(long, default_value = "1", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(super) threads: u16,
    /// Only records that pass
    #[arg(short, long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// Which vector is searched, where records have several
    #[arg(long, value_name = "NAME")]
    pub(super) vector_name: Option<String>,
    /// Draw the figures into this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
}

const EVAL: &str =
    "QUERIES has one JSON object a line with the query's text under \"text\", \"question\", \"query\" or \
\"title\", its id under \"id\" or \"_id\" (without one, queries are numbered from 1), and its vector \
under \"vector\"; or it is a tsv file of ids and texts. Vectors may also come from --vectors or from \
--embed. Without any, words alone are measured.

JUDGMENTS are as BEIR has them (query, record, grade between tabs, below a header) or as TREC has \
them (query, iteration, record, grade between blanks). A grade over 0 is relevant. Queries without a \
relevant record are left out.

nDCG@k sums grades, or 2^grade - 1 with --gain exponential, over log2(rank + 1), as a share of the \
best that can be; recall@k is the share of the relevant records among the first k; MRR@k the mean of \
1 / rank of the first relevant one.

Examples:
  lode eval guide.lode questions.jsonl judgments.tsv
  lode eval papers.lode queries.tsv qrels.tsv --vectors queries.npy -k 20
  lode eval papers.lode queries.tsv qrels.tsv --embed \"python embed.py\"";

/// What `eval` is asked.
#[derive(Debug, Args)]
#[command(after_help = EVAL)]
pub(super) struct Eval {
    /// The database
    pub(super) db: PathBuf,
    /// The queries (jsonl or tsv)
    pub(super) queries: PathBuf,
    /// The judgments (tsv, as in BEIR or TREC)
    pub(super) judgments: PathBuf,
    /// The collection; not needed where there is only one
    #[arg(short, long, value_name = "NAME")]
    pub(super) collection: Option<String>,
    /// How many hits count
    #[arg(short, default_value = "10", value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) k: u16,
    /// A file with a vector for each query, in their order (npy, fvecs, bvecs, ivecs)
    #[arg(long, value_name = "FILE", conflicts_with = "embed")]
    pub(super) vectors: Option<PathBuf>,
    /// Have a program make the vectors of the queries' texts, as import does
    #[arg(long, value_name = "COMMAND")]
    pub(super) embed: Option<String>,
    /// Which vector is searched, where records have several
    #[arg(long, value_name = "NAME")]
    pub(super) vector_name: Option<String>,
    /// Only records that pass
    #[arg(short, long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// How two rankings become one: rrf, weighted:VECTOR,TEXT or distribution:VECTOR,TEXT
    #[arg(long, default_value = "rrf", value_name = "FUSION")]
    pub(super) fusion: String,
    /// Score every record, without a graph
    #[arg(long)]
    pub(super) exact: bool,
    /// How much a grade is worth
    #[arg(long, default_value = "linear")]
    pub(super) gain: Gain,
}

/// What a grade is worth to nDCG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Gain {
    /// The grade, as in trec_eval and BEIR
    Linear,
    /// 2^grade - 1
    Exponential,
}

/// `COLUMN=TYPE`.
fn typed_column(typed: &str) -> Result<(String, Kind), String> {
    let (column, kind) = pair(typed, "COLUMN=TYPE")?;
    Ok((column, kind.parse()?))
}

/// `A=B`, taken apart at the last sign; `form` says what is right.
pub(super) fn pair(typed: &str, form: &str) -> Result<(String, String), String> {
    match typed.rsplit_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.into(), right.into())),
        _ => Err(format!("'{typed}' is not {form}")),
    }
}
