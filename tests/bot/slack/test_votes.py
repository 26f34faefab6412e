"""Thumbs on Slack: stored before the acknowledgement, undone, changed, replayed, and the form after a 👎."""

import asyncio

import pytest

from core.records import Thumb
from tests.bot.slack.conftest import IDEA, World
from tests.fakes.slack.messages import Message
from tests.fakes.slack.people import Place


async def counts(world: World, place: Place) -> list[tuple[int, int, Thumb | None]]:
    (request_id,) = (await world.requests(world.alice))[:1]
    view = await world.services.chat.view_shared(world.identity(place), request_id)
    return [(each.votes_up, each.votes_down, each.my_vote) for each in view.candidates]


def labels(message: Message) -> list[str]:
    return [label for label, _, _ in message.buttons if label[0] in "👍👎"]


async def test_vote_is_stored_when_it_is_acknowledged_and_counted_on_the_card(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.alice.click(answer, "👍 0", nth=1)
    assert (await counts(world, world.alice))[1] == (1, 0, Thumb.UP)
    await world.shown(lambda: labels(answer)[2] == "👍 1")
    assert labels(answer) == ["👍 0", "👎 0", "👍 1", "👎 0", "👍 0", "👎 0", "👍 0", "👎 0"]


async def test_same_thumb_again_takes_the_vote_back_and_the_other_one_changes_it(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.alice.click(answer, "👍 0")
    await world.shown(lambda: labels(answer)[0] == "👍 1")
    await world.alice.click(answer, "👎 0")
    assert (await counts(world, world.alice))[0] == (0, 1, Thumb.DOWN)
    await world.shown(lambda: labels(answer)[:2] == ["👍 0", "👎 1"])
    await world.alice.click(answer, "👎 1")
    assert (await counts(world, world.alice))[0] == (0, 0, None)


async def test_everybody_in_the_workspace_votes_once(world: World) -> None:
    answer = await world.asked(world.alice)
    for place in (world.alice, world.bob, world.admin):
        await place.click(answer, "👍")
    await world.shown(lambda: labels(answer)[0] == "👍 3")
    assert (await counts(world, world.bob))[0] == (3, 0, Thumb.UP)


async def test_repeated_press_changes_nothing(world: World) -> None:
    answer = await world.asked(world.alice)
    press = await world.alice.click(answer, "👍 0")
    for _ in range(3):
        await world.slack.replay(press)
    await world.shown(lambda: len(press.ack_payloads) == 4)
    assert (await counts(world, world.alice))[0] == (1, 0, Thumb.UP)


async def test_older_press_that_comes_late_does_not_win(world: World) -> None:
    answer = await world.asked(world.alice)
    first = await world.alice.click(answer, "👍 0", wait=True)
    late = first.payload | {"actions": [first.payload["actions"][0] | {"action_ts": "1600000000.000100"}]}
    await world.alice.person.interact(dict(late), channel=world.channel, source=answer)
    assert (await counts(world, world.alice))[0] == (1, 0, Thumb.UP)


async def test_many_votes_at_once_edit_the_message_about_once_a_second(world: World) -> None:
    answer = await world.asked(world.alice)
    before = len(world.slack.calls_of("chat.update"))
    people = [world.team.add_user(f"fan {number}").at(world.channel) for number in range(20)]
    await asyncio.gather(*(place.click(answer, "👍 0") for place in people))
    await world.shown(lambda: labels(answer)[0] == "👍 20")
    assert len(world.slack.calls_of("chat.update")) - before <= 4


async def test_vote_during_a_locked_database_is_acknowledged_in_time_and_stored(world: World) -> None:
    answer = await world.asked(world.alice)
    async with world.database.write():
        pressing = asyncio.create_task(world.alice.click(answer, "👍 0"))
        assert (await pressing).is_acknowledged
    await world.shown(lambda: labels(answer)[0] == "👍 1")
    assert (await counts(world, world.alice))[0] == (1, 0, Thumb.UP)


async def test_thumb_down_offers_the_form_and_keeps_what_is_filled_in(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "👎 0")
    offer = await world.private(world.bob, "👎 counted")
    await world.bob.click(offer, "Tell us why")
    form = await world.form(world.bob.person, "What is wrong with it?")
    await world.bob.submit(form, {"reason": "wrong_style", "correction": "a boy running in deep snow --ar 3:2"})
    assert "noted" in form.text
    candidate_id = answer.buttons[0][1].rpartition(":")[2]
    kept = await world.services.chat.feedback_of(world.identity(world.bob), candidate_id)
    assert kept is not None
    assert (kept.reason, kept.correction) == ("wrong_style", "a boy running in deep snow --ar 3:2")


async def test_form_remembers_what_was_said_before(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "👎 0")
    offer = await world.private(world.bob, "👎 counted")
    await world.bob.click(offer, "Tell us why")
    form = await world.form(world.bob.person, "What is wrong with it?")
    await world.bob.submit(form, {"reason": "duplicate"})
    await world.bob.click(offer, "Tell us why")
    again = await world.shown(lambda: next((view for view in world.bob.person.views if view is not form), None))
    assert again.values({})["reason"]["answer"]["selected_option"]["value"] == "duplicate"


@pytest.mark.parametrize(
    ("answers", "fragment"),
    [({}, "empty"), ({"correction": "x <!here>"}, "mention"), ({"correction": "a boy --ar 0"}, "--aspect 0")],
)
async def test_form_says_what_cannot_be_taken(world: World, answers: dict[str, str], fragment: str) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "👎 0")
    await world.bob.click(await world.private(world.bob, "👎 counted"), "Tell us why")
    form = await world.form(world.bob.person, "What is wrong with it?")
    await world.bob.submit(form, answers)
    assert fragment in form.errors["correction"]


async def test_unknown_reason_is_refused_in_the_form(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "👎 0")
    await world.bob.click(await world.private(world.bob, "👎 counted"), "Tell us why")
    form = await world.form(world.bob.person, "What is wrong with it?")
    forged = {"reason": {"answer": {"type": "radio_buttons", "selected_option": {"value": "because"}}}}
    await world.bob.person.submit_forged(form, forged)
    assert "another version" in form.errors["correction"]


async def test_thumb_up_says_nothing_more(world: World) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click(answer, "👍 0")
    await world.shown(lambda: labels(answer)[0] == "👍 1")
    assert not [message for message in world.bob.sees() if message.is_ephemeral]


@pytest.mark.parametrize(
    "action_id",
    [
        "mj1:up:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:down:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:explain:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:vary:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:save:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:share:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:remix:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:reroll:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:delete:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:cancel:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:destroy:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj9:up:01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "mj1:up:' OR 1=1 --",
        "mj1:unknown_verb",
        "x" * 255,
    ],
)
async def test_forged_button_is_refused_in_one_private_sentence(world: World, action_id: str) -> None:
    answer = await world.asked(world.alice)
    await world.bob.click_forged(answer, action_id, "forged")
    refusal = await world.shown(lambda: next((each for each in world.bob.sees() if each.is_ephemeral), None))
    assert refusal.text.strip().endswith(".")
    assert "\n" not in refusal.text.strip()
    assert len(world.channel.messages) == 1
    assert await world.requests(world.bob) == []
    assert IDEA in answer.text
