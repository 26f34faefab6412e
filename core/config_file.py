"""TOML tables to frozen dataclasses: an unknown key, a missing key or an ill-typed value is an error that names it."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

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
    return _build(kind, table, where=str(path))


def _build(kind: type[Config], table: Mapping[str, Any], *, where: str) -> Config:
    types = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    for problem, keys in (("unknown", set(table) - set(types)), ("missing", set(types) - set(table))):
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
        return _build(kind, value, where=where)  # type: ignore[arg-type]
    if get_origin(kind) is list:
        return _list(get_args(kind)[0], value, where=where)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where} = {value!r} must be of type {kind.__name__}.")
    return value


def _list(kind: Any, values: Any, *, where: str) -> list[Any]:
    if type(values) is not list:
        raise ConfigError(f"{where} = {values!r} must be a list.")
    return [_value(kind, value, where=where) for value in values]
