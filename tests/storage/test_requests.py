"""What people see of their requests: views, position, estimate, history, cancelling, counting."""

import pytest

from core.errors import NotFound
from core.records import (
    Feedback,
    ModelInfo,
    OutboxKind,
    Platform,
    RequestKind,
    RequestState,
    Thumb,
    WorkerState,
)
from storage import favorites, feedback, outbox, quotas, requests, votes, workers
from storage.forecast import NUM_RECENT_REQUESTS
from storage.tables import RequestRow
from tests.storage.plans import plans_of, statements_seen

MODEL = ModelInfo(base="pocket", adapter=None, precision="fp32", device="cpu")


async def announce(world, name="w", state=WorkerState.READY):
    async with world.database.write() as session:
        await workers.announce(session, name, state, MODEL if state is WorkerState.READY else None)


async def views(world, ids, *, viewer="ann"):
    viewer_id = await world.user(viewer)
    async with world.database.read() as session:
        return await requests.views(session, ids, viewer_id=viewer_id)


async def answer_in(world, clock, seconds):
    request_id = await world.ask("past")
    claim = await world.claim_one(request_id)
    clock.forward(seconds)
    assert await world.complete(claim)


# Views


async def test_a_view_tells_everything_of_a_new_request(world):
    view = await world.view(await world.ask())
    assert (view.idea, view.subject, view.state) == ("a boy --ar 3:2", "a boy", RequestState.QUEUED)
    assert (view.position, view.eta_seconds, view.error, view.model) == (1, None, None, None)
    assert (view.started_at, view.finished_at, view.candidates) == (None, None, ())
    assert view.created_at.tzinfo is not None


async def test_a_view_tells_the_model_and_the_candidates_by_rank(world):
    view = await world.answered()
    assert view.model == MODEL
    assert [(candidate.rank, candidate.text, candidate.score) for candidate in view.candidates] == [
        (1, "one", -0.1),
        (2, "two", -0.2),
    ]
    assert (view.position, view.eta_seconds) == (None, None)


async def test_an_unknown_request_is_not_found(world):
    with pytest.raises(NotFound, match="There is no request nothing"):
        await world.view("nothing")
    assert await views(world, ["nothing"]) == {}
    assert await views(world, []) == {}


async def test_votes_are_counted_for_everybody_and_shown_for_the_viewer(world):
    request = await world.answered()
    first, second = request.candidates
    for name, candidate, thumb in [
        ("ann", first, Thumb.UP),
        ("bob", first, Thumb.UP),
        ("cid", first, Thumb.DOWN),
        ("bob", second, Thumb.DOWN),
    ]:
        user_id = await world.user(name)
        async with world.database.write() as session:
            await votes.cast(session, user_id=user_id, candidate_id=candidate.id, thumb=thumb, event_id=candidate.id)
    seen = (await world.view(request.id, viewer="ann")).candidates
    assert [(view.votes_up, view.votes_down, view.my_vote) for view in seen] == [
        (2, 1, Thumb.UP),
        (0, 1, None),
    ]
    async with world.database.read() as session:
        stranger = (await requests.view(session, request.id, viewer_id=None)).candidates
    assert [(view.votes_up, view.votes_down, view.my_vote) for view in stranger] == [
        (2, 1, None),
        (0, 1, None),
    ]


@pytest.mark.parametrize("num_requests", [1, 40])
async def test_the_number_of_queries_does_not_grow_with_the_requests(world, num_requests):
    ids = [await world.ask(f"user {number % 3}") for number in range(num_requests)]
    viewer_id = await world.user()
    async with world.database.read() as session, statements_seen() as statements:
        found = await requests.views(session, ids, viewer_id=viewer_id)
    assert len(found) == num_requests
    assert len(statements) == 5


async def test_views_history_and_counts_read_by_indices(world):
    """Votes are counted within one index, however many there are."""
    request = await world.answered()
    user_id = await world.user()

    async def look() -> None:
        async with world.database.read() as session:
            await requests.history(session, user_id, before=request.id + "Z", limit=5)
            await requests.open_of(session, user_id)
            await requests.count_open(session, user_id=user_id)
            await quotas.nth_newest(session, user_id=user_id, workspace_external_id="x", since=request.created_at, n=5)
            await requests.texts_of(session, [request.id])

    plans = await plans_of(world.database, look())
    assert len(plans) == 7
    for plan in plans:
        assert not [step for step in plan if step.startswith("SCAN")], plan
    counts = [step for plan in plans for step in plan if "ix_votes_candidate_id_thumb" in step]
    assert len(counts) == 2
    assert all("COVERING INDEX" in step for step in counts)


async def test_a_view_in_the_same_transaction_sees_the_change_before_it(world):
    """The session remembers a row while somebody holds it, and a guarded UPDATE goes past that memory."""
    request_id, user_id = await world.ask(), await world.user()
    async with world.database.write() as session:
        held = await session.get(RequestRow, request_id)
        assert held.state is RequestState.QUEUED
        await requests.cancel(session, request_id, user_id=user_id)
        view = await requests.view(session, request_id, viewer_id=user_id)
    assert view.state is RequestState.CANCELLED


