"""The chat service's rules, over a real database and queue, without the web."""

import asyncio

import pytest

from bot.service import ChatService
from core.errors import InvalidIdea, NotFound, TooManyRequests
from core.records import Identity, Platform, RequestState, Thumb
from storage.database import open_database
from storage.queue import SqlQueue
from tests.bot.conftest import MakeSettings, Site

ANNA = Identity(platform=Platform.WEB, external_id="anna")
BEN = Identity(platform=Platform.WEB, external_id="ben")


async def answered(site: Site, who: Identity, idea: str = "a boy") -> str:
    """Ask and wait for the answer; return the request's id."""
    request = await site.service.ask(who, idea)
    async with asyncio.timeout(20):
        while not (await site.service.view(who, request.id)).state.is_final:
            await asyncio.sleep(0.02)
    return request.id


async def test_replayed_event_gives_the_same_request_and_queues_nothing(site: Site) -> None:
    site.worker.pause()
    first = await site.service.ask(ANNA, "a boy", event_id="event-1")
    again = await site.service.ask(ANNA, "a boy", event_id="event-1")
    other = await site.service.ask(ANNA, "a boy", event_id="event-2")
    assert again.id == first.id != other.id
    assert (await site.service.status()).queue_length == 2


async def test_concurrent_replays_of_one_event_queue_one_request(site: Site) -> None:
    site.worker.pause()
    asks = [site.service.ask(ANNA, "a boy", event_id="event-1") for _ in range(10)]
    assert len({request.id for request in await asyncio.gather(*asks)}) == 1
    assert (await site.service.status()).queue_length == 1


async def test_same_event_id_on_another_platform_is_another_event(site: Site) -> None:
    site.worker.pause()
    terminal = Identity(platform=Platform.TERMINAL, external_id="anna")
    web = await site.service.ask(ANNA, "a boy", event_id="event-1")
    assert (await site.service.ask(terminal, "a boy", event_id="event-1")).id != web.id


async def test_refused_idea_stores_nothing(site: Site) -> None:
    with pytest.raises(InvalidIdea):
        await site.service.ask(ANNA, "   ")
    assert (await site.service.status()).queue_length == 0
    assert await site.service.history(ANNA, before=None, limit=10) == []


async def test_person_at_the_quota_is_refused_while_another_may_ask(make_settings: MakeSettings) -> None:
    settings = make_settings(max_open_requests_per_user=2)
    database = open_database(settings.database_url)
    service = ChatService(database, SqlQueue(database, lease_seconds=30, max_attempts=2), settings)
    try:
        for _ in range(2):
            await service.ask(ANNA, "a boy")
        with pytest.raises(TooManyRequests, match="2 requests waiting, and 2 is the most"):
            await service.ask(ANNA, "a boy")
        assert (await service.ask(BEN, "a boy")).state is RequestState.QUEUED
    finally:
        await database.close()


async def test_full_queue_refuses_everybody_but_replays_still_find_their_request(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(max_queue_length=1)
    database = open_database(settings.database_url)
    service = ChatService(database, SqlQueue(database, lease_seconds=30, max_attempts=2), settings)
    try:
        first = await service.ask(ANNA, "a boy", event_id="event-1")
        with pytest.raises(TooManyRequests, match="line is full with 1 requests of 1"):
            await service.ask(BEN, "a boy")
        assert (await service.ask(ANNA, "a boy", event_id="event-1")).id == first.id
    finally:
        await database.close()


async def test_request_is_seen_and_cancelled_only_by_the_person_who_asked(site: Site) -> None:
    site.worker.pause()
    request = await site.service.ask(ANNA, "a boy")
    for somebody_else in (BEN, Identity(platform=Platform.DISCORD, external_id="anna")):
        with pytest.raises(NotFound):
            await site.service.view(somebody_else, request.id)
        with pytest.raises(NotFound):
            await site.service.cancel(somebody_else, request.id)
    assert (await site.service.cancel(ANNA, request.id)).state is RequestState.CANCELLED


async def test_cancelling_an_answered_request_leaves_it_answered(site: Site) -> None:
    request_id = await answered(site, ANNA)
    assert (await site.service.cancel(ANNA, request_id)).state is RequestState.DONE


async def test_history_is_newest_first_page_by_page_and_ones_own(site: Site) -> None:
    site.worker.pause()
    mine = [(await site.service.ask(ANNA, f"idea {number}")).id for number in range(5)]
    await site.service.ask(BEN, "another idea")
    first = await site.service.history(ANNA, before=None, limit=3)
    rest = await site.service.history(ANNA, before=first[-1].id, limit=3)
    assert [view.id for view in (*first, *rest)] == mine[::-1]


async def test_vote_is_set_changed_and_taken_back(site: Site) -> None:
    view = await site.service.view(ANNA, await answered(site, ANNA))
    candidate_id = view.candidates[0].id
    counts = []
    for number, thumb in enumerate((Thumb.UP, Thumb.DOWN, None)):
        voted = await site.service.vote(ANNA, candidate_id, thumb, event_id=f"press-{number}")
        counts.append((voted.votes_up, voted.votes_down, voted.my_vote))
    assert counts == [(1, 0, Thumb.UP), (0, 1, Thumb.DOWN), (0, 0, None)]


async def test_consent_is_off_until_given_and_can_be_taken_back(site: Site) -> None:
    assert not await site.service.has_consented(ANNA)
    await site.service.set_consent(ANNA, is_given=True)
    assert await site.service.has_consented(ANNA)
    assert not await site.service.has_consented(BEN)
    await site.service.set_consent(ANNA, is_given=False)
    assert not await site.service.has_consented(ANNA)


async def test_unknown_command_is_refused_on_every_front_end(site: Site) -> None:
    with pytest.raises(InvalidIdea, match="There is no command /foo"):
        await site.service.ask(ANNA, "/foo a boy")
