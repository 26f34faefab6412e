"""A worker that follows the registry: what it announces, what it records, and when it asks for a fresh process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from core.cycles import AdapterFiles
from core.errors import ModelError
from core.records import ModelInfo, RequestState
from core.settings import Settings
from falcon.generator import Generator
from storage.database import Database
from tests.worker.adapter_fakes import FakeHost, FakeRegistry, plan_for
from tests.worker.fakes import MODEL, FakeGenerator, SometimesBusyQueue
from tests.worker.people import Person, eventually
from worker import loop
from worker.adapter_follower import AdapterFollower
from worker.adapter_vetting import AdapterVetting
from worker.engine_thread import EngineThread
from worker.loop import Worker

DONE = RequestState.DONE


class PlainWithAdapter(FakeGenerator):
    """A generator that was loaded with an adapter's folder, or with None."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        self.folder = folder

    @property
    def info(self) -> ModelInfo:
        return replace(MODEL, adapter=self.folder.name if self.folder else None)


class Workplace:
    """Starts workers that follow one registry; `damaged` adapters do not pass the check, `unfit` ones do not load."""

    def __init__(self, database: Database, queue: SometimesBusyQueue, settings: Settings) -> None:
        self._database, self._queue, self._settings = database, queue, settings
        self.registry = FakeRegistry()
        self.damaged: set[str] = set()
        self.unfit: set[str] = set()
        self.loaded_with: list[str | None] = []

    def worker(self, load: Callable[[Path | None], Generator]) -> Worker:
        engine = EngineThread(lambda: load(None))
        follower = AdapterFollower(engine, self.registry, AdapterVetting(self.registry, self._check), load_with=load)
        return Worker(self._database, self._queue, engine, self._settings, follower)

    def plain(self, folder: Path | None) -> FakeGenerator:
        self.loaded_with.append(folder.name if folder else None)
        if folder is not None and folder.name in self.unfit:
            raise ModelError(f"The adapter {folder.name} does not fit.")
        return PlainWithAdapter(folder)

    def _check(self, adapter: AdapterFiles) -> None:
        if adapter.id in self.damaged:
            raise ModelError(f"The adapter {adapter.id} is damaged.")

    @asynccontextmanager
    async def running(self, load: Callable[[Path | None], Generator]) -> AsyncIterator[asyncio.Task[None]]:
        worker = self.worker(load)
        running = asyncio.create_task(worker.run())
        yield running
        worker.drain()
        await asyncio.wait_for(running, 10)


