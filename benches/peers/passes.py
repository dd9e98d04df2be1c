"""Passes over queries: what both comparisons measure with. Needs numpy for nothing, so that the threads can be set first."""

import time
from pathlib import Path

ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "TOKIO_WORKER_THREADS",
    )
}
ENOUGH = 0.9995
NOISE = 0.10
FEW = 20
MOST_PASSES = 10


def one_pass(search, queries):
    results = []
    cpu, wall = time.process_time(), time.perf_counter()
    for query in queries:
        results.append(search(query))
    return time.perf_counter() - wall, time.process_time() - cpu, results


def is_level(points):
    """Whether the last settings took longer and found no more. Several that find the same in the same time are one
    setting by several names, and the next may be another."""
    if len(points) < 4:
        return False
    before, last = points[-4], points[-1]
    return last["recall"] <= before["recall"] and last["qps_cpu"] < before["qps_cpu"] * (1 - NOISE)


def fastest(search, items, seconds):
    """The results of one pass, and the queries a second of the fastest of the passes that `seconds` has room for, by the
    clock and by the processor's time. Where not even one has room, the first items alone are asked for."""
    first = one_pass(search, items[:FEW])
    count = max(FEW, int(seconds / first[0] * FEW))
    items = items[:count]
    passes = [first if len(first[2]) == len(items) else one_pass(search, items)]
    while sum(wall for wall, _, _ in passes) < seconds / 2 and len(passes) < MOST_PASSES:
        passes.append(one_pass(search, items))
    wall, cpu = (min(one[kind] for one in passes) for kind in (0, 1))
    return passes[0][2], {"qps": len(items) / wall, "qps_cpu": len(items) / cpu}


def size_of(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
