"""`/mjprompt` and what leads to new messages: acknowledged first, answered by an edit, private where it should be."""

import pytest
from simcord.backend.errors import SetupError

from core.records import RequestKind, WorkspaceSettings
from tests.bot.discord.conftest import World, identity
from tests.bot.discord.raw_events import COMMAND, emit, slash
from tests.bot.discord.reading import buttons_of, custom_ids_of, private_text, text_of


async def test_ask_is_acknowledged_at_once_and_answered_in_the_same_message(world: World) -> None:
    result = await world.alice.slash(world.channel, "mjprompt", idea="a boy running in the snow")
    assert result.deferred
    assert not result.ephemeral
    await world.answer()
    assert text_of(result.response).count("```\na boy running in the snow") == 4
    for action in ("up", "down", "vary", "save", "share"):
        assert len(custom_ids_of(result.response, action)) == 4
    for action in ("remix", "reroll", "delete"):
        assert len(custom_ids_of(result.response, action)) == 1


async def test_options_become_parameters_and_the_number_of_prompts(world: World) -> None:
    result = await world.ask(ar="16:9", style="high", version="7", count=2)
    assert len(custom_ids_of(result.response, "up")) == 2
    [view] = await world.services.chat.history(identity(world.alice, world), before=None, limit=5)
    assert {"--ar 16:9", "--v 7"} <= {f"--{part.strip()}" for part in view.idea.split("--")[1:]}


async def test_waiting_message_shows_the_place_in_the_line_and_a_cancel_button(world: World) -> None:
    result = await world.alice.slash(world.channel, "mjprompt", idea="a quiet lake")
    await world.progress()
    assert "lake" in text_of(result.response)
    cancelled = await world.alice.click(result.response, label="Cancel")
    assert cancelled.acknowledged
    assert "Taken back" in text_of(result.response)


async def test_bad_idea_gets_one_private_sentence_and_no_waiting_message(world: World) -> None:
    result = await world.alice.slash(world.channel, "mjprompt", idea="hello @everyone")
    assert result.ephemeral
    assert not result.deferred
    assert "mention" in private_text(result)
    assert "@everyone" not in private_text(result)


async def test_private_ask_is_seen_by_the_asker_alone(world: World) -> None:
    result = await world.ask(private=True)
    assert result.ephemeral
    assert len(custom_ids_of(result.response, "up")) == 4


async def test_private_flag_typed_into_the_idea_is_private_from_the_acknowledgement_on(world: World) -> None:
    result = await world.ask("a boy in the snow --private")
    assert result.ephemeral


async def test_workspace_that_is_private_by_default_makes_asks_private_unless_chosen_otherwise(world: World) -> None:
    await world.decide(WorkspaceSettings(is_private=True))
    assert (await world.ask()).ephemeral
    assert not (await world.ask(private=False)).ephemeral


async def test_error_after_the_acknowledgement_is_private_and_leaves_nothing_behind(world: World) -> None:
    for number in range(world.settings.max_open_requests_per_user):
        await world.alice.slash(world.channel, "mjprompt", idea=f"idea {number}")
    result = await world.alice.slash(world.channel, "mjprompt", idea="one too many")
    assert result.response is None
    assert "waiting" in private_text(result)


async def test_replayed_ask_makes_one_request_and_one_answer(world: World) -> None:
    data = slash(world.env, "mjprompt", idea="a red fox")
    result = await emit(world.env, world.alice, world.channel, COMMAND, data, times=2)
    await world.answer()
    views = await world.services.chat.history(identity(world.alice, world), before=None, limit=5)
    assert len(views) == 1
    assert len(custom_ids_of(result.response, "up")) == 4
    assert result.followups == []


async def test_vary_reroll_and_remix_lead_to_messages_of_their_own(world: World) -> None:
    first = await world.ask()
    vary = await world.bob.click(first.response, custom_id=custom_ids_of(first.response, "vary")[0])
    reroll = await world.bob.click(first.response, label="Re-roll")
    form = await world.bob.click(first.response, label="Remix")
    assert form.modal is not None
    remix = await world.bob.submit_modal(form, {"idea": "a girl running in the rain"})
    await world.answer()
    for result in (vary, reroll, remix):
        assert len(custom_ids_of(result.response, "up")) == 4
    assert "girl running in the rain" in text_of(remix.response)
    views = await world.services.chat.history(identity(world.bob, world), before=None, limit=5)
    assert [view.kind for view in views] == [RequestKind.REMIX, RequestKind.REROLL, RequestKind.VARY]


async def test_second_click_within_two_seconds_asks_nothing_more(world: World) -> None:
    first = await world.ask()
    await world.bob.click(first.response, label="Re-roll")
    again = await world.bob.click(first.response, label="Re-roll")
    assert again.acknowledged
    assert again.response is not None and first.response is not None
    assert again.response.id == first.response.id
    assert len(await world.services.chat.history(identity(world.bob, world), before=None, limit=5)) == 1
    await world.env.advance_time(5)
    assert (await world.bob.click(first.response, label="Re-roll")).deferred


async def test_follow_up_of_a_private_answer_is_private_too(world: World) -> None:
    first = await world.ask(private=True)
    again = await world.alice.click(first.response, label="Re-roll")
    assert again.ephemeral


async def test_shared_prompt_is_public_without_buttons_even_from_a_private_answer(world: World) -> None:
    first = await world.ask(private=True)
    shared = await world.alice.click(first.response, custom_id=custom_ids_of(first.response, "share")[1])
    await world.deliver()
    assert not shared.ephemeral
    assert text_of(shared.response).count("```") == 2
    assert buttons_of(shared.response) == {}


async def test_delete_takes_the_message_away_for_the_asker_alone(world: World) -> None:
    first = await world.ask()
    refused = await world.bob.click(first.response, label="Delete")
    assert "no such" in private_text(refused).lower() or "no request" in private_text(refused).lower()
    assert first.response is not None
    deleted = await world.alice.click(first.response, label="Delete")
    assert "Deleted" in private_text(deleted)
    assert first.response is None


async def test_aspect_ratios_are_offered_as_they_are_typed(world: World) -> None:
    offered = await world.alice.autocomplete(world.channel, "mjprompt", "ar", "16", idea="x")
    assert [choice["value"] for choice in offered] == ["16:9", "16"]
    assert 0 < len(await world.alice.autocomplete(world.channel, "mjprompt", "ar", "", idea="x")) <= 25


async def test_style_outside_of_the_choices_cannot_be_chosen(world: World) -> None:
    with pytest.raises(SetupError):
        await world.alice.slash(world.channel, "mjprompt", idea="x", style="unheard of")


async def test_ask_that_discord_says_is_over_is_not_stored(world: World) -> None:
    world.env.inject_error("POST", "/interactions/*/*/callback", status=404, code=10062, times=1)
    await world.alice.slash(world.channel, "mjprompt", idea="too late")
    assert (await world.services.chat.status()).queue_length == 0
