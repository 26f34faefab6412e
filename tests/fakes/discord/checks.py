"""Small checks that all the limits are written with; each raises the refusal that Discord would answer."""

from collections.abc import Sequence
from typing import Any

from tests.fakes.discord.errors import invalid


def require(is_right: bool, path: str, problem: str) -> None:
    """Raise the refusal 50035 unless `is_right`."""
    if not is_right:
        raise invalid(path, problem)


def text(value: object, path: str, *, minimum: int = 1, maximum: int) -> str:
    """Return `value` when it is a text whose length is allowed."""
    if not isinstance(value, str):
        raise invalid(path, f"must be a string, not {value!r}")
    require(minimum <= len(value) <= maximum, path, f"must be {minimum} to {maximum} in length, not {len(value)}")
    return value


def optional_text(value: object, path: str, *, minimum: int = 0, maximum: int) -> None:
    """Check `value` unless it is absent."""
    if value is not None:
        text(value, path, minimum=minimum, maximum=maximum)


def array(value: object, path: str, *, minimum: int = 0, maximum: int) -> list[dict[str, Any]]:
    """Return `value` when it is an array of objects whose length is allowed."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid(path, "must be an array of objects")
    require(minimum <= len(value) <= maximum, path, f"must hold {minimum} to {maximum} items, not {len(value)}")
    return value


def whole(value: object, path: str, *, minimum: int, maximum: int) -> int:
    """Return `value` when it is a whole number in range."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(path, f"must be a whole number, not {value!r}")
    require(minimum <= value <= maximum, path, f"must be {minimum} to {maximum}, not {value}")
    return value


def optional_flag(value: object, path: str) -> None:
    """Check that `value` is absent, true or false."""
    require(value is None or isinstance(value, bool), path, f"must be true or false, not {value!r}")


def distinct(values: Sequence[object], path: str) -> None:
    """Check that no value comes twice."""
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    require(not twice, path, f"must be unique, but comes twice: {', '.join(twice)}")
