"""What a document store tells of its metadata."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from lodedb._adapter import Records
from lodedb.haystack._filters import where_of

_TYPES = {bool: "boolean", int: "int", float: "float"}


class FieldMethods(ABC):
    """Counts and values of the fields of metadata, named with or without `meta.` before them."""

    @property
    @abstractmethod
    def _records(self) -> Records: ...

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """Number of documents that pass the filters."""
        return self._records.count(where_of(filters) if filters else None)

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        """As `count_documents_by_filter`."""
        return await asyncio.to_thread(self.count_documents_by_filter, filters)

    def count_unique_metadata_by_filter(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """For each of the fields, the number of different values among the documents that pass the filters."""
        names = [_name(field) for field in metadata_fields]
        values: dict[str, set[Any]] = {name: set() for name in names}
        for meta in self._metas(filters):
            for name in names:
                if meta.get(name) is not None:
                    values[name].add(_key(meta[name]))
        return {name: len(found) for name, found in values.items()}

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """As `count_unique_metadata_by_filter`."""
        return await asyncio.to_thread(self.count_unique_metadata_by_filter, filters, metadata_fields)

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """The fields there are, each with its type: "boolean", "int", "float", or "keyword" for all else."""
        types: dict[str, dict[str, str]] = {}
        for meta in self._metas(None):
            for name, value in meta.items():
                if value is not None:
                    types[name] = {"type": _TYPES.get(type(value), "keyword")}
        return types

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """As `get_metadata_fields_info`."""
        return await asyncio.to_thread(self.get_metadata_fields_info)

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """The smallest and the largest value of a field, as `min` and `max`: of its numbers, or else of its texts."""
        name = _name(metadata_field)
        values = [meta[name] for meta in self._metas(None) if meta.get(name) is not None]
        ordered: list[Any] = [value for value in values if isinstance(value, (int, float))]
        ordered = ordered or [value for value in values if isinstance(value, str)]
        return {"min": min(ordered, default=None), "max": max(ordered, default=None)}

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        """As `get_metadata_field_min_max`."""
        return await asyncio.to_thread(self.get_metadata_field_min_max, metadata_field)

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """`size` of the different values of a field from the place `from_` on, ordered as texts, and the number of all.

        With `search_term`, only those that have it, in capitals or not.
        """
        name = _name(metadata_field)
        different: dict[Any, Any] = {}
        for meta in self._metas(filters):
            value = meta.get(name)
            if value is not None and (not search_term or search_term.lower() in str(value).lower()):
                different.setdefault(_key(value), value)
        values = sorted(different.values(), key=lambda value: (str(value), type(value).__name__))
        return values[from_ : from_ + size], len(values)

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """As `get_metadata_field_unique_values`."""
        find = self.get_metadata_field_unique_values
        return await asyncio.to_thread(find, metadata_field, search_term, from_, size, filters)

    def _metas(self, filters: dict[str, Any] | None) -> Any:
        where = where_of(filters) if filters else None
        return (row["meta"] for row in self._records.scan(where))


def _name(field: str) -> str:
    return field.removeprefix("meta.")


def _key(value: Any) -> Any:
    """What tells values apart: 1, 1.0, True and "1" are four."""
    if isinstance(value, dict):
        return "dict", frozenset((name, _key(item)) for name, item in value.items())
    if isinstance(value, list):
        return "list", tuple(map(_key, value))
    return type(value).__name__, value
