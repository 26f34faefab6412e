"""Midjourney's multi-prompts: `hot::2 dog::-0.5` are two parts with weights.

It knows how to read and remove them, not which version takes them beyond the set it states.
"""

import re
from dataclasses import dataclass

from core.midjourney_versions import ALL_VERSIONS, since

WEIGHT_VERSIONS = ALL_VERSIONS - since("7", "niji 7")

_SEPARATOR = re.compile(r"::(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+))?")
_SPACE_BEFORE = re.compile(r"(?<=[^\s:]) +::")
_EDGES = " ,;:-\u2012\u2013\u2014\u2015\u2212"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multi-prompt; the weight is 1 where none was written."""

    text: str
    weight: float


def has_weights(text: str) -> bool:
    """Say whether `text` is a multi-prompt."""
    return "::" in text


def tidy_weights(text: str) -> str:
    """Return `text` without the spaces in front of `::`, which Midjourney does not allow."""
    return _SPACE_BEFORE.sub("::", text)


def split_weights(text: str) -> tuple[Part, ...]:
    """Return the parts of a multi-prompt, leaving out empty ones; other text is one part of weight 1."""
    pieces = _SEPARATOR.split(text)  # text, weight, text, weight, ..., text
    weights = [*pieces[1::2], None]
    parts = zip(pieces[0::2], weights, strict=True)
    return tuple(Part(piece.strip(), float(weight or 1)) for piece, weight in parts if piece.strip())


def without_weights(text: str) -> str:
    """Return a multi-prompt as ordinary text: its parts between commas, without those of negative weight."""
    parts = [(part.text.strip(_EDGES), part.weight) for part in split_weights(text)]
    wanted = [words for words, weight in parts if words and weight >= 0]
    return ", ".join(wanted or [words for words, _ in parts if words])
