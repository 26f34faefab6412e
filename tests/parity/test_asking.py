"""Asking, and going on from an answer, played the same on every platform."""

import asyncio

import pytest

from bot.actions import Action
from core.records import RequestState
from tests.parity.protocol import Answer, Person, Refused, Wish
from tests.parity.stage import MAX_OPEN_REQUESTS, Stage
from tests.parity.waiting import PATIENCE_SECONDS

IDEA = "a boy running in the snow"


async def test_an_idea_becomes_four_different_prompts_that_keep_its_subject(stage: Stage) -> None:
    answer = await stage.newcomer().asks(IDEA)

    texts = [prompt.text for prompt in answer.prompts]
    assert len(set(texts)) == 4
    assert all(IDEA in text for text in texts)
    assert [prompt.id for prompt in answer.prompts] == stage.truth.prompts_of(answer.request_id)
    assert all((prompt.votes_up, prompt.votes_down) == (0, 0) for prompt in answer.prompts)


async def test_chosen_options_reach_the_request(stage: Stage) -> None:
    answer = await stage.newcomer().asks(IDEA, Wish(aspect_ratio="16:9", style="high", version="7", count=2))

    assert len(answer.prompts) == 2
    asked = "SELECT parameters, num_candidates FROM requests WHERE id = ?"
    [(parameters, num_candidates)] = stage.truth.rows(asked, answer.request_id)
    assert num_candidates == 2
    for part in ("--ar 16:9", "--v 7"):
        assert part in parameters
    assert any(part in parameters for part in ("--s 250", "--stylize 250"))


async def test_typed_parameter_wins_over_a_chosen_one(stage: Stage) -> None:
    answer = await stage.newcomer().asks(f"{IDEA} --ar 3:2 --count 3", Wish())

    assert len(answer.prompts) == 3
    assert "--ar 3:2" in stage.truth.value("SELECT parameters FROM requests WHERE id = ?", answer.request_id)


async def test_waiting_request_shows_its_place_and_becomes_the_answer_in_the_same_message(stage: Stage) -> None:
    person = stage.newcomer()
    stage.worker.pause()
    request_id = await person.begins(IDEA)

    waiting = await _waits_with_place(person, request_id)
    assert waiting.is_waiting
    assert not waiting.prompts

    stage.worker.resume()
    assert len((await person.sees_answer(request_id)).prompts) == 4


async def test_cancelled_request_says_so_and_is_never_answered(stage: Stage) -> None:
    person = stage.newcomer()
    stage.worker.pause()
    request_id = await person.begins(IDEA)
    await _waits_with_place(person, request_id)

    await person.cancels(request_id)
    stage.worker.resume()

    assert not (await person.sees_answer(request_id)).prompts
    await stage.newcomer().asks("something else")
    assert stage.truth.state_of(request_id) == RequestState.CANCELLED.value
    assert request_id not in stage.worker.answered


