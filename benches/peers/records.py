"""Compares Lode with other embedded databases on records with fields and texts: one command.

    python3 benches/peers/records.py [--parts records filters words sizes] [--engines lode qdrant-edge ...] [--rounds 3]

- records: how fast they come in, durable and indexed; vector search at equal recall; opening; small upserts; file size.
- filters: vector search with filters that 0.1 % to 90 % of the records pass, libraries among them.
- words: keyword search by titles and single words, libraries among them; nDCG@10 on collections with judgments.
- sizes: of the packages with what they depend on.

Environment and data are those of `compare.py`. Every database runs in a process of its own; what is searched is measured in
rounds, one database after the other in each, and the median of the rounds counts. What can't be done is told and left out.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import environment
import records_report
from child import Child, Failed
from report import speed

PARTS = ("records", "filters", "words", "sizes")
SET = "arxiv-30k"
FILTERS = ("all", "u_1", "u_10", "u_100", "u_500", "u_900", "cat_own", "cat_other")
JUDGED = ("cranfield", "medline")
TARGETS = (0.95, 0.99)
PASS_SECONDS = 1.0


def main():
    options = arguments()
    stores = environment.ready(options, "STORES")
    options.results = options.out / time.strftime("records-%Y%m%d-%H%M%S")
    options.results.mkdir(parents=True)
    run = Run(options, stores)
    run.measure()
    file = options.json or options.results / "records.json"
    file.write_text(json.dumps(run.results, indent=1))
    print(records_report.tables(run.results))
    print(f"Figures: {file}; what the libraries said: {options.results}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    add("--engines", nargs="+", help="which to measure (default: all)")
    add("--rounds", type=int, default=3, help="of which the median counts")
    add("--json", type=Path, help="where to write all figures")
    add("--timeout", type=float, default=900, help="seconds that one step of one database may take")
    environment.add_options(parser)
    return parser.parse_args()


class Run:
    """One comparison: `results` is what it has found."""

    def __init__(self, options, stores):
        self.options, self.stores = options, stores
        machine = f"{platform.platform()}, {environment.processor()}, {os.cpu_count()} processors"
        self.results = {
            "machine": machine,
            "time": time.strftime("%Y-%m-%d %H:%M"),
            "load_average": os.getloadavg()[0],
            "set": SET,
            "rounds": options.rounds,
            "engines": {name: {} for name in stores},
            "notes": [],
        }
        print(f"{machine}, load {os.getloadavg()[0]:.1f}")

    def measure(self):
        with tempfile.TemporaryDirectory(prefix="peers-") as work:
            self.work = Path(work)
            self._vectors_and_filters()
            if "words" in self.options.parts:
                self._words()
                self._judged()
        if "sizes" in self.options.parts:
            self._sizes()

    def _taking_part(self, *parts):
        wanted = set(parts) & set(self.options.parts)
        return [name for name, store in self.stores.items() if wanted & set(store["parts"])]

    def _vectors_and_filters(self):
        built = self._build(self._taking_part("records", "filters"), SET, "plain")
        with self._opened(built, SET, "plain") as children:
            self._search({name: child for name, child in children.items() if name in self._taking_part("records")})
            self._filter({name: child for name, child in children.items() if name in self._taking_part("filters")})
        databases = [name for name in built if name in self._taking_part("records")]
        self._reopen(databases)
        self._upsert(databases)

    def _build(self, names, data, folder, words=False):
        """Builds each in a fresh process; gives the names of those that could."""
        built = []
        for name in names:
            print(f"{data}: {name} is built{' with words' if words else ''}", flush=True)
            path = self.work / folder / data / name
            path.mkdir(parents=True)
            answer = self._try(name, self._once, name, data, path, words, "build")
            if answer:
                built.append(name)
                self.results["engines"][name].setdefault("version", answer.pop("version"))
                self.results["engines"][name].setdefault("build", {})[f"{folder} {data}"] = answer
        return built

    def _once(self, name, data, path, words, do, **arguments):
        """One step in a fresh process, with the threads that the library takes by itself."""
        with Child(self.options, name, data, path, words, one_thread=False) as child:
            return child.ask(do, **arguments)

    @contextmanager
    def _opened(self, names, data, folder, words=False):
        with ExitStack() as stack:
            children = {}
            for name in names:
                child = stack.enter_context(Child(self.options, name, data, self.work / folder / data / name, words))
                if self._try(name, child.ask, "open"):
                    children[name] = child
            yield children
            for name, child in children.items():
                self._try(name, child.ask, "close")

    def _search(self, children):
        tasks = []
        for name, child in children.items():
            print(f"search: {name}", flush=True)
            tuned = self._try(name, child.ask, "tune") or {"points": []}
            tasks += [
                (place, name, "search", {"setting": one}) for place, one in enumerate(settings_around(tuned["points"]))
            ]
        for (_, name), point in self._rounds(children, tasks).items():
            self.results["engines"][name].setdefault("points", []).append(point)

    def _filter(self, children):
        tasks = []
        for name, child in children.items():
            print(f"filters: {name}", flush=True)
            for kind in FILTERS:
                tuned = self._try(name, child.ask, "tune_filter", kind=kind)
                if not tuned:
                    break
                tasks.append((kind, name, "filter", {"kind": kind, "setting": tuned["setting"]}))
        for (kind, name), point in self._rounds(children, tasks).items():
            self.results["engines"][name].setdefault("filters", {})[kind] = point

    def _rounds(self, children, tasks):
        """Does all tasks (key, name, command, arguments) once a round, those of one key one after the other; gives the
        median of the rounds by (key, name)."""
        keys = list(dict.fromkeys(task[0] for task in tasks))
        answers = {}
        for number in range(self.options.rounds if tasks else 0):
            print(f"  round {number + 1}", flush=True)
            for key, name, do, arguments in sorted(tasks, key=lambda task: keys.index(task[0])):
                answer = self._try(name, children[name].ask, do, seconds=PASS_SECONDS, **arguments)
                if answer:
                    answers.setdefault((key, name), []).append(answer)
        return {key: median(several) for key, several in answers.items()}

    def _reopen(self, names):
        """Each time in a fresh process; the time of importing the library is not counted."""
        taken = {}
        for _ in range(self.options.rounds):
            for name in names:
                path = self.work / "plain" / SET / name
                answer = self._try(name, self._once, name, SET, path, False, "open")
                if answer:
                    taken.setdefault(name, []).append(answer["open_ms"])
        for name, times in taken.items():
            self.results["engines"][name]["reopen_ms"] = statistics.median(times)

    def _upsert(self, names):
        for name in names:
            path = self.work / "plain" / SET / name
            answer = self._try(name, self._once, name, SET, path, False, "upsert", rounds=self.options.rounds)
            if answer:
                self.results["engines"][name]["upsert_ms"] = statistics.median(answer["upsert_ms"])
                self.results["engines"][name]["upserts_found"] = answer["found"]

    def _words(self):
        names = self._build(self._taking_part("words"), SET, "words", words=True)
        with self._opened(names, SET, "words", words=True) as children:
            tasks = [(kind, name, "ask_words", {"queries": kind}) for kind in ("titles", "single") for name in children]
            for (kind, name), point in self._rounds(children, tasks).items():
                self.results["engines"][name].setdefault("words", {})[kind] = point

    def _judged(self):
        able = [name for name, store in self.stores.items() if "ranking" in store["parts"]]
        able = [name for name in able if "words" in self.results["engines"][name]]
        for data in JUDGED:
            names = self._build(able, data, "words", words=True)
            with self._opened(names, data, "words", words=True) as children:
                for name, child in children.items():
                    scores = self._try(name, child.ask, "judge")
                    if scores:
                        self.results["engines"][name].setdefault("ndcg", {})[data] = scores

    def _sizes(self):
        for name in (name for name, store in self.stores.items() if "records" in store["parts"]):
            print(f"size: {name}", flush=True)
            try:
                size = environment.installed_bytes(self.options, self.stores[name])
            except environment.NotInstalled as error:
                self._leave_out(name, error)
            else:
                self.results["engines"][name]["installed_bytes"] = size

    def _try(self, name, ask, *arguments, **named):
        """What `ask` gives, or None and a note."""
        try:
            return ask(*arguments, **named)
        except Failed as error:
            self._leave_out(name, error)
            return None

    def _leave_out(self, name, why):
        note = f"{name}: left out, {why}"
        if note not in self.results["notes"]:
            self.results["notes"].append(note)
            print(f"  {note}", flush=True)


def settings_around(points):
    """The settings on both sides of each recall that counts, among those that no other beats in recall and speed."""
    best = [p for p in points if not any(q["recall"] >= p["recall"] and speed(q) > speed(p) for q in points)]
    best.sort(key=lambda point: point["recall"])
    kept = []
    for target in TARGETS:
        kept += [point for point in best if point["recall"] < target][-1:]
        kept += [point for point in best if point["recall"] >= target][:1]
    return list({json.dumps(point["setting"]): point["setting"] for point in kept}.values())


def median(answers):
    """The median of each number; of what is no number, the first."""
    return {
        key: statistics.median([answer[key] for answer in answers]) if isinstance(value, float) else value
        for key, value in answers[0].items()
    }


if __name__ == "__main__":
    sys.exit(main())
