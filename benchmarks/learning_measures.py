"""The figures of a simulation of learning, from answers and from a cycle as it stands in the database.

Pure. Shares are 0 to 1, gains in points of a hundred.
"""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from benchmarks.learning_people import Answer
from benchmarks.raters import Taste, added_text, has_any, liked_share
from core.cycles import CycleState, CycleView
from falcon.selection import content_words, jaccard_distance

P95_PARTS = 20


def liked_of(taste: Taste, answers: Sequence[Answer]) -> float:
    """Return the share of all prompts that please; at least one is needed."""
    return liked_share(taste, [(answer.subject, prompt.text) for answer in answers for prompt in answer.prompts])


def distance_among_candidates(answers: Sequence[Answer]) -> float:
    """Return the mean Jaccard distance between two prompts of one answer, by their words of content."""
    distances = [
        jaccard_distance(content_words(left.text), content_words(right.text))
        for answer in answers
        for left, right in itertools.combinations(answer.prompts, 2)
    ]
    return statistics.mean(distances)


def phrase_share(answers: Sequence[Answer], phrase: str) -> float:
    """Return the share of all prompts that add a phrase to their subject."""
    found = [
        has_any(added_text(prompt.text, answer.subject), (phrase,)) for answer in answers for prompt in answer.prompts
    ]
    return sum(found) / len(found)


def points(before: float, after: float) -> float:
    """Return how many points of a hundred a share has gained."""
    return round(100 * (after - before), 1)


def seconds_by_state(history: Sequence[tuple[CycleState, datetime]]) -> dict[str, float]:
    """Return how long a cycle stood in each state that it has left."""
    seconds: dict[str, float] = {}
    for (state, began), (_, ended) in itertools.pairwise(history):
        seconds[state.value] = round(seconds.get(state.value, 0.0) + (ended - began).total_seconds(), 1)
    return seconds


def gate_figures(gate: Mapping[str, Any] | None) -> dict[str, object] | None:
    """Return each test of a gate's table with both sides' figures, its bound and its verdict; None without a gate."""
    if gate is None:
        return None
    return {
        test["name"]: {
            "serves": _rounded(test["champion"]),
            "new": _rounded(test["challenger"]),
            "bound": _rounded(test["bound"]),
            "verdict": test["verdict"],
        }
        for test in gate["tests"]
    }


def is_refused_by_gate(cycle: CycleView) -> bool:
    """Say whether the gate kept a cycle's adapter from people."""
    return cycle.state is CycleState.REJECTED and cycle.gate is not None and not cycle.gate["is_passed"]


def names_accused(cycle: CycleView, name_of: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the accounts that a cycle's report accuses, in order; `name_of` goes by user id."""
    report: Mapping[str, Any] = (cycle.feedback or {}).get("report") or {}  # type: ignore[assignment]
    return tuple(sorted({name_of[suspect["rater"]] for suspect in report.get("suspects", ())}))


def times(seconds: Sequence[float]) -> dict[str, float | int]:
    """Return the median and the 95 % of some seconds, and how many there are."""
    if len(seconds) < 2:
        return {"num": len(seconds)}
    p95 = statistics.quantiles(seconds, n=P95_PARTS, method="inclusive")[-1]
    return {"num": len(seconds), "p50_seconds": round(statistics.median(seconds), 3), "p95_seconds": round(p95, 3)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
