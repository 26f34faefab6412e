"""A worker without a model: claims from the real queue and answers with prompts made from the subject.

Tests pause it to look at waiting, and read `answered` to see that nothing is answered twice.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import StorageBusy
from core.records import CandidateDraft, ClaimedRequest, ModelInfo, WorkerState
from storage import workers
from storage.database import Database
from storage.queue import SqlQueue

MODEL = ModelInfo(base="models/pocket", adapter=None, precision="fp32", device="cpu")
WORKER_ID = "fake-worker"
IDLE_SECONDS = 0.02
MAX_LOOKS = 25  # without a claim: a file system may tell too coarsely when something was written
HEARTBEAT_SECONDS = 5.0

ENDINGS = (
    "long shadows at golden hour, deep prints, shot on 35 mm film, quiet and cold --ar 16:9 --stylize 250",
    "watercolour on rough paper, loose brushwork, pale blues with one red scarf::2 --ar 2:3",
    "low angle, snow crystals frozen in flash light, high contrast, documentary photograph --chaos 12",
    "children's book illustration, gouache, pine forest under a violet sky, soft grain --ar 4:5 --raw",
)


def drafts_for(subject: str, num_candidates: int) -> list[CandidateDraft]:
    """Return different prompts that all keep the subject, best first."""
    return [
        CandidateDraft(rank=rank, text=f"{subject}, {ENDINGS[(rank - 1) % len(ENDINGS)]}", score=-0.5 - rank / 10)
        for rank in range(1, num_candidates + 1)
    ]


class FakeWorker:
    """Answers until left; `pause` and `resume` stop and start claiming."""

    def __init__(self, database: Database, queue: SqlQueue, *, batch: int = 4) -> None:
        self._database = database
        self._queue = queue
        self._batch = batch
        self._may_claim = asyncio.Event()
        self._may_claim.set()
        self._state: WorkerState | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._log = _log_of(database)
        self.answered: list[str] = []

    async def __aenter__(self) -> Self:
        await self.announce(WorkerState.READY)
        self._tasks = [asyncio.create_task(self._claim_and_answer()), asyncio.create_task(self._stay_known())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled():
                task.result()

    def pause(self) -> None:
        self._may_claim.clear()

    def resume(self) -> None:
        self._may_claim.set()

    async def announce(self, state: WorkerState) -> None:
        self._state = state
        model = None if state is WorkerState.LOADING else MODEL
        async with self._database.write() as session:
            await workers.announce(session, WORKER_ID, state, model)

    async def retire(self) -> None:
        self._state = None
        async with self._database.write() as session:
            await workers.retire(session, WORKER_ID)

    async def _stay_known(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._state is not None:
                with suppress(StorageBusy):  # as the real one: a test may hold the database for long
                    await self.announce(self._state)

    async def _claim_and_answer(self) -> None:
        while True:
            await self._may_claim.wait()
            written = self._written()
            claims = await self._claim()
            for claim in claims:
                await self._answer(claim)
            if not claims:
                await self._until_written_after(written)

    async def _until_written_after(self, written: tuple[int, int]) -> None:
        """Wait without a query: one costs more than all else that a waiting test does."""
        for _ in range(MAX_LOOKS):
            await asyncio.sleep(IDLE_SECONDS)
            if self._written() != written:
                return

    def _written(self) -> tuple[int, int]:
        """Return what changes whenever any process writes to the database."""
        try:
            found = self._log.stat()
        except FileNotFoundError:  # nobody has written yet
            return 0, 0
        return found.st_mtime_ns, found.st_size

    async def _claim(self) -> list[ClaimedRequest]:
        try:
            return await self._queue.claim(WORKER_ID, self._batch)
        except StorageBusy:
            return []

    async def _answer(self, claim: ClaimedRequest) -> None:
        drafts = drafts_for(claim.subject, claim.num_candidates)
        if await self._queue.complete(claim, drafts, MODEL, {"num_beams": 8}, 0.1):
            self.answered.append(claim.id)


def _log_of(database: Database) -> Path:
    """Return SQLite's write-ahead log, to which every transaction that changes anything is written."""
    engine = database.engine_for_sdk()
    assert isinstance(engine, AsyncEngine)
    return Path(f"{engine.url.database}-wal")
