"""Socket Mode on Slack: coming back after a break, what was missed, and tokens that Slack does not take."""

import asyncio
import time

import pytest
from pydantic import SecretStr

from bot.slack.start import SlackChat
from core.errors import ConfigError, PlatformBusy
from core.records import AuditAction
from tests.bot.audit_rows import audit_rows
from tests.bot.slack.conftest import IDEA, World


@pytest.mark.parametrize("abruptly", [False, True])
async def test_bot_is_back_within_two_seconds_and_handles_what_it_missed(world: World, abruptly: bool) -> None:
    await world.slack.drop_connections(abruptly=abruptly)
    dropped_at = time.monotonic()
    await world.alice.slash("/mjprompt", IDEA, wait=False)
    await world.slack.wait_until_connected()
    assert time.monotonic() - dropped_at < 2
    await world.message(world.channel, "children's book illustration")
    assert len(await world.requests(world.alice)) == 1


async def test_bot_opens_a_new_socket_when_slack_asks_for_it(world: World) -> None:
    await world.slack.disconnect("refresh_requested")
    await world.slack.wait_for(lambda: world.slack.sockets.num_connected == 2 and world.slack.is_connected)
    await world.asked(world.alice)


async def test_slack_is_asked_once_whose_token_it_is(world: World) -> None:
    for number in range(3):
        await world.alice.slash("/mjprompt", f"idea {number}")
        await world.bob.slash("/history")
    await world.message(world.channel, "idea 2, children's book illustration")
    assert len(world.slack.calls_of("auth.test")) == 1
    assert world.slack.calls_of("users.info") == []


@pytest.mark.parametrize(
    ("setting", "name"), [("slack_bot_token", "SLACK_BOT_TOKEN"), ("slack_app_token", "SLACK_APP_TOKEN")]
)
async def test_token_that_slack_does_not_take_stops_the_start_by_its_name(
    world: World, setting: str, name: str
) -> None:
    settings = world.settings.model_copy(update={setting: SecretStr("xoxb-canary-of-another-app")})
    chat = SlackChat(world.services, settings, world.database)
    with pytest.raises(ConfigError, match=name) as refusal:
        await chat.start()
    assert "canary" not in str(refusal.value)
    await chat.close()


async def test_slack_out_of_reach_at_the_start_can_be_tried_again(world: World) -> None:
    chat = SlackChat(world.services, world.settings, world.database)
    world.slack.faults.add("auth.test", status=503, times=2)
    with pytest.raises(PlatformBusy):
        await chat.start()
    assert "Snow club" in await chat.start()
    await chat.close()


async def test_gateway_before_the_start_asks_to_wait(world: World) -> None:
    chat = SlackChat(world.services, world.settings, world.database)
    destination = {"route": "channel", "team_id": "T1", "channel_id": "C1", "ts": "1.1"}
    with pytest.raises(PlatformBusy):
        await chat.gateway.show(destination, None)


async def test_nothing_set_cannot_be_started(world: World) -> None:
    settings = world.settings.model_copy(update={"slack_bot_token": None, "slack_app_token": None})
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
        await SlackChat(world.services, settings, world.database).start()


async def test_bot_that_is_closed_and_started_again_serves_old_buttons(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.chat.close()
    await world.slack.wait_for(lambda: not world.slack.is_connected)
    await world.chat.start()
    await world.slack.wait_until_connected()
    await world.bob.click(answer, "👍 0")
    await world.shown(lambda: answer.buttons[0][0] == "👍 1")


async def test_unknown_requests_are_acknowledged_or_ignored_without_harm(world: World) -> None:
    await world.alice.person.global_shortcut("another_apps_shortcut", wait=False)
    await world.team.send_event({"type": "reaction_added", "user": world.bob.person.id}, wait=False)
    await world.asked(world.alice)
    for text in list(world.slack.violations):
        world.slack.expect_violation(text)


async def test_workspace_that_takes_the_app_out_has_its_rows_deleted(world: World) -> None:
    await world.asked(world.alice)
    await world.team.uninstall_app()
    async with asyncio.timeout(5):
        while await world.requests(world.alice):
            await asyncio.sleep(0.02)
    assert await audit_rows(world.database) == [(AuditAction.UNINSTALL, True)]
