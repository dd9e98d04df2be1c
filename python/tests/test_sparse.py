"""Sparse vectors: every way in, back out, and searches alone and beside other parts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lodedb
import lodedb.aio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

FIRST = {17: 0.5, 4711: 1.25}
SECOND = {17: 1.0, 2**32 - 1: 0.75}


class Rows:
    """A matrix in compressed sparse rows, with what scipy's have."""

    def __init__(self, rows: list[dict[int, float]]) -> None:
        self.format = "csr"
        self.shape = (len(rows), 2**32)
        self.indptr = np.cumsum([0, *map(len, rows)])
        self.indices = np.array([term for row in rows for term in row], dtype=np.int64)
        self.data = np.array([weight for row in rows for weight in row.values()])


def terms(db: lodedb.Database) -> lodedb.Collection:
    return db.collection("terms", sparse=["splade"])


@pytest.mark.parametrize(
    "given",
    [
        FIRST,
        {np.int64(4711): np.float32(1.25), 17: 0.5},
        ([17, 4711], [0.5, 1.25]),
        [np.array([4711, 17], dtype=np.uint32), np.array([1.25, 0.5], dtype=np.float16)],
        SimpleNamespace(indices=[17, 4711], values=np.array([0.5, 1.25])),
        Rows([FIRST]),
    ],
)
def test_ways_to_give_a_sparse_vector(given: Any) -> None:
    docs = terms(lodedb.open(":memory:"))
    docs.upsert(
        [{"id": 1, "splade": given, "title": "Mines"}, {"id": 2}, {"id": 3, "splade": None}, {"id": 4, "splade": {}}]
    )
    assert docs.get([1, 2, 3, 4]) == [
        {"id": 1, "splade": FIRST, "title": "Mines"},
        {"id": 2},
        {"id": 3},
        {"id": 4, "splade": {}},
    ]
    for asked in (given, {"splade": given}):
        hits = docs.search(sparse=asked)
        assert (hits.ids, hits.scores.tolist()) == ([1], [0.25 + 1.25**2])
        assert hits[0].scores == {"splade": hits[0].score}


@pytest.mark.parametrize(
    "column",
    [[FIRST, None, SECOND], {"splade": [FIRST, None, SECOND]}, Rows([FIRST, {}, SECOND])],
)
def test_columns(column: Any) -> None:
    db = lodedb.open(":memory:")
    docs = db.collection("docs", dim=1, sparse=["splade"])
    docs.upsert(ids=[1, 2, 3], vectors=np.ones((3, 1)), sparse=column, fields={"n": [1, 2, 3]})
    assert docs.search(sparse={17: 2.0}).ids == [3, 1]
    found = docs.get(2)
    assert found is not None and found.get("splade", {}) == {}
    with pytest.raises(ValueError, match="differ in length: 2 and 3"):
        docs.upsert(ids=[1, 2, 3], vectors=np.ones((3, 1)), sparse=[FIRST, SECOND])
    with pytest.raises(TypeError, match="one dimension"):
        docs.upsert(ids=[1, 2], vectors=np.ones((2, 1)), sparse=([17, 4711], [0.5, 1.25]))


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"id": [1, 2, 3], "splade": [FIRST, None, SECOND], "n": [1, 2, 3]}),
        pl.DataFrame(
            {
                "id": [1, 2, 3],
                "splade": [
                    {"indices": [17, 4711], "values": [0.5, 1.25]},
                    None,
                    {"indices": [17, 2**32 - 1], "values": [1.0, 0.75]},
                ],
            }
        ),
        pa.table(
            {
                "id": pa.array([1, 2, 3]),
                "splade": pa.array(
                    [list(FIRST.items()), None, list(SECOND.items())], type=pa.map_(pa.uint32(), pa.float32())
                ),
            }
        ),
    ],
)
def test_tables(table: Any) -> None:
    docs = terms(lodedb.open(":memory:"))
    assert docs.upsert(table) == 3
    rows = docs.get([1, 2, 3])
    assert [row and row.get("splade") for row in rows] == [FIRST, None, SECOND]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({17: 0.0}, "weight of term 17 is 0, and a finite number above 0"),
        ({17: -1.0}, "is -1"),
        ({17: float("nan")}, "is NaN"),
        ({-1: 1.0}, "from 0 to 4294967295, not -1"),
        ({2**32: 1.0}, "not 4294967296"),
        ({1: "a"}, "a weight is a number, not str"),
        (([1, 2], [1.0]), "2 terms and 1 weights"),
        (([1, 1], [1.0, 2.0]), "term 1 is there twice"),
        (([1.5], [1.0]), "whole numbers, not float64"),
        ("text", "a dict of weights by term"),
        (7, "a dict of weights by term"),
        (Rows([FIRST, SECOND]), "several rows"),
    ],
)
def test_what_is_no_sparse_vector(wrong: Any, message: str) -> None:
    docs = terms(lodedb.open(":memory:"))
    for call in (lambda: docs.upsert({"id": 1, "splade": wrong}), lambda: docs.search(sparse={"splade": wrong})):
        with pytest.raises((ValueError, TypeError), match=message):
            call()
    assert len(docs) == 0


