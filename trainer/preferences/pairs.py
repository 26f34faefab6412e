"""What a run learns of people's opinions, as pairs of texts: the pairs that were rated, and those that were preferred.

All of them are clean and tell nothing about the held-out side. It knows no tokens and no model.
"""

from dataclasses import dataclass

from trainer.pairs import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPair:
    """A pair that people liked or disliked; `weight` is how often it counts."""

    pair: Pair
    is_liked: bool
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredPair:
    """Two pairs of one subject, of which people preferred one; `weight` is how often it counts."""

    chosen: Pair
    rejected: Pair
    weight: float


@dataclass(frozen=True, slots=True, order=True)
class UsedVote:
    """A press of a thumb, what it said of an example (`label`), and the SHA-256 of that example in hexadecimal."""

    vote_event_id: int
    label: str
    example: str
