"""Passages for a language model: texts cut into chunks, found by words and vectors together, under a filter.

`python examples/rag.py` asks the field guide of minerals that comes with the project.
`python examples/rag.py "What washes gold?" FILE.txt ...` asks texts of your own.

`embed` stands for your model: any function from a list of texts to an array with a row for each. The one here only
counts words and parts of words, so that the example needs no network; words do most of the finding with it.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lodedb
import numpy as np
from lodedb import F
from numpy.typing import NDArray

DIM = 512
CHUNK_WORDS = 60


def embed(texts: list[str]) -> NDArray[np.float32]:
    """A vector for each text: its words and their three-letter parts, each counted at a place that its hash tells."""
    vectors = np.zeros((len(texts), DIM), np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.lower()):
            for part in [word, *(f"#{word[at : at + 3]}" for at in range(len(word) - 2))]:
                vectors[row, zlib.crc32(part.encode()) % DIM] += 1.0
    return vectors


def chunks(text: str) -> Iterator[str]:
    """The text in pieces of whole sentences, of about `CHUNK_WORDS` words; each begins with the last one's last sentence."""
    piece: list[str] = []
    new = 0
    for sentence in re.split(r"(?<=[.!?])\s+", text.strip()):
        piece.append(sentence)
        new += 1
        if sum(len(each.split()) for each in piece) >= CHUNK_WORDS:
            yield " ".join(piece)
            piece, new = piece[-1:], 0
    if new:
        yield " ".join(piece)


def records(document: str, title: str, text: str, **fields: Any) -> list[dict[str, Any]]:
    """A record for each chunk of a document; without vectors, which the collection makes of the texts."""
    return [
        {"id": f"{document}/{number}", "document": document, "title": title, "text": chunk, **fields}
        for number, chunk in enumerate(chunks(text))
    ]


def passages(collection: lodedb.Collection, question: str, where: Any = None) -> lodedb.Hits:
    """The three best documents for a question, by their best chunk, with its words marked."""
    # Quotes and signs are operators in a search for words; a question is words alone.
    words = " ".join(re.findall(r"\w+", question))
    marks: Any = {"text": {"fragments": 2, "fragment_bytes": 90, "before": "[", "after": "]"}}
    # Words weigh more than vectors here, because `embed` knows no meaning. With a model, leave `fusion` out, or try.
    fusion = lodedb.weighted(vector=0.3, text=0.7)
    return collection.search(
        question, text=words, k=3, where=where, group_by="document", highlight=marks, fusion=fusion
    )


def show(question: str, hits: lodedb.Hits) -> None:
    print(f"\n{question}")
    for hit in hits:
        parts = ", ".join(f"{name} {score:.2f}" for name, score in hit.scores.items())
        print(f"  {hit['title']} ({parts})")
        for fragment in hit.highlights.get("text", []):
            print(f"    ...{fragment}...")


def prompt(question: str, hits: lodedb.Hits) -> str:
    """What to ask the language model."""
    context = "\n\n".join(f"[{number}] {hit['title']}: {hit['text']}" for number, hit in enumerate(hits, 1))
    return f"Answer from these passages alone, and name their numbers.\n\n{context}\n\nQuestion: {question}"


def main(arguments: list[str]) -> None:
    with lodedb.open(":memory:") as db:
        notes = db.collection("passages", dim=DIM, text=["title", "text"], embed=embed)
        if arguments:
            question, *files = arguments
            for file in map(Path, files):
                notes.upsert(records(str(file), file.name, file.read_text("utf-8")))
            hits = passages(notes, question)
            show(question, hits)
        else:
            data = Path(__file__).parent / "data"
            for line in (data / "minerals.jsonl").read_text("utf-8").splitlines():
                mineral = json.loads(line)
                about = {"hardness": mineral["hardness_max"], "ore_of": mineral["ore_of"]}
                notes.upsert(records(mineral["id"], mineral["name"], mineral["description"], **about))
            print(f"{len(notes)} chunks of the field guide")
            question = "What is the scarlet pigment on the walls of Pompeii?"
            show(question, passages(notes, question))
            question = "Which ore did miners follow in veins of quartz?"
            hits = passages(notes, question, where=(F.hardness < 4) & F.ore_of.contains_any(["gold", "silver"]))
            show(f"{question} (soft ores of gold or silver)", hits)
        print(f"\nFor the model:\n\n{prompt(question, hits)}")


if __name__ == "__main__":
    main(sys.argv[1:])
