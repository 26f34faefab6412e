"""What goes wrong between Discord and a bot: deadlines, rate limits, cut connections, lost and repeated events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest

from tests.fakes.discord.interactions import BOUNDED_INTERACTIONS, InteractionKind
from tests.fakes.discord.people import Place
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.discord.world import BOUNDED_MESSAGES
from tests.fakes.plain_discord_bot import PlainBot, card, running_bot


@pytest.fixture
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(acknowledge_within_seconds=getattr(request, "param", None)) as started:
        yield started


@pytest.fixture
def alice(fake: FakeDiscord) -> Place:
    channel = fake.add_guild("Snow club").add_channel("prompts")
    return fake.add_user("alice").at(channel)


@pytest.fixture
async def bot(fake: FakeDiscord, alice: Place) -> AsyncIterator[PlainBot]:
    async with running_bot(fake) as started:
        yield started


async def test_bot_resumes_and_handles_what_it_missed(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    await fake.drop_connections(code=4000)
    missed = await alice.slash("do")
    assert missed.response.text == "hello"
    assert (fake.stats.identifies, fake.stats.resumes) == (1, 1)


async def test_bot_resumes_when_it_is_asked_to_reconnect(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    await fake.send_reconnect()
    await fake.wait_for(lambda: fake.stats.resumes == 1)
    assert (await alice.slash("do")).response.text == "hello"
    assert fake.stats.identifies == 1


async def test_bot_identifies_again_when_its_session_is_over(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    await fake.invalidate_sessions(is_resumable=False)
    await fake.wait_for(lambda: fake.stats.identifies == 2 and fake.gateway.num_connected)
    assert (await alice.slash("do")).response.text == "hello"
    assert fake.stats.resumes == 0


async def test_replayed_interaction_runs_the_bot_twice_and_is_no_violation(
    fake: FakeDiscord, bot: PlainBot, alice: Place
) -> None:
    pressed = await alice.click(await _card(bot, alice), "👍 0")
    fake.replay(pressed)
    await fake.wait_for(lambda: len(bot.presses) == 2)
    await fake.wait_for(lambda: [call.status for call in fake.requests].count(400) == 1)
    assert bot.presses == [int(pressed.id)] * 2
    assert pressed.response.buttons[0][0] == "👍 1"


async def test_second_acknowledgement_is_a_violation(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    async def answer_twice(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("one")
        interaction.response._response_type = None
        await interaction.response.send_message("two")

    bot.do = answer_twice
    await alice.slash("do")
    await fake.wait_for(lambda: bot.errors)
    assert bot.errors[0].code == 40060
    fake.expected_violations = ("40060",)
    assert len(fake.violations) == 1


@pytest.mark.parametrize("fake", [0.3], indirect=True)
async def test_late_acknowledgement_is_refused_and_a_violation(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    async def oversleep(interaction: discord.Interaction[Any]) -> None:
        await asyncio.sleep(0.4)
        await interaction.response.defer()

    bot.do = oversleep
    asked = await alice.slash("do")
    assert not asked.is_acknowledged
    await fake.wait_for(lambda: bot.errors)
    assert bot.errors[0].code == 10062
    fake.expected_violations = ("COMMAND do: not acknowledged within 0.3 s", "10062")
    assert len(fake.violations) == 2


async def test_token_dies_after_fifteen_minutes_on_the_virtual_clock(
    fake: FakeDiscord, bot: PlainBot, alice: Place
) -> None:
    async def edit_late(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()
        fake.clock.advance(15 * 60 - 1)
        await interaction.edit_original_response(content="in time")
        fake.clock.advance(2)
        await interaction.edit_original_response(content="too late")

    bot.do = edit_late
    asked = await alice.slash("do")
    await fake.wait_for(lambda: bot.errors)
    assert bot.errors[0].code == 50027
    assert asked.response.text == "in time"
    fake.expected_violations = ("50027 Invalid Webhook Token",)
    (violation,) = fake.violations
    assert asked.token not in violation


async def test_rate_limited_call_is_repeated_after_the_wait(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    limit = fake.rate_limit("/messages/@original", method="PATCH", retry_after_seconds=0.1)
    asked = await alice.slash("ask", idea="a castle")
    await fake.wait_for(lambda: not asked.response.is_loading)
    assert limit.times == 0
    assert [call.status for call in fake.requests if call.method == "PATCH"] == [429, 200]


async def test_global_rate_limit_is_honoured(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    fake.rate_limit("/channels/", is_global=True)
    await bot.get_partial_messageable(int(alice.channel.id)).send("hello")
    assert [call.status for call in fake.requests if "/channels/" in call.path] == [429, 200]


@pytest.mark.parametrize(("drop", "expected"), [("before", []), ("after", ["hello"])])
async def test_cut_connection_leaves_the_change_undone_or_done(
    fake: FakeDiscord, bot: PlainBot, alice: Place, drop: Any, expected: list[str]
) -> None:
    fake.faults.add("/messages", method="POST", drop=drop)
    with pytest.raises(aiohttp.ClientError):
        await bot.get_partial_messageable(int(alice.channel.id)).send("hello")
    assert [message.text for message in alice.channel.messages] == expected


async def test_injected_error_and_delay_happen_once(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    channel = bot.get_partial_messageable(int(alice.channel.id))
    fake.faults.add("/messages", status=403, body={"code": 50013, "message": "Missing Permissions"}, delay_seconds=0.05)
    with pytest.raises(discord.Forbidden) as caught:
        await channel.send("no")
    assert caught.value.code == 50013
    await channel.send("yes")
    with pytest.raises(ValueError, match="needs a status, a drop or a delay"):
        fake.faults.add("/messages")


async def test_long_run_keeps_only_the_newest() -> None:
    async with FakeDiscord(keep_history=False) as fake:
        here = fake.add_user("bob").at(fake.add_guild("Busy club").add_channel("prompts"))
        for _ in range(BOUNDED_INTERACTIONS + 1):
            fake.world.add_message(here.channel, fake.world.bot, {"content": "hello"})
            fake.interactions.send(InteractionKind.COMPONENT, here.user, here.channel, {}, owners={})
        async with aiohttp.ClientSession() as http:
            for _ in range(3):
                await http.get(f"{fake.api_base}/users/@me", headers={"Authorization": f"Bot {fake.token}"})
        assert len(here.channel.messages) == BOUNDED_MESSAGES
        assert len(list(fake.interactions)) == BOUNDED_INTERACTIONS
        assert len(fake.requests) == 3
        assert fake.stats.events > BOUNDED_INTERACTIONS


async def _card(bot: PlainBot, alice: Place) -> Any:
    async def post(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(view=card("a card"))

    bot.do = post
    return (await alice.slash("do")).response
