"""What Discord is told of the commands, and what happens when a server takes the bot out."""

import json
from typing import Any

import discord
from discord import app_commands

from bot.catalog import Catalogs
from bot.commands import Command
from tests.bot.discord.conftest import World, identity
from tests.bot.discord.raw_events import COMMAND, emit, slash
from tests.bot.discord.reading import buttons_of, custom_ids_of, private_text, text_of


def syncs(world: World) -> int:
    return sum(r.method == "PUT" and r.path.endswith("/commands") for r in world.env.http_requests)


def told(world: World) -> list[dict[str, Any]]:
    [body] = [r.json for r in world.env.http_requests if r.method == "PUT" and r.path.endswith("/commands")]
    assert isinstance(body, list)
    return body


async def test_commands_are_told_once_and_not_again_after_a_restart(world: World) -> None:
    assert syncs(world) == 1
    await world.restart()
    assert syncs(world) == 1


async def test_commands_are_told_again_when_they_changed(world: World) -> None:
    bot = world.new_bot()

    @bot.tree.command(name="another", description="One more")
    async def another(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("hello")

    await world.env.restart_bot(bot)
    assert syncs(world) == 2


async def test_every_command_of_the_product_is_there(world: World) -> None:
    assert {command["name"] for command in told(world)} == {command.value for command in Command}


async def test_every_name_and_description_is_there_in_every_language(world: World) -> None:
    languages = Catalogs.load().languages
    seen = 0
    for command in told(world):
        for part in (command, *parts_of(command)):
            for kind, limit in (("name", 32), ("description", 100)):
                translations = part[f"{kind}_localizations"]
                assert {tag.partition("-")[0] for tag in translations} == set(languages)
                assert all(1 <= len(text) <= limit for text in translations.values())
                assert part[kind] == translations["en-US"]
                seen += 1
    assert seen >= 2 * (len(Command) + 3 + 6 + 5)


def parts_of(command: dict[str, Any]) -> list[dict[str, Any]]:
    parts = command.get("options") or []
    return [*parts, *(deeper for part in parts for deeper in parts_of(part))]


async def test_nobody_but_admins_is_offered_what_is_for_admins(world: World) -> None:
    restricted = {command["name"]: command["default_member_permissions"] for command in told(world)}
    needed = discord.Permissions(manage_guild=True).value
    assert {name for name, permissions in restricted.items() if permissions is not None} == {"retrain", "settings"}
    assert restricted["settings"] == restricted["retrain"] == needed


async def test_commands_work_wherever_the_app_is_installed_and_settings_in_servers_alone(world: World) -> None:
    for command in told(world):
        is_settings = command["name"] == "settings"
        assert command["contexts"] == ([0] if is_settings else [0, 1, 2])
        assert command["integration_types"] == ([0] if is_settings else [0, 1])


async def test_bot_asks_for_the_guilds_intent_alone_and_calls_nobody(world: World) -> None:
    assert world.env.bot.intents == discord.Intents(guilds=True)
    await world.ask()
    posts = [r.json for r in world.env.http_requests if r.method == "PATCH"]
    assert posts
    assert all(json.loads(json.dumps(body))["allowed_mentions"] == {"parse": []} for body in posts)


async def test_texts_come_in_the_persons_language_where_only_they_see_them(world: World) -> None:
    data = slash(world.env, "history")
    german = await emit(world.env, world.alice, world.channel, COMMAND, data, locale="de")
    assert "Deine Anfragen" in private_text(german)


async def test_public_answer_is_in_the_language_of_the_server(world: World) -> None:
    data = slash(world.env, "mjprompt", idea="ein Junge im Schnee")
    asked = await emit(world.env, world.alice, world.channel, COMMAND, data, locale="en-US", guild_locale="de")
    await world.answer()
    assert "Löschen" in buttons_of(asked.response)


async def test_server_that_takes_the_bot_out_has_its_requests_deleted(world: World) -> None:
    await world.ask()
    world.env.backend.remove_guild(world.guild.id)
    await world.env.settle()
    assert await world.services.chat.history(identity(world.alice, world), before=None, limit=5) == []


async def test_command_that_discord_still_shows_after_an_update_says_what_to_do(world: World) -> None:
    world.env.bot.tree.remove_command("queue")
    result = await world.alice.slash(world.channel, "queue")
    assert "has changed" in private_text(result)
    assert all(isinstance(error, app_commands.CommandNotFound) for error in world.env.errors)


async def test_buttons_of_any_age_work_after_a_restart(world: World) -> None:
    answer = await world.ask()
    await world.restart()
    for action in ("up", "save", "vary", "share"):
        custom_id = next(i for i in buttons_of(answer.response).values() if i.startswith(f"mj1:{action}:"))
        assert (await world.bob.click(answer.response, custom_id=custom_id)).acknowledged
    assert "👍 1" in buttons_of(answer.response)
    assert "```" in text_of(answer.response)


async def test_form_that_was_opened_before_a_restart_is_taken_after_it(world: World) -> None:
    answer = await world.ask()
    form = await world.bob.click(answer.response, label="Remix")
    await world.restart()
    asked = await world.bob.submit_modal(form, {"idea": "a girl in the rain"})
    assert asked.deferred


async def test_nothing_of_views_and_forms_stays_in_memory(world: World) -> None:
    answer = await world.ask()
    for _ in range(10):
        await world.bob.click(answer.response, label="Remix")
        await world.bob.click(answer.response, custom_id=custom_ids_of(answer.response, "down")[0])
    store = world.env.bot._connection._view_store
    assert not store._views
    assert not store._modals
    assert not store._synced_message_views
