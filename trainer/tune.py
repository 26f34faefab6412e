"""Search the learning rate, the adapter's shape and the length of training by Optuna, within a time budget.

A trial is a whole training; one that falls behind the others' median is ended early. The study lies in a SQLite file
and goes on where it was, also after kill -9. This module does not know how a trial trains.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import tomlkit
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from core.config_file import read_config
from core.errors import ConfigError, NotEnoughMemory, OutOfMemory, StorageError, TrainingFailed
from core.logs import get_logger
from trainer.train_config import TrainConfig, read_train_config

log = get_logger(__name__)
STUDY = "mjprompt"
MADE_FOR = "made_for"
HEADER = "# Found by `mjprompt tune`"
MAX_FAILURES_IN_A_ROW = 3
_SECTIONS = {"lr": "optimizer", "r": "lora", "lora_alpha": "lora", "epochs": "loop"}

Report = Callable[[int, float], None]  # an optimizer step, and the validation loss there in nats per answer token
TrainTrial = Callable[[TrainConfig, Report], float]  # trains, tells each validation loss, returns the best of them


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """`lr` is a range, searched by its logarithm; of the others one value each is taken."""

    lr: tuple[float, float]
    r: tuple[int, ...]
    lora_alpha: tuple[int, ...]
    epochs: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < self.lr[0] <= self.lr[1] <= 1:
            raise ConfigError(f"lr = {list(self.lr)} is no range; set two numbers, the lower first, within 0 to 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """When a trial may be ended; the steps are the optimizer's."""

    startup_trials: int
    warmup_steps: int

    def __post_init__(self) -> None:
        for name in ("startup_trials", "warmup_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} = {getattr(self, name)} is out of range; set 0 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneConfig:
    """Everything that a search is made of, besides the training configuration that it starts from."""

    seed: int
    space: SearchSpace
    pruning: Pruning


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best of a study: its configuration, its validation loss in nats per answer token, and all trials so far."""

    config: TrainConfig
    loss: float
    best: FrozenTrial
    trials: tuple[FrozenTrial, ...]


def read_tune_config(path: Path) -> TuneConfig:
    """Read `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown, missing, ill-typed or impossible value.
    """
    return read_config(TuneConfig, path)


def tune(
    config: TrainConfig,
    search: TuneConfig,
    train: TrainTrial,
    *,
    study_file: Path,
    made_for: str,
    budget_seconds: float,
    max_trials: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Search for `budget_seconds` from `config` on and return the best trial of the whole study.

    The values of `config` are the first trial. The last trial is ended when the time is over. `made_for` names the data
    and the base model; a study of other ones, or of another configuration, is refused.

    Raises:
        ConfigError: `study_file` belongs to another search, or is no study.
        StorageError: the study cannot be written: a full or read-only disk.
        TrainingFailed: not one trial came to its end in time.
        core.errors.MjpromptError: the first trial failed, or three in a row did.
    """
    deadline = clock() + budget_seconds
    storage = _open_storage(study_file)
    try:
        study = _open_study(storage, config, search, made_for=made_for)
        _requeue_interrupted(study)
        objective = _Objective(config, search.space, train, is_over=lambda: clock() >= deadline)
        study.optimize(objective, n_trials=max_trials, timeout=budget_seconds)
        return _found(study, config)
    except optuna.exceptions.StorageInternalError as error:
        raise StorageError(
            f"The study {study_file} cannot be written; free some disk space or name another --study file. What it "
            "holds is kept."
        ) from error
    finally:
        storage.engine.dispose()


def _open_storage(study_file: Path) -> RDBStorage:
    study_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return RDBStorage(f"sqlite:///{study_file}")
    except Exception as error:  # of the database library, which only storage/ may know
        raise ConfigError(
            f"{study_file} is no study of `mjprompt tune` that can be read or begun; name another --study file."
        ) from error


def _open_study(storage: RDBStorage, config: TrainConfig, search: TuneConfig, *, made_for: str) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=storage, study_name=STUDY, direction="minimize", load_if_exists=True)
    everything = json.dumps([asdict(config), asdict(search), made_for], sort_keys=True)
    identity = hashlib.sha256(everything.encode()).hexdigest()
    known = study.user_attrs.get(MADE_FOR)
    if known is None:
        study.set_user_attr(MADE_FOR, identity)
        study.enqueue_trial(values_of(config))
    elif known != identity:
        raise ConfigError(
            "The study was begun with other data, another base model or other settings, so its trials do not compare; "
            "name another --study file."
        )
    # A sampler with the same seed would draw the same first trials again after each start.
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + len(study.trials))
    study.pruner = optuna.pruners.MedianPruner(
        n_startup_trials=search.pruning.startup_trials, n_warmup_steps=search.pruning.warmup_steps
    )
    return study


def _requeue_interrupted(study: optuna.Study) -> None:
    """Try the trials of a process that died again, first of all."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


class _Objective:
    """Trains one trial; called by Optuna."""

    def __init__(
        self, config: TrainConfig, space: SearchSpace, train: TrainTrial, *, is_over: Callable[[], bool]
    ) -> None:
        self._config, self._space, self._train, self._is_over = config, space, train, is_over
        self._num_failures = 0

    def __call__(self, trial: optuna.Trial) -> float:
        def report(step: int, loss: float) -> None:
            trial.report(loss, step)
            if self._is_over() or trial.should_prune():
                raise optuna.TrialPruned

        values = self._suggest(trial)
        log.info("tune.trial", number=trial.number, **values)
        try:
            loss = self._train(with_values(self._config, values), report)
        except KeyboardInterrupt:
            trial.study.enqueue_trial(values)  # Optuna calls it failed; it goes first next time
            raise
        except (TrainingFailed, NotEnoughMemory, OutOfMemory) as error:
            self._num_failures += 1
            if trial.number == 0 or self._num_failures >= MAX_FAILURES_IN_A_ROW:
                raise
            log.warning("tune.trial_failed", number=trial.number, reason=str(error))
            raise optuna.TrialPruned from error
        self._num_failures = 0
        return loss

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Draw a value for each name; those of the configuration itself are always among the possible ones."""
        space, own = self._space, values_of(self._config)
        return {
            "lr": trial.suggest_float("lr", min(space.lr[0], own["lr"]), max(space.lr[1], own["lr"]), log=True),
            **{
                name: trial.suggest_categorical(name, sorted({*getattr(space, name), own[name]}))
                for name in ("r", "lora_alpha", "epochs")
            },
        }


def values_of(config: TrainConfig) -> dict[str, Any]:
    """Return what is searched, as `config` has it."""
    return {name: getattr(getattr(config, section), name) for name, section in _SECTIONS.items()}


def with_values(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """Return `config` with these values of what is searched."""
    sections: dict[str, Any] = {}
    for name, section in _SECTIONS.items():
        sections[section] = replace(sections.get(section, getattr(config, section)), **{name: values[name]})
    return replace(config, **sections)


def _found(study: optuna.Study, config: TrainConfig) -> Found:
    trials = tuple(study.get_trials())
    if not any(trial.state is TrialState.COMPLETE for trial in trials):
        raise TrainingFailed(
            "Not one trial came to its end in time; give more --minutes, or set fewer epochs. What was tried is kept."
        )
    best = study.best_trial
    return Found(config=with_values(config, best.params), loss=study.best_value, best=best, trials=trials)


def require_own(output: Path) -> None:
    """Refuse to write a winner over anything but an earlier winner.

    Raises:
        ConfigError: `output` is a file that no search wrote.
    """
    if output.exists() and not output.read_bytes().startswith(HEADER.encode()):
        raise ConfigError(f"{output} was not written by `mjprompt tune` and is not overwritten; name another --output.")


def write_winner(found: Found, source: Path, output: Path) -> None:
    """Write `source`, the TOML that the search started from, with the winner's values to `output`, comments and all.

    Raises:
        ConfigError: `output` is a file that no search wrote.
    """
    require_own(output)
    document = tomlkit.parse(source.read_text(encoding="utf-8"))
    for name, section in _SECTIONS.items():
        document[section][name] = found.best.params[name]
    header = f"{HEADER}: trial {found.best.number} of {len(found.trials)}, {found.loss:.4f} nats per answer token.\n"
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = output.with_name(f".{output.name}.part")
    draft.write_text(header + tomlkit.dumps(document), encoding="utf-8")
    if read_train_config(draft) != found.config:
        raise ConfigError(f"{source} was changed while the search went on; its trials are kept, start it again.")
    draft.replace(output)
