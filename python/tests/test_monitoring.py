"""Slow searches and latencies."""

import logging

import lodedb
import pytest


def filled(db: lodedb.Database) -> lodedb.Collection:
    docs = db.collection("docs", dim=2, text=["title"])
    docs.upsert([{"id": n, "vector": [n + 1, 1], "n": n, "title": "sluice box"} for n in range(50)])
    return docs


def test_a_function_is_told_of_slow_searches() -> None:
    told: list[lodedb.SlowSearch] = []
    with lodedb.open(":memory:", slow_search=0, on_slow_search=told.append) as db:
        docs = filled(db)
        docs.search([1, 1], k=3, where="n < 20")
        docs.search(text="sluice")
        docs.search_many([[1, 1], [2, 1]], k=2)
    first, second, *rest = told
    seconds = first.pop("seconds")  # type: ignore[misc]
    assert 0 <= seconds < 60
    assert first == {"collection": "docs", "hits": 3, "k": 3, "vectors": 1, "text": None, "filter": "n < 20"}
    assert (second["text"], second["vectors"], second["filter"]) == ("sluice", 0, None)
    assert [search["hits"] for search in rest] == [2, 2]


def test_without_a_function_they_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "lodedb"), lodedb.open(":memory:", slow_search=0) as db:
        filled(db).search([1, 1], where={"n": 7})
    (record,) = caplog.records
    assert record.name == "lodedb" and record.getMessage().startswith("search of 'docs' took ")
    caplog.clear()
    with lodedb.open(":memory:", slow_search=3600) as db:
        filled(db).search([1, 1])
    assert not caplog.records


def test_what_makes_no_sense_is_refused() -> None:
    for seconds in [-1, float("nan"), float("inf")]:
        with pytest.raises(ValueError, match="slow_search"):
            lodedb.open(":memory:", slow_search=seconds)
    with pytest.raises(ValueError, match="slow_search="):
        lodedb.open(":memory:", on_slow_search=print)
    with pytest.raises(TypeError, match="on_slow_search"):
        lodedb.open(":memory:", slow_search=1, on_slow_search="print")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_function_that_fails_fails_no_search() -> None:
    def fails(search: lodedb.SlowSearch) -> None:
        raise RuntimeError("told")

    with lodedb.open(":memory:", slow_search=0, on_slow_search=fails) as db:
        assert len(filled(db).search([1, 1], k=3)) == 3


def test_bytes_are_told_by_part() -> None:
    with lodedb.open(":memory:") as db:
        docs = filled(db)
        db.optimize()
        parts = docs.stats()["part_bytes"]
        assert {"vectors", "fields", "ids", "words", "field index"} <= parts.keys()
        assert all(size >= 0 for size in parts.values())


def test_latencies_are_those_of_this_handle() -> None:
    with lodedb.open(":memory:") as db:
        docs = filled(db)
        assert db.stats()["search_latency"]["count"] == 0
        for _ in range(7):
            docs.search([1, 1])
        stats = db.stats()
        searches = stats["search_latency"]
        assert (searches["count"], stats["commit_latency"]["count"]) == (7, 2)
        assert 0 < searches["p50"] <= searches["p90"] <= searches["p99"] <= searches["max"]
        assert sum(count for _, count in searches["buckets"]) == 7
