//! The quantisation ladder: throughput at equal recall by the form in which vectors are searched, on real and generated
//! data. The rule of `Quantization::Auto` rests on it.
//!
//! `cargo bench --bench quantization [set] [form]`. Real sets need the data, see `data/mod.rs`. One thread searches; times are
//! CPU times of that thread, the best of several runs.

mod data;

use data::Dataset;
use data::Matrix;
use lodedb::{Collection, Durability, Maintenance, Metric, Options, Quantization, Record, Schema};
use std::ops::ControlFlow;
use std::time::Instant;

const FORMS: [Quantization; 4] =
    [Quantization::None, Quantization::Sq7, Quantization::Sq4, Quantization::RaBitQ];
const EFS: [usize; 16] = [10, 13, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512];
const RUNS: usize = 4;

type Load = fn() -> Option<Dataset>;

const SETS: [(&str, Load); 9] = [
    ("sift-200k", || data::load("sift-200k", Metric::L2)),
    ("arxiv-30k", || data::load("arxiv-30k", Metric::Cosine)),
    ("mnist", || data::load("mnist", Metric::L2)),
    ("clustered-1536", || Some(clustered(100_000, 1536))),
    ("clustered-768", || Some(clustered(100_000, 768))),
    ("arxiv-168k", || varied(168_000, Metric::Cosine, |_, value| value)),
    ("arxiv-outliers", || {
        varied(30_000, Metric::L2, |at, value| if at % 96 == 5 { value * 20.0 } else { value })
    }),
    ("arxiv-products", || products("arxiv-30k", Metric::Cosine)),
    ("sift-products", || products("sift-200k", Metric::L2)),
];

