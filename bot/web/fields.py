"""Checking the type of one value that a web client sent, so that a handler sees only well-typed ones.

Each refusal is one sentence that names the field, what was found and what to send. What a value means is not known
here.
"""

from enum import StrEnum
from typing import TypeVar

from core.characters import shown
from core.errors import InvalidBody

Choice = TypeVar("Choice", bound=StrEnum)


def as_text(value: object, *, field: str) -> str:
    """Return `value` as text. Raises: InvalidBody."""
    if not isinstance(value, str):
        raise InvalidBody(f'"{field}" is {json_type(value)}; send text in quotation marks.')
    return value


def as_optional_text(value: object, *, field: str) -> str | None:
    """Return `value` as text, None for null. Raises: InvalidBody."""
    return None if value is None else as_text(value, field=field)


def as_flag(value: object, *, field: str) -> bool:
    """Return `value` as true or false. Raises: InvalidBody."""
    if not isinstance(value, bool):
        raise InvalidBody(f'"{field}" is {json_type(value)}; send true or false.')
    return value


def as_optional_flag(value: object, *, field: str) -> bool | None:
    """Return `value` as true or false, None for null. Raises: InvalidBody."""
    return None if value is None else as_flag(value, field=field)


def as_optional_count(value: object, *, field: str) -> int | None:
    """Return `value` as a whole number, None for null. Raises: InvalidBody."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidBody(f'"{field}" is {json_type(value)}; send a whole number.')
    return value


def as_choice(value: object, choices: type[Choice], *, field: str) -> Choice:
    """Return `value` as one of `choices`. Raises: InvalidBody."""
    return _chosen(value, choices, field=field, others=())


def as_optional_choice(value: object, choices: type[Choice], *, field: str) -> Choice | None:
    """Return `value` as one of `choices`, None for null. Raises: InvalidBody."""
    return None if value is None else _chosen(value, choices, field=field, others=("null",))


def json_type(value: object) -> str:
    """Return how a sentence names the type of a JSON value."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _chosen(value: object, choices: type[Choice], *, field: str, others: tuple[str, ...]) -> Choice:
    for choice in choices:
        if value == choice.value:
            return choice
    found = f'"{shown(value)}"' if isinstance(value, str) else json_type(value)
    *most, last = (*(f'"{choice.value}"' for choice in choices), *others)
    raise InvalidBody(f'"{field}" is {found}; send {", ".join(most)} or {last}.')
