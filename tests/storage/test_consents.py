"""Consent is off until given, can be taken back, and every decision is kept."""

from sqlalchemy import text

from storage import consents


async def record(world, name: str, *, is_given: bool) -> None:
    user_id = await world.user(name)
    async with world.database.write() as session:
        await consents.record(session, user_id, is_given=is_given)


async def has_consented(world, name: str) -> bool:
    user_id = await world.user(name)
    async with world.database.read() as session:
        return await consents.has_consented(session, user_id)


async def test_consent_is_off_until_given(world):
    assert not await has_consented(world, "ann")
    await record(world, "ann", is_given=False)
    assert not await has_consented(world, "ann")


async def test_the_latest_decision_holds(world):
    for is_given in (True, False, True, False):
        await record(world, "ann", is_given=is_given)
        assert await has_consented(world, "ann") is is_given


async def test_a_decision_is_ones_own(world):
    await record(world, "ann", is_given=True)
    assert not await has_consented(world, "bob")


async def test_every_decision_is_kept_and_a_repeated_one_is_none(world):
    for is_given in (True, True, False, False, True):
        await record(world, "ann", is_given=is_given)
    async with world.database.read() as session:
        kept = await session.scalars(text("SELECT is_given FROM consents ORDER BY id"))
        assert list(kept) == [1, 0, 1]
