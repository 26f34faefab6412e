"""Saving, looking back and sharing, played the same on every platform."""

import pytest

from tests.parity.protocol import NotOffered
from tests.parity.stage import Stage

IDEA = "a boy running in the snow"
MORE_THAN_A_PAGE = 7


async def test_saved_prompt_is_among_the_favorites_until_saved_again(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()
    answer = await person.asks(IDEA)
    chosen = answer.prompts[1]

    assert await other.saves(chosen.id)
    assert chosen.text in await other.favorites()
    assert chosen.text not in await person.favorites()

    assert not await other.saves(chosen.id)
    assert chosen.text not in await other.favorites()


async def test_replayed_save_changes_nothing(stage: Stage) -> None:
    person = stage.newcomer()
    chosen = (await person.asks(IDEA)).prompts[0]
    assert await person.saves(chosen.id)

    await person.repeats()

    assert chosen.text in await person.favorites()


async def test_history_shows_everything_page_by_page_newest_first(stage: Stage) -> None:
    person, other = stage.newcomer(), stage.newcomer()
    ideas = [f"picture number {number} of a series" for number in range(MORE_THAN_A_PAGE)]
    for idea in ideas:
        await person.asks(idea)
    await other.asks("a volcano")

    shown = await person.history()

    places = [shown.index(idea) for idea in ideas]
    assert places == sorted(places, reverse=True)
    assert "volcano" not in shown


async def test_favorites_are_shown_page_by_page_newest_first(stage: Stage) -> None:
    person = stage.newcomer()
    answers = [await person.asks(f"picture number {number}") for number in range(2)]
    chosen = [prompt for answer in answers for prompt in answer.prompts][:MORE_THAN_A_PAGE]
    for prompt in chosen:
        assert await person.saves(prompt.id)

    shown = await person.favorites()

    places = [shown.index(prompt.text) for prompt in chosen]
    assert places == sorted(places, reverse=True)


async def test_nothing_saved_and_nothing_asked_is_said_in_words_or_shown_as_empty(stage: Stage) -> None:
    person = stage.newcomer()

    assert IDEA not in await person.history()
    assert IDEA not in await person.favorites()
    assert IDEA not in await person.queue()


async def test_shared_prompt_is_shown_to_everybody_once(stage: Stage) -> None:
    person = stage.newcomer()
    chosen = (await person.asks(IDEA)).prompts[1]
    if not stage.has_workspaces:
        with pytest.raises(NotOffered):
            await person.shares(chosen.id)
        return

    assert chosen.text in await person.shares(chosen.id)

    await person.repeats()
    await stage.newcomer().asks("something that is delivered after it")
    shares = "SELECT count(*), max(state) FROM outbox WHERE candidate_id = ? AND kind = 'share'"
    assert stage.truth.rows(shares, chosen.id) == [(1, "sent")]
