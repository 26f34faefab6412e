"""What may be learned from: with the consent of everybody whose words or thumbs are in it, and traceable to presses."""

import pytest
from sqlalchemy import text

from core.rated_pairs import RatedOrigin, RatedPair
from core.records import FeedbackReason, RequestKind, Thumb
from storage import adapters, training_data, users
from tests.storage.opinions import agree, answered, request_of, say, vote
from tests.storage.plans import statements_seen

UP, DOWN = Thumb.UP, Thumb.DOWN


async def rated(world) -> tuple[RatedPair, ...]:
    async with world.database.read() as session:
        return await training_data.rated_pairs(session)


async def prompts(world) -> list[str]:
    return [pair.prompt for pair in await rated(world)]


async def train(world, adapter: str, presses: set[int]) -> None:
    """A run that learned from these presses, and its adapter."""
    async with world.database.write() as session:
        for statement in (
            "INSERT INTO training_runs (id, state, base_model, config, seed, metrics, created_at)"
            " VALUES (:id, 'done', 'pocket', '{}', 1, '{}', '2026-01-01 00:00:00.000000')",
            "INSERT INTO adapters (id, state, training_run_id, base_model, folder, metrics, created_at, updated_at)"
            " SELECT id, 'candidate', id, base_model, 'a', '{}', created_at, created_at FROM training_runs",
        ):
            await session.execute(text(statement), {"id": adapter})
        for press in presses:
            insert = "INSERT INTO training_examples (run_id, vote_event_id) VALUES (:id, :press)"
            await session.execute(text(insert), {"id": adapter, "press": press})


async def test_votes_on_a_candidate_become_one_rated_pair_with_their_presses(world):
    await agree(world, "ann", "bob", "cid")
    first, second = await answered(world)
    ups = [await vote(world, first, name, UP) for name in ("ann", "bob")]
    down = await vote(world, first, "cid", DOWN)
    other = await vote(world, second, "bob", DOWN)
    common = {"subject": "a boy", "parameters": "--ar 3:2", "origin": RatedOrigin.VOTE}
    liked = RatedPair(prompt="one", num_up=2, num_down=1, vote_event_ids=(*ups, down), **common)
    disliked = RatedPair(prompt="two", num_up=0, num_down=1, vote_event_ids=(other,), **common)
    assert await rated(world) == (liked, disliked)
    assert (liked.is_liked, disliked.is_liked) == (True, False)


async def test_nothing_is_learned_before_anybody_agrees(world):
    first, _ = await answered(world)
    await vote(world, first, "ann", UP)
    await say(world, first, "ann", correction="a better one")
    assert await rated(world) == ()


async def test_a_vote_counts_only_of_somebody_who_agreed(world):
    await agree(world, "ann")
    first, _ = await answered(world)
    await vote(world, first, "ann", UP)
    for name in ("bob", "cid"):
        await vote(world, first, name, DOWN)
    [pair] = await rated(world)
    assert (pair.num_up, pair.num_down, len(pair.vote_event_ids)) == (1, 0, 1)


async def test_an_idea_of_somebody_who_did_not_agree_teaches_nothing_however_many_voted(world):
    await agree(world, "bob", "cid")
    first, _ = await answered(world, "ann")
    for name in ("bob", "cid"):
        await vote(world, first, name, UP)
        await say(world, first, name, correction=f"a better one by {name}")
    assert await rated(world) == ()


async def test_consent_taken_back_takes_the_pairs_back_and_given_again_brings_them(world):
    await agree(world, "ann", "bob")
    first, _ = await answered(world)
    await vote(world, first, "bob", UP)
    for name in ("bob", "ann"):
        await agree(world, name, is_given=False)
        assert await rated(world) == ()
        await agree(world, name)
        assert len(await rated(world)) == 1


async def test_a_changed_vote_counts_as_it_stands_and_one_taken_back_not_at_all(world):
    await agree(world, "ann")
    first, second = await answered(world)
    await vote(world, first, "ann", UP)
    changed = await vote(world, first, "ann", DOWN)
    await vote(world, second, "ann", UP)
    await vote(world, second, "ann", None)
    [pair] = await rated(world)
    assert (pair.prompt, pair.num_up, pair.num_down, pair.vote_event_ids) == ("one", 0, 1, (changed,))


async def test_a_correction_is_a_liked_pair_of_its_own_beside_the_vote(world):
    await agree(world, "ann", "bob")
    first, _ = await answered(world)
    press = await vote(world, first, "bob", DOWN)
    await say(world, first, "bob", reason=FeedbackReason.OFF_TOPIC, correction="a boy, at last")
    voted, corrected = await rated(world)
    assert not voted.is_liked
    assert corrected == RatedPair(
        subject="a boy",
        prompt="a boy, at last",
        parameters="--ar 3:2",
        origin=RatedOrigin.CORRECTION,
        num_up=1,
        num_down=0,
        vote_event_ids=(press,),
    )
    assert corrected.is_liked


