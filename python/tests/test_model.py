"""Random histories against a dict and brute force, with reopening in between."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import lodedb
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

DIM = 4

ids = st.integers(0, 30)
numbers = st.integers(-8, 8).map(lambda n: n / 4)
vectors = st.lists(numbers, min_size=DIM, max_size=DIM)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=4,
)
fields = st.dictionaries(st.sampled_from(["n", "title", "\u00e9t\u00e9"]), values, max_size=3)
batches = st.dictionaries(ids, st.tuples(vectors, fields), max_size=6)


class Stop(Exception):
    pass


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "model.lode"
        self.records: dict[int, tuple[list[float], dict[str, Any]]] = {}

    @initialize(metric=st.sampled_from(["cosine", "dot", "l2"]))
    def begin(self, metric: Any) -> None:
        self.metric = metric
        self.db = lodedb.open(self.path)
        self.docs = self.db.collection("docs", dim=DIM, metric=metric)

    def teardown(self) -> None:
        self.db.verify()
        self.db.close()
        self.folder.cleanup()

    def rows(self, batch: dict[int, Any]) -> list[dict[str, Any]]:
        return [{"id": id, "vector": vector, **fields} for id, (vector, fields) in batch.items()]

    @rule(batch=batches)
    def upsert_rows(self, batch: dict[int, Any]) -> None:
        assert self.docs.upsert(self.rows(batch)) == len(batch)
        self.records.update(batch)

    @rule(batch=batches)
    def upsert_columns(self, batch: dict[int, Any]) -> None:
        if batch:
            array = np.array([vector for vector, _ in batch.values()], dtype=np.float32)
            titles = [fields.get("title") for _, fields in batch.values()]
            self.docs.upsert(ids=list(batch), vectors=array, fields={"title": titles})
            for (id, (vector, _)), title in zip(batch.items(), titles, strict=True):
                self.records[id] = (vector, {"title": title})

    @rule(batch=batches)
    def insert(self, batch: dict[int, Any]) -> None:
        clash = any(id in self.records for id in batch)
        try:
            self.docs.insert(self.rows(batch))
            assert not clash
            self.records.update(batch)
        except lodedb.AlreadyExistsError:
            assert clash

    @rule(id=ids, change=fields)
    def update(self, id: int, change: dict[str, Any]) -> None:
        try:
            self.docs.update(id, change)
            vector, before = self.records[id]
            self.records[id] = (vector, {**before, **change})
        except lodedb.NotFoundError:
            assert id not in self.records

    @rule(gone=st.lists(ids, max_size=5))
    def delete(self, gone: list[int]) -> None:
        assert self.docs.delete(gone) == len(set(gone) & set(self.records))
        for id in gone:
            self.records.pop(id, None)

    @rule(batch=batches, gone=ids, commit=st.booleans())
    def transaction(self, batch: dict[int, Any], gone: int, commit: bool) -> None:
        after = {**self.records, **batch}
        after.pop(gone, None)
        try:
            with self.db.transaction() as tx:
                tx["docs"].upsert(self.rows(batch))
                tx["docs"].delete(gone)
                assert len(tx["docs"]) == len(after)
                if not commit:
                    raise Stop
            self.records = after
        except Stop:
            pass

    @rule(bad=st.sampled_from([[1.0], [float("nan")] * DIM, [float("inf")] * DIM]), batch=batches)
    def refused_whole(self, bad: list[float], batch: dict[int, Any]) -> None:
        try:
            self.docs.upsert([*self.rows(batch), {"id": 99, "vector": bad}])
            raise AssertionError("it was stored")
        except (lodedb.ArgumentError, lodedb.DimensionError):
            pass

    @rule()
    def reopen(self) -> None:
        self.db.close()
        self.db = lodedb.open(self.path)
        self.docs = self.db["docs"]

    @rule(which=st.sampled_from(["checkpoint", "optimize", "compact"]))
    def upkeep(self, which: str) -> None:
        getattr(self.db, which)()

    def brute_force(self, query: list[float]) -> dict[int, float]:
        def score(vector: list[float]) -> float:
            a, b = np.array(query, dtype=np.float64), np.array(vector, dtype=np.float64)
            if self.metric == "dot":
                return float(a @ b)
            if self.metric == "l2":
                return -float(np.linalg.norm(a - b))
            lengths = np.linalg.norm(a) * np.linalg.norm(b)
            return float(a @ b / lengths) if lengths else 0.0

        return {id: score(vector) for id, (vector, _) in self.records.items()}

    @rule(query=vectors, k=st.integers(1, 8), exact=st.booleans())
    def search(self, query: list[float], k: int, exact: bool) -> None:
        truth = self.brute_force(query)
        best = sorted(truth.values(), reverse=True)[:k]
        hits = self.docs.search(query, k=k, exact=exact)
        assert np.allclose(hits.scores, best, atol=1e-5)
        assert len(set(hits.ids)) == len(hits)
        for hit in hits:
            assert abs(hit.score - truth[hit.id]) < 1e-5
            assert hit.fields == self.records[hit.id][1]
        many, scores = self.docs.search_many([query], k=k, exact=exact)
        assert many[0, : len(hits)].tolist() == hits.ids and np.isnan(scores[0, len(hits) :]).all()

    @precondition(lambda self: hasattr(self, "docs"))
    @invariant()
    def the_same_records(self) -> None:
        assert len(self.docs) == len(self.records)
        assert [row["id"] for row in self.docs.scan()] == sorted(self.records)
        for id, (vector, fields) in self.records.items():
            row = self.docs.get(id)
            assert row is not None
            assert row.pop("vector").tolist() == vector and row == {"id": id, **fields}


Model.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestModel = Model.TestCase
