"""Looking after a canary: votes decide, once, and nothing is written where nothing has changed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copy

import pytest

from core.cycles import CycleState, CycleView
from core.records import Thumb
from storage import clock, serving
from storage.database import Database, open_database
from tests.storage.conftest import MODEL
from tests.storage.plans import statements_seen
from tests.trainer.cycle_world import CycleWorld
from trainer.canary import CanaryConfig, Decision, DecisionKind
from trainer.cycle.canary_watch import look_after

S = CycleState
UP, DOWN = [Thumb.UP] * 10, [Thumb.DOWN] * 10
CONFIG = CanaryConfig(min_votes=20, max_votes=400, max_votes_per_rater=10)


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(f"sqlite+aiosqlite:///{copy(migrated_file, tmp_path / 'a.db')}")
    yield database
    await database.close()


@pytest.fixture
def world(database: Database) -> CycleWorld:
    return CycleWorld(database)


async def look(world: CycleWorld, cycle: CycleView, config: CanaryConfig = CONFIG) -> Decision:
    return await look_after(world.database, await world.view(cycle.id), config)


async def active(world: CycleWorld) -> str | None:
    async with world.database.read() as session:
        plan = await serving.plan(session, MODEL.base)
    return plan.active.id if plan.active else None


async def voted(world: CycleWorld, cycle: CycleView, *, champion: list[Thumb], challenger: list[Thumb]) -> None:
    for name in ("ann", "bob"):
        await world.vote(name, champion)
        await world.vote(name, challenger, adapter=cycle.adapter)


async def test_a_canary_that_people_like_better_serves(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await voted(world, cycle, champion=DOWN, challenger=UP)
    decision = await look(world, cycle)
    seen = await world.view(cycle.id)
    assert decision.kind is DecisionKind.PROMOTE
    assert (seen.state, seen.reason, await active(world)) == (S.PROMOTED, decision.sentence, cycle.adapter)
    assert seen.canary is not None
    assert seen.canary["challenger"] == {"num_up": 20, "num_down": 0, "num_raters": 2}
    assert seen.canary["champion"] == {"num_up": 0, "num_down": 20, "num_raters": 2}


async def test_a_canary_that_people_like_less_is_rolled_back(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await voted(world, cycle, champion=UP, challenger=DOWN)
    decision = await look(world, cycle)
    seen = await world.view(cycle.id)
    assert (decision.kind, seen.state, seen.reason) == (DecisionKind.ROLL_BACK, S.REJECTED, decision.sentence)
    assert await active(world) is None


async def test_too_few_votes_are_counted_and_waited_for(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await world.vote("ann", UP, adapter=cycle.adapter)
    assert (await look(world, cycle)).kind is DecisionKind.CONTINUE
    seen = await world.view(cycle.id)
    assert seen.state is S.CANARY
    assert seen.canary is not None
    assert seen.canary["sentence"] == "10 votes on the canary and 0 on what serves so far; each side needs 20."


async def test_only_people_who_agreed_decide(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await world.vote("eve", DOWN, adapter=cycle.adapter, is_agreed=False)
    await look(world, cycle)
    seen = await world.view(cycle.id)
    assert seen.canary is not None
    assert seen.canary["challenger"] == {"num_up": 0, "num_down": 0, "num_raters": 0}


async def test_nothing_is_written_where_no_vote_has_come(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await world.vote("ann", UP, adapter=cycle.adapter)
    await look(world, cycle)
    async with statements_seen() as seen:
        assert (await look(world, cycle)).kind is DecisionKind.CONTINUE
    assert seen
    writing = ("BEGIN IMMEDIATE", "UPDATE", "INSERT", "DELETE")
    assert not [statement for statement, _ in seen if statement.startswith(writing)]
    await world.vote("ann", UP)
    async with statements_seen() as seen:
        await look(world, cycle)
    assert any(statement.startswith("UPDATE cycles") for statement, _ in seen)


async def test_a_canary_that_no_worker_can_load_is_rolled_back_with_the_workers_sentence(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    async with world.database.write() as session:
        await serving.report_trouble(session, cycle.adapter or "", "Its weights are damaged.")
    assert await look(world, cycle) == Decision(kind=DecisionKind.ROLL_BACK, sentence="Its weights are damaged.")
    seen = await world.view(cycle.id)
    assert (seen.state, seen.reason) == (S.REJECTED, "Its weights are damaged.")


async def test_a_canary_that_somebody_wants_to_end_is_cancelled_whatever_the_votes_say(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await voted(world, cycle, champion=DOWN, challenger=UP)
    await world.want_end(cycle.id)
    await look(world, cycle)
    seen = await world.view(cycle.id)
    assert (seen.state, seen.reason, await active(world)) == (S.CANCELLED, "An operator cancelled it.", None)


async def test_days_that_run_out_end_a_canary(world: CycleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    cycle = await world.cycle(S.CANARY)
    later = clock.utc_now() + timedelta(days=CONFIG.max_days, seconds=1)
    monkeypatch.setattr(clock, "utc_now", lambda: later)
    assert (await look(world, cycle, replace(CONFIG, without_votes="reject"))).kind is DecisionKind.ROLL_BACK
    assert (await world.view(cycle.id)).state is S.REJECTED


async def test_a_clock_that_went_back_ends_no_canary(world: CycleWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    cycle = await world.cycle(S.CANARY)
    earlier = clock.utc_now() - timedelta(days=300)
    monkeypatch.setattr(clock, "utc_now", lambda: earlier)
    assert (await look(world, cycle)).kind is DecisionKind.CONTINUE


async def test_of_several_that_look_at_once_one_decides(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    await voted(world, cycle, champion=DOWN, challenger=UP)
    decisions = await asyncio.gather(*(look(world, cycle) for _ in range(4)))
    assert {decision.kind for decision in decisions} == {DecisionKind.PROMOTE}
    seen = await world.view(cycle.id)
    assert [state for state, _ in seen.history].count(S.PROMOTED) == 1
    async with world.database.read() as session:
        with_one_promotion = await serving.served_before(session, MODEL.base)
    assert with_one_promotion is None
