"""A worker gives a training the room that it asks for, takes it back afterwards, and loses nobody's request."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from core.cycles import CycleState, Room
from core.records import RequestState, WorkerState
from core.settings import Settings
from storage import cycles, room
from storage.database import Database
from storage.training_runs import Owner
from tests.worker.fakes import FakeRunningGenerator, SometimesBusyQueue
from tests.worker.people import Person, eventually
from worker.engine_thread import EngineThread
from worker.loop import Worker
from worker.room import GivenRoom

WAY = (CycleState.PLANNED, CycleState.BUILDING, CycleState.TRAINING)
SOON_SECONDS = 0.02


class Shared:
    """One GPU with a worker, and a cycle that trains beside it."""

    def __init__(self, database: Database, queue: SometimesBusyQueue, settings: Settings) -> None:
        self._database, self._queue, self._settings = database, queue, settings
        self.loaded: list[str] = []
        self._cycle = ""

    async def train(self, wanted: Room) -> None:
        """Begin to train, and ask for room."""
        async with self._database.write() as session:
            self._cycle = await cycles.create(
                session, base_model="pocket", champion_id=None, config={}, is_automatic=False
            )
            owner = Owner(socket.gethostname(), 1)
            await cycles.claim(session, self._cycle, owner=owner, is_alive=lambda _: True)
            for before, after in pairwise(WAY):
                assert await cycles.advance(session, self._cycle, before=before, after=after)
            await room.ask(session, self._cycle, wanted)

    async def end_training(self) -> None:
        async with self._database.write() as session:
            assert await cycles.finish(session, self._cycle, after=CycleState.REJECTED, reason="The gate said no.")

    @asynccontextmanager
    async def process(self, *, has_gpu: bool = True) -> AsyncIterator[tuple[Worker, "asyncio.Task[None]"]]:
        """Run a worker as a fresh process does, until the block is left."""
        given = GivenRoom(has_gpu=lambda: has_gpu)

        def load() -> FakeRunningGenerator:
            self.loaded.append(given.settings(self._settings).precision)
            return FakeRunningGenerator()

        worker = Worker(self._database, self._queue, EngineThread(load), self._settings, room=given)
        running = asyncio.create_task(worker.run())
        yield worker, running
        worker.drain()
        await asyncio.wait_for(running, 10)


@pytest.fixture
def shared(
    database: Database, queue: SometimesBusyQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Shared:
    monkeypatch.setattr("worker.loop.LOOK_SECONDS", SOON_SECONDS)
    return Shared(database, queue, settings)


async def test_a_worker_makes_way_for_one_in_four_bits_and_that_one_for_the_usual_form(shared: Shared) -> None:
    async with shared.process() as (usual, running):
        await eventually(lambda: _is(len(shared.loaded) == 1))
        await shared.train(Room.NF4)
        await asyncio.wait_for(running, 10)
        assert usual.needs_fresh_process
    async with shared.process() as (small, running):
        await eventually(lambda: _is(len(shared.loaded) == 2))
        assert not small.needs_fresh_process
        await shared.end_training()
        await asyncio.wait_for(running, 10)
        assert small.needs_fresh_process
    async with shared.process():
        await eventually(lambda: _is(len(shared.loaded) == 3))
    assert shared.loaded == ["auto", "nf4", "auto"]


async def test_a_paused_worker_loads_nothing_says_so_and_answers_afterwards(shared: Shared, ann: Person) -> None:
    await shared.train(Room.PAUSE)
    asked = await ann.ask("a cat", timeout_seconds=0.2)
    async with shared.process():
        await eventually(lambda: _paused(ann))
        (worker,) = await ann.workers()
        assert (worker.state, worker.can_hold_canary) == (WorkerState.LOADING, False)
        await asyncio.sleep(0.3)  # past the deadline that the request had
        assert shared.loaded == []
        await shared.end_training()
        await ann.sees(RequestState.DONE, asked)
        (worker,) = await ann.workers()
        assert (worker.state, worker.is_paused) == (WorkerState.READY, False)


async def test_a_worker_without_a_gpu_gives_none(shared: Shared, ann: Person) -> None:
    await shared.train(Room.PAUSE)
    async with shared.process(has_gpu=False) as (worker, _):
        await ann.sees(RequestState.DONE, await ann.ask("a cat"))
        assert not worker.needs_fresh_process


async def _paused(ann: Person) -> bool:
    return any(worker.is_paused for worker in await ann.workers())


async def _is(truth: bool) -> bool:
    return truth
