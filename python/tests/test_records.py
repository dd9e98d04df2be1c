"""What goes in comes out, in every form, and what can't be stored is refused whole."""

from __future__ import annotations

import datetime as dt
from typing import Any

import lodedb
import numpy as np
import pytest

UTC = dt.timezone.utc

VALUES: list[Any] = [
    None,
    True,
    -1,
    2**63 - 1,
    0.5,
    "text",
    "\u00e9\U0001f48e",
    [1, "two", None],
    [],
    {},
    {"a": {"b": [1.5]}},
    {"lat": 38.775, "lon": -4.848},
    dt.datetime(1849, 1, 31, 12, tzinfo=UTC),
    dt.datetime(2024, 2, 29, 23, 59, 59, 500000, tzinfo=UTC),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back(db: lodedb.Database, value: Any) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert({"id": "a", "vector": [1], "x": value})
    found = docs.get("a")
    assert found is not None and found["x"] == value and type(found["x"]) is type(value)
    assert docs.search([1])[0]["x"] == value


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ((1, 2), [1, 2]),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([1, 2]), [1, 2]),
        (np.str_("x"), "x"),
        (dt.date(1849, 1, 31), dt.datetime(1849, 1, 31, tzinfo=UTC)),
        (dt.datetime(1849, 1, 31), dt.datetime(1849, 1, 31, tzinfo=UTC)),
        (np.datetime64("1849-01-31T12:00:00.123456789"), dt.datetime(1849, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)),
        (dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), dt.datetime(2023, 12, 31, 22, tzinfo=UTC)),
    ],
    ids=repr,
)
def test_values_that_become_plain_ones(db: lodedb.Database, given: Any, stored: Any) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert({"id": "a", "vector": [1], "x": given})
    assert docs.get("a")["x"] == stored  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (object(), TypeError, "field 'x': object"),
        ({1: 2}, TypeError, "names in a map are strings"),
        (2**63, ValueError, "outside 64 bits"),
        (float("nan"), ValueError, "finite"),
        (b"bytes", TypeError, "field 'x': bytes"),
        ({1, 2}, TypeError, "field 'x': set"),
    ],
    ids=repr,
)
def test_values_that_are_refused(db: lodedb.Database, value: Any, error: type[Exception], words: str) -> None:
    docs = db.collection("docs", dim=1)
    with pytest.raises(error, match=words):
        docs.upsert([{"id": "a", "vector": [1]}, {"id": "b", "vector": [1], "x": value}])
    assert len(docs) == 0


