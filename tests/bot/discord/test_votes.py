"""Votes, favourites and the form after a 👎: one vote per person and prompt, stored before it is acknowledged."""

from datetime import timedelta

from core.records import Feedback, FeedbackReason, Thumb
from tests.bot.discord.conftest import World, identity
from tests.bot.discord.raw_events import COMPONENT, button, emit
from tests.bot.discord.reading import buttons_of, custom_ids_of, private_text


async def test_vote_is_counted_in_the_message_and_undone_by_the_same_press(world: World) -> None:
    answer = await world.ask()
    up = custom_ids_of(answer.response, "up")[0]
    await world.alice.click(answer.response, custom_id=up)
    await world.bob.click(answer.response, custom_id=up)
    assert "👍 2" in buttons_of(answer.response)
    await world.bob.click(answer.response, custom_id=up)
    assert "👍 1" in buttons_of(answer.response)


async def test_other_thumb_changes_the_vote(world: World) -> None:
    answer = await world.ask()
    await world.alice.click(answer.response, custom_id=custom_ids_of(answer.response, "up")[0])
    await world.alice.click(answer.response, custom_id=custom_ids_of(answer.response, "down")[0])
    labels = buttons_of(answer.response)
    assert "👎 1" in labels
    assert "👍 1" not in labels


async def test_replayed_press_changes_nothing_and_says_nothing_twice(world: World) -> None:
    answer = await world.ask()
    down = custom_ids_of(answer.response, "down")[0]
    result = await emit(
        world.env, world.alice, world.channel, COMPONENT, button(down), message=answer.response, times=3
    )
    assert "👎 1" in buttons_of(answer.response)
    assert len(result.followups) == 1


async def test_older_press_that_comes_late_is_not_applied(world: World) -> None:
    answer = await world.ask()
    up, down = custom_ids_of(answer.response, "up")[0], custom_ids_of(answer.response, "down")[0]
    await world.alice.click(answer.response, custom_id=up)
    await emit(
        world.env,
        world.alice,
        world.channel,
        COMPONENT,
        button(down),
        message=answer.response,
        id=str(answer.response.id - (int(timedelta(hours=1).total_seconds() * 1000) << 22)),
    )
    view = (await world.services.chat.history(identity(world.alice, world), before=None, limit=1))[0]
    assert view.candidates[0].my_vote is Thumb.UP
    assert world.env.errors == []


async def test_down_vote_offers_the_form_and_its_answer_is_kept(world: World) -> None:
    answer = await world.ask()
    down = custom_ids_of(answer.response, "down")[0]
    pressed = await world.bob.click(answer.response, custom_id=down)
    [offer] = pressed.followups
    assert offer.ephemeral
    form = await world.bob.click(offer, label="Tell us why")
    assert form.modal is not None
    thanks = await world.bob.submit_modal(form, {"reason": "wrong_style", "correction": "a boy, ink drawing"})
    assert "learned from only if you allow it" in private_text(thanks)
    candidate_id = down.rpartition(":")[2]
    kept = await world.services.chat.feedback_of(identity(world.bob, world), candidate_id)
    assert kept == Feedback(reason=FeedbackReason.WRONG_STYLE, correction="a boy, ink drawing")


async def test_form_is_filled_with_what_was_said_before(world: World) -> None:
    answer = await world.ask()
    candidate_id = custom_ids_of(answer.response, "down")[0].rpartition(":")[2]
    await world.services.chat.give_feedback(
        identity(world.bob, world), candidate_id, Feedback(reason=FeedbackReason.UNSAFE, correction="a cat")
    )
    pressed = await world.bob.click(answer.response, custom_id=f"mj1:down:{candidate_id}")
    form = await world.bob.click(pressed.followups[0], label="Tell us why")
    assert "'a cat'" in str(form.modal)


async def test_undone_down_vote_offers_no_form(world: World) -> None:
    answer = await world.ask()
    down = custom_ids_of(answer.response, "down")[0]
    await world.bob.click(answer.response, custom_id=down)
    assert (await world.bob.click(answer.response, custom_id=down)).followups == []


async def test_bad_correction_is_refused_in_one_private_sentence(world: World) -> None:
    answer = await world.ask()
    pressed = await world.bob.click(answer.response, custom_id=custom_ids_of(answer.response, "down")[0])
    form = await world.bob.click(pressed.followups[0], label="Tell us why")
    refused = await world.bob.submit_modal(form, {"correction": "look at `this`"})
    assert "formatting" in private_text(refused)


async def test_empty_form_is_refused_in_one_private_sentence(world: World) -> None:
    answer = await world.ask()
    pressed = await world.bob.click(answer.response, custom_id=custom_ids_of(answer.response, "down")[0])
    form = await world.bob.click(pressed.followups[0], label="Tell us why")
    assert "form is empty" in private_text(await world.bob.submit_modal(form, {}))


async def test_save_says_so_and_the_same_press_takes_it_back(world: World) -> None:
    answer = await world.ask()
    save = custom_ids_of(answer.response, "save")[2]
    assert "Saved" in private_text(await world.bob.click(answer.response, custom_id=save))
    assert "out of your favorites" in private_text(await world.bob.click(answer.response, custom_id=save))


async def test_many_presses_at_once_end_in_the_true_counts(world: World) -> None:
    answer = await world.ask()
    up = custom_ids_of(answer.response, "up")[0]
    people = [world.guild.add_member(world.env.create_user(f"member{number}")) for number in range(12)]
    for person in people:
        await world.press_without_waiting(person, answer.response, up)
    await world.env.settle()
    assert "👍 12" in buttons_of(answer.response)


async def test_vote_whose_acknowledgement_came_too_late_is_stored(world: World) -> None:
    answer = await world.ask()
    up = custom_ids_of(answer.response, "up")[0]
    world.env.inject_error("POST", "/interactions/*/*/callback", status=404, code=10062, times=1)
    await world.alice.click(answer.response, custom_id=up)
    view = await world.services.chat.request_of(identity(world.alice, world), up.rpartition(":")[2])
    assert view.candidates[0].my_vote is Thumb.UP
