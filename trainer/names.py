"""Find people's names that no list has: what people write after "by" in prompts.

A run of two or three words counts as a maker's name when it stands in a "by …" clause often enough, and in a large
enough share of all its uses. Pure functions over texts.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from trainer.cleaning import name_key, tidy

MIN_COUNT = 3
MIN_SHARE = 0.3
_BY = re.compile(r"\bby ([a-z][a-z' .-]+)")
_JOINT = re.compile(r"\band\b|\bby\b|\bin\b|\bwith\b|\bfor\b|\bfrom\b|\bon\b")


def harvest_makers(texts: Sequence[str]) -> list[str]:
    """Return the makers' names of a corpus, each two or three folded words."""
    after_by = Counter(key for text in texts for key in _keys_after_by(text))
    likely = {key for key, count in after_by.items() if count >= MIN_COUNT}
    everywhere = Counter(key for text in texts for key in _runs(name_key(text)) if key in likely)
    return sorted(" ".join(key) for key in likely if after_by[key] >= MIN_SHARE * everywhere[key])


def _keys_after_by(text: str) -> Iterator[tuple[str, ...]]:
    for match in _BY.finditer(tidy(text)):
        for part in _JOINT.split(match[1]):
            key = name_key(part)
            if 2 <= len(key) <= 3:
                yield key


def _runs(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    yield from pairwise(words)
    yield from zip(words, words[1:], words[2:], strict=False)
