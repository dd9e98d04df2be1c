"""Documents as records, and back."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from haystack import Document
from haystack.dataclasses import ByteStream, SparseEmbedding


def row_of(document: Document, dim: int) -> dict[str, Any]:
    """The record of a document; what it has not is no field. Without an embedding, its vector is zeros."""
    row: dict[str, Any] = {"id": document.id, "document_id": document.id, "meta": document.meta}
    if document.embedding is None:
        row |= {"vector": [0.0] * dim, "unembedded": True}
    else:
        row["vector"] = document.embedding
    if document.content is not None:
        row["content"] = document.content
    if document.blob is not None:
        blob = document.blob
        data = base64.b64encode(blob.data).decode("ascii")
        row["blob"] = {"data": data, "meta": blob.meta, "mime_type": blob.mime_type}
    if document.sparse_embedding is not None:
        row["sparse_embedding"] = asdict(document.sparse_embedding)
    return row


def document_of(fields: dict[str, Any], vector: Any = None, score: float | None = None) -> Document:
    """The document of a record's fields; with an embedding where `vector` is given and the document had one."""
    blob, sparse = fields.get("blob"), fields.get("sparse_embedding")
    return Document(
        id=fields["document_id"],
        content=fields.get("content"),
        blob=None if blob is None else ByteStream(base64.b64decode(blob["data"]), blob["meta"], blob["mime_type"]),
        meta=fields["meta"],
        score=score,
        embedding=None if vector is None or fields.get("unembedded") else vector.tolist(),
        sparse_embedding=None if sparse is None else SparseEmbedding(**sparse),
    )
