"""The same database for `asyncio`: each call is a coroutine that runs in a thread, so the event loop never waits.

A call whose task is cancelled goes on in its thread to its end; a transaction is rolled back then.

>>> import asyncio
>>> import lodedb.aio
>>> async def main():
...     async with await lodedb.aio.open(":memory:") as db:
...         notes = await db.collection("notes", dim=3)
...         await notes.upsert([{"id": "a", "vector": [0.9, 0.1, 0.0]}])
...         return await notes.search([0.8, 0.2, 0.1], k=1)
>>> asyncio.run(main()).ids
['a']
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any, TypeVar

import lodedb
from lodedb import Explain, Hits, LodeError

__all__ = ["Collection", "Database", "Transaction", "TransactionCollection", "open"]

T = TypeVar("T")

# Records that a scan reads in one go.
_PAGE = 256


async def _run(call: Callable[..., T], /, *args: Any, **keywords: Any) -> T:
    return await asyncio.to_thread(call, *args, **keywords)


async def open(path: Any, **options: Any) -> Database:
    """Opens the database at `path`, as `lodedb.open` does."""
    return Database(await _run(lodedb.open, path, **options))


class _Turn:
    """The tasks that have a transaction open: each would wait for itself if it wrote beside it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any] | None] = set()

    def check(self) -> None:
        if asyncio.current_task() in self._tasks:
            raise LodeError(
                'this task has a transaction open: write through it (tx.collection("name")), or end it first'
            )

    def take(self) -> asyncio.Task[Any] | None:
        self.check()
        task = asyncio.current_task()
        self._tasks.add(task)
        return task

    def give_back(self, task: asyncio.Task[Any] | None) -> None:
        self._tasks.discard(task)


class Database:
    """As `lodedb.Database`, with coroutines."""

    def __init__(self, database: lodedb.Database) -> None:
        self._database = database
        self._turn = _Turn()

    async def _write(self, call: Callable[..., T], *args: Any, **keywords: Any) -> T:
        self._turn.check()
        return await _run(call, *args, **keywords)

    async def collection(self, name: str, dim: int | None = None, **options: Any) -> Collection:
        """As `lodedb.Database.collection`."""
        return Collection(await self._write(self._database.collection, name, dim, **options), self._turn)

    async def collections(self) -> list[str]:
        """The names of the collections, in alphabetical order."""
        return await _run(self._database.collections)

    async def drop(self, name: str) -> None:
        """Deletes the collection `name` with all its records."""
        await self._write(self._database.drop, name)

    def transaction(self) -> Transaction:
        """Several writes that happen together or not at all: `async with db.transaction() as tx`."""
        return Transaction(self._database.transaction(), self._turn)

    async def flush(self) -> None:
        """As `lodedb.Database.flush`."""
        await self._write(self._database.flush)

    async def checkpoint(self) -> None:
        """As `lodedb.Database.checkpoint`."""
        await self._write(self._database.checkpoint)

    async def optimize(self, *, progress: Any = None) -> None:
        """As `lodedb.Database.optimize`; `progress` is called in a thread."""
        await self._write(self._database.optimize, progress=progress)

    async def compact(self) -> None:
        """As `lodedb.Database.compact`."""
        await self._write(self._database.compact)

    async def backup(self, path: Any) -> None:
        """As `lodedb.Database.backup`."""
        await _run(self._database.backup, path)

    async def verify(self) -> None:
        """As `lodedb.Database.verify`."""
        await _run(self._database.verify)

    async def stats(self) -> Any:
        """As `lodedb.Database.stats`."""
        return await _run(self._database.stats)

    async def close(self) -> None:
        """As `lodedb.Database.close`."""
        await self._write(self._database.close)

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"await lodedb.aio.{repr(self._database).removeprefix('lodedb.')}"


