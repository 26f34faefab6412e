"""Favourites: saved once, taken out again, replays change nothing, paged in the order of saving."""

from core.records import Thumb
from storage import favorites, votes


async def save(world, candidate_id: str, name: str = "ann", *, is_saved: bool = True) -> None:
    user_id = await world.user(name)
    async with world.database.write() as session:
        await favorites.save(session, user_id, candidate_id, is_saved=is_saved)


async def toggle(world, candidate_id: str, *, event: str, name: str = "ann") -> bool:
    user_id = await world.user(name)
    async with world.database.write() as session:
        return await favorites.toggle(session, user_id, candidate_id, event_id=event)


async def page(world, name: str = "ann", *, before: str | None = None, limit: int = 10) -> list[str]:
    user_id = await world.user(name)
    async with world.database.read() as session:
        return [item.candidate.id for item in await favorites.page(session, user_id, before=before, limit=limit)]


async def test_saving_twice_is_saving_once_and_keeps_the_place(world):
    first, second = (await world.answered()).candidates
    for candidate in (first, second, first):
        await save(world, candidate.id)
    assert await page(world) == [second.id, first.id]


async def test_what_is_taken_out_is_gone_for_that_person_only(world):
    candidate = (await world.answered()).candidates[0]
    await save(world, candidate.id)
    await save(world, candidate.id, "bob")
    for _ in range(2):
        await save(world, candidate.id, is_saved=False)
    assert (await page(world), await page(world, "bob")) == ([], [candidate.id])


async def test_a_toggle_saves_and_takes_out_and_its_replay_tells_how_it_stands(world):
    candidate = (await world.answered()).candidates[0]
    assert await toggle(world, candidate.id, event="1") is True
    assert await toggle(world, candidate.id, event="1") is True
    assert await toggle(world, candidate.id, event="2") is False
    assert await toggle(world, candidate.id, event="1") is False
    assert await page(world) == []


async def test_a_favourite_tells_its_prompt_and_what_was_asked(world, moved_clock):
    request = await world.answered()
    bob = await world.user("bob")
    async with world.database.write() as session:
        candidate_id = request.candidates[1].id
        await votes.cast(session, user_id=bob, candidate_id=candidate_id, thumb=Thumb.UP, event_id="1")
        await favorites.save(session, bob, candidate_id, is_saved=True)
        (item,) = await favorites.page(session, bob, before=None, limit=1)
    assert (item.request_id, item.idea, item.saved_at) == (request.id, "a boy --ar 3:2", moved_clock.utc_now())
    seen = item.candidate
    assert (seen.text, seen.votes_up, seen.my_vote, seen.is_saved) == ("two", 1, Thumb.UP, True)


async def test_pages_go_on_where_they_stopped(world):
    saved = [candidate.id for _ in range(3) for candidate in (await world.answered()).candidates]
    for candidate_id in reversed(saved):  # not the order of their ids
        await save(world, candidate_id)
    first = await page(world, limit=4)
    assert first + await page(world, before=first[-1], limit=4) == saved
    assert await page(world, before=saved[-1]) == []


async def test_a_page_after_something_that_is_no_favourite_starts_from_the_newest(world):
    first, second = (await world.answered()).candidates
    await save(world, first.id)
    assert await page(world, before=second.id) == [first.id]
