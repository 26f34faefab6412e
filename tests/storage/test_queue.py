"""The rules of the queue in one process: all transitions from all states, leases, deadlines, fairness."""

import asyncio
from collections import Counter
from itertools import product

import pytest
from sqlalchemy import text

from core.records import RequestKind, RequestState
from storage import requests
from storage.database import open_database
from storage.queue import EXPIRED, STALLED
from storage.tables import RequestRow

QUEUED, RUNNING, DONE = RequestState.QUEUED, RequestState.RUNNING, RequestState.DONE
FAILED, CANCELLED, OVERDUE = RequestState.FAILED, RequestState.CANCELLED, RequestState.EXPIRED

CANDIDATES = text(
    "SELECT rank, base_model, adapter, precision, device, score, decode_settings FROM candidates ORDER BY rank"
)


async def test_a_request_waits_runs_and_is_done(world):
    request_id = await world.ask()
    assert await world.state(request_id) is QUEUED
    claim = await world.claim_one()
    assert await world.state(request_id) is RUNNING
    assert await world.complete(claim)
    view = await world.view(request_id)
    assert view.state is DONE
    assert view.created_at <= view.started_at <= view.finished_at
    assert view.decoding_seconds == 0.5, "as the worker measured it"
    assert [candidate.text for candidate in view.candidates] == ["one", "two"]


async def test_a_claim_carries_what_the_worker_needs(world):
    request_id = await world.ask()
    claim = await world.claim_one()
    assert (claim.id, claim.subject, claim.parameters, claim.attempt) == (request_id, "a boy", "--ar 3:2", 1)
    assert (claim.images, claim.num_candidates) == (("https://example.org/a.png",), 4)
    assert claim.deadline.tzinfo is not None


async def test_a_request_that_goes_on_from_another_keeps_how_and_tells_what_to_avoid(world):
    parent_id = await world.ask()
    avoid = ("a boy, oil painting", "a boy, pencil")
    request_id = await world.ask(kind=RequestKind.REROLL, parent_id=parent_id, avoid=avoid, conversation="channel")
    assert (await world.claim_one(request_id)).avoid == avoid
    assert (await world.claim_one(parent_id)).avoid == ()
    async with world.database.read() as session:
        row = await session.get(RequestRow, request_id)
        assert (row.kind, row.parent_id, row.conversation_external_id, row.is_private) == (
            RequestKind.REROLL,
            parent_id,
            "channel",
            False,
        )


async def test_an_empty_queue_gives_nothing(world):
    assert await world.queue.claim("w", 4) == []


async def test_a_claim_takes_at_most_its_limit_and_nothing_twice(world):
    asked = [await world.ask() for _ in range(5)]
    first, second, third = [await world.queue.claim("w", 2) for _ in range(3)]
    assert [len(first), len(second), len(third)] == [2, 2, 1]
    assert sorted(claim.id for claim in first + second + third) == sorted(asked)


async def test_only_claims_just_that_request(world):
    first, second = await world.ask(), await world.ask()
    assert [claim.id for claim in await world.queue.claim("w", 4, only=second)] == [second]
    assert await world.queue.claim("w", 4, only=second) == []
    assert await world.state(first) is QUEUED


async def test_an_answer_needs_candidates(world):
    await world.ask()
    claim = await world.claim_one()
    with pytest.raises(ValueError, match="without candidates"):
        await world.complete(claim, texts=())
    assert await world.state(claim.id) is RUNNING


async def test_each_candidate_keeps_what_made_it(world, database):
    await world.answered()
    async with database.read() as session:
        rows = await session.execute(CANDIDATES)
        assert [tuple(row) for row in rows] == [
            (1, "pocket", None, "fp32", "cpu", -0.1, '{"num_beams": 8}'),
            (2, "pocket", None, "fp32", "cpu", -0.2, '{"num_beams": 8}'),
        ]


# Every transition from every state


async def bring_to(world, clock, state: RequestState):
    """Make a request in `state` and return the latest claim on it; each one gives up its lease on the way."""
    request_id = await world.ask()
    claim = await world.claim_one(request_id)
    match state:
        case RequestState.QUEUED:
            assert await world.queue.release(claim)
        case RequestState.DONE:
            assert await world.complete(claim)
        case RequestState.FAILED:
            assert await world.queue.fail(claim, "It broke.") is QUEUED
            claim = await world.claim_one(request_id)
            assert await world.queue.fail(claim, "It broke.") is FAILED
        case RequestState.CANCELLED:
            assert await cancel(world, claim)
        case RequestState.EXPIRED:
            clock.forward(1000)
            assert await world.queue.expire_overdue() == 1
    assert await world.state(request_id) is state
    return claim


