"""When a canary ends, and how: the votes on both sides become one decision.

The votes may be looked at after each press, since the test is valid at every look. It knows no clock, no table and
nobody who votes: callers bring the tallies, and how long the canary has been going on.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.cycles import Tally
from core.errors import ConfigError
from trainer.statistics import mixture_likelihood_ratio, share_difference_upper_bound

SECONDS_PER_DAY = 86_400.0


def _require(is_possible: bool, name: str, value: object, cure: str) -> None:
    if not is_possible:  # a comparison with NaN is false, so NaN never passes
        raise ConfigError(f"{name} = {value!r} is out of range; {cure}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryConfig:
    """How a canary is run and decided; shares and drops are 0 to 1.

    `share` of the requests are answered by the challenger. Nothing is decided below `min_votes` on each side; no more
    than `max_votes` on both together, or `max_days`, are waited for. `alpha` is the risk of the always-valid test, and
    `tau` the difference of liked shares that it is made for. A share lower by `max_drop` ends the canary as soon as it
    is lower at all with confidence 1 - alpha. Where votes or days run out, a challenger lower by no more than
    `end_margin` is promoted; `without_votes` is for days that ran out below `min_votes`. One person's votes beyond
    `max_votes_per_rater` on a side stay out of its tally, which callers see to.
    """

    share: float = 0.2
    min_votes: int = 40
    max_votes: int = 400
    max_days: float = 7.0
    alpha: float = 0.05
    tau: float = 0.1
    max_drop: float = 0.1
    end_margin: float = 0.02
    max_votes_per_rater: int = 20
    without_votes: Literal["promote", "reject"] = "promote"

    def __post_init__(self) -> None:
        _require(0 < self.share <= 0.5, "share", self.share, "set more than 0, at most 0.5")
        _require(self.min_votes >= 1, "min_votes", self.min_votes, "set 1 or more")
        least = 2 * self.min_votes
        _require(self.max_votes >= least, "max_votes", self.max_votes, f"set {least} or more, twice min_votes")
        _require(0 < self.max_days <= 365, "max_days", self.max_days, "set more than 0, at most 365")
        _require(0 < self.alpha <= 0.5, "alpha", self.alpha, "set more than 0, at most 0.5")
        _require(0 < self.tau <= 1, "tau", self.tau, "set more than 0, at most 1")
        _require(0 < self.max_drop <= 1, "max_drop", self.max_drop, "set more than 0, at most 1")
        _require(0 <= self.end_margin <= 1, "end_margin", self.end_margin, "set 0 to 1")
        _require(self.max_votes_per_rater >= 1, "max_votes_per_rater", self.max_votes_per_rater, "set 1 or more")


class DecisionKind(StrEnum):
    """What is to be done with a canary now."""

    CONTINUE = "continue"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, and why in one sentence."""

    kind: DecisionKind
    sentence: str


def decide(champion: Tally, challenger: Tally, *, elapsed_seconds: float, config: CanaryConfig) -> Decision:
    """Decide a canary by its votes so far; a clock that went back counts as no time at all."""
    is_time_up = max(elapsed_seconds, 0.0) >= config.max_days * SECONDS_PER_DAY
    if min(champion.num_votes, challenger.num_votes) >= config.min_votes:
        return _decide_by_votes(champion, challenger, is_time_up=is_time_up, config=config)
    if is_time_up:
        return _decide_with_few_votes(champion, challenger, config)
    votes = f"{challenger.num_votes} votes on the canary and {champion.num_votes} on what serves so far"
    return _continue(f"{votes}; each side needs {config.min_votes}")


def _decide_by_votes(champion: Tally, challenger: Tally, *, is_time_up: bool, config: CanaryConfig) -> Decision:
    shares, rise = _shares_in_words(champion, challenger), _rise(champion, challenger)
    if _is_different(champion, challenger, config):
        return _promote(f"{shares}: better beyond chance") if rise > 0 else _roll_back(f"{shares}: worse beyond chance")
    if _has_dropped(champion, challenger, config):
        return _roll_back(f"{shares}: a drop of {100 * config.max_drop:.0f} points or more")
    if not is_time_up and champion.num_votes + challenger.num_votes < config.max_votes:
        return _continue(f"{shares}: too close to tell so far")
    ended = "its days ran out" if is_time_up else "all its votes are in"
    if rise >= -config.end_margin:
        return _promote(f"{shares}: not worse when {ended}")
    return _roll_back(f"{shares}: lower when {ended}")


def _decide_with_few_votes(champion: Tally, challenger: Tally, config: CanaryConfig) -> Decision:
    """Decide where days ran out; silence on the challenger alone is a sign that its answers never arrived."""
    votes = f"Only {challenger.num_votes} votes on the canary and {champion.num_votes} on what serves came in time"
    if not challenger.num_votes and champion.num_votes >= config.min_votes:
        return _roll_back(f"{votes}, as if nobody had seen its prompts")
    if _has_dropped(champion, challenger, config):
        return _roll_back(f"{_shares_in_words(champion, challenger)}: a drop, though of few votes")
    if config.without_votes == "promote":
        return _promote(f"{votes}; the gate's word stands")
    return _roll_back(f"{votes}; without votes nothing is promoted")


def _is_different(champion: Tally, challenger: Tally, config: CanaryConfig) -> bool:
    ratio = mixture_likelihood_ratio(
        champion.num_up, champion.num_votes, challenger.num_up, challenger.num_votes, tau=config.tau
    )
    return ratio >= 1 / config.alpha


def _has_dropped(champion: Tally, challenger: Tally, config: CanaryConfig) -> bool:
    if not champion.num_votes or not challenger.num_votes or _rise(champion, challenger) > -config.max_drop:
        return False
    bound = share_difference_upper_bound(
        champion.num_up, champion.num_votes, challenger.num_up, challenger.num_votes, confidence=1 - config.alpha
    )
    return bound < 0


def _rise(champion: Tally, challenger: Tally) -> float:
    return (challenger.liked_share or 0.0) - (champion.liked_share or 0.0)


def _shares_in_words(champion: Tally, challenger: Tally) -> str:
    new, old = 100 * (challenger.liked_share or 0.0), 100 * (champion.liked_share or 0.0)
    votes = f"({challenger.num_votes} and {champion.num_votes} votes)"
    return f"Liked share in the canary {new:.0f} % against {old:.0f} % {votes}"


def _continue(reason: str) -> Decision:
    return Decision(kind=DecisionKind.CONTINUE, sentence=f"{reason}.")


def _promote(reason: str) -> Decision:
    return Decision(kind=DecisionKind.PROMOTE, sentence=f"{reason}.")


def _roll_back(reason: str) -> Decision:
    return Decision(kind=DecisionKind.ROLL_BACK, sentence=f"{reason}.")
