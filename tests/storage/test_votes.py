"""Votes: the last one wins, replays change nothing, and the totals always agree with a model of them."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
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
from tests.storage.plans import plans_of, statements_seen

USERS = ("ann", "bob", "cid")


def later(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


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


# Presses


async def press(world, candidate_id, thumb, *, event, name="ann", at: datetime | None = None) -> Thumb | None:
    user_id = await world.user(name)
    async with world.database.write() as session:
        return await votes.press(
            session, user_id=user_id, candidate_id=candidate_id, thumb=thumb, event_id=event, occurred_at=at
        )


async def test_the_same_press_again_takes_back_and_the_other_changes(world):
    request = await world.answered()
    candidate = request.candidates[0]
    for number, (thumb, stands, counts) in enumerate(
        [
            (Thumb.UP, Thumb.UP, (1, 0)),
            (Thumb.UP, None, (0, 0)),
            (Thumb.DOWN, Thumb.DOWN, (0, 1)),
            (Thumb.UP, Thumb.UP, (1, 0)),
            (Thumb.DOWN, Thumb.DOWN, (0, 1)),
            (Thumb.DOWN, None, (0, 0)),
        ]
    ):
        assert await press(world, candidate.id, thumb, event=str(number)) is stands
        view = (await world.view(request.id)).candidates[0]
        assert seen(view) == (*counts, stands)


async def test_a_replayed_press_changes_nothing_and_tells_the_same(world):
    candidate = (await world.answered()).candidates[0]
    for _ in range(3):
        assert await press(world, candidate.id, Thumb.UP, event="1") is Thumb.UP
    assert await press(world, candidate.id, Thumb.UP, event="2") is None
    assert await press(world, candidate.id, Thumb.UP, event="1") is None
    assert await world.count("vote_events") == 2


async def test_a_press_at_once_with_itself_counts_once(world):
    candidate = (await world.answered()).candidates[0]
    stands = await asyncio.gather(*(press(world, candidate.id, Thumb.UP, event="1") for _ in range(8)))
    assert set(stands) == {Thumb.UP}
    assert await world.count("votes") == 1


async def test_two_presses_at_once_undo_each_other_as_one_after_the_other_would(world):
    candidate = (await world.answered()).candidates[0]
    stands = await asyncio.gather(*(press(world, candidate.id, Thumb.UP, event=str(number)) for number in range(2)))
    assert sorted(stands, key=str) == [None, Thumb.UP]
    assert (await world.count("votes"), await world.count("vote_events")) == (0, 2)


async def test_a_press_that_arrives_late_is_kept_but_moves_nothing(world):
    request = await world.answered()
    first, second = request.candidates
    assert await press(world, first.id, Thumb.DOWN, event="2", at=later(2)) is Thumb.DOWN
    assert await press(world, first.id, Thumb.DOWN, event="1", at=later(1)) is Thumb.DOWN
    assert await press(world, first.id, Thumb.UP, event="0", at=later(0)) is Thumb.DOWN
    assert await press(world, second.id, Thumb.UP, event="3", at=later(1)) is Thumb.UP
    assert await press(world, first.id, Thumb.UP, event="4", at=later(1), name="bob") is Thumb.UP
    assert [seen(view) for view in (await world.view(request.id)).candidates] == [(1, 1, Thumb.DOWN), (1, 0, Thumb.UP)]
    assert await world.count("vote_events") == 5


async def test_a_press_in_the_same_moment_or_without_a_moment_counts(world):
    candidate = (await world.answered()).candidates[0]
    for number, at in enumerate((later(5), later(5), None, later(5))):
        wanted = Thumb.UP if number % 2 == 0 else None
        assert await press(world, candidate.id, Thumb.UP, event=str(number), at=at) is wanted


async def test_pressing_an_unknown_candidate_leaves_no_event(world):
    with pytest.raises(NotFound, match="There is no prompt nothing"):
        await press(world, "nothing", Thumb.UP, event="1")
    assert await world.count("vote_events") == 0


async def test_a_press_reads_by_indices_and_runs_few_statements(world):
    candidate = (await world.answered()).candidates[0]
    await press(world, candidate.id, Thumb.UP, event="1")
    user_id = await world.user()

    async def again() -> None:
        async with world.database.write() as session:
            await votes.press(
                session,
                user_id=user_id,
                candidate_id=candidate.id,
                thumb=Thumb.DOWN,
                event_id="2",
                occurred_at=later(0),
            )

    async with statements_seen() as statements:
        await again()
    assert [statement.split()[0] for statement, _ in statements] == ["BEGIN", "SELECT", "INSERT", "INSERT"]
    (plan,) = await plans_of(world.database, again())
    assert not [step for step in plan if step.startswith("SCAN") and "CONSTANT ROW" not in step], plan


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


LATE_PRESSES = st.lists(
    st.tuples(
        st.sampled_from(USERS[:2]), st.integers(0, 1), st.sampled_from(Thumb), st.integers(0, 8), st.integers(0, 5)
    ),
    max_size=25,
)


class PressTally(Tally):
    """A model of pressing: toggles, and what is older than the latest there moves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[tuple[str, int], int] = {}

    def toggle(self, name: str, candidate: int, thumb: Thumb, event: int, second: int) -> None:
        if (name, event) in self.events:
            return
        is_late = second < self.latest.get((name, candidate), 0)
        self.latest[name, candidate] = max(second, self.latest.get((name, candidate), 0))
        if is_late:
            self.events.add((name, event))
        else:
            self.press(name, candidate, None if self.thumbs.get((name, candidate)) is thumb else thumb, event)


@settings(max_examples=30, deadline=None)
@given(presses=LATE_PRESSES)
def test_presses_repeated_and_out_of_order_equal_a_model(
    migrated_file: Path, world_of, presses: list[tuple[str, int, Thumb, int, int]]
):
    with TemporaryDirectory() as folder:
        path = shutil.copy(migrated_file, folder)
        asyncio.run(play_late(world_of, f"sqlite+aiosqlite:///{path}", presses))


async def play_late(world_of, url: str, presses: list[tuple[str, int, Thumb, int, int]]) -> None:
    database = open_database(url)
    world, tally = world_of(database), PressTally()
    request = await world.answered()
    for name, candidate, thumb, event, second in presses:
        candidate_id = request.candidates[candidate].id
        stands = await press(world, candidate_id, thumb, event=str(event), name=name, at=later(second))
        tally.toggle(name, candidate, thumb, event, second)
        assert stands is tally.thumbs.get((name, candidate))
    views = (await world.view(request.id)).candidates
    assert [seen(view) for view in views] == [tally.seen("ann", candidate) for candidate in (0, 1)]
    assert await world.count("vote_events") == len(tally.events)
    await database.close()
