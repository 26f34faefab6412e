"""The bot killed before, during and after it sends an answer: nothing is lost, and no answer is shown twice.

The answer is written by a worker in the test, so that every moment between its commit and its message can be met.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from core.records import RequestState
from tests.chats.house import House
from tests.parity.chat import ChatPerson
from tests.parity.waiting import until

IDEA = "a boy running in the snow"
ALWAYS = 1_000  # calls
IN_FLIGHT_SECONDS = 1.0  # far more than a kill takes
EXPIRED_SECONDS = 16 * 60
Asked = Sequence[tuple[ChatPerson, str]]


async def test_bot_killed_between_commit_and_send_answers_after_its_restart(house: House) -> None:
    async with house.bot() as bot:
        asked = await _waiting_on_both(house)
        house.discord.faults.add("/messages/@original", method="PATCH", status=503, times=ALWAYS)
        house.slack.faults.add("chat.update", status=503, times=ALWAYS)
        await _answered(house, asked)
        await until(lambda: all(house.outbox(each)[1] > 0 for _, each in asked), "first tries")
        await bot.kill()
    assert [answer.prompts for answer in [await person.looks(each) for person, each in asked] if answer] == [(), ()]

    await _shown_once_after_restart(house, asked)


async def test_bot_killed_right_after_an_ask_answers_after_its_restart(house: House) -> None:
    house.core.worker.pause()
    async with house.bot() as bot:
        people = house.people()
        asked = [(person, await person.begins(IDEA)) for person in people]
        await bot.kill()
    await _answered(house, asked)

    await _shown_once_after_restart(house, asked)


async def test_bot_killed_while_an_answer_is_on_its_way_shows_it_once(house: House) -> None:
    async with house.bot() as bot:
        asked = await _waiting_on_both(house)
        house.discord.faults.add("/messages/@original", method="PATCH", delay_seconds=IN_FLIGHT_SECONDS, times=ALWAYS)
        in_flight = house.slack.faults.add("chat.update", delay_seconds=IN_FLIGHT_SECONDS, times=ALWAYS)
        await _answered(house, asked)
        await until(lambda: in_flight.num_used and _is_editing(house), "edits in flight")
        await bot.kill()
    for person, request_id in asked:
        await person.sees_answer(request_id)  # it took effect, and nobody was there to know
        assert house.outbox(request_id)[0] == "pending"

    await _shown_once_after_restart(house, asked)


async def test_bot_killed_after_an_answer_was_sent_and_before_it_knew_shows_it_once(house: House) -> None:
    async with house.bot() as bot:
        asked = await _waiting_on_both(house)
        house.discord.faults.add("/messages/@original", method="PATCH", drop="after", times=ALWAYS)
        house.slack.faults.add("chat.update", drop="after", times=ALWAYS)
        await _answered(house, asked)
        for person, request_id in asked:
            await person.sees_answer(request_id)
        await bot.kill()
    assert [house.outbox(request_id)[0] for _, request_id in asked] == ["pending", "pending"]

    await _shown_once_after_restart(house, asked)


async def test_bot_killed_while_it_posts_a_new_message_leaves_one_answer(house: House) -> None:
    """On Discord the repeated post is told by its nonce; Slack has none, so an empty message may stay behind."""
    house.discord.expected_violations = ("50027",)  # the fake's time is ahead of the bot's
    house.core.worker.pause()
    async with house.bot() as bot:
        in_flight = house.slack.faults.add("chat.postMessage", delay_seconds=IN_FLIGHT_SECONDS, times=ALWAYS)
        posting = house.discord.faults.add("/messages", method="POST", delay_seconds=IN_FLIGHT_SECONDS, times=ALWAYS)
        asked = [(person, await person.begins(IDEA)) for person in house.people()]
        house.discord.clock.advance(EXPIRED_SECONDS)
        await _answered(house, asked)
        await until(lambda: in_flight.num_used and posting.times < ALWAYS, "posts in flight")
        await bot.kill()

    await _shown_once_after_restart(house, asked)
    assert len(asked[0][0].sees()) == 1


async def test_bot_that_is_stopped_while_an_answer_is_on_its_way_loses_nothing(house: House) -> None:
    async with house.bot() as bot:
        asked = await _waiting_on_both(house)
        house.discord.faults.add("/messages/@original", method="PATCH", delay_seconds=IN_FLIGHT_SECONDS, times=ALWAYS)
        house.slack.faults.add("chat.update", delay_seconds=IN_FLIGHT_SECONDS, times=ALWAYS)
        await _answered(house, asked)
        status = await bot.terminate()
    assert status == 0

    await _shown_once_after_restart(house, asked)


async def _waiting_on_both(house: House) -> Asked:
    """Ask on both platforms while the worker rests; return once both messages show the place in the line."""
    house.core.worker.pause()
    asked = [(person, await person.begins(IDEA)) for person in house.people()]
    for person, request_id in asked:
        await until(lambda p=person, r=request_id: _place_in(p, r), "place in the line")
    return asked


def _place_in(person: ChatPerson, request_id: str) -> bool:
    card = person.card(request_id)
    return card is not None and "in the line" in card.text


async def _answered(house: House, asked: Asked) -> None:
    """Let the worker answer."""
    house.core.worker.resume()
    for _, request_id in asked:
        await until(
            lambda each=request_id: house.core.truth.state_of(each) == RequestState.DONE.value, "committed answer"
        )


async def _shown_once_after_restart(house: House, asked: Asked) -> None:
    house.discord.faults.clear()
    house.slack.faults.clear()
    await asyncio.to_thread(_end_claims, house.core.file)
    async with house.bot():
        for person, request_id in asked:
            await until(lambda each=request_id: house.outbox(each)[0] == "sent", "message that is known to be sent")
            answer = await person.sees_answer(request_id)
            assert len(answer.prompts) == 4
            texts = [prompt.text for prompt in answer.prompts]
            assert sum(texts[0] in seen.prompts for seen in person.sees()) == 1
        assert house.core.worker.answered.count(asked[0][1]) == 1


def _end_claims(file: Path) -> None:
    """Let the time pass after which what a dead bot had claimed is claimed again."""
    with sqlite3.connect(file, timeout=10) as connection:
        connection.execute("UPDATE outbox SET next_attempt_at = created_at WHERE state = 'pending'")
    connection.close()


def _is_editing(house: House) -> bool:
    """Tell whether Discord was sent the answer and has not taken it yet."""
    edits = [call for call in house.discord.requests if call.method == "PATCH" and call.status is None]
    return any(IDEA in str(call.body) and "mj1:up" in str(call.body) for call in edits)
