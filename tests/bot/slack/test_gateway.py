"""Slack as delivery sees it: addresses, fall-backs, and what each of Slack's errors means."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.cards import Card
from bot.slack.clients import Workspace
from bot.slack.gateway import destination_for
from core.errors import AddressGone, PlatformBusy
from core.records import Destination, OutboxKind, OutboxMessage, Platform
from tests.bot.slack.conftest import World

GONE = [
    "not_in_channel",
    "channel_not_found",
    "is_archived",
    "restricted_action",
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "invalid_auth",
    "account_inactive",
    "token_revoked",
    "invalid_blocks",
    "something_new",
]
BUSY: list[dict[str, Any]] = [
    {"error": "ratelimited", "status": 429, "headers": {"Retry-After": "7"}},
    {"error": "internal_error"},
    {"error": "fatal_error"},
    {"status": 500},
    {"status": 502},
    {"status": 503},
    {"drop": "before"},
    {"drop": "after"},
]


def outgoing(world: World, **changes: object) -> OutboxMessage:
    destination = destination_for(
        Workspace(team_id=world.team.id),
        user_id=world.alice.person.id,
        channel_id=world.channel.id,
        is_private=False,
    )
    return OutboxMessage(
        id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        request_id="01ARZ3NDEKTSV4RRFFQ69G5FAW",
        platform=Platform.SLACK,
        kind=OutboxKind.ANSWER,
        candidate_id=None,
        destination={**destination, **changes},
        shown=None,
        attempts=1,
        created_at=datetime.now(UTC),
    )


async def opened(world: World) -> Destination:
    return await world.chat.gateway.open(outgoing(world), Card(title="one moment"))


async def test_opened_address_can_be_edited_again_and_again(world: World) -> None:
    gateway = world.chat.gateway
    message = outgoing(world)
    assert not gateway.is_open(message.destination)
    destination = await gateway.open(message, Card(title="one moment"))
    assert gateway.is_open(destination)
    for _ in range(2):
        await gateway.show(destination, Card(title="the answer"))
    assert [each.text for each in world.channel.messages] == ["the answer"]


async def test_channel_falls_back_to_direct_messages_and_those_to_nothing(world: World) -> None:
    gateway = world.chat.gateway
    direct = gateway.fall_back(await opened(world))
    assert direct is not None
    assert (direct["route"], direct["ts"], direct["channel_id"]) == ("direct", None, None)
    reached = await gateway.open(replace(outgoing(world), destination=direct), Card(title="here instead"))
    assert world.team.direct_messages(world.alice.person)[-1].text == "here instead"
    assert gateway.fall_back(reached) is None


async def test_private_answer_never_has_a_channel(world: World) -> None:
    destination = destination_for(Workspace(team_id="T1"), user_id="U1", channel_id="C1", is_private=True)
    assert (destination["route"], destination["channel_id"]) == ("direct", None)


async def test_address_holds_no_secret(world: World) -> None:
    destination = await opened(world)
    assert world.chat.gateway.without_secrets(destination) == destination
    assert set(destination) == {
        "route",
        "team_id",
        "enterprise_id",
        "channel_id",
        "user_id",
        "ts",
        "is_private",
    }


@pytest.mark.parametrize("error", GONE)
async def test_refusal_means_another_address(world: World, error: str) -> None:
    destination = await opened(world)
    world.slack.faults.add("chat.update", error=error)
    with pytest.raises(AddressGone, match=error):
        await world.chat.gateway.show(destination, Card(title="the answer"))
    world.slack.faults.add("chat.postMessage", error=error)
    with pytest.raises(AddressGone, match=error):
        await opened(world)


@pytest.mark.parametrize("fault", BUSY)
async def test_failure_on_slacks_side_means_the_same_address_later(world: World, fault: dict[str, Any]) -> None:
    destination = await opened(world)
    world.slack.faults.add("chat.update", **fault)
    with pytest.raises(PlatformBusy) as busy:
        await world.chat.gateway.show(destination, Card(title="the answer"))
    if "headers" in fault:
        assert busy.value.retry_after_seconds == 7
    await world.chat.gateway.show(destination, Card(title="the answer"))


@pytest.mark.parametrize("value", ["soon", "-5", "inf", "nan", ""])
async def test_strange_retry_after_is_no_strange_wait(world: World, value: str) -> None:
    destination = await opened(world)
    world.slack.faults.add("chat.update", status=429, headers={"Retry-After": value})
    with pytest.raises(PlatformBusy) as busy:
        await world.chat.gateway.show(destination, Card(title="the answer"))
    assert 0 <= busy.value.retry_after_seconds <= 1


async def test_other_workspace_has_no_address_here(world: World) -> None:
    with pytest.raises(AddressGone, match="T0999999"):
        await world.chat.gateway.open(outgoing(world, team_id="T0999999"), Card(title="one moment"))


async def test_address_that_lacks_its_parts_is_gone(world: World) -> None:
    with pytest.raises(AddressGone, match="channel_id"):
        await world.chat.gateway.show({"team_id": world.team.id, "ts": "1.1"}, Card(title="the answer"))


async def test_message_deleted_by_somebody_else_is_followed_by_a_direct_one(world: World) -> None:
    world.worker.pause()
    await world.alice.slash("/mjprompt", "a boy")
    waiting = await world.message(world.channel, "in the line")
    waiting.is_deleted = True
    world.worker.resume()
    await world.direct(world.alice, "children's book illustration")
