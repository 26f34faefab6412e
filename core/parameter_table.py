"""Midjourney's parameters as frozen data: names, values, versions, needs and conflicts.

Facts only, as publicly documented up to 2026-10-04; core/parameter_rules.py judges prompts by them. Where the
documentation is silent on a niji version, it follows the numbered version of the same generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from core.midjourney_versions import ALL_VERSIONS, DEFAULT_VERSION, NIJI_VERSIONS, NUMBERED_VERSIONS, since

MAX_RATIO = 14  # longer side by shorter side
MAX_RATIO_WITH_HD = 4
IMAGE = "image"  # what `needs` says for an image link in front of the text

_V8 = since("8.1")
_BEFORE_V8 = ALL_VERSIONS - _V8
_REFERENCES = since("6", "niji 6")  # style references and profiles
_CHARACTERS = frozenset(("6", "6.1", "niji 6"))  # character references


class Kind(StrEnum):
    """What a parameter's values are."""

    FLAG = "flag"  # none at all
    INTEGER = "integer"
    DECIMAL = "decimal"
    RATIO = "ratio"  # W:H in whole numbers
    CHOICE = "choice"  # one word of a list that may depend on the version
    LIST = "list"  # words between commas
    LINKS = "links"  # http or https links
    STYLES = "styles"  # links, number codes or `random`, each with a weight in some versions
    CODES = "codes"  # identifiers, or none at all


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterRule:
    """One parameter. `short` is how a prompt spells it; `max_values` of None sets no limit.

    `needs` names another parameter or IMAGE. `conflicts` holds names (`sd`) or names with a value
    (`quality 4`). `is_creative` marks the few that a language model may add: they change the picture, not the
    job.
    """

    name: str
    kind: Kind
    short: str = ""
    versions: frozenset[str] = ALL_VERSIONS
    default: str | None = None
    minimum: int = 0
    maximum: int = 0
    maximum_by_version: Mapping[str, int] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    choices_by_version: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    code_versions: frozenset[str] = frozenset()  # versions where a choice may be any code instead
    weight_versions: frozenset[str] = frozenset()  # versions where a style may carry `::` and a weight
    max_values: int | None = 1
    needs: str | None = None
    conflicts: tuple[str, ...] = ()
    is_creative: bool = False

    @property
    def spelling(self) -> str:
        """The name that people type."""
        return self.short or self.name

    @property
    def is_numeric(self) -> bool:
        """Whether its value always begins with a digit, so that `--ar16:9` can be read."""
        return self.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.RATIO) or (
            self.kind is Kind.CHOICE and not self.code_versions and self.choices_in(None)[0][0].isdigit()
        )

    def maximum_in(self, version: str) -> int:
        """Return the highest number that `version` takes."""
        return self.maximum_by_version.get(version, self.maximum)

    def choices_in(self, version: str | None) -> tuple[str, ...]:
        """Return the words that `version` takes; those of every version for None."""
        if version is None:
            return self.choices + tuple(word for words in self.choices_by_version.values() for word in words)
        return self.choices_by_version.get(version, self.choices)


_flag = partial(ParameterRule, kind=Kind.FLAG)
_integer = partial(ParameterRule, kind=Kind.INTEGER)
_choice = partial(ParameterRule, kind=Kind.CHOICE)
_links = partial(ParameterRule, kind=Kind.LINKS)


