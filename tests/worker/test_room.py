"""A worker gives a training the room that it asks for, takes it back afterwards, and loses nobody's request."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest

from core.cycles import CycleState, Room
from core.errors import ModelCrashed, NotEnoughMemory
from core.records import ModelInfo, RequestState, WorkerState
from core.settings import Settings
from storage import cycles, room
from storage.database import Database
from storage.training_runs import Owner
from tests.worker.fakes import MODEL, FakeRunningGenerator, SometimesBusyQueue
from tests.worker.people import Person, eventually
from worker.engine_thread import EngineThread
from worker.loop import Worker
from worker.room import GivenRoom

WAY = (CycleState.PLANNED, CycleState.BUILDING, CycleState.TRAINING)
SOON_SECONDS = 0.02


class Loaded(FakeRunningGenerator):
    """A running generator of a model in some form."""

    def __init__(self, model: ModelInfo) -> None:
        super().__init__()
        self._model = model

    @property
    def info(self) -> ModelInfo:
        return self._model


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
    async def process(
        self, *givable: Room, model: ModelInfo = MODEL
    ) -> AsyncIterator[tuple[Worker, "asyncio.Task[None]"]]:
        """Run a worker as a fresh process does, until the block is left."""
        given = GivenRoom(givable=lambda: givable)

        def load() -> FakeRunningGenerator:
            self.loaded.append(given.settings(self._settings).precision)
            return Loaded(model)

        worker = self.worker(load, given)
        running = asyncio.create_task(worker.run())
        yield worker, running
        worker.drain()
        await asyncio.wait_for(running, 10)

    def worker(self, load: Callable[[], FakeRunningGenerator], given: GivenRoom | None = None) -> Worker:
        room = given or GivenRoom(givable=lambda: tuple(Room))
        return Worker(self._database, self._queue, EngineThread(load), self._settings, room=room)


@pytest.fixture
def shared(
    database: Database, queue: SometimesBusyQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Shared:
    monkeypatch.setattr("worker.loop.LOOK_SECONDS", SOON_SECONDS)
    return Shared(database, queue, settings)


async def test_a_worker_makes_way_for_one_in_four_bits_and_that_one_for_the_usual_form(shared: Shared) -> None:
    async with shared.process(*Room) as (usual, running):
        await eventually(lambda: _is(len(shared.loaded) == 1))
        await shared.train(Room.NF4)
        await asyncio.wait_for(running, 10)
        assert usual.needs_fresh_process
    async with shared.process(*Room) as (small, running):
        await eventually(lambda: _is(len(shared.loaded) == 2))
        assert not small.needs_fresh_process
        await shared.end_training()
        await asyncio.wait_for(running, 10)
        assert small.needs_fresh_process
    async with shared.process(*Room):
        await eventually(lambda: _is(len(shared.loaded) == 3))
    assert shared.loaded == ["auto", "nf4", "auto"]


async def test_a_paused_worker_loads_nothing_says_so_and_answers_afterwards(shared: Shared, ann: Person) -> None:
    await shared.train(Room.PAUSE)
    asked = await ann.ask("a cat", timeout_seconds=1.0)
    async with shared.process(*Room):
        await eventually(lambda: _paused(ann))
        (worker,) = await ann.workers()
        assert (worker.state, worker.can_hold_canary) == (WorkerState.LOADING, False)
        await asyncio.sleep(1.1)  # past the deadline that the request had
        assert shared.loaded == []
        await shared.end_training()
        await ann.sees(RequestState.DONE, asked)
        (worker,) = await ann.workers()
        assert (worker.state, worker.is_paused) == (WorkerState.READY, False)


async def test_a_worker_without_a_gpu_gives_none(shared: Shared, ann: Person) -> None:
    await shared.train(Room.PAUSE)
    async with shared.process() as (worker, _):
        await ann.sees(RequestState.DONE, await ann.ask("a cat"))
        assert not worker.needs_fresh_process


async def test_a_worker_that_cannot_serve_in_four_bits_goes_on_as_it_is(shared: Shared, ann: Person) -> None:
    await shared.train(Room.NF4)
    async with shared.process(Room.PAUSE) as (worker, _):
        await ann.sees(RequestState.DONE, await ann.ask("a cat"))
        assert not worker.needs_fresh_process
    assert shared.loaded == ["auto"]


async def test_a_worker_in_four_bits_anyway_does_not_start_anew(shared: Shared, ann: Person) -> None:
    small = replace(MODEL, precision="nf4")
    async with shared.process(*Room, model=small) as (worker, _):
        await ann.sees(RequestState.DONE, await ann.ask("a cat"))
        await shared.train(Room.NF4)
        await asyncio.sleep(5 * SOON_SECONDS)
        await ann.sees(RequestState.DONE, await ann.ask("a dog"))
        assert not worker.needs_fresh_process


@pytest.mark.parametrize("is_trained", [True, False])
async def test_a_worker_gives_up_for_want_of_memory_only_while_nobody_trains(shared: Shared, is_trained: bool) -> None:
    """A model that did not fit beside a training ended the worker for good."""
    if is_trained:
        await shared.train(Room.NF4)
    worker = shared.worker(_short_of_memory)
    with pytest.raises(ModelCrashed if is_trained else NotEnoughMemory, match=r"needs 14\.8 GiB"):
        await worker.run()


def _short_of_memory() -> FakeRunningGenerator:
    raise NotEnoughMemory("The model needs 14.8 GiB on the GPU in bf16, and 2.0 GiB are free.")


async def _paused(ann: Person) -> bool:
    return any(worker.is_paused for worker in await ann.workers())


async def _is(truth: bool) -> bool:
    return truth
