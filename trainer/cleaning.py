"""Clean one raw prompt of 2022 so that a model may learn from it today.

Pure functions from text to text. This module knows nothing of files, splits or tokens.
"""

import re
import unicodedata
from collections.abc import Iterable

_LINK_OR_HANDLE = re.compile(r"https?://|www\.|<[@#!]|@\w|discord|\bimagine/", re.IGNORECASE)
_SPACED_DIGITS = re.compile(r"(?<![\d.])\d(?: \d)+(?![\d.])")
_SPACED_UNIT = re.compile(r"\b(\d+) (k|d|mm|cm|th|st|nd|rd|s|fps|px|iso|mp)\b(?! ?')")
_APERTURE = re.compile(r"\bf ?/ ?(\d+)(?:\. ?(\d+))?")
_DECIMAL = re.compile(r"\b(\d+)\. (\d+)\b")
_SPACED_HYPHEN = re.compile(r"(?<=\w) - (?=\w)")
_SPACED_APOSTROPHE = re.compile(r"(?<=\w) ?' ?s\b")
_EMPHASIS = re.compile(r"[()\[\]{}|\\*_~`\"“”]+|!{1,}|\.{2,}|:(?:\d+(?:\.\d+)?)?:?(?=\s|,|$)|(?<=\s)&(?=\s)")
_WEIGHT = re.compile(r"::-?\d*(?:\.\d+)?")
_SPACE = re.compile(r"\s+")
_CLAUSE_BREAK = re.compile(r"\s*[,;]\s*|\s*(?<!\d)\.(?=\s|$)\s*|\s+/\s+")

# Sites and render tags of 2022 say nothing to Midjourney, and one prompt in five carried them.
_SITES = re.compile(
    r"art ?station|deviant ?art|cg ?society|pinterest|instagram|behance|pixiv|dribbble|flickr|tumblr|reddit|patreon"
    r"|zbrush central|sketchfab|shutterstock|getty|national geographic|trending|featured on|contest winner"
    r"|award ?winning"
    r"|unsplash|500px|konachan|safebooru|danbooru|midjourney|dall-?e|stable diffusion|disco diffusion|imagen"
)
# "by the sea" stays; "by" before anything that is not plainly a thing names a maker.
_MAKER = re.compile(
    r"(?<!covered)(?<!surrounded)(?<!lit)(?<!illuminated)(?<!followed)(?<!chased)(?<!attacked)(?<!carried)(?<!eaten)"
    r"(?<!pulled)(?<!swallowed)(?<!consumed)(?<!destroyed)(?<!overgrown)(?<!side)(?:\s|^)(?:(?:art(?:work)?|painted|painting|drawn|drawing|illustrat\w+|photo\w*|directed|designed|created|made|shot|"
    r"sculpt\w+|render\w*|style|concept art|cover|character design|works?)\s+)?by\s+"
    r"(?!the\b|a\b|an\b|his\b|her\b|their\b|its\b|candle|moon|fire|lamp|sun|neon|night|day|sea\b|water\b|hand\b|lantern|star|"
    r"light|torch|many|two|three|soft|warm|trees?\b|clouds?\b|flowers?\b|mountains?\b|fog\b|mist\b|ice\b|snow\b|darkness|nature).*$"
)
_STYLE_OF = re.compile(
    r"(?:\s|^)(?:(?:drawn |painted |made )?in the )?(?:art |visual |painting )?style of\b.*$|(?:\s|^)inspired by\b.*$"
)
_STARRING = re.compile(r"(?:\s|^)(?:starring|played by|portrayed by|directed|signed)\b.*$")
_DANGLING = re.compile(
    r"(?:\s+(?:and|or|of|by|with|in|on|at|the|a|an|to|for|from|as|very|his|her|its|is|are|but|into|&|-|\+|/))+$"
)


class NameFinder:
    """Find any of many names in a text, as whole words and without regard to case, accents or hyphens."""

    def __init__(self, names: Iterable[str]) -> None:
        keys = {key for name in names if (key := name_key(name))}
        self._names = keys | {key[::-1] for key in keys if len(key) == 2}  # "makoto shinkai" is also written reversed
        self._longest = max((len(key) for key in self._names), default=0)
        self._first_words = {key[0] for key in self._names}

    def __len__(self) -> int:
        return len(self._names)

    def find(self, text: str) -> str | None:
        """Return the first name in `text` as its key, or None when there is none."""
        words = name_key(text)
        for start, word in enumerate(words):
            if word not in self._first_words:
                continue
            for end in range(start + 1, min(start + self._longest, len(words)) + 1):
                if words[start:end] in self._names:
                    return " ".join(words[start:end])
        return None


def name_key(text: str) -> tuple[str, ...]:
    """Fold `text` to bare lower-case words for comparing names."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in plain if not unicodedata.combining(character)).lower()
    return tuple(re.findall(r"[a-z0-9]+", plain.replace("'", "")))


def holds_link(text: str) -> bool:
    """Say whether a text holds a link, or a handle or status text of a chat platform."""
    return _LINK_OR_HANDLE.search(text) is not None


def tidy(text: str) -> str:
    """Lower-case, re-join spaced-out numbers and units, and drop emphasis marks and weights."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = text.replace("’", "'").replace("—", "-").replace("–", "-")  # noqa: RUF001
    text = _WEIGHT.sub(", ", text)
    text = _SPACED_DIGITS.sub(lambda match: match.group().replace(" ", ""), text)
    text = _DECIMAL.sub(r"\1.\2", text)
    text = _APERTURE.sub(lambda match: f"f/{match[1]}" + (f".{match[2]}" if match[2] else ""), text)
    text = _SPACED_UNIT.sub(r"\1\2", text)
    text = _SPACED_HYPHEN.sub("-", text)
    text = _SPACED_APOSTROPHE.sub("'s", text)
    text = _EMPHASIS.sub(" ", text)
    return _SPACE.sub(" ", text).strip()


def clauses(text: str) -> list[str]:
    """Split a tidy text at its commas, semicolons, full stops and lone slashes; empty clauses fall away."""
    return [part.strip(" -+'#=<>") for part in _CLAUSE_BREAK.split(text) if part.strip(" -+'#=<>")]


def clean_clauses(text: str, names: NameFinder) -> list[str]:
    """Return the clauses of a prompt that may be learned from; empty when its first clause may not.

    Makers ("by …", "in the style of …"), listed names, sites, repeated clauses and dangling ends are dropped. A first
    clause that holds a listed name, a link or a handle drops the whole prompt, since its subject would be wrong.
    """
    if holds_link(text):
        return []
    kept: list[str] = []
    seen: set[str] = set()
    for index, raw in enumerate(clauses(tidy(text))):
        clause = _without_makers(raw)
        if not clause or names.find(clause) is not None or (index > 0 and _SITES.search(clause)):
            if index == 0:
                return []
            continue
        key = " ".join(name_key(clause))
        if key and key not in seen and _is_readable(clause):
            seen.add(key)
            kept.append(clause)
        elif index == 0:
            return []
    return kept


def _without_makers(clause: str) -> str:
    for pattern in (_MAKER, _STYLE_OF, _STARRING):
        clause = pattern.sub("", clause)
    return _DANGLING.sub("", clause).strip(" -+'")


def _is_readable(clause: str) -> bool:
    words = clause.split()
    has_letters = sum(character.isalpha() for character in clause) >= max(2, len(clause) // 2)
    return has_letters and len(words) <= 24 and max(map(len, words)) <= 24
