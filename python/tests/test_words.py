"""Words, alone and beside vectors: text fields, query strings, fusion, highlights, reranking, unlike hits."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lodedb
import numpy as np
import pytest
from lodedb import F

ROWS: list[dict[str, Any]] = [
    {"id": 1, "vector": [1, 0], "year": 1848, "title": "Gold at the mill", "body": "A sluice box washes gold out of gravel."},
    {"id": 2, "vector": [0.9, 0.1], "year": 1849, "title": "Rivers", "body": "Rivers carry gravel, sand and some gold."},
    {"id": 3, "vector": [0, 1], "year": 1851, "title": "Tin", "body": ["Smelters buy tin.", "Köln sold tin and gold."]},
    {"id": 4, "vector": [0.1, 0.9], "year": 1852, "title": "Coal", "body": "Coal heats the boilers of the mines."},
]  # fmt: skip


def notes_in(db: lodedb.Database) -> lodedb.Collection:
    notes = db.collection("notes", dim=2, text=["title", "body"])
    notes.upsert(ROWS)
    return notes


@pytest.fixture
def notes() -> lodedb.Collection:
    return notes_in(lodedb.open(":memory:"))


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("washing", [1]),
        ("gold", [1, 2, 3]),
        ("gold -river", [1, 3]),
        ("+gold +tin", [3]),
        ('"sluice box"', [1]),
        ('"box sluice"', []),
        ("smelt*", [3]),
        ("gravle~", [1, 2]),
        ("title:gold", [1]),
        ("koln", [3]),
        ("the", []),
        ("", []),
    ],
)
def test_words_find_what_they_say(notes: lodedb.Collection, typed: str, ids: list[int]) -> None:
    hits = notes.search(text=typed)
    assert sorted(hits.ids) == ids
    assert all(math.isnan(hit.distance) and hit.scores == {"text": hit.score} for hit in hits)
    assert np.isnan(hits.distances).all() and list(hits.scores) == sorted(hits.scores, reverse=True)


def test_scores_are_those_of_bm25(notes: lodedb.Collection) -> None:
    # One of four records has the word, once; lengths do not count.
    hit = notes.search(text="sluice", text_fields="body", k1=1.2, b=0)[0]
    assert hit.score == pytest.approx(math.log(1 + (4 - 1 + 0.5) / (1 + 0.5)) / (1 + 1.2), rel=1e-5)
    assert notes.search(text="sluice", text_fields={"body": 3}, b=0)[0].score == pytest.approx(3 * hit.score)
    assert notes.search(text="gold", text_fields=["title"]).ids == [1]
    assert notes.search(text="sluice", k1=0)[0].score != pytest.approx(hit.score)


def test_words_and_filters(notes: lodedb.Collection) -> None:
    later: list[Any] = [{"year": {"$gt": 1848}}, "year > 1848", F.year > 1848]
    for where in later:
        assert sorted(notes.search(text="gold", where=where).ids) == [2, 3]
    worded: list[Any] = [{"body": {"$text": "gold tin"}}, "words(body, 'gold tin')", F.body.has_words("gold tin")]
    for where in worded:
        assert notes.count(where) == 1 and notes.search([1, 0], where=where).ids == [3]
        assert notes.search(text="smelter", where=where).ids == [3]
    with pytest.raises(lodedb.FilterError, match="'year' is not searched for words; the text fields are title, body"):
        notes.count({"year": {"$text": "gold"}})
    assert notes.search(text="gold", group_by="year", k=2, depth=3)
    least = notes.search(text="gold")[1].score
    assert len(notes.search(text="gold", k=None, min_score=least)) == 2
    assert len(notes.search(text="gold", k=1)) == 1


def test_a_vector_and_words_together(notes: lodedb.Collection) -> None:
    hits = notes.search([1, 0], text="tin")
    assert len(hits) == 4 and set(hits.ids) == {1, 2, 3, 4}
    for hit in hits:
        assert set(hit.scores) == {"vector", "text"}
        assert hit.distance == pytest.approx(1 - hit.scores["vector"])
    by_id = {hit.id: hit for hit in hits}
    assert by_id[1].scores["text"] == 0 < by_id[3].scores["text"]
    # By vectors 3 is the last; by words the only one.
    assert by_id[3].score == pytest.approx(1 / 64 + 1 / 61, rel=1e-5)
    assert notes.search([1, 0], text="tin", fusion="rrf").scores == pytest.approx(hits.scores)
    harder = {hit.id: hit.score for hit in notes.search([1, 0], text="tin", fusion=lodedb.rrf(k=1))}
    assert harder[3] == pytest.approx(1 / 5 + 1 / 2)
    assert notes.search([1, 0], text="tin", fusion=lodedb.weighted(vector=0.1, text=0.9))[0].id == 3
    assert notes.search([1, 0], text="tin", fusion=lodedb.weighted(vector=0.9, text=0.1))[0].id == 1
    assert notes.search([1, 0], text="tin", fusion=lodedb.distribution(text=0))[0].id == 1
    assert notes.search([1, 0], text="tin", fusion="weighted", where="year < 1850").ids == [1, 2]
    assert len(notes.search([1, 0], text="tin", fusion="distribution", depth=2, k=2)) == 2
    # Words that are nowhere leave the vectors' ranking.
    assert notes.search([1, 0], text="zebra").ids == notes.search([1, 0]).ids


def test_fusions_read_as_code() -> None:
    assert repr(lodedb.rrf()) == "lodedb.rrf(k=60)"
    assert repr(lodedb.weighted(vector=0.7, text=0.3)) == "lodedb.weighted(vector=0.7, text=0.3)"
    assert repr(lodedb.distribution()) == "lodedb.distribution()"
    with pytest.raises(TypeError):
        lodedb.weighted(vector="much")  # type: ignore[arg-type]


def test_several_vectors() -> None:
    db = lodedb.open(":memory:")
    pages = db.collection("pages", vectors={"title": 2, "image": {"dim": 2, "metric": "l2"}}, text=["body"])
    pages.upsert(
        {"id": id, "title": [1, id / 10], "image": [9 - id, 0], "body": "gold" if id == 5 else "tin"}
        for id in range(10)
    )
    assert pages.search({"image": [0, 0]}, k=1)[0].scores == {"vector": 0}
    hits = pages.search({"title": [1, 0], "image": [0, 0]}, k=3)
    assert all(set(hit.scores) == {"title", "image"} for hit in hits)
    assert hits[0].distance == pytest.approx(1 - hits[0].scores["title"])
    assert pages.search({"title": [1, 0], "image": [0, 0]}, fusion=lodedb.weighted(image=9), k=1).ids == [9]
    assert pages.search({"title": [1, 0], "image": [0, 0]}, fusion=lodedb.weighted(title=9), k=1).ids == [0]
    third = {"title": [1, 0], "image": [0, 0]}
    best = pages.search(third, text="gold", fusion=lodedb.weighted(text=5), k=1)[0]
    assert best.id == 5 and set(best.scores) == {"title", "image", "text"}
    with pytest.raises(lodedb.ArgumentError, match="no vector 'sound'; the vectors are title, image"):
        pages.search({"sound": [1, 0]})
    with pytest.raises(lodedb.ArgumentError, match="no part 'vector'"):
        pages.search(third, fusion=lodedb.weighted(vector=1))


def test_highlights(notes: lodedb.Collection) -> None:
    hits = notes.search(text="gold tin", highlight=["title", "body"])
    by_id = {hit.id: hit for hit in hits}
    assert by_id[1].highlights == {
        "title": ["<b>Gold</b> at the mill"],
        "body": ["A sluice box washes <b>gold</b> out of gravel."],
    }
    first, second = by_id[3].highlights["body"]
    assert isinstance(first, lodedb.Fragment) and isinstance(first, str)
    assert (first, first.element) == ("Köln sold <b>tin</b> and <b>gold</b>.", 1)
    # Places are in characters.
    text = by_id[3]["body"][first.element]
    assert [text[start:end] for start, end in first.words] == ["tin", "gold"]
    assert text[slice(*first.range)] == text
    assert (second, second.element) == ("Smelters buy <b>tin</b>.", 0)
    assert json.dumps(by_id[2].highlights["title"]) == "[]"
    again = pickle.loads(pickle.dumps(first))
    assert (again, again.range, again.words, again.element) == (first, first.range, first.words, 1)

    settings: dict[str, Any] = {"body": {"fragments": 1, "fragment_bytes": 12, "before": "[", "after": "]"}}
    (short,) = notes.search(text="washing gold", k=1, highlight=settings)[0].highlights["body"]
    assert short == "[washes] [gold]"
    assert notes.search([1, 0], text="gold", highlight="body")[0].highlights["body"]
    assert notes.search([1, 0])[0].highlights == {} and notes.search([1, 0])[0].scores.keys() == {"vector"}


def test_rerank(notes: lodedb.Collection) -> None:
    given: list[lodedb.Hits] = []

    def by_year(hits: lodedb.Hits) -> list[float]:
        given.append(hits)
        return [hit["year"] + 0.1 for hit in hits]

    ways: list[dict[str, Any]] = [{"vector": [1, 0]}, {"text": "gold"}, {"vector": [1, 0], "text": "gold"}]
    for keywords in ways:
        hits = notes.search(**keywords, k=2, rerank=by_year)
        assert hits.ids == ([3, 2] if keywords == {"text": "gold"} else [4, 3])
        assert len(hits) == 2 and len(given[-1]) == (3 if keywords == {"text": "gold"} else 4)
        assert hits[0].score == hits[0]["year"] + 0.1 == hits[0].scores["rerank"]
        assert set(hits[0].scores) == {"rerank", *given[-1][0].scores}
        assert hits.scores.tolist() == [np.float32(hit.score) for hit in hits]
        assert hits[1:][0].score == hits[1].score == list(hits)[1].score and "score=18" in repr(hits)
    assert notes.search([1, 0], k=1, rerank=by_year, rerank_depth=2).ids == [2]
    assert notes.search([1, 0], k=None, min_score=0.5, rerank=by_year).ids == [2, 1]
    assert notes.search([1, 0], rerank=lambda hits: np.zeros(len(hits), np.float32)).ids == [1, 2, 4, 3]
    assert notes.search(text="gold", highlight="body", rerank=by_year)[0].highlights["body"]
    explained = notes.explain([1, 0], k=1, rerank=by_year, rerank_depth=3)
    assert explained.hits == 3

    calls = len(given)
    assert len(notes.search(text="zebra", rerank=by_year)) == 0 and len(given) == calls
    failures: list[tuple[type[Exception], str, Callable[[lodedb.Hits], Any]]] = [
        (lodedb.ArgumentError, "rerank gave 1 scores for 4 hits", lambda hits: [1.0]),
        (lodedb.ArgumentError, "rerank gave a NaN", lambda hits: [math.nan] * len(hits)),
        (TypeError, "rerank gave a NoneType|rerank gave .*None", lambda hits: None),
        (TypeError, "a number for each hit", lambda hits: ["a"] * len(hits)),
        (ZeroDivisionError, "division", lambda hits: [1 / 0]),
    ]
    for error, message, function in failures:
        with pytest.raises(error, match=message):
            notes.search([1, 0], rerank=function)


def test_unlike_hits() -> None:
    docs = lodedb.open(":memory:").collection("docs", dim=2, text=["body"])
    angles = [0.0, 0.001, 0.002, 0.8]
    docs.upsert({"id": id, "vector": [math.cos(a), math.sin(a)], "body": "gold"} for id, a in enumerate(angles))
    assert docs.search([1, 0], k=2).ids == [0, 1]
    assert docs.search([1, 0], k=2, diversity=0).ids == [0, 1]
    assert docs.search([1, 0], k=2, diversity=0.9).ids == [0, 3]
    assert 3 in docs.search(text="gold", k=2, diversity=1).ids
    assert docs.search([1, 0], k=2, diversity=0.9, depth=2).ids == [0, 1]


def test_explain(notes: lodedb.Collection) -> None:
    explained = notes.explain([1, 0], text="gold", where="year > 1848")
    assert (explained.hits, explained.matches) == (3, 3)
    assert explained.words is not None and explained.words["found"] == 2 and explained.words["time"] > 0
    assert "words: 2 candidates" in str(explained)
    assert notes.explain([1, 0]).words is None
    alone = notes.explain(text="gold")
    assert alone.hits == 3 and alone.segments == []


def test_embedding_and_words() -> None:
    def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] if "mill" in text else [0.0, 1.0] for text in texts]

    docs = lodedb.open(":memory:").collection("docs", dim=2, text="body", embed=embed, embed_field="body")
    docs.upsert([{"id": 1, "body": "the mill"}, {"id": 2, "body": "the river"}])
    assert docs.search("a mill", k=1).ids == [1]
    assert docs.search(text="rivers").ids == [2]
    hits = docs.search(vector="a mill", text="rivers")
    assert {hit.id: hit.scores["vector"] for hit in hits} == {1: 1, 2: 0}
    assert docs.search({"vector": "a mill"}, k=1).ids == [1]


def test_text_fields_and_their_analyzers(tmp_path: Path) -> None:
    path = tmp_path / "notes.lode"
    settings: dict[str, Any] = {
        "title": "english",
        "code": "none",
        "notes": {"analyzer": "german", "positions": False},
        "tags": {"analyzer": "simple", "fold_accents": False, "stop_words": ["gold"], "max_term_bytes": 4},
    }
    with lodedb.open(path) as db:
        docs = db.collection("docs", dim=1, text=settings)
        assert (
            repr(docs) == "Collection('docs', dim=1, metric='cosine', text=['title', 'code', 'notes', 'tags'], len=0)"
        )
        fields = {"title": "Mines", "code": "E-12 b", "notes": "Die Häuser", "tags": ["gold", "silverware", "São"]}
        docs.upsert({"id": 1, "vector": [1], **fields})
    with lodedb.open(path) as db:
        for docs in (db["docs"], db.collection("docs", dim=1), db.collection("docs", dim=1, text=settings)):
            assert len(docs.search(text="mining")) == 1
            assert len(docs.search(text='"E-12 b"', text_fields="code")) == 1
            assert len(docs.search(text="E-12", text_fields="code")) == 0
            assert len(docs.search(text="Häusern", text_fields="notes")) == 1
            assert len(docs.search(text="gold", text_fields="tags")) == 0
            assert len(docs.search(text="silvery", text_fields="tags")) == 1
            assert len(docs.search(text="são", text_fields="tags")) == 1
            assert len(docs.search(text="sao", text_fields="tags")) == 0
        with pytest.raises(lodedb.SchemaError, match="its text fields are"):
            db.collection("docs", dim=1, text=["title"])
        with pytest.raises(lodedb.SchemaError, match="its text fields are"):
            db.collection("docs", dim=1, text={**settings, "title": "simple"})


def test_words_are_found_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "notes.lode"
    with lodedb.open(path) as db:
        notes = notes_in(db)
        notes.update(4, {"body": "Gold again"})
        assert 4 in notes.search(text="gold").ids and notes.search(text="coal boilers", text_fields="body").ids == []
        notes.delete(2)
        assert 2 not in notes.search(text="gold").ids
        with db.transaction() as tx:
            tx["notes"].upsert({"id": 9, "vector": [1, 1], "body": "A zebra"})
            assert notes.search(text="zebra").ids == []
        assert notes.search(text="zebra").ids == [9]
        with pytest.raises(RuntimeError), db.transaction() as tx:
            tx["notes"].upsert({"id": 10, "vector": [1, 1], "body": "A second zebra"})
            raise RuntimeError("on purpose")
        assert notes.search(text="zebra").ids == [9]
        before = {hit.id: hit.score for hit in notes.search(text="gold tin zebra")}
        db.checkpoint()
        notes.optimize()
        db.verify()
        assert {hit.id: hit.score for hit in notes.search(text="gold tin zebra")} == pytest.approx(before, rel=1e-5)
    with lodedb.open(path, read_only=True) as db:
        assert {hit.id: hit.score for hit in db["notes"].search(text="gold tin zebra")} == pytest.approx(
            before, rel=1e-5
        )
        assert db["notes"].search(text="gold", highlight=["body"])[0].highlights["body"]
    # The scores are those of a file that never held anything else.
    fresh = lodedb.open(":memory:").collection("notes", dim=2, text=["title", "body"])
    rows = [row for row in ROWS if row["id"] not in (2, 4)] + [{**ROWS[3], "body": "Gold again"}]
    fresh.upsert([*rows, {"id": 9, "vector": [1, 1], "body": "A zebra"}])
    assert {hit.id: hit.score for hit in fresh.search(text="gold tin zebra")} == pytest.approx(before, rel=1e-5)


WRONG: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (lodedb.ArgumentError, "the search has none, no sparse one, and no text", {}),
    (TypeError, "text", {"text": 7}),
    (TypeError, "search for words by text=", {"vector": "gold"}),
    (lodedb.ArgumentError, "'abstract' is not searched for words; the text fields are title, body", {"text": "gold", "text_fields": ["abstract"]}),
    (lodedb.ArgumentError, "'abstract' is not searched for words", {"text": "gold", "highlight": ["abstract"]}),
    (lodedb.ArgumentError, "text_fields= names no field", {"text": "gold", "text_fields": []}),
    (TypeError, "text_fields= is a name, a list of names or a dict by name, not", {"text": "gold", "text_fields": 3}),
    (TypeError, "highlight= is a name, a list of names", {"text": "gold", "highlight": [3]}),
    (lodedb.ArgumentError, "highlight of 'body': 'size' is not one of 'fragments'", {"text": "gold", "highlight": {"body": {"size": 3}}}),
    (TypeError, "highlight of 'body' is given a dict of settings", {"text": "gold", "highlight": {"body": 3}}),
    (lodedb.ArgumentError, "fragments", {"text": "gold", "highlight": {"body": {"fragments": 0}}}),
    (lodedb.ArgumentError, "counts 0 times", {"text": "gold", "text_fields": {"body": 0}}),
    (lodedb.ArgumentError, "k1", {"text": "gold", "k1": -1}),
    (lodedb.ArgumentError, "'b'", {"text": "gold", "b": 2}),
    (lodedb.ArgumentError, "highlight= is about words: give text= too", {"vector": [1, 0], "highlight": ["body"]}),
    (lodedb.ArgumentError, "text_fields= is about words", {"vector": [1, 0], "text_fields": ["body"]}),
    (lodedb.ArgumentError, "k1= is about words", {"vector": [1, 0], "k1": 1.0}),
    (lodedb.ArgumentError, "recall=, ef= and exact= are about vectors", {"text": "gold", "exact": True}),
    (lodedb.ArgumentError, "recall=, ef= and exact= are about vectors", {"text": "gold", "ef": 10}),
    (lodedb.ArgumentError, "using= says which vector", {"text": "gold", "using": "vector"}),
    (lodedb.ArgumentError, "using= names one vector", {"vector": {"vector": [1, 0]}, "using": "vector"}),
    (lodedb.ArgumentError, "a dict without a vector", {"vector": {}}),
    (lodedb.ArgumentError, "fusion= makes one ranking of several parts", {"text": "gold", "fusion": "rrf"}),
    (lodedb.ArgumentError, "'fusion': 'sum' is not one of", {"vector": [1, 0], "text": "gold", "fusion": "sum"}),
    (TypeError, "fusion= is 'rrf'", {"vector": [1, 0], "text": "gold", "fusion": 3}),
    (lodedb.ArgumentError, "no part 'words': there are vector, text", {"vector": [1, 0], "text": "gold", "fusion": lodedb.weighted(words=1)}),
    (lodedb.ArgumentError, "the weight of 'text' is -1", {"vector": [1, 0], "text": "gold", "fusion": lodedb.weighted(text=-1)}),
    (lodedb.ArgumentError, "k is -1", {"vector": [1, 0], "text": "gold", "fusion": lodedb.rrf(-1)}),
    (lodedb.ArgumentError, "depth= is for searches of several parts", {"vector": [1, 0], "depth": 5}),
    (lodedb.ArgumentError, "'depth': 0", {"vector": [1, 0], "text": "gold", "depth": 0}),
    (lodedb.ArgumentError, "'diversity': 2, and 0 to 1", {"vector": [1, 0], "diversity": 2}),
    (lodedb.ArgumentError, "diversity= picks k hits", {"vector": [1, 0], "diversity": 0.5, "k": None, "min_score": 0}),
    (lodedb.ArgumentError, "a search of several parts needs one", {"vector": [1, 0], "text": "gold", "k": None, "min_score": 0}),
    (lodedb.ArgumentError, "rerank_depth= is the number of hits for rerank=", {"vector": [1, 0], "rerank_depth": 5}),
    (lodedb.ArgumentError, "'rerank_depth': 5, and at least k, 10", {"vector": [1, 0], "rerank": len, "rerank_depth": 5}),
    (lodedb.ArgumentError, "rerank_depth= is for k=", {"vector": [1, 0], "rerank": len, "rerank_depth": 5, "k": None, "min_score": 0}),
    (TypeError, "rerank is a function", {"vector": [1, 0], "rerank": "bert"}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "keywords"), WRONG)
def test_what_makes_no_sense_is_said(
    notes: lodedb.Collection, error: type[Exception], message: str, keywords: dict[str, Any]
) -> None:
    for call in (notes.search, notes.explain):
        with pytest.raises(error, match=message):
            call(**keywords)


def test_declarations_that_make_no_sense() -> None:
    db = lodedb.open(":memory:")
    wrong: list[tuple[type[Exception], str, Any]] = [
        (lodedb.ArgumentError, "english", {"title": "klingon"}),
        (lodedb.ArgumentError, "text field 'title': 'stem' is not one of 'analyzer', 'positions'", {"title": {"stem": True}}),
        (TypeError, "text field 'title' is given a dict of settings, not", {"title": 3}),
        (TypeError, "text= is a name, a list of names or a dict by name, not", 3),
        (TypeError, "text= is a name", [3]),
        (lodedb.SchemaError, "the name of the text field 'vector' is taken", ["vector"]),
        (lodedb.SchemaError, "the name of the text field 'title' is taken", ["title", "title"]),
        (lodedb.SchemaError, "contains a dot", ["a.b"]),
        (lodedb.ArgumentError, "max_term_bytes", {"title": {"max_term_bytes": 0}}),
    ]  # fmt: skip
    for error, message, text in wrong:
        with pytest.raises(error, match=message):
            db.collection("docs", dim=1, text=text)
    words = db.collection("words", text=["title"])
    words.upsert({"id": 1, "title": "Gold"})
    assert words.search(text="gold").ids == [1], "words need no vector"
    plain = db.collection("plain", dim=1)
    with pytest.raises(lodedb.ArgumentError, match="the collection has no text fields"):
        plain.search(text="gold")
