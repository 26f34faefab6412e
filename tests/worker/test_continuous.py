"""Requests join and leave a running batch one by one."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from core.errors import ModelCrashed
from core.records import RequestState
from core.settings import Settings
from falcon.serving_metrics import Ending, read_snapshot
from storage.database import Database
from tests.worker.fakes import FakeRunningGenerator, SometimesBusyQueue
from tests.worker.people import Person, eventually
from worker import answering
from worker.engine_thread import EngineThread
from worker.loop import Worker

DONE, FAILED, QUEUED, RUNNING = RequestState.DONE, RequestState.FAILED, RequestState.QUEUED, RequestState.RUNNING


class Workplace:
    """Runs one worker with a running generator."""

    def __init__(self, database: Database, queue: SometimesBusyQueue, settings: Settings) -> None:
        self._database, self._queue, self._settings = database, queue, settings

    def worker(self, fake: FakeRunningGenerator, **changes: object) -> Worker:
        settings = self._settings.model_copy(update=changes)
        return Worker(self._database, self._queue, EngineThread(lambda: fake), settings)

    @asynccontextmanager
    async def serving(self, fake: FakeRunningGenerator, **changes: object) -> AsyncIterator[Worker]:
        worker = self.worker(fake, **changes)
        running = asyncio.create_task(worker.run())
        yield worker
        worker.drain()
        await asyncio.wait_for(running, 10)


@pytest.fixture
def workplace(database: Database, queue: SometimesBusyQueue, settings: Settings) -> Workplace:
    return Workplace(database, queue, settings)


async def test_a_request_joins_and_is_answered_while_an_earlier_one_decodes(workplace: Workplace, ann: Person) -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    early = await ann.ask("a cat")
    async with workplace.serving(fake):
        await ann.sees(RUNNING, early)
        await asyncio.to_thread(fake.decoding.wait)
        late = await ann.ask("a quick dog")
        await ann.sees(DONE, late)
        assert await ann.states(early) == [RUNNING]
        assert fake.batches == [("a cat",), ("a cat", "a quick dog"), ("a cat",)]
        fake.delay_seconds = 0
        await ann.sees(DONE, early)


async def _seen(fake: FakeRunningGenerator, batch: tuple[str, ...]) -> bool:
    return batch in fake.batches


@pytest.mark.parametrize(
    ("configured", "most"), [(None, 3), (2, 2), (9, 3)], ids=["as-it-holds", "fewer-as-set", "never-more-than-it-holds"]
)
async def test_as_many_requests_are_inside_as_there_is_room_for(
    workplace: Workplace, ann: Person, configured: int | None, most: int
) -> None:
    fake = FakeRunningGenerator(capacity=3, delay_seconds=60)
    asked = [await ann.ask(f"cat {n}") for n in range(7)]
    async with workplace.serving(fake, max_batch_requests=configured):
        await asyncio.to_thread(fake.decoding.wait)
        await asyncio.sleep(0.3)
        assert (await ann.states(*asked)).count(RUNNING) == most, "the others are left to other workers"
        fake.delay_seconds = 0
        await ann.sees(DONE, *asked)
    assert len(fake.batches[0]) == most, "claimed at once"


async def test_what_waits_takes_the_place_of_the_first_that_ends(workplace: Workplace, ann: Person) -> None:
    fake = FakeRunningGenerator(capacity=2, delay_seconds=60)
    held, ending, waiting = [await ann.ask(subject) for subject in ("a cat", "a dog", "an owl")]
    async with workplace.serving(fake):
        await ann.sees(RUNNING, held, ending)
        assert await ann.states(waiting) == [QUEUED]
        await ann.cancel(ending)
        await ann.sees(RUNNING, waiting)
        await eventually(lambda: _seen(fake, ("a cat", "an owl")))
        fake.delay_seconds = 0
        await ann.sees(DONE, held, waiting)


async def test_a_retried_request_waits_for_those_inside_and_then_has_the_model_to_itself(
    workplace: Workplace, ann: Person, queue: SometimesBusyQueue
) -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    inside = await ann.ask("a cat")
    async with workplace.serving(fake):
        await ann.sees(RUNNING, inside)
        await asyncio.to_thread(fake.decoding.wait)
        retried = await ann.ask("an owl")
        await _make_retried(ann, queue, retried)
        await ann.sees(RUNNING, retried)
        late = await ann.ask("a dog")
        await asyncio.sleep(0.3)
        assert await ann.states(inside, retried, late) == [RUNNING, RUNNING, QUEUED], "nobody is claimed meanwhile"
        assert fake.batches == [("a cat",)]
        fake.delay_seconds = 0.1
        await ann.sees(DONE, inside, retried, late)
    assert fake.batches == [("a cat",), ("an owl",), ("a dog",)]


async def _make_retried(ann: Person, queue: SometimesBusyQueue, request_id: str) -> None:
    """Let somebody try the request and fail, unless the worker was quicker."""
    claims = await queue.claim("other", 1, only=request_id)
    assert claims, "the worker polls every 0.1 s; asking and claiming take less"
    await queue.fail(claims[0], "It broke.")


async def test_a_crash_takes_nobody_down_but_its_cause(workplace: Workplace, ann: Person) -> None:
    fake = FakeRunningGenerator(delay_seconds=0.1)
    poison, *others = [await ann.ask(subject) for subject in ("poison", "a cat", "a dog")]
    async with workplace.serving(fake):
        await ann.sees(DONE, *others)
        await ann.sees(FAILED, poison)
    assert (await ann.view(poison)).error == answering.CRASHED
    assert fake.batches[0] == ("poison", "a cat", "a dog")
    assert sorted(set(fake.batches[1:])) == [("a cat",), ("a dog",), ("poison",)], "each alone"


async def test_a_request_that_fails_alone_does_not_disturb_the_others(workplace: Workplace, ann: Person) -> None:
    fake = FakeRunningGenerator(delay_seconds=0.2)
    venom, other = await ann.ask("venom"), await ann.ask("a cat")
    async with workplace.serving(fake):
        await ann.sees(DONE, other)
        await ann.sees(FAILED, venom)
    assert (await ann.view(venom)).error == answering.NOT_DECODED
    assert sum("a cat" in batch for batch in fake.batches) == 2, "beside venom, then on its own: it never began anew"


async def test_a_model_that_only_crashes_is_given_up_and_everything_goes_back(
    workplace: Workplace, ann: Person, queue: SometimesBusyQueue
) -> None:
    asked = [await ann.ask(f"cat {n}") for n in range(4)]
    with pytest.raises(ModelCrashed, match="3 times in a row"):
        await asyncio.wait_for(workplace.worker(FakeRunningGenerator(num_crashes=100)).run(), 20)
    assert await ann.states(*asked) == [QUEUED] * 4
    attempts = [claim.attempt for claim in await queue.claim("w", 4)]
    assert sorted(attempts) == [1, 2, 2, 2], "the untried one lost no attempt"
    assert await ann.workers() == []


async def test_out_of_memory_lets_fewer_in_and_costs_no_attempt(
    workplace: Workplace, ann: Person, settings: Settings
) -> None:
    fake = FakeRunningGenerator(capacity=4, max_requests=2, delay_seconds=0.05)
    asked = [await ann.ask(subject) for subject in "abcdefgh"]
    async with workplace.serving(fake):
        await ann.sees(DONE, *asked)
    sizes = [len(batch) for batch in fake.batches]
    assert sizes[0] == 4
    assert max(sizes[1:]) == 2, "the batch that did not fit was tried once"
    with closing(sqlite3.connect(settings.database_url.removeprefix("sqlite+aiosqlite:///"))) as connection:
        assert connection.execute("SELECT DISTINCT attempts FROM requests").fetchall() == [(1,)]


async def test_a_request_that_never_fits_fails_once_it_was_alone(workplace: Workplace, ann: Person) -> None:
    asked = [await ann.ask("a cat"), await ann.ask("a dog")]
    async with workplace.serving(FakeRunningGenerator(max_requests=0)):
        await ann.sees(FAILED, *asked)
    assert (await ann.view(asked[0])).error == answering.TOO_LARGE


async def test_a_busy_database_stops_neither_the_worker_nor_an_answer(
    workplace: Workplace, ann: Person, queue: SometimesBusyQueue
) -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    held = await ann.ask("a cat")
    async with workplace.serving(fake):
        await ann.sees(RUNNING, held)
        queue.busy_times = 1  # the next claim
        await asyncio.sleep(0.3)
        late = await ann.ask("a dog")
        fake.delay_seconds = 0
        await ann.sees(DONE, held, late)


async def test_an_answer_that_the_database_refuses_for_long_goes_back_and_the_others_go_on(
    workplace: Workplace, ann: Person, queue: SometimesBusyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_STORE_ATTEMPTS", 1)
    fake = FakeRunningGenerator(delay_seconds=60)
    held = await ann.ask("a cat")
    async with workplace.serving(fake, max_batch_requests=1):
        await ann.sees(RUNNING, held)
        queue.busy_times = 1  # full: nothing is claimed, so this is the completion
        fake.delay_seconds = 0
        await ann.sees(DONE, held)
    assert len(fake.batches) == 2, "decoded again"


async def test_the_workers_announcement_tells_how_it_serves(
    workplace: Workplace, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.loop.ANNOUNCE_SECONDS", 0.1)
    async with workplace.serving(FakeRunningGenerator()):
        await ann.sees(DONE, await ann.ask("a cat"))

        async def has_counted() -> bool:
            (status,) = await ann.workers()
            snapshot = read_snapshot(status.metrics or {})
            return snapshot is not None and snapshot.endings[Ending.DONE] == 1 and snapshot.num_steps >= 1

        await eventually(has_counted)
