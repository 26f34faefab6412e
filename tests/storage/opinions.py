"""What people of a test's world agree to, ask, press and say."""

from sqlalchemy import text

from core.records import Feedback, Thumb
from storage import consents, feedback, votes


async def agree(world, *names: str, is_given: bool = True) -> None:
    for name in names:
        user_id = await world.user(name)
        async with world.database.write() as session:
            await consents.record(session, user_id, is_given=is_given)


async def answered(world, name: str = "ann", *texts: str, **changes: object) -> list[str]:
    """Return the ids of the candidates of one request."""
    request_id = await world.ask(name, **changes)
    assert await world.complete(await world.claim_one(request_id), texts=texts or ("one", "two"))
    return [candidate.id for candidate in (await world.view(request_id)).candidates]


async def request_of(world, candidate_id: str) -> str:
    async with world.database.read() as session:
        query = text("SELECT request_id FROM candidates WHERE id = :id")
        return (await session.scalars(query, {"id": candidate_id})).one()


async def vote(world, candidate_id: str, name: str, thumb: Thumb | None) -> int:
    """Cast a vote and return the id of its press."""
    user_id = await world.user(name)
    async with world.database.write() as session:
        event = f"{await world.count('vote_events')}"
        await votes.cast(session, user_id=user_id, candidate_id=candidate_id, thumb=thumb, event_id=event)
        return (await session.scalars(text("SELECT max(id) FROM vote_events"))).one()


async def say(world, candidate_id: str, name: str, **said: object) -> None:
    user_id = await world.user(name)
    async with world.database.write() as session:
        await feedback.give(session, user_id=user_id, candidate_id=candidate_id, feedback=Feedback(**said))
