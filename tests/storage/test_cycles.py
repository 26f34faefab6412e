"""Cycles as rows: one is open at a time, one process carries it out, and it ends once."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from core.cycles import CycleState, CycleView
from core.errors import NotFound, StorageError, TrainingBusy
from storage import cycles
from storage.database import Database, open_database
from storage.training_runs import Owner, Trainer

S = CycleState
HERE, THERE = Owner("here", 11), Owner("there", 11)


def always(_trainer: Trainer) -> bool:
    return True


def never(_trainer: Trainer) -> bool:
    return False


async def plan(database: Database, **changes: object) -> str:
    values = {"base_model": "pocket", "champion_id": None, "config": {"n": 1}, "is_automatic": False, **changes}
    async with database.write() as session:
        return await cycles.create(session, **values)


async def claim(
    database: Database, cycle_id: str, owner: Owner = HERE, *, is_alive: Callable[[Trainer], bool] = always
) -> CycleView:
    async with database.write() as session:
        return await cycles.claim(session, cycle_id, owner=owner, is_alive=is_alive)


async def advance(database: Database, cycle_id: str, before: CycleState, after: CycleState, **values: object) -> bool:
    async with database.write() as session:
        return await cycles.advance(session, cycle_id, before=before, after=after, **values)


async def view(database: Database, cycle_id: str) -> CycleView:
    async with database.read() as session:
        return await cycles.view(session, cycle_id)


async def owner_of(database: Database, cycle_id: str) -> Owner | None:
    async with database.read() as session:
        trainer = await cycles.owner_of(session, cycle_id)
    return trainer and Owner(trainer.host, trainer.process_id)


async def test_a_planned_cycle_waits_with_its_settings(database, moved_clock):
    cycle_id = await plan(database, is_automatic=True)
    seen = await view(database, cycle_id)
    assert (seen.state, seen.config, seen.is_automatic, seen.champion) == (S.PLANNED, {"n": 1}, True, None)
    assert seen.history == ((S.PLANNED, moved_clock.utc_now()),)
    assert (seen.feedback, seen.gate, seen.canary, seen.reason, seen.finished_at) == (None,) * 5
    assert await owner_of(database, cycle_id) is None


async def test_a_second_cycle_is_refused_and_the_open_one_named_until_it_ends(database):
    first = await plan(database)
    with pytest.raises(TrainingBusy, match=f"cycle {first} is open, in the state planned; wait for its end"):
        await plan(database)
    assert await advance(database, first, S.PLANNED, S.FAILED, reason="No votes.")
    assert await plan(database) != first


async def test_of_several_that_plan_at_once_one_does(url):
    databases = [open_database(url) for _ in range(4)]
    results = await asyncio.gather(*(plan(database) for database in databases), return_exceptions=True)
    for database in databases:
        await database.close()
    assert sorted(type(result).__name__ for result in results) == ["TrainingBusy"] * 3 + ["str"]


async def test_the_database_itself_refuses_a_second_open_cycle_and_one_that_is_open_but_finished(database):
    first = await plan(database)
    await advance(database, first, S.PLANNED, S.FAILED)
    second = await plan(database)
    for statement in (
        f"UPDATE cycles SET is_open = 1, finished_at = NULL WHERE id = '{first}'",
        f"UPDATE cycles SET is_open = 0 WHERE id = '{second}'",
        "UPDATE cycles SET state = 'asleep'",
    ):
        with pytest.raises(StorageError, match="refused a change that breaks its rules"):
            async with database.write() as session:
                await session.execute(text(statement))


async def test_a_living_process_keeps_its_cycle_and_is_named(database):
    cycle_id = await plan(database)
    assert (await claim(database, cycle_id)).id == cycle_id
    with pytest.raises(TrainingBusy, match=f"cycle {cycle_id} is carried out by process 11 on here; wait"):
        await claim(database, cycle_id, THERE)
    assert await owner_of(database, cycle_id) == HERE
    await claim(database, cycle_id)


async def test_a_cycle_whose_process_is_gone_goes_on_under_the_next(database):
    cycle_id = await plan(database)
    await claim(database, cycle_id)
    await advance(database, cycle_id, S.PLANNED, S.BUILDING, owner=HERE)
    seen = await claim(database, cycle_id, THERE, is_alive=never)
    assert seen.state is S.BUILDING
    async with database.write() as session:
        assert not await cycles.heartbeat(session, cycle_id, owner=HERE)
        assert await cycles.heartbeat(session, cycle_id, owner=THERE)
        await cycles.release(session, cycle_id, owner=HERE)
    assert await owner_of(database, cycle_id) == THERE
    assert not await advance(database, cycle_id, S.BUILDING, S.TRAINING, owner=HERE)
    assert await advance(database, cycle_id, S.BUILDING, S.TRAINING, owner=THERE)


async def test_of_several_that_claim_a_cycle_at_once_one_gets_it(url):
    databases = [open_database(url) for _ in range(4)]
    cycle_id = await plan(databases[0])
    owners = [Owner("here", number) for number in range(4)]
    results = await asyncio.gather(
        *(claim(database, cycle_id, owner) for database, owner in zip(databases, owners, strict=True)),
        return_exceptions=True,
    )
    won = [owner for owner, result in zip(owners, results, strict=True) if isinstance(result, CycleView)]
    assert won == [await owner_of(databases[0], cycle_id)]
    assert sum(isinstance(result, TrainingBusy) for result in results) == 3
    for database in databases:
        await database.close()


async def test_a_released_cycle_is_anybodys(database):
    cycle_id = await plan(database)
    await claim(database, cycle_id)
    async with database.write() as session:
        await cycles.release(session, cycle_id, owner=HERE)
    await claim(database, cycle_id, THERE)
    assert await owner_of(database, cycle_id) == THERE


async def test_each_step_is_taken_once_and_remembered(database, moved_clock):
    cycle_id = await plan(database)
    start = moved_clock.utc_now()
    moved_clock.forward(5)
    assert await advance(database, cycle_id, S.PLANNED, S.BUILDING)
    assert not await advance(database, cycle_id, S.PLANNED, S.BUILDING)
    assert not await advance(database, cycle_id, S.TRAINING, S.EVALUATING)
    moved_clock.forward(5)
    assert await advance(database, cycle_id, S.BUILDING, S.TRAINING, feedback={"num_votes": 7})
    seen = await view(database, cycle_id)
    assert [(state, (moment - start).total_seconds()) for state, moment in seen.history] == [
        (S.PLANNED, 0.0),
        (S.BUILDING, 5.0),
        (S.TRAINING, 10.0),
    ]
    assert (seen.feedback, seen.updated_at) == ({"num_votes": 7}, moved_clock.utc_now())


@pytest.mark.parametrize("after", [S.PROMOTED, S.REJECTED, S.FAILED, S.CANCELLED])
async def test_an_ended_cycle_is_nobodys_and_changes_no_more(database, moved_clock, after):
    cycle_id = await plan(database)
    await claim(database, cycle_id)
    async with database.write() as session:
        assert await cycles.finish(session, cycle_id, after=after, reason="So.", owner=HERE)
    ended = await view(database, cycle_id)
    assert (ended.state, ended.reason, ended.finished_at) == (after, "So.", moved_clock.utc_now())
    assert await owner_of(database, cycle_id) is None
    with pytest.raises(NotFound, match=f"no open cycle {cycle_id}"):
        await claim(database, cycle_id)
    async with database.write() as session:
        assert not await cycles.finish(session, cycle_id, after=S.FAILED, reason="Again.")
        assert not await cycles.note(session, cycle_id, canary={})
        assert await cycles.request_cancel(session, cycle_id) is None
        assert await cycles.open_cycle(session) is None
    assert await view(database, cycle_id) == ended


async def test_only_the_owner_ends_a_cycle_in_its_name(database):
    cycle_id = await plan(database)
    await claim(database, cycle_id)
    async with database.write() as session:
        assert not await cycles.finish(session, cycle_id, after=S.FAILED, reason="So.", owner=THERE)
    assert (await view(database, cycle_id)).state is S.PLANNED


async def test_a_cycle_that_nobody_began_is_cancelled_at_once(database):
    cycle_id = await plan(database)
    async with database.write() as session:
        assert await cycles.request_cancel(session, cycle_id) is S.CANCELLED
    assert (await view(database, cycle_id)).reason == cycles.CANCELLED


@pytest.mark.parametrize("state", [S.PLANNED, S.TRAINING])
async def test_whoever_carries_a_cycle_out_is_asked_to_end_it(database, state):
    cycle_id = await plan(database)
    await claim(database, cycle_id)
    if state is not S.PLANNED:
        await advance(database, cycle_id, S.PLANNED, state)
    async with database.write() as session:
        assert await cycles.request_cancel(session, cycle_id) is state
    seen = await view(database, cycle_id)
    assert (seen.state, seen.is_cancel_wanted) == (state, True)


async def test_a_tally_is_noted_without_a_step(database):
    cycle_id = await plan(database)
    async with database.write() as session:
        assert await cycles.note(session, cycle_id, canary={"num_up": 3})
    seen = await view(database, cycle_id)
    assert (seen.canary, len(seen.history)) == ({"num_up": 3}, 1)


async def test_the_open_cycle_comes_first_however_the_clock_jumped(database, moved_clock):
    moved_clock.forward(10_000)
    first = await plan(database)
    await advance(database, first, S.PLANNED, S.FAILED)
    moved_clock.forward(-20_000)
    second = await plan(database)
    async with database.write() as session:
        await session.execute(text("UPDATE cycles SET id = '0' WHERE is_open"))  # as of a clock that was set back
        assert [seen.id for seen in await cycles.recent(session, limit=5)] == ["0", first]
        assert (await cycles.latest(session)).id == (await cycles.open_cycle(session)).id == "0"
    with pytest.raises(NotFound, match=f"no cycle {second}"):
        await view(database, second)


async def test_there_is_no_cycle_before_the_first(database):
    async with database.read() as session:
        assert (await cycles.latest(session), await cycles.open_cycle(session)) == (None, None)
