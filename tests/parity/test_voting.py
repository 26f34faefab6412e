"""Thumbs and what follows a 👎, played the same on every platform."""

import asyncio

import pytest

from bot.actions import Action
from core.records import FeedbackReason, Thumb
from tests.parity.protocol import NotOffered, Person, Prompt, Refused
from tests.parity.stage import Stage
from tests.parity.waiting import PATIENCE_SECONDS, POLL_SECONDS

IDEA = "a boy running in the snow"
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def test_asker_and_others_each_have_one_vote_on_a_prompt(stage: Stage) -> None:
    asker, other, third = stage.newcomer(), stage.newcomer(), stage.newcomer()
    prompt = (await asker.asks(IDEA)).prompts[0]

    await asker.presses(prompt.id, Thumb.UP)
    await other.presses(prompt.id, Thumb.UP)
    await third.presses(prompt.id, Thumb.DOWN)

    assert stage.truth.votes_on(prompt.id) == (2, 1)


async def test_message_shows_the_counts_of_everybody(stage: Stage) -> None:
    asker, other = stage.newcomer(), stage.newcomer()
    answer = await asker.asks(IDEA)
    await asker.presses(answer.prompts[0].id, Thumb.UP)
    await other.presses(answer.prompts[0].id, Thumb.UP)
    await other.presses(answer.prompts[3].id, Thumb.DOWN)

    assert (await _shows(asker, answer.request_id, 0, up=2, down=0)).text == answer.prompts[0].text
    assert (await _shows(asker, answer.request_id, 3, up=0, down=1)).text == answer.prompts[3].text


async def test_same_thumb_again_takes_the_vote_back_and_the_other_one_changes_it(stage: Stage) -> None:
    person = stage.newcomer()
    prompt = (await person.asks(IDEA)).prompts[2]

    await person.presses(prompt.id, Thumb.UP)
    assert stage.truth.votes_on(prompt.id) == (1, 0)
    await person.presses(prompt.id, Thumb.DOWN)
    assert stage.truth.votes_on(prompt.id) == (0, 1)
    await person.presses(prompt.id, Thumb.DOWN)
    assert stage.truth.votes_on(prompt.id) == (0, 0)
    assert stage.truth.presses_on(prompt.id) == 3


async def test_replayed_press_changes_nothing(stage: Stage) -> None:
    person = stage.newcomer()
    prompt = (await person.asks(IDEA)).prompts[0]
    await person.presses(prompt.id, Thumb.UP)

    await person.repeats()

    assert stage.truth.votes_on(prompt.id) == (1, 0)
    assert stage.truth.presses_on(prompt.id) == 1


async def test_press_replayed_after_a_later_one_does_not_bring_the_old_vote_back(stage: Stage) -> None:
    person = stage.newcomer()
    prompt = (await person.asks(IDEA)).prompts[0]
    await person.presses(prompt.id, Thumb.UP)
    await person.presses(prompt.id, Thumb.DOWN)

    await person.repeats(acts_ago=1)

    assert stage.truth.votes_on(prompt.id) == (0, 1)


async def test_reason_and_better_prompt_after_a_thumb_down_are_kept(stage: Stage) -> None:
    person = stage.newcomer()
    prompt = (await person.asks(IDEA)).prompts[0]
    await person.presses(prompt.id, Thumb.DOWN)

    await person.explains(prompt.id, reason=FeedbackReason.WRONG_STYLE, correction="a boy in deep snow, ink drawing")

    assert _feedback(stage, prompt.id) == [("wrong_style", "a boy in deep snow, ink drawing")]


async def test_second_explanation_replaces_the_first(stage: Stage) -> None:
    person = stage.newcomer()
    prompt = (await person.asks(IDEA)).prompts[0]
    await person.presses(prompt.id, Thumb.DOWN)
    await person.explains(prompt.id, reason=FeedbackReason.OFF_TOPIC)

    await person.explains(prompt.id, reason=FeedbackReason.DUPLICATE)

    assert _feedback(stage, prompt.id) == [("duplicate", None)]


@pytest.mark.parametrize("correction", [None, "a boy --ar banana"], ids=["empty form", "unreadable prompt"])
async def test_explanation_that_cannot_be_taken_is_refused(stage: Stage, correction: str | None) -> None:
    person = stage.newcomer()
    prompt = (await person.asks(IDEA)).prompts[0]
    await person.presses(prompt.id, Thumb.DOWN)

    with pytest.raises(Refused):
        await person.explains(prompt.id, correction=correction)

    assert _feedback(stage, prompt.id) == []


FORGEABLE = (Action.UP, Action.DOWN, Action.SAVE, Action.VARY, Action.SHARE)


@pytest.mark.parametrize("action", FORGEABLE)
async def test_prompt_of_somewhere_else_is_refused_like_one_that_never_was(stage: Stage, action: Action) -> None:
    person = stage.newcomer()
    await person.asks("something of their own")
    foreign = stage.truth.prompts_of(await stage.foreign_request())[0]

    refused = await _refusal(person, action, foreign)
    unknown = await _refusal(person, action, UNKNOWN_ID)

    assert refused.replace(foreign, "ID") == unknown.replace(UNKNOWN_ID, "ID")
    assert stage.truth.votes_on(foreign) == (0, 0)
    assert len(stage.truth.requests_of(person.external_id)) == 1
    if action is not Action.SHARE or stage.has_workspaces:
        assert ("foreign_id", False) in stage.truth.audit_of(person.external_id)


@pytest.mark.parametrize("action", [Action.CANCEL, Action.DELETE, Action.REROLL, Action.REMIX])
async def test_request_of_somewhere_else_is_refused_and_leaves_a_trace(stage: Stage, action: Action) -> None:
    person = stage.newcomer()
    await person.asks("something of their own")
    foreign = await stage.foreign_request()

    assert await _refusal(person, action, foreign)

    assert stage.truth.state_of(foreign) == "done"
    assert len(stage.truth.requests_of(person.external_id)) == 1
    assert ("foreign_id", False) in stage.truth.audit_of(person.external_id)


async def _refusal(person: Person, action: Action, target_id: str) -> str:
    with pytest.raises((Refused, NotOffered)) as refusal:
        await person.forges(action, target_id)
    return str(refusal.value)


async def _shows(person: Person, request_id: str, place: int, *, up: int, down: int) -> Prompt:
    """Wait until what the person sees of a prompt has these counts."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            seen = await person.looks(request_id)
            prompt = None if seen is None else seen.prompts[place]
            if prompt is not None and (prompt.votes_up, prompt.votes_down) == (up, down):
                return prompt
            await asyncio.sleep(POLL_SECONDS)


def _feedback(stage: Stage, prompt_id: str) -> list[tuple[str | None, str | None]]:
    return stage.truth.rows("SELECT reason, correction FROM feedback WHERE candidate_id = ?", prompt_id)
