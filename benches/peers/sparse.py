"""Searches by sparse vectors: Lode, qdrant-edge where it is installed, and a scan of all rows in numpy, on the same vectors.

    python3 benches/peers/sparse.py [--records 100000] [--queries 300] [--folder target/peers]

Vectors are like those of SPLADE: 120 terms of 30,000 in a record, 30 in a query, drawn by Zipf's law, with log-normal weights that are
smaller for frequent terms. One query a call, ten hits; processor time of the fastest of three passes, so that other work on the machine
counts little. Lode's hits are compared with those of the scan, and qdrant-edge's with Lode's.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import lodedb
import numpy as np

VOCABULARY = 30_000
K = 10
BATCH = 10_000
PASSES = 3


def vectors(count, terms, seed):
    """Terms, ascending, and weights: two arrays of one row a vector."""
    random = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, VOCABULARY + 1)
    ranks = np.log(np.arange(1, VOCABULARY + 1)) / np.log(VOCABULARY)
    chosen = np.empty((count, terms), dtype=np.uint32)
    for row in chosen:
        # The largest of these are a draw without putting back (Efraimidis and Spirakis 2006).
        keys = random.exponential(size=VOCABULARY) / shares
        row[:] = np.sort(np.argpartition(keys, terms)[:terms])
    weights = np.minimum(np.exp(random.normal(-0.5, 0.7, chosen.shape)), 3.5) * (0.25 + 0.75 * ranks[chosen])
    return chosen, weights.astype(np.float32)


def fastest(search, queries):
    """Processor seconds of one query."""
    search(queries[0])
    times = []
    for _ in range(PASSES):
        started = time.process_time()
        for query in queries:
            search(query)
        times.append(time.process_time() - started)
    return min(times) / len(queries)


def folder_bytes(folder):
    """What the files take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


class Scan:
    """The weights of a query in a table, looked up for every term of every record."""

    def __init__(self, base, _folder):
        self.terms, self.weights = base

    def search(self, query):
        table = np.zeros(VOCABULARY, dtype=np.float32)
        table[query[0]] = query[1]
        scores = np.einsum("ij,ij->i", table[self.terms], self.weights)
        best = np.argpartition(-scores, K)[:K]
        return np.sort(scores[best])[::-1]


class Lode:
    def __init__(self, base, folder):
        with lodedb.open(folder / "sparse.lode") as db:
            docs = db.collection("docs", sparse=["terms"])
            for start in range(0, len(base[0]), BATCH):
                rows = list(zip(base[0][start : start + BATCH], base[1][start : start + BATCH], strict=True))
                docs.upsert(ids=range(start, start + len(rows)), sparse=rows)
            db.optimize()
        self.docs = lodedb.open(folder / "sparse.lode", read_only=True)["docs"]

    def search(self, query):
        return self.docs.search(sparse=query, k=K).scores


class QdrantEdge:
    def __init__(self, base, folder):
        import qdrant_edge as qdrant

        config = qdrant.EdgeConfig(
            sparse_vectors={"terms": qdrant.EdgeSparseVectorParams()},
            optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1),
            max_search_threads=1,
        )
        (folder / "shard").mkdir()
        shard = qdrant.EdgeShard.create(str(folder / "shard"), config)
        for start in range(0, len(base[0]), BATCH):
            rows = enumerate(zip(base[0][start : start + BATCH], base[1][start : start + BATCH], strict=True), start)
            points = [
                qdrant.Point(at, {"terms": qdrant.SparseVector(terms.tolist(), weights.tolist())})
                for at, (terms, weights) in rows
            ]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        shard.close()
        self.qdrant, self.shard = qdrant, qdrant.EdgeShard.load(str(folder / "shard"))

    def search(self, query):
        qdrant = self.qdrant
        asked = qdrant.Query.Nearest(qdrant.SparseVector(query[0].tolist(), query[1].tolist()), using="terms")
        return np.array([hit.score for hit in self.shard.search(qdrant.SearchRequest(query=asked, limit=K))])


def measure(engine, base, queries, folder):
    """Prints a line; gives the scores of the first queries."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    try:
        started = time.process_time()
        made = engine(base, folder)
        built = time.process_time() - started
        second = fastest(made.search, queries)
        size = folder_bytes(folder) / 1e6
        print(f"{engine.__name__:12} {1 / second:10,.0f} a second   built in {built:6.1f} s   {size:7.1f} MB", flush=True)
        return [made.search(query) for query in queries[:20]]
    except (ImportError, ModuleNotFoundError) as error:
        print(f"{engine.__name__:12} left out: {error}")
        return None
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path("target/peers"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    base = vectors(options.records, 120, 1)
    terms, weights = vectors(options.queries, 30, 2)
    queries = list(zip(terms, weights, strict=True))
    expected = None
    for engine, asked in ((Scan, queries[:20]), (Lode, queries), (QdrantEdge, queries), (Lode, queries)):
        scores = measure(engine, base, asked, options.folder)
        if expected is not None and scores is not None:
            worst = max(np.abs(one - other).max() for one, other in zip(expected, scores, strict=True))
            print(f"{'':12} largest difference of a score: {worst:.1e}")
        expected = expected or scores


if __name__ == "__main__":
    main()
