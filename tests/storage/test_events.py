"""Events of a platform are taken in once."""

import pytest

from core.records import Platform
from storage import events


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


async def test_an_event_that_was_rolled_back_is_new_again(world):
    request_id = await world.ask()
    with pytest.raises(RuntimeError):
        async with world.database.write() as session:
            await events.remember(session, Platform.SLACK, "1", request_id)
            raise RuntimeError("the rest of the command failed")
    assert await request_of(world, "1") is None
