"""What serves now, what it learned from, and what could serve instead."""

from datetime import datetime

import pytest
from sqlalchemy import text

from core.records import ModelInfo, ModelStatus, Thumb, WorkerState
from storage import adapters, votes, workers
from storage.forecast import WORKER_SILENCE_SECONDS

NOTHING = ModelStatus(model=None, is_ready=False, since=None, adapter_id=None, num_votes=0, num_own_votes=0)


def model(adapter: str | None = None) -> ModelInfo:
    return ModelInfo(base="pocket", adapter=adapter, precision="fp32", device="cpu")


async def announce(world, name: str, state: WorkerState, serves: ModelInfo | None) -> None:
    async with world.database.write() as session:
        await workers.announce(session, name, state, serves)


async def status(world, viewer: str = "ann") -> ModelStatus:
    viewer_id = await world.user(viewer)
    async with world.database.read() as session:
        return await adapters.status(session, viewer_id=viewer_id)


async def train(world, adapter: str, state: str, at: datetime, *, base: str = "pocket") -> None:
    """A run that saw every vote event there is, and its adapter, which came into `state` at `at`."""
    values = {"id": adapter, "state": state, "base": base, "at": at.strftime("%Y-%m-%d %H:%M:%S.%f")}
    async with world.database.write() as session:
        for statement in (
            "INSERT INTO training_runs (id, state, base_model, config, seed, metrics, created_at)"
            " VALUES (:id, 'done', :base, '{}', 1, '{}', :at)",
            "INSERT INTO training_examples (run_id, vote_event_id) SELECT :id, id FROM vote_events",
            "INSERT INTO adapters (id, state, training_run_id, base_model, folder, metrics, created_at, updated_at)"
            " VALUES (:id, :state, :id, :base, 'a', '{}', :at, :at)",
        ):
            await session.execute(text(statement), values)


async def vote(world, candidate_id: str, *names: str) -> None:
    for name in names:
        user_id = await world.user(name)
        async with world.database.write() as session:
            await votes.cast(session, user_id=user_id, candidate_id=candidate_id, thumb=Thumb.UP, event_id="1")


async def test_nothing_serves_without_a_worker(world):
    assert await status(world) == NOTHING


@pytest.mark.parametrize(("state", "is_ready"), [(WorkerState.READY, True), (WorkerState.DRAINING, False)])
async def test_a_base_model_serves_since_its_worker_came_up(world, moved_clock, state, is_ready):
    since = moved_clock.utc_now()
    await announce(world, "w", state, model())
    moved_clock.forward(WORKER_SILENCE_SECONDS)
    expected = ModelStatus(model=model(), is_ready=is_ready, since=since, adapter_id=None, num_votes=0, num_own_votes=0)
    assert await status(world) == expected
    moved_clock.forward(1)
    assert await status(world) == NOTHING


async def test_a_ready_worker_speaks_before_one_that_loads(world, moved_clock):
    await announce(world, "loading", WorkerState.LOADING, None)
    assert (await status(world)).model is None
    moved_clock.forward(1)
    await announce(world, "ready", WorkerState.READY, model())
    seen = await status(world)
    assert (seen.model, seen.is_ready, seen.since) == (model(), True, moved_clock.utc_now())


async def test_an_adapter_tells_how_many_votes_it_learned_from_and_how_many_were_the_viewers(world, moved_clock):
    request = await world.answered("ann")
    await vote(world, request.candidates[0].id, "ann", "bob", "cid")
    await vote(world, (await world.answered("ann")).candidates[0].id, "dee")
    await announce(world, "w", WorkerState.READY, model("a1"))
    moved_clock.forward(10)
    await train(world, "a1", "active", moved_clock.utc_now())
    await vote(world, request.candidates[0].id, "eve")
    seen = await status(world, "bob")
    assert (seen.adapter_id, seen.num_votes, seen.num_own_votes) == ("a1", 4, 1)
    assert seen.since == moved_clock.utc_now()
    assert (await status(world, "eve")).num_own_votes == 0
    async with world.database.read() as session:
        assert (await adapters.status(session, viewer_id=None)).num_own_votes == 0


async def test_the_model_that_is_loaded_is_told_whatever_is_meant_to_serve(world, moved_clock):
    await train(world, "a1", "active", moved_clock.utc_now())
    assert (await status(world)).adapter_id == "a1"
    await announce(world, "w", WorkerState.READY, model())
    assert (await status(world)).adapter_id is None
    await announce(world, "w", WorkerState.READY, model("folder of somebody's own"))
    assert (await status(world)).adapter_id is None


async def test_what_could_be_promoted_is_named_newest_first(world, moved_clock):
    for number, state in enumerate(("retired", "candidate", "active", "rejected", "canary")):
        await train(world, f"a{number}", state, moved_clock.utc_now())
        moved_clock.forward(1)
    async with world.database.read() as session:
        assert await adapters.names(session) == ["a4", "a1", "a0"]
