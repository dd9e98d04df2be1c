"""The vector store of LangChain: its own suites, and what they do not ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lodedb
import pytest
from optional import need

need("langchain_core")
need("langchain_tests")

from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_core.indexing import InMemoryRecordManager, index  # noqa: E402
from langchain_core.retrievers import BaseRetriever  # noqa: E402
from langchain_core.structured_query import (  # noqa: E402
    Comparator,
    Comparison,
    FilterDirective,
    Operation,
    Operator,
    StructuredQuery,
)
from langchain_core.vectorstores import VectorStore  # noqa: E402
from langchain_tests.integration_tests import (  # noqa: E402
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from lodedb.langchain import LodeRetriever, LodeTranslator, LodeVectorStore  # noqa: E402


class TestSuite(VectorStoreIntegrationTests):
    """LangChain's suite, in memory."""

    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        store = LodeVectorStore(embedding=self.get_embeddings())
        yield store
        store.close()


class TestSuiteOnAFile(VectorStoreIntegrationTests):
    """LangChain's suite, on a file, with metadata beside the text."""

    @pytest.fixture
    def vectorstore(self, path: Path) -> Iterator[VectorStore]:
        store = LodeVectorStore(embedding=self.get_embeddings(), path=path, collection="docs", metric="l2")
        yield store
        store.close()


class Axes(Embeddings):
    """A dimension for each of a few words: how often a text has it."""

    words = ("gold", "tin", "river", "mine")

    def embed_query(self, text: str) -> list[float]:
        return [float(text.lower().count(word)) for word in self.words]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]


DOCUMENTS = [
    Document(
        "Gold in the river.", id="a", metadata={"year": 1849, "tags": ["gold", "water"], "title": "Sutter's Mill"}
    ),
    Document("A tin mine.", id="b", metadata={"year": 1851, "tags": ["tin"], "title": "Cornwall"}),
    Document("A gold mine, a tin mine.", id="c", metadata={"year": 1890, "tags": ["gold", "tin"], "title": "100% ore"}),
    Document("Rivers and nothing else.", id="d", metadata={"loc": {"page": 3}, "title": "sutter's creek"}),
]


@pytest.fixture
def store() -> Iterator[LodeVectorStore]:
    store = LodeVectorStore(Axes())
    store.add_documents(DOCUMENTS)
    yield store
    store.close()


class _Retriever(RetrieversIntegrationTests):
    search_type = "similarity"

    @pytest.fixture(autouse=True)
    def over(self, store: LodeVectorStore) -> None:
        self.store = store

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return LodeRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"vectorstore": self.store, "search_type": self.search_type}

    @property
    def retriever_query_example(self) -> str:
        return "the gold mine at a river"


class TestRetriever(_Retriever):
    """LangChain's suite for retrievers."""


class TestKeywordRetriever(_Retriever):
    """The same, by words."""

    search_type = "keyword"


class TestHybridRetriever(_Retriever):
    """The same, by words and vectors."""

    search_type = "hybrid"


def found(store: LodeVectorStore, filter: Any) -> list[str]:
    return sorted(document.id or "" for document in store.similarity_search("gold", k=10, filter=filter))


FILTERS: list[tuple[Any, str]] = [
    ({"year": 1849}, "a"),
    ({"year": {"$ne": 1849}}, "bcd"),
    ({"year": {"$gt": 1849, "$lte": 1890}}, "bc"),
    ({"year": {"$between": [1849, 1851]}}, "ab"),
    ({"tags": {"$in": ["tin"]}}, "bc"),
    ({"tags": {"$nin": ["tin"]}}, "ad"),
    ({"tags": {"$contains_all": ["tin", "gold"]}}, "c"),
    ({"year": {"$exists": False}}, "d"),
    ({"loc.page": 3}, "d"),
    ({"$or": [{"year": 1849}, {"loc.page": {"$gte": 3}}]}, "ad"),
    ({"$and": [{"tags": "gold"}, {"year": {"$lt": 1880}}]}, "a"),
    ({"$not": {"tags": "gold"}}, "bd"),
    ({"$nor": [{"tags": "gold"}, {"tags": "tin"}]}, "d"),
    ({"year": {"$not": {"$gt": 1850}}}, "ad"),
    ({"title": {"$like": "Sutter%"}}, "a"),
    ({"title": {"$ilike": "sutter_s%"}}, "ad"),
    ({"title": {"$like": "100\\% %"}}, "c"),
    ({"title": {"$prefix": "Corn"}}, "b"),
    ({"nobody": {"$like": "%"}}, ""),
    ({"nobody": 1}, ""),
    ({}, "abcd"),
    ("metadata.year >= 1850", "bc"),
    (lodedb.F["metadata.year"] >= 1850, "bc"),
]


