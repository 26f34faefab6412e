"""Thumbs, reasons, sharing, deleting and cancelling: whose they are, and once an event."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from core.errors import ForeignId, InvalidIdea, InvalidParameter, NotFound
from core.records import AuditAction, Feedback, FeedbackReason, OutboxKind, RequestState, Thumb
from storage.tables import CandidateRow, OutboxRow, RequestRow, VoteRow
from tests.bot.audit_rows import audit_rows
from tests.bot.conftest import Site
from tests.bot.people import ANNA, BEN, CHANNEL, ELSEWHERE, SLACK_ANNA, asked

NOBODYS = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def test_pressing_sets_changes_and_takes_back_a_vote_and_shows_the_whole_request(site: Site) -> None:
    view = await asked(site, ANNA)
    first = view.candidates[0].id
    counts = []
    for number, thumb in enumerate((Thumb.UP, Thumb.DOWN, Thumb.DOWN, Thumb.UP)):
        shown = await site.service.press(BEN, first, thumb, event_id=f"press-{number}")
        assert (shown.id, len(shown.candidates), shown.is_own) == (view.id, 4, False)
        counts.append((shown.candidates[0].votes_up, shown.candidates[0].votes_down, shown.candidates[0].my_vote))
    assert counts == [(1, 0, Thumb.UP), (0, 1, Thumb.DOWN), (0, 0, None), (1, 0, Thumb.UP)]


async def test_replayed_press_changes_nothing_and_shows_the_same(site: Site) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    presses = [site.service.press(ANNA, first, Thumb.UP, event_id="press-1") for _ in range(5)]
    shown = await asyncio.gather(*presses)
    assert {view.candidates[0].votes_up for view in shown} == {1}


async def test_press_that_happened_earlier_but_comes_later_moves_no_vote(site: Site) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    now = datetime.now(UTC)
    await site.service.press(ANNA, first, Thumb.UP, event_id="press-2", occurred_at=now)
    late = await site.service.press(ANNA, first, Thumb.DOWN, event_id="press-1", occurred_at=now - timedelta(seconds=1))
    assert late.candidates[0].my_vote is Thumb.UP


async def test_foreign_press_is_refused_like_an_unknown_one_and_recorded(site: Site) -> None:
    view = await asked(site, ANNA)
    private = await asked(site, ANNA, "a boy --private")
    for who, candidate_id in (
        (ELSEWHERE, view.candidates[0].id),
        (SLACK_ANNA, view.candidates[0].id),
        (BEN, private.candidates[0].id),
    ):
        with pytest.raises(ForeignId):
            await site.service.press(who, candidate_id, Thumb.UP, event_id="press-1")
    with pytest.raises(NotFound) as unknown:
        await site.service.press(BEN, NOBODYS, Thumb.UP, event_id="press-1")
    assert not isinstance(unknown.value, ForeignId)
    assert await audit_rows(site.database) == [(AuditAction.FOREIGN_ID, False)] * 3
    async with site.database.read() as session:
        assert (await session.scalars(select(func.count()).select_from(VoteRow))).one() == 0


async def test_shared_view_is_for_whoever_may_see_the_request(site: Site) -> None:
    view = await asked(site, ANNA)
    assert (await site.service.view_shared(BEN, view.id)).id == view.id
    assert (await site.service.request_of(BEN, view.candidates[2].id)).id == view.id
    with pytest.raises(ForeignId):
        await site.service.view_shared(ELSEWHERE, view.id)
    with pytest.raises(ForeignId):
        await site.service.request_of(ELSEWHERE, view.candidates[2].id)
    with pytest.raises(NotFound):
        await site.service.view(BEN, view.id)
    assert len(await audit_rows(site.database)) == 2


async def test_last_feedback_of_a_person_stays(site: Site) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    assert await site.service.feedback_of(BEN, first) is None
    await site.service.give_feedback(BEN, first, Feedback(reason=FeedbackReason.OFF_TOPIC))
    given = Feedback(reason=FeedbackReason.UNSAFE, correction="  a  boy in snow --ar 1:1 ")
    await site.service.give_feedback(BEN, first, given)
    kept = Feedback(reason=FeedbackReason.UNSAFE, correction="a boy in snow --ar 1:1")
    assert await site.service.feedback_of(BEN, first) == kept
    assert await site.service.feedback_of(ANNA, first) is None


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (Feedback(), InvalidIdea),
        (Feedback(correction="   "), InvalidIdea),
        (Feedback(correction="@everyone"), InvalidIdea),
        (Feedback(correction="b" * 301), InvalidIdea),
        (Feedback(reason=FeedbackReason.UNSAFE, correction="a boy --zzz"), InvalidParameter),
    ],
)
async def test_empty_or_unreadable_feedback_is_refused_and_not_kept(
    site: Site, given: Feedback, error: type[Exception]
) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    with pytest.raises(error):
        await site.service.give_feedback(ANNA, first, given)
    assert await site.service.feedback_of(ANNA, first) is None


async def test_sharing_puts_one_message_on_its_way_an_event(site: Site) -> None:
    first = (await asked(site, ANNA)).candidates[0].id
    for _ in range(2):
        await site.service.share(BEN, first, event_id="press-1", reply_to=CHANNEL)
    with pytest.raises(ForeignId):
        await site.service.share(ELSEWHERE, first, event_id="press-2", reply_to=CHANNEL)
    async with site.database.read() as session:
        message = (await session.scalars(select(OutboxRow))).one()
    assert (message.kind, message.candidate_id, message.destination) == (OutboxKind.SHARE, first, CHANNEL)


async def test_only_the_asker_deletes_and_everything_goes_along(site: Site) -> None:
    request = await site.service.ask(ANNA, "a boy", reply_to=CHANNEL)
    with pytest.raises(NotFound):
        await site.service.delete(BEN, request.id)
    with pytest.raises(ForeignId):
        await site.service.delete(ELSEWHERE, request.id)
    await site.service.delete(ANNA, request.id)
    with pytest.raises(NotFound):
        await site.service.delete(ANNA, request.id)
    async with site.database.read() as session:
        for row in (RequestRow, CandidateRow, OutboxRow):
            assert (await session.scalars(select(func.count()).select_from(row))).one() == 0


async def test_queue_shows_ones_own_and_cancelling_takes_all_of_them_back(site: Site) -> None:
    site.worker.pause()
    mine = [(await site.service.ask(ANNA, f"idea {number}")).id for number in range(3)]
    bens = await site.service.ask(BEN, "another")
    queue = await site.service.queue(ANNA)
    assert ([view.id for view in queue.own], queue.queue_length, len(queue.workers)) == (mine, 4, 1)
    assert await site.service.cancel_open(ANNA) == 3
    assert await site.service.cancel_open(ANNA) == 0
    assert await site.service.cancel_open(ELSEWHERE) == 1
    assert (await site.service.view(BEN, bens.id)).state is RequestState.CANCELLED
    assert (await site.service.queue(ANNA)).own == ()
