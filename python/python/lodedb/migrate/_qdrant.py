"""From Qdrant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lodedb.migrate._report import Report
from lodedb.migrate._run import Options, migrate
from lodedb.migrate._source import Batch, Id, Metric, MigrationError, Source, Vector, chosen, metric_of, package

if TYPE_CHECKING:
    from typing_extensions import Unpack

_METRICS: dict[str, Metric] = {"Cosine": "cosine", "Dot": "dot", "Euclid": "l2"}


def from_qdrant(
    source: str | os.PathLike[str] | Any,
    to: str | os.PathLike[str] | None = None,
    *,
    collections: Sequence[str] | str | None = None,
    ids_as_text: bool = False,
    **options: Unpack[Options],
) -> Report:
    """Migrates collections of Qdrant, all or those named, to collections of the same names.

    `source` is the folder of a local client, or a `QdrantClient`, local or of a server; `to` the Lode file, which for a
    folder is the folder's name with `.lode` unless said otherwise. The payload becomes the fields, those with a text index
    searched for words, and named vectors keep their names; each point needs all of them. Sparse vectors are left out, as
    the report says. Ids are numbers or UUIDs, of one kind unless `ids_as_text` makes all of them texts. What is written to a
    server meanwhile may be missing, and fails the count. Needs the package `qdrant-client`; `options` are
    `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError.
    """
    qdrant = package("qdrant_client", "qdrant-client")
    client: Any = source
    owned = isinstance(source, (str, os.PathLike))
    if isinstance(source, (str, os.PathLike)):
        folder = Path(source)
        if not (folder / "meta.json").exists():
            raise MigrationError(f"'{folder}' is no folder of Qdrant: there is no meta.json in it")
        to = folder.with_name(f"{folder.name}.lode") if to is None else to
        client = qdrant.QdrantClient(path=str(folder))
    if to is None:
        raise MigrationError("of a client it can't be told where to write: give to=")
    try:
        there = sorted(collection.name for collection in client.get_collections().collections)
        names = chosen(there, collections, "collection of Qdrant")
        # A local client is exact anyhow, and warns of being asked.
        exact = None if owned else qdrant.models.SearchParams(exact=True)
        return migrate([_Collection.of(client, name, exact, ids_as_text) for name in names], to, options)
    finally:
        if owned:
            client.close()


class _Collection(Source):
    _client: Any
    _exact: Any
    _ids_as_text: bool
    # Without a name, the one vector of a collection has none in Qdrant.
    _unnamed: bool

    @classmethod
    def of(cls, client: Any, name: str, exact: Any, ids_as_text: bool) -> _Collection:
        info = client.get_collection(name)
        params = info.config.params
        unnamed = not isinstance(params.vectors, dict)
        given = {"vector": params.vectors} if unnamed else params.vectors
        if not given:
            raise MigrationError(f"the collection '{name}' has no dense vector")
        vectors = {vector: _vector(name, each) for vector, each in given.items()}
        schema = info.payload_schema or {}
        text = [field for field, each in schema.items() if str(getattr(each.data_type, "value", "")) == "text"]
        left_out = [f"the sparse vector '{sparse}'" for sparse in params.sparse_vectors or {}]
        made = cls(name, vectors, text, left_out)
        made._client, made._exact, made._ids_as_text, made._unnamed = client, exact, ids_as_text, unnamed
        return made

    def count(self) -> int:
        number: int = self._client.count(self.name, exact=True).count
        return number

    def batches(self, size: int) -> Iterator[Batch]:
        offset = None
        wanted = True if self._unnamed else list(self.vectors)
        while True:
            points, offset = self._client.scroll(
                self.name, limit=size, offset=offset, with_payload=True, with_vectors=wanted
            )
            if points:
                yield Batch(
                    [self._id(point.id) for point in points], self._arrays(points), [p.payload or {} for p in points]
                )
            if offset is None:
                return

    def _arrays(self, points: Any) -> dict[str, NDArray[np.float32]]:
        if self._unnamed:
            return {"vector": np.array([point.vector for point in points], np.float32)}
        for point in points:
            if missing := self.vectors.keys() - (point.vector or {}).keys():
                raise MigrationError(
                    f"'{self.name}': the point {point.id} has no vector '{missing.pop()}'; Lode wants all"
                )
        return {name: np.array([point.vector[name] for point in points], np.float32) for name in self.vectors}

    def _id(self, id: Id) -> Id:
        return str(id) if self._ids_as_text else id

    def nearest(self, name: str, vector: NDArray[np.float32], k: int) -> list[Id] | None:
        using = None if self._unnamed else name
        found = self._client.query_points(
            self.name, query=vector.tolist(), using=using, limit=k, search_params=self._exact, with_payload=False
        )
        return [self._id(point.id) for point in found.points]


def _vector(collection: str, params: Any) -> Vector:
    if params.multivector_config is not None:
        raise MigrationError(f"the collection '{collection}' has several vectors in one, which Lode has not")
    return Vector(params.size, metric_of(params.distance.value, _METRICS, f"the collection '{collection}'"))
