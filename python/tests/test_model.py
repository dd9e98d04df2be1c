"""Random histories against a dict and brute force, with reopening in between."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import lodedb
import naive
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
# Few enough that conditions meet them.
small = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from([0.5, 1.0, -1.0]) | st.text("ab", max_size=2)
smalls = small | st.lists(small, max_size=3) | st.dictionaries(st.sampled_from("ab"), small, max_size=2)
maps = st.lists(st.dictionaries(st.sampled_from("ab"), smalls, max_size=2), max_size=2)
fields = st.fixed_dictionaries(
    {}, optional={"n": values, "title": values, "\u00e9t\u00e9": values, "x": smalls, "y": smalls | maps}
)
names = st.sampled_from(["n", "title", "x", "y", "x.a", "y.b"])
operators = (
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains"]), small)
    | st.tuples(st.sampled_from(["$lt", "$lte", "$gt", "$gte"]), small.filter(lambda value: value is not None))
    | st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(small, max_size=3))
    | st.tuples(st.just("$exists"), st.booleans())
    | st.tuples(st.just("$prefix"), st.text("ab", max_size=1))
)
conditions: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.builds(lambda name, operator: {name: dict([operator])}, names, operators),
    lambda inner: (
        st.builds(
            lambda kind, members: {kind: members},
            st.sampled_from(["$and", "$or"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda member: {"$not": member}, inner)
    ),
    max_leaves=4,
)
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

    def passing(self, where: dict[str, Any]) -> dict[int, dict[str, Any]]:
        return {id: fields for id, (_, fields) in self.records.items() if naive.passes(where, fields)}

    def is_unknown(self, path: str) -> bool:
        return not any(list(naive.values_at(fields, path.split("."))) for _, fields in self.records.values())

    @rule(where=conditions, reading=st.sampled_from(["count", "delete"]))
    def count_or_delete(self, where: dict[str, Any], reading: str) -> None:
        passing = self.passing(where)
        try:
            if reading == "count":
                assert self.docs.count(where) == len(passing)
                return
            assert self.docs.delete(where=where) == len(passing)
            for id in passing:
                del self.records[id]
        except lodedb.FilterError:
            assert any(map(self.is_unknown, naive.paths(where)))

    @rule(where=st.none() | conditions, path=names, descending=st.booleans(), limit=st.integers(1, 6))
    def scan_sorted(self, where: dict[str, Any] | None, path: str, descending: bool, limit: int) -> None:
        passing = self.passing(where or {})
        options: dict[str, Any] = {"where": where, "allow_unknown_fields": True, "limit": limit}
        pages: list[int] = []
        while page := [row["id"] for row in self.docs.scan(**options)]:
            pages += page
            options["after"] = page[-1]
        assert pages == sorted(passing)
        options |= {"after": None, "order_by": path, "descending": descending}
        pages = []
        try:
            while page := [row["id"] for row in self.docs.scan(**options)]:
                pages += page
                options["after"] = page[-1]
        except lodedb.FilterError:
            assert self.is_unknown(path)
            return
        truth = naive.order(passing, path, descending)
        # In the order of their ids, also where they are descending: sorting is stable.
        assert pages == truth

    @rule(where=conditions, path=names)
    def facets(self, where: dict[str, Any], path: str) -> None:
        try:
            found = self.docs.facets(path, where)
        except lodedb.FilterError:
            assert any(map(self.is_unknown, [path, *naive.paths(where)]))
            return
        assert found == naive.facets(self.passing(where), path)
        assert list(found.values()) == sorted(found.values(), reverse=True)

    @rule(batch=batches, gone=ids, where=conditions, commit=st.booleans())
    def transaction(self, batch: dict[int, Any], gone: int, where: dict[str, Any], commit: bool) -> None:
        after = {**self.records, **batch}
        after.pop(gone, None)
        try:
            with self.db.transaction() as tx:
                tx["docs"].upsert(self.rows(batch))
                tx["docs"].delete(gone)
                passing = [id for id, (_, fields) in after.items() if naive.passes(where, fields)]
                with contextlib.suppress(lodedb.FilterError):
                    assert tx["docs"].delete(where=where) == len(passing)
                    for id in passing:
                        del after[id]
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

    @rule(query=vectors, k=st.integers(1, 8), exact=st.booleans(), where=st.none() | conditions)
    def search(self, query: list[float], k: int, exact: bool, where: dict[str, Any] | None) -> None:
        passing = self.passing(where or {})
        truth = {id: score for id, score in self.brute_force(query).items() if id in passing}
        best = sorted(truth.values(), reverse=True)[:k]
        options: dict[str, Any] = {"k": k, "exact": exact, "where": where, "allow_unknown_fields": True}
        hits = self.docs.search(query, **options)
        assert np.allclose(hits.scores, best, atol=1e-5)
        assert len(set(hits.ids)) == len(hits)
        for hit in hits:
            assert abs(hit.score - truth[hit.id]) < 1e-5
            assert hit.fields == self.records[hit.id][1]
        explained = self.docs.explain(query, **options)
        assert (explained.hits, explained.matches) == (len(hits), len(passing))
        many, scores = self.docs.search_many([query], **options)
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
