"""What chats are told by the trainer's rules, over a real database and without torch."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import pytest
import pytest_asyncio

from app.cycle_planner import TrainerPlanner
from core.cycles import CycleState
from core.errors import NotPossible, TrainingBusy
from core.records import Identity, ModelInfo, Platform, Thumb, WorkerState
from core.settings import Settings, load_settings
from falcon.serving_metrics import ServingMetrics
from storage import cycles, users, workers
from storage.database import Database, open_database
from tests.trainer.cycle_world import CycleWorld
from trainer.cycle_config import read_cycle_config
from trainer.gate import Gate
from trainer.gate_verdict import compared


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    file = Path(shutil.copy(migrated_file, tmp_path / "planner.db"))
    return load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{file}")


@pytest_asyncio.fixture
async def database(settings: Settings):
    database = open_database(settings.database_url)
    yield database
    await database.close()


async def test_without_votes_the_outlook_says_how_many_are_missing(settings: Settings, database: Database) -> None:
    found = await TrainerPlanner(settings, has_keeper=True).outlook(database)
    assert (found.num_votes, found.objective, found.suspects, found.dropped) == (0, "nothing", (), {})
    assert found.missing is not None
    assert "more rated prompts are needed (0 of" in found.missing


async def test_where_nobody_agreed_that_is_what_is_missing(settings: Settings, database: Database) -> None:
    """Chats said only how many rated prompts are missing, which no vote would have changed."""
    world = CycleWorld(database)
    await world.vote("ann", [Thumb.UP, Thumb.DOWN], is_agreed=False)
    found = await TrainerPlanner(settings, has_keeper=True).outlook(database)
    assert found.missing == (
        "None of those who cast the 2 votes has agreed to be learned from yet; they do by /privacy."
    )
    await world.person("ann")
    found = await TrainerPlanner(settings, has_keeper=True).outlook(database)
    assert (found.num_votes, "more rated prompts" in (found.missing or "")) == (2, True)


async def test_cycle_is_planned_with_the_configuration_of_this_moment(settings: Settings, database: Database) -> None:
    planner = TrainerPlanner(settings, has_keeper=True)
    async with database.write() as session:
        user_id = await users.ensure_user(session, Identity(platform=Platform.DISCORD, external_id="1"))
        cycle_id = await planner.plan(session, "models/pocket", asked_by=user_id)
    async with database.read() as session:
        cycle = await cycles.view(session, cycle_id)
    assert (cycle.state, cycle.base_model, cycle.asked_by) == (CycleState.PLANNED, "models/pocket", user_id)
    assert cycle.config == json.loads(json.dumps(asdict(read_cycle_config(settings.cycle_config))))
    with pytest.raises(TrainingBusy, match=f"{cycle_id} is open"):
        async with database.write() as session:
            await planner.plan(session, "models/pocket", asked_by=user_id)


@pytest.mark.parametrize("base", ["models/pocket", "another"])
async def test_worker_that_could_run_no_canary_is_named_with_the_cure(
    settings: Settings, database: Database, base: str
) -> None:
    model = ModelInfo(base=base, adapter=None, precision="fp32", device="cpu")
    async with database.write() as session:
        user_id = await users.ensure_user(session, Identity(platform=Platform.DISCORD, external_id="1"))
        await workers.announce(session, "plain", WorkerState.READY, model)
        await workers.announce(session, "engine", WorkerState.READY, model, metrics=ServingMetrics().snapshot())
    is_refused = base == "models/pocket"
    match = "The worker plain answers with one adapter at a time.*ENGINE=beam"
    with pytest.raises(NotPossible, match=match) if is_refused else nullcontext():
        async with database.write() as session:
            await TrainerPlanner(settings, has_keeper=True).plan(session, "models/pocket", asked_by=user_id)
    async with database.read() as session:
        assert (await cycles.open_cycle(session) is None) == is_refused


async def test_configuration_that_cannot_be_used_is_a_refusal_with_its_reason(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    broken = tmp_path / "cycle.toml"
    broken.write_text("[canary]\nshades = 0.1\n")
    planner = TrainerPlanner(settings.model_copy(update={"cycle_config": broken}), has_keeper=True)
    with pytest.raises(NotPossible, match="missing key 'feedback'"):
        await planner.outlook(database)


def test_gate_is_read_back_as_rows_and_one_of_another_version_as_none(settings: Settings) -> None:
    test = compared(
        "copied", "copied", 0.1, 0.2, bound=0.15, is_higher_better=False, is_share=True, sentence="Too much is copied."
    )
    kept = json.loads(json.dumps(Gate(tests=(test,), is_passed=False).as_dict()))
    planner = TrainerPlanner(settings, has_keeper=True)
    assert planner.gate_rows(kept) == [("copied", "10.0 %", "20.0 %", "≤ 15.0 %", "failed")]
    assert planner.gate_rows({"of": "another version"}) == ()


async def test_a_gate_that_cannot_be_read_is_told_before_anything_is_trained(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    gate = tmp_path / "gate.toml"
    text = settings.gate_config.read_text(encoding="utf-8")
    gate.write_text(text.replace("max_rise_share", "max_rize"), encoding="utf-8")
    planner = TrainerPlanner(settings.model_copy(update={"gate_config": gate}), has_keeper=True)
    with pytest.raises(NotPossible, match="unknown key 'max_rize'"):
        await planner.outlook(database)
    async with database.write() as session:
        with pytest.raises(NotPossible, match="unknown key 'max_rize'"):
            await planner.plan(session, "pocket", asked_by="nobody")
