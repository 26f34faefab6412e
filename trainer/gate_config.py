"""What a new adapter has to keep and to reach before people see it: configs/gate.toml as frozen dataclasses.

It knows no figures. Shares are 0 to 1; a fall or a rise is a difference of shares unless its name says otherwise.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core.config_file import read_config
from core.errors import ConfigError


def _require(is_possible: bool, name: str, value: object, cure: str) -> None:
    if not is_possible:  # a comparison with NaN is false, so NaN never passes
        raise ConfigError(f"{name} = {value!r} is out of range; {cure}.")


def _require_shares(section: Any) -> None:
    for field in fields(section):
        value = getattr(section, field.name)
        _require(0 <= value <= 1, field.name, value, "set 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LossBounds:
    """How much the loss on held-out data may rise, as a share of what serves; `confidence` is of the bound shown."""

    max_rise_share: float = 0.01
    confidence: float = 0.95

    def __post_init__(self) -> None:
        _require(0 <= self.max_rise_share <= 1, "max_rise_share", self.max_rise_share, "set 0 to 1")
        _require(0.5 <= self.confidence < 1, "confidence", self.confidence, "set 0.5 or more, less than 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingBounds:
    """What the judged prompts that were held out have to say.

    With `confidence` the adapter must rank liked above disliked more often than the base does. Where another adapter
    serves, the change from it to the new one must favour liked prompts in at least 0.5 - `max_shift_fall` of all
    comparisons. Set `min_auc_gain` to ask moreover, with the same confidence, for so much more AUC than the adapter
    that serves. Fewer than `min_rated` prompts fail, unless `is_needed` is false.
    """

    confidence: float = 0.995
    min_rated: int = 40
    max_shift_fall: float = 0.03
    min_auc_gain: float | None = None
    is_needed: bool = True

    def __post_init__(self) -> None:
        _require(0.5 <= self.confidence < 1, "confidence", self.confidence, "set 0.5 or more, less than 1")
        _require(self.min_rated >= 2, "min_rated", self.min_rated, "set 2 or more")
        _require(0 <= self.max_shift_fall <= 0.5, "max_shift_fall", self.max_shift_fall, "set 0 to 0.5")
        gain = self.min_auc_gain
        _require(gain is None or -1 <= gain <= 1, "min_auc_gain", gain, "set -1 to 1, or leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityBounds:
    """How much less varied candidates may become; the falls are shares of what serves."""

    max_jaccard_fall_share: float = 0.1
    max_distinct_2_fall_share: float = 0.15
    max_self_bleu_rise: float = 0.05

    def __post_init__(self) -> None:
        _require_shares(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBounds:
    """How much worse formed candidates may become."""

    max_valid_fall: float = 0.03
    max_full_fall: float = 0.05
    max_subject_fall: float = 0.03
    max_eos_fall: float = 0.05
    max_repeated_rise: float = 0.05
    max_copied_rise: float = 0.05

    def __post_init__(self) -> None:
        _require_shares(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyBounds:
    """How many times as long as now a person may wait, at the 95th percentile."""

    max_p95_ratio: float = 2.0

    def __post_init__(self) -> None:
        _require(1 <= self.max_p95_ratio <= 100, "max_p95_ratio", self.max_p95_ratio, "set 1 to 100")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Everything that the gate compares by."""

    loss: LossBounds = LossBounds()
    ranking: RankingBounds = RankingBounds()
    diversity: DiversityBounds = DiversityBounds()
    answers: AnswerBounds = AnswerBounds()
    latency: LatencyBounds = LatencyBounds()


def read_gate_config(path: Path) -> GateConfig:
    """Read `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, or has an unknown, ill-typed or impossible value.
    """
    return read_config(GateConfig, path)
