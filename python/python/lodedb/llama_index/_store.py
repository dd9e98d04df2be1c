"""The vector store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node

import lodedb
from lodedb import ArgumentError
from lodedb._adapter import Durability, Metric, Path, Records, Setting, plain_words
from lodedb.llama_index._filters import where_of

_WORDS = (VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH)
_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.MMR, *_WORDS)

# Nodes among which maximal marginal relevance chooses, for each node wanted.
_PREFETCH = 4


class LodeVectorStore(BasePydanticVectorStore):
    """Nodes in a collection of a Lode file.

    `path` is a file, created where there is none, ":memory:", or an open `lodedb.Database`. Stores on one file share it
    within a process. The collection is made with the first node, with `metric` ("cosine" unless said otherwise, "dot" or
    "l2") and texts in `language` ("english"; what `lodedb.Database.collection` takes for a text field), and whatever else
    `collection_options` has for `lodedb.Database.collection`; one that exists is compared with what is given.

    A query's `mode` is "default" (by `query_embedding`), "sparse" or "text_search" (by the words of `query_str`, ranked by
    BM25), "hybrid" (both), or "mmr" (near and unlike each other: `mmr_threshold`, 1 for near and 0 for unlike, among
    `mmr_prefetch_factor`, 4, times as many). In "hybrid", `alpha` weighs: 1 for vectors alone, 0 for words; without it
    ranks are fused. It gives `hybrid_top_k`, or else `similarity_top_k`, nodes out of `similarity_top_k` and
    `sparse_top_k` candidates, or 100 where these are fewer. Other modes are an error. Further arguments of `query` go to
    `lodedb.Collection.search`: `recall=0.99`, `exact=True`, `operators=True` for `+gold -coal` in `query_str`.

    All filters work, nested ones as well; a key that no node has is missing. "==" and "in" also look at the elements of a
    list, "contains", "any" and "all" at these alone. "text_match" looks through the different values of the field.

    Raises what `lodedb.open` and the calls of `lodedb.Collection` raise. An example stands at `lodedb.llama_index`.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    collection: str = "nodes"

    _records: Records = PrivateAttr()

    def __init__(
        self,
        path: Path = ":memory:",
        collection: str = "nodes",
        *,
        metric: Metric | None = None,
        language: str | None = None,
        read_only: bool = False,
        durability: Durability = "full",
        collection_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(collection=collection)  # type: ignore[call-arg]
        setting = Setting(
            "text",
            metric=metric,
            language=language,
            unindexed=["node"],
            read_only=read_only,
            durability=durability,
            options=collection_options or {},
        )
        self._records = Records(path, collection, setting)

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex knows it."""
        return "LodeVectorStore"

    @property
    def client(self) -> Any:
        """The `lodedb.Collection`, for whatever LlamaIndex has no word for; None before the first node."""
        return self._records.collection

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Puts nodes with embeddings in, each in place of the one with its id: all of them or none. Gives the ids."""
        _refuse(kwargs)
        rows = [_row(node) for node in nodes]
        if rows:
            self._records.made(len(rows[0]["vector"])).upsert(rows)
        return [row["id"] for row in rows]

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """As `add`."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Deletes the nodes of a document."""
        _refuse(delete_kwargs)
        self._records.delete_where({"ref_doc_id": ref_doc_id})

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """As `delete`."""
        await asyncio.to_thread(self.delete, ref_doc_id, **delete_kwargs)

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Deletes the nodes with these ids that pass the filters; with neither given, an error: `clear` deletes all."""
        _refuse(delete_kwargs)
        if node_ids is None and filters is None:
            raise ArgumentError("delete_nodes needs node_ids or filters; clear() deletes all nodes")
        self._records.delete_where(self._where(node_ids, filters) or {})

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """As `delete_nodes`."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters, **delete_kwargs)

    def clear(self) -> None:
        """Deletes all nodes."""
        self._records.delete_where({})

    async def aclear(self) -> None:
        """As `clear`."""
        await asyncio.to_thread(self.clear)

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """The nodes with these ids that pass the filters, with their embeddings; all nodes with neither."""
        return [_node(row, row["vector"]) for row in self._records.scan(self._where(node_ids, filters))]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """As `get_nodes`."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The best nodes by the query's mode, with their scores, larger is better, and ids."""
        mode = VectorStoreQueryMode(query.mode)
        # An index over a store that keeps texts says "all nodes" with an empty list.
        where = self._where(query.node_ids or None, query.filters, query.doc_ids or None)
        if mode is VectorStoreQueryMode.MMR:
            return self._diverse(query, where, **kwargs)
        if mode in _WORDS:
            k = query.sparse_top_k or query.similarity_top_k
            return self._found(None, k, where, text=_words(query, kwargs), **kwargs)
        if mode is VectorStoreQueryMode.HYBRID:
            return self._hybrid(query, where, **kwargs)
        if mode is VectorStoreQueryMode.DEFAULT:
            return self._found(_vector(query), query.similarity_top_k, where, **kwargs)
        raise ArgumentError(
            f"Lode has no query mode '{mode.value}'; there are {', '.join(mode.value for mode in _MODES)}"
        )

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """As `query`."""
        return await asyncio.to_thread(self.query, query, **kwargs)

    def _hybrid(self, query: VectorStoreQuery, where: Any, **kwargs: Any) -> VectorStoreQueryResult:
        words = _words(query, kwargs)
        k = query.hybrid_top_k or query.similarity_top_k
        if query.alpha is not None:
            kwargs.setdefault("fusion", lodedb.weighted(vector=query.alpha, text=1.0 - query.alpha))
        kwargs.setdefault("depth", max(query.similarity_top_k, query.sparse_top_k or 0, k, 100))
        return self._found(_vector(query), k, where, text=words, **kwargs)

    def _diverse(
        self,
        query: VectorStoreQuery,
        where: Any,
        *,
        mmr_threshold: float | None = None,
        mmr_prefetch_factor: float = _PREFETCH,
        **kwargs: Any,
    ) -> VectorStoreQueryResult:
        k, vector = query.similarity_top_k, _vector(query)
        rows = [
            hit.record() for hit in self._records.search(vector, max(k, int(k * mmr_prefetch_factor)), where, **kwargs)
        ]
        threshold = query.mmr_threshold if query.mmr_threshold is not None else mmr_threshold
        vectors = [row["vector"].tolist() for row in rows]
        scores, places = get_top_k_mmr_embeddings(vector, vectors, similarity_top_k=k, mmr_threshold=threshold)
        chosen = [rows[place] for place in places]
        return VectorStoreQueryResult(
            nodes=[_node(row, row["vector"]) for row in chosen],
            similarities=[float(score) for score in scores],
            ids=[row["id"] for row in chosen],
        )

    def _found(self, vector: list[float] | None, k: int, where: Any, **kwargs: Any) -> VectorStoreQueryResult:
        hits = self._records.search(vector, k, where, **kwargs)
        return VectorStoreQueryResult(
            nodes=[_node(hit.fields) for hit in hits],
            similarities=[hit.score for hit in hits],
            ids=[hit.id for hit in hits],
        )

    def _where(
        self, node_ids: list[str] | None, filters: MetadataFilters | None, doc_ids: list[str] | None = None
    ) -> dict[str, Any] | None:
        members: list[dict[str, Any]] = []
        if node_ids is not None:
            members.append({"node_id": {"$in": node_ids}})
        if doc_ids is not None:
            members.append({"ref_doc_id": {"$in": doc_ids}})
        if filters is not None and filters.filters:
            members.append(where_of(filters, self._records.values))
        return {"$and": members} if members else None

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Nothing to do: what was added is in the file already. A store in memory can't be persisted so."""
        self._records.database.flush()

    def close(self) -> None:
        """Lets go of the file, which closes with the last store that has it open; needless at the end of a program."""
        self._records.close()


def _row(node: BaseNode) -> dict[str, Any]:
    """The record of a node: text, metadata and document for searching and filtering, the rest as JSON."""
    content = node.model_dump(mode="json")
    metadata = content.pop("metadata", {})
    for name in ("embedding", "text", "text_resource"):
        content.pop(name, None)
    return {
        "id": node.node_id,
        "vector": node.get_embedding(),
        "text": node.get_content(metadata_mode=MetadataMode.NONE),
        "metadata": metadata,
        "node": json.dumps([node.class_name(), content], ensure_ascii=False),
        "node_id": node.node_id,
        "ref_doc_id": node.ref_doc_id,
    }


def _node(fields: dict[str, Any], vector: Any = None) -> BaseNode:
    kind, content = json.loads(fields["node"])
    content["metadata"] = fields["metadata"]
    content["embedding"] = None if vector is None else vector.tolist()
    stored = {"_node_type": kind, "_node_content": json.dumps(content, ensure_ascii=False)}
    return metadata_dict_to_node(stored, text=fields["text"])


def _vector(query: VectorStoreQuery) -> list[float]:
    if query.query_embedding is None:
        raise ArgumentError(f"a query in the mode '{query.mode}' needs query_embedding")
    return query.query_embedding


def _words(query: VectorStoreQuery, kwargs: dict[str, Any]) -> str:
    """The query's words, as words unless `operators` says otherwise."""
    if query.query_str is None:
        raise ArgumentError(f"a query in the mode '{query.mode}' needs query_str")
    return query.query_str if kwargs.pop("operators", False) else plain_words(query.query_str)


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise TypeError(f"there is no argument {next(iter(kwargs))!r}")
