"""The keeper of cycles: it starts what nobody carries out, leaves the rest alone, and gives up in the end."""

import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest
from structlog.testing import capture_logs

from app.cycle_keeper import MAX_ENDS, CycleKeeper
from app.cycle_process import CycleProcess
from core.cycles import CycleState, CycleView
from core.records import Thumb, WorkerState
from falcon.serving_metrics import ServingMetrics
from storage import cycles, serving, workers
from storage.database import Database, open_database
from storage.states import PromotionReason
from storage.training_runs import Owner
from tests.storage.conftest import MODEL
from tests.trainer.cycle_world import CycleWorld
from trainer.cycle.folder import CycleFolder, FrozenExamples, cycles_below
from trainer.cycle_config import CycleConfig
from trainer.policy import PolicyConfig

S = CycleState
EAGER = CycleConfig(policy=PolicyConfig(is_automatic=True, min_new_votes=2, pause_hours=1.0, quiet_hours=""))


class FakeProcess(CycleProcess):
    """Notes what is started, and ends when the test says so."""

    def __init__(self) -> None:
        super().__init__(())
        self.started: list[str] = []
        self._is_there = False

    @property
    def is_running(self) -> bool:
        return self._is_there

    async def start(self, cycle_id: str) -> None:
        assert not self._is_there
        self.started.append(cycle_id)
        self._is_there = True

    async def stop(self) -> None:
        self._is_there = False

    def ends(self) -> None:
        self._is_there = False
        self.num_ended += 1


class MovableTime:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(f"sqlite+aiosqlite:///{copy(migrated_file, tmp_path / 'a.db')}")
    yield database
    await database.close()


@pytest.fixture
def world(database: Database) -> CycleWorld:
    return CycleWorld(database)


@pytest.fixture
def process() -> FakeProcess:
    return FakeProcess()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cycles"


@pytest.fixture
def keeper(database: Database, process: FakeProcess, root: Path) -> CycleKeeper:
    return CycleKeeper(database, CycleConfig(), process, root=root)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> MovableTime:
    moved = MovableTime()
    monkeypatch.setattr("app.cycle_keeper.time", moved)
    return moved


async def opened(world: CycleWorld) -> CycleView | None:
    async with world.database.read() as session:
        return await cycles.open_cycle(session)


async def with_worker(world: CycleWorld, *, can_hold_canary: bool = True) -> None:
    metrics = ServingMetrics().snapshot() if can_hold_canary else None
    async with world.database.write() as session:
        await workers.announce(session, "w", WorkerState.READY, MODEL, metrics=metrics)


async def test_where_there_is_nothing_to_do_nothing_is_done(keeper: CycleKeeper, process: FakeProcess) -> None:
    await keeper.tick()
    assert process.started == []


async def test_a_planned_cycle_gets_one_process(keeper: CycleKeeper, process: FakeProcess, world: CycleWorld) -> None:
    cycle_id = await world.planned()
    await keeper.tick()
    await keeper.tick()
    assert process.started == [cycle_id]


async def test_a_cycle_whose_owner_lives_is_left_alone(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld
) -> None:
    cycle = await world.cycle(S.TRAINING)
    await world.take_over(cycle.id, Owner(socket.gethostname(), os.getpid()))
    await world.want_end(cycle.id)
    await keeper.tick()
    assert process.started == []
    assert (await world.view(cycle.id)).state is S.TRAINING


async def test_a_cycle_whose_owner_is_dead_goes_on(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld
) -> None:
    cycle = await world.cycle(S.TRAINING)
    await world.take_over(cycle.id, Owner(socket.gethostname(), 2**22 + 1))  # above every process id
    await keeper.tick()
    assert process.started == [cycle.id]


async def test_a_process_that_ended_is_started_again_after_a_growing_pause(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld, time: MovableTime
) -> None:
    cycle_id = await world.planned()
    await keeper.tick()
    for pause in (1.0, 2.0):
        process.ends()
        num_started = len(process.started)
        await keeper.tick()
        time.seconds += pause - 0.1
        await keeper.tick()
        assert len(process.started) == num_started
        time.seconds += 0.2
        await keeper.tick()
        assert len(process.started) == num_started + 1
    assert set(process.started) == {cycle_id}


async def test_after_three_ends_in_one_state_the_cycle_fails(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld, time: MovableTime
) -> None:
    cycle = await world.cycle(S.EVALUATING)
    for _ in range(MAX_ENDS):
        await keeper.tick()
        process.ends()
        await keeper.tick()
        time.seconds += 60
    await keeper.tick()
    seen = await world.view(cycle.id)
    assert len(process.started) == MAX_ENDS
    assert seen.state is S.FAILED
    assert seen.reason == "The process that trains ended 3 times without getting further; its log says why."


async def test_ends_in_different_states_are_progress_and_not_counted_together(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld, time: MovableTime
) -> None:
    cycle_id = await world.planned()
    for before, after in ((S.PLANNED, S.BUILDING), (S.BUILDING, S.TRAINING), (S.TRAINING, S.EVALUATING)):
        await keeper.tick()
        async with world.database.write() as session:
            assert await cycles.advance(session, cycle_id, before=before, after=after)
        process.ends()
        await keeper.tick()
        time.seconds += 60
    await keeper.tick()
    assert len(process.started) == 4
    assert (await world.view(cycle_id)).state.is_open


