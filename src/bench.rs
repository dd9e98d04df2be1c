//! The kernels one by one, for `benches/kernels.rs`: every form of code and every type of stored vector, on every
//! instruction set that the processor has. Compiled with the feature `bench-internals` only; no part of the API.

use crate::error::Error;
use crate::error::Result;
use crate::quant::CodeWork;
use crate::quant::Codes;
use crate::quant::Quantization;
use crate::quant::Quantizer;
use crate::quant::QueryCode;
use crate::vector::Dtype;
use crate::vector::ExactScorer;
use crate::vector::Metric;
use crate::vector::VectorType;
use crate::vector::dispatch::Cpu;
use crate::vector::kernels::CodeDistance;

/// One kernel with a query and rows to score.
pub struct Kernel {
    name: String,
    rows: usize,
    run: Box<dyn FnMut() -> f64>,
}

impl Kernel {
    /// What is scored, and on which instruction set: `sq7 l2, avx512`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows that [`Kernel::run`] scores.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Scores all rows, and gives the sum of the scores.
    pub fn run(&mut self) -> f64 {
        (self.run)()
    }
}

/// Every kernel for vectors of `dim` dimensions, over `rows` of them.
///
/// # Errors
/// Only where `dim` is none that a schema takes.
pub fn kernels(dim: usize, rows: usize) -> Result<Vec<Kernel>> {
    let mut found = code_kernels(
        &VectorType { dim, dtype: Dtype::Binary, metric: Metric::Hamming },
        Quantization::Auto,
        rows,
    )?;
    for metric in [Metric::L2, Metric::Dot] {
        let ty = VectorType { dim, dtype: Dtype::F32, metric };
        for form in [Quantization::Sq7, Quantization::Sq4, Quantization::RaBitQ, Quantization::None] {
            found.extend(code_kernels(&ty, form, rows)?);
        }
    }
    for dtype in Dtype::ALL {
        let metrics: &[_] =
            if dtype == Dtype::Binary { &[Metric::Hamming] } else { &[Metric::Dot, Metric::L2] };
        for metric in metrics {
            found.extend(exact_kernels(&VectorType { dim, dtype, metric: *metric }, rows)?);
        }
    }
    Ok(found)
}

/// Values of a row, the same every time.
fn values(dim: usize, row: usize) -> Vec<f32> {
    (0..dim).map(|at| ((row * 7919 + at * 104_729) % 201) as f32 - 100.0).collect()
}

/// Rows of the type, one after the other.
fn encoded_rows(ty: &VectorType, rows: usize) -> Result<Vec<u8>> {
    ty.validate()?;
    let mut bytes = Vec::new();
    for row in 0..rows {
        let encoded = ty.encode(&values(ty.dim, row), &mut bytes);
        encoded.map_err(|problem| Error::InvalidVector { vector: row.to_string(), problem })?;
    }
    Ok(bytes)
}

/// The codes of the form that are made of the type.
fn code_kernels(ty: &VectorType, form: Quantization, rows: usize) -> Result<Vec<Kernel>> {
    let bytes = encoded_rows(ty, rows)?;
    let sample: Vec<&[u8]> = bytes.chunks_exact(ty.row_bytes()).collect();
    let quantizer = Quantizer::for_building(ty, &sample).for_storing(ty, form, &sample);
    let mut codes = vec![0; quantizer.code_bytes() * rows];
    for (row, code) in sample.iter().zip(codes.chunks_exact_mut(quantizer.code_bytes())) {
        quantizer.encode(row, ty.inverse_norm(row), code);
    }
    let query = QueryCode::new(ty, &quantizer, &values(ty.dim, rows));
    let slots: Vec<u32> = (0..rows as u32).collect();
    let kind = match quantizer {
        Quantizer::Sq7(_) => "sq7",
        Quantizer::Sq4(_) => "sq4",
        Quantizer::RaBitQ(_) => "rabitq",
        Quantizer::Floats(_) => "floats",
        Quantizer::Bits { .. } => "bits",
    };
    let kernel = |cpu: Cpu| {
        let (quantizer, codes) = (quantizer.clone(), codes.clone());
        let (query, slots) = (query.clone(), slots.clone());
        let run = move || match Codes::new(&quantizer, &codes, slots.len()) {
            Ok(codes) => {
                query.form().dispatch_on(cpu, Distances { codes, query: query.bytes(), slots: &slots })
            }
            Err(_) => f64::NAN,
        };
        Kernel { name: format!("code {kind} {}, {cpu}", ty.metric), rows, run: Box::new(run) }
    };
    Ok(Cpu::available().into_iter().map(kernel).collect())
}

/// Sums the distances of codes.
struct Distances<'a> {
    codes: Codes<'a>,
    query: &'a [u8],
    slots: &'a [u32],
}

impl CodeWork for Distances<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<D: CodeDistance>(self, distance: D) -> f64 {
        let mut sum = 0u64;
        self.codes.distances(distance, self.query, self.slots, |_, found| sum += u64::from(found));
        sum as f64
    }
}

/// The stored rows of the type, by each instruction set and by simsimd.
fn exact_kernels(ty: &VectorType, rows: usize) -> Result<Vec<Kernel>> {
    let bytes = encoded_rows(ty, rows)?;
    let inverse_norms = vec![1.0; rows];
    let query = values(ty.dim, rows);
    let kernel = |cpu: Option<Cpu>| {
        let scorer = ExactScorer::on(ty, &query, cpu);
        let (bytes, inverse_norms) = (bytes.clone(), inverse_norms.clone());
        let mut scores = Vec::with_capacity(rows);
        let run = move || {
            scores.clear();
            scorer.score_rows(&bytes, &inverse_norms, &mut scores);
            scores.iter().map(|score| f64::from(*score)).sum()
        };
        let on = cpu.map_or("simsimd".to_owned(), |cpu| cpu.to_string());
        Kernel { name: format!("row {} {}, {on}", ty.dtype, ty.metric), rows, run: Box::new(run) }
    };
    // simsimd has kernels of its own for a query of floats with rows of floats, and for bits.
    let by_simsimd = matches!(ty.dtype, Dtype::F32 | Dtype::Binary).then_some(None);
    Ok(Cpu::available().into_iter().map(Some).chain(by_simsimd).map(kernel).collect())
}
