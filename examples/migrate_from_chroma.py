"""From a folder of Chroma to a Lode file, with proof. Needs the package `chromadb`.

`python examples/migrate_from_chroma.py FOLDER [FILE.lode]` migrates a folder of your own, to FOLDER.lode unless you say
where. Without arguments it makes a folder of the field guide of minerals that comes with the project, migrates that, and
searches the result.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import lodedb
from lodedb import migrate

DATA = Path(__file__).parent / "data"


def field_guide(folder: Path) -> None:
    """A collection of Chroma with the minerals: documents, embeddings and what Chroma takes for metadata."""
    import chromadb

    client = chromadb.PersistentClient(str(folder))
    minerals: Any = client.create_collection("minerals", configuration={"hnsw": {"space": "cosine"}})
    rows = [json.loads(line) for line in (DATA / "minerals.jsonl").read_text("utf-8").splitlines()]
    minerals.add(
        ids=[row["id"] for row in rows],
        embeddings=[row["vector"] for row in rows],
        documents=[row["description"] for row in rows],
        metadatas=[{"name": row["name"], "hardness": row["hardness_max"], "class": row["class"]} for row in rows],
    )


def main(arguments: list[str]) -> None:
    if arguments:
        print(migrate.from_chroma(*arguments))
        return
    with tempfile.TemporaryDirectory(prefix="lode-migrate-", ignore_cleanup_errors=True) as place:
        folder = Path(place) / "chroma"
        field_guide(folder)
        report = migrate.from_chroma(folder)
        print(report)
        with lodedb.open(report.path) as db:
            minerals = db["minerals"]
            question = json.loads((DATA / "questions.jsonl").read_text("utf-8").splitlines()[0])
            print(f"\n{question['question']}")
            for hit in minerals.search(question["vector"], text="scarlet pigment", k=3, where="hardness < 4"):
                print(f"  {hit['name']:<12} {hit.score:.4f}  {hit['document'][:70]}...")


if __name__ == "__main__":
    main(sys.argv[1:])
