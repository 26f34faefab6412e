"""A generator without a model, and a queue whose database is busy now and then."""

import math
import threading
import time
from collections.abc import Sequence

from core.errors import OutOfMemory, StorageBusy
from core.records import CandidateDraft, ClaimedRequest, ModelInfo
from falcon.generator import Generated, GenerationRequest
from storage.queue import SqlQueue

STEP_SECONDS = 0.005
MODEL = ModelInfo(base="fake", adapter=None, precision="fp32", device="cpu")


class FakeGenerator:
    """Writes `<subject>, idea <n>` after `delay_seconds`, and misbehaves as told.

    A batch with a subject that contains `poison` crashes; so do the first `num_crashes` batches. A batch of
    more than `max_requests` does not fit into memory. For the subject `silence` it writes nothing, for `nonsense`
    it gives a score that is no number. `batches` records the subjects of every call.
    """

    def __init__(self, *, delay_seconds: float = 0.0, num_crashes: int = 0, max_requests: int | None = None) -> None:
        self.delay_seconds = delay_seconds
        self.max_requests = max_requests
        self.batches: list[tuple[str, ...]] = []
        self.threads: set[str] = set()
        self.decoding = threading.Event()
        self._crashes_left = num_crashes

    @property
    def info(self) -> ModelInfo:
        return MODEL

    @property
    def settings(self) -> dict[str, object]:
        return {"num_beams": 1}

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        started = time.monotonic()
        self.batches.append(tuple(request.subject for request in requests))
        self.threads.add(threading.current_thread().name)
        self.decoding.set()
        self._misbehave(requests)
        while time.monotonic() - started < self.delay_seconds:
            if all(request.is_cancelled() for request in requests):
                break
            time.sleep(STEP_SECONDS)
        seconds = time.monotonic() - started
        return [
            Generated(request_id=request.id, candidates=_candidates(request), decoding_seconds=seconds)
            for request in requests
        ]

    def _misbehave(self, requests: Sequence[GenerationRequest]) -> None:
        if self.max_requests is not None and len(requests) > self.max_requests:
            raise OutOfMemory(f"{len(requests)} requests do not fit")
        if self._crashes_left > 0:
            self._crashes_left -= 1
            raise RuntimeError("the fake model crashed")
        if any("poison" in request.subject for request in requests):
            raise RuntimeError("the fake model was poisoned")


def _candidates(request: GenerationRequest) -> tuple[CandidateDraft, ...]:
    if request.is_cancelled() or request.subject == "silence":
        return ()
    score = math.nan if request.subject == "nonsense" else -0.5
    return tuple(
        CandidateDraft(rank=rank, text=f"{request.subject}, idea {rank}", score=score * rank)
        for rank in range(1, request.num_candidates + 1)
    )


class SometimesBusyQueue(SqlQueue):
    """The real queue, whose next `busy_times` claims and completions find the database locked.

    So do its next `busy_releases` releases.
    """

    busy_times = 0
    busy_releases = 0

    async def claim(self, worker_id: str, limit: int, *, only: str | None = None) -> list[ClaimedRequest]:
        self._be_busy()
        return await super().claim(worker_id, limit, only=only)

    async def complete(self, *args: object, **kwargs: object) -> bool:
        self._be_busy()
        return await super().complete(*args, **kwargs)

    async def release(self, claim: ClaimedRequest) -> bool:
        if self.busy_releases > 0:
            self.busy_releases -= 1
            raise StorageBusy("the database is locked by a test")
        return await super().release(claim)

    def _be_busy(self) -> None:
        if self.busy_times > 0:
            self.busy_times -= 1
            raise StorageBusy("the database is locked by a test")
