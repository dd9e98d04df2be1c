"""Filters in every call that takes one, sorted scans, facets, groups, scores, and how a search explains itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import lodedb
import numpy as np
import pytest
from lodedb import F

METALS = ["gold", "silver", "lead", "tin"]

# The same condition in all three forms, and what it means.
CONDITIONS: list[tuple[Any, str, Any, Callable[[dict[str, Any]], bool]]] = [
    ({"year": {"$gte": 1848}}, "year >= 1848", F.year >= 1848, lambda row: row["year"] >= 1848),
    ({"metal": "gold"}, "metal = 'gold'", F.metal == "gold", lambda row: row["metal"] == "gold"),
    (
        {"metal": {"$in": ["gold", "tin"]}, "year": {"$lt": 1820}},
        "metal in ('gold', 'tin') and year < 1820",
        F.metal.is_in(["gold", "tin"]) & (F.year < 1820),
        lambda row: row["metal"] in ("gold", "tin") and row["year"] < 1820,
    ),
    ({"draft": {"$exists": True}}, "exists(draft)", F.draft.exists(), lambda row: "draft" in row),
    ({"$not": {"draft": True}}, "not draft", ~F.draft, lambda row: not row.get("draft")),
    (
        {"$or": [{"tags": {"$contains_all": ["a", "b"]}}, {"place.depth": {"$gt": 90}}]},
        "tags contains all ('a', 'b') or place.depth > 90",
        F.tags.contains_all(["a", "b"]) | (F["place.depth"] > 90),
        lambda row: {"a", "b"} <= set(row["tags"]) or row["place"]["depth"] > 90,
    ),
    (
        {"metal": {"$prefix": "l"}},
        "metal starts with 'l'",
        F.metal.starts_with("l"),
        lambda row: row["metal"] == "lead",
    ),
    ({"year": {"$gt": 3000}}, "year > 3000", F.year > 3000, lambda row: False),
    ({}, "true", {}, lambda row: True),
]


def rows(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(3)
    vectors = random.random((count, 8), dtype=np.float32)
    made = []
    for id in range(count):
        tags = [tag for tag in "abc" if random.random() < 0.4]
        row = {"id": id, "vector": vectors[id], "year": 1800 + int(random.integers(100)), "tags": tags}
        row |= {"metal": METALS[int(random.integers(4))], "place": {"depth": int(random.integers(100))}}
        made.append(row | ({"draft": bool(random.integers(2))} if id % 3 == 0 else {}))
    return made


ROWS = rows(2500)
QUERIES = np.random.default_rng(4).random((70, 8), dtype=np.float32)


@pytest.fixture(scope="module", params=["active", "sealed", "both"])
def docs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The records in memory, under a graph, or some here and some there."""
    with lodedb.open(tmp_path_factory.mktemp("where") / "where.lode", maintenance="manual") as db:
        docs = db.collection("docs", dim=8, metric="l2", unindexed=["metal"] if request.param == "both" else None)
        docs.upsert(ROWS[:2000] if request.param == "both" else ROWS)
        if request.param != "active":
            docs.optimize()
        if request.param == "both":
            docs.upsert(ROWS[2000:])
        yield docs


def nearest(query: Any, passing: list[dict[str, Any]], k: int) -> list[float]:
    scores = sorted((-float(np.linalg.norm(row["vector"] - query)) for row in passing), reverse=True)
    return scores[:k]


@pytest.mark.parametrize("condition", CONDITIONS, ids=[text for _, text, _, _ in CONDITIONS])
def test_three_forms_are_one_filter_and_hits_are_never_short(docs: lodedb.Collection, condition: Any) -> None:
    *forms, meaning = condition
    passing = [row for row in ROWS if meaning(row)]
    ids = {row["id"] for row in passing}
    for where in forms:
        assert docs.count(where) == docs.count(where=where) == len(passing)
        assert {row["id"] for row in docs.scan(where=where)} == ids
        exact = docs.search(QUERIES[0], k=20, where=where, exact=True)
        assert np.allclose(exact.scores, nearest(QUERIES[0], passing, 20), atol=1e-5)
        found, scores = docs.search_many(QUERIES, k=20, where=where)
        for query, row, row_scores in zip(QUERIES, found.tolist(), scores, strict=True):
            hits = docs.search(query, k=20, where=where)
            assert len(hits) == min(20, len(passing)) and set(hits.ids) <= ids
            assert row == hits.ids + [2**64 - 1] * (20 - len(hits))
            assert row_scores[: len(hits)].tolist() == hits.scores.tolist() and np.isnan(row_scores[len(hits) :]).all()
        for threads in [1, 2]:
            assert docs.search_many(QUERIES, k=20, where=where, threads=threads)[0].tolist() == found.tolist()
        if len(passing) > 1:
            assert docs.measure_recall(sample=30, where=where) > 0.9


