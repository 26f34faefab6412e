"""A search over real trainings of a tiny Falcon, as `mjprompt tune` makes it."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

from core.errors import ConfigError, TrainingBusy
from core.settings import Settings, load_settings
from tests.falcon.tiny_falcon import write_tiny_falcon
from tests.trainer.tuning_files import write_search, write_train_config
from trainer.run.plan import TrainRequest, config_file_of
from trainer.run.record import NewRun, RunBook
from trainer.run.stop_flag import StopFlag
from trainer.train_config import read_train_config, recipe_file
from trainer.tune_command import TuneRequest, make_trials, run_search


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_falcon(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def settings(model: Path, migrated_file: Path, tmp_path: Path) -> Settings:
    database = shutil.copy(migrated_file, tmp_path / "mjprompt.db")
    return load_settings(_env_file=None, model_id=str(model), database_url=f"sqlite+aiosqlite:///{database}")


@pytest.fixture
def request_(tmp_path: Path) -> TuneRequest:
    """A search of two trials over sixty invented prompts."""
    return TuneRequest(
        minutes=5,
        max_trials=2,
        config_file=write_train_config(tmp_path, num_rows=60),
        search_file=write_search(tmp_path),
        study_file=tmp_path / "tune" / "study.db",
        output=tmp_path / "tune" / "train.toml",
    )


def test_search_trains_each_trial_and_writes_settings_that_train_can_read(
    settings: Settings, request_: TuneRequest
) -> None:
    found = run_search(settings, request_)
    assert request_.config_file is not None
    own = read_train_config(request_.config_file)
    first, second = found.trials
    assert first.params == {"lr": 0.01, "r": 2, "lora_alpha": 4, "epochs": 1.0}
    assert first.state is TrialState.COMPLETE
    assert first.value == pytest.approx(min(first.intermediate_values.values()))
    assert list(first.intermediate_values) == [2, 4, 5], "as often as the settings say, and at the end"
    assert second.params != first.params
    assert found.loss < first.intermediate_values[2]
    assert read_train_config(request_.output) == found.config
    assert replace(found.config, lora=own.lora, optimizer=own.optimizer) == own
    assert "# A comment that stays." in request_.output.read_text(encoding="utf-8")
    assert {file.name for file in request_.output.parent.iterdir()} <= {"study.db", "study.lock", "train.toml"}


def test_stop_leaves_the_trial_to_be_tried_again(settings: Settings, request_: TuneRequest, tmp_path: Path) -> None:
    assert request_.config_file is not None
    config, stop = read_train_config(request_.config_file), StopFlag()
    trials = make_trials(settings, settings.model_id, config, stop, scratch=tmp_path)

    def report(step: int, loss: float) -> None:
        stop.signal = 15

    with pytest.raises(SystemExit) as ended:
        trials.train(config, report)
    assert ended.value.code == 128 + 15


def test_trial_that_the_search_ends_leaves_no_checkpoints(
    settings: Settings, request_: TuneRequest, tmp_path: Path
) -> None:
    assert request_.config_file is not None
    config = read_train_config(request_.config_file)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    trials = make_trials(settings, settings.model_id, config, StopFlag(), scratch=scratch)

    def report(step: int, loss: float) -> None:
        if step >= 2:
            raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        trials.train(config, report)
    assert list(scratch.iterdir()) == []


def test_search_beside_a_training_is_refused(settings: Settings, request_: TuneRequest, tmp_path: Path) -> None:
    with RunBook(settings.database_url) as book:
        book.claim("r" * 26, tmp_path / "out", new=NewRun(base_model="tiny", base_revision=None, config={}, seed=0))
        with pytest.raises(TrainingBusy, match=f"is going on in process {os.getpid()}"):
            run_search(settings, request_)


def test_second_search_of_a_study_is_refused(settings: Settings, request_: TuneRequest) -> None:
    request_.study_file.parent.mkdir()
    with (
        FileLock(request_.study_file.with_suffix(".lock")),
        pytest.raises(TrainingBusy, match=r"Another search works on .*study\.db; wait for its end, or name another"),
    ):
        run_search(settings, request_)


def test_foreign_output_is_refused_before_anything_is_searched(settings: Settings, request_: TuneRequest) -> None:
    assert request_.config_file is not None
    with pytest.raises(ConfigError, match="is not overwritten; name another --output"):
        run_search(settings, replace(request_, output=request_.config_file))
    assert not request_.study_file.exists()


def test_search_starts_from_the_settings_that_training_would_take(model: Path) -> None:
    assert config_file_of(TrainRequest(), str(model)) == recipe_file("default")
    assert config_file_of(TrainRequest(recipe="seed"), str(model)) == recipe_file("seed")
