"""Votes: the last one wins, replays change nothing, and the totals always agree with a model of them."""

import asyncio
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.errors import NotFound
from core.records import CandidateView, Thumb
from storage import votes
from storage.database import open_database

USERS = ("ann", "bob", "cid")


async def cast(world, candidate_id, thumb, *, event, name="ann") -> CandidateView:
    user_id = await world.user(name)
    async with world.database.write() as session:
        return await votes.cast(session, user_id=user_id, candidate_id=candidate_id, thumb=thumb, event_id=event)


def seen(view: CandidateView) -> tuple[int, int, Thumb | None]:
    return view.votes_up, view.votes_down, view.my_vote


async def test_a_vote_can_be_given_changed_and_taken_back(world):
    candidate = (await world.answered()).candidates[0]
    assert seen(await cast(world, candidate.id, Thumb.UP, event="1")) == (1, 0, Thumb.UP)
    assert seen(await cast(world, candidate.id, Thumb.UP, event="2")) == (1, 0, Thumb.UP)
    assert seen(await cast(world, candidate.id, Thumb.DOWN, event="3")) == (0, 1, Thumb.DOWN)
    assert seen(await cast(world, candidate.id, None, event="4")) == (0, 0, None)
    assert seen(await cast(world, candidate.id, None, event="5")) == (0, 0, None)
    assert seen(await cast(world, candidate.id, Thumb.UP, event="6")) == (1, 0, Thumb.UP)
    assert (await world.count("votes"), await world.count("vote_events")) == (1, 6)


async def test_a_vote_shows_the_candidate_as_it_is(world):
    candidate = (await world.answered()).candidates[1]
    view = await cast(world, candidate.id, Thumb.UP, event="1")
    assert (view.id, view.rank, view.text, view.score) == (candidate.id, 2, "two", -0.2)


async def test_a_replayed_event_changes_nothing(world):
    """Slack sends an event again when we are slow, also after the person has changed their mind."""
    candidate = (await world.answered()).candidates[0]
    await cast(world, candidate.id, Thumb.UP, event="1")
    await cast(world, candidate.id, Thumb.DOWN, event="2")
    assert seen(await cast(world, candidate.id, Thumb.UP, event="1")) == (0, 1, Thumb.DOWN)
    await cast(world, candidate.id, None, event="3")
    assert seen(await cast(world, candidate.id, Thumb.DOWN, event="2")) == (0, 0, None)
    assert await world.count("vote_events") == 3


async def test_two_users_may_use_the_same_event_id(world):
    candidate = (await world.answered()).candidates[0]
    await cast(world, candidate.id, Thumb.UP, event="1", name="ann")
    assert seen(await cast(world, candidate.id, Thumb.UP, event="1", name="bob")) == (2, 0, Thumb.UP)


async def test_an_event_at_once_with_itself_counts_once(world):
    candidate = (await world.answered()).candidates[0]
    views = await asyncio.gather(*(cast(world, candidate.id, Thumb.UP, event="1") for _ in range(8)))
    assert {seen(view) for view in views} == {(1, 0, Thumb.UP)}
    assert await world.count("vote_events") == 1


async def test_an_unknown_candidate_is_not_found_and_leaves_no_event(world):
    with pytest.raises(NotFound, match="There is no prompt nothing"):
        await cast(world, "nothing", Thumb.UP, event="1")
    assert await world.count("vote_events") == 0


async def test_a_vote_points_to_the_press_that_made_it(world):
    candidate = (await world.answered()).candidates[0]
    for event, thumb in (("1", Thumb.UP), ("2", Thumb.DOWN)):
        await cast(world, candidate.id, thumb, event=event)
    latest = text("SELECT event_id, vote_events.thumb FROM votes JOIN vote_events ON vote_events.id = vote_event_id")
    async with world.database.read() as session:
        assert (await session.execute(latest)).all() == [("2", "down")]


Press = tuple[str, int, Thumb | None, int]  # user, candidate, thumb, event
PRESSES = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.integers(0, 1),
        st.sampled_from([Thumb.UP, Thumb.DOWN, None]),
        st.integers(0, 6),
    ),
    max_size=25,
)


class Tally:
    """A model of voting in plain Python."""

    def __init__(self) -> None:
        self.thumbs: dict[tuple[str, int], Thumb] = {}
        self.events: set[tuple[str, int]] = set()

    def press(self, name: str, candidate: int, thumb: Thumb | None, event: int) -> None:
        if (name, event) in self.events:
            return
        self.events.add((name, event))
        self.thumbs.pop((name, candidate), None)
        if thumb is not None:
            self.thumbs[name, candidate] = thumb

    def seen(self, name: str, candidate: int) -> tuple[int, int, Thumb | None]:
        cast_here = [thumb for (_, voted), thumb in self.thumbs.items() if voted == candidate]
        return (
            cast_here.count(Thumb.UP),
            cast_here.count(Thumb.DOWN),
            self.thumbs.get((name, candidate)),
        )


@settings(max_examples=30, deadline=None)
@given(presses=PRESSES)
def test_totals_always_equal_a_model(migrated_file: Path, world_of, presses: list[Press]):
    with TemporaryDirectory() as folder:
        path = shutil.copy(migrated_file, folder)
        asyncio.run(play(world_of, f"sqlite+aiosqlite:///{path}", presses))


async def play(world_of, url: str, presses: list[Press]) -> None:
    database = open_database(url)
    world, tally = world_of(database), Tally()
    request = await world.answered()
    ids = [candidate.id for candidate in request.candidates]
    for name, candidate, thumb, event in presses:
        view = await cast(world, ids[candidate], thumb, event=str(event), name=name)
        tally.press(name, candidate, thumb, event)
        assert seen(view) == tally.seen(name, candidate)
    for name in USERS:
        views = (await world.view(request.id, viewer=name)).candidates
        assert [seen(view) for view in views] == [tally.seen(name, candidate) for candidate in (0, 1)]
    assert await world.count("vote_events") == len(tally.events)
    await database.close()
