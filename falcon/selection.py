"""Choose the candidates to offer: good ones that are different ideas. Pure functions over finished texts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
PARAMETER_TAIL = re.compile(r"\s--[a-z].*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One finished text; `score` is its mean log-probability per token in nats, `is_ended` says whether by EOS."""

    text: str
    score: float
    is_ended: bool


def content_words(text: str) -> frozenset[str]:
    """Return the distinct lower-case words of a prompt without its parameters."""
    return frozenset(_WORD.findall(PARAMETER_TAIL.sub("", text).lower()))


def jaccard_distance(left: frozenset[str], right: frozenset[str]) -> float:
    """Return 1 - intersection / union; 0 for two empty sets."""
    union = left | right
    return 1 - len(left & right) / len(union) if union else 0.0


def has_repeated_ngram(text: str, size: int = 4) -> bool:
    """Say whether any run of `size` words occurs twice in the prompt's content."""
    words = _WORD.findall(PARAMETER_TAIL.sub("", text).lower())
    grams = [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]
    return len(grams) != len(set(grams))


def avoidable_text(prompts: Sequence[str]) -> str:
    """Return the words of earlier prompts without their parameters, as the model would write them."""
    return "".join(f" {PARAMETER_TAIL.sub('', prompt)}" for prompt in prompts)


def choose(
    hypotheses: Sequence[Hypothesis],
    count: int,
    *,
    min_distance: float,
    distance_weight: float,
    avoid: Sequence[str] = (),
) -> list[Hypothesis]:
    """Return up to `count` hypotheses: the best first, then greedily the best sum of score and distance to the chosen.

    Ended texts without repeated phrases come before all others, and pairs nearer than `min_distance` are taken only
    when nothing else is left. Texts that have equal content are offered once, and those with the content of a prompt
    in `avoid` only when there is nothing else at all.
    """
    pool = _distinct(hypotheses)
    known = {content_words(text) for text in avoid}
    pool = [item for item in pool if content_words(item.text) not in known] or pool
    words = {item.text: content_words(item.text) for item in pool}
    chosen: list[Hypothesis] = []
    while pool and len(chosen) < count:

        def worth(item: Hypothesis) -> tuple[bool, bool, float]:
            nearest = min((jaccard_distance(words[item.text], words[other.text]) for other in chosen), default=1.0)
            return _is_sound(item), nearest >= min_distance, item.score + distance_weight * nearest

        best = max(pool, key=worth)
        chosen.append(best)
        pool.remove(best)
    return chosen


def _distinct(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Keep the best hypothesis of each content, a sound one where there is one."""
    by_content: dict[frozenset[str], Hypothesis] = {}
    for item in sorted(hypotheses, key=lambda item: (not _is_sound(item), -item.score)):
        by_content.setdefault(content_words(item.text), item)
    return list(by_content.values())


def _is_sound(item: Hypothesis) -> bool:
    return item.is_ended and not has_repeated_ngram(item.text)
