"""A migration: reads batches, writes them to a file beside its place, proves that file, and puts it in its place."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

import lodedb
from lodedb import Database, LodeError, Progress
from lodedb._progress import _Line
from lodedb.migrate._proof import Row, compare, recall
from lodedb.migrate._report import CollectionReport, Report
from lodedb.migrate._source import Batch, Id, MigrationError, Source

Fields = dict[str, Any]

# Neighbours that recall is measured for.
_K = 10
# A row has these names for itself, besides those of several vectors.
_RESERVED = ("id", "vector")


class Options(TypedDict, total=False):
    """What every migration takes besides its source.

    `text` names fields to search for words, besides those that the source searches so. `convert` is a function of a
    record's fields to those that are stored, for values that Lode has not, and for names that start with `$`. `progress` is
    called with a `lodedb.Progress` some times a second, while records are read and then while graphs are built; True shows a line on standard error, None (the default) does so in a
    terminal. `batch` (1,000) is how many records are read and written at a time, `sample` (100) how many are compared and
    searched for in the end. `optimize` (True) builds graphs at once.
    """

    text: Iterable[str]
    convert: Callable[[Fields], Fields] | None
    progress: Callable[[Progress], object] | bool | None
    batch: int
    sample: int
    optimize: bool


@dataclass
class _Settings:
    text: Iterable[str] = ()
    convert: Callable[[Fields], Fields] | None = None
    progress: Callable[[Progress], object] | bool | None = None
    batch: int = 1000
    sample: int = 100
    optimize: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1 or self.sample < 1:
            raise lodedb.ArgumentError(f"batch and sample are 1 or more, not {self.batch} and {self.sample}")


def migrate(sources: Sequence[Source], to: str | os.PathLike[str], options: Mapping[str, Any]) -> Report:
    """Writes `sources` to a new Lode file at `to`, and proves it."""
    settings = _Settings(**options)
    start = time.perf_counter()
    with _new_file(Path(to)) as path, _shown(settings.progress) as progress:
        with lodedb.open(path, durability="none", maintenance="manual") as db:
            reports = [_Migration(db, source, settings, progress).run() for source in sources]
            db.checkpoint()
    return Report(os.fspath(to), reports, time.perf_counter() - start)


@contextmanager
def _new_file(to: Path) -> Iterator[Path]:
    """A path to write to, which becomes `to` in the end, and is removed where an error comes before that."""
    if to.exists():
        raise FileExistsError(f"'{to}' exists: a migration writes a new file")
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        _synced(part)
        _named(part, to)
        _synced(to.parent)
    finally:
        part.unlink(missing_ok=True)


def _named(part: Path, to: Path) -> None:
    try:
        # Unlike a renaming, a link does not replace what has come there meanwhile.
        os.link(part, to)
    except FileExistsError:
        raise
    except OSError:  # A file system without links.
        part.rename(to)


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _shown(wanted: Callable[[Progress], object] | bool | None) -> Iterator[Callable[[Progress], object]]:
    """What to call with the progress, some times a second."""
    line = _Line()
    show = wanted if callable(wanted) else line
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        show = _nothing
    shown = 0.0

    def tell(progress: Progress) -> None:
        nonlocal shown
        if time.monotonic() - shown > 0.1 or progress.done == progress.total:
            shown = time.monotonic()
            show(progress)

    try:
        yield tell
    finally:
        line.close()


def _nothing(progress: Progress) -> None:
    pass


@dataclass
class _Migration:
    """One collection."""

    db: Database
    source: Source
    settings: _Settings
    progress: Callable[[Progress], object]
    renamed: dict[str, str] = field(default_factory=dict)

    def run(self) -> CollectionReport:
        source, total = self.source, self.source.count()
        sample = self._write(total)
        compared, found, truth = 0, {}, True
        if sample:
            collection = self.db[source.name]
            if len(collection) != total:
                raise MigrationError(f"'{source.name}' has {len(collection)} records, the source counts {total}")
            if self.settings.optimize:
                collection.optimize(progress=self.progress)
            compared = compare(collection, sample)
            k = min(_K, total)
            for name in source.vectors:
                queries = np.array([row[name] for row in sample.values()], np.float32)
                found[name], by_source = recall(collection, source, name, queries, k, self.settings.batch)
                truth = truth and by_source
        return CollectionReport(
            name=source.name,
            records=total,
            compared=compared,
            recall=found,
            k=min(_K, total),
            queries=compared,
            truth="source" if sample and truth else "numpy",
            renamed=self.renamed,
            left_out=tuple(source.left_out),
        )

    def _write(self, total: int) -> dict[Id, Row]:
        """Writes all records, and gives a sample of them as they were read."""
        source, settings = self.source, self.settings
        if total == 0:
            return {}
        text = [*dict.fromkeys([*source.text, *settings.text])]
        vectors: dict[str, Any] = {
            name: {"dim": each.dim, "metric": each.metric} for name, each in source.vectors.items()
        }
        collection = self.db.collection(source.name, vectors=vectors, text=text)
        kept: list[Row] = []
        chance = random.Random(total)
        done = 0
        for batch in source.batches(settings.batch):
            rows = self._rows(batch)
            try:
                collection.insert(rows)
            except (LodeError, TypeError, ValueError) as error:
                raise MigrationError(f"'{source.name}', record {done + 1} to {done + len(rows)}: {error}") from error
            for row in rows:
                _keep(kept, row, done, settings.sample, chance)
                done += 1
            self.progress(Progress(source.name, done, total))
        return {row["id"]: row for row in kept}

    def _rows(self, batch: Batch) -> list[Row]:
        convert = self.settings.convert or dict
        rows = []
        for at, id in enumerate(batch.ids):
            row = self._fitted(convert(dict(batch.fields[at])))
            row["id"] = id
            for name, vectors in batch.vectors.items():
                row[name] = vectors[at]
            rows.append(row)
        return rows

    def _fitted(self, fields: Fields) -> Fields:
        """The fields under names that Lode has: dots become maps, reserved names get a `_` behind."""
        fitted: Fields = {}
        for name, value in fields.items():
            if name in _RESERVED or name in self.source.vectors:
                self.renamed[name] = name = _free(name, fields)
            *path, last = name.split(".")
            place = fitted
            for step in path:
                place = place.setdefault(step, {})
                if not isinstance(place, dict):
                    break
            if not isinstance(place, dict) or last in place:
                raise MigrationError(f"'{self.source.name}': the field '{name}' is one more of that name: use convert=")
            place[last] = value
        return fitted


def _free(name: str, taken: Fields) -> str:
    while name in taken:
        name = f"{name}_"
    return name


def _keep(kept: list[Row], row: Row, seen: int, size: int, chance: random.Random) -> None:
    """Keeps each of all rows with the same chance, `size` of them (Vitter's algorithm R)."""
    if seen < size:
        kept.append(row)
    elif (place := chance.randint(0, seen)) < size:
        kept[place] = row
