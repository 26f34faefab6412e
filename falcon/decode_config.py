"""Decoding settings: configs/decode.toml to frozen dataclasses; an unknown or missing key is an error."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

from core.config_file import read_config
from core.errors import ConfigError

MAX_ROWS = 128  # beams of one request


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSearch:
    """The search; penalties are in nats, lengths in tokens."""

    num_beams: int
    num_beam_groups: int
    diversity_penalty: float
    word_repetition_penalty: float
    length_penalty: float
    no_repeat_ngram_size: int
    min_new_tokens: int
    max_new_tokens: int
    early_stopping: bool
    bad_words: list[str]

    def __post_init__(self) -> None:
        for name in ("diversity_penalty", "word_repetition_penalty", "length_penalty"):
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name != "length_penalty"):
                raise ConfigError(f"{name} = {value} is out of range; set a finite number, 0 or more for a penalty.")
        if self.num_beams * self.num_beam_groups > MAX_ROWS:
            raise ConfigError(
                f"num_beams = {self.num_beams} times num_beam_groups = {self.num_beam_groups} is too much for one "
                f"request; keep the product within {MAX_ROWS}."
            )
        for name in ("num_beams", "num_beam_groups", "max_new_tokens"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} is too small; set 1 or more.")
        if not 0 <= self.min_new_tokens < self.max_new_tokens:
            raise ConfigError(
                f"min_new_tokens = {self.min_new_tokens} must lie between 0 and max_new_tokens = "
                f"{self.max_new_tokens}, which it must not reach."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How the offered candidates are chosen from all beams."""

    min_distance: float
    distance_weight: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.distance_weight):
            raise ConfigError(f"distance_weight = {self.distance_weight} is out of range; set a finite number.")
        if not 0 <= self.min_distance <= 1:
            raise ConfigError(f"min_distance = {self.min_distance} is out of range; set 0 to 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeConfig:
    """All decoding settings."""

    beam_search: BeamSearch
    selection: Selection

    def as_dict(self) -> dict[str, object]:
        """Return the settings as plain values, to be stored beside each candidate."""
        return asdict(self)


def read_decode_config(path: Path) -> DecodeConfig:
    """Read `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown or missing key, or an impossible value.
    """
    return read_config(DecodeConfig, path)
