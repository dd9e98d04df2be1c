"""The vector store."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from typing_extensions import Self

from lodedb import ArgumentError, Hit
from lodedb._adapter import Durability, Metric, Path, Records, Setting, plain_words
from lodedb.langchain._filters import where_of
from lodedb.langchain._retriever import LodeRetriever

# Documents that are embedded and written in one go, unless `batch_size` says otherwise.
_BATCH = 1000


class LodeVectorStore(VectorStore):
    """Documents in a collection of a Lode file, searched by vector, by words, and by both.

    `path` is a file, created where there is none, ":memory:", or an open `lodedb.Database`. Stores on one file share it
    within a process. The collection is made with the first document, with `metric` ("cosine" unless said otherwise,
    "dot" or "l2") and its text in `language` ("english"; what `lodedb.Database.collection` takes for a text field), and
    whatever else `collection_options` has for `lodedb.Database.collection`; one that exists is compared with what is given.

    A document is a record: its text is the field `text_field`, its metadata the map `metadata_field`. With
    `metadata_field=None` metadata is all other fields, which opens any collection with ids that are strings, such as one
    that `lodedb.migrate` made.

    `filter` is a dict of names in the metadata: `{"year": {"$gte": 1848}, "tags": {"$in": ["gold"]}}`, with Lode's
    operators and `$between`, `$like`, `$ilike`, `$nor`; or Lode's own text or expression, which names fields of the
    collection: `"metadata.year >= 1848"`. A name that no document has is missing, not an error. `$like` and `$ilike` look
    through the different values of the field.

    Scores are Lode's, larger is better: the cosine, the dot product, minus the Euclidean distance. Relevance is 0 to 1, by
    LangChain's own formulas, or by `relevance_score_fn`, a function of the score. Further arguments of each search go to
    `lodedb.Collection.search`: `recall=0.99`, `exact=True`, `min_score=0.5`, `group_by="metadata.source"`.

    Raises what `lodedb.open` and the calls of `lodedb.Collection` raise. An example stands at `lodedb.langchain`.
    """

    def __init__(
        self,
        embedding: Embeddings,
        path: Path = ":memory:",
        collection: str = "documents",
        *,
        metric: Metric | None = None,
        language: str | None = None,
        text_field: str = "text",
        metadata_field: str | None = "metadata",
        read_only: bool = False,
        durability: Durability = "full",
        relevance_score_fn: Callable[[float], float] | None = None,
        collection_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._embedding = embedding
        self._text_field = text_field
        self._metadata_field = metadata_field
        self._relevance = relevance_score_fn
        setting = Setting(
            text_field,
            metric=metric,
            language=language,
            read_only=read_only,
            durability=durability,
            options=collection_options or {},
        )
        self._records = Records(path, collection, setting)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store with these texts; `kwargs` are those of `LodeVectorStore`."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As `from_texts`."""
        store = await asyncio.to_thread(cls, embedding, **kwargs)
        documents = [
            Document(text, metadata=metadata)
            for text, metadata in zip(texts, metadatas or [{}] * len(texts), strict=True)
        ]
        await store.aadd_documents(documents, ids=ids)
        return store

    @property
    def embeddings(self) -> Embeddings:
        """The embeddings that the store was made with."""
        return self._embedding

    @property
    def client(self) -> Any:
        """The `lodedb.Collection`, for whatever LangChain has no word for; None before the first document."""
        return self._records.collection

    def add_documents(
        self, documents: list[Document], ids: list[str] | None = None, *, batch_size: int = _BATCH, **kwargs: Any
    ) -> list[str]:
        """Puts documents in, each in place of the one with its id; gives the ids, made where there are none.

        `batch_size` of them are embedded and written at a time; what a call of the embeddings that fails leaves are whole
        batches.
        """
        _refuse(kwargs)
        keys = _ids(documents, ids)
        for start, part in _batches(documents, batch_size):
            vectors = self._embedding.embed_documents([document.page_content for document in part])
            self._write(keys[start : start + len(part)], part, vectors)
        return keys

    async def aadd_documents(
        self, documents: list[Document], ids: list[str] | None = None, *, batch_size: int = _BATCH, **kwargs: Any
    ) -> list[str]:
        """As `add_documents`."""
        _refuse(kwargs)
        keys = _ids(documents, ids)
        for start, part in _batches(documents, batch_size):
            vectors = await self._embedding.aembed_documents([document.page_content for document in part])
            await asyncio.to_thread(self._write, keys[start : start + len(part)], part, vectors)
        return keys

    def _write(self, ids: list[str], documents: list[Document], vectors: list[list[float]]) -> None:
        rows = [self._row(*row) for row in zip(ids, documents, vectors, strict=True)]
        self._records.made(len(vectors[0])).upsert(rows)

    def _row(self, id: str, document: Document, vector: list[float]) -> dict[str, Any]:
        row = {"id": id, "vector": vector, self._text_field: document.page_content}
        if self._metadata_field is not None:
            return row | {self._metadata_field: document.metadata}
        if taken := row.keys() & document.metadata.keys():
            raise ArgumentError(f"metadata of '{id}' has the name '{taken.pop()}', which the record needs for itself")
        return row | document.metadata

    def delete(self, ids: Sequence[str] | None = None, *, filter: Any = None, **kwargs: Any) -> bool:
        """Deletes documents by their ids, or those that pass `filter`; with neither, as LangChain has it, all of them."""
        _refuse(kwargs)
        if ids is not None and filter is not None:
            raise ArgumentError("delete takes ids or a filter, not both")
        if ids is not None:
            self._records.delete(ids)
        else:
            self._records.delete_where(self._where(filter) or {})
        return True

    async def adelete(self, ids: Sequence[str] | None = None, *, filter: Any = None, **kwargs: Any) -> bool:
        """As `delete`."""
        return await asyncio.to_thread(self.delete, ids, filter=filter, **kwargs)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents that there are of these, in this order."""
        return [self._document(row["id"], row) for row in self._records.get(ids)]

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """As `get_by_ids`."""
        return await asyncio.to_thread(self.get_by_ids, ids)

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to the query; `filter` as at the top, other arguments of Lode's search."""
        return _documents(self.similarity_search_with_score(query, k, **kwargs))

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """As `similarity_search`."""
        return _documents(await self.asimilarity_search_with_score(query, k, **kwargs))

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """As `similarity_search`, each with its score: larger is better."""
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, **kwargs)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_with_score`."""
        vector = await self._embedding.aembed_query(query)
        return await asyncio.to_thread(self.similarity_search_with_score_by_vector, vector, k, **kwargs)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a vector."""
        return _documents(self.similarity_search_with_score_by_vector(embedding, k, **kwargs))

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """As `similarity_search_by_vector`."""
        return await asyncio.to_thread(self.similarity_search_by_vector, embedding, k, **kwargs)

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Any = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `similarity_search_by_vector`, each with its score."""
        return self._scored(self._records.search(embedding, k, self._where(filter), **kwargs))

    def keyword_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents with the words of the query, ranked by BM25.

        The query is taken as words, whatever signs are in it; `operators=True` takes `+gold -coal "sluice box" prosp*` as
        `lodedb.Collection.search` does. `filter` as at the top.
        """
        return _documents(self.keyword_search_with_score(query, k, **kwargs))

    async def akeyword_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """As `keyword_search`."""
        return await asyncio.to_thread(self.keyword_search, query, k, **kwargs)

    def keyword_search_with_score(
        self, query: str, k: int = 4, *, filter: Any = None, operators: bool = False, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As `keyword_search`, each with its score of BM25."""
        words = query if operators else plain_words(query)
        return self._scored(self._records.search(None, k, self._where(filter), text=words, **kwargs))

    async def akeyword_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """As `keyword_search_with_score`."""
        return await asyncio.to_thread(self.keyword_search_with_score, query, k, **kwargs)

    def hybrid_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The best `k` documents by words and by vector together.

        `fusion` says how the two rankings become one: "rrf", the default, or `lodedb.weighted(vector=0.7, text=0.3)`.
        `operators` and `filter` are as in `keyword_search`.
        """
        return _documents(self.hybrid_search_with_score(query, k, **kwargs))

    async def ahybrid_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """As `hybrid_search`."""
        return _documents(await self.ahybrid_search_with_score(query, k, **kwargs))

    def hybrid_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """As `hybrid_search`, each with its fused score."""
        return self._hybrid(self._embedding.embed_query(query), query, k, **kwargs)

    async def ahybrid_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[tuple[Document, float]]:
        """As `hybrid_search_with_score`."""
        vector = await self._embedding.aembed_query(query)
        return await asyncio.to_thread(self._hybrid, vector, query, k, **kwargs)

    def _hybrid(
        self, vector: list[float], query: str, k: int, *, filter: Any = None, operators: bool = False, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        words = query if operators else plain_words(query)
        return self._scored(self._records.search(vector, k, self._where(filter), text=words, **kwargs))

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """`k` of the `fetch_k` nearest documents, near and unlike each other: `lambda_mult` 1 is near, 0 is unlike."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search`."""
        vector = await self._embedding.aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Any = None,
        **kwargs: Any,
    ) -> list[Document]:
        """As `max_marginal_relevance_search`, for a vector."""
        hits = self._records.search(embedding, max(fetch_k, k), self._where(filter), **kwargs)
        rows = [hit.record() for hit in hits]
        if not rows:
            return []
        vectors = [row["vector"] for row in rows]
        chosen = maximal_marginal_relevance(np.asarray(embedding, np.float32), vectors, lambda_mult, k)
        return [self._document(rows[at]["id"], rows[at]) for at in chosen]

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """As `max_marginal_relevance_search_by_vector`."""
        search = self.max_marginal_relevance_search_by_vector
        return await asyncio.to_thread(search, embedding, k, fetch_k, lambda_mult, **kwargs)

    def search(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """The search called `search_type`: "similarity", "similarity_score_threshold", "mmr", "keyword" or "hybrid"."""
        if search_type == "keyword":
            return self.keyword_search(query, **kwargs)
        if search_type == "hybrid":
            return self.hybrid_search(query, **kwargs)
        return super().search(query, search_type, **kwargs)

    async def asearch(self, query: str, search_type: str, **kwargs: Any) -> list[Document]:
        """As `search`."""
        if search_type == "keyword":
            return await self.akeyword_search(query, **kwargs)
        if search_type == "hybrid":
            return await self.ahybrid_search(query, **kwargs)
        return await super().asearch(query, search_type, **kwargs)

    def as_retriever(self, **kwargs: Any) -> LodeRetriever:
        """A retriever over this store; `search_type` is also "keyword" or "hybrid"."""
        tags = kwargs.pop("tags", None) or [*self._get_retriever_tags()]
        return LodeRetriever(vectorstore=self, tags=tags, **kwargs)

    def close(self) -> None:
        """Lets go of the file, which closes with the last store that has it open; needless at the end of a program."""
        self._records.close()

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return self._relevance or _RELEVANCE[self._records.metric]

    def _where(self, filter: Any) -> Any:
        prefix = "" if self._metadata_field is None else f"{self._metadata_field}."
        return where_of(filter, prefix, self._records.values)

    def _scored(self, hits: list[Hit]) -> list[tuple[Document, float]]:
        return [(self._document(hit.id, hit.fields), hit.score) for hit in hits]

    def _document(self, id: Any, fields: dict[str, Any]) -> Document:
        text = fields.get(self._text_field) or ""
        if self._metadata_field is not None:
            metadata = fields.get(self._metadata_field) or {}
        else:
            own = ("id", "vector", self._text_field)
            metadata = {name: value for name, value in fields.items() if name not in own}
        return Document(id=str(id), page_content=text, metadata=metadata)

    def __repr__(self) -> str:
        return f"LodeVectorStore({self._records!r})"


def _within(score: float) -> float:
    return min(max(score, 0.0), 1.0)


# LangChain's formulas, of scores. Euclidean distances are those of unit vectors.
_RELEVANCE: dict[str, Callable[[float], float]] = {
    "cosine": _within,
    "dot": _within,
    "l2": lambda score: _within(1.0 + score / math.sqrt(2)),
}


def _documents(scored: list[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in scored]


def _batches(documents: list[Document], size: int) -> Iterator[tuple[int, list[Document]]]:
    if size < 1:
        raise ArgumentError(f"batch_size is 1 or more, not {size}")
    for start in range(0, len(documents), size):
        yield start, documents[start : start + size]


def _ids(documents: list[Document], ids: list[str] | None) -> list[str]:
    if ids is not None and len(ids) != len(documents):
        raise ArgumentError(f"there are {len(ids)} ids for {len(documents)} documents")
    given = ids if ids is not None else [document.id for document in documents]
    return [id or str(uuid.uuid4()) for id in given]


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise TypeError(f"there is no argument {next(iter(kwargs))!r}")
