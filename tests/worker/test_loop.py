"""The worker's life: load, serve, drain; with a plain and with a running generator."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.errors import ModelError
from core.records import RequestState, WorkerState
from core.settings import Settings
from storage.database import Database
from tests.worker.fakes import MODEL, FakeGenerator, FakeRunningGenerator, SometimesBusyQueue
from tests.worker.people import Person, eventually
from worker.engine_thread import EngineThread
from worker.loop import Worker

DONE, QUEUED = RequestState.DONE, RequestState.QUEUED
Fake = FakeGenerator | FakeRunningGenerator

plain_and_running = pytest.mark.parametrize("make_fake", [FakeGenerator, FakeRunningGenerator])


class Workplace:
    """Starts workers on one database."""

    def __init__(self, database: Database, queue: SometimesBusyQueue, settings: Settings) -> None:
        self._database, self._queue, self._settings = database, queue, settings

    @asynccontextmanager
    async def running(self, fake: Fake) -> AsyncIterator[tuple[Worker, asyncio.Task[None]]]:
        worker = Worker(self._database, self._queue, EngineThread(lambda: fake), self._settings)
        running = asyncio.create_task(worker.run())
        yield worker, running
        worker.drain()
        await asyncio.wait_for(running, 10)

    def with_loader(self, load: object) -> Worker:
        return Worker(self._database, self._queue, EngineThread(load), self._settings)  # type: ignore[arg-type]


@pytest.fixture
def workplace(database: Database, queue: SometimesBusyQueue, settings: Settings) -> Workplace:
    return Workplace(database, queue, settings)


@plain_and_running
async def test_worker_answers_what_was_asked_before_and_after_it_started(
    make_fake: type[Fake], workplace: Workplace, ann: Person
) -> None:
    before = await ann.ask("a cat")
    async with workplace.running(make_fake()):
        await ann.sees(DONE, before)
        after = await ann.ask("a dog")
        await ann.sees(DONE, after)


async def test_requests_that_wait_together_are_decoded_together(workplace: Workplace, ann: Person) -> None:
    fake = FakeGenerator()
    asked = [await ann.ask(f"cat {n}") for n in range(6)]
    async with workplace.running(fake):
        await ann.sees(DONE, *asked)
    assert [len(batch) for batch in fake.batches] == [4, 2]


async def test_worker_announces_itself_and_retires(workplace: Workplace, ann: Person) -> None:
    may_load = threading.Event()

    def load() -> FakeGenerator:
        may_load.wait(10)
        return FakeGenerator()

    worker = workplace.with_loader(load)
    running = asyncio.create_task(worker.run())
    (status,) = await eventually(ann.workers)
    assert (status.id, status.state, status.model) == (worker.id, WorkerState.LOADING, None)
    may_load.set()

    async def is_ready() -> bool:
        (status,) = await ann.workers()
        return (status.state, status.model) == (WorkerState.READY, MODEL)

    await eventually(is_ready)
    worker.drain()
    await running
    assert await ann.workers() == []


@plain_and_running
async def test_draining_worker_finishes_what_it_holds_and_claims_nothing_more(
    make_fake: type[Fake], workplace: Workplace, ann: Person
) -> None:
    fake = make_fake(delay_seconds=0.5)
    held = await ann.ask("a cat")
    async with workplace.running(fake) as (worker, running):
        await asyncio.to_thread(fake.decoding.wait)
        late = await ann.ask("a dog")
        worker.drain()

        async def is_draining() -> bool:
            return [status.state for status in await ann.workers()] == [WorkerState.DRAINING]

        await eventually(is_draining)
        await running
    assert await ann.states(held, late) == [DONE, QUEUED]


@plain_and_running
async def test_stopped_worker_gives_back_what_it_holds_at_once(
    make_fake: type[Fake], workplace: Workplace, ann: Person
) -> None:
    fake = make_fake(delay_seconds=60)
    held = await ann.ask("a cat")
    async with workplace.running(fake) as (worker, running):
        await asyncio.to_thread(fake.decoding.wait)
        worker.stop_now()
        await asyncio.wait_for(running, 5)
    assert await ann.states(held) == [QUEUED]


async def test_worker_that_is_still_loading_drains_at_once(workplace: Workplace, ann: Person) -> None:
    may_load = threading.Event()

    def load() -> FakeGenerator:
        may_load.wait(10)
        return FakeGenerator()

    worker = workplace.with_loader(load)
    running = asyncio.create_task(worker.run())
    await eventually(ann.workers)
    worker.drain()
    await asyncio.wait_for(running, 5)
    may_load.set()
    assert await ann.workers() == []


@plain_and_running
async def test_busy_database_is_waited_for(
    make_fake: type[Fake], workplace: Workplace, ann: Person, queue: SometimesBusyQueue
) -> None:
    request_id = await ann.ask("a cat")
    queue.busy_times = 1
    async with workplace.running(make_fake()):
        await ann.sees(DONE, request_id)


@plain_and_running
async def test_requests_of_a_dead_worker_are_answered_by_the_next(
    make_fake: type[Fake], workplace: Workplace, ann: Person, queue: SometimesBusyQueue
) -> None:
    fake = make_fake()
    asked = [await ann.ask("a cat"), await ann.ask("a dog")]
    assert len(await queue.claim("dead", 4)) == 2
    async with workplace.running(fake):
        await ann.sees(DONE, *asked)
    assert sorted(fake.batches) == [("a cat",), ("a dog",)], "each alone: one of them may have killed the worker"


async def test_requests_given_back_while_the_database_is_busy_are_all_answered(
    workplace: Workplace, ann: Person, queue: SometimesBusyQueue
) -> None:
    retried, *fresh = [await ann.ask(subject) for subject in ("an owl", "a cat", "a dog")]
    (claim,) = await queue.claim("dead", 1)
    assert claim.id == retried
    await queue.fail(claim, "It broke.")
    fake = FakeGenerator()
    queue.busy_releases = 1
    async with workplace.running(fake):
        await ann.sees(DONE, *fresh)
    assert ("a cat", "a dog") in fake.batches, "untried, and so still decoded together"


@plain_and_running
async def test_overdue_requests_expire_while_the_worker_is_busy(
    make_fake: type[Fake], workplace: Workplace, ann: Person
) -> None:
    fake = make_fake(delay_seconds=4)
    held = await ann.ask("a cat")
    async with workplace.running(fake):
        await asyncio.to_thread(fake.decoding.wait)
        late = await ann.ask("a dog", timeout_seconds=0.1)
        await ann.sees(RequestState.EXPIRED, late)
        assert await ann.states(held) == [RequestState.RUNNING]
        await ann.cancel(held)


async def test_model_that_cannot_be_loaded_ends_the_worker(workplace: Workplace, ann: Person) -> None:
    def load() -> FakeGenerator:
        raise ModelError("there is no model")

    with pytest.raises(ModelError, match="there is no model"):
        await workplace.with_loader(load).run()
    assert await ann.workers() == []
