"""Turn raw prompts into (subject, prompt) pairs, and tell which are too alike to stand on both sides of a split.

A subject is what a person would have typed: the first clause, or the part of it before "with", "wearing" and the like.
This module knows no files and no tokens.
"""

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.parameters import Parameter, Prompt, creative_only, keep_valid, parse, render_parameters
from trainer.cleaning import NameFinder, clean_clauses, holds_link, name_key, tidy

MIN_SUBJECT_WORDS, MAX_SUBJECT_WORDS = 2, 14
MIN_ADDED_WORDS = 3
MAX_PROMPT_WORDS = 60
# What prompts of 2022 can teach about today's parameters: their --w was a width, their --stylize another scale.
LEARNED_PARAMETERS = frozenset({"aspect", "no", "tile"})
_USUAL_RATIOS = ((1, 1), (5, 4), (4, 3), (7, 5), (3, 2), (16, 9), (2, 1), (21, 9), (3, 1))
_RATIO_TOLERANCE = 0.06  # of the logarithm: 11:17 counts as 2:3
_CONNECTIVE = re.compile(
    r"\s(?:with|wearing|holding|made of|surrounded by|covered in|covered with|while|against|under)\s"
)
_REQUEST = re.compile(r"^(?:an?\s+)?(?:midjourney\s+)?prompt\s+(?:for|of|about)\s+", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:a|an|the)\s+")
_MEDIUM_LEAD = re.compile(
    r"^(?P<lead>(?:(?:a|an|the)\s)?(?:[\w-]+\s){0,3}?(?:painting|photo|photograph|portrait|illustration|drawing|sketch|render|"
    r"poster|"
    r"still|sculpture|concept art|artwork|art|shot|picture|image|engraving|woodcut|watercolor|print|cover|statue|"
    r"model)\sof\s)(?P<subject>.+)$"
)
_BARE_STYLE = re.compile(
    r"^(?:\d+k|hd|uhd|.*\b(?:lighting|render|painting|photography|detailed|resolution|art|illustration|quality|portrait|photo|"
    r"style|realistic|photorealistic|octane|artwork|design|drawing|poster|logo))$"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One training example: what a person types and what the model should answer."""

    subject: str
    prompt: str


class Drop(StrEnum):
    """Why a prompt gives no pair."""

    LINK = "holds a link, a handle or an image"
    SUBJECT = "its subject is unreadable or holds a listed name"
    BRACES = "hides parameters in braces"
    LENGTH = f"is longer than {MAX_PROMPT_WORDS} words"
    ADDITION = "adds too little to a subject of usual length"
    OPENING = "does not begin with its subject any more, once it is clean"


def split_key(text: str) -> str:
    """Return the key that decides the side of the split: the first clause, folded, no article, six words at most."""
    first = re.split(r"[,;]|--|—", text.lower(), maxsplit=1)[0]
    return " ".join(name_key(_ARTICLE.sub("", first.strip()))[:6])


def is_validation(key: str, *, percent: float) -> bool:
    """Say whether a split key belongs to the validation side, which takes `percent` of all keys, by a stable hash."""
    return split_number(key) < percent / 100


def split_number(key: str) -> float:
    """Return a split key's place between 0 and 1, the same on every machine; the lowest ones are held out first."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


def pairs_of(text: str, names: NameFinder, *, version: str) -> Iterator[Pair]:
    """Yield the pairs of one raw prompt, as `examine` finds them."""
    found = examine(text, names, version=version)
    yield from () if isinstance(found, Drop) else found


def examine(text: str, names: NameFinder, *, version: str) -> tuple[Pair, ...] | Drop:
    """Return the pairs of one raw prompt, by its first clause and by a shorter cut of it, or why it has none.

    Parameters are rewritten to what `version` takes, and only those that a model may add stay.
    """
    clean = _clean(text, names, version=version)
    if isinstance(clean, Drop):
        return clean
    clauses, prompt = clean
    num_words = len(" ".join(clauses).split())
    found = (
        Pair(subject, prompt)
        for subject in _subjects(clauses[0])
        if num_words - len(subject.split()) >= MIN_ADDED_WORDS and not _BARE_STYLE.match(subject)
    )
    return tuple(found) or Drop.ADDITION


def pair_up(
    subject: str, prompt: str, names: NameFinder, *, version: str, is_opening: bool = False
) -> tuple[Pair, ...] | Drop:
    """Return the one pair of a prompt that was written for `subject`, or why it has none.

    A subject may be worded as a request, as the seed's are, and stand in stray quotes. With `is_opening` the prompt has
    to begin with it, as every answer does that the model writes.
    """
    clean = _clean(unquoted(prompt), names, version=version)
    if isinstance(clean, Drop):
        return clean
    asked = _REQUEST.sub("", unquoted(subject)).strip()
    if holds_link(asked):
        return Drop.LINK
    words = tidy(parse(asked).text).strip(" ,.;")
    if not name_key(words) or names.find(words) is not None:
        return Drop.SUBJECT
    opening = name_key(words)
    if is_opening and name_key(clean[1])[: len(opening)] != opening:
        return Drop.OPENING
    return (Pair(words, clean[1]),)


def unquoted(text: str) -> str:
    """Return `text` without the quotes around it that spreadsheets leave."""
    text = text.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def _clean(text: str, names: NameFinder, *, version: str) -> tuple[list[str], str] | Drop:
    """Return the clean clauses of a raw prompt, and the whole clean prompt with its parameters."""
    parsed = parse(text)
    if parsed.images or holds_link(parsed.text):
        return Drop.LINK
    clauses = clean_clauses(parsed.text, names)
    if not clauses:
        return Drop.SUBJECT
    if parse(", ".join(clauses)).parameters:  # they hid in braces, which cleaning took away
        return Drop.BRACES
    tail = modern_tail(parsed, names, version=version)
    prompt = f"{', '.join(clauses)} {tail}".rstrip()
    return Drop.LENGTH if len(prompt.split()) > MAX_PROMPT_WORDS else (clauses, prompt)


def modern_tail(prompt: Prompt, names: NameFinder, *, version: str) -> str:
    """Return the prompt's parameters as someone would write them today; odd ratios become the usual one nearby."""
    if not prompt.parameters:
        return ""  # most prompts: the way below takes more time than all else that is done to one
    valid = keep_valid(creative_only(prompt), version)
    kept: list[Parameter] = []
    for parameter in valid.parameters:
        if parameter.name == "aspect":
            ratio = usual_ratio(parameter.values[0])
            kept.extend([Parameter("aspect", (ratio,))] if ratio else [])
        elif parameter.name in LEARNED_PARAMETERS:
            values = tuple(value.lower() for value in parameter.values)
            if not any(names.find(value) for value in values):
                kept.append(Parameter(parameter.name, values))
    return render_parameters(Prompt(parameters=tuple(kept)))


def usual_ratio(value: str) -> str | None:
    """Return the usual aspect ratio nearest to `value` (`W:H`), or None when none is near."""
    width, _, height = value.partition(":")
    wanted = math.log(float(width) / float(height))
    ratios = [*_USUAL_RATIOS, *((low, high) for high, low in _USUAL_RATIOS[1:])]
    best = min(ratios, key=lambda ratio: abs(math.log(ratio[0] / ratio[1]) - wanted))
    is_near = abs(math.log(best[0] / best[1]) - wanted) <= _RATIO_TOLERANCE
    return f"{best[0]}:{best[1]}" if is_near else None


def _subjects(first: str) -> Iterator[str]:
    lead = _MEDIUM_LEAD.match(first)
    cuts = {first, *(_CONNECTIVE.split(first, maxsplit=1)[:1]), *([lead["subject"]] if lead else [])}
    for subject in sorted(cuts, key=len):
        if MIN_SUBJECT_WORDS <= len(subject.split()) <= MAX_SUBJECT_WORDS:
            yield subject


def trigrams(text: str) -> frozenset[tuple[str, ...]]:
    """Return the distinct word trigrams of `text`."""
    words = name_key(text)
    return frozenset(zip(words, words[1:], words[2:], strict=False))


class NearDuplicates:
    """Tell which prompts share half of their word trigrams with any of the held-out prompts."""

    def __init__(self, held_out: Iterable[str]) -> None:
        self._holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, text in enumerate(held_out):
            for trigram in trigrams(text):
                self._holders[trigram].append(number)

    def __contains__(self, text: str) -> bool:
        own = trigrams(text)
        shared: dict[int, int] = defaultdict(int)
        for trigram in own:
            for number in self._holders.get(trigram, ()):
                shared[number] += 1
        return bool(own) and max(shared.values(), default=0) * 2 >= len(own)