@pytest.mark.parametrize(("filter", "ids"), FILTERS, ids=[str(filter) for filter, _ in FILTERS])
def test_filters(store: LodeVectorStore, filter: Any, ids: str) -> None:
    assert found(store, filter) == list(ids)
    assert sorted(d.id or "" for d in store.max_marginal_relevance_search("gold", k=10, filter=filter)) == list(ids)


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ({"year": {"$near": 1}}, r"no operator '\$near', asked of 'metadata.year'"),
        ({"$xor": []}, r"'\$xor'"),
        ({"$or": {"a": 1}}, r"'\$or' takes a list"),
        ({"year": {"$between": 3}}, r"'\$between' of 'metadata.year' takes a list of two"),
        ({"title": {"$like": 3}}, r"'\$like' of 'metadata.title' takes a pattern"),
        ({"loc": {"page": 3}}, "no operator"),
        (lambda document: True, "not function"),
    ],
)
def test_what_no_filter_says_is_an_error_that_names_it(store: LodeVectorStore, filter: Any, said: str) -> None:
    with pytest.raises((lodedb.FilterError, TypeError), match=said):
        found(store, filter)


COMPARISONS: list[tuple[Comparator, str, Any, str]] = [
    (Comparator.EQ, "year", 1849, "a"),
    (Comparator.NE, "year", 1849, "bcd"),
    (Comparator.GT, "year", 1851, "c"),
    (Comparator.GTE, "year", 1851, "bc"),
    (Comparator.LT, "year", 1851, "a"),
    (Comparator.LTE, "year", 1851, "ab"),
    (Comparator.IN, "year", [1849, 1890], "ac"),
    (Comparator.NIN, "year", [1849, 1890], "bd"),
    (Comparator.CONTAIN, "tags", "tin", "bc"),
    (Comparator.CONTAIN, "title", "% o", "c"),
    (Comparator.LIKE, "title", "%wall", "b"),
]


@pytest.mark.parametrize(("comparator", "name", "value", "ids"), COMPARISONS)
def test_self_query_comparators(
    store: LodeVectorStore, comparator: Comparator, name: str, value: Any, ids: str
) -> None:
    comparison = Comparison(comparator=comparator, attribute=name, value=value)
    query, arguments = LodeTranslator().visit_structured_query(
        StructuredQuery(query="gold", filter=comparison, limit=None)
    )
    assert (query, found(store, arguments["filter"])) == ("gold", list(ids))


@pytest.mark.parametrize(("operator", "ids"), [(Operator.AND, "c"), (Operator.OR, "abc"), (Operator.NOT, "d")])
def test_self_query_operators(store: LodeVectorStore, operator: Operator, ids: str) -> None:
    gold: list[FilterDirective] = [
        Comparison(comparator=Comparator.CONTAIN, attribute="tags", value=value) for value in ("gold", "tin")
    ]
    operation = Operation(operator=operator, arguments=gold)
    assert found(store, LodeTranslator().visit_operation(operation)) == list(ids)
    assert LodeTranslator().visit_structured_query(StructuredQuery(query="x", filter=None, limit=None)) == ("x", {})


def test_every_operator_of_a_self_query_is_allowed() -> None:
    assert {*LodeTranslator.allowed_comparators} == {*Comparator}
    assert {*LodeTranslator.allowed_operators} == {*Operator}


def test_words_are_words_whatever_signs_are_typed(store: LodeVectorStore) -> None:
    assert [d.id for d in store.keyword_search('a "tin" mine: -gold?', k=2)] == ["c", "b"]
    assert [d.id for d in store.keyword_search("mine -gold", operators=True)] == ["b"]
    assert [d.id for d in store.keyword_search("mine", filter={"year": {"$gt": 1851}})] == ["c"]
    (best, score), *_ = store.keyword_search_with_score("rivers")
    assert score > 0 and best.id in ("a", "d")


