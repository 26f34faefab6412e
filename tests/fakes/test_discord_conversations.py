"""The unmodified discord.py talks with the fake as it does with Discord, and people see what the bot says."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest

from tests.fakes.discord.errors import NotPossible
from tests.fakes.discord.people import Place
from tests.fakes.discord.permissions import EVERYONE, Permission
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.plain_discord_bot import PlainBot, card, running_bot


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as started:
        yield started


@pytest.fixture
def alice(fake: FakeDiscord) -> Place:
    channel = fake.add_guild("Snow club").add_channel("prompts")
    return fake.add_user("alice", locale="de").at(channel)


@pytest.fixture
async def bot(fake: FakeDiscord, alice: Place) -> AsyncIterator[PlainBot]:
    async with running_bot(fake) as started:
        yield started


async def test_slash_command_is_deferred_then_answered_by_an_edit(
    fake: FakeDiscord, bot: PlainBot, alice: Place
) -> None:
    asked = await alice.slash("ask", idea="a castle", ar="16:9", count=2)
    assert asked.callback_type == 5
    assert 0 < asked.acked_after_seconds < 1
    await fake.wait_for(lambda: not asked.response.is_loading)
    (message,) = alice.channel.messages
    assert message.text == "a castle 16:9 2"
    assert message.buttons == [("👍 0", "vote:0"), ("Remix", "form")]
    assert message.edits == 0, "filling a loading message is no edit"


async def test_button_edits_its_own_message(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    message = await _card(fake, bot, alice)
    pressed = await alice.click(message, "👍 0")
    assert pressed.callback_type == 7
    assert pressed.response is message
    assert message.buttons[0] == ("👍 1", "vote:1")
    assert message.edits == 1
    assert list(message.versions)[-2:] == ["a card", "voted"]


async def test_message_can_be_drawn_from_its_tree(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    (container,) = (await _card(fake, bot, alice)).tree
    text, row = container.children
    assert (container.kind, container.accent_color) == ("container", 0x5865F2)
    assert (text.kind, text.text) == ("text", "a card")
    assert [(child.kind, child.button.label, child.button.style.name) for child in row.children] == [
        ("button", "👍 0", "SECONDARY"),
        ("button", "Remix", "SECONDARY"),
    ]


async def test_form_is_sent_with_what_was_filled_in_before(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    opened = await alice.click(await _card(fake, bot, alice), "Remix")
    assert (opened.modal.title, [field.label for field in opened.modal.fields]) == ("Remix", ["Idea", "Reason"])
    sent = await alice.submit(opened, {"Reason": "dull"})
    assert sent.response.text == "a cat, dull"
    with pytest.raises(NotPossible, match="0 to 20"):
        await alice.submit(opened, {"Idea": "a" * 21})
    with pytest.raises(NotPossible, match="offers"):
        await alice.submit(opened, {"Reason": "green"})
    with pytest.raises(NotPossible, match="needs"):
        await alice.submit(opened, {"Idea": ""})


async def test_private_answer_is_seen_by_its_person_only(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    async def whisper(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("psst", ephemeral=True)

    bot.do = whisper
    whispered = await alice.slash("do")
    bob = fake.add_user("bob").at(alice.channel)
    assert alice.sees() == [whispered.response]
    assert bob.sees() == alice.channel.messages == []
    with pytest.raises(NotPossible, match="does not see"):
        await bob.click(whispered.response, "👍 0")


async def test_autocomplete_returns_the_choices_of_the_bot(bot: PlainBot, alice: Place) -> None:
    assert await alice.autocomplete("fruit", "name", "ap") == [("Apple", "apple"), ("Apricot", "apricot")]


async def test_button_that_the_bot_never_sent_reaches_it_when_forged(
    fake: FakeDiscord, bot: PlainBot, alice: Place
) -> None:
    message = await _card(fake, bot, alice)
    with pytest.raises(NotPossible, match="0 buttons are called"):
        await alice.click(message, "vote:41")
    await alice.click_forged(message, "vote:41")
    assert message.buttons[0][1] == "vote:42"


async def test_file_arrives_with_the_answer(bot: PlainBot, alice: Place) -> None:
    async def export(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(file=discord.File(io.BytesIO(b"{}"), "export.json"), ephemeral=True)

    bot.do = export
    assert (await alice.slash("do")).response.files == {"export.json": b"{}"}


async def test_bot_writes_into_channels_and_direct_messages(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    alice.channel.guild.add_member(alice.user)
    channel = bot.get_partial_messageable(int(alice.channel.id))
    first = await channel.send("once", nonce="01ARZ3NDEKTSV4RRFFQ69G5FA")
    again = await channel.send("once", nonce="01ARZ3NDEKTSV4RRFFQ69G5FA")
    assert first.id == again.id
    fake.clock.advance(301)
    assert (await channel.send("twice", nonce="01ARZ3NDEKTSV4RRFFQ69G5FA")).id != first.id
    await first.edit(content="edited")
    person = await bot.fetch_user(int(alice.user.id))
    await person.send("hi")
    assert [message.text for message in alice.channel.messages] == ["edited", "twice"]
    assert [message.text for message in fake.direct_messages(alice.user)] == ["hi"]


async def test_bot_is_refused_where_discord_refuses_it(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    """None of these is a violation: a bot cannot know before it asks."""
    guild = alice.channel.guild
    silent, hidden = guild.add_channel("silent", can_send=False), guild.add_channel("hidden", can_view=False)
    gone = await bot.get_partial_messageable(int(alice.channel.id)).send("soon gone")
    fake.delete(alice.channel.messages[0])
    person = await bot.fetch_user(int(alice.user.id))
    assert await _code(bot.get_partial_messageable(int(silent.id)).send("no")) == 50013
    assert await _code(bot.get_partial_messageable(int(hidden.id)).send("no")) == 50001
    assert await _code(gone.edit(content="no")) == 10008
    assert await _code(person.send("no")) == 50007, "they share no server"
    guild.add_member(alice.user)
    await person.send("yes")
    alice.user.blocks_direct_messages = True
    assert await _code(person.send("no")) == 50007
    alice.channel.delete()
    assert await _code(bot.get_partial_messageable(int(alice.channel.id)).send("no")) == 10003
    assert fake.violations == []


async def test_bot_of_a_user_install_answers_where_it_is_no_member(
    fake: FakeDiscord, bot: PlainBot, alice: Place
) -> None:
    foreign = alice.user.at(fake.add_guild("Elsewhere", is_bot_member=False).add_channel("general"))
    group = alice.user.in_group()
    for place in (foreign, group):
        assert place.commands() == []
    alice.user.has_installed_app = True
    seen: list[tuple[bool, bool, str]] = []

    async def look(interaction: discord.Interaction[Any]) -> None:
        seen.append((interaction.is_user_integration(), interaction.is_guild_integration(), str(interaction.locale)))
        await interaction.response.send_message("hello")

    bot.do = look
    for place in (foreign, group, alice.user.direct(), alice):
        assert (await place.slash("do")).response.text == "hello"
    assert seen == [(True, False, "de"), (True, False, "de"), (True, False, "de"), (True, True, "de")]
    assert await _code(bot.get_partial_messageable(int(foreign.channel.id)).send("no")) == 50001


async def test_client_refuses_what_the_command_does_not_take(bot: PlainBot, alice: Place) -> None:
    for options, reason in (
        ({}, "needs idea"),
        ({"idea": "a", "colour": "red"}, "no option 'colour'"),
        ({"idea": "a" * 31}, "refuses"),
        ({"idea": 5}, "refuses"),
        ({"idea": "a", "ar": "1:1"}, "refuses"),
        ({"idea": "a", "count": 5}, "refuses"),
    ):
        with pytest.raises(NotPossible, match=reason):
            await alice.slash("ask", **options)
    with pytest.raises(NotPossible, match="sees no /nothing"):
        await alice.slash("nothing")


async def test_command_for_admins_is_hidden_from_others_unless_the_server_says_so(
    fake: FakeDiscord, bot: PlainBot, alice: Place
) -> None:
    guild = alice.channel.guild
    with pytest.raises(NotPossible, match="sees no /admin"):
        await alice.slash("admin show")
    with pytest.raises(NotPossible, match="sees no /admin"):
        await alice.user.direct().slash("admin show")
    guild.override_command("admin", is_allowed=True)
    assert (await alice.slash("admin show")).response.text == "shown"
    guild.overrides.clear()
    guild.add_member(alice.user, permissions=EVERYONE | Permission.MANAGE_GUILD)
    assert (await alice.slash("admin show")).response.text == "shown"
    with pytest.raises(NotPossible, match="needs one of its subcommands"):
        await alice.slash("admin")


async def test_bot_hears_of_joining_and_leaving_a_server(fake: FakeDiscord, bot: PlainBot) -> None:
    guild = fake.add_guild("New club")
    await fake.wait_for(lambda: bot.get_guild(int(guild.id)) is not None)
    guild.remove_bot()
    await fake.wait_for(lambda: bot.get_guild(int(guild.id)) is None)


async def test_a_hundred_people_at_once_are_all_answered(fake: FakeDiscord, bot: PlainBot, alice: Place) -> None:
    people = [fake.add_user(f"person {number}").at(alice.channel) for number in range(100)]
    asked = await asyncio.gather(*(each.slash("do") for each in people))
    assert [each.response.text for each in asked] == ["hello"] * 100


async def _card(fake: FakeDiscord, bot: PlainBot, alice: Place) -> Any:
    async def post(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(view=card("a card"))

    bot.do = post
    return (await alice.slash("do")).response


async def _code(awaitable: Any) -> int:
    with pytest.raises(discord.HTTPException) as caught:
        await awaitable
    return caught.value.code