def test_names() -> None:
    db = lodedb.open(":memory:")
    docs = db.collection("docs", sparse=["a", "b"], text=["body"])
    assert repr(docs) == "Collection('docs', text=['body'], sparse=['a', 'b'], len=0)"
    docs.upsert([{"id": 1, "a": FIRST, "b": SECOND, "body": "gold"}, {"id": 2, "a": SECOND}])
    hits = docs.search(sparse={"a": {4711: 1.0}, "b": {17: 1.0}}, text="gold", fusion=lodedb.weighted(a=2, b=1, text=0))
    assert hits[0].scores["a"] == 1.25 and hits[0].scores["b"] == 1.0 and "text" in hits[0].scores
    explained = docs.explain(sparse={"a": {17: 1.0}})
    assert [(part["name"], part["found"], part["scored"]) for part in explained.sparse] == [("a", 2, 2)]
    with pytest.raises(ValueError, match="sparse vectors are a, b"):
        docs.search(sparse=FIRST)
    with pytest.raises(ValueError, match="no sparse vector 'c'"):
        docs.search(sparse={"c": FIRST})
    with pytest.raises(ValueError, match="declared with sparse="):
        db.collection("plain", dim=1).search(sparse=FIRST)
    with pytest.raises(ValueError, match="recall=, ef= and exact="):
        docs.search(sparse={"a": FIRST}, exact=True)
    with pytest.raises(ValueError, match="fusion="):
        docs.search(sparse={"a": FIRST}, fusion="rrf")
    with pytest.raises(ValueError, match="the collection has none"):
        docs.search([1.0])
    with pytest.raises(lodedb.SchemaError, match="sparse vectors are"):
        db.collection("docs", sparse=["a"], text=["body"])


def test_beside_a_vector_and_words(tmp_path: Path) -> None:
    with lodedb.open(tmp_path / "s.lode") as db:
        docs = db.collection("docs", dim=2, text=["body"], sparse=["splade"])
        with db.transaction() as tx:
            tx["docs"].upsert({"id": 1, "vector": [1, 0], "body": "gold", "splade": FIRST, "year": 1848})
            tx["docs"].insert(ids=[2], vectors=[[0, 1]], sparse=[SECOND], fields={"year": [1851]})
        docs.update(1, {"year": 1849})
    with lodedb.open(tmp_path / "s.lode", read_only=True) as db:
        docs = db["docs"]
        hits = docs.search([1, 0], text="gold", sparse={17: 1.0})
        assert hits.ids == [1, 2] and set(hits[0].scores) == {"vector", "splade", "text"}
        assert docs.search(sparse={17: 1.0}, where="year > 1850").ids == [2]
        assert docs.search(sparse={17: 1.0}, k=None, min_score=0.75).ids == [2]
        assert docs.search(sparse={17: 1.0}, rerank=lambda hits: [-hit.score for hit in hits]).ids == [1, 2]
        assert docs.search(sparse={}).ids == []
        assert [row["splade"] for row in docs.scan()] == [FIRST, SECOND]
        assert hits[1].record()["splade"] == SECOND


def test_asyncio() -> None:
    async def main() -> list[Any]:
        async with await lodedb.aio.open(":memory:") as db:
            docs = await db.collection("docs", sparse=["splade"])
            await docs.upsert(ids=["a"], sparse=[FIRST])
            async with db.transaction() as tx:
                await (await tx.collection("docs")).insert(ids=["b"], sparse=[SECOND])
            return (await docs.search(sparse={17: 1.0})).ids

    assert asyncio.run(main()) == ["b", "a"]


vectors = st.dictionaries(
    st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 1)), st.floats(0.015625, 4, width=32), max_size=6
)


@given(st.lists(vectors, max_size=20), vectors)
def test_scores_are_dot_products(records: list[dict[int, float]], query: dict[int, float]) -> None:
    docs = terms(lodedb.open(":memory:"))
    docs.upsert(ids=range(len(records)), sparse=records)
    found = {hit.id: hit.score for hit in docs.search(sparse=query, k=100)}
    products = {
        id: sum(query[term] * record[term] for term in query if term in record) for id, record in enumerate(records)
    }
    assert found == pytest.approx({id: product for id, product in products.items() if product > 0}, rel=1e-6)
