"""When a cycle starts by itself: after enough new votes, after a pause, in quiet hours.

Pure decisions on a moment that is given. It knows no clock, no database and no operator.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

from core.errors import ConfigError

_HOURS = re.compile(r"\A([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """When cycles start by themselves, and what a person's wish to be forgotten does to adapters.

    `quiet_hours` is a span such as `02:00-06:00` in the server's local time, which may pass midnight; empty means any
    time. `on_forget` lists the adapters that learned from a forgotten person, or retires them.
    """

    is_automatic: bool = False
    min_new_votes: int = 200
    pause_hours: float = 20.0
    quiet_hours: str = "02:00-06:00"
    on_forget: Literal["list", "retire"] = "list"

    def __post_init__(self) -> None:
        if self.min_new_votes < 1:
            raise ConfigError(f"min_new_votes = {self.min_new_votes} is out of range; set 1 or more.")
        if not 0 <= self.pause_hours <= 8760:  # a comparison with NaN is false, so NaN never passes
            raise ConfigError(f"pause_hours = {self.pause_hours} is out of range; set 0 to 8760.")
        _span(self.quiet_hours)


def is_due(
    config: PolicyConfig,
    *,
    now_local: datetime,
    last_cycle_at: datetime | None,
    num_new_votes: int,
    has_open_cycle: bool,
) -> str | None:
    """Return the reason to start a cycle now, as a sentence; None means to wait.

    Both moments are aware. A last cycle in the future means that the clock jumped: within the pause it is waited for,
    beyond it the moment is not believed, so no jump holds cycles up for longer than twice the pause.
    """
    if not config.is_automatic or has_open_cycle or num_new_votes < config.min_new_votes:
        return None
    if not is_quiet(config.quiet_hours, now_local.time()):
        return None
    if last_cycle_at is not None and abs(now_local - last_cycle_at) < timedelta(hours=config.pause_hours):
        return None
    return f"{num_new_votes} new votes came in since the last cycle, and {config.min_new_votes} are enough."


def is_quiet(quiet_hours: str, at: time) -> bool:
    """Say whether a local time of day lies in the span, its end excluded.

    Raises:
        ConfigError: the span is not of the form `02:00-06:00`.
    """
    span = _span(quiet_hours)
    if span is None:
        return True
    start, end = span
    return start <= at < end if start < end else at >= start or at < end


def _span(quiet_hours: str) -> tuple[time, time] | None:
    if not quiet_hours:
        return None
    match = _HOURS.match(quiet_hours)
    if match is None or match[0][:5] == match[0][6:]:
        raise ConfigError(
            f"quiet_hours = {quiet_hours!r} is no span of hours; write it as 02:00-06:00, or leave it empty."
        )
    hours = [int(part) for part in match.groups()]
    return time(hours[0], hours[1]), time(hours[2], hours[3])
