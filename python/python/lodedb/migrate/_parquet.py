"""From Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lodedb.migrate._arrow import batches_of, dim_of, vector_column
from lodedb.migrate._report import Report
from lodedb.migrate._run import Options, migrate
from lodedb.migrate._source import Batch, Metric, MigrationError, Source, Vector, package

if TYPE_CHECKING:
    from typing_extensions import Unpack


def from_parquet(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    to: str | os.PathLike[str] | None = None,
    *,
    collection: str | None = None,
    id: str | None = "id",
    vector: str | None = None,
    metric: Metric = "cosine",
    **options: Unpack[Options],
) -> Report:
    """Migrates a Parquet file, or several with the same columns, to one collection.

    `to` is the Lode file, and `collection` its collection: by default the name of the (first) file, with `.lode` and without
    `.parquet`. The column `id` has the ids, or rows are numbered from 0 where it is None; `vector` names the column of the
    vector, which is the only one of lists of floats unless said otherwise. The other columns are fields; `text=["title"]`
    names those that are searched for words. A file tells no metric: it is `metric`. Needs the package `pyarrow`; `options`
    are `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError, and OSError where a file can't be read.
    """
    parquet = package("pyarrow.parquet", "pyarrow")
    paths = [Path(source)] if isinstance(source, (str, os.PathLike)) else [Path(path) for path in source]
    if not paths:
        raise MigrationError("there is no file to migrate")
    name = paths[0].name.removesuffix(".parquet")
    table = _Files.of(parquet, paths, collection or name, id, vector, metric)
    return migrate([table], paths[0].with_name(f"{name}.lode") if to is None else to, options)


class _Files(Source):
    _files: list[Any]
    _id: str | None
    _column: str

    @classmethod
    def of(
        cls, parquet: Any, paths: list[Path], name: str, id: str | None, vector: str | None, metric: Metric
    ) -> _Files:
        files = [parquet.ParquetFile(path) for path in paths]
        column = vector_column(files[0].schema_arrow, vector, f"'{paths[0]}'")
        first = next((batch for file in files for batch in file.iter_batches(batch_size=1, columns=[column])), None)
        made = cls(name, {} if first is None else {"vector": Vector(dim_of(first, column), metric)})
        made._files, made._id, made._column = files, id, column
        return made

    def count(self) -> int:
        return sum(file.metadata.num_rows for file in self._files)

    def batches(self, size: int) -> Iterator[Batch]:
        parts = (batch for file in self._files for batch in file.iter_batches(batch_size=size))
        return batches_of(parts, self._id, self._column, self.name)
