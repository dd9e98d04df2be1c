"""Conditions written with `lodedb.F`: what they are as dicts and as code, and how mistakes are answered."""

from __future__ import annotations

import copy
import doctest
import inspect
import pickle
from typing import Any

import lodedb
import numpy as np
import pytest
from lodedb import F

PLACE = {"lat": 38.775, "lon": -4.848}

# Code, and the dict that it makes.
CONDITIONS: dict[str, dict[str, Any]] = {
    "F.year == 1849": {"year": {"$eq": 1849}},
    "F.year != None": {"year": {"$ne": None}},
    "F.year < 1849": {"year": {"$lt": 1849}},
    "F.year <= 1849": {"year": {"$lte": 1849}},
    "F.year > 1849": {"year": {"$gt": 1849}},
    "F.year >= 1849": {"year": {"$gte": 1849}},
    "F['address.city'] == 'Almaden'": {"address.city": {"$eq": "Almaden"}},
    "F['class'] == {'$ne': 1}": {"class": {"$eq": {"$ne": 1}}},
    "F.tags.is_in(['gold', 'silver'])": {"tags": {"$in": ["gold", "silver"]}},
    "F.tags.not_in([])": {"tags": {"$nin": []}},
    "F.draft.exists()": {"draft": {"$exists": True}},
    "F.draft.missing()": {"draft": {"$exists": False}},
    "F.tags.contains('gold')": {"tags": {"$contains": "gold"}},
    "F.tags.contains_any(['gold'])": {"tags": {"$contains_any": ["gold"]}},
    "F.tags.contains_all(['gold'])": {"tags": {"$contains_all": ["gold"]}},
    "F.title.starts_with('On ')": {"title": {"$prefix": "On "}},
    "F.title.has_words('gold mine')": {"title": {"$text": "gold mine"}},
    "F.place.within_radius((38.775, -4.848), 500)": {
        "place": {"$geo_radius": {"center": (38.775, -4.848), "meters": 500}}
    },
    f"F.place.within_box({PLACE}, {PLACE})": {"place": {"$geo_box": {"south_west": PLACE, "north_east": PLACE}}},
    "(F.a > 1) & (F.b == 2) & F.c.exists()": {"$and": [{"a": {"$gt": 1}}, {"b": {"$eq": 2}}, {"c": {"$exists": True}}]},
    "(F.a > 1) | (F.b == 2) & ~F.c.exists()": {
        "$or": [{"a": {"$gt": 1}}, {"$and": [{"b": {"$eq": 2}}, {"$not": {"c": {"$exists": True}}}]}]
    },
    "((F.a > 1) | (F.b == 2)) & ~~(F.c == 3)": {
        "$and": [{"$or": [{"a": {"$gt": 1}}, {"b": {"$eq": 2}}]}, {"$not": {"$not": {"c": {"$eq": 3}}}}]
    },
    "~((F.a > 1) & F.b.exists())": {"$not": {"$and": [{"a": {"$gt": 1}}, {"b": {"$exists": True}}]}},
}


@pytest.mark.parametrize("code", CONDITIONS)
def test_conditions_are_dicts_and_code(code: str) -> None:
    condition = eval(code)
    assert condition.to_dict() == CONDITIONS[code]
    assert repr(condition) == code


def test_a_field_by_itself_is_true() -> None:
    assert F.draft.to_dict() == {"draft": {"$eq": True}}
    assert (~F.draft).to_dict() == {"$not": {"draft": {"$eq": True}}}
    assert (F.a | F.b).to_dict() == {"$or": [{"a": {"$eq": True}}, {"b": {"$eq": True}}]}
    assert repr(F.draft) == "F.draft" and repr(F["a b"]) == "F['a b']" and repr(F) == "F"


def test_between_and_chains() -> None:
    assert F.year.between(1, 2).to_dict() == {"$and": [{"year": {"$gte": 1}}, {"year": {"$lte": 2}}]}
    many = F.a == 0
    for value in range(1, 3000):
        many = many | (F.a == value)
    assert len(many.to_dict()["$or"]) == 3000


def test_numbers_of_numpy_stand_on_either_side() -> None:
    left: Any = np.int64(5)
    assert (left < F.a).to_dict() == (F.a > 5).to_dict()
    assert F.a.is_in(np.arange(3)).to_dict() == {"a": {"$in": [0, 1, 2]}}


def test_a_dict_is_the_callers_own() -> None:
    condition = F.tags.is_in({"gold": 1})
    condition.to_dict()["tags"]["$in"].append("lead")
    assert condition.to_dict() == {"tags": {"$in": ["gold"]}}


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("F.a > 1 and F.b > 2", "write & for 'and'"),
        ("1 < F.a < 5", "between"),
        ("not F.a", "~ for 'not'"),
        ("F.a > 1 & F.b", "parentheses"),
        ("F.a > 1 | F.b == 2", "parentheses"),
        ("F.a & 1", "parentheses"),
        ("(F.a > 1) & True", "parentheses"),
        ("'gold' in F.tags", r"F.tags.contains\('gold'\)"),
        ("F.tags.is_in('gold')", r"\['gold'\]"),
        ("F[1]", "a field's name is a string"),
        ("list(F)", "not iterable"),
        ("hash(F.a)", "unhashable"),
    ],
)
def test_mistakes_are_answered_with_advice(code: str, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        eval(code)


def test_a_name_in_a_map_is_advised() -> None:
    with pytest.raises(AttributeError, match=r'F\["address.city"\]'):
        F.address.city  # noqa: B018


def test_conditions_can_be_copied_and_sent() -> None:
    condition = (F.a > 1) & ~F.b
    for same in (copy.deepcopy(condition), pickle.loads(pickle.dumps(condition))):
        assert isinstance(same, lodedb.Expression) and same.to_dict() == condition.to_dict()
    assert pickle.loads(pickle.dumps(F.a)).to_dict() == F.a.to_dict()
    assert isinstance(F.a, lodedb.Field) and isinstance(F.a, lodedb.Condition)


def test_the_example() -> None:
    names = {"lodedb": lodedb, "F": F}
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(type(F)) or "", names, "F", None, 0)
    assert test.examples
    failures: list[str] = []
    doctest.DocTestRunner().run(test, out=failures.append)
    assert not failures, "".join(failures)
