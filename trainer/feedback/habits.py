"""Presses that say little by their timing or sameness: new accounts, bursts, always the same thumb.

It knows no text: what people like is the business of contrarians.py and phrases.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.significance import binomial_tail
from trainer.feedback.vote import Vote, by_rater


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialVoter:
    """Somebody who presses one thumb (nearly) always; `others_share` is how often all others press that thumb."""

    rater: str
    num_same: int
    num_votes: int
    others_share: float
    is_up: bool
    p: float


def is_quarantined(vote: Vote, config: FeedbackConfig, *, now: datetime) -> bool:
    """Say whether the rater is too new; a first sight in the future, by a clock that jumped, is too new as well."""
    return now - vote.rater_since < timedelta(hours=config.quarantine_hours)


def bursts(votes: Sequence[Vote], config: FeedbackConfig) -> set[int]:
    """Return the vote event ids that stand in a burst of one person's presses, given in the order of the presses."""
    found: set[int] = set()
    limit, span = config.max_burst_votes, timedelta(seconds=config.burst_seconds)
    for own in by_rater(votes).values() if limit else ():
        presses = sorted({vote.vote_event_id: vote.pressed_at for vote in own}.items(), key=lambda press: press[1])
        for start in range(len(presses) - limit):
            if presses[start + limit][1] - presses[start][1] <= span:
                found.update(event for event, _ in presses[start : start + limit + 1])
    return found


def serial_voters(votes: Sequence[Vote], config: FeedbackConfig) -> list[SerialVoter]:
    """Return the people whose sameness is no chance by all others' votes (binomial), of which there are enough."""
    people = by_rater(votes)
    total_up = sum(vote.is_up for vote in votes)
    found = [_sameness(rater, own, len(votes), total_up) for rater, own in people.items()]
    return [
        each
        for each in found
        if min(each.num_votes, len(votes) - each.num_votes) >= config.min_serial_votes
        and each.num_same >= config.min_serial_share * each.num_votes
        and each.p < config.max_p
    ]


def _sameness(rater: str, own: Sequence[Vote], total: int, total_up: int) -> SerialVoter:
    num_up = sum(vote.is_up for vote in own)
    is_up = 2 * num_up >= len(own)
    others, others_up = total - len(own), total_up - num_up
    others_same = others_up if is_up else others - others_up
    share = (others_same + 1) / (others + 2)
    num_same = num_up if is_up else len(own) - num_up
    return SerialVoter(
        rater=rater,
        num_same=num_same,
        num_votes=len(own),
        others_share=share,
        is_up=is_up,
        p=binomial_tail(num_same, len(own), share),
    )
