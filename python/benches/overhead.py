"""What Python adds to a call: the same searches and the same import in Rust and in Python, on the same file, in turns.

`python benches/overhead.py` in this folder, with the package installed from a release build, and Rust. It prints the
least of several rounds, in time on the wall and on the processor; the latter is right where others use the machine.
The data is generated: 200,000 x 128 float32, 2,000 queries, L2.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lodedb
import numpy as np

HERE = Path(__file__).resolve().parent
RECORDS, DIM, QUERIES, ROUNDS = 200_000, 128, 2_000, 5

Times = tuple[float, float]


def data(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around 2,000 centres, and a file with a graph over them."""
    random = np.random.default_rng(11)
    centres = random.random((2_000, DIM), dtype=np.float32) * 10

    def near(count: int) -> np.ndarray:
        picked = centres[random.integers(0, len(centres), count)]
        return np.ascontiguousarray(picked + random.random((count, DIM), dtype=np.float32) * 4)

    base, queries = near(RECORDS), near(QUERIES)
    base.tofile(folder / "base.f32")
    queries.tofile(folder / "queries.f32")
    with lodedb.open(folder / "bench.lode", maintenance="manual") as db:
        records = db.collection("records", dim=DIM, metric="l2")
        records.upsert(ids=np.arange(RECORDS), vectors=base)
        records.optimize()
    return base, queries


def timed(call: Callable[[], object]) -> Times:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def in_rust(program: Path, folder: Path, what: str) -> Times:
    run = subprocess.run([program, folder, str(DIM), what], capture_output=True, text=True, check=True)
    wall, cpu = run.stdout.split()
    return float(wall), float(cpu)


def in_python(folder: Path, what: str, base: np.ndarray, queries: np.ndarray) -> Times:
    if what == "ingest":
        path = folder / "ingest.lode"
        path.unlink(missing_ok=True)
        db = lodedb.open(path, maintenance="manual")
        records = db.collection("records", dim=DIM, metric="l2")
        ids = np.arange(RECORDS)
        times = timed(lambda: records.upsert(ids=ids, vectors=base))
        db.close()
        return times
    with lodedb.open(folder / "bench.lode", read_only=True) as db:
        records = db["records"]
        rows = list(queries)
        calls: dict[str, Callable[[], object]] = {
            "single": lambda: [records.search(vector=row, k=10) for row in rows],
            "batch": lambda: records.search_many(queries, k=10, threads=1),
        }
        calls[what]()
        return timed(calls[what])


def program() -> Path:
    """The Rust side, built."""
    command = ["cargo", "build", "--release", "--locked", "--example", "overhead", "--message-format=json"]
    built = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    found = [line for line in built.stdout.splitlines() if '"executable":"' in line]
    return Path(found[-1].split('"executable":"')[1].split('"')[0])


def main() -> int:
    rust_side = program()
    missed = False
    with tempfile.TemporaryDirectory(prefix="lode-overhead-") as name:
        folder = Path(name)
        base, queries = data(folder)
        for what, bar in [("single", 5.0), ("batch", 2.0), ("ingest", 1.3)]:
            rounds = [(in_rust(rust_side, folder, what), in_python(folder, what, base, queries)) for _ in range(ROUNDS)]
            for i, clock in enumerate(["wall", "cpu"]):
                rust = min(rust[i] for rust, _ in rounds)
                python = min(python[i] for _, python in rounds)
                if what == "ingest":
                    added, text = (
                        python / rust,
                        f"{rust:.3f} s in Rust, {python:.3f} s in Python: {python / rust:.2f} times",
                    )
                else:
                    rust, python = rust / QUERIES * 1e6, python / QUERIES * 1e6
                    added, text = (
                        python - rust,
                        f"{rust:.2f} us in Rust, {python:.2f} us in Python: {python - rust:+.2f} us",
                    )
                print(f"{what:<7} {clock:<5} {text} (bar {bar})")
                missed |= clock == "cpu" and added > bar
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
