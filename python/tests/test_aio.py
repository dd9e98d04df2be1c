"""The coroutines do what the calls do, and the event loop runs on."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import lodedb
import lodedb.aio
import numpy as np
import pytest


def test_everything(path: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with await lodedb.aio.open(path) as db:
            docs = await db.collection("docs", dim=4)
            assert await docs.upsert(ids=range(600), vectors=np.random.default_rng(1).random((600, 4))) == 600
            assert await docs.insert([{"id": 1000, "vector": [1, 2, 3, 4], "n": 1}]) == 1
            assert await docs.update(1000, {"n": 2}) == 1
            assert (await docs.get(1000))["n"] == 2 and await docs.contains(1000)
            assert await docs.count("n = 2") == 1 and await docs.facets("n") == {2: 1}
            assert (await docs.search(np.ones(4), where={"n": 2})).ids == [1000]
            assert (await docs.explain(np.ones(4), where="n > 1")).matches == 1
            assert [row["id"] async for row in docs.scan(where="n > 1", order_by="n")] == [1000]
            assert (
                await docs.delete(where=lodedb.F.n == 2) == 1
                and await docs.insert({"id": 1000, "vector": [1] * 4}) == 1
            )
            assert await docs.delete(1000) == 1 and await docs.count() == 600
            found = await asyncio.gather(*(docs.search(np.ones(4), k=3) for _ in range(20)))
            assert all(hits.ids == found[0].ids for hits in found)
            ids, _ = await docs.search_many(np.ones((2, 4)), k=3)
            assert ids[0].tolist() == found[0].ids
            assert [row["id"] async for row in docs.scan(after=10, limit=300)] == list(range(11, 311))
            await docs.optimize()
            assert await docs.measure_recall(sample=10) == 1.0
            assert (await docs.stats())["records"] == 600
            assert await db.collections() == ["docs"]
            await db.flush()
            await db.checkpoint()
            await db.optimize()
            await db.compact()
            await db.verify()
            await db.backup(tmp_path / "copy.lode")
            assert (await db.stats())["collections"][0]["records"] == 600
            await db.drop("docs")
            assert repr(db).startswith("await lodedb.aio.open(")
        with pytest.raises(lodedb.ClosedError):
            await db.collections()

    asyncio.run(main())


def test_words() -> None:
    async def main() -> None:
        async with await lodedb.aio.open(":memory:") as db:
            docs = await db.collection("docs", dim=1, text=["body"])
            async with db.transaction() as tx:
                await (await tx.collection("docs")).upsert(
                    [{"id": 1, "vector": [1], "body": "gold"}, {"id": 2, "vector": [1], "body": "gold and tin"}]
                )
            assert (await docs.search(text="tin", highlight="body"))[0].highlights == {"body": ["gold and <b>tin</b>"]}
            both = await docs.search([1], text="tin", rerank=lambda hits: [-hit.id for hit in hits], k=1)
            assert both.ids == [1] and both[0].scores["rerank"] == -1
            assert (await docs.explain(text="gold")).hits == 2

    asyncio.run(main())


def test_transactions() -> None:
    async def main() -> None:
        async with await lodedb.aio.open(":memory:") as db:
            docs = await db.collection("docs", dim=1)
            async with db.transaction() as tx:
                inside = await tx.collection("docs")
                assert await inside.upsert({"id": 1, "vector": [1]}) == 1
                assert await inside.insert({"id": 2, "vector": [1]}) == 1
                assert await inside.update(2, {"n": 1}) == 1 and (await inside.get(2))["n"] == 1
                assert await inside.delete(where="n = 1") == 1 and await inside.insert({"id": 2, "vector": [1]}) == 1
                assert await inside.delete(1) == 1 and await inside.count() == 1 and await inside.contains(2)
                with pytest.raises(lodedb.LodeError, match="this task has a transaction open"):
                    await docs.upsert({"id": 3, "vector": [1]})
                assert await docs.count() == 0
            assert await docs.count() == 1
            with pytest.raises(RuntimeError):
                async with db.transaction() as tx:
                    await tx.drop("docs")
                    raise RuntimeError("on purpose")
            assert await docs.count() == 1

            async def add(id: int) -> None:
                async with db.transaction() as tx:
                    await (await tx.collection("docs")).upsert({"id": id, "vector": [1]})

            await asyncio.gather(*(add(id) for id in range(10, 15)))
            assert await docs.count() == 6

    asyncio.run(main())


def test_a_cancelled_transaction_does_not_stay_open() -> None:
    async def main() -> None:
        async with await lodedb.aio.open(":memory:") as db:
            docs = await db.collection("docs", dim=1)

            async def wait() -> None:
                async with db.transaction():
                    raise AssertionError("it was never its turn")

            async with db.transaction():
                waiting = asyncio.create_task(wait())
                await asyncio.sleep(0.1)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            await asyncio.wait_for(docs.upsert({"id": 1, "vector": [1]}), timeout=30)

    asyncio.run(main())


def test_nothing_is_missing() -> None:
    pairs: list[tuple[type, type]] = [
        (lodedb.aio.Database, lodedb.Database),
        (lodedb.aio.Collection, lodedb.Collection),
        (lodedb.aio.Transaction, lodedb.Transaction),
        (lodedb.aio.TransactionCollection, lodedb.TransactionCollection),
    ]
    for ours, theirs in pairs:
        for name in dir(theirs):
            if not name.startswith("_") and name not in ("name", "transaction"):
                call = getattr(ours, name)
                assert inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call), name
