"""Training runs as rows: one trains at a time, tells how far it is, and ends in one of four ways."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from core.errors import TrainingBusy, TrainingFailed
from core.records import RunState, TrainingProgress, TrainingRunView
from storage import training_runs
from storage.database import Database, open_database
from storage.training_runs import VANISHED, Owner, Trainer

PROGRESS = TrainingProgress(step=3, num_steps=10, loss=2.5, tokens_per_second=1200.5, eta_seconds=7.25)


def always(_trainer: Trainer) -> bool:
    return True


def never(_trainer: Trainer) -> bool:
    return False


async def make(database: Database) -> str:
    async with database.write() as session:
        return await training_runs.create(
            session, base_model="pocket", base_revision=None, config={"lora": {"r": 16}}, seed=7
        )


async def claim(
    database: Database, run_id: str, *, is_alive: Callable[[Trainer], bool] = always, process_id: int = 11
) -> None:
    async with database.write() as session:
        await training_runs.claim(session, run_id, host="here", process_id=process_id, folder="out", is_alive=is_alive)


async def running(database: Database) -> str:
    run_id = await make(database)
    await claim(database, run_id)
    return run_id


async def view(database: Database, run_id: str) -> TrainingRunView:
    async with database.read() as session:
        return await training_runs.view(session, run_id)


async def test_new_run_waits_with_its_settings(database, moved_clock):
    run = await view(database, await make(database))
    assert (run.state, run.base_model, run.config) == (RunState.QUEUED, "pocket", {"lora": {"r": 16}})
    assert run.created_at == moved_clock.utc_now()
    assert (run.progress, run.folder, run.started_at, run.heartbeat_at) == (None, None, None, None)


async def test_claimed_run_is_running_in_its_folder(database, moved_clock):
    run = await view(database, await running(database))
    assert (run.state, run.folder) == (RunState.RUNNING, "out")
    assert run.started_at == run.heartbeat_at == moved_clock.utc_now()


async def test_second_training_is_refused_and_the_first_is_named(database):
    first, second = await running(database), await make(database)
    with pytest.raises(TrainingBusy, match=f"run {first} is going on in process 11 on here; wait for its end, or stop"):
        await claim(database, second)
    assert (await view(database, second)).state is RunState.QUEUED


async def test_of_several_that_claim_at_once_one_trains(url):
    databases = [open_database(url) for _ in range(4)]
    ids = [await make(database) for database in databases]
    results = await asyncio.gather(
        *(claim(database, run_id) for database, run_id in zip(databases, ids, strict=True)), return_exceptions=True
    )
    states = [(await view(databases[0], run_id)).state for run_id in ids]
    for database in databases:
        await database.close()
    assert sorted(states) == [RunState.QUEUED] * 3 + [RunState.RUNNING]
    assert [type(result) for result in results if result is not None] == [TrainingBusy] * 3


async def test_database_itself_refuses_a_second_running_run(database):
    await running(database)
    second = await make(database)
    with pytest.raises(Exception, match="refused a change that breaks its rules"):
        async with database.write() as session:
            await session.execute(text(f"UPDATE training_runs SET state = 'running' WHERE id = '{second}'"))


async def test_run_whose_process_is_gone_counts_as_failed_and_can_go_on(database, moved_clock):
    first, second = await running(database), await make(database)
    asked: list[Trainer] = []
    moved_clock.forward(60)
    await claim(database, second, is_alive=lambda trainer: bool(asked.append(trainer)))
    assert [(trainer.host, trainer.process_id) for trainer in asked] == [("here", 11)]
    dead = await view(database, first)
    assert (dead.state, dead.error) == (RunState.FAILED, VANISHED)
    async with database.write() as session:
        await training_runs.stop(session, second)
    await claim(database, first)
    alive = await view(database, first)
    assert (alive.state, alive.error, alive.finished_at) == (RunState.RUNNING, None, None)


async def test_own_run_can_be_claimed_again_after_its_process_died(database):
    run_id = await running(database)
    await claim(database, run_id, is_alive=never, process_id=12)
    assert (await view(database, run_id)).state is RunState.RUNNING


@pytest.mark.parametrize("other", ["done", "unknown"])
async def test_run_that_is_done_or_unknown_cannot_be_claimed(database, other):
    run_id = await running(database)
    async with database.write() as session:
        await training_runs.finish(session, run_id, metrics={}, adapter_folder="out")
    with pytest.raises(TrainingFailed, match=r"There is no training run .* that could be started"):
        await claim(database, run_id if other == "done" else "nothing")


async def test_progress_is_live_and_only_its_own_process_may_tell_it(database, moved_clock):
    run_id = await running(database)
    moved_clock.forward(5)
    async with database.write() as session:
        assert await training_runs.report(session, run_id, PROGRESS, owner=Owner("here", 11))
        assert not await training_runs.report(session, run_id, PROGRESS, owner=Owner("here", 12))
    run = await view(database, run_id)
    assert run.progress == PROGRESS
    assert run.heartbeat_at == moved_clock.utc_now()
    async with database.write() as session:
        await training_runs.stop(session, run_id)
        assert not await training_runs.report(session, run_id, PROGRESS, owner=Owner("here", 11))


async def test_finished_run_leaves_its_adapter_as_a_candidate(database):
    run_id = await running(database)
    async with database.write() as session:
        await training_runs.describe(session, run_id, base_revision="abc", dataset_hash="d" * 64, vote_event_ids=[])
        await training_runs.finish(session, run_id, metrics={"nats": 2.0}, adapter_folder="/adapters/x")
        await training_runs.fail(session, run_id, "too late")
    run = await view(database, run_id)
    assert (run.state, run.metrics, run.error, run.dataset_hash) == (RunState.DONE, {"nats": 2.0}, None, "d" * 64)
    async with database.read() as session:
        query = "SELECT id, state, training_run_id, base_model, base_revision, folder FROM adapters"
        (adapter,) = (await session.execute(text(query))).all()
    assert tuple(adapter) == (run_id, "candidate", run_id, "pocket", "abc", "/adapters/x")


async def test_run_that_is_no_longer_running_leaves_no_adapter(database):
    run_id = await running(database)
    async with database.write() as session:
        await training_runs.stop(session, run_id)
        await training_runs.finish(session, run_id, metrics={}, adapter_folder="x")
        assert (await session.scalars(text("SELECT count(*) FROM adapters"))).one() == 0
    assert (await view(database, run_id)).state is RunState.STOPPED


async def test_failed_run_says_why(database, moved_clock):
    run_id = await running(database)
    async with database.write() as session:
        await training_runs.fail(session, run_id, "The data set is empty.")
    run = await view(database, run_id)
    assert (run.state, run.error, run.finished_at) == (
        RunState.FAILED,
        "The data set is empty.",
        moved_clock.utc_now(),
    )


async def test_votes_that_were_learned_from_are_kept_once_and_forgotten_ones_left_out(world):
    database = world.database
    request = await world.answered()
    user_id = await world.user()
    async with database.write() as session:
        for number in (1, 2):
            await session.execute(
                text(
                    "INSERT INTO vote_events (user_id, candidate_id, event_id, thumb, created_at) VALUES"
                    f" ('{user_id}', '{request.candidates[0].id}', 'e{number}', 'up', '2026-01-01 00:00:00.000000')"
                )
            )
    run_id = await running(database)
    for _ in range(2):  # a run that goes on describes itself again
        async with database.write() as session:
            await training_runs.describe(
                session, run_id, base_revision=None, dataset_hash="d", vote_event_ids=[1, 2, 999]
            )
    assert await world.count("training_examples") == 2


async def test_latest_run_is_the_newest_of_those_states(database, moved_clock):
    async with database.read() as session:
        assert await training_runs.latest(session) is None
    ids = []
    for _ in range(3):
        moved_clock.forward(1)
        ids.append(await make(database))
    await claim(database, ids[0])
    async with database.read() as session:
        newest = await training_runs.latest(session)
        trained = await training_runs.latest(session, RunState.RUNNING, RunState.STOPPED)
    assert (newest and newest.id, trained and trained.id) == (ids[2], ids[0])


async def test_unknown_run_is_refused(database):
    with pytest.raises(TrainingFailed, match="There is no training run nothing; leave --run out for a new one"):
        await view(database, "nothing")
