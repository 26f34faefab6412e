"""The names of Midjourney's model versions: `8.2` for `--v 8.2`, `niji 7` for `--niji 7`.

It knows their order and how to say a set of them in words, not what any of them can do.
"""

import re
from collections.abc import Collection, Iterator

NUMBERED_VERSIONS = ("1", "2", "3", "4", "5", "5.1", "5.2", "6", "6.1", "7", "8.1", "8.2")
NIJI_VERSIONS = ("niji 4", "niji 5", "niji 6", "niji 7")
ALL_VERSIONS = frozenset((*NUMBERED_VERSIONS, *NIJI_VERSIONS))
DEFAULT_VERSION = "8.2"

_NUMBERED = re.compile(r"(?:v|version)? ?([0-9]+(?:\.[0-9]+)?)", re.IGNORECASE)
_NIJI = re.compile(r"(?:n|niji) ?([0-9]+)", re.IGNORECASE)


def since(numbered: str, niji: str | None = None) -> frozenset[str]:
    """Return the versions from `numbered` on, with those from `niji` on (none if that is None)."""
    first = NUMBERED_VERSIONS.index(numbered)
    others = NIJI_VERSIONS[NIJI_VERSIONS.index(niji) :] if niji else ()
    return frozenset((*NUMBERED_VERSIONS[first:], *others))


def canonical_version(name: str) -> str | None:
    """Return the version that `name` (`8.2`, `v8.2`, `niji 7`, `n7`) means; None if there is none."""
    name = " ".join(name.split())
    if match := _NUMBERED.fullmatch(name):
        name = match[1].removesuffix(".0")
    elif match := _NIJI.fullmatch(name):
        name = f"niji {match[1]}"
    return name if name in ALL_VERSIONS else None


def titled(version: str) -> str:
    """Return how a sentence names one version: `version 8.2` or `niji 7`."""
    return version if version in NIJI_VERSIONS else f"version {version}"


def as_parameter(version: str) -> str:
    """Return the parameter that chooses `version`: `--v 8.2` or `--niji 7`."""
    return f"--{version}" if version in NIJI_VERSIONS else f"--v {version}"


def newest(versions: Collection[str]) -> str:
    """Return the newest of some versions, a numbered one where there is one."""
    return [version for version in (*NIJI_VERSIONS, *NUMBERED_VERSIONS) if version in versions][-1]


def in_words(versions: Collection[str]) -> str:
    """Return how a sentence names several versions: `versions 1 to 3, 5 to 8.2 and niji 6`."""
    numbered = list(_runs(NUMBERED_VERSIONS, versions))
    niji = [f"niji {run.replace('niji ', '')}" for run in _runs(NIJI_VERSIONS, versions)]
    is_one = len(numbered) == 1 and " " not in numbered[0]
    return ("version " if is_one else "versions " if numbered else "") + listed([*numbered, *niji], "and")


def listed(words: Collection[str], conjunction: str) -> str:
    """Return `words` as a sentence lists them: `1, 2 or 4`."""
    *head, last = words
    return f"{', '.join(head)} {conjunction} {last}" if head else last


def _runs(ordered: tuple[str, ...], chosen: Collection[str]) -> Iterator[str]:
    run: list[str] = []
    for version in (*ordered, ""):
        if version in chosen:
            run.append(version)
        elif run:
            yield run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}"
            run = []
