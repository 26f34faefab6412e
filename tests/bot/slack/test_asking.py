"""Asking on Slack: the command, its flags, where the answer goes, and what is refused with the acknowledgement."""

import pytest

from core.records import WorkspaceSettings
from tests.bot.slack.conftest import IDEA, World
from tests.fakes.slack.workspaces import Channel


async def test_idea_is_answered_by_an_edit_of_one_message_in_the_channel(world: World) -> None:
    sent = await world.alice.slash("/mjprompt", f"{IDEA} --ar 16:9")
    answer = await world.message(world.channel, "children's book illustration")
    assert sent.ack_payload is None
    assert len(world.channel.messages) == 1
    assert answer.num_edits >= 1
    assert [label for label, _, _ in answer.buttons][:5] == ["👍 0", "👎 0", "Vary", "Save", "Share"]
    assert [label for label, _, _ in answer.buttons][-3:] == ["Remix", "Re-roll", "Delete"]


async def test_waiting_message_shows_the_place_in_the_line_and_a_way_out(world: World) -> None:
    world.worker.pause()
    await world.alice.slash("/mjprompt", IDEA)
    waiting = await world.message(world.channel, "Place 1 in the line")
    await world.alice.click(waiting, "Cancel")
    await world.shown(lambda: "Taken back" in waiting.text)
    assert len(world.channel.messages) == 1


async def test_prompts_stand_in_preformatted_rich_text(world: World) -> None:
    answer = await world.asked(world.alice)
    rich = [element for block in answer.blocks if block["type"] == "rich_text" for element in block["elements"]]
    prompts = [element for element in rich if element["type"] == "rich_text_preformatted"]
    assert len(prompts) == 4
    assert all(IDEA in prompt["elements"][0]["text"] for prompt in prompts)


async def test_count_decides_how_many_prompts_come(world: World) -> None:
    await world.alice.slash("/mjprompt", f"{IDEA} --count 2")
    answer = await world.message(world.channel, "watercolour")
    assert sum(label.startswith("👍") for label, _, _ in answer.buttons) == 2


async def test_private_ask_is_answered_in_direct_messages_only(world: World) -> None:
    await world.alice.slash("/mjprompt", f"{IDEA} --private")
    await world.direct(world.alice, "children's book illustration")
    await world.private(world.alice, "direct message")
    assert world.channel.messages == []


async def test_workspace_that_is_private_by_default_answers_in_direct_messages(world: World) -> None:
    await _decide(world, WorkspaceSettings(is_private=True))
    await world.alice.slash("/mjprompt", IDEA)
    answer = await world.direct(world.alice, "children's book illustration")
    assert world.channel.messages == []
    await world.alice.person.direct().click(answer, "Vary")
    await world.direct(world.alice, "More like this")
    assert world.channel.messages == []


async def test_card_speaks_the_language_of_the_workspace(world: World) -> None:
    await _decide(world, WorkspaceSettings(language="de"))
    answer = await world.asked(world.alice)
    assert "Variieren" in [label for label, _, _ in answer.buttons]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "The idea is empty"),
        ("x" * 301, "301 characters"),
        ("wake <!channel> up", "mention"),
        ("a boy --ar nonsense", "--aspect nonsense"),
        ("a boy --count 9", "--count 9"),
        ("/imagination a boy", "no command"),
    ],
)
async def test_bad_idea_is_refused_privately(world: World, text: str, fragment: str) -> None:
    await world.alice.slash("/mjprompt", text)
    await world.private(world.alice, fragment)
    assert await world.requests(world.alice) == []
    assert world.channel.messages == []


async def test_signs_that_slack_escapes_are_read_as_they_were_typed(world: World) -> None:
    await world.alice.slash("/mjprompt", "salt & pepper, 3 > 2")
    await world.message(world.channel, "salt & pepper, 3 > 2, low angle")


async def test_repeated_command_asks_once(world: World) -> None:
    sent = await world.alice.slash("/mjprompt", IDEA)
    await world.message(world.channel, "children's book illustration")
    await world.slack.replay(sent)
    await world.shown(lambda: len(sent.ack_payloads) == 2)
    assert len(await world.requests(world.alice)) == 1
    assert len(world.channel.messages) == 1


async def test_ask_in_the_bots_own_conversation_is_answered_there(world: World) -> None:
    await world.alice.person.direct().slash("/mjprompt", IDEA)
    await world.direct(world.alice, "children's book illustration")


def _closed(world: World) -> Channel:
    return world.team.add_channel("closed", is_bot_member=False, is_private=True)


def _archived(world: World) -> Channel:
    return world.team.add_channel("old", is_archived=True)


@pytest.mark.parametrize("channel_of", [_closed, _archived])
async def test_answer_goes_to_direct_messages_where_the_bot_cannot_write(world: World, channel_of: object) -> None:
    channel = channel_of(world)
    await world.alice.person.at(channel).slash("/mjprompt", IDEA)
    await world.direct(world.alice, "children's book illustration")
    assert channel.messages == []


async def test_public_channel_without_the_bot_is_answered_there(world: World) -> None:
    channel = world.team.add_channel("open", is_bot_member=False)
    await world.alice.person.at(channel).slash("/mjprompt", IDEA)
    await world.message(channel, "children's book illustration")


async def test_full_quota_is_told_privately(world: World) -> None:
    await _decide(world, WorkspaceSettings(max_requests_per_day=1))
    await world.asked(world.alice)
    await world.alice.slash("/mjprompt", "another idea")
    await world.private(world.alice, "1 requests within 24 hours")
    assert len(await world.requests(world.alice)) == 1


async def test_message_shortcut_makes_a_prompt_of_the_message(world: World) -> None:
    await world.alice.shortcut("make_prompt_of_this", "a <b> castle & its moat at https://example.com/x")
    form = await world.form(world.alice.person, "Make a prompt of this")
    assert form.values({})["idea"]["answer"]["value"] == "a <b> castle & its moat at"
    await world.alice.submit(form, {"idea": "a castle and its moat"})
    await world.message(world.channel, "a castle and its moat, long shadows")


async def test_shortcut_on_a_message_without_words_opens_an_empty_form(world: World) -> None:
    await world.alice.shortcut("make_prompt_of_this", "https://example.com/picture")
    form = await world.form(world.alice.person, "Make a prompt of this")
    assert form.values({})["idea"]["answer"]["value"] is None


async def test_form_shows_what_is_wrong_with_an_idea(world: World) -> None:
    await world.alice.shortcut("make_prompt_of_this", "a castle")
    form = await world.form(world.alice.person, "Make a prompt of this")
    await world.alice.submit(form, {"idea": "@everyone look"})
    assert "mention" in form.errors["idea"]
    assert form.is_open
    await world.alice.submit(form, {"idea": "a castle"})
    await world.message(world.channel, "a castle, long shadows")


async def test_ask_made_while_slack_fails_is_answered_later(world: World) -> None:
    world.slack.faults.add("chat.postMessage", status=503, times=2)
    world.slack.faults.add("chat.update", error="ratelimited", status=429, headers={"Retry-After": "1"})
    await world.asked(world.alice)
    assert len(world.channel.messages) == 1


async def _decide(world: World, settings: WorkspaceSettings) -> None:
    administration = world.services.administration
    await administration.change_settings(world.identity(world.admin), settings, is_workspace_admin=True)
