"""The data of a comparison: vectors, queries and their exact nearest neighbours.

A set is a folder with `base.npy`, `queries.npy` and `gt_ids.npy` (the row numbers of each query's nearest vectors). It
is named by its path, or by the name of a folder under `LODE_DATA` (or `../shared/data` beside the checkout). The data is
not part of the project.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

K = 10

# name: (folder, prefix of the answers, queries); every other name is a folder.
KNOWN = {
    "arxiv-30k-titles": ("arxiv-30k", "gt_title", "queries_title.npy"),
}
COSINE = ("arxiv", "cranfield", "medline")


@dataclass
class Set:
    """`base` and `queries` as float32 rows (of length 1 where `metric` is "cosine"), `truth` as rows of row numbers."""

    name: str
    metric: str
    base: np.ndarray
    queries: np.ndarray
    truth: np.ndarray

    @property
    def dim(self):
        return self.base.shape[1]

    def recall(self, found):
        """The share of the true ten among the first ten of each list of row numbers, over the first queries."""
        hits = sum(
            len(set(ids[:K]) & set(truth)) for ids, truth in zip(found, self.truth[:, :K].tolist(), strict=False)
        )
        return hits / (K * len(found))


def load(name, metric=None):
    """Reads a set; `metric` is "l2" or "cosine", and by default what the name tells."""
    folder, answers, queries = KNOWN.get(name, (name, "gt", "queries.npy"))
    path = Path(folder) if os.sep in folder else root() / folder
    if not (path / "base.npy").exists():
        raise FileNotFoundError(f"{name}: no base.npy in {path} (set LODE_DATA to the folder of the sets)")
    metric = metric or ("cosine" if Path(folder).name.startswith(COSINE) else "l2")
    return Set(
        name=Path(name).name,
        metric=metric,
        base=_rows(path / "base.npy", metric),
        queries=_rows(path / queries, metric),
        truth=np.load(path / f"{answers}_ids.npy"),
    )


def root():
    """The folder of the sets."""
    return Path(os.environ.get("LODE_DATA") or Path(__file__).resolve().parents[2] / "../shared/data")


def _rows(path, metric):
    rows = np.ascontiguousarray(np.load(path), dtype=np.float32)
    if metric == "cosine":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
