"""Feedback: one row per person and candidate, the last one wins, saying nothing takes it back."""

from core.records import Feedback, FeedbackReason
from storage import feedback

BOTH = Feedback(reason=FeedbackReason.OFF_TOPIC, correction="a girl in the snow")


async def give(world, candidate_id: str, said: Feedback, name: str = "ann") -> None:
    user_id = await world.user(name)
    async with world.database.write() as session:
        await feedback.give(session, user_id=user_id, candidate_id=candidate_id, feedback=said)


async def of(world, candidate_id: str, name: str = "ann") -> Feedback | None:
    user_id = await world.user(name)
    async with world.database.read() as session:
        return await feedback.of(session, user_id, candidate_id)


async def test_the_last_words_stay_and_replace_all_of_the_earlier_ones(world):
    candidate = (await world.answered()).candidates[0]
    assert await of(world, candidate.id) is None
    for said in (BOTH, Feedback(reason=FeedbackReason.UNSAFE), Feedback(correction="a dog")):
        await give(world, candidate.id, said)
        assert await of(world, candidate.id) == said
    assert await world.count("feedback") == 1


async def test_feedback_is_ones_own(world):
    first, second = (await world.answered()).candidates
    await give(world, first.id, BOTH)
    assert await of(world, second.id) is None
    assert await of(world, first.id, "bob") is None


async def test_saying_nothing_takes_it_back(world):
    candidate = (await world.answered()).candidates[0]
    for said in (Feedback(), BOTH, Feedback()):
        await give(world, candidate.id, said)
    assert await of(world, candidate.id) is None
