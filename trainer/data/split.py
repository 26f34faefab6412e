"""Divide distinct pairs into a training and a validation side that do not know each other. Pure functions.

The side of a pair is that of its prompt's first clause, by a stable hash: it depends on no order, no seed and no other
data set, and a larger validation side keeps what a smaller one held out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trainer.pairs import NearDuplicates, Pair, split_key, split_number


class Leak(StrEnum):
    """Why a pair is on neither side."""

    SUBJECT = "its subject is held out for validation"
    NEAR = "shares half of its word trigrams with a held-out prompt"
    SIBLING = "another pair of its held-out prompt measures already"
    SPARE = "held out beyond max_validation_pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two sides, and what is on neither."""

    train: frozenset[Pair]
    validation: frozenset[Pair]
    dropped: Mapping[Pair, Leak]


def split_pairs(pairs: Iterable[Pair], *, share: float, max_validation: int) -> Sides:
    """Hold out `share` (above 0) of the distinct first clauses, up to `max_validation` pairs, one for each prompt.

    At least one clause is held out and one is not, so that neither side is empty where there are two. A pair that would
    tell the training side about a held-out subject or prompt is dropped.
    """
    families: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        families[split_key(pair.prompt)].append(pair)
    held = _held_keys(families, share=share, max_validation=max_validation)
    validation, dropped = _measuring([pair for key in held for pair in families.pop(key)], max_validation)
    train, leaks = _without_leaks(families, validation, frozenset(held))
    return Sides(train=train, validation=validation, dropped=dropped | leaks)


def without_leaks(pairs: Iterable[Pair], validation: Iterable[Pair]) -> tuple[frozenset[Pair], dict[Pair, Leak]]:
    """Return those of `pairs` that tell nothing about a held-out side that they never were part of, and the others."""
    held = frozenset(validation)
    families: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        families[split_key(pair.prompt)].append(pair)
    return _without_leaks(families, held, frozenset(split_key(pair.prompt) for pair in held))


def _held_keys(families: Mapping[str, Sequence[Pair]], *, share: float, max_validation: int) -> list[str]:
    """Return the keys to hold out, lowest hash first, until they have enough prompts."""
    ordered = sorted(families, key=split_number)
    wanted = max(1, sum(split_number(key) < share for key in ordered))
    held: list[str] = []
    num_prompts = 0
    for key in ordered[: min(wanted, len(ordered) - 1)]:
        if num_prompts >= max_validation:
            break
        held.append(key)
        num_prompts += len({pair.prompt for pair in families[key]})
    return held


def _measuring(held: Sequence[Pair], max_validation: int) -> tuple[frozenset[Pair], dict[Pair, Leak]]:
    """Return the pair with the longest subject of each held-out prompt, as many as there may be, and the others."""
    longest: dict[str, Pair] = {}
    for pair in sorted(held, key=lambda pair: (len(pair.subject), pair.subject)):
        longest[pair.prompt] = pair
    dropped = {pair: Leak.SIBLING for pair in held if longest[pair.prompt] != pair}
    ordered = sorted(longest.values(), key=lambda pair: split_number(pair.prompt))
    dropped |= dict.fromkeys(ordered[max_validation:], Leak.SPARE)
    return frozenset(ordered[:max_validation]), dropped


def _without_leaks(
    families: Mapping[str, Sequence[Pair]], validation: frozenset[Pair], held: frozenset[str]
) -> tuple[frozenset[Pair], dict[Pair, Leak]]:
    """Return the pairs of `families` that tell nothing about the validation side, and the others."""
    keys = held | {split_key(pair.subject) for pair in validation}
    near = NearDuplicates(pair.prompt for pair in validation)
    train: set[Pair] = set()
    leaks: dict[Pair, Leak] = {}
    for key, pairs in families.items():
        is_near = {prompt: prompt in near for prompt in {pair.prompt for pair in pairs}}
        for pair in pairs:
            if key in keys or split_key(pair.subject) in keys:
                leaks[pair] = Leak.SUBJECT
            elif is_near[pair.prompt]:
                leaks[pair] = Leak.NEAR
            else:
                train.add(pair)
    return frozenset(train), leaks
