"""Tables from the figures that `records.py` wrote: `python records_report.py FILE.json`."""

import json
import sys
from pathlib import Path

from report import OURS, at_recall, is_disturbed, number, row, speed, times

GOOD = 0.95
PLAIN, WORDS = "plain arxiv-30k", "words arxiv-30k"  # what was built


def main():
    print(tables(json.loads(Path(sys.argv[1]).read_text())))


def tables(results):
    engines = {name: found for name, found in results["engines"].items() if found}
    head = f"{results['machine']}, {results['time']}, load {results['load_average']:.1f}, {results['set']}, median of {results['rounds']} rounds\n"
    parts = (head, records(engines), filters(engines), words(engines), ndcg(engines), notes(results, engines))
    return "\n".join(part for part in parts if part)


def records(engines):
    """Rows of (what, figure of an engine, whether more is better)."""
    measured = {name: one for name, one in engines.items() if "points" in one or "installed_bytes" in one}
    lines = (
        ("rows/s in, durable and indexed", lambda one: rate_in(one, PLAIN), True),
        ("q/s at recall 0.95", lambda one: at_recall(one["points"], 0.95), True),
        ("q/s at recall 0.99", lambda one: at_recall(one["points"], 0.99), True),
        ("reopening to the first answer, ms", lambda one: one["reopen_ms"], False),
        ("upsert of 100, durable, ms", lambda one: one["upsert_ms"] if one["upserts_found"] > GOOD else None, False),
        ("file, MB", lambda one: one["build"][PLAIN]["file_bytes"] / 1e6, False),
        ("package with dependencies, without numpy, MB", lambda one: one["installed_bytes"] / 1e6, False),
    )
    return table("Records with fields and texts", measured, lines)


def words(engines):
    measured = {name: one for name, one in engines.items() if "words" in one}
    lines = (
        (
            "rows/s in with vectors and words, durable and indexed",
            lambda one: rate_in(one, WORDS) if one["build"][WORDS]["vectors"] else None,
            True,
        ),
        (
            "index of words alone, s",
            lambda one: None if one["build"][WORDS]["vectors"] else one["build"][WORDS]["wall_s"],
            None,
        ),
        ("size, MB", lambda one: one["build"][WORDS]["file_bytes"] / 1e6, None),
        ("titles, q/s", lambda one: speed(one["words"]["titles"]), True),
        ("single words, q/s", lambda one: speed(one["words"]["single"]), True),
        ("titles whose own passage is among the ten", lambda one: one["words"]["titles"]["known_found"], None),
    )
    return table("Words", measured, lines)


def rate_in(one, which):
    return one["build"][which]["rows"] / one["build"][which]["wall_s"]


def table(title, engines, lines):
    """A column for each engine, and how the best of the others stands to Lode."""
    if not engines:
        return ""
    heads = ["", *(f"{name} {one.get('version', '')}".strip() for name, one in engines.items())]
    out = [f"### {title}\n", row([*heads, "best other", "fastest peer / Lode"]), row(["---"] * (len(heads) + 2))]
    for what, figure, more in lines:
        values = {name: figure_of(one, figure) for name, one in engines.items()}
        if any(value is not None for value in values.values()):
            out.append(row([what, *map(shown, values.values()), *against(values, more)]))
    return "\n".join([*out, "", "The last column is of time or size: over 1, Lode needs less.", ""])


def figure_of(one, figure):
    """None where a part was not measured."""
    try:
        return figure(one)
    except (KeyError, IndexError):
        return None


def shown(value):
    return f"{value:.2f}" if value is not None and value < 10 else number(value)


def against(values, more):
    """The best of the others, and its time or size divided by Lode's; nothing where neither is better."""
    others = {name: value for name, value in values.items() if not name.startswith(OURS) and value}
    if more is None or not others:
        return "-", "-"
    best = (max if more else min)(others, key=others.get)
    ours = values.get(OURS)
    return best, times(ours, others[best]) if more else times(others[best], ours)


def filters(engines):
    measured = {name: one["filters"] for name, one in engines.items() if "filters" in one}
    if not measured:
        return ""
    kinds = list(dict.fromkeys(kind for found in measured.values() for kind in found))
    heads = ["filter", *measured, "best other", "fastest peer / Lode", "Lode: of its speed without"]
    out = ["### With filters: q/s (recall@10)\n", row(heads), row(["---"] * len(heads))]
    for kind in kinds:
        points = {name: found.get(kind) for name, found in measured.items()}
        good = {name: speed(point) for name, point in points.items() if point and is_good(point)}
        ours = measured.get(OURS, {})
        share = speed(ours[kind]) / speed(ours["all"]) if kind in ours and "all" in ours else None
        out.append(row([kind, *map(filter_cell, points.values()), *against(good, True), shown(share)]))
    said = "`3/10`: an answer had 3 where 10 match. Only those with recall 0.95 and no such answer are compared; `!`: rows that the filter excludes."
    return "\n".join([*out, "", said, ""])


def is_good(point):
    return point["recall"] >= GOOD and point["shortest"][0] >= point["shortest"][1] and not point["strangers"]


def filter_cell(point):
    if not point:
        return "-"
    returned, wanted = point["shortest"]
    short = f" {returned}/{wanted}" if returned < wanted else ""
    return f"{number(speed(point))} ({point['recall']:.3f}){short}{' !' if point['strangers'] else ''}"


def ndcg(engines):
    measured = {name: one["ndcg"] for name, one in engines.items() if "ndcg" in one}
    if not measured:
        return ""
    columns = [(name, kind) for name, found in measured.items() for kind in next(iter(found.values()))]
    heads = ["nDCG@10", *(f"{name}, {kind}" for name, kind in columns)]
    out = ["### Judged collections\n", row(heads), row(["---"] * len(heads))]
    for data in dict.fromkeys(data for found in measured.values() for data in found):
        scores = (measured[name].get(data, {}).get(kind) for name, kind in columns)
        out.append(row([data, *("-" if score is None else f"{score:.4f}" for score in scores)]))
    return "\n".join([*out, ""])


def notes(results, engines):
    said = list(results["notes"])
    for name, one in engines.items():
        points = one.get("points", []) + list(one.get("filters", {}).values()) + list(one.get("words", {}).values())
        disturbed = sum(map(is_disturbed, points))
        if disturbed:
            said.append(f"{name}: {disturbed} of {len(points)} speeds by the processor's time")
        if one.get("upserts_found", 1) < 1:
            said.append(f"{name}: finds {one['upserts_found']:.2f} of the records that were replaced last")
        for kind, found in one.get("words", {}).items():
            if found["answered"] < 1:
                said.append(f"{name}: {found['answered']:.3f} of {kind} got an answer")
    return "".join(f"- {note}\n" for note in said)


if __name__ == "__main__":
    main()
