"""Events of a platform are taken in once."""

import asyncio

from core.records import Platform
from storage import events


async def first_time(world, event_id: str, platform: Platform = Platform.SLACK) -> bool:
    async with world.database.write() as session:
        return await events.first_time(session, platform, event_id)


async def request_of(world, event_id: str, platform: Platform = Platform.SLACK) -> str | None:
    async with world.database.read() as session:
        return await events.request_of(session, platform, event_id)


async def remember(world, event_id: str, request_id: str) -> None:
    async with world.database.write() as session:
        await events.remember(session, Platform.SLACK, event_id, request_id)


async def test_an_event_is_new_once_a_platform(world):
    assert await first_time(world, "1")
    assert not await first_time(world, "1")
    assert await first_time(world, "1", Platform.DISCORD)
    assert await first_time(world, "2")


async def test_one_of_many_at_once_is_the_first(world):
    firsts = await asyncio.gather(*(first_time(world, "1") for _ in range(10)))
    assert sorted(firsts) == [False] * 9 + [True]


async def test_an_event_that_was_rolled_back_is_new_again(world):
    try:
        async with world.database.write() as session:
            assert await events.first_time(session, Platform.SLACK, "1")
            raise RuntimeError("the rest of the command failed")
    except RuntimeError:
        pass
    assert await first_time(world, "1")


async def test_an_event_keeps_the_first_request_it_led_to(world):
    first, second = await world.ask(), await world.ask()
    assert await request_of(world, "1") is None
    await first_time(world, "1")
    assert await request_of(world, "1") is None
    await remember(world, "1", first)
    await remember(world, "1", second)
    assert await request_of(world, "1") == first
    assert await request_of(world, "1", Platform.DISCORD) is None


async def test_remembering_counts_as_having_seen(world):
    await remember(world, "1", await world.ask())
    assert not await first_time(world, "1")
