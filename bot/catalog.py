"""The texts that people read, one TOML file a language: English is whole, any other falls back to it.

A third party adds a language by one more file in bot/locales, named after its tag (`fr.toml`, `pt-BR.toml`). Tables
become dotted keys, and `{name}` stands for a value. It does not know who reads, or on which platform.
"""

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from core.errors import ConfigError
from core.logs import get_logger

LOCALES_FOLDER = Path(__file__).parent / "locales"
FALLBACK_LANGUAGE = "en"

_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,4})?")
_FIELD = re.compile(r"[a-z_]+")

Texts = Mapping[str, str]


class Catalogs:
    """Every language's texts; made by `load`."""

    def __init__(self, texts: Mapping[str, Texts]) -> None:
        self._texts = texts
        self._by_tag = {language.casefold(): language for language in texts}

    @classmethod
    def load(cls, folder: Path = LOCALES_FOLDER) -> Self:
        """Read every language in `folder`.

        Raises:
            ConfigError: a file cannot be read, is no TOML, or has a text or placeholder that cannot be shown; the
                message names the file.
        """
        files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
        if FALLBACK_LANGUAGE not in files:
            raise ConfigError(f"The texts {folder / FALLBACK_LANGUAGE}.toml are missing; every language needs them.")
        english = _read(files.pop(FALLBACK_LANGUAGE))
        others = {language: _read_other(path, english) for language, path in files.items()}
        return cls({FALLBACK_LANGUAGE: english, **others})

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have texts, English first."""
        return tuple(self._texts)

    def keys(self, language: str) -> frozenset[str]:
        """Return the keys that a language has texts of its own for."""
        return frozenset(self._texts.get(language, ()))

    def language(self, *preferences: str | None) -> str:
        """Return the first language of the tags (`de`, `en-US`, `de_AT`) that has texts; English if none has."""
        for preference in preferences:
            tag = (preference or "").replace("_", "-").casefold()
            primary = tag.partition("-")[0]
            for known, language in self._by_tag.items():
                if known == tag:
                    return language
            for known, language in self._by_tag.items():
                if primary and known.partition("-")[0] == primary:
                    return language
        return FALLBACK_LANGUAGE

    def text(self, language: str, key: str, **values: object) -> str:
        """Return a text with its values; English where the language or its text is missing.

        Raises:
            KeyError: English has no such text, or a value that it needs was not given.
        """
        return self.template(language, key).format(**values)

    def template(self, language: str, key: str) -> str:
        """Return a text with its placeholders; English where the language or its text is missing.

        Raises:
            KeyError: English has no such text.
        """
        template = self._texts.get(language, {}).get(key)
        return self._texts[FALLBACK_LANGUAGE][key] if template is None else template


def placeholders(template: str) -> frozenset[str]:
    """Return the names in braces of one text."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def _read_other(path: Path, english: Texts) -> Texts:
    """Read a language beside English; texts that English does not have are of another version, and left out."""
    if not _TAG.fullmatch(path.stem):
        raise ConfigError(f"The texts {path} are named after no language; name them like de.toml or pt-BR.toml.")
    texts = _read(path)
    for key, template in texts.items():
        surplus = placeholders(template) - placeholders(english.get(key, template))
        if surplus:
            raise ConfigError(f"The texts {path} have a placeholder {{{min(surplus)}}} in {key} that nothing fills.")
    unknown = texts.keys() - english.keys()
    if unknown:
        get_logger(__name__).warning("catalog.unknown_keys", language=path.stem, keys=sorted(unknown))
    return {key: template for key, template in texts.items() if key in english}


def _read(path: Path) -> Texts:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The texts {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The texts {path} are not valid TOML: {error}.") from error
    return dict(_flat(table, "", path))


def _flat(table: Mapping[str, object], prefix: str, path: Path) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{key}.", path)
        elif isinstance(value, str):
            _require_showable(key, value, path)
            yield key, value
        else:
            raise ConfigError(f"The texts {path} have {value!r} in {key}; write a text in quotes.")


def _require_showable(key: str, template: str, path: Path) -> None:
    try:
        names = placeholders(template)
    except ValueError as error:
        raise ConfigError(f"The texts {path} have unmatched braces in {key}; double the ones to be shown.") from error
    strange = sorted(name for name in names if not _FIELD.fullmatch(name))
    if strange:
        raise ConfigError(f"The texts {path} have {{{strange[0]}}} in {key}; a placeholder is a plain name.")
