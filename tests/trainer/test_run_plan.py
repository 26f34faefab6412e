"""What a command is going to do, and everything that is refused before data and model are touched."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, TrainingFailed
from core.settings import POCKET_FOLDER, Settings, load_settings
from falcon.source import FALCON_7B
from storage import training_runs
from storage.database import open_database
from tests.trainer.toy_learner import toy_config
from trainer.run.plan import RunPlan, TrainRequest, choose_config, plan_run, require_gpu
from trainer.run.record import RunBook
from trainer.train_config import read_train_config, recipe_file

TYPED = TrainRequest()


@pytest.fixture
def settings(migrated_file: Path, tmp_path: Path) -> Settings:
    file = shutil.copy(migrated_file, tmp_path / "a.db")
    return load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{file}", model_id=str(POCKET_FOLDER))


@pytest.fixture
def book(settings: Settings) -> Iterator[RunBook]:
    with RunBook(settings.database_url) as book:
        yield book


def request_for(tmp_path: Path, **changes: Any) -> TrainRequest:
    return replace(TrainRequest(output=tmp_path / "out"), **changes)


def begun(book: RunBook, settings: Settings, tmp_path: Path) -> RunPlan:
    """A run that has begun and was stopped."""
    plan = plan_run(request_for(tmp_path), settings, book)
    book.claim(plan.run_id, plan.output, new=plan.new).stop()
    return plan


async def ordered(url: str) -> str:
    """Add a run as a chat does, and return its id."""
    database = open_database(url)
    try:
        async with database.write() as session:
            return await training_runs.create(
                session, base_model="pocket", base_revision=None, config=asdict(toy_config()), seed=0
            )
    finally:
        await database.close()


def test_new_run_takes_the_recipe_that_fits_the_base(book: RunBook, settings: Settings, tmp_path: Path) -> None:
    plan = plan_run(request_for(tmp_path), settings, book)
    assert plan.config == read_train_config(recipe_file("pocket"))
    assert plan.new is not None
    assert (plan.new.base_model, plan.new.config) == ("pocket", asdict(plan.config))
    assert (plan.output, plan.checkpoints) == (tmp_path / "out", tmp_path / "out.checkpoints")
    assert (plan.is_resumed, plan.dataset_hash, plan.rated) == (False, None, ())
    assert choose_config(TYPED, FALCON_7B) == read_train_config(recipe_file("default"))
    assert choose_config(replace(TYPED, recipe="seed"), FALCON_7B) == read_train_config(recipe_file("seed"))


def test_checkpoints_of_another_run_are_never_mixed_with_those_of_a_new_one(
    book: RunBook, settings: Settings, tmp_path: Path
) -> None:
    """A new run into the same --output went on from the older run's later steps, and pruned its own."""
    older = begun(book, settings, tmp_path)
    older.checkpoints.mkdir()
    with pytest.raises(ConfigError, match=r"out\.checkpoints holds the checkpoints of another run; go on with it by"):
        plan_run(request_for(tmp_path), settings, book)
    assert plan_run(replace(TYPED, is_resumed=True), settings, book).run_id == older.run_id


def test_options_change_the_recipe(tmp_path: Path) -> None:
    typed = replace(TYPED, data=tmp_path / "mine.csv", max_steps=5, tracker="none")
    config = choose_config(typed, FALCON_7B)
    (source,) = config.data.sources
    assert (source.kind, source.id) == ("file", str(tmp_path / "mine.csv"))
    assert (config.loop.max_steps, config.loop.tracker) == (5, "none")
    assert config.lora == read_train_config(recipe_file("default")).lora


def test_adapters_without_a_folder_named_go_where_all_are(book: RunBook, settings: Settings) -> None:
    plan = plan_run(TYPED, settings, book)
    assert plan.output.name == plan.run_id
    assert plan.output.parent.parts[-2:] == ("var", "adapters")


def test_run_goes_on_with_what_it_began_with(book: RunBook, settings: Settings, tmp_path: Path) -> None:
    first = begun(book, settings, tmp_path)
    for typed in (replace(TYPED, is_resumed=True), replace(TYPED, is_resumed=True, run_id=first.run_id)):
        plan = plan_run(typed, settings, book)
        assert (plan.run_id, plan.config, plan.output) == (first.run_id, first.config, first.output)
        assert (plan.is_resumed, plan.new) == (True, None)