async def test_a_correction_without_a_press_is_left_out_since_no_run_could_say_that_it_learned_from_it(world):
    await agree(world, "ann", "bob")
    first, _ = await answered(world)
    await vote(world, first, "ann", DOWN)
    await say(world, first, "bob", correction="by bob, who never voted")
    assert [pair.origin for pair in await rated(world)] == [RatedOrigin.VOTE]


async def test_a_correction_stays_when_its_authors_vote_is_taken_back(world):
    await agree(world, "ann")
    first, _ = await answered(world)
    await vote(world, first, "ann", DOWN)
    await say(world, first, "ann", correction="better")
    undone = await vote(world, first, "ann", None)
    [pair] = await rated(world)
    assert (pair.prompt, pair.vote_event_ids) == ("better", (undone,))


async def test_a_reason_alone_is_no_pair(world):
    await agree(world, "ann")
    first, _ = await answered(world)
    await vote(world, first, "ann", DOWN)
    await say(world, first, "ann", reason=FeedbackReason.WRONG_STYLE)
    assert [pair.origin for pair in await rated(world)] == [RatedOrigin.VOTE]


async def test_what_anybody_called_unsafe_is_not_learned_from_but_its_correction_is(world):
    await agree(world, "ann", "bob")
    first, _ = await answered(world)
    await vote(world, first, "ann", UP)
    await vote(world, first, "bob", DOWN)
    await say(world, first, "bob", reason=FeedbackReason.UNSAFE, correction="a boy, dressed warmly")
    assert await prompts(world) == ["a boy, dressed warmly"]


@pytest.mark.parametrize("kind", [RequestKind.REROLL, RequestKind.VARY, RequestKind.REMIX])
async def test_going_on_from_ones_own_request_is_learned_from(world, kind):
    await agree(world, "ann")
    parent_id = await request_of(world, (await answered(world, "ann", "first"))[0])
    [candidate] = await answered(world, "ann", "second", kind=kind, parent_id=parent_id)
    await vote(world, candidate, "ann", UP)
    assert await prompts(world) == ["second"]


@pytest.mark.parametrize("kind", [RequestKind.REROLL, RequestKind.VARY, RequestKind.REMIX])
async def test_words_that_came_from_somebody_else_are_left_out(world, kind):
    """A re-roll has the other person's words under one's own name; forgetting them would not find it."""
    await agree(world, "ann", "bob")
    parent_id = await request_of(world, (await answered(world, "ann", "first"))[0])
    [candidate] = await answered(world, "bob", "second", kind=kind, parent_id=parent_id)
    await vote(world, candidate, "bob", UP)
    again_id = await request_of(world, candidate)
    [again] = await answered(world, "bob", "third", kind=RequestKind.REROLL, parent_id=again_id)
    await vote(world, again, "bob", UP)
    assert await prompts(world) == []


async def test_words_of_somebody_forgotten_are_left_out_also_where_others_went_on_from_them(world):
    await agree(world, "ann", "bob")
    parent_id = await request_of(world, (await answered(world, "ann", "first"))[0])
    [candidate] = await answered(world, "bob", "second", kind=RequestKind.REROLL, parent_id=parent_id)
    await vote(world, candidate, "bob", UP)
    [own] = await answered(world, "bob", "own")
    await vote(world, own, "ann", UP)
    await vote(world, own, "bob", UP)
    user_id = await world.user("ann")
    async with world.database.write() as session:
        await users.forget(session, user_id)
    [pair] = await rated(world)
    assert (pair.prompt, pair.num_up) == ("own", 1)


async def test_every_pair_given_out_lets_its_people_find_the_run_that_used_it(world):
    await agree(world, "ann", "bob")
    first, _ = await answered(world)
    await vote(world, first, "bob", DOWN)
    await say(world, first, "bob", correction="better")
    await train(world, "adapter", {event for pair in await rated(world) for event in pair.vote_event_ids})
    for name in ("ann", "bob"):
        user_id = await world.user(name)
        async with world.database.read() as session:
            assert await adapters.that_learned_from(session, user_id) == ("adapter",)


async def test_pairs_come_in_the_same_order_each_time_and_with_two_questions_however_many_there_are(world):
    await agree(world, "ann", "bob")
    for number in range(4):
        for candidate in await answered(world, "ann", f"{number} a", f"{number} b"):
            await vote(world, candidate, "bob", UP)
            await say(world, candidate, "bob", correction=f"better than {number}")
    async with statements_seen() as seen:
        found = await rated(world)
    assert [pair.prompt for pair in found[:8]] == [f"{number} {side}" for number in range(4) for side in "ab"]
    assert [pair.origin for pair in found] == [RatedOrigin.VOTE] * 8 + [RatedOrigin.CORRECTION] * 8
    assert len([statement for statement, _ in seen if statement.lstrip().startswith(("SELECT", "WITH"))]) == 2
    assert await rated(world) == found
