"""Events of a platform are taken in once."""

import pytest

from core.records import Platform
from storage import events, requests


async def request_of(world, event_id: str, platform: Platform = Platform.SLACK) -> str | None:
    async with world.database.read() as session:
        return await events.request_of(session, platform, event_id)


async def remember(world, event_id: str, request_id: str) -> None:
    async with world.database.write() as session:
        await events.remember(session, Platform.SLACK, event_id, request_id)


async def test_an_event_keeps_the_first_request_it_led_to(world):
    first, second = await world.ask(), await world.ask()
    assert await request_of(world, "1") is None
    await remember(world, "1", first)
    await remember(world, "1", second)
    assert await request_of(world, "1") == first
    assert await request_of(world, "1", Platform.DISCORD) is None


async def first_time(world, event_id: str, platform: Platform = Platform.SLACK) -> bool:
    user_id = await world.user()
    async with world.database.write() as session:
        return await events.first_time(session, platform, event_id, user_id=user_id)


async def test_an_event_is_new_once_on_each_platform(world):
    assert await first_time(world, "1")
    assert not await first_time(world, "1")
    assert await first_time(world, "2")
    assert await first_time(world, "1", Platform.DISCORD)
    assert await request_of(world, "1") is None


async def test_an_event_may_lead_to_a_request_after_it_was_taken_in(world):
    request_id = await world.ask()
    assert await first_time(world, "1")
    await remember(world, "1", request_id)
    assert await request_of(world, "1") == request_id
    assert not await first_time(world, "1")


async def test_an_event_outlives_the_request_it_led_to(world):
    """A replayed `/mjprompt` must not ask again for what its person deleted."""
    request_id, user_id = await world.ask(), await world.user()
    await remember(world, "1", request_id)
    async with world.database.write() as session:
        await requests.delete(session, request_id, user_id=user_id)
    assert await request_of(world, "1") is None
    assert not await first_time(world, "1")


async def test_an_event_that_was_rolled_back_is_new_again(world):
    request_id = await world.ask()
    with pytest.raises(RuntimeError):
        async with world.database.write() as session:
            await events.remember(session, Platform.SLACK, "1", request_id)
            raise RuntimeError("the rest of the command failed")
    assert await request_of(world, "1") is None
