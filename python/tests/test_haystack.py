"""The document store of Haystack: its own suites, and what they do not ask."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import lodedb
import pytest
from optional import need

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
need("haystack")

from haystack import Document, Pipeline  # noqa: E402
from haystack.dataclasses import ByteStream, SparseEmbedding  # noqa: E402
from haystack.document_stores.errors import DuplicateDocumentError  # noqa: E402
from haystack.document_stores.in_memory import InMemoryDocumentStore  # noqa: E402
from haystack.document_stores.types import DuplicatePolicy, FilterPolicy  # noqa: E402
from haystack.errors import FilterError  # noqa: E402
from haystack.testing import document_store as suite  # noqa: E402
from haystack.testing import document_store_async as async_suite  # noqa: E402
from lodedb.haystack import (  # noqa: E402
    LodeDocumentStore,
    LodeEmbeddingRetriever,
    LodeHybridRetriever,
    LodeKeywordRetriever,
)


class _Compared:
    """Documents come back in the order of their ids, and embeddings in single precision."""

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        assert len(received) == len(expected)
        for one, other in zip(*(sorted(each, key=lambda d: d.id) for each in (received, expected)), strict=True):
            if one.embedding is not None:
                assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
            assert dataclasses.replace(one, embedding=other.embedding) == other


class TestSuite(
    _Compared,
    suite.DocumentStoreBaseExtendedTests,
    suite.CountDocumentsByFilterTest,
    suite.CountUniqueMetadataByFilterTest,
    suite.GetMetadataFieldsInfoTest,
    suite.GetMetadataFieldMinMaxTest,
    suite.GetMetadataFieldUniqueValuesTest,
):
    """Every part of Haystack's suite."""

    @pytest.fixture
    def document_store(self) -> Iterator[LodeDocumentStore]:
        store = LodeDocumentStore()
        yield store
        store.close()

    def test_write_documents(self, document_store: LodeDocumentStore) -> None:  # type: ignore[override]
        documents = [Document(id="1"), Document(id="2")]
        assert document_store.write_documents(documents) == 2
        with pytest.raises(DuplicateDocumentError, match="'1'"):
            document_store.write_documents([Document(id="3"), documents[0]])
        self.assert_documents_are_equal(document_store.filter_documents(), documents)


class TestAsyncSuite(
    _Compared,
    async_suite.CountDocumentsAsyncTest,
    async_suite.WriteDocumentsAsyncTest,
    async_suite.DeleteDocumentsAsyncTest,
    async_suite.FilterDocumentsAsyncTest,
    async_suite.DeleteAllAsyncTest,
    async_suite.DeleteByFilterAsyncTest,
    async_suite.UpdateByFilterAsyncTest,
    async_suite.CountDocumentsByFilterAsyncTest,
    async_suite.CountUniqueMetadataByFilterAsyncTest,
    async_suite.GetMetadataFieldsInfoAsyncTest,
    async_suite.GetMetadataFieldMinMaxAsyncTest,
    async_suite.GetMetadataFieldUniqueValuesAsyncTest,
):
    """Every part of Haystack's suite for coroutines, on a file."""

    @pytest.fixture
    def document_store(self, path: Path) -> Iterator[LodeDocumentStore]:
        store = LodeDocumentStore(path)
        yield store
        store.close()

    async def test_write_documents_async(self, document_store: LodeDocumentStore) -> None:
        documents = [Document(id="1"), Document(id="2")]
        assert await document_store.write_documents_async(documents) == 2
        with pytest.raises(DuplicateDocumentError, match="'1'"):
            await document_store.write_documents_async(documents)


