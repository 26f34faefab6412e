"""From claimed requests to stored answers: decode together, and when that fails, save what can be saved.

Out of memory halves the batch; a crash decodes each request alone, so that one cannot take the others down. Batches
that decode at the same time, in a running generator, count as one for that: what fails beside others tries again alone.
It does not know where requests come from or when the process ends; what it leaves unsettled goes back to the
queue.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from core.backoff import backoff_seconds
from core.errors import MjpromptError, ModelCrashed, OutOfMemory, RequestFailed, StorageBusy, StorageError
from core.logs import get_logger
from core.records import ClaimedRequest, ModelInfo
from falcon.generator import Generated
from storage.queue import JobQueue
from worker.batching import BatchLimit, halves
from worker.company import Company, Stay
from worker.engine_thread import EngineThread
from worker.heartbeat import leases_kept
from worker.held_request import HeldRequest
from worker.served_adapters import ServedAdapters

MAX_CRASHES = 3  # single requests crashing in a row before the process is given up
MAX_STORE_ATTEMPTS = 4
CRASHED = "The model stopped while it wrote this answer; please ask again."
TOO_LARGE = "The worker's memory is too small for this request; please ask again with a shorter idea."
NOT_DECODED = "The model could not write an answer to this idea; please ask again in other words."
WROTE_NOTHING = "The model wrote nothing for this idea; please ask again in other words."
NOT_STORED = "The answer to this idea could not be stored; please ask again."
Result = TypeVar("Result")
Batch = Sequence[HeldRequest]
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was written for a request, and by which model and adapter."""

    request: HeldRequest
    generated: Generated
    model: ModelInfo


