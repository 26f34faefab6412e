"""Generators without a model, plain and running, and a queue whose database is busy now and then."""

import math
import threading
import time
from collections.abc import Sequence

from core.errors import OutOfMemory, StorageBusy
from core.records import CandidateDraft, ClaimedRequest, ModelInfo
from falcon.generator import Failure, Generated, GenerationRequest, Outcome
from falcon.serving_metrics import Ending, ServingMetrics
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


class FakeRunningGenerator:
    """Writes what `FakeGenerator` writes, each request `delay_seconds` after it joined, and misbehaves as told.

    A step with a request inside whose subject contains `poison` crashes and loses everything inside; so do the first
    `num_crashes` steps. A step with more than `max_requests` does not fit into memory, with the same loss. A subject
    that contains `venom` fails that request alone, one with `quick` takes no time. `batches` records the subjects
    inside whenever they change.
    """

    def __init__(
        self,
        *,
        delay_seconds: float = 0.0,
        num_crashes: int = 0,
        max_requests: int | None = None,
        capacity: int = 4,
    ) -> None:
        self.delay_seconds = delay_seconds
        self.max_requests = max_requests
        self.batches: list[tuple[str, ...]] = []
        self.threads: set[str] = set()
        self.decoding = threading.Event()
        self._capacity = capacity
        self._crashes_left = num_crashes
        self._metrics = ServingMetrics()
        self._waiting: list[tuple[GenerationRequest, float]] = []  # with the time it was submitted
        self._inside: list[tuple[GenerationRequest, float]] = []  # with the time it joined

    @property
    def info(self) -> ModelInfo:
        return MODEL

    @property
    def settings(self) -> dict[str, object]:
        return {"num_beams": 1}

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def num_inside(self) -> int:
        return len(self._inside) + len(self._waiting)

    @property
    def metrics(self) -> ServingMetrics:
        return self._metrics

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generated]:
        for request in requests:
            self.submit(request)
        outcomes: dict[str, Outcome] = {}
        while self.num_inside:
            outcomes |= {outcome.request_id: outcome for outcome in self.step()}
        return [_required(outcomes[request.id]) for request in requests]

    def submit(self, request: GenerationRequest) -> None:
        self._waiting.append((request, time.monotonic()))

    def step(self) -> list[Outcome]:
        if not self.num_inside:
            return []
        started = time.monotonic()
        self._seat(started)
        self.threads.add(threading.current_thread().name)
        self.decoding.set()
        try:
            self._misbehave()
        except Exception:
            self._inside, self._waiting = [], []
            raise
        time.sleep(STEP_SECONDS)
        ended = [(request, joined) for request, joined in self._inside if self._has_ended(request, joined)]
        self._inside = [seat for seat in self._inside if seat not in ended]
        self._metrics.count_step(time.monotonic() - started)
        self._metrics.set_load(num_rows=len(self._inside), num_requests=self.num_inside)
        return [self._outcome(request, joined) for request, joined in ended]

    def best_so_far(self, request_id: str) -> str | None:
        return next((f"{request.subject}, so far" for request, _ in self._inside if request.id == request_id), None)

    def _seat(self, now: float) -> None:
        num_free = self._capacity - len(self._inside)
        seated, self._waiting = self._waiting[:num_free], self._waiting[num_free:]
        for request, submitted in seated:
            self._metrics.count_joining(wait_seconds=now - submitted)
            self._inside.append((request, now))
        batch = tuple(request.subject for request, _ in self._inside)
        if seated or self.batches[-1] != batch:
            self.batches.append(batch)

    def _misbehave(self) -> None:
        if self.max_requests is not None and len(self._inside) > self.max_requests:
            raise OutOfMemory(f"{len(self._inside)} requests do not fit")
        if self._crashes_left > 0:
            self._crashes_left -= 1
            raise RuntimeError("the fake model crashed")
        if any("poison" in request.subject for request, _ in self._inside):
            raise RuntimeError("the fake model was poisoned")

    def _has_ended(self, request: GenerationRequest, joined: float) -> bool:
        delay_seconds = 0.0 if "quick" in request.subject else self.delay_seconds
        return "venom" in request.subject or request.is_cancelled() or time.monotonic() - joined >= delay_seconds

    def _outcome(self, request: GenerationRequest, joined: float) -> Outcome:
        seconds = time.monotonic() - joined
        if "venom" in request.subject:
            self._metrics.count_ending(Ending.FAILED, seconds=seconds)
            return Failure(request_id=request.id, error=RuntimeError("the fake request was venomous"))
        ending = Ending.CANCELLED if request.is_cancelled() else Ending.DONE
        self._metrics.count_ending(ending, seconds=seconds)
        return Generated(request_id=request.id, candidates=_candidates(request), decoding_seconds=seconds)


def _required(outcome: Outcome) -> Generated:
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


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
