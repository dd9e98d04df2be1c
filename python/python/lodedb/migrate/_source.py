"""What a migration reads: collections of another store, in batches."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lodedb import LodeError

Metric = Literal["cosine", "dot", "l2"]
Id = str | int


class MigrationError(LodeError):
    """A migration that can't be done, or whose result is not what the source has; no file is left."""


MigrationError.__module__ = "lodedb.migrate"


@dataclass
class Batch:
    """Records of a source: ids, an array of a row each for every vector, and fields."""

    ids: Sequence[Id]
    vectors: Mapping[str, NDArray[np.float32]]
    fields: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Vector:
    """A vector of a collection: its dimensions, and how it is compared."""

    dim: int
    metric: Metric


@dataclass
class Source(ABC):
    """A collection of another store.

    `vectors` are its vectors by their names in Lode, "vector" where there is one; none where the collection is empty.
    `text` are the fields that it searches for words; `left_out` tells what it has that is not migrated.
    """

    name: str
    vectors: dict[str, Vector]
    text: Sequence[str] = ()
    left_out: Sequence[str] = field(default_factory=tuple)

    @abstractmethod
    def count(self) -> int:
        """Number of records, as the source counts them."""

    @abstractmethod
    def batches(self, size: int) -> Iterator[Batch]:
        """All records, at most `size` at a time; the same each time it is called."""

    def nearest(self, name: str, vector: NDArray[np.float32], k: int) -> list[Id] | None:
        """The ids of the `k` nearest by the source's own exact search, or None where it has none."""
        return None


def package(module: str, name: str) -> Any:
    """The package that reads the source, which has to be installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise ImportError(f"this migration needs the package '{name}': pip install {name}") from error


def metric_of(spoken: str, names: Mapping[str, Metric], where: str) -> Metric:
    """Lode's name of a metric that the source calls `spoken`."""
    metric = names.get(spoken)
    if metric is None:
        raise MigrationError(f"{where} has the metric '{spoken}', which Lode has not; there are {', '.join(names)}")
    return metric


def chosen(there: Sequence[str], wanted: Sequence[str] | str | None, what: str) -> list[str]:
    """The names that are wanted, all without any; an error for one that is not there, and where there is none."""
    if wanted is None:
        if not there:
            raise MigrationError(f"there is no {what} to migrate")
        return list(there)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in there:
            raise MigrationError(f"there is no {what} '{name}'; there are {', '.join(there) or 'none'}")
    return names
