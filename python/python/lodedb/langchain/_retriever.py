"""A retriever that also searches by words, and by words and vectors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStoreRetriever


class LodeRetriever(VectorStoreRetriever):
    """What `LodeVectorStore.as_retriever` gives: `search_type` is also "keyword" or "hybrid".

    `k` is the number of documents, here, in `search_kwargs` or of one `invoke`.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from lodedb.langchain import LodeRetriever, LodeVectorStore
    >>> texts = ["A sluice box washes gold.", "Rivers carry gold and tin."]
    >>> store = LodeVectorStore.from_texts(texts, DeterministicFakeEmbedding(size=8))
    >>> retriever = LodeRetriever(vectorstore=store, search_type="keyword", k=1)
    >>> retriever.invoke("tin")[0].page_content, len(retriever.invoke("gold", k=2))
    ('Rivers carry gold and tin.', 2)
    """

    k: int | None = None
    """Number of documents; None leaves it to `search_kwargs`, and to the search."""

    allowed_search_types: ClassVar[Collection[str]] = (
        *("similarity", "similarity_score_threshold", "mmr"),
        *("keyword", "hybrid"),
    )

    def _arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        own = {} if self.k is None else {"k": self.k}
        return self.search_kwargs | own | given

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self.vectorstore.search(query, self.search_type, **self._arguments(kwargs))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await self.vectorstore.asearch(query, self.search_type, **self._arguments(kwargs))
