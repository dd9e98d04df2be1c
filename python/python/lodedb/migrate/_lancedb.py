"""From LanceDB."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lodedb.migrate._arrow import batches_of, dim_of, vector_column
from lodedb.migrate._report import Report
from lodedb.migrate._run import Options, migrate
from lodedb.migrate._source import Batch, Id, Metric, MigrationError, Source, Vector, chosen, metric_of, package

if TYPE_CHECKING:
    from typing_extensions import Unpack

_METRICS: dict[str, Metric] = {"l2": "l2", "cosine": "cosine", "dot": "dot"}


def from_lancedb(
    source: str | os.PathLike[str] | Any,
    to: str | os.PathLike[str] | None = None,
    *,
    tables: Sequence[str] | str | None = None,
    id: str | None = "id",
    vector: str | None = None,
    metric: Metric | None = None,
    **options: Unpack[Options],
) -> Report:
    """Migrates tables of LanceDB, all or those named, to collections of the same names.

    `source` is the folder of a database, or a connection; `to` the Lode file, which for a folder is the folder's name with
    `.lode` unless said otherwise. The column `id` has the ids, or rows are numbered from 0 where it is None; `vector` names
    the column of the vector, which is the only one of lists of floats unless said otherwise. The other columns are fields,
    those with a full-text index searched for words. The metric is the vector index's; of a table without one it is L2, as
    LanceDB has it, unless `metric` says otherwise. Needs the package `lancedb`; `options` are `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError.
    """
    lancedb = package("lancedb", "lancedb")
    connection: Any = source
    if isinstance(source, (str, os.PathLike)):
        folder = Path(source)
        if not folder.is_dir():
            raise MigrationError(f"'{folder}' is no folder of LanceDB")
        to = folder.with_name(f"{folder.name}.lode") if to is None else to
        connection = lancedb.connect(str(folder))
    if to is None:
        raise MigrationError("of a connection it can't be told where to write: give to=")
    names = chosen(_names(connection), tables, "table of LanceDB")
    return migrate([_Table.of(connection.open_table(name), id, vector, metric) for name in names], to, options)


def _names(connection: Any) -> list[str]:
    names: list[str] = []
    token = None
    while True:
        page = connection.list_tables(page_token=token)
        names += page.tables
        token = page.page_token
        if not token:
            return names


class _Table(Source):
    _table: Any
    _id: str | None
    _column: str

    @classmethod
    def of(cls, table: Any, id: str | None, vector: str | None, metric: Metric | None) -> _Table:
        column = vector_column(table.schema, vector, f"the table '{table.name}'")
        indexes = table.list_indices()
        if metric is None:
            metric = _metric(table, [index.name for index in indexes if list(index.columns) == [column]])
        text = [index.columns[0] for index in indexes if index.index_type == "FTS"]
        first = table.search().limit(1).to_arrow()
        vectors = {"vector": Vector(dim_of(first, column), metric)} if first.num_rows else {}
        made = cls(table.name, vectors, text)
        made._table, made._id, made._column = table, id, column
        return made

    def count(self) -> int:
        number: int = self._table.count_rows()
        return number

    def batches(self, size: int) -> Iterator[Batch]:
        return batches_of(self._table.search().to_batches(batch_size=size), self._id, self._column, self.name)

    def nearest(self, name: str, vector: NDArray[np.float32], k: int) -> list[Id] | None:
        if self._id is None:
            return None
        query = self._table.search(vector, vector_column_name=self._column).bypass_vector_index()
        metric = self.vectors["vector"].metric
        found: list[Id] = query.distance_type(metric).select([self._id]).limit(k).to_arrow()[self._id].to_pylist()
        return found


def _metric(table: Any, indexes: list[str]) -> Metric:
    for name in indexes:
        spoken = table.index_stats(name).distance_type
        if spoken is not None:
            return metric_of(spoken, _METRICS, f"the table '{table.name}'")
    return "l2"
