"""Measures one engine on one set, in a process of its own, and writes what it found as JSON.

`python measure.py ENGINE SET OUT.json`. One thread builds, one thread searches, one query after the other.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from passes import ENOUGH, ONE_THREAD, is_level, one_pass, size_of

os.environ.update(ONE_THREAD)

import sets  # noqa: E402 (numpy reads the environment when it is imported)
from engines import ENGINES  # noqa: E402

REPEATS = 3
SLOW_PASS_SECONDS = 6.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("set")
    parser.add_argument("out")
    parser.add_argument("--metric", choices=["l2", "cosine"])
    options = parser.parse_args()
    data = sets.load(options.set, options.metric)
    folder = tempfile.mkdtemp(prefix="peers-")
    try:
        result = measure(options.engine, data, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    Path(options.out).write_text(json.dumps(result, indent=1))


def measure(name, data, folder):
    engine = ENGINES[name](data, folder)
    result = {
        "engine": name,
        "version": importlib.metadata.version(engine.package or engine.module),
        "set": data.name,
        "rows": len(data.base),
        "dim": data.dim,
        "metric": data.metric,
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "load_average": os.getloadavg()[0],
    }
    wall, cpu = time.perf_counter(), time.process_time()
    engine.build(data.base)
    result["build_wall_s"] = time.perf_counter() - wall
    result["build_cpu_s"] = time.process_time() - cpu
    result["file_bytes"] = size_of(folder)
    memory = anonymous_bytes()
    engine = ENGINES[name](data, folder)
    queries = engine.queries(data.queries)
    lines = engine.settings()
    wall = time.perf_counter()
    engine.open()
    engine.searcher(**lines[0][0])(queries[0])
    result["load_ms"] = (time.perf_counter() - wall) * 1e3
    result["points"] = [point for line in lines for point in sweep(engine, data, queries, line)]
    result["memory_bytes"] = anonymous_bytes() - memory
    result["latency"] = latency(engine, queries, result["points"])
    return result


def sweep(engine, data, queries, settings):
    """Recall and speed at each setting, until nearly all is found, more effort finds no more, or the settings end."""
    points = []
    for setting in settings:
        points.append({"setting": setting, **throughput(engine, data, queries, setting)})
        print(f"  {setting}: recall {points[-1]['recall']:.4f}, {points[-1]['qps']:.0f} queries/s", file=sys.stderr)
        if points[-1]["recall"] >= ENOUGH or is_level(points):
            break
    return points


def throughput(engine, data, queries, setting):
    """The fastest of several passes over all queries (over fewer, where a pass would take long)."""
    search = engine.searcher(**setting)
    start = time.perf_counter()
    few = queries[:50]
    for query in few:
        search(query)
    each = (time.perf_counter() - start) / len(few)
    queries = queries[: max(100, int(SLOW_PASS_SECONDS / each))]
    passes = [one_pass(search, queries) for _ in range(REPEATS)]
    wall = min(wall for wall, _, _ in passes)
    cpu = min(cpu for _, cpu, _ in passes)
    return {
        "recall": data.recall([engine.ids(result) for result in passes[0][2]]),
        "qps": len(queries) / wall,
        "qps_cpu": len(queries) / cpu,
    }


def latency(engine, queries, points):
    """Percentiles at the fastest setting that finds 95 %, each the least of several passes: by the clock, and by the
    time that the thread had the processor."""
    enough = [point for point in points if point["recall"] >= 0.95]
    if not enough:
        return None
    setting = max(enough, key=lambda point: point["qps_cpu"])["setting"]
    search = engine.searcher(**setting)
    passes = [timed_pass(search, queries[:2000]) for _ in range(REPEATS)]
    found = {"setting": setting}
    for percent in (50, 99):
        for kind, unit in enumerate(("us", "cpu_us")):
            ranked = (sorted(times[kind] for times in each) for each in passes)
            found[f"p{percent}_{unit}"] = min(times[len(times) * percent // 100] for times in ranked) * 1e6
    return found


def timed_pass(search, queries):
    """(seconds by the clock, seconds of the thread) of each query."""
    now, cpu, times = time.perf_counter, time.thread_time, []
    for query in queries:
        cpu_start, start = cpu(), now()
        search(query)
        end, cpu_end = now(), cpu()
        times.append((end - start, cpu_end - cpu_start))
    return times


def anonymous_bytes():
    """Memory of the process without the pages of mapped files; 0 where /proc is missing."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("RssAnon")), "RssAnon: 0")
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
