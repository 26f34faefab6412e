"""What people thought of one prompt, as storage/ hands it to trainer/."""

from dataclasses import dataclass
from enum import StrEnum


class RatedOrigin(StrEnum):
    """Who wrote the prompt of a rated pair."""

    VOTE = "vote"  # the model; people put their thumbs to it
    CORRECTION = "correction"  # a person, as a better prompt than the model's


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPair:
    """A subject, a prompt for it, and the opinions of people who all let the bot learn from them.

    `parameters` are the asker's own, which stand in the prompt as well. `vote_event_ids` are the presses that the pair
    came from, in order, so that a run can say what it learned from. A correction counts as one thumb up by its author.
    `weight` is how much its opinions are worth, 1 where nobody weighed them.
    """

    subject: str
    prompt: str
    parameters: str
    origin: RatedOrigin
    num_up: int
    num_down: int
    vote_event_ids: tuple[int, ...]
    weight: float = 1.0

    @property
    def is_liked(self) -> bool:
        """Say whether more people liked than disliked it."""
        return self.num_up > self.num_down


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredPrompt:
    """Two prompts of one request, of which people preferred `chosen`; the rest is as in `RatedPair`."""

    subject: str
    parameters: str
    chosen: str
    rejected: str
    vote_event_ids: tuple[int, ...]
    weight: float = 1.0
