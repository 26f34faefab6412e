"""Midjourney's permutations: `{red, blue} bird` stands for two prompts.

Groups nest, may stand inside parameters, and take `\\,` for a comma of their own. A brace without its partner
is ordinary text. It knows nothing of parameters: expand first, then parse.
"""

import re
from dataclasses import dataclass, field

from core.characters import shown
from core.errors import InvalidParameter

MAX_PERMUTATIONS = 40  # the largest number of jobs that any Midjourney plan starts from one prompt

_TOKEN = re.compile(r"\\,|[{},\\]|[^{},\\]+")


@dataclass(slots=True)
class _Level:
    """One group under construction: its finished options and the readings of the option at hand."""

    options: list[str] = field(default_factory=list)
    readings: list[str] = field(default_factory=lambda: [""])

    def append(self, endings: list[str]) -> None:
        self.readings = [reading + ending for reading in self.readings for ending in endings]

    def finish_option(self) -> None:
        self.options += [reading.strip() for reading in self.readings]
        self.readings = [""]


def expand_permutations(text: str, limit: int = MAX_PERMUTATIONS) -> tuple[str, ...]:
    """Return every prompt that `text` stands for, in reading order; `text` alone if it holds no group.

    Raises:
        InvalidParameter: it stands for more than `limit` prompts.
    """
    partners = _partners(text)
    levels = [_Level()]
    for token in _TOKEN.finditer(text):
        mark, is_paired = token.group(), token.start() in partners
        if is_paired and mark == "{":
            levels.append(_Level())
        elif is_paired:
            group = levels.pop()
            group.finish_option()
            if len(group.options) * len(levels[-1].readings) > limit:
                raise _too_many(text, limit)
            levels[-1].append(group.options)
        elif len(levels) > 1 and mark == ",":
            levels[-1].finish_option()
            if len(levels[-1].options) >= limit:
                raise _too_many(text, limit)
        else:
            levels[-1].append(["," if len(levels) > 1 and mark == r"\," else mark])
    return tuple(" ".join(reading.split()) for reading in levels[0].readings)


def permutation_spans(text: str) -> list[tuple[int, int]]:
    """Return where the outermost groups stand, as (start, end) with the end outside."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((a, b) for a, b in _partners(text).items() if a < b):
        if not spans or start >= spans[-1][1]:
            spans.append((start, end + 1))
    return spans


def has_permutations(text: str) -> bool:
    """Say whether `text` holds at least one group."""
    return bool(_partners(text))


def without_stray_braces(text: str) -> str:
    """Return `text` without the braces that have no partner."""
    partners = _partners(text)
    return "".join(mark for place, mark in enumerate(text) if mark not in "{}" or place in partners)


def _partners(text: str) -> dict[int, int]:
    """Map the place of each paired brace to its partner's."""
    partners: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"[{}]", text):
        if match.group() == "{":
            opened.append(match.start())
        elif opened:
            start = opened.pop()
            partners |= {start: match.start(), match.start(): start}
    return partners


def _too_many(text: str, limit: int) -> InvalidParameter:
    return InvalidParameter(
        f"The options in braces of {shown(text)} make more than {limit} prompts; leave some of them out."
    )
