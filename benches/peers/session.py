"""One store in a process of its own, which does what it is told and answers with what it measured.

`python session.py STORE SET FOLDER [--words]` reads commands from its input, a JSON object a line: `do` names a method of
`Session`, the rest are its arguments. It answers each with a line of JSON; {"error": ...} where it can't be done, which
leaves the others as they are.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import json
import os
import sys
import time
import traceback

import documents
import numpy as np
import ranking
from engines import STORES
from passes import ENOUGH, fastest, is_level, one_pass, size_of
from sets import K

TUNING_SECONDS = 0.3
UPSERTED = 100
GOOD = 0.95
SPARE = 0.015


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", choices=STORES)
    parser.add_argument("set")
    parser.add_argument("folder")
    parser.add_argument("--words", action="store_true")
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    session = Session(STORES[options.store], options.set, options.folder, options.words)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(session, command.pop("do"))(**command)
        except Exception as error:  # whatever a library raises
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


class Session:
    def __init__(self, kind, name, folder, words):
        self.kind, self.name, self.folder, self.words = kind, name, folder, words
        self.documents = documents.load(name)
        if words and kind.joined:
            self.documents = self.documents.joined()
        self.documents.fields  # noqa: B018 (made here, so that no measured time has it)
        self.store = self._new()
        importlib.import_module(kind.module)

    def _new(self):
        return self.kind(self.documents, self.folder, self.words)

    def build(self):
        """From Python objects to a closed, durable, indexed folder."""
        wall, cpu = time.perf_counter(), time.process_time()
        self.store.build(self.documents)
        seconds = time.perf_counter() - wall
        return {
            "version": importlib.metadata.version(self.kind.package or self.kind.module),
            "rows": len(self.documents.rows),
            "vectors": hasattr(self.store, "queries"),
            "wall_s": seconds,
            "cpu_s": time.process_time() - cpu,
            "file_bytes": size_of(self.folder),
        }

    def open(self):
        """To the first answer."""
        query = None if not hasattr(self.store, "queries") else self._queries([0])[0]
        start = time.perf_counter()
        self.store.open()
        self.store.first_answer(query)
        return {"open_ms": (time.perf_counter() - start) * 1e3}

    def close(self):
        self.store.close()
        return {}

    def _queries(self, numbers):
        return self.store.queries(self.documents.vectors.queries[numbers])

    def tune(self):
        """Recall and speed at each setting, measured once."""
        queries, points = self._queries(slice(None)), []
        for line in self.store.settings():
            tried = []
            for setting in line:
                tried.append(self._search(queries, setting, TUNING_SECONDS))
                if tried[-1]["recall"] >= ENOUGH or is_level(tried):
                    break
            points += tried
        return {"points": points}

    def search(self, setting, seconds):
        return self._search(self._queries(slice(None)), setting, seconds)

    def _search(self, queries, setting, seconds):
        found, speed = fastest(self.store.searcher(**setting), queries, seconds)
        recall = self.documents.vectors.recall([self.store.ids(result) for result in found])
        return {"setting": setting, "recall": recall, **speed}

    def tune_filter(self, kind):
        """The fastest setting that finds enough with a filter, else the one that finds most."""
        points, asked = [], self._asked(kind)
        for line in self.store.filter_settings():
            tried = []
            for setting in line:
                tried.append(self._filter(kind, asked, setting, TUNING_SECONDS))
                if is_good(tried[-1], len(asked)) or is_level(tried):
                    break
            points += tried
        good = [point for point in points if is_good(point, len(asked))]
        return max(good, key=lambda p: p["qps_cpu"]) if good else max(points, key=lambda p: (p["recall"], p["qps_cpu"]))

    def filter(self, kind, setting, seconds):
        return self._filter(kind, self._asked(kind), setting, seconds)

    def _asked(self, kind):
        """(query, condition) in the library's own forms; conditions that are equal are one object."""
        chosen, known = self.documents.filters[kind], {}
        for one in chosen.conditions:
            if one is not None and one not in known:
                known[one] = self.store.condition(*one)
        return list(zip(self._queries(chosen.queries), (known.get(one) for one in chosen.conditions), strict=True))

    def _filter(self, kind, asked, setting, seconds):
        chosen = self.documents.filters[kind]
        if kind == "all":
            plain = self.store.searcher(**setting)
            found, speed = fastest(lambda pair: plain(pair[0]), asked, seconds)
        else:
            search = self.store.filtered_searcher(**setting)
            found, speed = fastest(lambda pair: search(*pair), asked, seconds)
        found = [self.store.ids(result) for result in found]
        right = {
            "recall": chosen.recall(found),
            "shortest": chosen.shortest(found),
            "strangers": chosen.strangers(found),
        }
        return {"setting": setting, "asked": len(found), **right, **speed}

    def upsert(self, rounds):
        """Milliseconds of each of several durable upserts of 100 records, which get vectors that were queries; and the
        share of them that a search finds afterwards with its most thorough setting."""
        vectors, rows, taken = self.documents.vectors.queries, self.documents.rows, []
        numbers = np.random.default_rng(11).permutation(len(rows))
        with self.store.writing() as upsert:
            for start in range(0, rounds * UPSERTED, UPSERTED):
                ids = numbers[start : start + UPSERTED].astype(np.uint64)
                new = np.take(vectors, np.arange(start, start + UPSERTED), axis=0, mode="wrap")
                some = [rows[i] for i in ids]
                before = time.perf_counter()
                upsert(ids, new, some)
                taken.append((time.perf_counter() - before) * 1e3)
        return {"upsert_ms": taken, "found": self._found(ids, new)}

    def _found(self, ids, vectors):
        self.store = self._new()
        self.store.open()
        search = self.store.searcher(**self.store.settings()[0][-1])
        results = (self.store.ids(search(query)) for query in self.store.queries(vectors))
        return sum(int(i) in found for i, found in zip(ids, results, strict=True)) / len(ids)

    def ask_words(self, queries, seconds):
        """`queries` are "titles", of which the answers are known, or "single" words."""
        answers = []
        if queries == "titles":
            asked, answers = documents.title_queries(self.name)
        else:
            asked = documents.single_words(self.documents)
        found, speed = fastest(self.store.word_searcher(), asked, seconds)
        found = [self.store.ids(result)[:K] for result in found]
        known = [bool(set(ids) & set(right)) for ids, right in zip(found, answers, strict=False)]
        share = {"known_found": sum(known) / len(known)} if known else {}
        return {"answered": sum(map(bool, found)) / len(found), **share, **speed}

    def judge(self):
        """nDCG@10 of the answers to queries with graded judgments: to words, and where it can, to vectors and both."""
        texts, grades = documents.judged_queries(self.name)
        asked = {"words": (self.store.word_searcher(), texts)}
        if hasattr(self.store, "hybrid_searcher"):
            vectors, both = self._queries(slice(None)), self.store.hybrid_searcher()
            asked["vectors"] = (self.store.searcher(), vectors)
            asked["both"] = (lambda pair: both(*pair), list(zip(vectors, texts, strict=True)))
        scores = {}
        for name, (search, queries) in asked.items():
            found = [self.store.ids(result) for result in one_pass(search, queries)[2]]
            scores[name] = ranking.mean_ndcg(found, grades)
        return scores


def is_good(point, queries):
    """Whether it finds enough, with something to spare where not all queries were asked."""
    return point["recall"] >= (GOOD if point["asked"] == queries else GOOD + SPARE)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
