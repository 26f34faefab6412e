"""Serving with a running generator: claims join and leave one by one, each answered by a task of its own.

It knows neither the model nor how an answer comes about, and nothing of the rest of the worker's life.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

from core.backoff import backoff_seconds
from core.errors import ModelCrashed, StorageBusy, StorageError
from core.logs import get_logger
from core.records import ClaimedRequest
from storage.queue import JobQueue
from worker.answering import Answerer
from worker.batching import choose_batch

log = get_logger(__name__)


class ContinuousServing:
    """Keeps the model's running batch full from the queue."""

    def __init__(self, queue: JobQueue, answerer: Answerer, *, worker_id: str, poll_seconds: float) -> None:
        self._queue = queue
        self._answerer = answerer
        self._worker_id = worker_id
        self._poll_seconds = poll_seconds
        self._answering: set[asyncio.Task[None]] = set()
        self._is_abandoned = False
        self._failures = 0  # of the database, in a row

    async def serve(self, draining: asyncio.Event) -> None:
        """Claim and answer until `draining` is set, then finish what is held.

        Raises:
            ModelCrashed: single requests failed several times in a row; everything held was given back.
        """
        drained = asyncio.create_task(draining.wait(), name="await drain")
        try:
            while not draining.is_set():
                await self._claim()
                await self._wait(drained)
                self._look_at_ended()
            while self._answering:
                await asyncio.wait(self._answering)
                self._look_at_ended()
        except ModelCrashed:  # it was alone, so all others wait for their turn: they find out and give back themselves
            await asyncio.gather(*self._answering, return_exceptions=True)
            raise
        finally:
            drained.cancel()
            self.stop_now()
            await asyncio.gather(*self._answering, return_exceptions=True)

    def stop_now(self) -> None:
        """Give back what is held instead of finishing it; a second time changes nothing, for that takes a moment."""
        if self._is_abandoned:
            return
        self._is_abandoned = True
        for task in self._answering:
            task.cancel()

    async def _claim(self) -> None:
        """Claim what there is room for and let it be answered."""
        room = 0 if self._answerer.is_exclusive else self._answerer.max_requests - len(self._answering)
        if room <= 0:
            return
        try:
            claims = await self._queue.claim(self._worker_id, room)
        except (StorageBusy, StorageError) as error:
            self._note_failure(error)
            return
        self._failures = 0
        held, returned = choose_batch(claims) if not self._is_abandoned else ([], claims)
        for claim in held:
            self._start([claim])
        if returned:
            self._start([], returned=returned)

    def _start(self, claims: Sequence[ClaimedRequest], *, returned: Sequence[ClaimedRequest] = ()) -> None:
        answer = self._answerer.answer(claims, returned=returned)
        self._answering.add(asyncio.create_task(answer, name="answer request"))

    async def _wait(self, drained: asyncio.Task[Literal[True]]) -> None:
        """Wait until an answer has ended or it is time to look into the queue again; for a busy database, longer."""
        if self._failures:
            await asyncio.wait({drained}, timeout=backoff_seconds(self._failures))
            return
        tasks = {drained, *self._answering}
        await asyncio.wait(tasks, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)

    def _look_at_ended(self) -> None:
        """Forget the tasks that have ended. Raises: what one raised, unless the database was the cause."""
        ended = {task for task in self._answering if task.done()}
        self._answering -= ended
        errors = [task.exception() for task in ended if not task.cancelled()]
        for error in errors:
            if isinstance(error, StorageBusy | StorageError):
                self._note_failure(error)
            elif error is not None:
                raise error

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        log.warning("storage.waiting", error=str(error), failures=self._failures)
