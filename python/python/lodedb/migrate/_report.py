"""What a migration did, and what proves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CollectionReport:
    """One collection: `records` were read, counted by the source and found in the file; `compared` of them whole.

    `recall` is, for each vector, the share of the true `k` nearest that Lode's search finds, over `queries` of the records.
    `truth` says what the true ones are from: "source", its own exact search, or "numpy", scoring all its vectors.
    `renamed` are fields that have another name in Lode; `left_out` says what was not migrated.
    """

    name: str
    records: int
    compared: int
    recall: Mapping[str, float]
    k: int
    queries: int
    truth: Literal["source", "numpy"]
    renamed: Mapping[str, str]
    left_out: Sequence[str]

    def __str__(self) -> str:
        several = len(self.recall) > 1
        recall = ", ".join(f"{value:.3f}" + (f" ({name})" if several else "") for name, value in self.recall.items())
        parts = [f"{self.name}: {self.records:_} records, {self.compared} compared and equal"]
        if recall:
            by = "the source's exact search" if self.truth == "source" else "scoring every vector"
            parts.append(f"recall@{self.k} {recall} of {self.queries} queries against {by}")
        parts += [f"field '{old}' is '{new}'" for old, new in self.renamed.items()]
        parts += [f"left out: {what}" for what in self.left_out]
        return "; ".join(parts)


@dataclass(frozen=True)
class Report:
    """What a migration wrote to `path`, by collection, and the seconds that it took. Printed, it is a line each."""

    path: str
    collections: Sequence[CollectionReport]
    seconds: float

    @property
    def records(self) -> int:
        """Number of records in all collections."""
        return sum(collection.records for collection in self.collections)

    def __str__(self) -> str:
        return "\n".join([f"{self.path}: {self.seconds:.1f} s", *(f"  {each}" for each in self.collections)])


for _class in (CollectionReport, Report):
    _class.__module__ = "lodedb.migrate"
del _class