@pytest.fixture
def workplace(
    database: Database, queue: SometimesBusyQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Workplace:
    monkeypatch.setattr(loop, "FOLLOW_SECONDS", 0.02)
    return Workplace(database, queue, settings)


async def announces(ann: Person, adapter: str | None) -> None:
    async def look() -> bool:
        return [status.model and status.model.adapter for status in await ann.workers()] == [adapter]

    await eventually(look)


async def writers(ann: Person, *request_ids: str) -> list[tuple[str | None, str]]:
    """Return which adapter is recorded for each answer, and its first prompt."""
    views = [await ann.view(request_id) for request_id in request_ids]
    return [(view.model.adapter if view.model else None, view.candidates[0].text) for view in views]


async def test_active_adapter_answers_from_the_first_request_on(workplace: Workplace, ann: Person) -> None:
    workplace.registry.wanted = plan_for("a")
    asked = await ann.ask("a cat")
    async with workplace.running(lambda _: FakeHost()):
        await ann.sees(DONE, asked)
        await announces(ann, "a")
    assert await writers(ann, asked) == [("a", "a cat by a")]
    assert workplace.registry.bases == {"fake"}


async def test_each_answer_records_who_wrote_it_before_and_after_a_swap(workplace: Workplace, ann: Person) -> None:
    async with workplace.running(lambda _: FakeHost()):
        before = await ann.ask("a cat")
        await ann.sees(DONE, before)
        workplace.registry.wanted = plan_for("a", "c", share=1.0)
        await announces(ann, "a")
        workplace.registry.wanted = plan_for("b")
        await announces(ann, "b")
        after = await ann.ask("a dog")
        await ann.sees(DONE, after)
    assert await writers(ann, before, after) == [(None, "a cat by None"), ("b", "a dog by b")]


async def test_canary_answers_its_share(workplace: Workplace, ann: Person) -> None:
    workplace.registry.wanted = plan_for("a", "c", share=0.5)
    asked = [await ann.ask(f"cat {number}") for number in range(16)]
    async with workplace.running(lambda _: FakeHost()):
        await ann.sees(DONE, *asked)
    found = await writers(ann, *asked)
    assert {adapter for adapter, _ in found} == {"a", "c"}
    assert all(text.endswith(f" by {adapter}") for adapter, text in found)


async def test_registry_that_cannot_be_read_at_the_start_is_followed_later(workplace: Workplace, ann: Person) -> None:
    workplace.registry.wanted = plan_for("a")
    workplace.registry.busy_times = 1
    async with workplace.running(lambda _: FakeHost()):
        await announces(ann, "a")


async def test_worker_serves_by_its_base_when_the_active_adapter_is_damaged(workplace: Workplace, ann: Person) -> None:
    workplace.registry.wanted = plan_for("a")
    workplace.damaged.add("a")
    asked = await ann.ask("a cat")
    async with workplace.running(lambda _: FakeHost()):
        await ann.sees(DONE, asked)
    assert await writers(ann, asked) == [(None, "a cat by None")]
    assert workplace.registry.troubles == [("a", "The adapter a is damaged.")]


async def test_plain_generator_is_loaded_with_the_active_adapter(workplace: Workplace, ann: Person) -> None:
    workplace.registry.wanted = plan_for("a")
    asked = await ann.ask("a cat")
    async with workplace.running(workplace.plain):
        await ann.sees(DONE, asked)
        await announces(ann, "a")
    assert workplace.loaded_with == [None, "a"]
    assert (await ann.view(asked)).model == replace(MODEL, adapter="a")


async def test_plain_generator_drains_for_a_fresh_process_when_another_adapter_has_to_serve(
    workplace: Workplace, ann: Person
) -> None:
    worker = workplace.worker(workplace.plain)
    running = asyncio.create_task(worker.run())
    asked = await ann.ask("a cat")
    await ann.sees(DONE, asked)
    assert not worker.needs_fresh_process
    workplace.registry.wanted = plan_for("a")
    await asyncio.wait_for(running, 10)
    assert worker.needs_fresh_process


async def test_plain_generator_that_cannot_take_the_adapter_serves_by_its_base_and_stays(
    workplace: Workplace, ann: Person
) -> None:
    """It would drain again and again otherwise, as a fresh process fares no better."""
    workplace.registry.wanted = plan_for("a", "c")
    workplace.unfit.add("a")
    async with workplace.running(workplace.plain) as running:
        await announces(ann, None)

        async def has_told_both() -> bool:
            return len(workplace.registry.troubles) == 2

        await eventually(has_told_both)
        asked = await ann.ask("a cat")
        await ann.sees(DONE, asked)
        assert not running.done()
    assert workplace.loaded_with == [None, "a", None]
    assert workplace.registry.troubles[0] == ("a", "The adapter a does not fit.")
    assert "cannot be a canary here" in workplace.registry.troubles[1][1]


async def test_damaged_adapter_is_no_reason_for_a_fresh_process(workplace: Workplace, ann: Person) -> None:
    async with workplace.running(workplace.plain) as running:
        await announces(ann, None)
        workplace.damaged.add("a")
        workplace.registry.wanted = plan_for("a")

        async def has_told() -> bool:
            return workplace.registry.troubles == [("a", "The adapter a is damaged.")]

        await eventually(has_told)
        assert not running.done()