class Answerer:
    """Answers claimed requests with one loaded model; it remembers how large a batch may be."""

    def __init__(
        self,
        queue: JobQueue,
        engine: EngineThread,
        *,
        model: ModelInfo,
        max_batch_requests: int,
        lease_seconds: float,
        adapters: ServedAdapters | None = None,
    ) -> None:
        """Answer with `model` and, where there are any, the `adapters` beside it."""
        self._queue = queue
        self._engine = engine
        self._model = model
        self._adapters = adapters or ServedAdapters()
        self._lease_seconds = lease_seconds
        self._limit = BatchLimit(current=max_batch_requests, maximum=max_batch_requests)
        self._crashes = 0
        self._company = Company()

    @property
    def max_requests(self) -> int:
        """How many requests fit into one batch at present."""
        return self._limit.current

    @property
    def is_exclusive(self) -> bool:
        """Whether a request has the model to itself or waits for that; others would only wait."""
        return self._company.is_closed

    async def answer(self, claims: Sequence[ClaimedRequest], *, returned: Sequence[ClaimedRequest] = ()) -> None:
        """Settle every claim; when an error or cancellation ends this early, the rest goes back to the queue.

        `returned` were claimed with them but are not wanted now: they go back first.

        Raises:
            ModelCrashed: single requests failed several times in a row.
            StorageBusy, StorageError: the database could not be written at all.
        """
        held = [HeldRequest(claim) for claim in claims]
        unwanted = [HeldRequest(claim) for claim in returned]
        try:
            async with leases_kept(self._queue, [*held, *unwanted], lease_seconds=self._lease_seconds):
                await self._give_back(unwanted)
                await self._answer_all(held)
        finally:
            await self._give_back([*held, *unwanted])

    async def _answer_all(self, held: Batch) -> None:
        waiting = deque([held])
        while waiting:
            waiting.extendleft(reversed(await self._answer_together(waiting.popleft())))

    async def _answer_together(self, batch: Batch) -> list[Batch]:
        """Decode one batch and store its answers; return smaller batches to try instead when it failed."""
        wanted = [request for request in batch if not request.is_cancelled()]
        for request in batch:
            if request not in wanted:
                await self._settle_unanswered(request)
        if not wanted:
            return []
        stay, alone = Stay(len(wanted)), any(request.goes_alone for request in wanted)
        async with self._company.joined(stay, max_requests=self.max_requests, alone=alone):
            self._require_sane_model()  # who waited for their turn may come too late
            return await self._answer_inside(wanted, stay)

    async def _answer_inside(self, batch: Batch, stay: Stay) -> list[Batch]:
        try:
            answers = await self._decode(batch)
        except OutOfMemory:
            return await self._after_out_of_memory(batch, stay)
        except RequestFailed:
            return await self._after_failure(batch)
        except Exception:
            return await self._after_crash(batch, stay)
        self._crashes = 0
        self._limit = self._limit.after_success(stay.most_requests)
        for answer in answers:
            await self._store_answer(answer)
        return []

    async def _decode(self, batch: Batch) -> list[_Answer]:
        with self._adapters.used_by([request.claim.id for request in batch]) as adapters:
            asked = [request.to_generate(adapter) for request, adapter in zip(batch, adapters, strict=True)]
            generated = await self._engine.generate(asked)
        models = [replace(self._model, adapter=adapter or self._model.adapter) for adapter in adapters]
        return [_Answer(*one) for one in zip(batch, generated, models, strict=True)]

    async def _after_out_of_memory(self, batch: Batch, stay: Stay) -> list[Batch]:
        self._limit = self._limit.after_out_of_memory(stay.most_requests)
        log.warning("batch.out_of_memory", requests=stay.most_requests, max_requests=self._limit.current)
        if len(batch) > 1:
            return halves(batch)
        if stay.is_in_company:  # it may fit beside fewer
            return [batch]
        await self._fail(batch[0], TOO_LARGE)
        return []

    async def _after_failure(self, batch: Batch) -> list[Batch]:
        """Record that a request failed by itself; the model is sound."""
        if len(batch) > 1:
            return _alone(batch)
        log.exception("request.undecodable", request_id=batch[0].claim.id)
        await self._fail(batch[0], NOT_DECODED)
        return []

    async def _after_crash(self, batch: Batch, stay: Stay) -> list[Batch]:
        log.exception("batch.crashed", request_ids=[request.claim.id for request in batch])
        if len(batch) > 1 or stay.is_in_company:
            return _alone(batch)
        await self._fail(batch[0], CRASHED)
        self._crashes += 1
        self._require_sane_model()
        return []

    def _require_sane_model(self) -> None:
        """Raises: ModelCrashed, once it is given up."""
        if self._crashes >= MAX_CRASHES:
            raise ModelCrashed(f"The model crashed {self._crashes} times in a row; the worker must start afresh.")

    async def _store_answer(self, answer: _Answer) -> None:
        request = answer.request
        if not answer.generated.candidates:
            await self._settle_unanswered(request)
            return
        try:
            is_stored = await _patiently(lambda: self._complete(answer))
        except StorageError:  # of this answer alone, or else recording the failure raises as well
            log.exception("request.not_stored", request_id=request.claim.id)
            await self._fail(request, NOT_STORED)
            return
        request.is_settled = True
        log.info(
            "request.answered" if is_stored else "request.answered_too_late",
            request_id=request.claim.id,
            attempt=request.claim.attempt,
            adapter=answer.model.adapter,
            decoding_seconds=round(answer.generated.decoding_seconds, 3),
        )

    async def _complete(self, answer: _Answer) -> bool:
        claim, written = answer.request.claim, answer.generated
        settings = dict(self._engine.decode_settings)
        return await self._queue.complete(claim, written.candidates, answer.model, settings, written.decoding_seconds)

    async def _settle_unanswered(self, request: HeldRequest) -> None:
        """Record why there is no answer; a cancelled or lost request has its state already."""
        if request.is_overdue():
            await _patiently(self._queue.expire_overdue)
        elif not request.is_cancelled():
            await self._fail(request, WROTE_NOTHING)
        request.is_settled = True

    async def _fail(self, request: HeldRequest, error: str) -> None:
        state = await _patiently(lambda: self._queue.fail(request.claim, error))
        request.is_settled = True
        log.warning("request.failed", request_id=request.claim.id, attempt=request.claim.attempt, state=state)

    async def _give_back(self, held: Batch) -> None:
        for request in held:
            request.stop()
            if request.is_settled:
                continue
            try:
                await _patiently(partial(self._queue.release, request.claim))
                request.is_settled = True
                log.info("request.released", request_id=request.claim.id)
            except MjpromptError as error:  # its lease runs out instead
                log.warning("request.not_released", request_id=request.claim.id, error=str(error))


def _alone(batch: Batch) -> list[Batch]:
    """Return each request as a batch of its own that has the model to itself."""
    for request in batch:
        request.goes_alone = True
    return [[request] for request in batch]


async def answer_only(queue: JobQueue, answerer: Answerer, *, worker_id: str, request_id: str) -> bool:
    """Answer just this request, trying again as the queue allows; False when it could not be claimed."""
    is_claimed = False
    while claims := await queue.claim(worker_id, 1, only=request_id):
        is_claimed = True
        await answerer.answer(claims)
    return is_claimed


async def _patiently(store: Callable[[], Awaitable[Result]]) -> Result:
    """Call `store` until the database is free. Raises: StorageBusy after the last attempt."""
    for attempt in itertools.count(1):
        try:
            return await store()
        except StorageBusy:
            if attempt >= MAX_STORE_ATTEMPTS:
                raise
        await asyncio.sleep(backoff_seconds(attempt))
    raise AssertionError("unreachable")
