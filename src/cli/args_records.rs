//! What can be typed after `lode import` and `lode export`.

use super::args::pair;
use super::kind::Kind;
use super::rows::Format;
use crate::Dtype;
use crate::Metric;
use crate::Quantization;
use clap::Args;
use std::path::PathBuf;

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
    /// A column of sparse vectors, maps from terms to weights (jsonl alone); repeat for each
    #[arg(long, value_name = "NAME")]
    pub(super) sparse: Vec<String>,
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

/// `COLUMN=TYPE`.
fn typed_column(typed: &str) -> Result<(String, Kind), String> {
    let (column, kind) = pair(typed, "COLUMN=TYPE")?;
    Ok((column, kind.parse()?))
}
