"""Migrations, each from a store that the other's own package made."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import lodedb
import numpy as np
import pytest
from lodedb import migrate
from optional import need

chromadb, lancedb, sqlite_vec = need("chromadb"), need("lancedb"), need("sqlite_vec")
faiss, hnswlib, pyarrow, parquet = need("faiss"), need("hnswlib"), need("pyarrow"), need("pyarrow.parquet")
QdrantClient, models = need("qdrant_client").QdrantClient, need("qdrant_client.models")
Bm25, IvfFlat = lancedb.index.FTS, lancedb.index.IvfFlat

# The module of the library has no extensions in some builds of Python.
sqlite3: Any = importlib.import_module("sqlite3")
if not hasattr(sqlite3.Connection, "enable_load_extension"):
    sqlite3 = need("pysqlite3")

N, DIM = 700, 12
VECTORS = np.random.default_rng(5).normal(size=(N, DIM)).astype(np.float32)
TITLES = [f"Note {n} on {'gold' if n % 3 else 'tin'}" for n in range(N)]


def fields(n: int) -> dict[str, Any]:
    return {"title": TITLES[n], "year": 1800 + n, "share": n / 8, "draft": n % 2 == 0}


def opened(report: migrate.Report) -> lodedb.Database:
    db = lodedb.open(report.path, read_only=True)
    db.verify()
    return db


def proved(report: migrate.Report, *, truth: str, records: int = N) -> lodedb.Collection:
    """The only collection of a migration, which its report says to be right."""
    (one,) = report.collections
    assert (one.records, report.records, one.compared) == (records, records, min(records, 100))
    assert one.truth == truth and one.k == min(10, records) and one.queries == min(records, 100)
    assert all(recall >= 0.97 for recall in one.recall.values()) and one.recall
    assert f"{one.name}: {records} records" in str(report)
    collection = opened(report)[one.name]
    assert len(collection) == records
    return collection


def whole(collection: lodedb.Collection, id: Callable[[int], Any], *, scaled: bool = False) -> None:
    """Every record is there, whole; of a vector, where it may be scaled, the direction."""
    for n, row in enumerate(collection.get([id(n) for n in range(len(collection))])):
        assert row is not None
        vector, expected = row.pop("vector"), VECTORS[n]
        if scaled:
            vector, expected = vector / np.linalg.norm(vector), expected / np.linalg.norm(expected)
        assert np.allclose(vector, expected, atol=1e-6)
        assert row == {"id": id(n), **fields(n)}


def metric_of(collection: lodedb.Collection) -> str:
    return repr(collection).split("metric='")[1].split("'")[0]


@pytest.mark.parametrize(("space", "metric"), [("l2", "l2"), ("cosine", "cosine"), ("ip", "dot")])
def test_from_chroma(tmp_path: Path, space: str, metric: str) -> None:
    folder = tmp_path / "chroma"
    notes = chromadb.PersistentClient(str(folder)).create_collection("notes", metadata={"hnsw:space": space})
    ids = [f"n{n}" for n in range(N)]
    metadatas = [{name: value for name, value in fields(n).items() if name != "title"} for n in range(N)]
    notes.add(ids=ids, embeddings=VECTORS, documents=TITLES, metadatas=metadatas)
    report = migrate.from_chroma(folder)
    assert Path(report.path) == tmp_path / "chroma.lode"
    collection = proved(report, truth="numpy")
    assert metric_of(collection) == metric
    row = collection.get("n7")
    # Chroma scales vectors that it compares by cosine, and back.
    assert row is not None and np.allclose(row.pop("vector"), VECTORS[7], atol=1e-6)
    assert row == {"id": "n7", "document": TITLES[7], **metadatas[7]}
    assert len(collection.search(text="tin", k=N)) == len([title for title in TITLES if "tin" in title])


def test_from_several_collections_of_chroma(tmp_path: Path) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "chroma"))
    one, other = client.create_collection("one"), client.create_collection("other")
    client.create_collection("empty")
    one.add(ids=["a"], embeddings=[[1.0, 2.0]], uris=["file:a"])
    other.add(
        ids=["a", "b"], embeddings=[[1.0, 2, 3], [4, 5, 6]], metadatas=[{"id": 3, "at.page": 4, "l": ["x"]}, None]
    )
    report = migrate.from_chroma(client, tmp_path / "x.lode")
    counts = {each.name: each.records for each in report.collections}
    assert counts == {"one": 1, "other": 2, "empty": 0} and report.records == 3
    db = opened(report)
    assert db.collections() == ["one", "other"]
    assert db["one"].get("a")["uri"] == "file:a"  # type: ignore[index]
    row = db["other"].get("a")
    assert row is not None and (row["id_"], row["at"], row["l"]) == (3, {"page": 4}, ["x"])
    assert dict(report.collections[[*counts].index("other")].renamed) == {"id": "id_"} and "'id' is 'id_'" in str(
        report
    )
    named = migrate.from_chroma(client, tmp_path / "y.lode", collections="one")
    assert [each.name for each in named.collections] == ["one"]
    with pytest.raises(migrate.MigrationError, match="no collection of Chroma 'three'; there are"):
        migrate.from_chroma(client, tmp_path / "z.lode", collections=["three"])
    with pytest.raises(migrate.MigrationError, match="no chroma.sqlite3"):
        migrate.from_chroma(tmp_path)


def built(kind: str, metric: int = 1) -> Any:
    index = faiss.index_factory(DIM, kind, metric)
    index.train(VECTORS)
    return index


@pytest.mark.parametrize(("name", "metric"), [(faiss.METRIC_L2, "l2"), (faiss.METRIC_INNER_PRODUCT, "dot")])
def test_from_faiss(path: Path, name: int, metric: str) -> None:
    index = built("Flat", name)
    index.add(VECTORS)
    report = migrate.from_faiss(index, [f"n{n}" for n in range(N)], [fields(n) for n in range(N)], to=path)
    collection = proved(report, truth="source")
    whole(collection, lambda n: f"n{n}")
    assert metric_of(collection) == metric


@pytest.mark.parametrize("kind", ["IDMap,Flat", "IDMap2,Flat", "IDMap,HNSW8", "IVF4,Flat", "HNSW8", "IVF4,SQ8"])
def test_from_indexes_of_faiss_with_numbers_of_their_own(tmp_path: Path, kind: str) -> None:
    index, numbers = built(kind), np.arange(N) * 7 + 3
    if kind == "HNSW8":
        index.add(VECTORS)
        numbers = np.arange(N)
    else:
        index.add_with_ids(VECTORS, numbers)
    faiss.write_index(index, str(tmp_path / "an.index"))
    by_number = {int(number): fields(n) for n, number in enumerate(numbers)}
    report = migrate.from_faiss(tmp_path / "an.index", fields=by_number, to=tmp_path / "x.lode", collection="notes")
    collection = proved(report, truth="source" if kind in ("IDMap,Flat", "IDMap2,Flat") else "numpy")
    assert metric_of(collection) == "l2" and collection.name == "notes"
    if "SQ8" not in kind:
        whole(collection, lambda n: int(numbers[n]))
    # Its own search is of another metric than the one that is asked for.
    assert (
        metric_of(proved(migrate.from_faiss(index, to=tmp_path / "y.lode", metric="cosine"), truth="numpy")) == "cosine"
    )
    if "IVF" in kind:
        assert index.direct_map.type == faiss.DirectMap.NoMap  # As it was.


def test_what_faiss_can_not_give(path: Path) -> None:
    flat = built("Flat")
    flat.add(VECTORS)
    with pytest.raises(migrate.MigrationError, match=r"vector 5, and there is no ids\[5\]"):
        migrate.from_faiss(flat, ["a", "b", "c", "d", "e"], to=path)
    with pytest.raises(migrate.MigrationError, match=r"record 1 to 700: .*twice|'a'"):
        migrate.from_faiss(flat, ["a"] * N, to=path)
    with pytest.raises(migrate.MigrationError, match="which Lode has not"):
        migrate.from_faiss(built("Flat", faiss.METRIC_L1), to=path)
    with pytest.raises(migrate.MigrationError, match="floats"):
        migrate.from_faiss(faiss.IndexBinaryFlat(16), to=path)
    shards = faiss.IndexShards(DIM)
    shards.add_shard(flat)
    with pytest.raises(migrate.MigrationError, match="does not give vectors back"):
        migrate.from_faiss(shards, to=path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(("space", "metric"), [("l2", "l2"), ("ip", "dot"), ("cosine", "cosine")])
def test_from_hnswlib(path: Path, space: str, metric: str) -> None:
    index = hnswlib.Index(space, DIM)
    index.init_index(N + 1)
    index.add_items(VECTORS, np.arange(N) + 5)
    index.add_items(VECTORS[:1], [9_000])
    index.mark_deleted(9_000)
    ids = {n + 5: f"n{n}" for n in range(N)}
    report = migrate.from_hnswlib(index, ids, {n + 5: fields(n) for n in range(N)}, to=path)
    collection = proved(report, truth="numpy")
    whole(collection, lambda n: f"n{n}", scaled=space == "cosine")
    assert metric_of(collection) == metric


@pytest.fixture
def table() -> Any:
    columns: dict[str, Any] = {
        "id": list(range(N)),
        "vector": pyarrow.FixedSizeListArray.from_arrays(VECTORS.ravel(), DIM),
    }
    return pyarrow.table(columns | {name: [fields(n)[name] for n in range(N)] for name in fields(0)})


@pytest.mark.parametrize("metric", [None, "cosine", "dot"])
def test_from_lancedb(tmp_path: Path, table: Any, metric: str | None) -> None:
    notes = lancedb.connect(str(tmp_path / "lance")).create_table("notes", table)
    notes.create_index("title", config=Bm25())
    if metric is not None:
        notes.create_index("vector", config=IvfFlat(distance_type=metric, num_partitions=1))
    report = migrate.from_lancedb(tmp_path / "lance")
    assert Path(report.path) == tmp_path / "lance.lode"
    collection = proved(report, truth="source")
    whole(collection, lambda n: n)
    assert metric_of(collection) == (metric or "l2")
    assert len(collection.search(text="tin", k=N)) == len([title for title in TITLES if "tin" in title])


def test_from_tables_of_lancedb(tmp_path: Path, table: Any) -> None:
    connection = lancedb.connect(str(tmp_path / "lance"))
    two = table.drop(["id"]).append_column("second", table["vector"])
    connection.create_table("two", two)
    connection.create_table("empty", table.slice(0, 0))
    with pytest.raises(migrate.MigrationError, match=r"2 columns of lists of floats \(vector, second\): give vector="):
        migrate.from_lancedb(connection, tmp_path / "x.lode", tables="two")
    with pytest.raises(migrate.MigrationError, match="no column 'id' of ids"):
        migrate.from_lancedb(connection, tmp_path / "x.lode", tables="two", vector="second")
    report = migrate.from_lancedb(connection, tmp_path / "x.lode", tables="two", id=None, vector="second", metric="dot")
    collection = proved(report, truth="numpy")
    assert collection.get(3)["vector_"] == pytest.approx(VECTORS[3].tolist())  # type: ignore[index]
    empty = migrate.from_lancedb(connection, tmp_path / "y.lode", tables=["empty"])
    assert empty.records == 0 and opened(empty).collections() == []


@pytest.fixture(params=["folder", "client"])
def qdrant(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Callable[..., migrate.Report]]]:
    """A client, and a migration from its folder or from it."""
    folder = tmp_path / "qdrant"
    client = QdrantClient(path=str(folder))

    def moved(**options: Any) -> migrate.Report:
        if request.param == "folder":
            client.close()
            return migrate.from_qdrant(folder, **options)
        return migrate.from_qdrant(client, tmp_path / "qdrant.lode", **options)

    yield client, moved
    client.close()


Qdrant = tuple[Any, Callable[..., migrate.Report]]


@pytest.mark.parametrize(("distance", "metric"), [("EUCLID", "l2"), ("DOT", "dot"), ("COSINE", "cosine")])
def test_from_qdrant(qdrant: Qdrant, distance: str, metric: str) -> None:
    client, moved = qdrant
    client.create_collection("notes", models.VectorParams(size=DIM, distance=models.Distance[distance]))
    points = [models.PointStruct(id=n, vector=VECTORS[n].tolist(), payload=fields(n)) for n in range(120)]
    client.upsert("notes", points)
    collection = proved(moved(), truth="source", records=120)
    # Qdrant scales vectors that it compares by cosine to length 1.
    whole(collection, lambda n: n, scaled=metric == "cosine")
    assert metric_of(collection) == metric


def test_from_named_vectors_of_qdrant(qdrant: Qdrant) -> None:
    client, moved = qdrant
    params = {
        "title": models.VectorParams(size=DIM, distance=models.Distance.DOT),
        "body": models.VectorParams(size=2, distance=models.Distance.EUCLID),
    }
    client.create_collection("notes", params, sparse_vectors_config={"words": models.SparseVectorParams()})
    for n in range(50):
        vector: Any = {"title": VECTORS[n].tolist(), "body": VECTORS[n, :2].tolist()}
        client.upsert(
            "notes", [models.PointStruct(id=n, vector=vector, payload={"title": "x", "at": {"lat": 1.5, "lon": 2.5}})]
        )
    report = moved()
    collection = proved(report, truth="source", records=50)
    assert report.collections[0].recall.keys() == {"title", "body"}
    assert report.collections[0].left_out == ("the sparse vector 'words'",) and "left out: the sparse" in str(report)
    row = collection.get(7)
    assert row is not None and np.array_equal(row["title"], VECTORS[7]) and np.array_equal(row["body"], VECTORS[7, :2])
    assert row["title_"] == "x" and collection.count({"at": {"$geo_radius": {"center": (1.5, 2.5), "meters": 1}}}) == 50


def test_what_qdrant_has_and_lode_has_not(qdrant: Qdrant, tmp_path: Path) -> None:
    client, _ = qdrant
    euclid = models.VectorParams(size=1, distance=models.Distance.EUCLID)
    client.create_collection("mixed", euclid)
    uuid = "f9c894d2-ce09-4c42-94ff-2d9fb94155c8"
    client.upsert("mixed", [models.PointStruct(id=id, vector=[1.0], payload={}) for id in (1, uuid)])
    client.create_collection("some", {"a": euclid, "b": euclid})
    client.upsert("some", [models.PointStruct(id=1, vector={"a": [1.0]}, payload={})])
    client.create_collection("far", models.VectorParams(size=1, distance=models.Distance.MANHATTAN))
    to = tmp_path / "x.lode"
    for name, said in (
        ("mixed", "record 1 to 2"),
        ("some", "no vector 'b'"),
        ("far", "Manhattan"),
        ("none", "there are"),
    ):
        with pytest.raises(migrate.MigrationError, match=said):
            migrate.from_qdrant(client, to, collections=name)
        assert not to.exists()
    report = migrate.from_qdrant(client, to, collections="mixed", ids_as_text=True)
    assert sorted(row["id"] for row in opened(report)["mixed"].scan()) == ["1", uuid]


@pytest.mark.parametrize(("declared", "metric"), [("", "l2"), ("distance_metric=cosine", "cosine")])
def test_from_sqlite_vec(tmp_path: Path, declared: str, metric: str) -> None:
    connection = sqlite3.connect(tmp_path / "notes.db")
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    columns = f"id text primary key, v float[{DIM}] {declared}, title text, +year integer, share float"
    connection.execute(f"create virtual table notes using vec0({columns})")
    rows = [(f"n{n}", VECTORS[n].tobytes(), TITLES[n], 1800 + n, n / 8) for n in range(N)]
    connection.executemany("insert into notes values (?, ?, ?, ?, ?)", rows)
    connection.commit()
    report = migrate.from_sqlite_vec(tmp_path / "notes.db", text=["title"])
    assert Path(report.path) == tmp_path / "notes.lode"
    collection = proved(report, truth="source")
    assert metric_of(collection) == metric
    row = collection.get("n9")
    assert row is not None and np.array_equal(row.pop("vector"), VECTORS[9])
    assert row == {"id": "n9", "title": TITLES[9], "year": 1809, "share": 9 / 8}
    assert collection.search(text="tin", k=1)
    connection.close()


def test_from_tables_of_sqlite_vec(path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    connection.execute("create virtual table places using vec0(a float[2], b int8[2] distance_metric=cosine)")
    connection.execute("create virtual table bits using vec0(v bit[8])")
    connection.execute("create table about (number integer primary key, title text)")
    for n in range(1, 31):
        small = (VECTORS[n, :2] * 20).astype(np.int8)
        connection.execute(
            "insert into places(rowid, a, b) values (?, ?, vec_int8(?))", (n, VECTORS[n, :2].tobytes(), small.tobytes())
        )
        connection.execute("insert into about values (?, ?)", (n, TITLES[n]))
    with pytest.raises(migrate.MigrationError, match="bits in 'v'"):
        migrate.from_sqlite_vec(connection, path)
    report = migrate.from_sqlite_vec(connection, path, tables="places", fields="about")
    collection = proved(report, truth="numpy", records=30)
    row = collection.get(3)
    assert row is not None and row["title"] == TITLES[3] and row["number"] == 3
    assert np.array_equal(row["b"], (VECTORS[3, :2] * 20).astype(np.int8))
    connection.execute("delete from about where number = 7")
    with pytest.raises(migrate.MigrationError, match="no row 7"):
        migrate.from_sqlite_vec(connection, path.with_name("y.lode"), tables="places", fields="about")


def test_from_parquet(tmp_path: Path, table: Any) -> None:
    parquet.write_table(table.slice(0, 400), tmp_path / "notes.parquet", row_group_size=150)
    parquet.write_table(table.slice(400), tmp_path / "more.parquet")
    both = [tmp_path / "notes.parquet", tmp_path / "more.parquet"]
    report = migrate.from_parquet(both, metric="l2", text=["title"], batch=64)
    assert Path(report.path) == tmp_path / "notes.lode"
    collection = proved(report, truth="numpy")
    assert collection.name == "notes" and collection.search(text="tin", k=1)
    whole(collection, lambda n: n)


def test_values_of_parquet(tmp_path: Path) -> None:
    when = datetime(1849, 1, 31)
    columns: dict[str, Any] = {
        "key": ["a", "b"],
        "v": pyarrow.array([[1, 0], [0, 1]], pyarrow.list_(pyarrow.float64())),
        "when": [when, None],
        "tags": [["x"], []],
        "place": [{"lat": 1.5, "lon": 2.5}, None],
        "raw": [b"\x00", b"\x01"],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(migrate.MigrationError, match="'raw': bytes can't be stored"):
        migrate.from_parquet(tmp_path / "a.parquet", id="key")

    def convert(fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"raw": fields["raw"].hex()}

    report = migrate.from_parquet(
        tmp_path / "a.parquet", tmp_path / "x.lode", id="key", collection="c", convert=convert
    )
    collection = proved(report, truth="numpy", records=2)
    row = collection.get("a")
    assert row is not None and row["when"] == when.replace(tzinfo=timezone.utc) and row["raw"] == "00"
    assert collection.count("when is null") == 1


def test_progress_and_options(tmp_path: Path, table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "notes.parquet"
    parquet.write_table(table, file)
    told: list[lodedb.Progress] = []
    migrate.from_parquet(file, tmp_path / "a.lode", batch=100, progress=told.append)
    assert told[-1].done == told[-1].total and lodedb.Progress("notes", N, N) in told
    assert capsys.readouterr().err == ""
    migrate.from_parquet(file, tmp_path / "b.lode", progress=True)
    assert f"notes: {N} of {N} records, 100 %" in capsys.readouterr().err
    report = migrate.from_parquet(file, tmp_path / "c.lode", sample=7, optimize=False)
    assert report.collections[0].compared == report.collections[0].queries == 7
    assert opened(report)["notes"].stats()["graphs"] == 0
    with pytest.raises(ValueError, match="batch and sample are 1 or more, not 0"):
        migrate.from_parquet(file, tmp_path / "d.lode", batch=0)
    with pytest.raises(TypeError, match="'metrics'"):
        migrate.from_parquet(file, tmp_path / "d.lode", metrics="l2")  # type: ignore[call-arg]


def test_no_file_is_left_and_none_replaced(tmp_path: Path, table: Any) -> None:
    file, to = tmp_path / "notes.parquet", tmp_path / "notes.lode"
    parquet.write_table(table, file)
    to.write_text("mine")
    with pytest.raises(FileExistsError, match="a migration writes a new file"):
        migrate.from_parquet(file)
    assert to.read_text() == "mine"
    to.unlink()

    def stop(progress: lodedb.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate.from_parquet(file, progress=stop)
    bad = table.set_column(0, "id", [["a"] * N])
    parquet.write_table(bad, tmp_path / "bad.parquet")
    with pytest.raises(migrate.MigrationError, match="'bad', record 1 to 700"):
        migrate.from_parquet(tmp_path / "bad.parquet")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bad.parquet", "notes.parquet"]


class Told(migrate._source.Source):
    """A source that can be made to say what is not so."""

    counted = 20
    truth: list[Any] | None = None
    later: dict[str, Any] = {}

    def count(self) -> int:
        return self.counted

    def batches(self, size: int) -> Iterator[Any]:
        ids, vectors = list(range(20)), {"vector": VECTORS[:20]}
        yield migrate._source.Batch(ids, vectors, [dict(self.later) for _ in ids])

    def nearest(self, name: str, vector: Any, k: int) -> list[Any] | None:
        return self.truth


def told(path: Path, **said: Any) -> migrate.Report:
    source = Told("notes", {"vector": migrate._source.Vector(DIM, "l2")})
    vars(source).update(said)
    return migrate._run.migrate([source], path, {})


def test_what_does_not_agree_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(migrate.MigrationError, match="has 20 records, the source counts 21"):
        told(path, counted=21)
    with pytest.raises(migrate.MigrationError, match="not all records that the source's exact search finds"):
        told(path, truth=[1, 99])
    with pytest.raises(migrate.MigrationError, match="one more of that name"):
        told(path, later={"a.b": 1, "a": 2})
    with pytest.raises(migrate.MigrationError, match=r"starts with '\$'"):
        told(path, later={"$a": 1})

    def changed(collection: Any, sample: dict[Any, Any]) -> int:
        sample[next(iter(sample))]["year"] = 1849
        return migrate._proof.compare(collection, sample)

    monkeypatch.setattr("lodedb.migrate._run.compare", changed)
    with pytest.raises(migrate.MigrationError, match="has in 'year' None, not 1849"):
        told(path, later={})
    assert list(path.parent.iterdir()) == []


def test_recall_counts_what_a_search_misses(path: Path) -> None:
    # The true neighbours are the farthest, says the source: then all hits are as near.
    assert told(path, truth=list(range(20))[:10]).collections[0].recall["vector"] == 1.0
    # They are but the record itself: of ten hits one is.
    alone = told(
        path.with_name("y.lode"), nearest=lambda name, vector, k: [int(np.abs(VECTORS[:20] - vector).sum(1).argmin())]
    )
    assert alone.collections[0].recall["vector"] == pytest.approx(0.1)
