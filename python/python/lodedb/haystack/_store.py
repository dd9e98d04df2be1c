"""The document store."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Mapping
from typing import Any

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy

import lodedb
from lodedb import AlreadyExistsError, ArgumentError, Hit
from lodedb._adapter import Durability, Metric, Path, Records, Setting, plain_words
from lodedb.haystack._documents import document_of, row_of
from lodedb.haystack._fields import FieldMethods
from lodedb.haystack._filters import where_of


class LodeDocumentStore(FieldMethods):
    """Documents in a collection of a Lode file.

    `path` is a file, created where there is none, ":memory:", or an open `lodedb.Database` (such a store can't be
    serialized). Stores on one file share it within a process; it is opened at the first call. `embedding_dim` is the
    length of embeddings, compared by `metric` ("cosine" unless said otherwise, "dot" or "l2"); documents without one are
    found by words and filters. Texts are in `language` ("english"; what `lodedb.Database.collection` takes for a text
    field), and `collection_options` has whatever else it takes; a collection that exists is compared with what is given.

    All filters work. A list passes where one of its elements does; a date in ISO format orders as a text where it says no
    time zone, and as an instant otherwise. Documents come back in the order of their ids, embeddings in single precision,
    and without the score that they had when they were written.

    Each method has a coroutine, `count_documents_async` and so on. Raises what `lodedb.open` and the calls of
    `lodedb.Collection` raise, and Haystack's FilterError and DuplicateDocumentError. An example stands at
    `lodedb.haystack`.
    """

    __module__ = "lodedb.haystack"

    def __init__(
        self,
        path: Path = ":memory:",
        collection: str = "documents",
        *,
        embedding_dim: int = 768,
        metric: Metric | None = None,
        language: str | None = None,
        read_only: bool = False,
        durability: Durability = "full",
        collection_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.collection = collection
        self.embedding_dim = embedding_dim
        self.metric: Metric | None = metric
        self.language = language
        self.read_only = read_only
        self.durability: Durability = durability
        self.collection_options = dict(collection_options or {})
        self._opened: Records | None = None
        self._opening = threading.Lock()

    @property
    def _records(self) -> Records:
        with self._opening:
            if self._opened is None:
                setting = Setting(
                    "content",
                    metric=self.metric,
                    language=self.language,
                    unindexed=["blob", "sparse_embedding"],
                    read_only=self.read_only,
                    durability=self.durability,
                    options=self.collection_options,
                )
                self._opened = Records(self.path, self.collection, setting)
            return self._opened

    @property
    def client(self) -> Any:
        """The `lodedb.Collection`, for whatever Haystack has no word for; None before the first document."""
        return self._records.collection

    def to_dict(self) -> dict[str, Any]:
        """The store as Haystack serializes it: its settings, and the path of its file."""
        if isinstance(self.path, lodedb.Database):
            raise ArgumentError("a store on an open database can't be serialized: make it with the path of a file")
        return default_to_dict(
            self,
            path=str(self.path),
            collection=self.collection,
            embedding_dim=self.embedding_dim,
            metric=self.metric,
            language=self.language,
            read_only=self.read_only,
            durability=self.durability,
            collection_options=dict(self.collection_options),
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LodeDocumentStore:
        """The store that `to_dict` wrote."""
        store: LodeDocumentStore = default_from_dict(cls, data)
        return store

    def count_documents(self) -> int:
        """Number of documents."""
        return self._records.count()

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """The documents that pass the filters, all without any."""
        where = where_of(filters) if filters else None
        return [document_of(row, row["vector"]) for row in self._records.scan(where)]

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Writes documents, all or none, and gives the number written.

        An id that exists is an error (FAIL, and NONE), is passed over (SKIP), or is written anew (OVERWRITE).
        """
        if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
            raise ValueError("documents is a list of Document")
        if not documents:
            return 0
        rows = [row_of(document, self.embedding_dim) for document in documents]
        collection = self._records.made(self.embedding_dim)
        if policy == DuplicatePolicy.OVERWRITE:
            collection.upsert(rows)
            return len(rows)
        if policy == DuplicatePolicy.SKIP:
            return self._write_new(rows)
        try:
            return collection.insert(rows)
        except AlreadyExistsError as error:
            raise DuplicateDocumentError(str(error)) from error

    def _write_new(self, rows: list[dict[str, Any]]) -> int:
        first: dict[str, dict[str, Any]] = {}
        for row in rows:
            first.setdefault(row["id"], row)
        with self._records.database.transaction() as transaction:
            collection = transaction[self.collection]
            there = collection.get(list(first))
            new = [row for row, old in zip(first.values(), there, strict=True) if old is None]
            return collection.insert(new) if new else 0

    def delete_documents(self, document_ids: list[str]) -> None:
        """Deletes the documents with these ids; those that don't exist are passed over."""
        self._records.delete(document_ids)

    def delete_all_documents(self, recreate_collection: bool = False) -> None:
        """Deletes all documents; with `recreate_collection` also the collection, which is then made anew."""
        records = self._records
        if not recreate_collection:
            records.delete_where({})
        elif records.collection is not None:
            records.drop()

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Deletes the documents that pass the filters, and gives their number."""
        return self._records.delete_where(where_of(filters) if filters else {})

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Sets these names of the metadata of all documents that pass the filters, together; gives their number."""
        where = where_of(filters) if filters else None
        records = self._records
        if records.collection is None:
            return 0
        with records.database.transaction() as transaction:
            changed = {row["id"]: {"meta": row["meta"] | meta} for row in records.scan(where)}
            return transaction[self.collection].update(changed) if changed else 0

    def embedding_retrieval(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The `top_k` documents nearest to the embedding, with their scores, larger is better.

        `scale_score` brings scores between 0 and 1, by Haystack's formulas. `options` are of `lodedb.Collection.search`:
        `recall=0.99`, `diversity=0.3` (hits unlike each other), `exact=True`.
        """
        hits = self._records.search(_vector(query_embedding), top_k, self._embedded(filters), **options)
        return self._documents(hits, _SCALES[self._records.metric] if scale_score else None, return_embedding)

    def bm25_retrieval(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        return_embedding: bool = False,
        *,
        operators: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The `top_k` documents with words of the query, ranked by BM25.

        The query is taken as words, whatever signs are in it; `operators` takes `+gold -coal "sluice box" prosp*` as
        `lodedb.Collection.search` does.
        """
        where = where_of(filters) if filters else None
        hits = self._records.search(None, top_k, where, text=_words(query, operators), **options)
        return self._documents(hits, _words_scale if scale_score else None, return_embedding)

    def hybrid_retrieval(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        *,
        vector_weight: float | None = None,
        operators: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The best `top_k` documents by words and embedding together, with the fused score.

        Ranks are fused; with `vector_weight`, 0 to 1, scores are, the words' with what is left to 1. Documents without
        an embedding are left out.
        """
        if vector_weight is not None:
            options.setdefault("fusion", lodedb.weighted(vector=vector_weight, text=1.0 - vector_weight))
        words = _words(query, operators)
        hits = self._records.search(_vector(query_embedding), top_k, self._embedded(filters), text=words, **options)
        return self._documents(hits, None, return_embedding)

    def _embedded(self, filters: dict[str, Any] | None) -> dict[str, Any] | None:
        """The filter, and that there is an embedding, where documents without one exist."""
        members = [where_of(filters)] if filters else []
        if self._records.count({"unembedded": True}):
            members.append({"unembedded": {"$exists": False}})
        return {"$and": members} if members else None

    def _documents(self, hits: list[Hit], scale: Any, with_embedding: bool) -> list[Document]:
        documents = []
        for hit in hits:
            fields = hit.record() if with_embedding else hit.fields
            score = hit.score if scale is None else scale(hit.score)
            documents.append(document_of(fields, fields.get("vector"), score))
        return documents

    def close(self) -> None:
        """Lets go of the file, which closes with the last store that has it open; the next call opens it again."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    async def count_documents_async(self) -> int:
        """As `count_documents`."""
        return await asyncio.to_thread(self.count_documents)

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """As `filter_documents`."""
        return await asyncio.to_thread(self.filter_documents, filters)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """As `write_documents`."""
        return await asyncio.to_thread(self.write_documents, documents, policy)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """As `delete_documents`."""
        await asyncio.to_thread(self.delete_documents, document_ids)

    async def delete_all_documents_async(self, recreate_collection: bool = False) -> None:
        """As `delete_all_documents`."""
        await asyncio.to_thread(self.delete_all_documents, recreate_collection)

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """As `delete_by_filter`."""
        return await asyncio.to_thread(self.delete_by_filter, filters)

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """As `update_by_filter`."""
        return await asyncio.to_thread(self.update_by_filter, filters, meta)

    async def embedding_retrieval_async(
        self, query_embedding: list[float], *args: Any, **kwargs: Any
    ) -> list[Document]:
        """As `embedding_retrieval`."""
        return await asyncio.to_thread(self.embedding_retrieval, query_embedding, *args, **kwargs)

    async def bm25_retrieval_async(self, query: str, *args: Any, **kwargs: Any) -> list[Document]:
        """As `bm25_retrieval`."""
        return await asyncio.to_thread(self.bm25_retrieval, query, *args, **kwargs)

    async def hybrid_retrieval_async(
        self, query: str, query_embedding: list[float], *args: Any, **kwargs: Any
    ) -> list[Document]:
        """As `hybrid_retrieval`."""
        return await asyncio.to_thread(self.hybrid_retrieval, query, query_embedding, *args, **kwargs)


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def _words_scale(score: float) -> float:
    return _logistic(score / 8)


# Haystack's own formulas; that of Euclidean distances is the usual one.
_SCALES = {
    "cosine": lambda score: (score + 1) / 2,
    "dot": lambda score: _logistic(score / 100),
    "l2": lambda score: 1 / (1 - score),
}


def _vector(embedding: list[float]) -> list[float]:
    if len(embedding) == 0:
        raise ArgumentError("query_embedding is empty")
    return embedding


def _words(query: str, operators: bool) -> str:
    if not query:
        raise ArgumentError("query is empty")
    return query if operators else plain_words(query)
