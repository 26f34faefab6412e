"""The fakes do what the tests rely on."""

import time

import pytest

from core.errors import OutOfMemory, StorageBusy
from falcon.generator import Failure, GenerationRequest, Generator, Outcome, RunningGenerator
from falcon.serving_metrics import Ending, read_snapshot
from tests.worker.fakes import FakeGenerator, FakeRunningGenerator, SometimesBusyQueue


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


def stepped_to_the_end(fake: FakeRunningGenerator) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while fake.num_inside:
        outcomes += fake.step()
    return outcomes


def test_only_the_fake_running_generator_is_a_running_generator() -> None:
    assert isinstance(FakeRunningGenerator(), RunningGenerator)
    assert not isinstance(FakeGenerator(), RunningGenerator)


def test_fake_running_generator_seats_as_many_as_it_holds_and_fills_a_seat_that_gets_free() -> None:
    fake = FakeRunningGenerator(capacity=2)
    assert fake.step() == []
    for subject in "abc":
        fake.submit(request(subject))
    assert fake.num_inside == 3
    assert [outcome.request_id for outcome in stepped_to_the_end(fake)] == ["a", "b", "c"]
    assert fake.batches == [("a", "b"), ("c",)]
    snapshot = read_snapshot(fake.metrics.snapshot())
    assert snapshot is not None
    assert (snapshot.num_steps, snapshot.endings[Ending.DONE], snapshot.queue_wait_seconds.count) == (2, 3, 3)


def test_fake_running_generator_tells_the_best_so_far_only_of_what_is_seated() -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    fake.submit(request("a"))
    assert fake.best_so_far("a") is None
    fake.step()
    assert fake.best_so_far("a") == "a, so far"
    assert fake.best_so_far("b") is None


def test_fake_running_generator_lets_a_cancelled_and_a_venomous_request_go_and_the_other_stay() -> None:
    fake = FakeRunningGenerator(delay_seconds=60)
    for wanted in (request("a"), request("b", is_cancelled=True), request("venom")):
        fake.submit(wanted)
    cancelled, failed = fake.step()
    assert not isinstance(cancelled, Failure)
    assert (cancelled.request_id, cancelled.candidates) == ("b", ())
    assert isinstance(failed, Failure)
    assert fake.num_inside == 1


def test_fake_running_generator_loses_everything_when_a_step_crashes() -> None:
    for fake, error in (
        (FakeRunningGenerator(max_requests=1), OutOfMemory),
        (FakeRunningGenerator(num_crashes=1), RuntimeError),
    ):
        fake.submit(request("a"))
        fake.submit(request("b"))
        with pytest.raises(error):
            fake.step()
        assert fake.num_inside == 0
        assert len(fake.generate([request("c")])) == 1
    with pytest.raises(RuntimeError, match="poisoned"):
        FakeRunningGenerator().generate([request("poison")])


async def test_sometimes_busy_queue_is_busy_as_often_as_told(queue: SometimesBusyQueue) -> None:
    queue.busy_times = 1
    with pytest.raises(StorageBusy):
        await queue.claim("w", 1)
    assert await queue.claim("w", 1) == []
