"""Adapters that come, take over and leave while the model runs."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from core.cycles import AdapterFiles, ServingPlan
from core.errors import ModelError, StorageBusy
from falcon.generator import GenerationRequest
from tests.worker.adapter_fakes import FakeHost, FakeRegistry, plan_for
from worker.adapter_vetting import RETRY_SECONDS, AdapterVetting
from worker.engine_thread import EngineThread
from worker.hot_swap import HotSwap
from worker.served_adapters import Lineup, ServedAdapters


@dataclass(slots=True)
class Serving:
    """A running fake with its swaps; `damaged` are refused by the check, `now` is its clock."""

    host: FakeHost
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    served: ServedAdapters = field(default_factory=ServedAdapters)
    damaged: set[str] = field(default_factory=set)
    num_checks: int = 0
    now: float = 0.0
    engine: EngineThread = field(init=False)
    swap: HotSwap = field(init=False)

    async def start(self) -> None:
        self.engine = EngineThread(lambda: self.host)
        await self.engine.start()
        vetting = AdapterVetting(self.registry, self._check, clock=lambda: self.now)
        self.swap = HotSwap(self.engine, self.served, vetting)

    def _check(self, adapter: AdapterFiles) -> None:
        self.num_checks += 1
        if adapter.id in self.damaged:
            raise ModelError(f"The adapter {adapter.id} is damaged; restore it.")

    async def follow(self, active: str | None, canary: str | None = None) -> tuple[str | None, str | None]:
        """Follow a plan once and return who serves then."""
        await self.swap.follow(plan_for(active, canary))
        return self.served.lineup.active, self.served.lineup.canary

    async def ask(self, name: str, *, subject: str = "a cat") -> tuple[str | None, str]:
        """Return who was to answer, and the answer."""
        with self.served.used_by([name]) as (adapter,):
            [answer] = await self.engine.generate([generation(name, subject, adapter)])
        return adapter, answer.candidates[0].text


def generation(name: str, subject: str, adapter: str | None) -> GenerationRequest:
    return GenerationRequest(
        id=name,
        subject=subject,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=1,
        is_cancelled=lambda: False,
        adapter=adapter,
    )


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    one = Serving(FakeHost())
    await one.start()
    yield one
    assert await one.engine.stop(timeout_seconds=5)


async def test_active_adapter_is_loaded_and_answers(serving: Serving) -> None:
    assert await serving.ask("1") == (None, "a cat by None")
    assert await serving.follow("a") == ("a", None)
    assert await serving.ask("2") == ("a", "a cat by a")


async def test_promoted_canary_takes_over_without_being_loaded_again(serving: Serving) -> None:
    assert await serving.follow("a", "c") == ("a", "c")
    assert serving.served.lineup.canary_share == 0.5
    assert await serving.follow("c") == ("c", None)
    assert serving.host.history == ["+a", "+c", "-a"]
    assert serving.served.lineup.canary_share == 0.0


async def test_roll_back_loads_what_served_before(serving: Serving) -> None:
    for active in ("a", "b", "a", None):
        assert await serving.follow(active) == (active, None)
    assert serving.host.history == ["+a", "+b", "-a", "+a", "-b", "-a"]


async def test_request_inside_keeps_its_adapter_until_it_has_ended(serving: Serving) -> None:
    await serving.follow("a")
    serving.host.delay_seconds = 60
    inside = asyncio.create_task(serving.ask("1"))
    await asyncio.to_thread(serving.host.decoding.wait)
    assert await serving.follow("b") == ("b", None)
    assert await serving.ask("2", subject="a quick dog") == ("b", "a quick dog by b")
    assert set(serving.host.loaded) == {"a", "b"}
    serving.host.delay_seconds = 0
    assert await inside == ("a", "a cat by a")
    await serving.follow("b")
    assert set(serving.host.loaded) == {"b"}


async def test_third_adapter_waits_for_a_slot_and_the_one_before_goes_on(serving: Serving) -> None:
    await serving.follow("a")
    with serving.served.used_by(["1"]):
        await serving.follow("b")
        assert await serving.follow("c") == ("b", None)
    assert await serving.follow("c") == ("c", None)


async def test_canary_gives_its_slot_to_what_has_to_be_active_and_comes_back(serving: Serving) -> None:
    """With both slots in use by a champion that never rests, a roll-back would wait for ever."""
    await serving.follow("b", "c")
    name = next(str(n) for n in range(100) if serving.served.lineup.adapter_for(str(n)) == "b")
    with serving.served.used_by([name]):
        assert await serving.follow("a", "c") == ("a", None)
    assert await serving.follow("a", "c") == ("a", "c")
    assert set(serving.host.loaded) == {"a", "c"}


async def test_damaged_canary_is_told_once_and_the_active_adapter_answers_everybody(serving: Serving) -> None:
    serving.damaged.add("c")
    for _ in range(5):
        assert await serving.follow("a", "c") == ("a", None)
    assert serving.registry.troubles == [("c", "The adapter c is damaged; restore it.")]
    assert serving.num_checks == 2


async def test_damaged_active_adapter_lets_the_one_before_go_on_without_a_canary(serving: Serving) -> None:
    await serving.follow("a")
    serving.damaged.add("b")
    assert await serving.follow("b", "c") == ("a", None)
    assert await serving.ask("1") == ("a", "a cat by a")
    assert [adapter for adapter, _ in serving.registry.troubles] == ["b"]


async def test_restored_adapter_is_found_sound_after_a_while_even_with_a_canary_in_the_other_slot(
    serving: Serving,
) -> None:
    await serving.follow("a", "c")
    serving.damaged.add("b")
    assert await serving.follow("b", "c") == ("a", None)
    serving.damaged.clear()
    assert await serving.follow("b", "c") == ("a", None)
    serving.now += RETRY_SECONDS
    assert await serving.follow("b", "c") == ("b", "c")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModelError("It does not fit."), "It does not fit."),
        (ZeroDivisionError("2"), "The adapter b cannot be loaded; the worker's log says why."),
    ],
)
async def test_adapter_that_the_model_refuses_changes_nothing(serving: Serving, error: Exception, told: str) -> None:
    await serving.follow("a")
    serving.host.refused["b"] = error
    assert await serving.follow("b") == ("a", None)
    assert await serving.follow("a") == ("a", None)
    assert serving.registry.troubles == [("b", told)]
    assert serving.host.history == ["+a"]


async def test_trouble_that_the_registry_could_not_be_told_is_told_later(serving: Serving) -> None:
    serving.damaged.add("a")
    serving.registry.busy_times = 1
    with pytest.raises(StorageBusy):
        await serving.follow("a")
    await serving.follow("a")
    assert len(serving.registry.troubles) == 1


async def test_adapter_of_a_request_that_was_given_up_stays_until_the_model_has_noticed(serving: Serving) -> None:
    await serving.follow("a")
    serving.host.delay_seconds = 60
    inside = asyncio.create_task(serving.ask("1"))
    await asyncio.to_thread(serving.host.decoding.wait)
    inside.cancel()
    await asyncio.gather(inside, return_exceptions=True)
    await serving.follow(None)
    assert set(serving.host.loaded) == {"a"}
    serving.host.delay_seconds = 0
    await serving.ask("2")
    await serving.follow(None)
    assert serving.host.loaded == {}


async def test_no_request_of_a_continuous_load_is_lost_or_answered_by_another_adapter(serving: Serving) -> None:
    """Plans flap meanwhile, with and without a canary, and name a damaged adapter now and then."""
    serving.host.delay_seconds = 0.01
    serving.damaged.add("x")
    plans = itertools.cycle([("a", None), ("a", "b"), ("b", None), ("x", "a"), ("c", "b"), (None, "c"), (None, None)])

    async def ask_in_turn(person: int) -> list[tuple[str | None, str]]:
        return [await serving.ask(f"{person}-{number}") for number in range(25)]

    asking = asyncio.gather(*[ask_in_turn(person) for person in range(4)])
    while not asking.done():
        await serving.follow(*next(plans))
    answers = [answer for answers in await asking for answer in answers]
    assert len(answers) == 100
    assert all(text == f"a cat by {adapter}" for adapter, text in answers)
    assert len({adapter for adapter, _ in answers}) > 2
    await serving.follow(None)
    assert serving.host.loaded == {}
    assert serving.served.lineup == Lineup()


async def test_empty_plan_at_the_start_means_the_base_alone(serving: Serving) -> None:
    await serving.swap.follow(ServingPlan())
    assert (serving.served.lineup, serving.host.history) == (Lineup(), [])
