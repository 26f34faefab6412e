"""The search: what is tried, what is ended early, what goes on after a stop, and what is written."""

import math
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from structlog.testing import capture_logs

from core.config_file import read_config
from core.errors import ConfigError, NotEnoughMemory, TrainingFailed
from tests.trainer.toy_learner import toy_config
from trainer.train_config import CONFIGS_FOLDER, TrainConfig, read_train_config
from trainer.tune import (
    Found,
    Pruning,
    Report,
    SearchSpace,
    TrainTrial,
    TuneConfig,
    read_tune_config,
    tune,
    values_of,
    with_values,
    write_winner,
)

CONFIG = toy_config(lora__r=4, lora__lora_alpha=8, optimizer__lr=0.001, loop__epochs=1.0)
SEARCH = TuneConfig(
    seed=0,
    space=SearchSpace(lr=(1e-5, 1e-2), r=(8, 16), lora_alpha=(16,), epochs=(1.0, 2.0)),
    pruning=Pruning(startup_trials=1, warmup_steps=2),
)


def loss_of(config: TrainConfig) -> float:
    """A loss that is lowest at lr = 1e-4, where the adapter is large and trained for long."""
    return abs(math.log10(config.optimizer.lr) + 4) + 1 / config.lora.r + 0.1 / config.loop.epochs


class Trainings:
    """Trains in no time: the loss falls to `loss_of` in `num_steps` evaluations. `configs` is what was asked for."""

    def __init__(self, *, num_steps: int = 3, happens: Callable[[int, int], None] = lambda trial, step: None) -> None:
        self.configs: list[TrainConfig] = []
        self.num_reports = 0
        self._num_steps, self._happens = num_steps, happens

    def __call__(self, config: TrainConfig, report: Report) -> float:
        self.configs.append(config)
        for step in range(1, self._num_steps + 1):
            self._happens(len(self.configs), step)
            self.num_reports += 1
            report(step, loss_of(config) + 1 - step / self._num_steps)
        return loss_of(config)


@pytest.fixture(scope="module")
def empty_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the study's tables and no study: copying it is quicker than making them."""
    file = tmp_path_factory.mktemp("studies") / "empty.db"
    RDBStorage(f"sqlite:///{file}").engine.dispose()
    return file


@pytest.fixture
def study(empty_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty_study, tmp_path / "study.db"))


def search(
    study_file: Path,
    train: TrainTrial,
    *,
    max_trials: int | None = 5,
    made_for: str = "data",
    config: TrainConfig = CONFIG,
    clock: Callable[[], float] = lambda: 0.0,
) -> Found:
    return tune(
        config,
        SEARCH,
        train,
        study_file=study_file,
        made_for=made_for,
        budget_seconds=1000,
        max_trials=max_trials,
        clock=clock,
    )


