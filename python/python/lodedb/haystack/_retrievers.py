"""The retrievers: components over a `LodeDocumentStore`."""

# No future annotations here: Haystack reads the types of sockets from the signatures.
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.document_stores.types import FilterPolicy, apply_filter_policy

from lodedb import ArgumentError
from lodedb.haystack._store import LodeDocumentStore


class _Retriever:
    """What the retrievers share: their settings, and what a run puts in place of these.

    They call `__init__` by its class: `component` makes each class anew, so `super()` does not know it.
    """

    def __init__(
        self,
        document_store: LodeDocumentStore,
        filters: dict[str, Any] | None,
        top_k: int,
        filter_policy: FilterPolicy | str,
        search_options: dict[str, Any] | None,
    ) -> None:
        if not isinstance(document_store, LodeDocumentStore):
            raise TypeError(f"document_store is a LodeDocumentStore, not {type(document_store).__name__}")
        if top_k <= 0:
            raise ArgumentError(f"top_k is 1 or more, not {top_k}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = top_k
        self.filter_policy = FilterPolicy.from_str(filter_policy) if isinstance(filter_policy, str) else filter_policy
        self.search_options = search_options or {}

    def _settings(self) -> dict[str, Any]:
        return {
            "document_store": self.document_store.to_dict(),
            "filters": self.filters,
            "top_k": self.top_k,
            "filter_policy": self.filter_policy.value,
            "search_options": dict(self.search_options),
        }

    def _arguments(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        wanted = self.top_k if top_k is None else top_k
        if wanted < 0:
            raise ArgumentError(f"top_k is 0 or more, not {wanted}")
        merged = apply_filter_policy(self.filter_policy, self.filters, filters)
        return {"filters": merged, "top_k": wanted, **self.search_options}

    @staticmethod
    def _with_store(data: dict[str, Any]) -> dict[str, Any]:
        settings = dict(data["init_parameters"])
        if isinstance(settings["document_store"], dict):
            settings["document_store"] = LodeDocumentStore.from_dict(settings["document_store"])
        return {**data, "init_parameters": settings}


@component
class LodeEmbeddingRetriever(_Retriever):
    """The documents nearest to an embedding.

    `filters` and `top_k` (10) are those of each run unless it gives its own (by `filter_policy`, its filters replace these
    or are merged with them). `scale_score` brings scores between 0 and 1, `return_embedding` returns embeddings.
    `diversity`, 0 to 1, is how unlike documents are to be (maximal marginal relevance). `search_options` are of
    `lodedb.Collection.search`: `{"recall": 0.99}`.

    >>> from haystack import Document
    >>> from lodedb.haystack import LodeDocumentStore, LodeEmbeddingRetriever
    >>> store = LodeDocumentStore(embedding_dim=2)
    >>> store.write_documents([Document(id="a", embedding=[1.0, 0.0]), Document(id="b", embedding=[0.0, 1.0])])
    2
    >>> LodeEmbeddingRetriever(store, top_k=1).run(query_embedding=[0.1, 0.9])["documents"][0].id
    'b'
    """

    __module__ = "lodedb.haystack"

    def __init__(
        self,
        document_store: LodeDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        return_embedding: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
        diversity: float | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> None:
        _Retriever.__init__(self, document_store, filters, top_k, filter_policy, search_options)
        self.scale_score = scale_score
        self.return_embedding = return_embedding
        self.diversity = diversity

    def to_dict(self) -> dict[str, Any]:
        """The component as Haystack serializes it."""
        own = {"scale_score": self.scale_score, "return_embedding": self.return_embedding, "diversity": self.diversity}
        return default_to_dict(self, **self._settings(), **own)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "LodeEmbeddingRetriever":
        """The component that `to_dict` wrote."""
        retriever: LodeEmbeddingRetriever = default_from_dict(cls, cls._with_store(data))
        return retriever

    def _all(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        own = {"scale_score": self.scale_score, "return_embedding": self.return_embedding}
        unlike = {} if self.diversity is None else {"diversity": self.diversity}
        return self._arguments(filters, top_k) | own | unlike

    @component.output_types(documents=list[Document])
    def run(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Retrieves: `documents`, the nearest first."""
        return {"documents": self.document_store.embedding_retrieval(query_embedding, **self._all(filters, top_k))}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query_embedding: list[float], filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """As `run`."""
        arguments = self._all(filters, top_k)
        return {"documents": await self.document_store.embedding_retrieval_async(query_embedding, **arguments)}


@component
class LodeKeywordRetriever(_Retriever):
    """The documents with words of a query, ranked by BM25.

    The query is taken as words, whatever signs are in it; `operators` takes `+gold -coal "sluice box" prosp*`.
    `scale_score` brings scores between 0 and 1. The rest is as in `LodeEmbeddingRetriever`.

    >>> from haystack import Document
    >>> from lodedb.haystack import LodeDocumentStore, LodeKeywordRetriever
    >>> store = LodeDocumentStore()
    >>> store.write_documents([Document(id="a", content="A sluice box."), Document(id="b", content="Rivers.")])
    2
    >>> LodeKeywordRetriever(store).run(query="Which river?")["documents"][0].id
    'b'
    """

    __module__ = "lodedb.haystack"

    def __init__(
        self,
        document_store: LodeDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
        operators: bool = False,
        search_options: dict[str, Any] | None = None,
    ) -> None:
        _Retriever.__init__(self, document_store, filters, top_k, filter_policy, search_options)
        self.scale_score = scale_score
        self.operators = operators

    def to_dict(self) -> dict[str, Any]:
        """The component as Haystack serializes it."""
        return default_to_dict(self, **self._settings(), scale_score=self.scale_score, operators=self.operators)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "LodeKeywordRetriever":
        """The component that `to_dict` wrote."""
        retriever: LodeKeywordRetriever = default_from_dict(cls, cls._with_store(data))
        return retriever

    def _all(self, filters: dict[str, Any] | None, top_k: int | None) -> dict[str, Any]:
        return self._arguments(filters, top_k) | {"scale_score": self.scale_score, "operators": self.operators}

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Retrieves: `documents`, the best first."""
        return {"documents": self.document_store.bm25_retrieval(query, **self._all(filters, top_k))}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """As `run`."""
        return {"documents": await self.document_store.bm25_retrieval_async(query, **self._all(filters, top_k))}


@component
class LodeHybridRetriever(_Retriever):
    """The best documents by words and embedding together.

    Ranks are fused; with `vector_weight`, 0 to 1, scores are, the words' with what is left to 1. `operators` is as in
    `LodeKeywordRetriever`, the rest as in `LodeEmbeddingRetriever`.

    >>> from haystack import Document
    >>> from lodedb.haystack import LodeDocumentStore, LodeHybridRetriever
    >>> store = LodeDocumentStore(embedding_dim=2)
    >>> store.write_documents([
    ...     Document(id="a", content="Gold.", embedding=[1.0, 0.0]),
    ...     Document(id="b", content="Gold and tin.", embedding=[0.0, 1.0]),
    ... ])
    2
    >>> LodeHybridRetriever(store, vector_weight=0.7).run(query="gold", query_embedding=[0.0, 1.0])["documents"][0].id
    'b'
    """

    __module__ = "lodedb.haystack"

    def __init__(
        self,
        document_store: LodeDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
        vector_weight: float | None = None,
        operators: bool = False,
        diversity: float | None = None,
        search_options: dict[str, Any] | None = None,
    ) -> None:
        _Retriever.__init__(self, document_store, filters, top_k, filter_policy, search_options)
        self.return_embedding = return_embedding
        self.vector_weight = vector_weight
        self.operators = operators
        self.diversity = diversity

    def _own(self) -> dict[str, Any]:
        return {
            "return_embedding": self.return_embedding,
            "vector_weight": self.vector_weight,
            "operators": self.operators,
            "diversity": self.diversity,
        }

    def to_dict(self) -> dict[str, Any]:
        """The component as Haystack serializes it."""
        return default_to_dict(self, **self._settings(), **self._own())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "LodeHybridRetriever":
        """The component that `to_dict` wrote."""
        retriever: LodeHybridRetriever = default_from_dict(cls, cls._with_store(data))
        return retriever

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
    ) -> dict[str, list[Document]]:
        """Retrieves: `documents`, the best first."""
        arguments = self._arguments(filters, top_k) | self._own()
        return {"documents": self.document_store.hybrid_retrieval(query, query_embedding, **arguments)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
    ) -> dict[str, list[Document]]:
        """As `run`."""
        arguments = self._arguments(filters, top_k) | self._own()
        return {"documents": await self.document_store.hybrid_retrieval_async(query, query_embedding, **arguments)}
