"""Thresholds for what counts as a vote, as configs/cycle.toml has them under `[feedback]`; it knows no votes."""

from dataclasses import dataclass

from core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackConfig:
    """Whose votes count and how much.

    `min_raters` is the quorum of a prompt. `max_rater_share` of all votes, or `min_rater_cap` where that is
    more, is the most that one person has of a label. `quarantine_hours`, `max_burst_votes` and
    `max_contrarian_agreement` switch their rule off with 0. More than `max_burst_votes` within `burst_seconds` are a
    burst. A contrarian opposes the community with `min_contrarian_chance` or more, and agrees with it on no more than
    `max_contrarian_agreement` of what they liked and disliked. `max_p` is the highest
    error probability at which a rule calls a person or a rank unusual. `min_pair_distance` is the share of words in
    which the two sides of a pair have to differ.
    """

    min_raters: int = 1
    max_rater_share: float = 0.05
    min_rater_cap: int = 5
    quarantine_hours: float = 24.0
    max_burst_votes: int = 12
    burst_seconds: float = 20.0
    min_serial_votes: int = 20
    min_serial_share: float = 0.95
    min_contrarian_votes: int = 10
    max_contrarian_agreement: float = 0.34
    min_contrarian_chance: float = 0.95
    max_p: float = 0.001
    min_rank_votes: int = 40
    min_pair_distance: float = 0.2

    def __post_init__(self) -> None:
        for name in ("min_raters", "min_rater_cap", "min_serial_votes", "min_contrarian_votes", "min_rank_votes"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "set 1 or more")
        for name in ("quarantine_hours", "max_burst_votes", "burst_seconds"):
            _require(0 <= getattr(self, name) < 1e6, name, getattr(self, name), "set 0 or more")
        for name in ("max_rater_share", "min_serial_share"):
            _require(0 < getattr(self, name) <= 1, name, getattr(self, name), "set more than 0, at most 1")
        agreement = self.max_contrarian_agreement
        _require(0 <= agreement < 0.5, "max_contrarian_agreement", agreement, "set 0 or more, less than 0.5")
        chance = self.min_contrarian_chance
        _require(0.5 < chance < 1, "min_contrarian_chance", chance, "set more than 0.5, less than 1")
        _require(0 <= self.min_pair_distance <= 1, "min_pair_distance", self.min_pair_distance, "set 0 to 1")
        _require(0 < self.max_p < 0.1, "max_p", self.max_p, "set more than 0, less than 0.1")


def _require(is_possible: bool, name: str, value: object, cure: str) -> None:
    if not is_possible:  # a comparison with NaN is false, so NaN never passes
        raise ConfigError(f"{name} = {value!r} is out of range; {cure}.")