def test_shipped_search_is_readable_and_covers_the_shipped_settings() -> None:
    shipped = read_tune_config(CONFIGS_FOLDER / "tune.toml")
    values = values_of(read_train_config(CONFIGS_FOLDER / "train.toml"))
    assert shipped.space.lr[0] < values["lr"] < shipped.space.lr[1]
    assert values["r"] in shipped.space.r
    assert values["lora_alpha"] in shipped.space.lora_alpha
    assert values["epochs"] in shipped.space.epochs


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("lr = [2e-5, 1e-3]", "lr = [1e-3, 2e-5]", "is no range"),
        ("lr = [2e-5, 1e-3]", "lr = [nan, 1e-3]", "is no range"),
        ("warmup_steps = 20", "warmup_steps = -1", "warmup_steps = -1 is out of range"),
        ("seed = 0", "sead = 0", "unknown key 'sead'"),
    ],
)
def test_impossible_search_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    text = (CONFIGS_FOLDER / "tune.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "tune.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        read_config(TuneConfig, tmp_path / "tune.toml")


def test_first_trial_is_the_configuration_itself_and_the_best_of_all_is_found(tmp_path: Path) -> None:
    trainings = Trainings()
    found = search(tmp_path / "study.db", trainings, max_trials=8)
    assert trainings.configs[0] == CONFIG
    assert len(trainings.configs) == len(found.trials) == 8
    assert found.loss == pytest.approx(min(map(loss_of, trainings.configs)))
    assert found.loss < loss_of(CONFIG)
    assert loss_of(found.config) == pytest.approx(found.loss)


def test_trials_differ_from_the_configuration_in_what_is_searched_alone(study: Path) -> None:
    trainings = Trainings()
    search(study, trainings)
    values = [values_of(config) for config in trainings.configs]
    assert all(with_values(config, values_of(CONFIG)) == CONFIG for config in trainings.configs)
    assert all(1e-5 <= value["lr"] <= 1e-2 for value in values)
    assert {value["r"] for value in values} <= {4, 8, 16}
    assert {value["lora_alpha"] for value in values} <= {8, 16}
    assert len({value["lr"] for value in values}) == len(values)


def test_value_outside_the_space_is_tried_all_the_same_when_it_is_the_configurations_own(study: Path) -> None:
    trainings = Trainings()
    odd = replace(CONFIG, optimizer=replace(CONFIG.optimizer, lr=0.5))
    search(study, trainings, config=odd, max_trials=1)
    assert trainings.configs == [odd]


def test_trial_that_is_worse_than_the_median_ends_early(study: Path) -> None:
    trainings = Trainings(num_steps=5)
    found = search(study, trainings, max_trials=8)
    pruned = [trial for trial in found.trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert all(trial.last_step is not None and 2 <= trial.last_step < 5 for trial in pruned)
    assert trainings.num_reports < 8 * 5
    assert found.best.state is TrialState.COMPLETE


def test_last_trial_ends_when_the_time_is_over(study: Path, tmp_path: Path) -> None:
    now = [0.0]

    def pass_time(trial: int, step: int) -> None:
        now[0] += 400 if trial == 2 else 100

    trainings = Trainings(happens=pass_time)
    with pytest.raises(StopIteration):
        # Optuna's own timeout follows the real clock; the third trial shows that this one does not.
        search(study, until(trainings, 2), max_trials=None, clock=lambda: now[0])
    kept = optuna.load_study(study_name="mjprompt", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [trial.state for trial in kept.trials[:2]] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert kept.trials[1].last_step == 2


def until(train: TrainTrial, num_trials: int) -> TrainTrial:
    """Train so many trials; the next one raises StopIteration."""
    left = iter(range(num_trials))

    def once_more(config: TrainConfig, report: Report) -> float:
        next(left)
        return train(config, report)

    return once_more


def test_no_finished_trial_is_one_sentence_and_nothing_is_lost(study: Path) -> None:
    with pytest.raises(TrainingFailed, match="Not one trial came to its end in time; give more --minutes"):
        search(study, Trainings(), max_trials=1, clock=iter([0.0, 2000.0]).__next__)
    assert search(study, Trainings(), max_trials=1).trials[0].state is TrialState.PRUNED


def test_search_goes_on_where_it_was_and_draws_other_trials(study: Path) -> None:
    """A sampler with the same seed used to draw the first start's trials again."""
    first, second = Trainings(), Trainings()
    before = search(study, first, max_trials=3)
    after = search(study, second, max_trials=3)
    assert len(after.trials) == 6
    assert after.loss <= before.loss
    assert CONFIG not in second.configs
    rates = [config.optimizer.lr for config in (*first.configs, *second.configs)]
    assert len(set(rates)) == 6


def test_same_search_tries_the_same(study: Path, empty_study: Path, tmp_path: Path) -> None:
    one, two = Trainings(), Trainings()
    search(study, one, max_trials=3)
    search(Path(shutil.copy(empty_study, tmp_path / "two.db")), two, max_trials=3)
    assert one.configs == two.configs


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_interrupted_trial_is_tried_again_first(study: Path, ending: type[BaseException]) -> None:
    """SystemExit leaves the trial as running, as a process does that was killed with signal 9."""

    def stop(trial: int, step: int) -> None:
        if (trial, step) == (3, 2):
            raise ending

    first, second = Trainings(happens=stop), Trainings()
    with pytest.raises(ending):
        search(study, first)
    found = search(study, second, max_trials=2)
    assert second.configs[0] == first.configs[2]
    assert not [trial for trial in found.trials if trial.state is TrialState.RUNNING]
    assert sum(trial.state is TrialState.COMPLETE for trial in found.trials) >= 3


@pytest.mark.parametrize("changed", ["made_for", "config"])
def test_study_of_other_data_or_settings_is_refused(study: Path, changed: str) -> None:
    search(study, Trainings(), max_trials=1)
    trainings = Trainings()
    with pytest.raises(ConfigError, match="its trials do not compare; name another --study file"):
        if changed == "made_for":
            search(study, trainings, made_for="other data")
        else:
            search(study, trainings, config=with_values(CONFIG, {**values_of(CONFIG), "lr": 0.002}))
    assert trainings.configs == []


def test_file_that_is_no_study_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("x" * 5000, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"study\.db is no study of `mjprompt tune` that can be read or begun"):
        search(tmp_path / "study.db", Trainings())
    with sqlite3.connect(tmp_path / "empty.db") as database:
        database.execute("CREATE TABLE version_info (x)")
    with pytest.raises(ConfigError, match=r"empty\.db is no study"):
        search(tmp_path / "empty.db", Trainings())


def failing(*numbers: int) -> Trainings:
    def fail(trial: int, step: int) -> None:
        if trial in numbers and step == 2:
            raise NotEnoughMemory("r = 64 does not fit.") if trial % 2 else TrainingFailed("The loss diverged.")

    return Trainings(happens=fail)


def test_trial_that_diverges_or_does_not_fit_is_given_up_and_the_search_goes_on(study: Path) -> None:
    trainings = failing(2, 3, 5)
    with capture_logs() as logs:
        found = search(study, trainings)
    assert len(trainings.configs) == 5
    assert [found.trials[number].state for number in (1, 2, 4)] == [TrialState.PRUNED] * 3
    assert [entry["reason"] for entry in logs if entry["event"] == "tune.trial_failed"] == [
        "The loss diverged.",
        "r = 64 does not fit.",
        "r = 64 does not fit.",
    ]


def test_first_failing_trial_ends_the_search(study: Path) -> None:
    with pytest.raises(NotEnoughMemory, match="does not fit"):
        search(study, failing(1))


def test_three_failing_trials_in_a_row_end_the_search(study: Path) -> None:
    trainings = failing(2, 3, 4)
    with pytest.raises(TrainingFailed, match="diverged"):
        search(study, trainings)
    assert len(trainings.configs) == 4


def test_winner_is_the_source_with_other_values_comments_and_all(study: Path, tmp_path: Path) -> None:
    source = CONFIGS_FOLDER / "train.toml"
    config = read_train_config(source)
    found = search(study, Trainings(), config=config, max_trials=3)
    write_winner(found, source, tmp_path / "new" / "winner.toml")
    text = (tmp_path / "new" / "winner.toml").read_text(encoding="utf-8")
    assert read_train_config(tmp_path / "new" / "winner.toml") == found.config != config
    assert text.splitlines()[0] == (
        f"# Found by `mjprompt tune`: trial {found.best.number} of 3, {found.loss:.4f} nats per answer token."
    )
    comments = [line.partition("#")[2] for line in source.read_text(encoding="utf-8").splitlines() if "#" in line]
    assert len(comments) > 3
    assert all(comment in text for comment in comments)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["winner.toml"]


def test_winner_replaces_an_earlier_winner_and_nothing_else(study: Path, tmp_path: Path) -> None:
    source = CONFIGS_FOLDER / "train.toml"
    found = search(study, Trainings(), config=read_train_config(source), max_trials=2)
    write_winner(found, source, tmp_path / "winner.toml")
    write_winner(found, source, tmp_path / "winner.toml")
    (tmp_path / "own.toml").write_text("# mine\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own\.toml was not written by `mjprompt tune` and is not overwritten"):
        write_winner(found, source, tmp_path / "own.toml")
    assert (tmp_path / "own.toml").read_text(encoding="utf-8") == "# mine\n"


def test_source_that_changed_meanwhile_is_noticed(study: Path, tmp_path: Path) -> None:
    source = tmp_path / "train.toml"
    source.write_bytes((CONFIGS_FOLDER / "train.toml").read_bytes())
    found = search(study, Trainings(), config=read_train_config(source), max_trials=2)
    source.write_text(source.read_text(encoding="utf-8").replace("patience = 4", "patience = 5"), encoding="utf-8")
    with pytest.raises(ConfigError, match="was changed while the search went on"):
        write_winner(found, source, tmp_path / "winner.toml")
    assert not (tmp_path / "winner.toml").exists()
