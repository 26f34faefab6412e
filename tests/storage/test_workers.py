"""Workers say that they are there; silence and leaving take them off the list."""

from sqlalchemy import text

from core.records import ModelInfo, WorkerState
from storage import workers

MODEL = ModelInfo(base="pocket", adapter="a1", precision="fp32", device="cpu")


async def announce(world, name: str, state: WorkerState, model: ModelInfo | None = None, **metrics) -> None:
    async with world.database.write() as session:
        await workers.announce(session, name, state, model, **metrics)


async def live(world):
    async with world.database.read() as session:
        return await workers.live(session, within_seconds=30)


async def test_nobody_is_there_at_first(world):
    assert await live(world) == []


async def test_a_worker_tells_its_state_and_model(world, moved_clock):
    await announce(world, "w", WorkerState.LOADING)
    (loading,) = await live(world)
    assert (loading.id, loading.state, loading.model) == ("w", WorkerState.LOADING, None)
    moved_clock.forward(5)
    await announce(world, "w", WorkerState.READY, MODEL)
    (ready,) = await live(world)
    assert (ready.state, ready.model, ready.started_at) == (WorkerState.READY, MODEL, loading.started_at)
    assert (ready.heartbeat_at - loading.heartbeat_at).total_seconds() == 5
    await announce(world, "w", WorkerState.DRAINING, MODEL)
    assert [worker.state for worker in await live(world)] == [WorkerState.DRAINING]


async def test_a_silent_worker_is_not_there_until_it_speaks_again(world, moved_clock):
    await announce(world, "silent", WorkerState.READY, MODEL)
    moved_clock.forward(31)
    await announce(world, "lively", WorkerState.READY, MODEL)
    assert [worker.id for worker in await live(world)] == ["lively"]
    await announce(world, "silent", WorkerState.READY, MODEL)
    assert [worker.id for worker in await live(world)] == ["silent", "lively"]


async def test_workers_not_heard_of_for_a_day_are_forgotten(world, moved_clock):
    await announce(world, "killed", WorkerState.READY, MODEL)
    moved_clock.forward(23 * 3600)
    await announce(world, "silent", WorkerState.READY, MODEL)
    moved_clock.forward(2 * 3600)
    await announce(world, "lively", WorkerState.READY, MODEL)
    assert await world.count("workers") == 2


async def test_a_worker_that_retires_is_gone_and_may_do_so_twice(world):
    await announce(world, "w", WorkerState.READY, MODEL)
    for _ in range(2):
        async with world.database.write() as session:
            await workers.retire(session, "w")
        assert await live(world) == []


async def test_a_worker_tells_how_it_serves_anew_with_each_announcement(world):
    for numbers in ({"num_rows": 3, "step_seconds": {"counts": [1, 2]}}, {"num_rows": 0}, None):
        await announce(world, "w", WorkerState.READY, MODEL, metrics=numbers)
        (status,) = await live(world)
        assert status.metrics == numbers
    async with world.database.read() as session:
        kept = (await session.execute(text("SELECT metrics IS NULL FROM workers"))).scalar_one()
    assert kept, "nothing is no JSON null"
