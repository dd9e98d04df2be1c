"""LangChain's filters as Lode's: dicts of operators, and the conditions that a model writes for a self-query retriever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from langchain_core.structured_query import (
    Comparator,
    Comparison,
    Operation,
    Operator,
    StructuredQuery,
    Visitor,
)

from lodedb import Condition, FilterError
from lodedb._adapter import Where, alike

Values = Callable[[str], Iterable[str]]

_JOINING = ("$and", "$or", "$nor")
_SAME = (
    *("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains", "$contains_any"),
    *("$contains_all", "$prefix", "$text", "$geo_radius", "$geo_box"),
)
_OPERATORS = (*_SAME, "$not", "$between", "$like", "$ilike")


def where_of(filter: Any, prefix: str, values: Values) -> Where | None:
    """The filter for Lode: names in a dict are of metadata; a text or an expression names fields of the collection.

    `prefix` stands before each name of metadata; `values` gives the texts that a field has, for patterns.
    """
    if filter is None or isinstance(filter, (str, Condition)):
        return filter
    if not isinstance(filter, Mapping):
        raise TypeError(
            "filter is a dict such as {'year': {'$gte': 1848}}, a text, or an expression of lodedb.F, "
            f"not {type(filter).__name__}"
        )
    return _Dict(prefix, values).filter(filter)


class _Dict:
    def __init__(self, prefix: str, values: Values) -> None:
        self._prefix = prefix
        self._values = values

    def filter(self, filter: Mapping[str, Any]) -> dict[str, Any]:
        return _all([self._entry(key, value) for key, value in filter.items()])

    def _entry(self, key: str, value: Any) -> dict[str, Any]:
        if key in _JOINING:
            if not isinstance(value, (list, tuple)):
                raise FilterError(f"'{key}' takes a list of filters, not {type(value).__name__}")
            members = [self.filter(member) for member in value]
            return {"$not": {"$or": members}} if key == "$nor" else {key: members}
        if key == "$not":
            # PGVector's form is a list, of which nothing may pass.
            several = value if isinstance(value, (list, tuple)) else [value]
            return {"$not": {"$or": [self.filter(member) for member in several]}}
        if key.startswith("$"):
            raise FilterError(f"'{key}' is no operator that joins filters: those are $and, $or, $nor and $not")
        return self._field(self._prefix + key, value)

    def _field(self, path: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not any(key.startswith("$") for key in value):
            return {path: value}
        return _all([self._test(path, operator, operand) for operator, operand in value.items()])

    def _test(self, path: str, operator: str, operand: Any) -> dict[str, Any]:
        if operator in _SAME:
            return {path: {operator: operand}}
        if operator == "$not":
            return {"$not": self._field(path, operand)}
        if operator == "$between":
            low, high = _pair(path, operand)
            return {path: {"$gte": low, "$lte": high}}
        if operator in ("$like", "$ilike"):
            if not isinstance(operand, str):
                raise FilterError(f"'{operator}' of '{path}' takes a pattern such as 'gold%', not {operand!r}")
            return {path: alike(self._values(path), operand, fold=operator == "$ilike")}
        raise FilterError(f"there is no operator '{operator}', asked of '{path}'; there are {' '.join(_OPERATORS)}")


def _all(filters: list[dict[str, Any]]) -> dict[str, Any]:
    return filters[0] if len(filters) == 1 else {"$and": filters}


def _pair(path: str, operand: Any) -> tuple[Any, Any]:
    if not isinstance(operand, (list, tuple)) or len(operand) != 2:
        raise FilterError(f"'$between' of '{path}' takes a list of two values, not {operand!r}")
    return operand[0], operand[1]


class LodeTranslator(Visitor):
    """Writes the conditions of a self-query retriever as a `filter` of `LodeVectorStore`: every operator and comparator.

    `contain` passes a list with the value, and a text that it is part of; `like` takes SQL's `%` and `_`.

    >>> from langchain_core.structured_query import Comparator, Comparison, StructuredQuery
    >>> condition = Comparison(comparator=Comparator.GTE, attribute="year", value=1848)
    >>> from lodedb.langchain import LodeTranslator
    >>> LodeTranslator().visit_structured_query(StructuredQuery(query="gold", filter=condition, limit=None))
    ('gold', {'filter': {'year': {'$gte': 1848}}})
    """

    allowed_comparators = tuple(Comparator)
    allowed_operators = tuple(Operator)

    def visit_operation(self, operation: Operation) -> dict[str, Any]:
        """`and`, `or` and `not` of conditions; of several, `not` passes where none does."""
        return {f"${operation.operator.value}": [argument.accept(self) for argument in operation.arguments]}

    def visit_comparison(self, comparison: Comparison) -> dict[str, Any]:
        """One condition on one attribute."""
        name, value = comparison.attribute, comparison.value
        if isinstance(value, dict) and "date" in value:  # A date, as the parser of queries gives it.
            value = value["date"]
        if comparison.comparator is Comparator.CONTAIN:
            part = str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            return {"$or": [{name: {"$contains": value}}, {name: {"$like": f"%{part}%"}}]}
        return {name: {f"${comparison.comparator.value}": value}}

    def visit_structured_query(self, structured_query: StructuredQuery) -> tuple[str, dict[str, Any]]:
        """The text to search for, and the arguments of the search."""
        if structured_query.filter is None:
            return structured_query.query, {}
        return structured_query.query, {"filter": structured_query.filter.accept(self)}
