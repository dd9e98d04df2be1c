"""LlamaIndex's metadata filters as Lode's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from lodedb import FilterError
from lodedb._adapter import containing

Values = Callable[[str], Iterable[str]]

# The names by which LlamaIndex's stores know the document that a node is of.
_DOCUMENT = ("ref_doc_id", "doc_id", "document_id")
_PLAIN = {
    FilterOperator.EQ: "$eq",
    FilterOperator.NE: "$ne",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.CONTAINS: "$contains",
}
_LISTED = {
    FilterOperator.IN: "$in",
    FilterOperator.NIN: "$nin",
    FilterOperator.ANY: "$contains_any",
    FilterOperator.ALL: "$contains_all",
}
_WITHIN_TEXT = {FilterOperator.TEXT_MATCH: False, FilterOperator.TEXT_MATCH_INSENSITIVE: True}


def where_of(filters: MetadataFilters, values: Values) -> dict[str, Any]:
    """The filters for Lode; `values` gives the texts that a field has, for parts of texts."""
    members = [
        where_of(member, values) if isinstance(member, MetadataFilters) else _one(member, values)
        for member in filters.filters
    ]
    condition = filters.condition or FilterCondition.AND
    if condition is FilterCondition.AND or not members:
        return {"$and": members}
    either = {"$or": members}
    # Not: none of them passes.
    return {"$not": either} if condition is FilterCondition.NOT else either


def path_of(key: str) -> str:
    """The field of the record that a key of the metadata is."""
    return "ref_doc_id" if key in _DOCUMENT else f"metadata.{key}"


def _one(filter: MetadataFilter, values: Values) -> dict[str, Any]:
    path, operator, value = path_of(filter.key), filter.operator, filter.value
    if operator is FilterOperator.IS_EMPTY:
        return {"$or": [_missing(path), {path: ""}, {path: []}]}
    if value is None:
        return _none(filter, path)
    if operator in _PLAIN:
        return {path: {_PLAIN[operator]: value}}
    if operator in _LISTED:
        return {path: {_LISTED[operator]: value if isinstance(value, list) else [value]}}
    if operator in _WITHIN_TEXT:
        if not isinstance(value, str):
            raise FilterError(f"'{operator.value}' of '{filter.key}' takes a text, not {value!r}")
        return {path: containing(values(path), value, fold=_WITHIN_TEXT[operator])}
    raise FilterError(f"the operator '{operator.value}', asked of '{filter.key}', is not one that Lode can express")


def _missing(path: str) -> dict[str, Any]:
    return {"$or": [{path: {"$exists": False}}, {path: None}]}


def _none(filter: MetadataFilter, path: str) -> dict[str, Any]:
    if filter.operator is FilterOperator.EQ:
        return _missing(path)
    if filter.operator is FilterOperator.NE:
        return {"$not": _missing(path)}
    raise FilterError(f"'{filter.operator.value}' of '{filter.key}' needs a value")
