"""Figures for experiment trackers: the right ones, by name, and never at the cost of the training."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers, register_tracker_class
from structlog.testing import capture_logs

from core.errors import ConfigError
from tests.trainer.test_progress import MEASURED, MOMENT
from tests.trainer.toy_learner import toy_config
from trainer.run.tracking import Tracking, choose_tracker, flattened


class Notebook(GeneralTracker):
    """A tracker that writes nowhere."""

    name = "notebook"
    requires_logging_directory = False

    def __init__(self, run_name: str, **_: Any) -> None:
        super().__init__()
        self.run_name = run_name
        self.config: dict[str, Any] = {}
        self.lines: list[tuple[int | None, dict[str, Any]]] = []
        self.is_finished = False

    @property
    def tracker(self) -> list[tuple[int | None, dict[str, Any]]]:
        return self.lines

    def start(self) -> None:
        pass

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.config = values

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        self.lines.append((step, values))

    def finish(self) -> None:
        self.is_finished = True


class Torn(Notebook):
    """A tracker that fails at the first figures."""

    name = "torn"

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        super().log(values, step)
        raise ConnectionError("nobody there")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for kind in (Notebook, Torn):
        register_tracker_class(kind)
    yield
    for kind in (Notebook, Torn):
        del LOGGER_TYPE_TO_CLASS[kind.name]


def track(name: str) -> tuple[Tracking, Notebook]:
    accelerator = Accelerator(cpu=True, log_with=choose_tracker(name))
    tracking = Tracking(accelerator, asdict(toy_config()), run_id="run")
    (tracker,) = accelerator.trackers
    assert isinstance(tracker, Notebook)
    return tracking, tracker


def test_tracker_by_name_gets_settings_steps_and_evaluations() -> None:
    tracking, notebook = track("notebook")
    tracking.start(step=0, num_steps=10)
    tracking.moment(MOMENT)
    tracking.evaluation(MEASURED, step=3, is_best=True)
    tracking.close()
    assert notebook.run_name == "mjprompt"
    assert (notebook.config["run_id"], notebook.config["lora.r"]) == ("run", 2)
    assert notebook.lines == [
        (
            3,
            {
                "train/nats_per_token": 2.0,
                "train/lr": 1.23456e-4,
                "train/grad_norm": 0.5,
                "train/tokens_per_second": 1234.5,
                "train/memory_bytes": 3 * 2**29,
            },
        ),
        (3, {"validation/nats_per_token": 2.0, "validation/bits_per_byte": MEASURED.bits_per_byte}),
    ]
    assert notebook.is_finished


def test_tracker_that_fails_is_left_alone_with_one_warning() -> None:
    tracking, torn = track("torn")
    with capture_logs() as logs:
        for _ in range(3):
            tracking.moment(MOMENT)
        tracking.close()
    assert len(torn.lines) == 1
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("tracking.given_up", "ConnectionError: nobody there")
    ]


@pytest.mark.parametrize("name", ["none", "auto"])
def test_no_tracker_is_no_trouble(name: str, tmp_path: Path) -> None:
    is_there = "tensorboard" in {tracker.value for tracker in get_available_trackers()}
    assert choose_tracker(name) == ("tensorboard" if is_there and name == "auto" else None)
    tracking = Tracking(Accelerator(cpu=True), asdict(toy_config()), run_id="run")
    tracking.moment(MOMENT)
    tracking.close()


def test_unknown_tracker_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"tracker = 'diary' is unknown; take auto, none or one of .*mlflow.*trackio"):
        choose_tracker("diary")


def test_tracker_that_is_not_installed_says_what_to_install() -> None:
    missing = {"trackio", "mlflow", "wandb", "tensorboard"} - {str(one.value) for one in get_available_trackers()}
    assert missing, "at least one of them is not installed where tests run"
    for name in missing:
        with pytest.raises(ConfigError, match=f"needs a package that is not installed; run `pip install {name}`"):
            choose_tracker(name)


def test_settings_become_one_level_of_plain_values() -> None:
    assert flattened({"a": 1, "b": {"c": None, "d": {"e": True}}, "f": [1, 2], "g": "x"}) == {
        "a": 1,
        "b.c": "None",
        "b.d.e": True,
        "f": "[1, 2]",
        "g": "x",
    }
