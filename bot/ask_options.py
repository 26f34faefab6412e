"""The options of an ask: chosen in a platform's menu, or typed as flags, turned into Midjourney's own parameters.

What is typed in the text always wins over what is chosen in a menu, and both win over a workspace's defaults. It knows
neither who asks nor where the text goes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.characters import shown
from core.errors import InvalidParameter
from core.midjourney_versions import as_parameter, canonical_version
from core.parameters import Prompt, parse

MIN_CANDIDATES = 1
MAX_CANDIDATES = 4
ASPECT_RATIOS = ("1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "4:5", "21:9")  # offered first; any W:H is taken

# Midjourney's own names of its Stylize settings, and its switch for less of its own taste.
STYLES = {"raw": "--raw", "low": "--s 50", "medium": "--s 100", "high": "--s 250", "very_high": "--s 750"}

_RATIO = re.compile(r"[0-9]{1,4}:[0-9]{1,4}")
_DASHES = r"(?:--|[\u2012-\u2015\u2212])"  # a phone turns two hyphens into one long dash
_OURS = r"(?:(?P<private>private)|count(?:(?:[ =:]+|(?=[0-9]))(?P<count>[^\s,.;]+))?)"
_FLAG = re.compile(rf"(?<!\S){_DASHES}{_OURS}(?=[\s,.;]|$)[,.;]?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """What was chosen beside the text; None leaves it to the text, then to the workspace, then to the product.

    `aspect_ratio` is `16:9`, `style` a key of STYLES, `version` a name such as `8.2` or `niji 7`.
    """

    aspect_ratio: str | None = None
    style: str | None = None
    version: str | None = None
    num_candidates: int | None = None
    is_private: bool | None = None


def require_possible(options: AskOptions) -> None:
    """Check the options by themselves, without the text.

    Raises:
        InvalidParameter: one of them is unknown or out of range.
    """
    ratio, style, version, count = options.aspect_ratio, options.style, options.version, options.num_candidates
    if ratio is not None and not _RATIO.fullmatch(ratio.strip()):
        raise InvalidParameter(f"The aspect ratio '{shown(ratio)}' is not W:H; choose one such as 16:9.")
    if style is not None and style not in STYLES:
        raise InvalidParameter(f"There is no style '{shown(style)}'; choose {', '.join(STYLES)}.")
    if version is not None and canonical_version(version) is None:
        raise InvalidParameter(f"There is no Midjourney version '{shown(version)}'; choose one such as 8.2 or niji 7.")
    if count is not None and not MIN_CANDIDATES <= count <= MAX_CANDIDATES:
        raise InvalidParameter(
            f"{count} is no possible number of prompts; choose {MIN_CANDIDATES} to {MAX_CANDIDATES}."
        )


def with_options(text: str, options: AskOptions) -> str:
    """Return `text` with `--ar`, `--raw` or `--s`, and `--v` or `--niji` for the options it does not decide itself.

    A parameter that the text already has wins, whatever is chosen beside it. A text without anything stays so.

    Raises:
        InvalidParameter: an option is unknown or out of range.
    """
    require_possible(options)
    if not text.strip():
        return text
    return " ".join((text.rstrip(), *_missing(parse(text), options)))


def _missing(typed: Prompt, options: AskOptions) -> Iterable[str]:
    taken = {parameter.name for parameter in typed.parameters}
    if options.aspect_ratio is not None and "aspect" not in taken:
        yield f"--ar {options.aspect_ratio.strip()}"
    if options.style is not None and taken.isdisjoint({"raw", "stylize", "style"}):
        yield STYLES[options.style]
    version = None if options.version is None else canonical_version(options.version)
    if version is not None and taken.isdisjoint({"version", "niji"}):
        yield as_parameter(version)


def split_flags(text: str) -> tuple[str, AskOptions]:
    """Take our own flags `--count 3` and `--private` out of a typed text, wherever they stand; the last one wins.

    Raises:
        InvalidParameter: `--count` has no number, or one out of range.
    """
    options = AskOptions()
    for match in _FLAG.finditer(text):
        options = replace(options, is_private=True) if match["private"] else _counted(options, match["count"])
    if options == AskOptions():
        return text, options
    return " ".join(_FLAG.sub(" ", text).split()), options


def _counted(options: AskOptions, value: str | None) -> AskOptions:
    possible = {str(count): count for count in range(MIN_CANDIDATES, MAX_CANDIDATES + 1)}
    if value not in possible:
        typed = "--count alone" if value is None else f"--count {shown(value)}"
        raise InvalidParameter(
            f"{typed} is no possible number of prompts; write --count and {MIN_CANDIDATES} to {MAX_CANDIDATES}."
        )
    return replace(options, num_candidates=possible[value])


def joined(typed: AskOptions, chosen: AskOptions) -> AskOptions:
    """Return the options of both; what is typed wins."""
    return AskOptions(
        aspect_ratio=_first(typed.aspect_ratio, chosen.aspect_ratio),
        style=_first(typed.style, chosen.style),
        version=_first(typed.version, chosen.version),
        num_candidates=typed.num_candidates if typed.num_candidates is not None else chosen.num_candidates,
        is_private=typed.is_private if typed.is_private is not None else chosen.is_private,
    )


def _first(typed: str | None, chosen: str | None) -> str | None:
    return typed if typed is not None else chosen
