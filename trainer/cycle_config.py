"""Everything that decides about a cycle of learning from votes: configs/cycle.toml as frozen dataclasses.

Each part is defined beside what it steers; here they only come together. It knows no votes and no model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.config_file import build_config, read_config
from core.errors import ConfigError
from core.settings import PROJECT_ROOT
from trainer.canary import CanaryConfig
from trainer.cycle.room import SharingConfig
from trainer.feedback.feedback_config import FeedbackConfig
from trainer.objective import ObjectiveConfig
from trainer.policy import PolicyConfig

CYCLE_CONFIG = PROJECT_ROOT / "configs" / "cycle.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What a cycle learns from besides votes, and how; the rest is in its recipe (configs/train_cycle*.toml).

    `replay` says where the base data comes from that keeps the model from forgetting: the `recipe`'s sources, or the
    base model's `own` answers to plain ideas, `replay_rounds` each; `auto` takes those for the pocket. An epoch sees
    each of them `replay_weight` times and each liked or corrected prompt `rated_weight` times. `held_out_share` of the
    rated subjects only measure, and `num_subjects` ideas are answered by both sides for the gate.
    """

    replay: Literal["auto", "own", "recipe"] = "auto"
    replay_rounds: int = 2
    replay_weight: float = 0.4
    rated_weight: float = 1.0
    held_out_share: float = 0.3
    num_subjects: int = 32

    def __post_init__(self) -> None:
        for name, high in (
            ("replay_weight", 100.0),
            ("rated_weight", 100.0),
            ("held_out_share", 0.5),
        ):
            value = getattr(self, name)
            if not 0 <= value <= high:  # a comparison with NaN is false, so NaN never passes
                raise ConfigError(f"{name} = {value!r} is out of range; set 0 to {high:g}.")
        for name in ("num_subjects", "replay_rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} is out of range; set 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleConfig:
    """The sections of configs/cycle.toml; a file has all of them, each with what it wants otherwise than usual."""

    feedback: FeedbackConfig = field(default_factory=FeedbackConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    canary: CanaryConfig = field(default_factory=CanaryConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    sharing: SharingConfig = field(default_factory=SharingConfig)


def read_cycle_config(path: Path = CYCLE_CONFIG) -> CycleConfig:
    """Read `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown, ill-typed or impossible value.
    """
    return read_config(CycleConfig, path)


def cycle_config_of(table: Mapping[str, Any], *, where: str) -> CycleConfig:
    """Return the configuration that `dataclasses.asdict` made `table` of, for a cycle that goes on.

    Raises:
        ConfigError: another version of this program made it.
    """
    return build_config(CycleConfig, table, where=where)
