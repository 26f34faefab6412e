"""The fakes do what the tests rely on."""

import time

import pytest

from core.errors import OutOfMemory, StorageBusy
from falcon.generator import GenerationRequest, Generator
from tests.worker.fakes import FakeGenerator, SometimesBusyQueue


def request(subject: str, *, is_cancelled: bool = False) -> GenerationRequest:
    return GenerationRequest(
        id=subject,
        subject=subject,
        parameters="",
        images=(),
        midjourney_version="8.2",
        num_candidates=1,
        is_cancelled=lambda: is_cancelled,
    )


def test_fake_generator_answers_in_order_and_records_its_batches() -> None:
    fake: Generator = FakeGenerator()
    answers = fake.generate([request("b"), request("a")])
    assert [answer.request_id for answer in answers] == ["b", "a"]
    assert isinstance(fake, FakeGenerator)
    assert fake.batches == [("b", "a")]


def test_fake_generator_leaves_cancelled_requests_unanswered_and_ends_early() -> None:
    started = time.monotonic()
    (answer,) = FakeGenerator(delay_seconds=60).generate([request("a", is_cancelled=True)])
    assert answer.candidates == ()
    assert time.monotonic() - started < 10


def test_fake_generator_misbehaves_as_told() -> None:
    with pytest.raises(OutOfMemory):
        FakeGenerator(max_requests=1).generate([request("a"), request("b")])
    with pytest.raises(RuntimeError, match="poisoned"):
        FakeGenerator().generate([request("poison")])
    fake = FakeGenerator(num_crashes=1)
    with pytest.raises(RuntimeError, match="crashed"):
        fake.generate([request("a")])
    assert len(fake.generate([request("a")])) == 1


async def test_sometimes_busy_queue_is_busy_as_often_as_told(queue: SometimesBusyQueue) -> None:
    queue.busy_times = 1
    with pytest.raises(StorageBusy):
        await queue.claim("w", 1)
    assert await queue.claim("w", 1) == []