async def test_queue_shows_what_waits_and_cancel_takes_all_of_it_back(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()
    stage.worker.pause()
    mine = [await person.begins("a lighthouse"), await person.begins("a meadow")]
    others = await other.begins("a volcano")

    shown = await person.queue()
    assert "lighthouse" in shown
    assert "meadow" in shown
    assert "volcano" not in shown

    await person.cancels_all()
    assert [stage.truth.state_of(each) for each in mine] == [RequestState.CANCELLED.value] * 2
    assert stage.truth.state_of(others) == RequestState.QUEUED.value
    shown = await person.queue()
    assert "lighthouse" not in shown
    assert "meadow" not in shown


@pytest.mark.parametrize(
    "idea", ["   ", "--ar 16:9", "/imagen a boy", "a boy --ar banana", "a boy --count 9", "x" * 301, "snow " * 3000]
)
async def test_idea_that_cannot_be_taken_is_refused_in_private_and_leaves_no_request(stage: Stage, idea: str) -> None:
    person = stage.newcomer()

    with pytest.raises(Refused) as refusal:
        await person.begins(idea)

    assert str(refusal.value).strip()
    assert "Traceback" not in str(refusal.value)
    assert stage.truth.requests_of(person.external_id) == []


async def test_more_requests_than_allowed_are_refused_until_one_ends(stage: Stage) -> None:
    person = stage.newcomer()
    stage.worker.pause()
    for number in range(MAX_OPEN_REQUESTS):
        await person.begins(f"picture {number}")

    with pytest.raises(Refused, match=str(MAX_OPEN_REQUESTS)):
        await person.begins("one too many")

    await person.cancels_all()
    stage.worker.resume()
    assert (await person.asks("one that fits")).prompts


async def test_replayed_ask_is_answered_once(stage: Stage) -> None:
    person = stage.newcomer()
    answer = await person.asks(IDEA)

    await person.repeats()

    assert stage.truth.requests_of(person.external_id) == [answer.request_id]
    assert stage.worker.answered.count(answer.request_id) == 1


async def test_private_answer_is_seen_by_the_person_alone(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()

    answer = await person.asks(IDEA, Wish(is_private=True))

    assert len(answer.prompts) == 4
    assert await other.looks(answer.request_id) is None
    await other.asks("something of their own")
    with pytest.raises(Refused):
        await other.forges(Action.UP, answer.prompts[0].id)
    assert stage.truth.votes_on(answer.prompts[0].id) == (0, 0)


async def test_variation_keeps_the_subject_and_is_a_request_of_whoever_asked_for_it(stage: Stage) -> None:
    asker, other = stage.newcomer(), stage.newcomer()
    answer = await asker.asks(IDEA)

    varied = await other.varies(answer.prompts[1].id)

    assert stage.truth.requests_of(other.external_id) == [varied.request_id]
    assert _kind_and_parent(stage, varied) == ("vary", answer.request_id)
    assert all(IDEA in prompt.text for prompt in varied.prompts)


async def test_remix_asks_the_edited_idea(stage: Stage) -> None:
    person = stage.newcomer()
    answer = await person.asks(IDEA)

    remixed = await person.remixes(answer.request_id, "a girl running in the rain")

    assert _kind_and_parent(stage, remixed) == ("remix", answer.request_id)
    assert all("a girl running in the rain" in prompt.text for prompt in remixed.prompts)


async def test_remix_into_an_idea_that_cannot_be_taken_is_refused(stage: Stage) -> None:
    person = stage.newcomer()
    answer = await person.asks(IDEA)

    with pytest.raises(Refused):
        await person.remixes(answer.request_id, "a girl --ar banana")

    assert stage.truth.requests_of(person.external_id) == [answer.request_id]


async def test_reroll_asks_the_same_idea_and_avoids_the_first_answer(stage: Stage) -> None:
    person = stage.newcomer()
    answer = await person.asks(IDEA)

    again = await person.rerolls(answer.request_id)

    assert _kind_and_parent(stage, again) == ("reroll", answer.request_id)
    avoided = stage.truth.value("SELECT avoid FROM requests WHERE id = ?", again.request_id)
    assert answer.prompts[0].text in avoided


async def test_deleted_request_is_gone_for_everybody(stage: Stage) -> None:
    person = stage.newcomer()
    answer = await person.asks(IDEA)

    await person.deletes(answer.request_id)

    assert await person.looks(answer.request_id) is None
    assert stage.truth.prompts_of(answer.request_id) == []
    assert IDEA not in await person.history()


async def test_only_the_asker_deletes(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()
    answer = await person.asks(IDEA)
    await other.asks("something of their own")

    with pytest.raises(Refused):
        await other.forges(Action.DELETE, answer.request_id)

    assert len(stage.truth.prompts_of(answer.request_id)) == 4


async def _waits_with_place(person: Person, request_id: str) -> Answer:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            seen = await person.looks(request_id)
            if seen is not None and "Place 1 in the line" in seen.text:
                return seen
            await asyncio.sleep(0.02)


def _kind_and_parent(stage: Stage, answer: Answer) -> tuple[str, str]:
    [found] = stage.truth.rows("SELECT kind, parent_id FROM requests WHERE id = ?", answer.request_id)
    return found