def documents() -> list[Document]:
    return [
        Document(
            id="a",
            content="Gold in the river.",
            meta={"year": 1849, "tags": ["gold"], "found": "1849-01-31", "at": {"page": 3}},
            embedding=[1.0, 0.1, 0.0],
        ),
        Document(id="b", content="A tin mine.", meta={"year": 1851, "tags": ["tin"]}, embedding=[0.0, 1.0, 0.1]),
        Document(
            id="c",
            content="A gold mine, a tin mine.",
            meta={"year": 1890.5, "found": "1890-05-01T10:00:00", "seen": datetime(1890, 5, 1, tzinfo=timezone.utc)},
            embedding=[0.7, 0.7, 0.1],
        ),
        Document(id="d", content="Rivers and nothing else.", meta={"year": None, "found": "1890-05-01T10:00:00Z"}),
        Document(id="e", blob=ByteStream(b"\x00\xff", meta={"from": "x"}, mime_type="image/png")),
        Document(id="f", content="", sparse_embedding=SparseEmbedding([3, 9], [0.5, 1.5])),
    ]


@pytest.fixture
def store() -> Iterator[LodeDocumentStore]:
    store = LodeDocumentStore(embedding_dim=3)
    store.write_documents(documents())
    yield store
    store.close()


def ids(found: list[Document]) -> list[str]:
    return [document.id for document in found]


