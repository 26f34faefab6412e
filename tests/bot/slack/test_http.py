"""Slack over HTTP for one workspace: signed requests only, and the same answers as over the socket."""

import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.signature import SignatureVerifier

from bot.slack.start import SlackChat
from core.errors import AddressInUse
from core.settings import load_settings
from tests.bot.slack.conftest import IDEA, World, running_world
from tests.fakes.slack.server import FakeSlack


@pytest_asyncio.fixture(loop_scope="session")
async def world(slack: FakeSlack, socket_settings: dict[str, object]) -> AsyncIterator[World]:
    team = slack.add_team("Snow club", bot_token="xoxb-canary-bot-token")
    http = {"slack_app_token": None, "slack_signing_secret": slack.signing_secret, "slack_port": 0}
    settings = load_settings(_env_file=None, **(socket_settings | http))
    slack.transport = "http"
    async with running_world(slack, team, settings, team.add_user("olga")) as world:
        slack.request_url = f"http://127.0.0.1:{world.chat.port}/slack/events"
        yield world


async def test_ask_vote_and_home_work_over_http(world: World) -> None:
    answer = await world.asked(world.alice)
    vote = await world.bob.click(answer, "👍 0")
    assert (vote.status, vote.ack_payload) == (200, None)
    await world.shown(lambda: answer.buttons[0][0] == "👍 1")
    await world.alice.person.opens_home()
    await world.shown(lambda: world.alice.person.home and IDEA in world.alice.person.home.text)


async def test_refusal_comes_back_in_the_answer_to_the_request(world: World) -> None:
    sent = await world.alice.slash("/mjprompt", "")
    assert sent.status == 200
    await world.private(world.alice, "The idea is empty")
    assert "The idea is empty" in (sent.ack_payload or sent.responses[0])["text"]  # the latter after the deadline


async def test_slack_can_verify_the_address(world: World) -> None:
    assert await world.slack.challenge() == "a challenge"


@pytest.mark.parametrize("signature", ["wrong", "stale", "missing"])
async def test_request_that_slack_did_not_just_sign_is_refused_and_changes_nothing(
    world: World, signature: str
) -> None:
    world.slack.signature = signature
    sent = await world.alice.slash("/mjprompt", IDEA)
    assert sent.status == 401
    event = await world.team.send_event({"type": "app_uninstalled"}, wait=False)
    await world.slack.wait_for(lambda: event.status == 401)
    assert await world.requests(world.alice) == []


@pytest.mark.parametrize(
    ("timestamp", "body"),
    [("soon", b"payload=1"), ("", b"payload=1"), ("9" * 30, b"payload=1"), (None, b"\xff\xfe{"), (None, b"{")],
)
async def test_garbage_is_refused_like_a_wrong_signature(world: World, timestamp: str | None, body: bytes) -> None:
    headers = {"X-Slack-Signature": "v0=1"}
    headers["X-Slack-Request-Timestamp"] = str(int(time.time())) if timestamp is None else timestamp
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.slack.request_url, data=body, headers=headers) as reply,
    ):
        assert reply.status == 401


async def test_signed_garbage_does_not_break_the_bot(world: World) -> None:
    body, now = "payload={", str(int(time.time()))
    signature = SignatureVerifier(world.slack.signing_secret).generate_signature(timestamp=now, body=body)
    headers = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": str(signature)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.slack.request_url, data=body, headers=headers) as reply,
    ):
        assert reply.status == 400
    assert (await world.alice.slash("/cancel")).status == 200


async def test_signed_request_of_another_workspace_is_not_served(world: World) -> None:
    other = world.slack.add_team("Sun club", is_installed=False)
    place = other.add_user("eve").at(other.add_channel("prompts"))
    sent = await place.slash("/mjprompt", IDEA)
    assert sent.status == 200
    assert await world.requests(place) == []


async def test_repeated_request_asks_once(world: World) -> None:
    sent = await world.alice.slash("/mjprompt", IDEA)
    await world.slack.replay(sent)
    await world.message(world.channel, "children's book illustration")
    assert len(await world.requests(world.alice)) == 1


async def test_site_has_no_pages_of_an_installation(world: World) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/slack/install", "/slack/oauth_redirect", "/"):
            async with session.get(f"http://127.0.0.1:{world.chat.port}{path}") as reply:
                assert reply.status == 404


async def test_taken_port_is_told_with_its_cure(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = world.settings.model_copy(update={"slack_port": taken.getsockname()[1]})
        with pytest.raises(AddressInUse, match="SLACK_PORT"):
            await SlackChat(world.services, settings, world.database).start()
