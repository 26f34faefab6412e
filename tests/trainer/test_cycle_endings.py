"""A cycle and its adapter end together, once, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from shutil import copy

import pytest

from core.cycles import CycleState
from core.errors import NotFound, TrainingFailed
from storage import serving
from storage.database import Database, open_database
from storage.states import PromotionReason
from storage.training_runs import Owner
from tests.storage.conftest import MODEL
from tests.trainer.cycle_world import CycleWorld
from trainer.cycle import endings

S = CycleState


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    database = open_database(f"sqlite+aiosqlite:///{copy(migrated_file, tmp_path / 'a.db')}")
    yield database
    await database.close()


@pytest.fixture
def world(database: Database) -> CycleWorld:
    return CycleWorld(database)


async def active(world: CycleWorld) -> str | None:
    async with world.database.read() as session:
        plan = await serving.plan(session, MODEL.base)
    return plan.active.id if plan.active else None


async def trouble(world: CycleWorld, adapter_id: str) -> str | None:
    async with world.database.read() as session:
        return await serving.trouble_of(session, adapter_id)


async def test_promotion_lets_the_adapter_serve_and_ends_the_cycle(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    async with world.database.write() as session:
        assert await endings.promote(session, cycle, reason="Better.")
    seen = await world.view(cycle.id)
    assert (seen.state, seen.reason, await active(world)) == (S.PROMOTED, "Better.", cycle.adapter)


async def test_of_two_that_end_a_cycle_only_the_first_does(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)

    async def promote() -> bool:
        async with world.database.write() as session:
            return await endings.promote(session, cycle, reason="Better.")

    async def reject() -> bool:
        async with world.database.write() as session:
            return await endings.end(session, cycle, S.REJECTED, "Worse.")

    done = await asyncio.gather(reject(), promote())
    assert sorted(done) == [False, True]
    is_promoted = (await world.view(cycle.id)).state is S.PROMOTED
    assert is_promoted is done[1]
    assert (await active(world) == cycle.adapter) is is_promoted


async def test_a_cycle_without_its_adapter_never_lets_the_base_serve_instead(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    with pytest.raises(TrainingFailed, match=f"The cycle {cycle.id} has lost its adapter; start a new one"):
        async with world.database.write() as session:
            await endings.promote(session, replace(cycle, adapter=None), reason="Better.")
    assert (await world.view(cycle.id)).state is S.CANARY


async def test_an_adapter_that_is_rejected_already_leaves_the_cycle_as_it_was(world: CycleWorld) -> None:
    cycle = await world.cycle(S.CANARY)
    async with world.database.write() as session:
        assert await serving.reject(session, cycle.adapter or "", "Spoiled.")
    with pytest.raises(NotFound):
        async with world.database.write() as session:
            await endings.promote(session, cycle, reason="Better.")
    assert (await world.view(cycle.id)).state is S.CANARY


@pytest.mark.parametrize("state", [S.REJECTED, S.FAILED, S.CANCELLED])
async def test_an_end_without_promotion_rejects_the_adapter_for_the_same_reason(
    world: CycleWorld, state: CycleState
) -> None:
    cycle = await world.cycle(S.EVALUATING)
    async with world.database.write() as session:
        assert await endings.end(session, cycle, state, "Because.", gate={"tests": []})
    seen = await world.view(cycle.id)
    assert (seen.state, seen.reason, seen.gate) == (state, "Because.", {"tests": []})
    assert await trouble(world, cycle.adapter or "") == "Because."
    with pytest.raises(NotFound):
        async with world.database.write() as session:
            await serving.promote(session, cycle.adapter, reason=PromotionReason.OPERATOR)


async def test_only_its_own_process_ends_a_cycle_that_has_one(world: CycleWorld) -> None:
    cycle = await world.cycle(S.EVALUATING)
    await world.take_over(cycle.id)
    async with world.database.write() as session:
        assert not await endings.end(session, cycle, S.FAILED, "Because.", owner=Owner("here", 1))
    assert (await world.view(cycle.id)).state is S.EVALUATING
    assert await trouble(world, cycle.adapter or "") is None


async def test_a_cycle_ends_without_an_adapter_as_well(world: CycleWorld) -> None:
    cycle = await world.cycle(S.BUILDING)
    async with world.database.write() as session:
        assert await endings.end(session, cycle, S.FAILED, "No votes.")
    seen = await world.view(cycle.id)
    assert (seen.state, seen.reason, seen.adapter) == (S.FAILED, "No votes.", None)