def test_mistakes_name_the_place_and_what_there_is(docs: lodedb.Collection) -> None:
    query = QUERIES[0]
    calls: list[Callable[[Any], Any]] = [
        lambda where: docs.search(query, where=where),
        lambda where: docs.explain(query, where=where),
        lambda where: docs.search_many([query], where=where),
        lambda where: docs.search_many(np.empty((0, 8)), where=where),
        lambda where: docs.measure_recall(where=where),
        lambda where: docs.count(where),
        lambda where: docs.delete(where=where),
        lambda where: docs.facets("year", where),
        lambda where: next(docs.scan(where=where)),
    ]
    mistakes: list[tuple[Any, str]] = [
        ({"yaer": 1849}, "no record has a field 'yaer'; did you mean 'year'\\? There are .*metal"),
        ("depth.place > 3", "no record has a field 'depth.place'"),
        (F.nothing.exists(), "there are .*draft, .*place.depth"),
        ({"year": {"$gte ": 1}}, r"\$gte"),
        ({"year": {"$near": 1}}, r"\$near"),
        ("year >", "year >|end"),
        ("year ~ 3", "~"),
        ({"year": {"$in": 3}}, r"\$in"),
    ]
    for call in calls:
        for where, message in mistakes:
            with pytest.raises(lodedb.FilterError, match=message):
                call(where)
        with pytest.raises(TypeError, match="a filter is a dict of operators, a string, or an expression"):
            call(3)
    assert issubclass(lodedb.FilterError, ValueError) and len(docs) == len(ROWS)


def test_unknown_fields_can_be_allowed(docs: lodedb.Collection) -> None:
    query, where = QUERIES[0], {"nothing": {"$exists": True}}
    assert len(docs.search(query, where=where, allow_unknown_fields=True)) == 0
    assert len(docs.search(query, where="not nothing", allow_unknown_fields=True)) == 10
    assert docs.explain(query, where=where, allow_unknown_fields=True).matches == 0
    assert np.isnan(docs.search_many([query], where=where, allow_unknown_fields=True)[1]).all()
    assert docs.measure_recall(where=where, allow_unknown_fields=True) == 1.0
    assert list(docs.scan(where=where, allow_unknown_fields=True)) == []


def test_scores_and_radius(docs: lodedb.Collection) -> None:
    query = QUERIES[1]
    for where in [None, "year < 1850"]:
        passing = [row for row in ROWS if where is None or row["year"] < 1850]
        everything = nearest(query, passing, len(passing))
        bound = (everything[99] + everything[100]) / 2
        near = docs.search(query, k=None, min_score=bound, where=where)
        assert len(near) == 100 and np.allclose(near.scores, everything[:100], atol=1e-5)
        assert docs.search(query, k=3, min_score=bound, where=where).ids == near.ids[:3]
        assert len(docs.search(query, k=200, min_score=bound, exact=True, where=where)) == 100
        assert len(docs.search(query, k=None, min_score=1.0, where=where)) == 0
        ids, scores = docs.search_many([query], k=102, min_score=bound, exact=True, where=where)
        assert ids[0, :100].tolist() == near.ids and np.isnan(scores[0, 100:]).all()
    with pytest.raises(lodedb.ArgumentError, match="'min_score'"):
        docs.search(query, k=None)
    with pytest.raises(lodedb.ArgumentError, match="'min_score'"):
        docs.search(query, min_score=float("nan"))
    with pytest.raises(TypeError):
        docs.search_many([query], k=None)  # type: ignore[arg-type]


def best_of_groups(query: Any, most: int, k: int) -> list[float]:
    taken: Counter[str] = Counter()
    scores = []
    for row in sorted(ROWS, key=lambda row: float(np.linalg.norm(row["vector"] - query))):
        if taken[row["metal"]] < most:
            taken[row["metal"]] += 1
            scores.append(-float(np.linalg.norm(row["vector"] - query)))
    return scores[:k]


