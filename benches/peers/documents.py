"""The data of the comparison of databases: a set with a row of fields and a text for each vector.

Beside what `sets.py` reads, a set's folder has `corpus.jsonl` (a JSON object a row), and may have columns of numbers in
`meta.npz` (`u1000` among them), filters with exact answers (`filters.json`, `filt_*.npy`), and queries in words with the
rows that answer them (`queries*.jsonl`, `qrels*.tsv`).
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import sets
from store import STOP_WORDS

FIELDS = ("title", "text", "paper", "category", "archive", "first_author", "year", "month", "n_authors")
FILTERS = ("u_1", "u_10", "u_100", "u_500", "u_900", "cat_own", "cat_other")
WORD = re.compile(r"\b[a-z]{4,}\b")
WORDS_ASKED = 1000
LEAST_PASSAGES = 10


@dataclass
class Filter:
    """One filter over some of the queries: `conditions` has a (field, "<" or "==", value) for each of them, `matching`
    the rows that it lets through, `truth` the row numbers of the ten nearest of those, -1 where there are fewer."""

    name: str
    queries: np.ndarray
    conditions: list
    matching: list
    truth: np.ndarray

    def recall(self, found):
        """The share of the true ones that were found, over the first queries."""
        wanted = [set(row[row >= 0].tolist()) for row in self.truth[: len(found)]]
        return sum(len(set(ids) & want) for ids, want in zip(found, wanted, strict=True)) / sum(map(len, wanted))

    def shortest(self, found):
        """(returned, asked for) of the answer that lacks the most; asked for are min(k, matches)."""
        pairs = [(len(ids), min(sets.K, int(rows.sum()))) for ids, rows in zip(found, self.matching, strict=False)]
        return max(pairs, key=lambda pair: pair[1] - pair[0])

    def strangers(self, found):
        """How many of the rows found should not have been."""
        return sum(not rows[row] for ids, rows in zip(found, self.matching, strict=False) for row in ids)


@dataclass
class Documents:
    """`rows` are dicts of fields in the order of `vectors.base`, `fields` the same as columns."""

    vectors: sets.Set
    rows: list
    filters: dict = field(default_factory=dict)

    @cached_property
    def fields(self):
        return {name: [row[name] for row in self.rows] for name in self.rows[0]}

    def joined(self):
        """The same with the title before the text, in the field `text`."""
        rows = [{**row, "text": f"{row['title']} {row['text']}".strip()} for row in self.rows]
        return replace(self, rows=rows)


def load(name):
    vectors = sets.load(name)
    folder = folder_of(name)
    objects = [json.loads(line) for line in _lines(folder / "corpus.jsonl")]
    names = [name for name in FIELDS if name in objects[0]]
    rows = [{name: _present(one[name]) for name in names} for one in objects]
    columns = dict(np.load(folder / "meta.npz")) if (folder / "meta.npz").exists() else {}
    for row, number in zip(rows, columns.get("u1000", np.zeros(0)).tolist(), strict=False):
        row["u1000"] = number
    filters = _filters(folder, columns, vectors) if (folder / "filters.json").exists() else {}
    return Documents(vectors, rows, filters)


def folder_of(name):
    return sets.root() / sets.KNOWN.get(name, (name,))[0]


def title_queries(name):
    """(titles, the numbers of the rows that answer each): a title asks for the passages of its own paper."""
    return _asked(name, "queries_title.jsonl", "qrels_title.tsv")


def judged_queries(name):
    """(texts, {row number: grade} of each)"""
    return _asked(name, "queries.jsonl", "qrels.tsv")


def single_words(documents):
    """Words drawn evenly from those of four letters or more that stand in ten passages or more, without stop words."""
    texts = documents.joined().fields["text"]
    passages = Counter(word for text in texts for word in set(WORD.findall(text.lower())))
    common = sorted(word for word, count in passages.items() if count >= LEAST_PASSAGES and word not in STOP_WORDS)
    return np.random.default_rng(7).permutation(common)[:WORDS_ASKED].tolist()


def _asked(name, queries, judgments):
    folder = folder_of(name)
    row_of = {json.loads(line)["id"]: number for number, line in enumerate(_lines(folder / "corpus.jsonl"))}
    grades = {}
    for query, key, grade in (line.split("\t") for line in _lines(folder / judgments)):
        grades.setdefault(query, {})[row_of[key]] = int(grade)
    asked = [json.loads(line) for line in _lines(folder / queries)]
    return [one["text"] for one in asked], [grades.get(one["id"], {}) for one in asked]


def _filters(folder, columns, vectors):
    """With "all", the same queries without a filter, to compare with."""
    names = json.loads((folder / "meta_names.json").read_text())
    queries = np.load(folder / "filt_qidx.npy")
    everything = [np.ones(len(vectors.base), dtype=bool)] * len(queries)
    found = {"all": Filter("all", queries, [None] * len(queries), everything, vectors.truth[queries, : sets.K])}
    for one in json.loads((folder / "filters.json").read_text()):
        if one["name"] not in FILTERS:
            continue
        column, truth = columns[one["column"]], np.load(folder / f"filt_{one['name']}_ids.npy")
        if one["op"] == "<":
            conditions = [(one["column"], "<", one["value"])] * len(queries)
            matching = [column < one["value"]] * len(queries)
        else:
            codes = np.load(folder / f"filt_{one['name']}_values.npy").tolist()
            conditions = [(one["column"], "==", names[one["column"]][code]) for code in codes]
            masks = {code: column == code for code in set(codes)}
            matching = [masks[code] for code in codes]
        found[one["name"]] = Filter(one["name"], queries, conditions, matching, truth)
    return found


def _lines(path):
    """Lines as the file has them: some texts hold separators that `splitlines` would cut at."""
    with Path(path).open(encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def _present(value):
    return "" if value is None else value
