//! Real data for the benches: vectors, queries and exact answers in NumPy's `.npy` format.
//!
//! The data is not part of the project. A set is a folder with `base.npy`, `queries.npy` and `gt_ids.npy`; the
//! folder of the sets is named by `LODE_DATA`, or is `../shared/data` beside the checkout.

use lodedb::Metric;
use std::path::{Path, PathBuf};

/// A set of vectors with queries and their exact neighbours.
pub(crate) struct Dataset {
    #[allow(dead_code, reason = "each bench uses a part of this module")]
    pub(crate) name: &'static str,
    #[allow(dead_code, reason = "each bench uses a part of this module")]
    pub(crate) folder: PathBuf,
    pub(crate) metric: Metric,
    pub(crate) base: Matrix,
    pub(crate) queries: Matrix,
    /// The 100 nearest rows of each query.
    pub(crate) nearest: Vec<Vec<u32>>,
}

/// Rows of numbers.
pub(crate) struct Matrix {
    pub(crate) dim: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Rows of `dim` numbers each.
    #[allow(dead_code, reason = "each bench uses a part of this module")]
    pub(crate) fn new(dim: usize, values: Vec<f32>) -> Self {
        Self { dim, values }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dim..][..self.dim]
    }
}

/// Loads a set; tells where it was looked for, and gives `None`, where it is missing.
pub(crate) fn load(name: &'static str, metric: Metric) -> Option<Dataset> {
    let root = std::env::var_os("LODE_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let folder = root.join(name);
    if !folder.join("base.npy").exists() {
        println!("{name}: no data at {} (set LODE_DATA to the folder of the sets)", folder.display());
        return None;
    }
    let matrix = |file: &str| {
        let (dim, values) = read_npy(&folder.join(file));
        Matrix { dim, values }
    };
    let (answers, ids) = read_npy(&folder.join("gt_ids.npy"));
    let nearest = ids.chunks(answers).map(|row| row.iter().map(|id| *id as u32).collect()).collect();
    let (base, queries) = (matrix("base.npy"), matrix("queries.npy"));
    Some(Dataset { name, folder, metric, base, queries, nearest })
}

/// A set whose ten nearest are found by exact search.
#[allow(dead_code, reason = "each bench uses a part of this module")]
pub(crate) fn with_answers(name: &'static str, metric: Metric, base: Matrix, queries: Matrix) -> Dataset {
    let backend = std::sync::Arc::new(lodedb::MemoryBackend::new());
    let options = lodedb::Options::new().maintenance(lodedb::Maintenance::Manual);
    let db = options.open_backend(backend, "answers").expect("a database in memory");
    let records = db.collection("all", lodedb::Schema::new(base.dim).metric(metric)).expect("a collection");
    for first in (0..base.len()).step_by(10_000) {
        let ids = first..(first + 10_000).min(base.len());
        let batch = ids.map(|id| lodedb::Record::new(id as u64).vector(base.row(id)));
        records.upsert(batch).expect("records that fit");
    }
    let answers = |query: usize| {
        let hits = records.search().vector(queries.row(query)).k(10).exact(true).run().expect("a search");
        hits.iter().map(|hit| hit.id().as_u64().expect("ids are numbers") as u32).collect()
    };
    let nearest = (0..queries.len()).map(answers).collect();
    Dataset { name, folder: PathBuf::new(), metric, base, queries, nearest }
}

impl Dataset {
    /// The share of the true ten nearest among the first ten of `found`, over the first queries.
    #[allow(dead_code, reason = "each bench uses a part of this module")]
    pub(crate) fn recall_at_10(&self, found: &[Vec<u32>]) -> f64 {
        let hits: usize = found
            .iter()
            .zip(&self.nearest)
            .map(|(found, nearest)| found.iter().take(10).filter(|id| nearest[..10].contains(id)).count())
            .sum();
        hits as f64 / (found.len() * 10) as f64
    }
}

/// Number of columns and values of the array in a file, row by row.
pub(crate) fn read_npy(path: &Path) -> (usize, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    read_npy_bytes(&bytes, &path.display().to_string())
}

/// As [`read_npy`], of the bytes of a file called `name`.
pub(crate) fn read_npy_bytes(bytes: &[u8], name: &str) -> (usize, Vec<f32>) {
    assert_eq!(&bytes[..6], b"\x93NUMPY", "{name}");
    let (start, len) = match bytes[6] {
        1 => (10, u16::from_le_bytes([bytes[8], bytes[9]]) as usize),
        _ => (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize),
    };
    let header = std::str::from_utf8(&bytes[start..start + len]).unwrap();
    let after = |key: &str| header.split(key).nth(1).unwrap_or_else(|| panic!("no {key} in {header}"));
    let shape = after("'shape': (").split(')').next().unwrap();
    let columns = shape
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .nth(1)
        .map_or(1, |part| part.parse().unwrap());
    let kind = after("'descr': '").split('\'').next().unwrap();
    let data = &bytes[start + len..];
    let values = match kind {
        "|u1" => data.iter().map(|byte| f32::from(*byte)).collect(),
        "<f2" => data.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        "<i2" => data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]).into()).collect(),
        "<f4" => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        "<i4" => data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32).collect(),
        other => panic!("{name}: numbers of kind {other}"),
    };
    (columns, values)
}
