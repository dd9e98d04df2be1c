"""What the adapters for frameworks share: a handle on a file, a collection made with its first record, plain words."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal

import lodedb
from lodedb import ArgumentError, Collection, Database, FilterError, LockedError

Path = str | PathLike[str] | Database
Durability = Literal["full", "batched", "none"]
Metric = Literal["cosine", "dot", "l2"]
Where = Mapping[str, Any] | str | lodedb.Condition

# Passes no record.
NOTHING: dict[str, Any] = {"$or": []}


def require(framework: str, package: str, extra: str) -> None:
    """An error that says what to install where the module of a framework is not there."""
    try:
        importlib.import_module(framework)
    except ModuleNotFoundError as error:
        # Of a part that is missing, it tells better itself.
        if error.name is None or not f"{framework}.".startswith(f"{error.name}."):
            raise
        raise ImportError(
            f"lodedb.{extra.replace('-', '_')} needs the package '{package}': "
            f"pip install {package}, or pip install 'lodedb[{extra}]'"
        ) from error


class _File:
    """A database that closes when the last store lets go of it."""

    def __init__(self, database: Database, durability: Durability) -> None:
        self.database = database
        self.durability = durability
        weakref.finalize(self, _close, database, os.getpid())


def _close(database: Database, process: int) -> None:
    # A forked child has the object but not the file.
    if os.getpid() == process:
        with contextlib.suppress(lodedb.ClosedError):
            database.close()


_files: weakref.WeakValueDictionary[tuple[int, str, bool], _File] = weakref.WeakValueDictionary()
_files_lock = threading.Lock()


def _file(path: str | PathLike[str], read_only: bool, durability: Durability) -> _File:
    """The file at `path`, which stores of one process share, because one handle writes to a file."""
    name = os.fspath(path)
    if name == ":memory:":
        if read_only:
            raise ArgumentError("a database in memory begins empty: it can't be read_only")
        return _File(lodedb.open(name), durability)
    key = (os.getpid(), os.path.realpath(name), read_only)
    with _files_lock:
        file = _files.get(key)
        if file is None:
            try:
                file = _File(lodedb.open(name, read_only=read_only, durability=durability), durability)
            except LockedError as error:
                raise LockedError(f"{error}; where this program has it open, give that database as the path") from error
            _files[key] = file
        if file.durability != durability:
            raise ArgumentError(
                f"another store has '{name}' open with durability '{file.durability}', not '{durability}'"
            )
        return file


@dataclass
class Setting:
    """How a collection is made, and its file opened."""

    text_field: str
    metric: Metric | None = None
    language: str | None = None
    unindexed: Iterable[str] = ()
    read_only: bool = False
    durability: Durability = "full"
    options: Mapping[str, Any] = field(default_factory=dict)


class Records:
    """A collection that is made when its first record tells the number of dimensions, and is empty before.

    A field that no record has is missing here, not an error: frameworks know no fields.
    """

    def __init__(self, path: Path, name: str, setting: Setting) -> None:
        self.name = name
        self._setting = setting
        if isinstance(path, Database):
            if setting.read_only or setting.durability != "full":
                raise ArgumentError(
                    "read_only and durability are of a file that is opened; this database is open already"
                )
            self._file: _File | None = None
            self._database: Database | None = path
        else:
            self._file = _file(path, setting.read_only, setting.durability)
            self._database = self._file.database
        self._collection: Collection | None = None

    @property
    def database(self) -> Database:
        if self._database is None:
            raise lodedb.ClosedError(f"the store of the collection '{self.name}' was closed")
        return self._database

    @property
    def collection(self) -> Collection | None:
        """The collection, or None where there is none yet."""
        if self._collection is None and self.name in self.database:
            self._collection = self._checked(self.database[self.name])
        return self._collection

    def _checked(self, collection: Collection) -> Collection:
        """The collection that there is, compared with what was asked for."""
        setting, found = self._setting, metric_of(collection)
        if setting.metric not in (None, found):
            raise lodedb.SchemaError(f"the collection '{self.name}' has the metric '{found}', not '{setting.metric}'")
        wanted = dict(setting.options)
        if setting.language is not None:
            wanted["text"] = {setting.text_field: setting.language}
        if not wanted:
            return collection
        metric: Any = found
        return self.database.collection(self.name, dim_of(collection), metric=metric, **wanted)

    def made(self, dim: int) -> Collection:
        """The collection, created for vectors of `dim` dimensions where there is none."""
        if self.collection is None:
            setting = self._setting
            self._collection = self.database.collection(
                self.name,
                dim,
                metric=setting.metric,
                text={setting.text_field: setting.language or "english"},
                unindexed=setting.unindexed,
                **setting.options,
            )
        assert self._collection is not None
        return self._collection

    @property
    def metric(self) -> str:
        """The metric of the collection, or the one that it will have."""
        collection = self.collection
        return metric_of(collection) if collection is not None else self._setting.metric or "cosine"

    def search(self, vector: Any, k: int, where: Where | None, **options: Any) -> list[lodedb.Hit]:
        """As `Collection.search`; nothing where there is no collection yet, or `k` is 0."""
        collection = self.collection
        if collection is None or k == 0:
            return []
        return list(collection.search(vector, k=k, where=where, allow_unknown_fields=True, **options))

    def scan(self, where: Where | None = None, **options: Any) -> Iterable[dict[str, Any]]:
        collection = self.collection
        return () if collection is None else collection.scan(where=where, allow_unknown_fields=True, **options)

    def get(self, ids: Iterable[str]) -> list[dict[str, Any]]:
        """The records that there are of these, in this order."""
        collection = self.collection
        rows = [] if collection is None else collection.get(list(ids))
        return [row for row in rows if row is not None]

    def count(self, where: Where | None = None) -> int:
        collection = self.collection
        if collection is None:
            return 0
        try:
            return collection.count(where)
        except FilterError:
            # What is wrong, if it is more than a field that no record has, is wrong for a scan too.
            return sum(1 for _ in self.scan(where))

    def delete(self, ids: Iterable[str]) -> int:
        collection = self.collection
        return 0 if collection is None else collection.delete(list(ids))

    def delete_where(self, where: Where) -> int:
        collection = self.collection
        if collection is None:
            return 0
        try:
            return collection.delete(where=where)
        except FilterError:
            return self.delete([row["id"] for row in self.scan(where)])

    def values(self, path: str) -> list[str]:
        """The different texts of a field, for conditions that only its values can answer."""
        collection = self.collection
        try:
            found = {} if collection is None else collection.facets(path)
        except FilterError:  # No record has it.
            return []
        return [value for value in found if isinstance(value, str)]

    def drop(self) -> None:
        """Deletes the collection, which the next record makes anew."""
        self.database.drop(self.name)
        self._collection = None

    def close(self) -> None:
        """Lets go of the file, which closes with the last store that has it open."""
        self._collection = self._database = self._file = None

    def __repr__(self) -> str:
        return repr(self.collection) if self.collection is not None else f"Collection({self.name!r}, not made yet)"


def metric_of(collection: Collection) -> str:
    """The metric of the collection's vectors, which its representation tells."""
    found = re.search(r"'?metric'?[=:] ?'(\w+)'", repr(collection))
    if found is None:
        raise lodedb.SchemaError(f"the collection '{collection.name}' has no vector with a metric")
    return found[1]


