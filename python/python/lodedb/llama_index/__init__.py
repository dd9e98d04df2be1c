"""Lode as a vector store of LlamaIndex. Needs the package `llama-index-core`.

>>> from llama_index.core.schema import TextNode
>>> from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
>>> from lodedb.llama_index import LodeVectorStore
>>> store = LodeVectorStore(path=":memory:")
>>> store.add([
...     TextNode(id_="box", text="A sluice box washes gold.", metadata={"year": 1849}, embedding=[0.9, 0.1]),
...     TextNode(id_="river", text="Rivers carry gold and tin.", metadata={"year": 1851}, embedding=[0.2, 0.8]),
... ])
['box', 'river']
>>> later = MetadataFilters(filters=[MetadataFilter(key="year", operator=">", value=1849)])
>>> store.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2, filters=later)).ids
['river']
>>> store.query(VectorStoreQuery(query_str="washing gold", mode="sparse", similarity_top_k=1)).ids
['box']

As everywhere in LlamaIndex, it goes under an index: `VectorStoreIndex.from_vector_store(store)`.
"""

from __future__ import annotations

from lodedb._adapter import require

require("llama_index.core", "llama-index-core", "llama-index")

from lodedb.llama_index._store import LodeVectorStore  # noqa: E402

__all__ = ["LodeVectorStore"]
