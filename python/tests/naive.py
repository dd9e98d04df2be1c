"""What filters, orders and facets mean, said once more in the plainest way: over a dict, without any index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any


def values_at(value: Any, names: list[str]) -> Iterator[Any]:
    """What a path leads to: into dicts, and into the dicts of lists."""
    if not names:
        yield value
        return
    for inner in value if isinstance(value, list) else [value]:
        if isinstance(inner, dict) and names[0] in inner:
            yield from values_at(inner[names[0]], names[1:])


def kind(value: Any) -> int:
    """Values of different kinds do not compare; kinds are sorted so."""
    if isinstance(value, bool):
        return 2
    return 0 if isinstance(value, (int, float)) else 1 if isinstance(value, str) else 3


def equal(value: Any, operand: Any) -> bool:
    if isinstance(value, list) and isinstance(operand, list):
        return len(value) == len(operand) and all(map(equal, value, operand))
    if value is None or operand is None:
        return value is operand
    return kind(value) == kind(operand) < 3 and bool(value == operand)


def compares(operator: str, value: Any, operand: Any) -> bool:
    if operator == "$eq":
        return equal(value, operand)
    if kind(value) != kind(operand) or kind(value) == 3:
        return False
    if isinstance(value, str):
        value, operand = value.encode(), operand.encode()
    return bool(
        {"$lt": value < operand, "$lte": value <= operand, "$gt": value > operand, "$gte": value >= operand}[operator]
    )


def one(operator: str, found: list[Any], operand: Any) -> bool:
    inner = [element for value in found if isinstance(value, list) for element in value]
    if operator == "$exists":
        return bool(found) is bool(operand)
    if operator in ("$ne", "$nin"):
        return not one({"$ne": "$eq", "$nin": "$in"}[operator], found, operand)
    if operator == "$in":
        return any(equal(value, other) for value in found + inner for other in operand)
    if operator == "$contains":
        return any(equal(value, operand) for value in inner)
    if operator == "$prefix":
        return any(isinstance(value, str) and value.startswith(operand) for value in found + inner)
    return any(compares(operator, value, operand) for value in found + inner)


def passes(where: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Whether a record with these fields passes a filter of operators."""
    for name, value in where.items():
        if name == "$and":
            passed = all(passes(member, fields) for member in value)
        elif name == "$or":
            passed = any(passes(member, fields) for member in value)
        elif name == "$not":
            passed = not passes(value, fields)
        else:
            found = list(values_at(fields, name.split(".")))
            passed = all(one(operator, found, operand) for operator, operand in value.items())
        if not passed:
            return False
    return True


def paths(where: dict[str, Any]) -> Iterator[str]:
    """The fields that a filter names."""
    for name, value in where.items():
        if name == "$not":
            yield from paths(value)
        elif name.startswith("$"):
            for member in value:
                yield from paths(member)
        else:
            yield name


def scalars(fields: dict[str, Any], path: str) -> list[Any]:
    """The values at a path, and in the lists there, that can be counted."""
    found = list(values_at(fields, path.split(".")))
    inner = [element for value in found if isinstance(value, list) for element in value]
    return [value for value in found + inner if not isinstance(value, (list, dict))]


def order(records: dict[int, dict[str, Any]], path: str, descending: bool) -> list[int]:
    """The ids in the order of a field."""

    def key(value: Any) -> tuple[int, Any]:
        return kind(value), value.encode() if isinstance(value, str) else value

    keys = {id: [key(value) for value in scalars(fields, path) if kind(value) < 3] for id, fields in records.items()}
    best = {id: max(found) if descending else min(found) for id, found in keys.items() if found}
    ids = sorted(records)
    there = sorted((id for id in ids if id in best), key=lambda id: best[id], reverse=descending)
    return there + [id for id in ids if id not in best]


def facets(records: dict[int, dict[str, Any]], path: str) -> dict[Any, int]:
    """How many records have which value."""
    counts: Counter[tuple[int, Any]] = Counter()
    for fields in records.values():
        counts.update({(kind(value), value) for value in scalars(fields, path)})
    found: Counter[Any] = Counter()
    for (_, value), count in counts.items():
        found[value] += count
    return dict(found)
