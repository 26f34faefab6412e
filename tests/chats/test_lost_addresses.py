"""Where an answer goes when its first address is gone by the time it is there, and what a lost connection costs."""

from core.records import Thumb
from tests.chats.house import House
from tests.parity.chat import ChatPerson
from tests.parity.waiting import until

IDEA = "a boy running in the snow"
EXPIRED_SECONDS = 16 * 60  # Discord's tokens live for 15 minutes


async def test_answer_goes_to_the_channel_when_its_token_expired_and_to_the_person_when_the_channel_is_lost(
    house: House,
) -> None:
    """On Slack nothing expires, because answers need no response_url: only the channel is lost."""
    house.discord.expected_violations = ("50027",)  # the fake's time is ahead of the bot's
    house.core.worker.pause()
    async with house.bot():
        slow = [(person, await person.begins(IDEA)) for person in house.people()]
        house.discord.clock.advance(EXPIRED_SECONDS)
        house.slack.clock.advance(2 * EXPIRED_SECONDS)
        house.core.worker.resume()
        for person, request_id in slow:
            await person.sees_answer(request_id)
        assert _place_of(*slow[0]) == "channel"
        assert _place_of(*slow[1]) == "channel"

        house.core.worker.pause()
        lost = [(person, await person.begins(IDEA)) for person in house.people()]
        house.discord.clock.advance(EXPIRED_SECONDS)
        _lock_the_bot_out(house)
        house.core.worker.resume()
        for _, request_id in lost:
            await until(lambda each=request_id: house.outbox(each)[0] == "sent", "answer as a direct message")

    on_discord, on_slack = lost
    [direct] = house.discord.direct_messages(on_discord[0].user)
    assert direct.text.count(f"{IDEA}, ") == 4
    assert on_discord[1] in str(direct.buttons)
    assert _place_of(*on_slack) == "direct"


async def test_presses_during_a_lost_connection_are_counted_once_after_it(house: House) -> None:
    async with house.bot():
        people = house.people()
        answers = [await person.asks(IDEA) for person in people]
        identifies = house.discord.stats.identifies

        await house.discord.drop_connections()
        await house.slack.drop_connections(abruptly=True)
        for person, answer in zip(people, answers, strict=True):
            await person.presses(answer.prompts[0].id, Thumb.UP)
            await person.repeats()

        for answer in answers:
            assert house.core.truth.votes_on(answer.prompts[0].id) == (1, 0)
            assert house.core.truth.presses_on(answer.prompts[0].id) == 1
        assert house.discord.stats.identifies == identifies
        assert house.discord.stats.resumes == 1
        assert all([(await person.asks(IDEA)).prompts for person in people])


def _place_of(person: ChatPerson, request_id: str) -> str:
    card = person.card(request_id)
    assert card is not None
    if card.is_private:
        return "direct"
    return "channel"


def _lock_the_bot_out(house: House) -> None:
    """Take the channel of the scene away from the bot, on both platforms."""
    house.on_discord.channel.can_view = False
    house.on_slack.channel.is_bot_member = False
    house.on_slack.channel.is_private = True
