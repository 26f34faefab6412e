"""Private lists and panels on Slack: history, favourites, the line, cancel, privacy, export, delete."""

import json

import pytest

from bot.slack.export import parts_of
from tests.bot.slack.conftest import IDEA, World
from tests.fakes.slack.messages import Message


async def test_history_is_private_and_turns_pages(world: World) -> None:
    for number in range(7):
        await world.services.chat.ask(world.identity(world.alice), f"idea {number}")
    sent = await world.alice.slash("/history")
    page = await world.private(world.alice, "Your requests")
    assert sent.ack_payload is None
    assert [f"idea {number}" in page.text for number in (6, 5, 4, 3, 2, 1, 0)] == [True] * 5 + [False] * 2
    await world.alice.click(page, "Older")
    await world.shown(lambda: "idea 0" in page.text)
    assert "idea 6" not in page.text
    await world.alice.click(page, "Newer")
    await world.shown(lambda: "idea 6" in page.text)
    assert [label for label, _, _ in page.buttons if label != "Show"] == ["Older"]


async def test_history_shows_a_request_again_with_its_buttons(world: World) -> None:
    await world.asked(world.alice)
    await world.alice.slash("/history")
    page = await world.private(world.alice, "Your requests")
    await world.alice.click(page, "Show")
    copy = await world.private(world.alice, "children's book illustration")
    await world.alice.click(copy, "👍 0")
    await world.shown(lambda: copy.buttons[0][0] == "👍 1")


@pytest.mark.parametrize("is_in_channel", [True, False])
async def test_card_from_the_history_finds_another_way_when_the_response_url_is_gone(
    world: World, is_in_channel: bool
) -> None:
    """A card brought options of its own for the Web API, and those given for every private message made it crash."""
    await world.asked(world.alice)
    await world.alice.slash("/history")
    page = await world.private(world.alice, "Your requests")
    world.slack.faults.add("response_url", error="used_url", status=404)
    if is_in_channel:
        await world.alice.click(page, "Show")
        await world.private(world.alice, "children's book illustration")
    else:
        world.slack.faults.add("chat.postEphemeral", error="user_not_in_channel")
        await world.alice.click(page, "Show")
        await world.direct(world.alice, "children's book illustration")


async def test_empty_lists_say_what_to_do(world: World) -> None:
    await world.bob.slash("/history")
    await world.private(world.bob, "You have not asked for anything yet")
    await world.bob.slash("/favorites")
    await world.private(world.bob, "You have not saved anything yet")


async def test_favorites_turn_pages_and_are_taken_out(world: World) -> None:
    answer = await world.asked(world.alice)
    again = await world.asked(world.alice, "another idea")
    for nth in range(4):
        await world.alice.click(answer, "Save", nth=nth)
    for nth in range(2):
        await world.alice.click(again, "Save", nth=nth)
    await world.alice.slash("/favorites")
    page = await world.private(world.alice, "Your favorites")
    assert len([label for label, _, _ in page.buttons if label == "Remove"]) == 5
    await world.alice.click(page, "Older")
    await world.shown(lambda: len([label for label, _, _ in page.buttons if label == "Remove"]) == 1)
    await world.alice.click(page, "Remove")
    await world.shown(lambda: len([label for label, _, _ in page.buttons if label == "Remove"]) == 5)
    saved = await world.services.collection.favorites(world.identity(world.alice), before=None, limit=10)
    assert len(saved) == 5


async def test_queue_and_cancel_show_and_take_back_ones_own(world: World) -> None:
    world.worker.pause()
    await world.alice.slash("/mjprompt", IDEA)
    await world.message(world.channel, "in the line")
    await world.alice.slash("/queue")
    line = await world.private(world.alice, "The line")
    assert IDEA in line.text
    await world.alice.click(line, "Cancel all of mine")
    await world.private(world.alice, "Taken back: 1.")
    await world.alice.slash("/cancel")
    await world.private(world.alice, "nothing waiting")


async def test_cancel_leaves_what_others_asked(world: World) -> None:
    world.worker.pause()
    await world.alice.slash("/mjprompt", IDEA)
    await world.message(world.channel, "in the line")
    await world.bob.slash("/cancel")
    await world.private(world.bob, "nothing waiting")
    world.worker.resume()
    await world.message(world.channel, "children's book illustration")


async def test_consent_is_given_and_withdrawn_in_the_same_panel(world: World) -> None:
    await world.alice.slash("/privacy")
    panel = await world.private(world.alice, "Your data")
    assert "Learning from you: not allowed" in panel.text
    await world.alice.click(panel, "Allow learning")
    await world.shown(lambda: "Learning from you: allowed" in panel.text)
    assert await world.services.chat.has_consented(world.identity(world.alice))
    await world.alice.click(panel, "Stop learning")
    await world.shown(lambda: "Learning from you: not allowed" in panel.text)


async def test_small_export_is_one_private_message_of_valid_json(world: World) -> None:
    await world.asked(world.alice)
    await world.alice.slash("/privacy")
    await world.alice.click(await world.private(world.alice, "Your data"), "Export")
    exported = await world.private(world.alice, "as JSON")
    assert IDEA in json.dumps(json.loads(_verbatim([exported])))


async def test_large_export_comes_as_direct_messages_and_loses_nothing(world: World) -> None:
    identity = world.identity(world.alice)
    for number in range(60):
        await world.services.chat.ask(identity, f"idea number {number} " + "snow " * 40)
    await world.slack.wait_for(lambda: len(world.worker.answered) == 60, within_seconds=20)
    await world.alice.slash("/privacy")
    await world.alice.click(await world.private(world.alice, "Your data"), "Export")
    last = await world.direct(world.alice, "as JSON", within_seconds=10)
    total = int(last.text.splitlines()[0].rpartition("/")[2])
    await world.slack.wait_for(lambda: len(world.team.direct_messages(world.alice.person)) == total, within_seconds=20)
    assert total > 1
    data = json.loads(_verbatim(world.team.direct_messages(world.alice.person)))
    assert data == await world.services.privacy.export(identity)


async def test_delete_everything_asks_first_and_says_what_went(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.alice.click(answer, "👍 0")
    await world.alice.slash("/privacy")
    await world.alice.click(await world.private(world.alice, "Your data"), "Delete everything")
    form = await world.form(world.alice.person, "Delete everything?")
    assert len(await world.requests(world.alice)) == 1
    await world.alice.submit(form)

    def is_told() -> bool:  # in the form, or privately where it was closed because it took long
        return "Deleted: 1 requests and 1 votes" in form.text + "".join(seen.text for seen in world.alice.sees())

    await world.slack.wait_for(is_told)
    assert await world.requests(world.alice) == []


@pytest.mark.parametrize("length", [0, 1, 2899, 2900, 2901, 29_000, 29_001, 100_003])
def test_parts_of_an_export_give_the_whole_again(length: int) -> None:
    text = "".join(chr(33 + number % 90) for number in range(length))
    blocks = [block for part in parts_of(text) for block in part]
    assert "".join(block["elements"][0]["elements"][0]["text"] for block in blocks) == text


def _verbatim(messages: list[Message]) -> str:
    rich = [block for message in messages for block in message.blocks if block["type"] == "rich_text"]
    return "".join(block["elements"][0]["elements"][0]["text"] for block in rich)


async def test_command_works_in_every_place(world: World) -> None:
    direct = world.alice.person.direct()
    for name in ("history", "favorites", "queue", "cancel", "privacy", "model"):
        await direct.slash(f"/{name}")
    await world.slack.wait_for(lambda: len([each for each in direct.sees() if each.is_ephemeral]) == 6)
