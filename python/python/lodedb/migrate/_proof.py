"""The proof of a migration: counts, records compared, recall against the exact answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodedb import Collection
from lodedb.migrate._source import Id, Metric, MigrationError, Source

Row = dict[str, Any]

# Distances are sums in another order: what differs by less is a tie.
_TIE = 1e-5


def compare(collection: Collection, sample: Mapping[Id, Row]) -> int:
    """Compares records of the source with those that Lode gives back; the number of them."""
    ids = list(sample)
    for id, row in zip(ids, collection.get(ids), strict=True):
        if row is None:
            raise MigrationError(f"'{collection.name}' has no record {id!r}, which the source has")
        for name in sample[id].keys() | row.keys():
            if name != "id" and not _same(sample[id].get(name), row.get(name)):
                raise MigrationError(
                    f"'{collection.name}': record {id!r} has in '{name}' {row.get(name)!r}, not {sample[id].get(name)!r}"
                )
    return len(ids)


def _same(given: Any, kept: Any) -> bool:
    if isinstance(kept, np.ndarray):
        return np.array_equal(np.asarray(given, kept.dtype), kept)
    return bool(_plain(given) == _plain(kept))


def _plain(value: Any) -> Any:
    """A value as Lode gives it back."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    return value


def recall(
    collection: Collection, source: Source, name: str, queries: NDArray[np.float32], k: int, batch: int
) -> tuple[float, bool]:
    """The share of the true `k` nearest that a search finds, and whether the source itself told the true ones."""
    metric = source.vectors[name].metric
    truth = [source.nearest(name, query, k) for query in queries]
    if by_source := all(ids is not None for ids in truth):
        bounds = [_farthest(collection, name, metric, query, ids) for query, ids in zip(queries, truth, strict=True)]
    else:
        bounds = list(_nearest(source, name, metric, queries, k, batch).max(axis=1))
    found = 0
    for query, bound in zip(queries, bounds, strict=True):
        hits = collection.search({name: query}, k=k)
        limit = bound + _TIE * max(1.0, abs(bound))
        # Its own distances, in double precision: a hit that is as near as the farthest of the true ones is true.
        near = distances(metric, query[None, :], np.array([hit.record()[name] for hit in hits]))
        found += int(np.count_nonzero(near <= limit))
    return found / (k * len(queries)), by_source


def _farthest(
    collection: Collection, name: str, metric: Metric, query: NDArray[np.float32], ids: list[Id] | None
) -> float:
    rows = collection.get(ids or [])
    if not rows or None in rows:
        raise MigrationError(f"'{collection.name}' has not all records that the source's exact search finds")
    return float(distances(metric, query[None, :], np.array([row[name] for row in rows if row is not None])).max())


def _nearest(
    source: Source, name: str, metric: Metric, queries: NDArray[np.float32], k: int, batch: int
) -> NDArray[np.float64]:
    """The distances of the `k` nearest of each query, from a pass over the source's vectors."""
    best = np.full((len(queries), k), np.inf)
    for part in source.batches(batch):
        near = distances(metric, queries, part.vectors[name])
        best = np.partition(np.hstack([best, near]), k - 1, axis=1)[:, :k]
    return best


def distances(metric: Metric, queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far rows are from queries, as Lode tells it: an array of (queries, rows)."""
    few, many = queries.astype(np.float64), np.asarray(rows, np.float64)
    products: NDArray[np.float64] = few @ many.T
    if metric == "dot":
        return -products
    few_norms, many_norms = np.linalg.norm(few, axis=1)[:, None], np.linalg.norm(many, axis=1)
    if metric == "l2":
        return np.sqrt(np.maximum(few_norms**2 + many_norms**2 - 2 * products, 0.0))  # type: ignore[no-any-return]
    norms = few_norms * many_norms
    cosines: NDArray[np.float64] = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return 1.0 - cosines
