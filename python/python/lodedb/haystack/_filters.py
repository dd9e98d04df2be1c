"""Haystack's filters as Lode's."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from haystack.errors import FilterError

from lodedb._adapter import NOTHING

_ORDERS = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_COMPARISONS = ("==", "!=", *_ORDERS, "in", "not in")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([Tt ].*)?")

# The fields of a record for those of a document that have another name there, or are not compared.
_FIELDS = {"content": "content", "id": "document_id", "blob": "blob", "sparse_embedding": "sparse_embedding"}
_OPAQUE = ("blob", "sparse_embedding")


def where_of(filters: dict[str, Any]) -> dict[str, Any]:
    """The filters for Lode. Raises Haystack's FilterError for what is wrong with them."""
    if not isinstance(filters, dict):
        raise FilterError(f"filters are a dict, not {type(filters).__name__}")
    return _comparison(filters) if "field" in filters else _logic(filters)


def path_of(field: str) -> str:
    """The field of the record: a bare name is one of the metadata, as everywhere in Haystack."""
    if field == "meta" or field.startswith("meta."):
        return field
    return _FIELDS.get(field, f"meta.{field}")


def _logic(condition: dict[str, Any]) -> dict[str, Any]:
    operator = _key(condition, "operator")
    conditions = _key(condition, "conditions")
    if not isinstance(conditions, list):
        raise FilterError(f"'conditions' is a list, not {type(conditions).__name__}")
    members = [where_of(member) for member in conditions]
    if operator == "AND":
        return {"$and": members}
    if operator == "OR":
        return {"$or": members}
    if operator == "NOT":
        return {"$not": {"$and": members}}
    raise FilterError(f"there is no logical operator {operator!r}; there are AND, OR, NOT")


def _comparison(condition: dict[str, Any]) -> dict[str, Any]:
    field, operator, value = (_key(condition, name) for name in ("field", "operator", "value"))
    if operator not in _COMPARISONS:
        raise FilterError(
            f"there is no comparison {operator!r}, asked of '{field}'; there are {', '.join(_COMPARISONS)}"
        )
    if field in ("embedding", *_OPAQUE):
        return _presence(field, operator, value)
    if field == "score":
        raise FilterError("'score' is of a retrieval, and nothing that a filter can look at")
    path = path_of(field)
    if operator in _ORDERS:
        return _order(path, operator, value)
    if operator in ("in", "not in"):
        if not isinstance(value, list):
            raise FilterError(f"'{operator}' of '{field}' takes a list, not {type(value).__name__}")
        return _negated(_any_of(path, value), operator == "not in")
    return _negated(_equal(path, value), operator == "!=")


def _key(condition: dict[str, Any], name: str) -> Any:
    if name not in condition:
        raise FilterError(f"the key '{name}' is missing in {condition}")
    return condition[name]


def _negated(where: dict[str, Any], negated: bool) -> dict[str, Any]:
    return {"$not": where} if negated else where


def _missing(path: str) -> dict[str, Any]:
    return {"$or": [{path: {"$exists": False}}, {path: None}]}


def _presence(field: str, operator: str, value: Any) -> dict[str, Any]:
    """Whether a document has an embedding, or a blob: all that can be asked of these."""
    if value is not None or operator not in ("==", "!="):
        raise FilterError(f"of '{field}' only == None and != None can be asked, not {operator} {value!r}")
    where = {"unembedded": True} if field == "embedding" else _missing(field)
    return _negated(where, operator == "!=")


def _equal(path: str, value: Any) -> dict[str, Any]:
    return _any_of(path, [value])


def _any_of(path: str, values: list[Any]) -> dict[str, Any]:
    """One of these: None is also no value, and a date is an instant too."""
    there: list[Any] = []
    for value in values:
        if isinstance(value, dict):
            raise FilterError(
                f"'{path}' can't be compared with the dict {value!r}: compare '{path}.{next(iter(value), '')}'"
            )
        instant = _instant(value) if isinstance(value, str) else None
        there.extend(each for each in (value, instant) if each is not None)
    found: dict[str, Any] = {path: {"$in": there}}
    return {"$or": [_missing(path), found]} if None in values else found


def _order(path: str, operator: str, value: Any) -> dict[str, Any]:
    order = _ORDERS[operator]
    if value is None:
        return NOTHING
    if isinstance(value, (int, float, datetime)):
        return {path: {order: value}}
    if not isinstance(value, str):
        raise FilterError(f"'{operator}' of '{path}' takes a number or a date, not {type(value).__name__}")
    instant = _instant(value)
    if instant is None:
        raise FilterError(f"'{operator}' of '{path}' takes a number or a date in ISO format, not {value!r}")
    if _aware(value):
        return {path: {order: instant}}
    # Dates without a time zone are texts, which order as they are written: between the digits 0 and 9.
    bound = {"$gte": "0"} if operator.startswith("<") else {"$lt": ":"}
    return {"$or": [{path: {order: value, **bound}}, {path: {order: instant}}]}


_parse: Callable[[str], datetime] = datetime.fromisoformat


def _instant(value: str) -> datetime | None:
    """The instant that a date in ISO format is, in UTC where it says no time zone."""
    if not _DATE.fullmatch(value):
        return None
    try:
        parsed = _parse(re.sub("[Zz]$", "+00:00", value))
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=timezone.utc)


def _aware(value: str) -> bool:
    return _parse(re.sub("[Zz]$", "+00:00", value)).tzinfo is not None