def test_groups(docs: lodedb.Collection) -> None:
    if docs.explain(QUERIES[0]).segments[0]["records"] == 2000:
        with pytest.raises(lodedb.FilterError, match="'metal' has no index"):
            docs.search(QUERIES[0], group_by="metal")
        return
    for most in [1, 2, 5]:
        for query in QUERIES[:10]:
            hits = docs.search(query, exact=True, group_by="metal", group_size=most)
            assert np.allclose(hits.scores, best_of_groups(query, most, 10), atol=1e-5)
            assert max(Counter(hit["metal"] for hit in hits).values()) <= most
    hits = docs.search(QUERIES[0], where="metal != 'tin'", group_by="metal")
    assert sorted(hit["metal"] for hit in hits) == ["gold", "lead", "silver"]
    ids, _ = docs.search_many(QUERIES[:3], k=4, exact=True, group_by="metal")
    assert ids.tolist() == [docs.search(q, k=4, exact=True, group_by="metal").ids for q in QUERIES[:3]]
    with pytest.raises(lodedb.ArgumentError, match="group_by=: give that too"):
        docs.search(QUERIES[0], group_size=2)
    with pytest.raises(lodedb.ArgumentError, match="'group_by'"):
        docs.search(QUERIES[0], group_by="metal", group_size=0)
    with pytest.raises(lodedb.FilterError, match="no record has a field 'mettal'; did you mean 'metal'"):
        docs.search(QUERIES[0], group_by="mettal")