def test_hybrid_search_fuses_words_and_vectors(store: LodeVectorStore) -> None:
    both = store.hybrid_search_with_score("gold mine", k=4)
    assert both[0][0].id == "c" and both[0][1] == pytest.approx(2 / 61, rel=0.1)
    by_words = store.hybrid_search("nothing", k=1, fusion=lodedb.weighted(vector=0.0, text=1.0))
    assert [d.id for d in by_words] == ["d"]
    assert found(store, None) == [*"abcd"]


async def test_coroutines_find_the_same(store: LodeVectorStore) -> None:
    assert await store.akeyword_search("tin") == store.keyword_search("tin")
    assert await store.akeyword_search_with_score("tin") == store.keyword_search_with_score("tin")
    assert await store.ahybrid_search("tin mine") == store.hybrid_search("tin mine")
    assert await store.amax_marginal_relevance_search("tin") == store.max_marginal_relevance_search("tin")
    assert await store.asimilarity_search_by_vector([1, 0, 0, 0]) == store.similarity_search_by_vector([1, 0, 0, 0])
    for search_type in ("similarity", "mmr", "keyword", "hybrid"):
        assert await store.asearch("tin", search_type, k=2) == store.search("tin", search_type, k=2)
    await store.adelete(filter={"tags": "tin"})
    assert found(store, None) == ["a", "d"]


def test_relevance_is_between_0_and_1(store: LodeVectorStore) -> None:
    near, *_, far = store.similarity_search_with_relevance_scores("gold river", k=4)
    assert near[0].id == "a" and near[1] == pytest.approx(1.0) and 0 <= far[1] < 0.8
    kept = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9})
    assert [d.id for d in kept.invoke("gold river")] == ["a"]


@pytest.mark.parametrize(("metric", "relevance"), [("l2", 1.0), ("dot", 1.0), ("cosine", 1.0)])
def test_relevance_by_metric(metric: Any, relevance: float) -> None:
    store = LodeVectorStore.from_texts(["gold"], Axes(), metric=metric, ids=["a"])
    assert store.similarity_search_with_relevance_scores("gold")[0][1] == pytest.approx(relevance)
    own = LodeVectorStore.from_texts(["gold"], Axes(), metric=metric, relevance_score_fn=lambda score: 0.25)
    assert own.similarity_search_with_relevance_scores("gold")[0][1] == 0.25


def test_mmr_takes_what_is_unlike(store: LodeVectorStore) -> None:
    store.add_documents([Document("Gold in the river, again.", id="e")])
    assert [d.id for d in store.max_marginal_relevance_search("gold river", k=2, lambda_mult=1.0)] == ["a", "e"]
    near, unlike = store.max_marginal_relevance_search("gold river", k=2, lambda_mult=0.1)
    assert near.id in ["a", "e"] and unlike.id not in ["a", "e"]


def test_the_indexing_of_langchain(store: LodeVectorStore) -> None:
    records = InMemoryRecordManager("notes")
    records.create_schema()
    documents = [Document(f"gold {n}", metadata={"source": "x"}) for n in range(5)]
    first = index(documents, records, store, cleanup="full", source_id_key="source", batch_size=2)
    second = index(documents[:3], records, store, cleanup="full", source_id_key="source", batch_size=2)
    assert (first["num_added"], second["num_added"], second["num_deleted"]) == (5, 0, 2)
    assert len(found(store, {"source": "x"})) == 3