async def test_the_end_of_a_process_that_was_through_counts_against_no_later_cycle(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld, time: MovableTime
) -> None:
    """It made the next cycle wait, and fail an end earlier."""
    first = await world.planned()
    await keeper.tick()
    async with world.database.write() as session:
        assert await cycles.finish(session, first, after=S.FAILED, reason="Because.")
    process.ends()
    await keeper.tick()
    second = await world.planned()
    await keeper.tick()
    assert process.started == [first, second]


async def test_a_cycle_that_nobody_carries_out_is_cancelled_at_once_and_its_texts_go(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld, root: Path
) -> None:
    cycle = await world.cycle(S.TRAINING)
    CycleFolder(cycle.id, root).freeze(FrozenExamples(rated=(), preferred=(), held_out=()))
    await world.want_end(cycle.id)
    await keeper.tick()
    seen = await world.view(cycle.id)
    assert (seen.state, seen.reason, process.started) == (S.CANCELLED, "An operator cancelled it.", [])
    assert cycles_below(root) == []


async def test_texts_stay_while_their_cycle_goes_on(keeper: CycleKeeper, world: CycleWorld, root: Path) -> None:
    cycle = await world.cycle(S.TRAINING)
    CycleFolder(cycle.id, root).freeze(FrozenExamples(rated=(), preferred=(), held_out=()))
    await keeper.tick()
    assert cycles_below(root) == [cycle.id]


async def test_a_canary_is_counted_and_has_no_process(
    keeper: CycleKeeper, process: FakeProcess, world: CycleWorld
) -> None:
    cycle = await world.cycle(S.CANARY)
    await world.vote("ann", [Thumb.UP], adapter=cycle.adapter)
    await keeper.tick()
    canary = (await world.view(cycle.id)).canary
    assert canary is not None
    assert canary["challenger"] == {"num_up": 1, "num_down": 0, "num_raters": 1}
    assert process.started == []


async def test_a_canary_that_somebody_wants_to_end_is_cancelled(keeper: CycleKeeper, world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await world.want_end(cycle.id)
    await keeper.tick()
    assert (await world.view(cycle.id)).state is S.CANCELLED


async def test_the_policy_plans_a_cycle_of_what_serves_once_there_are_enough_votes(
    database: Database, process: FakeProcess, world: CycleWorld, root: Path
) -> None:
    keeper = CycleKeeper(database, EAGER, process, root=root)
    await world.vote("ann", [Thumb.UP, Thumb.DOWN])
    await keeper.tick()
    assert await opened(world) is None, "no worker says which model there is"
    await with_worker(world)
    await keeper.tick()
    cycle = await opened(world)
    assert cycle is not None
    assert (cycle.is_automatic, cycle.base_model, cycle.state) == (True, MODEL.base, S.PLANNED)
    await keeper.tick()
    assert process.started == [cycle.id]


async def test_the_policy_plans_nothing_while_no_canary_could_run(
    database: Database, process: FakeProcess, world: CycleWorld, root: Path
) -> None:
    keeper = CycleKeeper(database, EAGER, process, root=root)
    await world.vote("ann", [Thumb.UP, Thumb.DOWN])
    await with_worker(world, can_hold_canary=False)
    with capture_logs() as logs:
        await keeper.tick()
        await keeper.tick()
    assert [entry["event"] for entry in logs] == ["cycle.not_planned"]
    assert await opened(world) is None


@pytest.mark.parametrize("policy", [replace(EAGER.policy, is_automatic=False), replace(EAGER.policy, min_new_votes=3)])
async def test_without_the_policys_leave_nothing_is_planned(
    database: Database, process: FakeProcess, world: CycleWorld, root: Path, policy: PolicyConfig
) -> None:
    keeper = CycleKeeper(database, replace(EAGER, policy=policy), process, root=root)
    await world.vote("ann", [Thumb.UP, Thumb.DOWN])
    await with_worker(world)
    await keeper.tick()
    assert await opened(world) is None


async def test_within_the_pause_no_second_cycle_is_planned(
    database: Database, process: FakeProcess, world: CycleWorld, root: Path
) -> None:
    keeper = CycleKeeper(database, EAGER, process, root=root)
    await world.want_end(await world.planned())
    await world.vote("ann", [Thumb.UP, Thumb.DOWN])
    await with_worker(world)
    await keeper.tick()
    assert await opened(world) is None


async def test_an_adapter_that_learned_from_somebody_forgotten_is_retired_where_the_policy_says_so(
    database: Database, process: FakeProcess, world: CycleWorld, root: Path
) -> None:
    await with_worker(world)
    adapter_id = await world.adapter()
    async with database.write() as session:
        await serving.promote(session, adapter_id, reason=PromotionReason.OPERATOR)
    await world.touch(adapter_id)
    for on_forget, expected in (("list", adapter_id), ("retire", None)):
        policy = PolicyConfig(on_forget=on_forget)  # type: ignore[arg-type]
        await CycleKeeper(database, CycleConfig(policy=policy), process, root=root).tick()
        async with database.read() as session:
            plan = await serving.plan(session, MODEL.base)
        assert (plan.active.id if plan.active else None) == expected
