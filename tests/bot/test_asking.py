"""Asking and going on from an answer: defaults, quotas, what is avoided, once an event."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bot.ask_options import AskOptions
from bot.variation import varied_idea
from core.errors import ForeignId, InvalidIdea, InvalidParameter, NotFound, TooManyRequests
from core.records import (
    AuditAction,
    Identity,
    NewRequest,
    Platform,
    RequestKind,
    RequestState,
    RequestView,
    WorkspaceSettings,
)
from storage import clock
from storage.tables import OutboxRow, RequestRow
from tests.bot.audit_rows import audit_rows
from tests.bot.conftest import Site
from tests.bot.fake_worker import drafts_for
from tests.bot.people import ANNA, BEN, CHANNEL, ELSEWHERE, answered, asked


async def decide(site: Site, **settings: object) -> None:
    wanted = replace(WorkspaceSettings(), **settings)
    await site.services.administration.change_settings(ANNA, wanted, is_workspace_admin=True)


async def row_of(site: Site, request_id: str) -> RequestRow:
    async with site.database.read() as session:
        row = await session.get(RequestRow, request_id)
        assert row is not None
        return row


async def num_messages(site: Site) -> int:
    async with site.database.read() as session:
        return (await session.scalars(select(func.count()).select_from(OutboxRow))).one()


async def test_ask_and_the_message_that_will_show_it_are_stored_together_once_an_event(site: Site) -> None:
    site.worker.pause()
    first = await site.service.ask(ANNA, "a boy", event_id="press-1", reply_to=CHANNEL)
    again = await site.service.ask(ANNA, "a boy", event_id="press-1", reply_to=CHANNEL)
    assert again.id == first.id
    assert await num_messages(site) == 1
    async with site.database.read() as session:
        message = (await session.scalars(select(OutboxRow))).one()
    assert (message.key, message.platform, message.destination) == (f"answer:{first.id}", Platform.DISCORD, CHANNEL)


async def test_refused_ask_leaves_no_message(site: Site) -> None:
    with pytest.raises(InvalidIdea):
        await site.service.ask(ANNA, "", reply_to=CHANNEL)
    assert await num_messages(site) == 0


async def test_options_and_typed_flags_shape_the_request(site: Site) -> None:
    site.worker.pause()
    options = AskOptions(aspect_ratio="16:9", version="7", num_candidates=4)
    view = await site.service.ask(ANNA, "a boy --ar 1:1 --count 2 --private", options=options)
    row = await row_of(site, view.id)
    assert (row.idea, row.num_candidates, row.is_private) == ("a boy --ar 1:1 --v 7", 2, True)
    assert view.is_private
    assert view.is_own


async def test_workspaces_defaults_hold_where_nothing_else_is_said(site: Site) -> None:
    site.worker.pause()
    await decide(site, midjourney_version="7", aspect_ratio="16:9", is_private=True, language="de")
    plain = await row_of(site, (await site.service.ask(ANNA, "a boy", reply_to={"route": "channel"})).id)
    assert (plain.midjourney_version, plain.parameters, plain.is_private) == ("7", "--ar 16:9", True)
    own = await site.service.ask(ANNA, "a boy --ar 1:1", options=AskOptions(is_private=False))
    assert ((await row_of(site, own.id)).parameters, own.is_private) == ("--ar 1:1", False)
    elsewhere = await row_of(site, (await site.service.ask(ELSEWHERE, "a boy")).id)
    assert (elsewhere.midjourney_version, elsewhere.parameters, elsewhere.is_private) == ("8.2", "", False)
    async with site.database.read() as session:
        assert (await session.scalars(select(OutboxRow.destination))).one()["language"] == "de"


async def test_default_ratio_is_left_out_where_the_idea_cannot_take_it(site: Site) -> None:
    site.worker.pause()
    await decide(site, aspect_ratio="10:1")
    fits = await row_of(site, (await site.service.ask(ANNA, "a boy")).id)
    too_wide_with_hd = await row_of(site, (await site.service.ask(ANNA, "a boy --hd")).id)
    full = await row_of(site, (await site.service.ask(ANNA, "b" * 300)).id)
    assert (fits.parameters, too_wide_with_hd.parameters, full.parameters) == ("--ar 10:1", "--hd", "")


async def test_parameter_of_another_version_passes_the_check_and_is_judged_by_the_workspaces(site: Site) -> None:
    site.worker.pause()
    site.service.check("a boy --q 4")
    with pytest.raises(InvalidParameter):
        await site.service.ask(ANNA, "a boy --q 4")
    await decide(site, midjourney_version="7")
    assert (await site.service.ask(ANNA, "a boy --q 4")).state is RequestState.QUEUED


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("", AskOptions(), InvalidIdea),
        ("/foo a boy", AskOptions(), InvalidIdea),
        ("a boy --ar 900:1", AskOptions(), InvalidParameter),
        ("a boy --zzz", AskOptions(), InvalidParameter),
        ("a boy --count 9", AskOptions(), InvalidParameter),
        ("a boy", AskOptions(style="loud"), InvalidParameter),
        ("a boy", AskOptions(num_candidates=7), InvalidParameter),
    ],
)
async def test_check_refuses_what_no_version_takes_before_anything_is_stored(
    site: Site, text: str, options: AskOptions, error: type[Exception]
) -> None:
    with pytest.raises(error):
        site.service.check(text, options)


async def test_quota_of_a_workspace_holds_for_each_person_and_says_when_it_frees(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.worker.pause()
    await decide(site, max_requests_per_day=2)
    now = clock.utc_now()
    monkeypatch.setattr(clock, "utc_now", lambda: now - timedelta(hours=20, minutes=30))
    await site.service.ask(ANNA, "first", event_id="press-1")
    monkeypatch.undo()
    await site.service.ask(ANNA, "second")
    with pytest.raises(TooManyRequests, match=r"2 requests within 24 hours is the limit here.*again in 3 h 30 min"):
        await site.service.ask(ANNA, "third")
    assert (await site.service.ask(ANNA, "first", event_id="press-1")).idea == "first"
    assert (await site.service.ask(BEN, "another")).state is RequestState.QUEUED
    in_another_place = replace(ANNA, workspace_external_id="5002")
    assert (await site.service.ask(in_another_place, "another")).state is RequestState.QUEUED


async def test_quota_frees_after_24_hours(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.worker.pause()
    await decide(site, max_requests_per_day=1)
    now = clock.utc_now()
    monkeypatch.setattr(clock, "utc_now", lambda: now - timedelta(hours=24, seconds=1))
    await site.service.ask(ANNA, "first")
    monkeypatch.undo()
    assert (await site.service.ask(ANNA, "second")).state is RequestState.QUEUED


async def test_reroll_asks_the_same_and_avoids_every_answer_so_far(site: Site) -> None:
    first = await asked(site, ANNA, "a boy --ar 2:3 --count 2")
    second = await answered(site, ANNA, await site.service.reroll(ANNA, first.id, event_id="press-2"))
    site.worker.pause()
    third = await row_of(site, (await site.service.reroll(ANNA, second.id, event_id="press-3")).id)
    again_from_first = await row_of(site, (await site.service.reroll(ANNA, first.id, event_id="press-4")).id)
    texts = {candidate.text for view in (first, second) for candidate in view.candidates}
    for row in (third, again_from_first):
        assert (row.kind, row.idea, row.parameters, row.num_candidates) == (
            RequestKind.REROLL,
            first.idea,
            "--ar 2:3",
            2,
        )
        assert set(row.avoid) == texts
    assert (second.kind, third.parent_id, again_from_first.parent_id) == (RequestKind.REROLL, second.id, first.id)


async def test_reroll_avoids_the_newest_twelve_at_most(site: Site) -> None:
    view = first = await asked(site, ANNA)
    for number in range(3):
        view = await answered(site, ANNA, await site.service.reroll(ANNA, view.id, event_id=f"press-{number}"))
    site.worker.pause()
    last = await row_of(site, (await site.service.reroll(ANNA, view.id, event_id="press-9")).id)
    assert len(last.avoid) == 12
    assert list(last.avoid[:4]) == [candidate.text for candidate in view.candidates]
    assert first.id < view.id


async def test_vary_asks_for_more_like_one_candidate_and_avoids_its_siblings(site: Site) -> None:
    view = await asked(site, ANNA)
    site.worker.pause()
    varied = await site.service.vary(ANNA, view.candidates[0].id, event_id="press-2", reply_to=CHANNEL)
    row = await row_of(site, varied.id)
    assert (row.kind, row.parent_id) == (RequestKind.VARY, view.id)
    assert row.subject == "a boy, long shadows at golden hour"
    assert row.parameters == "--ar 16:9 --s 250"
    assert row.idea == varied.idea == f"{row.subject} {row.parameters}"
    assert set(row.avoid) == {candidate.text for candidate in view.candidates}
    assert await num_messages(site) == 1


ORIGIN = NewRequest(idea="a boy, running --ar 2:3", subject="a boy, running", parameters="--ar 2:3")


@pytest.mark.parametrize(
    ("candidate", "subject"),
    [
        ("a boy, running, red scarf, snow, dusk, film --ar 2:3", "a boy, running, red scarf"),
        ("a boy, running --ar 2:3", "a boy, running"),
        ("snow, a boy, running, dusk, film, grain", "snow, a boy, running"),
        ("snow, dusk, film, grain", "a boy, running, snow, dusk"),
        ("a boy, running, " + "very " * 80 + "long, x, y, z --ar 2:3", "a boy, running"),
    ],
)
def test_variation_keeps_the_subject_and_half_of_the_phrases_within_the_limits(candidate: str, subject: str) -> None:
    idea = varied_idea(candidate, ORIGIN)
    assert idea.subject == subject
    assert len(idea.idea) <= 300


def test_variation_of_a_prompt_that_cannot_be_taken_is_the_idea_itself() -> None:
    assert varied_idea("a boy, running @everyone --zzz 3", ORIGIN).idea == ORIGIN.idea


async def test_remix_is_a_new_idea_that_remembers_where_it_came_from(site: Site) -> None:
    view = await asked(site, ANNA, "a boy --count 2")
    site.worker.pause()
    remixed = await site.service.remix(ANNA, view.id, "a girl --ar 1:1", event_id="press-2")
    row = await row_of(site, remixed.id)
    assert (row.kind, row.parent_id, row.idea, row.num_candidates) == (RequestKind.REMIX, view.id, "a girl --ar 1:1", 2)
    with pytest.raises(InvalidIdea):
        await site.service.remix(ANNA, view.id, "@everyone look", event_id="press-3")


GoOn = Callable[[Site, Identity, RequestView, str], Awaitable[RequestView]]


async def vary(site: Site, who: Identity, view: RequestView, event_id: str) -> RequestView:
    return await site.service.vary(who, view.candidates[1].id, event_id=event_id, reply_to=CHANNEL)


async def remix(site: Site, who: Identity, view: RequestView, event_id: str) -> RequestView:
    return await site.service.remix(who, view.id, "a girl", event_id=event_id, reply_to=CHANNEL)


async def reroll(site: Site, who: Identity, view: RequestView, event_id: str) -> RequestView:
    return await site.service.reroll(who, view.id, event_id=event_id, reply_to=CHANNEL)


GOING_ON = [vary, remix, reroll]


@pytest.mark.parametrize("go_on", GOING_ON)
async def test_going_on_is_queued_once_an_event_also_after_the_first_one_is_deleted(site: Site, go_on: GoOn) -> None:
    view = await asked(site, ANNA)
    site.worker.pause()
    made = await asyncio.gather(*(go_on(site, BEN, view, "press-2") for _ in range(5)))
    assert len({request.id for request in made}) == 1
    assert await num_messages(site) == 1
    await site.service.delete(ANNA, view.id)
    assert (await go_on(site, BEN, view, "press-2")).id == made[0].id


@pytest.mark.parametrize("go_on", GOING_ON)
async def test_going_on_from_something_foreign_is_refused_and_recorded(site: Site, go_on: GoOn) -> None:
    view = await asked(site, ANNA)
    with pytest.raises(ForeignId):
        await go_on(site, ELSEWHERE, view, "press-2")
    private = await asked(site, ANNA, "a boy --private")
    with pytest.raises(ForeignId):
        await go_on(site, BEN, private, "press-3")
    assert await audit_rows(site.database) == [(AuditAction.FOREIGN_ID, False)] * 2
    assert (await site.service.status()).queue_length == 0


@pytest.mark.parametrize("go_on", GOING_ON)
async def test_what_goes_on_from_a_private_request_stays_private(site: Site, go_on: GoOn) -> None:
    private = await asked(site, ANNA, "a boy --private")
    site.worker.pause()
    assert (await go_on(site, ANNA, private, "press-2")).is_private


async def test_replay_of_a_deleted_request_asks_for_nothing_again(site: Site) -> None:
    request = await site.service.ask(ANNA, "a boy", event_id="press-1")
    await site.service.delete(ANNA, request.id)
    with pytest.raises(NotFound, match="was deleted"):
        await site.service.ask(ANNA, "a boy", event_id="press-1")
    assert await site.service.history(ANNA, before=None, limit=5) == []


def test_fake_worker_gives_the_texts_that_these_tests_expect() -> None:
    assert drafts_for("a boy", 1)[0].text.startswith("a boy, long shadows at golden hour, deep prints")
