"""The way down: the interaction's message, a message in the channel, a direct message; never twice, never lost."""

import asyncio
import sqlite3
from contextlib import closing

from tests.bot.discord.conftest import World
from tests.bot.discord.raw_events import COMMAND, emit, slash
from tests.bot.discord.reading import custom_ids_of, text_of

FIFTEEN_MINUTES = 15 * 60.0
CHANNEL_POST = "/channels/*/messages"


async def test_answer_after_the_tokens_end_comes_as_a_message_in_the_channel(world: World) -> None:
    asked = await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    await world.env.advance_time(FIFTEEN_MINUTES)
    await world.answer()
    [message] = world.messages_in(world.channel)
    assert len(custom_ids_of(message, "up")) == 4
    assert asked.response is None  # the waiting message went when the new one came
    [post] = [request for request in world.env.http_requests if request.path.endswith("/messages")]
    assert isinstance(post.json, dict)
    assert "prompts" not in str(post.json) and "```" not in str(post.json)
    assert len(post.json["nonce"]) == 25
    assert post.json["enforce_nonce"] is True


async def test_answer_that_the_channel_does_not_take_comes_as_a_direct_message(world: World) -> None:
    await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    await world.env.advance_time(FIFTEEN_MINUTES)
    world.env.inject_error("POST", CHANNEL_POST, status=403, code=50001, times=1)
    await world.answer()
    [message] = world.messages_in(world.alice.user.dm_channel)
    assert len(custom_ids_of(message, "up")) == 4


async def test_late_private_answer_never_enters_the_channel(world: World) -> None:
    await world.alice.slash(world.channel, "mjprompt", idea="a slow idea", private=True)
    await world.env.advance_time(FIFTEEN_MINUTES)
    await world.answer()
    assert [text for text in map(text_of, world.messages_in(world.channel)) if "```" in text] == []
    [message] = world.messages_in(world.alice.user.dm_channel)
    assert len(custom_ids_of(message, "up")) == 4


async def test_answer_that_nothing_takes_stays_in_the_history(world: World) -> None:
    await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    await world.env.advance_time(FIFTEEN_MINUTES)
    world.env.inject_error("POST", CHANNEL_POST, status=403, code=50007, times=None)
    await world.answer()
    page = await world.alice.slash(world.channel, "history")
    shown = await world.alice.click(page.response, label="Show")
    assert len(custom_ids_of(shown.response, "up")) == 4


async def test_message_deleted_meanwhile_is_replaced(world: World) -> None:
    asked = await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    assert asked.response is not None
    world.env.backend.delete_message(world.channel.id, asked.response.id)
    await world.answer()
    [message] = world.messages_in(world.channel)
    assert len(custom_ids_of(message, "up")) == 4


async def test_answer_is_edited_in_after_a_trouble_at_discord(world: World) -> None:
    asked = await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    world.env.inject_error("PATCH", "/webhooks/*/*/messages/@original", status=503, code=0, times=1)
    await world.answer()
    for _ in range(40):
        if custom_ids_of(asked.response, "up"):
            break
        await asyncio.sleep(0.25)
        await world.deliver()
    assert len(custom_ids_of(asked.response, "up")) == 4


async def test_answer_survives_a_restart_between_asking_and_delivering(world: World) -> None:
    asked = await world.alice.slash(world.channel, "mjprompt", idea="a slow idea")
    await world.restart()
    await world.answer()
    assert len(custom_ids_of(asked.response, "up")) == 4
    assert await world.deliver() == 0


async def test_nothing_is_kept_of_the_token_once_the_answer_is_there(world: World) -> None:
    await world.ask()
    with closing(sqlite3.connect(world.settings.database_url.partition("///")[2])) as database:
        kept = str(database.execute("SELECT * FROM outbox").fetchall())
    assert "simcord_interaction" not in kept
    assert "language" in kept


async def test_ask_in_direct_messages_is_answered_there_also_after_the_tokens_end(world: World) -> None:
    user = world.env.create_user("dora")
    await user.slash("mjprompt", idea="a slow idea")
    await world.env.advance_time(FIFTEEN_MINUTES)
    await world.answer()
    assert len(custom_ids_of(world.messages_in(user.dm_channel)[-1], "up")) == 4


async def test_late_answer_of_a_group_that_the_bot_cannot_post_in_comes_as_a_direct_message(world: World) -> None:
    data = slash(world.env, "mjprompt", idea="a slow idea")
    changes = {"context": 2, "authorizing_integration_owners": {"1": str(world.alice.id)}}
    await emit(world.env, world.alice, world.channel, COMMAND, data, **changes)
    await world.env.advance_time(FIFTEEN_MINUTES)
    await world.answer()
    [message] = world.messages_in(world.alice.user.dm_channel)
    assert len(custom_ids_of(message, "up")) == 4
