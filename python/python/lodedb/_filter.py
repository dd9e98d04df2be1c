"""Conditions on fields, written as Python expressions: `F.year >= 1848`."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NoReturn, final

__all__ = ["Condition", "Expression", "F", "Field"]

_Place = Mapping[str, float] | Sequence[float]

_PARENTHESES = "put comparisons in parentheses: (F.year > 1848) & (F.tags == 'gold')"


class Condition:
    """What a record passes or not: an expression, or a field by itself, which has to be true.

    `a & b` passes where both do, `a | b` where one does, `~a` where it does not.
    """

    __slots__ = ()

    # A number of numpy on the left leaves the comparison to the field on the right.
    __array_ufunc__: ClassVar[None] = None

    def to_dict(self) -> dict[str, Any]:
        """The condition as a dict of operators, such as `{"year": {"$gte": 1848}}`."""
        return self._expression().to_dict()

    def _expression(self) -> Expression:
        raise NotImplementedError

    def __and__(self, other: Condition) -> Expression:
        return _joined("&", self, other)

    def __or__(self, other: Condition) -> Expression:
        return _joined("|", self, other)

    def __invert__(self) -> Expression:
        return Expression("~", (self._expression(),))

    # Where the other side is no condition, `&` or `|` took what belongs to a comparison.
    def __rand__(self, other: object) -> NoReturn:
        raise TypeError(_PARENTHESES)

    __ror__ = __rand__

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a condition is true or false for a record only: write & for 'and', | for 'or', ~ for 'not', "
            ".is_in(..) for 'in', .between(..) for a chain of comparisons"
        )


@final
class Expression(Condition):
    """A condition made with `lodedb.F`; goes wherever `where=` does."""

    __slots__ = ("_kind", "_members", "_test")

    _kind: Literal["&", "|", "~", "test"]
    _members: tuple[Expression, ...]
    # Field, operator, operand; the sign or method that they were written with, and its arguments.
    _test: tuple[Field, str, Any, str, tuple[Any, ...]]

    def __init__(self, kind: Literal["&", "|", "~"], members: tuple[Expression, ...]) -> None:
        self._kind = kind
        self._members = members

    @staticmethod
    def _of(field: Field, operator: str, operand: Any, written: str, *arguments: Any) -> Expression:
        """One operator on one field."""
        expression = Expression.__new__(Expression)
        expression._kind = "test"
        expression._members = ()
        expression._test = (field, operator, operand, written, arguments)
        return expression

    def _expression(self) -> Expression:
        return self

    def to_dict(self) -> dict[str, Any]:
        if self._kind == "test":
            field, operator, operand, _, _ = self._test
            return {field._path: {operator: operand.copy() if isinstance(operand, (dict, list)) else operand}}
        if self._kind == "~":
            return {"$not": self._members[0].to_dict()}
        return {"$and" if self._kind == "&" else "$or": [member.to_dict() for member in self._members]}

    def __repr__(self) -> str:
        if self._kind == "test":
            field, _, _, written, arguments = self._test
            code = ", ".join(map(repr, arguments))
            return f"{field!r}.{written}({code})" if written.isidentifier() else f"{field!r} {written} {code}"
        if self._kind == "~":
            return f"~{self._members[0]._grouped('~')}"
        return f" {self._kind} ".join(member._grouped(self._kind) for member in self._members)

    def _grouped(self, around: str) -> str:
        """Its code beside an operator: in parentheses where it would fall apart."""
        binds = {"|": 1, "&": 2, "~": 3, "test": 4}
        compares = self._kind == "test" and not self._test[3].isidentifier()
        return f"({self!r})" if compares or binds[self._kind] < binds[around] else repr(self)


@final
class Field(Condition):
    """A field, or the way from it into maps: `F.year`, `F["address.city"]`. Comparing it gives an `Expression`.

    By itself it is the condition that the field is true. Where a value is a list, one element that passes is enough;
    where there is none, nothing passes but `!=`, `not_in` and `missing`.
    """

    __slots__ = ("_path",)

    _path: str

    def __init__(self, path: str) -> None:
        self._path = path

    def _expression(self) -> Expression:
        return self == True  # noqa: E712

    def __eq__(self, value: object) -> Expression:  # type: ignore[override]
        return Expression._of(self, "$eq", value, "==", value)

    def __ne__(self, value: object) -> Expression:  # type: ignore[override]
        return Expression._of(self, "$ne", value, "!=", value)

    def __lt__(self, value: Any) -> Expression:
        return Expression._of(self, "$lt", value, "<", value)

    def __le__(self, value: Any) -> Expression:
        return Expression._of(self, "$lte", value, "<=", value)

    def __gt__(self, value: Any) -> Expression:
        return Expression._of(self, "$gt", value, ">", value)

    def __ge__(self, value: Any) -> Expression:
        return Expression._of(self, "$gte", value, ">=", value)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def between(self, low: Any, high: Any) -> Expression:
        """At least `low` and at most `high`."""
        return _joined("&", self.__ge__(low), self.__le__(high))

    def is_in(self, values: Iterable[Any]) -> Expression:
        """Equal to one of `values`."""
        return self._listed("is_in", "$in", values)

    def not_in(self, values: Iterable[Any]) -> Expression:
        """Equal to none of `values`; passes where there is no value."""
        return self._listed("not_in", "$nin", values)

    def exists(self) -> Expression:
        """There is a value, be it None."""
        return Expression._of(self, "$exists", True, "exists")

    def missing(self) -> Expression:
        """There is no value, not even None."""
        return Expression._of(self, "$exists", False, "missing")

    def contains(self, value: Any) -> Expression:
        """A list with this element."""
        return Expression._of(self, "$contains", value, "contains", value)

    def contains_any(self, values: Iterable[Any]) -> Expression:
        """A list with one of these elements."""
        return self._listed("contains_any", "$contains_any", values)

    def contains_all(self, values: Iterable[Any]) -> Expression:
        """A list with all of these elements."""
        return self._listed("contains_all", "$contains_all", values)

    def starts_with(self, prefix: str) -> Expression:
        """A text that begins with `prefix`."""
        return Expression._of(self, "$prefix", prefix, "starts_with", prefix)

    def has_words(self, words: str) -> Expression:
        """A text with all of these words, as the text index knows them."""
        return Expression._of(self, "$text", words, "has_words", words)

    def within_radius(self, center: _Place, meters: float) -> Expression:
        """A place at most `meters` from `center`, which is `{"lat": .., "lon": ..}` or `(lat, lon)`."""
        circle = {"center": center, "meters": meters}
        return Expression._of(self, "$geo_radius", circle, "within_radius", center, meters)

    def within_box(self, south_west: _Place, north_east: _Place) -> Expression:
        """A place between two corners, each `{"lat": .., "lon": ..}` or `(lat, lon)`; west may be east of east."""
        corners = {"south_west": south_west, "north_east": north_east}
        return Expression._of(self, "$geo_box", corners, "within_box", south_west, north_east)

    def _listed(self, method: str, operator: str, values: Iterable[Any]) -> Expression:
        if isinstance(values, (str, bytes)):
            raise TypeError(f"{method} takes several values, such as [{values!r}]")
        listed = list(values)
        return Expression._of(self, operator, listed, method, listed)

    def __contains__(self, value: object) -> NoReturn:
        raise TypeError(f"write {self!r}.contains({value!r}); or {self!r}.is_in([..]) for one of several values")

    def __getattr__(self, name: str) -> NoReturn:
        path = f"{self._path}.{name}" if not name.startswith("__") else name
        raise AttributeError(f'a condition on a field has no {name!r}; a name in a map is F["{path}"]')

    def __repr__(self) -> str:
        plain = self._path.isidentifier() and not keyword.iskeyword(self._path) and not self._path.startswith("__")
        return f"F.{self._path}" if plain else f"F[{self._path!r}]"


@final
class _Fields:
    """Every field by its name, for conditions: `F.year >= 1848`, `F["address.city"] == "Almaden"`.

    Comparisons stand in parentheses beside `&`, `|` and `~`; a field by itself has to be true.

    >>> from lodedb import F
    >>> (F.year >= 1848) & F.tags.is_in(["gold", "silver"]) & ~F.draft
    (F.year >= 1848) & F.tags.is_in(['gold', 'silver']) & ~(F.draft == True)
    >>> (F["address.city"] != "Almaden").to_dict()
    {'address.city': {'$ne': 'Almaden'}}
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):  # What Python itself asks for.
            raise AttributeError(name)
        return Field(name)

    def __getitem__(self, path: str) -> Field:
        if not isinstance(path, str):
            raise TypeError(f'a field\'s name is a string, as in F["year"], not {type(path).__name__}')
        return Field(path)

    __iter__: ClassVar[None] = None

    def __repr__(self) -> str:
        return "F"


def _joined(kind: Literal["&", "|"], one: Condition, other: object) -> Expression:
    if not isinstance(other, Condition):
        raise TypeError(_PARENTHESES)
    members: list[Expression] = []
    for side in (one._expression(), other._expression()):
        members.extend(side._members if side._kind == kind else [side])
    return Expression(kind, tuple(members))


F = _Fields()

for _class in (Condition, Expression, Field):
    _class.__module__ = "lodedb"
del _class