def dim_of(collection: Collection) -> int:
    """The dimensions of the collection's vector, which its representation tells."""
    found = re.search(r"dim=(\d+)", repr(collection))
    if found is None:
        raise lodedb.SchemaError(f"the collection '{collection.name}' has several vectors; a store needs one")
    return int(found[1])


def plain_words(text: str) -> str:
    """`text` without the signs that would be operators of a search: a question is words, whatever it is typed with."""
    words = re.sub(r'["~^*:()\\]', " ", text).split()
    words = [word.lower() if word in ("AND", "OR", "NOT") else word.lstrip("+-") for word in words]
    return " ".join(word for word in words if word)


def containing(values: Iterable[str], part: str, *, fold: bool = False) -> dict[str, Any]:
    """The condition of having one of those of `values` that `part` is in; `fold` makes no difference of capitals."""
    if fold:
        part = part.casefold()
    return {"$in": [value for value in values if part in (value.casefold() if fold else value)]}


def alike(values: Iterable[str], pattern: str, *, fold: bool = False) -> dict[str, Any]:
    """As `containing`, for a pattern of SQL: `%` is any text, `_` any character, and `\\` stands before either itself."""
    parts = re.findall(r"\\.|.", pattern, flags=re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    matches = re.compile(expression, re.DOTALL | (re.IGNORECASE if fold else 0)).fullmatch
    return {"$in": [value for value in values if matches(value)]}
