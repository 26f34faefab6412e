"""Going on from a request: what was queued, and what its answers said so far."""

import pytest

from core.errors import NotFound
from core.records import RequestKind
from storage import lineage


async def answered(world, name: str, *texts: str, **changes: object) -> str:
    request_id = await world.ask(name, **changes)
    assert await world.complete(await world.claim_one(request_id), texts=texts)
    return request_id


async def reroll(world, parent_id: str, name: str, *texts: str) -> str:
    return await answered(world, name, *texts, kind=RequestKind.REROLL, parent_id=parent_id)


async def so_far(world, request_id: str, name: str = "ann", *, limit: int = 100) -> tuple[str, ...]:
    user_id = await world.user(name)
    async with world.database.read() as session:
        return await lineage.answers_so_far(session, request_id, user_id=user_id, limit=limit)


async def test_a_request_can_be_queued_again_as_it_was(world):
    request_id = await world.ask(is_private=True, kind=RequestKind.VARY, num_candidates=3)
    async with world.database.read() as session:
        again = await lineage.origin(session, request_id)
    assert (again.idea, again.subject, again.parameters) == ("a boy --ar 3:2", "a boy", "--ar 3:2")
    assert (again.images, again.num_candidates) == (("https://example.org/a.png",), 3)
    assert (again.is_private, again.kind, again.avoid) == (True, RequestKind.VARY, ())


async def test_an_unknown_request_cannot_be_queued_again(world):
    async with world.database.read() as session:
        with pytest.raises(NotFound, match="There is no request nothing"):
            await lineage.origin(session, "nothing")


async def test_answers_so_far_are_those_of_the_whole_chain_of_rerolls_newest_first(world):
    first = await answered(world, "ann", "1", "2")
    second = await reroll(world, first, "ann", "3", "4")
    third = await reroll(world, first, "ann", "5", "6")
    for request_id in (first, second, third):
        assert await so_far(world, request_id) == ("5", "6", "3", "4", "1", "2")
    assert await so_far(world, second, limit=3) == ("5", "6", "3")


async def test_answers_to_others_and_to_other_ideas_do_not_count(world):
    first = await answered(world, "ann", "1")
    await reroll(world, first, "bob", "of bob")
    await answered(world, "ann", "varied", kind=RequestKind.VARY, parent_id=first)
    await answered(world, "ann", "another")
    assert await so_far(world, first) == ("1",)
    assert await so_far(world, first, "bob") == ("of bob", "1")
