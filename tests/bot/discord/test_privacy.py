"""`/privacy`: see, take along, allow, delete; each for the person alone."""

import json

from bot.discord.client import DiscordBot
from tests.bot.discord.conftest import World, identity
from tests.bot.discord.reading import custom_ids_of, private_text, text_of


async def test_panel_counts_what_is_kept(world: World) -> None:
    answer = await world.ask()
    await world.alice.click(answer.response, custom_id=custom_ids_of(answer.response, "up")[0])
    panel = await world.alice.slash(world.channel, "privacy")
    assert panel.ephemeral
    for line in ("Requests: 1", "Prompts written for you: 4", "Votes: 1", "not allowed"):
        assert line in text_of(panel.response)


async def test_export_is_a_json_file_for_the_person_alone(world: World) -> None:
    await world.ask()
    panel = await world.alice.slash(world.channel, "privacy")
    export = await world.alice.click(panel.response, label="Export")
    assert export.ephemeral
    assert export.response is not None
    [file] = export.response.attachments
    assert file.filename == "mjprompt-export.json"
    assert isinstance(world.env.bot, DiscordBot)
    kept = json.loads(await file.read())
    assert "a boy running in the snow" in json.dumps(kept)


async def test_consent_is_given_and_withdrawn(world: World) -> None:
    panel = await world.alice.slash(world.channel, "privacy")
    await world.alice.click(panel.response, label="Allow learning")
    assert await world.services.chat.has_consented(identity(world.alice, world))
    await world.alice.click(panel.response, label="Stop learning")
    assert not await world.services.chat.has_consented(identity(world.alice, world))


async def test_delete_takes_a_second_press_and_can_be_left(world: World) -> None:
    await world.ask()
    panel = await world.alice.slash(world.channel, "privacy")
    await world.alice.click(panel.response, label="Delete everything")
    assert "cannot be undone" in text_of(panel.response)
    await world.alice.click(panel.response, label="Keep it")
    assert "Requests: 1" in text_of(panel.response)
    await world.alice.click(panel.response, label="Delete everything")
    await world.restart()
    await world.alice.click(panel.response, label="Yes, delete everything")
    assert "Deleted: 1 requests" in text_of(panel.response)
    assert await world.services.chat.history(identity(world.alice, world), before=None, limit=5) == []


async def test_somebody_never_seen_has_nothing(world: World) -> None:
    assert "Requests: 0" in private_text(await world.bob.slash(world.channel, "privacy"))
