"""The vector store of LlamaIndex: every operator, condition and mode, and the use under an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lodedb
import pytest
from optional import need

need("llama_index.core")

from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex  # noqa: E402
from llama_index.core.schema import (  # noqa: E402
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import SimpleVectorStore  # noqa: E402
from llama_index.core.vector_stores.types import (  # noqa: E402
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)
from lodedb.llama_index import LodeVectorStore  # noqa: E402


def node(id: str, text: str, vector: list[float], document: str, **metadata: Any) -> TextNode:
    of = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(id_=id, text=text, embedding=vector, metadata=metadata, relationships=of)


def nodes() -> list[TextNode]:
    return [
        node("a", "Gold in the river.", [1.0, 0.1, 0.0], "x", year=1849, tags=["gold", "water"], title="Sutter's Mill"),
        node("b", "A tin mine.", [0.0, 1.0, 0.1], "x", year=1851, tags=["tin"], title="Cornwall"),
        node("c", "A gold mine, a tin mine.", [0.7, 0.7, 0.1], "y", year=1890, tags=["gold", "tin"], title="Rand"),
        node("d", "Rivers and nothing else.", [0.1, 0.1, 1.0], "z", title="", tags=[], depth=2.5),
    ]


@pytest.fixture
def store() -> Iterator[LodeVectorStore]:
    store = LodeVectorStore()
    store.add(nodes())
    yield store
    store.close()


def ask(store: Any, **query: Any) -> list[str]:
    return list(store.query(VectorStoreQuery(**{"similarity_top_k": 10, **query})).ids or [])


def passing(store: LodeVectorStore, filters: MetadataFilters) -> list[str]:
    found = sorted(ask(store, query_embedding=[1.0, 0.0, 0.0], filters=filters))
    assert sorted(node.node_id for node in store.get_nodes(filters=filters)) == found
    return found


OPERATORS: list[tuple[str, FilterOperator, Any, str]] = [
    ("year", FilterOperator.EQ, 1849, "a"),
    ("year", FilterOperator.NE, 1849, "bcd"),
    ("year", FilterOperator.GT, 1851, "c"),
    ("year", FilterOperator.GTE, 1851, "bc"),
    ("year", FilterOperator.LT, 1851, "a"),
    ("year", FilterOperator.LTE, 1851, "ab"),
    ("depth", FilterOperator.GT, 2, "d"),
    ("year", FilterOperator.IN, [1849, 1890], "ac"),
    ("year", FilterOperator.NIN, [1849, 1890], "bd"),
    ("title", FilterOperator.IN, ["Rand", "Cornwall"], "bc"),
    ("tags", FilterOperator.ANY, ["water", "tin"], "abc"),
    ("tags", FilterOperator.ALL, ["gold", "tin"], "c"),
    ("tags", FilterOperator.CONTAINS, "gold", "ac"),
    ("title", FilterOperator.TEXT_MATCH, "Mill", "a"),
    ("title", FilterOperator.TEXT_MATCH, "mill", ""),
    ("title", FilterOperator.TEXT_MATCH_INSENSITIVE, "R", "abc"),
    ("year", FilterOperator.IS_EMPTY, None, "d"),
    ("tags", FilterOperator.IS_EMPTY, None, "d"),
    ("title", FilterOperator.IS_EMPTY, None, "d"),
    ("nobody", FilterOperator.IS_EMPTY, None, "abcd"),
    ("nobody", FilterOperator.EQ, "x", ""),
    ("year", FilterOperator.EQ, None, "d"),
    ("year", FilterOperator.NE, None, "abc"),
    ("ref_doc_id", FilterOperator.EQ, "x", "ab"),
    ("doc_id", FilterOperator.NE, "x", "cd"),
]


@pytest.mark.parametrize(("key", "operator", "value", "ids"), OPERATORS)
def test_operators(store: LodeVectorStore, key: str, operator: FilterOperator, value: Any, ids: str) -> None:
    one = MetadataFilter(key=key, operator=operator, value=value)
    assert passing(store, MetadataFilters(filters=[one])) == list(ids)
    none = MetadataFilters(filters=[one], condition=FilterCondition.NOT)
    assert passing(store, none) == [id for id in "abcd" if id not in ids]


def test_every_operator_is_tested() -> None:
    assert {operator for _, operator, _, _ in OPERATORS} == {*FilterOperator}


GOLD = MetadataFilter(key="tags", operator=FilterOperator.CONTAINS, value="gold")
TIN = MetadataFilter(key="tags", operator=FilterOperator.CONTAINS, value="tin")
EARLY = MetadataFilter(key="year", operator=FilterOperator.LT, value=1850)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [(FilterCondition.AND, "c"), (FilterCondition.OR, "abc"), (FilterCondition.NOT, "d"), (None, "c")],
)
def test_conditions(store: LodeVectorStore, condition: FilterCondition | None, ids: str) -> None:
    assert passing(store, MetadataFilters(filters=[GOLD, TIN], condition=condition)) == list(ids)


def test_conditions_nest(store: LodeVectorStore) -> None:
    neither = MetadataFilters(filters=[GOLD, TIN], condition=FilterCondition.NOT)
    early = MetadataFilters(filters=[GOLD, EARLY])
    assert passing(store, MetadataFilters(filters=[neither, early], condition=FilterCondition.OR)) == ["a", "d"]
    assert passing(store, MetadataFilters(filters=[])) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("condition", [*FilterCondition])
def test_filters_pass_what_the_store_of_llama_index_passes(store: LodeVectorStore, condition: FilterCondition) -> None:
    simple = SimpleVectorStore()
    simple.add(nodes())
    for key, operator, value, _ in OPERATORS:
        # Its orders of a missing value and its equality with None are its own.
        if (value is None) is (operator is FilterOperator.IS_EMPTY):
            one = MetadataFilter(key=key, operator=operator, value=value)
            filters = MetadataFilters(filters=[one, GOLD], condition=condition)
            expected = ask(simple, query_embedding=[1.0, 0.0, 0.0], filters=filters)
            assert passing(store, filters) == sorted(expected), (key, operator)


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        (MetadataFilter(key="year", operator=FilterOperator.GT, value=None), "'>' of 'year' needs a value"),
        (MetadataFilter(key="title", operator=FilterOperator.TEXT_MATCH, value=3), "'text_match' of 'title' takes a"),
    ],
)
def test_filters_without_sense_are_errors_that_name_them(
    store: LodeVectorStore, filter: MetadataFilter, said: str
) -> None:
    with pytest.raises(lodedb.FilterError, match=said):
        passing(store, MetadataFilters(filters=[filter]))


def test_the_default_mode(store: LodeVectorStore) -> None:
    result = store.query(VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0], similarity_top_k=2))
    assert result.ids == ["a", "c"] and result.nodes is not None and result.similarities is not None
    assert [node.get_content() for node in result.nodes] == ["Gold in the river.", "A gold mine, a tin mine."]
    assert result.similarities[0] > result.similarities[1] > 0.6
    assert result.nodes[0].metadata == nodes()[0].metadata and result.nodes[0].ref_doc_id == "x"
    assert ask(store, query_embedding=[1.0, 0.0, 0.0], node_ids=["b", "d"]) == ["d", "b"]
    assert ask(store, query_embedding=[1.0, 0.0, 0.0], doc_ids=["x"]) == ["a", "b"]
    assert ask(store, query_embedding=[1.0, 0.0, 0.0], node_ids=[]) == ask(store, query_embedding=[1.0, 0.0, 0.0])


@pytest.mark.parametrize("mode", [VectorStoreQueryMode.SPARSE, VectorStoreQueryMode.TEXT_SEARCH])
def test_modes_by_words(store: LodeVectorStore, mode: VectorStoreQueryMode) -> None:
    assert ask(store, query_str="tin: a -mine?", mode=mode) == ["b", "c"]
    assert ask(store, query_str="tin mine", mode=mode, sparse_top_k=1) == ["b"]
    early = MetadataFilters(filters=[EARLY])
    assert ask(store, query_str="gold", mode=mode, filters=early) == ["a"]
    exact = store.query(VectorStoreQuery(query_str="tin -gold", mode=mode, similarity_top_k=5), operators=True)
    assert exact.ids == ["b"]


def test_the_hybrid_mode(store: LodeVectorStore) -> None:
    both: dict[str, Any] = {"query_str": "rivers", "query_embedding": [0.0, 1.0, 0.0], "mode": "hybrid"}
    assert ask(store, **both, alpha=1.0)[0] == "b"
    assert ask(store, **both, alpha=0.0)[0] in ("a", "d")
    assert sorted(ask(store, **both)) == ["a", "b", "c", "d"]
    assert len(ask(store, **both, hybrid_top_k=2)) == 2
    assert ask(store, **both, filters=MetadataFilters(filters=[EARLY])) == ["a"]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_mmr_mode_chooses_what_the_store_of_llama_index_chooses(store: LodeVectorStore, threshold: float) -> None:
    simple = SimpleVectorStore()
    simple.add(nodes())
    query = VectorStoreQuery(query_embedding=[1.0, 0.3, 0.0], similarity_top_k=3, mode=VectorStoreQueryMode.MMR)
    expected = simple.query(query, mmr_threshold=threshold)
    found = store.query(query, mmr_threshold=threshold)
    assert found.ids == expected.ids and found.similarities == pytest.approx(expected.similarities, abs=1e-5)
    query.mmr_threshold = threshold
    assert store.query(query, mmr_prefetch_factor=10).ids == expected.ids


def test_other_modes_are_errors_that_name_them(store: LodeVectorStore) -> None:
    for mode in ("svm", "linear_regression", "logistic_regression", "semantic_hybrid"):
        with pytest.raises(lodedb.ArgumentError, match=f"no query mode '{mode}'"):
            ask(store, query_embedding=[1.0, 0.0, 0.0], query_str="x", mode=mode)
    with pytest.raises(lodedb.ArgumentError, match="needs query_embedding"):
        ask(store, query_str="x")
    with pytest.raises(lodedb.ArgumentError, match="needs query_str"):
        ask(store, query_embedding=[1.0, 0.0, 0.0], mode="hybrid")


def test_getting_and_deleting(store: LodeVectorStore) -> None:
    kept = {node.node_id: node for node in store.get_nodes()}
    assert kept["a"] == nodes()[0].model_copy(update={"embedding": kept["a"].embedding})
    assert kept["a"].embedding == pytest.approx(nodes()[0].embedding)
    assert [node.node_id for node in store.get_nodes(["a", "nobody"])] == ["a"]
    store.delete("x")
    store.delete("nobody")
    assert sorted(node.node_id for node in store.get_nodes()) == ["c", "d"]
    store.delete_nodes([])
    store.delete_nodes(["c", "d"], MetadataFilters(filters=[GOLD]))
    assert [node.node_id for node in store.get_nodes()] == ["d"]
    with pytest.raises(lodedb.ArgumentError, match="clear"):
        store.delete_nodes()
    store.clear()
    assert store.get_nodes() == [] and ask(store, query_embedding=[1.0, 0.0, 0.0]) == []


def test_every_kind_of_node_comes_back(store: LodeVectorStore) -> None:
    several: list[BaseNode] = [
        IndexNode(id_="i", text="to another", index_id="x", embedding=[1.0, 0.0, 0.0]),
        ImageNode(id_="j", text="a picture", image="YWJj", embedding=[1.0, 0.0, 0.0]),
    ]
    assert store.add(several) == ["i", "j"]
    assert store.get_nodes(["i", "j"]) == several
    assert store.add([]) == []
    with pytest.raises(ValueError, match="embedding not set"):
        store.add([TextNode(text="bare")])


async def test_coroutines_do_the_same(path: Path) -> None:
    store = LodeVectorStore(path, "notes")
    query = VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0], similarity_top_k=4)
    assert (await store.aquery(query)).ids == [] and await store.aget_nodes() == []
    assert await store.async_add(nodes()) == ["a", "b", "c", "d"]
    assert (await store.aquery(query)).ids == store.query(query).ids
    await store.adelete("x")
    await store.adelete_nodes(["d"])
    assert [node.node_id for node in await store.aget_nodes()] == ["c"]
    await store.aclear()
    assert store.get_nodes() == []


def test_under_an_index_on_a_file(path: Path) -> None:
    store = LodeVectorStore(path)
    storage = StorageContext.from_defaults(vector_store=store)
    documents = [Document(text=f"Note {n} on gold.", id_=f"note {n}", metadata={"n": n}) for n in range(5)]
    index = VectorStoreIndex.from_documents(documents, storage_context=storage, embed_model=MockEmbedding(8))
    retriever = index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=2)
    assert len(retriever.retrieve("note 3")) == 2
    index.delete_ref_doc("note 3")
    store.close()

    again = LodeVectorStore(path)
    index = VectorStoreIndex.from_vector_store(again, embed_model=MockEmbedding(8))
    one = MetadataFilters(filters=[MetadataFilter(key="n", operator=FilterOperator.GTE, value=3)])
    (found,) = index.as_retriever(filters=one, similarity_top_k=5).retrieve("gold")
    assert found.node.ref_doc_id == "note 4" and found.text == "Note 4 on gold."
    again.close()
