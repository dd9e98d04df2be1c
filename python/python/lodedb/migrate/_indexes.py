"""From indexes in memory, which have vectors and numbers: FAISS and hnswlib."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lodedb.migrate._report import Report
from lodedb.migrate._run import Options, migrate
from lodedb.migrate._source import Batch, Id, Metric, MigrationError, Source, Vector, metric_of, package

if TYPE_CHECKING:
    from typing_extensions import Unpack

Ids = Sequence[Id] | Mapping[int, Id] | NDArray[Any]
FieldsOf = Sequence[Mapping[str, Any]] | Mapping[int, Mapping[str, Any]]


def from_faiss(
    index: Any,
    ids: Ids | None = None,
    fields: FieldsOf | None = None,
    *,
    to: str | os.PathLike[str],
    collection: str = "records",
    metric: Metric | None = None,
    **options: Unpack[Options],
) -> Report:
    """Migrates an index of FAISS: an object, or the path of a file that `faiss.write_index` wrote.

    What the index calls 3 gets the id `ids[3]`, or 3 where there are none, and the fields `fields[3]`: each a list, or a
    dict by number. The metric is the index's; `metric="cosine"` is for unit vectors compared by inner product. Vectors are
    as the index keeps them, which is not exactly where it keeps codes. Needs the package `faiss-cpu`, or another of FAISS;
    `options` are `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError.
    """
    faiss = package("faiss", "faiss-cpu")
    opened = faiss.read_index(os.fspath(index)) if isinstance(index, (str, os.PathLike)) else index
    with _Faiss(faiss, opened) as read:
        names: dict[str, Metric] = {str(faiss.METRIC_L2): "l2", str(faiss.METRIC_INNER_PRODUCT): "dot"}
        own = metric_of(str(opened.metric_type), names, "the index")
        source = _Numbered.of(collection, Vector(opened.d, metric or own), read.labels, read.vectors, ids, fields)
        if read.exact and metric in (None, own):
            source.search = read.search
        return migrate([source], to, options)


def from_hnswlib(
    index: Any,
    ids: Ids | None = None,
    fields: FieldsOf | None = None,
    *,
    to: str | os.PathLike[str],
    collection: str = "records",
    **options: Unpack[Options],
) -> Report:
    """Migrates an `hnswlib.Index`, without the elements that are marked deleted.

    The element with the label 3 gets the id `ids[3]`, or 3 where there are none, and the fields `fields[3]`: each a list,
    or a dict by label. Vectors are as the index keeps them: of length 1 where its space is cosine. Needs the package
    `hnswlib`; `options` are `lodedb.migrate.Options`.

    Raises MigrationError, FileExistsError, ImportError.
    """
    package("hnswlib", "hnswlib")
    metric = metric_of(index.space, {"l2": "l2", "ip": "dot", "cosine": "cosine"}, "the index")
    labels = np.sort(np.array([label for label in index.get_ids_list() if _lives(index, label)], np.int64))

    def vectors(labels: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(index.get_items(labels), np.float32)

    source = _Numbered.of(collection, Vector(index.dim, metric), labels, vectors, ids, fields)
    return migrate([source], to, options)


def _lives(index: Any, label: int) -> bool:
    try:
        index.get_items([label])
    except RuntimeError:  # Marked deleted.
        return False
    return True


class _Numbered(Source):
    """Vectors by number, with ids and fields from elsewhere."""

    labels: NDArray[np.int64]
    read: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    ids: Ids | None
    fields: FieldsOf | None
    search: Callable[[NDArray[np.float32], int], NDArray[np.int64]] | None = None

    @classmethod
    def of(
        cls,
        name: str,
        vector: Vector,
        labels: NDArray[np.int64],
        read: Callable[[NDArray[np.int64]], NDArray[np.float32]],
        ids: Ids | None,
        fields: FieldsOf | None,
    ) -> _Numbered:
        made = cls(name, {"vector": vector})
        made.labels, made.read, made.ids, made.fields = labels, read, ids, fields
        return made

    def count(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[Batch]:
        for start in range(0, len(self.labels), size):
            labels = self.labels[start : start + size]
            numbers = labels.tolist()
            fields = [{} if self.fields is None else _of(self.fields, number, "fields") for number in numbers]
            yield Batch([self._id(number) for number in numbers], {"vector": self.read(labels)}, fields)

    def _id(self, number: int) -> Id:
        if self.ids is None:
            return number
        id = _of(self.ids, number, "ids")
        return id.item() if isinstance(id, np.generic) else id  # type: ignore[no-any-return]

    def nearest(self, name: str, vector: NDArray[np.float32], k: int) -> list[Id] | None:
        return None if self.search is None else [self._id(number) for number in self.search(vector, k).tolist()]


def _of(table: Any, number: int, what: str) -> Any:
    try:
        return table[number]
    except (KeyError, IndexError):
        raise MigrationError(f"the index has a vector {number}, and there is no {what}[{number}]") from None


class _Faiss:
    """How vectors and numbers are read out of an index."""

    def __init__(self, faiss: Any, index: Any) -> None:
        if not isinstance(index, faiss.Index):
            raise MigrationError(f"the index is a {type(index).__name__}, which does not keep vectors of floats")
        index = faiss.downcast_index(index)
        self._index = index
        self._faiss = faiss
        inner = index
        if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
            inner = faiss.downcast_index(index.index)
            self.labels = faiss.vector_to_array(index.id_map).astype(np.int64)
        elif isinstance(index, faiss.IndexIVF):
            self.labels = _list_ids(faiss, index)
        else:
            self.labels = np.arange(index.ntotal, dtype=np.int64)
        self._inner = inner
        self.exact = isinstance(inner, faiss.IndexFlat)
        self._places: dict[int, int] | None = None
        self._map_type: Any = None

    def __enter__(self) -> _Faiss:
        if isinstance(self._inner, self._faiss.IndexIVF):
            self._map_type = self._inner.direct_map.type
            self._inner.set_direct_map_type(self._faiss.DirectMap.Hashtable)
        if self._inner is not self._index:
            self._places = {label: place for place, label in enumerate(self.labels.tolist())}
        return self

    def __exit__(self, *error: object) -> None:
        if self._map_type is not None:
            self._inner.set_direct_map_type(self._map_type)

    def vectors(self, labels: NDArray[np.int64]) -> NDArray[np.float32]:
        keys = labels
        if self._places is not None:
            keys = np.array([self._places[label] for label in labels.tolist()], np.int64)
        try:
            return np.asarray(self._inner.reconstruct_batch(keys), np.float32)
        except RuntimeError as error:
            raise MigrationError(f"a {type(self._inner).__name__} does not give vectors back: {error}") from error

    def search(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = self._index.search(vector[None, :], k)[1][0]
        return labels


def _list_ids(faiss: Any, index: Any) -> NDArray[np.int64]:
    lists = index.invlists
    ids = [
        faiss.rev_swig_ptr(lists.get_ids(number), lists.list_size(number)).copy()
        for number in range(index.nlist)
        if lists.list_size(number)
    ]
    return np.sort(np.concatenate(ids)).astype(np.int64) if ids else np.empty(0, np.int64)
