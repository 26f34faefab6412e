"""What a cycle asks of workers ends with what needs it, and with its process; nobody's request runs out meanwhile."""

from itertools import pairwise

import pytest

from core.cycles import CycleState, Room
from core.records import RequestState, WorkerState
from storage import cycles, room, workers
from storage.database import Database
from storage.training_runs import Owner

HERE = Owner("here", 11)
WAY = (CycleState.PLANNED, CycleState.BUILDING, CycleState.TRAINING, CycleState.EVALUATING, CycleState.GATED)


async def cycle_that_asks(database: Database, wanted: Room) -> str:
    """Return a cycle that trains on the machine "here" and asks for room."""
    async with database.write() as session:
        cycle_id = await cycles.create(session, base_model="pocket", champion_id=None, config={}, is_automatic=False)
        await cycles.claim(session, cycle_id, owner=HERE, is_alive=lambda _: True)
        for before, after in pairwise(WAY[:3]):
            assert await cycles.advance(session, cycle_id, before=before, after=after)
        await room.ask(session, cycle_id, wanted)
    return cycle_id


async def asked(database: Database, host: str = "here") -> Room | None:
    async with database.read() as session:
        return await room.asked(session, host)


async def test_workers_of_the_same_machine_are_asked(world) -> None:
    assert await asked(world.database) is None
    await cycle_that_asks(world.database, Room.PAUSE)
    assert await asked(world.database) is Room.PAUSE
    assert await asked(world.database, "there") is None


async def test_a_wish_stands_while_the_new_adapter_is_measured_and_ends_after_that(world) -> None:
    cycle_id = await cycle_that_asks(world.database, Room.NF4)
    for before, after, wanted in ((WAY[2], WAY[3], Room.NF4), (WAY[3], WAY[4], None)):
        async with world.database.write() as session:
            assert await cycles.advance(session, cycle_id, before=before, after=after)
        assert await asked(world.database) is wanted


async def test_a_wish_ends_with_the_process_that_made_it_and_comes_back_with_its_successor(world, moved_clock) -> None:
    cycle_id = await cycle_that_asks(world.database, Room.PAUSE)
    moved_clock.forward(31)
    assert await asked(world.database) is None
    async with world.database.write() as session:
        await cycles.claim(session, cycle_id, owner=Owner("here", 12), is_alive=lambda _: False)
    assert await asked(world.database) is Room.PAUSE


async def test_waiting_requests_get_time_and_no_others(world, moved_clock) -> None:
    short, running = await world.ask(timeout_seconds=20), await world.ask(timeout_seconds=20)
    (claimed,) = await world.queue.claim("w", 1)
    waiting = short if claimed.id == running else running
    long = await world.ask(timeout_seconds=1000)
    async with world.database.write() as session:
        await room.hold_deadlines(session, seconds=60)
    moved_clock.forward(59)
    await world.queue.expire_overdue()
    states = {name: (await world.view(name)).state for name in (waiting, claimed.id, long)}
    assert states == {
        waiting: RequestState.QUEUED,
        claimed.id: RequestState.EXPIRED,
        long: RequestState.QUEUED,
    }
    moved_clock.forward(900)
    await world.queue.expire_overdue()
    assert (await world.view(long)).state is RequestState.QUEUED, "a later deadline stays as it was"


async def test_a_successor_learns_what_a_dead_process_had_asked_for(world, moved_clock) -> None:
    cycle_id = await cycle_that_asks(world.database, Room.NF4)
    moved_clock.forward(31)
    async with world.database.read() as session:
        assert await room.wish_of(session, cycle_id) is Room.NF4
        assert await room.wish_of(session, "another") is None


async def test_a_machine_trains_as_long_as_a_cycle_on_it_is_heard_of(world, moved_clock) -> None:
    cycle_id = await cycle_that_asks(world.database, Room.NF4)

    async def is_training(host: str) -> bool:
        async with world.database.read() as session:
            return await room.is_training(session, host)

    assert (await is_training("here"), await is_training("there")) == (True, False)
    moved_clock.forward(31)
    assert not await is_training("here")
    async with world.database.write() as session:
        assert await cycles.finish(session, cycle_id, after=CycleState.REJECTED, reason="The gate said no.")
    assert await is_training("here"), "its memory may not be free yet"
    moved_clock.forward(61)
    assert not await is_training("here")


async def test_only_living_workers_of_the_same_machine_share_its_gpu(world, moved_clock) -> None:
    async def announce(name: str, metrics: dict[str, object] | None) -> None:
        async with world.database.write() as session:
            await workers.announce(session, name, WorkerState.READY, None, metrics=metrics)

    await announce("dead", {"host": "here"})
    moved_clock.forward(31)
    await announce("near", {"host": "here"})
    await announce("far", {"host": "there"})
    await announce("older", None)
    async with world.database.read() as session:
        assert [worker.id for worker in await room.workers_on(session, "here")] == ["near"]


@pytest.mark.parametrize("num_asked", [0, 3])
async def test_open_requests_are_counted_until_they_end(world, num_asked: int) -> None:
    for _ in range(num_asked):
        await world.ask()
    async with world.database.read() as session:
        assert await room.num_open_requests(session) == num_asked
