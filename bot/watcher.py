"""Waiting for requests to change, for any number of waiters with one query per tick.

One task polls while somebody waits, and ends when nobody does. It knows nothing of HTTP or of who is waiting:
a waiter says which progress mark it has seen and is woken once the request shows another.
"""

import asyncio
from dataclasses import dataclass

from core.errors import StorageBusy
from core.records import RequestView
from storage import requests
from storage.database import Database

POLL_INTERVAL_SECONDS = 0.1


def progress_mark(view: RequestView) -> str:
    """Return what a waiting person can see change: the state, and the place in the line while queued."""
    return view.state.value if view.position is None else f"{view.state.value}:{view.position}"


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    request_id: str
    seen: str
    changed: asyncio.Future[None]


class RequestWatcher:
    """Wakes waiters when their request's progress mark changes."""

    def __init__(self, database: Database, *, interval_seconds: float = POLL_INTERVAL_SECONDS) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._waiters: set[_Waiter] = set()
        self._polling: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def num_waiting(self) -> int:
        return len(self._waiters)

    async def wait_for_change(self, request_id: str, *, seen: str, timeout_seconds: float) -> None:
        """Return once the request's mark is not `seen`, it is gone, the time is up, or the watcher closes.

        Raises:
            StorageError: the database cannot be read; everybody who waits is told.
        """
        if self._is_closed:
            return
        waiter = _Waiter(request_id, seen, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        self._keep_polling()
        try:
            async with asyncio.timeout(timeout_seconds):
                await waiter.changed
        except TimeoutError:
            return
        finally:
            self._waiters.discard(waiter)

    async def close(self) -> None:
        """Wake everybody and stop polling; later waits return at once."""
        self._is_closed = True
        for waiter in self._waiters:
            _wake(waiter)
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    def _keep_polling(self) -> None:
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="request watcher")

    async def _poll(self) -> None:
        while self._waiters:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self._wake_changed()
            except StorageBusy:
                continue
            except Exception as error:
                for waiter in self._waiters:
                    _wake(waiter, error)

    async def _wake_changed(self) -> None:
        waiters = tuple(self._waiters)
        watched = sorted({waiter.request_id for waiter in waiters})
        async with self._database.read() as session:
            views = await requests.views(session, watched, viewer_id=None)
        marks = {request_id: progress_mark(view) for request_id, view in views.items()}
        for waiter in waiters:
            if marks.get(waiter.request_id) != waiter.seen:
                _wake(waiter)


def _wake(waiter: _Waiter, error: Exception | None = None) -> None:
    if waiter.changed.done():
        return
    if error is None:
        waiter.changed.set_result(None)
    else:
        waiter.changed.set_exception(error)
