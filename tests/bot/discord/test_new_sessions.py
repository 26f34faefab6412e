"""New sessions: never closer to each other than Discord takes them, and no later than needed."""

import asyncio

import pytest

from bot.discord.new_sessions import LEAST_SECONDS, MOST_SECONDS, SECONDS_APART, NewSessions


async def test_the_first_session_of_a_bot_is_opened_at_once():
    async with asyncio.timeout(0.5):
        await NewSessions().await_turn(is_first=True)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 3.4])
async def test_a_session_lost_soon_is_followed_by_one_when_discord_takes_it(seconds):
    sessions = NewSessions()
    await sessions.await_turn(is_first=True)
    now = asyncio.get_running_loop().time() + seconds
    assert sessions.wait_seconds(now) == pytest.approx(SECONDS_APART - seconds, abs=0.2)


async def test_a_session_lost_late_is_followed_by_one_after_a_moment_that_differs_from_bot_to_bot():
    sessions = NewSessions()
    await sessions.await_turn(is_first=True)
    waits = {sessions.wait_seconds(asyncio.get_running_loop().time() + 3600) for _ in range(20)}
    assert LEAST_SECONDS <= min(waits) < max(waits) <= MOST_SECONDS
