"""What a platform was told last is remembered for each platform."""

from core.records import Platform
from storage import command_sync


async def told(world, platform: Platform) -> str | None:
    async with world.database.read() as session:
        return await command_sync.synced_hash(session, platform)


async def test_the_last_hash_of_each_platform_is_kept(world):
    assert await told(world, Platform.DISCORD) is None
    for hash_ in ("one", "two"):
        async with world.database.write() as session:
            await command_sync.remember_sync(session, Platform.DISCORD, hash_)
        assert await told(world, Platform.DISCORD) == hash_
    assert await told(world, Platform.SLACK) is None