async def test_a_view_tells_whose_request_it_is_and_how_it_came_about(world):
    parent_id = await world.ask()
    request_id = await world.ask(kind=RequestKind.REMIX, parent_id=parent_id, is_private=True)
    mine, theirs = await world.view(request_id), await world.view(request_id, viewer="bob")
    assert (mine.kind, mine.is_private, mine.is_own, mine.asker_name) == (RequestKind.REMIX, True, True, "ann")
    assert (theirs.is_own, theirs.asker_name) == (False, "ann")


async def test_a_view_tells_what_the_viewer_saved(world):
    request = await world.answered()
    user_id = await world.user("bob")
    async with world.database.write() as session:
        await favorites.save(session, user_id, request.candidates[1].id, is_saved=True)
    for viewer, saved in (("ann", [False, False]), ("bob", [False, True])):
        view = await world.view(request.id, viewer=viewer)
        assert [candidate.is_saved for candidate in view.candidates] == saved


# Position and estimate


async def test_positions_are_the_order_of_claiming(world):
    ids = [await world.ask(name) for name in ("flo", "flo", "flo", "bob", "cid", "bob")]
    positions = {request_id: view.position for request_id, view in (await views(world, ids)).items()}
    assert sorted(positions.values()) == [1, 2, 3, 4, 5, 6]
    claims = {claim.id for claim in await world.queue.claim("w", 3)}
    assert claims == {request_id for request_id, position in positions.items() if position <= 3}


async def test_a_position_moves_up_as_others_are_taken(world):
    first, second = await world.ask("ann"), await world.ask("bob")
    assert (await world.view(second)).position == 2
    await world.claim_one(first)
    assert (await world.view(first)).position is None
    assert (await world.view(second)).position == 1


async def test_nothing_is_estimated_before_the_first_answer(world):
    await announce(world)
    assert (await world.view(await world.ask())).eta_seconds is None


async def test_nothing_is_estimated_without_a_ready_worker(world, moved_clock):
    await answer_in(world, moved_clock, 4)
    await announce(world, state=WorkerState.LOADING)
    request_id = await world.ask()
    assert (await world.view(request_id)).eta_seconds is None
    await announce(world)
    assert (await world.view(request_id)).eta_seconds == pytest.approx(4)
    moved_clock.forward(31)
    assert (await world.view(request_id)).eta_seconds is None


async def test_the_estimate_grows_with_the_position_and_shrinks_with_the_workers(world, moved_clock):
    await answer_in(world, moved_clock, 4)
    await announce(world)
    ids = [await world.ask(name) for name in ("ann", "bob", "cid", "dee")]
    etas = [view.eta_seconds for view in (await views(world, ids)).values()]
    assert sorted(etas) == pytest.approx([4, 8, 12, 16])
    await announce(world, "another")
    etas = [view.eta_seconds for view in (await views(world, ids)).values()]
    assert sorted(etas) == pytest.approx([4, 4, 6, 8])


async def test_a_batch_counts_as_capacity(world, moved_clock):
    await answer_in(world, moved_clock, 4)
    await announce(world)
    for name in ("ann", "bob", "cid", "dee"):
        await world.ask(name)
    await world.queue.claim("w", 4)
    ids = [await world.ask(f"later {number}") for number in range(8)]
    etas = [view.eta_seconds for view in (await views(world, ids)).values()]
    assert max(etas) == pytest.approx(8)


async def test_a_running_request_has_the_rest_of_the_usual_time_to_go(world, moved_clock):
    await answer_in(world, moved_clock, 4)
    await announce(world)
    claim = await world.claim_one(await world.ask())
    moved_clock.forward(1)
    assert (await world.view(claim.id)).eta_seconds == pytest.approx(3)
    moved_clock.forward(10)
    assert (await world.view(claim.id)).eta_seconds == 0


async def test_only_recent_answers_count(world, moved_clock):
    await answer_in(world, moved_clock, 25)
    for _ in range(NUM_RECENT_REQUESTS):
        await answer_in(world, moved_clock, 2)
    await announce(world)
    assert (await world.view(await world.ask())).eta_seconds == pytest.approx(2)


# History


async def test_history_is_ones_own_newest_first_and_goes_on_where_it_stopped(world):
    mine = [await world.ask("ann") for _ in range(5)]
    await world.ask("bob")
    user_id = await world.user("ann")
    async with world.database.read() as session:
        first = await requests.history(session, user_id, before=None, limit=3)
        rest = await requests.history(session, user_id, before=first[-1].id, limit=3)
    assert [view.id for view in first + rest] == mine[::-1]


