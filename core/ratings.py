"""What people thought of the prompts that they were shown, as storage/ hands it to trainer/.

Everybody in here has agreed to be learned from. A rater is known by their user id alone.
"""

from dataclasses import dataclass
from datetime import datetime

from core.records import Thumb


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One person's standing thumb on one prompt; `vote_event_id` is the press that it stands for.

    `rater_since` is when the person was first seen, `pressed_at` when they pressed, both in UTC.
    """

    vote_event_id: int
    rater: str
    rater_since: datetime
    pressed_at: datetime
    thumb: Thumb


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A better prompt that a person wrote in place of the one shown; `vote_event_id` is their last press there."""

    vote_event_id: int
    rater: str
    rater_since: datetime
    written_at: datetime
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPrompt:
    """One prompt that was shown, with everybody's opinion on it; at least one rating or correction.

    `rank` is its place in the answer, from 1; `num_shown` counts the prompts of that answer. `parameters` are the
    asker's own, which stand in the prompt as well. `adapter` wrote it (None: the base alone), `score` is its mean
    log-probability per token in nats. `asker` is the user id of whose idea it was.
    """

    candidate_id: str
    request_id: str
    asker: str
    subject: str
    prompt: str
    parameters: str
    rank: int
    num_shown: int
    adapter: str | None
    score: float
    ratings: tuple[Rating, ...] = ()
    corrections: tuple[Correction, ...] = ()
