"""Weigh sources against each other, and put pairs into an order and under a hash that any machine finds again.

A weight is how often one epoch sees each pair of a source: 2 is twice, 0.25 is a quarter of them once, 1.5 is all of
them once and half of them twice. It does not depend on how large the other sources are. Pure functions.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence

from trainer.pairs import Pair

FORMAT = "mjprompt training data 1"  # part of every hash; a change of what is hashed changes it
Keyed = tuple[bytes, Pair]


def weighted(pairs: Iterable[Pair], weight: float, *, seed: int) -> list[tuple[Pair, int]]:
    """Return how often each of the distinct `pairs` is seen, those left out that are not.

    The fraction of a weight falls on the pairs with the lowest hash under `seed`, as many of them as it says, rounded.
    """
    whole = math.floor(weight)
    ranked = sorted(pairs, key=lambda pair: digest_of(seed, pair.subject, pair.prompt))
    num_extra = round((weight - whole) * len(ranked))
    counts = [(pair, whole + (number < num_extra)) for number, pair in enumerate(ranked)]
    return [(pair, count) for pair, count in counts if count]


def in_order(side: str, counted: Iterable[tuple[Pair, int]]) -> list[Keyed]:
    """Return every copy of every pair with its own hash, in the order of these hashes, which is as good as shuffled."""
    keyed = [
        (digest_of(side, pair.subject, pair.prompt, copy), pair) for pair, count in counted for copy in range(count)
    ]
    return sorted(keyed, key=lambda item: item[0])


def content_hash(*sides: Sequence[Keyed]) -> str:
    """Return one SHA-256 (hexadecimal) for all that is learned from and measured on, however it was read."""
    digest = hashlib.sha256(FORMAT.encode())
    for side in sides:
        for key, _ in side:
            digest.update(key)
    return digest.hexdigest()


def digest_of(*parts: str | float) -> bytes:
    """Return the SHA-256 of texts and numbers, the same on any machine."""
    return hashlib.sha256(json.dumps(parts).encode()).digest()
