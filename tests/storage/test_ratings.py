"""Ratings: who thought what of which prompt, of people who agreed to be learned from, and how much of it is new."""

from datetime import timedelta

import pytest

from core.ratings import Correction, RatedPrompt, Rating
from core.records import FeedbackReason, RequestKind, Thumb
from storage import ratings, votes
from tests.storage.opinions import agree, answered, request_of, say, vote
from tests.storage.plans import statements_seen

UP, DOWN = Thumb.UP, Thumb.DOWN


async def rated(world) -> tuple[RatedPrompt, ...]:
    async with world.database.read() as session:
        return await ratings.rated_prompts(session)


async def test_a_prompt_comes_with_everybodys_opinion_and_where_it_stood(world, moved_clock):
    start = moved_clock.utc_now()
    await agree(world, "ann", "bob")
    moved_clock.forward(60)
    _, second = await answered(world)
    moved_clock.forward(60)
    up = await vote(world, second, "ann", UP)
    down = await vote(world, second, "bob", DOWN)
    moved_clock.forward(60)
    await say(world, second, "bob", correction="better")
    ann, bob = await world.user("ann"), await world.user("bob")
    pressed_at = start + timedelta(seconds=120)
    common = {"rater_since": start, "pressed_at": pressed_at}
    assert await rated(world) == (
        RatedPrompt(
            candidate_id=second,
            request_id=await request_of(world, second),
            asker=ann,
            subject="a boy",
            prompt="two",
            parameters="--ar 3:2",
            rank=2,
            num_shown=2,
            adapter=None,
            score=-0.2,
            ratings=(
                Rating(vote_event_id=up, rater=ann, thumb=UP, **common),
                Rating(vote_event_id=down, rater=bob, thumb=DOWN, **common),
            ),
            corrections=(
                Correction(
                    vote_event_id=down,
                    rater=bob,
                    rater_since=start,
                    written_at=start + timedelta(seconds=180),
                    prompt="better",
                ),
            ),
        ),
    )


async def test_a_press_counts_from_when_the_person_pressed_where_the_platform_tells(world, moved_clock):
    await agree(world, "ann")
    first, _ = await answered(world)
    moment = moved_clock.utc_now() - timedelta(seconds=5)
    user_id = await world.user("ann")
    async with world.database.write() as session:
        await votes.press(session, user_id=user_id, candidate_id=first, thumb=UP, event_id="1", occurred_at=moment)
    [prompt] = await rated(world)
    assert [rating.pressed_at for rating in prompt.ratings] == [moment]


async def test_what_somebody_who_did_not_agree_thinks_is_not_told(world):
    await agree(world, "ann", "bob")
    await agree(world, "bob", is_given=False)
    first, second = await answered(world)
    await vote(world, first, "ann", UP)
    for candidate in (first, second):
        await vote(world, candidate, "bob", DOWN)
        await say(world, candidate, "bob", correction="better")
    [prompt] = await rated(world)
    assert ([rating.thumb for rating in prompt.ratings], prompt.corrections) == ([UP], ())


async def test_prompts_of_somebody_who_did_not_agree_are_not_told(world):
    await agree(world, "bob")
    first, _ = await answered(world, "ann")
    await vote(world, first, "bob", UP)
    await say(world, first, "bob", correction="better")
    assert await rated(world) == ()


async def test_words_that_came_from_somebody_else_are_not_told(world):
    await agree(world, "ann", "bob")
    parent_id = await request_of(world, (await answered(world, "ann", "first"))[0])
    [candidate] = await answered(world, "bob", "second", kind=RequestKind.REROLL, parent_id=parent_id)
    await vote(world, candidate, "bob", UP)
    assert await rated(world) == ()


async def test_votes_on_what_anybody_called_unsafe_are_not_told_but_its_correction_is(world):
    await agree(world, "ann")
    first, _ = await answered(world)
    await vote(world, first, "ann", UP)
    await vote(world, first, "bob", DOWN)
    await say(world, first, "bob", reason=FeedbackReason.UNSAFE)
    assert await rated(world) == ()
    await say(world, first, "ann", correction="a boy, dressed warmly")
    [prompt] = await rated(world)
    assert (prompt.ratings, [said.prompt for said in prompt.corrections]) == ((), ["a boy, dressed warmly"])


@pytest.mark.parametrize("undo", [True, False])
async def test_a_corrected_prompt_needs_no_standing_vote_but_a_press(world, undo):
    await agree(world, "ann")
    first, _ = await answered(world)
    if undo:
        await vote(world, first, "ann", DOWN)
        await vote(world, first, "ann", None)
    await say(world, first, "ann", correction="better")
    assert [(prompt.ratings, len(prompt.corrections)) for prompt in await rated(world)] == [((), 1)] * undo


async def test_prompts_come_in_order_and_with_three_questions_however_many_there_are(world):
    await agree(world, "ann", "bob")
    for number in range(4):
        for candidate in reversed(await answered(world, "ann", f"{number} a", f"{number} b")):
            await vote(world, candidate, "bob", UP)
            await say(world, candidate, "bob", correction=f"better than {number}")
    async with statements_seen() as seen:
        found = await rated(world)
    assert [prompt.prompt for prompt in found] == [f"{number} {side}" for number in range(4) for side in "ab"]
    assert len([statement for statement, _ in seen if statement.lstrip().startswith(("SELECT", "WITH"))]) == 3


async def test_new_votes_are_those_that_stand_of_people_who_agreed(world, moved_clock):
    async def since(moment) -> int:
        async with world.database.read() as session:
            return await ratings.votes_since(session, moment)

    async def last():
        async with world.database.read() as session:
            return await ratings.last_vote_at(session)

    assert (await since(None), await last()) == (0, None)
    await agree(world, "ann")
    first, second = await answered(world)
    await vote(world, first, "ann", UP)
    moment = moved_clock.utc_now()
    assert (await since(None), await since(moment), await last()) == (1, 0, moment)
    moved_clock.forward(1)
    await vote(world, second, "ann", DOWN)
    moved_clock.forward(1)
    await vote(world, second, "bob", DOWN)
    assert (await since(None), await since(moment)) == (2, 1)
    assert await last() == moment + timedelta(seconds=1)
    await vote(world, second, "ann", None)
    assert (await since(moment), await last()) == (0, moment)
