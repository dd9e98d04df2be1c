"""Handles, promises, processes: what a program does with a database over time."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lodedb
import numpy as np
import pytest


def filled(path: Path, records: int = 3000, dim: int = 16) -> lodedb.Database:
    db = lodedb.open(path, maintenance="manual")
    vectors = np.random.default_rng(5).random((records, dim), dtype=np.float32)
    db.collection("docs", dim=dim).upsert(ids=np.arange(records), vectors=vectors)
    return db


def test_transactions_are_all_or_nothing(db: lodedb.Database) -> None:
    ores, gems = db.collection("ores", dim=1), db.collection("gems", dim=1)
    with db.transaction() as tx:
        assert tx["ores"].insert({"id": 1, "vector": [1], "a": 1}) == 1
        assert tx.collection("gems").upsert(ids=[1, 2], vectors=[[1], [2]]) == 2
        tx["ores"].update(1, {"b": 2})
        assert tx["gems"].delete(2) == 1 and len(tx["gems"]) == 1 and 1 in tx["gems"]
        assert tx["ores"].get(1)["b"] == 2 and tx["ores"].get([5]) == [None]  # type: ignore[index]
        assert len(ores) == len(gems) == 0
    assert len(ores) == len(gems) == 1
    with pytest.raises(RuntimeError, match="on purpose"), db.transaction() as tx:
        tx["ores"].delete(1)
        tx.drop("gems")
        raise RuntimeError("on purpose")
    assert len(ores) == len(gems) == 1
    with db.transaction() as tx:
        with pytest.raises(lodedb.DimensionError):
            tx["ores"].upsert({"id": 2, "vector": [1, 2]})
        with pytest.raises(lodedb.NotFoundError, match="no collection 'none'"):
            tx["none"]
        tx["ores"].upsert({"id": 3, "vector": [1]})
    assert len(ores) == 2


def test_a_transaction_never_waits_for_itself(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    with db.transaction() as tx:
        writes: list[Callable[[], Any]] = [
            lambda: docs.upsert({"id": 1, "vector": [1]}),
            lambda: docs.delete(1),
            lambda: docs.delete(where={}),
            lambda: docs.update(1, {}),
            lambda: db.drop("docs"),
            db.checkpoint,
            db.optimize,
            docs.optimize,
            db.compact,
            db.flush,
            db.close,
            lambda: db.collection("new", dim=1),
            lambda: db.transaction().__enter__(),
        ]
        for write in writes:
            with pytest.raises(lodedb.LodeError, match="this thread has a transaction open"):
                write()
        assert len(docs) == 0
    with pytest.raises(lodedb.LodeError, match="inside its with block"):
        tx["docs"].upsert({"id": 1, "vector": [1]})
    with pytest.raises(lodedb.LodeError, match="inside its with block"):
        db.transaction()["docs"]
    tx = db.transaction()
    tx.__enter__()
    tx["docs"].upsert({"id": 1, "vector": [1]})
    del tx
    gc.collect()
    assert docs.upsert({"id": 2, "vector": [1]}) == 1 and len(docs) == 1


def test_other_threads_wait_for_a_transaction(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    thread = threading.Thread(target=lambda: docs.upsert({"id": 2, "vector": [2]}))
    with db.transaction() as tx:
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        tx["docs"].upsert({"id": 1, "vector": [1]})
    thread.join()
    assert len(docs) == 2


def test_ctrl_c_ends_waiting_for_a_turn(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        with db.transaction():
            begun.set()
            end.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt), db.transaction():
        pass
    end.set()
    thread.join()
    assert docs.upsert({"id": 1, "vector": [1]}) == 1


def test_upkeep(path: Path, tmp_path: Path) -> None:
    with filled(path) as db:
        docs = db["docs"]
        heard: list[lodedb.Progress] = []
        db.optimize(progress=heard.append)
        assert all(news.collection == "docs" and news.done <= news.total == 3000 for news in heard)
        stats = docs.stats()
        assert (stats["records"], stats["segments"], stats["graph_records"]) == (3000, 1, 3000)
        assert docs.measure_recall(sample=50) > 0.9
        assert docs.measure_recall(sample=20, k=5, ef=400) >= 0.99
        docs.delete(range(2000))
        db.checkpoint()
        db.compact()
        db.verify()
        db.backup(tmp_path / "copy.lode")
        with pytest.raises(FileExistsError):
            db.backup(tmp_path / "copy.lode")
        assert db.stats()["collections"][0]["records"] == 1000
        db.drop("docs")
        with pytest.raises(lodedb.NotFoundError):
            len(docs)
        assert db.collections() == [] and "docs" not in db
    with lodedb.open(tmp_path / "copy.lode", read_only=True) as copy:
        assert len(copy["docs"]) == 1000
        with pytest.raises(lodedb.ReadOnlyError):
            copy["docs"].delete(2500)
        with pytest.raises(lodedb.ReadOnlyError):
            copy.transaction().__enter__()


@pytest.mark.parametrize("durability", ["full", "batched", "none"])
def test_durability(path: Path, durability: Any) -> None:
    with lodedb.open(path, durability=durability, maintenance="manual") as db:
        db.collection("docs", dim=1).upsert({"id": 1, "vector": [1]})
        db.flush()
    with lodedb.open(path) as db:
        assert len(db["docs"]) == 1


def test_scan_pages(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert(ids=[f"{i:03}" for i in range(100)], vectors=np.ones((100, 1)))
    seen: list[str] = []
    while page := list(docs.scan(after=seen[-1] if seen else None, limit=7)):
        seen += [row["id"] for row in page]
    assert seen == [f"{i:03}" for i in range(100)] == [row["id"] for row in docs.scan()]


def test_hits_are_a_sequence(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1, metric="l2")
    docs.upsert(ids=range(5), vectors=np.arange(5.0).reshape(5, 1), fields={"html": ["<b>"] * 5})
    hits = docs.search([0], k=9)
    assert [hit.id for hit in hits] == [0, 1, 2, 3, 4] and len(hits) == 5
    assert hits[-1].id == 4 and hits[1:3].ids == [1, 2] and hits[::-1].ids == [4, 3, 2, 1, 0]
    assert hits[3].record()["vector"].tolist() == [3] and hits[3].fields == {"html": "<b>"}
    with pytest.raises(IndexError):
        hits[5]
    with pytest.raises(KeyError):
        hits[0]["nothing"]
    assert repr(hits[1]) == "Hit(id=1, score=-1.0000)" and repr(hits[:1]) == "Hits([Hit(id=0, score=0.0000)])"
    assert "&lt;b&gt;" in hits._repr_html_() and "<b>" not in hits._repr_html_()
    assert "records" in docs._repr_html_()


def test_batches_equal_single_searches(path: Path) -> None:
    with filled(path) as db:
        docs = db["docs"]
        queries = np.random.default_rng(6).random((300, 16), dtype=np.float32)
        for options in [{}, {"ef": 200}, {"recall": 0.7}, {"exact": True}]:
            single = [docs.search(query, k=7, **options) for query in queries]  # type: ignore[arg-type]
            for threads in [1, 2, None]:
                ids, scores = docs.search_many(queries, k=7, threads=threads, **options)  # type: ignore[arg-type]
                assert ids.dtype == np.uint64 and scores.dtype == np.float32
                assert ids.tolist() == [hits.ids for hits in single]
                assert np.array_equal(scores, [hits.scores for hits in single])
        ids, scores = docs.search_many(np.empty((0, 16)), k=3)
        assert ids.shape == scores.shape == (0, 3)


def test_recall_is_asked_for_and_measured(path: Path) -> None:
    with filled(path, 20_000, 32) as db:
        docs = db["docs"]
        db.optimize()
        queries = np.random.default_rng(7).random((200, 32), dtype=np.float32)
        truth, _ = docs.search_many(queries, exact=True)

        def found(**options: Any) -> float:
            ids, _ = docs.search_many(queries, **options)
            return float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(ids, truth, strict=True)]))

        low, usual, high = found(recall=0.6), found(), found(recall=0.999)
        assert low + 0.05 < usual < high
        assert usual == found(recall=0.98) and high > 0.98 and low > 0.5
        assert found(ef=10) + 0.02 < found(ef=400)
        measured = [docs.measure_recall(recall=0.6), docs.measure_recall(), docs.measure_recall(recall=0.999)]
        assert measured[0] + 0.05 < measured[1] < measured[2] <= 1
        assert docs.measure_recall(ef=10, sample=100) + 0.02 < docs.measure_recall(ef=400, sample=100)
        # A record is not its own neighbour: the nearest one alone is as hard to find as any.
        assert docs.measure_recall(k=1, recall=0.6) < 1


def test_recall_and_ef_are_one_choice(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert(ids=[1, 2], vectors=[[1], [2]])
    calls: list[Callable[..., Any]] = [
        lambda **options: docs.search([1], **options),
        lambda **options: docs.search_many([[1]], **options),
        lambda **options: docs.measure_recall(**options),
    ]
    for call in calls:
        call(recall=0.5), call(recall=0.999)
        with pytest.raises(lodedb.ArgumentError, match="recall= for a quality or ef= for an effort, not both"):
            call(recall=0.9, ef=64)
        for recall in [0.49, 1.0, float("nan"), -1]:
            with pytest.raises(lodedb.ArgumentError, match="'recall'"):
                call(recall=recall)
    with pytest.raises(lodedb.ArgumentError, match="'sample'"):
        docs.measure_recall(sample=0)
    with pytest.raises(lodedb.ArgumentError, match="using= is one of"):
        docs.measure_recall(using="image")


@pytest.mark.parametrize("form", ["auto", "none", "sq7", "sq4", "rabitq"])
def test_every_form_of_search_finds_the_records(path: Path, form: Any) -> None:
    vectors = np.random.default_rng(5).random((3000, 64), dtype=np.float32)
    with lodedb.open(path) as db:
        docs = db.collection("docs", dim=64, metric="l2", quantization=form)
        docs.upsert(ids=range(3000), vectors=vectors)
        db.optimize()
        hits, scores = docs.search_many(vectors[:100], k=1, ef=200)
        assert hits.ravel().tolist() == list(range(100)) and not scores.any()
        db.verify()
    with lodedb.open(path) as db:
        # Unsaid, it is what the collection has; another one is another schema.
        assert len(db.collection("docs", dim=64, metric="l2")) == len(db["docs"]) == 3000
        other: Any = "sq7" if form != "sq7" else "sq4"
        with pytest.raises(lodedb.SchemaError, match=f"searched as {other}"):
            db.collection("docs", dim=64, metric="l2", quantization=other)


def test_forms_of_search_by_vector(db: lodedb.Database) -> None:
    image: Any = {"dim": 3, "quantization": "rabitq"}
    db.collection("pages", vectors={"text": 2, "image": image}, quantization="sq4")
    same: Any = {"text": {"dim": 2, "quantization": "sq4"}, "image": image}
    db.collection("pages", vectors=same)
    with pytest.raises(lodedb.SchemaError, match="searched as sq7"):
        db.collection("pages", vectors={"text": 2, "image": image}, quantization="sq7")
    with pytest.raises(lodedb.ArgumentError, match="'pq' is not one of auto, none, sq7, sq4, rabitq"):
        db.collection("other", dim=2, quantization="pq")  # type: ignore[arg-type]
    with pytest.raises(lodedb.SchemaError, match="binary vectors are searched as they are"):
        db.collection("other", dim=8, metric="hamming", dtype="binary", quantization="sq4")
    bad: Any = {"dim": 2, "quantisation": "sq4"}
    with pytest.raises(lodedb.ArgumentError, match="'quantisation' is not one of 'dim', .*, 'quantization'"):
        db.collection("other", vectors={"text": bad})


def test_a_schema_is_not_passed_over(db: lodedb.Database) -> None:
    db.collection("docs", dim=2)
    options: list[dict[str, Any]] = [
        {"metric": "l2"},
        {"dtype": "f16"},
        {"quantization": "sq4"},
        {"id_type": "int"},
        {"m": 8},
        {"ef_construction": 64},
    ]
    for option in options:
        with pytest.raises(lodedb.ArgumentError, match="needs dim=, vectors=, sparse= or text="):
            db.collection("docs", **option)
    assert len(db.collection("docs")) == 0


def test_batches_with_fewer_records_than_asked_for(db: lodedb.Database) -> None:
    numbers, names = db.collection("numbers", dim=1), db.collection("names", dim=1)
    assert numbers.search_many([[1]], k=2)[0].tolist() == [[2**64 - 1] * 2]
    numbers.upsert({"id": 3, "vector": [1]})
    names.upsert({"id": "a", "vector": [1]})
    ids, scores = numbers.search_many([[1]], k=2)
    assert ids.tolist() == [[3, 2**64 - 1]] and scores[0, 0] == 1 and np.isnan(scores[0, 1])
    ids, scores = names.search_many([[1]], k=2)
    assert ids.dtype == object and ids.tolist() == [["a", None]] and np.isnan(scores[0, 1])


def test_closed_is_closed(path: Path) -> None:
    with filled(path, 10) as db:
        docs = db["docs"]
        scan = docs.scan()
    db.close()
    calls: list[Callable[[], Any]] = [
        lambda: len(docs),
        lambda: docs.search(np.ones(16)),
        lambda: db["docs"],
        lambda: docs.delete(1),
    ]
    for call in calls:
        with pytest.raises(lodedb.ClosedError):
            call()
    assert next(scan)["id"] == 0
    assert repr(db) == f'lodedb.open("{path}")'


def test_one_writer(path: Path) -> None:
    with filled(path, 10), pytest.raises(lodedb.LockedError):
        lodedb.open(path)
    with pytest.raises(FileNotFoundError):
        lodedb.open(path.with_name("none.lode"), create=False)
    path.with_name("text").write_text("no database at all, but long enough to be looked at" * 200)
    with pytest.raises(lodedb.LodeError, match="not a Lode database"):
        lodedb.open(path.with_name("text"))


def test_handles_are_not_pickled(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    docs.upsert({"id": 1, "vector": [1]})
    for handle in [db, docs, docs.scan(), db.transaction()]:
        with pytest.raises(TypeError, match="open it in the other process"):
            pickle.dumps(handle)
    for hits in [docs.search([1]), docs.search([1])[0]]:
        with pytest.raises(TypeError, match="to_dict"):
            pickle.dumps(hits)
    for name in lodedb.__all__:
        error = getattr(lodedb, name)
        if isinstance(error, type) and issubclass(error, Exception):
            copy = pickle.loads(pickle.dumps(error("message")))
            assert type(copy) is error and copy.args == ("message",)


def test_errors_are_of_one_family() -> None:
    errors = "Corrupt Locked ReadOnly Closed Poisoned NotFound AlreadyExists Schema Dimension Filter Limit Argument"
    for name in errors.split():
        assert issubclass(getattr(lodedb, f"{name}Error"), lodedb.LodeError)
    assert issubclass(lodedb.DimensionError, ValueError) and issubclass(lodedb.ArgumentError, ValueError)


def test_threads_search_while_one_writes(path: Path) -> None:
    with filled(path) as db:
        docs = db["docs"]
        failures: list[BaseException] = []
        done = threading.Event()

        def search(seed: int) -> None:
            try:
                random = np.random.default_rng(seed)
                while not done.is_set():
                    before = docs.count()
                    hits = docs.search(random.random(16, dtype=np.float32), k=10)
                    assert len(hits) == 10 and docs.count() >= before
                    assert all(hit.fields == {} or hit["n"] == hit.id for hit in hits)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=search, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for batch in range(60):
            ids = range(3000 + batch * 50, 3050 + batch * 50)
            docs.upsert(ids=ids, vectors=np.random.default_rng(batch).random((50, 16)), fields={"n": list(ids)})
        docs.optimize()
        done.set()
        for thread in threads:
            thread.join()
        assert not failures and len(docs) == 6000
        db.verify()


def test_python_runs_on_while_a_call_works(path: Path) -> None:
    with filled(path, 20_000) as db:
        docs = db["docs"]
        thread = threading.Thread(target=docs.optimize)
        ticks = 0
        thread.start()
        while thread.is_alive():
            time.sleep(0.001)
            ticks += 1
        assert ticks > 20


WRITER = """
import sys, lodedb, numpy as np
db = lodedb.open(sys.argv[1])
docs = db.collection("docs", dim=4)
for batch in range(int(sys.argv[2])):
    docs.upsert(ids=range(batch * 10, batch * 10 + 10), vectors=np.full((10, 4), batch + 1.0), fields={"batch": [batch] * 10})
    print(batch, flush=True)