async def cancel(world, claim) -> bool:
    user_id = await world.user()
    async with world.database.write() as session:
        return await requests.cancel(session, claim.id, user_id=user_id)


async def try_claim(world, clock, claim):
    return bool(await world.queue.claim("w", 1, only=claim.id))


async def try_complete(world, clock, claim):
    return await world.complete(claim)


async def try_fail(world, clock, claim):
    return await world.queue.fail(claim, "It broke.") is not None


async def try_release(world, clock, claim):
    return await world.queue.release(claim)


async def try_cancel(world, clock, claim):
    return await cancel(world, claim)


async def try_heartbeat(world, clock, claim):
    return await world.queue.heartbeat([claim]) == {claim.id}


async def try_return_stalled(world, clock, claim):
    clock.forward(31)
    return await world.queue.return_stalled() == 1


async def try_expire(world, clock, claim):
    clock.forward(121)
    return await world.queue.expire_overdue() == 1


# What each transition makes of a request, by the state it may leave.
ALLOWED = {
    try_claim: {QUEUED: RUNNING},
    try_complete: {RUNNING: DONE},
    try_fail: {RUNNING: QUEUED},
    try_release: {RUNNING: QUEUED},
    try_cancel: {QUEUED: CANCELLED, RUNNING: CANCELLED},
    try_heartbeat: {RUNNING: RUNNING},
    try_return_stalled: {RUNNING: QUEUED},
    try_expire: {QUEUED: OVERDUE, RUNNING: OVERDUE},
}
CASES = list(product(ALLOWED, RequestState))


def test_the_table_of_transitions_is_whole():
    assert len(CASES) == 8 * 6


@pytest.mark.parametrize(("transition", "before"), CASES, ids=[f"{act.__name__}-{state}" for act, state in CASES])
async def test_a_transition_leaves_only_the_states_that_it_names(world, moved_clock, transition, before):
    claim = await bring_to(world, moved_clock, before)
    happened = await transition(world, moved_clock, claim)
    assert happened is (before in ALLOWED[transition])
    assert await world.state(claim.id) is ALLOWED[transition].get(before, before)


# Leases and retries


async def test_a_lost_lease_can_do_nothing_any_more(world, moved_clock):
    """A zombie: it held the request, went silent, and wakes up when another worker has it."""
    await world.ask()
    zombie = await world.claim_one()
    moved_clock.forward(31)
    assert await world.queue.return_stalled() == 1
    holder = await world.claim_one()
    assert await world.queue.heartbeat([zombie, holder]) == {holder.id}
    assert not await world.complete(zombie, texts=["late"])
    assert not await world.queue.release(zombie)
    assert await world.queue.fail(zombie, "It broke.") is None
    assert await world.complete(holder, texts=["in time"])
    assert not await world.complete(zombie, texts=["later still"])
    assert [candidate.text for candidate in (await world.view(holder.id)).candidates] == ["in time"]


async def test_a_heartbeat_keeps_the_lease(world, moved_clock):
    await world.ask()
    claim = await world.claim_one()
    for _ in range(3):
        moved_clock.forward(20)
        assert await world.queue.heartbeat([claim]) == {claim.id}
        assert await world.queue.return_stalled() == 0


async def test_a_heartbeat_for_nothing_holds_nothing(world):
    assert await world.queue.heartbeat([]) == frozenset()


async def test_a_heartbeat_tells_which_of_several_are_still_held(world):
    asked = [await world.ask() for _ in range(3)]
    claims = await world.queue.claim("w", 3)
    await cancel(world, claims[1])
    assert await world.queue.heartbeat(claims) == {asked[0], asked[2]}


async def test_a_request_that_kills_its_worker_twice_has_failed(world, moved_clock):
    request_id = await world.ask()
    for attempt in (1, 2):
        assert (await world.claim_one()).attempt == attempt
        moved_clock.forward(31)
        assert await world.queue.return_stalled() == 1
    view = await world.view(request_id)
    assert (view.state, view.error) == (FAILED, STALLED)
    assert view.finished_at is not None


