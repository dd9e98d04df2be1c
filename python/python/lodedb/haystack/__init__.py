"""Lode as a document store of Haystack, with its retrievers. Needs the package `haystack-ai`.

>>> from haystack import Document
>>> from lodedb.haystack import LodeDocumentStore, LodeEmbeddingRetriever, LodeHybridRetriever, LodeKeywordRetriever
>>> store = LodeDocumentStore(path=":memory:", embedding_dim=2)
>>> store.write_documents([
...     Document(id="box", content="A sluice box washes gold.", meta={"year": 1849}, embedding=[0.9, 0.1]),
...     Document(id="river", content="Rivers carry gold and tin.", meta={"year": 1851}, embedding=[0.2, 0.8]),
... ])
2
>>> later = {"field": "meta.year", "operator": ">", "value": 1849}
>>> [document.id for document in store.filter_documents(later)]
['river']
>>> LodeEmbeddingRetriever(store).run(query_embedding=[1.0, 0.0], top_k=1)["documents"][0].id
'box'
>>> LodeKeywordRetriever(store).run(query="what do rivers carry?", top_k=1)["documents"][0].id
'river'
>>> LodeHybridRetriever(store).run(query="gold", query_embedding=[0.0, 1.0], filters=later)["documents"][0].id
'river'

A pipeline that is loaded from YAML has to allow it: `Pipeline.loads(text, allowed_modules=["lodedb.haystack"])`.
"""

from __future__ import annotations

from lodedb._adapter import require

require("haystack", "haystack-ai", "haystack")

from lodedb.haystack._retrievers import (  # noqa: E402
    LodeEmbeddingRetriever,
    LodeHybridRetriever,
    LodeKeywordRetriever,
)
from lodedb.haystack._store import LodeDocumentStore  # noqa: E402

__all__ = ["LodeDocumentStore", "LodeEmbeddingRetriever", "LodeHybridRetriever", "LodeKeywordRetriever"]
