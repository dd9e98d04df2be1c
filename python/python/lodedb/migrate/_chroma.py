"""From Chroma."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lodedb.migrate._report import Report
from lodedb.migrate._run import Options, migrate
from lodedb.migrate._source import Batch, Metric, MigrationError, Source, Vector, chosen, metric_of, package

if TYPE_CHECKING:
    from typing_extensions import Unpack

_METRICS: dict[str, Metric] = {"l2": "l2", "cosine": "cosine", "ip": "dot"}


def from_chroma(
    source: str | os.PathLike[str] | Any,
    to: str | os.PathLike[str] | None = None,
    *,
    collections: Sequence[str] | str | None = None,
    **options: Unpack[Options],
) -> Report:
    """Migrates collections of Chroma, all or those named, to collections of the same names.

    `source` is the folder of a persistent client, or a client; `to` the Lode file, which for a folder is the folder's name
    with `.lode` unless said otherwise. The document of a record becomes the field `document`, searched for words, its URI
    `uri`, and its metadata the other fields. Needs the package `chromadb`; `options` are `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError.
    """
    chromadb = package("chromadb", "chromadb")
    client: Any = source
    if isinstance(source, (str, os.PathLike)):
        folder = Path(source)
        if not (folder / "chroma.sqlite3").exists():
            raise MigrationError(f"'{folder}' is no folder of Chroma: there is no chroma.sqlite3 in it")
        to = folder.with_name(f"{folder.name}.lode") if to is None else to
        client = chromadb.PersistentClient(str(folder))
    if to is None:
        raise MigrationError("of a client it can't be told where to write: give to=")
    names = chosen([collection.name for collection in client.list_collections()], collections, "collection of Chroma")
    return migrate([_Collection.of(client.get_collection(name)) for name in names], to, options)


class _Collection(Source):
    _collection: Any

    @classmethod
    def of(cls, collection: Any) -> _Collection:
        name, first = collection.name, collection.get(limit=1, include=["embeddings"])["embeddings"]
        configuration = collection.configuration_json
        index = configuration.get("hnsw") or configuration.get("spann") or {}
        metric = metric_of(index.get("space") or "l2", _METRICS, f"the collection '{name}'")
        vectors = {"vector": Vector(len(first[0]), metric)} if len(first) else {}
        made = cls(name, vectors, text=["document"])
        made._collection = collection
        return made

    def count(self) -> int:
        number: int = self._collection.count()
        return number

    def batches(self, size: int) -> Iterator[Batch]:
        include = ["embeddings", "documents", "metadatas", "uris"]
        for offset in range(0, self.count(), size):
            page = self._collection.get(limit=size, offset=offset, include=include)
            rows = zip(page["metadatas"], page["documents"], page["uris"], strict=True)
            fields = [_fields(*row) for row in rows]
            yield Batch(page["ids"], {"vector": np.asarray(page["embeddings"], np.float32)}, fields)


def _fields(metadata: Any, document: str | None, uri: str | None) -> dict[str, Any]:
    own = {"document": document, "uri": uri}
    return {**(metadata or {}), **{name: value for name, value in own.items() if value is not None}}