def _by_version(*groups: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    """Read groups such as ("6|6.1|niji 6", "0.5 1 2"): versions, then their words."""
    return {version: tuple(words.split()) for versions, words in groups for version in versions.split("|")}


# The order is the order in which a prompt is rendered; `no` ends it.
RULES: tuple[ParameterRule, ...] = (
    ParameterRule(name="aspect", short="ar", kind=Kind.RATIO, default="1:1", is_creative=True),
    _integer(name="chaos", maximum=100, default="0", short="c", is_creative=True),
    _integer(name="stylize", maximum=1000, default="100", short="s", is_creative=True),
    _integer(name="weird", maximum=3000, default="0", short="w", versions=since("5", "niji 5"), is_creative=True),
    _integer(name="exp", maximum=100, default="0", versions=since("7"), is_creative=True),
    _flag(name="raw", versions=since("5.1", "niji 6"), is_creative=True),
    _flag(name="tile", versions=since("1") - {"4"}, is_creative=True),
    _choice(
        name="quality",
        short="q",
        default="1",
        versions=_BEFORE_V8,
        choices_by_version=_by_version(
            ("1|2|3|4|5|5.1|5.2|niji 4|niji 5", "0.25 0.5 1"),
            ("6|6.1|niji 6", "0.5 1 2"),
            ("7|niji 7", "1 2 4"),
        ),
    ),
    _choice(
        name="style",
        versions=frozenset(("4", "5.2", "niji 5")),
        choices_by_version=_by_version(("4", "4a 4b 4c"), ("niji 5", "cute scenic expressive original")),
        code_versions=frozenset(("5.2",)),
    ),
    _integer(name="stop", minimum=10, maximum=100, default="100", versions=_BEFORE_V8),  # V8 is not documented
    ParameterRule(
        name="iw",
        kind=Kind.DECIMAL,
        versions=since("5", "niji 5"),
        default="1",
        maximum=3,
        maximum_by_version=dict.fromkeys(("5", "5.1", "5.2", "niji 5", "niji 7"), 2),
        needs=IMAGE,
    ),
    ParameterRule(
        name="sref",
        kind=Kind.STYLES,
        versions=_REFERENCES,
        weight_versions=_REFERENCES - _V8,
        max_values=None,
    ),
    _integer(name="sw", maximum=1000, default="100", versions=_REFERENCES, needs="sref"),
    _choice(
        name="sv",
        versions=_REFERENCES,
        choices_by_version=_by_version(("6|6.1|niji 6", "1 2 3 4"), ("7|niji 7", "4 6"), ("8.1|8.2", "4 6 7")),
        needs="sref",
    ),
    _links(name="cref", versions=_CHARACTERS, max_values=None),
    _integer(name="cw", maximum=100, default="100", versions=_CHARACTERS, needs="cref"),
    _links(name="oref", versions=frozenset(("7",)), conflicts=("draft", "fast", "quality 4")),
    _integer(name="ow", minimum=1, maximum=1000, default="100", versions=frozenset(("7",)), needs="oref"),
    _links(name="edit", versions=_V8, max_values=4),
    ParameterRule(name="profile", short="p", kind=Kind.CODES, versions=_REFERENCES, max_values=None),
    _flag(name="hd", versions=_V8 | {"1", "2", "3"}, conflicts=("sd",)),
    _flag(name="sd", versions=_V8, conflicts=("hd",)),
    _flag(name="draft", versions=frozenset(("7",))),  # sources contradict each other for V8
    _integer(name="seed", maximum=4_294_967_295),
    _choice(name="version", short="v", choices=NUMBERED_VERSIONS, default=DEFAULT_VERSION, conflicts=("niji",)),
    _choice(
        name="niji",
        choices=tuple(version.removeprefix("niji ") for version in NIJI_VERSIONS),
        default="7",
        conflicts=("version",),
    ),
    _integer(name="repeat", minimum=2, maximum=40, short="r"),
    _flag(name="fast"),
    _flag(name="relax"),
    _flag(name="turbo", versions=_BEFORE_V8),
    _flag(name="stealth"),
    _flag(name="public"),
    _flag(name="video"),
    _choice(name="motion", choices=("low", "high"), needs="video"),
    _flag(name="loop", needs="video"),
    _links(name="end", needs="video"),
    _choice(name="bs", choices=("1", "2", "4"), needs="video"),
    ParameterRule(name="no", kind=Kind.LIST, max_values=None, is_creative=True),
)

# Flags of earlier years that no version of today takes, with what to type instead.
RETIRED: Mapping[str, str] = {
    "width": "use --ar W:H instead",
    "height": "use --ar W:H instead",
    "uplight": "leave it out",
    "upbeta": "leave it out",
    "upanime": "leave it out",
    "test": "leave it out",
    "testp": "leave it out",
    "creative": "use --stylize instead",
    "vibe": "leave it out",
    "sameseed": "use --seed instead",
}

_RULE_BY_NAME = {rule.name: rule for rule in RULES}
_NAMES = {rule.spelling: rule.name for rule in RULES} | {rule.name: rule.name for rule in RULES}
_NAMES |= {name: name for name in RETIRED} | {"h": "height"}
_RANKS = {rule.name: rank for rank, rule in enumerate(RULES)}


def canonical_name(name: str) -> str | None:
    """Return the full name behind a name or alias in any case, also of a retired one; None if unknown."""
    return _NAMES.get(name.lower())


def rule_of(name: str) -> ParameterRule | None:
    """Return the rule of a canonical name; None for a retired or unknown one."""
    return _RULE_BY_NAME.get(name)


def takes_number(name: str) -> bool:
    """Say whether a name or alias is known and always followed by a number; width and height count."""
    canonical = canonical_name(name)
    if canonical is None:
        return False
    rule = rule_of(canonical)
    return canonical in ("width", "height") if rule is None else rule.is_numeric


def rank_of(name: str) -> int:
    """Return where a canonical name stands in a rendered prompt; unknown and retired ones before `no`."""
    last = len(RULES) - 1
    return _RANKS.get(name, last) * 2 - (name not in _RANKS)


def spelling_of(name: str) -> str:
    """Return how a rendered prompt spells a canonical name."""
    rule = rule_of(name)
    return rule.spelling if rule else name
