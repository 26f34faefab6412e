"""Waiting for changes: woken in time, one query a tick, nobody forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic

import pytest

from bot.watcher import RequestWatcher, progress_mark
from core.errors import StorageBusy, StorageError
from core.records import Identity, Platform
from storage.database import Database, Session
from tests.bot.conftest import Site

ANNA = Identity(platform=Platform.WEB, external_id="anna")
NOBODYS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class CountingDatabase(Database):
    """Counts read transactions, and fails those that it was told to."""

    def __init__(self, database: Database, *failures: Exception) -> None:
        self._database = database
        self._failures = list(failures)
        self.num_reads = 0

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[Session]:
        self.num_reads += 1
        if self._failures:
            raise self._failures.pop(0)
        async with self._database.read() as session:
            yield session

    def read(self) -> AbstractAsyncContextManager[Session]:
        return self._counted()


async def test_waiter_is_woken_when_its_request_is_answered(site: Site) -> None:
    site.worker.pause()
    request = await site.service.ask(ANNA, "a boy")
    waiting = asyncio.create_task(
        site.watcher.wait_for_change(request.id, seen=progress_mark(request), timeout_seconds=20)
    )
    await asyncio.sleep(0.3)
    assert not waiting.done()
    site.worker.resume()
    started = monotonic()
    await waiting
    assert monotonic() - started < 5


async def test_waiter_returns_when_the_time_is_up_without_a_change(site: Site) -> None:
    site.worker.pause()
    request = await site.service.ask(ANNA, "a boy")
    started = monotonic()
    await site.watcher.wait_for_change(request.id, seen=progress_mark(request), timeout_seconds=0.3)
    assert 0.25 < monotonic() - started < 5
    assert site.watcher.num_waiting == 0


async def test_waiter_for_a_request_that_is_gone_is_woken(site: Site) -> None:
    async with asyncio.timeout(5):
        await site.watcher.wait_for_change(NOBODYS, seen="queued:1", timeout_seconds=60)


async def test_many_waiters_cost_one_read_a_tick_and_none_once_they_are_gone(site: Site) -> None:
    site.worker.pause()
    requests = [await site.service.ask(ANNA, f"idea {number}") for number in range(20)]
    database = CountingDatabase(site.database)
    watcher = RequestWatcher(database, interval_seconds=0.1)
    await asyncio.gather(
        *(
            watcher.wait_for_change(request.id, seen=progress_mark(request), timeout_seconds=0.55)
            for request in requests
            for _ in range(5)
        )
    )
    assert 1 <= database.num_reads <= 6
    num_reads = database.num_reads
    await asyncio.sleep(0.3)
    assert database.num_reads <= num_reads + 1
    await watcher.close()


async def test_busy_database_is_asked_again_at_the_next_tick(site: Site) -> None:
    database = CountingDatabase(site.database, StorageBusy("locked"), StorageBusy("locked"))
    watcher = RequestWatcher(database, interval_seconds=0.01)
    async with asyncio.timeout(5):
        await watcher.wait_for_change(NOBODYS, seen="queued:1", timeout_seconds=60)
    assert database.num_reads == 3
    await watcher.close()


async def test_broken_database_is_told_to_everybody_who_waits(site: Site) -> None:
    database = CountingDatabase(site.database, StorageError("damaged"))
    watcher = RequestWatcher(database, interval_seconds=0.01)
    waits = [watcher.wait_for_change(NOBODYS, seen="queued:1", timeout_seconds=60) for _ in range(3)]
    outcomes = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageError] * 3
    await watcher.close()


async def test_closing_wakes_everybody_and_later_waits_return_at_once(site: Site) -> None:
    site.worker.pause()
    request = await site.service.ask(ANNA, "a boy")
    mark = progress_mark(request)
    waiting = [
        asyncio.create_task(site.watcher.wait_for_change(request.id, seen=mark, timeout_seconds=60)) for _ in range(3)
    ]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await site.watcher.close()
        await asyncio.gather(*waiting)
        await site.watcher.wait_for_change(request.id, seen=mark, timeout_seconds=60)


@pytest.mark.parametrize("num_cancelled", [1, 3])
async def test_waiter_that_goes_away_leaves_the_others_waiting(site: Site, num_cancelled: int) -> None:
    site.worker.pause()
    request = await site.service.ask(ANNA, "a boy")
    mark = progress_mark(request)
    waiting = [
        asyncio.create_task(site.watcher.wait_for_change(request.id, seen=mark, timeout_seconds=20)) for _ in range(4)
    ]
    await asyncio.sleep(0.05)
    for task in waiting[:num_cancelled]:
        task.cancel()
    await asyncio.gather(*waiting[:num_cancelled], return_exceptions=True)
    assert site.watcher.num_waiting == 4 - num_cancelled
    site.worker.resume()
    await asyncio.gather(*waiting[num_cancelled:])
