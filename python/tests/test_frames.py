"""Tables in and out: Arrow's C data interface, pandas, polars."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import Any

import lodedb
import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

UTC = dt.timezone.utc
ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "vector": [1.0, 0.0],
        "year": 1849,
        "title": "Mines",
        "tags": ["gold"],
        "at": dt.datetime(1849, 1, 31, tzinfo=UTC),
    },
    {"id": "b", "vector": [0.0, 1.0], "year": None, "title": None, "tags": [], "at": None},
    {
        "id": "c",
        "vector": [1.0, 1.0],
        "year": 1851,
        "title": "Rivers",
        "tags": ["a", "b"],
        "at": dt.datetime(2000, 1, 1, tzinfo=UTC),
    },
]


def check(docs: lodedb.Collection, rows: list[dict[str, Any]] = ROWS) -> None:
    assert len(docs) == len(rows)
    for row in rows:
        found = docs.get(row["id"])
        assert found is not None
        assert found.pop("vector").tolist() == row["vector"]
        assert found == {name: value for name, value in row.items() if name != "vector"}


def arrow_table(vector: Any) -> Any:
    table = pa.Table.from_pylist(ROWS)
    return table.set_column(table.column_names.index("vector"), "vector", table["vector"].cast(vector))


@pytest.mark.parametrize(
    "vector",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float32(), 2),
        pa.large_list(pa.float64()),
        pa.list_(pa.float16(), 2),
        pa.list_(pa.int8(), 2),
    ],
    ids=str,
)
def test_arrow_tables(db: lodedb.Database, vector: Any) -> None:
    docs = db.collection("docs", dim=2)
    docs.upsert(arrow_table(vector))
    check(docs)


def test_arrow_pieces(db: lodedb.Database) -> None:
    table = arrow_table(pa.list_(pa.float32(), 2))
    for name, piece in {
        "batch": table.to_batches()[0],
        "slices": pa.concat_tables([table.slice(0, 1), table.slice(1)]),
        "reader": table.to_reader(1),
        "inside": pa.concat_tables([table, table]).slice(3),
    }.items():
        docs = db.collection(name, dim=2)
        docs.upsert(piece)
        check(docs)


def test_arrow_types(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    columns = {
        "id": pa.array([1, 2], pa.uint64()),
        "vector": pa.array([[1.0], [2.0]], pa.list_(pa.float32(), 1)),
        "i": pa.array([-1, None], pa.int16()),
        "u": pa.array([1, 2], pa.uint64()),
        "f": pa.array([0.5, None], pa.float32()),
        "b": pa.array([True, None]),
        "s": pa.array(["x", None], pa.large_string()),
        "v": pa.array(["y", None], pa.string_view()),
        "d": pa.array([dt.date(1849, 1, 31), None]),
        "t": pa.array([0, None], pa.timestamp("ns", "UTC")),
        "c": pa.array(["p", None]).dictionary_encode(),
        "m": pa.array([{"lat": 1.0, "lon": 2.0}, None]),
        "n": pa.nulls(2),
        "l": pa.array([[1, None], None], pa.list_(pa.int64())),
    }
    docs.upsert(pa.table(columns))
    first, second = docs.get([1, 2])
    assert first is not None and second is not None
    del first["vector"], second["vector"]
    instant = dt.datetime(1849, 1, 31, tzinfo=UTC), dt.datetime(1970, 1, 1, tzinfo=UTC)
    assert first == {
        "id": 1,
        "i": -1,
        "u": 1,
        "f": 0.5,
        "b": True,
        "s": "x",
        "v": "y",
        "d": instant[0],
        "t": instant[1],
        "c": "p",
        "m": {"lat": 1.0, "lon": 2.0},
        "n": None,
        "l": [1, None],
    }
    assert second == {"id": 2, "u": 2, **dict.fromkeys(["i", "f", "b", "s", "v", "d", "t", "c", "m", "n", "l"])}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"vector": [[1.0]]}, "no column 'id'"),
        ({"id": ["a"]}, "no column 'vector'"),
        ({"id": ["a"], "vector": [[1.0, 2.0]]}, "2 dimensions where the schema has 1"),
        ({"id": [None], "vector": [[1.0]]}, "null as id"),
        ({"id": ["a"], "vector": [None]}, "column 'vector'"),
        ({"id": ["a"], "vector": [[None]]}, "column 'vector' has"),
        ({"id": [-1], "vector": [[1.0]]}, "below 0"),
        ({"id": ["a"], "vector": [[1.0]], "x": [b"raw"]}, "column 'x' is of the type"),
    ],
)
def test_arrow_tables_that_are_refused(db: lodedb.Database, columns: dict[str, Any], words: str) -> None:
    docs = db.collection("docs", dim=1)
    with pytest.raises(lodedb.ArgumentError, match=words):
        docs.upsert(pa.table(columns))
    assert len(docs) == 0


def test_polars(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=2)
    docs.upsert(pl.DataFrame(ROWS))
    check(docs)
    docs.upsert(ids=pl.Series(["d"]), vectors=[[1, 2]], fields={"year": pl.Series([1900])})
    assert docs.get("d")["year"] == 1900  # type: ignore[index]


def test_pandas(db: lodedb.Database) -> None:
    frame = pd.DataFrame(ROWS)
    docs = db.collection("docs", dim=2)
    docs.upsert(frame)
    check(docs)
    frame["year"] = frame["year"].astype("Int64")
    frame["vector"] = [np.array(vector, dtype=np.float32) for vector in frame["vector"]]
    docs.upsert(frame)
    check(docs)
    with pytest.raises(lodedb.ArgumentError, match="no column 'id'"):
        docs.upsert(frame.drop(columns="id"))


def test_hits_as_frames(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=2)
    docs.upsert([{**row, "score": 5} for row in ROWS])
    hits = docs.search([1, 0], k=2)
    assert hits.to_arrow()["title"].to_pylist() == ["Mines", "Rivers"]
    assert hits.to_polars()["id"].to_list() == ["a", "c"]
    frame = hits.to_pandas()
    assert frame["score"].tolist() == hits.scores.tolist() and frame["field_score"].tolist() == [5, 5]
    assert list(frame.columns)[:3] == ["id", "score", "distance"]


def test_nothing_but_numpy_is_imported() -> None:
    code = "import lodedb, lodedb.aio, sys; print([m for m in ('pyarrow', 'pandas', 'polars', 'tqdm') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
