"""When a person may ask again: counted back from their newest request in one workspace."""

from datetime import datetime, timedelta

from storage import quotas


async def test_the_nth_newest_request_of_a_person_in_a_workspace_is_found(world, moved_clock):
    asked: list[datetime] = []
    for name, workspace in (("ann", "here"), ("ann", "here"), ("ann", "there"), ("bob", "here"), ("ann", "here")):
        await world.ask(name, workspace=workspace)
        if (name, workspace) == ("ann", "here"):
            asked.append(moved_clock.utc_now())
        moved_clock.forward(60)

    async def nth(n: int, *, seconds: float = 3600) -> datetime | None:
        user_id = await world.user("ann", workspace="here")
        since = moved_clock.utc_now() - timedelta(seconds=seconds)
        async with world.database.read() as session:
            return await quotas.nth_newest(session, user_id=user_id, workspace_external_id="here", since=since, n=n)

    assert [await nth(n) for n in (1, 2, 3, 4)] == [*reversed(asked), None]
    assert [await nth(n, seconds=61) for n in (1, 2)] == [asked[2], None]