fn main() {
    // Criterion's flags (`--bench`) are not for this bench.
    let words: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let form = words.get(1).map(|word| word.parse::<Quantization>().expect("the name of a form"));
    for (name, load) in SETS {
        if words.first().is_none_or(|word| word == name)
            && let Some(set) = load()
        {
            println!(
                "\n{name}: {} x {}, {}, {} queries",
                set.base.len(),
                set.base.dim,
                set.metric,
                set.queries.len()
            );
            for form in FORMS.into_iter().filter(|each| form.is_none_or(|form| form == *each)) {
                run(&set, form).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}

fn run(set: &Dataset, form: Quantization) -> Result<(), lodedb::Error> {
    let folder = tempfile::tempdir().expect("a folder for the database");
    let options = Options::new().maintenance(Maintenance::Manual).durability(Durability::None);
    let db = options.open(folder.path().join("bench.lode"))?;
    let schema = Schema::new(set.base.dim).metric(set.metric).quantization(form);
    let records = db.collection("records", schema)?;
    let ids: Vec<u64> = (0..set.base.len() as u64).collect();
    for batch in ids.chunks(10_000) {
        records.upsert(batch.iter().map(|id| Record::new(*id).vector(set.base.row(*id as usize))))?;
    }
    let start = Instant::now();
    db.optimize(|_| ControlFlow::Continue(()))?;
    let build = start.elapsed().as_secs_f64();
    let mut curve = Vec::new();
    for ef in EFS {
        curve.push(measure(set, &records, ef)?);
        if curve.last().is_some_and(|(recall, _)| *recall >= 0.9995) {
            break;
        }
    }
    let at = |ef: usize| {
        EFS.iter().position(|each| *each == ef).and_then(|at| curve.get(at)).map_or(f64::NAN, |p| p.0)
    };
    print!(
        "  {form:>7}: optimize {build:6.1} s; recall at ef 32 {:.4}, 64 {:.4}, 128 {:.4};",
        at(32),
        at(64),
        at(128)
    );
    for wanted in [0.95, 0.98, 0.99, 0.995] {
        match rate_at(&curve, wanted) {
            Some(rate) => print!(" {rate:.0} q/s at {wanted};"),
            None => print!(" never {wanted};"),
        }
    }
    println!(" best recall {:.4}", curve.iter().fold(0.0, |best: f64, (recall, _)| best.max(*recall)));
    Ok(())
}

/// Recall and throughput.
fn measure(set: &Dataset, records: &Collection, ef: usize) -> Result<(f64, f64), lodedb::Error> {
    let mut best = f64::INFINITY;
    let mut recall = 0.0;
    for _ in 0..RUNS {
        let start = thread_seconds();
        let mut found: Vec<Vec<u32>> = Vec::with_capacity(set.queries.len());
        for query in 0..set.queries.len() {
            let hits = records.search().vector(set.queries.row(query)).k(10).ef(ef).run()?;
            found.push(hits.iter().map(|hit| hit.id().as_u64().expect("ids are numbers") as u32).collect());
        }
        best = best.min(thread_seconds() - start);
        recall = set.recall_at_10(&found);
    }
    Ok((recall, set.queries.len() as f64 / best))
}

/// Throughput at a recall, between the two points around it.
fn rate_at(curve: &[(f64, f64)], wanted: f64) -> Option<f64> {
    if let Some((recall, rate)) = curve.first()
        && *recall >= wanted
    {
        return Some(*rate);
    }
    curve.windows(2).find_map(|pair| {
        let ((low, fast), (high, slow)) = (pair[0], pair[1]);
        let part = (wanted - low) / (high - low);
        (low < wanted && wanted <= high).then(|| (fast.ln() + part * (slow.ln() - fast.ln())).exp())
    })
}

/// Time that this thread has run, in seconds.
fn thread_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Nearly normal, of variance 1.
    fn normal(&mut self) -> f32 {
        ((0..4).map(|_| self.next()).sum::<f32>() - 2.0) * 3.0f32.sqrt()
    }
}

/// Unit vectors around centers, on surfaces of 24 dimensions with a little noise: about what embeddings look like.
fn clustered(len: usize, dim: usize) -> Dataset {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (clusters, inner) = (200, 24);
    let centers: Vec<f32> = (0..clusters * dim).map(|_| random.normal()).collect();
    let axes: Vec<f32> = (0..inner * dim).map(|_| random.normal()).collect();
    let mut rows = |count: usize| -> Vec<f32> {
        let mut values = Vec::with_capacity(count * dim);
        for _ in 0..count {
            let cluster = (random.next() * clusters as f32) as usize % clusters;
            let mut row: Vec<f32> = centers[cluster * dim..][..dim].to_vec();
            for axis in axes.chunks(dim) {
                let along = random.normal() * 0.3;
                row.iter_mut().zip(axis).for_each(|(value, axis)| *value += along * axis);
            }
            row.iter_mut().for_each(|value| *value += random.normal() * 0.3);
            values.append(&mut row);
        }
        values
    };
    let base = Matrix::new(dim, rows(len));
    let queries = Matrix::new(dim, rows(400));
    data::with_answers("clustered", Metric::Cosine, base, queries)
}

/// `len` vectors like those of the arXiv set: its rows with noise; each element changed by `f`.
fn varied(len: usize, metric: Metric, f: fn(usize, f32) -> f32) -> Option<Dataset> {
    let set = data::load("arxiv-30k", Metric::Cosine)?;
    let mut random = Random(12345);
    let dim = set.base.dim;
    let changed =
        |row: &[f32]| -> Vec<f32> { row.iter().enumerate().map(|(at, value)| f(at, *value)).collect() };
    let mut values = Vec::with_capacity(len * dim);
    for at in 0..len {
        let noise = if at < set.base.len() { 0.0 } else { 0.6 / (dim as f32).sqrt() };
        let row: Vec<f32> =
            set.base.row(at % set.base.len()).iter().map(|value| value + noise * random.normal()).collect();
        values.extend(changed(&row));
    }
    let queries: Vec<f32> = (0..400).flat_map(|query| changed(set.queries.row(query))).collect();
    Some(data::with_answers("varied", metric, Matrix::new(dim, values), Matrix::new(dim, queries)))
}

/// A set whose vectors have lengths that vary about tenfold, compared by inner product.
fn products(name: &'static str, metric: Metric) -> Option<Dataset> {
    let set = data::load(name, metric)?;
    let mut random = Random(777);
    let dim = set.base.dim;
    let mut values = Vec::with_capacity(set.base.len() * dim);
    for at in 0..set.base.len() {
        let factor = (random.normal() * 0.5).exp();
        values.extend(set.base.row(at).iter().map(|value| value * factor));
    }
    let queries: Vec<f32> =
        (0..set.queries.len().min(500)).flat_map(|query| set.queries.row(query).to_vec()).collect();
    Some(data::with_answers(name, Metric::Dot, Matrix::new(dim, values), Matrix::new(dim, queries)))
}
