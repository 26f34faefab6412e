"""Somebody who asks: the shortest way to put requests into a queue and to look at them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.records import Identity, NewRequest, Platform, RequestState, RequestView, WorkerStatus
from storage import requests, users, workers
from storage.database import Database
from storage.queue import SqlQueue

ANN = Identity(platform=Platform.TERMINAL, external_id="ann")
PATIENCE_SECONDS = 60.0  # a process that it waits for may start slowly
Result = TypeVar("Result")


async def eventually(look: Callable[[], Awaitable[Result]]) -> Result:
    """Look again and again until what is seen is true, and return it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (seen := await look()):
            await asyncio.sleep(0.02)
    return seen


class Person:
    """Asks through the real queue and reads the real rows."""

    def __init__(self, database: Database, queue: SqlQueue) -> None:
        self._database = database
        self._queue = queue

    async def ask(self, subject: str, *, timeout_seconds: float = 120.0) -> str:
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, ANN)
            request = NewRequest(idea=subject, subject=subject, timeout_seconds=timeout_seconds)
            return await self._queue.enqueue(session, user_id, request)

    async def view(self, request_id: str) -> RequestView:
        async with self._database.read() as session:
            return await requests.view(session, request_id, viewer_id=None)

    async def states(self, *request_ids: str) -> list[RequestState]:
        return [(await self.view(request_id)).state for request_id in request_ids]

    async def cancel(self, request_id: str) -> None:
        async with self._database.write() as session:
            user_id = await users.ensure_user(session, ANN)
            assert await requests.cancel(session, request_id, user_id=user_id)

    async def workers(self) -> list[WorkerStatus]:
        async with self._database.read() as session:
            return await workers.live(session, within_seconds=60)

    async def sees(self, state: RequestState, *request_ids: str) -> None:
        """Wait until all the requests are in `state`."""

        async def look() -> bool:
            return set(await self.states(*request_ids)) == {state}

        await eventually(look)
