"""Read typed text into a prompt: where parameters begin, what names mean, how values are spelled.

It follows how people type (dashes of any kind, `--ar16:9`, `--w W --h H` of 2022) and never refuses anything:
what it cannot understand becomes an unknown parameter or stays text. It does not know which values are
allowed.

Reading settles in one pass, so that a rendered prompt reads back the same. Three steps see to that: the text
before the first parameter is kept as typed; after it, every dash before a letter opens a parameter; all
dashes that are left over, and braces without a partner, are dropped there.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from math import gcd

from core.multi_prompts import tidy_weights
from core.parameter_table import Kind, canonical_name, rank_of, rule_of, takes_number
from core.permutations import has_permutations, permutation_spans, without_stray_braces
from core.prompt import Parameter, Prompt

_LONG_DASHES = "\u2012\u2013\u2014\u2015\u2e3a\u2e3b"
_SHORT_DASHES = "\u2212-"
_DASHES = _LONG_DASHES + _SHORT_DASHES
# One long dash, or two and more of any kind.
_RUN = f"(?:[{_LONG_DASHES}][{_DASHES}]*|[{_SHORT_DASHES}][{_DASHES}]+)"
_CANDIDATE = re.compile(rf"(?<![{_DASHES}]){_RUN}(?P<gap> ?)(?P<name>[A-Za-z]+)")
_NUMBER_FOLLOWS = re.compile(r" ?[0-9]")
_NAME_ENDS = re.compile(rf"[\s0-9=:,.;]|{_RUN}|$")
_LINK = re.compile(r"https?://[^\s,\uff0c{}]+", re.IGNORECASE)
_IMAGE = re.compile(
    r"https?://(?:[^\s<>|{}?#]+\.(?:png|gif|webp|jpe?g)(?:[?#][^\s<>|{}]*)?|s\.mj\.run/[\w-]+)", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z]+")
_AFTER_NAME = ",.;:!?" + _DASHES
_AFTER_VALUE = ",.;" + _DASHES
_AROUND_ITEM = " ,.;" + _DASHES
_NUMBER = re.compile(r"(-?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?")
_RATIO_COLON = re.compile(r"(?<=[0-9]) ?[:\uff1a] ?(?=[0-9])")
_PIXELS = re.compile(r"0*([1-9][0-9]{0,8})(?:px)?", re.IGNORECASE)


def read_prompt(text: str) -> Prompt:
    """Return the prompt that `text` spells, its parameters one of each and in the order of the table."""
    text = " ".join(text.split())
    start = next(_openings(text, is_tail=False), len(text))
    images, words = _split_images(text[:start])
    tail = " ".join(without_stray_braces(text[start:]).split())
    parameters = _settled([_parameter(segment) for segment in _segments(tail)])
    return Prompt(images=images, text=tidy_weights(words), parameters=parameters)


def _segments(tail: str) -> Iterator[str]:
    starts = [*_openings(tail, is_tail=True), len(tail)]
    for start, end in pairwise(starts):
        yield tail[start:end].lstrip(_DASHES + " ").rstrip()


def _openings(text: str, *, is_tail: bool) -> Iterator[int]:
    """Yield where parameters begin, outside of links and permutations."""
    protected = bytearray(len(text))
    for start, end in [*permutation_spans(text), *(match.span() for match in _LINK.finditer(text))]:
        protected[start:end] = b"\1" * (end - start)
    for match in _CANDIDATE.finditer(text):
        if not protected[match.start()] and _is_opening(text, match, is_tail=is_tail):
            yield match.start()


def _is_opening(text: str, match: re.Match[str], *, is_tail: bool) -> bool:
    """Decide whether dashes and a word begin a parameter.

    In text they do after a space, and also glued to a word or apart from the name where a number follows
    (`render--ar 16:9`, `render -- ar 16:9`). Among parameters they do wherever they touch a word or know it.
    """
    is_word_start = match.start() == 0 or text[match.start() - 1] == " "
    if not match["gap"] and (is_word_start or is_tail):
        return True
    if is_tail:
        is_known = canonical_name(match["name"]) is not None
        return is_word_start and is_known and _NAME_ENDS.match(text, match.end()) is not None
    return takes_number(match["name"]) and _NUMBER_FOLLOWS.match(text, match.end()) is not None


def _split_images(text: str) -> tuple[tuple[str, ...], str]:
    words = text.split()
    images: list[str] = []
    for word in words:
        link = word.strip("<>,")
        if "::" in link or not _IMAGE.fullmatch(link):
            break
        images.append(link)
    return tuple(images), " ".join(words[len(images) :])


def _parameter(segment: str) -> Parameter:
    word, _, rest = segment.partition(" ")
    typed, glued = _split_name(word)
    name = canonical_name(typed) or typed
    parameter = Parameter(name, _values(name, f"{glued} {rest}".strip()))
    is_old_raw = name == "style" and [value.lower() for value in parameter.values] == ["raw"]
    return Parameter("raw") if is_old_raw else parameter


def _split_name(word: str) -> tuple[str, str]:
    """Split `ar16:9`, `ar=16:9` and `s{1, 2}` into name and value; the name comes back in lower case."""
    head, brace, inside = word.partition("{")
    letters = match.group() if (match := _NAME.match(head)) else ""
    behind = head[len(letters) :]
    if behind[:1] in ("=", ":") and canonical_name(letters):
        return letters.lower(), behind[1:] + brace + inside
    if behind[:1].isascii() and behind[:1].isdigit() and takes_number(letters):
        return letters.lower(), behind + brace + inside
    return head.rstrip(_AFTER_NAME).lower(), brace + inside


def _values(name: str, raw: str) -> tuple[str, ...]:
    """Return the values in their canonical spelling; a permutation stays as it was typed."""
    rule = rule_of(name)
    if has_permutations(raw):
        return (raw,)
    if rule is not None and rule.kind is Kind.LIST:
        return _items(raw)
    words = [trimmed for word in raw.split() if (trimmed := _trimmed(word))]
    if rule is None or rule.kind in (Kind.FLAG, Kind.LINKS, Kind.CODES) or rule.code_versions:
        return tuple(words)
    if rule.kind is Kind.STYLES:
        return tuple("random" if word.lower() == "random" else word for word in words)
    joined = _RATIO_COLON.sub(":", " ".join(words)) if rule.kind is Kind.RATIO else " ".join(words)
    return tuple(":".join(_canonical_number(side) for side in word.split(":")) for word in joined.lower().split())


def _items(raw: str) -> tuple[str, ...]:
    kept: list[str] = []
    for item in re.split(r"[,\uff0c]", raw):
        words = " ".join(word for word in item.split() if word.strip(_DASHES))
        if words.strip(_AROUND_ITEM):
            kept.append(words.strip(_AROUND_ITEM))
    return tuple(kept)


def _trimmed(word: str) -> str:
    if _LINK.search(word):
        return word.lstrip("<").rstrip(",.;>")
    return word.rstrip(_AFTER_VALUE)


def _canonical_number(word: str) -> str:
    """Spell a number in one way (`007` as `7`, `.50` as `0.5`); other words come back unchanged."""
    match = _NUMBER.fullmatch(word)
    if match is None:
        return word
    whole, fraction = match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return number if number == "0" else match[1] + number


def _settled(parameters: list[Parameter]) -> tuple[Parameter, ...]:
    """Keep the last of each name (of lists every item), turn width and height into an aspect, and sort."""
    last: dict[str, Parameter] = {}
    for parameter in parameters:
        earlier = last.pop(parameter.name, None)
        last[parameter.name] = parameter if earlier is None else _later(earlier, parameter)
    _width_and_height_to_aspect(last)
    return tuple(sorted(last.values(), key=lambda parameter: rank_of(parameter.name)))


def _later(earlier: Parameter, later: Parameter) -> Parameter:
    """Return what two of one name mean together: both lists' items, otherwise the later one."""
    rule = rule_of(later.name)
    if rule is None or rule.kind is not Kind.LIST:
        return later
    return Parameter(later.name, tuple(dict.fromkeys((*earlier.values, *later.values))))


def _width_and_height_to_aspect(last: dict[str, Parameter]) -> None:
    """Replace `--w W --h H` of 2022: beside a height, today's `weird` was a width. A given aspect wins."""
    width, height = last.get("width") or last.get("weird"), last.get("height")
    if width is None or height is None:
        return
    across, down = (_PIXELS.fullmatch("".join(p.values[:1])) for p in (width, height))
    if not across or not down:
        return
    divisor = gcd(int(across[1]), int(down[1]))
    ratio = f"{int(across[1]) // divisor}:{int(down[1]) // divisor}"
    aspect = last.pop("aspect", Parameter("aspect", (ratio,)))
    del last[width.name], last[height.name]
    words = " ".join((*aspect.values, *width.values[1:], *height.values[1:]))
    last["aspect"] = Parameter("aspect", _values("aspect", words))