sys.stdin.read()
"""


def writer(path: Path, batches: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(batches)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_another_process_reads_what_this_one_writes(path: Path) -> None:
    with writer(path, 200) as child:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        with lodedb.open(path, read_only=True) as db:
            docs = db["docs"]
            for line in child.stdout:
                acknowledged = int(line) + 1
                count = len(docs)
                assert count >= acknowledged * 10 and count % 10 == 0
                assert docs.get(acknowledged * 10 - 1)["batch"] == acknowledged - 1  # type: ignore[index]
                if acknowledged == 200:
                    break
        child.stdin.close()


def test_killed_processes_lose_nothing_acknowledged(path: Path) -> None:
    pause = random.Random(7)
    for _ in range(10):
        path.unlink(missing_ok=True)
        with writer(path, 100_000) as child:
            assert child.stdout is not None
            acknowledged = int(child.stdout.readline())
            time.sleep(pause.random() * 0.2)
            child.kill()
            for line in child.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        with lodedb.open(path) as db:
            docs = db["docs"]
            assert len(docs) % 10 == 0 and len(docs) >= (acknowledged + 1) * 10
            assert docs.get(acknowledged * 10 + 9)["batch"] == acknowledged  # type: ignore[index]
            db.verify()


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_does_not_grow_over_100_000_calls(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=8)
    docs.upsert(
        ids=range(100), vectors=np.random.default_rng(1).random((100, 8)), fields={"t": ["text"] * 100, "n": range(100)}
    )
    query = np.ones(8, dtype=np.float32)

    def calls(count: int) -> None:
        for i in range(count // 10):
            hits = docs.search(query, k=3)
            hits[0]["t"], hits.scores, hits.ids, repr(hits)
            docs.get(i % 100)
            docs.get([1, 2])
            docs.search_many([query, query], k=2)
            docs.search(query, k=3, where={"n": {"$lt": i % 100}}, group_by="t")
            docs.count("n > 7"), docs.facets("t", "n < 9")
            list(docs.scan(limit=2))
            list(docs.scan(limit=2, order_by="n", after=i % 100))
            with contextlib.suppress(lodedb.DimensionError):
                docs.search([1, 2])
            docs.stats()
            i in docs, len(docs)

    calls(20_000)
    gc.collect()
    before = memory()
    calls(100_000)
    gc.collect()
    assert memory() - before < 2 << 20


def in_child(path: Path, db: lodedb.Database, docs: lodedb.Collection, hits: lodedb.Hits, results: Any) -> None:
    found = []
    calls: list[Callable[[], Any]] = [
        lambda: len(docs),
        lambda: docs.search(np.ones(16)),
        db.close,
        lambda: hits[0],
        lambda: db["docs"],
    ]
    for call in calls:
        try:
            call()
            found.append("worked")
        except lodedb.ClosedError as error:
            found.append(str(error))
    with lodedb.open(path.with_name("child.lode")) as other:
        mine = other.collection("docs", dim=16)
        mine.upsert(ids=range(2000), vectors=np.random.default_rng(1).random((2000, 16)))
        mine.optimize()
        found.append(str(mine.search_many(np.ones((300, 16)), k=1)[0].shape))
    results.put(found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_is_told_to_open_again(path: Path) -> None:
    with filled(path) as db:
        docs = db["docs"]
        docs.optimize()
        docs.search_many(np.ones((300, 16)))
        hits = docs.search(np.ones(16))
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        child = context.Process(target=in_child, args=(path, db, docs, hits, results))
        child.start()
        *refused, shape = results.get(timeout=60)
        child.join(timeout=60)
        assert child.exitcode == 0
        assert all("open it again in this process" in message for message in refused)
        assert shape == "(300, 1)"
        assert len(docs) == 3000
        db.verify()


BUILD = """
import sys, lodedb, numpy as np
db = lodedb.open(sys.argv[1], maintenance="manual")
docs = db.collection("docs", dim=64)
docs.upsert(ids=range(60_000), vectors=np.random.default_rng(1).random((60_000, 64), dtype=np.float32))
print("building", flush=True)
try:
    docs.optimize()
    print("built", flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
db.verify()
print(len(docs), docs.stats()["graphs"])
"""


def test_ctrl_c_stops_a_build(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", BUILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "building\n"
        time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        assert child.stdout.read() == "stopped\n60000 0\n"


def test_an_exception_of_progress_stops_a_build(path: Path) -> None:
    def stop(progress: lodedb.Progress) -> None:
        raise RuntimeError(f"stopped at {progress.done}")

    with lodedb.open(path, maintenance="manual") as db:
        docs = db.collection("docs", dim=64)
        docs.upsert(ids=range(20_000), vectors=np.random.default_rng(1).random((20_000, 64), dtype=np.float32))
        with pytest.raises(RuntimeError, match="stopped at"):
            docs.optimize(progress=stop)
        assert docs.stats()["graphs"] == 0


def test_progress_bars(path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    with filled(path, 20_000) as db:
        db.optimize(progress=True)
        assert "docs: " in capfd.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with filled(path.with_name("other.lode"), 20_000) as db:
        db.optimize(progress=True)
        assert "of 20_000 records" in capfd.readouterr().err