@pytest.mark.parametrize("field", ["year", "place.depth", "draft"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("where", [None, "year between 1810 and 1830"])
def test_sorted_scans_page(docs: lodedb.Collection, field: str, descending: bool, where: str | None) -> None:
    def value(row: dict[str, Any]) -> Any:
        for name in field.split("."):
            row = row.get(name)  # type: ignore[assignment]
        return row

    passing = [row for row in ROWS if where is None or 1810 <= row["year"] <= 1830]
    there = [row for row in passing if value(row) is not None]
    there.sort(key=lambda row: (-value(row) if descending else value(row), row["id"]))
    truth = [row["id"] for row in there] + [row["id"] for row in passing if value(row) is None]
    assert [row["id"] for row in docs.scan(where=where, order_by=field, descending=descending)] == truth
    for by_value in [False, True]:
        seen: list[dict[str, Any]] = []
        after: Any = None
        while page := list(docs.scan(where=where, order_by=field, descending=descending, after=after, limit=300)):
            seen += page
            after = (value(page[-1]), page[-1]["id"]) if by_value else page[-1]["id"]
        assert [row["id"] for row in seen] == truth


def test_scans_refuse_what_makes_no_sense(docs: lodedb.Collection) -> None:
    with pytest.raises(lodedb.ArgumentError, match="descending= needs order_by="):
        docs.scan(descending=True)
    with pytest.raises(lodedb.ArgumentError, match="needs order_by="):
        docs.scan(after=(1849, 3))
    with pytest.raises(lodedb.ArgumentError, match="an id, or the pair"):
        docs.scan(order_by="year", after=(1849,))  # type: ignore[arg-type]
    with pytest.raises(lodedb.ArgumentError, match="no place in an order"):
        docs.scan(order_by="tags", after=(["a"], 3))
    with pytest.raises(lodedb.NotFoundError):
        next(docs.scan(order_by="year", after=99_999))
    with pytest.raises(lodedb.FilterError, match="did you mean 'year'"):
        next(docs.scan(order_by="yaer"))
    assert [row["id"] for row in docs.scan(after=2497)] == [2498, 2499]
    assert list(docs.scan(where="year >= 1800", after=2499)) == []


def test_facets(docs: lodedb.Collection) -> None:
    def naive(rows: list[dict[str, Any]]) -> dict[Any, int]:
        counts = Counter(tag for row in rows for tag in row["tags"])
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    for where, passing in [(None, ROWS), ("year < 1850", [row for row in ROWS if row["year"] < 1850])]:
        found = docs.facets("tags", where)
        assert found == naive(passing) and list(found) == list(naive(passing))
        assert list(docs.facets("tags", where, 2)) == list(docs.facets("tags", where=where, limit=2)) == list(found)[:2]
        assert docs.facets("place.depth", where) == Counter(row["place"]["depth"] for row in passing)
        assert docs.facets("draft", where) == Counter(row["draft"] for row in passing if "draft" in row)
    assert docs.facets("tags", "year > 3000") == {} and docs.facets("tags", limit=0) == {}
    with pytest.raises(lodedb.FilterError, match="did you mean 'tags'"):
        docs.facets("tag")


def test_values_of_facets_are_keys(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    noon = datetime(1849, 1, 31, 12, tzinfo=timezone.utc)
    values: list[Any] = [None, True, 1, 1.0, "a", "a", noon, 2.5, 1, {"lat": 38.5, "lon": -4.5}, {"b": 1}, [1, 1, "a"]]
    docs.upsert(ids=range(len(values)), vectors=np.ones((len(values), 1)), fields={"x": values})
    assert docs.facets("x") == {1: 5, "a": 3, 2.5: 1, noon: 1, None: 1, (38.5, -4.5): 1}
    assert list(docs.facets("x"))[:2] == [1, "a"] and docs.facets("x.b") == {1: 1}
    # True and 1 are one key, and one count; to filters they are two values.
    assert docs.facets("x", limit=1) == {1: 5} and docs.count(F.x == 1) == 4 and docs.count(F.x == True) == 1  # noqa: E712


def test_explain(docs: lodedb.Collection) -> None:
    passing = sum(row["year"] < 1850 for row in ROWS)
    explained = docs.explain(QUERIES[0], k=5, where=F.year < 1850)
    assert (explained.hits, explained.records, explained.matches) == (5, 2500, passing)
    assert explained.filter == "year < 1850" and 0 <= explained.filter_time <= explained.time < 60
    assert sum(segment["matches"] for segment in explained.segments) == passing
    for segment in explained.segments:
        low, high = segment["estimate"]
        assert low <= segment["matches"] <= high and segment["matches"] <= segment["records"]
        assert segment["plan"] in ("graph", "graph over", "cells", "codes", "rows") and segment["given_up"] is None
        assert segment["scored"] >= 0 and segment["time"] <= explained.time
    tree = str(explained)
    assert tree == repr(explained) and tree.startswith("search: 5 hits in ") and not tree.endswith("\n")
    assert f"filter year < 1850: {passing} of 2500 records pass" in tree and "segment of " in tree
    everything = docs.explain(QUERIES[0])
    assert everything.filter is None and everything.matches == everything.records == 2500
    options: dict[str, Any] = {"group_by": "year", "group_size": 2, "min_score": -0.1, "exact": True}
    assert docs.explain(QUERIES[0], **options).hits == len(docs.search(QUERIES[0], **options))
    with pytest.raises(lodedb.ArgumentError, match="'min_score'"):
        docs.explain(QUERIES[0], k=None)


def test_deleting_by_filter(db: lodedb.Database) -> None:
    docs = db.collection("docs", dim=1)
    years = list(range(1800, 1900))
    docs.upsert(ids=range(100), vectors=np.ones((100, 1)), fields={"year": years})
    with pytest.raises(lodedb.ArgumentError, match=r"give ids or where=; where=\{\} deletes every record"):
        docs.delete()  # type: ignore[call-overload]
    with pytest.raises(lodedb.ArgumentError, match="not both"):
        docs.delete([1], where={})  # type: ignore[call-overload]
    assert len(docs) == 100
    assert docs.delete(where={"year": {"$lt": 1810}}) == 10 and docs.delete(where={"year": {"$lt": 1810}}) == 0
    assert docs.delete(where="year = 1899") == 1 and docs.delete(where=F.year.is_in([1897, 1898])) == 2
    assert docs.delete(10) == 1 and docs.delete(ids=[11, 12]) == 2 and docs.delete([]) == 0
    assert [row["id"] for row in docs.scan()] == list(range(13, 97))
    with db.transaction() as tx:
        tx["docs"].upsert({"id": 500, "vector": [1], "year": 1700})
        assert tx["docs"].delete(where="year < 1820") == 8 and 500 not in tx["docs"]
        assert tx["docs"].delete(where=F.year == 1700) == 0 and tx["docs"].delete([20, 21]) == 2
        with pytest.raises(lodedb.FilterError, match="did you mean 'year'"):
            tx["docs"].delete(where={"yeer": 1})
        with pytest.raises(lodedb.ArgumentError, match="give ids or where="):
            tx["docs"].delete()  # type: ignore[call-overload]
        assert len(docs) == 84
    assert len(docs) == 75
    assert docs.delete(where={}) == 75 and len(docs) == 0


def test_unindexed_fields_are_filtered_all_the_same(path: Path) -> None:
    with lodedb.open(path) as db:
        docs = db.collection("docs", dim=1, unindexed=["blob", "map.text"])
        blobs = [f"{n:032x}" for n in range(500)]
        docs.upsert(
            ids=range(500), vectors=np.ones((500, 1)), fields={"blob": blobs, "map": [{"text": b} for b in blobs]}
        )
        docs.optimize()
        for field in ["blob", "map.text"]:
            assert docs.count({field: blobs[7]}) == 1 and docs.search([1], where=F[field] == blobs[7]).ids == [7]
            with pytest.raises(lodedb.FilterError, match="has no index"):
                docs.facets(field)
            with pytest.raises(lodedb.FilterError, match="has no index"):
                next(docs.scan(order_by=field))
        db.collection("docs", dim=1, unindexed=("map.text", "blob"))
        with pytest.raises(lodedb.SchemaError):
            db.collection("docs", dim=1, unindexed=["blob"])
        with pytest.raises(TypeError):
            db.collection("docs", dim=1, unindexed="blob")
        with pytest.raises(lodedb.ArgumentError, match="needs dim=, vectors=, sparse= or text="):
            db.collection("docs", unindexed=["blob"])
