"""One counted opinion, flat: who pressed what on which prompt, and how the prompt reads.

It knows no rule about whose opinion counts.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.parameters import parse
from core.ratings import RatedPrompt
from core.records import Thumb

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001 - the apostrophe that phones type

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's opinion of one text; a correction is a liking of the text that its author wrote.

    `own_words` and `subject_words` are in lower case and in order; the first are what the prompt says beyond its
    subject. `parameters` are as typed, such as `--ar 16:9`.
    """

    vote_event_id: int
    candidate_id: str
    request_id: str
    rater: str
    rater_since: datetime
    pressed_at: datetime
    is_up: bool
    is_correction: bool
    rank: int
    words: Words
    own_words: Words
    parameters: tuple[str, ...]


def votes_of(rated: Sequence[RatedPrompt]) -> list[Vote]:
    """Return every opinion in the order of the presses; those of one prompt share its words."""
    found = [vote for prompt in rated for vote in _votes_on(prompt)]
    return sorted(found, key=lambda vote: (vote.pressed_at, vote.vote_event_id, vote.is_correction))


def by_rater(votes: Iterable[Vote]) -> dict[str, list[Vote]]:
    """Return the votes of each person, people in the order of their first vote."""
    found: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        found[vote.rater].append(vote)
    return dict(found)


def words_of(text: str) -> Words:
    """Return the words of a text in lower case and in order."""
    return tuple(_WORD.findall(text.lower()))


def _votes_on(rated: RatedPrompt) -> Iterable[Vote]:
    shown = _reading(rated.prompt, rated.subject)
    for rating in rated.ratings:
        yield Vote(
            vote_event_id=rating.vote_event_id,
            candidate_id=rated.candidate_id,
            request_id=rated.request_id,
            rater=rating.rater,
            rater_since=rating.rater_since,
            pressed_at=rating.pressed_at,
            is_up=rating.thumb is Thumb.UP,
            is_correction=False,
            rank=rated.rank,
            words=shown[0],
            own_words=shown[1],
            parameters=shown[2],
        )
    for correction in rated.corrections:
        words, own_words, parameters = _reading(correction.prompt, rated.subject)
        yield Vote(
            vote_event_id=correction.vote_event_id,
            candidate_id=rated.candidate_id,
            request_id=rated.request_id,
            rater=correction.rater,
            rater_since=correction.rater_since,
            pressed_at=correction.written_at,
            is_up=True,
            is_correction=True,
            rank=rated.rank,
            words=words,
            own_words=own_words,
            parameters=parameters,
        )


def _reading(prompt: str, subject: str) -> tuple[Words, Words, tuple[str, ...]]:
    parsed = parse(prompt)
    words, asked = words_of(parsed.text), words_of(subject)
    own_words = words[len(asked) :] if asked and words[: len(asked)] == asked else words
    parameters = tuple(f"--{each.name} {' '.join(each.values)}".strip() for each in parsed.parameters)
    return words, own_words, parameters