def one(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


COMPARISONS: list[tuple[str, str, Any, str]] = [
    ("meta.year", "==", 1849, "a"),
    ("year", "!=", 1849, "bcdef"),
    ("meta.year", ">", 1851, "c"),
    ("meta.year", ">=", 1851, "bc"),
    ("meta.year", "<", 1851, "a"),
    ("meta.year", "<=", 1890.5, "abc"),
    ("meta.year", "in", [1849, 1890.5], "ac"),
    ("meta.year", "in", [1849, None], "adef"),
    ("meta.year", "not in", [1849, None], "bc"),
    ("meta.year", "==", None, "def"),
    ("meta.year", "!=", None, "abc"),
    ("meta.year", "<", None, ""),
    ("meta.at.page", "==", 3, "a"),
    ("meta.tags", "==", ["gold"], "a"),
    ("content", "==", "A tin mine.", "b"),
    ("id", "in", ["b", "c"], "bc"),
    ("id", "==", "a", "a"),
    ("embedding", "==", None, "def"),
    ("embedding", "!=", None, "abc"),
    ("blob", "!=", None, "e"),
    ("sparse_embedding", "==", None, "abcde"),
    ("meta.found", ">", "1849-01-31", "cd"),
    ("meta.found", ">=", "1849-01-31", "acd"),
    ("meta.found", "<", "1890-05-01T10:00:00", "a"),
    ("meta.found", "==", "1849-01-31", "a"),
    ("meta.seen", "==", "1890-05-01T00:00:00", "c"),
    ("meta.seen", "<", "1890-05-01T00:00:01", "c"),
    ("meta.seen", ">", datetime(1890, 4, 30, tzinfo=timezone.utc), "c"),
    ("meta.nothing", "==", "x", ""),
]


@pytest.mark.parametrize(("field", "operator", "value", "passing"), COMPARISONS)
def test_comparisons(store: LodeDocumentStore, field: str, operator: str, value: Any, passing: str) -> None:
    filters = one(field, operator, value)
    assert ids(store.filter_documents(filters)) == list(passing)
    none = {"operator": "NOT", "conditions": [filters]}
    assert ids(store.filter_documents(none)) == [id for id in "abcdef" if id not in passing]


@pytest.mark.parametrize(("field", "operator", "value", "passing"), COMPARISONS)
def test_comparisons_pass_what_the_store_of_haystack_passes(
    field: str, operator: str, value: Any, passing: str
) -> None:
    theirs = InMemoryDocumentStore()
    theirs.write_documents(documents())
    assert sorted(ids(theirs.filter_documents(one(field, operator, value)))) == list(passing)


def test_logic_nests(store: LodeDocumentStore) -> None:
    early = one("meta.year", "<", 1850)
    either = {"operator": "OR", "conditions": [early, one("meta.year", ">", 1880)]}
    both = {"operator": "AND", "conditions": [either, {"operator": "NOT", "conditions": [early]}]}
    assert ids(store.filter_documents(both)) == ["c"]
    assert store.count_documents_by_filter({}) == 6


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (one("meta.year", "~", 1), "no comparison '~', asked of 'meta.year'"),
        ({"operator": "XOR", "conditions": []}, "no logical operator 'XOR'"),
        ({"operator": "AND", "conditions": {}}, "'conditions' is a list"),
        (one("score", ">", 0.5), "'score'"),
        (one("embedding", "==", [1.0]), "of 'embedding' only == None"),
        (one("blob", "in", [None]), "of 'blob' only"),
        (one("meta.at", "==", {"page": 3}), "compare 'meta.at.page'"),
        (one("meta.found", ">", "1849-13-31"), "date in ISO format, not '1849-13-31'"),
        (["year"], "a dict, not list"),
    ],
)
def test_filters_without_sense_are_errors_that_name_them(store: LodeDocumentStore, filters: Any, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        store.filter_documents(filters)


def test_documents_come_back_whole(store: LodeDocumentStore) -> None:
    _Compared.assert_documents_are_equal(store.filter_documents(), documents())


def test_writing_by_policy(store: LodeDocumentStore) -> None:
    new = [Document(id="a", content="new", meta={}), Document(id="z"), Document(id="z", content="again")]
    assert store.write_documents(new, DuplicatePolicy.SKIP) == 1
    assert store.filter_documents(one("id", "==", "a"))[0].content == "Gold in the river."
    assert store.write_documents(new, DuplicatePolicy.OVERWRITE) == 3
    assert store.filter_documents(one("id", "in", ["a", "z"]))[1].content == "again"
    with pytest.raises(lodedb.DimensionError):
        store.write_documents([Document(embedding=[1.0])])
    assert store.write_documents([]) == 0


def test_retrieval_by_embedding(store: LodeDocumentStore) -> None:
    found = LodeEmbeddingRetriever(store).run(query_embedding=[1.0, 0.0, 0.0])["documents"]
    assert ids(found) == ["a", "c", "b"] and found[0].score is not None and found[0].score > 0.9
    assert found[0].embedding is None and found[0].meta == documents()[0].meta
    scaled = LodeEmbeddingRetriever(store, scale_score=True, return_embedding=True, top_k=1)
    (best,) = scaled.run(query_embedding=[-1.0, 0.0, 0.0])["documents"]
    assert best.id == "b" and best.score == pytest.approx(0.5) and best.embedding == pytest.approx([0.0, 1.0, 0.1])
    assert scaled.run(query_embedding=[1.0, 0.0, 0.0], top_k=0) == {"documents": []}
    unlike = LodeEmbeddingRetriever(store, top_k=2, diversity=0.9)
    assert ids(unlike.run(query_embedding=[1.0, 0.0, 0.0])["documents"]) == ["a", "b"]


def test_retrieval_by_words(store: LodeDocumentStore) -> None:
    assert ids(LodeKeywordRetriever(store).run(query='"tin": -mine?', top_k=2)["documents"]) == ["b", "c"]
    assert ids(LodeKeywordRetriever(store, operators=True).run(query="tin -gold")["documents"]) == ["b"]
    (only,) = LodeKeywordRetriever(store, scale_score=True).run(query="rivers", top_k=1)["documents"]
    assert only.score is not None and 0.5 < only.score < 1


def test_retrieval_by_both(store: LodeDocumentStore) -> None:
    run = LodeHybridRetriever(store).run(query="mine", query_embedding=[1.0, 0.0, 0.0])
    assert sorted(ids(run["documents"])) == ["a", "b", "c"]
    by_words = LodeHybridRetriever(store, vector_weight=0.0, search_options={"exact": True})
    assert ids(by_words.run(query="tin mine", query_embedding=[1.0, 0.0, 0.0], top_k=1)["documents"]) == ["b"]
    by_vector = LodeHybridRetriever(store, vector_weight=1.0)
    assert ids(by_vector.run(query="tin mine", query_embedding=[1.0, 0.0, 0.0], top_k=1)["documents"]) == ["a"]


async def test_retrieval_by_coroutines(store: LodeDocumentStore) -> None:
    vector = [1.0, 0.0, 0.0]
    embedding, words, both = LodeEmbeddingRetriever(store), LodeKeywordRetriever(store), LodeHybridRetriever(store)
    assert await embedding.run_async(query_embedding=vector) == embedding.run(query_embedding=vector)
    assert await words.run_async(query="tin") == words.run(query="tin")
    assert await both.run_async(query="tin", query_embedding=vector) == both.run(query="tin", query_embedding=vector)


def test_filters_of_a_retriever_are_replaced_or_merged(store: LodeDocumentStore) -> None:
    early, tin = one("meta.year", "<", 1880), one("meta.tags", "in", ["tin"])
    vector = [1.0, 0.0, 0.0]
    replaced = LodeEmbeddingRetriever(store, filters=early)
    assert ids(replaced.run(query_embedding=vector)["documents"]) == ["a", "b"]
    assert ids(replaced.run(query_embedding=vector, filters=one("year", ">", 1880))["documents"]) == ["c"]
    merged = LodeEmbeddingRetriever(store, filters=early, filter_policy=FilterPolicy.MERGE)
    assert ids(merged.run(query_embedding=vector, filters=tin)["documents"]) == ["b"]


def test_scores_by_metric() -> None:
    for metric, score, scaled in (("cosine", 1.0, 1.0), ("dot", 4.0, 0.51), ("l2", 0.0, 1.0)):
        store = LodeDocumentStore(embedding_dim=2, metric=metric)  # type: ignore[arg-type]
        store.write_documents([Document(id="a", embedding=[2.0, 0.0])])
        (raw,) = store.embedding_retrieval([2.0, 0.0])
        (between,) = store.embedding_retrieval([2.0, 0.0], scale_score=True)
        assert raw.score == pytest.approx(score)
        assert between.score == pytest.approx(scaled, abs=1e-3)


def test_a_pipeline_lasts_through_yaml(path: Path) -> None:
    store = LodeDocumentStore(path, "notes", embedding_dim=3, collection_options={"m": 8})
    store.write_documents(documents())
    pipeline = Pipeline()
    pipeline.add_component("vector", LodeEmbeddingRetriever(store, top_k=1, filter_policy=FilterPolicy.MERGE))
    pipeline.add_component("words", LodeKeywordRetriever(store, filters=one("year", ">", 1850), scale_score=True))
    pipeline.add_component("both", LodeHybridRetriever(store, vector_weight=0.5, diversity=0.1))
    text = pipeline.dumps()
    again = Pipeline.loads(text, allowed_modules=["lodedb.haystack"])
    assert again.dumps() == text and "type: lodedb.haystack.LodeDocumentStore" in text
    vector = [1.0, 0.0, 0.0]
    asked = {
        "vector": {"query_embedding": vector},
        "words": {"query": "gold"},
        "both": {"query": "gold", "query_embedding": vector},
    }
    assert again.run(asked) == pipeline.run(asked)
    assert ids(again.run(asked)["words"]["documents"]) == ["c"]
    store.close()
    assert store.count_documents() == 6  # Opened again.
    store.close()


def test_what_makes_no_sense_is_an_error(store: LodeDocumentStore, db: lodedb.Database) -> None:
    with pytest.raises(ValueError, match="top_k is 1 or more, not 0"):
        LodeKeywordRetriever(store, top_k=0)
    with pytest.raises(ValueError, match="top_k is 0 or more, not -1"):
        LodeKeywordRetriever(store).run(query="gold", top_k=-1)
    with pytest.raises(TypeError, match="not InMemoryDocumentStore"):
        LodeHybridRetriever(InMemoryDocumentStore())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="query_embedding is empty"):
        store.embedding_retrieval([])
    with pytest.raises(ValueError, match="query is empty"):
        store.bm25_retrieval("")
    with pytest.raises(ValueError, match="open database"):
        LodeDocumentStore(db).to_dict()