class Collection:
    """As `lodedb.Collection`, with coroutines. `count()` stands for `len()` too, `contains()` for `in`."""

    def __init__(self, collection: lodedb.Collection, turn: _Turn) -> None:
        self._collection = collection
        self._turn = turn

    async def _write(self, call: Callable[..., T], *args: Any, **keywords: Any) -> T:
        self._turn.check()
        return await _run(call, *args, **keywords)

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._collection.name

    async def upsert(
        self, records: Any = None, *, ids: Any = None, vectors: Any = None, sparse: Any = None, fields: Any = None
    ) -> int:
        """As `lodedb.Collection.upsert`."""
        return await self._write(
            self._collection.upsert, records, ids=ids, vectors=vectors, sparse=sparse, fields=fields
        )

    async def insert(
        self, records: Any = None, *, ids: Any = None, vectors: Any = None, sparse: Any = None, fields: Any = None
    ) -> int:
        """As `lodedb.Collection.insert`."""
        return await self._write(
            self._collection.insert, records, ids=ids, vectors=vectors, sparse=sparse, fields=fields
        )

    async def update(self, id: Any, fields: Any = None) -> int:
        """As `lodedb.Collection.update`."""
        return await self._write(self._collection.update, id, fields)

    async def delete(self, ids: Any = None, *, where: Any = None) -> int:
        """As `lodedb.Collection.delete`."""
        return await self._write(self._collection.delete, ids, where=where)

    async def get(self, ids: Any) -> Any:
        """As `lodedb.Collection.get`."""
        return await _run(self._collection.get, ids)

    async def contains(self, id: Any) -> bool:
        """True where a record has this id."""
        return await _run(self._collection.__contains__, id)

    async def count(self, where: Any = None) -> int:
        """As `lodedb.Collection.count`."""
        return await _run(self._collection.count, where)

    async def facets(self, field: str, where: Any = None, limit: int | None = None) -> dict[Any, int]:
        """As `lodedb.Collection.facets`."""
        return await _run(self._collection.facets, field, where, limit)

    async def scan(self, **options: Any) -> AsyncIterator[dict[str, Any]]:
        """As `lodedb.Collection.scan`: `async for record in docs.scan()`."""
        records = await _run(self._collection.scan, **options)
        while page := await _run(_page, records):
            for record in page:
                yield record

    async def search(self, vector: Any = None, **options: Any) -> Hits:
        """As `lodedb.Collection.search`; `rerank` is called in a thread."""
        return await _run(self._collection.search, vector, **options)

    async def explain(self, vector: Any = None, **options: Any) -> Explain:
        """As `lodedb.Collection.explain`."""
        return await _run(self._collection.explain, vector, **options)

    async def search_many(self, vectors: Any, **options: Any) -> Any:
        """As `lodedb.Collection.search_many`."""
        return await _run(self._collection.search_many, vectors, **options)

    async def measure_recall(self, **options: Any) -> float:
        """As `lodedb.Collection.measure_recall`."""
        return await _run(self._collection.measure_recall, **options)

    async def optimize(self, *, progress: Any = None) -> None:
        """As `lodedb.Collection.optimize`; `progress` is called in a thread."""
        await self._write(self._collection.optimize, progress=progress)

    async def stats(self) -> Any:
        """As `lodedb.Collection.stats`."""
        return await _run(self._collection.stats)

    def __repr__(self) -> str:
        return repr(self._collection)


def _page(records: Any) -> list[dict[str, Any]]:
    return list(islice(records, _PAGE))


class Transaction:
    """As `lodedb.Transaction`, for `async with`."""

    def __init__(self, transaction: lodedb.Transaction, turn: _Turn) -> None:
        self._transaction = transaction
        self._turn = turn
        self._task: asyncio.Task[Any] | None = None

    async def collection(self, name: str) -> TransactionCollection:
        """The collection `name` within this transaction."""
        return TransactionCollection(await _run(self._transaction.collection, name))

    async def drop(self, name: str) -> None:
        """Deletes the collection `name` with all its records."""
        await _run(self._transaction.drop, name)

    async def __aenter__(self) -> Transaction:
        task = self._turn.take()
        # Shielded: a thread that was told to begin does so, and has to be ended.
        begin = asyncio.ensure_future(_run(self._transaction._enter_from_any_thread))
        try:
            await asyncio.shield(begin)
        except BaseException:
            self._turn.give_back(task)
            if not begin.done():
                begin.add_done_callback(self._roll_back)
            raise
        self._task = task
        return self

    def _roll_back(self, begun: asyncio.Task[None]) -> None:
        if not begun.cancelled() and begun.exception() is None:
            self._transaction.__exit__(asyncio.CancelledError, None, None)

    async def __aexit__(self, *error: Any) -> None:
        try:
            await asyncio.shield(asyncio.ensure_future(_run(self._transaction.__exit__, *error)))
        finally:
            self._turn.give_back(self._task)

    def __repr__(self) -> str:
        return repr(self._transaction)


class TransactionCollection:
    """As `lodedb.TransactionCollection`, with coroutines."""

    def __init__(self, collection: lodedb.TransactionCollection) -> None:
        self._collection = collection

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._collection.name

    async def upsert(
        self, records: Any = None, *, ids: Any = None, vectors: Any = None, sparse: Any = None, fields: Any = None
    ) -> int:
        """As `lodedb.Collection.upsert`."""
        return await _run(self._collection.upsert, records, ids=ids, vectors=vectors, sparse=sparse, fields=fields)

    async def insert(
        self, records: Any = None, *, ids: Any = None, vectors: Any = None, sparse: Any = None, fields: Any = None
    ) -> int:
        """As `lodedb.Collection.insert`."""
        return await _run(self._collection.insert, records, ids=ids, vectors=vectors, sparse=sparse, fields=fields)

    async def update(self, id: Any, fields: Any = None) -> int:
        """As `lodedb.Collection.update`."""
        return await _run(self._collection.update, id, fields)

    async def delete(self, ids: Any = None, *, where: Any = None) -> int:
        """As `lodedb.Collection.delete`."""
        return await _run(self._collection.delete, ids, where=where)

    async def get(self, ids: Any) -> Any:
        """As `lodedb.Collection.get`."""
        return await _run(self._collection.get, ids)

    async def contains(self, id: Any) -> bool:
        """True where a record has this id."""
        return await _run(self._collection.__contains__, id)

    async def count(self) -> int:
        """Number of records."""
        return await _run(self._collection.__len__)

    def __repr__(self) -> str:
        return repr(self._collection)
