//! The time of one distance: codes and stored vectors, at the dimensions of common embeddings, on every instruction set
//! that this processor has. The rows lie in the first level of the cache, so that it is arithmetic that is measured.
//!
//! `cargo bench --bench kernels --features bench-internals` (a filter such as `-- 768` or `-- avx2` chooses some).

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lodedb::_bench::{Kernel, kernels};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Bytes of rows, about: half of a common first-level cache.
const CACHE_BYTES: usize = 16 << 10;

/// A measurement is cut into so many, of which the fastest counts, because other processes interrupt the others.
const SLICES: u64 = 16;

/// The time of scoring all rows so many times.
fn time(kernel: &mut Kernel, rounds: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(kernel.run());
    }
    start.elapsed()
}

fn every_kernel(c: &mut Criterion) {
    let mut group = c.benchmark_group("distance");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(30))
        .measurement_time(Duration::from_millis(120));
    for dim in [128, 384, 768, 1536] {
        // The rows of all kinds are as many as those of the widest.
        let rows = (CACHE_BYTES / (dim * 4)).next_multiple_of(4);
        for mut kernel in kernels(dim, rows).expect("the dimension is sound") {
            let id = BenchmarkId::new(kernel.name().to_owned(), dim);
            group.bench_function(id, |b| {
                // An iteration is one distance.
                b.iter_custom(|iterations| {
                    let rounds = iterations.div_ceil(kernel.rows() as u64 * SLICES).max(1);
                    let fastest = (0..SLICES).map(|_| time(&mut kernel, rounds)).min().unwrap_or_default();
                    fastest.mul_f64(iterations as f64 / (rounds * kernel.rows() as u64) as f64)
                });
            });
        }
    }
}

criterion_group!(benches, every_kernel);
criterion_main!(benches);
