"""The main job in one go: records into a file, searches, filters, words, updates, a reopening.

`python examples/quickstart.py` works on a field guide of minerals that comes with the project.
`python examples/quickstart.py FILE.jsonl` takes records of your own: one JSON object a line with an "id" (text or a
whole number), a "vector" (numbers) and whatever fields you like. It writes FILE.lode beside it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lodedb
from lodedb import F


def field_guide() -> None:
    """Searches the field guide by questions that were embedded with it."""
    data = Path(__file__).parent / "data"
    with tempfile.TemporaryDirectory(prefix="lode-quickstart-") as folder:
        path = Path(folder) / "minerals.lode"
        db, minerals = load(path, "minerals", read_lines(data / "minerals.jsonl"), text=["name", "description"])
        questions = read_lines(data / "questions.jsonl")[:5]
        for question in questions:
            start = time.perf_counter()
            hits = minerals.search(question["vector"], k=3)
            print(f"\n{question['question']}  ({(time.perf_counter() - start) * 1e6:.0f} us)")
            print_hits(hits)

        print("\nGold, and what is like it:")
        gold = minerals.get("gold")
        assert gold is not None
        print_hits(minerals.search(gold["vector"], k=4)[1:])

        filtered(minerals, gold["vector"])
        worded(minerals, questions[3])

        minerals.update("gold", {"seen_at": "Sutter's Mill, California"})
        deleted = minerals.delete(["pyrite", "chalcopyrite"])
        print(f"\nWrote down where gold was seen; deleted fool's gold ({deleted} records).")
        db.close()

        start = time.perf_counter()
        with lodedb.open(path) as db:
            minerals = db["minerals"]
            gold = minerals.get("gold")
            assert gold is not None
            micros = (time.perf_counter() - start) * 1e6
            print(f"Reopened in {micros:.0f} us: {len(minerals)} records; gold was seen at {gold['seen_at']}.")
            db.verify()
        print(f"Verified and closed. The database was one file, {size(path)}; it is removed now.")


def filtered(minerals: lodedb.Collection, vector: Any) -> None:
    """The nearest among those that pass a filter; counts of values."""
    # The same as the text "ore_of = 'silver' and first_described >= 1800 and hardness_max < 3", or a dict of operators.
    silver = (F.ore_of == "silver") & (F.first_described >= 1800) & (F.hardness_max < 3)
    print(f"\nNearest to gold among the {minerals.count(silver)} soft ores of silver described since 1800:")
    print_hits(minerals.search(vector, k=3, where=silver))
    systems = minerals.facets("crystal_system", where="hardness_max < 3", limit=3)
    print("Soft minerals are", ", ".join(f"{name} ({count})" for name, count in systems.items()))


def worded(minerals: lodedb.Collection, question: dict[str, Any]) -> None:
    """Words as a person types them, with the place where they were found; words and a vector together."""
    typed = '"fool\'s gold" pyrite -copper'
    print(f"\nThe words {typed}:")
    short: Any = {"description": {"fragments": 1, "fragment_bytes": 80, "before": "[", "after": "]"}}
    for hit in minerals.search(text=typed, k=3, highlight=short):
        print(f"  {hit.score:.3f}  {hit['name']:<18} ...{''.join(hit.highlights['description'])}...")
    print(f"\n{question['question']}  By vector and words:")
    for hit in minerals.search(question["vector"], text=question["question"], k=3):
        print(f"  {hit.score:.4f}  {hit['name']:<18} vector {hit.scores['vector']:.3f}, words {hit.scores['text']:.3f}")


def own_records(file: Path) -> None:
    """Loads a user's records and looks for the neighbours of the first few."""
    records = read_lines(file)
    path = file.with_suffix(".lode")
    db, collection = load(path, "records", records)
    with db:
        for record in records[:3]:
            print(f"\nNearest to {record['id']!r}:")
            print_hits(collection.search(record["vector"], k=5))
    print(f"\nThe database is {path} ({size(path)}).")


def load(
    path: Path, name: str, records: list[dict[str, Any]], text: list[str] | None = None
) -> tuple[lodedb.Database, lodedb.Collection]:
    """Creates the database, or opens it, and puts the records in; the fields in `text` are searched for words."""
    dim = len(records[0]["vector"])
    start = time.perf_counter()
    db = lodedb.open(path)
    collection = db.collection(name, dim=dim, metric="cosine", text=text)
    count = collection.upsert(records)
    millis = (time.perf_counter() - start) * 1e3
    print(f"{count} records of {dim} dimensions are durable in {path}, after {millis:.1f} ms.")
    return db, collection


def print_hits(hits: Iterable[lodedb.Hit]) -> None:
    for hit in hits:
        fields = hit.fields
        about = fields.get("description", "")[:64]
        print(f"  {hit.score:.3f}  {fields.get('name', hit.id):<18} {fields.get('formula', ''):<22} {about}...")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Records from a file with one JSON object a line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        own_records(Path(sys.argv[1]))
    else:
        field_guide()
