"""The fake Slack with a real bolt app: commands, presses, forms, shortcuts and the home tab, on both transports."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.fakes.slack.people import Place
from tests.fakes.slack.server import FakeSlack
from tests.fakes.slack.tiny_app import TinyApp, client_of, http_app, socket_app
from tests.fakes.slack.workspaces import Team


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as slack:
        yield slack


@pytest.fixture
def team(slack: FakeSlack) -> Team:
    return slack.add_team("Snow club")


@pytest.fixture(params=["socket", "http"])
async def app(request: pytest.FixtureRequest, slack: FakeSlack, team: Team) -> AsyncIterator[TinyApp]:
    running = socket_app if request.param == "socket" else http_app
    async with running(slack, team) as app:
        yield app


@pytest.fixture
def here(team: Team) -> Place:
    return team.add_user("alice").at(team.add_channel("prompts"))


async def test_command_is_acknowledged_and_answered_in_the_channel(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    sent = await here.slash("/ask", "a boy --ar 16:9 & <b>")
    assert sent.is_acknowledged
    assert sent.acked_after_seconds is not None
    assert sent.acked_after_seconds < 1
    message = await slack.wait_for(lambda: here.channel.newest)
    assert app.seen == ["a boy --ar 16:9 & <b>"]
    assert message.text == "Votes"
    assert message.buttons == [("👍 0", "vote", "👍 0")]
    assert message.author is here.channel.team.bot_user


async def test_press_edits_its_own_message_through_the_response_url(
    app: TinyApp, slack: FakeSlack, here: Place
) -> None:
    await here.slash("/ask", "a boy")
    message = await slack.wait_for(lambda: here.channel.newest)
    sent = await here.click(message, "👍")
    await slack.wait_for(lambda: message.buttons[0][0] == "👍 1")
    assert sent.responses[0]["replace_original"] is True
    assert len(here.channel.messages) == 1
    assert message.edits[0].blocks[1]["elements"][0]["value"] == "👍 0"


async def test_text_in_the_acknowledgement_is_seen_by_that_person_only(app: TinyApp, team: Team, here: Place) -> None:
    sent = await here.slash("/ephemeral", "hello")
    assert sent.ack_payload["text"] == "You said hello"
    assert [message.text for message in here.sees()] == ["You said hello"]
    assert here.channel.messages == []
    assert team.add_user("bob").at(here.channel).sees() == []


async def test_form_shows_errors_and_closes_when_accepted(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    sent = await here.slash("/form")
    view = await slack.wait_for(lambda: here.person.form)
    assert view.trigger_id == sent.trigger_id
    await here.submit(view, {"Idea": "bad"})
    assert view.errors == {"idea": "Not that one."}
    await here.submit(view, {"idea": {"text": {"type": "plain_text_input", "value": "a girl"}}})
    assert not view.is_open
    assert list(here.person.views) == []
    assert app.seen == ["bad", "a girl"]


async def test_form_with_an_empty_required_input_is_not_sent(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    await here.slash("/form")
    view = await slack.wait_for(lambda: here.person.form)
    with pytest.raises(AssertionError, match="'Idea' is empty"):
        await here.submit(view)
    with pytest.raises(AssertionError, match="at most 300 characters"):
        await here.submit(view, {"text": "x" * 301})
    assert app.seen == []


async def test_shortcut_hands_over_the_message_and_is_answered_privately(
    app: TinyApp, slack: FakeSlack, here: Place
) -> None:
    await here.shortcut("make", "tom & jerry")
    await slack.wait_for(lambda: len(here.sees()) == 2)
    assert app.seen == ["tom &amp; jerry"]
    assert [message.text for message in here.channel.messages] == ["tom & jerry"]


async def test_home_tab_is_published_when_opened(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    await here.person.opens_home()
    home = await slack.wait_for(lambda: here.person.home)
    assert home.text == "Home"


async def test_replayed_command_runs_the_handler_again_with_another_envelope(
    app: TinyApp, slack: FakeSlack, here: Place
) -> None:
    sent = await here.slash("/ephemeral", "once")
    await slack.replay(sent)
    assert app.seen == ["once", "once"]
    assert len(sent.ack_payloads) == 2
    assert len(here.sees()) == 1


async def test_replayed_event_carries_the_retry_headers(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    sent = await here.person.opens_home()
    await slack.replay(sent)
    await slack.wait_for(lambda: len(app.seen) == 2)
    assert app.headers[1]["x-slack-retry-num"] == ["1"]
    assert app.headers[1]["x-slack-retry-reason"] == ["timeout"]


async def test_a_hundred_commands_at_once_are_all_acknowledged(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    sent = await asyncio.gather(*(here.slash("/ephemeral", str(number)) for number in range(100)))
    assert all(each.is_acknowledged for each in sent)
    assert sorted(map(int, app.seen)) == list(range(100))


async def test_response_url_takes_five_answers(slack: FakeSlack, team: Team, here: Place) -> None:
    async with socket_app(slack, team):
        sent = await here.slash("/ephemeral", "x")
    answers = [await _post(sent.response_url, {"text": f"answer {number}"}) for number in range(6)]
    assert answers == [(200, "ok")] * 5 + [(404, '{"ok": false, "error": "used_url"}')]
    assert len(sent.responses) == 5


async def test_response_url_expires_after_thirty_minutes(slack: FakeSlack, team: Team, here: Place) -> None:
    async with socket_app(slack, team):
        sent = await here.slash("/ephemeral", "x")
    slack.clock.advance(29 * 60)
    assert (await _post(sent.response_url, {"text": "in time", "response_type": "in_channel"}))[0] == 200
    slack.clock.advance(2 * 60)
    assert await _post(sent.response_url, {"text": "late"}) == (404, '{"ok": false, "error": "expired_url"}')
    assert [message.text for message in here.channel.messages] == ["in time"]


async def test_forged_press_arrives_like_a_real_one(app: TinyApp, slack: FakeSlack, here: Place) -> None:
    await here.slash("/ask", "a boy")
    message = await slack.wait_for(lambda: here.channel.newest)
    await here.click_forged(message, "vote", "👍 41")
    await slack.wait_for(lambda: message.buttons[0][0] == "👍 42")


async def test_message_of_somebody_else_cannot_be_changed(slack: FakeSlack, team: Team, here: Place) -> None:
    client = client_of(slack, team.bot_token)
    spoken = here.says("mine")
    answer = await client.chat_postEphemeral(channel=here.channel.id, user=here.person.id, text="only you")
    for ts, error in [
        (spoken.ts, "cant_update_message"),
        (answer["message_ts"], "cant_update_message"),
        ("1.000001", "message_not_found"),
    ]:
        with pytest.raises(Exception, match=error):
            await client.chat_update(channel=here.channel.id, ts=ts, text="changed")
    assert [message.text for message in here.sees()] == ["mine", "only you"]


async def _post(url: str | None, body: dict[str, object]) -> tuple[int, str]:
    assert url is not None
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.text()
