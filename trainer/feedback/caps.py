"""No person has more than a share of what is learned from; it knows no other rule.

What is imitated (likes and corrections) and what is avoided have a cap each, so that dislikes cannot buy room for
likes. Of too many votes those stay that a stable hash puts first, in turns over the requests: which ones cannot be
chosen by the voter, and many ideas stay rather than all of a few.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.feedback.feedback_config import FeedbackConfig
from trainer.feedback.vote import Vote, by_rater

LIKED, DISLIKED = "liked", "disliked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capping:
    """The votes within the caps in their order, the caps themselves, and how many people reached one."""

    votes: tuple[Vote, ...]
    max_votes: dict[str, int]
    num_raters: int


def capped(votes: Sequence[Vote], config: FeedbackConfig) -> Capping:
    """Return, of each label, at most the larger of `min_rater_cap` and `max_rater_share` of all votes for one person.

    The share is of the votes before the cap: with few people there is no set in which everybody is within it.
    """
    dropped: set[tuple[int, bool]] = set()
    max_votes: dict[str, int] = {}
    people: set[str] = set()
    limit = max(config.min_rater_cap, int(config.max_rater_share * len(votes)))
    for label, is_up in ((LIKED, True), (DISLIKED, False)):
        of_label = [vote for vote in votes if vote.is_up == is_up]
        max_votes[label] = limit
        for rater, own in by_rater(of_label).items():
            surplus = _in_turns(own)[limit:]
            dropped.update(_key(vote) for vote in surplus)
            people.update([rater] if surplus else [])
    kept = tuple(vote for vote in votes if _key(vote) not in dropped)
    return Capping(votes=kept, max_votes=max_votes, num_raters=len(people))


def _key(vote: Vote) -> tuple[int, bool]:
    return vote.vote_event_id, vote.is_correction  # one press stands for a thumb and for the correction after it


def _in_turns(votes: Sequence[Vote]) -> list[Vote]:
    """Return the votes so that each request has had its first before any has its second."""
    seen: defaultdict[str, int] = defaultdict(int)
    turns: list[tuple[int, bytes, Vote]] = []
    for vote in sorted(votes, key=_hash):
        turns.append((seen[vote.request_id], _hash(vote), vote))
        seen[vote.request_id] += 1
    return [vote for _, _, vote in sorted(turns, key=lambda turn: turn[:2])]


def _hash(vote: Vote) -> bytes:
    return hashlib.sha256(f"{vote.candidate_id} {vote.vote_event_id} {vote.is_correction}".encode()).digest()
