"""A whole conversation on both platforms with the real `mjprompt run`: its own worker and the pocket model."""

from core.records import FeedbackReason, Thumb
from tests.chats.house import House
from tests.parity.chat import ChatPerson
from tests.parity.protocol import Answer, Wish
from tests.parity.waiting import until

IDEA = "a boy running in the snow"
LAST_IDEA = "a lighthouse at night"


async def test_people_talk_with_the_pocket_model_and_a_stop_in_the_middle_loses_nothing(
    workerless_house: House,
) -> None:
    house = workerless_house
    people = house.people()
    async with house.bot("run") as bot:
        begun = [(person, await person.begins(IDEA, Wish(aspect_ratio="16:9", count=2))) for person in people]
        for person, request_id in begun:
            await _talks_about(house, person, await person.sees_answer(request_id))
        last = [(person, await person.begins(LAST_IDEA, Wish(count=1))) for person in people]
        assert await bot.terminate() == 0

    async with house.bot("run"):
        for person, request_id in last:
            [prompt] = (await person.sees_answer(request_id)).prompts
            assert LAST_IDEA in prompt.text
            await until(lambda each=request_id: house.outbox(each)[0] == "sent", "message that is known to be sent")
            assert sum(prompt.text in seen.prompts for seen in person.sees()) == 1
    assert house.core.truth.rows("SELECT state, count(*) FROM outbox GROUP BY state") == [("sent", 6)]


async def _talks_about(house: House, person: ChatPerson, answer: Answer) -> None:
    """Do with an answer what people do."""
    best, other = answer.prompts
    assert IDEA in best.text
    assert "--ar 16:9" in best.text
    assert best.text != other.text
    await person.presses(best.id, Thumb.UP)
    await person.presses(other.id, Thumb.DOWN)
    await person.explains(other.id, reason=FeedbackReason.WRONG_STYLE, correction="a boy in the snow, ink")
    assert house.core.truth.votes_on(best.id) == (1, 0)
    assert house.core.truth.votes_on(other.id) == (0, 1)
    assert await person.saves(best.id)
    assert best.text in await person.favorites()
    assert IDEA in await person.history()
    assert all(IDEA in prompt.text for prompt in (await person.varies(best.id)).prompts)
    kept = await person.privacy()
    assert (kept.num_requests, kept.num_votes, kept.num_feedback, kept.num_favorites) == (2, 2, 1, 1)