def test_a_file_is_shared_and_lasts(path: Path) -> None:
    notes = LodeVectorStore(Axes(), path, "notes")
    others = LodeVectorStore(Axes(), str(path), "others", metric="dot")
    notes.add_documents(DOCUMENTS[:2])
    others.add_documents(DOCUMENTS[2:])
    notes.close()
    assert found(others, None) == ["c", "d"]
    with pytest.raises(lodedb.ClosedError, match="notes"):
        found(notes, None)
    others.close()
    with lodedb.open(path) as db:
        assert db.collections() == ["notes", "others"]
        assert found(LodeVectorStore(Axes(), db, "notes"), None) == ["a", "b"]
        with pytest.raises(lodedb.LockedError, match="give that database as the path"):
            LodeVectorStore(Axes(), path, "notes")
        read = LodeVectorStore(Axes(), path, "notes", read_only=True)
        assert found(read, None) == ["a", "b"]
        with pytest.raises(lodedb.ReadOnlyError):
            read.add_documents(DOCUMENTS)
        read.close()
        with pytest.raises(lodedb.SchemaError, match="metric 'dot', not 'l2'"):
            found(LodeVectorStore(Axes(), db, "others", metric="l2"), None)


def test_no_option_is_passed_over(path: Path) -> None:
    store = LodeVectorStore(Axes(), path, language="german", durability="none", collection_options={"m": 8})
    store.add_documents(DOCUMENTS)
    with pytest.raises(lodedb.ArgumentError, match="durability 'none', not 'full'"):
        LodeVectorStore(Axes(), path)
    for asked, said in (
        ({"language": "english"}, "german"),
        ({"metric": "l2"}, "'cosine', not 'l2'"),
        ({"collection_options": {"quantization": "sq4"}}, "searched as sq4"),
    ):
        with pytest.raises(lodedb.SchemaError, match=said):
            found(LodeVectorStore(Axes(), store._records.database, **asked), None)
    same = LodeVectorStore(Axes(), path, language="german", durability="none", collection_options={"m": 8})
    assert found(same, None) == found(LodeVectorStore(Axes(), path, durability="none"), None) == [*"abcd"]
    with pytest.raises(lodedb.ArgumentError, match="this database is open already"):
        LodeVectorStore(Axes(), store._records.database, read_only=True)
    with pytest.raises(lodedb.ArgumentError, match="in memory"):
        LodeVectorStore(Axes(), read_only=True)
    same.close()
    store.close()
    with lodedb.open(path) as db:
        db.collection("two", vectors={"a": 2, "b": 2})
        with pytest.raises(lodedb.SchemaError, match="several vectors"):
            found(LodeVectorStore(Axes(), db, "two", language="english"), None)


def test_any_collection_with_metadata_among_its_fields(db: lodedb.Database) -> None:
    plain = db.collection("plain", dim=4, text=["body"])
    plain.upsert({"id": "x", "vector": [1, 0, 0, 0], "body": "Gold.", "year": 1849})
    store = LodeVectorStore(Axes(), db, "plain", text_field="body", metadata_field=None)
    assert store.similarity_search("gold", filter={"year": 1849}) == [
        Document("Gold.", id="x", metadata={"year": 1849})
    ]
    assert store.max_marginal_relevance_search("gold") == store.keyword_search("gold") == store.get_by_ids(["x", "y"])
    store.add_documents([Document("Tin.", id="y", metadata={"year": 1850})])
    assert plain.count("year = 1850") == 1
    with pytest.raises(lodedb.ArgumentError, match="metadata of 'z' has the name 'body'"):
        store.add_documents([Document("Tin.", id="z", metadata={"body": 1})])


def test_deleting(store: LodeVectorStore) -> None:
    store.delete(filter={"nobody": 1})
    store.delete(filter={"year": 1849})
    assert found(store, None) == ["b", "c", "d"]
    with pytest.raises(lodedb.ArgumentError, match="not both"):
        store.delete(["b"], filter={"year": 1})
    store.delete()
    assert found(store, None) == [] and len(store.client) == 0


def test_arguments_that_make_no_sense(store: LodeVectorStore) -> None:
    with pytest.raises(ValueError, match="2 ids for 1 documents"):
        store.add_documents(DOCUMENTS[:1], ids=["a", "b"])
    with pytest.raises(TypeError, match="'refresh'"):
        store.add_documents(DOCUMENTS, refresh=True)
    with pytest.raises(ValueError, match="batch_size"):
        store.add_documents(DOCUMENTS, batch_size=0)
    with pytest.raises(TypeError, match="nearest"):
        store.similarity_search("gold", nearest=True)
    with pytest.raises(ValueError, match="not allowed"):
        store.search("gold", "svm")
