"""Tables of Arrow as records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodedb.migrate._source import Batch, MigrationError


def vector_column(schema: Any, wanted: str | None, where: str) -> str:
    """The column of the vector: the one that is named, or the only one of lists of floats."""
    if wanted is not None:
        if wanted not in schema.names:
            raise MigrationError(f"{where} has no column '{wanted}'; there are {', '.join(schema.names)}")
        return wanted
    lists: list[str] = [field.name for field in schema if _is_vector(field.type)]
    if len(lists) != 1:
        raise MigrationError(f"{where} has {len(lists)} columns of lists of floats ({', '.join(lists)}): give vector=")
    return lists[0]


def _is_vector(type: Any) -> bool:
    """Lists of floats, of a fixed size or not; their type says it, so that Arrow need not be imported here."""
    is_list = str(type).startswith(("fixed_size_list", "list", "large_list"))
    return is_list and str(type.value_type) in ("float", "double", "halffloat")


def dim_of(table: Any, column: str) -> int:
    """The number of dimensions, from the first row."""
    first = table[column][0].as_py()
    if first is None:
        raise MigrationError(f"the column '{column}' has no vector in the first row")
    return len(first)


def batches_of(tables: Iterable[Any], id: str | None, vector: str, where: str) -> Iterator[Batch]:
    """Batches of records of Arrow; rows are numbered from 0 where `id` is None."""
    start = 0
    for table in tables:
        if not table.num_rows:
            continue
        names = table.schema.names
        if id is not None and id not in names:
            raise MigrationError(f"'{where}' has no column '{id}' of ids; there are {', '.join(names)}: give id=")
        ids = range(start, start + table.num_rows) if id is None else table.column(id).to_pylist()
        fields = table.select([name for name in names if name not in (id, vector)]).to_pylist()
        # A table without columns has no rows either.
        yield Batch(ids, {"vector": array_of(table.column(vector), where)}, fields or [{}] * table.num_rows)
        start += table.num_rows


def array_of(column: Any, where: str) -> NDArray[np.float32]:
    """A column of lists as rows."""
    if column.null_count:
        raise MigrationError(f"'{where}': {column.null_count} rows have no vector; Lode wants one in each record")
    values = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    flat = values.flatten().to_numpy(zero_copy_only=False)
    if len(flat) % len(values):
        raise MigrationError(f"'{where}': vectors are not of the same length")
    return np.asarray(flat, np.float32).reshape(len(values), -1)
