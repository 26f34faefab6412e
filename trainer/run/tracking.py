"""Figures for experiment trackers, by accelerate: TensorBoard, trackio, MLflow, Weights & Biases and others by name.

A tracker that fails is left alone from then on, with a warning: it must not cost the training.
"""

from collections.abc import Callable, Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from core.errors import ConfigError
from core.logs import get_logger
from trainer.likelihood import Likelihood
from trainer.run.progress import Moment

log = get_logger(__name__)
PROJECT = "mjprompt"


def choose_tracker(name: str) -> str | None:
    """Return accelerate's name of the tracker to use; None means none, and is what `auto` becomes without TensorBoard.

    Raises:
        ConfigError: accelerate knows no such tracker, or its package is not installed.
    """
    available = {str(tracker.value) for tracker in get_available_trackers()}
    if name == "auto":
        return "tensorboard" if "tensorboard" in available else None
    if name == "none":
        return None
    if name not in LOGGER_TYPE_TO_CLASS:
        known = ", ".join(sorted(LOGGER_TYPE_TO_CLASS))
        raise ConfigError(f"tracker = {name!r} is unknown; take auto, none or one of {known}.")
    if name not in available and _is_accelerates_own(name):
        raise ConfigError(f"tracker = {name!r} needs a package that is not installed; run `pip install {name}`.")
    return name


def _is_accelerates_own(name: str) -> bool:
    return str(LOGGER_TYPE_TO_CLASS[name].__module__).startswith("accelerate.")


class Tracking:
    """Hands the figures to the accelerator's trackers; without any it does nothing."""

    def __init__(self, accelerator: Accelerator, config: Mapping[str, Any], *, run_id: str) -> None:
        self._accelerator = accelerator
        self._is_open = bool(accelerator.log_with)
        self._attempt(lambda: accelerator.init_trackers(PROJECT, config={"run_id": run_id, **flattened(config)}))

    def start(self, *, step: int, num_steps: int) -> None:
        """Nothing is worth a figure yet."""

    def moment(self, moment: Moment) -> None:
        """Hand over one step's figures."""
        progress = moment.progress
        self._log(
            progress.step,
            {
                "train/nats_per_token": moment.loss,
                "train/lr": moment.lr,
                "train/grad_norm": moment.grad_norm,
                "train/tokens_per_second": progress.tokens_per_second,
                "train/memory_bytes": moment.memory_bytes,
            },
        )

    def evaluation(self, measured: Likelihood, *, step: int, is_best: bool) -> None:
        """Hand over what was measured."""
        del is_best
        figures = {"nats_per_token": measured.nats_per_token, "bits_per_byte": measured.bits_per_byte}
        self._log(step, {f"validation/{name}": value for name, value in figures.items()})

    def close(self) -> None:
        """Let the trackers write what they hold."""
        self._attempt(self._accelerator.end_training)

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        self._attempt(lambda: self._accelerator.log(dict(values), step=step))

    def _attempt(self, act: Callable[[], object]) -> None:
        if not self._is_open:
            return
        try:
            act()
        except Exception as error:  # whatever a tracker of somebody else's may raise
            self._is_open = False
            log.warning("tracking.given_up", reason=f"{type(error).__name__}: {error}")


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Return nested settings as `section.name`, with values that every tracker takes."""
    flat: dict[str, str | int | float | bool] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str | int | float | bool) else str(value)
    return flat
