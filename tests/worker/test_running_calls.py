"""Calls that overlap inside a running generator."""

import asyncio
import time

import pytest

from core.errors import OutOfMemory, RequestFailed
from falcon.generator import Generated, GenerationRequest
from tests.worker.fakes import FakeRunningGenerator
from worker.engine_thread import EngineThread


def request(subject: str, *, request_id: str | None = None) -> GenerationRequest:
    return GenerationRequest(
        id=request_id or subject,
        subject=subject,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=2,
        is_cancelled=lambda: False,
    )


async def started(fake: FakeRunningGenerator) -> EngineThread:
    engine = EngineThread(lambda: fake)
    await engine.start()
    return engine


def texts(answers: list[Generated]) -> list[str]:
    return [answer.candidates[0].text for answer in answers]


async def test_a_call_joins_while_another_is_inside_and_each_gets_its_own_answers() -> None:
    fake = FakeRunningGenerator(delay_seconds=0.2)
    engine = await started(fake)
    first = asyncio.create_task(engine.generate([request("a cat"), request("a dog")]))
    await asyncio.to_thread(fake.decoding.wait)
    second = asyncio.create_task(engine.generate([request("an owl")]))
    assert texts(await second) == ["an owl, idea 1"]
    assert texts(await first) == ["a cat, idea 1", "a dog, idea 1"]
    assert ("a cat", "a dog", "an owl") in fake.batches
    assert fake.threads == {"model"}
    assert await engine.stop(timeout_seconds=5)


async def test_a_later_call_may_end_before_an_earlier_one() -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    engine = await started(fake)
    long = asyncio.create_task(engine.generate([request("a cat")]))
    await asyncio.to_thread(fake.decoding.wait)
    with pytest.raises(RequestFailed, match="venomous"):
        await asyncio.wait_for(engine.generate([request("venom")]), 5)
    assert not long.done(), "a request that fails alone leaves the others inside"
    fake.delay_seconds = 0
    assert texts(await long) == ["a cat, idea 1"]
    assert await engine.stop(timeout_seconds=5)


async def test_a_call_with_a_failed_request_ends_with_the_failure_once_all_its_requests_have() -> None:
    engine = await started(FakeRunningGenerator(delay_seconds=0.2))
    begun = time.monotonic()
    with pytest.raises(RequestFailed, match="venomous"):
        await engine.generate([request("venom"), request("a cat")])
    assert time.monotonic() - begun >= 0.2
    assert await engine.stop(timeout_seconds=5)


async def test_a_crashing_step_fails_everything_inside_and_the_thread_lives() -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    engine = await started(fake)
    inside = [asyncio.create_task(engine.generate([request(subject)])) for subject in ("a cat", "a dog")]
    await asyncio.to_thread(fake.decoding.wait)
    poison = asyncio.create_task(engine.generate([request("poison")]))
    outcomes = await asyncio.wait_for(asyncio.gather(*inside, poison, return_exceptions=True), 5)
    assert [str(outcome) for outcome in outcomes] == ["the fake model was poisoned"] * 3
    fake.delay_seconds = 0
    assert texts(await engine.generate([request("an owl")])) == ["an owl, idea 1"]
    assert await engine.stop(timeout_seconds=5)


async def test_out_of_memory_reaches_the_caller_as_such() -> None:
    engine = await started(FakeRunningGenerator(max_requests=1))
    with pytest.raises(OutOfMemory):
        await engine.generate([request("a cat"), request("a dog")])
    assert await engine.stop(timeout_seconds=5)


async def test_a_request_that_comes_again_joins_once_its_first_decoding_has_ended() -> None:
    fake = FakeRunningGenerator(delay_seconds=0.1)
    engine = await started(fake)
    first = asyncio.create_task(engine.generate([request("a cat", request_id="1")]))
    second = asyncio.create_task(engine.generate([request("a cat again", request_id="1")]))
    assert texts(await first) == ["a cat, idea 1"]
    assert texts(await second) == ["a cat again, idea 1"]
    assert fake.batches == [("a cat",), ("a cat again",)]
    assert await engine.stop(timeout_seconds=5)


async def test_a_call_for_nothing_ends_at_once() -> None:
    engine = await started(FakeRunningGenerator())
    assert await asyncio.wait_for(engine.generate([]), 5) == []
    assert await engine.stop(timeout_seconds=5)


async def test_stopping_lets_what_is_inside_end() -> None:
    fake = FakeRunningGenerator(delay_seconds=0.2)
    engine = await started(fake)
    answer = asyncio.create_task(engine.generate([request("a cat")]))
    await asyncio.to_thread(fake.decoding.wait)
    assert await engine.stop(timeout_seconds=5)
    assert texts(await answer) == ["a cat, idea 1"]
    assert engine.metrics is None, "the model is dropped"


async def test_an_abandoned_call_does_not_disturb_the_others() -> None:
    fake = FakeRunningGenerator(delay_seconds=0.2)
    engine = await started(fake)
    abandoned = asyncio.create_task(engine.generate([request("a cat")]))
    await asyncio.to_thread(fake.decoding.wait)
    abandoned.cancel()
    assert texts(await engine.generate([request("a dog")])) == ["a dog, idea 1"]
    assert abandoned.cancelled()
    assert await engine.stop(timeout_seconds=5)


async def test_a_generator_that_loses_a_request_fails_it_instead_of_stepping_for_ever() -> None:
    class Forgetful(FakeRunningGenerator):
        def submit(self, request: GenerationRequest) -> None:
            """Takes nothing in."""

    engine = await started(Forgetful())
    with pytest.raises(RuntimeError, match="lost 1 requests"):
        await asyncio.wait_for(engine.generate([request("a cat")]), 5)
    assert await engine.stop(timeout_seconds=5)


async def test_a_request_that_cannot_be_submitted_fails_its_own_call_alone() -> None:
    class Choosy(FakeRunningGenerator):
        def submit(self, request: GenerationRequest) -> None:
            if request.subject == "a dog":
                raise ValueError("no dogs")
            super().submit(request)

    engine = await started(Choosy(delay_seconds=0.1))
    cat = asyncio.create_task(engine.generate([request("a cat")]))
    with pytest.raises(ValueError, match="no dogs"):
        await engine.generate([request("a dog")])
    assert texts(await cat) == ["a cat, idea 1"]
    assert await engine.stop(timeout_seconds=5)


async def test_an_idle_running_generator_is_not_stepped() -> None:
    steps = 0

    class Counting(FakeRunningGenerator):
        def step(self) -> list:
            nonlocal steps
            steps += 1
            return super().step()

    engine = await started(Counting())
    await engine.generate([request("a cat")])
    num_steps = steps
    await asyncio.sleep(0.1)
    assert steps == num_steps
    assert await engine.stop(timeout_seconds=5)


async def test_capacity_and_metrics_are_the_running_generators() -> None:
    fake = FakeRunningGenerator(capacity=7)
    engine = EngineThread(lambda: fake)
    assert engine.metrics is None
    await engine.start()
    assert engine.capacity == 7
    assert engine.metrics is fake.metrics
    assert await engine.stop(timeout_seconds=5)
