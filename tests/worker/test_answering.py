"""From claims to stored answers, through every kind of trouble; with a plain and with a running generator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from core.errors import ModelCrashed
from core.records import RequestState
from core.settings import Settings
from tests.worker.fakes import FakeGenerator, FakeRunningGenerator, SometimesBusyQueue
from tests.worker.people import Person
from worker import answering
from worker.answering import Answerer, answer_only
from worker.engine_thread import EngineThread

DONE, FAILED, QUEUED = RequestState.DONE, RequestState.FAILED, RequestState.QUEUED
Fake = FakeGenerator | FakeRunningGenerator
MakeAnswerer = Callable[[Fake], Awaitable[Answerer]]

plain_and_running = pytest.mark.parametrize("make_fake", [FakeGenerator, FakeRunningGenerator])


@pytest.fixture
async def make_answerer(queue: SometimesBusyQueue, settings: Settings) -> AsyncIterator[MakeAnswerer]:
    engines: list[EngineThread] = []

    async def make(fake: Fake) -> Answerer:
        engine = EngineThread(lambda: fake)
        engines.append(engine)
        return Answerer(
            queue,
            engine,
            model=await engine.start(),
            max_batch_requests=4,
            lease_seconds=settings.lease_seconds,
        )

    yield make
    for engine in engines:
        assert await engine.stop(timeout_seconds=5)


@plain_and_running
async def test_a_batch_is_decoded_together_and_each_gets_its_own_answer(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake()
    asked = [await ann.ask(subject) for subject in ("a cat", "a dog", "an owl")]
    await (await make_answerer(fake)).answer(await queue.claim("w", 4))
    assert fake.batches == [("a cat", "a dog", "an owl")]
    for request_id, subject in zip(asked, ("a cat", "a dog", "an owl"), strict=True):
        view = await ann.view(request_id)
        assert view.state is DONE
        assert [candidate.text for candidate in view.candidates] == [f"{subject}, idea {n}" for n in (1, 2, 3, 4)]
        assert view.model == fake.info


@plain_and_running
async def test_one_poisoned_request_takes_no_other_down(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake()
    asked = [await ann.ask(subject) for subject in ("a cat", "poison", "an owl")]
    answerer = await make_answerer(fake)
    await answerer.answer(await queue.claim("w", 4))
    assert fake.batches == [("a cat", "poison", "an owl"), ("a cat",), ("poison",), ("an owl",)]
    assert await ann.states(*asked) == [DONE, QUEUED, DONE]
    await answerer.answer(await queue.claim("w", 4))
    view = await ann.view(asked[1])
    assert (view.state, view.error) == (FAILED, answering.CRASHED)


@plain_and_running
async def test_a_request_that_crashed_once_is_answered_at_its_second_attempt(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake(num_crashes=1)
    request_id = await ann.ask("a cat")
    answerer = await make_answerer(fake)
    assert await answer_only(queue, answerer, worker_id="w", request_id=request_id)
    assert len(fake.batches) == 2
    assert await ann.states(request_id) == [DONE]


@plain_and_running
async def test_a_model_that_only_crashes_is_given_up_and_the_rest_goes_back(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    asked = [await ann.ask(f"cat {n}") for n in range(4)]
    answerer = await make_answerer(make_fake(num_crashes=100))
    with pytest.raises(ModelCrashed, match="3 times in a row"):
        await answerer.answer(await queue.claim("w", 4))
    assert await ann.states(*asked) == [QUEUED] * 4
    attempts = {claim.id: claim.attempt for claim in await queue.claim("w", 4)}
    assert attempts == {asked[0]: 2, asked[1]: 2, asked[2]: 2, asked[3]: 1}, "the untried one lost no attempt"


@plain_and_running
async def test_out_of_memory_halves_the_batch_and_is_remembered(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake(max_requests=1)
    asked = [await ann.ask(subject) for subject in "abcd"]
    answerer = await make_answerer(fake)
    await answerer.answer(await queue.claim("w", answerer.max_requests))
    assert [len(batch) for batch in fake.batches] == [4, 2, 1, 1, 2, 1, 1]
    assert await ann.states(*asked) == [DONE] * 4
    assert answerer.max_requests == 1


@plain_and_running
async def test_a_single_request_that_never_fits_fails_after_its_attempts(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    request_id = await ann.ask("a cat")
    answerer = await make_answerer(make_fake(max_requests=0))
    await answer_only(queue, answerer, worker_id="w", request_id=request_id)
    view = await ann.view(request_id)
    assert (view.state, view.error) == (FAILED, answering.TOO_LARGE)


@plain_and_running
async def test_a_cancelled_request_stops_within_a_heartbeat_and_the_other_is_answered(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake(delay_seconds=1.5)
    cancelled, wanted = await ann.ask("a cat"), await ann.ask("a dog")
    answerer = await make_answerer(fake)
    answer = asyncio.create_task(answerer.answer(await queue.claim("w", 4)))
    await asyncio.to_thread(fake.decoding.wait)
    await ann.cancel(cancelled)
    await answer
    assert await ann.states(cancelled, wanted) == [RequestState.CANCELLED, DONE]
    assert (await ann.view(cancelled)).candidates == ()


@plain_and_running
async def test_decoding_ends_early_when_everybody_has_cancelled(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake(delay_seconds=60)
    request_id = await ann.ask("a cat")
    answer = asyncio.create_task((await make_answerer(fake)).answer(await queue.claim("w", 4)))
    await asyncio.to_thread(fake.decoding.wait)
    await ann.cancel(request_id)
    await asyncio.wait_for(answer, 5)
    assert await ann.states(request_id) == [RequestState.CANCELLED]


@plain_and_running
async def test_decoding_stops_at_the_deadline_and_the_request_expires(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    request_id = await ann.ask("a cat", timeout_seconds=0.4)
    answerer = await make_answerer(make_fake(delay_seconds=60))
    await asyncio.wait_for(answerer.answer(await queue.claim("w", 4)), 5)
    assert await ann.states(request_id) == [RequestState.EXPIRED]


@plain_and_running
async def test_leases_are_kept_for_longer_than_one_lease(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake(delay_seconds=1.5)
    request_id = await ann.ask("a cat")
    answer = asyncio.create_task((await make_answerer(fake)).answer(await queue.claim("w", 4)))
    for _ in range(14):
        await asyncio.sleep(0.1)
        assert await queue.return_stalled() == 0
    await answer
    assert await ann.states(request_id) == [DONE]


async def test_a_finished_answer_outlives_a_busy_database(
    make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    request_id = await ann.ask("a cat")
    answerer = await make_answerer(FakeGenerator())
    claims = await queue.claim("w", 4)
    queue.busy_times = 1
    await answerer.answer(claims)
    assert await ann.states(request_id) == [DONE]


@plain_and_running
async def test_a_batch_that_is_given_up_goes_back_untried(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    fake = make_fake(delay_seconds=60)
    asked = [await ann.ask("a cat"), await ann.ask("a dog")]
    answer = asyncio.create_task((await make_answerer(fake)).answer(await queue.claim("w", 4)))
    await asyncio.to_thread(fake.decoding.wait)
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    assert await ann.states(*asked) == [QUEUED, QUEUED]
    assert [claim.attempt for claim in await queue.claim("w", 4)] == [1, 1]


@plain_and_running
async def test_an_answer_without_candidates_is_a_failed_attempt(
    make_fake: type[Fake], make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    request_id = await ann.ask("silence")
    await answer_only(queue, await make_answerer(make_fake()), worker_id="w", request_id=request_id)
    view = await ann.view(request_id)
    assert (view.state, view.error) == (FAILED, answering.WROTE_NOTHING)


async def test_an_answer_that_cannot_be_stored_fails_alone(
    make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    bad, good = await ann.ask("nonsense"), await ann.ask("a cat")
    answerer = await make_answerer(FakeGenerator())
    await answerer.answer(await queue.claim("w", 4))
    assert await ann.states(bad, good) == [QUEUED, DONE]
    await answerer.answer(await queue.claim("w", 4))
    view = await ann.view(bad)
    assert (view.state, view.error) == (FAILED, answering.NOT_STORED)


async def test_what_is_returned_while_the_database_is_busy_loses_no_attempt(
    make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    wanted, returned = await ann.ask("a cat"), await ann.ask("a dog")
    answerer = await make_answerer(FakeGenerator())
    claims = await queue.claim("w", 4)
    queue.busy_releases = 2
    await answerer.answer(claims[:1], returned=claims[1:])
    assert await ann.states(wanted, returned) == [DONE, QUEUED]
    assert [claim.attempt for claim in await queue.claim("w", 4)] == [1]


async def test_only_the_named_request_is_answered(
    make_answerer: MakeAnswerer, queue: SometimesBusyQueue, ann: Person
) -> None:
    other, mine = await ann.ask("a cat"), await ann.ask("a dog")
    answerer = await make_answerer(FakeGenerator())
    assert await answer_only(queue, answerer, worker_id="w", request_id=mine)
    assert await ann.states(other, mine) == [QUEUED, DONE]
    assert not await answer_only(queue, answerer, worker_id="w", request_id=mine)
