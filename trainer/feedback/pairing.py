"""Pairs of one request's texts, one liked and one not, that differ enough to learn a preference from.

Where siblings differ by few words, a preference loss can lower the liked text's own likelihood (Pal et al. 2024, arXiv
2402.13228, §3), so those pairs are left out. It knows no votes, only verdicts.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from trainer.feedback.verdicts import Label, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The `chosen` text was liked or written by hand, the `rejected` one of the same request disliked."""

    request_id: str
    subject: str
    parameters: str
    chosen: str
    rejected: str
    weight: float
    vote_event_ids: tuple[int, ...]


def preferences(verdicts: Sequence[Verdict], *, min_distance: float) -> tuple[Preference, ...]:
    """Return each request's pairs whose words differ by `min_distance` (0 to 1) or more.

    A pair weighs as much as the lighter of its two verdicts.
    """
    requests: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        requests[verdict.request_id].append(verdict)
    return tuple(
        _preference(chosen, rejected)
        for own in requests.values()
        for chosen, rejected in product(_of(own, is_disliked=False), _of(own, is_disliked=True))
        if edit_distance_share(chosen.prompt, rejected.prompt) >= max(min_distance, 1e-9)
    )


def edit_distance_share(first: str, second: str) -> float:
    """Return the least insertions, deletions and changes of words (Levenshtein 1966) over the longer text's words."""
    left, right = first.lower().split(), second.lower().split()
    row = list(range(len(right) + 1))
    for line, word in enumerate(left, start=1):
        diagonal, row[0] = row[0], line
        for column, other in enumerate(right, start=1):
            best = min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
            diagonal, row[column] = row[column], best
    return row[-1] / max(len(left), len(right), 1)


def _of(verdicts: Sequence[Verdict], *, is_disliked: bool) -> list[Verdict]:
    return [verdict for verdict in verdicts if (verdict.label is Label.DISLIKED) == is_disliked]


def _preference(chosen: Verdict, rejected: Verdict) -> Preference:
    return Preference(
        request_id=chosen.request_id,
        subject=chosen.subject,
        parameters=chosen.parameters,
        chosen=chosen.prompt,
        rejected=rejected.prompt,
        weight=min(chosen.weight, rejected.weight),
        vote_event_ids=tuple(dict.fromkeys((*chosen.vote_event_ids, *rejected.vote_event_ids))),
    )