def test_nesting_without_end_is_refused(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(lodedb.ArgumentError, match="nested"):
        docs.upsert({"id": "a", "vector": [1], "x": endless})


def test_a_dict_that_changes_while_it_is_read(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    row: dict[str, Any] = {"id": 1, "vector": [1]}

    class Meddling(dt.datetime):
        def __ne__(self, other: object) -> bool:
            row.update((f"new{i}", i) for i in range(100))
            return False

    row["at"] = Meddling(1849, 1, 31)
    row["inside"] = {"at": row["at"], "row": row["at"]}
    docs.upsert(row)
    docs.update({1: {"at": row["at"]}})
    assert docs.get(1)["at"] == dt.datetime(1849, 1, 31, tzinfo=UTC)  # type: ignore[index]


@pytest.mark.parametrize(
    ("id", "error", "words"),
    [
        ("", ValueError, "empty"),
        (-1, ValueError, "between 0"),
        (2**64, ValueError, "between 0"),
        (1.5, TypeError, "not float"),
        (True, TypeError, "not bool"),
        (None, TypeError, "not NoneType"),
        ("x" * 513, lodedb.LimitError, "513"),
        (b"a", TypeError, "not bytes"),
    ],
    ids=repr,
)
def test_ids_that_are_refused(db: lodedb.Database, id: Any, error: type[Exception], words: str) -> None:
    docs = db.collection("docs", dim=1)
    with pytest.raises(error, match=words):
        docs.upsert([{"id": id, "vector": [1]}])


def test_ids_are_of_one_kind(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert(ids=np.array([0, 2**64 - 1], dtype=np.uint64), vectors=[[1], [2]])
    assert docs.get(2**64 - 1) is not None and docs.get(np.uint64(0)) is not None and np.int64(0) in docs
    assert [row["id"] for row in docs.get(np.array([0])) if row] == [0]
    with pytest.raises(TypeError, match="not NoneType"):
        docs.get(None)  # type: ignore[call-overload]
    with pytest.raises(lodedb.SchemaError, match="kind"):
        docs.upsert({"id": "a", "vector": [1]})
    with pytest.raises(lodedb.SchemaError):
        db.collection("named", dim=1, id_type="str").upsert({"id": 1, "vector": [1]})


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i8"])
@pytest.mark.parametrize(
    "given", ["float32", "float64", "float16", "int8", "int64", "bool", "list", "columns", "negative", "tuple"]
)
def test_every_array_into_every_dtype(db: lodedb.Database, dtype: Any, given: str) -> None:
    docs = db.collection("docs", dim=4, dtype=dtype, metric="l2")
    truth = np.array([[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 1]])
    arrays: dict[str, Any] = {
        "list": truth.tolist(),
        "tuple": tuple(map(tuple, truth.tolist())),
        "columns": np.asfortranarray(truth.astype(np.float32)),
        "negative": truth[::-1].astype(np.float32)[::-1],
    }
    array = arrays[given] if given in arrays else truth.astype(given)
    docs.upsert(ids=[0, 1, 2], vectors=array)
    for id, row in enumerate(truth):
        found = docs.get(id)
        assert found is not None and np.array_equal(found["vector"], row)
        assert docs.search(array[id], k=1).ids == [id]
    ids, scores = docs.search_many(array, k=1)
    assert ids.ravel().tolist() == [0, 1, 2] and not scores.any()


def test_brain_floats(db: lodedb.Database) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    docs = db.collection("docs", dim=2, dtype="bf16", metric="l2")
    array = np.array([[1.5, -2], [0, 3]], dtype=ml_dtypes.bfloat16)
    docs.upsert(ids=[0, 1], vectors=array)
    assert docs.get(0)["vector"].tolist() == [1.5, -2] and docs.search(array[1], k=1).ids == [1]  # type: ignore[index]


def test_bits_packed_and_not(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=16, dtype="binary", metric="hamming")
    bits = np.random.default_rng(1).integers(0, 2, (20, 16), dtype=np.uint8)
    docs.upsert(ids=range(10), vectors=bits[:10])
    docs.upsert(ids=range(10, 20), vectors=np.packbits(bits[10:], axis=1))
    for id in range(20):
        assert np.array_equal(np.unpackbits(docs.get(id)["vector"]), bits[id])  # type: ignore[index]
    hits = docs.search(bits[3], k=20)
    assert hits.distances.tolist() == sorted(float((row != bits[3]).sum()) for row in bits)


@pytest.mark.parametrize(
    ("vectors", "error", "words"),
    [
        (np.ones((2, 3)), lodedb.DimensionError, "3 dimensions where the schema has 2"),
        (np.ones(2), ValueError, r"shape \(2,\)"),
        (np.ones((1, 2, 2)), ValueError, r"shape \(1, 2, 2\)"),
        ([[1, 2], [1]], ValueError, "no array of numbers"),
        ([["a", "b"], ["c", "d"]], TypeError, "dtype <U1"),
        ([[None, 1], [1, 1]], TypeError, "dtype object"),
        ([[1, 2], [np.nan, 0]], ValueError, "NaN"),
        ([[1, 2], [np.inf, 0]], ValueError, "inf"),
        ([[1, 2], [1e300, 0]], ValueError, "inf"),
        (np.ones((2, 2), dtype=complex), TypeError, "complex"),
        (np.ones((3, 2)), ValueError, "differ in length: 3 and 2"),
    ],
)
def test_vectors_that_are_refused(db: lodedb.Database, vectors: Any, error: type[Exception], words: str) -> None:
    docs = db.collection("docs", dim=2)
    with pytest.raises(error, match=words), np.errstate(over="ignore"):
        docs.upsert(ids=[1, 2], vectors=vectors)
    assert len(docs) == 0


def test_an_array_that_changes_afterwards_changes_nothing(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=2)
    array = np.eye(2, dtype=np.float32)
    docs.upsert(ids=[0, 1], vectors=array)
    array[:] = 7
    found = docs.get(0)
    assert found is not None and found["vector"].tolist() == [1, 0]
    found["vector"][:] = 9
    assert docs.get(0)["vector"].tolist() == [1, 0]  # type: ignore[index]


def test_columns(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert(
        ids=np.array(["a", "b"]),
        vectors=np.ones((2, 1)),
        fields={"n": np.array([1, 2]), "t": ["x", None], "d": np.array(["1849-01-31", "NaT"], dtype="datetime64[ns]")},
    )
    b = docs.get("b")
    assert b is not None and (b["n"], b["t"], b["d"]) == (2, None, None)
    assert docs.get("a")["d"] == dt.datetime(1849, 1, 31, tzinfo=UTC)  # type: ignore[index]
    for fields, words in [
        ({"n": [1]}, "fields\\['n'\\] and ids differ"),
        ({"n": "ab"}, "column"),
        ({1: [1, 2]}, "name"),
    ]:
        with pytest.raises((ValueError, TypeError), match=words):
            docs.upsert(ids=["a", "b"], vectors=np.ones((2, 1)), fields=fields)  # type: ignore[arg-type]


def test_arguments_that_make_no_sense(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    calls: list[tuple[type[Exception], str, Any]] = [
        (ValueError, "nothing to write", lambda: docs.upsert()),
        (ValueError, "without vectors", lambda: docs.upsert(ids=[1])),
        (ValueError, "either records", lambda: docs.upsert([], ids=[1], vectors=[[1]])),
        (ValueError, "without 'id'", lambda: docs.upsert([{"vector": [1]}])),
        (ValueError, "vector 'vector' is missing|the vector 'vector' is missing", lambda: docs.upsert([{"id": 1}])),
        (TypeError, "a record is a dict, not int", lambda: docs.upsert([1])),
        (TypeError, "not int", lambda: docs.upsert(5)),
        (ValueError, "no vector 'other'", lambda: docs.search([1], using="other")),
        (ValueError, "option 'k'", lambda: docs.search([1], k=0)),
        (lodedb.LimitError, "10001", lambda: docs.search([1], k=10001)),
        (lodedb.LimitError, "10001", lambda: docs.search_many([[1]], k=10001)),
        (ValueError, "threads", lambda: docs.search_many([[1]], threads=0)),
        (TypeError, "text where a vector", lambda: docs.search("gold")),
        (TypeError, "unexpected keyword", lambda: docs.search([1], filter={"a": 1})),  # type: ignore[call-arg]
        (TypeError, "progress", lambda: docs.optimize(progress=5)),  # type: ignore[arg-type]
        (TypeError, "update takes", lambda: docs.update(1)),  # type: ignore[call-overload]
        (ValueError, "'metric'|metric", lambda: db.collection("x", dim=1, metric="manhattan")),  # type: ignore[arg-type]
        (ValueError, "durability", lambda: lodedb.open(":memory:", durability="no")),  # type: ignore[arg-type]
        (ValueError, "either|give dim", lambda: db.collection("x", dim=1, vectors={"a": 1})),
        (lodedb.NotFoundError, "no collection 'x': there are docs", lambda: db["x"]),
        (lodedb.SchemaError, "docs", lambda: db.collection("docs", dim=2)),
    ]
    for error, words, call in calls:
        with pytest.raises(error, match=words):
            call()


def test_named_vectors(db: lodedb.Database) -> None:
    pages = db.collection("pages", vectors={"text": 2, "image": {"dim": 3, "metric": "dot", "dtype": "f16"}})
    pages.upsert([{"id": "a", "text": [1, 0], "image": [1, 2, 3], "n": 1}])
    pages.upsert(ids=["b"], vectors={"text": [[0, 1]], "image": [[3, 2, 1]]}, fields={"n": [2]})
    assert pages.search([0, 1], using="text", k=1).ids == ["b"]
    assert pages.search([0, 0, 1], using="image", k=1).ids == ["a"]
    with pytest.raises(lodedb.ArgumentError, match="using= is one of text, image"):
        pages.search([0, 1])
    with pytest.raises(lodedb.ArgumentError, match="several vectors"):
        pages.upsert(ids=["c"], vectors=[[0, 1]])
    assert repr(pages).startswith("Collection('pages', vectors={'text': {'dim': 2, 'metric': 'cosine'}, 'image': {")


def test_insert_update_delete(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    assert docs.insert([{"id": 1, "vector": [1], "a": 1}, {"id": 2, "vector": [2]}]) == 2
    with pytest.raises(lodedb.AlreadyExistsError, match="id 2 exists"):
        docs.insert([{"id": 3, "vector": [1]}, {"id": 2, "vector": [2]}])
    assert docs.update({1: {"b": 2}, 2: {"b": 3}}) == 2
    assert docs.get(1)["a"] == 1 and docs.get(2)["b"] == 3  # type: ignore[index]
    with pytest.raises(lodedb.NotFoundError, match="id 9"):
        docs.update(9, {"a": 1})
    assert docs.delete([1, 7, 1]) == 1 and docs.delete(2) == 1 and len(docs) == docs.count() == 0


def test_embed(db: lodedb.Database) -> None:
    calls: list[list[str]] = []

    def embed(texts: list[str]) -> Any:
        calls.append(texts)
        return [[text.count("a"), text.count("b")] for text in texts]

    docs = db.collection("docs", dim=2, embed=embed)
    docs.upsert([{"id": 1, "text": "aaa"}, {"id": 2, "vector": [0, 9], "text": "none"}, {"id": 3, "text": "ab"}])
    assert calls == [["aaa", "ab"]]
    docs.upsert(ids=[4], fields={"text": ["b"]})
    assert docs.search("bb", k=2).ids == [2, 4] or docs.search("bb", k=2).ids == [4, 2]
    assert docs.search("a", k=1).ids == [1]
    assert docs.search_many(["a", "aabb"], k=1)[0].ravel().tolist() == [1, 3]
    with pytest.raises(lodedb.ArgumentError, match="record 5 has neither"):
        docs.upsert({"id": 5, "text": None})
    with pytest.raises(TypeError, match="embed is a function"):
        db.collection("docs", embed=3)  # type: ignore[arg-type]
    bad = db.collection("docs", embed=lambda texts: [[1, 2]])
    with pytest.raises(lodedb.ArgumentError, match="1 vectors for 2 texts"):
        bad.upsert(ids=[1, 2], fields={"text": ["a", "b"]})

    def broken(texts: list[str]) -> Any:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        db.collection("docs", embed=broken).search("a")