async def test_a_fault_is_retried_until_the_last_attempt(world):
    request_id = await world.ask()
    assert await world.queue.fail(await world.claim_one(), "It broke.") is QUEUED
    assert (await world.view(request_id)).error is None
    assert await world.queue.fail(await world.claim_one(), "It broke again.") is FAILED
    assert (await world.view(request_id)).error == "It broke again."


async def test_a_released_request_keeps_its_attempts(world):
    await world.ask()
    for _ in range(5):
        claim = await world.claim_one()
        assert claim.attempt == 1
        assert await world.queue.release(claim)


async def test_a_retried_request_keeps_its_place(world):
    first, _second = await world.ask("ann"), await world.ask("bob")
    assert await world.queue.release(await world.claim_one(first))
    assert (await world.claim_one()).id == first


# Deadlines


async def test_an_overdue_request_is_not_claimed_and_says_why_it_ended(world, moved_clock):
    request_id = await world.ask(timeout_seconds=60)
    moved_clock.forward(61)
    assert await world.queue.claim("w", 1) == []
    assert await world.queue.expire_overdue() == 1
    view = await world.view(request_id)
    assert (view.state, view.error) == (OVERDUE, EXPIRED)


async def test_only_overdue_requests_expire(world, moved_clock):
    soon, later = await world.ask(timeout_seconds=10), await world.ask(timeout_seconds=100)
    moved_clock.forward(50)
    assert await world.queue.expire_overdue() == 1
    assert await world.state(soon) is OVERDUE
    assert await world.state(later) is QUEUED


# Fairness


async def test_the_oldest_comes_first_among_equals(world):
    asked = [await world.ask(name) for name in ("ann", "bob", "cid", "dee")]
    assert [(await world.claim_one()).id for _ in asked] == asked


async def test_a_flood_does_not_starve_others(world):
    flood = [await world.ask("flo") for _ in range(30)]
    bob, cid = await world.ask("bob"), await world.ask("cid")
    served = [(await world.claim_one()).id for _ in range(32)]
    assert served[:3] == [flood[0], bob, cid]
    assert served[3:] == flood[1:]


async def test_a_batch_takes_from_everybody_before_it_takes_seconds(world):
    flood = [await world.ask("flo") for _ in range(30)]
    bob, cid = await world.ask("bob"), await world.ask("cid")
    assert {claim.id for claim in await world.queue.claim("w", 4)} == {flood[0], flood[1], bob, cid}


async def test_a_flood_is_served_while_newcomers_keep_coming(world):
    flood = [await world.ask("flo") for _ in range(4)]
    served = []
    for newcomer in range(8):
        await world.ask(f"new {newcomer}")
        served.append((await world.claim_one()).id)
    assert [request_id for request_id in served if request_id in flood] == flood[:3]


# Races

HEAD_START_SECONDS = 0.1


async def after(seconds, act):
    await asyncio.sleep(seconds)
    return await act


async def test_cancel_and_complete_at_once_have_one_winner(world, world_of, url):
    """Two connections start together many times; whoever wins, the row agrees with what both were told.

    Every fourth time one or the other has a head start, for a busy machine may let the same one win all races.
    """
    other_database = open_database(url)
    other = world_of(other_database)
    winners = Counter()
    for turn in range(20):
        await world.ask()
        claim = await world.claim_one()
        to_cancel, to_complete = {0: (0.0, HEAD_START_SECONDS), 1: (HEAD_START_SECONDS, 0.0)}.get(turn % 4, (0.0, 0.0))
        acts = [after(to_cancel, cancel(other, claim)), after(to_complete, world.complete(claim))]
        if turn % 2:
            acts.reverse()
        results = await asyncio.gather(*acts)
        cancelled, completed = reversed(results) if turn % 2 else results
        assert cancelled is not completed
        view = await world.view(claim.id)
        assert view.state is (CANCELLED if cancelled else DONE)
        assert len(view.candidates) == (0 if cancelled else 2)
        winners[view.state] += 1
    await other_database.close()
    assert set(winners) == {CANCELLED, DONE}, "a head start did not help"


async def test_claims_at_once_in_one_process_share_nothing(world):
    asked = [await world.ask(f"user {number % 5}") for number in range(40)]
    claims = await asyncio.gather(*(world.queue.claim(f"w{number}", 4) for number in range(12)))
    taken = [claim.id for batch in claims for claim in batch]
    assert sorted(taken) == sorted(asked)