REFUSALS = [
    ({"config_file": Path("a.toml"), "recipe": "seed"}, ConfigError, "--config and --recipe both name the settings"),
    ({"recipe": "best"}, ConfigError, "There is no recipe 'best'"),
    ({"config_file": Path("gone.toml")}, ConfigError, "gone.toml cannot be read"),
    ({"max_steps": 0}, ConfigError, "max_steps = 0 is out of range"),
    ({"tracker": "diary"}, ConfigError, "tracker = 'diary' is unknown"),
    ({"is_resumed": True}, TrainingFailed, "There is no training run to go on with"),
    ({"run_id": "nothing"}, TrainingFailed, "There is no training run nothing"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(next(iter(refusal[0]))))
def test_impossible_request_is_one_sentence(
    book: RunBook, settings: Settings, tmp_path: Path, refusal: tuple[dict[str, Any], type[Exception], str]
) -> None:
    changes, kind, said = refusal
    with pytest.raises(kind) as caught:
        plan_run(request_for(tmp_path, **changes), settings, book)
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"config_file": Path("a.toml")}, "--config"),
        ({"recipe": "seed"}, "--recipe"),
        ({"data": Path("a.csv")}, "--data"),
        ({"max_steps": 3}, "--max-steps"),
        ({"tracker": "none"}, "--tracker"),
    ],
)
def test_run_that_goes_on_takes_no_other_settings(
    book: RunBook, settings: Settings, tmp_path: Path, changes: dict[str, Any], option: str
) -> None:
    begun(book, settings, tmp_path)
    with pytest.raises(ConfigError, match=f"{option} cannot be given with --resume or --run"):
        plan_run(replace(TYPED, is_resumed=True, **changes), settings, book)


def test_run_that_goes_on_keeps_its_folder(book: RunBook, settings: Settings, tmp_path: Path) -> None:
    begun(book, settings, tmp_path)
    with pytest.raises(ConfigError, match="--output cannot be changed"):
        plan_run(TrainRequest(is_resumed=True, output=tmp_path / "other"), settings, book)
    assert plan_run(TrainRequest(is_resumed=True, output=tmp_path / "out"), settings, book).is_resumed


def test_run_that_a_chat_ordered_begins_with_the_settings_of_its_row(
    book: RunBook, settings: Settings, tmp_path: Path
) -> None:
    waiting = asyncio.run(ordered(settings.database_url))
    plan = plan_run(replace(TYPED, run_id=waiting, output=tmp_path / "out"), settings, book)
    assert (plan.run_id, plan.config, plan.output) == (waiting, toy_config(), tmp_path / "out")
    assert (plan.is_resumed, plan.new) == (False, None)


def test_run_of_another_base_cannot_go_on(book: RunBook, settings: Settings, tmp_path: Path) -> None:
    begun(book, settings, tmp_path)
    other = settings.model_copy(update={"model_id": "owner/other"})
    with pytest.raises(
        TrainingFailed, match="is of pocket, and MODEL_ID now means owner/other; set MODEL_ID as it was"
    ):
        plan_run(replace(TYPED, is_resumed=True), other, book)


def test_run_that_has_begun_needs_resume_and_one_that_is_done_a_new_one(
    book: RunBook, settings: Settings, tmp_path: Path
) -> None:
    plan = begun(book, settings, tmp_path)
    with pytest.raises(TrainingFailed, match="has begun already; add --resume to go on with it"):
        plan_run(replace(TYPED, run_id=plan.run_id), settings, book)
    book.claim(plan.run_id, plan.output).finish(metrics={}, adapter_folder=plan.output)
    with pytest.raises(TrainingFailed, match="is done; leave --resume and --run out for a new one"):
        plan_run(replace(TYPED, run_id=plan.run_id, is_resumed=True), settings, book)


def test_folder_that_is_taken_is_refused_before_anything_is_trained(
    book: RunBook, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="exists already and is never overwritten; name another --output folder"):
        plan_run(request_for(tmp_path), settings, book)


def test_without_a_gpu_falcon_7b_is_refused_before_it_is_downloaded_and_the_pocket_offered() -> None:
    with pytest.raises(TrainingFailed) as caught:
        require_gpu(FALCON_7B, has_gpu=False)
    assert "Fine-tuning tiiuae/falcon-7b needs a GPU with CUDA, and this machine has none" in str(caught.value)
    assert "set MODEL_ID=models/pocket to fine-tune the pocket Falcon here instead" in str(caught.value)
    require_gpu(FALCON_7B, has_gpu=True)
    require_gpu(str(POCKET_FOLDER), has_gpu=False)


def test_configuration_of_another_version_in_a_row_is_named(book: RunBook, settings: Settings, tmp_path: Path) -> None:
    plan = plan_run(request_for(tmp_path), settings, book)
    assert plan.new is not None
    old = replace(plan.new, config={**asdict(toy_config()), "mood": {}})
    book.claim(plan.run_id, plan.output, new=old).stop()
    with pytest.raises(ConfigError, match=f"training run {plan.run_id}: unknown key 'mood'"):
        plan_run(replace(TYPED, is_resumed=True), settings, book)
