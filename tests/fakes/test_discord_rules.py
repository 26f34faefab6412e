"""Every rule of Discord that a bot can break is found: refused as Discord refuses it, and a violation."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.fakes.careless_discord_bot import EPHEMERAL, QUIET, V2, Api, careless_bot, expect_violations, text, v2
from tests.fakes.discord.interactions import Interaction, InteractionKind
from tests.fakes.discord.people import Place
from tests.fakes.discord.server import FakeDiscord


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with careless_bot() as started:
        yield started


@pytest.fixture
def alice(api: Api) -> Place:
    return api.fake.add_user("alice").at(api.fake.add_guild("Snow club").add_channel("prompts"))


@pytest.mark.parametrize("mentions", [{}, {"allowed_mentions": {}}, {"allowed_mentions": {"parse": ["everyone"]}}])
@pytest.mark.parametrize("body", [{"content": "hello"}, {"flags": V2, "components": [text()]}])
async def test_message_that_could_ping_is_a_violation(api: Api, alice: Place, body: Any, mentions: Any) -> None:
    status, _ = await api.call("POST", f"/channels/{alice.channel.id}/messages", {**body, **mentions})
    assert status == 200, "Discord posts it, and pings"
    expect_violations(api, "allowed_mentions")


async def test_v2_flag_stays_and_edits_are_checked_like_new_messages(api: Api, alice: Place) -> None:
    _, posted = await api.call("POST", f"/channels/{alice.channel.id}/messages", v2(text()))
    path = f"/channels/{alice.channel.id}/messages/{posted['id']}"
    for body in ({"flags": 0}, {"content": "hello", **QUIET}, {"components": [text("a" * 4_001)], **QUIET}):
        assert (await api.call("PATCH", path, body))[1]["code"] == 50035
    assert (await api.call("PATCH", path, {"components": [text("new")], **QUIET}))[0] == 200
    assert alice.channel.messages[0].text == "new"
    expect_violations(api, "50035", count=3)


async def test_command_keeps_its_id_when_it_is_registered_again(api: Api) -> None:
    _, (first,) = await api.sync({"name": "ask", "description": "Ask"})
    _, (again, _) = await api.sync({"name": "ask", "description": "Ask!"}, {"name": "do", "description": "Do"})
    assert again["id"] == first["id"]
    assert (await api.sync({"name": "a", "description": "a"}, {"name": "a", "description": "a"}))[0] == 400
    expect_violations(api, "comes twice")


async def test_autocomplete_takes_choices_only_and_at_most_25(api: Api, alice: Place) -> None:
    typing = api.fake.interactions.send(
        InteractionKind.AUTOCOMPLETE, alice.user, alice.channel, {"name": "ask"}, owners={"0": "1"}
    )
    assert (await api.acknowledge(typing, {"type": 5}))[1]["code"] == 50035
    too_many = [{"name": "a", "value": str(number)} for number in range(26)]
    assert (await api.acknowledge(typing, {"type": 8, "data": {"choices": too_many}}))[1]["code"] == 50035
    assert (await api.acknowledge(typing, {"type": 8, "data": {"choices": too_many[:25]}}))[0] == 204
    assert len(typing.choices) == 25
    expect_violations(api, "50035", count=2)


async def test_wrong_answers_to_an_interaction_are_refused(api: Api, alice: Place) -> None:
    asked = _asked(api, alice)
    assert (await api.acknowledge(asked, {"type": 7, "data": {}}))[1]["code"] == 50035, "a command has no message"
    assert (await api.follow_up(asked, {"content": "a", **QUIET}))[1]["code"] == 10015, "not acknowledged yet"
    assert (await api.call("POST", f"/interactions/{asked.id}/wrong/callback", {"type": 5}))[1]["code"] == 10062
    assert (await api.acknowledge(asked, {"type": 5, "data": {"flags": EPHEMERAL | 4}}))[1]["code"] == 50035
    assert not asked.is_acknowledged
    expect_violations(api, "50035", "10015", "10062", count=4)


async def test_followup_fills_a_loading_message_and_stays_as_private_as_that(api: Api, alice: Place) -> None:
    asked = _asked(api, alice)
    await api.acknowledge(asked, {"type": 5, "data": {"flags": EPHEMERAL}})
    assert asked.response.is_loading
    await api.follow_up(asked, {"content": "filled", **QUIET})
    await api.follow_up(asked, {"content": "public", **QUIET})
    assert (asked.response.text, asked.response.is_ephemeral) == ("filled", True)
    assert [message.text for message in alice.channel.messages] == ["public"]


async def test_sixth_followup_of_a_user_install_is_refused(api: Api, alice: Place) -> None:
    asked = _asked(api, alice, owners={"1": alice.user.id})
    await api.acknowledge(asked, {"type": 4, "data": {"content": "first", **QUIET}})
    statuses = [(await api.follow_up(asked, {"content": "more", **QUIET}))[0] for _ in range(6)]
    assert statuses == [200] * 5 + [400]
    expect_violations(api, "40094")


async def test_messages_of_an_interaction_are_read_changed_and_deleted(api: Api, alice: Place) -> None:
    asked = _asked(api, alice)
    await api.acknowledge(asked, {"type": 4, "data": {"content": "one", "flags": EPHEMERAL, **QUIET}})
    base = f"/webhooks/{api.fake.application_id}/{asked.token}/messages"
    assert (await api.call("GET", f"{base}/@original"))[1]["content"] == "one"
    assert (await api.call("PATCH", f"{base}/{asked.response.id}", {"content": "two", **QUIET}))[0] == 200
    hidden = f"/channels/{alice.channel.id}/messages/{asked.response.id}"
    assert (await api.call("GET", hidden))[1]["code"] == 10008, "private messages exist behind the token only"
    assert (await api.call("DELETE", f"{base}/@original"))[0] == 204
    assert (await api.call("PATCH", f"{base}/@original", {"content": "three", **QUIET}))[1]["code"] == 10008
    assert alice.sees() == []


async def test_unknown_route_and_wrong_token_are_violations(api: Api) -> None:
    assert (await api.call("GET", "/guilds/1/audit-logs"))[0] == 404
    assert (await api.call("GET", "/users/@me", token="wrong"))[0] == 401
    expect_violations(api, "a route the fake does not know", "401", count=2)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"token": "wrong"}, 4004), ({"intents": 1 | 1 << 15}, 4014), ({"shard": [0, 2]}, 4010)],
    ids=["token", "privileged intents", "shards"],
)
async def test_gateway_closes_on_a_wrong_identify(api: Api, change: Any, code: int) -> None:
    identify = {"token": api.fake.token, "intents": 1, "properties": {}, **change}
    async with aiohttp.ClientSession() as http, http.ws_connect(api.fake.gateway_url) as socket:
        assert (await socket.receive_json())["op"] == 10
        await socket.send_json({"op": 2, "d": identify})
        await socket.receive()
        assert socket.close_code == code
    expect_violations(api, "IDENTIFY")


async def test_violations_fail_the_test_that_does_not_expect_them() -> None:
    with pytest.raises(AssertionError, match="broke rules of Discord:\nGET /nothing: 0 404"):
        async with FakeDiscord() as fake, aiohttp.ClientSession() as http:
            await Api(fake, http).call("GET", "/nothing")
            fake.expected_violations = ("something else",)


def _asked(api: Api, alice: Place, owners: dict[str, str] | None = None) -> Interaction:
    data = {"name": "ask", "type": 1}
    return api.fake.interactions.send(
        InteractionKind.COMMAND, alice.user, alice.channel, data, owners=owners or {"0": "1"}
    )