async def test_open_requests_are_listed_oldest_first_and_are_ones_own(world):
    done = await world.answered("ann")
    mine = [await world.ask("ann") for _ in range(3)]
    await world.ask("bob")
    await world.claim_one(mine[1])
    user_id = await world.user("ann")
    async with world.database.read() as session:
        listed = await requests.open_of(session, user_id)
    assert [view.id for view in listed] == mine
    assert [view.state for view in listed] == [RequestState.QUEUED, RequestState.RUNNING, RequestState.QUEUED]
    assert done.id not in mine


async def test_texts_are_told_by_request_and_rank(world):
    first, second, open_one = await world.answered(), await world.answered(), await world.ask()
    async with world.database.read() as session:
        assert await requests.texts_of(session, [second.id, first.id, open_one]) == ("one", "two", "one", "two")
        assert await requests.texts_of(session, [open_one]) == ()
        assert await requests.texts_of(session, []) == ()


# Cancelling


async def cancel(world, request_id, name="ann"):
    user_id = await world.user(name)
    async with world.database.write() as session:
        return await requests.cancel(session, request_id, user_id=user_id)


async def test_a_cancelled_request_is_never_claimed(world):
    request_id = await world.ask()
    assert await cancel(world, request_id)
    assert await world.queue.claim("w", 1) == []
    view = await world.view(request_id)
    assert (view.state, view.error) == (RequestState.CANCELLED, None)
    assert view.finished_at is not None
    assert not await cancel(world, request_id)


async def test_a_request_cancelled_while_running_is_not_answered(world):
    await world.ask()
    claim = await world.claim_one()
    assert await cancel(world, claim.id)
    assert await world.queue.heartbeat([claim]) == frozenset()
    assert not await world.complete(claim)
    assert await world.count("candidates") == 0


async def test_nobody_cancels_somebody_elses_request(world):
    request_id = await world.ask("ann")
    for name, wanted in (("bob", request_id), ("ann", "nothing")):
        with pytest.raises(NotFound, match=f"no request {wanted} of yours"):
            await cancel(world, wanted, name)
    assert await world.state(request_id) is RequestState.QUEUED


async def test_all_open_requests_of_a_person_are_cancelled_at_once(world):
    done = await world.answered("ann")
    running, queued, others = await world.ask("ann"), await world.ask("ann"), await world.ask("bob")
    claim = await world.claim_one(running)
    user_id = await world.user("ann")
    async with world.database.write() as session:
        assert await requests.cancel_open(session, user_id) == 2
        assert await requests.cancel_open(session, user_id) == 0
    states = [await world.state(request_id) for request_id in (done.id, running, queued, others)]
    cancelled = RequestState.CANCELLED
    assert states == [RequestState.DONE, cancelled, cancelled, RequestState.QUEUED]
    assert not await world.complete(claim)


# Deleting


async def delete(world, request_id, name="ann"):
    user_id = await world.user(name)
    async with world.database.write() as session:
        await requests.delete(session, request_id, user_id=user_id)


async def test_deleting_takes_prompts_votes_and_messages_along_but_no_child(world):
    request, bob = await world.answered(), await world.user("bob")
    child = await world.ask(kind=RequestKind.VARY, parent_id=request.id)
    async with world.database.write() as session:
        candidate = request.candidates[0].id
        await votes.cast(session, user_id=bob, candidate_id=candidate, thumb=Thumb.UP, event_id="1")
        await favorites.save(session, bob, candidate, is_saved=True)
        await feedback.give(session, user_id=bob, candidate_id=candidate, feedback=Feedback(correction="better"))
        await outbox.add(
            session,
            request_id=request.id,
            platform=Platform.DISCORD,
            key="answer",
            kind=OutboxKind.ANSWER,
            destination={},
        )
    await delete(world, request.id)
    for table in ("candidates", "votes", "vote_events", "favorites", "feedback", "outbox"):
        assert await world.count(table) == 0, table
    assert (await world.view(child)).state is RequestState.QUEUED


async def test_a_request_deleted_while_running_is_not_answered(world):
    claim = await world.claim_one(await world.ask())
    await delete(world, claim.id)
    assert await world.queue.heartbeat([claim]) == frozenset()
    assert not await world.complete(claim)


async def test_nobody_deletes_somebody_elses_request(world):
    request_id = await world.ask("ann")
    for name, wanted in (("bob", request_id), ("ann", "nothing")):
        with pytest.raises(NotFound, match=f"no request {wanted} of yours to delete"):
            await delete(world, wanted, name)
    assert await world.state(request_id) is RequestState.QUEUED


# Counting


async def test_open_requests_are_the_queued_and_the_running(world):
    for name in ("ann", "ann", "bob", "ann"):
        await world.ask(name)
    await world.answered("ann")
    await world.claim_one()
    ann, bob = await world.user("ann"), await world.user("bob")
    async with world.database.read() as session:
        assert await requests.count_open(session) == 4
        assert await requests.count_open(session, user_id=ann) == 3
        assert await requests.count_open(session, user_id=bob) == 1
