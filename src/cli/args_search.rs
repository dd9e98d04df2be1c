//! What can be typed after `lode search`, `lode bench` and `lode eval`.

use super::args::Place;
use clap::Args;
use clap::ValueEnum;
use std::path::PathBuf;

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
