"""From sqlite-vec."""

from __future__ import annotations

import importlib
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lodedb.migrate._report import Report
from lodedb.migrate._run import Options, migrate
from lodedb.migrate._source import Batch, Id, Metric, MigrationError, Source, Vector, chosen, metric_of, package

if TYPE_CHECKING:
    from typing_extensions import Unpack

_METRICS: dict[str, Metric] = {"l2": "l2", "cosine": "cosine"}
_TYPES: dict[str, Any] = {"float": np.float32, "f32": np.float32, "int8": np.int8, "i8": np.int8}
_VECTOR = re.compile(r"""["'`\[]?(\w+)["'`\]]?\s+(float|f32|int8|i8|bit)\s*\[\s*(\d+)\s*\](.*)""", re.I | re.S)
_METRIC = re.compile(r"distance_metric\s*=\s*(\w+)", re.I)


def from_sqlite_vec(
    source: str | os.PathLike[str] | Any,
    to: str | os.PathLike[str] | None = None,
    *,
    tables: Sequence[str] | str | None = None,
    fields: str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Migrates virtual tables of sqlite-vec (`vec0`), all or those named, to collections of the same names.

    `source` is the file of a database, or a connection that has the extension loaded; `to` the Lode file, which for a file is
    its name with `.lode` unless said otherwise. The primary key is the id; metadata, auxiliary and partition columns are
    fields, and so are those of the table `fields` in the row whose `rowid` is the id. Several vectors keep their names. Needs
    the package `sqlite-vec`, and a Python that loads extensions of SQLite, or the package `pysqlite3`; `options` are
    `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError.
    """
    given: Any = source
    owned = isinstance(source, (str, os.PathLike))
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise MigrationError(f"'{path}' is no file of SQLite")
        to = path.with_name(f"{path.stem}.lode") if to is None else to
        given = _opened(path)
    if to is None:
        raise MigrationError("of a connection it can't be told where to write: give to=")
    with closing(given) if owned else nullcontext(given) as connection:
        declared = _declared(connection)
        names = chosen(list(declared), tables, "table of sqlite-vec")
        return migrate([_Table.of(connection, name, declared[name], fields) for name in names], to, options)


def _opened(path: Path) -> Any:
    extension = package("sqlite_vec", "sqlite-vec")
    module: Any = sqlite3
    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        try:
            module = importlib.import_module("pysqlite3")
        except ModuleNotFoundError:
            raise ImportError(
                "this Python does not load extensions of SQLite: pip install pysqlite3-binary, or give a connection"
            ) from None
    connection = module.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.enable_load_extension(True)
    extension.load(connection)
    connection.enable_load_extension(False)
    return connection


def _declared(connection: Any) -> dict[str, str]:
    """What stands in the parentheses of each declaration of a `vec0` table."""
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL")
    found = {}
    for name, sql in tables.fetchall():
        if match := re.search(r"USING\s+vec0\s*\((.*)\)\s*;?\s*$", sql, re.I | re.S):
            found[name] = match[1]
    return found


class _Table(Source):
    _connection: Any
    _types: dict[str, Any]
    _key: str
    _columns: list[str]
    _beside: str | None

    @classmethod
    def of(cls, connection: Any, name: str, declaration: str, beside: str | None) -> _Table:
        vectors: dict[str, Vector] = {}
        types: dict[str, Any] = {}
        for part in _parts(declaration):
            if match := _VECTOR.match(part):
                column, kind, dim, rest = match.groups()
                vectors[column], types[column] = _vector(name, column, int(dim), rest), _TYPES.get(kind.lower())
                if types[column] is None:
                    raise MigrationError(f"the table '{name}' has bits in '{column}', which are not migrated")
        columns = connection.execute(f"PRAGMA table_xinfo({_quoted(name)})").fetchall()
        # Hidden columns are the distance and arguments of a search.
        visible = [column for column in columns if not column[6]]
        made = cls(name, vectors)
        made._connection, made._types, made._beside = connection, types, beside
        made._key = next((column[1] for column in visible if column[5]), "rowid")
        made._columns = [column[1] for column in visible if column[1] not in (*vectors, made._key)]
        return made._single() if len(vectors) == 1 else made

    def _single(self) -> _Table:
        """With its one vector called `vector`."""
        (self._named,) = self.vectors
        self.vectors = {"vector": self.vectors[self._named]}
        self._types = {self._named: self._types[self._named]}
        return self

    _named: str | None = None

    def count(self) -> int:
        number: int = self._connection.execute(f"SELECT count(*) FROM {_quoted(self.name)}").fetchone()[0]
        return number

    def batches(self, size: int) -> Iterator[Batch]:
        selected = ", ".join(map(_quoted, [self._key, *self._types, *self._columns]))
        cursor = self._connection.execute(f"SELECT {selected} FROM {_quoted(self.name)}")
        width = 1 + len(self._types)
        while rows := cursor.fetchmany(size):
            vectors = {
                self._named and "vector" or name: np.stack([np.frombuffer(row[at], type) for row in rows]).astype(
                    np.float32
                )
                for at, (name, type) in enumerate(self._types.items(), 1)
            }
            fields = [dict(zip(self._columns, row[width:], strict=True)) for row in rows]
            ids = [row[0] for row in rows]
            yield Batch(ids, vectors, self._joined(ids, fields))

    def _joined(self, ids: list[Id], fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """With the columns of the rows of the other table that have these ids."""
        if self._beside is None:
            return fields
        query = f"SELECT * FROM {_quoted(self._beside)} WHERE rowid = ?"
        for id, own in zip(ids, fields, strict=True):
            cursor = self._connection.execute(query, (id,))
            row = cursor.fetchone()
            if row is None:
                raise MigrationError(f"the table '{self._beside}' has no row {id!r}, which '{self.name}' has")
            names = [column[0] for column in cursor.description]
            own |= {name: value for name, value in zip(names, row, strict=True) if name != self._key}
        return fields

    def nearest(self, name: str, vector: NDArray[np.float32], k: int) -> list[Id] | None:
        column = self._named or name
        if self._types[column] is not np.float32:
            return None
        query = f"SELECT {_quoted(self._key)} FROM {_quoted(self.name)} WHERE {_quoted(column)} MATCH ? AND k = ?"
        return [row[0] for row in self._connection.execute(query, (vector.tobytes(), k)).fetchall()]


def _vector(table: str, column: str, dim: int, rest: str) -> Vector:
    spoken = _METRIC.search(rest)
    where = f"the table '{table}'"
    return Vector(dim, metric_of(spoken[1].lower() if spoken else "l2", _METRICS, where))


def _parts(declaration: str) -> list[str]:
    """The declarations of columns: what stands between commas that are in no bracket."""
    return [part.strip() for part in re.split(r",(?![^\[(]*[\])])", declaration)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
