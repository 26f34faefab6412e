"""TOML tables to frozen dataclasses: an unknown key, a missing key or an ill-typed value is an error that names it.

Fields are plain values, `Literal` words, string enums, `X | None`, dataclasses (sections), lists, and tuples of
either a fixed length or any (an array of tables is a tuple of dataclasses). Only a field that has a default may be
left out.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

from core.errors import ConfigError

Config = TypeVar("Config")


def read_config(kind: type[Config], path: Path) -> Config:
    """Read a TOML file into `kind`, a dataclass whose fields are dataclasses (sections) or plain values.

    Raises:
        ConfigError: the file is missing or is not TOML, or a key is unknown, missing or of another type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not valid TOML: {error}.") from error
    return build_config(kind, table, where=str(path))


def build_config(kind: type[Config], table: Mapping[str, Any], *, where: str) -> Config:
    """Build `kind` from plain values, as TOML or JSON have them; `where` begins each refusal.

    Raises:
        ConfigError: a key is unknown, missing or of another type, or its value is impossible.
    """
    known = fields(kind)  # type: ignore[arg-type]
    types = {field.name: field.type for field in known}
    needed = {field.name for field in known if field.default is MISSING}
    for problem, keys in (("unknown", set(table) - set(types)), ("missing", needed - set(table))):
        if keys:
            raise ConfigError(f"{where}: {problem} key {min(keys)!r}; the keys are {', '.join(sorted(types))}.")
    try:
        return kind(**{name: _value(types[name], value, where=f"{where}: {name}") for name, value in table.items()})
    except ConfigError as error:
        raise ConfigError(str(error) if where in str(error) else f"{where}: {error}") from error


def _value(kind: Any, value: Any, *, where: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} = {value!r} must be a section of its own.")
        return build_config(kind, value, where=where)  # type: ignore[arg-type]
    if get_origin(kind) is UnionType:
        (kind,) = (choice for choice in get_args(kind) if choice is not NoneType)
        return None if value is None else _value(kind, value, where=where)
    if get_origin(kind) is Literal:
        return _word(get_args(kind), value, where=where)
    if get_origin(kind) is list:
        return _list(get_args(kind)[0], value, where=where)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, where=where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(_word(tuple(kind), value, where=where))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where} = {value!r} must be of type {kind.__name__}.")
    return value


def _word(words: tuple[str, ...], value: Any, *, where: str) -> str:
    if value not in words:
        raise ConfigError(f"{where} = {value!r} must be one of {', '.join(words)}.")
    return str(value)


def _list(kind: Any, values: Any, *, where: str) -> list[Any]:
    if not isinstance(values, list | tuple):
        raise ConfigError(f"{where} = {values!r} must be a list.")
    return [_value(kind, value, where=where) for value in values]


def _tuple(kinds: tuple[Any, ...], values: Any, *, where: str) -> tuple[Any, ...]:
    """Return as many values as `kinds` has types, or any number where it is one type and an ellipsis."""
    if kinds[-1] is ... or not isinstance(values, list | tuple):
        return tuple(_list(kinds[0], values, where=where))
    if len(values) != len(kinds):
        raise ConfigError(f"{where} = {values!r} must hold {len(kinds)} values.")
    return tuple(_value(kind, value, where=where) for kind, value in zip(kinds, values, strict=True))
