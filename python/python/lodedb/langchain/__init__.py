"""Lode as a vector store of LangChain. Needs the package `langchain-core`.

>>> from langchain_core.documents import Document
>>> from langchain_core.embeddings import DeterministicFakeEmbedding
>>> from lodedb.langchain import LodeVectorStore
>>> store = LodeVectorStore(DeterministicFakeEmbedding(size=8), path=":memory:")
>>> store.add_documents([
...     Document("A sluice box washes gold.", id="box", metadata={"year": 1849}),
...     Document("Rivers carry gold and tin.", id="river", metadata={"year": 1851}),
... ])
['box', 'river']
>>> [document.id for document in store.similarity_search("gold", k=2, filter={"year": {"$lt": 1850}})]
['box']
>>> [document.id for document in store.keyword_search("what do rivers carry?")]
['river']
>>> retriever = store.as_retriever(search_type="hybrid", search_kwargs={"k": 1})
>>> [document.id for document in retriever.invoke("A sluice box washes gold.")]
['box']
"""

from __future__ import annotations

from lodedb._adapter import require

require("langchain_core", "langchain-core", "langchain")

from lodedb.langchain._filters import LodeTranslator  # noqa: E402
from lodedb.langchain._retriever import LodeRetriever  # noqa: E402
from lodedb.langchain._store import LodeVectorStore  # noqa: E402

__all__ = ["LodeRetriever", "LodeTranslator", "LodeVectorStore"]
